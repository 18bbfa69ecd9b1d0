"""`--skip-still`: a snippet that looks like the last encoded one takes its features instead of being encoded again.

Two snippets are compared frame by frame, the first with the first and so on, so that whatever an encoder computes over
a snippet's frames is that of a snippet that looked the same; motion features are computed anew (see MotionEncoder).
The bound of the difference comes from the footage itself: see StillBound.
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avadclip.encoders.base import Frame, MotionEncoder, Prepared, VisualEncoder

LOWEST_COSINE = 0.98  # of reused and encoded features, as for --precision auto
PASSING_SHARE = 0.95  # of the pairs within the bound that reach it
LARGEST_DIFFERENCE = 12.0  # grey levels; sensor noise and flicker measured 1 to 12, a person of 1 % of the picture 20
PAIRS_KEPT = 256  # the latest
CALIBRATION_SNIPPETS = 16  # encoded at the start, 11 s: 120 pairs
CALIBRATION_EVERY = 5400  # snippets, one hour: then the calibration starts over
REFRESH_SECONDS = 20.0  # a snippet is encoded at least this often: 3 % of the cost
CELL_ROWS, CELL_COLUMNS = 48, 64  # of the brightness that is compared
BLOCK_CELLS = 4  # a side: 12 x 16 blocks, so that a small person is not averaged away

Luma = NDArray[np.float32]
"""Mean brightness of the cells of a frame, [48, 64] (fewer in tiny frames), 0..255."""


def cell_luma(frame: Frame) -> Luma:
    """Brightness of a frame in cells; the mean over a cell suppresses sensor noise."""
    height, width = frame.shape[:2]
    step = max(1, min(2 * height // (3 * CELL_ROWS), 2 * width // (3 * CELL_COLUMNS)))  # 1.5 samples a side, or more
    pixels = frame[::step, ::step]
    red, green, blue = (pixels[..., channel] for channel in range(3))
    total = np.add(red, blue, dtype=np.uint16) + green + green  # green twice: near enough to luma
    height, width = total.shape
    num_rows, num_columns = min(CELL_ROWS, height), min(CELL_COLUMNS, width)
    top, left = np.arange(num_rows) * height // num_rows, np.arange(num_columns) * width // num_columns
    sums = np.add.reduceat(np.add.reduceat(total, top, axis=0, dtype=np.uint32), left, axis=1)
    areas = np.diff([*top, height])[:, None] * np.diff([*left, width])[None, :]
    means: Luma = (sums / (4 * areas)).astype(np.float32)
    return means


def luma_difference(one: Luma, other: Luma) -> float:
    """Largest mean absolute difference of any block, in grey levels; infinite for frames of different shapes."""
    if one.shape != other.shape:
        return np.inf
    top, left = (np.arange(0, size, BLOCK_CELLS) for size in one.shape)
    sums = np.add.reduceat(np.add.reduceat(np.abs(one - other), top, axis=0), left, axis=1)
    areas = np.diff([*top, one.shape[0]])[:, None] * np.diff([*left, one.shape[1]])[None, :]
    return float((sums / areas).max())


class StillBound:
    """Largest difference up to which reused features are as good as encoded ones.

    It is the largest observed difference d, at most LARGEST_DIFFERENCE, such that of the observed pairs of snippets
    that differ by at most d, 95 % have a centred cosine of .98 or more. It is never extrapolated.
    """

    def __init__(self) -> None:
        self._pairs: deque[tuple[float, float]] = deque(maxlen=PAIRS_KEPT)

    def add(self, difference: float, cosine: float) -> None:
        """Add a pair of encoded snippets: how much they differ, and the cosine of their centred features."""
        if difference <= LARGEST_DIFFERENCE:
            self._pairs.append((difference, cosine))

    def clear(self) -> None:
        """Forget all pairs."""
        self._pairs.clear()

    @property
    def value(self) -> float | None:
        """In grey levels; None where even the smallest observed difference changes the features."""
        if not self._pairs:
            return None
        differences, cosines = np.array(sorted(self._pairs)).T
        num_within = np.searchsorted(differences, differences, side="right")
        shares = np.cumsum(cosines >= LOWEST_COSINE)[num_within - 1] / num_within
        good = differences[shares >= PASSING_SHARE]
        return float(good[-1]) if len(good) else None


class SeenFrame(NamedTuple):
    """A frame as the encoder needs it, and as it is compared."""

    prepared: Prepared
    luma: Luma
    views: tuple[Prepared, ...]
    """Its four quarters, enlarged; only at the start of a calibration."""


class _Encoded(NamedTuple):
    frames: list[SeenFrame]
    start: float  # seconds
    row: NDArray[np.float32]  # [K, D]


class SkipStill:
    """Visual encoder wrapper for one video or camera that encodes only what changes.

    At the start, and every hour again, CALIBRATION_SNIPPETS are encoded, and all their pairs go into the bound. Later
    every snippet that is encoded is one more pair with the encoded one before it: the bound is checked all the time.
    Cosines are centred on the mean feature of the first snippet's enlarged quarters. The mean of the video so far would
    not do: in still footage it is the feature itself, and what remains is noise.

    Args:
        encoder: the encoder.
        snippet_seconds: length of a snippet.
    """

    def __init__(self, encoder: VisualEncoder, snippet_seconds: float) -> None:
        self._encoder = encoder
        self._per_snippet = len(encoder.frame_offsets)
        self._snippet_seconds = snippet_seconds
        self._frame: Frame | None = None
        self._seen: SeenFrame | None = None
        self._num_prepared = 0
        self.num_snippets = 0
        self.num_encoded = 0
        self.bound = StillBound()
        self._centre: NDArray[np.float32] | None = None  # [K, D]
        self._last: _Encoded | None = None
        self._calibration: list[_Encoded] = []

    def prepare(self, frame: Frame) -> SeenFrame:
        """As base.VisualEncoder.prepare, with what is compared; may run in another thread than `encode`."""
        begins = self._num_prepared // self._per_snippet % CALIBRATION_EVERY == 0
        self._num_prepared += 1
        if self._seen is None or frame is not self._frame or begins != bool(self._seen.views):
            views = tuple(self._encoder.prepare(quarter) for quarter in _quarters(frame)) if begins else ()
            self._frame, self._seen = frame, SeenFrame(self._encoder.prepare(frame), cell_luma(frame), views)
        return self._seen

    def encode(self, frames: list[SeenFrame], starts: Sequence[float] | None = None) -> NDArray[np.float32]:
        """Features of whole snippets, [K, N, D].

        Args:
            frames: N snippets in order of time, every frame as `prepare` returned it.
            starts: their starts in seconds; by default they follow each other without holes.
        """
        snippets = [frames[first : first + self._per_snippet] for first in range(0, len(frames), self._per_snippet)]
        if starts is None:
            starts = [(self.num_snippets + number) * self._snippet_seconds for number in range(len(snippets))]
        bound = self.bound.value
        last = None if self._last is None else (self._last.frames, self._last.start)
        is_fresh = []
        for number, (snippet, start) in enumerate(zip(snippets, starts, strict=True), start=self.num_snippets):
            reusable = (
                number % CALIBRATION_EVERY >= CALIBRATION_SNIPPETS
                and last is not None
                and bound is not None
                and 0 <= start - last[1] < REFRESH_SECONDS
                and _difference(snippet, last[0]) <= bound
            )
            is_fresh.append(not reusable)
            last = last if reusable else (snippet, start)
        fresh = [snippet for snippet, needed in zip(snippets, is_fresh, strict=True) if needed]
        encoded = iter(self._encode(fresh))
        rows = []
        for snippet, start, needed in zip(snippets, starts, is_fresh, strict=True):
            if needed:
                rows.append(self._take(_Encoded(snippet, start, next(encoded))))
            else:
                assert self._last is not None
                rows.append(self._renew(self._last.row, snippet))
            self.num_snippets += 1
        return np.stack(rows, axis=1)

    @property
    def encoded_share(self) -> float:
        """Share of the snippets, and so of the frames, that were encoded; 1 before the first."""
        return self.num_encoded / self.num_snippets if self.num_snippets else 1.0

    def _encode(self, snippets: list[list[SeenFrame]]) -> list[NDArray[np.float32]]:
        """Rows [K, D] of snippets in one call; where a calibration begins among them, its quarters set the centre."""
        frames = [frame.prepared for snippet in snippets for frame in snippet]
        begin = next((snippet for snippet in snippets if snippet[0].views), None)
        if begin is not None:
            frames += [view for views in zip(*(frame.views for frame in begin), strict=True) for view in views]
        if not frames:
            return []
        rows = self._encoder.encode(frames)
        if begin is not None:
            self._centre = rows[:, len(snippets) :].mean(axis=1)
        return list(rows[:, : len(snippets)].swapaxes(0, 1))

    def _take(self, new: _Encoded) -> NDArray[np.float32]:
        """Compare a newly encoded snippet with earlier ones; returns its row."""
        place = self.num_snippets % CALIBRATION_EVERY
        if place == 0:
            self.bound.clear()
            self._calibration = []
        calibrates = place < CALIBRATION_SNIPPETS
        others = self._calibration if calibrates else [] if self._last is None else [self._last]
        if others:
            reused = self._renew(np.stack([other.row for other in others]), new.frames)
            for other, row in zip(others, reused, strict=True):
                self.bound.add(_difference(new.frames, other.frames), self._cosine(row, new.row))
        self._calibration = [*self._calibration, new] if calibrates else []
        self._last = new
        self.num_encoded += 1
        return new.row

    def _renew(self, rows: NDArray[np.float32], snippet: list[SeenFrame]) -> NDArray[np.float32]:
        if isinstance(self._encoder, MotionEncoder):
            return self._encoder.renew_motion(rows, [frame.prepared for frame in snippet])
        return rows

    def _cosine(self, one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
        """Lowest cosine of any crop; equal rows have 1 even at the centre."""
        if np.array_equal(one, other):
            return 1.0
        assert self._centre is not None
        left, right = one - self._centre, other - self._centre
        norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
        return float(((left * right).sum(axis=1) / np.maximum(norms, 1e-12)).min())


def still_note(num_encoded: int, num_snippets: int) -> str:
    """The line in a video's notes."""
    return (
        f"still footage skipped: {num_encoded / num_snippets:.0%} of the frames encoded "
        f"({num_encoded} of {num_snippets} snippets), the others reuse features"
    )


def _difference(one: list[SeenFrame], other: list[SeenFrame]) -> float:
    """Of two snippets: the largest of their frames."""
    return max(
        0.0 if ours is theirs else luma_difference(ours.luma, theirs.luma)
        for ours, theirs in zip(one, other, strict=True)
    )


def _quarters(frame: Frame) -> list[Frame]:
    """The four quarters of a frame, each enlarged to its size (a pixel less where that is odd, but at least one)."""
    height, width = max(1, frame.shape[0] // 2), max(1, frame.shape[1] // 2)
    corners = [(top, left) for top in (0, frame.shape[0] - height) for left in (0, frame.shape[1] - width)]
    parts = [frame[top : top + height, left : left + width] for top, left in corners]
    return [part.repeat(2, axis=0).repeat(2, axis=1) for part in parts]
