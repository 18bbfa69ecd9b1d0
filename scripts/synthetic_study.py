"""The paper's comparisons on the synthetic benchmark: parts on and off, and what distillation is worth.

    python scripts/synthetic_study.py [--size small] [--seeds 5] [--processes 2]

Every figure is synthetic: it tests the machinery and says nothing about real video. Head: classifier. Frame AP on the
test split, last epoch, paired over seeds. A run that is interrupted goes on with the seeds that are missing.
"""

import argparse
import json
import multiprocessing
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score
from synthetic_page import ALL_PARTS, AUTHORS, MSE, NONE, ROUNDED, UNCERTAINTY, write_page

from avadclip.config import DistillationConfig, TrainingConfig, read_config
from avadclip.data.bags import Bag, Dataset
from avadclip.data.datasets import load_dataset
from avadclip.files import write_atomically
from avadclip.inference.networks import STUDENTS
from avadclip.inference.scoring import score_features
from avadclip.model.base import System
from avadclip.training.loop import Supervision, train_network

REPOSITORY = Path(__file__).parents[1]
RECIPES = REPOSITORY / "configs" / "synthetic"
AUTHORS_WEIGHT = 1e-8  # of L_UKD in the authors' release, for XD-Violence
WEIGHTS = (1e-4, 1e-3, 0.01, 0.1, 1.0, 10.0)
WEIGHTS_SEEDS = (100, 101, 102, 103)  # weights and recipe were chosen on their validation splits
ROUNDING = 1e-7  # relative; about the precision of float32
NO_DISTILLATION = DistillationConfig(kind="none")
MSE_WEIGHTS = {"visual student": 1.0, "audio student": 0.01}

PARTS = {
    "none": (False, False, False),
    "+ fusion": (True, False, False),
    "+ prompt": (True, True, False),
    ALL_PARTS: (True, True, True),
    "without fusion": (False, True, True),
    "without prompt": (True, False, True),
}
"""Fusion, prompt, focal. The first four are cumulative (Table 4), the rest lack one part, as `+ prompt` lacks focal."""


def frame_truth(bags: Sequence[Bag], dataset: Dataset) -> NDArray[np.bool_]:
    """Whether each snippet's centre lies in an annotated interval, all bags in a row."""
    truth = []
    for bag in bags:
        centres = dataset.grid.starts(len(bag.load())) + dataset.grid.snippet_seconds / 2
        inside = [(centres >= interval.start) & (centres < interval.end) for interval in bag.intervals or ()]
        truth.append(np.any(inside, axis=0) if inside else np.zeros(len(centres), bool))
    return np.concatenate(truth)


def frame_ap(trained: System, bags: Sequence[Bag], dataset: Dataset) -> float:
    """AP over all snippets; every snippet has as many frames, so this is the frame AP."""
    scores = np.concatenate([score_features(trained, bag.load()).anomaly_scores for bag in bags])
    return float(average_precision_score(frame_truth(bags, dataset), scores))


def with_parts(recipe: TrainingConfig, fusion: bool, prompt: bool, focal: bool) -> TrainingConfig:
    """The recipe with parts of the method on or off ("Ablations, defined")."""
    network = recipe.network.model_copy(
        update={"fusion": "adaptive" if fusion else "none", "audio_visual_prompt": prompt}
    )
    return recipe.model_copy(update={"network": network, "loss": recipe.loss.model_copy(update={"focal": focal})})


class Study:
    """All runs of one seed: data, weights and order are drawn from it."""

    def __init__(self, size: str, seed: int) -> None:
        torch.set_num_threads(1)
        self.seed = seed
        self.recipes = RECIPES / "quick" if size == "quick" else RECIPES
        self.dataset = load_dataset(f"synthetic:{size}", seed=seed)

    def recipe(self, kind: str) -> TrainingConfig:
        """The recipe in configs/synthetic, with this seed."""
        file = self.recipes / f"{kind.replace(' ', '_')}.toml"
        return read_config(file, TrainingConfig).model_copy(update={"seed": self.seed})

    def train(self, config: TrainingConfig, teacher: System | None = None, *, perturbation: float = 0.0) -> System:
        """The network of the last epoch; `perturbation`: relative, of the training features."""
        bags = [_perturbed(bag, perturbation) for bag in self.dataset.train] if perturbation else self.dataset.train
        supervision = Supervision(self.dataset.classes, teacher=teacher)
        return train_network(bags, config, supervision).last

    def test_ap(self, trained: System) -> float:
        """Frame AP on the test split."""
        return frame_ap(trained, self.dataset.test, self.dataset)


