"""A user's own videos: their labels, their features, and which of them are of one recording."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from avadclip.data import progress
from avadclip.data.bags import Bag
from avadclip.data.folder import check_both_kinds, videos_by_subfolder
from avadclip.data.footage_checks.own_groups import group_videos
from avadclip.data.label_csv import LabelledVideo, read_label_csv
from avadclip.data.verdicts import labelled_videos
from avadclip.encoders.load import load_encoders
from avadclip.errors import DataError
from avadclip.features.batch import extract_to_folder
from avadclip.features.store import FileFeatures, read_feature_shape
from avadclip.labels import NORMAL

ENCODERS = "lite"


class OwnFootage(NamedTuple):
    """Labelled videos with their features."""

    bags: list[Bag]
    """A bag's name is the path of its video, its group the recording."""
    classes: tuple[str, ...]
    """`normal`, then the others, sorted."""
    notes: list[str]
    """What was left out or decided, a sentence each."""

    @property
    def groups(self) -> list[str]:
        """The recording of every video."""
        return [bag.group for bag in self.bags]


def read_labelled(source: Path) -> list[LabelledVideo]:
    """The videos in sub-folders named by class, or of a CSV file (data.label_csv), named by their paths.

    A CSV names videos by paths from its own folder, or from the current one.

    Raises:
        DataError: the labels are not usable, or a video is not there.
    """
    if source.is_dir():
        videos = [_at(video, source / video.video) for video in videos_by_subfolder(source)]
        if not videos:
            raise DataError(
                f"{source} has no videos in sub-folders; sort them into {source / NORMAL} and one sub-folder per class"
            )
    else:
        videos = [_at(video, _find(video, source)) for video in read_label_csv(source)]
    check_both_kinds(videos, f"{source}: the videos")
    return videos


def read_judged(folder: Path) -> list[LabelledVideo]:
    """The clips of a folder of verdicts (data.verdicts), named by their paths."""
    return [_at(video, folder / video.video) for video in labelled_videos(folder)]


def collect(videos: Sequence[LabelledVideo], features: Path) -> OwnFootage:
    """Extract what features are missing, and find the recordings.

    Videos of the split `test` are left out, as are those that cannot be read; a note says so.

    Args:
        videos: named by their paths.
        features: folder for the feature files; those that are up to date are kept.

    Raises:
        DataError: one video under two names, or nothing of a kind can be read.
    """
    _check_once(videos)
    kept = [video for video in videos if video.split != "test"]
    notes = []
    if len(kept) < len(videos):
        notes.append(f"{len(videos) - len(kept)} videos of the split `test` were left out, for `avadclip evaluate`")
    files, failures = _extract([Path(video.video) for video in kept], features)
    if failures:
        notes.append(
            f"{len(failures)} of {len(kept)} videos cannot be read and were left out; the first: {failures[0]}"
        )
    read = [video for video in kept if Path(video.video) in files]
    if not read:
        raise DataError(
            f"none of {len(kept)} videos can be read, the first: {(failures or ['none is for training'])[0]}"
        )
    check_both_kinds(read, f"the {len(read)} videos that can be read")
    stored = [FileFeatures(path, read_feature_shape(path), 0) for path in (files[Path(video.video)] for video in read)]
    grouping = group_videos(read, stored)
    classes = (NORMAL, *sorted({label for video in read for label in video.labels} - {NORMAL}))
    bags = [
        Bag(video.video, group, own, _targets(video, classes), video.intervals)
        for video, group, own in zip(read, grouping.groups, stored, strict=True)
    ]
    return OwnFootage(bags, classes, [*notes, *grouping.notes])


def _extract(paths: Sequence[Path], features: Path) -> tuple[dict[Path, Path], list[str]]:
    """The feature file of every video that can be read, and why others cannot."""
    # Feature files are named by the stem of a video, which is unique among files of one folder and suffix.
    folders: dict[tuple[Path, str], list[Path]] = {}
    for path in paths:
        folders.setdefault((path.parent, path.suffix), []).append(path)
    encoders = load_encoders(ENCODERS)
    files: dict[Path, Path] = {}
    failures: list[str] = []
    with progress.show_steps("extracting features") as show:
        for (parent, suffix), own in folders.items():
            place = hashlib.sha256(f"{parent.resolve()}/*{suffix}".encode()).hexdigest()[:8]
            for outcome in extract_to_folder(own, features / f"{parent.name}-{place}", encoders):
                if outcome.status == "failed":
                    failures.append(outcome.message)
                else:
                    files[outcome.path] = outcome.feature_file
                show("extracting features", len(files) + len(failures), len(paths))
    return files, failures


def _at(video: LabelledVideo, path: Path) -> LabelledVideo:
    """The video named by its path; so is its group, where no other was given."""
    return video._replace(video=str(path), group=str(path) if video.group == video.video else video.group)


def _find(video: LabelledVideo, source: Path) -> Path:
    beside = source.parent / video.video
    for path in (beside, Path(video.video)):
        if path.is_file():
            return path
    raise DataError(f"{video.origin}: there is no video {beside}; give its path, from the folder of {source.name}")


def _check_once(videos: Sequence[LabelledVideo]) -> None:
    seen: dict[Path, LabelledVideo] = {}
    for video in videos:
        first = seen.setdefault(Path(video.video).resolve(), video)
        if first is not video:
            raise DataError(f"{video.origin}: {video.video} is listed before ({first.origin}); list a video once")


def _targets(video: LabelledVideo, classes: Sequence[str]) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.array([name in video.labels for name in classes], dtype=np.float32)
