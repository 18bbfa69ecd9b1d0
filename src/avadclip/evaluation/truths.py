"""The truth of a split: what is annotated in the scored frames of its videos.

It comes from the bags' intervals, for the scored frames: T snippets of the grid's frames each. Frames after the last
whole snippet are left out, as in the published protocol.
"""

from collections.abc import Sequence

from avadclip.data.bags import Bag
from avadclip.data.names import NameIndex
from avadclip.data.published.annotations import build_frame_truth
from avadclip.errors import DataError
from avadclip.evaluation.metrics.intervals import TruthInterval
from avadclip.evaluation.metrics.truth import VideoTruth
from avadclip.timeline import SnippetGrid

FEW_VIDEOS = 10  # of a kind; a bootstrap over fewer knows too little of what others would be like


def split_truths(
    bags: Sequence[Bag], classes: Sequence[str], grid: SnippetGrid, hard_normals: Sequence[str] = ()
) -> tuple[list[VideoTruth] | None, list[str]]:
    """The truth of every video, None where one has no times; and notes.

    Raises:
        DataError: as video_truth; or a hard normal video is not there, or is anomalous.
    """
    is_hard = _find_hard(bags, hard_normals)
    truths = [
        video_truth(bag, classes, grid)._replace(is_hard=hard)
        for bag, hard in zip(bags, is_hard, strict=True)
        if bag.intervals is not None
    ]
    timeless = [bag.name for bag in bags if bag.intervals is None]
    notes = []
    if timeless:
        notes.append(
            f"whole videos only: {len(timeless)} of {len(bags)} have a label but no times, the first is {timeless[0]}"
        )
        if hard_normals:
            notes.append("no measures of hard normal videos: they need annotated times in every video")
    num_anomalous = sum(bag.is_anomalous for bag in bags)
    if 0 < min(num_anomalous, len(bags) - num_anomalous) < FEW_VIDEOS:
        notes.append(
            f"video AP and AUC: with {num_anomalous} anomalous and {len(bags) - num_anomalous} normal videos "
            "the 95 % intervals are too narrow"
        )
    late = [
        bag.name
        for bag, truth in zip((bag for bag in bags if bag.intervals is not None), truths, strict=True)
        for interval in truth.intervals
        if interval.start >= len(truth.is_positive)
    ]
    if late:
        notes.append(f"{len(late)} events start after the last scored frame, so no frame of theirs counts: {late[0]}")
    return (None if timeless else truths), notes


def video_truth(bag: Bag, classes: Sequence[str], grid: SnippetGrid) -> VideoTruth:
    """Truth of the scored frames; ends are rounded to whole frames. Raises DataError, naming the video."""

    def to_frame(seconds: float) -> int:
        return round(seconds * grid.frame_rate_hz)

    if bag.intervals is None:
        raise DataError(
            f"{bag.name} has no annotated intervals; add its times (none for a normal video) to evaluate it"
        )
    if bag.is_anomalous != bool(bag.intervals):
        found = "anomalous, but has no interval" if bag.is_anomalous else "normal, but has anomalous intervals"
        raise DataError(f"{bag.name} is labelled {found}; correct its label or its intervals")
    intervals = []
    for label, start_seconds, end_seconds in bag.intervals:
        if label not in classes[1:]:
            raise DataError(f"{bag.name} has an interval of `{label}`; known are {', '.join(classes[1:])}")
        if not 0 <= start_seconds < end_seconds < float("inf"):
            raise DataError(
                f"{bag.name} has an interval from {start_seconds} to {end_seconds} s; needed 0 <= start < end"
            )
        intervals.append(TruthInterval(classes.index(label), to_frame(start_seconds), to_frame(end_seconds)))
    if bag.anomalous_spans is None:
        spans = [(to_frame(start), to_frame(end)) for _, start, end in bag.intervals]
    else:
        spans = [(to_frame(start), to_frame(end)) for start, end in bag.anomalous_spans]
    is_positive = build_frame_truth(spans, len(bag.stored), snippet_frames=grid.snippet_frames)
    return VideoTruth(tuple(intervals) or (TruthInterval(0, 0, len(is_positive)),), is_positive)


def _find_hard(bags: Sequence[Bag], names: Sequence[str]) -> list[bool]:
    """Whether each video is among those named, either with more folders or suffix; DataError of what cannot be."""
    listed, videos = NameIndex(names), NameIndex(bag.name for bag in bags)
    listed_as = {bag.name: listed.find(bag.name) for bag in bags}
    hard = {name for name, found in listed_as.items() if found} | {videos.find(name) for name in names}
    unknown = [name for name in names if name not in listed_as.values() and videos.find(name) is None]
    if unknown:
        nearest = videos.nearest(unknown[0])
        hint = "" if nearest is None else f" (the nearest name is {nearest})"
        raise DataError(
            f"{len(unknown)} of {len(names)} hard normal videos are not in the split, the first is "
            f"{unknown[0]}{hint}; correct the list"
        )
    anomalous = next((bag.name for bag in bags if bag.name in hard and bag.is_anomalous), None)
    if anomalous is not None:
        raise DataError(f"{anomalous} is listed as hard normal, but labelled anomalous; take it off the list")
    return [bag.name in hard for bag in bags]
