"""One run from its recipe to its checkpoints: data in, run folder out."""

import copy
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from avadclip.config import Selection, TrainingConfig
from avadclip.data.bags import Bag, Dataset, feature_widths
from avadclip.data.datasets import load_dataset
from avadclip.data.footage_checks.videos import dataset_videos
from avadclip.data.footage_checks.warning import FootageWarning
from avadclip.data.footage_checks.warnings import footage_warnings
from avadclip.data.published.load import BENCHMARKS
from avadclip.encoders.clip_text import ClipTextEncoder
from avadclip.encoders.load import EncoderOptions, load_encoders, visual_name
from avadclip.errors import CheckpointError, ConfigError, DataError
from avadclip.evaluation.metrics.thresholds import choose_thresholds
from avadclip.events import UNVALIDATED, Thresholds
from avadclip.inference.checkpoint import (
    Checkpoint,
    load_checkpoint,
    locate_checkpoint,
    save_checkpoint,
)
from avadclip.inference.networks import STUDENTS, TEACHER, VISUAL_STUDENT, read_recipe, reads_class_words
from avadclip.training.card import NamedTeacher, write_card
from avadclip.training.loop import SelectionOnTest, Step, Supervision, TrainingProgress, make_accelerator, train_network
from avadclip.training.run_folder import BEST, LAST, RunFolder
from avadclip.training.trackers import TrackerName
from avadclip.training.trained import trained_checkpoint


def train(
    recipe: TrainingConfig | str | Path,
    data: Dataset | None = None,
    *,
    out: str | Path,
    teacher: str | Path | None = None,
    force: bool = False,
    track: TrackerName = "tensorboard",
    on_step: Callable[[Step], None] | None = None,
    on_warning: Callable[[FootageWarning], None] | None = None,
) -> TrainingProgress:
    """Train by a recipe and keep everything in a run folder; an interrupted run resumes after its last epoch.

    Args:
        recipe: a TOML file, or what was read from one.
        data: the dataset; by default the one that the recipe names.
        out: the run folder: new, or of the same recipe.
        teacher: checkpoint that holds a teacher; a student's checkpoint then holds both.
        force: a student learns from its teacher also in epochs at whose start it is better than it on validation.
        track: where the metrics go besides the run folder: `tensorboard` (into it), `wandb` or `mlflow`.
        on_step: called after every step.
        on_warning: called before the first step with every flaw found in the footage; the card has them too.

    Returns:
        Networks of the last and of the best epoch, each ready to score, and the metrics of every epoch.

    Raises:
        ConfigError: the recipe or the folder does not fit, or the tracker is not installed or refuses.
        CheckpointError: the teacher does not fit the student's recipe.
        DataError, FeatureError: the data cannot be used.
    """
    config = recipe if isinstance(recipe, TrainingConfig) else read_recipe(Path(recipe))
    return follow_recipe(
        config, data, Path(out), teacher=teacher, force=force, track=track, on_step=on_step, on_warning=on_warning
    )


def follow_recipe(
    config: TrainingConfig,
    data: Dataset | None,
    folder: Path,
    *,
    teacher: str | Path | None = None,
    force: bool = False,
    track: TrackerName = "tensorboard",
    on_step: Callable[[Step], None] | None = None,
    on_warning: Callable[[FootageWarning], None] | None = None,
    on_test: SelectionOnTest | None = None,
) -> TrainingProgress:
    """As `train`, whose public interface lacks `on_test`: a choice of the epoch by the test split."""
    _check_distillation(config, teacher)
    accelerator = make_accelerator()
    if data is None:
        data = _load_data(config)
    else:
        config = config.model_copy(update={"data": None})
    bags = data.bags_of("train")
    _check_encoders(config, data)
    teacher_checkpoint = None if teacher is None else load_checkpoint(teacher)
    named_teacher = None
    if teacher is not None and teacher_checkpoint is not None:
        _check_teacher(teacher_checkpoint, config, data, str(teacher))
        named_teacher = _named_teacher(teacher, teacher_checkpoint)
    run = RunFolder(folder, config, device=str(accelerator.device), track=track)
    warnings = _warnings(data)
    if on_warning is not None:
        for warning in warnings:
            on_warning(warning)
    supervision = Supervision(
        classes=data.classes,
        text=_text_encoder(config, data),
        teacher=None if teacher_checkpoint is None else teacher_checkpoint.networks[TEACHER],
        always_taught=force,
        validation=data.validation,
        on_test=on_test,
    )

    def after_epoch(progress: TrainingProgress) -> None:
        thresholds = _thresholds(progress, data.validation)
        files: list[tuple[str, Selection]] = [(LAST, "last")]
        if progress.best is progress.last:  # else its file is there already
            files.append((BEST, _selection(progress, on_test)))
        for file, selection in files:
            checkpoint = trained_checkpoint(
                config,
                data,
                progress.last,
                thresholds=thresholds,
                selection=selection,
                teacher=teacher_checkpoint,
                card=write_card(
                    config, data, progress.metrics, selection=selection, teacher=named_teacher, warnings=warnings
                ),
            )
            save_checkpoint(folder / file, checkpoint)

    progress = train_network(
        bags,
        config,
        supervision,
        run=run,
        accelerator=accelerator,
        on_step=on_step,
        on_epoch=after_epoch if accelerator.is_main_process else None,
    )
    best = copy.copy(progress.best)  # the same weights, under a label of their own
    best.selection = _selection(progress, on_test)
    return progress._replace(best=best)


