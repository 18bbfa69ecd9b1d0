"""A user's footage for calibration: videos or feature files, without events or labelled."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from avadclip.data.bags import Interval
from avadclip.data.event_times import TimedEvent, check_event_times
from avadclip.data.feature_files import FEATURE_SUFFIX, FeatureFolder
from avadclip.data.label_csv import LabelledVideo, read_label_csv
from avadclip.data.names import NameIndex
from avadclip.data.published.inventory import files_below
from avadclip.errors import DataError, FeatureError
from avadclip.media.suffixes import VIDEO_SUFFIXES


class FootageFile(NamedTuple):
    """One recording."""

    path: Path
    """A video, or its feature file."""
    intervals: tuple[Interval, ...] | None
    """Annotated events; () if there are none, None for an anomalous video without times."""
    origins: tuple[str, ...] = ()
    """Location of every event, for messages: `labels.csv:7`."""

    @property
    def is_features(self) -> bool:
        """Whether it is a feature file."""
        return self.path.suffix == FEATURE_SUFFIX

    def check_times(self, duration_seconds: float) -> None:
        """Raise DataError where an event is not within this length of the recording."""
        intervals = self.intervals or ()
        origins = self.origins or [str(self.path)] * len(intervals)
        check_event_times(
            [
                TimedEvent(interval, self.path.name, origin, duration_seconds)
                for interval, origin in zip(intervals, origins, strict=True)
            ]
        )


def find_normal_footage(source: Path, *, features: Path | None = None) -> list[FootageFile]:
    """Find footage without events.

    Args:
        source: a video, a feature file, a folder with either kind at any depth, or a CSV file (data.label_csv) whose
            videos are all `normal`.
        features: folder with the feature files of a CSV's videos; without it the videos themselves are taken, from
            where the CSV names them.

    Raises:
        DataError: no files, both kinds in one folder, or a video that is not normal.
        FeatureError: a feature file is missing.
    """
    if source.suffix.lower() == ".csv":
        videos = read_label_csv(source)
        for video in videos:
            if video.intervals != ():
                raise DataError(
                    f"{video.origin}: {video.video} is {', '.join(video.labels)}; counting false alarms "
                    "needs `normal` footage: remove the video, or use annotated footage"
                )
        return list(_of_csv(source, videos, features))
    if features is not None:
        raise DataError(f"{source} is not a CSV file, which `features` needs; give that folder as the source")
    if not source.is_dir():
        if not source.is_file():
            raise DataError(f"{source} does not exist; give a folder, a video, a feature file or a CSV file")
        return [FootageFile(source, ())]
    files = [
        path
        for path in sorted(source.rglob("*"))
        if path.suffix.lower() in VIDEO_SUFFIXES | {FEATURE_SUFFIX} and not path.name.startswith(".")
    ]
    kinds = {path.suffix.lower() == FEATURE_SUFFIX for path in files}
    if len(kinds) == 2:
        raise DataError(f"{source} contains both videos and feature files, possibly of the same footage; give one kind")
    if not files:
        raise DataError(f"{source} contains no videos and no feature files; give a folder with footage")
    return [FootageFile(path, ()) for path in files]


def find_labelled_footage(source: Path, *, features: Path | None = None, needs_times: bool = True) -> list[FootageFile]:
    """Find footage whose events a CSV file lists; see find_normal_footage.

    Args:
        source: the CSV file.
        features: as there.
        needs_times: whether every anomalous video needs the times of its events.

    Raises:
        DataError: an anomalous video without needed times, no anomalous video, or a missing video.
        FeatureError: a feature file is missing.
    """
    videos = read_label_csv(source)
    for video in videos:
        if video.intervals is None and needs_times:
            raise DataError(
                f"{video.origin}: {video.video} is {', '.join(video.labels)}, but has no times; "
                "give `start` and `end` in seconds, or thresholds by --normal, which need none"
            )
    if all(video.intervals == () for video in videos):
        raise DataError(f"{source} lists no event; for normal footage use --normal with a false-alarm rate")
    return list(_of_csv(source, videos, features))


def _of_csv(source: Path, videos: list[LabelledVideo], features: Path | None) -> Iterator[FootageFile]:
    folder = None if features is None else FeatureFolder(features)
    for video in videos:
        path = _find_beside(source, video) if folder is None else folder.find_extracted(video.video)
        if path is None:
            assert folder is not None, "a video that is not there has raised"
            raise FeatureError(f"no feature file in {folder.folder} of {folder.why_missing(video)}; extract it")
        yield FootageFile(path, video.intervals, video.interval_origins)


def _find_beside(source: Path, video: LabelledVideo) -> Path:
    """The video at its path from the CSV file, or spelt otherwise somewhere below that folder."""
    path = source.parent / video.video
    if path.is_file():
        return path
    beside = {
        each.relative_to(source.parent).as_posix(): each
        for each in files_below([source.parent])
        if each.suffix.lower() in VIDEO_SUFFIXES
    }
    names = NameIndex(beside)
    name = names.find(video.video)
    if name is None:
        nearest = names.nearest(video.video)
        hint = "" if nearest is None else f" (the nearest name is {nearest})"
        raise DataError(
            f"{video.origin}: {path} does not exist{hint}; correct the name, or give the folder of features"
        )
    return beside[name]
