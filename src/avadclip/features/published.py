"""Published features: `NAME__CROP.npy` per crop (CLIP, [T, 512]), and one audio .npy per video (Wav2CLIP)."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avadclip.errors import FeatureError
from avadclip.features.snippets import Provenance, SnippetFeatures
from avadclip.timeline import SnippetGrid

CROP_SETS = (1, 5, 10)
PICKLED = "pickled Python objects"
MAX_ROW_DIFFERENCE = 1  # snippet; caused by rounding of the track's length, more means another recording


class ArrayShape(NamedTuple):
    """Shape and type of a file's array, from its header."""

    num_rows: int
    width: int


@dataclass(frozen=True)
class PublishedFeatures:
    """Lazily read features of one crop of a video and its audio (data.bags.StoredFeatures)."""

    visual_path: Path
    audio_path: Path | None
    num_snippets: int
    visual_width: int
    audio_width: int
    """0 without sound."""
    grid: SnippetGrid

    @property
    def has_usable_sound(self) -> bool:
        """Whether there is an audio file; published features do not mark silence."""
        return self.audio_path is not None

    def __len__(self) -> int:
        return self.num_snippets

    @property
    def provenance(self) -> Provenance | None:
        """Unknown: the files do not state it."""
        return None

    def load(self) -> SnippetFeatures:
        """As read_published."""
        return read_published([self.visual_path], self.audio_path, grid=self.grid)


def read_shape(path: Path) -> ArrayShape:
    """Read only the header of a .npy file, and check it against the file's size.

    Raises:
        FeatureError: missing, damaged, truncated, or not rows of floats.
    """
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            read_header = (
                np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            )
            shape, _, dtype = read_header(file)
            num_bytes, needed = path.stat().st_size - file.tell(), int(np.prod(shape)) * dtype.itemsize
        if dtype.hasobject:
            raise ValueError(PICKLED)
        if num_bytes != needed:
            raise ValueError(f"{num_bytes} bytes of rows, needed {needed}")
    except Exception as error:  # as in _read_rows
        raise _unreadable(path, error) from error
    _check_rows(path, shape, dtype)
    return ArrayShape(*shape)


def read_crops(path: Path) -> NDArray[np.float32]:
    """Read one crop [T, D], or the K crops of CROP_SETS in one file, [T, K, D] or [K, T, D], as [K, T, D].

    Raises:
        FeatureError: missing, damaged, or of other shapes.
    """
    array = _read_array(path)
    if array.ndim == 3 and array.shape[1] in CROP_SETS:
        array = array.transpose(1, 0, 2)
    elif array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or len(array) not in CROP_SETS:
        raise FeatureError(f"{path} has an array of shape {array.shape}, needed [snippets, width], or 5 or 10 of them")
    _check_rows(path, array.shape[1:], array.dtype)
    return np.ascontiguousarray(_floats(array))


def read_published(visual_paths: list[Path], audio_path: Path | None, *, grid: SnippetGrid) -> SnippetFeatures:
    """Read one video's published features.

    Audio with one row less or more than the visual features is padded by repetition or cut, with a note.

    Args:
        visual_paths: one file per crop, the centre (`NAME__0.npy`) first.
        audio_path: None for a visual-only model.
        grid: the publisher's snippet grid, which the files do not state.

    Raises:
        FeatureError: a file is missing or damaged, or row counts differ by more than one.
    """
    crops = [_read_rows(path) for path in visual_paths]
    for path, rows in zip(visual_paths, crops, strict=True):
        if rows.shape != crops[0].shape:
            raise FeatureError(
                f"{path} has rows of shape {rows.shape}, {visual_paths[0]} of {crops[0].shape}; "
                "the crops of one video need the same shape: download them again"
            )
    visual = np.stack(crops)
    audio: NDArray[np.float32] | None = None
    notes: tuple[str, ...] = ()
    if audio_path is not None:
        audio, notes = _match_rows(_read_rows(audio_path), visual.shape[1], audio_path)
    features = SnippetFeatures(
        visual=visual,
        audio=audio,
        duration_seconds=visual.shape[1] * grid.snippet_seconds,
        provenance=None,
        notes=notes,
    )
    features.validate(str(visual_paths[0]))
    return features


def _read_rows(path: Path) -> NDArray[np.float32]:
    rows = _read_array(path)
    _check_rows(path, rows.shape, rows.dtype)
    return _floats(rows)


def _read_array(path: Path) -> NDArray[np.generic]:
    try:
        with path.open("rb") as file:  # np.load would also open archives
            array: NDArray[np.generic] = np.lib.format.read_array(file, allow_pickle=False)  # refuses pickled objects
    except Exception as error:  # numpy reads the header as Python source, and a damaged one can fail in any way
        raise _unreadable(path, error) from error
    return array


def _floats(rows: NDArray[np.generic]) -> NDArray[np.float32]:
    floats: NDArray[np.float32] = rows.astype(np.float32, copy=False)
    return floats


def _check_rows(path: Path, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> None:
    if len(shape) != 2 or not np.issubdtype(dtype, np.floating):
        raise FeatureError(
            f"{path} has {dtype} of shape {shape}, needed floats [snippets, width]; save or download it again"
        )


def _unreadable(path: Path, error: Exception) -> FeatureError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    if "allow_pickle" in reason or reason == PICKLED:
        return FeatureError(f"{path} holds {PICKLED}, which are never opened; save an array of floats with numpy.save")
    return FeatureError(f"{path} cannot be read as a .npy array ({reason}); download it again")


def _match_rows(
    audio: NDArray[np.float32], num_snippets: int, path: Path
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    missing = num_snippets - len(audio)
    if missing == 0:
        return audio, ()
    if abs(missing) > MAX_ROW_DIFFERENCE or len(audio) == 0:
        raise FeatureError(
            f"{path} has {len(audio)} audio rows for {num_snippets} visual snippets, needed as many "
            f"(or {MAX_ROW_DIFFERENCE} more or less); check that both are of the same video"
        )
    if missing > 0:
        return np.concatenate([audio, audio[-1:]]), ("last audio row repeated: one fewer than visual rows",)
    return audio[:num_snippets], ("last audio row dropped: one more than visual rows",)
