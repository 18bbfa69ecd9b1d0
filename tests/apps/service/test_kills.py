"""The small form of scripts/service_kills.py; docs/reliability.md has the result of 50 kills."""

import runpy
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).parents[3] / "scripts" / "service_kills.py"
ORDINARY = 3  # the first of the script's lives with nothing odd but its end


def test_a_killed_service_loses_and_doubles_nothing(tmp_path: Path, sample_videos: tuple[Path, Path]) -> None:
    script: dict[str, Any] = runpy.run_path(str(SCRIPT))
    trial = script["Trial"](tmp_path / "trial", sample_videos[1], seed=0, longest_life_seconds=2.0)
    trial.live(ORDINARY, can_fill=False)
    trial.settle()
    trial.start_with_another_database(ORDINARY)
    trial.set_clock(script["JUMP_SECONDS"])
    trial.settle()
    assert trial.faults == []
    assert trial.counts["kills"] == 1
    assert trial.counts["jobs at the end"] > 0
