"""Detections in the formats that other programs read: JSON, CSV and WebVTT.

JSON and CSV have every field of `Event`, rounded as its fields are marked. docs/detect.md describes the JSON.
"""

import csv
import dataclasses
import io
import json
import os
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avadclip import __version__
from avadclip.events import Event, NamedSound, SoundRule
from avadclip.inference.detector import Detection
from avadclip.media.probe import MediaInfo
from avadclip.report.sounds import describe_sound, event_mark, sound_names
from avadclip.report.words import network_words

FORMAT = "avadclip-detection/1"
"""Names the JSON document and its version; the number rises when a reader of the old one would break."""

_FIELDS_OF_0_1_0 = (
    "id",
    "source",
    "label",
    "score",
    "start",
    "end",
    "severity",
    "modality",
    "model",
    "threshold",
    "snapshot",
    "sound_gain",
    "picture_gain",
)
EVENT_FIELDS = (*_FIELDS_OF_0_1_0, *(name for name in Event.model_fields if name not in _FIELDS_OF_0_1_0))
"""Columns of the CSV and keys of an event in JSON: those of version 0.1.0 in their order, then later ones."""


def event_row(event: Event) -> dict[str, Any]:
    """One event with its numbers rounded, keyed by EVENT_FIELDS."""
    values = event.rounded().model_dump() | {"sounds": _sounds_document(event.sounds)}
    return {name: clean_text(values[name]) if isinstance(values[name], str) else values[name] for name in EVENT_FIELDS}


def clean_text(text: str) -> str:
    """Text that can be written as UTF-8: bytes of a file name that are not UTF-8 become U+FFFD."""
    return os.fsencode(text).decode("utf-8", errors="replace") if not _is_unicode(text) else text


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def to_document(detection: Detection, *, include_scores: bool = False) -> dict[str, Any]:
    """A detection as plain dicts, lists, strings and numbers.

    Args:
        detection: what was found in one video.
        include_scores: also every snippet's scores and class probabilities.
    """
    track = detection.track
    document: dict[str, Any] = {
        "format": FORMAT,
        "tool": f"avadclip {__version__}",
        "source": clean_text(detection.source),
        "media": _media_document(detection.media),
        "model": detection.model,
        "network": detection.network,
        "modality": detection.modality,
        "reason": detection.reason,
        "encoders": detection.encoders,
        "classes": list(track.classes),
        "thresholds": {
            "detection": round(detection.thresholds.detection, 6),
            "alert": None if detection.thresholds.alert is None else round(detection.thresholds.alert, 6),
        },
        "rules": {
            "min_seconds": detection.rules.min_seconds,
            "merge_gap_seconds": detection.rules.merge_gap_seconds,
            "release_share": detection.rules.release_share,
            "sounds": _rules_document(detection.rules.sounds),
        },
        "num_snippets": len(track.scores),
        "peak_score": round(float(track.scores.max()), 6),
        "sound_summary": detection.sound_summary and clean_text(detection.sound_summary),
        "sounds": None if detection.sounds is None else _sounds_document(detection.sounds),
        "notes": [clean_text(note) for note in detection.notes],
        "events": [event_row(event) for event in detection.events],
    }
    if include_scores:
        document["scores"] = _scores_document(detection)
    return document


def to_json(detection: Detection, *, include_scores: bool = False) -> str:
    """One detection as a JSON document, ending in a line feed."""
    return dump_json(to_document(detection, include_scores=include_scores)) + "\n"


def dump_json(value: object, *, indent: str = "") -> str:
    """JSON indented for people, with a list of numbers kept on one line; `indent` stands before all but the first."""
    deeper = indent + "  "
    if isinstance(value, dict) and value:
        pairs = [f"{deeper}{json.dumps(key)}: {dump_json(item, indent=deeper)}" for key, item in value.items()]
        return "{\n" + ",\n".join(pairs) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        items = [deeper + dump_json(item, indent=deeper) for item in value]
        return "[\n" + ",\n".join(items) + f"\n{indent}]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def to_csv(events: Iterable[Event]) -> str:
    """One table of events, RFC 4180: a header line, then a line per event; None is an empty field."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, EVENT_FIELDS)
    writer.writeheader()
    for event in events:
        writer.writerow(event_row(event) | {"sounds": "; ".join(describe_sound(sound) for sound in event.sounds)})
    return text.getvalue()


def to_webvtt(detection: Detection) -> str:
    """One cue per event, for players that show subtitles or chapters."""
    about = f"{detection.source}, scored by avadclip {detection.model}, {network_words(detection.network)}"
    blocks = ["WEBVTT", f"NOTE {_one_line(about)}"]
    for event in detection.events:
        start_ms = round(event.start * 1000)
        end_ms = max(round(event.end * 1000), start_ms + 1)  # a cue must end after it starts
        times = f"{_vtt_time(start_ms)} --> {_vtt_time(end_ms)}"
        text = f"{event.label} {event.score:.2f} ({event_mark(event)})"
        if event.kind == "model" and event.sounds:
            text += f", sounds: {sound_names(event.sounds)}"
        lines = (_one_line(event.id), times, _escape_cue(_one_line(text)))
        blocks.append("\n".join(line for line in lines if line))  # an empty line would end the cue
    return "\n\n".join(blocks) + "\n"


def _media_document(media: MediaInfo) -> dict[str, Any]:
    # Not the path: it says more about the user's machine than a result should carry around.
    sound = media.sound
    return {
        "duration_seconds": round(media.duration_seconds, 3),
        "frame_rate_hz": round(media.frame_rate_hz, 3),
        "width": media.width,
        "height": media.height,
        "rotation_degrees": media.rotation_degrees,
        "sound": None if sound is None else dataclasses.asdict(sound),
    }


def _sounds_document(sounds: Iterable[NamedSound]) -> list[dict[str, Any]]:
    return [{**sound.rounded().model_dump(), "name": clean_text(sound.name)} for sound in sounds]


def _rules_document(rules: Iterable[SoundRule] | None) -> list[dict[str, Any]] | None:
    if rules is None:
        return None
    keys = ("label", "names", "threshold", "is_sudden")
    return [{key: getattr(rule, key) for key in keys} | {"names": list(rule.names)} for rule in rules]


def _scores_document(detection: Detection) -> dict[str, Any]:
    track = detection.track
    return {
        "snippet_seconds": track.snippet_seconds,  # whole: a rounding error would add up over the hours of a video
        "end_seconds": round(track.end_seconds, 3),
        "anomaly": _rounded(track.scores),
        "class_probabilities": [_rounded(row) for row in track.class_probabilities],
        "visual_student": None if detection.visual_track is None else _rounded(detection.visual_track.scores),
        "audio_student": None if detection.audio_track is None else _rounded(detection.audio_track.scores),
    }


def _rounded(values: NDArray[np.float32]) -> list[float]:
    return [round(float(value), 6) for value in values]


def _vtt_time(milliseconds: int) -> str:
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}.{milliseconds:03d}"


def _one_line(text: str) -> str:
    """Without what would end a block (an empty line) or be read as a cue's times."""
    return " ".join(clean_text(text).split()).replace("-->", "->")


def _escape_cue(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
