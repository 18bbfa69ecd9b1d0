"""Models behind a detector: from the features of a video to scores, and the choice of the network."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch

from avadclip.encoders.base import Encoders
from avadclip.errors import CheckpointError, ConfigError, FeatureError
from avadclip.events import Modality, Thresholds
from avadclip.features.snippets import SnippetFeatures
from avadclip.inference.checkpoint import Checkpoint
from avadclip.inference.named_sounds import sounds_of_class
from avadclip.inference.networks import OWN
from avadclip.inference.scoring import SnippetScores, score_features, score_students
from avadclip.inference.zero_shot import by_sound, by_text, encode_classes, zero_shot_scores
from avadclip.model.base import System
from avadclip.model.either import BothStudents

ZERO_SHOT = "zero-shot"
ZERO_SHOT_THRESHOLDS = Thresholds(detection=0.5, alert=None)  # more anomalous than normal; nothing was validated
ZERO_SHOT_REASONS: dict[Modality, str] = {
    "audio-visual": "the file has picture and sound",
    "visual": "the file has no usable sound",
    "audio": "the encoders compare no pictures with words",
}
NETWORK_FOR: dict[Modality, str] = {modality: name for name, modality in OWN.items()}
"""The network of the paper that reads this and nothing else."""


class Verdict(NamedTuple):
    """Scores of one video, and the network that gave them."""

    network: str
    modality: Modality
    reason: str
    scores: SnippetScores
    visual_scores: SnippetScores | None
    audio_scores: SnippetScores | None
    thresholds: Thresholds


class Scorer(Protocol):
    """A model that turns features into scores; keeps no state between videos."""

    name: str
    classes: tuple[str, ...]

    def judge(self, features: SnippetFeatures) -> Verdict:
        """Choose the network for these features, and score them."""
        ...


class TrainedScorer:
    """The networks of a checkpoint.

    Args:
        checkpoint: its networks are moved to the device.
        device: where they run.
        network: the one to score with wherever the video has what it reads; by default as the checkpoint says.

    Raises:
        CheckpointError: it holds no such network.
    """

    def __init__(self, checkpoint: Checkpoint, *, device: torch.device, network: str | None = None) -> None:
        if network is not None:
            checkpoint.check_holds(network)
        self._wanted = network
        self.name = checkpoint.header.name
        self.classes = checkpoint.header.classes
        self._header = checkpoint.header
        self._networks = {kind: trained.to(device) for kind, trained in checkpoint.networks.items()}

    def judge(self, features: SnippetFeatures) -> Verdict:
        """Score with the network that `choose` names, and with the students beside one of picture and sound.

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
        network = self._networks[kind]
        scores, visual_scores, audio_scores = self._score(network, features)
        return Verdict(
            network=kind,
            modality=network.modality,
            reason=reason,
            scores=scores,
            visual_scores=visual_scores,
            audio_scores=audio_scores,
            thresholds=self._header.thresholds[kind],
        )

    def _score(
        self, network: System, features: SnippetFeatures
    ) -> tuple[SnippetScores, SnippetScores | None, SnippetScores | None]:
        """The network's scores, and the students' beside one of picture and sound."""
        if isinstance(network, BothStudents):
            return score_students(network, features)
        scores = score_features(network, features)
        if network.modality != "audio-visual":
            return scores, None, None
        return scores, self._companion("visual", features), self._companion("audio", features)

    def _companion(self, modality: Modality, features: SnippetFeatures) -> SnippetScores | None:
        kind = NETWORK_FOR[modality]
        return score_features(self._networks[kind], features) if kind in self._networks else None

    def choose(self, features: SnippetFeatures) -> tuple[str, str]:
        """The network for these features, in the checkpoint or not, and why.

        The choice depends on the file and the level of its sound: a black picture or foreign sound goes unnoticed.

        Raises:
            CheckpointError: the only network needs sound, and there is none.
        """
        no_sound, wanted = _why_no_sound(features), self._wanted
        if len(self._networks) == 1 and not self._networks.keys() & OWN.keys():
            ((kind, network),) = self._networks.items()
            if no_sound is not None and network.uses_audio:
                raise CheckpointError(f"{kind} of {self.name} needs sound, but {no_sound}; use another checkpoint")
            return kind, "the checkpoint has no other network"
        if wanted is not None and (no_sound is None or not self._networks[wanted].uses_audio):
            return wanted, "it was asked for"
        if no_sound is not None:
            return NETWORK_FOR["visual"], no_sound if wanted is None else f"{no_sound}; {wanted} was asked for"
        return self._for_picture_and_sound()

    def _for_picture_and_sound(self) -> tuple[str, str]:
        if self._header.default is not None:
            return self._header.default, "the checkpoint's default for picture and sound"
        kinds = {network.modality: kind for kind, network in reversed(self._networks.items())}  # the first of each
        if "audio-visual" in kinds:
            return kinds["audio-visual"], "the file has picture and sound"
        if "visual" in kinds:
            return kinds["visual"], "the checkpoint has no network for picture and sound"
        return NETWORK_FOR["audio"], "the checkpoint has no visual network"


def _why_no_sound(features: SnippetFeatures) -> str | None:
    """Why there is no sound to use; None where there is."""
    if features.provenance is not None and features.provenance.audio is None:
        return "the encoders were loaded without sound"
    if features.audio is None:
        return "the file has no sound track"
    return "the sound track is silent" if features.sound_is_silent else None


class ZeroShotScorer:
    """Class words, which zero_shot.check_classes has approved, against picture and sound.

    Picture and sound are compared with the words by CLIP and Wav2CLIP. Without Wav2CLIP, a class is heard by the sounds
    that its word names; with encoders that have no text side, sound alone is scored so.
    """

    name = ZERO_SHOT

    def __init__(self, classes: Sequence[str], encoders: Encoders) -> None:
        tagger = None if encoders.text is not None and encoders.audio is not None else encoders.tagger
        self.classes = tuple(classes)
        self._class_vectors = None if encoders.text is None else encode_classes(self.classes, encoders.text)
        self._class_sounds = () if tagger is None else [sounds_of_class(word, tagger) for word in self.classes[1:]]
        if self._class_vectors is None and not any(self._class_sounds):
            raise ConfigError(
                f"zero-shot compares features with words, which the encoders `{encoders.name}` cannot, and no class is "
                "the name of a sound; add --encoders clip or --encoders clip:FOLDER"
            )

    def judge(self, features: SnippetFeatures) -> Verdict:
        """Picture, and sound where there is any; FeatureError where there is neither."""
        parts = [] if self._class_vectors is None else [by_text(features.visual[0], self._class_vectors)]
        by_picture = bool(parts)
        if self._class_vectors is not None and features.has_usable_sound and features.audio is not None:
            parts.append(by_text(features.audio, self._class_vectors))
        elif any(self._class_sounds) and features.tags is not None and not features.sound_is_silent:
            parts.append(by_sound(features.tags, self._class_sounds))
        if not parts:
            raise FeatureError(
                "zero-shot has no sound to compare with the class words, and these encoders compare no pictures; "
                "add --encoders clip"
            )
        has_sound = len(parts) > by_picture
        modality: Modality = ("audio-visual" if has_sound else "visual") if by_picture else "audio"
        return Verdict(
            network=ZERO_SHOT,
            modality=modality,
            reason=ZERO_SHOT_REASONS[modality],
            scores=zero_shot_scores(parts),
            visual_scores=None,
            audio_scores=None,
            thresholds=ZERO_SHOT_THRESHOLDS,
        )
