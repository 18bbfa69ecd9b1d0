import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from avadclip.config import DataConfig, NetworkConfig, OptimizerConfig, TrainingConfig
from avadclip.errors import ConfigError
from avadclip.training import trackers
from avadclip.training.experiment import train

RECIPE = TrainingConfig(
    network_kind="teacher",
    data=DataConfig(source="synthetic:tiny"),
    network=NetworkConfig(embed_dim=8),
    optimizer=OptimizerConfig(epochs=2, batch_size=4, steps_per_epoch=1),
)


def metrics_of(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


class Wandb:
    """Stand-in for W&B's library, as far as Accelerate uses it: what a run was given."""

    def __init__(self, *, most_logs: int = 100) -> None:
        self.begun: list[dict[str, Any]] = []
        self.settings: dict[str, Any] = {}
        self.logged: list[tuple[int, dict[str, Any]]] = []
        self.num_finished = 0
        self.config = SimpleNamespace(update=lambda values, **_: self.settings.update(values))
        self._most_logs = most_logs

    def init(self, **options: Any) -> "Wandb":
        self.begun.append(options)
        return self

    def log(self, values: dict[str, Any], step: int) -> None:
        if len(self.logged) == self._most_logs:
            raise RuntimeError("the server is away\nsecond line")
        self.logged.append((step, values))

    def finish(self) -> None:
        self.num_finished += 1


def use(monkeypatch: pytest.MonkeyPatch, library: Wandb) -> Wandb:
    monkeypatch.setitem(sys.modules, "wandb", library)
    monkeypatch.setattr(trackers, "find_spec", lambda _: object())
    return library


def test_tensorboard_has_the_metrics_of_every_epoch(tmp_path: Path) -> None:
    train(RECIPE, out=tmp_path / "run")
    curves = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    totals = [line["total"] for line in metrics_of(tmp_path / "run")]
    assert [(each.step, each.value) for each in curves.Scalars("total")] == [
        (epoch, pytest.approx(total)) for epoch, total in enumerate(totals, 1)
    ]


def test_another_tracker_has_recipe_and_metrics_and_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = use(monkeypatch, Wandb())
    train(RECIPE, out=tmp_path / "mine", track="wandb")
    assert library.begun == [{"project": "avadclip", "name": "mine", "dir": tmp_path / "mine"}]
    assert library.settings["network.embed_dim"] == 8
    assert library.settings["data.source"] == "synthetic:tiny"
    lines = metrics_of(tmp_path / "mine")
    assert [(step, values["total"]) for step, values in library.logged] == [
        (1, lines[0]["total"]),
        (2, lines[1]["total"]),
    ]
    assert library.num_finished == 1
    assert not (tmp_path / "mine" / "tensorboard").exists()


def test_a_tracker_that_fails_is_one_line_and_loses_no_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = use(monkeypatch, Wandb(most_logs=1))
    with pytest.raises(ConfigError, match="--track wandb: the server is away; finished epochs are kept") as failed:
        train(RECIPE, out=tmp_path / "run", track="wandb")
    assert "\n" not in str(failed.value)
    assert library.num_finished == 1
    assert len(metrics_of(tmp_path / "run")) == 2
    train(RECIPE, out=tmp_path / "run")  # done: nothing is left to track
    assert not (tmp_path / "run" / "tensorboard").exists()


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_missing_library_is_one_line_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: trackers.TrackerName
) -> None:
    monkeypatch.setattr(trackers, "find_spec", lambda _: None)
    with pytest.raises(ConfigError) as refused:
        train(RECIPE, out=tmp_path / "run", track=name)
    assert str(refused.value) == f"--track {name} needs the library {name}, not installed; run `pip install {name}`"
    assert not (tmp_path / "run").exists()