def _perturbed(bag: Bag, share: float) -> Bag:
    features = bag.load()
    assert features.audio is not None
    factor = np.float32(1.0 + share)
    return replace(bag, stored=replace(features, visual=features.visual * factor, audio=features.audio * factor))


def run_seed(job: tuple[str, int]) -> dict[str, float]:
    """Test APs of every row of one seed."""
    study = Study(*job)
    results = {"chance": float(frame_truth(study.dataset.test, study.dataset).mean())}
    teachers = {name: study.train(with_parts(study.recipe("teacher"), *parts)) for name, parts in PARTS.items()}
    results |= {f"teacher: {name}": study.test_ap(trained) for name, trained in teachers.items()}
    for kind in STUDENTS:
        recipe = study.recipe(kind)
        distillations = {
            NONE: NO_DISTILLATION,
            UNCERTAINTY: recipe.distillation,
            MSE: DistillationConfig(kind="mse", weight=MSE_WEIGHTS[kind]),
            AUTHORS: DistillationConfig(kind="uncertainty", weight=AUTHORS_WEIGHT),
        }
        for name, distillation in distillations.items():
            config = recipe.model_copy(update={"distillation": distillation})
            results[f"{kind}: {name}"] = study.test_ap(study.train(config, teachers[ALL_PARTS]))
        config = recipe.model_copy(update={"distillation": NO_DISTILLATION})
        results[f"{kind}: {ROUNDED}"] = study.test_ap(study.train(config, perturbation=ROUNDING))
    return results


def try_weights(job: tuple[str, int]) -> dict[str, float]:
    """Validation APs of both distillations over a grid of weights, on a seed that no table uses."""
    study = Study(*job)
    teacher = study.train(study.recipe("teacher"))
    results = {"teacher": frame_ap(teacher, study.dataset.validation, study.dataset)}
    tried = [NO_DISTILLATION]
    tried += [DistillationConfig(kind=how, weight=weight) for how in ("uncertainty", "mse") for weight in WEIGHTS]
    for kind in STUDENTS:
        for distillation in tried:
            trained = study.train(study.recipe(kind).model_copy(update={"distillation": distillation}), teacher)
            name = f"{kind} {distillation.kind} {distillation.weight:g}"
            results[name] = frame_ap(trained, study.dataset.validation, study.dataset)
            print(job[1], name, f"{results[name]:.4f}", flush=True)
    return results


def main() -> None:
    """Run what is missing, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="small")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--choose-weights", action="store_true")
    options = parser.parse_args()
    pool = multiprocessing.get_context("spawn").Pool(options.processes)
    if options.choose_weights:
        tables = pool.map(try_weights, [(options.size, seed) for seed in WEIGHTS_SEEDS], chunksize=1)
        for name in tables[0]:
            values = [100 * table[name] for table in tables]
            print(f"{name}: {np.mean(values):.1f} ({' '.join(f'{value:.1f}' for value in values)})")
        return
    kept = REPOSITORY / "runs" / f"synthetic-{options.size}.json"
    results: dict[str, dict[str, float]] = json.loads(kept.read_text()) if kept.is_file() else {}
    missing = [(options.size, seed) for seed in range(options.seeds) if str(seed) not in results]
    for (_, seed), outcome in zip(missing, pool.imap(run_seed, missing), strict=True):
        results[str(seed)] = outcome
        write_atomically(kept, json.dumps(results, indent=2))
        print(f"seed {seed} done", flush=True)
    page = write_page(options.size, [results[str(seed)] for seed in range(options.seeds)])
    (REPOSITORY / "docs" / "synthetic.md").write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
