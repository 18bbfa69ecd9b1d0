"""Efficient-Prompt: learned prompts around the class words, and a light transformer over the snippets.

Ju et al., "Prompting Visual-Language Models for Efficient Video Understanding", ECCV 2022, arXiv 2112.04478, read for
weak labels: the paper compares whole short videos with class words, here every snippet is, and the k best of each class
stand for the bag. From the authors' code: learned positions, and two pre-LN blocks of 8 heads as in CLIP, without
dropout. Decided here: the anomaly score is 1 - p(normal).
"""

import copy
from typing import Self

import torch
from torch import Tensor, nn

from avadclip.baselines.system import Losses, Outputs, System
from avadclip.model.attention import AttentionBlock
from avadclip.model.heads import alignment_map
from avadclip.model.losses import alignment_mil_loss
from avadclip.model.models import Bags
from avadclip.model.projection import build_projection, fit_projection
from avadclip.model.prompts import FixedClassVectors, LearnedClassVectors
from avadclip.timeline import WINDOW_SNIPPETS

WIDTH = 512  # D, that of CLIP's joint space
NUM_BLOCKS, NUM_HEADS = 2, 8


class EfficientPrompt(System):
    """Efficient-Prompt. Recipe, by the defaults of the authors' code: AdamW 1e-3, weight decay 0.01, batch 64."""

    hears = False
    prompt_tokens = 16

    def __init__(self, *, visual_dim: int, num_classes: int, class_text: nn.Module | None = None) -> None:
        """Build it untrained.

        Args:
            visual_dim: features as wide as D enter as they are, others are standardised and projected.
            num_classes: C
            class_text: its call gives the class features, [C, 512]; None: they are learned freely.
        """
        super().__init__()
        self.visual_projection = build_projection(visual_dim, WIDTH)
        self.position_embedding = nn.Parameter(torch.randn(WINDOW_SNIPPETS, WIDTH) * 0.01)
        self.blocks = nn.ModuleList(AttentionBlock(WIDTH, num_heads=NUM_HEADS) for _ in range(NUM_BLOCKS))
        self.class_text = LearnedClassVectors(num_classes, WIDTH) if class_text is None else class_text

    def forward(self, bags: Bags) -> Outputs:
        """Score bags or windows of at most 256 snippets."""
        class_logits = self._align(bags)
        # The sigmoid of this is 1 - p(normal).
        return Outputs(class_logits[..., 1:].logsumexp(dim=-1) - class_logits[..., 0], class_logits)

    def losses(self, bags: Bags, targets: Tensor) -> Losses:
        """Cross-entropy of the mean of each class's k best logits; several classes share the target equally."""
        return {"alignment": alignment_mil_loss(self._align(bags), bags.valid, targets, alpha=None)}

    def fit_projections(self, visual: Tensor, audio: Tensor | None) -> None:
        """See System."""
        del audio
        fit_projection(self.visual_projection, visual)

    @torch.no_grad()
    def frozen(self) -> Self:
        """See System; the class features are a constant in it."""
        # Told that it is copied already: a text tower need not be, nor can a checkpoint hold it.
        copied = copy.deepcopy(self, {id(self.class_text): FixedClassVectors(self.class_text().clone())})
        return copied.eval().requires_grad_(False)

    def _align(self, bags: Bags) -> Tensor:
        """Cosines with the class features over tau, [B, T, C]."""
        x = self.visual_projection(bags.visual)
        x = x + self.position_embedding[: x.shape[1]]
        for block in self.blocks:
            x = block(x, bags.valid)
        return alignment_map(x, self.class_text().expand(len(x), -1, -1))
