"""AVCL: sound separates the cases that the picture leaves open, and two networks learn from each other.

"Audio-Visual Collaborative Learning for Weakly Supervised Video Anomaly Detection", IEEE TMM 2025. There is no public
code: re-implemented from the paper's description, which names two modules, hard-case separation by changes of the sound
and mutual learning of a single-modal and a multi-modal network. Decided here:
- both networks are one transformer layer with a linear classifier, one over the picture, one over picture and sound
  joined by a linear layer; the second one scores;
- in an anomalous bag, the k snippets with the highest and the k with the lowest visual scores are easy, those between
  are open. Of these, the ones before which the sound changes most are hard anomalous, and the ones before which it
  changes least hard normal: an event begins with a change of the sound;
- separation: hard cases are classified by their cosines with the mean easy anomalous and the mean easy normal feature
  of the multi-modal network. The means are anchors, no gradient reaches them. The weight grows over the first ten
  epochs, as first scores are no guide;
- sizes, and top-k pooling as in the family.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from avadclip.model.attention import CrossAttentionLayer
from avadclip.model.base import Batch, Losses, Outputs, System
from avadclip.model.fusion import ConcatFusion
from avadclip.model.losses import mean_logit_mil_loss, mimicry_loss, topk_mask

HIDDEN_DIM = 128
NUM_HEADS = 4
DROPOUT = 0.1
TEMPERATURE = 0.1  # of the separation
RAMP_EPOCHS = 10  # until the separation has its full weight, 1


class Branch(nn.Module):
    """Self-attention over one sequence, and a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = CrossAttentionLayer(HIDDEN_DIM, num_heads=NUM_HEADS, hidden_dim=HIDDEN_DIM, dropout=DROPOUT)
        self.classify = nn.Linear(HIDDEN_DIM, 1)

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """x: [B, T, 128]; mask: [B, T] bool. Returns features [B, T, 128] and anomaly logits [B, T]."""
        features = self.layer(x, x, mask)
        return features, self.classify(features).squeeze(-1)


class Cases(NamedTuple):
    """Snippets sorted by visual scores, or else by sound; each [B, T] bool, no snippet in two."""

    easy_anomalous: Tensor
    easy_normal: Tensor
    hard_anomalous: Tensor
    hard_normal: Tensor


class Avcl(System):
    """AVCL. Recipe, decided here: Adam 4e-4, 50 epochs, batch 128, 200 snippets."""

    uses_audio = True

    def __init__(self, *, visual_dim: int, audio_dim: int) -> None:
        super().__init__()
        self.visual_in = nn.Linear(visual_dim, HIDDEN_DIM)
        self.audio_in = nn.Linear(audio_dim, HIDDEN_DIM)
        self.fusion = ConcatFusion(HIDDEN_DIM)
        self.visual_branch = Branch()
        self.joint_branch = Branch()
        self.separation_weight = 0.0

    def forward(self, visual: Tensor | None, audio: Tensor | None, mask: Tensor) -> Outputs:
        """Score bags or windows; the visual branch takes no part."""
        _, logits = self._join(self.visual_in(visual), audio, mask)
        return Outputs(logits)

    def losses(self, batch: Batch) -> Losses:
        """Each branch's MIL loss, what each has still to learn from the other, and the separation of hard cases."""
        bags, targets = batch.bags, batch.targets
        visual = self.visual_in(bags.visual)
        features, logits = self._join(visual, bags.audio, bags.mask)
        _, visual_logits = self.visual_branch(visual, bags.mask)
        assert bags.audio is not None, "it reads audio"
        cases = sort_cases(visual_logits, bags.audio, bags.mask, targets)
        return {
            "anomaly": mean_logit_mil_loss(logits, bags.mask, targets),
            "visual_anomaly": mean_logit_mil_loss(visual_logits, bags.mask, targets),
            "mimicry": mimicry_loss(logits, visual_logits, bags.mask),
            "visual_mimicry": mimicry_loss(visual_logits, logits, bags.mask),
            "separation": self.separation_weight * separation_loss(features, cases),
        }

    def begin_epoch(self, epoch: int, num_epochs: int) -> None:
        """Raise the weight of the separation."""
        del num_epochs
        self.separation_weight = min(1.0, (epoch - 1) / RAMP_EPOCHS)

    def _join(self, visual: Tensor, audio: Tensor | None, mask: Tensor) -> tuple[Tensor, Tensor]:
        joined: tuple[Tensor, Tensor] = self.joint_branch(self.fusion(visual, self.audio_in(audio), mask), mask)
        return joined


def sort_cases(visual_logits: Tensor, audio: Tensor, mask: Tensor, targets: Tensor) -> Cases:
    """Easy cases by the picture's scores; of those between, hard ones by how much the sound changes before them.

    A normal bag's highest snippets count as easy normal: their label is known. Bags of one or two snippets have no hard
    cases.

    Args:
        visual_logits: [B, T]
        audio: features as they came, [B, T, Da].
        mask: [B, T] bool
        targets: [B, C]
    """
    anomalous = (targets[:, 1:].sum(dim=1) > 0)[:, None]
    highest = topk_mask(visual_logits, mask)
    lowest = topk_mask(-visual_logits, mask) & ~highest
    between = mask & ~highest & ~lowest & anomalous
    change = functional.pad((audio[:, 1:] - audio[:, :-1]).norm(dim=-1), (1, 0))  # the first snippet has none before it
    hard_anomalous = topk_mask(change, between)
    return Cases(
        easy_anomalous=highest & anomalous,
        easy_normal=torch.where(anomalous, lowest, highest),
        hard_anomalous=hard_anomalous,
        hard_normal=topk_mask(-change, between & ~hard_anomalous),
    )


def separation_loss(features: Tensor, cases: Cases) -> Tensor:
    """Binary cross-entropy of the hard cases, by their cosines with the means of the easy ones; 0 without hard cases.

    Args:
        features: [B, T, D]
        cases: see Cases.
    """
    hard = cases.hard_anomalous | cases.hard_normal
    if not hard.any():
        return features.new_zeros(())
    anchors = [features[easy].mean(dim=0).detach() for easy in (cases.easy_anomalous, cases.easy_normal)]
    to_anomalous, to_normal = (functional.cosine_similarity(features[hard], anchor, dim=-1) for anchor in anchors)
    is_anomalous = cases.hard_anomalous[hard].to(features.dtype)
    return functional.binary_cross_entropy_with_logits((to_anomalous - to_normal) / TEMPERATURE, is_anomalous)
