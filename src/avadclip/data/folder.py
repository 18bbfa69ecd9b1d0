"""A user's own videos: labels from a CSV file or from the names of sub-folders, features from `avadclip extract`."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from avadclip.data.bags import Bag, Dataset
from avadclip.data.event_times import TimedEvent, check_event_times
from avadclip.data.feature_files import FEATURE_SUFFIX, FeatureFolder, FoundFile, check_found
from avadclip.data.label_csv import SPLITS, LabelledVideo, read_label_csv
from avadclip.data.splits import group_of, hold_out
from avadclip.errors import DataError, FeatureError
from avadclip.features.snippets import Provenance, SnippetFeatures
from avadclip.labels import NORMAL
from avadclip.media.suffixes import VIDEO_SUFFIXES
from avadclip.timeline import SnippetGrid

Undivided = Literal["train", "test"]
"""The split of all videos where the labels name none."""


def load_csv(
    path: Path,
    *,
    features: Path,
    classes: Sequence[str] | None = None,
    seed: int = 0,
    undivided: Undivided = "train",
    partial: bool = False,
) -> Dataset:
    """Load the videos of a CSV file; see label_csv for its columns.

    Without a row of split `validation`, about a tenth of the training videos is held out by group (splits.hold_out).

    Args:
        path: of the CSV file.
        features: folder with NAME.safetensors for every video, or at the video's own path below it; or with .npy files
            (data.own_arrays).
        classes: C names, `normal` first; by default `normal`, then all others the file names, sorted.
        seed: of the hold-out.
        undivided: see Undivided.
        partial: leave out videos without a feature file, with a note.

    Raises:
        DataError: the labels are not usable.
        FeatureError: a feature file is missing, damaged, or differs in provenance.
    """
    videos = read_label_csv(path)
    return _build(_divide(videos, undivided), path, features, classes, seed, partial=partial)


def load_folder(
    folder: Path,
    *,
    features: Path | None = None,
    classes: Sequence[str] | None = None,
    seed: int = 0,
    undivided: Undivided = "train",
    partial: bool = False,
) -> Dataset:
    """Load the videos in sub-folders named by class, `folder/riot/*.mp4`, or by split and class, `folder/test/riot/*`.

    Args:
        folder: with a sub-folder per class, or one per split that holds these.
        features: as for load_csv; None if the sub-folders contain the feature files.
        classes: as for load_csv.
        seed: of the hold-out.
        undivided: see Undivided.
        partial: as for load_csv.

    Raises:
        DataError: the labels are not usable.
        FeatureError: a feature file is missing, damaged, or differs in provenance.
    """
    suffixes = frozenset({FEATURE_SUFFIX}) if features is None else VIDEO_SUFFIXES
    videos = list(videos_by_subfolder(folder, suffixes))
    if not videos and features is None:
        raise DataError(
            f"{folder} has no feature files (*{FEATURE_SUFFIX}) in sub-folders named by class; "
            "if they contain videos, run `avadclip extract` and give its output folder as `features`"
        )
    if not videos:
        raise DataError(
            f"{folder} has no videos in sub-folders; sort them into {folder / NORMAL} and one sub-folder for each class"
        )
    return _build(_divide(videos, undivided), folder, features or folder, classes, seed, partial=partial)


def videos_by_subfolder(folder: Path, suffixes: frozenset[str] = VIDEO_SUFFIXES) -> Iterator[LabelledVideo]:
    """Videos at any depth below a sub-folder have its name as their class; sub-folders named as splits come first.

    Raises:
        DataError: the folder cannot be read, or some sub-folders are splits and others are not.
    """
    subfolders = _subfolders(folder)
    splits = [path for path in subfolders if path.name.lower() in SPLITS]
    others = [path for path in subfolders if path not in splits]
    if splits and others:
        raise DataError(
            f"{folder}: the sub-folder {splits[0].name} is a split, {others[0].name} is not; "
            f"sort all into {', '.join(SPLITS)}, each with a sub-folder per class"
        )
    for split in splits or [folder]:
        for subfolder in _subfolders(split):
            label = subfolder.name.strip().lower()
            for path in sorted(subfolder.rglob("*")):
                if path.suffix.lower() in suffixes and not path.name.startswith("."):
                    name = path.relative_to(folder).as_posix()
                    intervals = () if label == NORMAL else None
                    named = split.name.lower() if splits else SPLITS[0]
                    yield LabelledVideo(
                        name, (label,), intervals, named, group_of(name), str(subfolder), has_split=bool(splits)
                    )


def _subfolders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        raise DataError(
            f"{folder}: cannot be read ({error.strerror}); give a folder of videos or a CSV file"
        ) from error


def _divide(videos: Sequence[LabelledVideo], undivided: Undivided) -> Sequence[LabelledVideo]:
    """The videos, in another split if none names its own."""
    if any(video.has_split for video in videos):
        return videos
    return [video._replace(split=undivided) for video in videos]


def _build(
    videos: Sequence[LabelledVideo],
    source: Path,
    features: Path,
    classes: Sequence[str] | None,
    seed: int,
    *,
    partial: bool,
) -> Dataset:
    """Build the dataset of these videos; `source` is their CSV file or folder."""
    class_names = _class_names(videos, classes, source)
    _check_splits(videos, source)
    folder = FeatureFolder(features)
    found: Sequence[FoundFile | None] = [folder.find(video.video) for video in videos]
    notes = _note_undivided(videos)
    if partial and any(found):
        notes += _note_partial(videos, found)
        videos, found = zip(*(each for each in zip(videos, found, strict=True) if each[1] is not None), strict=True)
    files = check_found(videos, found, folder, source)
    loaded = [folder.read(file) for file in files]
    grid = _common_grid(files, loaded)
    check_event_times(
        [
            TimedEvent(interval, video.video, origin, _end_seconds(own, grid))
            for video, own in zip(videos, loaded, strict=True)
            for interval, origin in zip(video.intervals or (), video.interval_origins, strict=True)
        ]
    )
    bags: dict[str, list[Bag]] = {split: [] for split in SPLITS}
    for video, own in zip(videos, loaded, strict=True):
        targets = np.zeros(len(class_names), dtype=np.float32)
        targets[[class_names.index(label) for label in video.labels]] = 1.0
        bags[video.split].append(Bag(video.video, video.group, own, targets, video.intervals))
    _check_widths([bag for split in SPLITS for bag in bags[split]])
    train, validation = tuple(bags["train"]), tuple(bags["validation"])
    if train and not validation:
        train, validation = hold_out(train, seed=seed)
    name = source.resolve().name if source.is_dir() else source.stem
    return Dataset(
        name,
        class_names,
        grid,
        train,
        validation,
        tuple(bags["test"]),
        notes=tuple(notes),
        why_empty={"test": "mark them with `test` in the column `split`, or put them into a sub-folder `test`"},
    )


def _note_undivided(videos: Sequence[LabelledVideo]) -> list[str]:
    if any(video.has_split or video.split != "test" for video in videos):
        return []
    return [
        f"the labels name no split, so all {len(videos)} videos are measured; "
        "the figures say nothing about a network that was trained on them"
    ]


def _note_partial(videos: Sequence[LabelledVideo], found: Sequence[FoundFile | None]) -> list[str]:
    """The share of every split that has features."""
    notes = []
    for split in SPLITS:
        has_file = [file is not None for video, file in zip(videos, found, strict=True) if video.split == split]
        if not all(has_file):
            share = 100 * sum(has_file) / len(has_file)
            notes.append(f"partial: {sum(has_file)} of {len(has_file)} videos of the {split} split ({share:.1f} %)")
    return notes


def _class_names(videos: Sequence[LabelledVideo], given: Sequence[str] | None, source: Path) -> tuple[str, ...]:
    """Class names, `normal` first; checks that every label is one of them."""
    named = {label for video in videos for label in video.labels}
    if given is None:
        check_both_kinds(videos, f"{source}: the videos")
        return (NORMAL, *sorted(named - {NORMAL}))
    for video in videos:
        for label in video.labels:
            if label not in given:
                raise DataError(f"{video.origin}: unknown label `{label}`; needed one of {', '.join(given)}")
    return tuple(given)


def check_both_kinds(videos: Sequence[LabelledVideo], subject: str) -> None:
    """Raise DataError unless there are normal and anomalous videos: weak supervision needs both."""
    named = sorted({label for video in videos for label in video.labels})
    if NORMAL not in named:
        raise DataError(
            f"{subject} are all anomalous ({', '.join(named)}); needed the class `{NORMAL}` too: "
            f"add videos without events, labelled `{NORMAL}`"
        )
    if len(named) == 1:
        raise DataError(f"{subject} are all `{NORMAL}`; needed at least one more class: add anomalous videos")


def _check_splits(videos: Sequence[LabelledVideo], source: Path) -> None:
    train = [video for video in videos if video.split == "train"]
    if train:
        check_both_kinds(train, f"{source}: the training videos")
    seen: dict[str, LabelledVideo] = {}
    for video in videos:
        first = seen.setdefault(video.group, video)
        if first.split != video.split:
            raise DataError(
                f"{video.origin}: {video.video} is in split {video.split}, but {first.video} of the same group "
                f"`{video.group}` in {first.split}; put the whole group into one split"
            )


def _common_grid(files: Sequence[FoundFile], loaded: list[SnippetFeatures]) -> SnippetGrid:
    """The snippet grid of all files; FeatureError where one was made unlike the first."""
    provenances = [_provenance(file, features) for file, features in zip(files, loaded, strict=True)]
    first = provenances[0]
    for file, provenance in zip(files, provenances, strict=True):
        difference = provenance.difference(first)
        if difference is not None:
            raise FeatureError(
                f"{file} does not fit {files[0]}: {difference}; extract all videos with the same encoders and options"
            )
    return first.grid


def _provenance(file: FoundFile, features: SnippetFeatures) -> Provenance:
    assert features.provenance is not None, f"{file}: feature files have one"
    return features.provenance


def _end_seconds(features: SnippetFeatures, grid: SnippetGrid) -> float:
    """The video's end; arrays made elsewhere do not tell how long it goes on after their last whole snippet."""
    is_elsewhere = features.source_sha256 is None
    return features.duration_seconds + (grid.snippet_seconds if is_elsewhere else 0.0)


def _check_widths(bags: list[Bag]) -> None:
    """Raise FeatureError if numbers of channels differ; silent or missing sound tracks are allowed."""
    first: dict[str, tuple[int, str]] = {}
    for bag in bags:
        for modality, own in (("visual", bag.stored.visual_width), ("audio", bag.stored.audio_width)):
            if own == 0:
                continue
            width, name = first.setdefault(modality, (own, bag.name))
            if own != width:
                raise FeatureError(
                    f"{bag.name} has {own} {modality} channels, {name} has {width}; "
                    "extract all videos with the same encoders and options"
                )
