"""Adapt the students of the variant `extended` to verdicts, from the judged footage alone.

Only the linear path beside a network is refitted: with the judged stretch's highest logit l_i and its truth y_i,

    mean_i BCE(l_i, y_i) + pull * |w - w_0|^2

where w_0 are the weights so far. What a clip holds around its stretch counts as a false alarm: nothing was reported,
and a refit must not raise it. Few verdicts move few directions, and what they do not touch stays. The pull is chosen
by cross-validation over groups; so are the thresholds: scores of footage that weights were fitted to are too good.
"""

import copy
import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from torch import Tensor
from torch.nn import functional

from avadclip.errors import CheckpointError
from avadclip.evaluation.verdicts import (
    JudgedClip,
    NetworkVerdicts,
    Verdicts,
    are_events,
    count_judged,
    peak_score,
    raised,
    threshold_keeping,
    with_results,
)
from avadclip.inference.checkpoint import Checkpoint
from avadclip.inference.networks import AUDIO_STUDENT, BOTH_STUDENTS, STUDENTS, VISUAL_STUDENT
from avadclip.inference.scoring import score_features
from avadclip.model.either import BothStudents
from avadclip.model.extended import ExtendedAVadCLIP, smoothed
from avadclip.model.projection import FeatureProjection

PULLS = (10.0, 1.0, 0.1, 0.01)
NUM_FOLDS = 5
MAX_STEPS = 50  # of L-BFGS, all verdicts in each
SILENT = -1e4  # a logit that no other adds to
LIMIT = 1e-6  # of scores from 0 and 1, before they become logits


class Adaptation(NamedTuple):
    """How weights were chosen."""

    pull: float | None
    """None: no refit ranked events above false alarms better, so the weights stay."""
    auc_before: float
    """Of events above false alarms and what is around either, among the verdicts to choose by."""
    auc: float
    """The same of the refit, cross-validated."""


class _Path(NamedTuple):
    """What one student makes of N stretches, padded to T snippets: those judged, then what is around each."""

    logits: Tensor
    """So far, [N, T]; SILENT at padding, and where the student cannot score."""
    features: Tensor
    """Standardised and smoothed as its linear path sees them, with a 1 for the bias, [N, T, D + 1]."""

    def changed(self, change: Tensor | None) -> Tensor:
        """Logits with a change of the linear path, [D + 1]; [N, T]."""
        return self.logits if change is None else self.logits + self.features @ change

    def take(self, indices: NDArray[np.intp]) -> "_Path":
        """Some of the clips."""
        return _Path(self.logits[indices], self.features[indices])


_Clips = dict[str, _Path]  # by student
_Changes = dict[str, Tensor]  # by student, [D + 1]


def adapt(
    checkpoint: Checkpoint, verdicts: Verdicts, *, keep_recall: float, seed: int = 0
) -> tuple[Checkpoint, Adaptation, list[NetworkVerdicts]]:
    """Refit the linear paths of both students, or of the one there is, and choose thresholds for the result.

    Args:
        checkpoint: of the variant `extended`, with students; stays as it is.
        verdicts: in two parts; those held back are only counted.
        keep_recall: see calibrate_by_verdicts.
        seed: of the folds.

    Raises:
        CheckpointError: no network of the checkpoint has a linear path.
    """
    students = {name: checkpoint.networks[name] for name in STUDENTS if name in checkpoint.networks}
    linear = {name: each for name, each in students.items() if isinstance(each, ExtendedAVadCLIP)}
    if not linear:
        raise CheckpointError(
            f"{checkpoint.header.name} has no student of the variant `extended`, whose linear path could be refitted; "
            "use `avadclip calibrate --verdicts`"
        )
    clips = {name: _path(student, verdicts.choosing) for name, student in linear.items()}
    judged = are_events(verdicts.choosing)
    truth = np.concatenate([judged, np.zeros_like(judged)])
    folds = _folds(2 * [clip.bag.group for clip in verdicts.choosing], truth, seed)
    before = roc_auc_score(truth, _joint_peaks(clips, {}).numpy())
    tried = {pull: _out_of_fold(clips, truth, folds, pull) for pull in PULLS}
    aucs = {pull: float(roc_auc_score(truth, _by_fold(clips, folds, changes))) for pull, changes in tried.items()}
    best = max(aucs, key=lambda pull: (aucs[pull], pull))
    chosen = best if aucs[best] > before else None
    changes = {} if chosen is None else _fit(clips, truth, chosen)
    of_folds: list[_Changes] = [{} for _ in folds] if chosen is None else tried[chosen]
    adapted = _changed(checkpoint, changes)
    results = []
    for name in (*linear, *({BOTH_STUDENTS} & adapted.networks.keys())):
        scores = _scores_of(name, clips, folds, of_folds)[: len(judged)]
        result = _choose(name, (checkpoint, adapted), verdicts, scores, keep_recall)
        results += [] if result is None else [result]
    adapted = with_results(adapted, results)
    return adapted, Adaptation(chosen, float(before), aucs[best]), results


