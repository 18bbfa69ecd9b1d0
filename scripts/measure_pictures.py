"""The small pictures of docs/evaluation.md: each measure on an example that can be checked by hand.

    python scripts/measure_pictures.py [FOLDER]

Writes docs/images/measure-*.png. Every number in a picture is computed by the code it explains.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from avadclip.evaluation.metrics.intervals import TruthInterval
from avadclip.evaluation.metrics.measure import measure
from avadclip.evaluation.metrics.records import Report, Subject
from avadclip.evaluation.metrics.truth import VideoTruth
from avadclip.report.figures.panels import EVENT_COLOUR, FAINT, INK, SCORE_COLOUR, SECOND_COLOUR, write_figure
from avadclip.timeline import SnippetGrid

IMAGES = Path(__file__).parents[1] / "docs" / "images"
SUBJECT = Subject("example", is_synthetic=True, network="example", split="test", selection="none")

Video = tuple[list[float], list[int]]
"""Scores, and which of them are of anomalous time."""

TWO_VIDEOS: list[Video] = [([0.9, 0.6, 0.3, 0.7], [1, 1, 0, 0]), ([0.6, 0.2], [0, 0])]
DELAYED: list[Video] = [([0.5, 0.2, 0.6, 0.9, 0.4, 0.1, 0.8, 0.3], [0, 1, 1, 1, 1, 1, 0, 0])]
# Minutes: two hours of a quiet street, and four fights.
STREET = [0.1, 0.9, 0.1, 0.8, 0.1, 0.7, 0.1, 0.6, *[0.1] * 108]
FIGHTS = [0.95, 0.1, 0.85, 0.1, 0.65, 0.1, 0.2, 0.1]
WATCHED: list[Video] = [(STREET, [0] * 116), (FIGHTS, [1, 0] * 4)]
# An hour of a hard normal video with two false alarms, three of others with as many, and a fight.
HARD: list[Video] = [
    ([0.1, 0.9, 0.1, 0.8, *[0.1] * 56], [0] * 60),
    ([*[0.1] * 50, 0.9, *[0.1] * 69, 0.8, *[0.1] * 59], [0] * 180),
    ([0.7], [1]),
]


def measured(videos: Sequence[Video], *, seconds: float, hard: int | None = None) -> Report:
    """The report on videos of one frame a score, each so many seconds long."""
    truths = [
        VideoTruth((TruthInterval(int(any(marks)), 0, len(marks)),), np.array(marks, dtype=bool), index == hard)
        for index, (_, marks) in enumerate(videos)
    ]
    curves = [np.array(scores) for scores, _ in videos]
    grid = SnippetGrid(snippet_frames=1, frame_rate_hz=1 / seconds)
    return measure(SUBJECT, truths, {"given": curves}, None, classes=("normal", "fight"), grid=grid)


def draw_pairs() -> Figure:
    """Every pair of an anomalous and a normal frame, within one video and across two."""
    (parts,) = measured(TWO_VIDEOS, seconds=1).auc_parts
    area = measured(TWO_VIDEOS, seconds=1).percent("roc_auc", head="given")
    figure, (bars, pairs) = _open("", columns=2)
    _draw_scores(bars, TWO_VIDEOS)
    rows = [score for scores, marks in TWO_VIDEOS for score, mark in zip(scores, marks, strict=True) if mark]
    columns = [
        (score, number)
        for number, (scores, marks) in enumerate(TWO_VIDEOS)
        for score, mark in zip(scores, marks, strict=True)
        if not mark
    ]
    for row, high in enumerate(rows):
        for column, (low, _) in enumerate(columns):
            word, colour = (
                ("in order", "#cfe8dd")
                if high > low
                else ("tied: ½", "#f3e3c3")
                if high == low
                else ("wrong", "#f0cfc0")
            )
            pairs.add_patch(Rectangle((column, row), 1, 1, facecolor=colour, edgecolor="white", linewidth=2))
            pairs.text(column + 0.5, row + 0.5, word, ha="center", va="center", fontsize=8, color=INK)
    pairs.axvline(2, color=INK, linewidth=1.5)
    pairs.set(xlim=(0, 4), ylim=(2, 0), xticks=np.arange(4) + 0.5, yticks=np.arange(2) + 0.5)
    pairs.set_xticklabels([f"{score:g}" for score, _ in columns])
    pairs.set_yticklabels([f"{score:g}" for score in rows])
    pairs.tick_params(length=0)
    pairs.spines[:].set_visible(False)
    for place, name, percent in ((1, "within one video", parts.within_percent), (3, "across two", parts.cross_percent)):
        pairs.text(place, 2.62, f"{name}: {percent:g} %", ha="center", fontsize=9, color=INK)
    w = parts.within_share_percent / 100
    _title(figure, f"ROC AUC {area:g} % = {w:g} x {parts.within_percent:g} % + {1 - w:g} x {parts.cross_percent:g} %")
    return figure


def draw_control() -> Figure:
    """The same scores, each replaced by its video's mean."""
    report = measured(TWO_VIDEOS, seconds=1)
    value, control, kept = (
        report.percent("roc_auc", head="given", part=part) for part in ("percent", "video_mean_percent", "kept_percent")
    )
    figure, (before, after) = _open("", columns=2)
    _draw_scores(before, TWO_VIDEOS)
    _draw_scores(after, [([float(np.mean(scores))] * len(scores), marks) for scores, marks in TWO_VIDEOS])
    before.set_title(f"scores: ROC AUC {value:g} %", fontsize=9, color=INK)
    after.set_title(f"video means: ROC AUC {control:g} %", fontsize=9, color=INK)
    _title(figure, f"the margin kept is ({control:g} - 50) / ({value:g} - 50) = {kept:g} %")
    return figure


