"""Thresholds from people's verdicts, and what they change on verdicts that were held back."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avadclip.data.bags import Bag
from avadclip.data.splits import hold_out
from avadclip.data.verdicts import VerdictRow, read_verdicts
from avadclip.errors import DataError, FeatureError
from avadclip.evaluation.metrics.thresholds import CONFIDENCE, share_interval
from avadclip.events import Thresholds
from avadclip.features.snippets import SnippetFeatures
from avadclip.inference.checkpoint import Checkpoint, CheckpointHeader
from avadclip.inference.scoring import score_features
from avadclip.model.base import System
from avadclip.timeline import SnippetGrid

HELD_BACK_SHARE = 1 / 3  # of the verdicts
SEED = 0  # of which groups are held back
LEAST_CHOOSING, LEAST_HELD_BACK = 5, 2  # events, and false alarms; with fewer a threshold follows single ones
CARD_HEADING = "## Set from verdicts"


class JudgedClip(NamedTuple):
    """Footage of a verdict, and the snippets that the verdict is about, half open."""

    bag: Bag
    """Anomalous where something happened."""
    start: int
    stop: int


class Verdicts(NamedTuple):
    """Judged footage in two parts that share no group."""

    choosing: tuple[JudgedClip, ...]
    held_back: tuple[JudgedClip, ...]


class Counts(NamedTuple):
    """Judged false alarms and events, and how many of them a threshold lets through."""

    num_false: int
    num_false_left: int
    num_events: int
    num_found: int


class NetworkVerdicts(NamedTuple):
    """How the thresholds of one network came about."""

    network: str
    before: Thresholds
    thresholds: Thresholds
    keep_recall: float
    chosen_on: Counts
    """Verdicts that the threshold was chosen on, with it."""
    held_before: Counts
    """Verdicts that were held back, before."""
    held_after: Counts


def read_clips(
    folder: Path, header: CheckpointHeader, read: Callable[[Path], SnippetFeatures]
) -> tuple[list[JudgedClip], int]:
    """Read the judged footage of a folder.

    Args:
        folder: see data.verdicts.
        header: of the checkpoint that will score it.
        read: gives a video's features.

    Returns:
        The clips, and the number of verdicts whose footage is gone.

    Raises:
        DataError: an unusable folder.
        FeatureError: features were made otherwise than those the networks were trained on.
    """
    rows = read_verdicts(folder)
    clips = []
    for row in rows:
        if row.video:
            path = folder / row.video
            if not path.is_file():
                raise DataError(f"{path} does not exist; pull the verdicts again")
            features = read(path)
            misfit = header.misfit(features)
            if misfit is not None:
                raise FeatureError(
                    f"{path} does not fit {header.name} ({misfit}); score it with --encoders of the model"
                )
            clips.append(clip_of(row, features, header.features.grid))
    return clips, sum(not row.video for row in rows)


def clip_of(row: VerdictRow, features: SnippetFeatures, grid: SnippetGrid) -> JudgedClip:
    """A verdict's footage and the snippets that its stretch touches, at least one."""
    targets = np.array([not row.is_event, row.is_event], np.float32)
    bag = Bag(row.id, row.group, features, targets)
    if row.start is None or row.end is None:
        return JudgedClip(bag, 0, len(features))
    start = min(math.floor(row.start / grid.snippet_seconds), len(features) - 1)
    return JudgedClip(bag, start, min(max(math.ceil(row.end / grid.snippet_seconds), start + 1), len(features)))


def divide(clips: Sequence[JudgedClip], *, share: float = HELD_BACK_SHARE, seed: int = SEED) -> Verdicts:
    """Hold back whole groups, about this share of the events and of the false alarms.

    Raises:
        DataError: either part has too few events or false alarms.
    """
    of_bag = {id(clip.bag): clip for clip in clips}
    parts = hold_out([clip.bag for clip in clips], share=share, seed=seed) if clips else ((), ())
    verdicts = Verdicts(*(tuple(of_bag[id(bag)] for bag in part) for part in parts))
    if _is_too_few(verdicts.choosing, LEAST_CHOOSING) or _is_too_few(verdicts.held_back, LEAST_HELD_BACK):
        found = " and ".join(
            f"{sum(clip.bag.is_anomalous for clip in part)} events and "
            f"{sum(not clip.bag.is_anomalous for clip in part)} false alarms to {aim}"
            for part, aim in zip(verdicts, ("choose by", "check with"), strict=True)
        )
        raise DataError(
            f"{found}, from different sources, are too few; needed {LEAST_CHOOSING} of either to choose by and "
            f"{LEAST_HELD_BACK} to check with: judge more events, and pull the verdicts again"
        )
    return verdicts


