import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avadclip.data.bags import bin_bag, collate
from avadclip.data.datasets import load_dataset
from avadclip.data.published.load import BENCHMARKS
from avadclip.errors import ConfigError, DataError, FeatureError
from avadclip.evaluation.truths import video_truth
from avadclip.features.snippets import Provenance, SnippetFeatures
from avadclip.features.store import write_features
from avadclip.media.probe import probe
from avadclip.timeline import SnippetGrid

from ..published_xd import CROPS, TEST, TRAIN, rows, write_video

BOTH = "Film.C.2003__#00-01-00_00-01-20_label_B2-G-0"


def load(folder: Path, **options):
    return load_dataset(f"xd-violence:{folder}", **options)


def test_every_crop_is_a_training_bag_and_held_out_videos_have_one(xd):
    dataset = load(xd, seed=1)
    held_out = {bag.name for bag in dataset.validation}
    assert held_out < set(TRAIN)
    assert {bag.is_anomalous for bag in dataset.validation} == {False, True}
    assert sorted(bag.name for bag in dataset.train) == sorted(
        f"{name}__{crop}" for name in TRAIN if name not in held_out for crop in CROPS
    )
    assert {bag.group for bag in dataset.train} & {bag.group for bag in dataset.validation} == set()
    for bag in (*dataset.train, *dataset.validation):
        name, _, crop = bag.name.rpartition("__") if bag.name not in TRAIN else (bag.name, "", 0)
        np.testing.assert_array_equal(bag.load().visual[0], rows(name, TRAIN[name], int(crop)))
        np.testing.assert_array_equal(bag.load().audio, rows(name, TRAIN[name], 99))
        assert bag.intervals is None


def test_code_sets_become_targets(xd):
    dataset = load(xd)
    (bag,) = [bag for bag in dataset.test if bag.name == BOTH]
    assert [label for label, is_set in zip(dataset.classes, bag.targets, strict=True) if is_set] == [
        "shooting",
        "explosion",
    ]
    assert dataset.classes == ("normal", "fighting", "shooting", "riot", "abuse", "car accident", "explosion")


def test_test_truth_is_the_annotated_frames(xd):
    dataset = load(xd)
    truths = {bag.name: video_truth(bag, dataset.classes, dataset.grid) for bag in dataset.test}
    assert list(truths) == list(TEST)
    both = truths[BOTH]
    # Frame 150 is anomalous, though neither class has it: the two files are kept apart.
    assert np.flatnonzero(both.is_positive).tolist() == [*range(10, 40), *range(100, 200)]
    assert [tuple(each) for each in both.intervals] == [(2, 10, 40), (2, 100, 150), (6, 151, 200)]
    # 165 frames are 10 snippets: the annotation runs on, the truth is cut.
    short = truths["v=ghi__#1_label_B1-0-0"]
    assert np.flatnonzero(short.is_positive).tolist() == list(range(150, 160))
    assert [tuple(each) for each in short.intervals] == [(1, 150, 165)]
    assert not truths["v=jkl__#1_label_A"].is_positive.any()


@given(st.integers(0, 10**7), st.sampled_from([23.976, 24.0, 25.0, 29.97, 30.0, 59.94]))
def test_whole_frames_survive_the_way_through_seconds(frame, frame_rate_hz):
    assert round(frame / frame_rate_hz * frame_rate_hz) == frame


def test_features_are_read_lazily_and_not_kept(xd):
    dataset = load(xd)
    bag = dataset.train[0]
    before = len(bag.stored), bag.stored.has_usable_sound, bag.stored.audio_width
    assert bag.load() is not bag.load()
    path = bag.stored.visual_path
    np.save(path, 2 * np.load(path))
    assert (bag.load().visual[0] == np.load(path)).all()
    path.unlink()
    assert (len(bag.stored), bag.stored.has_usable_sound, bag.stored.audio_width) == before
    with pytest.raises(FeatureError, match=path.name.replace("#", "\\#")):
        bag.load()


def test_long_stored_bags_are_binned_as_they_are_read(xd):
    (long, *_) = [bag for bag in (*load(xd).train, *load(xd).validation) if len(bag.stored) == 300]
    binned = bin_bag(long)
    assert len(binned.stored) == 256
    assert not isinstance(binned.stored, SnippetFeatures)
    in_memory = bin_bag(dataclasses.replace(long, stored=long.load())).load()
    np.testing.assert_array_equal(binned.load().visual, in_memory.visual)
    np.testing.assert_array_equal(binned.load().audio, in_memory.audio)
    batch = collate([binned, bin_bag(load(xd).train[0])])
    assert batch.bags.visual.shape == (2, 256, 8)


