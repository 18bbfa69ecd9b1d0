"""A training step against the padded form of published code: `python benchmarks/training_step.py [threads] [rounds]`.

Forward, losses, backward and AdamW of the full-size teacher (D = 512) on 96 bags of 40 to 256 snippets, prompts through
a full-size text tower. Weights and features are random, speed is not. The padded form is the reference of
tests/model/test_training_step_reference.py, with torch's default AdamW, as in published code; ours takes the fused one,
as training/optimizer.py does. All forms take turns in one process.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from avadclip.encoders.clip import ClipConfig
from avadclip.model.avadclip import AVadCLIP

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "model"))
from test_training_step_reference import build_teacher, cut_to_longest, random_batch, reference_losses, step_losses

BAGS = 96  # the paper's batch
SHORTEST, LONGEST = 40, 256  # snippets, drawn evenly


def make_step(network: AVadCLIP, losses: Callable[[], Tensor], *, fused: bool) -> Callable[[], float]:
    """One step of AdamW on `losses`; gives the loss before it."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-5, weight_decay=0.01, fused=fused)

    def step() -> float:
        total = losses()
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        optimizer.step()
        return float(total.detach())

    return step


def main(threads: int, rounds: int) -> None:
    """Print seconds and ratios."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    lengths = torch.randint(SHORTEST, LONGEST + 1, (BAGS,)).tolist()
    padded = random_batch(lengths, 512, longest=LONGEST)
    trimmed = padded._replace(bags=cut_to_longest(padded.bags))
    steps: dict[str, Callable[[], float]] = {}
    for name in ("padded loop form, fp32", "ours, fp32", "ours, bf16"):
        torch.manual_seed(0)
        network = build_teacher(ClipConfig()).train()
        if name.startswith("ours"):
            network.objective.precision = "bf16" if name.endswith("bf16") else "fp32"
            steps[name] = make_step(network, lambda own=network: step_losses(own, trimmed)["total"], fused=True)
        else:
            clip = network.class_text._tower[0]
            steps[name] = make_step(
                network, lambda own=network, clip=clip: reference_losses(own, clip, padded).total, fused=False
            )

    clocks = {"wall": time.perf_counter, "processor": time.process_time}
    seconds = np.empty((rounds, len(steps), len(clocks)))
    for row in seconds:
        for column, step in enumerate(steps.values()):
            step()  # as in training, a step follows one of its own: memory is at hand that another form gave back
            start = [clock() for clock in clocks.values()]
            step()
            row[column] = [clock() - since for clock, since in zip(clocks.values(), start, strict=True)]

    print(f"{BAGS} bags, {sum(lengths)} snippets ({BAGS * LONGEST} when padded); torch {torch.__version__}")
    print(f"threads: {threads}, {rounds} rounds, each a step to warm up and one that counts; median (min to max)")
    for index, clock in enumerate(clocks):
        for name, column in zip(steps, seconds[..., index].T, strict=True):
            ratios = seconds[:, 0, index] / column
            print(
                f"{clock} time, {name}: {np.median(column):.2f} s ({column.min():.2f} to {column.max():.2f}), "
                f"{np.median(ratios):.2f} times as fast ({ratios.min():.2f} to {ratios.max():.2f})"
            )


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:]]
    main(*(arguments + [torch.get_num_threads(), 5][len(arguments) :]))
