"""What can be configured: one frozen model per subject, read from TOML, unknown keys refused."""

import difflib
import reprlib
import tomllib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from avadclip.errors import ConfigError, reason_by_pydantic
from avadclip.timeline import WINDOW_SNIPPETS

Variant = Literal["paper", "released", "extended"]
FusionKind = Literal["adaptive", "concat", "add", "cross-attention", "none"]
DistillationKind = Literal["none", "uncertainty", "mse"]
Precision = Literal["fp32", "bf16"]
OptimizerKind = Literal["adamw", "adam", "adagrad"]
Schedule = Literal["milestones", "cosine"]
Pairing = Literal["mixed", "paired"]
Selection = Literal["last", "validation", "test"]  # `test`: as published, only to compare with printed tables


class FrozenConfig(BaseModel):
    """Frozen; unknown keys and numbers that are not finite are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


class TemporalConfig(FrozenConfig):
    """The temporal model of the visual features."""

    num_blocks: int = Field(2, ge=1, le=8)
    """Transformer blocks; the paper's teacher has 2, its students 1."""
    attention_window: int = Field(4, ge=1, le=256)
    """Snippets that attend to each other; the paper's teacher has 4, its students 64."""


AS_PUBLISHED: dict[str, Any] = {"layer_norm": False, "adapter_residual": False}
"""Of the variant `released`, and of every checkpoint of 0.1.0, whose header does not name them."""


class NetworkConfig(FrozenConfig):
    """Shape of the networks; widths of the features come with the data."""

    variant: Variant = "paper"
    """`paper`: the printed method; `released`: the authors' release where it differs; `extended`: what goes beyond."""
    embed_dim: int = Field(512, ge=8, le=2048)
    """D; the width of CLIP's joint space, or what the features of other encoders are projected to."""
    teacher_temporal: TemporalConfig = TemporalConfig()
    student_temporal: TemporalConfig = TemporalConfig(num_blocks=1, attention_window=64)
    fusion: FusionKind = "adaptive"
    """How sound joins the picture; the paper's Table 5."""
    audio_visual_prompt: bool = True
    """Off: X_cp = X_c."""
    enhancement_blocks: int = Field(3, ge=0, le=8)
    """Students' convolution blocks; printed 1, released 3, 0 in VadCLIP, which the visual student grew from."""
    input_dropout: float = Field(0.0, ge=0.0, lt=1.0)
    """Share of projected input channels dropped in training; only where features are projected."""
    layer_norm: bool = True
    """Of picture and sound before they are fused, so that neither drowns the other; not in `released`."""
    adapter_residual: bool = True
    """Whether the visual temporal model adds to the features that enter it, or replaces them, as in `released`."""

    @model_validator(mode="before")
    @classmethod
    def _as_published(cls, values: Any) -> Any:
        """The variant `released` leaves the features' scales as they are."""
        if not isinstance(values, dict) or values.get("variant") != "released":
            return values
        return {**AS_PUBLISHED, **values}


class LossConfig(FrozenConfig):
    """Weights and parts of the objective."""

    focal: bool = True
    """Off: L_ALIGN = L_NCE."""
    text_separation: float = Field(1e-4, ge=0.0)
    """Weight of L_TEXT."""


class DistillationConfig(FrozenConfig):
    """What a student takes from its teacher besides the labels."""

    kind: DistillationKind = "none"
    """`uncertainty`: L_UKD of the variant. `mse`: the plain squared distance the paper argues against."""
    weight: float = Field(0.1, ge=0.0)
    """Of the term in the loss, which is about as large for both kinds; the default was chosen on validation splits of
    synthetic data. At the 1e-8 of the authors' release the term does nothing."""
    damaged_share: float = Field(0.0, ge=0.0, lt=1.0)
    """Share of every training video whose picture the visual student sees damaged, and its teacher clear; 0: none. The
    damage is an analogue on features: black, dark, half covered or frozen. Composed data has damage of its own."""


class OptimizerConfig(FrozenConfig):
    """The optimizer, its steps and its schedule."""

    kind: OptimizerKind = "adamw"
    learning_rate: float = Field(1e-5, gt=0.0, le=1.0)
    weight_decay: float = Field(0.01, ge=0.0, le=1.0)
    """Apart from the gradient in AdamW, part of it in the others."""
    batch_size: int = Field(96, ge=1)
    """Bags a step, over all processes."""
    epochs: int = Field(10, ge=1)
    steps_per_epoch: int | None = Field(None, ge=1)
    """None: as many as it takes to see all bags once."""
    schedule: Schedule = "milestones"
    """`cosine`: from the learning rate towards 0, epoch by epoch."""
    cosine_epochs: int | None = Field(None, ge=1)
    """Epochs after which `cosine` is at 0; None: `epochs`."""
    milestones: tuple[Annotated[int, Field(ge=1)], ...] = (3, 6)
    """Epochs after which the learning rate is cut to a tenth, ascending; unread by `cosine`."""
    precision: Precision = "fp32"
    """`bf16` computes the networks in bfloat16; weights and losses stay float32."""

    @field_validator("milestones")
    @classmethod
    def _ascend(cls, milestones: tuple[int, ...]) -> tuple[int, ...]:
        if any(later <= earlier for earlier, later in pairwise(milestones)):
            raise PydanticCustomError("not_ascending", "needed epochs in ascending order, each once")
        return milestones


