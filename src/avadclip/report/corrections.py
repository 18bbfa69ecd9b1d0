"""Corrections of events made in Label Studio, read back as verdicts (data.verdicts).

A region that overlaps an event of the result makes it real, or of the wrong class where it has another label; an event
without a region is a false alarm, and a region without an event was missed. The export is Label Studio's format `JSON`.
"""

import hashlib
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from avadclip.data.bags import Interval, Span
from avadclip.data.verdicts import (
    FILE_NAME,
    VerdictRow,
    clip_name,
    clip_span,
    read_verdicts,
    times_within,
    write_verdicts,
)
from avadclip.errors import DataError, MediaError
from avadclip.events import Event
from avadclip.inference.detector import Detection
from avadclip.labels import class_name
from avadclip.media.mp4_copy import write_copy
from avadclip.report.documents import read_detections
from avadclip.report.label_studio import SOURCE, VIDEO, frame_rate

JUDGED_BY = "Label Studio"


class _Range(BaseModel):
    start: int = Field(ge=1)
    end: int = Field(ge=1)


class _Value(BaseModel):
    ranges: list[_Range] = Field(min_length=1)
    timelinelabels: list[str] = Field(min_length=1)


class _Region(BaseModel):
    type: str
    value: Any


class _Annotation(BaseModel):
    result: list[_Region]
    was_cancelled: bool = False
    updated_at: datetime | None = None


class _CorrectedTask(BaseModel):
    data: dict[str, Any]
    annotations: list[_Annotation]


def import_corrections(export: Path, results: Sequence[Path], out: Path) -> int:
    """Add the verdicts of an export to a folder, with clips of the videos where these still are.

    Args:
        export: of one project; tasks without an annotation are left out, of several annotations the last one counts.
        results: the JSON results that the project was made from.
        out: the folder of verdicts.

    Returns:
        The number of verdicts.

    Raises:
        DataError: an unusable file, or a task whose result is not among the given ones.
    """
    detections = [detection for path in results for detection in read_detections(path)]
    rows = {row.id: row for row in read_verdicts(out)} if (out / FILE_NAME).exists() else {}
    added: dict[str, VerdictRow] = {}
    for number, task in enumerate(_read(export), start=1):
        finished = [each for each in task.annotations if not each.was_cancelled]
        if finished:
            detection = _detection_of(task, detections, f"{export}, task {number}")
            regions = list(_regions(finished[-1], frame_rate(detection), f"{export}, task {number}"))
            added |= {row.id: row for row in _verdicts(detection, regions, finished[-1], out)}
    if not added:
        raise DataError(f"{export} holds no annotation; submit some in Label Studio, and export as JSON")
    write_verdicts(out, {**rows, **added}.values())
    return len(added)


def _read(export: Path) -> list[_CorrectedTask]:
    try:
        return TypeAdapter(list[_CorrectedTask]).validate_json(export.read_bytes())
    except (OSError, ValidationError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise DataError(f"{export}: cannot be read ({reason}); export the project from Label Studio as JSON") from error


def _detection_of(task: _CorrectedTask, detections: Sequence[Detection], origin: str) -> Detection:
    """By the name of the source that our export wrote, else by the name of the file."""
    source = str(task.data.get(SOURCE, task.data.get(VIDEO, "")))
    same = [each for each in detections if each.source == source]
    same = same or [each for each in detections if PurePosixPath(each.source).name == PurePosixPath(source).name]
    if len(same) != 1:
        raise DataError(f"{origin}: {len(same)} of the results are of {source!r}; name its detection.json once")
    return same[0]


def _regions(annotation: _Annotation, rate_hz: float, origin: str) -> Iterator[Interval]:
    for region in annotation.result:
        if region.type == "timelinelabels":
            try:
                value = _Value.model_validate(region.value)
                labels = [class_name(label) for label in value.timelinelabels]
            except (ValidationError, ValueError) as error:
                raise DataError(f"{origin}: a region cannot be read ({error}); correct it in Label Studio") from error
            for one in value.ranges:  # frames are counted from 1, with the last one included
                yield Interval(labels[0], (one.start - 1) / rate_hz, max(one.end, one.start) / rate_hz)


def _verdicts(
    detection: Detection, regions: Sequence[Interval], annotation: _Annotation, out: Path
) -> Iterator[VerdictRow]:
    found = [each for each in regions if any(_overlaps(each, event) for event in detection.events)]
    missed = [each for each in regions if each not in found]
    judged_at = time.time() if annotation.updated_at is None else annotation.updated_at.timestamp()
    at = {"judged_at": round(judged_at, 3), "judged_by": JUDGED_BY}
    for event in detection.events:
        own = [region for region in regions if _overlaps(region, event)]
        labels = [region.label for region in own]
        given: dict[str, Any] = {"verdict": "false alarm"}
        if own:
            is_right = class_name(event.label) in labels
            given = {"verdict": "real"} if is_right else {"verdict": "wrong class", "correct_label": labels[0]}
        others = [Span(each.start, each.end) for each in regions] if not own else []
        given |= {"label": event.label, "score": round(event.score, 6)}
        yield _row(detection, Span(event.start, event.end), given | at, out, others)
    for region in missed:
        given = {"verdict": "missed", "correct_label": region.label}
        yield _row(detection, Span(region.start, region.end), given | at, out)


def _overlaps(region: Interval, event: Event) -> bool:
    return region.start < event.end and event.start < region.end


def _row(
    detection: Detection, stretch: Span, given: dict[str, Any], out: Path, others: Sequence[Span] = ()
) -> VerdictRow:
    """A verdict with its clip; the same stretch of the same video has the same id in every import."""
    identity = f"{detection.source} {stretch.start:.3f} {stretch.end:.3f}"
    verdict_id = hashlib.sha256(identity.encode(errors="replace")).hexdigest()[:32]
    span = clip_span(stretch, others)
    values: dict[str, Any] = {"video": "", "start": None, "end": None, "note": ""}
    try:
        write_copy(Path(detection.source), out / clip_name(verdict_id), span=span)
        values |= {"video": clip_name(verdict_id), **times_within(stretch, span)}
    except MediaError as error:
        values["note"] = f"no clip: {error}"
    name = PurePosixPath(detection.source).name
    values |= {"group": name, "source": name, "at": round(stretch.start, 3)}
    defaults = {"label": "", "correct_label": None, "score": None}
    return VerdictRow(id=verdict_id, **(defaults | given | values))
