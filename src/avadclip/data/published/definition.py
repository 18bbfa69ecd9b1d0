"""What a published benchmark consists of, and its lists of videos: `PATH,..,LABEL` or `VIDEO,LABEL`, as CSV.

The package ships none of it: lists, annotations and features come from the user's own download.
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
"""Classes of one video; `normal` stands alone."""


class ListedVideo(NamedTuple):
    """One video of a list."""

    name: str
    """Without folder, suffix and crop."""
    labels: Labels
    crops: tuple[int, ...]
    """Those that the list names; () where it names videos only."""
    origin: str
    """Where it stands, for messages: `test_videos.csv:7`."""


class Annotations(NamedTuple):
    """What happens when in the test videos, by name; the codes of intervals are class names already."""

    intervals: Mapping[str, tuple[ClassSpan, ...]]
    spans: Mapping[str, tuple[FrameSpan, ...]] | None
    """Anomalous frames of any class, where the benchmark annotates them apart."""


@dataclass(frozen=True)
class Benchmark:
    """One published benchmark."""

    name: str
    """As `--data NAME:PATH` has it."""
    title: str
    classes: tuple[str, ...]
    grid: SnippetGrid
    """Of published features, which count a video's own frames."""
    annotated_at_hz: float | None
    """Frame rate of the videos, in which annotations count; None where every video has its own."""
    train_lists: tuple[str, ...]
    """File names under which the list is known, the authors' own first; so for the others."""
    test_lists: tuple[str, ...]
    annotation_files: tuple[tuple[str, ...], ...]
    """Files that the truth needs, each with the names it is known under."""
    read_list: Callable[[Path], list[ListedVideo]]
    """Raises DataError."""
    read_annotations: Callable[[Sequence[Path]], Annotations]
    """Of the annotation files, in their order. Raises DataError."""
    num_videos: tuple[int, int]
    """Training and test videos of the whole benchmark."""
    has_sound: bool
    """Whether sound belongs to it."""
    is_trained_on: bool
    """Whether all of its training videos were ever published."""
    tables: tuple[str, ...]
    """Of the AVadCLIP paper, that it takes part in."""
    caveats: tuple[str, ...] = ()
    """What decides its numbers and does not show in them."""


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
    """The videos of a list's rows (origin, path, label), in the order they first appear in; see read_csv_list."""
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
            raise DataError(f"{origin}: {name} is there a second time ({first.origin}); keep one row for each")
        elif labels != first.labels:
            raise DataError(
                f"{origin}: {name} is {label}, but {', '.join(first.labels)} in {first.origin}; correct one"
            )
        else:
            videos[name] = first._replace(crops=(*first.crops, crop))
    return list(videos.values())


def parse_name(cell: str) -> tuple[str, int | None]:
    """The video and the crop of `/home/someone/NAME__5.npy`, `NAME.mp4` or `NAME`, whose name may hold dots."""
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
        raise DataError(f"{origin}: {name} has the label {label}, its name says {in_name[1]}; download the list again")
