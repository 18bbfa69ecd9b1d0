"""How sound joins the picture: the paper's adaptive fusion and the partners it is compared with (Table 5)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from avadclip.config import FusionKind


class AdaptiveFusion(nn.Module):
    """Add an audio-informed residual to the visual features, gated per channel (eq. 1-3).

    W = sigmoid(Linear([Xv; Xa])), Xres = Linear(GELU(Linear([Xv; Xa]))), Xav = Xv + W * Xres.
    """

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.gate = nn.Linear(2 * embed_dim, embed_dim)
        self.residual_in = nn.Linear(2 * embed_dim, embed_dim)
        self.residual_out = nn.Linear(embed_dim, embed_dim)

    @torch.no_grad()
    def start_from_sound(self) -> None:
        """Initial weights for picture and sound of deviation 1: gate and residual read the sound alone.

        By PyTorch's own initial weights the residual is a tenth of the picture, and training leaves the sound unheard.
        """
        embed_dim = len(self.residual_out.weight)
        for layer in (self.gate, self.residual_in):
            layer.weight[:, :embed_dim] = 0.0
        for weight in (self.residual_in.weight[:, embed_dim:], self.residual_out.weight):
            nn.init.normal_(weight, std=embed_dim**-0.5)

    def forward(self, visual: Tensor, audio: Tensor, mask: Tensor) -> Tensor:
        """visual, audio: [B, T, D]; mask is unused here. Returns [B, T, D]."""
        del mask
        both = torch.cat([visual, audio], dim=-1)
        residual = self.residual_out(functional.gelu(self.residual_in(both)))
        fused: Tensor = visual + torch.sigmoid(self.gate(both)) * residual
        return fused


class ConcatFusion(nn.Module):
    """Linear([Xv; Xa])."""

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.project = nn.Linear(2 * embed_dim, embed_dim)

    def forward(self, visual: Tensor, audio: Tensor, mask: Tensor) -> Tensor:
        """visual, audio: [B, T, D]; mask is unused here. Returns [B, T, D]."""
        del mask
        fused: Tensor = self.project(torch.cat([visual, audio], dim=-1))
        return fused


class AdditiveFusion(nn.Module):
    """Xv + Xa."""

    def __init__(self, embed_dim: int) -> None:
        del embed_dim
        super().__init__()

    def forward(self, visual: Tensor, audio: Tensor, mask: Tensor) -> Tensor:
        """visual, audio: [B, T, D]; mask is unused here. Returns [B, T, D]."""
        del mask
        return visual + audio


class CrossAttentionFusion(nn.Module):
    """The picture of every snippet attends to the sound of the whole window; the result is the fused feature."""

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(embed_dim, num_heads=1, batch_first=True)

    def forward(self, visual: Tensor, audio: Tensor, mask: Tensor) -> Tensor:
        """visual, audio: [B, T, D]; mask: [B, T] bool, padding is never attended to. Returns [B, T, D]."""
        attended, _ = self.attention(visual, audio, audio, key_padding_mask=~mask, need_weights=False)
        fused: Tensor = attended
        return fused


class NoFusion(nn.Module):
    """Xav = Xv: the row "fusion off" of the ablations."""

    def __init__(self, embed_dim: int) -> None:
        del embed_dim
        super().__init__()

    def forward(self, visual: Tensor, audio: Tensor, mask: Tensor) -> Tensor:
        """Return visual, [B, T, D]."""
        del audio, mask
        return visual


FUSIONS: dict[FusionKind, type[nn.Module]] = {
    "adaptive": AdaptiveFusion,
    "concat": ConcatFusion,
    "add": AdditiveFusion,
    "cross-attention": CrossAttentionFusion,
    "none": NoFusion,
}
