"""Set a checkpoint's thresholds from a user's own footage, and state what so much footage can show."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avadclip.data.bags import Interval
from avadclip.data.footage import FootageFile
from avadclip.data.published.annotations import build_frame_truth
from avadclip.errors import DataError, FeatureError
from avadclip.evaluation.metrics.alarms import Watched, find_alarms, join_videos
from avadclip.evaluation.metrics.thresholds import (
    ALERT_PRECISION,
    CONFIDENCE,
    MOST_PER_HOUR,
    rate_bound,
    thresholds_for_events,
    thresholds_for_rate,
)
from avadclip.events import Thresholds
from avadclip.features.snippets import SnippetFeatures
from avadclip.inference.checkpoint import Checkpoint
from avadclip.inference.scoring import score_features
from avadclip.timeline import SnippetGrid

CARD_HEADING = "## Thresholds set from own footage"
PERCENT = round(100 * CONFIDENCE)


class Wanted(NamedTuple):
    """The most false alarms that one can live with."""

    per_hour: float
    """Of either severity; above 0 and below 60."""
    alerts_per_hour: float
    """Of severity `alert`."""


class Calibration(NamedTuple):
    """How the thresholds of one network came about."""

    network: str
    before: Thresholds
    thresholds: Thresholds
    wanted: Wanted | None
    """None where the thresholds fit annotated events."""
    num_videos: int
    """That this network could score; with none it keeps its thresholds."""
    hours: float
    """Footage in which nothing is annotated."""
    num_events: int
    """Annotated, and touching ones counted as one."""
    num_found: int
    num_false: int
    """False alarms, each counted once for every minute begun."""
    num_false_alerts: int


def calibrate(
    checkpoint: Checkpoint,
    footage: Sequence[FootageFile],
    read: Callable[[FootageFile], SnippetFeatures],
    *,
    wanted: Wanted | None,
) -> tuple[Checkpoint, list[Calibration]]:
    """Choose both thresholds of every network on footage it was not trained on.

    A visual network is calibrated on all of it, the others on what has sound. Scores are those of the
    classifier, alarms those of detection's default rules. Features are read one file at a time.

    Args:
        checkpoint: stays as it is.
        footage: from data.footage.
        read: gives a file's features, extracted or stored.
        wanted: what the lowest thresholds have to keep to; None to fit annotated events (metrics.thresholds).

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
    header = checkpoint.header
    watched: dict[str, list[Watched]] = {kind: [] for kind in checkpoint.networks}
    for file in footage:
        features = read(file)
        file.check_times(features.duration_seconds)
        misfit = header.misfit(features)
        if misfit is not None:
            raise FeatureError(
                f"{file.path} does not fit {header.name} ({misfit}); extract it with --encoders {header.encoders}"
            )
        for kind, trained in checkpoint.networks.items():
            if features.has_usable_sound or not trained.uses_audio:
                scores = score_features(trained, features).anomaly_scores
                is_positive = _frames(file.intervals, len(features), header.features.grid)
                watched[kind].append(Watched(scores, is_positive, header.features.grid.frame_rate_hz))
    if not any(watched.values()):
        raise DataError(f"no network of {header.name} can score this footage: all of it is without sound")
    results = [_calibrate_network(kind, header.thresholds[kind], videos, wanted) for kind, videos in watched.items()]
    changed = header.model_copy(
        update={
            "thresholds": {result.network: result.thresholds for result in results},
            "card": _card(header.card, results),
        }
    )
    return dataclasses.replace(checkpoint, header=changed, familiarity=None), results


def describe(result: Calibration) -> list[str]:
    """Describe the thresholds and their measured rates, a sentence a line, for the card and the terminal."""
    if result.num_videos == 0:
        return ["no footage that this network can score: its thresholds stay as they were"]
    lines = [
        f"detection {_score(result.thresholds.detection)} (before {_score(result.before.detection)}), "
        f"alert {_score(result.thresholds.alert)} (before {_score(result.before.alert)})",
        f"chosen on {_duration(result.hours)} in which nothing is annotated, of {result.num_videos} recordings"
        + (f" with {result.num_events} annotated events" if result.num_events else ""),
    ]
    if result.wanted is None:
        precision = f"{100 * ALERT_PRECISION:g} %"
        lines.append(f"detection has the best F1 of time under alarm; from alert on, {precision} of alerts are right")
    if result.num_events:
        lines.append(f"found there: {result.num_found} of {result.num_events} events")
    if result.hours > 0:
        wanted = (None, None) if result.wanted is None else result.wanted
        lines += _rate_lines("false alarms", result.num_false, result.hours, wanted[0])
        if result.thresholds.alert is not None:
            lines += _rate_lines("false alerts", result.num_false_alerts, result.hours, wanted[1])
    return lines


def _calibrate_network(kind: str, before: Thresholds, videos: list[Watched], wanted: Wanted | None) -> Calibration:
    if not videos:
        return Calibration(kind, before, before, wanted, 0, 0.0, 0, 0, 0, 0)
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
    return Calibration(
        network=kind,
        before=before,
        thresholds=thresholds,
        wanted=wanted,
        num_videos=len(videos),
        hours=joined.hours,
        num_events=joined.num_stretches,
        num_found=alarms.num_found,
        num_false=alarms.num_false,
        num_false_alerts=int(alarms.counts[~alarms.is_right & is_alert].sum()),
    )


def _rate_lines(what: str, count: int, hours: float, wanted: float | None) -> list[str]:
    aim = "" if wanted is None else f", wanted at most {wanted:g}"
    lines = [
        f"{what} there: {count} ({count / hours:.2f} per hour{aim}); on footage like this below "
        f"{rate_bound(count, hours):.2f} per hour at {PERCENT} % confidence"
    ]
    if wanted is not None and wanted * hours < 1:
        lines.append(
            f"{wanted:g} {what} per hour cannot be promised from {_duration(hours)}, where a single one would be "
            f"{1 / hours:.2f} per hour: none is let through there; it takes {rate_bound(0, wanted):.1f} h "
            "without any to show it"
        )
    return lines


def _duration(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.1f} min"


def _frames(intervals: Iterable[Interval], num_snippets: int, grid: SnippetGrid) -> NDArray[np.bool_]:
    spans = [(round(each.start * grid.frame_rate_hz), round(each.end * grid.frame_rate_hz)) for each in intervals]
    return build_frame_truth(spans, num_snippets, snippet_frames=grid.snippet_frames)


def _card(card: str, results: Sequence[Calibration]) -> str:
    """The card with one section on these thresholds at its end, in the place of an earlier one."""
    lines = [CARD_HEADING, "", "They replace those that training chose."]
    for result in results:
        lines += ["", f"**{result.network}**", "", *(f"- {line}" for line in describe(result))]
    return card.partition(CARD_HEADING)[0].rstrip() + "\n\n" + "\n".join(lines) + "\n"


def _score(threshold: float | None) -> str:
    return "none" if threshold is None else f"{threshold:.4f}"
