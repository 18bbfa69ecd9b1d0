import dataclasses
import re

import numpy as np
import pytest
import torch

from avadclip.baselines.build import build_system
from avadclip.config import NetworkConfig
from avadclip.encoders.base import Encoders, SoundTags
from avadclip.errors import CheckpointError, ConfigError, FeatureError
from avadclip.events import Modality, SoundRule, Thresholds
from avadclip.features.snippets import Provenance, SnippetFeatures
from avadclip.inference.checkpoint import Checkpoint, CheckpointHeader
from avadclip.inference.networks import BOTH_STUDENTS, build_network
from avadclip.inference.scorers import TrainedScorer, ZeroShotScorer
from avadclip.inference.scoring import score_features
from avadclip.inference.zero_shot import by_text, zero_shot_scores
from avadclip.model.either import BothStudents
from avadclip.timeline import SnippetGrid

torch.set_num_threads(1)

CLASSES = ("normal", "fighting")

SYSTEMS: dict[str, Modality] = {"deep-mil": "visual", "hl-net": "audio-visual"}
KINDS = ("teacher", "visual student", "audio student")
PROVENANCE = Provenance(grid=SnippetGrid(), visual={"name": "lite"}, audio={"name": "log-mel"})


def make_checkpoint(kinds: tuple[str, ...] = KINDS) -> Checkpoint:
    config = NetworkConfig(embed_dim=8)
    torch.manual_seed(0)
    networks = {
        kind: build_network(kind, visual_dim=10, audio_dim=6, classes=CLASSES, network=config).frozen()
        for kind in kinds
    }
    header = CheckpointHeader(
        name="tiny",
        classes=CLASSES,
        encoders="lite-1",
        features=PROVENANCE,
        visual_dim=10,
        audio_dim=6,
        network=config,
        thresholds={kind: Thresholds(0.1 * number, None) for number, kind in enumerate(kinds, 1)},
        selection=dict.fromkeys(kinds, "last"),
        card="",
    )
    return Checkpoint(header, networks)


def make_checkpoint_with_both(kinds: tuple[str, ...] = KINDS, *, default: str | None = None) -> Checkpoint:
    checkpoint = make_checkpoint(kinds)
    header, networks = checkpoint.header, checkpoint.networks
    changes = {
        "thresholds": {**header.thresholds, BOTH_STUDENTS: Thresholds(0.7, None)},
        "selection": {**header.selection, BOTH_STUDENTS: "last"},
        "default": default,
    }
    both = BothStudents(networks["visual student"], networks["audio student"])
    return Checkpoint(header.model_copy(update=changes), {**networks, BOTH_STUDENTS: both})


def make_system_checkpoint(name: str) -> Checkpoint:
    torch.manual_seed(0)
    system = build_system(name, visual_dim=10, audio_dim=6, classes=CLASSES).frozen()
    header = make_checkpoint(("teacher",)).header.model_copy(
        update={"thresholds": {name: Thresholds(0.3, None)}, "selection": {name: "last"}}
    )
    return Checkpoint(header, {name: system})


def scorer_of(checkpoint: Checkpoint, network: str | None = None) -> TrainedScorer:
    return TrainedScorer(checkpoint, device=torch.device("cpu"), network=network)


def make_features(**changes: object) -> SnippetFeatures:
    random = np.random.default_rng(0)
    values: dict[str, object] = {
        "visual": random.normal(size=(1, 7, 10)).astype(np.float32),
        "audio": random.normal(size=(7, 6)).astype(np.float32),
        "duration_seconds": 5.0,
        "provenance": PROVENANCE,
        **changes,
    }
    return SnippetFeatures(**values)


def assert_same(found, expected) -> None:
    np.testing.assert_allclose(found.anomaly_scores, expected.anomaly_scores, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.class_probabilities, expected.class_probabilities, rtol=0, atol=1e-6)


