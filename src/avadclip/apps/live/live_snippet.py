"""Snippets of a live stream: frames and audio are cut as they arrive, and only what a snippet needs is stored."""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avadclip.media.track import SAMPLE_RATE_HZ, SoundBlock
from avadclip.timeline import SnippetGrid

Picture = NDArray[np.uint8]
"""RGB [H, W, 3]."""

LONGEST_FREEZE_SECONDS = 1.0  # after a longer freeze the camera counts as stalled, and its time is not scored
FREEZE_INTERVALS, NUM_INTERVALS = 2.0, 5  # a slow camera's freeze is longer than twice its last intervals
SOUND_PATIENCE_SECONDS = 0.5  # how long a snippet waits for late sound
LOST_SOUND_SECONDS = 2.0  # after this long without sound, snippets do not wait for it
TICK_SECONDS = 0.0005  # timestamps are rounded to ticks: a frame may begin up to half a millisecond late
MIN_SOUND_SHARE = 0.5  # of the window; below it the snippet counts as without sound


class LiveSnippet(NamedTuple):
    """One snippet's frames and audio; times are Unix seconds."""

    start: float
    end: float
    frames: list[Picture]
    """One frame per offset of the visual encoder."""
    sound: NDArray[np.float32] | None
    """The window centred on the snippet, [N], mono at track.SAMPLE_RATE_HZ; None with too little audio."""
    due: float
    """When its end was due on this machine's clock; what comes later is delay."""
    key_frame: bytes | None = None
    """JPEG of the middle frame; None where no pictures are taken."""


