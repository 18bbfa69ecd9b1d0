"""MACIL-SD: two light streams, contrast between picture and sound, distillation from a visual network.

Yu et al., "Modality-Aware Contrastive Instance Learning with Self-Distillation", ACM MM 2022, arXiv 2207.05500. Layers,
constants and the order of steps are those of the authors' code. It differs from that code in two places:
- there, the snippets that the sound's scores choose are taken from the visual features and the other way round (two
  return values are swapped); here each modality chooses among its own, as in the paper;
- there, the networks are mixed after every epoch, here before every epoch but the first: the mix after the last one is
  left out, whose momentum is nearly 1.
"""

import math
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from avadclip.model.attention import CrossAttentionLayer
from avadclip.model.base import Bags, Batch, Losses, Outputs, System
from avadclip.model.losses import mean_logit_mil_loss, topk_mask, topk_mean

# All from the paper and the authors' code.
HIDDEN_DIM = 128
NUM_HEADS = 4
DROPOUT = 0.1
TEMPERATURE = 0.1  # of the contrast
CONTRAST_RAMP, CONTRAST_LIMIT = 0.1, 1.5  # weight of the contrast: what is added every epoch, and where it ends
FIRST_MOMENTUM = 0.91  # share of itself that the audio-visual network keeps at the first mixing; 1 at the end


class MacilSdVisualNetwork(nn.Module):
    """Self-attention over the picture; the network that is mixed into the other one."""

    def __init__(self, visual_dim: int) -> None:
        super().__init__()
        self.visual_in = nn.Linear(visual_dim, HIDDEN_DIM)
        self.layer = CrossAttentionLayer(HIDDEN_DIM, num_heads=NUM_HEADS, hidden_dim=HIDDEN_DIM, dropout=DROPOUT)
        self.classify = nn.Linear(HIDDEN_DIM, 1)

    def forward(self, visual: Tensor, mask: Tensor) -> Tensor:
        """visual: [B, T, Dv]; mask: [B, T] bool. Returns anomaly logits, [B, T]."""
        x = self.visual_in(visual)
        logits: Tensor = self.classify(self.layer(x, x, mask))
        return logits.squeeze(-1)


class Stream(NamedTuple):
    """What one modality has come to."""

    features: Tensor
    """[B, T, 128]"""
    logits: Tensor
    """[B, T]"""


class MacilSdNetwork(nn.Module):
    """Cross-attention both ways through one shared layer, one shared classifier; the published network."""

    def __init__(self, visual_dim: int, audio_dim: int) -> None:
        super().__init__()
        self.visual_in = nn.Linear(visual_dim, HIDDEN_DIM)
        self.audio_in = nn.Linear(audio_dim, HIDDEN_DIM)
        self.layer = CrossAttentionLayer(HIDDEN_DIM, num_heads=NUM_HEADS, hidden_dim=HIDDEN_DIM, dropout=DROPOUT)
        self.classify = nn.Linear(HIDDEN_DIM, 1)

    def forward(self, bags: Bags) -> tuple[Stream, Stream]:
        """Picture and sound; the sum of their logits is the logit of the score."""
        visual_in, audio_in = self.visual_in(bags.visual), self.audio_in(bags.audio)
        visual = self.layer(visual_in, audio_in, bags.mask)
        audio = self.layer(audio_in, visual_in, bags.mask)
        return Stream(visual, self.classify(visual).squeeze(-1)), Stream(audio, self.classify(audio).squeeze(-1))