class DataConfig(FrozenConfig):
    """What to train on."""

    source: str = Field(min_length=1)
    """As data.datasets.load_dataset takes it: a CSV file or folder of the user's own, `synthetic:tiny`, .."""
    features: Path | None = None
    """Folder of feature files from `avadclip extract`; not for synthetic data."""


class BagConfig(FrozenConfig):
    """Length of the bags in training; a test scores videos as they are."""

    max_snippets: int = Field(WINDOW_SNIPPETS, ge=1, le=WINDOW_SNIPPETS)
    """Longer bags are cut down to so many."""
    long: Literal["pool", "sample"] = "pool"
    """`pool`: the means of equal bins. `sample`: evenly spaced snippets."""
    stretch: bool = False
    """Whether shorter bags are drawn out to as many, by repeating snippets."""


class TrainingConfig(FrozenConfig):
    """One training recipe."""

    network_kind: str = "teacher"
    """`teacher`, `visual student`, `audio student`, or the name of a compared system (inference.networks)."""
    seed: int = Field(0, ge=0, lt=2**32)
    data: DataConfig | None = None
    """None where the caller brings the bags."""
    encoders: str = "clip"
    """What the features were made with, as `--encoders` takes it. `clip` learns prompts around the class words."""
    network: NetworkConfig = NetworkConfig()
    bags: BagConfig = BagConfig()
    loss: LossConfig = LossConfig()
    distillation: DistillationConfig = DistillationConfig()
    optimizer: OptimizerConfig = OptimizerConfig()


SECRET_ERROR = "secret"
"""Type of a PydanticCustomError about a value that no message may repeat."""

MAX_TOML_BYTES = 2**16  # thirty times the longest recipe
MAX_TOML_DOTS = 100  # in a line; what tomllib takes for a key grows with the square of its parts
MAX_SHOWN = 100  # characters of a key or a value that a message repeats

ConfigT = TypeVar("ConfigT", bound=BaseModel)


def read_config(path: Path, model: type[ConfigT]) -> ConfigT:
    """Read a TOML file into a config model; ConfigError names the first thing that is wrong with it."""
    return parse_config(read_toml(path), model, origin=str(path))


def read_toml(path: Path) -> dict[str, Any]:
    """Plain values of a TOML file; raises ConfigError."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_TOML_BYTES + 1)
        if len(content) > MAX_TOML_BYTES:
            raise ConfigError(
                f"{path}: longer than {MAX_TOML_BYTES} bytes, which no configuration is; correct the file"
            )
        if any(line.count(b".") > MAX_TOML_DOTS for line in content.splitlines()):
            raise ConfigError(f"{path}: a line of more than {MAX_TOML_DOTS} dots, which no key has; correct the file")
        return tomllib.loads(content.decode())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); give a readable TOML file") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: values inside values without end; correct the file") from error
    except ValueError as error:  # not TOML, not UTF-8, or a number of thousands of digits
        raise ConfigError(f"{path}: not valid TOML ({error}); correct the file") from error


def parse_config(content: dict[str, Any], model: type[ConfigT], *, origin: str) -> ConfigT:
    """Validate plain values against a config model; `origin` starts the message."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:  # of no single value
            raise ConfigError(f"{origin}: {reason_by_pydantic(first['msg'])}") from error
        *tables, key = first["loc"]
        where = ".".join(str(part) for part in first["loc"])
        where = where if len(where) <= MAX_SHOWN else f"{where[:MAX_SHOWN]}.."
        if first["type"] == "extra_forbidden":
            known = list(_table(tables, model).model_fields)
            raise ConfigError(f"{origin}: unknown key `{where}`{_nearest(str(key), known)}") from error
        if first["type"] == "missing":
            meaning = _table(tables, model).model_fields[str(key)].description
            raise ConfigError(f"{origin}: `{where}` is missing; add it: {meaning}") from error
        found = "not shown here" if first["type"] == SECRET_ERROR else _SHORT.repr(first["input"])
        raise ConfigError(f"{origin}: `{where}` is {found}; {reason_by_pydantic(first['msg'])}") from error


def _table(path: Sequence[int | str], model: type[BaseModel]) -> type[BaseModel]:
    """The model of the table at this path."""
    parts = iter(path)
    for part in parts:
        annotation = model.model_fields[str(part)].annotation
        if get_origin(annotation) in (dict, tuple):
            next(parts, None)  # the user's own name for one of several tables, or its number
        candidates = [annotation, *get_args(annotation)]  # a field may be `DataConfig | None`
        model = next(kind for kind in candidates if isinstance(kind, type) and issubclass(kind, BaseModel))
    return model


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = MAX_SHOWN


def _nearest(unknown: str, known: Sequence[str]) -> str:
    """`; did you mean `x`?` for the known key most like the unknown one, or the list of known keys."""
    close = difflib.get_close_matches(unknown, known, n=1)
    return f"; did you mean `{close[0]}`?" if close else f"; known keys are {', '.join(known)}"
