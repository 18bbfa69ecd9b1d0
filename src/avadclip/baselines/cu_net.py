"""CU-Net (CUPL): pseudo-labels of heads that must differ, then self-training on the snippets they are sure of.

Zhang et al., "Exploiting Completeness and Uncertainty of Pseudo Labels for Weakly Supervised Video Anomaly Detection",
CVPR 2023. Re-implemented from the paper's description. Decided here:
- both stages are layers 512-32-1 with dropout .6 over picture and sound side by side; three heads in the first stage,
  one in the second;
- first stage: every head's MIL loss, .1 of the mean cosine between the heads' scores of an anomalous bag, which pushes
  them to different snippets, and .1 of how far their mean scores lie apart, so that none does it by falling silent;
- the first half of the epochs is the first stage; the rest, three rounds of self-training. In every round a frozen
  labeller (first the heads, then the classifier as the round before left it) gives the labels: its mean over
  dropout, stretched to [0, 1] within an anomalous bag, 0 in a normal one;
- a pass under dropout is one draw of channels of the last layer, the same for all snippets;
- reliable is all of a normal bag, and of an anomalous one the half that varies least under dropout, taken apart of the
  snippets labelled .5 or more and of the others: scores near 0 vary less, and one half of all would hold no anomaly;
- labels are given batch by batch: the labeller's weights do not change within a round.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from avadclip.model.base import Bags, Batch, Losses, Outputs, System
from avadclip.model.losses import mean_logit_mil_loss

INNER_DIM, HIDDEN_DIM = 512, 32
NUM_HEADS = 3
DROPOUT = 0.6
NUM_PASSES = 20  # under dropout, to see how sure the labeller is
RELIABLE_SHARE = 0.5  # of the snippets labelled anomalous, and of those labelled normal, in an anomalous bag
DIVERSITY_WEIGHT = BALANCE_WEIGHT = 0.1
NUM_ROUNDS = 3  # of self-training


class Head(nn.Module):
    """Layers 512-32-1 with dropout before each."""

    def __init__(self) -> None:
        super().__init__()
        self.narrow = nn.Linear(INNER_DIM, HIDDEN_DIM)
        self.out = nn.Linear(HIDDEN_DIM, 1)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, 512] to anomaly logits, [B, T]."""
        logits: Tensor = self.out(self.dropout(functional.relu(self.narrow(self.dropout(x)))))
        return logits.squeeze(-1)

    def passes(self, x: Tensor) -> Tensor:
        """Anomaly logits of NUM_PASSES networks that each lack a share of the last layer's channels, [P, B, T]."""
        kept = torch.bernoulli(self.out.weight.new_full((NUM_PASSES, HIDDEN_DIM), 1.0 - DROPOUT)) / (1.0 - DROPOUT)
        logits = functional.relu(self.narrow(x)) @ (kept * self.out.weight).T + self.out.bias  # [B, T, P]
        return logits.movedim(-1, 0)


class Classifier(nn.Module):
    """One layer over a snippet's picture and sound, then heads."""

    def __init__(self, visual_dim: int, audio_dim: int, *, num_heads: int) -> None:
        super().__init__()
        self.visual_in = nn.Linear(visual_dim, INNER_DIM)
        self.audio_in = nn.Linear(audio_dim, INNER_DIM)
        self.heads = nn.ModuleList(Head() for _ in range(num_heads))

    def forward(self, bags: Bags) -> Tensor:
        """Anomaly logits of every head, [B, T, H]."""
        hidden = self._hidden(bags)
        return torch.stack([head(hidden) for head in self.heads], dim=-1)

    @torch.no_grad()
    def passes(self, bags: Bags) -> Tensor:
        """Scores of NUM_PASSES passes under dropout, the heads' logits averaged, [P, B, T]; also in eval mode."""
        hidden = self._hidden(bags)
        return torch.stack([cast(Head, head).passes(hidden) for head in self.heads]).mean(dim=0).sigmoid()

    def _hidden(self, bags: Bags) -> Tensor:
        return functional.relu(self.visual_in(bags.visual) + self.audio_in(bags.audio))


