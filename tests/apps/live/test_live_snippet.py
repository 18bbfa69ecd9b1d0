import numpy as np
import pytest

from avadclip.apps.live.live_snippet import SnippetCutter, WallClock
from avadclip.media.track import SAMPLE_RATE_HZ, SoundBlock
from avadclip.timeline import SnippetGrid

GRID = SnippetGrid()
PICTURE = np.zeros((2, 2, 3), np.uint8)


def test_a_late_picture_moves_no_clock_and_an_early_one_does() -> None:
    clock = WallClock(is_live=True)
    for second, arrival in [(0.0, 100.5), (1.0, 101.2), (2.0, 107.0)]:
        clock.observe(second, arrival)
    assert clock.unix(2.0) == pytest.approx(102.2, abs=0.005)  # the second travelled fastest; the third stalled


def test_a_cameras_clock_that_runs_slow_is_followed() -> None:
    """100 millionths slow: after a day 8.6 s behind, which arrivals show."""
    clock = WallClock(is_live=True)
    for second in range(0, 86_400, 10):
        clock.observe(second, 1000 + second * 1.0001)
    assert clock.unix(second) == pytest.approx(1000 + second * 1.0001, abs=0.05)


def test_a_file_keeps_its_own_time_however_fast_it_is_played() -> None:
    clock = WallClock(is_live=False, speed=8.0)
    for second in range(10):
        clock.observe(second, 1000 + second / 8)
    assert clock.unix(9.0) == 1009.0
    assert clock.due(8.0) == 1001.0


def test_a_source_that_falls_behind_says_so() -> None:
    """From the third second on, pictures come 5 s late: a stall after which nothing was left out."""
    cutter, late = SnippetCutter(GRID, (0, 8), None, is_live=True), []
    for number in range(24 * 6):
        now = number / 24 + (5.0 if number >= 72 else 0.0)
        late += [1000 + now - snippet.due for snippet in cutter.add_picture(number / 24, lambda: PICTURE, 1000 + now)]
    assert late == pytest.approx([0.0] * 4 + [5.0] * 4, abs=0.05)


def test_a_slow_camera_is_scored_and_its_stall_is_not() -> None:
    """One picture a second, a little late each time, then none for 4 s; the last sample lies 1/3 s into a snippet."""
    times = [1.003 * i for i in range(6)] + [9.0 + 1.003 * i for i in range(4)]
    cutter, found = SnippetCutter(GRID, (0, 8), None, is_live=True), []
    for time in times:
        found += cutter.add_picture(time, lambda: PICTURE, 1000 + time)
    starts = [snippet.start - 1000 for snippet in found]
    assert starts == pytest.approx([i * 2 / 3 for i in range(8)] + [9 + i * 2 / 3 for i in range(4)], abs=0.01)


def test_a_snippet_with_a_damaged_picture_is_left_out() -> None:
    cutter, found = SnippetCutter(GRID, (0, 8), None, is_live=True), []
    for number in range(49):
        damaged = 20 <= number < 26
        found += cutter.add_picture(number / 24, lambda none=damaged: None if none else PICTURE, 1000 + number / 24)
    assert [snippet.start - 1000 for snippet in found] == pytest.approx([0.0, 26 / 24], abs=0.01)


def cut(seconds: float, *, sound_until: float, delay: float = 0.0) -> list[tuple[float, bool]]:
    """Picture second at which each snippet came, and whether it has sound; sound arrives `delay` behind the picture."""
    cutter, found, placed = SnippetCutter(GRID, (0, 8), 1.0, is_live=True), [], 0
    for number in range(round(24 * seconds)):
        now = number / 24
        until = round(max(min(now - delay, sound_until), 0.0) * SAMPLE_RATE_HZ)
        if until > placed:
            cutter.add_sound(SoundBlock(placed, np.ones(until - placed, np.float32)))
            placed = until
        found += [(now, snippet.sound is not None) for snippet in cutter.add_picture(now, lambda: PICTURE, 1000 + now)]
    return found


def test_a_snippet_waits_for_its_sound_and_no_longer() -> None:
    ends = [(i + 1) * 2 / 3 for i in range(4)]
    prompt = cut(4.0, sound_until=4.0)
    # The sound window ends a sixth of a second after the snippet.
    assert [when - end for (when, _), end in zip(prompt, ends, strict=False)] == pytest.approx([1 / 6] * 4, abs=0.05)
    late = cut(4.0, sound_until=4.0, delay=0.3)
    assert [when - end for (when, _), end in zip(late, ends, strict=False)] == pytest.approx([0.467] * 4, abs=0.05)
    assert all(has_sound for _, has_sound in prompt + late)


def test_sound_that_stops_is_waited_for_a_while_then_not_at_all() -> None:
    found = cut(6.0, sound_until=0.9)
    assert [has_sound for _, has_sound in found] == [True] + [False] * (len(found) - 1)
    waits = [when - (i + 1) * 2 / 3 for i, (when, _) in enumerate(found)]
    patient = 1 / 6 + 0.5
    # From 2.9 s on there was nothing to hear for 2 s.
    assert waits[1:6] == pytest.approx([patient, patient, 2.9 - 8 / 3, 0.0, 0.0], abs=0.05)
