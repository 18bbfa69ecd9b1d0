"""From a recipe and bags to what the loop trains."""

from collections.abc import Sequence

import torch

from avadclip.baselines.build import SYSTEMS, build_system
from avadclip.baselines.system import System
from avadclip.config import NetworkKind, SystemName, TrainingConfig, is_system
from avadclip.data.bags import Bag, feature_widths
from avadclip.encoders.clip_text import ClipTextEncoder
from avadclip.errors import DataError
from avadclip.model.class_text import PromptedClassText, build_class_text
from avadclip.model.models import StudentEncoder, TeacherEncoder, build_network
from avadclip.model.objective import Objective
from avadclip.model.projection import FeatureProjection
from avadclip.training.learner import Learner, SystemLearner


def build_learner(
    config: TrainingConfig,
    kind: NetworkKind,
    bags: Sequence[Bag],
    *,
    classes: Sequence[str],
    text_encoder: ClipTextEncoder | None,
) -> Learner:
    """An untrained model with its objective.

    Args:
        config: recipe; a comparison system reads nothing of it here.
        kind: what to build.
        bags: those it will be trained on.
        classes: C names, `normal` first.
        text_encoder: reads the class words, where the encoders can.

    Raises:
        DataError: the bags lack the sound, or the kind of video, that is needed.
    """
    if is_system(kind):
        return _build_system(kind, bags, classes, text_encoder)
    if kind != "visual student":
        _check_sound(kind, bags)
    visual_dim, audio_dim = feature_widths(bags)
    network = build_network(kind, config.network, visual_dim=visual_dim, audio_dim=audio_dim)
    _fit_projections(network.encoder, bags)
    return Objective(
        network,
        build_class_text(classes, config.network.embed_dim, text_encoder),
        num_classes=len(classes),
        loss=config.loss,
        distillation=config.distillation,
        precision=config.optimizer.precision,
    )


def _build_system(
    name: SystemName, bags: Sequence[Bag], classes: Sequence[str], text_encoder: ClipTextEncoder | None
) -> SystemLearner:
    if SYSTEMS[name].hears:
        _check_sound(name, bags)
    if SYSTEMS[name].pairing == "paired" and len({bag.is_anomalous for bag in bags}) < 2:
        raise DataError(
            f"the {len(bags)} training videos are all normal or all anomalous, {name} learns from pairs of one and "
            "the other; add those that are missing"
        )
    visual_dim, audio_dim = feature_widths(bags)
    class_text = None
    if text_encoder is not None:
        class_text = PromptedClassText(classes, text_encoder, prompt_tokens=SYSTEMS[name].prompt_tokens)
    system = build_system(
        name, visual_dim=visual_dim, audio_dim=audio_dim, num_classes=len(classes), class_text=class_text
    )
    _fit_projections(system, bags)
    return SystemLearner(system)


def _check_sound(kind: NetworkKind, bags: Sequence[Bag]) -> None:
    silent = [bag.name for bag in bags if not bag.held.has_usable_sound]
    if silent:
        raise DataError(
            f"{len(silent)} of {len(bags)} training videos have no sound (the first is {silent[0]}), "
            f"the {kind} needs it in all; leave them out, or train a visual student"
        )


def _fit_projections(model: TeacherEncoder | StudentEncoder | System, bags: Sequence[Bag]) -> None:
    """Standardise projected features by the training bags' own statistics; CLIP's enter as they are, unread here."""
    if not any(isinstance(part, FeatureProjection) for part in model.modules()):
        return
    visual = torch.cat([torch.from_numpy(bag.features.visual[0]) for bag in bags])
    audio = [torch.from_numpy(bag.features.audio) for bag in bags if bag.features.audio is not None]
    model.fit_projections(visual, torch.cat(audio) if audio else None)
