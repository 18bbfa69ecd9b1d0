import dataclasses
import weakref
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch.nn import functional

import avadclip.inference.scoring
from avadclip.config import NetworkConfig
from avadclip.features.snippets import SnippetFeatures
from avadclip.inference.networks import build_network
from avadclip.inference.scoring import score_features
from avadclip.model.avadclip import AVadCLIP
from avadclip.model.base import Bags, System

torch.set_num_threads(1)

DIM, CLASSES = 8, ("normal", "fighting", "riot")
KINDS = ["teacher", "visual student", "audio student"]


def make_trained(kind: str = "teacher", *, variant: str = "paper") -> System:
    torch.manual_seed(1)
    config = NetworkConfig(embed_dim=DIM, variant=variant)
    network = build_network(kind, visual_dim=10, audio_dim=6, classes=CLASSES, network=config)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network.frozen()


def make_features(length: int, *, crops: int = 1, sound: bool = True) -> SnippetFeatures:
    random = np.random.default_rng(length)
    visual = random.normal(size=(crops, length, 10)).astype(np.float32)
    audio = random.normal(size=(length, 6)).astype(np.float32) if sound else None
    return SnippetFeatures(visual, audio, length * 2 / 3, provenance=None)


@torch.no_grad()
def scores_by_hand(trained: AVadCLIP, features: SnippetFeatures) -> tuple[torch.Tensor, torch.Tensor]:
    """`paper`: one window after the other, nothing padded; X_p summed over the whole video."""
    network, class_features = trained, trained.class_text()
    windows = []
    for start in range(0, len(features), 256):
        visual = torch.from_numpy(features.visual[:1, start : start + 256])
        audio = torch.from_numpy(features.audio[None, start : start + 256])
        windows.append(network.encode(Bags(visual, audio, torch.ones(visual.shape[:2], dtype=torch.bool))))
    logits = torch.cat([window.anomaly_logits[0] for window in windows])
    rows = torch.cat([window.features[0] for window in windows])
    video = torch.zeros(DIM)
    for logit, row in zip(logits, rows, strict=True):
        video += torch.sigmoid(logit) * row
    video = video / video.norm()
    shares = (class_features @ video).softmax(dim=0)
    words = torch.stack(
        [
            word + network.prompt.feed_forward((word + share * video)[None])[0]
            for word, share in zip(class_features, shares, strict=True)
        ]
    )
    cosines = functional.normalize(rows, dim=-1) @ functional.normalize(words, dim=-1).T
    return logits.sigmoid(), (cosines / 0.07).softmax(dim=-1)


@pytest.mark.parametrize("length", [1, 2, 255, 256, 257, 511, 512, 513, 1300])
def test_a_video_is_scored_in_windows_under_one_prompt_of_the_whole_video(length: int) -> None:
    trained, features = make_trained(), make_features(length)
    found = score_features(trained, features)
    anomaly_scores, class_probabilities = scores_by_hand(trained, features)
    assert found.anomaly_scores.shape == (length,)
    assert found.class_probabilities.shape == (length, len(CLASSES))
    np.testing.assert_allclose(found.anomaly_scores, anomaly_scores.numpy(), rtol=0, atol=1e-5)
    np.testing.assert_allclose(found.class_probabilities, class_probabilities.numpy(), rtol=0, atol=2e-5)
    np.testing.assert_allclose(found.class_probabilities.sum(axis=1), 1.0, atol=1e-5)


@pytest.fixture
def encoded_windows(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[int, int]]]:
    """(number of windows, snippets in each) of every call of the network."""
    calls: list[tuple[int, int]] = []
    encode = AVadCLIP._encode

    def counted(self: AVadCLIP, bags: Bags, active: torch.Tensor) -> object:
        calls.append(tuple(bags.mask.shape))
        return encode(self, bags, active)

    monkeypatch.setattr(AVadCLIP, "_encode", counted)
    return calls


