import math

import numpy as np
import pytest

from avadclip.encoders.base import SoundTags
from avadclip.errors import ConfigError
from avadclip.inference.scoring import SnippetScores
from avadclip.inference.zero_shot import by_sound, by_text, check_classes, encode_classes, zero_shot_scores


class FakeText:
    """One axis per phrase, of any length."""

    def __init__(self) -> None:
        self.phrases: list[str] = []

    def encode_words(self, phrases) -> np.ndarray:
        self.phrases = list(phrases)
        return np.diag(np.arange(2, 2 + len(self.phrases))).astype(np.float32)


def scores_of(rows: list[list[float]], class_vectors: np.ndarray) -> SnippetScores:
    return zero_shot_scores([by_text(np.array(rows, np.float32), class_vectors)])


def test_classes_become_phrases_and_unit_vectors() -> None:
    text = FakeText()
    np.testing.assert_array_equal(encode_classes(("normal", "car accident"), text), np.eye(2, dtype=np.float32))
    assert text.phrases == ["a video of normal", "a video of car accident"]


def test_scores_by_hand() -> None:
    scores = scores_of([[3.0, 4.0], [0.02, 0.02]], np.eye(2, dtype=np.float32))
    normal = 1 / (1 + math.exp((0.8 - 0.6) / 0.01))
    np.testing.assert_allclose(scores.class_probabilities[0], [normal, 1 - normal], atol=1e-6)
    np.testing.assert_allclose(scores.class_probabilities[1], [0.5, 0.5], atol=1e-5)
    np.testing.assert_allclose(scores.anomaly_scores, 1 - scores.class_probabilities[:, 0], atol=1e-7)


def test_picture_and_sound_are_averaged() -> None:
    picture, sound = np.array([[0.2, 0.8]], np.float32), np.array([[0.6, 0.4]], np.float32)
    scores = zero_shot_scores([picture, sound])
    np.testing.assert_allclose(scores.class_probabilities, [[0.4, 0.6]], atol=1e-6)
    np.testing.assert_allclose(scores.anomaly_scores, [0.6], atol=1e-6)


def test_named_sounds_score_the_classes_that_they_name() -> None:
    tags = SoundTags(
        ("Dog", "Explosion", "Boom"),
        np.array([[0, 1], [2, 1]], np.uint16),
        np.array([[0.5, 0.25], [0.75, 0.5]], np.float16),
    )
    scores = zero_shot_scores([by_sound(tags, [("Explosion", "Boom"), ()])])
    # Explosion .25, so normal .75; then .75 of Boom beside .25. Nothing names the second class.
    np.testing.assert_allclose(scores.class_probabilities, [[0.75, 0.25, 0.0], [0.25, 0.75, 0.0]], atol=1e-6)


def test_a_row_of_zeros_is_undecided() -> None:
    scores = scores_of([[0.0, 0.0]], np.eye(2, dtype=np.float32))
    np.testing.assert_allclose(scores.class_probabilities, [[0.5, 0.5]])


def test_scores_stay_within_0_and_1() -> None:
    random = np.random.default_rng(0)
    classes = random.normal(size=(5, 16)).astype(np.float32)
    classes /= np.linalg.norm(classes, axis=1, keepdims=True)
    scores = scores_of(random.normal(size=(50, 16)).tolist(), classes)
    assert scores.anomaly_scores.min() >= 0.0
    assert scores.anomaly_scores.max() <= 1.0
    np.testing.assert_allclose(scores.class_probabilities.sum(axis=1), 1.0, atol=1e-5)


def test_class_words_are_trimmed() -> None:
    assert check_classes(["normal", " car accident "]) == ("normal", "car accident")


@pytest.mark.parametrize(
    "classes",
    [[], ["normal"], ["fighting", "normal"], ["normal", ""], ["normal", "riot", "riot"], ["normal", "normal"]],
)
def test_unusable_class_words_are_refused_in_one_line(classes: list[str]) -> None:
    with pytest.raises(ConfigError, match="needed `normal` first") as refused:
        check_classes(classes)
    assert "\n" not in str(refused.value)
