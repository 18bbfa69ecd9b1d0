"""What composed_study.py runs: the rows of its tables, their training, and scores that are kept."""

import hashlib
import time
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avadclip.baselines.build import SYSTEMS
from avadclip.config import AS_PUBLISHED, DistillationConfig, NetworkConfig, OptimizerConfig, TrainingConfig
from avadclip.data.bags import Bag, Dataset
from avadclip.data.datasets import load_dataset
from avadclip.features.snippets import SnippetFeatures
from avadclip.files import atomic_path
from avadclip.inference.networks import OWN, TEACHER, VISUAL_STUDENT
from avadclip.inference.scoring import score_features
from avadclip.model.base import System
from avadclip.model.projection import STANDARD_LIMIT
from avadclip.training.loop import Supervision, train_network

REPOSITORY = Path(__file__).parents[1]
RUNS = REPOSITORY / "runs" / "composed"
BATCH_SIZE = 32
EXTENDED = "extended"  # the teacher of this variant
WIDTH = 64  # D of AVadCLIP's own networks; the compared systems have the widths of their papers

Trial = tuple[float, int]
"""Learning rate and epochs."""


@dataclass(frozen=True)
class Candidate:
    """One row of the tables."""

    name: str
    kind: str
    """As a recipe names the network."""
    trials_of: str = ""
    """Candidate whose trial it takes over; by default it has trials of its own."""
    network: NetworkConfig = field(default_factory=partial(NetworkConfig, embed_dim=WIDTH))
    focal: bool = True
    distillation: DistillationConfig = field(default_factory=DistillationConfig)
    teacher: str = ""
    """Candidate that it is distilled from."""
    has_adapter: bool = True
    """False: features enter as they were projected, with no visual temporal model."""

    def recipe(self, trial: Trial, seed: int) -> TrainingConfig:
        """AVadCLIP by its own optimizer; the compared systems all by one."""
        rate, epochs = trial
        optimizer = OptimizerConfig(learning_rate=rate, batch_size=BATCH_SIZE, epochs=epochs, milestones=())
        recipe = TrainingConfig(network_kind=self.kind, seed=seed, encoders="lite", optimizer=optimizer)
        if self.kind not in OWN:
            adam = optimizer.model_copy(update={"kind": "adam", "weight_decay": 1e-3})
            return recipe.model_copy(update={"optimizer": adam})
        loss = recipe.loss.model_copy(update={"focal": self.focal})
        return recipe.model_copy(update={"network": self.network, "loss": loss, "distillation": self.distillation})


class Run(NamedTuple):
    """A candidate to train on the data of a seed, and what to score."""

    candidate: Candidate
    trial: Trial
    seed: int
    split: str


class Outcome(NamedTuple):
    """Scores of all sequences of the split, [N, T], and how long the training took."""

    scores: NDArray[np.float32]
    seconds: float


class NoAdapter(nn.Module):
    """In the place of the visual temporal model."""

    def __init__(self, **_sizes: object) -> None:
        super().__init__()

    def forward(self, x: Tensor, mask: Tensor, active: Tensor) -> Tensor:
        """[B, T, D], zero where not active."""
        del mask
        return x * active[..., None]


def candidates() -> dict[str, Candidate]:
    """All rows by name, every teacher before its students."""
    own = NetworkConfig(embed_dim=WIDTH)
    rows = [
        *(Candidate(kind, kind) for kind in OWN),
        *(Candidate(name, name) for name in SYSTEMS),
        Candidate("vadclip", VISUAL_STUDENT, network=changed(own, enhancement_blocks=0, **AS_PUBLISHED), focal=False),
        Candidate(EXTENDED, TEACHER, network=changed(own, variant="extended")),
        Candidate("no layer norm", TEACHER, TEACHER, changed(own, layer_norm=False)),
        Candidate("adapter replaces", TEACHER, TEACHER, changed(own, adapter_residual=False)),
        Candidate("as in 0.1.0", TEACHER, TEACHER, changed(own, layer_norm=False, adapter_residual=False)),
        Candidate("no adapter", TEACHER, TEACHER, has_adapter=False),
        Candidate("visual student, no adapter", VISUAL_STUDENT, VISUAL_STUDENT, has_adapter=False),
        Candidate("parts: none", TEACHER, TEACHER, changed(own, fusion="none", audio_visual_prompt=False), focal=False),
        Candidate("parts: fusion", TEACHER, TEACHER, changed(own, audio_visual_prompt=False), focal=False),
        Candidate("parts: fusion, prompt", TEACHER, TEACHER, focal=False),
        Candidate("parts: all but fusion", TEACHER, TEACHER, changed(own, fusion="none")),
        Candidate("parts: all but prompt", TEACHER, TEACHER, changed(own, audio_visual_prompt=False)),
        *(
            Candidate(f"fusion: {kind}", TEACHER, TEACHER, changed(own, fusion=kind))
            for kind in ("cross-attention", "add", "concat")
        ),
    ]
    return {row.name: row for row in rows}


