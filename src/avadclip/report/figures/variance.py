"""sigma^2 of the students over one video, clean and under every damage to their modality."""

from collections.abc import Mapping, Sequence
from typing import get_args

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from avadclip.data.bags import Dataset, Interval
from avadclip.evaluation.evaluate import Split
from avadclip.evaluation.robustness import CONDITIONS, ConditionName, Damage, damaged_bag, student_variances
from avadclip.inference.checkpoint import Checkpoint
from avadclip.media.damage import PictureDamage, SoundDamage
from avadclip.report.figures.panels import (
    DOTS_PER_INCH,
    EVENT_COLOUR,
    FAINT,
    INK,
    SCORE_COLOUR,
    SECOND_COLOUR,
    THIRD_COLOUR,
    WIDTH_INCHES,
    draw_time_axis,
)
from avadclip.report.words import network_words, printable

Curves = Mapping[str, NDArray[np.float32]]
"""Per student, [T]."""
SEEN: Mapping[str, Sequence[ConditionName]] = {
    "visual student": ("clean", *get_args(PictureDamage)),
    "audio student": ("clean", *get_args(SoundDamage)),
}
"""Conditions that affect each student; the others leave its curve unchanged."""
STYLES = ((INK, "-"), (SCORE_COLOUR, "-"), (SECOND_COLOUR, "--"), (THIRD_COLOUR, "-."), ("#CC79A7", ":"))


def draw_first_event(checkpoint: Checkpoint, dataset: Dataset, split: Split, damage: Damage) -> Figure | None:
    """Draw the first anomalous video with sound, else the first video; None if no network predicts sigma^2."""
    bags = dataset.bags_of(split)
    index = next((i for i, bag in enumerate(bags) if bag.is_anomalous and bag.stored.has_usable_sound), 0)
    if not any(network.has_uncertainty for network in checkpoint.networks.values()):
        return None
    bag = bags[index]
    curves = {
        condition: student_variances(checkpoint, damaged_bag(bag, index, condition, damage).load())
        for condition in CONDITIONS
    }
    boundaries = dataset.grid.starts(len(bag.stored) + 1)
    return draw_variances(curves, boundaries, bag.intervals or (), title=f"{checkpoint.header.name}: {bag.name}")


def draw_variances(
    curves: Mapping[ConditionName, Curves],
    boundaries: NDArray[np.float64],
    intervals: Sequence[Interval],
    *,
    title: str,
) -> Figure:
    """Draw one axis per student, with annotated times shaded.

    Args:
        curves: by condition, then by student.
        boundaries: of the snippets, [T + 1], in seconds.
        intervals: annotated times.
        title: checkpoint and video.
    """
    students = list(curves["clean"])
    figure = Figure(figsize=(WIDTH_INCHES, 1.1 + 2.5 * len(students)), dpi=DOTS_PER_INCH, facecolor="white")
    FigureCanvasAgg(figure)
    height = figure.get_figheight()
    figure.subplots_adjust(left=0.075, right=0.985, top=1 - 0.85 / height, bottom=0.55 / height, hspace=0.28)
    for number, student in enumerate(students):
        axes = figure.add_subplot(len(students), 1, number + 1)
        for start, end in [interval[1:] for interval in intervals]:
            axes.axvspan(start, end, color=EVENT_COLOUR, alpha=0.13, linewidth=0)
        _draw_student(axes, student, curves, boundaries)
        axes.set_xlim(0, boundaries[-1])
        draw_time_axis(axes, float(boundaries[-1]))
        if number + 1 < len(students):
            axes.set_xlabel("")
    left = 0.075
    figure.text(left, 1 - 0.3 / height, printable(title), fontsize=12.5, fontweight="bold", color=INK, parse_math=False)
    shaded = "annotated times shaded" if intervals else "no annotated times"
    words = f"sigma\u00b2 of the students, geometric mean over channels; {shaded}"
    figure.text(left, 1 - 0.52 / height, words, fontsize=9, color=FAINT)
    return figure


def _draw_student(
    axes: Axes, student: str, curves: Mapping[ConditionName, Curves], boundaries: NDArray[np.float64]
) -> None:
    for condition, (colour, style) in zip(SEEN[student], STYLES, strict=False):
        values = curves.get(condition, {}).get(student)
        if values is not None:
            width = 1.8 if condition == "clean" else 1.2
            axes.stairs(
                values, boundaries, baseline=None, color=colour, linestyle=style, linewidth=width, label=condition
            )
    axes.set_ylim(bottom=0)
    axes.set_ylabel(f"sigma\u00b2, {network_words(student)}", color=INK, fontsize=9)
    axes.grid(axis="y", color="#e4e4e4", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(color="#999999", labelcolor=INK, labelsize=8.5)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 0.98), ncols=5, frameon=False, fontsize=8.5, borderaxespad=0)
