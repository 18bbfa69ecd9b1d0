"""The networks of `starter` and its controls, out of fold: scores of sessions that they were not trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from starter_data import AUDIBLE, CLASSES, NUM_FOLDS, VISIBLE, Material, with_classes

from avadclip.config import TrainingConfig, read_config
from avadclip.data.bags import Bag
from avadclip.events import Thresholds
from avadclip.inference.checkpoint import CheckpointHeader
from avadclip.inference.networks import AUDIO_STUDENT, BOTH_STUDENTS, TEACHER, VISUAL_STUDENT
from avadclip.inference.scoring import SnippetScores, score_features
from avadclip.model.base import System
from avadclip.training.loop import Supervision, train_network

CONFIGS = Path(__file__).parents[1] / "configs/starter"
PROBE = "linear-probe"
PROPERTIES, LINEAR = "control: file properties, no pixels", "control: logistic regression on the mean picture"


class Role(NamedTuple):
    """What a network learns."""

    config: str
    classes: Sequence[str]
    """The others are normal to it."""
    sequence_step: int = 1
    """Every n-th composed sequence is learned. Their picture is a clip set into an ordinary video: where the clips
    themselves are learned too, all of them would outweigh those many times."""
    learns_videos: bool = True
    """Whether it learns from clips and ordinary videos: not where both picture and sound are read, since the sound of
    the clips tells who uploaded them. To a student that only hears, all of them are normal."""


ROLES = {
    TEACHER: Role("teacher.toml", CLASSES[1:], learns_videos=False),
    VISUAL_STUDENT: Role("visual_student.toml", VISIBLE, sequence_step=4),
    AUDIO_STUDENT: Role("audio_student.toml", AUDIBLE),
    PROBE: Role("linear_probe.toml", CLASSES[1:], learns_videos=False),
}


@dataclass
class OutOfFold:
    """Of one seed, or of one fold of it; lists in the order of the sequences."""

    sequences: list[Bag] = field(default_factory=list)
    """The composed test, with named sounds, without features."""
    sequence_scores: dict[str, list[SnippetScores]] = field(default_factory=dict)
    """By network."""
    video_scores: dict[str, dict[str, SnippetScores]] = field(default_factory=dict)
    """By network, then by the video's name; audio networks where the sound is usable."""
    clip_controls: dict[str, dict[str, float]] = field(default_factory=dict)
    """By control, then by the clip's name: probability of a fight."""

    def add(self, other: "OutOfFold") -> None:
        """Take over another fold's scores."""
        self.sequences += other.sequences
        for name, scores in other.sequence_scores.items():
            self.sequence_scores.setdefault(name, []).extend(scores)
        for mine, others in ((self.video_scores, other.video_scores), (self.clip_controls, other.clip_controls)):
            for name, by_video in others.items():
                mine.setdefault(name, {}).update(by_video)


def score_fold(material: Material, seed: int, fold: int) -> OutOfFold:
    """Train every network on the other folds of a seed, and score this one."""
    of = material.folds(seed)
    others = [other for other in range(NUM_FOLDS) if other != fold]
    composed = [bag for other in others for bag in material.sequences(seed, "train", other)]
    test = material.sequences(seed, "test", fold)
    videos = [*material.fights, *material.ordinary]
    learned = [bag for bag in videos if of[bag.group] != fold]
    held_out = [bag for bag in videos if of[bag.group] == fold]
    result = OutOfFold([_without_features(bag) for bag in test], clip_controls=_controls(material, of, fold, seed))
    for name in ROLES:
        system = train_role(name, composed, learned, seed=NUM_FOLDS * seed + fold)
        result.sequence_scores[name] = [score_features(system, bag.load()) for bag in test]
        result.video_scores[name] = {
            bag.name: score_features(system, bag.load())
            for bag in held_out
            if bag.load().has_usable_sound or not system.uses_audio
        }
    return result


def train_role(name: str, composed: Sequence[Bag], videos: Sequence[Bag], *, seed: int) -> System:
    """Train one network of ROLES on those of the composed sequences and videos that it learns from."""
    role = ROLES[name]
    recipe = recipe_of(name).model_copy(update={"seed": seed})
    needs_sound = name == AUDIO_STUDENT
    learned = [bag for bag in videos if bag.load().has_usable_sound or not needs_sound] if role.learns_videos else []
    bags = [with_classes(bag, role.classes) for bag in (*composed[:: role.sequence_step], *learned)]
    return train_network(bags, recipe, Supervision(CLASSES)).last


def recipe_of(name: str) -> TrainingConfig:
    """The recipe of one of ROLES."""
    return read_config(CONFIGS / ROLES[name].config, TrainingConfig)


def header_of(name: str, sequence: Bag, thresholds: Mapping[str, Thresholds]) -> CheckpointHeader:
    """Of a checkpoint with both students, in the form of `starter`.

    Args:
        name: of the checkpoint.
        sequence: any of the composed ones, for the form of its features.
        thresholds: of all networks.
    """
    example = sequence.load()
    assert example.provenance is not None
    assert example.audio is not None
    return CheckpointHeader(
        name=name,
        classes=CLASSES,
        encoders="lite",
        features=example.provenance,
        visual_dim=example.visual.shape[-1],
        audio_dim=example.audio.shape[-1],
        network=recipe_of(VISUAL_STUDENT).network,
        thresholds=dict(thresholds),
        selection=dict.fromkeys(thresholds, "last"),
        default=BOTH_STUDENTS,
        card="",
    )


def _without_features(bag: Bag) -> Bag:
    features = bag.load()
    return replace(bag, stored=replace(features, visual=features.visual[..., :0], audio=None))


def _controls(material: Material, of: Mapping[str, int], fold: int, seed: int) -> dict[str, dict[str, float]]:
    """A forest on file properties, no pixels; logistic regression on the mean picture of a clip."""
    clips = material.fights
    truth, held = np.array([bag.is_anomalous for bag in clips]), np.array([of[bag.group] == fold for bag in clips])
    means = np.stack([bag.load().visual[0].mean(axis=0) for bag in clips])
    # Not a linear model: file properties are few values that come in clusters, one per uploader.
    forest = RandomForestClassifier(500, min_samples_leaf=3, random_state=seed)
    linear = make_pipeline(StandardScaler(), LogisticRegression(C=1e-3, max_iter=500))
    names = [bag.name for bag, is_held in zip(clips, held, strict=True) if is_held]
    return {
        control: dict(zip(names, model.fit(rows[~held], truth[~held]).predict_proba(rows[held])[:, 1], strict=True))
        for control, model, rows in (
            (PROPERTIES, forest, material.properties),
            (LINEAR, linear, means),
        )
    }
