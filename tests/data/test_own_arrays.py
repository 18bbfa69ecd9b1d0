"""Features of I3D and VGGish as people have them: .npy files, a CSV file, and a statement of what made them."""

import re
from pathlib import Path

import numpy as np
import pytest

from avadclip.config import NetworkConfig, OptimizerConfig, TrainingConfig
from avadclip.data.datasets import load_dataset
from avadclip.errors import AvadclipError, ConfigError, FeatureError
from avadclip.evaluation.evaluate import evaluate
from avadclip.training.experiment import train

STATEMENT = 'visual = "i3d-rgb"\naudio = "vggish"\n'
LABELS = "video,label,start,end,split\n" + "".join(
    f"v{number}.mp4,{'riot,2,4' if number % 2 else 'normal,,'},{'test' if number > 7 else ''}\n" for number in range(12)
)


def write_arrays(folder: Path, *, width: int = 1024, audio_width: int = 128, crops: int = 1) -> Path:
    """In two folders, as published; the video's number is the value, and the crop is added as a hundredth."""
    for number in range(12):
        for crop in range(crops):
            save(folder / "RGB" / f"v{number}__{crop}.npy", number + crop / 100, (9, width))
        save(folder / "vggish" / f"v{number}__vggish.npy", number, (9 + number % 2, audio_width))
    (folder / "provenance.toml").write_text(STATEMENT)
    return folder


def save(path: Path, value: float, shape: tuple[int, int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.full(shape, value, dtype=np.float32))


def write_csv(folder: Path, text: str = LABELS) -> Path:
    (folder / "labels.csv").write_text(text)
    return folder / "labels.csv"


@pytest.mark.parametrize("width", [1024, 2048])
def test_any_width_is_read_with_the_stated_provenance(tmp_path, width):
    dataset = load_dataset(write_csv(tmp_path), features=write_arrays(tmp_path / "features", width=width, crops=2))
    bag = next(bag for bag in dataset.test if bag.name == "v9.mp4")
    features = bag.load()
    assert (features.visual.shape, features.audio.shape) == ((1, 9, width), (9, 128))
    assert (features.visual[0, 0, 0], features.audio[0, 0]) == (9, 9)
    assert (features.provenance.visual, features.provenance.audio) == ({"name": "i3d-rgb"}, {"name": "vggish"})
    assert features.notes == ("last audio row dropped: one more than visual rows",)


def test_they_train_and_are_measured(tmp_path):
    dataset = load_dataset(write_csv(tmp_path), features=write_arrays(tmp_path / "features"))
    recipe = TrainingConfig(
        encoders="i3d-rgb",
        network=NetworkConfig(embed_dim=8),
        optimizer=OptimizerConfig(epochs=1, batch_size=4),
    )
    run = train(recipe, dataset, out=tmp_path / "run")
    report = evaluate(run.best, dataset)
    assert report.num_videos == 4
    assert report.percent("frame_ap", head="classifier") is not None
    with pytest.raises(ConfigError, match='`encoders` is "clip", but the features of labels were made with i3d-rgb'):
        train(recipe.model_copy(update={"encoders": "clip"}), dataset, out=tmp_path / "other")


def test_rows_may_name_the_crops_and_those_of_a_video_stay_together(tmp_path):
    write_arrays(tmp_path / "features", crops=3)
    rows = [f"/data/RGB/v{n}__{crop}.npy,{'riot' if n % 2 else 'normal'}" for n in range(12) for crop in range(3)]
    dataset = load_dataset(write_csv(tmp_path, "\n".join(["video,label", *rows])), features=tmp_path / "features")
    assert (len(dataset.train) + len(dataset.validation), len(dataset.validation) % 3) == (36, 0)
    found = {bag.name: bag.load().visual[0, 0, 0] for bag in (*dataset.train, *dataset.validation)}
    assert found["/data/RGB/v7__2.npy"] == np.float32(7.02)


def test_the_statement_decides_snippets(tmp_path):
    folder = write_arrays(tmp_path / "features")
    (folder / "provenance.toml").write_text(STATEMENT + "snippet_frames = 16\nframe_rate_hz = 30.0\n")
    assert load_dataset(write_csv(tmp_path), features=folder).grid.frame_rate_hz == 30


def test_an_event_may_lie_in_the_frames_after_the_last_snippet(tmp_path):
    folder = write_arrays(tmp_path / "features")  # 9 snippets are 6 s; the tenth may have been 0.66 s long
    load_dataset(write_csv(tmp_path, LABELS.replace("riot,2,4,test", "riot,2,6.6,test")), features=folder)
    with pytest.raises(AvadclipError, match=r"labels.csv:11: v9.mp4 has an event from 60 to 100 s, but ends at 6.67 s"):
        load_dataset(write_csv(tmp_path, LABELS.replace("riot,2,4,test", "riot,60,100,test")), features=folder)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (None, "has .npy features but no provenance.toml, which states what made them; write one with `visual ="),
        ('visual = "i3d-rgb"', "v0__vggish.npy holds sound, but"),
        ("", "visual"),
        (STATEMENT + "width = 3", "width"),
    ],
)
def test_a_missing_or_wrong_statement_is_one_line(tmp_path, statement, message):
    folder = write_arrays(tmp_path / "features")
    (folder / "provenance.toml").unlink()
    if statement is not None:
        (folder / "provenance.toml").write_text(statement)
    with pytest.raises(AvadclipError, match=re.escape(message)) as caught:
        load_dataset(write_csv(tmp_path), features=folder)
    assert "\n" not in str(caught.value)


def test_unusable_arrays_are_one_line(tmp_path):
    folder = write_arrays(tmp_path / "features")
    np.save(folder / "RGB" / "v0__0.npy", np.array([{"v0": 1}], dtype=object))
    with pytest.raises(FeatureError, match=r"v0__0.npy holds pickled Python objects, which are never opened; save"):
        load_dataset(write_csv(tmp_path), features=folder)
    save(folder / "RGB" / "v0__0.npy", 0, (9, 2048))
    with pytest.raises(FeatureError, match=r"has 1024 visual channels, .* has 2048|has 2048 .* has 1024"):
        load_dataset(write_csv(tmp_path), features=folder)
    (folder / "RGB" / "v0__0.npy").unlink()
    with pytest.raises(FeatureError, match=r"1 of 12 videos have no feature file in .*, the first is v0.mp4"):
        load_dataset(write_csv(tmp_path), features=folder)