def distilled(student: str, how: str, weight: float) -> Candidate:
    """A student that learns from the teacher, by the student's own trial."""
    distillation = DistillationConfig(kind=how, weight=weight)  # type: ignore[arg-type]
    return Candidate(f"{student}, {how}", student, student, distillation=distillation, teacher=TEACHER)


def changed(network: NetworkConfig, **changes: object) -> NetworkConfig:
    """The network with some values changed."""
    return network.model_copy(update=changes)


class Study:
    """Runs of one size and folder; networks and data of the last seed stay in memory."""

    def __init__(self, source: str) -> None:
        torch.set_num_threads(1)
        self._source = source
        self._dataset: tuple[int, Dataset] | None = None
        self._teachers: dict[tuple[int, Trial], System] = {}

    def dataset(self, seed: int) -> Dataset:
        """The data of a seed, standardised by its training sequences."""
        if self._dataset is None or self._dataset[0] != seed:
            self._dataset = seed, standardised(load_dataset(self._source, seed=seed))
        return self._dataset[1]

    def outcome(self, run: Run, teacher_trial: Trial | None = None) -> Outcome:
        """Of a run, from its file where it was done before."""
        path = self._path(run, teacher_trial)
        if path.is_file():
            with np.load(path) as kept:
                return Outcome(kept["scores"], float(kept["seconds"]))
        dataset = self.dataset(run.seed)
        teacher = None if teacher_trial is None else self._teacher(run.seed, teacher_trial)
        start = time.monotonic()
        trained = self._train(run, teacher)
        seconds = time.monotonic() - start
        scores = np.stack([score_features(trained, bag.load()).anomaly_scores for bag in dataset.bags_of(run.split)])
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez(file, scores=scores, seconds=seconds)
        return Outcome(scores, seconds)

    def _train(self, run: Run, teacher: System | None) -> System:
        dataset = self.dataset(run.seed)
        recipe, supervision = run.candidate.recipe(run.trial, run.seed), Supervision(dataset.classes, teacher=teacher)
        if run.candidate.has_adapter:
            return train_network(dataset.train, recipe, supervision).last
        with patch("avadclip.model.avadclip.LocalGlobalAdapter", NoAdapter):
            return train_network(dataset.train, recipe, supervision).last

    def _teacher(self, seed: int, trial: Trial) -> System:
        if (seed, trial) not in self._teachers:
            run = Run(candidates()[TEACHER], trial, seed, "test")
            self._teachers = {(seed, trial): self._train(run, None)}
        return self._teachers[seed, trial]

    def _path(self, run: Run, teacher_trial: Trial | None) -> Path:
        size = self._source.split(":")[1]
        what = [size, run.candidate.recipe(run.trial, run.seed).model_dump(), teacher_trial]
        name = run.candidate.name.replace(" ", "-").replace(",", "").replace(":", "")
        return RUNS / f"{run.split}-{run.seed}-{name}-{hashlib.sha256(repr(what).encode()).hexdigest()[:12]}.npz"


def sound(features: SnippetFeatures) -> NDArray[np.float32]:
    """[T, Da]"""
    assert features.audio is not None, "composed sequences have sound"
    return features.audio


def standardised(dataset: Dataset) -> Dataset:
    """Features less the mean of the training sequences, divided by their deviation, in memory."""
    rows = [bag.load() for bag in dataset.train]
    visual, audio = np.concatenate([each.visual[0] for each in rows]), np.concatenate([sound(each) for each in rows])
    of_visual, of_audio = ((part.mean(axis=0), part.std(axis=0) + 1e-6) for part in (visual, audio))

    def standard(features: SnippetFeatures) -> SnippetFeatures:
        parts = [
            np.clip((part - mean) / deviation, -STANDARD_LIMIT, STANDARD_LIMIT).astype(np.float32)
            for part, (mean, deviation) in ((features.visual, of_visual), (sound(features), of_audio))
        ]
        return replace(features, visual=parts[0], audio=parts[1])

    def change(bag: Bag) -> Bag:
        clear = None if bag.clear is None else standard(bag.clear.load())
        return replace(bag, stored=standard(bag.load()), clear=clear)

    train, validation, test = (tuple(map(change, part)) for part in (dataset.train, dataset.validation, dataset.test))
    return replace(dataset, train=train, validation=validation, test=test)