def _path(student: ExtendedAVadCLIP, clips: Sequence[JudgedClip]) -> _Path:
    kind, layer = _linear_path(student)
    num_snippets = max(len(clip.bag.load()) for clip in clips)
    logits = torch.full((2 * len(clips), num_snippets), SILENT)
    columns = torch.zeros(2 * len(clips), num_snippets, len(layer.mean) + 1)
    for index, clip in enumerate(clips):
        features = clip.bag.load()
        if student.uses_audio and not features.has_usable_sound:
            continue
        rows = features.audio if kind == "audio" else features.visual[0]
        assert rows is not None, "usable sound has features"
        with torch.no_grad():
            standard = layer.standardised(torch.from_numpy(rows)).T  # [D, T]
            smooth = smoothed(standard, torch.ones(standard.shape, dtype=torch.bool)).T
        scores = np.clip(score_features(student, features).anomaly_scores.astype(np.float64), LIMIT, 1 - LIMIT)
        base = torch.from_numpy(np.log(scores / (1 - scores)).astype(np.float32))
        is_judged = torch.zeros(len(rows), dtype=torch.bool)
        is_judged[clip.start : clip.stop] = True
        for row, picked in ((index, is_judged), (len(clips) + index, ~is_judged)):
            length = int(picked.sum())
            logits[row, :length] = base[picked]
            columns[row, :length, :-1] = smooth[picked]
            columns[row, :length, -1] = 1.0
    return _Path(logits, columns)


def _linear_path(student: ExtendedAVadCLIP) -> tuple[str, FeatureProjection]:
    """The modality that a student reads, and its linear path."""
    ((kind, layer),) = student.linear.items()
    assert isinstance(layer, FeatureProjection)
    return kind, layer


def _joint_peaks(clips: _Clips, changes: _Changes) -> Tensor:
    """Highest logit of what either student says, by the equation of model.either, or of the one there is; [N]."""
    each = [path.changed(changes.get(name)) for name, path in clips.items()]
    joined = each[0] if len(each) == 1 else torch.stack([*each, each[0] + each[1]]).logsumexp(dim=0)
    return joined.max(dim=1).values


def _fit(clips: _Clips, truth: NDArray[np.bool_], pull: float) -> _Changes:
    changes = {name: torch.zeros(path.features.shape[2], requires_grad=True) for name, path in clips.items()}
    targets = torch.from_numpy(truth.astype(np.float32))
    # Events and false alarms count alike, however many were judged.
    shares = torch.where(targets > 0, 0.5 / targets.sum(), 0.5 / (1 - targets).sum())
    optimizer = torch.optim.LBFGS(list(changes.values()), max_iter=MAX_STEPS, line_search_fn="strong_wolfe")

    def objective() -> Tensor:
        optimizer.zero_grad()
        logits = _joint_peaks(clips, changes)
        losses = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        moved = torch.stack([change.square().sum() for change in changes.values()]).sum()
        total = (shares * losses).sum() + pull * moved
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimizer.step(objective)  # type: ignore[no-untyped-call]
    return {name: change.detach() for name, change in changes.items()}


