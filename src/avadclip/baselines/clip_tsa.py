"""CLIP-TSA: RTFM on the snippets that a learned, differentiable top-k selects.

Joo et al., "CLIP-TSA: CLIP-Assisted Temporal Self-Attention for Weakly-Supervised Video Anomaly Detection", ICIP 2023,
arXiv 2212.05136. From the authors' code: a sigmoid ends the selection's scores; a snippet keeps its place and is
weighted by the share of draws that select it, so that every snippet has a score; the classifier's hidden layers have a
quarter of RTFM's width. Decided here: in a test nothing is drawn, the k best count in full and the others not at all;
of the Jacobian's two estimates, equal in expectation, that of Berthet et al. (2020) is taken, the code's transposed.
"""

import torch
from torch import Tensor, nn

from avadclip.baselines.rtfm import MagnitudeNetwork, MagnitudeSystem, ScoredFeatures
from avadclip.model.losses import largest_mask
from avadclip.model.projection import build_projection

WIDTH = 512  # D, that of CLIP's features
HIDDEN_DIMS = (128, 32)
SELECTION_DIM = 256
NUM_DRAWS = 100
SIGMA = 0.05  # deviation of the noise on the selection's scores, which lie within [0, 1]


class ClipTsa(MagnitudeSystem):
    """CLIP-TSA. Recipe: Adam 1e-3, weight decay 5e-3, 4000 steps of 16 normal and 16 anomalous bags of 32 snippets."""

    def __init__(self, *, visual_dim: int) -> None:
        super().__init__()
        self.visual_projection = build_projection(visual_dim, WIDTH)
        self.select = TokenSelection(WIDTH)
        self.network = MagnitudeNetwork(WIDTH, hidden_dims=HIDDEN_DIMS)

    def _score(self, visual: Tensor | None, mask: Tensor) -> ScoredFeatures:
        selected = self.select(self.visual_projection(visual), mask)
        scored: ScoredFeatures = self.network(selected, mask)
        return scored


class TokenSelection(nn.Module):
    """Weight every snippet by how surely it is among the best nine in ten of its bag, at least one."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.score = nn.Sequential(nn.Linear(dim, SELECTION_DIM), nn.ReLU(), nn.Linear(SELECTION_DIM, 1), nn.Sigmoid())

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x: [B, T, D]; mask: [B, T] bool. Returns [B, T, D], zero in padding."""
        scores = self.score(x).squeeze(-1)
        k = (9 * mask.sum(dim=1, keepdim=True) // 10).clamp(min=1)
        if self.training:
            weights = perturbed_topk(scores, mask, k, num_draws=NUM_DRAWS, sigma=SIGMA)
        else:
            weights = largest_mask(scores, mask, k).to(x.dtype)
        return x * weights[..., None]


def perturbed_topk(scores: Tensor, mask: Tensor, k: Tensor, *, num_draws: int, sigma: float) -> Tensor:
    """Share of draws of Gaussian noise on the scores in which a snippet is one of the k best of its bag.

    Gradients are those of the expected share, as estimated by the same draws (Berthet et al., 2020).

    Args:
        scores: [B, T]
        mask: [B, T] bool; padding is never selected.
        k: [B, 1], at least 1.
        num_draws: more make values and gradients less random.
        sigma: standard deviation of the noise.

    Returns:
        [B, T], rows sum to k.
    """
    noise = torch.randn(len(scores), num_draws, scores.shape[1], device=scores.device, dtype=scores.dtype)
    noise = noise * mask[:, None, :]
    selected = largest_mask(scores.detach()[:, None, :] + sigma * noise, mask[:, None, :], k[:, None, :])
    # Each is 1; its gradient, noise / sigma, is that of the logarithm of the draw's likelihood as the scores move.
    weights = 1.0 + torch.einsum("bnt,bt->bn", noise, scores - scores.detach()) / sigma
    return torch.einsum("bnt,bn->bt", selected.to(scores.dtype), weights) / num_draws
