"""Figures as the paper's Figure 4: anomaly score, annotated times and a baseline's score above the class map."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from avadclip.data.bags import Bag, Interval
from avadclip.events import ScoreTrack
from avadclip.features.snippets import SnippetFeatures
from avadclip.inference.scorers import Scorer
from avadclip.inference.scoring import to_track
from avadclip.report.figures.panels import (
    SCORE_COLOUR,
    THIRD_COLOUR,
    Stretch,
    describe_length,
    draw_class_map,
    draw_curve,
    finish_curves,
    open_panels,
    shade,
    short_file_name,
    short_name,
    write_figure,
    write_title,
)
from avadclip.report.words import counted, network_words
from avadclip.timeline import SnippetGrid


class Baseline(NamedTuple):
    """Another network's scores of the same snippets."""

    name: str
    scores: NDArray[np.float32]
    """Anomaly scores, [T], within [0, 1]."""


def draw_against_truth(
    track: ScoreTrack, intervals: Sequence[Interval] | None, *, video: str, name: str, baseline: Baseline | None = None
) -> Figure:
    """Draw the score over the shaded annotations, the baseline's score, and the class map on one time axis.

    Args:
        track: scores of the network that the figure is about.
        intervals: annotated times, none for a normal video; None for a video without annotation.
        video: its name, for the title.
        name: of the network, for the title and the legend.
        baseline: one score per snippet of the track.
    """
    panels = open_panels(track)
    truth = [Stretch(start, end, short_name(label), is_strong=False) for label, start, end in intervals or ()]
    shade(panels.curve, truth)
    if baseline is not None:
        draw_curve(
            panels.curve, dataclasses.replace(track, scores=baseline.scores), baseline.name, THIRD_COLOUR, style="--"
        )
    draw_curve(panels.curve, track, name, SCORE_COLOUR, is_main=True)
    finish_curves(panels.curve, with_labels=bool(truth), with_legend=baseline is not None)
    draw_class_map(panels, track)
    annotated = f"{counted(len(truth), 'annotated interval')}, shaded" if truth else "normal: no annotated interval"
    if intervals is None:
        annotated = "times not annotated"
    write_title(panels, name, f"{short_file_name(video)}, {describe_length(track.end_seconds)}, {annotated}")
    return panels.figure


def write_truth_figures(
    folder: Path,
    bags: Sequence[Bag],
    scorer: Scorer,
    grid: SnippetGrid,
    *,
    baseline: Scorer | None = None,
    suffix: str = ".png",
    on_video: Callable[[str, int], None] | None = None,
) -> None:
    """Write a figure per video, named like the video; each scorer chooses its network by the video's sound.

    Args:
        folder: created if missing.
        bags: the videos.
        scorer: the model that the figures are about.
        grid: of the bags' snippets.
        baseline: model for the same features.
        suffix: .png, .pdf or .svg.
        on_video: called with a video's name and number, from 0, before it is drawn.

    Raises:
        FeatureError: the features are not those of the scorer or the baseline.
        CheckpointError: it lacks the network that a video needs.
    """
    for index, bag in enumerate(bags):
        if on_video is not None:
            on_video(bag.name, index)
        features = bag.load()
        verdict = scorer.judge(features)
        track = to_track(verdict.scores, scorer.classes, grid, end_seconds=features.duration_seconds)
        figure = draw_against_truth(
            track,
            bag.intervals,
            video=bag.name,
            name=f"{scorer.name}: {network_words(verdict.network)}",
            baseline=None if baseline is None else _judge_baseline(baseline, features),
        )
        write_figure(figure, folder / f"{bag.name.replace('/', '_')}{suffix}")


def _judge_baseline(scorer: Scorer, features: SnippetFeatures) -> Baseline:
    verdict = scorer.judge(features)
    return Baseline(f"{scorer.name}: {network_words(verdict.network)}", verdict.scores.anomaly_scores)
