"""Figures of `starter` from out-of-fold scores: what an alarm finds, what it costs, and how networks rank snippets."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score
from starter_data import CLASSES, Material
from starter_folds import OutOfFold

from avadclip.data.bags import Bag, Interval
from avadclip.encoders.base import SoundTagger
from avadclip.evaluation.metrics.alarms import Watched, join_videos
from avadclip.evaluation.metrics.thresholds import thresholds_for_rate
from avadclip.events import EventRules, ScoreTrack, Thresholds, best_anomaly_class, find_spans
from avadclip.inference.named_sounds import SoundScorer, sound_spans
from avadclip.inference.networks import AUDIO_STUDENT, BOTH_STUDENTS, VISUAL_STUDENT
from avadclip.inference.scoring import SnippetScores, to_track
from avadclip.model.base import Outputs
from avadclip.model.either import join
from avadclip.timeline import SnippetGrid

NUM_RESAMPLES = 1000
NUM_RESAMPLES_OF_SNIPPETS = 300  # each ranks 7,680 snippets a seed and network
ALARMS_PER_HOUR = 0.5  # of footage without events, plain backgrounds and ordinary videos: in what there is, none
KINDS = ("all", "visible", "audible", "both")
GRID = SnippetGrid()


class Alarm(NamedTuple):
    """One event that the detector would report, of the model or of a named sound."""

    names: frozenset[str]
    start: float
    end: float


class Counted(NamedTuple):
    """Of the composed test, all seeds."""

    num_events: int
    num_found: int
    num_named: int
    """Found by an alarm of the right name."""
    num_hard: int
    num_hard_alarmed: int
    plain_hours: float
    num_plain_alarms: int


class Shifts(NamedTuple):
    """Logits that are taken off the students' own, so that .5 is where their alarms are as rare as wanted."""

    visual: float
    audio: float


def scores_without(run: OutOfFold, material: Material, name: str) -> list[Watched]:
    """Footage without events, scored by one network: plain sequences, and ordinary videos where it scores them."""
    pairs = zip(run.sequence_scores[name], run.sequences, strict=True)
    videos = run.video_scores[name]
    found = [scores for scores, bag in pairs if is_plain(bag)]
    found += [videos[bag.name] for bag in material.ordinary if bag.name in videos]
    return [
        Watched(each.anomaly_scores, np.zeros(len(each.anomaly_scores), dtype=bool), 1 / GRID.snippet_seconds)
        for each in found
    ]


def is_plain(bag: Bag) -> bool:
    """A composed sequence with neither events nor hard negatives, nor foreign sound, which may be a hard negative's."""
    composed = bag.composition
    assert composed is not None, "a composed sequence"
    happens = (composed.event_kinds != "") | (composed.hard_negatives != "") | (composed.sound_damage == "foreign")
    return not happens.any()


def track_of(scores: SnippetScores, bag: Bag) -> ScoreTrack:
    """Scores on the clock."""
    return to_track(scores, CLASSES, GRID, end_seconds=bag.load().duration_seconds)


def choose(runs: Sequence[OutOfFold], material: Material, name: str) -> Thresholds:
    """Thresholds of a network at ALARMS_PER_HOUR on footage without events, out of fold, all seeds together."""
    watched = [each for run in runs for each in scores_without(run, material, name)]
    chosen = thresholds_for_rate(join_videos(watched), per_hour=ALARMS_PER_HOUR, alerts_per_hour=ALARMS_PER_HOUR)
    assert chosen is not None, "no network gives ordinary footage the highest score there is"
    return chosen


def shifts(runs: Sequence[OutOfFold], material: Material) -> Shifts:
    """See Shifts."""
    thresholds = [choose(runs, material, name).detection for name in (VISUAL_STUDENT, AUDIO_STUDENT)]
    return Shifts(*(float(logit(np.float64(each))) for each in thresholds))


def add_both(runs: Sequence[OutOfFold], by: Shifts) -> None:
    """Shift the students' scores, and add those of both together; see model.either for the equations."""
    for run in runs:
        for name, shift in ((VISUAL_STUDENT, by.visual), (AUDIO_STUDENT, by.audio)):
            run.sequence_scores[name] = [shifted(each, shift) for each in run.sequence_scores[name]]
            run.video_scores[name] = {video: shifted(each, shift) for video, each in run.video_scores[name].items()}
        seen, heard = (run.sequence_scores[name] for name in (VISUAL_STUDENT, AUDIO_STUDENT))
        run.sequence_scores[BOTH_STUDENTS] = [either(*pair) for pair in zip(seen, heard, strict=True)]
        by_video = run.video_scores
        run.video_scores[BOTH_STUDENTS] = {
            video: either(scores, by_video[AUDIO_STUDENT][video]) if video in by_video[AUDIO_STUDENT] else scores
            for video, scores in by_video[VISUAL_STUDENT].items()
        }


