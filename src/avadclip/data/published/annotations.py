"""Frame-level ground truth of the benchmarks: three annotation formats, two length conventions, two tail rules.

All published times are frame numbers, half open [start, end). Truth is joined to features by the video's name.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from avadclip.errors import DataError

ParsedT = TypeVar("ParsedT")
Tail = Literal["drop", "keep"]
Convention = Literal["clip", "i3d", "clip or i3d"]
NOTHING = -1  # marks both times of a missing interval in UCF-Crime's annotations
LENGTH_TOLERANCE = 1  # snippet, difference to the frame count's length; more means another video


class FrameSpan(NamedTuple):
    """An annotated stretch, half open, in frames."""

    start: int
    end: int


class ClassSpan(NamedTuple):
    """An annotated stretch of one class."""

    code: str
    """Class code as in the file."""
    span: FrameSpan


class Lengths(NamedTuple):
    """How the lengths of feature files agree with known frame counts F."""

    convention: Convention
    """`clip`: floor(F / 16) snippets. `i3d`: floor((F - 1) / 16). Both, if no video distinguishes them."""
    num_known: int
    """Videos whose frame count is known."""
    off_by_one: tuple[str, ...]
    """Videos within the tolerance that differ from the convention."""
    wrong: Mapping[str, int]
    """Expected number of snippets of videos whose features have another length."""


def read_spans(path: Path) -> dict[str, tuple[FrameSpan, ...]]:
    """`NAME START END START END ..` per line; anomalous videos only (XD-Violence, CCTV-Fights). Raises DataError."""

    def parse(cells: list[str]) -> tuple[FrameSpan, ...]:
        return tuple(_span(*pair) for pair in _groups(cells, 2))

    return _read_lines(path, parse)


def read_class_spans(path: Path) -> dict[str, tuple[ClassSpan, ...]]:
    """`NAME CODE START END CODE START END ..` per line (XD-Violence with classes). Raises DataError."""

    def parse(cells: list[str]) -> tuple[ClassSpan, ...]:
        return tuple(ClassSpan(code, _span(start, end)) for code, start, end in _groups(cells, 3))

    return _read_lines(path, parse)


def read_ucf_spans(path: Path) -> dict[str, tuple[ClassSpan, ...]]:
    """`NAME CLASS START END START END` per line, -1 where there is none (UCF-Crime). Raises DataError."""

    def parse(cells: list[str]) -> tuple[ClassSpan, ...]:
        pairs = [pair for pair in _groups(cells[1:], 2) if [int(cell) for cell in pair] != [NOTHING, NOTHING]]
        return tuple(ClassSpan(cells[0], _span(*pair)) for pair in pairs)

    return _read_lines(path, parse)


def read_frame_counts(path: Path) -> dict[str, int]:
    """`NAME@FRAMES` per line. Raises DataError."""

    def parse(cells: list[str]) -> int:
        return int(cells[0])

    return _read_lines(path, parse, separator="@")


def recognise_lengths(
    num_snippets: Mapping[str, int], num_frames: Mapping[str, int], *, snippet_frames: int
) -> Lengths:
    """Recognise the length convention of features, and features that cannot belong to the video of their name.

    Args:
        num_snippets: T by video.
        num_frames: F by video; videos that it lacks are passed over.
        snippet_frames: 16; CCTV-Fights 4.
    """
    known = {name: num for name, num in num_snippets.items() if name in num_frames}
    clip = {name: num_frames[name] // snippet_frames for name in known}
    i3d = {name: max(num_frames[name] - 1, 0) // snippet_frames for name in known}
    num_clip, num_i3d = (sum(known[name] == wanted[name] for name in known) for wanted in (clip, i3d))
    convention: Convention = "clip or i3d" if num_clip == num_i3d else "clip" if num_clip > num_i3d else "i3d"
    expected = i3d if convention == "i3d" else clip
    wrong = {name: expected[name] for name in known if abs(known[name] - expected[name]) > LENGTH_TOLERANCE}
    off = tuple(name for name in known if known[name] != expected[name] and name not in wrong)
    return Lengths(convention, len(known), off, wrong)


def build_frame_truth(
    spans: Sequence[tuple[int, int]],
    num_snippets: int,
    *,
    snippet_frames: int,
    tail: Tail = "drop",
    num_frames: int | None = None,
) -> NDArray[np.bool_]:
    """Whether each scored frame of a video is anomalous.

    Args:
        spans: half open, in frames; they may overlap, and run past the end.
        num_snippets: T, the rows of the features at hand.
        snippet_frames: 16; CCTV-Fights 4.
        tail: of the frames after the last whole snippet. `drop` leaves them out, as published; `keep` gives them to the
            last snippet, whose score then counts for more frames than the others'.
        num_frames: F of the whole video, which `keep` needs.

    Returns:
        [T * snippet_frames], or for `keep` [F] where that is longer.

    Raises:
        DataError: `keep` without a frame count.
    """
    scored = num_snippets * snippet_frames
    if tail == "keep" and num_snippets:
        if num_frames is None:
            raise DataError("the tail rule `keep` needs the video's frame count; use `drop`, or give the frame count")
        scored = max(scored, num_frames)
    is_positive = np.zeros(scored, dtype=bool)
    for start, end in spans:
        is_positive[start:end] = True
    return is_positive


def _read_lines(
    path: Path, parse: Callable[[list[str]], ParsedT], *, separator: str | None = None
) -> dict[str, ParsedT]:
    """Parse each line's cells after the name; suffixes of video files are removed from names."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); download it again") from error
    parsed: dict[str, ParsedT] = {}
    for number, line in enumerate(lines, start=1):
        name, *cells = line.rsplit(separator, 1) if separator else line.split() or [""]
        if not line.strip():
            continue
        name = name.strip().removesuffix(".mp4")
        if name in parsed:
            raise DataError(f"{path}:{number}: duplicate line of {name}; keep one line per video")
        try:
            parsed[name] = parse(cells)
        except (ValueError, IndexError) as error:
            raise DataError(f"{path}:{number}: {name} has invalid times ({error}); download the file again") from error
    return parsed


def _groups(cells: list[str], size: int) -> list[list[str]]:
    if not cells or len(cells) % size:
        raise ValueError(f"{len(cells)} values, needed groups of {size}")
    return [cells[at : at + size] for at in range(0, len(cells), size)]


def _span(start: str, end: str) -> FrameSpan:
    span = FrameSpan(int(start), int(end))
    if not 0 <= span.start < span.end:
        raise ValueError(f"from {start} to {end}, needed 0 <= start < end")
    return span
