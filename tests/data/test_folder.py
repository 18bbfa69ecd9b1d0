import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from avadclip.data.bags import Interval
from avadclip.data.datasets import load_dataset
from avadclip.data.folder import load_csv, load_folder
from avadclip.errors import ConfigError, DataError, FeatureError
from avadclip.features.snippets import Provenance, SnippetFeatures
from avadclip.features.store import write_features
from avadclip.timeline import SnippetGrid

PROVENANCE = Provenance(grid=SnippetGrid(), visual={"name": "made-up"}, audio={"name": "made-up"})


def features(
    value: float = 0.0, *, dim: int = 3, audio_dim: int = 2, grid: SnippetGrid | None = None
) -> SnippetFeatures:
    return SnippetFeatures(
        visual=np.full((1, 4, dim), value, dtype=np.float32),
        audio=np.full((4, audio_dim), value, dtype=np.float32),
        duration_seconds=2.7,
        provenance=PROVENANCE.model_copy(update={"grid": grid or SnippetGrid()}),
        source_sha256="0" * 64,
    )


def write_all(folder: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_features(folder / f"{name}.safetensors", features(float(number)))
    return folder


def write_csv(folder: Path, text: str) -> Path:
    path = folder / "labels.csv"
    path.write_text(text)
    return path


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return write_all(tmp_path / "features", "a", "b", "c", "d")


FOUR = "video,label,start,end,split\na.mp4,normal,,,\nb.mp4,riot,,,\nc.mp4,abuse|riot,1,2,test\nd.mp4,normal,,,test\n"


def test_a_csv_gives_bags_with_their_own_features_and_targets(tmp_path, store):
    dataset = load_dataset(str(write_csv(tmp_path, FOUR)), features=store)
    assert (dataset.name, dataset.classes, dataset.is_synthetic) == ("labels", ("normal", "abuse", "riot"), False)
    bags = {bag.name: bag for bag in dataset.train + dataset.validation + dataset.test}
    assert {name: bag.targets.tolist() for name, bag in bags.items()} == {
        "a.mp4": [1, 0, 0],
        "b.mp4": [0, 0, 1],
        "c.mp4": [0, 1, 1],
        "d.mp4": [1, 0, 0],
    }
    assert [bags[name].load().visual[0, 0, 0] for name in sorted(bags)] == [0, 1, 2, 3]
    assert [bag.name for bag in dataset.test] == ["c.mp4", "d.mp4"]
    assert dataset.test[0].intervals == (Interval("abuse", 1.0, 2.0), Interval("riot", 1.0, 2.0))


def test_a_tenth_is_held_out_where_the_csv_names_no_validation(tmp_path):
    names = [f"v{number:02d}" for number in range(40)]
    text = "video,label\n" + "".join(
        f"{name},{'riot' if number % 2 else 'normal'}\n" for number, name in enumerate(names)
    )
    store = write_all(tmp_path / "features", *names)
    dataset = load_dataset(str(write_csv(tmp_path, text)), features=store, seed=3)
    assert (len(dataset.train), len(dataset.validation), dataset.test) == (36, 4, ())
    again = load_dataset(str(write_csv(tmp_path, text)), features=store, seed=3)
    assert [bag.name for bag in again.validation] == [bag.name for bag in dataset.validation]


def test_a_validation_split_of_the_owners_is_kept(tmp_path, store):
    text = "video,label,split\na,normal,\nb,riot,\nc,riot,validation\nd,normal,validation\n"
    dataset = load_csv(write_csv(tmp_path, text), features=store)
    assert [[bag.name for bag in bags] for bags in (dataset.train, dataset.validation)] == [["a", "b"], ["c", "d"]]


def test_the_same_name_in_two_folders_is_two_videos(tmp_path):
    store = write_all(tmp_path / "features", "normal/001", "riot/001")
    dataset = load_csv(write_csv(tmp_path, "video,label\nriot/001.avi,riot\nnormal/001.avi,normal\n"), features=store)
    assert {bag.name: bag.load().visual[0, 0, 0] for bag in dataset.train} == {"normal/001.avi": 0, "riot/001.avi": 1}


def test_names_with_dots_and_no_suffix_find_their_file(tmp_path):
    names = ["Bad.Boys.1995__#00-26-51_00-27-53_label_B2-0-0", "Bad.Boys.1995__#00-38-16_00-38-50_label_A"]
    store = write_all(tmp_path / "features", *names)
    dataset = load_csv(write_csv(tmp_path, f"video,label\n{names[0]},shooting\n{names[1]},normal\n"), features=store)
    assert {bag.group for bag in dataset.train} == {"Bad.Boys.1995"}


def test_sub_folders_name_the_classes(tmp_path):
    videos = tmp_path / "videos"
    for name in ("normal/a.mp4", "Car Accident/deep/b.MKV", "Car Accident/notes.txt", ".cache/c.mp4", "normal/.d.mp4"):
        (videos / name).parent.mkdir(parents=True, exist_ok=True)
        (videos / name).touch()
    dataset = load_dataset(str(videos), features=write_all(tmp_path / "features", "a", "b"))
    assert dataset.classes == ("normal", "car accident")
    found = {bag.name: (bag.is_anomalous, bag.intervals) for bag in dataset.train}
    assert found == {"normal/a.mp4": (False, ()), "Car Accident/deep/b.MKV": (True, None)}


def test_sub_folders_may_hold_the_feature_files_themselves(tmp_path):
    dataset = load_folder(write_all(tmp_path / "features", "normal/001", "riot/001"))
    assert [bag.load().visual[0, 0, 0] for bag in dataset.train] == [0, 1]


def test_a_test_set_alone_may_lack_classes_of_the_model(tmp_path, store):
    path = write_csv(tmp_path, "video,label,split\na,riot,test\n")
    dataset = load_dataset(str(path), features=store, classes=("normal", "abuse", "riot"))
    assert dataset.test[0].targets.tolist() == [0, 0, 1]


def test_names_of_another_system_find_their_features(tmp_path):
    store = write_all(tmp_path / "features", "yard/\u00fcber", "night")
    text = "video,label\nC:\\Videos\\Yard\\U\u0308BER.MP4,riot\nD:\\Night.avi,normal\n"
    dataset = load_csv(write_csv(tmp_path, text), features=store)
    assert [bag.load().visual[0, 0, 0] for bag in dataset.train] == [0, 1]


def test_a_missing_name_comes_with_the_nearest_that_exists(tmp_path):
    store = write_all(tmp_path / "features", "yard/camera-01", "normal")
    with pytest.raises(FeatureError, match=r"labels.csv:2, the nearest name is yard/camera-01\); run"):
        load_csv(write_csv(tmp_path, "video,label\nyard\\camera_01.mp4,riot\nnormal,normal\n"), features=store)


def test_an_event_after_the_end_names_its_row_in_every_split(tmp_path, store):
    for split in ("train", "test", "validation"):
        rows = f"a,normal,,,train\nb,riot,,,train\nc,riot,15,45,{split}\n"
        with pytest.raises(DataError, match=r"labels.csv:4: c has an event from 15 to 45 s, but ends at 2.70 s; these"):
            load_dataset(write_csv(tmp_path, f"video,label,start,end,split\n{rows}"), features=store)


def test_sub_folders_may_be_splits_that_hold_the_classes(tmp_path):
    names = ("Train/normal/a", "Train/riot/b", "test/riot/c", "test/normal/d")
    dataset = load_folder(write_all(tmp_path / "features", *names))
    assert [bag.name for bag in dataset.test] == ["test/normal/d.safetensors", "test/riot/c.safetensors"]
    assert dataset.classes == ("normal", "riot")
    write_all(tmp_path / "features", "val/riot/e")
    with pytest.raises(
        DataError, match=r"sub-folder Train is a split, val is not; sort all into train, validation, te"
    ):
        load_folder(tmp_path / "features")


@pytest.mark.parametrize("source", ["csv", "folder"])
def test_labels_without_a_split_are_measured_whole_with_a_note(tmp_path, source):
    store = write_all(tmp_path / "features", "normal/a", "riot/b")
    path = write_csv(tmp_path, "video,label\nnormal/a,normal\nriot/b,riot\n") if source == "csv" else store
    dataset = load_dataset(path, features=store if source == "csv" else None, undivided="test")
    assert (len(dataset.test), dataset.train, dataset.validation) == (2, (), ())
    assert dataset.notes[0].startswith("the labels name no split, so all 2 videos are measured")


def test_labels_with_a_split_keep_it(tmp_path, store):
    dataset = load_dataset(write_csv(tmp_path, FOUR), features=store, undivided="test")
    assert ([bag.name for bag in dataset.test], dataset.notes) == (["c.mp4", "d.mp4"], ())


def test_a_part_is_used_on_request_and_its_share_noted(tmp_path, store):
    text = FOUR + "x.mp4,riot,1,2,test\ny.mp4,riot,,,\n"
    dataset = load_dataset(write_csv(tmp_path, text), features=store, partial=True)
    assert [bag.name for bag in dataset.test] == ["c.mp4", "d.mp4"]
    assert dataset.notes == (
        "partial: 2 of 3 videos of the train split (66.7 %)",
        "partial: 2 of 3 videos of the test split (66.7 %)",
    )
    with pytest.raises(FeatureError, match="4 of 4 videos have no feature file"):
        load_dataset(write_csv(tmp_path, FOUR), features=write_all(tmp_path / "others", "z"), partial=True)


BAD_LABELS = {
    "no normal": (
        "video,label\na,riot\nb,abuse\n",
        None,
        "the videos are all anomalous (abuse, riot); needed the class `normal`",
    ),
    "only normal": ("video,label\na,normal\n", None, "the videos are all `normal`; needed at least one more class"),
    "no normal to train on": (
        "video,label,split\na,riot,train\nb,normal,test\n",
        None,
        "the training videos are all anomalous (riot)",
    ),
    "unknown label": (
        "video,label\na,normal\nb,roit\n",
        ("normal", "riot"),
        "labels.csv:3: unknown label `roit`; needed one of normal, riot",
    ),
    "group in two splits": (
        "video,label,split,group\na,riot,,x\nb,normal,,y\nc,riot,test,x\n",
        None,
        "labels.csv:4: c is in split test, but a of the same group `x` in train",
    ),
    "one file for two": ("video,label\na.mp4,normal\nb,riot\na.avi,riot\n", None, "a.avi and a.mp4"),
}


@pytest.mark.parametrize(("text", "classes", "message"), BAD_LABELS.values(), ids=BAD_LABELS)
def test_bad_labels_are_one_line(tmp_path, store, text, classes, message):
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        load_csv(write_csv(tmp_path, text), features=store, classes=classes)
    assert "\n" not in str(caught.value)


def test_missing_feature_files_are_counted_and_the_command_is_given(tmp_path, store):
    (tmp_path / "my videos").mkdir()
    (tmp_path / "my videos" / "x.mp4").touch()
    text = "video,label\na,normal\nmy videos/x.mp4,riot\ny.mp4,riot\n"
    with pytest.raises(FeatureError) as caught:
        load_csv(write_csv(tmp_path, text), features=store)
    assert str(caught.value) == (
        f"2 of 3 videos have no feature file in {store}, the first is my videos/x.mp4 ({tmp_path / 'labels.csv'}:3); "
        f"run `avadclip extract '{tmp_path / 'my videos'}' --out {store}`"
    )


def test_features_made_in_two_ways_are_refused(tmp_path, store):
    write_features(store / "b.safetensors", features(grid=SnippetGrid(snippet_frames=4)))
    with pytest.raises(
        FeatureError, match=r"b\.safetensors does not fit .*a\.safetensors: snippet grid: snippet_frames is 4"
    ):
        load_csv(write_csv(tmp_path, FOUR), features=store)


@pytest.mark.parametrize(("change", "found"), [({"dim": 5}, "5 visual"), ({"audio_dim": 5}, "5 audio")])
def test_features_of_another_width_are_refused(tmp_path, store, change, found):
    write_features(store / "b.safetensors", features(**change))
    with pytest.raises(FeatureError, match=rf"b\.mp4 has {found} channels, a\.mp4 has"):
        load_csv(write_csv(tmp_path, FOUR), features=store)


def test_a_video_without_sound_is_no_other_encoder(tmp_path, store):
    write_features(store / "b.safetensors", dataclasses.replace(features(), audio=None))
    dataset = load_csv(write_csv(tmp_path, FOUR), features=store)
    assert sum(bag.load().audio is None for bag in dataset.train) == 1


def test_a_folder_without_sub_folders_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(DataError, match=r"no feature files .* in sub-folders named by class; .*`avadclip extract`"):
        load_dataset(str(tmp_path))
    with pytest.raises(DataError, match=r"no videos in sub-folders; sort them into .*normal"):
        load_dataset(str(tmp_path), features=tmp_path)


def test_a_csv_without_a_feature_folder_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(DataError, match=r"labels\.csv needs `features`.*`avadclip extract VIDEOS --out FOLDER`"):
        load_dataset(str(write_csv(tmp_path, FOUR)))


def test_data_that_are_not_there_are_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.csv: unknown dataset; give a CSV file, a folder .*synthetic:tiny"):
        load_dataset(str(tmp_path / "nowhere.csv"))
    with pytest.raises(ConfigError, match="synthetic:tiny has its own features"):
        load_dataset("synthetic:tiny", features=tmp_path)
