"""One run from its recipe to its checkpoints: data in, run folder out."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from avadclip.baselines.build import reads_class_words
from avadclip.baselines.system import Trained
from avadclip.config import Selection, TrainingConfig, is_system
from avadclip.data.bags import Bag, Dataset, feature_widths
from avadclip.data.datasets import load_dataset
from avadclip.encoders.clip_text import ClipTextEncoder
from avadclip.encoders.load import EncoderOptions, load_encoders
from avadclip.errors import CheckpointError, ConfigError, DataError
from avadclip.evaluation.metrics.thresholds import choose_thresholds
from avadclip.events import UNVALIDATED, Thresholds
from avadclip.features.snippets import Provenance
from avadclip.inference.checkpoint import Checkpoint, CheckpointHeader, load_checkpoint, save_checkpoint
from avadclip.model.models import TrainedNetwork
from avadclip.training.loop import Step, Supervision, TrainingProgress, make_accelerator, train_network, video_scores
from avadclip.training.run_folder import BEST, LAST, RunFolder


def run_training(
    config: TrainingConfig,
    folder: Path,
    *,
    teacher: Path | None = None,
    on_step: Callable[[Step], None] | None = None,
) -> TrainingProgress:
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
    _check_distillation(config, teacher)
    accelerator = make_accelerator()
    dataset = load_dataset(config.data.source, features=config.data.features, seed=config.seed)
    bags = dataset.bags_of("train")
    _check_encoders(config, dataset)
    teacher_checkpoint = None if teacher is None else load_checkpoint(teacher)
    if teacher_checkpoint is not None:
        _check_teacher(teacher_checkpoint, config, dataset, str(teacher))
    run = RunFolder(folder, config, device=str(accelerator.device))
    supervision = Supervision(
        classes=dataset.classes,
        text_encoder=_text_encoder(config, dataset),
        teacher=None if teacher_checkpoint is None else _teacher_of(teacher_checkpoint),
        validation=dataset.validation,
    )

    def after_epoch(progress: TrainingProgress) -> None:
        thresholds = _thresholds(progress.last, dataset.validation)
        files: list[tuple[str, Selection]] = [(LAST, "last")]
        if progress.best is progress.last:  # else its file is there already
            is_chosen = progress.metrics[-1]["validation_ap"] is not None
            files.append((BEST, "validation" if is_chosen else "last"))
        for file, selection in files:
            checkpoint = _checkpoint(
                config,
                dataset,
                progress.last,
                thresholds=thresholds,
                selection=selection,
                teacher=teacher_checkpoint,
            )
            save_checkpoint(folder / file, checkpoint)

    return train_network(
        config.network_kind,
        bags,
        config,
        supervision,
        run=run,
        accelerator=accelerator,
        on_step=on_step,
        on_epoch=after_epoch if accelerator.is_main_process else None,
    )


def _text_encoder(config: TrainingConfig, dataset: Dataset) -> ClipTextEncoder | None:
    """CLIP's text tower where the features are CLIP's; synthetic features have no words behind them."""
    if dataset.is_synthetic or config.encoders.partition(":")[0] != "clip":
        return None
    if is_system(config.network_kind) and not reads_class_words(config.network_kind):
        return None
    text = load_encoders(config.encoders, EncoderOptions(sound=False)).text
    assert isinstance(text, ClipTextEncoder)
    return text


def _check_distillation(config: TrainingConfig, teacher: Path | None) -> None:
    """A teacher, a student and a kind of distillation go together."""
    kind = config.distillation.kind
    if teacher is None:
        if kind != "none":
            raise ConfigError(
                f'`distillation.kind` is "{kind}", but there is no teacher; run `avadclip distill` with --teacher, '
                'or set it to "none"'
            )
        return
    if config.network_kind not in {"visual student", "audio student"}:
        raise ConfigError(
            f'`network_kind` is "{config.network_kind}", needed "visual student" or "audio student"; correct the recipe'
        )
    if kind == "none":
        raise ConfigError(
            f'`distillation.kind` is "none", which learns nothing from {teacher}; needed "uncertainty" or "mse", '
            "or `avadclip train`, which takes no teacher"
        )


def _teacher_of(checkpoint: Checkpoint) -> TrainedNetwork:
    teacher = checkpoint.networks["teacher"]
    assert isinstance(teacher, TrainedNetwork)
    return teacher


def _check_encoders(config: TrainingConfig, dataset: Dataset) -> None:
    """The recipe's `encoders` are what detection will load; published features do not say theirs."""
    provenance = dataset.train[0].features.provenance
    if provenance is not None and provenance.damage is not None:
        raise DataError(
            f"the features of {dataset.name} were damaged on purpose ({provenance.damage['name']}), "
            "for `avadclip robustness` only; name the folder of its clean ones"
        )
    if dataset.is_synthetic or provenance is None:
        return
    if config.encoders.partition(":")[0] != provenance.visual["name"]:
        raise ConfigError(
            f'`encoders` is "{config.encoders}", but the features of {dataset.name} were made with '
            f"{provenance.visual['name']}; correct the recipe, or extract them again"
        )


