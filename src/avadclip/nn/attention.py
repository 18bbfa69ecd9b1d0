"""Feed-forward and windowed self-attention blocks, pre-LN as in CLIP."""

from torch import Tensor, nn
from torch.nn import functional


class QuickGelu(nn.Module):
    """CLIP's approximation of GELU, x * sigmoid(1.702 x)."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return functional.silu(1.702 * x) / 1.702  # silu(z) = z * sigmoid(z), in one pass


class FeedForward(nn.Module):
    """Linear(D, 4D), QuickGELU, Linear(4D, D)."""

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.expand = nn.Linear(embed_dim, 4 * embed_dim)
        self.activation = QuickGelu()
        self.contract = nn.Linear(4 * embed_dim, embed_dim)

    def forward(self, x: Tensor) -> Tensor:
        """[.., D] to [.., D]."""
        contracted: Tensor = self.contract(self.hidden(x))
        return contracted

    def hidden(self, x: Tensor) -> Tensor:
        """QuickGELU(Linear(D, 4D)), [.., D] to [.., 4D]."""
        activated: Tensor = self.activation(self.expand(x))
        return activated


class LocalAttentionBlock(nn.Module):
    """Transformer block whose snippets attend only within their own stretch of `attention_window` snippets.

    Stretches are laid from snippet 0 on, so the attention mask is block-diagonal (VadCLIP's local module). The
    stretches are folded into the batch instead of masked out: cost grows with T * attention_window, not T squared.
    """

    def __init__(self, *, embed_dim: int, attention_window: int) -> None:
        super().__init__()
        self.attention_window = attention_window
        self.norm_attention = nn.LayerNorm(embed_dim)
        self.query_key_value = nn.Linear(embed_dim, 3 * embed_dim)
        self.attention_out = nn.Linear(embed_dim, embed_dim)
        self.norm_feed_forward = nn.LayerNorm(embed_dim)
        self.feed_forward = FeedForward(embed_dim)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """x: [B, T, D]; valid: [B, T] bool, padding is never attended to. Returns [B, T, D]."""
        x = x + self._attend(self.norm_attention(x), valid)
        residual: Tensor = self.feed_forward(self.norm_feed_forward(x))
        return x + residual

    def _attend(self, x: Tensor, valid: Tensor) -> Tensor:
        batch, length, dim = x.shape
        window = min(self.attention_window, length)
        num_stretches = -(-length // window)
        missing = num_stretches * window - length
        stretches = functional.pad(x, (0, 0, 0, missing)).reshape(batch * num_stretches, window, dim)
        keys_valid = functional.pad(valid, (0, missing)).reshape(batch * num_stretches, 1, window)
        # A stretch of padding alone would give a softmax over nothing; what it attends to is never read.
        mask = keys_valid | ~keys_valid.any(dim=-1, keepdim=True)
        query, key, value = self.query_key_value(stretches).chunk(3, dim=-1)
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        attended = attended.reshape(batch, num_stretches * window, dim)[:, :length]
        out: Tensor = self.attention_out(attended)
        return out
