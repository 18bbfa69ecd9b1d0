import numpy as np
import pytest

import avadclip.research.speed.benchmark
from avadclip.research.speed.benchmark import Spread, spread, time_in_turns


def test_time_in_turns_alternates_after_a_warm_up_and_times_each_task(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    seconds = {"short": 1.0, "long": 3.0}
    now = 0.0

    def work(name: str) -> None:
        nonlocal now
        calls.append(name)
        now += seconds[name] * (10 if len(calls) <= 2 else 1)  # the first of each is slow

    monkeypatch.setattr(avadclip.research.speed.benchmark.time, "perf_counter", lambda: now)
    monkeypatch.setattr(avadclip.research.speed.benchmark.time, "process_time", lambda: 2 * now)
    found = time_in_turns({name: lambda name=name: work(name) for name in seconds}, 3)
    assert calls == ["short", "long"] * 4
    np.testing.assert_array_equal(found["short"].wall, [1, 1, 1])
    np.testing.assert_array_equal(found["long"].wall, [3, 3, 3])
    np.testing.assert_array_equal(found["long"].processor, [6, 6, 6])


def test_spread_on_a_worked_example() -> None:
    assert spread(np.array([4.0, 1.0, 2.0])) == Spread(median=2.0, least=1.0, most=4.0)
