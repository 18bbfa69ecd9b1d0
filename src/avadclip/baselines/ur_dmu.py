"""UR-DMU: a normal and an anomalous memory, with an uncertain normal code.

Zhou et al., "Dual Memory Units with Uncertainty Regulation for Weakly Supervised Video Anomaly Detection", AAAI 2023,
arXiv 2302.05160. From the authors' code: the pre-LN blocks keep the width and drop .5; what the triplet compares has
unit length; only what a normal bag reads from the normal memory is sampled; the KL term is a sum over the snippets of a
bag and a mean over channels. Decided here: the mix by distance is normalised row by row, as the paper has it, where the
code divides columns.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from avadclip.baselines.layers import GlobalLocalBlock, Recall, SlotMemory
from avadclip.model.base import Batch, Losses, Outputs, System
from avadclip.model.graph import SnippetConv
from avadclip.model.losses import anomaly_mil_loss, log_mean, picked_mean, topk_mask
from avadclip.model.projection import build_projection, fit_projection

WIDTH = 512  # D, that of CLIP's features
EMBEDDING_KERNEL = 3  # snippets
NUM_BLOCKS, NUM_HEADS, HEAD_DIM, DROPOUT = 2, 4, 128, 0.5
NUM_SLOTS = 60  # of each memory
CLASSIFIER_DIM = 128
TRIPLET_MARGIN, MAGNITUDE_MARGIN = 1.0, 100.0
MEMORY_WEIGHT, TRIPLET_WEIGHT, KL_WEIGHT, MAGNITUDE_WEIGHT = 0.1, 0.1, 1e-3, 1e-4


class Half(NamedTuple):
    """The normal or the anomalous bags of a batch, and the outputs of both memories."""

    features: Tensor
    """[B, T, D]"""
    mask: Tensor
    """[B, T] bool"""
    in_normal: Recall
    in_anomalous: Recall

    def picked(self, recall: Recall) -> Tensor:
        """Which snippets one of the memories knows best, [B, T] bool."""
        return topk_mask(recall.log_known, self.mask)


class UrDmu(System):
    """UR-DMU. Recipe: Adam 1e-4, weight decay 5e-5, 3000 steps of 64 normal and 64 anomalous bags of 200 snippets."""

    uses_audio = False
    pairing = "paired"

    def __init__(self, *, visual_dim: int) -> None:
        super().__init__()
        self.visual_projection = build_projection(visual_dim, WIDTH)
        self.embed = SnippetConv(WIDTH, WIDTH, kernel=EMBEDDING_KERNEL)
        self.blocks = nn.ModuleList(
            GlobalLocalBlock(WIDTH, num_heads=NUM_HEADS, head_dim=HEAD_DIM, dropout=DROPOUT) for _ in range(NUM_BLOCKS)
        )
        self.normal_memory = SlotMemory(WIDTH, num_slots=NUM_SLOTS)
        self.anomalous_memory = SlotMemory(WIDTH, num_slots=NUM_SLOTS)
        self.to_mean = nn.Linear(WIDTH, WIDTH)
        self.to_log_variance = nn.Linear(WIDTH, WIDTH)
        self.classify = nn.Sequential(nn.Linear(2 * WIDTH, CLASSIFIER_DIM), nn.ReLU(), nn.Linear(CLASSIFIER_DIM, 1))

    def forward(self, visual: Tensor | None, audio: Tensor | None, mask: Tensor) -> Outputs:
        """Score bags or windows; nothing is sampled."""
        del audio
        x = self._encode(visual, mask)
        normal, anomalous = self.to_mean(self.normal_memory(x).read), self.to_mean(self.anomalous_memory(x).read)
        return Outputs(self._score(x, normal + anomalous))

    def losses(self, batch: Batch) -> Losses:
        """Cross-entropy of the bags, and what shapes the memories and what is read from them."""
        visual, _, mask = batch.bags
        x = self._encode(visual, mask)
        normal, anomalous = (
            Half(rows, half_mask, self.normal_memory(rows), self.anomalous_memory(rows))
            for rows, half_mask in zip(x.chunk(2), mask.chunk(2), strict=True)
        )
        mean, log_variance = self.to_mean(normal.in_normal.read), self.to_log_variance(normal.in_normal.read)
        normal_code = mean + self._noise(log_variance)
        anomalous_code = self.to_mean(anomalous.in_anomalous.read)
        codes = [
            normal_code + self.to_mean(normal.in_anomalous.read),
            anomalous_code + self.to_mean(anomalous.in_normal.read),
        ]
        magnitude = magnitude_loss(
            picked_mean(normal_code, normal.picked(normal.in_normal)),
            picked_mean(anomalous_code, anomalous.picked(anomalous.in_anomalous)),
        )
        return {
            "anomaly": anomaly_mil_loss(self._score(x, torch.cat(codes)), mask, batch.targets),
            "memory": MEMORY_WEIGHT * memory_loss(normal, anomalous),
            "triplet": TRIPLET_WEIGHT * triplet_loss(normal, anomalous),
            "kl": KL_WEIGHT * kl_loss(mean, log_variance, normal.mask),
            "magnitude": MAGNITUDE_WEIGHT * magnitude,
        }

    def fit_projections(self, visual: Tensor, audio: Tensor | None) -> None:
        """See System."""
        del audio
        fit_projection(self.visual_projection, visual)

    def _encode(self, visual: Tensor | None, mask: Tensor) -> Tensor:
        """[B, T, D]"""
        x: Tensor = functional.relu(self.embed(self.visual_projection(visual) * mask[..., None]))
        for block in self.blocks:
            x = block(x, mask)
        return x

    def _score(self, x: Tensor, code: Tensor) -> Tensor:
        """Anomaly logits, [B, T], from [B, T, D] twice."""
        logits: Tensor = self.classify(torch.cat([x, code], dim=-1))
        return logits.squeeze(-1)

    def _noise(self, log_variance: Tensor) -> Tensor:
        """A draw in training, 0 else."""
        deviation = (0.5 * log_variance).exp()
        return torch.randn_like(deviation) * deviation if self.training else torch.zeros_like(deviation)


def memory_loss(normal: Half, anomalous: Half) -> Tensor:
    """Cross-entropy of four statements.

    The anomalous memory knows the best of an anomalous bag, the normal one does not know all of it; of a normal bag the
    normal memory knows every snippet, the anomalous one none.
    """
    knows_some = log_mean(anomalous.in_anomalous.log_known, anomalous.picked(anomalous.in_anomalous))
    strange = anomalous.in_normal.log_unknown
    misses_some = log_mean(strange, topk_mask(strange, anomalous.mask))
    knows_all = normal.in_normal.log_known[normal.mask]
    knows_none = normal.in_anomalous.log_unknown[normal.mask]
    return -(knows_some.mean() + misses_some.mean() + knows_all.mean() + knows_none.mean())


def triplet_loss(normal: Half, anomalous: Half) -> Tensor:
    """Normal bags lie nearer to the normal snippets of anomalous bags than to the anomalous ones.

    Each of the three is the mean of the snippets that a memory knows best, at unit length.
    """
    anchor = picked_mean(normal.features, normal.picked(normal.in_normal))
    positive = picked_mean(anomalous.features, anomalous.picked(anomalous.in_normal))
    negative = picked_mean(anomalous.features, anomalous.picked(anomalous.in_anomalous))
    anchor, positive, negative = (functional.normalize(rows, dim=-1) for rows in (anchor, positive, negative))
    return functional.triplet_margin_loss(anchor, positive, negative, margin=TRIPLET_MARGIN)


def kl_loss(mean: Tensor, log_variance: Tensor, mask: Tensor) -> Tensor:
    """KL divergence from the standard normal distribution; [B, T, D] twice and [B, T] bool."""
    divergence = 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance)
    return divergence.masked_fill(~mask[..., None], 0.0).sum(dim=1).mean()


def magnitude_loss(normal: Tensor, anomalous: Tensor) -> Tensor:
    """What an anomalous bag reads is longer than what a normal one does, by a margin; [B, D] each, in pairs."""
    return functional.relu(MAGNITUDE_MARGIN - anomalous.norm(dim=-1) + normal.norm(dim=-1)).mean()
