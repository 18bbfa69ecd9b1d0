import dataclasses
import hashlib
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import avadclip.training.experiment
import avadclip.training.validation
from avadclip.config import (
    DataConfig,
    DistillationConfig,
    LossConfig,
    NetworkConfig,
    OptimizerConfig,
    TrainingConfig,
)
from avadclip.data.bags import Bag
from avadclip.data.synthetic import load_synthetic
from avadclip.encoders.load import EncoderOptions
from avadclip.errors import AvadclipError
from avadclip.events import Thresholds
from avadclip.features.snippets import Provenance, SnippetFeatures
from avadclip.inference.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from avadclip.timeline import SnippetGrid
from avadclip.training.experiment import train
from avadclip.training.trained import encoder_options

torch.set_num_threads(1)


def recipe(kind: str = "teacher", *, epochs: int = 1, **changes: object) -> TrainingConfig:
    return TrainingConfig(
        network_kind=kind,
        data=DataConfig(source="synthetic:tiny"),
        encoders="synthetic",
        network=NetworkConfig(embed_dim=8),
        optimizer=OptimizerConfig(learning_rate=1e-3, batch_size=16, epochs=epochs, milestones=()),
        distillation=DistillationConfig(kind="none" if kind == "teacher" else "mse"),
        **changes,
    )


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A teacher chosen on a test split in some run before, with thresholds of its own."""
    folder = tmp_path_factory.mktemp("teacher")
    train(recipe(), out=folder / "run")
    made = load_checkpoint(folder / "run" / "best.safetensors")
    header = made.header.model_copy(
        update={"thresholds": {"teacher": Thresholds(0.123, 0.456)}, "selection": {"teacher": "test"}}
    )
    save_checkpoint(folder / "teacher.safetensors", Checkpoint(header, made.networks))
    return folder / "teacher.safetensors"


def test_a_students_checkpoint_keeps_its_teachers_thresholds_and_selection(teacher: Path, tmp_path: Path) -> None:
    train(recipe("visual student"), out=tmp_path / "run", teacher=teacher)
    for file, selection in (("last", "last"), ("best", "validation")):
        header = load_checkpoint(tmp_path / "run" / f"{file}.safetensors").header
        assert header.selection == {"teacher": "test", "visual student": selection}
        assert header.thresholds["teacher"] == Thresholds(0.123, 0.456)


def test_validation_is_scored_once_an_epoch_and_once_by_the_teacher(
    teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[str] = []
    video_scores = avadclip.training.validation.video_scores

    def watched(network, bags):
        measured.append(network.name)
        return video_scores(network, bags)

    monkeypatch.setattr(avadclip.training.validation, "video_scores", watched)
    train(recipe("visual student", epochs=3), out=tmp_path / "run", teacher=teacher)
    assert measured == ["visual student", "teacher", "visual student", "visual student"]


def test_last_and_best_hold_the_weights_and_thresholds_of_their_own_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = iter([0.9, 0.5])  # the first epoch stays the best
    monkeypatch.setattr("avadclip.training.validation.average_precision_score", lambda *_: next(wanted))
    chosen = iter([Thresholds(0.1, None), Thresholds(0.2, None)])
    monkeypatch.setattr(avadclip.training.experiment, "choose_thresholds", lambda *_: next(chosen))
    progress = train(recipe(epochs=2), out=tmp_path / "run")
    for file, trained, detection in (("best", progress.best, 0.1), ("last", progress.last, 0.2)):
        written = load_checkpoint(tmp_path / "run" / f"{file}.safetensors")
        assert written.header.thresholds["teacher"].detection == detection
        assert torch.equal(written.networks["teacher"].class_text(), trained.class_text())
    assert not torch.equal(progress.best.class_text(), progress.last.class_text())


@pytest.mark.parametrize("anomalous", [None, True, False])
def test_where_validation_cannot_choose_the_best_is_called_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, anomalous: bool | None
) -> None:
    dataset = load_synthetic("tiny")
    held_out = tuple(bag for bag in dataset.validation if bag.is_anomalous is anomalous)
    one_sided = dataclasses.replace(dataset, validation=held_out)
    assert anomalous is None or held_out
    monkeypatch.setattr(avadclip.training.experiment, "load_dataset", lambda *_, **__: one_sided)
    progress = train(recipe(epochs=2), out=tmp_path / "run")
    assert [line["validation_ap"] for line in progress.metrics] == [None, None]
    header = load_checkpoint(tmp_path / "run" / "best.safetensors").header
    assert header.selection == {"teacher": "last"}
    assert header.thresholds["teacher"].alert is None


def refusal(config: TrainingConfig, folder: Path, **options: Path) -> str:
    """The error of a run that cannot start: one line, and nothing is left behind."""
    with pytest.raises(AvadclipError) as refused:
        train(config, out=folder, **options)
    assert not folder.exists()
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("kind", ["teacher", "visual student"])
def test_distillation_without_a_teacher_is_refused(tmp_path: Path, kind: str) -> None:
    config = recipe(kind).model_copy(update={"distillation": DistillationConfig(kind="uncertainty")})
    message = refusal(config, tmp_path / "run")
    assert '`distillation.kind` is "uncertainty", but there is no teacher' in message
    assert "--teacher" in message


def test_a_teacher_without_distillation_is_refused(teacher: Path, tmp_path: Path) -> None:
    config = recipe("visual student").model_copy(update={"distillation": DistillationConfig()})
    assert '`distillation.kind` is "none"' in refusal(config, tmp_path / "run", teacher=teacher)


@pytest.mark.parametrize("kind", ["teacher", "audio student", "visual student"])
def test_damaged_pictures_are_for_visual_students_with_a_teacher(teacher: Path, tmp_path: Path, kind: str) -> None:
    distillation = DistillationConfig(kind="mse", damaged_share=0.25)
    config = recipe(kind).model_copy(update={"distillation": distillation})
    options = {} if kind == "visual student" else {"teacher": teacher}
    assert "`distillation.damaged_share` is 0.25" in refusal(config, tmp_path / "run", **options)


def provenance(name: str) -> Provenance:
    return Provenance(grid=SnippetGrid(), visual={"name": name}, audio={"name": "log-mel"})


def changed(bag: Bag, **changes: object) -> Bag:
    assert isinstance(bag.stored, SnippetFeatures)
    return dataclasses.replace(bag, stored=dataclasses.replace(bag.stored, **changes))


@pytest.fixture
def made_with(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Changes the training bags of the tiny benchmark."""

    def change(number: int | None = None, **changes: object) -> None:
        dataset = load_synthetic("tiny")
        bags = tuple(changed(bag, **changes) for bag in dataset.train[:number])
        bags += dataset.train[len(bags) :]
        altered = dataclasses.replace(dataset, train=bags, is_synthetic="provenance" not in changes)
        monkeypatch.setattr(avadclip.training.experiment, "load_dataset", lambda *_, **__: altered)

    return change


