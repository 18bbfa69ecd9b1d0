"""Predictions given as files, matched to the videos of a split.

One file for all videos, or one array per video:

    all.npy           the videos' rows one after the other, in the order of the list
    scores.npz        an array per video, under its name
    scores.json       an object of lists, likewise
    folder/NAME.npy   a file per video

A row is an anomaly score, or a probability for every class, of a snippet or of a frame, which is recognised from the
number of rows. Rows are never cut, repeated or dropped to fit.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from avadclip.data.bags import Bag
from avadclip.data.names import NameIndex
from avadclip.errors import DataError

Rows = NDArray[np.floating]
MAX_UNPACKED_BYTES = 2**31  # of an archive; 400 hours of seven class probabilities a frame
SUM_TOLERANCE = 1e-3  # of a row of probabilities; softmax in half precision is within it


class GivenScores(NamedTuple):
    """Predictions for the videos of a split, in their order."""

    name: str
    """Name of the file or folder."""
    rows: tuple[Rows, ...]
    """Per video, [T] anomaly scores on any scale, or [T, C] class probabilities within [0, 1]."""
    frames_per_row: int
    """1, or the frames of a snippet."""
    notes: tuple[str, ...]
    """The recognised format, one line each."""

    @property
    def probabilities(self) -> tuple[Rows, ...] | None:
        """[T, C] per video; None if only anomaly scores were given."""
        return self.rows if self.rows[0].ndim == 2 else None

    @property
    def anomaly_scores(self) -> list[Rows]:
        """[T] per video; 1 - p(normal) if class probabilities were given."""
        return [rows if rows.ndim == 1 else 1 - rows[:, 0] for rows in self.rows]


def read_scores(path: Path, bags: Sequence[Bag], *, num_classes: int, snippet_frames: int) -> GivenScores:
    """Read predictions for these videos.

    Args:
        path: see above.
        bags: the videos of a split, in the order of its list.
        num_classes: C, `normal` first.
        snippet_frames: frames of a snippet.

    Raises:
        DataError: unreadable; a video is missing, unknown or of another length; a value is invalid.
    """
    if path.suffix.lower() == ".npy" and path.is_file():
        rows, frames_per_row = _cut(path, _as_rows(_load(path), path.name, num_classes), bags, snippet_frames)
    else:
        rows, frames_per_row = _match(path, _read_each(path), bags, num_classes, snippet_frames)
    kinds = {each.ndim for each in rows}
    if len(kinds) > 1:
        odd = next(bag.name for bag, each in zip(bags, rows, strict=True) if each.ndim != rows[0].ndim)
        raise DataError(
            f"{path}: {bags[0].name} and {odd} differ, one has class probabilities; use one format for all videos"
        )
    for bag, each in zip(bags, rows, strict=True):
        _check_values(each, bag.name)
    num_rows = sum(map(len, rows))
    per = "frame" if frames_per_row == 1 else "snippet"
    what = "an anomaly score" if rows[0].ndim == 1 else f"{num_classes} class probabilities"
    notes = [f"{path.name} has {what} per {per}, inferred from its {num_rows:,} rows"]
    if rows[0].ndim == 2:
        notes += ["the anomaly score is 1 - p(normal)", *_note_on_sums(rows)]
    return GivenScores(path.name, rows, frames_per_row, tuple(notes))


def _cut(path: Path, rows: Rows, bags: Sequence[Bag], snippet_frames: int) -> tuple[tuple[Rows, ...], int]:
    """The videos' own rows out of one array for all."""
    lengths = np.array([len(bag.stored) for bag in bags])
    for frames_per_row, factor in ((snippet_frames, 1), (1, snippet_frames)):
        if len(rows) == factor * lengths.sum():
            return tuple(np.split(rows, np.cumsum(factor * lengths)[:-1])), frames_per_row
    raise DataError(
        f"{path} has {len(rows):,} rows; needed {lengths.sum():,}, one for each snippet of the {len(bags)} videos, "
        f"or {snippet_frames * lengths.sum():,}, one for each frame of their whole snippets"
    )


def _match(
    path: Path, given: Mapping[str, NDArray[np.generic]], bags: Sequence[Bag], num_classes: int, snippet_frames: int
) -> tuple[tuple[Rows, ...], int]:
    """The rows of every video, found by its name; no video without rows, and no rows without video."""
    names = NameIndex(given)
    owners: dict[str, str] = {}
    rows: list[Rows] = []
    missing: list[str] = []
    for bag in bags:
        key = names.find(bag.name)
        if key is None:
            missing.append(bag.name)
        elif key in owners:
            raise DataError(f"{path}: {owners[key]} and {bag.name} would share `{key}`; use their paths as names")
        else:
            owners[key] = bag.name
            rows.append(_as_rows(given[key], bag.name, num_classes))
    if missing:
        nearest = names.nearest(missing[0])
        hint = "" if nearest is None else f" (the nearest name is {nearest})"
        raise DataError(f"{path} lacks {len(missing)} of {len(bags)} videos, the first is {missing[0]}{hint}; add it")
    extra = [key for key in given if key not in owners]
    if extra:
        raise DataError(
            f"{path} has scores of {len(extra)} videos that the data does not have, the first is {extra[0]}; "
            "remove them, or give the data they belong to"
        )
    frames_per_row = snippet_frames if len(rows[0]) == len(bags[0].stored) else 1
    for bag, each in zip(bags, rows, strict=True):
        num_snippets = len(bag.stored)
        if len(each) * frames_per_row != num_snippets * snippet_frames:
            raise DataError(
                f"{path}: {bag.name} has {len(each)} rows; needed {num_snippets}, one for each snippet, or "
                f"{num_snippets * snippet_frames}, one for each frame, and the same for all videos"
            )
    return tuple(rows), frames_per_row