class CuNet(System):
    """CU-Net. Recipe, decided here: Adam 1e-3, 60 epochs, batch 60, 200 snippets."""

    uses_audio = True
    rounds_begun: Tensor
    """Of self-training; 0 in the first stage. Kept, so that a checkpoint knows which stage scores."""

    def __init__(self, *, visual_dim: int, audio_dim: int) -> None:
        super().__init__()
        self.many = Classifier(visual_dim, audio_dim, num_heads=NUM_HEADS)
        self.single = Classifier(visual_dim, audio_dim, num_heads=1)
        self.labeller = Classifier(visual_dim, audio_dim, num_heads=1).requires_grad_(False)
        """The single head as the last round left it; unused in the first round."""
        self.register_buffer("rounds_begun", torch.zeros((), dtype=torch.long))

    def forward(self, visual: Tensor | None, audio: Tensor | None, mask: Tensor) -> Outputs:
        """Score bags or windows by the classifier of the stage that training is in."""
        classifier = self.single if self.rounds_begun else self.many
        return Outputs(classifier(Bags(visual, audio, mask)).mean(dim=-1))

    def losses(self, batch: Batch) -> Losses:
        """The first stage's MIL loss, diversity and balance of the heads, the second's cross-entropy; 0 if not on."""
        of_stage = self._self_training_loss if self.rounds_begun else self._head_losses
        none = batch.targets.new_zeros(())
        return {
            "anomaly": none,
            "diversity": none,
            "balance": none,
            "self_training": none,
            **of_stage(batch.bags, batch.targets),
        }

    def _head_losses(self, bags: Bags, targets: Tensor) -> Losses:
        anomalous = targets[:, 1:].sum(dim=1) > 0
        logits = self.many(bags)
        scores, mask = logits.sigmoid()[anomalous], bags.mask[anomalous]
        heads = [mean_logit_mil_loss(head, bags.mask, targets) for head in logits.unbind(dim=-1)]
        return {
            "anomaly": torch.stack(heads).mean(),
            "diversity": DIVERSITY_WEIGHT * head_similarity(scores, mask),
            "balance": BALANCE_WEIGHT * head_imbalance(scores, mask),
        }

    def _self_training_loss(self, bags: Bags, targets: Tensor) -> Losses:
        anomalous = targets[:, 1:].sum(dim=1) > 0
        labeller = self.many if self.rounds_begun == 1 else self.labeller
        labels, reliable = pseudo_labels(labeller.passes(bags), bags.mask, anomalous)
        logits = self.single(bags).squeeze(-1)
        return {"self_training": functional.binary_cross_entropy_with_logits(logits[reliable], labels[reliable])}

    def begin_epoch(self, epoch: int, num_epochs: int) -> None:
        """Begin the round of self-training that is due; the classifier so far labels it, but for the first one."""
        due = round_of(epoch, num_epochs)
        if due > int(self.rounds_begun):
            self.labeller.load_state_dict(self.single.state_dict())
            self.rounds_begun.fill_(due)


def round_of(epoch: int, num_epochs: int) -> int:
    """The round of self-training that an epoch (from 1) belongs to; 0 in the first stage, the first half of all."""
    first_stage = -(-num_epochs // 2)
    if epoch <= first_stage:
        return 0
    return 1 + (epoch - first_stage - 1) * NUM_ROUNDS // (num_epochs - first_stage)


def head_similarity(scores: Tensor, mask: Tensor) -> Tensor:
    """Mean cosine between the scores of every two heads, each active as a vector over the bag; 0 without bags.

    Args:
        scores: [A, T, H], of anomalous bags.
        mask: [A, T] bool
    """
    if not len(scores):
        return scores.new_zeros(())
    unit = functional.normalize(scores * mask[..., None], dim=1)
    cosines = unit.transpose(1, 2) @ unit  # [A, H, H]
    first, second = torch.triu_indices(scores.shape[2], scores.shape[2], offset=1)
    return cosines[:, first, second].mean()


def head_imbalance(scores: Tensor, mask: Tensor) -> Tensor:
    """Mean distance of a head's mean score from the mean over heads, shapes as in head_similarity; 0 without bags."""
    if not len(scores):
        return scores.new_zeros(())
    means = (scores * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)  # [A, H]
    return (means - means.mean(dim=1, keepdim=True)).abs().mean()


def pseudo_labels(passes: Tensor, mask: Tensor, anomalous: Tensor) -> tuple[Tensor, Tensor]:
    """What to learn of every snippet, and of which it is reliable.

    Args:
        passes: scores of several passes under dropout, [P, B, T].
        mask: [B, T] bool
        anomalous: [B] bool

    Returns:
        Labels within [0, 1], [B, T], and [B, T] bool, False in padding.
    """
    means, variances = passes.mean(dim=0), passes.var(dim=0)
    low = means.masked_fill(~mask, torch.inf).amin(dim=1, keepdim=True)
    high = means.masked_fill(~mask, -torch.inf).amax(dim=1, keepdim=True)
    tiny = torch.finfo(means.dtype).tiny  # a bag of one level is anomalous all through
    stretched = (means - low + tiny) / (high - low + tiny)
    labelled_anomalous = stretched >= 0.5
    surer = _surer_share(variances, mask & labelled_anomalous) | _surer_share(variances, mask & ~labelled_anomalous)
    anomalous = anomalous[:, None]
    return torch.where(anomalous, stretched, 0.0), torch.where(anomalous, surer, mask)


def _surer_share(variances: Tensor, among: Tensor) -> Tensor:
    """The RELIABLE_SHARE of some snippets of each bag that vary least; all [B, T]."""
    ranks = variances.masked_fill(~among, torch.inf).argsort(dim=1, stable=True).argsort(dim=1)
    return among & (ranks < (RELIABLE_SHARE * among.sum(dim=1, keepdim=True)).ceil())
