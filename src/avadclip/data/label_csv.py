"""Labels of a user's own videos, read from a CSV file.

The header names the columns; columns other than these are ignored:

    video   path or name
    label   class, several separated by `|`; `normal` for videos without events; case and full width do not matter
    start   optional, with `end`: time of the event in seconds; used in evaluation, never in training
    split   optional: train (also where empty), validation or test
    group   optional: the recording a video was cut from; a group is never divided between splits

A video may have several rows; their classes are joined. Invisible characters are refused, except in names of videos.
"""

import csv
import difflib
import math
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from avadclip.data.bags import Interval
from avadclip.data.splits import group_of
from avadclip.errors import DataError
from avadclip.labels import CLASS_SEPARATOR, NORMAL

NEEDED_COLUMNS = ("video", "label")
OPTIONAL_COLUMNS = ("start", "end", "split", "group")
READ_AS_WORDS = ("label", "start", "end", "split")
SPLITS = ("train", "validation", "test")
JOINERS = "\u200c\u200d"  # invisible, but part of words in Persian and other languages


class LabelledVideo(NamedTuple):
    """Labels of a video."""

    video: str
    """Path or name, as written."""
    labels: tuple[str, ...]
    """Classes in lower case; `normal` is never combined with others."""
    intervals: tuple[Interval, ...] | None
    """See Bag."""
    split: str
    group: str
    origin: str
    """Location of the label, for messages: `labels.csv:7`."""
    has_split: bool = False
    """Whether a row names its split; otherwise it is for training."""
    interval_origins: tuple[str, ...] = ()
    """Location of every interval."""


class LabelRow(NamedTuple):
    """One line of the file."""

    video: str
    labels: tuple[str, ...]
    span: tuple[float, float] | None
    """Start and end in seconds."""
    split: str
    group: str
    origin: str


