"""A process that scores videos and may be lost, and the one that watches it, for mutated_media.py."""

import gc
import json
import os
import resource
import select
import subprocess
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

START_SECONDS = 180.0  # for a process to load the detector
MEMORY_BYTES = 2**30  # that one video may take on top of it
VIDEOS_PER_PROCESS = 150

Answer = dict[str, Any]


class Worker:
    """Keeps one process, and starts another where a video took it down or it has done its share.

    Args:
        limit_seconds: for one video.
    """

    def __init__(self, limit_seconds: float) -> None:
        self._limit_seconds = limit_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._num_left = 0

    def score(self, *parts: Path) -> Answer:
        """Outcome of one video: `result`, `error`, `traceback`, `crash` or `hang`, and what belongs to it.

        Args:
            parts: one video; several are scored as one that holds their features in a row.
        """
        process = self._running()
        self._num_left -= 1
        assert process.stdin is not None
        process.stdin.write(json.dumps([os.fspath(part) for part in parts]).encode() + b"\n")
        process.stdin.flush()
        return self._answer(process, self._limit_seconds)

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._num_left <= 0:
            self.close()
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            self._num_left = VIDEOS_PER_PROCESS
            started = self._answer(self._process, START_SECONDS)
            if started["outcome"] != "ready":
                raise RuntimeError(f"no detector: {started}")
        return self._process

    def _answer(self, process: "subprocess.Popen[bytes]", limit_seconds: float) -> Answer:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], limit_seconds)
        line = process.stdout.readline() if ready else b""
        if line:
            answer: Answer = json.loads(line)
            return answer
        if ready:
            answer = {"outcome": "crash", "error": f"the process ended with code {process.wait()}"}
        else:
            answer = {"outcome": "hang", "error": f"no answer within {limit_seconds:g} s"}
        self.close()
        return answer


def _serve() -> None:
    """Answer every line of stdin, a list of paths, with a line of JSON."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints is no answer
    import torch

    from avadclip.errors import AvadclipError
    from avadclip.features.extract import extract_features
    from avadclip.inference.detector import load_detector
    from avadclip.media.probe import MediaFile

    torch.set_num_threads(1)
    detector = load_detector()

    def score(paths: list[str]) -> Answer:
        """`Detector.detect` of one video; of several, its second half with their features in a row."""
        if len(paths) == 1:
            detection = detector.detect(paths[0])
        else:
            parts = [extract_features(path, detector.encoders, grid=detector.grid) for path in paths]
            joined = replace(
                parts[0],
                visual=np.concatenate([part.visual for part in parts], axis=1),
                audio=None if parts[0].audio is None else np.concatenate([part.audio for part in parts]),
                tags=None,
                duration_seconds=sum(part.duration_seconds for part in parts),
            )
            detection = detector.judge(joined, MediaFile.open(paths[0]).info, source="joined")
        return {
            "outcome": "result",
            "scores": detection.track.scores.tolist(),
            "notes": detection.notes,
            "reason": detection.reason,
        }

    gc.collect()
    gc.freeze()
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY_BYTES, taken + MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print(json.dumps({"outcome": "ready"}), file=answers, flush=True)
    for line in sys.stdin:
        gc.collect()  # a refusal's traceback holds arrays in a cycle
        try:
            answer = score(json.loads(line))
        except (AvadclipError, OSError) as error:
            answer = {"outcome": "error", "error": str(error)}
        except BaseException:
            answer = {"outcome": "traceback", "error": traceback.format_exc()}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    _serve()
