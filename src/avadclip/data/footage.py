"""A user's own footage to set thresholds on: videos or feature files, in which nothing happens or all is annotated."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from avadclip.data.bags import Interval
from avadclip.data.folder import FEATURE_SUFFIX, feature_file
from avadclip.data.label_csv import LabelledVideo, read_label_csv
from avadclip.errors import DataError, FeatureError
from avadclip.media.suffixes import VIDEO_SUFFIXES


class FootageFile(NamedTuple):
    """One recording."""

    path: Path
    """A video, or its feature file."""
    intervals: tuple[Interval, ...]
    """What happens when; () where nothing does."""

    @property
    def is_features(self) -> bool:
        """Whether it is a feature file."""
        return self.path.suffix == FEATURE_SUFFIX


def find_normal_footage(source: Path, *, features: Path | None = None) -> list[FootageFile]:
    """Footage in which nothing happens.

    Args:
        source: a video, a feature file, a folder with either kind at any depth, or a CSV file (data.label_csv) whose
            videos are all `normal`.
        features: folder with the feature files of a CSV's videos; without it the videos themselves are taken, from
            where the CSV names them.

    Raises:
        DataError: nothing there, both kinds in one folder, or a video that is not normal.
        FeatureError: a feature file is missing.
    """
    if source.suffix.lower() == ".csv":
        videos = read_label_csv(source)
        for video in videos:
            if video.intervals != ():
                raise DataError(
                    f"{video.origin}: {video.video} is {', '.join(video.labels)}; footage to count false alarms in is "
                    "`normal` throughout: take it out, or use annotated footage"
                )
        return list(_of_csv(source, videos, features))
    if features is not None:
        raise DataError(f"{source} is no CSV file, so `features` has no names to look for; name that folder instead")
    if not source.is_dir():
        if not source.is_file():
            raise DataError(f"{source} is not there; name a folder, a video, a feature file or a CSV file")
        return [FootageFile(source, ())]
    files = [
        path
        for path in sorted(source.rglob("*"))
        if path.suffix.lower() in VIDEO_SUFFIXES | {FEATURE_SUFFIX} and not path.name.startswith(".")
    ]
    kinds = {path.suffix.lower() == FEATURE_SUFFIX for path in files}
    if len(kinds) == 2:
        raise DataError(f"{source} holds videos and feature files, which may be of the same hours; name one kind")
    if not files:
        raise DataError(f"{source} holds no videos and no feature files; name a folder of your own footage")
    return [FootageFile(path, ()) for path in files]


def find_labelled_footage(source: Path, *, features: Path | None = None) -> list[FootageFile]:
    """Footage whose events a CSV file gives with their times; see find_normal_footage.

    Raises:
        DataError: an anomalous video without times, or nothing anomalous, or a video that is not there.
        FeatureError: a feature file is missing.
    """
    videos = read_label_csv(source)
    for video in videos:
        if video.intervals is None:
            raise DataError(
                f"{video.origin}: {video.video} is {', '.join(video.labels)}, but nothing says when; "
                "give `start` and `end` in seconds"
            )
    if not any(video.intervals for video in videos):
        raise DataError(f"{source} names no event; thresholds for normal footage need a rate of false alarms instead")
    return list(_of_csv(source, videos, features))


def _of_csv(source: Path, videos: list[LabelledVideo], features: Path | None) -> Iterator[FootageFile]:
    for video in videos:
        if features is None:
            path = source.parent / video.video
            if not path.is_file():
                raise DataError(f"{video.origin}: there is no {path}; correct the name, or name the folder of features")
        else:
            found = feature_file(features, video.video)
            if found is None:
                raise FeatureError(f"{video.origin}: {video.video} has no feature file in {features}; extract it")
            path = found
        yield FootageFile(path, video.intervals or ())
