import json
from pathlib import Path

import pytest

import avadclip.research.speed.benchmark
from avadclip.encoders.clip import Clip
from avadclip.errors import MediaError, WeightsError
from avadclip.research.speed.benchmark import DECODE, ENCODE, NAIVE, SCORE, TRAIN, WHOLE, measure_speed


@pytest.fixture(autouse=True)
def _small_model(monkeypatch: pytest.MonkeyPatch, small_clip: Clip) -> None:
    """Small random weights, and neither training nor scoring of the full-size teacher."""
    monkeypatch.setattr(avadclip.research.speed.benchmark, "_random_clip", lambda: small_clip)
    for name in ("training_step", "scored_window"):
        monkeypatch.setattr(avadclip.research.speed.benchmark, name, lambda: lambda: None)


def test_all_stages_are_measured_and_ratios_follow_from_times(footage: Path) -> None:
    report = measure_speed(footage, precision="fp32", num_rounds=1)
    assert [stage.name for stage in report.stages] == [DECODE, ENCODE, WHOLE, NAIVE, TRAIN, SCORE]
    wall = {stage.name: stage.wall_seconds.median for stage in report.stages}
    assert all(seconds > 0 for seconds in wall.values())
    ratios = [ratio.median for ratio in report.ratios.values()]
    assert ratios == pytest.approx([wall[NAIVE] / wall[WHOLE], wall[WHOLE] / wall[ENCODE], wall[WHOLE] / wall[DECODE]])
    assert (report.num_snippets, report.weights, report.precision) == (4, "random", "fp32")
    assert report.video == "made.mp4, 160x90, 3.0 s"


def test_command_prints_a_table_or_json_and_marks_random_weights(avadclip_command, monkeypatch) -> None:
    made = ("benchmark", "--height", "64", "--seconds", "2", "--rounds", "1", "--precision", "fp32")
    code, out, err = avadclip_command(*made)
    assert (code, err) == (0, "")
    assert "random weights" in out
    assert "video: made for this, 112x64" in out
    assert "end to end is faster than the naive reference:" in out
    code, out, _ = avadclip_command(*made, "--format", "json")
    document = json.loads(out)
    assert (code, document["format"], document["weights"]) == (0, "avadclip-benchmark/1", "random")
    assert {stage["name"] for stage in document["stages"]} == {DECODE, ENCODE, WHOLE, NAIVE, TRAIN, SCORE}
    assert set(document["ratios"]["end to end takes longer than encoding alone"]) == {"median", "least", "most"}


def test_unusable_inputs_are_errors(tmp_path: Path, footage: Path) -> None:
    with pytest.raises(MediaError, match="does not exist"):
        measure_speed(tmp_path / "missing.mp4")
    with pytest.raises(WeightsError, match="contains no CLIP weights"):
        measure_speed(footage, clip_folder=tmp_path)