def _take(clips: _Clips, indices: NDArray[np.intp]) -> _Clips:
    return {name: path.take(indices) for name, path in clips.items()}


def _folds(groups: Sequence[str], truth: NDArray[np.bool_], seed: int) -> list[NDArray[np.intp]]:
    """Indices of the clips of each fold; groups are never divided."""
    num = min(NUM_FOLDS, int(truth.sum()), int((~truth).sum()), len(set(groups)))
    splitter = StratifiedGroupKFold(max(2, num), shuffle=True, random_state=seed)
    return [held for _, held in splitter.split(groups, truth, groups) if len(held)]


def _out_of_fold(
    clips: _Clips, truth: NDArray[np.bool_], folds: Sequence[NDArray[np.intp]], pull: float
) -> list[_Changes]:
    """Changes fitted to the other folds, for each."""
    fitted: list[_Changes] = []
    for held in folds:
        others = np.setdiff1d(np.arange(len(truth)), held)
        has_both = 0 < truth[others].sum() < len(others)
        fitted.append(_fit(_take(clips, others), truth[others], pull) if has_both else {})
    return fitted


def _by_fold(clips: _Clips, folds: Sequence[NDArray[np.intp]], changes: Sequence[_Changes]) -> NDArray[np.float64]:
    """Peaks of every clip with the changes that it had no part in, [N]."""
    peaks = np.zeros(sum(map(len, folds)))
    for held, change in zip(folds, changes, strict=True):
        peaks[held] = _joint_peaks(_take(clips, held), change).numpy()
    return peaks


def _changed(checkpoint: Checkpoint, changes: _Changes) -> Checkpoint:
    """The checkpoint with changed linear paths; `both students` joins the changed ones."""
    networks = dict(checkpoint.networks)
    for name, change in changes.items():
        student = copy.deepcopy(networks[name])
        assert isinstance(student, ExtendedAVadCLIP)
        layer = _linear_path(student)[1]
        with torch.no_grad():
            layer.linear.weight.add_(change[:-1])
            layer.linear.bias.add_(change[-1:])
        networks[name] = student
    if BOTH_STUDENTS in networks:
        both = BothStudents(networks[VISUAL_STUDENT], networks[AUDIO_STUDENT])
        both.selection = networks[BOTH_STUDENTS].selection
        networks[BOTH_STUDENTS] = both
    return dataclasses.replace(checkpoint, networks=networks)


def _scores_of(
    name: str, clips: _Clips, folds: Sequence[NDArray[np.intp]], changes: Sequence[_Changes]
) -> NDArray[np.float64]:
    """Out-of-fold scores of one network, [N]; NaN where it cannot score."""
    own = clips if name == BOTH_STUDENTS else {name: clips[name]}
    scores = 1 / (1 + np.exp(-_by_fold(own, folds, changes)))
    can_score = np.all([path.logits.max(dim=1).values.numpy() > SILENT for path in own.values()], axis=0)
    return np.where(can_score, scores, np.nan)


def _choose(
    name: str, pair: tuple[Checkpoint, Checkpoint], verdicts: Verdicts, scores: NDArray[np.float64], keep_recall: float
) -> NetworkVerdicts | None:
    """A network's new threshold; None where it can score no event, or nothing that was held back."""
    before, after = pair
    is_scored, truth = np.isfinite(scores), are_events(verdicts.choosing)
    uses_audio = after.networks[name].uses_audio
    held = [clip for clip in verdicts.held_back if clip.bag.load().has_usable_sound or not uses_audio]
    if not (is_scored & truth).any() or not held:
        return None
    old = before.header.thresholds[name]
    new = raised(old, threshold_keeping(scores[is_scored & truth], keep_recall))
    peaks = [np.array([peak_score(each.networks[name], clip) for clip in held]) for each in pair]
    return NetworkVerdicts(
        name,
        old,
        new,
        keep_recall,
        count_judged(scores[is_scored], truth[is_scored], new.detection),
        count_judged(peaks[0], are_events(held), old.detection),
        count_judged(peaks[1], are_events(held), new.detection),
    )
