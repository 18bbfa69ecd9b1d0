"""Robustness results as tables and as a bar chart in the style of the paper's Figure 1."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from avadclip.evaluation.metrics.records import MeasureName, Part
from avadclip.evaluation.robustness import AUTOMATIC, CONDITIONS, ConditionName, RobustnessReport
from avadclip.report.figures.panels import (
    DOTS_PER_INCH,
    EVENT_COLOUR,
    FAINT,
    INK,
    SCORE_COLOUR,
    SECOND_COLOUR,
    THIRD_COLOUR,
    WIDTH_INCHES,
)
from avadclip.report.words import network_words, origin_words, printable

COLOURS = {
    "teacher": SCORE_COLOUR,
    "visual student": SECOND_COLOUR,
    "audio student": THIRD_COLOUR,
    AUTOMATIC: "#555555",
}
HATCHES = {"visual student": "//", "audio student": ".."}  # for print in grey
GROUP_GAPS = {"black": 0.6, "muted": 0.6}  # before the picture damages and before the sound damages
OF_FEATURES = "analogues on features, no video was damaged"
TITLES: dict[MeasureName, str] = {"frame_ap": "frame AP", "roc_auc": "ROC AUC"}
OF_MEANS = "every score replaced by its video's mean"


class Bar(NamedTuple):
    """A value in percent, and its standard deviation over runs if there are several."""

    percent: float
    deviation: float | None = None


def tables(report: RobustnessReport) -> Iterator[tuple[str, list[list[str]]]]:
    """Title and rows of every measure, each followed by its control."""
    for measure, title in TITLES.items():
        yield title, table_rows(report, measure)
        yield f"{title}, {OF_MEANS}", table_rows(report, measure, "video_mean_percent")


def table_rows(report: RobustnessReport, measure: MeasureName, part: Part = "percent") -> list[list[str]]:
    """Table rows per condition: its name, then per network the percentage and the gain over `clean`.

    Args:
        report: of every condition.
        measure: one of TITLES.
        part: of the measure, its value or its control.
    """
    rows = []
    for condition in CONDITIONS:
        cells: list[str] = [condition]
        for network in report.networks:
            value, clean = (_percent(report, each, network, measure, part) for each in (condition, "clean"))
            gain = "" if value is None or clean is None or condition == "clean" else f" ({value - clean:+.2f})"
            cells.append("-" if value is None else f"{value:.2f}{gain}")
        rows.append(cells)
    return rows


def describe(report: RobustnessReport) -> str:
    """Describe checkpoint, dataset, split and damage in one line."""
    first = report.conditions[0].reports[0]
    dataset = first.dataset + origin_words(first.dataset, is_synthetic=first.is_synthetic)
    damaged = OF_FEATURES if report.damage_of == "features" else "videos damaged before encoding"
    return printable(f"{report.checkpoint} on {dataset}, {first.split} split; {damaged}; head classifier")


def to_markdown(report: RobustnessReport) -> str:
    """Markdown tables of both measures and their controls, of sigma^2 and of the chosen networks."""
    first = report.conditions[0].reports[0]
    lines = [f"{describe(report)}.", "", f"A random score gets frame AP {first.chance_percent:.2f} and ROC AUC 50."]
    for title, of_measure in tables(report):
        lines += ["", f"**{title}, percent (gain over clean)**", ""]
        lines += markdown_table(["condition", *map(network_words, report.networks)], of_measure)
    lines += ["", "**Videos per automatically chosen network, and median sigma^2 of the students**", ""]
    students = list(report.conditions[0].median_variance)
    rows = []
    for each in report.conditions:
        chosen = ", ".join(f"{network_words(network)} {count}" for network, count in each.chosen.items())
        medians = [each.median_variance.get(student) for student in students]
        rows.append([each.name, chosen, *("-" if value is None else f"{value:.4f}" for value in medians)])
    lines += markdown_table(
        ["condition", "chosen", *(f"sigma^2, {network_words(student)}" for student in students)], rows
    )
    lines += ["", *(f"- {printable(note)}" for note in report.notes)] if report.notes else []
    return "\n".join(lines) + "\n"


def markdown_table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table; all columns but the first are right-aligned."""
    lines = [heading, ["---", *["---:"] * (len(heading) - 1)], *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def draw_chart(report: RobustnessReport) -> Figure:
    """Draw the frame AP of every network under every condition."""
    bars: dict[str, dict[ConditionName, Bar]] = {
        network: {
            condition: Bar(value)
            for condition in CONDITIONS
            if (value := _percent(report, condition, network, "frame_ap")) is not None
        }
        for network in report.networks
    }
    chance = report.conditions[0].reports[0].chance_percent
    return draw_bars(bars, title="Frame AP under damage", subtitle=describe(report), chance=chance)


def draw_bars(bars: Mapping[str, Mapping[ConditionName, Bar]], *, title: str, subtitle: str, chance: float) -> Figure:
    """Draw a grouped bar chart: one group per condition, one colour per network.

    Args:
        bars: frame AP in percent, by network, then by condition.
        title: above the chart.
        subtitle: below it, smaller.
        chance: frame AP of a random score, drawn as a line.
    """
    figure = Figure(figsize=(WIDTH_INCHES, 4.6), dpi=DOTS_PER_INCH, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.065, 0.13, 0.925, 0.67))
    centres = np.cumsum([1 + GROUP_GAPS.get(condition, 0.0) for condition in CONDITIONS])
    width = 0.84 / len(bars)
    for number, (network, values) in enumerate(bars.items()):
        offset = (number - (len(bars) - 1) / 2) * width
        places = {name: centre + offset for name, centre in zip(CONDITIONS, centres, strict=True)}
        _draw_network(axes, network, values, places, width)
    axes.axhline(chance, color=EVENT_COLOUR, linestyle="--", linewidth=1.0, zorder=4, label=f"random {chance:.1f}")
    highest = max(bar.percent + (bar.deviation or 0) for values in bars.values() for bar in values.values())
    axes.set_ylim(0, min(1.12 * highest + 2, 108))
    axes.set_xticks(centres, CONDITIONS)
    axes.set_ylabel("frame AP, percent", color=INK)
    axes.grid(axis="y", color="#e4e4e4", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelcolor=INK, color="#999999", labelsize=9.5)
    axes.tick_params(axis="x", length=0)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1.0), ncols=len(bars) + 1, frameon=False, fontsize=9)
    figure.text(0.065, 0.945, title, fontsize=13, fontweight="bold", color=INK)
    figure.text(0.065, 0.895, printable(subtitle), fontsize=9, color=FAINT, parse_math=False)
    return figure


def _draw_network(
    axes: Axes, network: str, values: Mapping[ConditionName, Bar], places: Mapping[ConditionName, float], width: float
) -> None:
    deviations = [bar.deviation or 0.0 for bar in values.values()]
    drawn = axes.bar(
        [places[condition] for condition in values],
        [bar.percent for bar in values.values()],
        width * 0.94,
        color=COLOURS.get(network, FAINT),
        hatch=HATCHES.get(network),
        edgecolor="white",
        linewidth=0,
        yerr=deviations if any(deviations) else None,
        error_kw={"elinewidth": 0.9, "ecolor": INK},
        label=network_words(network),
        zorder=3,
    )
    labels = [f"{bar.percent:.0f}" for bar in values.values()]
    axes.bar_label(drawn, labels, padding=2, fontsize=7.5, color=INK)


def _percent(
    report: RobustnessReport, condition: ConditionName, network: str, measure: MeasureName, part: Part = "percent"
) -> float | None:
    found = report.find(condition, network)
    return None if found is None else found.percent(measure, head="classifier", part=part)
