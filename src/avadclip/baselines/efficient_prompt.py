"""Efficient-Prompt: learned prompts around the class words, and a light transformer over the snippets.

Ju et al., "Prompting Visual-Language Models for Efficient Video Understanding", ECCV 2022, arXiv 2112.04478, read for
weak labels: the paper compares whole short videos with class words, here every snippet is, and the k best of each class
stand for the bag. From the authors' code: learned positions, and two pre-LN blocks of 8 heads as in CLIP, without
dropout. Decided here: the anomaly score is 1 - p(normal).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from avadclip.model.attention import AttentionBlock
from avadclip.model.base import Batch, Losses, Outputs, TextSystem
from avadclip.model.class_text import PromptEncoder, build_class_text
from avadclip.model.heads import alignment_map
from avadclip.model.losses import alignment_mil_loss
from avadclip.model.projection import build_projection, fit_projection
from avadclip.timeline import WINDOW_SNIPPETS

WIDTH = 512  # D, that of CLIP's joint space
NUM_BLOCKS, NUM_HEADS = 2, 8


class EfficientPrompt(TextSystem):
    """Efficient-Prompt. Recipe, by the defaults of the authors' code: AdamW 1e-3, weight decay 0.01, batch 64."""

    uses_audio = False
    prompt_tokens = 16

    def __init__(self, *, visual_dim: int, classes: Sequence[str], text: PromptEncoder | None = None) -> None:
        """Build it untrained.

        Args:
            visual_dim: features as wide as D enter as they are, others are standardised and projected.
            classes: C names, `normal` first.
            text: CLIP's text encoder, whose prompts around the class words are learned; None learns class vectors.
        """
        super().__init__()
        self.visual_projection = build_projection(visual_dim, WIDTH)
        self.position_embedding = nn.Parameter(torch.randn(WINDOW_SNIPPETS, WIDTH) * 0.01)
        self.blocks = nn.ModuleList(AttentionBlock(WIDTH, num_heads=NUM_HEADS) for _ in range(NUM_BLOCKS))
        self.class_text = build_class_text(classes, WIDTH, text, prompt_tokens=self.prompt_tokens)

    def forward(self, visual: Tensor | None, audio: Tensor | None, mask: Tensor) -> Outputs:
        """Score bags or windows of at most 256 snippets."""
        del audio
        class_logits = self._align(visual, mask)
        # The sigmoid of this is 1 - p(normal).
        return Outputs(class_logits[..., 1:].logsumexp(dim=-1) - class_logits[..., 0], class_logits)

    def losses(self, batch: Batch) -> Losses:
        """Cross-entropy of the mean of each class's k best logits; several classes share the target equally."""
        visual, _, mask = batch.bags
        return {"alignment": alignment_mil_loss(self._align(visual, mask), mask, batch.targets, alpha=None)}

    def fit_projections(self, visual: Tensor, audio: Tensor | None) -> None:
        """See System."""
        del audio
        fit_projection(self.visual_projection, visual)

    def _align(self, visual: Tensor | None, mask: Tensor) -> Tensor:
        """Cosines with the class features over tau, [B, T, C]."""
        x = self.visual_projection(visual)
        x = x + self.position_embedding[: x.shape[1]]
        for block in self.blocks:
            x = block(x, mask)
        return alignment_map(x, self.class_text().expand(len(x), -1, -1))
