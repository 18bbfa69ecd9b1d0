"""How the thresholds of a network came about, and what they can be expected to do."""

from collections.abc import Sequence
from typing import NamedTuple

from avadclip.evaluation.known_events import KnownFound
from avadclip.evaluation.metrics.thresholds import ALERT_PRECISION, CONFIDENCE, rate_bound
from avadclip.events import Thresholds

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
    known: tuple[KnownFound, ...]
    """What is found of annotated events and of anomalous videos without times; () where none could be scored."""
    per_hour_to_find: float | None
    """Where no known event is found: the false alarms per hour at the highest score that any of them has."""
    num_false: int
    """False alarms, each counted once for every minute begun."""
    num_false_alerts: int


def describe(result: Calibration) -> list[str]:
    """Describe the thresholds and their measured rates, a sentence a line, for the card and the terminal."""
    if result.num_videos == 0:
        return ["no footage that this network can score: its thresholds stay as they were"]
    lines = [
        f"detection {_score(result.thresholds.detection)} (before {_score(result.before.detection)}), "
        f"alert {_score(result.thresholds.alert)} (before {_score(result.before.alert)})",
        f"chosen on {_duration(result.hours)} in which nothing is annotated, of {result.num_videos} recordings"
        + ("" if result.wanted is not None else f" with {result.known[0].num} annotated events"),
    ]
    if result.wanted is None:
        precision = f"{100 * ALERT_PRECISION:g} %"
        lines.append(f"detection has the best F1 of time under alarm; from alert on, {precision} of alerts are right")
    lines += _found_lines(result)
    if result.hours > 0:
        wanted = (None, None) if result.wanted is None else result.wanted
        lines += _rate_lines("false alarms", result.num_false, result.hours, wanted[0])
        if result.thresholds.alert is not None:
            lines += _rate_lines("false alerts", result.num_false_alerts, result.hours, wanted[1])
    return lines


def _found_lines(result: Calibration) -> list[str]:
    lines = []
    for known in result.known:
        share = (
            f"found: {known.num_found} of {known.num} known {known.what} ({100 * known.num_found / known.num:.0f} %, "
            f"{PERCENT} % interval {100 * known.low:.0f} to {100 * known.high:.0f} %), {known.num_alerted} of them as "
            "alerts"
        )
        lines.append(share if result.wanted is not None else f"{share}; the thresholds were chosen by them")
    if not result.known:
        lines.append("what would be found is not known: no labelled footage that this network can score was given")
    elif not any(known.num_found for known in result.known):
        nouns = [known.what if known.num > 1 else known.what.removesuffix("s") for known in result.known]
        num = " and ".join(f"{known.num} known {noun}" for known, noun in zip(result.known, nouns, strict=True))
        highest = max(known.highest_score for known in result.known)
        cost = (
            ""
            if result.per_hour_to_find is None
            else f", where it has {result.per_hour_to_find:.2f} false alarms per hour"
        )
        lines.append(
            f"warning: the threshold {_score(result.thresholds.detection)} lies above every one of the {num}: nothing "
            f"would be found; the highest score among them is {highest:.4f}{cost}: allow more false alarms, or train "
            "on footage like this"
        )
    return lines


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


def add_to_card(card: str, results: Sequence[Calibration]) -> str:
    """The card with one section on these thresholds at its end, in the place of an earlier one."""
    lines = [CARD_HEADING, "", "They replace those that training chose."]
    for result in results:
        lines += ["", f"**{result.network}**", "", *(f"- {line}" for line in describe(result))]
    return card.partition(CARD_HEADING)[0].rstrip() + "\n\n" + "\n".join(lines) + "\n"


def _score(threshold: float | None) -> str:
    return "none" if threshold is None else f"{threshold:.4f}"
