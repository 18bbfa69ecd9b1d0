"""Export of events as markers for video editors: an OpenTimelineIO timeline."""

from pathlib import Path
from typing import Any

from avadclip.events import Event
from avadclip.extras import require_extra
from avadclip.files import atomic_path
from avadclip.inference.detector import Detection
from avadclip.report.exports import clean_text, event_row
from avadclip.report.sounds import event_mark
from avadclip.report.words import printable

MARKER_COLOURS = {"alert": "RED", "detection": "ORANGE", "sound": "PURPLE"}
MILLISECONDS_HZ = 1000.0  # times are whole milliseconds where a file states no frame rate


def write_timeline(detection: Detection, media_url: str | None, path: Path) -> None:
    """Write one track with the whole video as a clip and a marker per event, red for alerts, purple for sounds.

    Args:
        detection: the events to write.
        media_url: URL of the video; None: the clip has no media, and the editor prompts for it.
        path: of the file to write, of suffix .otio.

    Raises:
        ConfigError: the library OpenTimelineIO is not installed.
    """
    require_extra("export")
    import opentimelineio as otio

    rate_hz = detection.media.frame_rate_hz or MILLISECONDS_HZ

    def stretch(start: float, end: float) -> Any:
        times = [otio.opentime.RationalTime(round(seconds * rate_hz), rate_hz) for seconds in (start, end)]
        return otio.opentime.range_from_start_end_time(*times)

    def marker(event: Event) -> Any:
        color = getattr(otio.schema.MarkerColor, MARKER_COLOURS[event_mark(event)])
        name = f"{printable(event.label)} {event.score:.2f}"
        return otio.schema.Marker(name, stretch(event.start, event.end), color, metadata={"avadclip": event_row(event)})

    name = Path(clean_text(detection.source)).name
    whole = stretch(0.0, detection.track.end_seconds)
    media = otio.schema.MissingReference() if media_url is None else otio.schema.ExternalReference(media_url, whole)
    clip = otio.schema.Clip(name, media, whole)
    clip.markers.extend(marker(event) for event in detection.events)
    timeline = otio.schema.Timeline(f"{name}: {detection.model}")
    timeline.tracks.append(otio.schema.Track("video", [clip], kind=otio.schema.TrackKind.Video))
    with atomic_path(path) as temporary:
        otio.adapters.write_to_file(timeline, str(temporary))
