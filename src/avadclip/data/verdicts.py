"""People's verdicts on events, and the folder that holds them: `verdicts.csv`, and the judged footage beside it.

    id             of the verdict; the same one pulled again replaces its line
    video          path of the footage from this folder; empty where the footage is gone
    start, end     the judged stretch in seconds of `video`, half open; empty: the whole of it
    label          class of the event; empty for a missed one
    verdict        real, false alarm, wrong class or missed
    correct_label  the right class of `wrong class`, the class of `missed`
    score          of the event, within [0, 1]; empty for a missed one
    group          the video or the camera it comes from; a group is never divided
    source         the video or the camera, as people know it
    at             start of the judged stretch in the source: seconds, or Unix seconds of a camera
    judged_by, judged_at   whose verdict, and when, Unix seconds
    note           why there is no footage, or no time

Every column is needed; others are ignored.
"""

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, NamedTuple, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, FiniteFloat, ValidationError, model_validator

from avadclip.data.bags import Interval, Span
from avadclip.data.label_csv import LabelledVideo
from avadclip.errors import DataError, reason_by_pydantic
from avadclip.files import write_atomically
from avadclip.labels import NORMAL, VerdictWord, check_verdict, class_name

FILE_NAME = "verdicts.csv"
CLIPS = "clips"  # folder of the footage
MARGIN_SECONDS = 5.0  # of footage on either side of a judged stretch


def _number(cell: object) -> object:
    return None if cell == "" else cell


ClassName = Annotated[str, AfterValidator(class_name)]
_OptionalNumber = Annotated[FiniteFloat | None, BeforeValidator(_number)]
_OptionalClass = Annotated[ClassName | None, BeforeValidator(_number)]


class VerdictRow(BaseModel, frozen=True, extra="ignore", str_strip_whitespace=True):
    """One line of verdicts.csv."""

    id: str = Field(min_length=1)
    video: str
    start: _OptionalNumber
    end: _OptionalNumber
    label: str
    verdict: VerdictWord
    correct_label: _OptionalClass
    score: Annotated[Annotated[float, Field(ge=0, le=1)] | None, BeforeValidator(_number)]
    group: str = Field(min_length=1)
    source: str
    at: _OptionalNumber
    judged_by: str
    judged_at: FiniteFloat
    note: str

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_verdict(self.verdict, self.label, self.correct_label)
        if (self.verdict == "missed") != (self.label == ""):
            raise ValueError(f"`label` is {self.label!r}; needed the event's class, and nothing for `missed`")
        if self.verdict == "real":
            class_name(self.label)
        if (self.start is None) != (self.end is None) or not (self.start or 0.0) <= (self.end or math.inf):
            raise ValueError(f"invalid stretch from {self.start} s to {self.end} s; needed both, start before end")
        path = PurePosixPath(self.video)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"`video` is {self.video!r}; needed a path inside the folder")
        return self

    @property
    def true_label(self) -> str:
        """The class by the verdict; `normal` for a false alarm."""
        if self.correct_label is not None:
            return self.correct_label
        return NORMAL if self.verdict == "false alarm" else class_name(self.label)

    @property
    def is_event(self) -> bool:
        """Whether something happened: every verdict but `false alarm`."""
        return self.verdict != "false alarm"


class Located(NamedTuple):
    """A line and where it stands, for messages: `verdicts.csv:7`."""

    origin: str
    row: VerdictRow


def read_verdicts(folder: Path) -> list[VerdictRow]:
    """Read verdicts.csv; none where it lists none.

    Raises:
        DataError: the file or a column is missing, a value is not one of those above, or an id stands twice.
    """
    return [each.row for each in _read(folder)]


def write_verdicts(folder: Path, rows: Iterable[VerdictRow]) -> None:
    """Write verdicts.csv, whole or not at all."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(VerdictRow.model_fields))
    writer.writeheader()
    for row in rows:
        writer.writerow({name: "" if cell is None else cell for name, cell in row})
    write_atomically(folder / FILE_NAME, text.getvalue())


def clip_name(verdict_id: str, suffix: str = ".mp4") -> str:
    """The path of a verdict's footage from the folder."""
    return f"{CLIPS}/{verdict_id}{suffix}"


def clip_span(stretch: Span, others: Sequence[Span] = ()) -> Span:
    """What of a video to cut out for a verdict: the judged stretch and some seconds around it.

    Args:
        stretch: judged, in seconds of the video.
        others: for a false alarm, whose clip counts as normal: events that must not be in it.
    """
    start, end = max(stretch.start - MARGIN_SECONDS, 0.0), stretch.end + MARGIN_SECONDS
    before = [min(other.end, stretch.start) for other in others if other.start < stretch.start]
    after = [max(other.start, stretch.end) for other in others if other.end > stretch.end]
    return Span(max([start, *before]), min([end, *after]))


def times_within(stretch: Span, span: Span) -> dict[str, float]:
    """`start` and `end` of a stretch in what was cut out of its video."""
    return {"start": round(stretch.start - span.start, 3), "end": round(stretch.end - span.start, 3)}


def labelled_videos(folder: Path) -> list[LabelledVideo]:
    """The judged footage with its classes, to train on: a false alarm is `normal`.

    Verdicts whose footage is gone are left out; `read_verdicts` has them. Paths are relative to the folder.

    Raises:
        DataError: as `read_verdicts`, a video that is listed is missing, or none is listed.
    """
    videos = []
    for origin, row in _read(folder):
        if row.video:
            if not (folder / row.video).is_file():
                raise DataError(f"{origin}: {folder / row.video} does not exist; pull the verdicts again")
            videos.append(_labelled(origin, row))
    if not videos:
        raise DataError(
            f"{folder / FILE_NAME} lists no verdict with footage; judge events, and pull the verdicts again"
        )
    return videos


def _labelled(origin: str, row: VerdictRow) -> LabelledVideo:
    label = row.true_label
    intervals: tuple[Interval, ...] | None = ()
    if row.is_event:
        has_times = row.start is not None and row.end is not None and row.start < row.end
        intervals = (Interval(label, row.start, row.end),) if has_times else None  # type: ignore[arg-type]
    return LabelledVideo(
        video=row.video,
        labels=(label,),
        intervals=intervals,
        split="train",
        group=row.group,
        origin=origin,
        interval_origins=(origin,) * len(intervals or ()),
    )


def _read(folder: Path) -> list[Located]:
    path = folder / FILE_NAME
    rows: dict[str, Located] = {}
    for origin, row in _parse(path):
        if row.id in rows:
            raise DataError(f"{origin}: the id {row.id} stands in {rows[row.id].origin} too; remove one of the lines")
        rows[row.id] = Located(origin, row)
    return list(rows.values())


def _parse(path: Path) -> Iterator[tuple[str, VerdictRow]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            missing = [name for name in VerdictRow.model_fields if name not in (reader.fieldnames or ())]
            if missing:
                needed = ",".join(VerdictRow.model_fields)
                raise DataError(f"{path}:1: no column `{missing[0]}`; needed `{needed}`, separated by commas")
            for cells in reader:
                origin = f"{path}:{reader.line_num}"
                try:
                    yield origin, VerdictRow.model_validate(cells)
                except ValidationError as error:
                    raise DataError(f"{origin}: {_reason(error)}; correct the line") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read ({error}); give a folder that `avadclip verdicts` wrote") from error


def _reason(error: ValidationError) -> str:
    first = error.errors()[0]
    reason = reason_by_pydantic(first["msg"])
    return f"`{first['loc'][0]}` is {first['input']!r}: {reason}" if first["loc"] else reason
