"""Two numbers of docs/protocols.md that need training: what selection on test is worth, and what UKD at 1e-8 weighs.

    python scripts/protocol_study.py [--seeds 3] [--epochs N]

Both are synthetic: `synthetic:small`, the recipes in configs/synthetic. Writes the table between the markers of
docs/protocols.md. A run that is interrupted goes on with the seeds that are missing.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from avadclip.config import DistillationConfig, TrainingConfig, read_config
from avadclip.data.bags import collate
from avadclip.data.datasets import load_dataset
from avadclip.evaluation.metrics.frame import frame_measures
from avadclip.evaluation.truths import video_truth
from avadclip.files import write_atomically
from avadclip.inference.scoring import score_features
from avadclip.model.base import System
from avadclip.training.build import build_for_training
from avadclip.training.loop import Supervision, TrainingProgress, train_network

REPOSITORY = Path(__file__).parents[1]
PAGE = REPOSITORY / "docs" / "protocols.md"
BEGIN, END = "<!-- measured by scripts/protocol_study.py -->", "<!-- end -->"
AUTHORS_WEIGHT = 1e-8  # of L_UKD in the authors' release, for XD-Violence
GRADIENT_BAGS = 32


def run_seed(seed: int, epochs: int | None) -> dict[str, float]:
    """Train a teacher, test it after every epoch, and weigh the gradients of a student of it."""
    teacher_recipe = _recipe("teacher", seed, epochs)
    dataset = load_dataset("synthetic:small", seed=seed)
    truths = [video_truth(bag, dataset.classes, dataset.grid) for bag in dataset.test]
    num_positive = np.concatenate([truth.num_positive(dataset.grid.snippet_frames) for truth in truths])
    of_epoch: list[float] = []

    def test_ap(system: System) -> float:
        scores = np.concatenate([score_features(system, bag.load()).anomaly_scores for bag in dataset.test])
        value = frame_measures(scores, num_positive, dataset.grid.snippet_frames).average_precision
        assert value is not None
        return 100 * value

    def after_epoch(progress: TrainingProgress) -> None:
        of_epoch.append(test_ap(progress.last))

    supervision = Supervision(dataset.classes, validation=dataset.validation)
    progress = train_network(dataset.train, teacher_recipe, supervision, on_epoch=after_epoch)
    return {
        "validation": test_ap(progress.best),
        "last": of_epoch[-1],
        "test": max(of_epoch),
        "epochs": len(of_epoch),
        "gradient_ratio": gradient_ratio(progress.best, seed),
    }


def gradient_ratio(teacher: System, seed: int) -> float:
    """Norm of the gradient of 1e-8 L_UKD over that of L_BCE, of what both move in an untrained student."""
    distillation = DistillationConfig(kind="uncertainty", weight=AUTHORS_WEIGHT)
    recipe = _recipe("visual_student", seed, None).model_copy(update={"distillation": distillation})
    dataset = load_dataset("synthetic:small", seed=seed)
    bags = dataset.train[:GRADIENT_BAGS]
    torch.manual_seed(seed)
    student = build_for_training(recipe, bags, classes=dataset.classes, text=None).eval()
    batch = collate(bags)
    with torch.no_grad():
        batch = batch._replace(teacher_features=teacher(*batch.bags).features)
    losses = student.losses(batch)
    parameters = list(student.parameters())
    anomaly, distilled = (
        torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
        for loss in (losses["anomaly"], losses["distillation"])
    )
    shared = [
        (one, other) for one, other in zip(anomaly, distilled, strict=True) if one is not None and other is not None
    ]
    norms = [torch.stack([part.norm() for part in parts]).norm().item() for parts in zip(*shared, strict=True)]
    return norms[1] / norms[0]


def write_table(results: list[dict[str, float]]) -> None:
    """Between the markers of the page."""
    rows = {
        "selected on validation (held out; the default)": "validation",
        "weights of the last epoch": "last",
        "selected on test (as published tables are)": "test",
    }
    lines = [
        BEGIN,
        "",
        f"| synthetic: frame AP of the classifier, {int(results[0]['epochs'])} epochs | mean | each seed |",
        "|---|---|---|",
    ]
    for title, key in rows.items():
        lines.append(_row(title, [result[key] for result in results], "{:.2f}"))
    gains = [result["test"] - result["validation"] for result in results]
    lines.append(_row("**what selection on test adds**", gains, "{:+.2f}"))
    ratios = [result["gradient_ratio"] for result in results]
    lines += [
        "",
        "| synthetic: size of the gradient of 1e-8 L_UKD, of that of L_BCE | median | each seed |",
        "|---|---|---|",
        _row("visual student, first step", ratios, "{:.1e}", summary=np.median),
        "",
        END,
    ]
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    write_atomically(PAGE, before + "\n".join(lines) + rest.split(END)[1])


def _row(title: str, values: list[float], form: str, summary: Callable[..., np.floating] = np.mean) -> str:
    return f"| {title} | {form.format(summary(values))} | {' '.join(form.format(value) for value in values)} |"


def _recipe(name: str, seed: int, epochs: int | None) -> TrainingConfig:
    recipe = read_config(REPOSITORY / "configs" / "synthetic" / f"{name}.toml", TrainingConfig)
    optimizer = recipe.optimizer if epochs is None else recipe.optimizer.model_copy(update={"epochs": epochs})
    return recipe.model_copy(update={"seed": seed, "optimizer": optimizer})


def main() -> None:
    """Run what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, help="instead of the recipe's")
    options = parser.parse_args()
    torch.set_num_threads(1)
    kept = REPOSITORY / "runs" / f"protocol-study-{options.epochs or 'recipe'}.json"
    results: dict[str, dict[str, float]] = json.loads(kept.read_text()) if kept.is_file() else {}
    for seed in range(options.seeds):
        if str(seed) not in results:
            results[str(seed)] = run_seed(seed, options.epochs)
            write_atomically(kept, json.dumps(results, indent=2))
            print(f"seed {seed}: {results[str(seed)]}", flush=True)
    write_table([results[str(seed)] for seed in range(options.seeds)])


if __name__ == "__main__":
    main()