def _read_each(path: Path) -> dict[str, NDArray[np.generic]]:
    """Read the array of every video, by its name in the file."""
    if path.is_dir():
        files = sorted(path.rglob("*.npy"))
        if not files:
            raise DataError(f"{path} contains no .npy files; give a folder with one per video")
        return {file.relative_to(path).as_posix().removesuffix(".npy"): _load(file) for file in files}
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return _load_all(path)
    if suffix == ".json":
        return _load_json(path)
    raise DataError(f"{path} is not a score file; give a .npy, .npz or .json file, or a folder of .npy files")


def _load(path: Path) -> NDArray[np.generic]:
    try:
        loaded: NDArray[np.generic] = np.load(path, allow_pickle=False)  # pickled content could run arbitrary code
    except Exception as error:  # numpy reads the header as Python source, and a damaged one can fail in any way
        raise _unreadable(path, error) from error
    return loaded


def _load_all(path: Path) -> dict[str, NDArray[np.generic]]:
    try:
        with ZipFile(path) as packed:
            num_bytes = sum(member.file_size for member in packed.infolist())
        if num_bytes > MAX_UNPACKED_BYTES:
            raise ValueError(f"it unpacks to {num_bytes / 1e9:.1f} GB, at most {MAX_UNPACKED_BYTES / 1e9:.1f} are read")
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception as error:  # as above
        raise _unreadable(path, error) from error


def _load_json(path: Path) -> dict[str, NDArray[np.generic]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_without_doubles)
    except (OSError, ValueError, RecursionError) as error:
        raise _unreadable(path, error) from error
    if not isinstance(content, dict):
        raise DataError(f"{path} is not a JSON object; needed one list of scores per video, by name")
    arrays: dict[str, NDArray[np.generic]] = {}
    for name, rows in content.items():
        try:
            arrays[name] = np.array(rows, dtype=np.float64)
        except (ValueError, TypeError) as error:
            raise DataError(f"{path}: {name} is not a list of numbers or equally long lists; correct it") from error
    return arrays


def _without_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)} is there twice")
    return content


def _as_rows(array: NDArray[np.generic], name: str, num_classes: int) -> Rows:
    """[N] or [N, C], as real numbers."""
    if array.dtype.kind not in "fiu":
        raise DataError(f"{name} has values of type {array.dtype}; needed numbers")
    rows = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    if rows.ndim != 1 and (rows.ndim != 2 or rows.shape[1] != num_classes):
        raise DataError(
            f"{name} has the shape {array.shape}; needed one anomaly score or {num_classes} class probabilities per row"
        )
    # Half precision overflows in sums; single and double stay as they are, for the published measure's sake.
    numbers: Rows = rows.astype(rows.dtype if rows.dtype in (np.float32, np.float64) else np.float64, copy=False)
    return numbers


def _check_values(rows: Rows, name: str) -> None:
    if not np.isfinite(rows).all():
        where = np.argwhere(~np.isfinite(rows))[0]
        raise DataError(f"{name} has the score {rows[tuple(where)]} in row {where[0]}; needed finite numbers")
    if rows.ndim == 2 and (rows.min() < 0 or rows.max() > 1):
        row = int(np.argwhere((rows < 0) | (rows > 1))[0][0])
        raise DataError(f"{name} has class values outside [0, 1] in row {row}; give probabilities, after softmax")


def _note_on_sums(rows: Sequence[Rows]) -> list[str]:
    furthest = max(float(np.abs(each.sum(axis=1) - 1).max()) for each in rows)
    if furthest <= SUM_TOLERANCE:
        return []
    return [f"class probabilities do not sum to 1 (off by up to {furthest:.2f}); the papers' measure takes a softmax"]


def _unreadable(path: Path, error: Exception) -> DataError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    if "allow_pickle" in reason:
        return DataError(
            f"{path} holds pickled Python objects, which are never opened, as they can run code; needed numbers: one "
            "array by numpy.save, an .npz with an array per video, a .json of lists, or a folder of NAME.npy"
        )
    return DataError(f"{path} cannot be read as scores ({reason}); write it again")
