"""Feature files: one per video and crop set, safetensors with their provenance in the header.

visual     float32 [T, Dv], or [K, T, Dv] for a set of K crops, the centre first
audio      float32 [T, Da]; missing where the video has no sound track
times      float64 [T], start of every snippet in seconds
header     `avadclip`: JSON of FeatureHeader
"""

import json
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from avadclip import __version__
from avadclip.errors import FeatureError
from avadclip.features.snippets import Provenance, SnippetFeatures
from avadclip.files import write_atomically

FORMAT = 1
HEADER_KEY = "avadclip"


class FeatureHeader(BaseModel):
    """What a feature file says of itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1]
    provenance: Provenance
    source_sha256: str
    """Of the video's content; a copy or a new date does not change it."""
    duration_seconds: float
    sound_is_silent: bool
    notes: tuple[str, ...]
    written_by: str
    """Tool version, for people; never compared."""


def write_features(path: Path, features: SnippetFeatures) -> None:
    """Write a feature file whole or not at all.

    Raises:
        FeatureError: shapes disagree, or a number is not finite.
    """
    features.validate(str(path))
    if features.provenance is None or features.source_sha256 is None:
        raise FeatureError(f"{path}: these features do not say where they come from; extract them from the video")
    header = FeatureHeader(
        format=FORMAT,
        provenance=features.provenance,
        source_sha256=features.source_sha256,
        duration_seconds=features.duration_seconds,
        sound_is_silent=features.sound_is_silent,
        notes=features.notes,
        written_by=f"avadclip {__version__}",
    )
    tensors: dict[str, NDArray[np.generic]] = {
        "visual": features.visual[0] if len(features.visual) == 1 else features.visual,
        "times": features.provenance.grid.starts(len(features)),
    }
    if features.audio is not None:
        tensors["audio"] = features.audio
    contiguous = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    write_atomically(path, save(contiguous, metadata={HEADER_KEY: header.model_dump_json()}))


def read_header(path: Path) -> FeatureHeader:
    """Read only what a feature file says of itself; raises FeatureError."""
    try:
        with safe_open(path, framework="numpy") as file:
            return _parse_header(path, file.metadata())
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error) from error


def read_features(path: Path) -> SnippetFeatures:
    """Read a feature file.

    Raises:
        FeatureError: missing, damaged, of unequal row counts, or with a number that is not finite.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            header = _parse_header(path, file.metadata())
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dict)
    except (OSError, SafetensorError, AttributeError, TypeError) as error:  # the last two: a dtype numpy lacks
        raise _unreadable(path, error) from error
    if "visual" not in tensors:
        raise FeatureError(f"{path} holds no tensor `visual` (found: {', '.join(tensors)}); extract it again")
    visual = tensors["visual"]
    features = SnippetFeatures(
        visual=visual[None] if visual.ndim == 2 else visual,
        audio=tensors.get("audio"),
        duration_seconds=header.duration_seconds,
        provenance=header.provenance,
        sound_is_silent=header.sound_is_silent,
        source_sha256=header.source_sha256,
        notes=header.notes,
    )
    features.validate(str(path))
    return features


def _parse_header(path: Path, metadata: dict[str, str] | None) -> FeatureHeader:
    if metadata is None or HEADER_KEY not in metadata:
        raise FeatureError(
            f"{path} is a safetensors file, but not of avadclip features; name a file from `avadclip extract`"
        )
    try:
        content = dict(json.loads(metadata[HEADER_KEY]))
    except (ValueError, TypeError, RecursionError) as error:  # not JSON, or not an object
        raise _unreadable(path, error) from error
    if content.get("format") != FORMAT:
        raise FeatureError(
            f"{path} has feature format {content.get('format')}, this version reads {FORMAT}; "
            "extract it again, or update avadclip"
        )
    try:
        return FeatureHeader.model_validate(content)
    except ValidationError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> FeatureError:
    reason = str(error).splitlines()[0]
    return FeatureError(f"{path} cannot be read as a feature file ({reason}); extract it again")