def test_picture_and_sound_are_scored_by_the_teacher_and_both_students() -> None:
    checkpoint, features = make_checkpoint(), make_features()
    verdict = scorer_of(checkpoint).judge(features)
    assert (verdict.network, verdict.modality) == ("teacher", "audio-visual")
    assert verdict.reason == "the file has picture and sound"
    assert verdict.thresholds == checkpoint.header.thresholds["teacher"]
    assert_same(verdict.scores, score_features(checkpoint.networks["teacher"], features))
    assert_same(verdict.visual_scores, score_features(checkpoint.networks["visual student"], features))
    assert_same(verdict.audio_scores, score_features(checkpoint.networks["audio student"], features))


def test_both_students_score_and_each_is_shown() -> None:
    checkpoint, features = make_checkpoint_with_both(default=BOTH_STUDENTS), make_features()
    verdict = scorer_of(checkpoint).judge(features)
    assert (verdict.network, verdict.modality) == ("both students", "audio-visual")
    assert verdict.reason == "the checkpoint's default for picture and sound"
    assert verdict.thresholds == Thresholds(0.7, None)
    assert_same(verdict.scores, score_features(checkpoint.networks[BOTH_STUDENTS], features))
    assert_same(verdict.visual_scores, score_features(checkpoint.networks["visual student"], features))
    assert_same(verdict.audio_scores, score_features(checkpoint.networks["audio student"], features))
    seen, heard = verdict.visual_scores.anomaly_scores, verdict.audio_scores.anomaly_scores
    np.testing.assert_allclose(verdict.scores.anomaly_scores, 1 - (1 - seen) * (1 - heard), atol=1e-6)


def test_both_students_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = make_checkpoint_with_both(default=BOTH_STUDENTS)
    runs = []
    for kind in ("visual student", "audio student"):
        network = checkpoint.networks[kind]

        def encode(bags, *, kind=kind, original=network.encode):
            runs.append(kind)
            return original(bags)

        monkeypatch.setattr(network, "encode", encode)
    scorer_of(checkpoint).judge(make_features())
    assert sorted(runs) == ["audio student", "visual student"]


def test_without_a_default_the_teacher_comes_first_and_then_both_students() -> None:
    assert scorer_of(make_checkpoint_with_both()).judge(make_features()).network == "teacher"
    verdict = scorer_of(make_checkpoint_with_both(KINDS[1:])).judge(make_features())
    assert (verdict.network, verdict.reason) == ("both students", "the file has picture and sound")


def test_a_default_is_for_sound_only() -> None:
    scorer = scorer_of(make_checkpoint_with_both(default=BOTH_STUDENTS))
    verdict = scorer.judge(make_features(sound_is_silent=True))
    assert (verdict.network, verdict.reason) == ("visual student", "the sound track is silent")


def test_a_picture_alone_may_be_the_default() -> None:
    verdict = scorer_of(make_checkpoint_with_both(default="visual student")).judge(make_features())
    assert (verdict.network, verdict.reason) == ("visual student", "the checkpoint's default for picture and sound")
    assert (verdict.visual_scores, verdict.audio_scores) == (None, None)


@pytest.mark.parametrize("network", [*KINDS, BOTH_STUDENTS])
def test_the_network_that_was_asked_for_scores(network: str) -> None:
    checkpoint, features = make_checkpoint_with_both(default="teacher"), make_features()
    verdict = scorer_of(checkpoint, network).judge(features)
    assert (verdict.network, verdict.reason) == (network, "it was asked for")
    assert verdict.thresholds == checkpoint.header.thresholds[network]
    assert_same(verdict.scores, score_features(checkpoint.networks[network], features))


def test_a_silent_video_is_scored_by_its_picture_whatever_was_asked_for() -> None:
    checkpoint, silent = make_checkpoint_with_both(), make_features(audio=None)
    for network in ("teacher", "audio student", BOTH_STUDENTS):
        verdict = scorer_of(checkpoint, network).judge(silent)
        expected = ("visual student", f"the file has no sound track; {network} was asked for")
        assert (verdict.network, verdict.reason) == expected
    asked = scorer_of(checkpoint, "visual student").judge(silent)
    assert (asked.network, asked.reason) == ("visual student", "it was asked for")


