"""How networks are measured on the shared fights: folds by recording, composed sequences, bootstrap, control."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from fights_data import CLASSES
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold

from avadclip.config import TrainingConfig
from avadclip.data.bags import Bag
from avadclip.features.snippets import SnippetFeatures
from avadclip.inference.scoring import score_features
from avadclip.model.base import System
from avadclip.training.loop import Supervision, train_network

NUM_FOLDS = 5
SEQUENCES_PER_FOLD = 4
CLIPS_PER_SEQUENCE = 40
FIGHTS_PER_SEQUENCE = 10
NUM_RESAMPLES = 2000

TruthAndScores = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Per snippet, pooled over sequences: 1 for a fight, and the anomaly score."""


@dataclass(frozen=True)
class Candidate:
    """One row of the tables: a recipe, and what it learns from."""

    recipe: TrainingConfig
    teacher: str | None = None
    """Name of the candidate it is distilled from, trained on the same fold."""
    audible_only: bool = False
    """Trained and measured on videos with audible sound."""
    is_blind: bool = False
    """Features are zeros: the control for lengths and folds."""


@dataclass(frozen=True)
class OutOfFold:
    """Scores of clips whose recordings the networks were not trained on."""

    clip_scores: NDArray[np.float64]
    """[N], highest snippet score of each clip, scored alone; NaN for clips that this candidate is not measured on."""
    pooled: dict[str, list[TruthAndScores]] = field(default_factory=lambda: {"alone": [], "isolated": [], "blocks": []})
    """By arrangement: clips scored alone; sequences with every fight between normal clips; sequences with all ten
    fights in a row."""


def truth_of(bags: Sequence[Bag]) -> NDArray[np.int64]:
    """1 for a fight, [N]."""
    return np.array([bag.is_anomalous for bag in bags], dtype=np.int64)


def is_audible(bags: Sequence[Bag]) -> NDArray[np.bool_]:
    """[N]"""
    return np.array([bag.load().has_usable_sound for bag in bags])