class ClockStep:
    """How far this machine's clock was set, in seconds, since this object was made; negative is back."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    @property
    def seconds(self) -> float:
        """Movement of the wall clock against the monotonic one."""
        return time.time() - time.monotonic() - self._offset


class WallClock:
    """Mapping from stream time to Unix time.

    It is set by the frame with the shortest delay, so a late frame after a stall changes nothing. To follow the drift
    of a camera's clock, it is adjusted slowly.

    Args:
        is_live: False for a file, whose first frame sets the time permanently, whatever the playback speed.
        speed: playback speed of a file.
    """

    DRIFT = 1e-3  # seconds a second that a clock may be pulled forward; quartz drifts a tenth of that

    def __init__(self, *, is_live: bool, speed: float = 1.0) -> None:
        self._is_live = is_live
        self._speed = speed
        self._first: float | None = None
        self._offset = math.inf
        self._last = 0.0

    def observe(self, seconds: float, now: float) -> None:
        """Record that the frame at stream time `seconds` arrived at Unix time `now`."""
        lag = now - seconds
        self._first = seconds if self._first is None else self._first
        pull = self.DRIFT * max(seconds - self._last, 0.0)
        if self._is_live or self._offset == math.inf:
            self._offset = min(lag, self._offset + pull)
        self._last = seconds

    def unix(self, seconds: float) -> float:
        """Unix time of a stream time; valid after the first observation."""
        return seconds + self._offset

    def due(self, seconds: float) -> float:
        """Unix time at which a stream time is due to arrive, or to be played."""
        first = self._first or 0.0
        return self.unix(first) + (seconds - first) / self._speed


class SnippetCutter:
    """Cutter of one connection's frames and audio into snippets on the model's grid, in stream seconds.

    Args:
        grid: see timeline.SnippetGrid.
        frame_offsets: model frames of a snippet that the visual encoder uses, ascending.
        window_seconds: length of the audio window; None without audio.
        is_live, speed: see WallClock.
    """

    def __init__(
        self,
        grid: SnippetGrid,
        frame_offsets: tuple[int, ...],
        window_seconds: float | None,
        *,
        is_live: bool,
        speed: float = 1.0,
    ) -> None:
        self._grid = grid
        self._offsets = frame_offsets
        self._num_samples = None if window_seconds is None else round(window_seconds * SAMPLE_RATE_HZ)
        self._clock = WallClock(is_live=is_live, speed=speed)
        self._zero = 0.0  # stream second at which the grid begins
        self._index = 0  # of the snippet at work
        self._frames: list[Picture] = []
        self._key_frame: bytes | None = None
        self._shown: _OnDisplay | None = None
        self._intervals: deque[float] = deque(maxlen=NUM_INTERVALS)  # between the last frames
        self._waiting: deque[tuple[float, list[Picture], bytes | None]] = deque()  # for their sound
        self._blocks: deque[SoundBlock] = deque()
        self._sound_until = -math.inf
        self._unix_end = -math.inf

    def add_picture(
        self,
        start: float,
        convert: Callable[[], Picture | None],
        now: float,
        draw: Callable[[], bytes | None] | None = None,
    ) -> Iterator[LiveSnippet]:
        """Add the next decoded frame and yield the completed snippets.

        Args:
            start: stream second at which it is displayed.
            convert: converts it to RGB; called at most once, only if a snippet needs it. None if it is damaged.
            now: Unix time of its arrival.
            draw: makes a JPEG of it, after `convert`; called for the middle frame of a snippet.
        """
        self._clock.observe(start, now)
        if self._shown is not None and self._continues(start - self._shown.start):
            self._sample_until(start)
        else:
            self._shown = None
        if self._shown is None:
            self._zero, self._index, self._frames = start, 0, []
        self._shown = _OnDisplay(start, _once(convert), draw)
        yield from self._complete(start)

    def finish(self, end: float) -> Iterator[LiveSnippet]:
        """Yield the last snippets of a stream whose last frame was displayed until `end`."""
        if self._shown is not None:
            self._sample_until(end)
            yield from self._complete(math.inf)

    def add_sound(self, block: SoundBlock) -> None:
        """Add the next audio block, positioned in samples since stream second 0."""
        if self._num_samples is not None:
            self._blocks.append(block)
            self._sound_until = block.end / SAMPLE_RATE_HZ

    def _continues(self, interval: float) -> bool:
        """Whether a frame so long after the one before continues the stream, rather than ends a stall."""
        usual = max(self._intervals, default=LONGEST_FREEZE_SECONDS)
        self._intervals.append(interval)
        return 0 <= interval <= max(LONGEST_FREEZE_SECONDS, FREEZE_INTERVALS * usual)

    def _sample_until(self, time: float) -> None:
        """Use the current frame for every requested model frame before this stream second; forget a damaged one."""
        assert self._shown is not None
        while self._next_time() + TICK_SECONDS < time:
            picture = self._shown.convert()
            if picture is None:
                self._shown = None
                return
            if self._shown.draw is not None and len(self._frames) == len(self._offsets) // 2:
                self._key_frame = self._shown.draw()
            self._frames.append(picture)
            if len(self._frames) == len(self._offsets):
                start = self._zero + self._index * self._grid.snippet_seconds
                self._waiting.append((start, self._frames, self._key_frame))
                self._index, self._frames = self._index + 1, []

    def _next_time(self) -> float:
        frame = self._index * self._grid.snippet_frames + self._offsets[len(self._frames)]
        return self._zero + frame / self._grid.frame_rate_hz

    def _complete(self, now: float) -> Iterator[LiveSnippet]:
        """Yield snippets that are over and whose sound has arrived or is too late; `now` in stream seconds."""
        while self._waiting:
            start, frames, key_frame = self._waiting[0]
            end = start + self._grid.snippet_seconds
            sound_end = (start + end) / 2 + (self._num_samples or 0) / SAMPLE_RATE_HZ / 2
            has_sound = now - self._sound_until < LOST_SOUND_SECONDS
            if now < end or (has_sound and self._sound_until < sound_end and now < sound_end + SOUND_PATIENCE_SECONDS):
                return
            self._waiting.popleft()
            # Times never decrease, even if the clock is corrected backwards.
            unix_start = max(self._clock.unix(start), self._unix_end)
            self._unix_end = max(self._clock.unix(end), unix_start)
            sound, due = self._sound((start + end) / 2), self._clock.due(end)
            yield LiveSnippet(unix_start, self._unix_end, frames, sound, due, key_frame)

    def _sound(self, centre: float) -> NDArray[np.float32] | None:
        if self._num_samples is None:
            return None
        window = np.zeros(self._num_samples, dtype=np.float32)
        first = round(centre * SAMPLE_RATE_HZ) - self._num_samples // 2
        while self._blocks and self._blocks[0].end <= first:
            self._blocks.popleft()
        num_samples = 0
        for block in self._blocks:
            block.copy_into(window, first)
            num_samples += max(min(block.end, first + len(window)) - max(block.start, first), 0)
        return window if num_samples >= MIN_SOUND_SHARE * len(window) else None


class _OnDisplay(NamedTuple):
    """The frame on display; see add_picture."""

    start: float
    convert: Callable[[], Picture | None]
    draw: Callable[[], bytes | None] | None


def _once(convert: Callable[[], Picture | None]) -> Callable[[], Picture | None]:
    made: list[Picture | None] = []

    def picture() -> Picture | None:
        if not made:
            made.append(convert())
        return made[0]

    return picture
