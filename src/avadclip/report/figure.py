"""A picture of one detection: the score over time, the events in it, and under it the map of classes over time."""

import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, MultipleLocator
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from avadclip import __version__
from avadclip.detection import Detection
from avadclip.events import Event, ScoreTrack, Thresholds
from avadclip.files import atomic_path
from avadclip.report.words import clock, counted, printable

# Okabe and Ito's palette keeps its hues apart for colour-blind readers; line styles differ too, for print in grey.
SCORE_COLOUR = "#0072B2"
VISUAL_COLOUR = "#E69F00"
AUDIO_COLOUR = "#009E73"
EVENT_COLOUR = "#D55E00"
INK = "#222222"
FAINT = "#666666"

# White to dark blue, lightness falling all the way: reads the same in grey.
PROBABILITY_COLOURS = LinearSegmentedColormap.from_list("probability", ["#ffffff", "#9cc7e3", "#0072B2", "#08264a"])

WIDTH_INCHES = 11.0
DOTS_PER_INCH = 130
MAP_COLUMNS = 1000  # about as many as the map is wide in pixels; more snippets share a column
CURVE_STEPS = 1000  # more than these would fill the plot with ink: a line of means in a band from lowest to highest
BAND_COLUMNS = 360
LONGEST_NAME = 28  # characters of a class name in a label


def save_figure(detection: Detection, path: Path) -> None:
    """Write the picture as a PNG, whole or not at all."""
    with atomic_path(path) as temporary, warnings.catch_warnings():
        # A name in a script that the built-in font lacks is drawn as boxes; that is no reason to alarm anyone.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        draw_figure(detection).savefig(temporary, format="png", metadata={"Software": f"avadclip {__version__}"})


def draw_figure(detection: Detection) -> Figure:
    """Score curve, thresholds and events above; class probabilities below, on the same time axis."""
    track = detection.track
    map_inches = max(0.55, 0.27 * len(track.classes))
    top, curve_inches, gap, bottom = 0.95, 2.9, 0.2, 0.62
    height = top + curve_inches + gap + map_inches + bottom
    figure = Figure(figsize=(WIDTH_INCHES, height), dpi=DOTS_PER_INCH, facecolor="white")
    FigureCanvasAgg(figure)
    longest = max(len(_short(name)) for name in track.classes)
    left, right = max(0.75, 0.3 + 0.085 * longest), 1.25  # inches; class names are written left of the map

    def place(bottom_inches: float, height_inches: float) -> tuple[float, float, float, float]:
        """Axes from inches to the share of the figure that matplotlib wants."""
        width = WIDTH_INCHES - left - right
        return left / WIDTH_INCHES, bottom_inches / height, width / WIDTH_INCHES, height_inches / height

    curve = figure.add_axes(place(bottom + map_inches + gap, curve_inches))
    class_map = figure.add_axes(place(bottom, map_inches), sharex=curve)
    scale = figure.add_axes((1 - (right - 0.15) / WIDTH_INCHES, bottom / height, 0.012, map_inches / height))

    boundaries = track.boundaries()
    curve.set_xlim(0, boundaries[-1])
    _draw_scores(curve, detection)
    _draw_events(curve, detection.events)
    _draw_class_map(class_map, scale, track, boundaries)
    _draw_time_axis(class_map, float(boundaries[-1]))
    curve.tick_params(labelbottom=False)
    _write_title(figure, detection, left / WIDTH_INCHES, height)
    return figure


