"""Where X_c comes from in training: prompts learned around class words, or vectors learned freely."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from avadclip.encoders.clip_text import ClipTextEncoder
from avadclip.errors import ConfigError
from avadclip.model.prompts import CONTEXT_TOKENS, PROMPT_TOKENS, LearnedClassVectors, LearnedPrompts


class PromptedClassText(nn.Module):
    """Learned prompts through CLIP's frozen text tower; computed once per step."""

    start_of_text: Tensor
    end_of_text: Tensor

    def __init__(self, classes: Sequence[str], encoder: ClipTextEncoder, *, prompt_tokens: int = PROMPT_TOKENS) -> None:
        super().__init__()
        # In a tuple, so that the frozen tower is no part of the trained state.
        self._tower = (encoder.clip,)
        tokenizer = encoder.tokenizer
        longest = CONTEXT_TOKENS - 2 * prompt_tokens - 2  # beside learned vectors, SOS and EOT
        words = [torch.tensor(_word_ids(word, encoder, longest)) for word in classes]
        with torch.no_grad():
            self._words = [encoder.clip.token_embedding(word) for word in words]
            ends = encoder.clip.token_embedding(torch.tensor([tokenizer.sos, tokenizer.eot]))
        self.register_buffer("start_of_text", ends[0], persistent=False)
        self.register_buffer("end_of_text", ends[1], persistent=False)
        self.prompts = LearnedPrompts(ends.shape[-1], prompt_tokens=prompt_tokens)

    def forward(self) -> Tensor:
        """X_c, [C, 512], not normalised."""
        tower = self._tower[0].to(self.start_of_text.device)
        words = [word.to(self.start_of_text.device) for word in self._words]
        embeddings, end_positions = self.prompts(words, self.start_of_text, self.end_of_text)
        return tower.encode_text_embeddings(embeddings, end_positions)


def _word_ids(word: str, encoder: ClipTextEncoder, longest: int) -> list[int]:
    ids = encoder.tokenizer.word_ids(word)
    if len(ids) > longest:
        raise ConfigError(f"class {word!r} has {len(ids)} tokens, its prompt has room for {longest}; shorten it")
    return ids


def build_class_text(
    classes: Sequence[str], embed_dim: int, encoder: ClipTextEncoder | None, *, prompt_tokens: int = PROMPT_TOKENS
) -> nn.Module:
    """Prompts where the encoders have a text tower, free vectors where they have none."""
    if encoder is None:
        return LearnedClassVectors(len(classes), embed_dim)
    return PromptedClassText(classes, encoder, prompt_tokens=prompt_tokens)
