from pathlib import Path

import pytest

from avadclip.config import TrainingConfig
from avadclip.data.bags import Dataset
from avadclip.data.composed.dataset import load_composed
from avadclip.data.datasets import load_dataset
from avadclip.encoders.base import Encoders
from avadclip.errors import ConfigError
from avadclip.evaluation.evaluate import evaluate
from avadclip.inference.checkpoint import read_card
from avadclip.training.experiment import train


def contents(features: Path) -> dict[str, bytes]:
    return {str(path.relative_to(features)): path.read_bytes() for path in features.rglob("*.safetensors")}


def test_data_made_twice_are_equal_to_the_byte(
    tiny: Dataset, recordings_folder: Path, lite: Encoders, tmp_path: Path
) -> None:
    again = load_composed(f"tiny:{recordings_folder}", features=tmp_path, encoders=lite)
    first, second = contents(recordings_folder / "composed-features"), contents(tmp_path)
    assert {name: first[name] for name in second} == second
    assert len(second) > len(tiny.train) + len(tiny.validation) + len(tiny.test)
    for split in ("train", "validation", "test"):
        assert [bag.name for bag in again.bags_of(split)] == [bag.name for bag in tiny.bags_of(split)]


def test_training_has_weak_labels_and_the_rest_exact_times(tiny: Dataset) -> None:
    assert {bag.intervals for bag in tiny.train if bag.is_anomalous} == {None}
    for bag in (*tiny.validation, *tiny.test):
        assert {interval.label for interval in bag.intervals} == {
            name for name, target in zip(tiny.classes[1:], bag.targets[1:], strict=True) if target
        }
    for bag in (*tiny.train, *tiny.validation, *tiny.test):
        assert bag.is_anomalous == (bag.composition.event_kinds != "").any()


def test_the_dataset_carries_its_name_its_origin_and_the_licences_it_is_trained_under(tiny: Dataset) -> None:
    assert tiny.name == "composed:tiny"
    assert tiny.classes == ("normal", "fighting", "gunshot", "siren")
    assert any("put together by chance" in note for note in tiny.notes)
    assert "CC BY 4.0, gunshot" in tiny.licences
    assert not any("SA" in licence for licence in tiny.licences)


def test_it_is_loaded_trained_on_and_measured_by_name(recordings_folder: Path, tmp_path: Path, tiny: Dataset) -> None:
    spec = f"composed:tiny:{recordings_folder}"
    config = TrainingConfig.model_validate(
        {
            "network_kind": "teacher",
            "encoders": "lite",
            "data": {"source": spec},
            "network": {"embed_dim": 16},
            "optimizer": {"epochs": 1, "batch_size": 4, "milestones": []},
        }
    )
    best = train(config, out=tmp_path / "run").best
    card = read_card(tmp_path / "run" / "best.safetensors")
    assert "Licences of the recordings:\n\n- CC BY 4.0, fighting" in card
    report = evaluate(best, load_dataset(spec), split="test")
    assert report.dataset == "composed:tiny"
    assert any("put together by chance" in note for note in report.notes)


def test_a_name_without_a_folder_says_what_is_missing() -> None:
    with pytest.raises(ConfigError, match="composed:small names no folder; write composed:small:FOLDER"):
        load_dataset("composed:small")