def _draw_scores(axes: Axes, detection: Detection) -> None:
    boundaries = detection.track.boundaries()
    width = 1.8 if len(detection.track.scores) <= 300 else 1.1
    _draw_thresholds(axes, detection.thresholds)
    curves = (
        (detection.audio_track, "audio student alone", AUDIO_COLOUR, ":", 0.8),
        (detection.visual_track, "visual student alone", VISUAL_COLOUR, "-", 0.8),
        (detection.track, detection.network, SCORE_COLOUR, "-", 1.0),
    )
    for track, name, colour, style, share in curves:
        if track is not None:
            is_main = track is detection.track
            values, edges = track.scores, boundaries
            if len(values) > CURVE_STEPS:
                values, edges = _draw_band(axes, track, colour if is_main else None)
            axes.stairs(
                values,
                edges,
                baseline=None,
                color=colour,
                linestyle=style,
                linewidth=width * share,
                label=f"{name}, mean and range" if is_main and values is not track.scores else name,
                zorder=4 if is_main else 3,
            )
    axes.set_ylim(0, 1.18 if detection.events else 1.04)  # names of events stand above 1
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.set_ylabel("anomaly score", color=INK)
    axes.grid(axis="y", color="#e4e4e4", linewidth=0.6, zorder=0)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#999999")
    axes.spines["left"].set_bounds(0, 1)
    axes.tick_params(color="#999999", labelcolor=INK, labelsize=9)
    if detection.visual_track is not None or detection.audio_track is not None:
        axes.legend(
            loc="lower right",
            bbox_to_anchor=(1, 1.0),
            ncols=3,
            frameon=False,
            fontsize=9,
            borderaxespad=0,
            reverse=True,
        )


def _draw_thresholds(axes: Axes, thresholds: Thresholds) -> None:
    levels = [(thresholds.detection, "detection", "--")]
    if thresholds.alert is not None:
        levels.append((thresholds.alert, "alert", ":"))
    levels.sort(key=lambda level: level[0])
    are_close = levels[-1][0] - levels[0][0] < 0.07  # their names would be written over each other
    for index, (value, name, style) in enumerate(levels):
        axes.axhline(value, color=EVENT_COLOUR, linewidth=1.0, linestyle=style, zorder=2)
        axes.annotate(
            f"{name} {value:.2f}",
            (1, value),
            xycoords=("axes fraction", "data"),
            xytext=(5, 0),
            textcoords="offset points",
            va=("top", "bottom")[index] if are_close and len(levels) == 2 else "center",
            color=EVENT_COLOUR,
            fontsize=8.5,
        )


def _draw_band(axes: Axes, track: ScoreTrack, colour: str | None) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Fill from the lowest to the highest score of each column of snippets; return the means and the columns' edges."""
    cuts = np.linspace(0, len(track.scores), BAND_COLUMNS + 1).astype(int)
    columns = [track.scores[start:stop] for start, stop in pairwise(cuts)]
    edges = track.boundaries()[cuts]
    if colour is not None:
        highest, lowest = np.array([column.max() for column in columns]), np.array([column.min() for column in columns])
        axes.stairs(highest, edges, baseline=lowest, fill=True, color=colour, alpha=0.35, linewidth=0, zorder=2.5)
    return np.array([column.mean() for column in columns], np.float32), edges


def _draw_events(axes: Axes, events: tuple[Event, ...]) -> None:
    """Shade every event; write the names of those for which there is room, highest score first."""
    taken: list[Bbox] = []
    for event in sorted(events, key=lambda event: -event.score):
        is_alert = event.severity == "alert"
        axes.axvspan(
            event.start, event.end, color=EVENT_COLOUR, alpha=0.26 if is_alert else 0.13, linewidth=0, zorder=1
        )
        # A bar as well: an event of one snippet in an hour is less than a pixel wide, and must still be seen.
        axes.plot(
            [event.start, event.end],
            [1.02, 1.02],
            color=EVENT_COLOUR,
            alpha=1.0 if is_alert else 0.55,
            linewidth=4,
            solid_capstyle="projecting" if len(events) < 40 else "butt",
            zorder=5,
        )
        label = axes.text(
            (event.start + event.end) / 2,
            1.06,
            f"{_short(event.label)} {event.score:.2f}",
            ha="center",
            va="bottom",
            fontsize=8.5,
            fontweight="bold" if is_alert else "normal",
            color=INK,
            parse_math=False,
            zorder=6,
        )
        _keep_inside(label, axes)
        box = label.get_window_extent().padded(3)
        if any(box.overlaps(other) for other in taken):
            label.remove()
        else:
            taken.append(box)
    if len(taken) < len(events):
        axes.set_title(
            f"{len(events)} events, the {len(taken)} highest that fit are named",
            loc="left",
            fontsize=8.5,
            color=FAINT,
            pad=3,
        )


