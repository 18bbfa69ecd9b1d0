"""CLIP's tokenizer and text encoder."""

from collections.abc import Iterable
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from avadclip.encoders.base import Identity
from avadclip.encoders.clip import Clip
from avadclip.errors import ConfigError, WeightsError

START_OF_TEXT = "<|startoftext|>"
END_OF_TEXT = "<|endoftext|>"


class ClipTokenizer:
    """CLIP's byte-pair tokenizer, loaded from Hugging Face's tokenizer.json.

    Args:
        path: tokenizer.json

    Raises:
        WeightsError: unreadable, or not CLIP's.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # tokenizers raises nothing more specific
            raise WeightsError(f"{path} cannot be read as a tokenizer ({error}); download it again") from None
        sos, eot = (self._tokenizer.token_to_id(token) for token in (START_OF_TEXT, END_OF_TEXT))
        if sos is None or eot is None:
            raise WeightsError(f"{path} has no {START_OF_TEXT} and {END_OF_TEXT}, needed CLIP's own tokenizer.json")
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.sos: int = sos  # 49406 in CLIP
        self.eot: int = eot  # 49407

    def word_ids(self, phrase: str) -> list[int]:
        """Token ids of a word or phrase, without SOS and EOT.

        Raises:
            ConfigError: the phrase is empty.
        """
        ids: list[int] = self._tokenizer.encode(phrase, add_special_tokens=False).ids
        if not ids:
            raise ConfigError(f"{phrase!r} contains no word, needed at least one; give each class a name")
        return ids


class ClipTextEncoder:
    """Encoder of phrases (SOS, words, EOT) with the frozen text tower; its parts are also used by learned prompts."""

    def __init__(self, clip: Clip, tokenizer: ClipTokenizer, *, device: str = "cpu") -> None:
        if tokenizer.eot != clip.config.vocabulary - 1:
            raise WeightsError(
                f"the tokenizer ends texts with id {tokenizer.eot}, CLIP with {clip.config.vocabulary - 1};"
                " use the tokenizer.json that belongs to the weights"
            )
        self.clip = clip.to(device)
        self.tokenizer = tokenizer
        self.dim = clip.config.embed_dim
        self._device = device

    @torch.inference_mode()
    def encode_words(self, phrases: Iterable[str]) -> NDArray[np.float32]:
        """See TextEncoder.

        Raises:
            ConfigError: a phrase is empty, or longer than CLIP's limit.
        """
        sequences = [self._with_ends(phrase) for phrase in phrases]
        if not sequences:
            return np.zeros((0, self.dim), np.float32)
        longest = max(map(len, sequences))
        # Padding follows the EOT of the shorter ones and has no effect.
        ids = torch.tensor([[*ids, *[self.tokenizer.eot] * (longest - len(ids))] for ids in sequences])
        end_positions = torch.tensor([len(ids) - 1 for ids in sequences])
        embeddings = self.clip.token_embedding(ids.to(self._device))
        features = self.clip.encode_text_embeddings(embeddings, end_positions.to(self._device))
        return cast(NDArray[np.float32], features.cpu().numpy())

    def identity(self) -> Identity:
        """See Identity."""
        sha256 = self.clip.sha256("text_model.", "text_projection.")
        return {"name": "clip", "weights_sha256": sha256, "precision": "fp32"}

    def _with_ends(self, phrase: str) -> list[int]:
        ids = [self.tokenizer.sos, *self.tokenizer.word_ids(phrase), self.tokenizer.eot]
        limit = self.clip.config.num_positions
        if len(ids) > limit:
            raise ConfigError(f"{phrase!r} has {len(ids) - 2} tokens, CLIP's limit is {limit - 2}; shorten it")
        return ids
