import pytest

from avadclip.apps.own_footage.networks import choose_start, own_recipe, supported_students
from avadclip.inference.networks import AUDIO_STUDENT, VISUAL_STUDENT

from .conftest import MakeBags


def test_silent_footage_is_picture_only_and_this_is_said(make_bags: MakeBags) -> None:
    supported = supported_students(make_bags(3, 4))
    assert supported.students == (VISUAL_STUDENT,)
    assert supported.reason.startswith("picture only: 0 of 3 normal videos and 0 of 4 anomalous videos")


@pytest.mark.parametrize(
    ("num_normal_audible", "num_anomalous_audible", "has_sound"),
    [(10, 10, True), (20, 20, True), (9, 20, False), (20, 9, False)],
)
def test_sound_needs_ten_audible_videos_of_each_kind(
    make_bags: MakeBags, num_normal_audible: int, num_anomalous_audible: int, has_sound: bool
) -> None:
    audible = [index < num_normal_audible for index in range(20)] + [
        index < num_anomalous_audible for index in range(20)
    ]
    students = supported_students(make_bags(20, 20, audible=audible)).students
    assert students == ((VISUAL_STUDENT, AUDIO_STUDENT) if has_sound else (VISUAL_STUDENT,))


def test_sound_needs_half_of_each_kind_or_silence_would_tell_them_apart(make_bags: MakeBags) -> None:
    audible = [index < 10 for index in range(21)] + [True] * 12
    assert supported_students(make_bags(21, 12, audible=audible)).students == (VISUAL_STUDENT,)


def test_each_student_has_its_recipe_in_the_package() -> None:
    for student in (VISUAL_STUDENT, AUDIO_STUDENT):
        assert own_recipe(student).network_kind == student
    assert own_recipe(VISUAL_STUDENT).network.embed_dim == own_recipe(AUDIO_STUDENT).network.embed_dim == 64


def test_features_that_starter_does_not_read_start_from_scratch_and_this_is_said(make_bags: MakeBags) -> None:
    start = choose_start([VISUAL_STUDENT], make_bags(), ("normal", "fighting"), from_scratch=False)
    assert not start.students
    assert "random weights: starter reads other features" in start.reason
