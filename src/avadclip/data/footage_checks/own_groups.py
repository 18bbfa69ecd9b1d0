"""Which of a user's own videos come from one recording, so that no fold is measured on what it was trained on.

In this order: the group that the labels name; the names of the files (`cam3_part2.mp4`, `cam3 (1).mp4` and
`cam3-02.mp4` are of one recording); nearly equal pictures (a copy, a cut, another encoding of the same film).
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avadclip.data.bags import StoredFeatures
from avadclip.data.label_csv import LabelledVideo
from avadclip.data.names import file_name, normal_name
from avadclip.features.snippets import SnippetFeatures
from avadclip.labels import NORMAL

PART = re.compile(
    r"(?:[\s._-]*\(\d+\)|[\s._-]+(?:part|pt|clip|segment|seg|chunk|cut|take)[\s._-]*\d+|[\s._-]+copy\d*)$"
)
"""An end of a name that counts the parts of a recording, or its copies."""
NUMBER = re.compile(r"[\s._-]+\d{1,3}$")  # longer numbers are years and times of day
NEARLY_EQUAL = 0.95
"""Similarity from which two videos are near-duplicates. Of six clips encoded again at a low rate, at half the size, cut
or brightened, five were above it in every way; of 25,000 pairs of clips from different uploads 11, all neighbours."""
COMPARED_SNIPPETS = 8  # of a video, evenly spaced
FEWEST_TO_COLLAPSE = 5  # videos of a kind; fewer may well be one recording


class Grouping(NamedTuple):
    """The recordings of some videos."""

    groups: list[str]
    """One per video."""
    notes: list[str]
    """What was not taken for a sign of one recording, and why; a sentence each."""


def group_videos(videos: Sequence[LabelledVideo], features: Sequence[StoredFeatures]) -> Grouping:
    """Find the recording of every video.

    A number at the end of a name, or a nearly equal picture, counts for nothing where more than half of the normal or
    of the anomalous videos would then be one recording: such numbers count videos, such pictures are one camera's.

    Args:
        videos: with the groups of their labels.
        features: of each video, all by one encoder.
    """
    named = [video.group if video.group != video.video else None for video in videos]
    is_anomalous = [video.labels != (NORMAL,) for video in videos]
    notes = []
    groups = [name or recording_of(video.video) for name, video in zip(named, videos, strict=True)]
    if collapses(groups, is_anomalous):
        by_parts = [name or recording_of(video.video, numbers=False) for name, video in zip(named, videos, strict=True)]
        if by_parts != groups:
            groups = by_parts
            notes.append(
                "numbers at the end of file names were taken as a count of videos, not as parts of one recording; "
                "where they are parts, name the recordings in a CSV file, column `group`"
            )
    joined = _join(groups, named, near_duplicates(each.load() for each in features))
    if collapses(joined, is_anomalous) and not collapses(groups, is_anomalous):
        notes.append(
            "most videos look nearly equal, as those of one fixed camera do, so equal pictures were not taken as a "
            "sign of one recording; where they are cut from one, name the recordings in a CSV file, column `group`"
        )
        joined = groups
    return Grouping(joined, notes)


def recording_of(video: str, *, numbers: bool = True) -> str:
    """The recording that a file name tells: the name without what counts parts and copies, of any folder.

    A name that is nothing but a number tells nothing: it stands for itself, with its folder.

    Args:
        video: path or name.
        numbers: whether a number of at most three digits at the end of the name, after a separator, counts parts.
    """
    whole = normal_name(video)
    stem = PurePosixPath(file_name(whole)).stem
    shorter = _repeat(lambda text: PART.sub("", text), stem)
    if numbers:
        shorter = _repeat(lambda text: PART.sub("", text), NUMBER.sub("", shorter))
    return shorter if any(letter.isalpha() for letter in shorter) else whole


def near_duplicates(videos: Iterable[SnippetFeatures]) -> list[tuple[int, int]]:
    """Pairs of videos with nearly equal pictures, indices (i, j) with i < j.

    The similarity of two videos is the mean, over the snippets of the shorter one, of the highest cosine with a
    snippet of the other; 8 snippets of each are compared, evenly spaced, by their first crop.

    Args:
        videos: all by one encoder; read one after the other.
    """
    rows = [_unit_rows(video) for video in videos]
    if len(rows) < 2:
        return []
    starts = np.cumsum([0, *(len(own) for own in rows[:-1])])
    every, lengths = np.concatenate(rows), np.array([len(own) for own in rows])
    pairs = []
    for index, own in enumerate(rows[:-1]):
        cosines = own @ every[starts[index + 1] :].T  # [t, all snippets of the later videos]
        later = starts[index + 1 :] - starts[index + 1]
        forth = np.maximum.reduceat(cosines, later, axis=1).mean(axis=0)
        back = np.add.reduceat(cosines.max(axis=0), later) / lengths[index + 1 :]
        similar = np.where(len(own) <= lengths[index + 1 :], forth, back) >= NEARLY_EQUAL
        pairs += [(index, index + 1 + int(other)) for other in np.flatnonzero(similar)]
    return pairs


def collapses(groups: Sequence[str], is_anomalous: Sequence[bool]) -> bool:
    """Whether one group holds more than half of the normal videos or of the anomalous ones, where these are five."""
    for kind in (False, True):
        own = Counter(group for group, found in zip(groups, is_anomalous, strict=True) if found == kind)
        if own.total() >= FEWEST_TO_COLLAPSE and 2 * max(own.values()) > own.total():
            return True
    return False


def _join(groups: Sequence[str], named: Sequence[str | None], pairs: Sequence[tuple[int, int]]) -> list[str]:
    """The groups with those of each pair made one; two that the labels name are never joined."""
    joined = list(groups)
    fixed = {name for name in named if name is not None}
    for one, other in pairs:
        kept, given_up = joined[one], joined[other]
        if given_up in fixed:
            kept, given_up = given_up, kept
        if kept != given_up and given_up not in fixed:
            joined = [kept if group == given_up else group for group in joined]
    return joined


def _unit_rows(features: SnippetFeatures) -> NDArray[np.float32]:
    """Some snippets of the first crop, each at unit length, [t, Dv]."""
    chosen = np.linspace(0, len(features) - 1, min(COMPARED_SNIPPETS, len(features))).round().astype(int)
    rows = features.visual[0, chosen]
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    units: NDArray[np.float32] = rows / np.where(lengths > 0, lengths, 1.0)
    return units


def _repeat(shorten: Callable[[str], str], text: str) -> str:
    """The text, shortened until nothing changes."""
    while (shorter := shorten(text)) != text:
        text = shorter
    return text
