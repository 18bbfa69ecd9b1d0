"""One run from its recipe to its checkpoints: data in, run folder out."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import numpy as np
from torch.utils.tensorboard import SummaryWriter

from avadclip.checkpoint import Checkpoint, CheckpointHeader, load_checkpoint, save_checkpoint
from avadclip.config import NetworkKind, TrainingConfig
from avadclip.data.bags import Bag, Dataset, feature_widths
from avadclip.data.datasets import load_dataset
from avadclip.encoders.clip_text import ClipTextEncoder
from avadclip.encoders.load import EncoderOptions, load_encoders
from avadclip.errors import CheckpointError, ConfigError
from avadclip.events import Thresholds
from avadclip.features.snippets import Provenance
from avadclip.nn.models import TrainedNetwork
from avadclip.training.loop import Progress, Step, Supervision, make_accelerator, train_network, video_scores
from avadclip.training.run import BEST, LAST, RunFolder
from avadclip.training.thresholds import choose_thresholds

UNVALIDATED = Thresholds(detection=0.5, alert=None)  # where nothing was held out to choose on


def run_training(
    config: TrainingConfig,
    folder: Path,
    *,
    teacher: Path | None = None,
    on_step: Callable[[Step], None] | None = None,
) -> Progress:
    """Train by a recipe and keep everything in a run folder; an interrupted run goes on where it stopped.

    Args:
        config: recipe; needs `data`.
        folder: new, or of the same recipe.
        teacher: checkpoint that holds a teacher; a student's checkpoint then holds both.
        on_step: called after every step.

    Raises:
        ConfigError: the recipe or the folder does not fit.
        CheckpointError: the teacher does not fit the student's recipe.
        DataError, FeatureError: the data cannot be used.
    """
    if config.data is None:
        raise ConfigError("the recipe names no data; add [data] with `source`")
    accelerator = make_accelerator()
    dataset = load_dataset(config.data.source, features=config.data.features, seed=config.seed)
    teacher_checkpoint = None if teacher is None else load_checkpoint(teacher)
    if teacher_checkpoint is not None:
        _check_teacher(teacher_checkpoint, config, dataset, str(teacher))
    kept = {} if teacher_checkpoint is None else {"teacher": teacher_checkpoint.networks["teacher"]}
    run = RunFolder(folder, config, device=str(accelerator.device))
    supervision = Supervision(
        classes=dataset.classes,
        text_encoder=_text_encoder(config, dataset),
        teacher=kept.get("teacher"),
        validation=dataset.validation,
    )
    writer = SummaryWriter(str(folder / "tensorboard"))

    def after_epoch(progress: Progress) -> None:
        if not accelerator.is_main_process:
            return
        for name, value in progress.metrics[-1].items():
            if name != "epoch" and value is not None:
                writer.add_scalar(name, value, progress.metrics[-1]["epoch"])
        for file, trained, selection in ((LAST, progress.last, "last"), (BEST, progress.best, "validation")):
            networks = {**kept, config.network_kind: trained}
            checkpoint = _checkpoint(config, dataset, cast("dict[NetworkKind, TrainedNetwork]", networks), selection)
            save_checkpoint(folder / file, checkpoint)

    try:
        return train_network(
            config.network_kind,
            dataset.train,
            config,
            supervision,
            run=run,
            accelerator=accelerator,
            on_step=on_step,
            on_epoch=after_epoch,
        )
    finally:
        writer.close()


def _text_encoder(config: TrainingConfig, dataset: Dataset) -> ClipTextEncoder | None:
    """CLIP's text tower where the features are CLIP's; synthetic features have no words behind them."""
    if dataset.is_synthetic or config.encoders.partition(":")[0] != "clip":
        return None
    text = load_encoders(config.encoders, EncoderOptions(sound=False)).text
    assert isinstance(text, ClipTextEncoder)
    return text


def _check_teacher(checkpoint: Checkpoint, config: TrainingConfig, dataset: Dataset, name: str) -> None:
    if config.network_kind == "teacher":
        raise ConfigError('`network_kind` is "teacher", needed "visual student" or "audio student"; correct the recipe')
    if "teacher" not in checkpoint.networks:
        raise CheckpointError(f"{name} holds no teacher ({', '.join(checkpoint.networks)}); give one made by train")
    header = checkpoint.header
    if header.classes != dataset.classes:
        raise CheckpointError(
            f"{name} knows the classes {', '.join(header.classes)}, the data has {', '.join(dataset.classes)}; "
            "a student needs a teacher of its own classes"
        )
    if header.network.embed_dim != config.network.embed_dim or header.network.variant != config.network.variant:
        raise CheckpointError(
            f"{name} has embed_dim {header.network.embed_dim} and variant {header.network.variant}, the recipe "
            f"{config.network.embed_dim} and {config.network.variant}; they need to be the same"
        )
    visual, audio = feature_widths(dataset.train)
    if (visual, audio) != (header.visual_dim, header.audio_dim):
        raise CheckpointError(
            f"{name} was trained on features {header.visual_dim} and {header.audio_dim} wide, these are {visual} and "
            f"{audio}; extract them with --encoders {header.encoders}"
        )


def _checkpoint(
    config: TrainingConfig, dataset: Dataset, networks: dict[NetworkKind, TrainedNetwork], selection: str
) -> Checkpoint:
    visual_dim, audio_dim = feature_widths(dataset.train)
    provenance = dataset.train[0].features.provenance
    origin = "synthetic features" if dataset.is_synthetic else dataset.name
    header = CheckpointHeader(
        name=f"{dataset.name} {config.network_kind}",
        classes=dataset.classes,
        encoders=config.encoders,
        features=provenance or Provenance(grid=dataset.grid, visual={"name": dataset.name}, audio=None),
        visual_dim=visual_dim,
        audio_dim=audio_dim,
        network=config.network,
        thresholds={kind: _thresholds(trained, dataset.validation) for kind, trained in networks.items()},
        selection=selection,
        card=f"# {dataset.name} {config.network_kind}\n\nTrained on {len(dataset.train)} videos of {origin}.\n",
    )
    return Checkpoint(header, networks)


def _thresholds(trained: TrainedNetwork, validation: Sequence[Bag]) -> Thresholds:
    anomalous = np.array([bag.is_anomalous for bag in validation], dtype=np.int64)
    if not 0 < anomalous.sum() < len(anomalous):
        return UNVALIDATED
    return choose_thresholds(anomalous, video_scores(trained, validation))
