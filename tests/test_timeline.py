import math
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avadclip.timeline import SnippetGrid, windows


def test_a_snippet_is_16_frames_at_24_fps() -> None:
    assert SnippetGrid().snippet_seconds == pytest.approx(2 / 3)
    assert SnippetGrid(snippet_frames=4, frame_rate_hz=30).snippet_seconds == pytest.approx(4 / 30)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, 0), (15 / 24, 0), (15.4 / 24, 0), (15.6 / 24, 1), (16 / 24, 1), (31.4 / 24, 1), (32 / 24, 2), (3600, 5400)],
)
def test_num_snippets_forgives_half_a_frame_and_no_more(seconds: float, expected: int) -> None:
    assert SnippetGrid().num_snippets(seconds) == expected


@given(count=st.integers(0, 100_000), frames=st.sampled_from([4, 16]), rate=st.sampled_from([24.0, 25.0, 30.0, 29.97]))
def test_as_many_snippets_as_fill_the_duration(count: int, frames: int, rate: float) -> None:
    grid = SnippetGrid(frames, rate)
    assert grid.num_snippets(count * grid.snippet_seconds) == count


def test_times_by_hand() -> None:
    grid = SnippetGrid()
    assert grid.starts(3) == pytest.approx([0, 2 / 3, 4 / 3])
    assert list(islice(grid.centres(), 2)) == pytest.approx([1 / 3, 1])
    assert list(islice(grid.frame_times((0, 8)), 4)) == pytest.approx([0, 8 / 24, 16 / 24, 24 / 24])


def test_times_do_not_drift_in_a_day_of_video() -> None:
    grid = SnippetGrid()
    last = 24 * 3600 * 24 // 16 - 1
    assert grid.starts(last + 1)[last] == pytest.approx(last * 16 / 24, abs=1e-6)
    assert next(islice(grid.frame_times((0,)), last, None)) == pytest.approx(last * 16 / 24, abs=1e-6)


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, []),
        (1, [(0, 1)]),
        (255, [(0, 255)]),
        (256, [(0, 256)]),
        (257, [(0, 256), (256, 257)]),
        (512, [(0, 256), (256, 512)]),
    ],
)
def test_windows_of_256_without_an_empty_one(count: int, expected: list[tuple[int, int]]) -> None:
    assert windows(count) == expected


@given(count=st.integers(0, 5000), size=st.integers(1, 600))
def test_windows_cover_every_snippet_once(count: int, size: int) -> None:
    covered = np.concatenate([np.arange(start, stop) for start, stop in windows(count, size)] or [np.arange(0)])
    assert covered.tolist() == list(range(count))
    assert all(0 < stop - start <= size for start, stop in windows(count, size))


@given(
    seconds=st.floats(0, 100_000),
    longer=st.floats(0, 100),
    frames=st.integers(1, 64),
    rate=st.floats(1.0, 120.0),
)
def test_a_longer_video_has_no_fewer_snippets_and_the_last_one_fits(
    seconds: float, longer: float, frames: int, rate: float
) -> None:
    grid = SnippetGrid(frames, rate)
    count = grid.num_snippets(seconds)
    assert grid.num_snippets(seconds + longer) >= count
    assert count * grid.snippet_seconds <= seconds + 0.5 / rate + 1e-6
    assert (count + 1) * grid.snippet_seconds > seconds - 1e-6


@given(
    frames=st.integers(1, 64),
    rate=st.floats(1.0, 120.0),
    offsets=st.sets(st.integers(0, 63), min_size=1),
    index=st.integers(0, 500),
)
def test_the_frames_of_a_snippet_lie_inside_it(frames: int, rate: float, offsets: set[int], index: int) -> None:
    grid = SnippetGrid(frames, rate)
    inside = tuple(sorted(offset for offset in offsets if offset < frames)) or (0,)
    start = grid.starts(index + 1)[index]
    times = list(islice(grid.frame_times(inside), index * len(inside), (index + 1) * len(inside)))
    assert times == sorted(times)
    assert all(start - 1e-6 <= time < start + grid.snippet_seconds - 1e-9 for time in times)
    assert start < next(islice(grid.centres(), index, None)) < start + grid.snippet_seconds


@pytest.mark.parametrize(
    ("frames", "rate"), [(0, 24.0), (-1, 24.0), (16, 0.0), (16, -24.0), (16, math.nan), (16, math.inf)]
)
def test_a_grid_that_cuts_no_time_is_refused(frames: int, rate: float) -> None:
    with pytest.raises(ValueError, match="cut no time"):
        SnippetGrid(frames, rate)
