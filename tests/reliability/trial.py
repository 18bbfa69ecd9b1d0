"""Tries inputs in a process that a test may lose: JSON lines in, JSON lines out.

The encoders and the model are the real ones. Pictures that were encoded before are remembered, because hundreds of
inputs are damaged forms of a few videos.
"""

import gc
import json
import os
import resource
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from avadclip.errors import AvadclipError
from avadclip.features.batch import extract_to_folder
from avadclip.features.store import read_features
from avadclip.inference.detector import Detector, load_detector
from avadclip.inference.networks import read_recipe

MEMORY_BYTES = 2**30  # that one input may take on top of encoders and model


class Remembering:
    """An encoder of pictures that encodes every snippet once. See base.VisualEncoder."""

    def __init__(self, encoder: Any) -> None:
        self._encoder = encoder
        self._known: dict[bytes, np.ndarray] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def encode(self, frames: list[np.ndarray]) -> np.ndarray:
        size = len(self._encoder.frame_offsets)
        rows = []
        for first in range(0, len(frames), size):
            snippet = frames[first : first + size]
            key = np.stack(snippet).tobytes()
            if key not in self._known:
                self._known[key] = self._encoder.encode(snippet)
            rows.append(self._known[key])
        return np.concatenate(rows, axis=1)


class Media:
    """Extracts a video into `out` and detects in it."""

    def __init__(self) -> None:
        loaded = load_detector("starter-1")
        self._encoders = loaded.encoders._replace(visual=Remembering(loaded.encoders.visual))
        self._detector = Detector(loaded.scorer, self._encoders, grid=loaded.grid)
        zeros = np.zeros((1, 16_000), np.float32)
        self._silence = self._encoders.audio.encode_recording(lambda: iter([zeros]))

    def __call__(self, path: Path, out: Path) -> dict[str, Any]:
        (outcome,) = extract_to_folder([path], out, self._encoders, grid=self._detector.grid)
        gc.collect()  # a refusal's traceback holds arrays in a cycle, and the limit is for one pass
        try:
            detection = self._detector.detect(path)
        except (AvadclipError, OSError) as error:
            if outcome.status != "failed":
                raise RuntimeError("extracted, but not detected") from error
            raise
        if outcome.status != "done":
            raise RuntimeError(f"detected, but not extracted: {outcome.message}")
        features = read_features(outcome.feature_file)
        audio = features.audio
        return {
            "notes": detection.notes,
            "reason": detection.reason,
            "seconds": features.duration_seconds,
            "num_snippets": len(features),
            "num_silent": 0 if audio is None else int(np.isclose(audio, self._silence, atol=0.01).all(axis=1).sum()),
            "has_sound": audio is not None,
        }


def _reading(read: Callable[[Path], object]) -> Callable[[Path, Path], dict[str, Any]]:
    def call(path: Path, out: Path) -> dict[str, Any]:
        read(path)
        return {"notes": []}

    return call


def _readers() -> dict[str, Callable[[Path, Path], dict[str, Any]]]:
    from avadclip.apps.cli.report import report
    from avadclip.data.label_csv import read_label_csv
    from avadclip.data.published.annotations import read_class_spans, read_frame_counts, read_spans, read_ucf_spans
    from avadclip.encoders.weight_formats import clip_from_openai, clip_from_safetensors, read_pickled
    from avadclip.features.published import read_published, read_shape
    from avadclip.inference.checkpoint import load_checkpoint
    from avadclip.timeline import SnippetGrid

    def published(path: Path) -> None:
        read_shape(path)
        read_published([path], None, grid=SnippetGrid())

    def result(path: Path) -> None:
        with tempfile.TemporaryDirectory() as folder:
            try:
                report([path], Path(folder) / "pages" / "all")
            finally:
                written = [each.relative_to(folder).parts[:2] for each in Path(folder).rglob("*") if each.is_file()]
                if set(written) - {("pages", "all")}:
                    raise RuntimeError(f"written elsewhere: {written}")

    return {
        "media": Media(),
        "result": _reading(result),
        "features": _reading(read_features),
        "published features": _reading(published),
        "checkpoint": _reading(load_checkpoint),
        "pickled weights": _reading(read_pickled),
        "weights": _reading(clip_from_safetensors),
        "TorchScript weights": _reading(clip_from_openai),
        "labels": _reading(read_label_csv),
        "spans": _reading(read_spans),
        "class spans": _reading(read_class_spans),
        "UCF-Crime spans": _reading(read_ucf_spans),
        "frame counts": _reading(read_frame_counts),
        "config": _reading(read_recipe),
    }


def _limit_memory() -> None:
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY_BYTES, taken + MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """Answer `{"reader", "path", "out"}` with what came of it; the answer goes to the stdout of the beginning."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints is no answer
    readers = _readers()
    gc.collect()
    gc.freeze()  # what stays for good is not looked through again for every input
    _limit_memory()
    print("{}", file=answers, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        gc.collect()
        try:
            answer = readers[request["reader"]](Path(request["path"]), Path(request["out"])) | {"outcome": "result"}
        except (AvadclipError, OSError) as error:
            answer = {"outcome": "error", "error": str(error)}
        except BaseException:
            answer = {"outcome": "broken", "error": traceback.format_exc()}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
