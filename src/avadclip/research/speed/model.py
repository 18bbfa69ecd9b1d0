"""A training step and a scored window of the full-size teacher, on random features."""

from collections.abc import Callable

import numpy as np
import torch

from avadclip.config import OptimizerConfig
from avadclip.features.snippets import SnippetFeatures
from avadclip.inference.scoring import score_features
from avadclip.model.avadclip import AVadCLIP
from avadclip.model.base import Bags, Batch
from avadclip.timeline import WINDOW_SNIPPETS, SnippetGrid
from avadclip.training.optimizer import build_optimizer

NUM_BAGS = 16
NUM_CLASSES = 7
CLASSES = ("normal", *(f"class {number}" for number in range(1, NUM_CLASSES)))
WIDTH = 512  # of CLIP's and Wav2CLIP's features


def training_step() -> Callable[[], object]:
    """One step on NUM_BAGS bags of WINDOW_SNIPPETS snippets: forward, losses, backward, AdamW.

    Class vectors are learned freely; with prompts, CLIP's text tower would run once a step as well.
    """
    torch.manual_seed(0)
    network = AVadCLIP(visual_dim=WIDTH, audio_dim=WIDTH, classes=CLASSES).train()
    optimizer = build_optimizer(network, OptimizerConfig())
    shape = (NUM_BAGS, WINDOW_SNIPPETS, WIDTH)
    bags = Bags(torch.randn(shape), torch.randn(shape), torch.ones(shape[:2], dtype=torch.bool))
    targets = torch.nn.functional.one_hot(torch.arange(NUM_BAGS) % NUM_CLASSES, NUM_CLASSES).float()
    batch = Batch(bags, targets, torch.ones(NUM_BAGS, dtype=torch.bool))

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss = torch.stack(list(network.losses(batch).values())).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def scored_window() -> Callable[[], object]:
    """The teacher's scores of one window of WINDOW_SNIPPETS snippets with stored class features."""
    torch.manual_seed(0)
    network = AVadCLIP(visual_dim=WIDTH, audio_dim=WIDTH, classes=CLASSES).frozen()
    random = np.random.default_rng(0)
    features = SnippetFeatures(
        visual=random.normal(size=(1, WINDOW_SNIPPETS, WIDTH)).astype(np.float32),
        audio=random.normal(size=(WINDOW_SNIPPETS, WIDTH)).astype(np.float32),
        duration_seconds=WINDOW_SNIPPETS * SnippetGrid().snippet_seconds,
        provenance=None,
    )
    return lambda: score_features(network, features)
