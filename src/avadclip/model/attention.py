"""Feed-forward and attention blocks: windowed, over everything, of one sequence over another; pre-LN as in CLIP."""

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

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x: [B, T, D]; mask: [B, T] bool, padding is never attended to. Returns [B, T, D]."""
        x = x + self._attend(self.norm_attention(x), mask)
        residual: Tensor = self.feed_forward(self.norm_feed_forward(x))
        return x + residual

    def _attend(self, x: Tensor, mask: Tensor) -> Tensor:
        batch, length, dim = x.shape
        window = min(self.attention_window, length)
        num_stretches = -(-length // window)
        missing = num_stretches * window - length
        stretches = functional.pad(x, (0, 0, 0, missing)).reshape(batch * num_stretches, window, dim)
        keys_mask = functional.pad(mask, (0, missing)).reshape(batch * num_stretches, 1, window)
        # A stretch of padding alone would give a softmax over nothing; what it attends to is never read.
        attended_keys = keys_mask | ~keys_mask.any(dim=-1, keepdim=True)
        query, key, value = self.query_key_value(stretches).chunk(3, dim=-1)
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=attended_keys)
        attended = attended.reshape(batch, num_stretches * window, dim)[:, :length]
        out: Tensor = self.attention_out(attended)
        return out


class MultiHeadAttention(nn.Module):
    """Attention with several heads, of one sequence over another of the same length and width."""

    def __init__(self, dim: int, *, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.dropout = dropout
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim)
        self.value = nn.Linear(dim, dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, query: Tensor, context: Tensor, mask: Tensor) -> Tensor:
        """query, context: [B, T, D]; mask: [B, T] bool, of `context`. Returns [B, T, D]."""
        batch, length, dim = query.shape

        def heads(x: Tensor) -> Tensor:
            return x.view(batch, length, self.num_heads, dim // self.num_heads).transpose(1, 2)

        attended = functional.scaled_dot_product_attention(
            heads(self.query(query)),
            heads(self.key(context)),
            heads(self.value(context)),
            attn_mask=mask[:, None, None, :],
            dropout_p=self.dropout if self.training else 0.0,
        )
        out: Tensor = self.out(attended.transpose(1, 2).reshape(batch, length, dim))
        return out


class AttentionBlock(nn.Module):
    """Transformer block with several heads, in which every snippet attends to all: the block of CLIP's own towers."""

    def __init__(self, dim: int, *, num_heads: int) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(dim)
        self.attention = MultiHeadAttention(dim, num_heads=num_heads, dropout=0.0)
        self.norm_feed_forward = nn.LayerNorm(dim)
        self.feed_forward = FeedForward(dim)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x: [B, T, D]; mask: [B, T] bool, padding is never attended to. Returns [B, T, D]."""
        normed = self.norm_attention(x)
        x = x + self.attention(normed, normed, mask)
        out: Tensor = x + self.feed_forward(self.norm_feed_forward(x))
        return out


class CrossAttentionLayer(nn.Module):
    """Transformer layer in which one sequence attends to another, or to itself; only the query is normalised.

    q' = q + attention(norm(q), k), q'' = q' + Linear(ReLU(Linear(norm(q')))), with dropout on both sums, on the
    attention and behind the ReLU.
    """

    def __init__(self, dim: int, *, num_heads: int, hidden_dim: int, dropout: float) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(dim)
        self.attention = MultiHeadAttention(dim, num_heads=num_heads, dropout=dropout)
        self.norm_feed_forward = nn.LayerNorm(dim)
        self.expand = nn.Linear(dim, hidden_dim)
        self.contract = nn.Linear(hidden_dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, query: Tensor, context: Tensor, mask: Tensor) -> Tensor:
        """query, context: [B, T, D]; mask: [B, T] bool. Returns [B, T, D]."""
        x = query + self.dropout(self.attention(self.norm_attention(query), context, mask))
        hidden = self.dropout(functional.relu(self.expand(self.norm_feed_forward(x))))
        out: Tensor = x + self.dropout(self.contract(hidden))
        return out
