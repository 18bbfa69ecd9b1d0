import pytest

from avadclip.data.footage_checks.sound_by_kind import check_sound
from avadclip.data.footage_checks.videos import FootageVideo

from .made_footage import make_footage


def videos(anomalous: tuple[int, int], normal: tuple[int, int], *, per_recording: int = 1) -> list[FootageVideo]:
    """So many with sound of so many, of each kind."""
    return [
        FootageVideo(
            f"{label} {number}", f"{label} {number // per_recording}", None, (label,), None, number < num_audible
        )
        for label, (num_audible, num) in (("fighting", anomalous), ("normal", normal))
        for number in range(num)
    ]


@pytest.mark.parametrize(
    ("anomalous", "normal", "words"),
    [
        ((40, 60), (0, 60), "40 of 60 anomalous videos have sound, but only 0 of 60 normal ones"),
        ((55, 60), (3, 60), "55 of 60 anomalous videos have sound, but only 3 of 60 normal ones"),
        ((1, 30), (25, 40), "25 of 40 normal videos have sound, but only 1 of 30 anomalous ones"),
        ((12, 200), (0, 200), "12 of 200 anomalous videos have sound, but only 0 of 200 normal ones"),
    ],
)
def test_sound_nearly_only_in_one_kind_is_a_flaw(
    anomalous: tuple[int, int], normal: tuple[int, int], words: str
) -> None:
    warning = check_sound(videos(anomalous, normal))
    assert warning is not None
    assert warning.kind == "sound in one class"
    assert warning.text.startswith(words)


@pytest.mark.parametrize(
    ("anomalous", "normal"),
    [
        ((3, 3), (0, 3)),  # chance: 1 of 20
        ((3, 40), (0, 40)),
        ((0, 40), (0, 40)),
        ((40, 40), (40, 40)),
        ((40, 60), (25, 60)),  # more often, but of both kinds
        ((5, 9), (0, 0)),
    ],
)
def test_few_videos_and_sound_in_both_kinds_are_none(anomalous: tuple[int, int], normal: tuple[int, int]) -> None:
    assert check_sound(videos(anomalous, normal)) is None


def test_videos_of_three_recordings_are_three_microphones() -> None:
    assert check_sound(videos((60, 60), (0, 60), per_recording=20)) is None
    assert check_sound(videos((60, 60), (0, 60), per_recording=6)) is not None


@pytest.mark.parametrize("mixed", [False, True])
def test_sound_by_chance_seldom_alarms(mixed: bool) -> None:
    found = [check_sound(make_footage(seed, num_recordings=30, mixed=mixed)) for seed in range(200)]
    assert sum(warning is not None for warning in found) <= 4  # at most 1 of 100 is expected
