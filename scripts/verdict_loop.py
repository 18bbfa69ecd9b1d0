"""Run the loop of verdicts on composed streams: detect, judge, adapt, and count what is left of the false alarms.

    AVADCLIP_DATA=/path/to/data python scripts/verdict_loop.py

Composed streams of five folds by session, of which none shares a recording with another. In each round the roles move
on by one: students of the recipe of `starter` are trained on two folds; the third sets their threshold; on the fourth
their own detections get NUM_VERDICTS verdicts by the truth. What counts are further streams: of the same cameras later
(backgrounds and hard negatives of the fourth fold come again, events are of the fifth), and of other cameras (the fifth
alone).
Features are kept in runs/starter, where scripts/train_starter.py makes the same ones.
"""

import dataclasses
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from starter_data import NUM_FOLDS, Material, read_material
from starter_folds import OutOfFold, header_of, train_role
from starter_measures import GRID, Alarm, alarms, resample, shifts

from avadclip.data.bags import Bag
from avadclip.encoders.load import load_encoders
from avadclip.errors import AvadclipError, DataError
from avadclip.evaluation.verdicts import (
    CONFIDENCE,
    Counts,
    JudgedClip,
    calibrate_by_verdicts,
    describe_counts,
    divide,
    threshold_keeping,
)
from avadclip.events import Thresholds
from avadclip.inference.checkpoint import Checkpoint
from avadclip.inference.networks import AUDIO_STUDENT, BOTH_STUDENTS, STUDENTS, VISUAL_STUDENT
from avadclip.inference.scoring import SnippetScores, score_features
from avadclip.model.either import BothStudents
from avadclip.training.adaptation import adapt

REPOSITORY = Path(__file__).parents[1]
SEED = 0
LATER_SEED = 1000  # of the sequences of the same cameras later, plus the fold
NUM_VERDICTS = 50
RECALL = 0.9  # of the events of the third fold, found by the threshold before
KEEP_RECALL = RECALL  # of the judged events: what was found before shall be found after
NUM_RESAMPLES = 1000
WAYS = ("before", "threshold", "refit")


class Streams(NamedTuple):
    """What was found in further sequences, [S, 3]: false alarms, events found, events."""

    found: dict[str, NDArray[np.intp]]
    """By way, at the way's own threshold."""
    same_recall: NDArray[np.intp]
    """Of the refit, at the threshold that finds as many events as were found before."""
    sessions: list[str]
    hours: float


class Round(NamedTuple):
    """One round."""

    held_back: dict[str, Counts]
    """By way, of the verdicts that were held back."""
    streams: dict[str, Streams]
    """By cameras."""
    note: str


def material() -> Material:
    """Of the shared data."""
    if "AVADCLIP_DATA" not in os.environ:
        raise DataError("AVADCLIP_DATA is not set; name the folder that holds surveillance_fights/")
    data = Path(os.environ["AVADCLIP_DATA"]).resolve()
    return read_material(data, REPOSITORY / "runs/starter", load_encoders("lite"))


def timed(own: Material, fold: int) -> list[Bag]:
    """All sequences of a fold with the times of their events."""
    return [*own.sequences(SEED, "train", fold, timed=True), *own.sequences(SEED, "test", fold)]


def train(own: Material, folds: Sequence[int], threshold_fold: int) -> Checkpoint:
    """Students of the recipe of `starter`, shifted as its are, and a threshold that finds RECALL of the third fold."""
    composed = [bag for fold in folds for bag in own.sequences(SEED, "train", fold)]
    of = own.folds(SEED)
    videos = [bag for bag in (*own.fights, *own.ordinary) if of[bag.group] in folds]
    networks = {name: train_role(name, composed, videos, seed=SEED) for name in STUDENTS}
    sequences = timed(own, threshold_fold)
    run = OutOfFold(
        sequences, {name: [score_features(networks[name], bag.load()) for bag in sequences] for name in STUDENTS}
    )
    ordinary = [bag for bag in own.ordinary if of[bag.group] == threshold_fold]
    run.video_scores = {
        name: {
            bag.name: score_features(networks[name], bag.load())
            for bag in ordinary
            if bag.load().has_usable_sound or name == VISUAL_STUDENT
        }
        for name in STUDENTS
    }
    for name, shift in zip(STUDENTS, shifts([run], own), strict=True):
        (layer,) = networks[name].linear.values()
        layer.linear.bias.data -= shift
    networks[BOTH_STUDENTS] = BothStudents(networks[VISUAL_STUDENT], networks[AUDIO_STUDENT])
    peaks = event_peaks([score_features(networks[BOTH_STUDENTS], bag.load()) for bag in sequences], sequences)
    threshold = threshold_keeping(peaks, RECALL)
    thresholds = dict.fromkeys(networks, Thresholds(threshold, None))
    return Checkpoint(header_of("loop", sequences[0], thresholds), networks)


