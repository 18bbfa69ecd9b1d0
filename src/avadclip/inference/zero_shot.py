"""Scores without any training: frozen CLIP and Wav2CLIP features, or named sounds, against class words.

The untrained floor that trained models are compared with, and a way to search with free words. Its scores sit close
together and are not calibrated: it raises no alarms.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from avadclip.encoders.base import SoundTags, TextEncoder
from avadclip.errors import ConfigError
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


def zero_shot_scores(parts: Sequence[NDArray[np.float32]]) -> SnippetScores:
    """The mean of the class probabilities [T, C] of picture and sound; the anomaly score is 1 - p(normal)."""
    probabilities: NDArray[np.float32] = np.mean(parts, axis=0)
    return SnippetScores((1.0 - probabilities[:, 0]).clip(0.0, 1.0), probabilities)


def by_text(rows: NDArray[np.float32], class_vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Class probabilities [T, C] from cosines.

    Args:
        rows: [T, D], of an encoder that shares the text's space.
        class_vectors: [C, D], unit length.
    """
    return _softmax(_unit(rows) @ class_vectors.T / TEMPERATURE)


def by_sound(tags: SoundTags, class_sounds: Sequence[Sequence[str]]) -> NDArray[np.float32]:
    """Class probabilities [T, C] from named sounds: that of an anomaly class is its most probable sound's.

    Args:
        tags: of T snippets.
        class_sounds: the names of each anomaly class's sounds, C - 1; an empty one is never heard.
    """
    anomaly = np.stack([tags.probability_of(names) for names in class_sounds], axis=1)
    columns = np.column_stack([1.0 - anomaly.max(axis=1), anomaly])
    shares: NDArray[np.float32] = columns / columns.sum(axis=1, keepdims=True)
    return shares


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=-1, keepdims=True).clip(1e-12)
    return unit


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: NDArray[np.float32] = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return shares