def test_a_network_that_the_checkpoint_lacks_is_refused_with_those_it_has() -> None:
    with pytest.raises(CheckpointError) as refused:
        scorer_of(make_checkpoint(("teacher", "visual student")), BOTH_STUDENTS)
    assert str(refused.value) == "tiny holds no network 'both students'; name one of teacher, visual student"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"audio": None}, "the file has no sound track"),
        ({"sound_is_silent": True}, "the sound track is silent"),
        (
            {"audio": None, "provenance": PROVENANCE.model_copy(update={"audio": None})},
            "the encoders were loaded without sound",
        ),
    ],
)
def test_without_usable_sound_the_visual_student_scores_and_the_reason_is_stated(changes: dict, reason: str) -> None:
    checkpoint, features = make_checkpoint(), make_features(**changes)
    verdict = scorer_of(checkpoint).judge(features)
    assert (verdict.network, verdict.modality, verdict.reason) == ("visual student", "visual", reason)
    assert verdict.visual_scores is None
    assert verdict.audio_scores is None
    assert verdict.thresholds == checkpoint.header.thresholds["visual student"]
    assert_same(verdict.scores, score_features(checkpoint.networks["visual student"], features))


def test_a_checkpoint_without_a_teacher_scores_the_picture() -> None:
    verdict = scorer_of(make_checkpoint(("visual student",))).judge(make_features())
    assert (verdict.network, verdict.reason) == (
        "visual student",
        "the checkpoint has no network for picture and sound",
    )


def test_an_audio_student_alone_scores_the_sound() -> None:
    checkpoint, features = make_checkpoint(("audio student",)), make_features()
    verdict = scorer_of(checkpoint).judge(features)
    assert (verdict.network, verdict.modality) == ("audio student", "audio")
    assert verdict.reason == "the checkpoint has no visual network"
    assert verdict.thresholds == checkpoint.header.thresholds["audio student"]
    assert_same(verdict.scores, score_features(checkpoint.networks["audio student"], features))
    with pytest.raises(CheckpointError, match="needed because the sound track is silent"):
        scorer_of(checkpoint).judge(make_features(sound_is_silent=True))


def test_a_teacher_alone_has_no_companions() -> None:
    verdict = scorer_of(make_checkpoint(("teacher",))).judge(make_features())
    assert verdict.network == "teacher"
    assert verdict.visual_scores is None
    assert verdict.audio_scores is None


def test_a_missing_network_is_named_with_the_reason() -> None:
    with pytest.raises(CheckpointError, match="holds no visual student, needed because the sound track is silent"):
        scorer_of(make_checkpoint(("teacher",))).judge(make_features(sound_is_silent=True))


@pytest.mark.parametrize(
    ("changes", "message_part"),
    [
        ({"visual": np.zeros((1, 7, 11), np.float32)}, "visual features are 11 wide, needed 10"),
        ({"audio": np.zeros((7, 5), np.float32)}, "audio features are 5 wide, needed 6"),
        (
            {"provenance": PROVENANCE.model_copy(update={"visual": {"name": "clip"}})},
            "visual encoder: name is clip, needed lite",
        ),
        (
            {"provenance": PROVENANCE.model_copy(update={"audio": {"name": "wav2clip"}})},
            "audio encoder: name is wav2clip, needed log-mel",
        ),
        (
            {"provenance": PROVENANCE.model_copy(update={"grid": SnippetGrid(snippet_frames=4)})},
            "snippet_frames is 4, needed 16",
        ),
    ],
)
def test_features_made_otherwise_are_refused_with_what_to_do(changes: dict, message_part: str) -> None:
    with pytest.raises(FeatureError) as refused:
        scorer_of(make_checkpoint()).judge(make_features(**changes))
    message = str(refused.value)
    assert re.search(message_part, message)
    assert "tiny" in message
    assert message.endswith("extract them with --encoders lite-1")
    assert "\n" not in message


def test_features_without_provenance_are_checked_by_their_width() -> None:
    scorer = scorer_of(make_checkpoint())
    assert scorer.judge(make_features(provenance=None)).network == "teacher"
    with pytest.raises(FeatureError, match=r"visual features \w+ 12"):
        scorer.judge(make_features(provenance=None, visual=np.zeros((1, 7, 12), np.float32)))


