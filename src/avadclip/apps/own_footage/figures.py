"""Figures of a run on own footage, as SVG in data: URLs."""

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from avadclip.apps.own_footage.jobs import TrainedJob
from avadclip.apps.own_footage.measure import Measured
from avadclip.evaluation.metrics.bootstrap import CONFIDENCE_PERCENT, draw_groups
from avadclip.report.figures.panels import FAINT, INK, METADATA, SCORE_COLOUR, SECOND_COLOUR
from avadclip.report.words import network_words
from avadclip.training.loop import TOTAL

SIZE_INCHES = (5.2, 3.6)
STYLE: Any = {
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "avadclip",
}
COLOURS = (SCORE_COLOUR, SECOND_COLOUR)
FALSE_RATES = np.linspace(0, 1, 101)  # where the curves of the draws are read
MOST_CURVES = 300  # draws behind the band


def training_curves(final: TrainedJob, folds: Sequence[TrainedJob]) -> str:
    """Loss of every epoch: the kept networks, and thinner every fold."""
    figure, axes = _empty()
    for colour, (student, lines) in zip(COLOURS, final.metrics.items(), strict=False):
        for fold in folds:
            losses = [line[TOTAL] for line in fold.metrics[student]]
            axes.plot(range(1, len(losses) + 1), losses, color=colour, linewidth=0.8, alpha=0.4)
        losses = [line[TOTAL] for line in lines]
        axes.plot(range(1, len(losses) + 1), losses, color=colour, linewidth=2, label=network_words(student))
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    return _data_url(figure)


def roc(measured: Measured) -> str:
    """ROC curve out of fold, in the band of the middle 95 % of draws of recordings."""
    figure, axes = _empty()
    times_drawn = draw_groups([bag.group for bag in measured.bags], measured.is_anomalous)[1 : 1 + MOST_CURVES]
    curves = []
    for weights in times_drawn:
        false, found, _ = roc_curve(
            measured.is_anomalous, measured.peaks, sample_weight=weights, drop_intermediate=False
        )
        curves.append(np.interp(FALSE_RATES, false, found))
    tail = (100 - CONFIDENCE_PERCENT) / 2
    low, high = np.percentile(curves, [tail, 100 - tail], axis=0)
    axes.fill_between(FALSE_RATES, low, high, color=SCORE_COLOUR, alpha=0.18, linewidth=0)
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle="--", label="chance")
    false, found, _ = roc_curve(measured.is_anomalous, measured.peaks, drop_intermediate=False)
    axes.plot(false, found, color=SCORE_COLOUR, linewidth=2, label="out of fold")
    hit, miss = measured.flagged(anomalous=True), measured.flagged(anomalous=False)
    axes.plot([miss[0] / miss[1]], [hit[0] / hit[1]], "o", color=INK, label="chosen threshold")
    axes.set_xlabel("normal videos flagged")
    axes.set_ylabel("anomalous videos found")
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.legend(frameon=False, loc="lower right")
    return _data_url(figure)


def _empty() -> tuple[Figure, Axes]:
    with rc_context(STYLE):
        figure = Figure(figsize=SIZE_INCHES, layout="constrained")
        return figure, figure.add_subplot()


def _data_url(figure: Figure) -> str:
    buffer = io.BytesIO()
    with rc_context(STYLE):
        figure.savefig(buffer, format="svg", metadata=METADATA[".svg"])
    return f"data:image/svg+xml;base64,{base64.b64encode(buffer.getvalue()).decode()}"