def draw_recall() -> Figure:
    """Thresholds that keep to a limit of false alarms, and what they find."""
    recalls = [each for each in measured(WATCHED, seconds=60).recalls if each.limit_of == "false_alarms_per_hour"]
    figure, (axes,) = _open("recall of four events in two hours of normal time")
    _draw_scores(
        axes,
        [(FIGHTS, WATCHED[1][1]), (STREET[:9], [0] * 9)],
        names=("four fights", "street, the first minutes of two hours"),
    )
    for each in recalls:
        axes.hlines(each.threshold, -0.6, 17.3, color=INK, linewidth=0.9, linestyle="--")
        axes.text(
            17.6,
            each.threshold,
            f"at most {each.limit:g} an hour: recall {each.recall_percent:g} %",
            va="center",
            fontsize=9,
            color=INK,
        )
    axes.set_xlim(-0.6, 26)
    return figure


def draw_latency() -> Figure:
    """Late frames of an event that was not found in time."""
    report = measured(DELAYED, seconds=1)
    (of_two, *_) = report.latency_ap
    (scores, marks), early = DELAYED[0], 2
    start, stop = marks.index(1), len(marks) - marks[::-1].index(1)
    figure, (axes,) = _open("")
    axes.axvspan(start, stop, color=EVENT_COLOUR, alpha=0.13, linewidth=0)
    axes.axvspan(start, start + early, color=EVENT_COLOUR, alpha=0.2, linewidth=0)
    best = max(scores[start : start + early])
    counted = [min(score, best) if start + early <= index < stop else score for index, score in enumerate(scores)]
    axes.stairs(scores, baseline=None, color=SCORE_COLOUR, linewidth=2, label="score")
    axes.stairs(counted, baseline=None, color=SECOND_COLOUR, linewidth=2, linestyle="--", label="as AP(2 s) counts it")
    axes.text(start + early / 2, 1.04, "first 2 s", ha="center", fontsize=8, color=INK)
    axes.text(
        (start + early + stop) / 2,
        1.04,
        "later: no more than the best of the first 2 s",
        ha="center",
        fontsize=8,
        color=INK,
    )
    axes.set(xlim=(0, len(scores)), ylim=(0, 1.18), xlabel="seconds", yticks=[0, 0.5, 1])
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, frameon=False, fontsize=9)
    ap = report.percent("frame_ap", head="given")
    _title(figure, f"AP {ap:.2f} %, AP(2 s) {of_two.percent:.2f} %")
    return figure