def read_label_csv(path: Path) -> list[LabelledVideo]:
    """Read a file of labels, its videos in the order they first appear in.

    Raises:
        DataError: unreadable, empty, a column or label missing, invalid times, contradicting rows.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            header = reader.fieldnames or ()
            columns = [_plain(f"{path}:1", f"column {number}", cell) for number, cell in enumerate(header, start=1)]
            _check_columns(path, columns)
            reader.fieldnames = columns
            rows = [_parse_row(f"{path}:{reader.line_num}", cells) for cells in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read ({error}); give a CSV file in UTF-8") from error
    if not rows:
        raise DataError(f"{path} lists no video; add one line per video below the header `{','.join(columns)}`")
    of_video: dict[str, list[LabelRow]] = {}
    for row in rows:
        of_video.setdefault(row.video, []).append(row)
    return [_join(same) for same in of_video.values()]


def _check_columns(path: Path, columns: list[str]) -> None:
    if not columns:
        raise DataError(f"{path} is empty; add a header `video,label` and one line per video")
    if columns[0].startswith(("{", "[")):
        raise DataError(f"{path} is a JSON file; needed a CSV file with a header `video,label` and one line per video")
    for column in (*NEEDED_COLUMNS, *OPTIONAL_COLUMNS):
        if column in columns:
            if columns.count(column) > 1:
                raise DataError(f"{path}:1: duplicate column `{column}`; keep one of them")
            continue
        others = [other for other in columns if other not in NEEDED_COLUMNS + OPTIONAL_COLUMNS]
        close = difflib.get_close_matches(column, others, n=1, cutoff=0.75)
        if column in NEEDED_COLUMNS or close:
            found = f"rename `{close[0]}`" if close else f"found {', '.join(f'`{other}`' for other in columns)}"
            raise DataError(f"{path}:1: no column `{column}` ({found}); needed `video,label`, separated by commas")
    if ("start" in columns) != ("end" in columns):
        raise DataError(f"{path}:1: `start` and `end` are needed together; add the other one, or omit both")


def _parse_row(origin: str, cells: dict[str | None, str | list[str] | None]) -> LabelRow:
    extra = next((cell.strip() for cell in cells.pop(None, None) or () if cell.strip()), None)
    if extra is not None:  # a trailing comma adds an empty cell, which says nothing
        raise DataError(
            f"{origin}: more cells than columns, {extra!r} stands after the last one, `{list(cells)[-1]}`; "
            "put names with a comma in double quotes"
        )
    given = {column: str(cells.get(column) or "").strip() for column in (*NEEDED_COLUMNS, *OPTIONAL_COLUMNS)}
    if not given["video"]:
        raise DataError(f"{origin}: `video` is empty; name the video, or remove the line")
    texts = {column: _plain(origin, f"`{column}`", given[column]) for column in READ_AS_WORDS}
    labels = tuple(dict.fromkeys(label.strip() for label in texts["label"].split(CLASS_SEPARATOR)))
    if "" in labels:
        raise DataError(f"{origin}: `label` is {texts['label']!r}; give a class, `{NORMAL}` for a video without events")
    split = texts["split"]
    if split and split not in SPLITS:
        raise DataError(f"{origin}: `split` is {split!r}; needed {', '.join(SPLITS)}, or nothing for {SPLITS[0]}")
    span = _parse_span(origin, texts["start"], texts["end"])
    return LabelRow(given["video"], labels, span, split, _visible(origin, "`group`", given["group"]), origin)


def _visible(origin: str, what: str, cell: str) -> str:
    """The cell; DataError where it has characters that nobody can see."""
    text = cell.strip()
    is_joined = text == text.strip(JOINERS)
    hidden = [one for one in text if unicodedata.category(one) == "Cf" and not (is_joined and one in JOINERS)]
    if hidden:
        shown = text.encode("unicode_escape").decode()
        raise DataError(f"{origin}: {what} has the invisible character U+{ord(hidden[0]):04X} ({shown}); type it again")
    return text


def _plain(origin: str, what: str, cell: str) -> str:
    """The cell in lower case and ordinary width; see _visible."""
    return unicodedata.normalize("NFKC", _visible(origin, what, cell)).lower().strip()


def _parse_span(origin: str, start: str, end: str) -> tuple[float, float] | None:
    if not start and not end:
        return None
    times = []
    for column, text in (("start", start), ("end", end)):
        try:
            times.append(float(text))
        except ValueError:
            times.append(math.nan)
        if not math.isfinite(times[-1]):
            raise DataError(f"{origin}: `{column}` is {text!r}; needed a number of seconds such as 12.5")
    if times[0] < 0 or times[1] <= times[0]:
        raise DataError(f"{origin}: invalid interval from {start} s to {end} s; needed 0 <= start < end")
    return times[0], times[1]


def _join(rows: Sequence[LabelRow]) -> LabelledVideo:
    """Merge the rows of one video."""
    video, origin = rows[0].video, rows[0].origin
    labels = tuple(dict.fromkeys(label for row in rows for label in row.labels))
    if NORMAL in labels and len(labels) > 1:
        last = rows[-1].origin.rpartition(":")[2]
        where = origin if len(rows) == 1 else f"{origin} to {last}"
        other = next(label for label in labels if label != NORMAL)
        raise DataError(
            f"{where}: {video} is both `{NORMAL}` and `{other}`; keep one, an anomalous video does not need `{NORMAL}`"
        )
    split, timed = _agreed(rows, "split"), _intervals(rows, labels)
    return LabelledVideo(
        video=video,
        labels=labels,
        intervals=None if timed is None else tuple(timed),
        split=split or SPLITS[0],
        group=_agreed(rows, "group") or group_of(video),
        origin=origin,
        has_split=bool(split),
        interval_origins=tuple((timed or {}).values()),
    )


def _intervals(rows: Sequence[LabelRow], labels: tuple[str, ...]) -> dict[Interval, str] | None:
    """The events in order, each with the location of its row; None without annotation."""
    if labels == (NORMAL,):
        return {}
    timed: dict[Interval, str] = {}
    for row in rows:
        if row.span is not None:
            for label in row.labels:
                timed.setdefault(Interval(label, *row.span), row.origin)
    without = [row for row in rows if row.span is None]
    if timed and without:
        raise DataError(
            f"{without[0].origin}: no start and end, but other rows of {rows[0].video} have them; "
            "give them in all of its rows or in none"
        )
    in_order = sorted(timed, key=lambda interval: (interval.start, interval.end, interval.label))
    return {interval: timed[interval] for interval in in_order} or None


def _agreed(rows: Sequence[LabelRow], column: str) -> str:
    """The common value of a column in all rows of a video that have one."""
    values = {str(getattr(row, column)): row.origin for row in rows if getattr(row, column)}
    if len(values) > 1:
        (one, _), (other, origin), *_ = values.items()
        raise DataError(f"{origin}: `{column}` of {rows[0].video} is {other!r}, but {one!r} before; keep one of them")
    return next(iter(values), "")
