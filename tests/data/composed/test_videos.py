from pathlib import Path

import numpy as np

from avadclip.data.bags import Dataset
from avadclip.data.composed.dataset import plan_composed
from avadclip.data.composed.picture import RecordingPicture, frames_of
from avadclip.data.composed.videos import write_composed_videos
from avadclip.data.label_csv import read_label_csv
from avadclip.data.synthetic import SPLITS
from avadclip.encoders.base import Encoders
from avadclip.features.extract import extract_features

FILE_TOLERANCE = 1e-5  # of features extracted from a written video


def test_a_written_video_has_the_features_made_directly(
    tiny: Dataset, recordings_folder: Path, lite: Encoders, tmp_path: Path
) -> None:
    damaged = [index for index, bag in enumerate(tiny.test) if (bag.composition.picture_damage != "").any()]
    paths = write_composed_videos(f"tiny:{recordings_folder}", tmp_path, split="test", limit=damaged[0] + 1)
    assert len(paths) == damaged[0] + 1
    for path, bag in zip(paths, tiny.test, strict=False):
        extracted, direct = extract_features(path, lite), bag.load()
        assert extracted.notes == ()
        np.testing.assert_allclose(extracted.visual, direct.visual, rtol=0, atol=FILE_TOLERANCE)
        np.testing.assert_allclose(extracted.audio, direct.audio, rtol=0, atol=FILE_TOLERANCE)
        assert len(direct.tags) == len(direct)
        for likeliest in direct.tags.indices[:, 0]:
            name = direct.tags.names[likeliest]
            found, made = (tags.probability_of([name]) for tags in (extracted.tags, direct.tags))
            np.testing.assert_allclose(found, made, rtol=0, atol=1e-3)


def test_written_videos_are_a_dataset_of_their_own(tiny: Dataset, recordings_folder: Path, tmp_path: Path) -> None:
    write_composed_videos(f"tiny:{recordings_folder}", tmp_path / "test", split="test", limit=2)
    write_composed_videos(f"tiny:{recordings_folder}", tmp_path / "train", split="train", limit=2)
    for split in ("test", "train"):
        for video, bag in zip(read_label_csv(tmp_path / split / "labels.csv"), tiny.bags_of(split), strict=False):
            assert (tmp_path / split / video.video).is_file()
            assert (video.video, video.split) == (f"{bag.name}.mkv", split)
            assert set(video.labels) == {name for name, target in zip(tiny.classes, bag.targets, strict=True) if target}
            assert video.intervals == bag.intervals
    assert set((tmp_path / "train" / "licences.txt").read_text().splitlines()) <= set(tiny.licences)


def test_frames_of_one_pass_are_those_of_a_pass_for_each_snippet(recordings_folder: Path) -> None:
    composed = plan_composed("tiny", recordings_folder)
    plans = [plan for split in SPLITS for plan in composed.sequences[split]]
    by_fault = {plan.picture_damage.fault: plan for plan in plans if plan.picture_damage}
    for fault in ("frozen", "dark"):
        plan = by_fault[fault]
        found = list(frames_of(plan, composed.recordings))
        assert len(found) == 16 * plan.num_snippets
        for number, shown in enumerate(plan.shown()):
            picture = RecordingPicture(composed.recordings[shown.recording], shown.fault)
            times = [(16 * shown.snippet + frame) / 24 for frame in range(16)]
            alone = list(picture.frames_at(times))
            np.testing.assert_array_equal(found[16 * number : 16 * number + len(alone)], alone)
