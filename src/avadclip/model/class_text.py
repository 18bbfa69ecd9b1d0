"""Class features X_c: prompts learned around the class words, vectors learned freely, or a constant after training."""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from avadclip.errors import ConfigError
from avadclip.model.prompts import CONTEXT_TOKENS, PROMPT_TOKENS, LearnedPrompts


class PromptEncoder(Protocol):
    """CLIP's frozen text encoder (encoders.clip_text.ClipTextEncoder)."""

    clip: Any
    """Gives `token_embedding` and `encode_text_embeddings`."""
    tokenizer: Any
    """Gives `word_ids`, `sos` and `eot`."""


class LearnedClassVectors(nn.Module):
    """X_c learned freely, one vector per class: for encoders that have no text tower."""

    def __init__(self, num_classes: int, embed_dim: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.randn(num_classes, embed_dim))

    def forward(self) -> Tensor:
        """[C, D]."""
        return self.vectors


class FixedClassVectors(nn.Module):
    """X_c as training left it, whatever it came from; its state dict is that of LearnedClassVectors."""

    vectors: Tensor

    def __init__(self, vectors: Tensor) -> None:
        super().__init__()
        self.register_buffer("vectors", vectors)

    def forward(self) -> Tensor:
        """[C, D]."""
        return self.vectors


class PromptedClassText(nn.Module):
    """Learned prompts through CLIP's frozen text tower; computed once per step."""

    start_of_text: Tensor
    end_of_text: Tensor

    def __init__(self, classes: Sequence[str], text: PromptEncoder, *, prompt_tokens: int = PROMPT_TOKENS) -> None:
        super().__init__()
        # In a tuple, so that the frozen tower is no part of the trained state.
        self._tower = (text.clip,)
        tokenizer = text.tokenizer
        longest = CONTEXT_TOKENS - 2 * prompt_tokens - 2  # beside learned vectors, SOS and EOT
        words = [torch.tensor(_word_ids(word, text, longest)) for word in classes]
        with torch.no_grad():
            self._words = [text.clip.token_embedding(word) for word in words]
            ends = text.clip.token_embedding(torch.tensor([tokenizer.sos, tokenizer.eot]))
        self.register_buffer("start_of_text", ends[0], persistent=False)
        self.register_buffer("end_of_text", ends[1], persistent=False)
        self.prompts = LearnedPrompts(ends.shape[-1], prompt_tokens=prompt_tokens)

    def forward(self) -> Tensor:
        """X_c, [C, 512], not normalised."""
        tower = self._tower[0].to(self.start_of_text.device)
        words = [word.to(self.start_of_text.device) for word in self._words]
        embeddings, end_positions = self.prompts(words, self.start_of_text, self.end_of_text)
        class_features: Tensor = tower.encode_text_embeddings(embeddings, end_positions)
        return class_features


def _word_ids(word: str, text: PromptEncoder, longest: int) -> list[int]:
    ids: list[int] = text.tokenizer.word_ids(word)
    if len(ids) > longest:
        raise ConfigError(f"class {word!r} has {len(ids)} tokens, its prompt has room for {longest}; shorten it")
    return ids


def build_class_text(
    classes: Sequence[str], embed_dim: int, text: PromptEncoder | None, *, prompt_tokens: int = PROMPT_TOKENS
) -> nn.Module:
    """Learned prompts around the class words with a text encoder, learned vectors without one."""
    if text is None:
        return LearnedClassVectors(len(classes), embed_dim)
    return PromptedClassText(classes, text, prompt_tokens=prompt_tokens)
