import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from avadclip.inference.detector import Detection
from avadclip.report import folder as folder_module
from avadclip.report.folder import write_report

MakeDetection = Callable[..., Detection]
FILES = ["detection.json", "events.csv", "events.vtt", "scores.png"]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_report_is_four_files_that_agree(made_up: MakeDetection, tmp_path: Path) -> None:
    detection = made_up(60)
    folder = write_report(detection, tmp_path / "new" / "yard")
    assert names(folder) == FILES
    assert names(tmp_path / "new") == ["yard"]
    document = json.loads((folder / "detection.json").read_text())
    assert len(document["scores"]["anomaly"]) == 60
    with (folder / "events.csv").open(newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == [event["id"] for event in document["events"]]
    assert (folder / "events.vtt").read_text().count("-->") == len(detection.events)
    assert (folder / "scores.png").read_bytes().startswith(b"\x89PNG")


def test_a_second_report_replaces_the_first_and_leaves_other_files(made_up: MakeDetection, tmp_path: Path) -> None:
    folder = write_report(made_up(60), tmp_path / "yard")
    (folder / "my notes.txt").write_text("seen by A.")
    write_report(made_up(60, quiet=True), folder)
    assert names(folder) == sorted([*FILES, "my notes.txt"])
    assert json.loads((folder / "detection.json").read_text())["events"] == []
    assert len((folder / "events.csv").read_text().splitlines()) == 1


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_nothing_behind(
    made_up: MakeDetection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    def fail(*args: object) -> None:
        raise failure

    monkeypatch.setattr(folder_module, "save_figure", fail)
    with pytest.raises(type(failure)):
        write_report(made_up(3), tmp_path / "yard")
    assert names(tmp_path) == []
