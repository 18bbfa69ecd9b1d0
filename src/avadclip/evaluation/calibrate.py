"""Set a checkpoint's thresholds from a user's own footage, and state what so much footage can show."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avadclip.data.bags import Interval
from avadclip.data.footage import FootageFile
from avadclip.data.published.annotations import build_frame_truth
from avadclip.errors import DataError, FeatureError
from avadclip.evaluation.calibration import Calibration, Wanted, add_to_card
from avadclip.evaluation.known_events import KnownFound, KnownKind, measure_known
from avadclip.evaluation.metrics.alarms import Watched, find_alarms, join_videos
from avadclip.evaluation.metrics.thresholds import MOST_PER_HOUR, thresholds_for_events, thresholds_for_rate
from avadclip.events import Thresholds
from avadclip.features.snippets import SnippetFeatures
from avadclip.inference.checkpoint import Checkpoint
from avadclip.inference.scoring import score_features
from avadclip.timeline import SnippetGrid


class ScoredFootage(NamedTuple):
    """Footage as one network scores it, a piece for every recording that it can score."""

    timed: list[Watched]
    """Normal recordings, and those whose events have times."""
    untimed: list[Watched]
    """Anomalous recordings without times; all their frames are positive."""


def calibrate(
    checkpoint: Checkpoint,
    footage: Sequence[FootageFile],
    read: Callable[[FootageFile], SnippetFeatures],
    *,
    wanted: Wanted | None,
    measured: Sequence[FootageFile] = (),
) -> tuple[Checkpoint, list[Calibration]]:
    """Choose both thresholds of every network on footage it was not trained on.

    A visual network is calibrated on all of it, the others on what has sound. Scores are those of the
    classifier, alarms those of detection's default rules. Features are read one file at a time.

    Args:
        checkpoint: stays as it is.
        footage: from data.footage, events with times.
        read: gives a file's features, extracted or stored.
        wanted: what the lowest thresholds have to keep to; None to fit annotated events (metrics.thresholds).
        measured: labelled footage, with or without times, that chooses nothing: what the thresholds find there is
            counted.

    Returns:
        The same networks with new thresholds and an extended card, no longer with statistics of the training footage:
        alerts now rest on this footage. And a Calibration for each network.

    Raises:
        DataError: the footage leaves nothing to choose by, or no threshold keeps to what is wanted.
        FeatureError: features were made otherwise than those the networks were trained on.
    """
    if wanted is not None and not (0 < wanted.per_hour < MOST_PER_HOUR and wanted.alerts_per_hour > 0):
        raise DataError(
            f"{wanted.per_hour:g} false alarms and {wanted.alerts_per_hour:g} alerts per hour cannot be aimed at; "
            f"needed rates above 0, and below {MOST_PER_HOUR:g}, as an alarm counts once for every minute"
        )
    chosen_by = score_footage(checkpoint, footage, read)
    if not any(scored.timed for scored in chosen_by.values()):
        raise DataError(f"no network of {checkpoint.header.name} can score this footage: all of it is without sound")
    return set_thresholds(checkpoint, chosen_by, score_footage(checkpoint, measured, read), wanted=wanted)


def score_footage(
    checkpoint: Checkpoint, footage: Sequence[FootageFile], read: Callable[[FootageFile], SnippetFeatures]
) -> dict[str, ScoredFootage]:
    """The footage as each network of the checkpoint scores it; see calibrate."""
    header = checkpoint.header
    scored = {kind: ScoredFootage([], []) for kind in checkpoint.networks}
    for file in footage:
        features = read(file)
        file.check_times(features.duration_seconds)
        misfit = header.misfit(features)
        if misfit is not None:
            raise FeatureError(
                f"{file.path} does not fit {header.name} ({misfit}); extract it with --encoders {header.encoders}"
            )
        is_positive = _frames(file.intervals or (), len(features), header.features.grid)
        for kind, trained in checkpoint.networks.items():
            if features.has_usable_sound or not trained.uses_audio:
                scores = score_features(trained, features).anomaly_scores
                rate_hz = header.features.grid.frame_rate_hz
                if file.intervals is None:
                    scored[kind].untimed.append(Watched(scores, np.full_like(is_positive, True), rate_hz))
                else:
                    scored[kind].timed.append(Watched(scores, is_positive, rate_hz))
    return scored


def set_thresholds(
    checkpoint: Checkpoint,
    chosen_by: Mapping[str, ScoredFootage],
    measured: Mapping[str, ScoredFootage],
    *,
    wanted: Wanted | None,
) -> tuple[Checkpoint, list[Calibration]]:
    """As calibrate, of pieces that are scored already, by network; `measured` has every network too."""
    header = checkpoint.header
    results = [
        _calibrate_network(kind, header.thresholds[kind], scored.timed, measured[kind], wanted)
        for kind, scored in chosen_by.items()
    ]
    changed = header.model_copy(
        update={
            "thresholds": {result.network: result.thresholds for result in results},
            "card": add_to_card(header.card, results),
        }
    )
    return dataclasses.replace(checkpoint, header=changed, familiarity=None), results


def _calibrate_network(
    kind: str, before: Thresholds, videos: list[Watched], measured: ScoredFootage, wanted: Wanted | None
) -> Calibration:
    if not videos:
        return Calibration(kind, before, before, wanted, 0, 0.0, (), None, 0, 0)
    joined = join_videos(videos)
    if wanted is None:
        if joined.num_stretches == 0:
            raise DataError(f"no annotated event lies in the footage that the {kind} can score; annotate some that do")
        thresholds = thresholds_for_events(joined)
    else:
        if joined.hours <= 0:
            raise DataError("the footage holds no time in which nothing is annotated; add some")
        quiet = thresholds_for_rate(joined, per_hour=wanted.per_hour, alerts_per_hour=wanted.alerts_per_hour)
        if quiet is None:
            raise DataError(
                f"the {kind} gives this footage the highest score there is, so no threshold keeps to "
                f"{wanted.per_hour:g} false alarms per hour; allow more, or train on footage like it"
            )
        thresholds = quiet
    alarms = find_alarms(joined, thresholds.detection)
    is_alert = alarms.peak >= (2.0 if thresholds.alert is None else thresholds.alert)
    known = _measure_known(videos, measured, thresholds)
    lost = bool(known) and joined.hours > 0 and not any(each.num_found for each in known)
    reachable = max((each.highest_score for each in known), default=1.0)
    return Calibration(
        network=kind,
        before=before,
        thresholds=thresholds,
        wanted=wanted,
        num_videos=len(videos),
        hours=joined.hours,
        known=known,
        per_hour_to_find=find_alarms(joined, reachable).num_false / joined.hours if lost else None,
        num_false=alarms.num_false,
        num_false_alerts=int(alarms.counts[~alarms.is_right & is_alert].sum()),
    )


def _measure_known(
    videos: Sequence[Watched], measured: ScoredFootage, thresholds: Thresholds
) -> tuple[KnownFound, ...]:
    """What is found of all events with times, and of whole videos."""
    timed = [video for video in (*videos, *measured.timed) if video.is_positive.any()]
    pieces: tuple[tuple[KnownKind, Sequence[Watched]], ...] = (("events", timed), ("videos", measured.untimed))
    return tuple(measure_known(own, thresholds, what) for what, own in pieces if own)


def _frames(intervals: Iterable[Interval], num_snippets: int, grid: SnippetGrid) -> NDArray[np.bool_]:
    spans = [(round(each.start * grid.frame_rate_hz), round(each.end * grid.frame_rate_hz)) for each in intervals]
    return build_frame_truth(spans, num_snippets, snippet_frames=grid.snippet_frames)