def _check_teacher(checkpoint: Checkpoint, config: TrainingConfig, dataset: Dataset, name: str) -> None:
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
    provenance = dataset.train[0].features.provenance
    difference = None if provenance is None else provenance.difference(header.features)
    if difference is not None:
        raise CheckpointError(
            f"{name} was trained on features made otherwise ({difference}); extract them as its own were, "
            f"with --encoders {header.encoders}"
        )
    visual, audio = feature_widths(dataset.train)
    if not audio:
        raise DataError(
            f"none of the training videos of {dataset.name} has sound, which {name} needs to teach; "
            "add videos with sound, or train the student alone with `avadclip train`"
        )
    if (visual, audio) != (header.visual_dim, header.audio_dim):
        raise CheckpointError(
            f"{name} was trained on features {header.visual_dim} and {header.audio_dim} wide, these are {visual} and "
            f"{audio}; extract them with --encoders {header.encoders}"
        )


def _encoder_options(provenance: Provenance | None) -> EncoderOptions:
    """How detection loads the encoders, so that its features are made as those of training were."""
    if provenance is None:
        return EncoderOptions()
    return EncoderOptions.behind(provenance.visual, provenance.audio, provenance.grid.snippet_frames)


def _checkpoint(
    config: TrainingConfig,
    dataset: Dataset,
    trained: Trained,
    *,
    thresholds: Thresholds,
    selection: Selection,
    teacher: Checkpoint | None,
) -> Checkpoint:
    """The trained network, and beside a student its teacher with all that its own file says of it."""
    kind = config.network_kind
    visual_dim, audio_dim = feature_widths(dataset.train)
    provenance = dataset.train[0].features.provenance
    origin = "synthetic features" if dataset.is_synthetic else dataset.name
    header = CheckpointHeader(
        name=f"{dataset.name} {kind}",
        classes=dataset.classes,
        encoders=config.encoders,
        encoder_options=_encoder_options(provenance),
        features=provenance or Provenance(grid=dataset.grid, visual={"name": dataset.name}, audio=None),
        visual_dim=visual_dim,
        audio_dim=audio_dim,
        network=config.network,
        thresholds={kind: thresholds},
        selection={kind: selection},
        card=f"# {dataset.name} {kind}\n\nTrained on {len(dataset.train)} bags of {origin}.\n",
    )
    if teacher is None:
        return Checkpoint(header, {kind: trained})
    carried = {
        "thresholds": {"teacher": teacher.header.thresholds["teacher"], kind: thresholds},
        "selection": {"teacher": teacher.header.selection["teacher"], kind: selection},
    }
    return Checkpoint(header.model_copy(update=carried), {"teacher": teacher.networks["teacher"], kind: trained})


def _thresholds(trained: Trained, validation: Sequence[Bag]) -> Thresholds:
    anomalous = np.array([bag.is_anomalous for bag in validation], dtype=np.int64)
    if not 0 < anomalous.sum() < len(anomalous):
        return UNVALIDATED
    return choose_thresholds(anomalous, video_scores(trained, validation))
