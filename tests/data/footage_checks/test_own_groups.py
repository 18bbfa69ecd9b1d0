import numpy as np
import pytest

from avadclip.data.footage_checks.own_groups import collapses, group_videos, near_duplicates, recording_of
from avadclip.data.label_csv import LabelledVideo
from avadclip.features.snippets import SnippetFeatures


def video(name: str, label: str = "normal", group: str | None = None) -> LabelledVideo:
    return LabelledVideo(name, (label,), None, "train", group or name, "labels.csv:2")


def unlike(number: int, num_snippets: int = 4) -> SnippetFeatures:
    """Features that are like those of no other number."""
    rows = np.random.default_rng(number).normal(size=(1, num_snippets, 64)).astype(np.float32)
    return SnippetFeatures(rows, None, 1.0, None)


def groups_of(videos: list[LabelledVideo], features: list[SnippetFeatures] | None = None) -> list[str]:
    return group_videos(videos, features or [unlike(number) for number in range(len(videos))]).groups


@pytest.mark.parametrize(
    "name",
    [
        "cam3.mp4",
        "cam3_part2.mp4",
        "cam3 (1).mp4",
        "cam3-02.mp4",
        "CAM3.Part 11.MKV",
        "cam3 - copy.mp4",
        "cam3_part2 (1).mp4",
        "fighting/cam3-7 (2).mp4",
        "C:\\yard\\cam3_clip04.avi",
    ],
)
def test_parts_and_copies_are_of_one_recording(name: str) -> None:
    assert recording_of(name) == "cam3"


@pytest.mark.parametrize("name", ["cam4.mp4", "cam31.mp4", "cam3b.mp4", "party3.mp4", "cam3_2024.mp4"])
def test_other_names_are_of_other_recordings(name: str) -> None:
    assert recording_of(name) != "cam3"


def test_a_name_that_is_a_number_tells_no_recording() -> None:
    assert recording_of("normal/001.mp4") != recording_of("fighting/001.mp4")
    assert recording_of("normal/2024-05-01.mp4") != recording_of("normal/2024-05-02.mp4")


def test_the_group_of_the_labels_goes_before_the_name() -> None:
    videos = [video("a_part1.mp4", group="monday"), video("a_part2.mp4", group="tuesday"), video("b.mp4")]
    assert groups_of(videos, [unlike(1), unlike(1), unlike(2)]) == ["monday", "tuesday", "b"]


def test_numbers_that_count_videos_are_no_parts_and_this_is_said() -> None:
    videos = [video(f"{label}_{n:02d}.mp4", label) for label in ("normal", "fight") for n in range(6)]
    grouping = group_videos(videos, [unlike(number) for number in range(12)])
    assert len(set(grouping.groups)) == 12
    assert "column `group`" in grouping.notes[0]


def test_a_copy_and_a_cut_are_near_duplicates_and_another_video_is_not() -> None:
    whole = unlike(1, 8)
    noise = 0.1 * np.random.default_rng(0).normal(size=whole.visual.shape).astype(np.float32)
    copy = SnippetFeatures(whole.visual * 2 + noise, None, 1.0, None)  # brighter, and coded again
    cut = SnippetFeatures(whole.visual[:, 3:5], None, 1.0, None)
    assert near_duplicates([whole, unlike(2), copy, cut]) == [(0, 2), (0, 3), (2, 3)]
    assert near_duplicates([cut, whole]) == [(0, 1)]
    assert near_duplicates([whole]) == []


def test_near_duplicates_are_of_one_recording_whatever_they_are_called() -> None:
    videos = [video("a.mp4"), video("b.mp4"), video("c.mp4", "fight"), video("d.mp4", group="yard")]
    same = unlike(1)
    one, other, third, named = groups_of(videos, [same, unlike(2), same, same])
    assert one == third == named == "yard"
    assert other == "b"


def test_videos_of_one_fixed_camera_are_kept_apart_and_this_is_said() -> None:
    videos = [video(f"{name}.mp4", label) for label in ("normal", "fight") for name in f"{label}abcdefgh"]
    grouping = group_videos(videos, [unlike(1)] * len(videos))
    assert len(set(grouping.groups)) > 6
    assert "one fixed camera" in grouping.notes[0]


def test_a_group_collapses_a_kind_of_five_videos_or_more() -> None:
    assert collapses(list("aaabb"), [True] * 5)
    assert not collapses(list("aaab"), [True] * 4)
    assert not collapses(list("aabbcc"), [True] * 6)
    assert collapses(list("abcdeaaabb"), [False] * 5 + [True] * 5)
