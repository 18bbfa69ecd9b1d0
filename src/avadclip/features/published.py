"""Published features: `NAME__CROP.npy` per crop (CLIP, [T, 512]), and one audio .npy per video (Wav2CLIP)."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avadclip.errors import FeatureError
from avadclip.features.snippets import SnippetFeatures
from avadclip.timeline import SnippetGrid

MAX_ROW_DIFFERENCE = 1  # snippet; a rounding of the track's length, more is another recording


def read_published(visual_paths: list[Path], audio_path: Path | None, *, grid: SnippetGrid) -> SnippetFeatures:
    """Read one video's published features.

    Sound that is one row shorter or longer than the picture is padded by repetition or cut, and the notes say so.

    Args:
        visual_paths: one file per crop, the centre (`NAME__0.npy`) first.
        audio_path: None for a model that only sees.
        grid: how the publisher cut snippets; the files do not say.

    Raises:
        FeatureError: a file is missing or damaged, or row counts differ by more than one.
    """
    crops = [_read_rows(path) for path in visual_paths]
    for path, rows in zip(visual_paths, crops, strict=True):
        if rows.shape != crops[0].shape:
            raise FeatureError(
                f"{path} holds rows of shape {rows.shape}, {visual_paths[0]} of {crops[0].shape}; "
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
    try:
        with path.open("rb") as file:  # np.load would also open archives
            rows = np.lib.format.read_array(file, allow_pickle=False)
    except Exception as error:  # numpy reads the header as Python source, and a damaged one can fail in any way
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FeatureError(f"{path} cannot be read as a .npy array ({reason}); download it again") from error
    if rows.ndim != 2 or not np.issubdtype(rows.dtype, np.floating):
        raise FeatureError(f"{path} holds {rows.dtype} of shape {rows.shape}, needed floats [snippets, width]")
    floats: NDArray[np.float32] = rows.astype(np.float32, copy=False)
    return floats


def _match_rows(
    audio: NDArray[np.float32], num_snippets: int, path: Path
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    missing = num_snippets - len(audio)
    if missing == 0:
        return audio, ()
    if abs(missing) > MAX_ROW_DIFFERENCE or len(audio) == 0:
        raise FeatureError(
            f"{path} holds {len(audio)} audio rows for {num_snippets} visual snippets, needed as many "
            f"(or {MAX_ROW_DIFFERENCE} more or less); check that both are of the same video"
        )
    if missing > 0:
        return np.concatenate([audio, audio[-1:]]), ("last sound row repeated: one fewer than visual rows",)
    return audio[:num_snippets], ("last sound row dropped: one more than visual rows",)
