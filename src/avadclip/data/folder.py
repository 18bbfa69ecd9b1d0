"""A user's own videos: labels from a CSV file or from the names of sub-folders, features from `avadclip extract`."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from avadclip.data.bags import Bag, Dataset
from avadclip.data.label_csv import SPLITS, LabelledVideo, read_label_csv
from avadclip.data.splits import group_of, hold_out
from avadclip.errors import DataError, FeatureError
from avadclip.features.snippets import Provenance, SnippetFeatures
from avadclip.features.store import read_features
from avadclip.labels import NORMAL
from avadclip.media.suffixes import VIDEO_SUFFIXES
from avadclip.timeline import SnippetGrid

FEATURE_SUFFIX = ".safetensors"


def load_csv(path: Path, *, features: Path, classes: Sequence[str] | None = None, seed: int = 0) -> Dataset:
    """Load the videos of a CSV file; see label_csv for its columns.

    Without a row of split `validation`, about a tenth of the training videos is held out by group (splits.hold_out).

    Args:
        path: of the CSV file.
        features: folder with NAME.safetensors for every video, or at the video's own path below it.
        classes: C names, `normal` first; by default `normal`, then all others the file names, sorted.
        seed: of the hold-out.

    Raises:
        DataError: the labels are not usable.
        FeatureError: a feature file is missing, damaged, or differs in provenance.
    """
    return _build(read_label_csv(path), path, features, classes, seed)


def load_folder(
    folder: Path, *, features: Path | None = None, classes: Sequence[str] | None = None, seed: int = 0
) -> Dataset:
    """Load the videos in sub-folders named by class, `folder/normal/*.mp4`, `folder/fighting/*.mp4`: for training.

    Args:
        folder: with a sub-folder per class.
        features: as for load_csv; None if the sub-folders contain the feature files.
        classes: as for load_csv.
        seed: of the hold-out.

    Raises:
        DataError: the labels are not usable.
        FeatureError: a feature file is missing, damaged, or differs in provenance.
    """
    suffixes = frozenset({FEATURE_SUFFIX}) if features is None else VIDEO_SUFFIXES
    videos = list(_videos_by_subfolder(folder, suffixes))
    if not videos and features is None:
        raise DataError(
            f"{folder} has no feature files (*{FEATURE_SUFFIX}) in sub-folders named by class; "
            "if they contain videos, run `avadclip extract` and give its output folder as `features`"
        )
    if not videos:
        raise DataError(
            f"{folder} has no videos in sub-folders; sort them into {folder / NORMAL} and one sub-folder for each class"
        )
    return _build(videos, folder, features or folder, classes, seed)


def _videos_by_subfolder(folder: Path, suffixes: frozenset[str]) -> Iterator[LabelledVideo]:
    """Videos at any depth below a sub-folder have its name as their class."""
    try:
        subfolders = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        raise DataError(
            f"{folder}: cannot be read ({error.strerror}); give a folder of videos or a CSV file"
        ) from error
    for subfolder in subfolders:
        label = subfolder.name.strip().lower()
        for path in sorted(subfolder.rglob("*")):
            if path.suffix.lower() in suffixes and not path.name.startswith("."):
                name = path.relative_to(folder).as_posix()
                intervals = () if label == NORMAL else None
                yield LabelledVideo(name, (label,), intervals, SPLITS[0], group_of(name), str(subfolder))


def _build(
    videos: list[LabelledVideo], source: Path, features: Path, classes: Sequence[str] | None, seed: int
) -> Dataset:
    """Build the dataset of these videos; `source` is their CSV file or folder."""
    class_names = _class_names(videos, classes, source)
    _check_splits(videos, source)
    files = _feature_files(videos, source, features)
    loaded = [read_features(file) for file in files]
    grid = _common_grid(files, loaded)
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
    return Dataset(name, class_names, grid, train, validation, tuple(bags["test"]))


def _class_names(videos: list[LabelledVideo], given: Sequence[str] | None, source: Path) -> tuple[str, ...]:
    """Class names, `normal` first; checks that every label is one of them."""
    named = {label for video in videos for label in video.labels}
    if given is None:
        _check_both_kinds(videos, f"{source}: the videos")
        return (NORMAL, *sorted(named - {NORMAL}))
    for video in videos:
        for label in video.labels:
            if label not in given:
                raise DataError(f"{video.origin}: unknown label `{label}`; needed one of {', '.join(given)}")
    return tuple(given)


def _check_both_kinds(videos: list[LabelledVideo], subject: str) -> None:
    """Check that there are normal and anomalous videos: weak supervision needs both."""
    named = sorted({label for video in videos for label in video.labels})
    if NORMAL not in named:
        raise DataError(
            f"{subject} are all anomalous ({', '.join(named)}); needed the class `{NORMAL}` too: "
            f"add videos without events, labelled `{NORMAL}`"
        )
    if len(named) == 1:
        raise DataError(f"{subject} are all `{NORMAL}`; needed at least one more class: add anomalous videos")


def _check_splits(videos: list[LabelledVideo], source: Path) -> None:
    train = [video for video in videos if video.split == "train"]
    if train:
        _check_both_kinds(train, f"{source}: the training videos")
    seen: dict[str, LabelledVideo] = {}
    for video in videos:
        first = seen.setdefault(video.group, video)
        if first.split != video.split:
            raise DataError(
                f"{video.origin}: {video.video} is in split {video.split}, but {first.video} of the same group "
                f"`{video.group}` in {first.split}; put the whole group into one split"
            )


def _feature_files(videos: list[LabelledVideo], source: Path, features: Path) -> list[Path]:
    """The feature file of every video; FeatureError counts those that are missing."""
    files = [feature_file(features, video.video) for video in videos]
    missing = [video for video, file in zip(videos, files, strict=True) if file is None]
    if missing:
        first, where = missing[0], source
        if not source.is_dir():
            at_csv = source.parent / first.video
            where = at_csv.parent if at_csv.exists() else Path("VIDEOS")
        command = shlex.join(["avadclip", "extract", str(where), "--out", str(features)])
        raise FeatureError(
            f"{len(missing)} of {len(videos)} videos have no feature file in {features}, the first is {first.video} "
            f"({first.origin}); run `{command}`"
        )
    found = [file for file in files if file is not None]
    owners: dict[Path, LabelledVideo] = {}
    for video, file in zip(videos, found, strict=True):
        if file in owners:
            raise DataError(
                f"{video.origin}: {video.video} and {owners[file].video} ({owners[file].origin}) would share {file}; "
                "name a video one way, and extract videos of one name into sub-folders of their own"
            )
        owners[file] = video
    return found


def feature_file(features: Path, video: str) -> Path | None:
    """At the video's own path below the folder, or in the folder itself; with the video's suffix left out or not."""
    path = Path(video)
    for parent in (features,) if path.is_absolute() else (features / path.parent, features):
        # Names may hold dots and no suffix: `Bad.Boys.1995__#00-26-51_00-27-53_label_B2-0-0`.
        for name in (path.name, path.name + FEATURE_SUFFIX, path.stem + FEATURE_SUFFIX):
            if name.endswith(FEATURE_SUFFIX) and (parent / name).is_file():
                return parent / name
    return None


def _common_grid(files: list[Path], loaded: list[SnippetFeatures]) -> SnippetGrid:
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


def _provenance(file: Path, features: SnippetFeatures) -> Provenance:
    assert features.provenance is not None, f"{file}: feature files have one"
    return features.provenance


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
