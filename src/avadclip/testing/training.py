"""What every compared system promises about its training, its checkpoints and its scores of videos."""

import tempfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from avadclip.config import BagConfig, NetworkConfig, OptimizerConfig, TrainingConfig
from avadclip.data.bags import Dataset
from avadclip.data.synthetic import load_synthetic
from avadclip.events import UNVALIDATED
from avadclip.features.snippets import SnippetFeatures
from avadclip.inference.checkpoint import Checkpoint, CheckpointHeader, load_checkpoint, save_checkpoint
from avadclip.inference.scoring import score_features
from avadclip.model.base import System
from avadclip.testing.checks import Check, require
from avadclip.timeline import WINDOW_SNIPPETS


class TrainingChecks:
    """Checks of a short training, and of what it leaves."""

    def __init__(self, name: str) -> None:
        self._name = name

    def all(self) -> list[Check]:
        """Every check."""
        return [
            self._a_resumed_training_ends_with_the_same_weights,
            self._a_checkpoint_gives_the_same_scores,
            self._a_long_video_is_scored,
        ]

    def _a_resumed_training_ends_with_the_same_weights(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            try:
                self._train(Path(folder), is_interrupted=True)
            except KeyboardInterrupt:
                resumed = self._train(Path(folder))
        for key, tensor in self._trained.tensors().items():
            require(torch.equal(resumed.tensors()[key], tensor), f"{key} differs after a resumed training")

    def _a_checkpoint_gives_the_same_scores(self) -> None:
        features = self._data.test[0].load()
        before = score_features(self._trained, features)
        header = CheckpointHeader(
            name=self._name,
            classes=self._data.classes,
            encoders="synthetic",
            features=features.provenance,
            visual_dim=features.visual.shape[2],
            audio_dim=np.asarray(features.audio).shape[1],
            network=NetworkConfig(),
            thresholds={self._name: UNVALIDATED},
            selection={self._name: "last"},
            card="",
        )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "system.safetensors"
            save_checkpoint(path, Checkpoint(header, {self._name: self._trained}))
            after = score_features(load_checkpoint(path).networks[self._name], features)
        np.testing.assert_array_equal(after.anomaly_scores, before.anomaly_scores)
        require((after.class_probabilities is None) == (before.class_probabilities is None), "it has other heads")
        if after.class_probabilities is not None and before.class_probabilities is not None:
            np.testing.assert_array_equal(after.class_probabilities, before.class_probabilities)

    def _a_long_video_is_scored(self) -> None:
        num_snippets = WINDOW_SNIPPETS + 44
        features = self._data.test[0].load()
        repeats = -(-num_snippets // features.visual.shape[1])
        visual = np.tile(features.visual, (1, repeats, 1))[:, :num_snippets]
        audio = np.tile(np.asarray(features.audio), (repeats, 1))[:num_snippets]
        long = SnippetFeatures(visual, audio, duration_seconds=num_snippets, provenance=features.provenance)
        scores = score_features(self._trained, long).anomaly_scores
        require(scores.shape == (num_snippets,), f"a video of {num_snippets} snippets has {scores.shape} scores")
        require(bool(((scores >= 0) & (scores <= 1)).all()), "scores leave [0, 1]")

    @cached_property
    def _data(self) -> Dataset:
        return load_synthetic("tiny")

    @cached_property
    def _trained(self) -> System:
        return self._train(None)

    def _train(self, folder: Path | None, *, is_interrupted: bool = False) -> System:
        """Train for two epochs; an interrupted run ends in the second one, by KeyboardInterrupt."""
        from avadclip.training.loop import Step, Supervision, TrainingProgress, train_network
        from avadclip.training.run_folder import RunFolder

        config = TrainingConfig(
            network_kind=self._name,
            bags=BagConfig(max_snippets=32),
            optimizer=OptimizerConfig(kind="adam", learning_rate=1e-3, batch_size=20, epochs=2, milestones=()),
        )
        snapshots: list[tuple[System, Mapping[str, Tensor]]] = []

        def after_epoch(progress: TrainingProgress) -> None:
            last = progress.last
            snapshots.append((last, {key: tensor.clone() for key, tensor in last.tensors().items()}))

        def after_step(step: Step) -> None:
            if is_interrupted and step.epoch == 2:
                raise KeyboardInterrupt

        options: dict[str, Any] = {} if folder is None else {"run": RunFolder(folder, config, device="cpu")}
        supervision = Supervision(self._data.classes, validation=self._data.validation)
        progress = train_network(
            self._data.train[:20], config, supervision, on_step=after_step, on_epoch=after_epoch, **options
        )
        for system, tensors in snapshots:
            changed = [key for key, tensor in system.tensors().items() if not torch.equal(tensor, tensors[key])]
            require(not changed, f"training changes {', '.join(changed)} of a frozen copy")
        return progress.last