@pytest.mark.parametrize("length", [1, 255, 256, 257, 512, 2074])
def test_lengths(xd, length):
    name = "v=jkl__#1_label_A"
    write_video(xd, name, length, crops=range(1), split="Test")
    (xd / "test_frame_counts.txt").write_text(f"{name}@{16 * length + 3}\n")
    dataset = load(xd)
    (bag,) = [bag for bag in dataset.test if bag.name == name]
    assert (len(bag.stored), len(bag.load())) == (length, length)
    assert len(video_truth(bag, dataset.classes, dataset.grid).is_positive) == 16 * length
    assert any("in 1 of 1 test videos" in note for note in dataset.notes)


def test_one_audio_row_more_or_less_is_mended_and_noted(xd):
    path = xd / "XDTestClapFeatures" / f"{BOTH}.npy"
    np.save(path, rows(BOTH, TEST[BOTH] // 16 + 1))
    (bag,) = [bag for bag in load(xd).test if bag.name == BOTH]
    assert len(bag.load().audio) == len(bag.load())
    assert bag.load().notes == ("last audio row dropped: one more than visual rows",)


def test_a_list_decides_the_test_crop(xd):
    """The authors test on crop 5, others on crop 0: what is listed is what is used, and the notes say so."""
    lines = []
    for name, num_frames in TEST.items():
        np.save(xd / "XDTestClipFeatures" / f"{name}__5.npy", rows(name, num_frames // 16, 5))
        lines.append(f"/home/wp/{name}__5.npy,/home/wp/{name}.npy,{name.rpartition('_label_')[2]}\n")
    assert any("crop 0" in note for note in load(xd).notes)
    (xd / "xd_CLIP_rgbtest.csv").write_text("path,audio_path,label\n" + "".join(lines))
    dataset = load(xd)
    assert any("crop 5" in note for note in dataset.notes)
    np.testing.assert_array_equal(dataset.test[0].load().visual[0], rows(BOTH, 30, 5))


def test_an_unusable_split_is_skipped_completely_with_the_reason(xd):
    (xd / "XDTestClipFeatures" / f"{BOTH}__0.npy").unlink()
    dataset = load(xd)
    assert (dataset.test, len(dataset.train) > 0) == ((), True)
    with pytest.raises(DataError, match=rf"the test split of xd-violence holds no videos: {BOTH.replace('#', '.')}"):
        dataset.bags_of("test")
    with pytest.raises(DataError, match=r"`evaluate --partial` measures the 3 videos that are ready$"):
        dataset.bags_of("test")
    assert any(note.startswith("test split skipped: ") for note in dataset.notes)
    for path in (xd / "XDTrainClipFeatures").iterdir():
        path.unlink()
    with pytest.raises(
        DataError, match=r"XD-Violence in .* is unusable: .*train: there are no features of its 6 videos"
    ):
        load(xd)


def test_a_part_of_the_test_is_used_on_request_and_its_share_noted(xd):
    (xd / "XDTestClipFeatures" / f"{BOTH}__0.npy").unlink()
    damaged = next(path for path in (xd / "XDTestClipFeatures").iterdir() if "v=ghi" in path.name)
    damaged.write_bytes(b"nothing")
    dataset = load(xd, partial=True)
    assert len(dataset.test) == 2
    note = next(note for note in dataset.notes if note.startswith("partial: "))
    assert note.startswith("partial: 2 of the 800 published test videos (0.2 %), 0 of them anomalous; left out: ")
    assert "1 missing" in note
    assert "1 unreadable" in note


def test_a_part_of_nothing_is_refused(xd):
    for path in xd.glob("XD*ClipFeatures/*"):
        path.unlink()
    with pytest.raises(DataError, match="is unusable"):
        load(xd, partial=True)


def test_a_test_split_alone_is_enough_to_evaluate(xd):
    for path in (*(xd / "XDTrainClipFeatures").iterdir(), *(xd / "XDTrainClapFeatures").iterdir()):
        path.unlink()
    dataset = load(xd)
    assert (len(dataset.test), dataset.train, dataset.validation) == (4, (), ())
    with pytest.raises(DataError, match=r"validation split .* part of the training videos"):
        dataset.bags_of("validation")


def test_features_without_any_sound_are_visual_only(xd):
    for path in xd.glob("XD*ClapFeatures/*"):
        path.unlink()
    dataset = load(xd)
    assert {bag.stored.has_usable_sound for bag in (*dataset.train, *dataset.test)} == {False}
    assert dataset.test[0].load().audio is None


def extracted(num_snippets: int, *, grid: SnippetGrid, crops: int = 1) -> SnippetFeatures:
    return SnippetFeatures(
        visual=np.arange(crops, dtype=np.float32)[:, None, None] + np.zeros((crops, num_snippets, 4), np.float32),
        audio=np.zeros((num_snippets, 3), np.float32),
        duration_seconds=num_snippets * grid.snippet_seconds,
        provenance=Provenance(grid=grid, visual={"name": "made-up"}, audio={"name": "made-up"}),
        source_sha256="0" * 64,
    )


def test_extracted_features_are_read_by_time_not_by_frame(tmp_path):
    """UCF-Crime is annotated in frames at 30 fps, features are extracted at 24: frame 300 is second 10 is frame 240."""
    (tmp_path / "Anomaly_Train.txt").write_text("Abuse/A1_x264.mp4\nTraining_Normal_Videos_Anomaly/N1_x264.mp4\n")
    (tmp_path / "Anomaly_Test.txt").write_text("Abuse/A2_x264.mp4\nTesting_Normal_Videos_Anomaly/N2_x264.mp4\n")
    (tmp_path / "Temporal_Anomaly_Annotation.txt").write_text(
        "A2_x264  Abuse  300  450  -1  -1  \nN2_x264  Normal  -1  -1  -1  -1  \n"
    )
    for name in ("A1", "N1", "A2", "N2"):
        write_features(tmp_path / "features" / f"{name}_x264.safetensors", extracted(40, grid=SnippetGrid(), crops=2))
    dataset = load_dataset(f"ucf-crime:{tmp_path}")
    assert dataset.grid == SnippetGrid(16, 24.0)
    assert sorted(bag.name for bag in (*dataset.train, *dataset.validation)) == [
        "A1_x264__0",
        "A1_x264__1",
        "N1_x264__0",
        "N1_x264__1",
    ]
    assert sorted({float(bag.load().visual[0, 0, 0]) for bag in dataset.train}) == [0.0, 1.0]
    assert all(bag.load().visual.shape == (1, 40, 4) for bag in (*dataset.train, *dataset.test))
    truth = video_truth(dataset.test[0], dataset.classes, dataset.grid)
    assert np.flatnonzero(truth.is_positive).tolist() == list(range(240, 360))


def test_extracted_cctv_features_need_the_videos_own_frame_rate(tmp_path):
    (tmp_path / "annotations_cctv.txt").write_text("fight_1_label_B1-0-0 10 20\n")
    grid = SnippetGrid(snippet_frames=4)
    write_features(tmp_path / "fight_1_label_B1-0-0.safetensors", extracted(40, grid=grid))
    with pytest.raises(DataError, match=r"fight_1_label_B1-0-0 is annotated in frames of its own rate.*put the video"):
        load_dataset(f"cctv-fights:{tmp_path}")


def test_extracted_cctv_features_take_the_frame_rate_from_the_video(tmp_path, sample_videos):
    name, video = "fight_1_label_B1-0-0", sample_videos[1]
    rate = probe(video).frame_rate_hz
    assert rate == 25.0
    (tmp_path / f"{name}.mp4").symlink_to(video)
    (tmp_path / "annotations_cctv.txt").write_text(f"{name} 25 50\n")
    write_features(tmp_path / f"{name}.safetensors", extracted(40, grid=SnippetGrid(snippet_frames=4)))
    dataset = load_dataset(f"cctv-fights:{tmp_path}")
    truth = video_truth(dataset.test[0], dataset.classes, dataset.grid)
    assert np.flatnonzero(truth.is_positive).tolist() == list(range(24, 48))  # second 1 to 2, at 24 frames a second


def test_published_cctv_features_have_four_frames_a_snippet(tmp_path):
    name = "fight_1_label_B1-0-0"
    (tmp_path / "annotations_cctv.txt").write_text(f"{name} 10 20\n")
    np.save(tmp_path / f"{name}__0.npy", rows(name, 40))
    dataset = load_dataset(f"cctv-fights:{tmp_path}")
    truth = video_truth(dataset.test[0], dataset.classes, dataset.grid)
    assert (len(truth.is_positive), np.flatnonzero(truth.is_positive).tolist()) == (160, list(range(10, 20)))
    assert any("45.5" in note for note in dataset.notes)


def test_features_may_lie_in_a_folder_of_their_own(xd, tmp_path):
    apart = tmp_path / "elsewhere"
    apart.mkdir()
    for folder in xd.glob("XD*Features"):
        folder.rename(apart / folder.name)
    assert len(load(xd, features=apart).test) == 4
    (xd / "linked").symlink_to(apart)
    assert len(load(xd).test) == 4


def test_names_of_benchmarks_are_listed(tmp_path):
    with pytest.raises(ConfigError, match=r"xd-violence:FOLDER, cctv-fights:FOLDER, ucf-crime:FOLDER"):
        load_dataset("xd-violins:/data")
    with pytest.raises(DataError, match=r"/nowhere: no such folder"):
        load_dataset("xd-violence:/nowhere")
    assert set(BENCHMARKS) == {"xd-violence", "cctv-fights", "ucf-crime"}
