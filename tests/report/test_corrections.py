"""Corrections made in Label Studio come back as verdicts."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from avadclip.data.verdicts import labelled_videos, read_verdicts
from avadclip.errors import DataError
from avadclip.inference.detector import Detection
from avadclip.media.probe import probe
from avadclip.report.corrections import import_corrections
from avadclip.report.exports import to_json
from avadclip.report.label_studio import label_studio_task

MakeDetection = Callable[..., Detection]


@pytest.fixture
def result(made_up: MakeDetection, clock_video: Path, tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """A result of a real video of 40 s with three events, and its task as Label Studio exports it uncorrected."""
    made = made_up(60)
    spans = ((2.0, 4.0), (10.0, 12.0), (20.0, 22.0))
    changes = [{"start": start, "end": end, "label": "fighting", "source": str(clock_video)} for start, end in spans]
    events = tuple(made.events[0].model_copy(update=each | {"id": f"e{n}"}) for n, each in enumerate(changes))
    detection = dataclasses.replace(made, source=str(clock_video), media=probe(clock_video), events=events)
    path = tmp_path / "detection.json"
    path.write_text(to_json(detection, include_scores=True))
    task = label_studio_task(detection, "https://labels.example.org/upload/1/yard.mp4")
    regions = task["predictions"][0]["result"]
    return path, {"id": 7, "data": task["data"], "annotations": [{"id": 1, "result": regions, "was_cancelled": False}]}


def correct(task: dict[str, Any]) -> None:
    """Keep the first event, rename the second, remove the third, and add one from 30 to 31 s (5 frames a second)."""
    regions = task["annotations"][0]["result"]
    regions[1]["value"]["timelinelabels"] = ["Explosion"]
    del regions[2]
    value = {"ranges": [{"start": 151, "end": 155}], "timelinelabels": ["riot"]}
    regions.append({**regions[0], "id": "new", "value": value})


def test_kept_renamed_removed_and_added_regions_become_verdicts(result: Any, tmp_path: Path) -> None:
    path, task = result
    correct(task)
    export, out = tmp_path / "export.json", tmp_path / "verdicts"
    export.write_text(json.dumps([task, {"data": {}, "annotations": []}]))
    assert import_corrections(export, [path], out) == 4
    rows = read_verdicts(out)
    assert [(row.verdict, row.true_label, row.at) for row in rows] == [
        ("real", "fighting", 2.0),
        ("wrong class", "explosion", 10.0),
        ("false alarm", "normal", 20.0),
        ("missed", "riot", 30.0),
    ]
    assert (rows[3].start, rows[3].end) == (5.0, 6.0)
    assert probe(out / rows[3].video).duration_seconds == pytest.approx(11.0, abs=0.3)
    assert [video.labels for video in labelled_videos(out)] == [("fighting",), ("explosion",), ("normal",), ("riot",)]
    assert import_corrections(export, [path], out) == 4
    assert len(read_verdicts(out)) == 4, "again, it replaces them"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda task: task.update(annotations=[]), "holds no annotation"),
        (lambda task: task["data"].update(source="other.mp4"), "0 of the results are of 'other.mp4'"),
        (lambda task: task.pop("data"), "export the project from Label Studio as JSON"),
        (lambda task: task["annotations"][0]["result"][0].update(value={}), "a region cannot be read"),
    ],
)
def test_an_export_that_does_not_fit_is_one_line_and_writes_nothing(
    result: Any, tmp_path: Path, change: Callable[[dict[str, Any]], Any], reason: str
) -> None:
    path, task = result
    change(task)
    (tmp_path / "export.json").write_text(json.dumps([task]))
    with pytest.raises(DataError) as refused:
        import_corrections(tmp_path / "export.json", [path], tmp_path / "verdicts")
    assert reason in str(refused.value)
    assert not (tmp_path / "verdicts").exists()
