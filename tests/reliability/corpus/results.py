"""Results of detection that are none, lie, or would lead a report to places of their own choice."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .case import Case, Expected, written

RESULT: dict[str, Any] = {
    "format": "avadclip-detection/1",
    "source": "yard.mp4",
    "media": {
        "duration_seconds": 2.0,
        "frame_rate_hz": 25.0,
        "width": 320,
        "height": 240,
        "rotation_degrees": 0,
        "sound": None,
    },
    "model": "starter",
    "network": "visual-student",
    "modality": "visual",
    "reason": "no sound",
    "encoders": {},
    "classes": ["normal", "fighting"],
    "thresholds": {"detection": 0.5, "alert": None},
    "rules": {"min_seconds": 0.0, "merge_gap_seconds": 1.0, "release_share": 0.8},
    "notes": [],
    "events": [
        {
            "id": "1",
            "source": "yard.mp4",
            "label": "fighting",
            "score": 0.9,
            "start": 0.0,
            "end": 1.0,
            "severity": "detection",
            "modality": "visual",
            "model": "starter",
            "threshold": 0.5,
        }
    ],
    "scores": {
        "snippet_seconds": 1.0,
        "end_seconds": 2.0,
        "anomaly": [0.9, 0.1],
        "class_probabilities": [[0.1, 0.9], [0.9, 0.1]],
        "visual_student": None,
        "audio_student": None,
    },
}
"""A short one in which everything fits."""


def _changed(place: str, value: object) -> Callable[[Path], bytes]:
    """The result above with another value at a dotted place; a function makes the value for the file's folder."""

    def content(folder: Path) -> bytes:
        result = json.loads(json.dumps(RESULT))
        *parents, last = place.split(".")
        part = result
        for parent in parents:
            part = part[int(parent) if isinstance(part, list) else parent]
        part[last] = value(folder) if callable(value) else value
        return json.dumps(result).encode()

    return content


def _pipe(folder: Path) -> str:
    os.mkfifo(folder / "pipe.mp4")
    return str(folder / "pipe.mp4")


def _case(name: str, content: Callable[[Path], bytes] | bytes, expected: Expected) -> Case:
    return Case("results", name, written("detection.json", content), expected, reader="result")


def _cases() -> Iterator[Case]:
    whole = json.dumps(RESULT)
    contents = {
        "nothing": b"",
        "a number": b"7",
        "no results": b"[]",
        "JSON 100000 deep": b"[" * 100_000,
        "a result 500 deep": b"[" * 500 + b"{}" + b"]" * 500,
        "a number of 100000 digits": whole.replace("320", "9" * 100_000).encode(),
        "bytes that are no text": b'{"format": "\xff"}',
        "UTF-16": whole.encode("utf-16"),
        "a pickle": b"\x80\x04\x95\x05",
    }
    for name, content in contents.items():
        yield _case(name, content, "error")
    wrong: dict[str, tuple[str, object]] = {
        "a format of the future": ("format", "avadclip-detection/2"),
        "a score above 1": ("scores.anomaly", [0.9, 1.1]),
        "a score that is no number": ("scores.anomaly", [0.9, float("nan")]),
        "an endless video": ("scores.end_seconds", float("inf")),
        "snippets of no length": ("scores.snippet_seconds", 0),
        "a snippet of an age": ("scores.snippet_seconds", 1e300),
        "an event without a score": ("events.0.score", float("nan")),
        "fewer rows than scores": ("scores.class_probabilities", [[0.1, 0.9]]),
        "a row too short": ("scores.class_probabilities", [[0.1, 0.9], [0.9]]),
        "a million classes": ("classes", [str(number) for number in range(10**6)]),
        "a picture of no size": ("media.width", 0),
        "an event that ends before it begins": ("events.0.start", 1.5),
        "an event of another class": ("events.0.label", "dancing"),
        "an event at the end of time": ("events.0.end", 1e308),
        "half a character": ("reason", "\ud800"),
        "half a character where anything may stand": ("encoders", {"visual": "\ud800"}),
        "no source": ("source", ""),
        "the folder above as a source": ("source", ".."),
        "the root as a source": ("source", "/"),
        "a NUL in the source": ("source", "a\0b.mp4"),
        "a source of a megabyte": ("source", "a" * 10**6),
    }
    for name, (place, value) in wrong.items():
        yield _case(name, _changed(place, value), "error")
    odd: dict[str, tuple[str, object]] = {
        "a source that is a pipe": ("source", _pipe),
        "a source that is a folder": ("source", str),
        "a source that never ends": ("source", "/dev/zero"),
        "a source of three folders above": ("source", "../../../yard.mp4"),
        "markup in a text": ("reason", "</script><script>alert(1)</script>"),
        "keys of the future": ("colour", {"a": [1] * 1000}),
    }
    for name, (place, value) in odd.items():
        yield _case(name, _changed(place, value), "result")
    yield _case("whole", whole.encode(), "result")


CASES = tuple(_cases())
