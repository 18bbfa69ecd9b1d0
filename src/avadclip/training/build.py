"""From a recipe and bags to the network that the loop trains."""

from collections.abc import Sequence

import torch

from avadclip.config import TrainingConfig
from avadclip.data.bags import Bag, feature_widths
from avadclip.errors import DataError
from avadclip.inference.networks import build_from_recipe, modality_of
from avadclip.model.base import System
from avadclip.model.class_text import PromptEncoder
from avadclip.model.projection import FeatureProjection


def build_for_training(
    config: TrainingConfig, bags: Sequence[Bag], *, classes: Sequence[str], text: PromptEncoder | None
) -> System:
    """Build the untrained network of a recipe; projected features are standardised by these bags.

    Args:
        config: recipe.
        bags: those it will be trained on.
        classes: C names, `normal` first.
        text: CLIP's text encoder, for prompts around the class words.

    Raises:
        ConfigError: the recipe names no known network, or has a table that this network does not read.
        DataError: the bags lack the sound, or the kind of video, that the network needs.
    """
    kind = config.network_kind
    if modality_of(kind) != "visual":
        _check_sound(kind, bags)
    visual_dim, audio_dim = feature_widths(bags)
    system = build_from_recipe(config, visual_dim=visual_dim, audio_dim=audio_dim, classes=classes, text=text)
    if system.pairing == "paired" and len({bag.is_anomalous for bag in bags}) < 2:
        raise DataError(
            f"the {len(bags)} training videos are all normal or all anomalous, {kind} learns from pairs of one and "
            "the other; add those that are missing"
        )
    _fit_projections(system, bags)
    return system


def _check_sound(kind: str, bags: Sequence[Bag]) -> None:
    silent = [bag.name for bag in bags if not bag.stored.has_usable_sound]
    if silent:
        raise DataError(
            f"{len(silent)} of {len(bags)} training videos have no sound (the first is {silent[0]}), "
            f"the {kind} needs it in all; leave them out, or train a visual student"
        )


def _fit_projections(system: System, bags: Sequence[Bag]) -> None:
    """Standardise projected features by the statistics of the training bags; CLIP's enter as they are, unread here."""
    if not any(isinstance(part, FeatureProjection) for part in system.modules()):
        return
    every = [bag.load() for bag in bags]
    audio = [torch.from_numpy(features.audio) for features in every if features.audio is not None]
    visual = torch.cat([torch.from_numpy(features.visual[0]) for features in every])
    system.fit_projections(visual, torch.cat(audio) if audio else None)
