"""Feature files: one per video and crop set, safetensors with their provenance in the header.

visual     float32 [T, Dv], or [K, T, Dv] for a set of K crops, the centre first
audio      float32 [T, Da]; missing where the video has no sound track
times      float64 [T], start of every snippet in seconds
sounds     uint16 [T, K], the most probable named sounds, counted in the header's `sound_names`; missing where unknown
sound_probabilities  float16 [T, K]
header     `avadclip`: JSON of FeatureHeader
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from safetensors import SafetensorError
from safetensors.numpy import save_file

from avadclip import __version__
from avadclip.encoders.base import SoundTags
from avadclip.errors import FeatureError
from avadclip.features.snippets import Provenance, SnippetFeatures
from avadclip.files import atomic_path
from avadclip.tensor_file import FORMAT, HEADER_KEY, TensorFile


class FeatureHeader(BaseModel):
    """Header of a feature file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1]
    provenance: Provenance
    source_sha256: str
    """Hash of the video's content; independent of path and date."""
    duration_seconds: float = Field(ge=0, allow_inf_nan=False)
    sound_is_silent: bool
    notes: tuple[str, ...]
    sound_names: tuple[str, ...] = ()
    """Names of the sounds that occur."""
    audio_track: int | None = None
    """See MediaFile.audio_track."""
    written_by: str
    """Tool version, for information; never compared."""


FEATURE_FILE = TensorFile(
    title="feature",
    header=FeatureHeader,
    error=FeatureError,
    framework="numpy",
    mark="provenance",
    if_foreign="without avadclip features; give a file from `avadclip extract`",
    if_other_kind="a checkpoint or another kind of avadclip file; give a file from `avadclip extract`",
    if_other_format="extract it again, or update avadclip",
    if_damaged="extract it again",
)


def write_features(path: Path, features: SnippetFeatures) -> None:
    """Write a feature file whole or not at all.

    Raises:
        FeatureError: shapes disagree, a number is not finite, or the disk is full.
    """
    features.validate(str(path))
    if features.tags is not None:
        features = replace(features, tags=features.tags.compact())
    if features.provenance is None or features.source_sha256 is None:
        raise FeatureError(f"{path}: these features have no provenance; extract them from the video")
    header = FeatureHeader(
        format=FORMAT,
        provenance=features.provenance,
        source_sha256=features.source_sha256,
        duration_seconds=features.duration_seconds,
        sound_is_silent=features.sound_is_silent,
        notes=features.notes,
        sound_names=() if features.tags is None else features.tags.names,
        audio_track=features.audio_track,
        written_by=f"avadclip {__version__}",
    )
    tensors: dict[str, NDArray[np.generic]] = {
        "visual": features.visual[0] if len(features.visual) == 1 else features.visual,
        "times": features.provenance.grid.starts(len(features)),
    }
    if features.audio is not None:
        tensors["audio"] = features.audio
    if features.tags is not None:
        tensors |= {"sounds": features.tags.indices, "sound_probabilities": features.tags.probabilities}
    contiguous = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    try:
        with atomic_path(path) as temporary:
            save_file(contiguous, temporary, metadata={HEADER_KEY: header.model_dump_json()})
    except SafetensorError as error:  # also of a full disk
        raise FeatureError(f"{path} cannot be written ({error}); free space, or choose another folder") from error


def read_header(path: Path) -> FeatureHeader:
    """Read only the header of a feature file; raises FeatureError."""
    with FEATURE_FILE.open(path) as (header, _):
        return header


class FeatureShape(NamedTuple):
    """Shapes of a feature file's arrays, from its header."""

    header: FeatureHeader
    num_crops: int
    num_snippets: int
    visual_width: int
    audio_width: int
    """0 without a sound track."""


@dataclass(frozen=True)
class FileFeatures:
    """Lazily read features of one crop of a feature file (data.bags.StoredFeatures)."""

    path: Path
    shape: FeatureShape
    crop: int

    @property
    def audio_width(self) -> int:
        """0 without a sound track."""
        return self.shape.audio_width

    @property
    def has_usable_sound(self) -> bool:
        """Whether there is a sound track that is not silent."""
        return self.shape.audio_width > 0 and not self.shape.header.sound_is_silent

    def __len__(self) -> int:
        return self.shape.num_snippets

    @property
    def visual_width(self) -> int:
        """Dv."""
        return self.shape.visual_width

    @property
    def provenance(self) -> Provenance | None:
        """From the file's header."""
        return self.shape.header.provenance

    def load(self) -> SnippetFeatures:
        """As read_features."""
        return read_features(self.path, crop=self.crop)


def read_feature_shape(path: Path) -> FeatureShape:
    """Read only the header and shapes of a feature file; raises FeatureError."""
    with FEATURE_FILE.open(path) as (header, file):
        shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118  (not a dict)
    visual, audio = shapes.get("visual", []), shapes.get("audio", [0, 0])
    if len(visual) not in {2, 3} or len(audio) != 2:
        raise FeatureError(f"{path} has visual rows of shape {visual}, needed [snippets, width]; extract it again")
    num_crops, num_snippets, width = (1, *visual)[-3:]
    return FeatureShape(header, num_crops, num_snippets, width, audio[1])


def read_features(path: Path, *, crop: int | None = None) -> SnippetFeatures:
    """Read a feature file, all crops or one of them.

    Raises:
        FeatureError: missing, damaged, with unequal row counts, or with a value that is not finite.
    """
    with FEATURE_FILE.open(path) as (header, file):
        tensors = {name: file.get_tensor(name) for name in file.keys() if crop is None or name != "visual"}  # noqa: SIM118
        if crop is not None:
            stored = file.get_slice("visual")
            tensors["visual"] = stored[crop] if len(stored.get_shape()) == 3 else stored[:]
    if "visual" not in tensors:
        raise FeatureError(f"{path} has no tensor `visual` (found: {', '.join(tensors)}); extract it again")
    visual = tensors["visual"]
    features = SnippetFeatures(
        visual=visual[None] if visual.ndim == 2 else visual,
        audio=tensors.get("audio"),
        duration_seconds=header.duration_seconds,
        provenance=header.provenance,
        sound_is_silent=header.sound_is_silent,
        source_sha256=header.source_sha256,
        notes=header.notes,
        tags=_tags(tensors, header),
        audio_track=header.audio_track,
    )
    features.validate(str(path))
    return features


def _tags(tensors: Mapping[str, NDArray[Any]], header: FeatureHeader) -> SoundTags | None:
    if "sounds" not in tensors or "sound_probabilities" not in tensors:
        return None
    indices, probabilities = tensors["sounds"], tensors["sound_probabilities"]
    return SoundTags(header.sound_names, indices, probabilities)
