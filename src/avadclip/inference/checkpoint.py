"""Checkpoints: safetensors with a JSON header. Trained weights only, frozen encoders are named, not stored.

<network>/<parameter>       e.g. `teacher/classifier.classify.weight`
<network>/class_features    X_c, [C, D], a constant after training; of the paper's networks
familiarity/<part>          statistics of the training footage, inference.familiarity; may be missing
header                      `avadclip`: JSON of CheckpointHeader; `both students` stand in it alone
"""

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import torch
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from safetensors.torch import save
from torch import Tensor

from avadclip.config import AS_PUBLISHED, NetworkConfig, Selection
from avadclip.data.bags import StoredFeatures
from avadclip.encoders.downloads.hub_models import is_hub_address, obtain_model, read_address
from avadclip.encoders.load import EncoderOptions
from avadclip.errors import CheckpointError, ConfigError
from avadclip.events import Thresholds
from avadclip.features.snippets import Provenance
from avadclip.files import write_atomically
from avadclip.inference.familiarity import Familiarity
from avadclip.inference.networks import BOTH_STUDENTS, STUDENTS, VISUAL_STUDENT, build_network, check_name, modality_of
from avadclip.model.base import System, class_names
from avadclip.model.either import BothStudents
from avadclip.tensor_file import HEADER_KEY, TensorFile

MAX_WIDTH = 65_536  # of features; a damaged header must not ask for all memory
SHIPPED = ("starter", "starter-1")  # checkpoints inside the package, known by name
FAMILIARITY = "familiarity/"  # what its tensors begin with
RELEASE = "avadclip-xd"  # the authors' checkpoint, downloaded and converted on first use


def _known(name: str) -> str:
    try:
        return name if name == BOTH_STUDENTS else check_name(name)
    except ConfigError as error:
        raise ValueError(str(error)) from error


NetworkName = Annotated[str, AfterValidator(_known)]


class CheckpointHeader(BaseModel):
    """The header of a checkpoint."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    name: str
    classes: tuple[str, ...]
    """C names; the first is `normal`."""
    encoders: str
    """As `--encoders` takes it."""
    encoder_options: EncoderOptions = EncoderOptions()
    """Options of the encoders, such as framing and crops."""
    features: Provenance
    """What the networks were trained on; features made otherwise are refused."""
    visual_dim: int = Field(ge=0, le=MAX_WIDTH)
    audio_dim: int = Field(ge=0, le=MAX_WIDTH)
    network: NetworkConfig
    """Shape of AVadCLIP's own networks; that of a comparison system follows from the widths and the classes."""
    thresholds: dict[NetworkName, Thresholds]
    """Per network: their scores are not on one scale. The keys are the networks in the file."""
    selection: dict[NetworkName, Selection]
    """How each network's weights were chosen; a student's file carries a teacher that was chosen in another run."""
    default: NetworkName | None = None
    """The network that scores videos with picture and sound; None: the one that reads both."""
    card: str
    """Model card, Markdown."""

    @model_validator(mode="before")
    @classmethod
    def _rename_lite(cls, values: Any) -> Any:
        """The encoders that version 0.1.0 called `lite` are `lite-1`."""
        if not isinstance(values, dict) or values.get("encoders") != "lite":
            return values
        features = values.get("features")
        audio = features.get("audio") if isinstance(features, dict) else getattr(features, "audio", None)
        is_old = isinstance(audio, dict) and audio.get("name") == "log-mel"
        return {**values, "encoders": "lite-1"} if is_old else values

    @model_validator(mode="before")
    @classmethod
    def _add_scales(cls, values: Any) -> Any:
        """The networks of 0.1.0 left the features' scales as they were, and their headers say nothing about it."""
        if not isinstance(values, dict) or not isinstance(values.get("network"), dict):
            return values
        return {**values, "network": {**AS_PUBLISHED, **values["network"]}}

    @model_validator(mode="after")
    def _check_networks(self) -> Self:
        if self.selection.keys() != self.thresholds.keys():
            raise ValueError("`selection` and `thresholds` name different networks")
        class_names(self.classes)
        if not self.thresholds:
            raise ValueError("It names no network")
        if BOTH_STUDENTS in self.thresholds and not self.thresholds.keys() >= set(STUDENTS):
            raise ValueError(f"`{BOTH_STUDENTS}` needs {' and '.join(STUDENTS)} in the same file")
        if self.default is not None and self.default not in self.thresholds:
            raise ValueError(f"`default` is {self.default}, which it does not hold")
        if self.default not in {None, VISUAL_STUDENT, BOTH_STUDENTS} and modality_of(self.default) != "audio-visual":
            raise ValueError(f"`default` is {self.default}; needed a network of picture and sound or {VISUAL_STUDENT}")
        return self

    def misfit(self, features: StoredFeatures) -> str | None:
        """Why the networks cannot score these features, `<what is found>, needed <what>`; None where they can."""
        if features.provenance is not None:
            difference = features.provenance.difference(self.features)
            if difference is not None:
                return difference
        widths = [("visual", features.visual_width, self.visual_dim), ("audio", features.audio_width, self.audio_dim)]
        for modality, found, needed in widths:
            if found not in {0, needed} and needed > 0:
                return f"{modality} features are {found} wide, needed {needed}"
        return None


CHECKPOINT_FILE = TensorFile(
    title="checkpoint",
    header=CheckpointHeader,
    error=CheckpointError,
    framework="pt",
    mark="classes",
    if_foreign="no avadclip checkpoint; name one made by avadclip",
    if_other_kind="features or something else of avadclip; name a checkpoint",
    if_other_format="update avadclip",
    if_damaged="get the file again",
)


