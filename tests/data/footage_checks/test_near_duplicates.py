import numpy as np
import pytest

from avadclip.data.footage_checks.near_duplicates import check_near_duplicates
from avadclip.data.footage_checks.videos import FootageVideo
from avadclip.features.snippets import SnippetFeatures


def features(rows: np.ndarray) -> SnippetFeatures:
    return SnippetFeatures.from_arrays(rows.astype(np.float32), visual_encoder="i3d")


def drawn(seed: int, num: int = 40) -> list[FootageVideo]:
    """Videos of their own recordings; in high dimensions no two random directions are alike."""
    random = np.random.default_rng(seed)
    return [
        FootageVideo(
            f"{index}.mp4",
            f"{index}",
            "test" if index % 4 == 0 else "train",
            ("fighting",) if index % 2 else ("normal",),
            None,
            True,
            features(random.normal(size=(12, 64))),
        )
        for index in range(num)
    ]


def copied(videos: list[FootageVideo], copy: int, of: int) -> list[FootageVideo]:
    """The videos, one of which shows what another does, a little noisier."""
    source = videos[of].features
    assert source is not None
    noise = 0.02 * np.random.default_rng(9).normal(size=source.visual.shape)
    return [
        video._replace(features=features((source.visual + noise)[0])) if index == copy else video
        for index, video in enumerate(videos)
    ]


def test_a_copy_in_another_split_is_named_before_one_in_another_group() -> None:
    warning = check_near_duplicates(copied(copied(drawn(0), 2, 1), 8, 3))
    assert warning is not None
    assert warning.kind == "near-duplicates"
    assert warning.text.startswith("1 pair of videos in different splits look nearly equal, the first 3.mp4 and 8.mp4")


def test_a_copy_in_another_group_of_the_same_split_is_found() -> None:
    warning = check_near_duplicates(copied(drawn(0), 2, 1))
    assert warning is not None
    assert "in different groups look nearly equal, the first 1.mp4 and 2.mp4" in warning.text


def test_a_copy_in_the_same_group_is_what_groups_are_for() -> None:
    videos = copied(drawn(0), 2, 1)
    assert (
        check_near_duplicates([video._replace(group="1") if video.name == "2.mp4" else video for video in videos])
        is None
    )


@pytest.mark.parametrize("seed", range(5))
def test_different_videos_are_no_duplicates(seed: int) -> None:
    assert check_near_duplicates(drawn(seed)) is None


def test_one_fixed_camera_is_no_heap_of_duplicates() -> None:
    same = features(np.ones((12, 64)))
    assert check_near_duplicates([video._replace(features=same) for video in drawn(0)]) is None
    assert check_near_duplicates([video._replace(features=None) for video in drawn(0)]) is None
