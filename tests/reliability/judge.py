"""Gives inputs to a process of its own, and sees whether it hangs, crashes or answers."""

import json
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

LIMIT_SECONDS = 60.0  # for one input, on a busy machine; most take a hundredth of it
START_SECONDS = 120.0


class Judge:
    """Keeps one process and starts another where an input took it down."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = (folder / "stderr").open("wb")
        self._process: subprocess.Popen[bytes] | None = None

    def try_input(self, reader: str, path: Path, out: Path) -> dict[str, Any]:
        """What came of it: `outcome` is `result`, `error`, or in any other case `broken`."""
        process = self._running()
        assert process.stdin is not None
        request = json.dumps({"reader": reader, "path": os.fspath(path), "out": os.fspath(out)})
        process.stdin.write(request.encode() + b"\n")
        process.stdin.flush()
        return self._answer(process, LIMIT_SECONDS)

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, Path(__file__).with_name("trial.py")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
            )
            started = self._answer(self._process, START_SECONDS)
            assert not started, f"{started}: {(self._folder / 'stderr').read_text()[-2000:]}"
        return self._process

    def _answer(self, process: subprocess.Popen[bytes], limit_seconds: float) -> dict[str, Any]:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], limit_seconds)
        line = process.stdout.readline() if ready else b""
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        what = f"ended with code {process.wait()}" if ready else f"no answer within {limit_seconds:g} s"
        self.close()
        return {"outcome": "broken", "error": what}
