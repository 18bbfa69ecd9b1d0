"""Models behind a detector: from a video's features to a verdict, and which network gave it."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch

from avadclip.config import NetworkKind, OwnKind, SystemName, is_system
from avadclip.encoders.base import Encoders
from avadclip.errors import CheckpointError, ConfigError, FeatureError
from avadclip.events import Modality, Thresholds
from avadclip.features.snippets import SnippetFeatures
from avadclip.inference.checkpoint import Checkpoint
from avadclip.inference.scoring import SnippetScores, score_features
from avadclip.inference.zero_shot import encode_classes, zero_shot_scores

ZERO_SHOT = "zero-shot"
ZERO_SHOT_THRESHOLDS = Thresholds(detection=0.5, alert=None)  # more anomalous than normal; nothing was validated
MODALITY: dict[OwnKind, Modality] = {
    "teacher": "audio-visual",
    "visual student": "visual",
    "audio student": "audio",
}


class Verdict(NamedTuple):
    """What a model says of one video's features."""

    network: str
    modality: Modality
    reason: str
    scores: SnippetScores
    visual_scores: SnippetScores | None
    audio_scores: SnippetScores | None
    thresholds: Thresholds


class Scorer(Protocol):
    """A model that turns features into a verdict; holds no state between videos."""

    name: str
    classes: tuple[str, ...]

    def judge(self, features: SnippetFeatures) -> Verdict:
        """Choose the network by what the features hold, and score."""
        ...


class TrainedScorer:
    """The networks of a checkpoint."""

    def __init__(self, checkpoint: Checkpoint, *, device: torch.device) -> None:
        self.name = checkpoint.header.name
        self.classes = checkpoint.header.classes
        self._header = checkpoint.header
        self._networks = {kind: trained.to(device) for kind, trained in checkpoint.networks.items()}

    def judge(self, features: SnippetFeatures) -> Verdict:
        """Teacher where there is something to see and hear, else the visual student, else what only hears.

        A comparison system is alone in its checkpoint, and scores whatever it can.

        Raises:
            FeatureError: the features were made otherwise than those the networks were trained on.
            CheckpointError: the network that these features need is not in the checkpoint.
        """
        misfit = self._header.misfit(features)
        if misfit is not None:
            raise FeatureError(
                f"the features do not fit {self.name} ({misfit}); extract them with --encoders {self._header.encoders}"
            )
        kind, reason = self.choose(features)
        if kind not in self._networks:
            raise CheckpointError(f"{self.name} holds no {kind}, needed because {reason}; use another checkpoint")
        heard = kind == "teacher"
        return Verdict(
            network=kind,
            modality=self._modality(kind),
            reason=reason,
            scores=score_features(self._networks[kind], features),
            visual_scores=self._companion("visual student", features) if heard else None,
            audio_scores=self._companion("audio student", features) if heard else None,
            thresholds=self._header.thresholds[kind],
        )

    def _companion(self, kind: NetworkKind, features: SnippetFeatures) -> SnippetScores | None:
        return score_features(self._networks[kind], features) if kind in self._networks else None

    def _modality(self, kind: NetworkKind) -> Modality:
        if is_system(kind):
            return "audio-visual" if self._networks[kind].hears else "visual"
        return MODALITY[kind]

    def choose(self, features: SnippetFeatures) -> tuple[NetworkKind, str]:
        """The network for these features, in the checkpoint or not, and why.

        It goes by the file and the level of its sound alone: a black picture or somebody else's sound goes unnoticed.
        """
        soundless = _why_soundless(features)
        system = next(filter(is_system, self._networks), None)
        if system is not None:
            return self._use(system, soundless), f"{self.name} holds nothing else"
        if soundless is not None:
            return "visual student", soundless
        if not self._networks.keys() & {"teacher", "visual student"}:
            return "audio student", f"{self.name} holds no network that sees"
        if "teacher" not in self._networks:
            return "visual student", f"{self.name} holds no teacher"
        return "teacher", "the file has picture and sound"

    def _use(self, system: SystemName, soundless: str | None) -> SystemName:
        if soundless is not None and self._networks[system].hears:
            raise CheckpointError(f"{system} of {self.name} needs sound, but {soundless}; use another checkpoint")
        return system


def _why_soundless(features: SnippetFeatures) -> str | None:
    """Why there is nothing to hear; None where there is."""
    if features.provenance is not None and features.provenance.audio is None:
        return "the encoders were loaded without sound"
    if features.audio is None:
        return "the file has no sound track"
    return "nothing is heard on the sound track" if features.sound_is_silent else None


class ZeroShotScorer:
    """Frozen CLIP and Wav2CLIP against class words, which zero_shot.check_classes has approved."""

    name = ZERO_SHOT

    def __init__(self, classes: Sequence[str], encoders: Encoders) -> None:
        if encoders.text is None:
            raise ConfigError(
                f"zero-shot compares features with words, which the encoders `{encoders.name}` cannot; "
                "add --encoders clip or --encoders clip:FOLDER"
            )
        self.classes = tuple(classes)
        self._class_vectors = encode_classes(self.classes, encoders.text)

    def judge(self, features: SnippetFeatures) -> Verdict:
        """Picture, and sound where there is any."""
        heard = features.has_usable_sound
        return Verdict(
            network=ZERO_SHOT,
            modality="audio-visual" if heard else "visual",
            reason="the file has picture and sound" if heard else "the file has no sound to use",
            scores=zero_shot_scores(features, self._class_vectors),
            visual_scores=None,
            audio_scores=None,
            thresholds=ZERO_SHOT_THRESHOLDS,
        )