def logit(score: NDArray[np.float64]) -> NDArray[np.float64]:
    """ln(p / (1 - p)), of p kept off 0 and 1."""
    kept = np.clip(score, 1e-6, 1 - 1e-6)
    return np.log(kept / (1 - kept))


def shifted(scores: SnippetScores, by: float) -> SnippetScores:
    """The scores with `by` taken off their logits; classes share what is left as before."""
    assert scores.class_probabilities is not None, "students name classes"
    moved = 1 / (1 + np.exp(by - logit(scores.anomaly_scores.astype(np.float64))))
    shares = scores.class_probabilities[:, 1:] / scores.class_probabilities[:, 1:].sum(axis=1, keepdims=True)
    return SnippetScores(moved.astype(np.float32), np.column_stack([1 - moved, moved[:, None] * shares]))


def either(seen: SnippetScores, heard: SnippetScores) -> SnippetScores:
    """Of what either student reports, as the network of both joins it."""
    joined = join(*map(_as_outputs, (seen, heard)))
    assert joined.class_logits is not None
    return SnippetScores(joined.scores.numpy(), joined.class_logits.softmax(dim=-1).numpy())


def _as_outputs(scores: SnippetScores) -> Outputs:
    assert scores.class_probabilities is not None, "students name classes"
    logits = logit(scores.anomaly_scores.astype(np.float64)).astype(np.float32)
    return Outputs(torch.from_numpy(logits), torch.from_numpy(scores.class_probabilities.astype(np.float32)).log())


def frame_aps(run: OutOfFold, name: str, pick: NDArray[np.intp] | None = None) -> dict[str, float]:
    """AP of snippets by kind of event, in percent; snippets of other kinds left out.

    Args:
        run: of a seed.
        name: a network.
        pick: which sequences, by default all.
    """
    chosen = range(len(run.sequences)) if pick is None else pick
    kinds = np.concatenate([_kinds(run.sequences[i]) for i in chosen])
    scores = np.concatenate([run.sequence_scores[name][i].anomaly_scores for i in chosen])
    aps = {}
    for kind in KINDS:
        which = np.ones(len(kinds), dtype=bool) if kind == "all" else (kinds == kind) | (kinds == "")
        aps[kind] = 100 * float(average_precision_score(kinds[which] != "", scores[which]))
    return aps


def _kinds(bag: Bag) -> NDArray[np.str_]:
    assert bag.composition is not None, "a composed sequence"
    return bag.composition.event_kinds


def difference(runs: Sequence[OutOfFold], one: str, other: str, kind: str) -> tuple[float, float, float]:
    """Mean paired difference of AP over seeds, and its 95 % bootstrap interval over sessions."""

    def of(pick: NDArray[np.intp] | None, run: OutOfFold) -> float:
        return frame_aps(run, one, pick)[kind] - frame_aps(run, other, pick)[kind]

    draw, values = np.random.default_rng(0), []
    for _ in range(NUM_RESAMPLES_OF_SNIPPETS):
        picks = [resample([bag.group for bag in run.sequences], draw) for run in runs]
        values.append(np.mean([of(pick, run) for pick, run in zip(picks, runs, strict=True)]))
    low, high = np.percentile(values, [2.5, 97.5])
    return float(np.mean([of(None, run) for run in runs])), float(low), float(high)


def resample(groups: Sequence[str], draw: np.random.Generator) -> NDArray[np.intp]:
    """Indices of the members of as many groups as there are, drawn with replacement."""
    names, members = np.unique(groups, return_inverse=True)
    where = [np.flatnonzero(members == index) for index in range(len(names))]
    return np.concatenate([where[index] for index in draw.integers(0, len(names), len(names))])


def video_means(run: OutOfFold, name: str) -> float:
    """The control: AP over all events, every score replaced by its sequence's mean, in percent."""
    means = [np.full(len(each.anomaly_scores), each.anomaly_scores.mean()) for each in run.sequence_scores[name]]
    kinds = np.concatenate([_kinds(bag) for bag in run.sequences])
    return 100 * float(average_precision_score(kinds != "", np.concatenate(means)))


def ordinary_alarms(run: OutOfFold, material: Material, name: str, threshold: float) -> list[Alarm]:
    """The model's events in the ordinary videos; those without usable sound are the visual student's."""
    videos = run.video_scores[VISUAL_STUDENT] | run.video_scores[name]
    return [alarm for bag in material.ordinary for alarm in alarms(videos[bag.name], bag, threshold, None)]


def alarms(scores: SnippetScores, bag: Bag, threshold: float, tagger: SoundTagger | None) -> Iterator[Alarm]:
    """What `avadclip detect` reports, with the default rules; `tagger` None: without named sounds."""
    track, rules = track_of(scores, bag), EventRules().resolved(threshold)
    at = track.boundaries()
    for span in find_spans(track, rules):
        yield Alarm(frozenset([best_anomaly_class(track, span)]), float(at[span[0]]), float(at[span[1]]))
    tags = bag.load().tags
    for rule in tagger.default_sounds if tagger is not None and tags is not None else ():
        for start, stop in sound_spans(SoundScorer(rule).push(tags), rule, track, rules):
            yield Alarm(frozenset([rule.label, *rule.synonyms]), float(at[start]), float(at[stop]))


