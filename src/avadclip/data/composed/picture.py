"""Picture of a sequence: frames of recordings at one size, damaged or not."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile

import numpy as np
from scipy.ndimage import uniform_filter

from avadclip.data.composed.plan import PictureFault, SequencePlan, ShownSnippet
from avadclip.data.composed.recordings import GRID, USED_SNIPPETS, Recording
from avadclip.errors import DataError
from avadclip.media.damage import PICTURE_DAMAGES, Pixels
from avadclip.media.video import VideoReader, VideoReport

FRAME_SIZE = (224, 224)  # height and width of every sequence, as the encoders see a picture; the aspect is not kept
BLUR_PIXELS = 15  # side of the square that every pixel becomes the mean of

USED_SECONDS = USED_SNIPPETS * GRID.snippet_seconds


def blur(frame: Pixels) -> Pixels:
    """Mean over a square around every pixel."""
    blurred: Pixels = uniform_filter(frame, size=(BLUR_PIXELS, BLUR_PIXELS, 1))
    return blurred


FAULTS: dict[PictureFault, Callable[[Pixels], Pixels]] = {
    "black": PICTURE_DAMAGES["black"],
    "dark": PICTURE_DAMAGES["dark"],
    "half covered": PICTURE_DAMAGES["half covered"],
    "blurred": blur,
}
"""Changes of a frame; `frozen` is one of time."""


class RecordingPicture:
    """Frames of one recording as a media.damage.PictureSource.

    Args:
        recording: a picture.
        fault: applied to all of it; `frozen` shows the first frame of every snippet throughout the snippet.
    """

    def __init__(self, recording: Recording, fault: PictureFault | None) -> None:
        self._reader = VideoReader(recording.path, frame_size=FRAME_SIZE)
        self._change = None if fault is None else FAULTS.get(fault)
        self._is_frozen = fault == "frozen"

    @property
    def report(self) -> VideoReport:
        """Report of the undamaged video, as long as it is used."""
        report = self._reader.report
        return replace(report, duration_seconds=min(report.duration_seconds, USED_SECONDS))

    def frames_at(self, times: Iterable[float]) -> Iterator[Pixels]:
        """See VideoReader.frames_at, to a snippet beyond USED_SECONDS: a reader knows the pictures' end once it passed.

        A frame sampled twice is the same array object here too.
        """
        times = takewhile(lambda time: time < USED_SECONDS + GRID.snippet_seconds, times)
        if self._is_frozen:
            times = map(_start_of_snippet, times)
        source, shown = None, np.empty(0, np.uint8)
        for frame in self._reader.frames_at(times):
            if frame is not source:
                source, shown = frame, frame if self._change is None else self._change(frame)
            yield shown


def _start_of_snippet(time: float) -> float:
    return math.floor(time / GRID.snippet_seconds + 1e-9) * GRID.snippet_seconds


def frames_of(plan: SequencePlan, recordings: Mapping[str, Recording]) -> Iterator[Pixels]:
    """All frames of a sequence, at the grid's frame rate.

    Raises:
        DataError: a recording is shorter than its header stated.
        MediaError: a recording cannot be read.
    """
    for run in _runs(plan.shown()):
        numbers = [shown.snippet * GRID.snippet_frames + frame for shown in run for frame in range(GRID.snippet_frames)]
        recording = recordings[run[0].recording]
        times = [number / GRID.frame_rate_hz for number in numbers]
        frames = list(RecordingPicture(recording, run[0].fault).frames_at(times))
        num_lacking = len(times) - len(frames)
        if num_lacking >= GRID.snippet_frames:
            raise DataError(too_short(recording))
        # A recording's last snippet may end half a frame early: its last frame is extended, as extraction does.
        yield from frames + frames[-1:] * num_lacking


def _runs(shown: Sequence[ShownSnippet]) -> Iterator[list[ShownSnippet]]:
    """Stretches that one pass over a recording gives: its snippets in order, or one that is frozen."""
    run: list[ShownSnippet] = []
    for each in shown:
        if run:
            last = run[-1]
            if each != (last if each.fault == "frozen" else last._replace(snippet=last.snippet + 1)):
                yield run
                run = []
        run.append(each)
    yield run


def too_short(recording: Recording) -> str:
    """Message about a recording that ends before its header says."""
    return (
        f"{recording.path} has fewer pictures than the {recording.num_snippets} snippets that its header states; "
        "write it anew, or remove it"
    )
