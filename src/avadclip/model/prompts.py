"""Prompts: learned vectors around the class words, and the audio-visual prompt added to the class features."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from avadclip.model.attention import FeedForward

CONTEXT_TOKENS = 77  # positions of CLIP's text tower
PROMPT_TOKENS = 10  # learned vectors before the class word, and as many after it, in AVadCLIP


class LearnedPrompts(nn.Module):
    """Learned vectors before and after each class word, as many on either side, shared by the classes (method, part 5).

    One table holds a vector per text position; with ten, a class of n word tokens reads rows 1..10 before and
    11+n..20+n after its words. Positions behind EOT cannot reach it through the causal mask and are not built.
    """

    def __init__(self, token_dim: int, *, prompt_tokens: int = PROMPT_TOKENS) -> None:
        super().__init__()
        self.prompt_tokens = prompt_tokens
        self.table = nn.Parameter(torch.randn(CONTEXT_TOKENS, token_dim) * 0.01)

    def forward(self, words: list[Tensor], start_of_text: Tensor, end_of_text: Tensor) -> tuple[Tensor, Tensor]:
        """Build the token embeddings the frozen text tower runs on.

        Args:
            words: per class, the frozen embeddings of its word tokens, [n, token_dim].
            start_of_text: frozen embedding, [token_dim].
            end_of_text: frozen embedding, [token_dim].

        Returns:
            Embeddings [C, L, token_dim] with L the longest class, and the position of EOT per class, [C].
        """
        after = 1 + self.prompt_tokens
        length = max(len(word) for word in words) + 2 * self.prompt_tokens + 2
        rows, ends = [], []
        for word in words:
            end = after + len(word) + self.prompt_tokens
            parts = [
                start_of_text[None],
                self.table[1:after],
                word,
                self.table[after + len(word) : end],
                end_of_text[None],
                self.table[end + 1 : length],
            ]
            rows.append(torch.cat(parts))
            ends.append(end)
        return torch.stack(rows), torch.tensor(ends, device=self.table.device)


class AudioVisualPrompt(nn.Module):
    """Add the video's features, pooled by anomaly score, to every class feature (eq. 4-7)."""

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.feed_forward = FeedForward(embed_dim)

    def pool(self, features: Tensor, anomaly_logits: Tensor, mask: Tensor) -> Tensor:
        """Sum of the features weighted by their anomaly scores, A^T X_av, before normalisation (eq. 4).

        Sums over the windows of a long video add up to the sum over the video.

        Args:
            features: [B, T, D]
            anomaly_logits: [B, T]
            mask: [B, T] bool

        Returns:
            [B, D]
        """
        return torch.einsum("bt,btd->bd", anomaly_logits.sigmoid() * mask, features)

    def forward(self, class_features: Tensor, pooled: Tensor) -> Tensor:
        """X_cp = X_c + FFN(X_c + X_mp), X_mp = S_p X_p, S_p = softmax over classes of X_c X_p^T (eq. 5-7).

        Args:
            class_features: X_c, [C, D].
            pooled: what `pool` gave, [B, D].

        Returns:
            [B, C, D]
        """
        video_prompt = functional.normalize(pooled, dim=-1)  # X_p
        similarity = (video_prompt @ class_features.T).softmax(dim=-1)  # S_p, [B, C]
        mixed = similarity[..., None] * video_prompt[:, None, :]  # X_mp
        conditioned: Tensor = class_features + self.feed_forward(class_features + mixed)
        return conditioned


class PlainPrompt(nn.Module):
    """X_cp = X_c: the row "prompt off" of the ablations."""

    def pool(self, features: Tensor, anomaly_logits: Tensor, mask: Tensor) -> Tensor:
        """Zeros, [B, D]: nothing of the video is needed."""
        del anomaly_logits, mask
        return features.new_zeros(features.shape[0], features.shape[2])

    def forward(self, class_features: Tensor, pooled: Tensor) -> Tensor:
        """class_features [C, D] for every bag, [B, C, D]."""
        return class_features.expand(pooled.shape[0], -1, -1)