class MacilSd(System):
    """MACIL-SD. Recipe: Adam 4e-4 (`visual_network` a fifth of it), cosine, 50 epochs, batch 128, 200 snippets."""

    uses_audio = True
    learning_rate_shares = {"visual_network.": 0.2}  # noqa: RUF012  (a ClassVar in System)
    epochs_mixed: Tensor
    """How often the visual network was mixed in so far; kept, so that resuming does not do it twice."""

    def __init__(self, *, visual_dim: int, audio_dim: int) -> None:
        super().__init__()
        self.network = MacilSdNetwork(visual_dim, audio_dim)
        self.visual_network = MacilSdVisualNetwork(visual_dim)
        self.contrast_weight = 0.0
        self.register_buffer("epochs_mixed", torch.zeros((), dtype=torch.long))

    def forward(self, visual: Tensor | None, audio: Tensor | None, mask: Tensor) -> Outputs:
        """Score bags or windows; the visual network takes no part."""
        visual_stream, audio_stream = self.network(Bags(visual, audio, mask))
        return Outputs(visual_stream.logits + audio_stream.logits)

    def losses(self, batch: Batch) -> Losses:
        """Each network's MIL loss, and the contrasts with background and with normal snippets."""
        bags, targets = batch.bags, batch.targets
        visual, audio = self.network(bags)
        logits = visual.logits + audio.logits
        found = topk_mean(logits[..., None], bags.mask).squeeze(-1) > 0  # a score over .5
        background, normal = contrasts(visual, audio, bags.mask, found)
        return {
            "anomaly": mean_logit_mil_loss(logits, bags.mask, targets),
            "background_contrast": self.contrast_weight * background,
            "normal_contrast": self.contrast_weight * normal,
            "visual_anomaly": mean_logit_mil_loss(self.visual_network(bags.visual, bags.mask), bags.mask, targets),
        }

    def frozen(self) -> Self:
        """Without the visual network, which only training needs."""
        scoring = super().frozen()
        del scoring.visual_network, scoring.epochs_mixed
        return scoring

    def begin_epoch(self, epoch: int, num_epochs: int) -> None:
        """Raise the contrast's weight, and mix in what the visual network learned in the epoch before."""
        self.contrast_weight = min(CONTRAST_LIMIT, CONTRAST_RAMP * (epoch - 1))
        done = epoch - 1
        if done > int(self.epochs_mixed):
            self._mix(momentum(done, num_epochs))
            self.epochs_mixed.fill_(done)

    @torch.no_grad()
    def _mix(self, kept: float) -> None:
        for name, visual in self.visual_network.named_parameters():
            self.network.get_parameter(name).lerp_(visual, 1.0 - kept)


def momentum(epochs_done: int, num_epochs: int) -> float:
    """Cosine from FIRST_MOMENTUM after the first epoch towards 1."""
    return 1.0 + 0.5 * (FIRST_MOMENTUM - 1.0) * (1.0 + math.cos(math.pi * (epochs_done - 1) / num_epochs))


def contrasts(visual: Stream, audio: Stream, mask: Tensor, found: Tensor) -> tuple[Tensor, Tensor]:
    """InfoNCE between anomalous visual and audio features, against background and against normal snippets.

    A pair is the mean visual and the mean audio feature of the top-k snippets of each, in a bag found anomalous.
    Background is the lowest k snippets of all bags; normal, the top-k snippets of the bags not found anomalous.

    Args:
        visual, audio: of the same bags.
        mask: [B, T] bool
        found: [B] bool, which bags the network finds anomalous.

    Returns:
        Against background, and against normal: sums over both directions; 0 where all bags or none are found anomalous.
    """
    if found.all() or not found.any():
        return mask.new_zeros((), dtype=torch.float32), mask.new_zeros((), dtype=torch.float32)
    look, sound = (_mean_of(stream.features, topk_mask(stream.logits, mask))[found] for stream in (visual, audio))
    num_picks = topk_mask(visual.logits, mask).sum(dim=1)[found]  # a bag counts k times, as in the authors' code

    def against(visual_negatives: Tensor, audio_negatives: Tensor) -> Tensor:
        of_visual = info_nce(sound, look, visual_negatives, num_picks)
        return of_visual + info_nce(look, sound, audio_negatives, num_picks)

    lowest = [stream.features[topk_mask(-stream.logits, mask)] for stream in (visual, audio)]
    normal = [stream.features[topk_mask(stream.logits, mask) & ~found[:, None]] for stream in (visual, audio)]
    return against(*lowest), against(*normal)


def info_nce(queries: Tensor, positives: Tensor, negatives: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean of -ln of the softmax share of each query's own positive among it and all negatives.

    Args:
        queries, positives: [N, D], row by row a pair.
        negatives: [M, D]
        weights: [N]
    """
    queries, positives, negatives = (functional.normalize(rows, dim=-1) for rows in (queries, positives, negatives))
    own = (queries * positives).sum(dim=-1, keepdim=True)
    logits = torch.cat([own, queries @ negatives.T], dim=1) / TEMPERATURE
    return -(weights * logits.log_softmax(dim=1)[:, 0]).sum() / weights.sum()


def _mean_of(rows: Tensor, mask: Tensor) -> Tensor:
    """[B, T, D] and [B, T] bool to [B, D]."""
    return (rows * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)
