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