def event_peaks(scores: Sequence[SnippetScores], sequences: Sequence[Bag]) -> NDArray[np.float64]:
    """Highest score within every event."""
    return np.array(
        [
            each.anomaly_scores[slice(*snippets(event.start, event.end))].max()
            for each, bag in zip(scores, sequences, strict=True)
            for event in bag.intervals or ()
        ]
    )


def look(scores: Sequence[SnippetScores], sequences: Sequence[Bag], threshold: float) -> NDArray[np.intp]:
    """False alarms, events found, and events of every sequence, [S, 3]."""
    rows = []
    for each, bag in zip(scores, sequences, strict=True):
        raised = list(alarms(each, bag, threshold, None))
        spans = [(event.start, event.end) for event in bag.intervals or ()]
        num_false = sum(not any(touches(alarm, span) for span in spans) for alarm in raised)
        rows.append([num_false, sum(any(touches(alarm, span) for alarm in raised) for span in spans), len(spans)])
    return np.array(rows)


def touches(alarm: Alarm, span: tuple[float, float]) -> bool:
    """Whether an alarm and a stretch overlap."""
    return alarm.start < span[1] and span[0] < alarm.end


def snippets(start: float, end: float) -> tuple[int, int]:
    """Snippets of a stretch that begins and ends with one."""
    first = round(start / GRID.snippet_seconds)
    return first, max(round(end / GRID.snippet_seconds), first + 1)


def judge(checkpoint: Checkpoint, sequences: Sequence[Bag]) -> list[JudgedClip]:
    """NUM_VERDICTS by the truth: on the model's own detections, and on events that it missed."""
    threshold = checkpoint.header.thresholds[BOTH_STUDENTS].detection
    clips = []
    for bag in sequences:
        raised = list(alarms(score_features(checkpoint.networks[BOTH_STUDENTS], bag.load()), bag, threshold, None))
        spans = [(each.start, each.end) for each in bag.intervals or ()]
        for alarm in raised:
            is_real = any(touches(alarm, span) for span in spans)
            clips.append(judged(bag, alarm.start, alarm.end, is_event=is_real))
        missed = [span for span in spans if not any(touches(alarm, span) for alarm in raised)]
        clips += [judged(bag, *span, is_event=True) for span in missed]
    order = np.random.default_rng(SEED).permutation(len(clips))
    return [clips[index] for index in order[:NUM_VERDICTS]]


def judged(bag: Bag, start: float, end: float, *, is_event: bool) -> JudgedClip:
    """The verdict on a stretch of a sequence."""
    targets = np.array([not is_event, is_event], np.float32)
    return JudgedClip(dataclasses.replace(bag, targets=targets), *snippets(start, end))


def play(own: Material, number: int) -> Round:
    """One round."""
    first, second, third, fourth, fifth = ((number + step) % NUM_FOLDS for step in range(NUM_FOLDS))
    before = train(own, (first, second), third)
    verdicts = divide(judge(before, timed(own, fourth)))
    by_threshold, results = calibrate_by_verdicts(before, verdicts, keep_recall=KEEP_RECALL)
    refit, adaptation, refits = adapt(before, verdicts, keep_recall=KEEP_RECALL)
    (result,) = (each for each in results if each.network == BOTH_STUDENTS)
    (refitted,) = (each for each in refits if each.network == BOTH_STUDENTS)
    checkpoints = dict(zip(WAYS, (before, by_threshold, refit), strict=True))
    further = {"the same cameras later": later(own, fourth, fifth), "other cameras": timed(own, fifth)}
    return Round(
        held_back=dict(zip(WAYS, (result.held_before, result.held_after, refitted.held_after), strict=True)),
        streams={name: watch(checkpoints, sequences) for name, sequences in further.items()},
        note=f"pull {adaptation.pull}, AUC of the verdicts {adaptation.auc_before:.3f}, cross-validated after a refit "
        f"{adaptation.auc:.3f}",
    )