def draw_hard() -> Figure:
    """False alarms in a hard normal video and elsewhere, at one threshold."""
    report = measured(HARD, seconds=60, hard=0)
    (once,) = (each for each in report.hard_normals if (each.name, each.limit) == ("false_alarms_per_hour", 1.0))
    (reached,) = (each for each in report.recalls if (each.limit_of, each.limit) == ("false_alarms_per_hour", 1.0))
    figure, (axes,) = _open("")
    scores = [*HARD[0][0], *HARD[1][0]]
    axes.axvspan(0, 1, color=SECOND_COLOUR, alpha=0.2, linewidth=0)
    axes.vlines(np.arange(len(scores)) / 60, 0, scores, color=SCORE_COLOUR, linewidth=1.4)
    axes.hlines(reached.threshold, 0, 4, color=INK, linewidth=0.9, linestyle="--")
    axes.text(4.03, reached.threshold, "at most 1 an hour", va="center", fontsize=9, color=INK)
    axes.text(
        0.5,
        1.04,
        f"hard: {once.hard:.2f} an hour\n[{once.low:.2f}, {once.high:.2f}]",
        ha="center",
        fontsize=9,
        color=INK,
    )
    axes.text(2.5, 1.04, f"other normal time: {once.others:.2f} an hour", ha="center", fontsize=9, color=INK)
    axes.set(xlim=(0, 4.9), ylim=(0, 1.42), xlabel="hours", xticks=range(5), yticks=[0, 0.5, 1])
    _title(figure, f"{reached.reached:g} false alarm an hour over all normal time")
    return figure


PICTURES: dict[str, Callable[[], Figure]] = {
    "pairs": draw_pairs,
    "means": draw_control,
    "recall": draw_recall,
    "latency": draw_latency,
    "hard": draw_hard,
}


def _open(title: str, *, columns: int = 1) -> tuple[Figure, Sequence[Axes]]:
    figure = Figure(figsize=(7.6, 2.1), dpi=110, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, columns, squeeze=False)[0]
    figure.subplots_adjust(left=0.07, right=0.985, top=0.78, bottom=0.25, wspace=0.22)
    for each in axes:
        each.spines[["top", "right"]].set_visible(False)
        each.tick_params(labelsize=8, labelcolor=INK, color=FAINT)
        each.xaxis.label.set(fontsize=8, color=INK)
    if title:
        _title(figure, title)
    return figure, axes


def _title(figure: Figure, title: str) -> None:
    figure.text(0.07, 0.92, title, fontsize=10, fontweight="bold", color=INK)


def _draw_scores(
    axes: Axes, videos: Sequence[Video], names: Sequence[str] = ("anomalous video", "normal video")
) -> None:
    """A bar for every score, in orange where the time is anomalous, with a gap between videos."""
    first = 0
    for (scores, marks), name in zip(videos, names, strict=True):
        places = np.arange(first, first + len(scores))
        colours = [EVENT_COLOUR if mark else SCORE_COLOUR for mark in marks]
        axes.bar(places, scores, 0.8, color=colours)
        axes.text(places.mean(), -0.12, name, ha="center", va="top", fontsize=8, color=INK)
        first += len(scores) + 1
    axes.set(ylim=(0, 1), xticks=[], yticks=[0, 0.5, 1])


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES
    for key, draw in PICTURES.items():
        write_figure(draw(), folder / f"measure-{key}.png")
