"""Scores without any training: frozen CLIP and Wav2CLIP features against class words.

The untrained floor that trained models are compared with, and a way to search with free words. Its scores sit close
together and are not calibrated: it raises no alarms.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from avadclip.encoders.base import TextEncoder
from avadclip.errors import ConfigError
from avadclip.features.snippets import SnippetFeatures
from avadclip.inference.scoring import SnippetScores
from avadclip.labels import NORMAL

PHRASE = "a video of {word}"
TEMPERATURE = 0.01  # CLIP's own, 1 / exp(logit_scale)


def check_classes(classes: Sequence[str]) -> tuple[str, ...]:
    """Class words as a detector needs them: `normal` first, at least one other, none twice; raises ConfigError."""
    words = tuple(word.strip() for word in classes)
    if len(words) < 2 or words[0] != NORMAL or "" in words or len(set(words)) < len(words):
        raise ConfigError(
            f"classes are {', '.join(words) or 'none'}; needed `{NORMAL}` first, then one or more others, each once, "
            'as in --classes "normal,fighting,explosion"'
        )
    return words


def encode_classes(classes: Sequence[str], encoder: TextEncoder) -> NDArray[np.float32]:
    """Text features of the class words, [C, D], unit length."""
    return _unit(encoder.encode_words(PHRASE.format(word=word) for word in classes))


def zero_shot_scores(features: SnippetFeatures, class_vectors: NDArray[np.float32]) -> SnippetScores:
    """Class probabilities from cosines, averaged over picture and sound; the anomaly score is 1 - p(normal).

    Args:
        features: of encoders that share the text's space; sound is used where there is any.
        class_vectors: [C, D], unit length.
    """
    rows = [features.visual[0]]
    if features.has_usable_sound and features.audio is not None:
        rows.append(features.audio)
    probabilities = np.mean([_softmax(_unit(row) @ class_vectors.T / TEMPERATURE) for row in rows], axis=0)
    return SnippetScores((1.0 - probabilities[:, 0]).clip(0.0, 1.0), probabilities)


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=-1, keepdims=True).clip(1e-12)
    return unit


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: NDArray[np.float32] = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return shares
