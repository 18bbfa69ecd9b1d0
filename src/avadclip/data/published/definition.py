"""Definition of a published benchmark, and its CSV lists of videos: `PATH,..,LABEL` or `VIDEO,LABEL`.

Lists, annotations and features are not part of the package; users download them.
"""

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from avadclip.data.published.annotations import ClassSpan, FrameSpan
from avadclip.errors import DataError
from avadclip.labels import NORMAL, XD_VIOLENCE_CODES
from avadclip.timeline import SnippetGrid

CROP_SUFFIX = re.compile(r"(.+)__(\d+)")  # of the published feature files: NAME__CROP
CODE_IN_NAME = re.compile(r".*_label_(.+)")  # XD-Violence writes a video's label into its name
NO_CODE = "0"  # fills up XD-Violence's label codes to three parts

Labels = tuple[str, ...]
"""Classes of one video; `normal` is never combined with others."""


class ListedVideo(NamedTuple):
    """One video of a list."""

    name: str
    """Name without folder, suffix and crop."""
    labels: Labels
    crops: tuple[int, ...]
    """Crops in the list; () if it lists videos only."""
    origin: str
    """Location in the list, for messages: `test_videos.csv:7`."""


class Annotations(NamedTuple):
    """Annotated events of the test videos, by video; interval codes are converted to class names."""

    intervals: Mapping[str, tuple[ClassSpan, ...]]
    spans: Mapping[str, tuple[FrameSpan, ...]] | None
    """Anomalous frames of any class, if the benchmark annotates them separately."""


@dataclass(frozen=True)
class Benchmark:
    """One published benchmark."""

    name: str
    """Name in `--data NAME:PATH`."""
    title: str
    classes: tuple[str, ...]
    grid: SnippetGrid
    """Of published features, which count a video's own frames."""
    annotated_at_hz: float | None
    """Frame rate of the annotations; None if every video has its own."""
    train_lists: tuple[str, ...]
    """Known file names of the list, the authors' own first; likewise below."""
    test_lists: tuple[str, ...]
    annotation_files: tuple[tuple[str, ...], ...]
    """Annotation files, each with its known file names."""
    read_list: Callable[[Path], list[ListedVideo]]
    """Raises DataError."""
    read_annotations: Callable[[Sequence[Path]], Annotations]
    """Of the annotation files, in their order. Raises DataError."""
    num_videos: tuple[int, int]
    """Training and test videos of the whole benchmark."""
    has_sound: bool
    """Whether it has sound."""
    is_trained_on: bool
    """Whether all of its training videos were ever published."""
    tables: tuple[str, ...]
    """Tables of the AVadCLIP paper with this benchmark."""
    caveats: tuple[str, ...] = ()
    """Caveats for its results."""
    normal_has_legacy_truth: bool = True
    """See Dataset."""


def read_csv_list(path: Path, read_label: Callable[[str], Labels]) -> list[ListedVideo]:
    """Read a list with a column `label` and a column `video` or `path`; rows of one video's crops are joined.

    Raises:
        DataError: unreadable, a column missing, an unknown label, a row there twice, rows that contradict each other.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or []
            named = next((column for column in ("video", "path") if column in columns), None)
            if named is None or "label" not in columns:
                raise DataError(f"{path}:1: columns {', '.join(columns)}; needed `video,label` or `path,label`")
            rows = [(f"{path}:{reader.line_num}", row[named] or "", row["label"] or "") for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read ({error}); download it again") from error
    return join_rows(rows, read_label)


def join_rows(rows: Sequence[tuple[str, str, str]], read_label: Callable[[str], Labels]) -> list[ListedVideo]:
    """Merge a list's rows (origin, path, label) to videos, in order of appearance; see read_csv_list."""
    videos: dict[str, ListedVideo] = {}
    for origin, cell, label in rows:
        name, crop = parse_name(cell)
        try:
            labels = read_label(label.strip())
        except DataError as error:
            raise DataError(f"{origin}: {error}") from error
        _check_code(origin, name, label.strip())
        first = videos.get(name)
        if first is None:
            videos[name] = ListedVideo(name, labels, () if crop is None else (crop,), origin)
        elif crop is None or crop in first.crops or not first.crops:
            raise DataError(f"{origin}: duplicate row of {name} ({first.origin}); keep one")
        elif labels != first.labels:
            raise DataError(
                f"{origin}: {name} is {label}, but {', '.join(first.labels)} in {first.origin}; correct one"
            )
        else:
            videos[name] = first._replace(crops=(*first.crops, crop))
    return list(videos.values())


def parse_name(cell: str) -> tuple[str, int | None]:
    """Video name and crop of `/home/someone/NAME__5.npy`, `NAME.mp4` or `NAME`; names may contain dots."""
    name = PurePosixPath(cell.strip().replace("\\", "/")).name
    for suffix in (".npy", ".mp4"):
        name = name.removesuffix(suffix)
    with_crop = CROP_SUFFIX.fullmatch(name)
    return (with_crop[1], int(with_crop[2])) if with_crop else (name, None)


def labels_of_code(code: str) -> Labels:
    """`B2-G-0` is the set of shooting and explosion; a code may lack its zeros. Raises DataError."""
    parts = dict.fromkeys(part for part in code.split("-") if part != NO_CODE)
    unknown = [part for part in parts if part not in XD_VIOLENCE_CODES]
    labels = tuple(XD_VIOLENCE_CODES[part] for part in parts if part not in unknown)
    if unknown or not labels or (NORMAL in labels and len(labels) > 1):
        raise DataError(f"label `{code}`; needed codes of {', '.join(XD_VIOLENCE_CODES)}, joined by `-`, or `A` alone")
    return labels


def _check_code(origin: str, name: str, label: str) -> None:
    in_name = CODE_IN_NAME.fullmatch(name)
    if in_name and labels_of_code(in_name[1]) != labels_of_code(label):
        raise DataError(
            f"{origin}: {name} has the label {label}, but {in_name[1]} in its name; download the list again"
        )
