"""`avadclip data check`, and training and evaluating on what it says is usable."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from avadclip.features.snippets import SnippetFeatures
from avadclip.features.store import write_features

from ...data.published_xd import TEST, TRAIN, build

Command = Callable[..., tuple[int, str, str]]

RECIPE = """
network_kind = "{kind}"
encoders = "published"

[data]
source = "xd-violence:{folder}"

[network]
embed_dim = 8

[optimizer]
learning_rate = 1e-3
batch_size = 4
epochs = 1
"""


@pytest.fixture
def xd(tmp_path: Path) -> Path:
    return build(tmp_path / "xd")


def check(command: Command, folder: Path, benchmark: str = "xd-violence") -> tuple[int, dict]:
    code, out, err = command("data", "check", benchmark, str(folder), "--format", "json")
    assert err == ""
    return code, json.loads(out)


def test_a_small_set_is_partly_usable_because_videos_are_not_listed(xd: Path, avadclip_command: Command) -> None:
    code, found = check(avadclip_command, xd)
    assert (code, found["status"], found["problems"]) == (3, "partly usable", [])
    train, test = found["splits"]
    assert (train["num_published"], train["num_listed"], train["num_ready"], train["num_with_sound"]) == (3954, 6, 6, 6)
    assert (test["num_published"], test["num_listed"], test["num_ready"], test["crops"]) == (800, 4, 4, [0])
    assert train["crops"] == [0, 1, 2]
    num_frames = sum(num // 16 * 16 for num in TEST.values())
    assert found["truth"] == {
        "num_videos": 4,
        "num_anomalous": 2,
        "num_frames": num_frames,
        "positive_percent": pytest.approx(100 * (30 + 100 + 10) / num_frames),
    }
    assert [run.split()[1] for run in found["runs"]] == ["train", "evaluate", "reproduce"]


def test_the_table_names_what_is_there_and_what_runs(xd: Path, avadclip_command: Command) -> None:
    code, out, _ = avadclip_command("data", "check", "xd-violence", str(xd))
    assert code == 3
    assert f"XD-Violence in {xd}: partly usable" in out
    assert "convention `clip`, floor(F / 16) snippets of F frames, in 4 of 4 test videos" in out
    assert f"avadclip evaluate CHECKPOINT --data xd-violence:{xd}" in out
    assert f'source = "xd-violence:{xd}" under [data], any network_kind' in out
    assert f"avadclip reproduce TABLE --data xd-violence:{xd} --out DIR, with 1, 2, 4, 5, 6 for TABLE" in out
    assert "Table 1, Table 2" in out


def test_problems_are_listed_and_their_split_runs_nothing(xd: Path, avadclip_command: Command) -> None:
    name = next(iter(TRAIN))
    (xd / "XDTrainClipFeatures" / f"{name}__1.npy").unlink()
    code, found = check(avadclip_command, xd)
    assert code == 3
    assert [(each["split"], each["video"], each["kind"]) for each in found["problems"]] == [("train", name, "crop")]
    assert [run.split()[1] for run in found["runs"]] == ["evaluate"]
    assert "not yet" in found["tables"]
    _, out, _ = avadclip_command("data", "check", "xd-violence", str(xd))
    assert f"train, crop: {name} has no crop 1" in out


def test_without_sound_the_visual_student_scores(xd: Path, avadclip_command: Command) -> None:
    for path in xd.glob("XD*ClapFeatures/*"):
        path.unlink()
    code, found = check(avadclip_command, xd)
    assert code == 3
    assert 'network_kind = "visual student"' in found["runs"][0]
    assert found["tables"].endswith("the rows without sound")


def test_lists_alone_are_unusable_with_a_short_reason(xd: Path, avadclip_command: Command) -> None:
    for path in xd.glob("XD*Features/*"):
        path.unlink()
    code, found = check(avadclip_command, xd)
    assert (code, found["status"], found["runs"], len(found["problems"])) == (1, "unusable", [], 10)
    _, out, _ = avadclip_command("data", "check", "xd-violence", str(xd))
    assert "train: there are no features of its 6 videos" in out
    assert "no command can run yet" in out
    assert next(iter(TRAIN)) not in out


def test_videos_without_features_come_with_the_command_that_makes_them(xd: Path, avadclip_command: Command) -> None:
    for path in xd.glob("XD*Features/*"):
        path.unlink()
    (xd / "videos").mkdir()
    (xd / "videos" / f"{next(iter(TRAIN))}.mp4").touch()
    _, found = check(avadclip_command, xd)
    assert found["runs"] == [
        f"avadclip extract {xd / 'videos'} --out {xd / 'features'} --encoders clip --crops published-10, "
        "needed for 1 of its videos"
    ]


@pytest.mark.parametrize(
    ("benchmark", "text", "message"),
    [
        ("xd-violence", "video,label\nx,B9\n", "train_videos.csv:2: label `B9`; needed codes"),
        ("xd-violence", None, "no such folder"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path, avadclip_command: Command, benchmark: str, text: str | None, message: str
) -> None:
    folder = tmp_path / "folder"
    if text is not None:
        folder.mkdir()
        (folder / "train_videos.csv").write_text(text)
    code, out, err = avadclip_command("data", "check", benchmark, str(folder))
    assert (code, out) == (1, "")
    assert message in err
    assert len(err.splitlines()) == 1


def test_a_part_of_the_test_is_partly_usable(xd: Path, avadclip_command: Command) -> None:
    for path in (*(xd / "XDTrainClipFeatures").iterdir(), xd / "XDTestClipFeatures" / f"{next(iter(TEST))}__0.npy"):
        path.unlink()
    code, found = check(avadclip_command, xd)
    assert (code, found["status"]) == (3, "partly usable")
    assert [run.split(",")[0] for run in found["runs"]] == [
        f"avadclip evaluate CHECKPOINT --data xd-violence:{xd} --partial"
    ]


OWN = "video,label,start,end,split\n0,normal,,,\n1,riot,,,\n2,riot,1,{end},test\n3,normal,,,test\n"


def write_own(folder: Path, end: float) -> tuple[str, str]:
    for number in range(4):
        rows = np.full((9, 4), number, dtype=np.float32)
        features = SnippetFeatures.from_arrays(rows, rows, visual_encoder="i3d", audio_encoder="vggish")
        write_features(folder / "features" / f"{number}.safetensors", features)
    (folder / "labels.csv").write_text(OWN.format(end=end))
    return str(folder / "labels.csv"), str(folder / "features")


def test_own_videos_are_counted_by_split(tmp_path: Path, avadclip_command: Command) -> None:
    labels, features = write_own(tmp_path, end=4)
    code, out, err = avadclip_command("data", "check", labels, "--features", features)
    assert (code, err) == (0, "")
    assert re.search(r"^test +2 +1 +1 +2 +0\.00 *$", out, re.MULTILINE)
    code, out, _ = avadclip_command("data", "check", labels, "--features", features, "--format", "json")
    found = json.loads(out)
    assert (code, found["format"], found["classes"]) == (0, "avadclip-own-data-check/1", ["normal", "riot"])
    assert [each["num_videos"] for each in found["splits"]] == [2, 0, 2]
    assert found["splits"][2]["hours"] == pytest.approx(18 * 16 / 24 / 3600)


def test_flaws_of_own_videos_are_warnings(tmp_path: Path, avadclip_command: Command) -> None:
    labels, features = write_own(tmp_path, end=4)
    code, out, _ = avadclip_command("data", "check", labels, "--features", features, "--format", "json")
    kinds = [warning["kind"] for warning in json.loads(out)["warnings"]]
    assert (code, kinds) == (0, ["validation too small", "near-duplicates"])  # all pictures are one of two
    _, out, _ = avadclip_command("data", "check", labels, "--features", features)
    assert re.search(r"^warning: validation holds 0 anomalous and 0 normal videos: no epoch", out, re.MULTILINE)
    assert re.search(r"^warning: 2 pairs of videos in different splits look nearly equal", out, re.MULTILINE)


def test_own_times_after_the_end_are_one_line(tmp_path: Path, avadclip_command: Command) -> None:
    labels, features = write_own(tmp_path, end=96)
    code, out, err = avadclip_command("data", "check", labels, "--features", features)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "labels.csv:4: 2 has an event from 1 to 96 s, but ends at 6.00 s; these may be frame numbers" in err


def test_a_benchmark_without_its_folder_is_a_wrong_command_line(avadclip_command: Command) -> None:
    assert avadclip_command("data", "check", "xd-violence")[0] == 2


def test_an_unknown_benchmark_is_a_wrong_command_line(tmp_path: Path, avadclip_command: Command) -> None:
    assert avadclip_command("data", "check", "nowhere.csv")[0] == 2
    assert avadclip_command("data", "check", "imagenet", str(tmp_path))[0] == 2


@pytest.mark.data
@pytest.mark.parametrize(
    ("benchmark", "folder", "listed"),
    [
        ("xd-violence", "xd_violence", [3954, 800]),
        ("cctv-fights", "cctv_fights", [0, 157]),
        ("ucf-crime", "ucf_crime", [1610, 290]),
    ],
)
def test_the_published_lists_are_recognised(
    development_data: Path, avadclip_command: Command, benchmark: str, folder: str, listed: list[int]
) -> None:
    code, found = check(avadclip_command, development_data / folder, benchmark)
    assert (code, found["status"]) == (1, "unusable")
    assert [split["num_listed"] for split in found["splits"]] == listed


def test_training_and_evaluation_run_on_the_published_format(
    xd: Path, tmp_path: Path, avadclip_command: Command
) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE.format(kind="teacher", folder=xd))
    code, _, err = avadclip_command("train", str(recipe), "--out", str(tmp_path / "run"))
    assert (code, err) == (0, "")
    checkpoint = str(tmp_path / "run" / "last.safetensors")
    code, out, err = avadclip_command("evaluate", checkpoint, "--data", f"xd-violence:{xd}", "--format", "json")
    assert (code, err) == (0, "")
    (report,) = json.loads(out)
    assert (report["dataset"], report["num_videos"], report["is_synthetic"]) == ("xd-violence", 4, False)
    assert report["positive_percent"] == pytest.approx(check(avadclip_command, xd)[1]["truth"]["positive_percent"])
    assert any("convention `clip`" in note for note in report["notes"])
    assert any("tail `drop`" in note for note in report["notes"])


def test_training_without_training_videos_is_one_line(xd: Path, tmp_path: Path, avadclip_command: Command) -> None:
    for path in xd.glob("XDTrain*Features/*"):
        path.unlink()
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE.format(kind="visual student", folder=xd))
    code, _, err = avadclip_command("train", str(recipe), "--out", str(tmp_path / "run"))
    assert code == 1
    assert err == (
        "avadclip: error: the train split of xd-violence holds no videos: there are no features of its 6 videos\n"
    )
    assert not (tmp_path / "run").exists()
