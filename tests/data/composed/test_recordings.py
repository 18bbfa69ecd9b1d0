import csv
import shutil
from pathlib import Path

import pytest

from avadclip.data.composed.recordings import read_recordings
from avadclip.errors import DataError


@pytest.fixture
def folder(recordings_folder: Path, tmp_path: Path) -> Path:
    """A copy without features, free to be spoilt."""
    return Path(shutil.copytree(recordings_folder, tmp_path / "copy", ignore=shutil.ignore_patterns("composed-*")))


def change(folder: Path, line: int, **cells: str) -> None:
    """Change cells of a line of recordings.csv, counted from 1 below the header."""
    path = folder / "recordings.csv"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows[line - 1].update(cells)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_every_line_is_read(folder: Path) -> None:
    recordings = read_recordings(folder)
    assert len(recordings) == len((folder / "recordings.csv").read_text().splitlines()) - 1
    assert {recording.num_snippets for recording in recordings if recording.kind == "picture"} == {3}


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"kind": "video"}, "`kind` is 'video': input should be 'picture' or 'sound'"),
        ({"role": "anomaly"}, "`role` is 'anomaly'"),
        ({"session": ""}, "`session` is ''"),
        ({"share_alike": "perhaps"}, "`share_alike` is 'perhaps'"),
        ({"label": "normal"}, "an event cannot be `normal`"),
        ({"file": "none.mkv"}, "does not exist"),
        ({"file": "fighting1.mkv"}, "has the content of fighting1.mkv, but another kind or session"),
    ],
)
def test_a_faulty_line_is_named(folder: Path, cells: dict[str, str], message: str) -> None:
    change(folder, 1, **cells)
    with pytest.raises(DataError, match=r"recordings\.csv:[23]: ") as raised:
        read_recordings(folder)
    assert message in str(raised.value)


def test_a_missing_column_is_named(folder: Path) -> None:
    path = folder / "recordings.csv"
    path.write_text(path.read_text().replace("licence", "license", 1))
    with pytest.raises(DataError, match="no column `licence`; needed `file,kind,label"):
        read_recordings(folder)


def test_a_folder_without_the_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"give a folder with recordings\.csv"):
        read_recordings(tmp_path)
