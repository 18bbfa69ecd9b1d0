"""Pull verdicts and the judged footage into a folder that needs no service (data.verdicts)."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from avadclip.apps.service.verdicts.schemas import StoredVerdict
from avadclip.apps.service.verdicts.sources import VerdictSource
from avadclip.data.bags import Span
from avadclip.data.verdicts import (
    FILE_NAME,
    VerdictRow,
    clip_name,
    clip_span,
    read_verdicts,
    times_within,
    write_verdicts,
)
from avadclip.errors import MediaError
from avadclip.files import atomic_path
from avadclip.media.mp4_copy import write_copy

RECORDING_SUFFIX = ".mkv"  # of apps.live.recording
NO_TIMES = "the recording holds the event and some seconds around it; its place in it is not known"


class Pulled(NamedTuple):
    """Of one pull."""

    num_new: int
    """Verdicts that were new, or other than before."""
    num_kept: int
    num_without: int
    """Verdicts of the folder without footage."""


def pull(
    source: VerdictSource,
    out: Path,
    *,
    recordings: Path | None = None,
    on_verdict: Callable[[str, int, int], None] | None = None,
) -> Pulled:
    """Add what is new. verdicts.csv is replaced after each verdict, so that it never names a clip that is not whole.

    A verdict that the service no longer has stays, with its footage: its job may have been deleted by age.

    Args:
        source: of the verdicts.
        out: the folder, made if it is missing.
        recordings: folder of a watch's recordings; without it verdicts on cameras have no footage.
        on_verdict: called with a verdict's source, its number from 0 and the number of all.

    Raises:
        DataError: the verdicts cannot be had, or the folder's own verdicts.csv is unusable.
    """
    rows = {row.id: row for row in read_verdicts(out)} if (out / FILE_NAME).exists() else {}
    verdicts = source.verdicts()
    # Verdicts of one video after the other: it is fetched once.
    order = sorted(verdicts, key=lambda each: (each.job_id or "", each.judged_at))
    num_new = 0
    for number, verdict in enumerate(order):
        if on_verdict is not None:
            on_verdict(verdict.source, number, len(order))
        old = rows.get(verdict.id)
        if old is not None and old.judged_at == round(verdict.judged_at, 3) and old.video:
            continue
        row = _with_footage(verdict, source, out, recordings)
        if old is not None and old.video and not row.video:
            row = _judged_anew(verdict, old)
        if row != old:
            num_new += 1
            rows[verdict.id] = row
            write_verdicts(out, rows.values())
    if not rows:
        write_verdicts(out, [])
    return Pulled(num_new, len(rows) - num_new, sum(not row.video for row in rows.values()))


def _with_footage(verdict: StoredVerdict, source: VerdictSource, out: Path, recordings: Path | None) -> VerdictRow:
    row = _row(verdict)
    if verdict.job_id is None:
        return _with_recording(row, verdict, out, recordings)
    video = source.video(verdict.job_id)
    if video is None:
        return row.model_copy(update={"note": "the job's video is gone"})
    stretch = Span(verdict.start, verdict.start if verdict.end is None else verdict.end)
    span = clip_span(stretch, _others(verdict, source) if verdict.verdict == "false alarm" else ())
    name = clip_name(verdict.id)
    try:
        write_copy(video, out / name, span=span)
    except MediaError as error:
        return row.model_copy(update={"note": f"no clip: {error}"})
    return row.model_copy(update={"video": name, **times_within(stretch, span)})


def _with_recording(row: VerdictRow, verdict: StoredVerdict, out: Path, recordings: Path | None) -> VerdictRow:
    if verdict.event_id is None:
        return row.model_copy(update={"note": "cameras are recorded only during events"})
    if recordings is None:
        return row.model_copy(update={"note": "no folder of recordings was named"})
    recording = recordings / f"{verdict.event_id}{RECORDING_SUFFIX}"
    if not recording.is_file():
        return row.model_copy(update={"note": "the event has no recording"})
    name = clip_name(verdict.id, RECORDING_SUFFIX)
    with atomic_path(out / name) as temporary:
        shutil.copyfile(recording, temporary)
    return row.model_copy(update={"video": name, "note": NO_TIMES})


def _others(verdict: StoredVerdict, source: VerdictSource) -> list[Span]:
    """Other events of the video, unless they were judged as false alarms too."""
    assert verdict.job_id is not None
    return [
        Span(event.start, event.end)
        for event in source.events(verdict.job_id)
        if event.id != verdict.event_id and event.verdict != "false alarm"
    ]


def _row(verdict: StoredVerdict) -> VerdictRow:
    is_camera = verdict.job_id is None
    day = f" {datetime.fromtimestamp(verdict.start, UTC):%Y-%m-%d}" if is_camera else ""
    return VerdictRow(
        id=verdict.id,
        video="",
        start=None,
        end=None,
        label=verdict.label or "",
        verdict=verdict.verdict,
        correct_label=verdict.correct_label,
        score=verdict.score,
        group=f"{verdict.source}{day}",
        source=verdict.source,
        at=round(verdict.start, 3),
        judged_by=verdict.judged_by,
        judged_at=round(verdict.judged_at, 3),
        note="",
    )


def _judged_anew(verdict: StoredVerdict, old: VerdictRow) -> VerdictRow:
    """Another verdict on footage that only the folder has by now."""
    kept = {name: getattr(old, name) for name in ("video", "start", "end")}
    return _row(verdict).model_copy(update=kept)
