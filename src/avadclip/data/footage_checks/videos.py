"""The facts of every video that the checks of labelled footage compare."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from avadclip.data.bags import Bag, Dataset
from avadclip.data.names import split_crop
from avadclip.errors import MediaError
from avadclip.features.snippets import SnippetFeatures
from avadclip.labels import NORMAL
from avadclip.media.probe import probe
from avadclip.media.suffixes import VIDEO_SUFFIXES


class FileFacts(NamedTuple):
    """Properties of a video file that say nothing of what happens in it."""

    seconds: float
    has_sound_track: bool
    """A silent one counts."""
    width: int | None = None
    """In pixels, as shown. None, as those below, where only the features are at hand."""
    height: int | None = None
    frame_rate_hz: float | None = None
    bits_per_second: float | None = None
    """Of the whole file."""


class FootageVideo(NamedTuple):
    """One labelled video."""

    name: str
    group: str
    """Recording it was cut from; videos of one group are not independent."""
    split: str | None
    """train, validation or test; None before the videos are divided."""
    labels: tuple[str, ...]
    """Its classes; `normal` alone for a video without events."""
    facts: FileFacts | None
    has_usable_sound: bool
    """Whether there is a sound track that is not silent."""
    features: SnippetFeatures | None = None
    """Where they are in memory; near-duplicates are found by them."""

    @property
    def is_anomalous(self) -> bool:
        """Whether anything is labelled but `normal`."""
        return self.labels != (NORMAL,)


def read_file_facts(path: Path) -> FileFacts:
    """The facts of a video file, from its headers; raises MediaError."""
    info = probe(path)
    seconds = info.duration_seconds
    return FileFacts(
        seconds=seconds,
        has_sound_track=info.sound is not None,
        width=info.width,
        height=info.height,
        frame_rate_hz=info.frame_rate_hz,
        bits_per_second=8 * path.stat().st_size / seconds if seconds > 0 else 0.0,
    )


def dataset_videos(dataset: Dataset, *, files: Path | None = None) -> list[FootageVideo]:
    """The videos of a dataset, each once, whatever its number of crops.

    Args:
        dataset: of a user.
        files: folder that the videos' names start from. Of a video that cannot be read there, and of all without it,
            the facts are those that its features tell.
    """
    videos: dict[str, FootageVideo] = {}
    for split, bag in _bags(dataset):
        cropped = split_crop(bag.name)
        name = bag.name if cropped is None else cropped.video
        if name not in videos:
            features = bag.stored if isinstance(bag.stored, SnippetFeatures) else None
            labels = tuple(label for label, is_set in zip(dataset.classes, bag.targets, strict=True) if is_set)
            facts = _facts(bag, dataset, files)
            videos[name] = FootageVideo(name, bag.group, split, labels, facts, bag.stored.has_usable_sound, features)
    return list(videos.values())


def _bags(dataset: Dataset) -> Iterator[tuple[str, Bag]]:
    for split, bags in (("train", dataset.train), ("validation", dataset.validation), ("test", dataset.test)):
        yield from ((split, bag) for bag in bags)


def _facts(bag: Bag, dataset: Dataset, files: Path | None) -> FileFacts:
    path = None if files is None else files / bag.name
    if path is not None and path.suffix.lower() in VIDEO_SUFFIXES and path.is_file():
        try:
            return read_file_facts(path)
        except MediaError:
            pass
    stored = bag.stored
    length = len(stored) * dataset.grid.snippet_seconds
    seconds = stored.duration_seconds if isinstance(stored, SnippetFeatures) else length
    return FileFacts(seconds, has_sound_track=stored.audio_width > 0)