@dataclass(frozen=True)
class Checkpoint:
    """Networks that share encoders and classes."""

    header: CheckpointHeader
    networks: Mapping[str, System]
    """By name, in eval mode."""
    familiarity: Familiarity | None = None
    """What a detector calls footage unlike the training by; None: nothing is."""

    def check_holds(self, network: str) -> None:
        """Raise CheckpointError where it has no network of this name."""
        if network not in self.networks:
            raise CheckpointError(
                f"{self.header.name} holds no network {reprlib.repr(network)}; name one of {', '.join(self.networks)}"
            )


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint whole or not at all."""
    tensors: dict[str, Tensor] = {}
    for kind, trained in checkpoint.networks.items():
        for name, tensor in trained.tensors().items():
            tensors[f"{kind}/{name}"] = tensor.detach().cpu().contiguous()
    if checkpoint.familiarity is not None:
        tensors |= {f"{FAMILIARITY}{name}": tensor for name, tensor in checkpoint.familiarity.tensors().items()}
    write_atomically(path, save(tensors, metadata={HEADER_KEY: checkpoint.header.model_dump_json()}))


def load_checkpoint(name_or_path: str | Path) -> Checkpoint:
    """Read a checkpoint, ready to score.

    Args:
        name_or_path: a file; `starter` or `starter-1`, which ship with the package; `avadclip-xd`; or
            `hf://owner/name@revision`, a checkpoint on the Hugging Face hub.

    Raises:
        CheckpointError: missing, damaged, not a checkpoint, not matching its header, or with a weight
            that is not finite.
    """
    path = locate_checkpoint(name_or_path)
    with CHECKPOINT_FILE.open(path) as (header, file):
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dict)
    networks = {kind: _load(path, kind, header, tensors) for kind in header.thresholds if kind != BOTH_STUDENTS}
    if BOTH_STUDENTS in header.thresholds:
        networks[BOTH_STUDENTS] = BothStudents(*(networks[kind] for kind in STUDENTS))
        networks[BOTH_STUDENTS].selection = header.selection[BOTH_STUDENTS]
    return Checkpoint(header, networks, _load_familiarity(path, header, tensors))


def read_checkpoint_header(name_or_path: str | Path) -> CheckpointHeader:
    """Read the header alone; raises CheckpointError."""
    with CHECKPOINT_FILE.open(locate_checkpoint(name_or_path)) as (header, _):
        return header


def read_card(name_or_path: str | Path) -> str:
    """The model card of a checkpoint, Markdown; raises CheckpointError."""
    return read_checkpoint_header(name_or_path).card


def locate_checkpoint(name_or_path: str | Path) -> Path:
    """The file behind a name, path or address; `avadclip-xd` and hf://.. are downloaded where they are not here.

    Raises:
        CheckpointError, WeightsError: there is none.
    """
    if str(name_or_path) in SHIPPED:
        return Path(str(resources.files("avadclip"))) / "checkpoints" / f"{name_or_path}.safetensors"
    if str(name_or_path) == RELEASE:
        from avadclip.inference.published_weights.download import obtain_release  # which imports this module

        return obtain_release()
    path = obtain_model(read_address(str(name_or_path))) if is_hub_address(name_or_path) else Path(name_or_path)
    if not path.is_file():
        raise CheckpointError(
            f"there is no checkpoint {name_or_path}; give a .safetensors file of avadclip, hf://owner/name@revision, "
            f"or one of: {', '.join((*SHIPPED, RELEASE))}"
        )
    return path


def _load(path: Path, kind: str, header: CheckpointHeader, tensors: dict[str, Tensor]) -> System:
    prefix = f"{kind}/"
    own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    with torch.device("meta"):  # no memory yet: a header may ask for any width
        described = _build(kind, header)
        own = described.drop_missing_parts(own)
        needed = described.tensors()
    for name in {**needed, **own}:
        found_shape, needed_shape = (str(list(each[name].shape)) if name in each else "none" for each in (own, needed))
        if found_shape != needed_shape:
            raise CheckpointError(
                f"{path}: the {kind} does not fit its own header ({name} is {found_shape}, needed {needed_shape}); "
                "get the file again"
            )
    for name, tensor in own.items():
        if not tensor.isfinite().all():
            raise CheckpointError(
                f"{path}: {prefix}{name} holds a number that is not finite; train again, or get the file again"
            )
    network = _build(kind, header)
    network = network.with_tensors(network.drop_missing_parts(own))
    network.selection = header.selection[kind]
    return network


def _load_familiarity(path: Path, header: CheckpointHeader, tensors: dict[str, Tensor]) -> Familiarity | None:
    own = {name.removeprefix(FAMILIARITY): tensor for name, tensor in tensors.items() if name.startswith(FAMILIARITY)}
    try:
        return Familiarity.from_tensors(own, width=header.visual_dim) if own else None
    except ValueError as error:
        raise CheckpointError(
            f"{path}: the statistics of its training footage are damaged ({error}); get the file again"
        ) from error


def _build(kind: str, header: CheckpointHeader) -> System:
    """The network that the header describes, frozen, with weights that are still to be replaced."""
    return build_network(
        kind,
        visual_dim=header.visual_dim,
        audio_dim=header.audio_dim,
        classes=header.classes,
        network=header.network,
    ).frozen()