def calibrate_by_verdicts(
    checkpoint: Checkpoint, verdicts: Verdicts, *, keep_recall: float
) -> tuple[Checkpoint, list[NetworkVerdicts]]:
    """Choose the detection threshold of every network that enough of the judged footage can be scored by.

    It is the highest that keeps the wanted share of the events to choose by, missed ones included, and so rejects as
    many false alarms as can be. An alert needs no less.

    Returns:
        The same networks with new thresholds, and how each came about; networks with too few verdicts, those
        that read sound where the footage has none, keep theirs and are left out.

    Raises:
        DataError: no network can score enough of the footage.
    """
    results = []
    for kind, network in checkpoint.networks.items():
        parts = [
            [clip for clip in part if clip.bag.load().has_usable_sound or not network.uses_audio] for part in verdicts
        ]
        if not _is_too_few(parts[0], LEAST_CHOOSING) and not _is_too_few(parts[1], LEAST_HELD_BACK):
            choosing, held_back = (np.array([peak_score(network, clip) for clip in part]) for part in parts)
            truths = [are_events(part) for part in parts]
            before = checkpoint.header.thresholds[kind]
            thresholds = raised(before, threshold_keeping(choosing[truths[0]], keep_recall))
            results.append(
                NetworkVerdicts(
                    kind,
                    before,
                    thresholds,
                    keep_recall,
                    count_judged(choosing, truths[0], thresholds.detection),
                    count_judged(held_back, truths[1], before.detection),
                    count_judged(held_back, truths[1], thresholds.detection),
                )
            )
    if not results:
        raise DataError("no network can score enough of the judged footage: too little of it has sound")
    return with_results(checkpoint, results), results


def with_results(checkpoint: Checkpoint, results: Sequence[NetworkVerdicts]) -> Checkpoint:
    """The checkpoint with these thresholds, described on its card."""
    header = checkpoint.header
    lines = [CARD_HEADING]
    for result in results:
        lines += ["", f"**{result.network}**", "", *(f"- {line}" for line in describe(result))]
    card = header.card.partition(CARD_HEADING)[0].rstrip() + "\n\n" + "\n".join(lines) + "\n"
    thresholds = {**header.thresholds, **{result.network: result.thresholds for result in results}}
    return dataclasses.replace(checkpoint, header=header.model_copy(update={"thresholds": thresholds, "card": card}))


def peak_score(network: System, clip: JudgedClip) -> float:
    """The highest score within the stretch that was judged."""
    return float(score_features(network, clip.bag.load()).anomaly_scores[clip.start : clip.stop].max())


def are_events(clips: Sequence[JudgedClip]) -> NDArray[np.bool_]:
    """Whether something happened, [N]."""
    return np.array([clip.bag.is_anomalous for clip in clips], dtype=bool)


def threshold_keeping(event_peaks: NDArray[np.float64], keep_recall: float) -> float:
    """The highest threshold that at least this share of the events reaches.

    Args:
        event_peaks: [M], M > 0.
        keep_recall: above 0, up to 1.
    """
    # Rounded before it is rounded up: .7 * 10 is 7.000000000000001.
    num_kept = max(1, math.ceil(round(keep_recall * len(event_peaks), 9)))
    return float(np.sort(event_peaks)[-num_kept])


def raised(before: Thresholds, detection: float) -> Thresholds:
    """A new detection threshold; an alert needs at least as much."""
    return Thresholds(detection, None if before.alert is None else max(before.alert, detection))


def count_judged(peaks: NDArray[np.float64], is_event: NDArray[np.bool_], threshold: float) -> Counts:
    """What a threshold lets through.

    Args:
        peaks: [N]
        is_event: [N]
        threshold: reached by a score that equals it.
    """
    passes = peaks >= threshold
    return Counts(
        int((~is_event).sum()), int((~is_event & passes).sum()), int(is_event.sum()), int((is_event & passes).sum())
    )


def describe(result: NetworkVerdicts) -> list[str]:
    """The thresholds and what they change, a sentence a line, for the card and the terminal."""
    chosen, before, after = result.chosen_on, result.held_before, result.held_after
    lines = [
        f"detection {result.thresholds.detection:.4f} (before {result.before.detection:.4f}), chosen on "
        f"{chosen.num_events} events and {chosen.num_false} false alarms to keep {100 * result.keep_recall:g} % of the "
        "events",
        f"verdicts that were held back (a third, by source, seed {SEED}), before: {describe_counts(before)}",
        f"after: {describe_counts(after)}",
    ]
    if result.thresholds.detection < result.before.detection:
        lines.append("lower than before, for the missed events: what false alarms lie in between, nobody has judged")
    return lines


def describe_counts(counts: Counts) -> str:
    """Shares with their exact intervals."""
    return (
        f"{_share(counts.num_false_left, counts.num_false)} false alarms left, "
        f"{_share(counts.num_found, counts.num_events)} real events found"
    )


def _share(count: int, total: int) -> str:
    if total == 0:
        return "0 of 0"
    low, high = share_interval(count, total)
    return f"{count} of {total} ({100 * low:.0f} to {100 * high:.0f} % at {100 * CONFIDENCE:g} % confidence)"


def _is_too_few(clips: Sequence[JudgedClip], least: int) -> bool:
    truth = are_events(clips)
    return int(truth.sum()) < least or int((~truth).sum()) < least