def folds(bags: Sequence[Bag], seed: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Train and test indices; no recording is in both."""
    splitter = StratifiedGroupKFold(NUM_FOLDS, shuffle=True, random_state=seed)
    yield from splitter.split(bags, truth_of(bags), [bag.group for bag in bags])


def cross_validate(candidates: Mapping[str, Candidate], bags: Sequence[Bag], seed: int) -> dict[str, OutOfFold]:
    """Train every candidate on four folds and score the fifth, five times; all have the same folds and sequences.

    Args:
        candidates: by name; a teacher before its students.
        bags: all clips.
        seed: draws folds, weights and sequences.
    """
    results = {name: OutOfFold(np.full(len(bags), np.nan)) for name in candidates}
    audible = is_audible(bags)
    for number, (train, test) in enumerate(folds(bags, seed)):
        trained: dict[str, System] = {}
        for name, candidate in candidates.items():
            clips = [_blinded(bag) for bag in bags] if candidate.is_blind else bags
            allowed = audible if candidate.audible_only else np.ones(len(bags), dtype=bool)
            own_train = [clips[i] for i in train if allowed[i]]
            trained[name] = train_candidate(candidate, own_train, seed, trained)
            score = functools.partial(_score_sequence, trained[name])
            _score_fold(results[name], clips, [int(i) for i in test if allowed[i]], [seed, number], score)
    return results


def _score_fold(
    result: OutOfFold,
    clips: Sequence[Bag],
    test: Sequence[int],
    draw_from: Sequence[int],
    score: Callable[[Sequence[Bag]], TruthAndScores],
) -> None:
    """Add the scores of one fold's test clips, alone and in sequences."""
    for i in test:
        truth, scores = score([clips[i]])
        result.clip_scores[i] = scores.max()
        result.pooled["alone"].append((truth, scores))
    draw = np.random.default_rng(draw_from)
    for _ in range(SEQUENCES_PER_FOLD):
        for arrangement in ("isolated", "blocks"):
            result.pooled[arrangement].append(score(compose([clips[i] for i in test], arrangement, draw)))


def train_candidate(candidate: Candidate, bags: Sequence[Bag], seed: int, trained: Mapping[str, System]) -> System:
    """Train on these bags; `trained` holds the candidate's teacher."""
    recipe = candidate.recipe.model_copy(update={"seed": seed})
    teacher = None if candidate.teacher is None else trained[candidate.teacher]
    return train_network(bags, recipe, Supervision(CLASSES, teacher=teacher)).last


def _blinded(bag: Bag) -> Bag:
    return replace(bag, stored=replace(bag.load(), visual=np.zeros_like(bag.load().visual)))


def _score_sequence(system: System, sequence: Sequence[Bag]) -> TruthAndScores:
    return _truth(sequence), score_features(system, _joined(sequence)).anomaly_scores.astype(np.float64)


def _truth(sequence: Sequence[Bag]) -> NDArray[np.float64]:
    return np.concatenate([np.full(len(bag.load()), float(bag.is_anomalous)) for bag in sequence])


def _joined(sequence: Sequence[Bag]) -> SnippetFeatures:
    return join_features([bag.load() for bag in sequence])


def join_features(parts: Sequence[SnippetFeatures]) -> SnippetFeatures:
    """One behind the other; with sound where all have it."""
    sounds = [part.audio for part in parts if part.audio is not None]
    return replace(
        parts[0],
        visual=np.concatenate([part.visual for part in parts], axis=1),
        audio=np.concatenate(sounds) if len(sounds) == len(parts) else None,
        tags=None,
    )


def compose(bags: Sequence[Bag], arrangement: str, draw: np.random.Generator) -> list[Bag]:
    """Ten fights among thirty normal clips: every fourth clip, or all ten in a row; or forty normal ones.

    A fold with too few clips of one kind uses some of them twice.
    """
    queues = {}
    for kind in (True, False):
        own = [bag for bag in bags if bag.is_anomalous == kind]
        order = np.concatenate([draw.permutation(len(own)) for _ in range(-(-CLIPS_PER_SEQUENCE // len(own)))])
        queues[kind] = iter([own[i] for i in order])
    fights = {
        "isolated": range(2, CLIPS_PER_SEQUENCE, 4),
        "blocks": range(15, 15 + FIGHTS_PER_SEQUENCE),
        "none": range(0),
    }[arrangement]
    return [next(queues[place in fights]) for place in range(CLIPS_PER_SEQUENCE)]


def file_property_scores(bags: Sequence[Bag], properties: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """The control: out-of-fold probability of a fight from frame rate, size, length and bit rate, no pixels."""
    scores = np.zeros(len(bags))
    for train, test in folds(bags, seed):
        # Not a linear model: file properties are few values that come in clusters, one per uploader.
        model = RandomForestClassifier(500, min_samples_leaf=3, random_state=seed)
        model.fit(properties[train], truth_of(bags)[train])
        scores[test] = model.predict_proba(properties[test])[:, 1]
    return scores


def clip_aucs(bags: Sequence[Bag], runs: Sequence[NDArray[np.float64]]) -> list[float]:
    """Per-clip ROC AUC of every run."""
    return [float(roc_auc_score(truth_of(bags), run)) for run in runs]


def bootstrap_interval(
    bags: Sequence[Bag], runs: Sequence[NDArray[np.float64]], baseline: Sequence[NDArray[np.float64]] | None = None
) -> tuple[float, float]:
    """95 % interval of the mean ROC AUC over runs (minus a baseline's), resampling recordings."""
    truth, draw = truth_of(bags), np.random.default_rng(0)
    members: dict[str, list[int]] = {}
    for index, bag in enumerate(bags):
        members.setdefault(bag.group, []).append(index)
    groups = list(members.values())
    values: list[float] = []
    while len(values) < NUM_RESAMPLES:
        picked = np.concatenate([groups[i] for i in draw.integers(0, len(groups), len(groups))])
        if 0 < truth[picked].sum() < len(picked):
            value = np.mean([roc_auc_score(truth[picked], run[picked]) for run in runs])
            if baseline is not None:
                value -= np.mean([roc_auc_score(truth[picked], run[picked]) for run in baseline])
            values.append(float(value))
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def frame_metrics(pooled: Sequence[TruthAndScores]) -> tuple[float, float]:
    """ROC AUC and average precision over all snippets; every snippet has 16 frames, so these are the frame figures."""
    truth, scores = (np.concatenate(part) for part in zip(*pooled, strict=True))
    return float(roc_auc_score(truth, scores)), float(average_precision_score(truth, scores))