def _load_data(config: TrainingConfig) -> Dataset:
    if config.data is None:
        raise ConfigError("the recipe names no data; add [data] with `source`")
    return load_dataset(config.data.source, features=config.data.features, seed=config.seed)


def _warnings(data: Dataset) -> list[FootageWarning]:
    """Flaws of a user's own footage; nobody can mend those of a benchmark, and made data is made without."""
    is_made = data.is_synthetic or data.train[0].composition is not None
    return [] if is_made or data.name in BENCHMARKS else footage_warnings(dataset_videos(data))


def _selection(progress: TrainingProgress, on_test: SelectionOnTest | None) -> Selection:
    """How the best network was chosen."""
    if on_test is not None:
        return "test"
    return "last" if progress.metrics[-1]["validation_ap"] is None else "validation"


def _text_encoder(config: TrainingConfig, dataset: Dataset) -> ClipTextEncoder | None:
    """CLIP's text tower where the features are CLIP's; synthetic features have no words behind them."""
    if dataset.is_synthetic or config.encoders.partition(":")[0] != "clip":
        return None
    if not reads_class_words(config.network_kind):
        return None
    text = load_encoders(config.encoders, EncoderOptions(sound=False)).text
    assert isinstance(text, ClipTextEncoder)
    return text


def _check_distillation(config: TrainingConfig, teacher: str | Path | None) -> None:
    """A teacher, a student and a kind of distillation go together."""
    kind = config.distillation.kind
    if config.distillation.damaged_share and (teacher is None or config.network_kind != VISUAL_STUDENT):
        raise ConfigError(
            f"`distillation.damaged_share` is {config.distillation.damaged_share}, which is for visual students with a "
            "teacher only; leave it out"
        )
    if teacher is None:
        if kind != "none":
            raise ConfigError(
                f'`distillation.kind` is "{kind}", but there is no teacher; run `avadclip distill` with --teacher, '
                'or set it to "none"'
            )
        return
    if config.network_kind not in STUDENTS:
        raise ConfigError(
            f'`network_kind` is "{config.network_kind}", needed "visual student" or "audio student"; correct the recipe'
        )
    if kind == "none":
        raise ConfigError(
            f'`distillation.kind` is "none", which learns nothing from {teacher}; needed "uncertainty" or "mse", '
            "or `avadclip train`, which takes no teacher"
        )


def _check_encoders(config: TrainingConfig, dataset: Dataset) -> None:
    """Check that the recipe's `encoders` made the features; published features have no provenance."""
    provenance = dataset.train[0].stored.provenance
    if provenance is not None and provenance.damage is not None:
        raise DataError(
            f"the features of {dataset.name} were damaged on purpose ({provenance.damage['name']}), "
            "for `avadclip robustness` only; name the folder of its clean ones"
        )
    if dataset.is_synthetic or provenance is None:
        return
    if visual_name(config.encoders) != provenance.visual["name"]:
        raise ConfigError(
            f'`encoders` is "{config.encoders}", but the features of {dataset.name} were made with '
            f"{provenance.visual['name']}; correct the recipe, or extract them again"
        )


def _check_teacher(checkpoint: Checkpoint, config: TrainingConfig, dataset: Dataset, name: str) -> None:
    if TEACHER not in checkpoint.networks:
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
    provenance = dataset.train[0].stored.provenance
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


def _named_teacher(teacher: str | Path, checkpoint: Checkpoint) -> NamedTeacher:
    with locate_checkpoint(teacher).open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return NamedTeacher(checkpoint.header.name, sha256, checkpoint.header.selection[TEACHER])


def _thresholds(progress: TrainingProgress, validation: Sequence[Bag]) -> Thresholds:
    if progress.validation_scores is None:
        return UNVALIDATED
    anomalous = np.array([bag.is_anomalous for bag in validation], dtype=np.int64)
    return choose_thresholds(anomalous, progress.validation_scores)