@pytest.mark.parametrize("variant", ["paper", "released"])
@pytest.mark.parametrize(("length", "num_windows"), [(1, 1), (255, 1), (256, 1), (257, 2), (512, 2), (1025, 5)])
def test_there_are_exactly_as_many_windows_as_needed(
    encoded_windows, variant: str, length: int, num_windows: int
) -> None:
    score_features(make_trained("visual student", variant=variant), make_features(length))
    assert sum(windows for windows, _ in encoded_windows) == num_windows
    widths = {width for _, width in encoded_windows}
    # The release needs its windows whole; otherwise a short video is not padded.
    assert widths == {256 if variant == "released" else min(length, 256)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("variant", ["paper", "released"])
def test_scores_do_not_depend_on_how_many_windows_share_a_pass(monkeypatch, kind: str, variant: str) -> None:
    trained, features = make_trained(kind, variant=variant), make_features(5 * 256 + 30)
    found = []
    for windows_per_pass in (1, 2, 4, 100):
        monkeypatch.setattr(avadclip.inference.scoring, "WINDOWS_PER_PASS", windows_per_pass)
        found.append(score_features(trained, features))
    for other in found[1:]:
        np.testing.assert_allclose(other.anomaly_scores, found[0].anomaly_scores, rtol=0, atol=1e-6)
        np.testing.assert_allclose(other.class_probabilities, found[0].class_probabilities, rtol=0, atol=2e-5)


def test_the_release_prompts_each_window_by_itself() -> None:
    trained, features = make_trained(variant="released"), make_features(512)
    whole = score_features(trained, features)
    for part in (slice(0, 256), slice(256, 512)):
        half = dataclasses.replace(features, visual=features.visual[:, part], audio=features.audio[part])
        alone = score_features(trained, half)
        np.testing.assert_allclose(whole.anomaly_scores[part], alone.anomaly_scores, rtol=0, atol=1e-6)
        np.testing.assert_allclose(whole.class_probabilities[part], alone.class_probabilities, rtol=0, atol=2e-5)


def test_padding_takes_part_in_the_release() -> None:
    features = make_features(40)
    trained = make_trained(variant="released")
    found = score_features(trained, features)
    visual = torch.zeros(1, 256, 10)
    audio = torch.zeros(1, 256, 6)
    visual[0, :40], audio[0, :40] = torch.from_numpy(features.visual[0]), torch.from_numpy(features.audio)
    with torch.no_grad():
        encoded = trained.encode(Bags(visual, audio, torch.arange(256)[None] < 40))
        video = functional.normalize((encoded.anomaly_logits[..., None] * encoded.features).sum(dim=1), dim=-1)[0]
        kept = trained.class_text() + video
        words = kept + trained.prompt.feed_forward(kept)
        cosines = functional.normalize(encoded.features[0, :40], dim=-1) @ functional.normalize(words, dim=-1).T
    expected = (cosines / 0.07).softmax(dim=-1)
    np.testing.assert_allclose(found.anomaly_scores, encoded.anomaly_logits[0, :40].sigmoid().numpy(), atol=1e-6)
    np.testing.assert_allclose(found.class_probabilities, expected.numpy(), rtol=0, atol=2e-5)


def test_any_crop_of_the_set_is_scored() -> None:
    trained, features = make_trained("visual student"), make_features(9, crops=3)
    for crop in range(3):
        single = dataclasses.replace(features, visual=features.visual[crop : crop + 1])
        expected = score_features(trained, single)
        found = score_features(trained, features, crop=crop)
        np.testing.assert_allclose(found.anomaly_scores, expected.anomaly_scores, rtol=0, atol=1e-6)
    assert not np.array_equal(
        score_features(trained, features).anomaly_scores, score_features(trained, features, crop=1).anomaly_scores
    )


def test_scoring_changes_nothing_and_needs_no_gradient() -> None:
    trained, features = make_trained(), make_features(300)
    before = {name: value.clone() for name, value in trained.state_dict().items()}
    visual, audio = features.visual.copy(), features.audio.copy()
    first, second = score_features(trained, features), score_features(trained, features)
    np.testing.assert_allclose(first.class_probabilities, second.class_probabilities, rtol=0, atol=1e-6)
    assert all(torch.equal(value, before[name]) for name, value in trained.state_dict().items())
    np.testing.assert_array_equal(features.visual, visual)
    np.testing.assert_array_equal(features.audio, audio)


def test_a_visual_student_needs_no_sound() -> None:
    trained = make_trained("visual student")
    with_sound = score_features(trained, make_features(20))
    without = score_features(trained, make_features(20, sound=False))
    np.testing.assert_allclose(with_sound.anomaly_scores, without.anomaly_scores, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["visual student", "audio student"])
def test_a_student_scores_the_same_without_its_uncertainty_head(kind: str) -> None:
    trained, headless = make_trained(kind), make_trained(kind)
    assert headless.drop_missing_parts({}) == {}
    assert (trained.has_uncertainty, headless.has_uncertainty) == (True, False)
    for before, after in zip(*(score_features(each, make_features(300)) for each in (trained, headless)), strict=True):
        np.testing.assert_array_equal(before, after)


def test_the_uncertainty_of_a_whole_video_is_never_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = make_trained("visual student")
    kept: list[weakref.ref[torch.Tensor]] = []
    alive_in_the_end: list[bool] = []
    encode, align = AVadCLIP.encode, AVadCLIP._align

    def watched_encode(self: AVadCLIP, bags: Bags):
        encoded = encode(self, bags)
        kept.append(weakref.ref(encoded.log_variance))
        return encoded

    def watched_align(self: AVadCLIP, *arguments):
        alive_in_the_end.extend(reference() is not None for reference in kept)
        return align(self, *arguments)

    monkeypatch.setattr(AVadCLIP, "encode", watched_encode)
    monkeypatch.setattr(AVadCLIP, "_align", watched_align)
    score_features(trained, make_features(3000))
    assert len(kept) == 3
    assert not any(alive_in_the_end)