def _keep_inside(label: Text, axes: Axes) -> None:
    """Push a label that would stick out of the axes back in."""
    box, frame = label.get_window_extent(), axes.get_window_extent()
    if box.x0 < frame.x0:
        label.set(x=axes.get_xlim()[0], ha="left")
    elif box.x1 > frame.x1:
        label.set(x=axes.get_xlim()[1], ha="right")


def _draw_class_map(axes: Axes, scale: Axes, track: ScoreTrack, boundaries: NDArray[np.float64]) -> None:
    columns, edges = _columns(track, boundaries)
    rows = np.arange(len(track.classes) + 1) - 0.5
    mesh = axes.pcolormesh(
        edges, rows, columns.T, cmap=PROBABILITY_COLOURS, vmin=0, vmax=1, rasterized=True, antialiased=False
    )
    axes.set_ylim(rows[-1], rows[0])  # `normal` on top
    axes.set_yticks(np.arange(len(track.classes)))
    axes.set_yticklabels([_short(name) for name in track.classes], parse_math=False)
    axes.hlines(rows[1:-1], 0, boundaries[-1], color="#ffffff", linewidth=1.2)
    axes.tick_params(axis="y", length=0, labelsize=9, labelcolor=INK)
    axes.tick_params(axis="x", color="#999999", labelsize=9, labelcolor=INK)
    for spine in axes.spines.values():
        spine.set_color("#999999")
    bar = axes.figure.colorbar(mesh, cax=scale, ticks=[0, 0.5, 1])
    bar.ax.tick_params(labelsize=8, length=2, color="#999999", labelcolor=INK)
    bar.outline.set_edgecolor("#999999")
    bar.set_label("class\nprobability", fontsize=8, color=FAINT)


def _columns(track: ScoreTrack, boundaries: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Class probabilities as drawn, [columns, C], and the edges of the columns in seconds.

    Where snippets are more than columns, each column shows its snippet of the highest score: a mean would wash out the
    one snippet in an hour that matters.
    """
    num_snippets = len(track.scores)
    if num_snippets <= MAP_COLUMNS:
        return track.class_probabilities, boundaries
    cuts = np.linspace(0, num_snippets, MAP_COLUMNS + 1).astype(int)
    shown = [start + int(track.scores[start:stop].argmax()) for start, stop in pairwise(cuts)]
    return track.class_probabilities[shown], boundaries[cuts]


def _draw_time_axis(axes: Axes, end_seconds: float) -> None:
    steps = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
    step = next((step for step in steps if end_seconds / step <= 12), end_seconds / 10)
    axes.xaxis.set_major_locator(MultipleLocator(step))
    if end_seconds < 60:
        decimals = 1 if step < 1 else 0
        axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: f"{seconds:.{decimals}f}"))
        axes.set_xlabel("time (seconds)", color=INK)
    else:
        axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: clock(seconds)))
        axes.set_xlabel("time (h:mm:ss)" if end_seconds >= 3600 else "time (min:s)", color=INK)


def _write_title(figure: Figure, detection: Detection, left: float, height: float) -> None:
    seconds = detection.media.duration_seconds
    length = f"{seconds:.1f} s" if seconds < 60 else clock(seconds)
    name = Path(detection.source).name or detection.source
    count = len(detection.events)
    found = counted(count, "event") if count else f"no events, highest score {detection.track.scores.max():.2f}"
    for text, offset, size, weight, colour in (
        (f"{detection.model}: {detection.network} ({detection.modality})", 0.36, 13, "bold", INK),
        (f"{_middle_cut(name, 90)}, {length}, {found}", 0.60, 9.5, "normal", FAINT),
    ):
        figure.text(
            left,
            1 - offset / height,
            printable(text),
            fontsize=size,
            fontweight=weight,
            color=colour,
            parse_math=False,
        )


def _short(name: str) -> str:
    return printable(name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…")


def _middle_cut(text: str, length: int) -> str:
    """Shortened in the middle: both ends of a file name tell files apart."""
    if len(text) <= length:
        return text
    half = (length - 1) // 2
    return f"{text[:half]}…{text[-half:]}"
