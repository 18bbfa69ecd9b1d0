"""Checkpoints: safetensors with a JSON header. Trained weights only, frozen encoders are named, not stored.

<network>/<parameter>       e.g. `teacher/classifier.classify.weight`
<network>/class_features    X_c, [C, D]: text features are a constant of the checkpoint
header                      `avadclip`: JSON of CheckpointHeader
"""

import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from avadclip.config import NetworkConfig, NetworkKind
from avadclip.encoders.load import EncoderOptions
from avadclip.errors import CheckpointError
from avadclip.events import Thresholds
from avadclip.features.snippets import Provenance, SnippetFeatures
from avadclip.files import write_atomically
from avadclip.nn.models import TrainedNetwork, build_network

FORMAT = 1
HEADER_KEY = "avadclip"
MAX_WIDTH = 65_536  # of features; a damaged header must not ask for all memory
CLASS_FEATURES = "class_features"
SHIPPED = ("starter",)  # checkpoints inside the package, known by name


class CheckpointHeader(BaseModel):
    """What a checkpoint says of itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    name: str
    classes: tuple[str, ...]
    """C names; the first is `normal`."""
    encoders: str
    """As `--encoders` takes it."""
    encoder_options: EncoderOptions = EncoderOptions()
    """How they looked and listened."""
    features: Provenance
    """What the networks were trained on; features made otherwise are refused."""
    visual_dim: int = Field(ge=0, le=MAX_WIDTH)
    audio_dim: int = Field(ge=0, le=MAX_WIDTH)
    network: NetworkConfig
    thresholds: dict[NetworkKind, Thresholds]
    """Per network: their scores are not on one scale. The keys say which networks are inside."""
    selection: str
    """How the weights were chosen: `last`, `validation`, or `test`."""
    card: str
    """Model card, Markdown."""

    def misfit(self, features: SnippetFeatures) -> str | None:
        """Why the networks cannot score these features, `<what is found>, needed <what>`; None where they can."""
        if features.provenance is not None:
            difference = features.provenance.difference(self.features)
            if difference is not None:
                return difference
        widths = [("visual", features.visual, self.visual_dim), ("audio", features.audio, self.audio_dim)]
        for modality, rows, needed in widths:
            if rows is not None and rows.shape[-1] != needed > 0:
                return f"{modality} features are {rows.shape[-1]} wide, needed {needed}"
        return None


@dataclass(frozen=True)
class Checkpoint:
    """Networks that share encoders and classes."""

    header: CheckpointHeader
    networks: dict[NetworkKind, TrainedNetwork]


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint whole or not at all."""
    tensors: dict[str, Tensor] = {}
    for kind, trained in checkpoint.networks.items():
        for name, tensor in trained.network.state_dict().items():
            tensors[f"{kind}/{name}"] = tensor.detach().cpu().contiguous()
        tensors[f"{kind}/{CLASS_FEATURES}"] = trained.class_features.detach().cpu().contiguous()
    write_atomically(path, save(tensors, metadata={HEADER_KEY: checkpoint.header.model_dump_json()}))


def load_checkpoint(name_or_path: str | Path) -> Checkpoint:
    """Read a checkpoint, ready to score.

    Args:
        name_or_path: a file, or the name of a checkpoint that ships with the package.

    Raises:
        CheckpointError: missing, damaged, not a checkpoint, or not holding what its header says.
    """
    path = locate_checkpoint(name_or_path)
    try:
        with safe_open(path, framework="pt") as file:
            header = _parse_header(path, file.metadata())
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dict)
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error) from error
    return Checkpoint(header, {kind: _load_network(path, kind, header, tensors) for kind in header.thresholds})


def read_card(name_or_path: str | Path) -> str:
    """The model card of a checkpoint, Markdown; raises CheckpointError."""
    path = locate_checkpoint(name_or_path)
    try:
        with safe_open(path, framework="pt") as file:
            return _parse_header(path, file.metadata()).card
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error) from error


def locate_checkpoint(name_or_path: str | Path) -> Path:
    """The file behind a name or path; raises CheckpointError where there is none."""
    if str(name_or_path) in SHIPPED:
        return Path(str(resources.files("avadclip"))) / "checkpoints" / f"{name_or_path}.safetensors"
    path = Path(name_or_path)
    if not path.is_file():
        raise CheckpointError(
            f"there is no checkpoint {name_or_path}; give a .safetensors file of avadclip, "
            f"or one of: {', '.join(SHIPPED)}"
        )
    return path


def _parse_header(path: Path, metadata: dict[str, str] | None) -> CheckpointHeader:
    if metadata is None or HEADER_KEY not in metadata:
        raise CheckpointError(f"{path} is a safetensors file, but no avadclip checkpoint; name one made by avadclip")
    try:
        content = dict(json.loads(metadata[HEADER_KEY]))
    except (ValueError, TypeError, RecursionError) as error:  # not JSON, or not an object
        raise _unreadable(path, error) from error
    if "classes" not in content:
        raise CheckpointError(f"{path} holds features or something else of avadclip; name a checkpoint")
    if content.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} has checkpoint format {content.get('format')}, this version reads {FORMAT}; update avadclip"
        )
    try:
        return CheckpointHeader.model_validate(content)
    except ValidationError as error:
        raise _unreadable(path, error) from error


def _load_network(
    path: Path, kind: NetworkKind, header: CheckpointHeader, tensors: dict[str, Tensor]
) -> TrainedNetwork:
    prefix = f"{kind}/"
    own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    class_features = own.pop(CLASS_FEATURES, None)
    expected = (len(header.classes), header.network.embed_dim)
    if class_features is None or tuple(class_features.shape) != expected:
        found = "none" if class_features is None else str(tuple(class_features.shape))
        raise CheckpointError(
            f"{path}: class features of the {kind} are {found}, needed {expected}; get the file again"
        )
    network = build_network(kind, header.network, visual_dim=header.visual_dim, audio_dim=header.audio_dim)
    try:
        network.load_state_dict(own)
    except RuntimeError as error:
        reason = str(error).splitlines()[1].strip()
        raise CheckpointError(
            f"{path}: the {kind} does not fit its own header ({reason}); get the file again"
        ) from error
    return TrainedNetwork(network.eval().requires_grad_(False), class_features)


def _unreadable(path: Path, error: Exception) -> CheckpointError:
    reason = str(error).splitlines()[0]
    return CheckpointError(f"{path} cannot be read as a checkpoint ({reason}); get the file again")
