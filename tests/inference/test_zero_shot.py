import math

import numpy as np
import pytest

from avadclip.errors import ConfigError
from avadclip.features.snippets import SnippetFeatures
from avadclip.inference.zero_shot import check_classes, encode_classes, zero_shot_scores


class FakeText:
    """One axis per phrase, of any length."""

    def __init__(self) -> None:
        self.phrases: list[str] = []

    def encode_words(self, phrases) -> np.ndarray:
        self.phrases = list(phrases)
        return np.diag(np.arange(2, 2 + len(self.phrases))).astype(np.float32)


def features(visual: list[list[float]], audio: list[list[float]] | None = None, *, silent: bool = False):
    sound = None if audio is None else np.array(audio, np.float32)
    return SnippetFeatures(np.array([visual], np.float32), sound, 1.0, provenance=None, sound_is_silent=silent)


def test_classes_become_phrases_and_unit_vectors() -> None:
    text = FakeText()
    np.testing.assert_array_equal(encode_classes(("normal", "car accident"), text), np.eye(2, dtype=np.float32))
    assert text.phrases == ["a video of normal", "a video of car accident"]


def test_scores_by_hand() -> None:
    scores = zero_shot_scores(features([[3.0, 4.0], [0.02, 0.02]]), np.eye(2, dtype=np.float32))
    normal = 1 / (1 + math.exp((0.8 - 0.6) / 0.01))
    np.testing.assert_allclose(scores.class_probabilities[0], [normal, 1 - normal], atol=1e-6)
    np.testing.assert_allclose(scores.class_probabilities[1], [0.5, 0.5], atol=1e-5)
    np.testing.assert_allclose(scores.anomaly_scores, 1 - scores.class_probabilities[:, 0], atol=1e-7)


def test_picture_and_sound_are_averaged_where_there_is_something_to_hear() -> None:
    classes = np.eye(2, dtype=np.float32)
    picture, sound = [[1.0, 0.99]], [[0.99, 1.0]]
    seen = zero_shot_scores(features(picture), classes).class_probabilities
    heard = zero_shot_scores(features(sound), classes).class_probabilities
    both = zero_shot_scores(features(picture, sound), classes).class_probabilities
    np.testing.assert_allclose(both, (seen + heard) / 2, atol=1e-6)
    silent = zero_shot_scores(features(picture, sound, silent=True), classes).class_probabilities
    np.testing.assert_array_equal(silent, seen)


def test_a_row_of_zeros_is_undecided() -> None:
    scores = zero_shot_scores(features([[0.0, 0.0]]), np.eye(2, dtype=np.float32))
    np.testing.assert_allclose(scores.class_probabilities, [[0.5, 0.5]])


def test_scores_stay_within_0_and_1() -> None:
    random = np.random.default_rng(0)
    classes = random.normal(size=(5, 16)).astype(np.float32)
    classes /= np.linalg.norm(classes, axis=1, keepdims=True)
    scores = zero_shot_scores(features(random.normal(size=(50, 16)).tolist()), classes)
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