def count(runs: Sequence[OutOfFold], name: str, threshold: float, tagger: SoundTagger | None) -> Counted:
    """Audible-only events, hard negatives and plain backgrounds of the composed test under alarm."""
    counted = Counted(0, 0, 0, 0, 0, 0.0, 0)
    for run in runs:
        for scores, bag in zip(run.sequence_scores[name], run.sequences, strict=True):
            raised = list(alarms(scores, bag, threshold, tagger))
            counted = Counted(*(a + b for a, b in zip(counted, _count_one(bag, raised), strict=True)))
    return counted


def _count_one(bag: Bag, raised: Sequence[Alarm]) -> Counted:
    kinds, composed = _kinds(bag), bag.composition
    assert composed is not None
    events = [each for each in bag.intervals or () if kinds[round(each.start / GRID.snippet_seconds)] == "audible"]
    found = [[alarm for alarm in raised if _overlaps(alarm, event)] for event in events]
    named = [any(event.label in alarm.names for alarm in own) for event, own in zip(events, found, strict=True)]
    hard = [
        Interval("", start * GRID.snippet_seconds, stop * GRID.snippet_seconds)
        for start, stop in _runs(composed.hard_negatives)
    ]
    alarmed = [any(_overlaps(alarm, each) for alarm in raised) for each in hard]
    is_quiet = is_plain(bag)
    return Counted(
        len(events),
        sum(map(bool, found)),
        sum(named),
        len(hard),
        sum(alarmed),
        len(kinds) * GRID.snippet_seconds / 3600 if is_quiet else 0.0,
        len(raised) if is_quiet else 0,
    )


def _overlaps(alarm: Alarm, interval: Interval) -> bool:
    return alarm.start < interval.end and interval.start < alarm.end


def _runs(words: NDArray[np.str_]) -> list[tuple[int, int]]:
    """Half-open ranges of equal words that are not empty."""
    edges = np.flatnonzero(np.append(True, words[1:] != words[:-1]))
    return [(int(a), int(b)) for a, b in zip(edges, np.append(edges[1:], len(words)), strict=True) if words[a] != ""]


def clip_peaks(run: OutOfFold, material: Material, name: str) -> NDArray[np.float64]:
    """Highest snippet score of every clip, NaN where the network does not score it, [N]."""
    if name in run.clip_controls:
        return np.array([run.clip_controls[name][bag.name] for bag in material.fights])
    videos = run.video_scores[name]
    return np.array(
        [float(videos[bag.name].anomaly_scores.max()) if bag.name in videos else np.nan for bag in material.fights]
    )


def clip_auc(
    material: Material, peaks: Sequence[NDArray[np.float64]], which: NDArray[np.bool_]
) -> tuple[float, float, float]:
    """Mean per-clip ROC AUC over seeds, and its 95 % bootstrap interval over recordings.

    Args:
        material: the clips.
        peaks: per seed, [N].
        which: clips that count, [N].
    """
    return _with_interval(_resampled_aucs(material, peaks, which))


def clip_gain(
    material: Material,
    own: Sequence[NDArray[np.float64]],
    other: Sequence[NDArray[np.float64]],
    which: NDArray[np.bool_],
) -> tuple[float, float, float]:
    """Paired difference of clip_auc, with its interval."""
    return _with_interval(_resampled_aucs(material, own, which) - _resampled_aucs(material, other, which))


def _resampled_aucs(
    material: Material, peaks: Sequence[NDArray[np.float64]], which: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Mean AUC over seeds of all clips as they are, then of every resample of recordings; NaN with one class alone."""
    truth = np.array([bag.is_anomalous for bag in material.fights])
    names, members = np.unique([bag.group for bag in material.fights], return_inverse=True)
    draws = np.random.default_rng(0).multinomial(len(names), np.full(len(names), 1 / len(names)), NUM_RESAMPLES)
    times = np.vstack([np.ones(len(names)), draws])[:, members] * which  # how often each clip is in, [1 + R, N]
    fights, others = times[:, truth], times[:, ~truth]
    right = sum((np.sign(each[truth][:, None] - each[~truth]) + 1) / 2 for each in map(np.nan_to_num, peaks))
    with np.errstate(invalid="ignore"):
        return ((fights @ right) * others).sum(axis=1) / (fights.sum(axis=1) * others.sum(axis=1) * len(peaks))


def _with_interval(values: NDArray[np.float64]) -> tuple[float, float, float]:
    low, high = np.nanpercentile(values[1:], [2.5, 97.5])
    return float(values[0]), float(low), float(high)