def later(own: Material, cameras: int, events: int) -> list[Bag]:
    """New sequences of the cameras of one fold: its backgrounds and hard negatives, with events of another."""
    again = [each for each in own.of_fold(SEED, cameras) if each.role != "event"]
    new = [each for each in own.of_fold(SEED, events) if each.role == "event"]
    return own.compose([*again, *new], "test", LATER_SEED + cameras, timed=True)


def watch(checkpoints: Mapping[str, Checkpoint], sequences: Sequence[Bag]) -> Streams:
    """Run every way's detector on sequences."""
    found, scores = {}, []
    for way, checkpoint in checkpoints.items():
        scores = [score_features(checkpoint.networks[BOTH_STUDENTS], bag.load()) for bag in sequences]
        found[way] = look(scores, sequences, checkpoint.header.thresholds[BOTH_STUDENTS].detection)
    _, num_found, num_events = found["before"].sum(axis=0)
    same = threshold_keeping(event_peaks(scores, sequences), num_found / num_events)
    return Streams(
        found,
        look(scores, sequences, same),
        [bag.group for bag in sequences],
        sum(bag.load().duration_seconds for bag in sequences) / 3600,
    )


def show(rounds: Sequence[Round]) -> None:
    """Print the rounds together: sums, and bootstrap intervals over sessions."""
    print(f"composed streams, {NUM_VERDICTS} verdicts a round, {len(rounds)} rounds")
    for way in WAYS:
        counts = Counts(*(sum(each) for each in zip(*(one.held_back[way] for one in rounds), strict=True)))
        print(f"held-back verdicts, {way}: {describe_counts(counts)}")
    for cameras in rounds[0].streams:
        show_streams(cameras, [each.streams[cameras] for each in rounds])


def show_streams(cameras: str, parts: Sequence[Streams]) -> None:
    """Print what was found in one kind of further streams."""
    hours = sum(each.hours for each in parts)
    for way in WAYS:
        num_false, num_found, num_events = sum(each.found[way].sum(axis=0) for each in parts)
        rate = num_false / hours
        print(f"{cameras} ({hours:.1f} h), {way}: {rate:.0f} false alarms/h, {num_found} of {num_events} events")
    for name, after in (
        ("threshold", [each.found["threshold"] for each in parts]),
        ("refit", [each.found["refit"] for each in parts]),
        ("refit at the recall before", [each.same_recall for each in parts]),
    ):
        print(f"{cameras}, {name}: false alarms gone {gone(parts, after)}; events lost {lost(parts, after)}")


def gone(parts: Sequence[Streams], after: Sequence[NDArray[np.intp]]) -> str:
    """Share of the false alarms before that are gone, with its interval."""
    return share(parts, after, lambda old, new: 1 - new[0] / max(old[0], 1))


def lost(parts: Sequence[Streams], after: Sequence[NDArray[np.intp]]) -> str:
    """Change of recall, with its interval."""
    return share(parts, after, lambda old, new: (old[1] - new[1]) / max(old[2], 1))


Of = Callable[[NDArray[np.intp], NDArray[np.intp]], float]


def share(parts: Sequence[Streams], after: Sequence[NDArray[np.intp]], of: Of) -> str:
    """A share from sums over sequences, in percent, with its bootstrap interval over sessions."""
    draw, values = np.random.default_rng(0), []
    pairs = [(each.found["before"], new, each.sessions) for each, new in zip(parts, after, strict=True)]
    for _ in range(NUM_RESAMPLES):
        picks = [resample(sessions, draw) for _, _, sessions in pairs]
        values.append(
            of(*(sum(each[side][pick].sum(axis=0) for each, pick in zip(pairs, picks, strict=True)) for side in (0, 1)))
        )
    low, high = np.percentile(values, [50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)])
    exact = of(*(sum(each[side].sum(axis=0) for each in pairs) for side in (0, 1)))
    return f"{100 * exact:.0f} % ({100 * low:.0f} to {100 * high:.0f})"


def main(num_rounds: int) -> None:
    """Play the rounds and show them."""
    torch.set_num_threads(1)
    own = material()
    rounds = []
    for number in range(num_rounds):
        rounds.append(play(own, number))
        print(f"round {number + 1}: {rounds[-1].note}", flush=True)
    show(rounds)


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else NUM_FOLDS)
    except AvadclipError as error:
        sys.exit(f"verdict_loop: {error}")