def test_judging_one_video_does_not_touch_the_next() -> None:
    scorer = scorer_of(make_checkpoint())
    first = scorer.judge(make_features()).scores
    scorer.judge(make_features(audio=None))
    assert_same(scorer.judge(make_features()).scores, first)


class FakeText:
    """One axis per phrase."""

    def encode_words(self, phrases) -> np.ndarray:
        return np.eye(len(list(phrases)), 4, dtype=np.float32)


def test_zero_shot_uses_sound_where_there_is_any() -> None:
    encoders = Encoders("clip", None, None, FakeText())
    scorer = ZeroShotScorer(("normal", "riot"), encoders)
    random = np.random.default_rng(0)
    features = make_features(
        visual=random.normal(size=(1, 5, 4)).astype(np.float32), audio=random.normal(size=(5, 4)).astype(np.float32)
    )
    verdict = scorer.judge(features)
    assert (verdict.network, verdict.modality) == ("zero-shot", "audio-visual")
    assert verdict.thresholds.alert is None
    parts = [by_text(rows, np.eye(2, 4, dtype=np.float32)) for rows in (features.visual[0], features.audio)]
    assert_same(verdict.scores, zero_shot_scores(parts))
    silent = scorer.judge(dataclasses.replace(features, sound_is_silent=True))
    assert (silent.modality, silent.reason) == ("visual", "the file has no usable sound")


class FakeTagger:
    names = ("Speech", "Explosion", "Gunshot, gunfire")
    default_sounds = (SoundRule("gunshot", ("Gunshot, gunfire",), 0.3, ("shooting",)),)


def test_zero_shot_without_text_scores_the_named_sounds() -> None:
    encoders = Encoders("lite", None, None, None, FakeTagger())
    scorer = ZeroShotScorer(("normal", "explosions", "shooting", "riot"), encoders)
    tags = SoundTags(FakeTagger.names, np.array([[1], [2]], np.uint16), np.array([[0.5], [0.75]], np.float16))
    features = make_features(visual=np.zeros((1, 2, 4), np.float32), audio=None)
    verdict = scorer.judge(dataclasses.replace(features, tags=tags))
    assert verdict.modality == "audio"
    np.testing.assert_allclose(verdict.scores.class_probabilities, [[0.5, 0.5, 0, 0], [0.25, 0, 0.75, 0]], atol=1e-6)
    with pytest.raises(FeatureError, match="no sound to compare"):
        scorer.judge(features)


def test_zero_shot_needs_encoders_that_can_read() -> None:
    with pytest.raises(ConfigError, match="no class is the name of a sound"):
        ZeroShotScorer(("normal", "riot"), Encoders("lite", None, None, None, FakeTagger()))
    with pytest.raises(ConfigError, match="--encoders clip"):
        ZeroShotScorer(("normal", "riot"), Encoders("lite", None, None, None))


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_comparison_system_scores_alone(name: str) -> None:
    checkpoint, features = make_system_checkpoint(name), make_features()
    verdict = scorer_of(checkpoint).judge(features)
    assert (verdict.network, verdict.modality) == (name, SYSTEMS[name])
    assert verdict.reason == "the checkpoint has no other network"
    assert verdict.thresholds == Thresholds(0.3, None)
    assert (verdict.visual_scores, verdict.audio_scores) == (None, None)
    expected = score_features(checkpoint.networks[name], features)
    np.testing.assert_array_equal(verdict.scores.anomaly_scores, expected.anomaly_scores)
    assert verdict.scores.class_probabilities is None


@pytest.mark.parametrize("changes", [{"audio": None}, {"sound_is_silent": True}])
def test_audio_visual_systems_refuse_silent_videos_and_visual_ones_score_them(changes: dict) -> None:
    features = make_features(**changes)
    assert scorer_of(make_system_checkpoint("deep-mil")).judge(features).network == "deep-mil"
    with pytest.raises(CheckpointError, match=r"hl-net of tiny needs sound, but .*(no sound track|track is silent)"):
        scorer_of(make_system_checkpoint("hl-net")).judge(features)