def test_a_recipe_of_other_encoders_than_the_features_is_refused(
    made_with: Callable[..., None], tmp_path: Path
) -> None:
    made_with(provenance=provenance("lite"))
    config = recipe().model_copy(update={"encoders": "clip:/models"})
    message = refusal(config, tmp_path / "run")
    assert '`encoders` is "clip:/models"' in message
    assert "made with lite" in message


def test_a_teacher_of_other_encoders_than_the_features_is_refused(
    teacher: Path, made_with: Callable[..., None], tmp_path: Path
) -> None:
    made_with(provenance=provenance("synthetic"))
    message = refusal(recipe("visual student"), tmp_path / "run", teacher=teacher)
    assert str(teacher) in message
    assert "name is synthetic, needed synthetic:tiny" in message


def test_a_teacher_without_any_sound_is_refused(teacher: Path, made_with: Callable[..., None], tmp_path: Path) -> None:
    made_with(audio=None)
    assert "none of the training videos" in refusal(recipe("visual student"), tmp_path / "run", teacher=teacher)


def test_a_video_without_sound_leaves_no_folder_behind(made_with: Callable[..., None], tmp_path: Path) -> None:
    made_with(1, audio=None)
    assert "no sound" in refusal(recipe(), tmp_path / "run")


def test_a_loss_that_leaves_the_numbers_stops_the_run(tmp_path: Path) -> None:
    config = recipe(loss=LossConfig(text_separation=1e39))
    with pytest.raises(AvadclipError, match=r"the loss is inf in epoch 1, step 1; .*lower") as refused:
        train(config, out=tmp_path / "run")
    assert "\n" not in str(refused.value)
    assert not list((tmp_path / "run").glob("*.safetensors"))


def test_a_checkpoint_states_the_options_of_its_encoders() -> None:
    made = {"name": "clip", "frame_offsets": [0, 2], "framing": "published", "num_crops": 5, "precision": "bf16"}
    provenance = Provenance(grid=SnippetGrid(snippet_frames=4), visual=made, audio=None)
    assert encoder_options(provenance) == EncoderOptions(
        snippet_frames=4, frames_per_snippet=2, framing="published", num_crops=5, precision="bf16", sound=False
    )
    assert encoder_options(None) == EncoderOptions()


def test_the_card_names_teacher_distillation_recipe_and_validation(teacher: Path, tmp_path: Path) -> None:
    config = recipe("visual student", epochs=2)
    config = config.model_copy(update={"distillation": DistillationConfig(kind="mse", weight=0.25, damaged_share=0.5)})
    progress = train(config, out=tmp_path / "run", teacher=teacher)
    card = load_checkpoint(tmp_path / "run" / "last.safetensors").header.card
    rows = dict(
        line.strip("| ").split(" | ", 1) for line in card.splitlines() if line.startswith("| ") and line[2] != "|"
    )
    assert rows["network"] == "visual student, weights of epoch 2 of 2, the last epoch"
    assert hashlib.sha256(teacher.read_bytes()).hexdigest() in rows["teacher"]
    assert rows["teacher"].startswith("synthetic:tiny teacher, selected on the test split")
    assert rows["distillation"] == "mse, weight 0.25, damaged share 0.5"
    validation_ap, lead = (progress.metrics[-1][key] for key in ("validation_ap", "lead_over_teacher"))
    assert f"AP of videos {100 * validation_ap:.1f} %" in rows["validation"]
    assert f"{100 * lead:+.1f} against the teacher" in rows["validation"]
    written = tomllib.loads(card.partition("```toml\n")[2].partition("```")[0])
    assert TrainingConfig.model_validate(written) == config.model_copy(update={"data": None})


def test_the_card_of_a_teacher_has_neither(tmp_path: Path) -> None:
    train(recipe(), out=tmp_path / "run")
    card = load_checkpoint(tmp_path / "run" / "best.safetensors").header.card
    assert "| teacher | none |\n| distillation | none |" in card
    assert "Trained on " in card
    assert "synthetic features" in card
    assert "source" not in card  # whoever gets the file need not know where the data lay
