"""The recordings that sequences are composed of: a folder with `recordings.csv`, one line per file.

    file         path from the CSV file
    kind         picture (a video: its first 10 s, without its sound) or sound (anything FFmpeg decodes)
    label        class of an event; any word for the rest
    session      what was recorded together; a session never stands on both sides of a split
    licence      any text; those of the recordings that train are kept with the dataset
    share_alike  1: the recording is used in the test alone; 0
    role         event; hard negative (ordinary, but easily taken for an event); background

Every column is needed; others are ignored.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, ValidationError

from avadclip.errors import DataError, reason_by_pydantic
from avadclip.features.batch import content_sha256
from avadclip.labels import NORMAL
from avadclip.media.probe import MediaFile
from avadclip.timeline import SnippetGrid

FILE_NAME = "recordings.csv"
GRID = SnippetGrid()
USED_SNIPPETS = 15  # of a picture, from its start: 10 s, so that a long recording costs no more than a short one

Kind = Literal["picture", "sound"]
Role = Literal["event", "hard negative", "background"]


class RecordingRow(BaseModel, frozen=True, extra="ignore", str_strip_whitespace=True):
    """One line of recordings.csv."""

    file: str = Field(min_length=1)
    kind: Kind
    label: str = Field(min_length=1)
    session: str = Field(min_length=1)
    licence: str = Field(min_length=1)
    share_alike: bool
    role: Role


class Recording(RecordingRow):
    """A line, and what its file holds."""

    path: Path
    sha256: str
    """Of the content; plans name recordings by it."""
    num_snippets: int
    """Whole snippets of a picture, USED_SNIPPETS at most; 0 for a sound."""


def read_recordings(folder: Path) -> list[Recording]:
    """Read recordings.csv, and the content's hash and length of every file it names.

    Raises:
        DataError: the file or a column is missing, a value is not one of those above, a recording is missing, or two
            sessions have the same one.
        MediaError: a picture cannot be read.
    """
    path = folder / FILE_NAME
    recordings: dict[str, Recording] = {}
    for origin, row in _read_rows(path):
        if row.role == "event" and row.label == NORMAL:
            raise DataError(f"{origin}: an event cannot be `{NORMAL}`; name its class, or give it another role")
        recording = _look_at(folder / row.file, row, origin)
        same = recordings.setdefault(recording.sha256, recording)
        if (same.kind, same.session) != (row.kind, row.session):
            raise DataError(
                f"{origin}: {row.file} has the content of {same.file}, but another kind or session; "
                "give both one session, or remove one"
            )
    if not recordings:
        raise DataError(f"{path} lists no recording; add one line per file below its header")
    return list(recordings.values())


def _read_rows(path: Path) -> Iterator[tuple[str, RecordingRow]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            missing = [name for name in RecordingRow.model_fields if name not in (reader.fieldnames or ())]
            if missing:
                needed = ",".join(RecordingRow.model_fields)
                raise DataError(f"{path}:1: no column `{missing[0]}`; needed `{needed}`, separated by commas")
            for cells in reader:
                origin = f"{path}:{reader.line_num}"
                try:
                    yield origin, RecordingRow.model_validate(cells)
                except ValidationError as error:
                    first = error.errors()[0]
                    reason = reason_by_pydantic(first["msg"])
                    raise DataError(
                        f"{origin}: `{first['loc'][0]}` is {first['input']!r}: {reason}; correct it"
                    ) from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read ({error}); give a folder with {FILE_NAME} in UTF-8") from error


def _look_at(path: Path, row: RecordingRow, origin: str) -> Recording:
    if not path.is_file():
        raise DataError(f"{origin}: {path} does not exist; correct `file`, a path from the CSV file")
    num_snippets = 0
    if row.kind == "picture":
        num_snippets = min(GRID.num_snippets(MediaFile.open(path).info.duration_seconds), USED_SNIPPETS)
        if num_snippets == 0:
            raise DataError(
                f"{origin}: {path} is shorter than a snippet of {GRID.snippet_seconds:.2f} s; remove the line"
            )
    return Recording(**row.model_dump(), path=path, sha256=content_sha256(path), num_snippets=num_snippets)
