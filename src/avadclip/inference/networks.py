"""All networks by name: the paper's teacher and students, and the compared systems.

A name is a string that recipes, checkpoints and reports share. Code elsewhere depends on attributes of `System` alone.
"""

import difflib
import reprlib
from collections.abc import Sequence
from pathlib import Path

from avadclip.baselines.build import COMPARED, build_system
from avadclip.config import LossConfig, NetworkConfig, TrainingConfig, Variant, read_config
from avadclip.errors import ConfigError
from avadclip.events import Modality
from avadclip.model.avadclip import AVadCLIP
from avadclip.model.base import System, TextSystem
from avadclip.model.class_text import PromptEncoder
from avadclip.model.either import BothStudents
from avadclip.model.extended import ExtendedAVadCLIP
from avadclip.model.objective import Objective
from avadclip.model.released import ReleasedAVadCLIP

TEACHER, VISUAL_STUDENT, AUDIO_STUDENT = "teacher", "visual student", "audio student"
OWN: dict[str, Modality] = {TEACHER: "audio-visual", VISUAL_STUDENT: "visual", AUDIO_STUDENT: "audio"}
"""The paper's networks, and what each reads."""
STUDENTS = (VISUAL_STUDENT, AUDIO_STUDENT)
BOTH_STUDENTS = BothStudents.name
"""The two side by side, in a checkpoint that holds them."""
VARIANTS: dict[Variant, type[AVadCLIP]] = {
    "paper": AVadCLIP,
    "released": ReleasedAVadCLIP,
    "extended": ExtendedAVadCLIP,
}


def check_name(name: str) -> str:
    """The name of a network with weights; raises ConfigError, with the nearest known one, for any other."""
    if name == BOTH_STUDENTS:
        raise ConfigError(f"`{BOTH_STUDENTS}` has no weights of its own; train {' and '.join(STUDENTS)}")
    if name in OWN or name in COMPARED:
        return name
    known = [*OWN, *COMPARED.names()]
    close = difflib.get_close_matches(name, known, n=1)
    needed = f"needed one of {', '.join(known)}; a plug-in's is there once its package is installed"
    hint = f"did you mean `{close[0]}`?" if close else needed
    raise ConfigError(f"there is no network {reprlib.repr(name)}; {hint}")


def read_recipe(path: Path) -> TrainingConfig:
    """Read a recipe; raises ConfigError, which names the file, where it is wrong or names no known network."""
    config = read_config(path, TrainingConfig)
    try:
        check_name(config.network_kind)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return config


def modality_of(name: str) -> Modality:
    """What the network of this name reads; raises ConfigError for an unknown name."""
    if check_name(name) in OWN:
        return OWN[name]
    return "audio-visual" if COMPARED.find(name).uses_audio else "visual"


def reads_class_words(name: str) -> bool:
    """Whether a network learns prompts around the words of its classes where there is a text encoder."""
    return check_name(name) in OWN or issubclass(COMPARED.find(name), TextSystem)


def build_network(
    name: str,
    *,
    visual_dim: int,
    audio_dim: int,
    classes: Sequence[str],
    network: NetworkConfig | None = None,
    objective: Objective | None = None,
    text: PromptEncoder | None = None,
) -> System:
    """Build an untrained network.

    Args:
        name: see check_name.
        visual_dim, audio_dim: widths of the features; the one that the network does not read is ignored.
        classes: C names, `normal` first.
        network: shape of the paper's networks; compared systems have a fixed one.
        objective: of the paper's networks; by default without distillation.
        text: CLIP's text encoder, for training with prompts around the class words.

    Raises:
        ConfigError: an unknown name.
    """
    if check_name(name) not in OWN:
        return build_system(name, visual_dim=visual_dim, audio_dim=audio_dim, classes=classes, text=text)
    config = network or NetworkConfig()
    temporal = config.student_temporal if name in STUDENTS else config.teacher_temporal
    built = VARIANTS[config.variant](
        visual_dim=None if name == AUDIO_STUDENT else visual_dim,
        audio_dim=None if name == VISUAL_STUDENT else audio_dim,
        classes=classes,
        text=text,
        embed_dim=config.embed_dim,
        num_blocks=temporal.num_blocks,
        attention_window=temporal.attention_window,
        fusion=config.fusion,
        audio_visual_prompt=config.audio_visual_prompt,
        enhancement_blocks=config.enhancement_blocks,
        input_dropout=config.input_dropout,
        layer_norm=config.layer_norm,
        adapter_residual=config.adapter_residual,
        objective=objective,
    )
    built.name = name
    return built


def build_from_recipe(
    config: TrainingConfig,
    *,
    visual_dim: int,
    audio_dim: int,
    classes: Sequence[str],
    text: PromptEncoder | None = None,
) -> System:
    """Build the untrained network of a recipe, with its objective; see build_network.

    Raises:
        ConfigError: an unknown name, or a table of the recipe that this network does not read.
    """
    check_name(config.network_kind)
    _check_unused_tables(config)
    return build_network(
        config.network_kind,
        visual_dim=visual_dim,
        audio_dim=audio_dim,
        classes=classes,
        network=config.network,
        objective=_objective(config, len(classes)),
        text=text,
    )


def _objective(config: TrainingConfig, num_classes: int) -> Objective:
    loss: LossConfig = config.loss
    return VARIANTS[config.network.variant].objective_class(
        num_classes=num_classes,
        focal=loss.focal,
        text_separation=loss.text_separation,
        distillation=config.distillation.kind,
        distillation_weight=config.distillation.weight,
        precision=config.optimizer.precision,
    )


def _check_unused_tables(config: TrainingConfig) -> None:
    """Refuse settings of the paper's networks in the recipe of another system, where they would do nothing."""
    if config.network_kind in OWN:
        return
    tables = ("network", "loss", "distillation")
    found = [f"[{name}]" for name in tables if getattr(config, name) != type(config).model_fields[name].default]
    if config.optimizer.precision != "fp32":
        found.append("`optimizer.precision`")
    if found:
        raise ConfigError(
            f"{found[0]} is for networks of AVadCLIP only, {config.network_kind} ignores it; leave it out"
        )
