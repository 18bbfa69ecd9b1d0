"""The classification and the alignment branch, and the students' extra layers."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from avadclip.model.attention import FeedForward
from avadclip.model.graph import SnippetConv

TEMPERATURE = 0.07  # tau of the alignment map


class AnomalyClassifier(nn.Module):
    """Classification branch: a = Linear(D, 1)(X + MLP(X))."""

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.feed_forward = FeedForward(embed_dim)
        self.classify = nn.Linear(embed_dim, 1)

    def forward(self, features: Tensor) -> Tensor:
        """[B, T, D] to logits [B, T]; their sigmoid is the anomaly score."""
        # Nothing stands between Linear(4D, D) and Linear(D, 1), so they are multiplied first: one row instead of D.
        row, contract = self.classify.weight, self.feed_forward.contract
        bias = functional.linear(contract.bias, row, self.classify.bias)
        logits = functional.linear(features, row) + functional.linear(
            self.feed_forward.hidden(features), row @ contract.weight, bias
        )
        return logits.squeeze(-1)


def alignment_map(features: Tensor, class_vectors: Tensor) -> Tensor:
    """M = cos(X_av, X_cp) / tau.

    Args:
        features: [B, T, D]
        class_vectors: [B, C, D]

    Returns:
        [B, T, C]; softmax over C gives class probabilities.
    """
    features = functional.normalize(features, dim=-1)
    class_vectors = functional.normalize(class_vectors, dim=-1)
    return features @ class_vectors.transpose(1, 2) / TEMPERATURE


def shared_class_logits(anomaly_logits: Tensor, log_shares: Tensor) -> Tensor:
    """Log-probabilities of p(normal) = 1 - A and p(c) = A times the share of c, A the sigmoid of the anomaly logits.

    Args:
        anomaly_logits: [B, T]
        log_shares: of the anomaly classes, which sum to 1 after exp, [B, T, C - 1].

    Returns:
        [B, T, C]
    """
    normal = functional.logsigmoid(-anomaly_logits)[..., None]
    anomalies = functional.logsigmoid(anomaly_logits)[..., None] + log_shares
    return torch.cat([normal, anomalies], dim=-1)


def normalised(features: Tensor) -> Tensor:
    """Layer norm without weights, [.., D]: mean 0 and deviation 1 over the channels of every snippet."""
    return functional.layer_norm(features, features.shape[-1:])


class EnhancementBlock(nn.Module):
    """x + ReLU(Conv1d(x)), kernel 3: a student has them where the teacher has its second modality."""

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.conv = SnippetConv(embed_dim, embed_dim, kernel=3)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x: [B, T, D]; mask: [B, T] bool, padding is zeroed before the convolution. Returns [B, T, D]."""
        return x + functional.relu(self.conv(x * mask[..., None]))


class UncertaintyHead(nn.Module):
    """theta = ln sigma^2 of a student's distance to its teacher, per snippet and channel.

    theta = body([p; norm(x)]), body = Conv k1, ReLU, Conv k3, Conv k1, the last layer zero at first: sigma = 1. p shows
    how good the picture or sound is, which x, learned to match the teacher, does not. Both are constants here: no
    feature is bent to look certain. This is ours: the released head is -(x + ReLU(body(x))), whose theta ends as -x,
    and L_UKD is then smallest away from the teacher's features.
    """

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.hidden = SnippetConv(2 * embed_dim, embed_dim, kernel=1)
        self.context = SnippetConv(embed_dim, embed_dim, kernel=3)
        self.log_variance = SnippetConv(embed_dim, embed_dim, kernel=1)
        for parameter in self.log_variance.parameters():
            nn.init.zeros_(parameter)

    def forward(self, projected: Tensor, x: Tensor, mask: Tensor) -> Tensor:
        """Predict theta, [B, T, D].

        Args:
            projected: p, features before the temporal model, [B, T, D].
            x: features after it, before the enhancement blocks, [B, T, D].
            mask: [B, T] bool, padding is kept out of every convolution.
        """
        keep = mask[..., None]
        both = torch.cat([projected, normalised(x)], dim=-1).detach()
        hidden = functional.relu(self.hidden(both * keep)) * keep
        log_variance: Tensor = self.log_variance(self.context(hidden))
        return log_variance
