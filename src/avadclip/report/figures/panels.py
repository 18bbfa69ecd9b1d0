"""Shared parts of the figures of one video: a curve over time above a class map, on the same time axis."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, MultipleLocator
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from avadclip import __version__
from avadclip.events import ScoreTrack
from avadclip.files import atomic_path
from avadclip.report.words import clock, printable

# Okabe and Ito's palette keeps its hues apart for colour-blind readers; line styles differ too, for print in grey.
SCORE_COLOUR = "#0072B2"
SECOND_COLOUR = "#E69F00"
THIRD_COLOUR = "#009E73"
EVENT_COLOUR = "#D55E00"
SOUND_COLOUR = "#CC79A7"
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
LONGEST_TITLE = 90  # characters of a video's name
LANE_ROW_INCHES = 0.2

# Creator metadata by format; without a date, since two files of one result must be identical.
METADATA = {
    ".png": {"Software": f"avadclip {__version__}"},
    ".pdf": {"Creator": f"avadclip {__version__}", "CreationDate": None},
    ".svg": {"Creator": f"avadclip {__version__}", "Date": None},
}


class Panels(NamedTuple):
    """Empty figure of one video."""

    figure: Figure
    curve: Axes
    class_map: Axes
    scale: Axes
    """Axes of the map's colour bar."""
    lane: Axes | None
    """Between curve and map, for rows of bars."""


class Stretch(NamedTuple):
    """Time to shade, [start, end) in seconds, and its label if there is room."""

    start: float
    end: float
    label: str
    is_strong: bool
    """Whether it is shaded darker, with a bold label."""
    colour: str = EVENT_COLOUR


def write_figure(figure: Figure, path: Path) -> None:
    """Write a figure whole or not at all, in the format of the suffix: .png, .pdf or .svg."""
    # IEEE refuses Type 3 fonts, matplotlib's default; an SVG's inner names would be drawn at random.
    settings = rc_context({"pdf.fonttype": 42, "svg.hashsalt": "avadclip"})
    with atomic_path(path) as temporary, _any_script(), settings:
        figure.savefig(temporary, metadata=METADATA[path.suffix])


@contextmanager
def _any_script() -> Iterator[None]:
    """Suppress warnings about characters that the built-in font lacks; they are drawn as boxes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def open_panels(track: ScoreTrack, lane_rows: Sequence[str] = ()) -> Panels:
    """Create a figure with axes for a curve and, below it, rows with these names and a map of the track's classes."""
    map_inches = max(0.55, 0.27 * len(track.classes))
    top, curve_inches, gap, bottom = 0.95, 2.9, 0.2, 0.62
    lane_inches = LANE_ROW_INCHES * len(lane_rows)
    below_curve = bottom + map_inches + gap + (lane_inches + gap if lane_rows else 0)
    height = top + curve_inches + below_curve
    figure = Figure(figsize=(WIDTH_INCHES, height), dpi=DOTS_PER_INCH, facecolor="white")
    FigureCanvasAgg(figure)
    longest = max(len(short_name(name)) for name in (*track.classes, *lane_rows))
    left, right = max(0.75, 0.3 + 0.085 * longest), 1.25  # inches; class names are written left of the map

    def place(bottom_inches: float, height_inches: float) -> tuple[float, float, float, float]:
        """Convert axes bounds from inches to shares of the figure."""
        width = WIDTH_INCHES - left - right
        return left / WIDTH_INCHES, bottom_inches / height, width / WIDTH_INCHES, height_inches / height

    curve = figure.add_axes(place(below_curve, curve_inches))
    class_map = figure.add_axes(place(bottom, map_inches), sharex=curve)
    scale = figure.add_axes((1 - (right - 0.15) / WIDTH_INCHES, bottom / height, 0.012, map_inches / height))
    lane = None
    if lane_rows:
        lane = figure.add_axes(place(bottom + map_inches + gap, lane_inches), sharex=curve)
        _name_rows(lane, lane_rows)
        lane.tick_params(axis="x", bottom=False, labelbottom=False)
    curve.set_xlim(0, track.boundaries()[-1])
    curve.tick_params(labelbottom=False)
    return Panels(figure, curve, class_map, scale, lane)


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Make a row of height 1 for each name, the first on top."""
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(np.arange(len(names)))
    axes.set_yticklabels([short_name(name) for name in names], parse_math=False)
    axes.tick_params(axis="y", length=0, labelsize=9, labelcolor=INK)
    for spine in axes.spines.values():
        spine.set_color("#999999")


def draw_curve(
    axes: Axes, track: ScoreTrack, name: str, colour: str, *, style: str = "-", is_main: bool = False
) -> None:
    """Draw one network's anomaly score; many snippets are averaged, and the main curve also shows their range."""
    values, edges = track.scores, track.boundaries()
    width = 1.8 if len(values) <= 300 else 1.1
    if len(values) > CURVE_STEPS:
        values, edges = _draw_band(axes, track, colour if is_main else None)
        name = f"{name}, mean and range" if is_main else name
    axes.stairs(
        values,
        edges,
        baseline=None,
        color=colour,
        linestyle=style,
        linewidth=width * (1.0 if is_main else 0.8),
        label=name,
        zorder=4 if is_main else 3,
    )


def finish_curves(axes: Axes, *, with_labels: bool, with_legend: bool) -> None:
    """Set scale, grid and legend of the curves' axes."""
    axes.set_ylim(0, 1.18 if with_labels else 1.04)  # labels of stretches are above 1
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.set_ylabel("anomaly score", color=INK)
    axes.grid(axis="y", color="#e4e4e4", linewidth=0.6, zorder=0)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#999999")
    axes.spines["left"].set_bounds(0, 1)
    axes.tick_params(color="#999999", labelcolor=INK, labelsize=9)
    if with_legend:
        axes.legend(
            loc="lower right",
            bbox_to_anchor=(1, 1.0),
            ncols=3,
            frameon=False,
            fontsize=9,
            borderaxespad=0,
            reverse=True,
        )


def _draw_band(axes: Axes, track: ScoreTrack, colour: str | None) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Fill between the lowest and highest score of each column of snippets; return column means and edges."""
    cuts = np.linspace(0, len(track.scores), BAND_COLUMNS + 1).astype(int)
    columns = [track.scores[start:stop] for start, stop in pairwise(cuts)]
    edges = track.boundaries()[cuts]
    if colour is not None:
        highest, lowest = np.array([column.max() for column in columns]), np.array([column.min() for column in columns])
        axes.stairs(highest, edges, baseline=lowest, fill=True, color=colour, alpha=0.35, linewidth=0, zorder=2.5)
    return np.array([column.mean() for column in columns], np.float32), edges


def shade(axes: Axes, stretches: Sequence[Stretch]) -> int:
    """Shade stretches of time and label those for which there is room, in order; return the number of labels."""
    taken: list[Bbox] = []
    for stretch in stretches:
        axes.axvspan(
            stretch.start,
            stretch.end,
            color=stretch.colour,
            alpha=0.26 if stretch.is_strong else 0.13,
            linewidth=0,
            zorder=1,
        )
        # A bar as well: a stretch of one snippet in an hour is less than a pixel wide, and must stay visible.
        axes.plot(
            [stretch.start, stretch.end],
            [1.02, 1.02],
            color=stretch.colour,
            alpha=1.0 if stretch.is_strong else 0.55,
            linewidth=4,
            solid_capstyle="projecting" if len(stretches) < 40 else "butt",
            zorder=5,
        )
        label = axes.text(
            (stretch.start + stretch.end) / 2,
            1.06,
            stretch.label,
            ha="center",
            va="bottom",
            fontsize=8.5,
            fontweight="bold" if stretch.is_strong else "normal",
            color=INK,
            parse_math=False,
            zorder=6,
        )
        with _any_script():
            _keep_inside(label, axes)
            box = label.get_window_extent().padded(3)
        if any(box.overlaps(other) for other in taken):
            label.remove()
        else:
            taken.append(box)
    return len(taken)


def _keep_inside(label: Text, axes: Axes) -> None:
    """Shift a label that exceeds the axes back inside."""
    box, frame = label.get_window_extent(), axes.get_window_extent()
    if box.x0 < frame.x0:
        label.set(x=axes.get_xlim()[0], ha="left")
    elif box.x1 > frame.x1:
        label.set(x=axes.get_xlim()[1], ha="right")


def draw_class_map(panels: Panels, track: ScoreTrack) -> None:
    """Draw class probabilities over time, and the time axis."""
    axes, boundaries = panels.class_map, track.boundaries()
    columns, edges = _columns(track, boundaries)
    rows = np.arange(len(track.classes) + 1) - 0.5
    mesh = axes.pcolormesh(
        edges, rows, columns.T, cmap=PROBABILITY_COLOURS, vmin=0, vmax=1, rasterized=True, antialiased=False
    )
    _name_rows(axes, track.classes)  # `normal` on top
    axes.hlines(rows[1:-1], 0, boundaries[-1], color="#ffffff", linewidth=1.2)
    axes.tick_params(axis="x", color="#999999", labelsize=9, labelcolor=INK)
    bar = panels.figure.colorbar(mesh, cax=panels.scale, ticks=[0, 0.5, 1])
    bar.ax.tick_params(labelsize=8, length=2, color="#999999", labelcolor=INK)
    bar.outline.set_edgecolor("#999999")
    bar.set_label("class\nprobability", fontsize=8, color=FAINT)
    draw_time_axis(axes, float(boundaries[-1]))


def _columns(track: ScoreTrack, boundaries: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Class probabilities per drawn column, [columns, C], and the columns' edges in seconds.

    With more snippets than columns, each column shows its snippet of the highest score: a mean would hide a single
    anomalous snippet in an hour.
    """
    num_snippets = len(track.scores)
    if num_snippets <= MAP_COLUMNS:
        return track.class_probabilities, boundaries
    cuts = np.linspace(0, num_snippets, MAP_COLUMNS + 1).astype(int)
    shown = [start + int(track.scores[start:stop].argmax()) for start, stop in pairwise(cuts)]
    return track.class_probabilities[shown], boundaries[cuts]


def draw_time_axis(axes: Axes, end_seconds: float) -> None:
    """Set ticks and label in seconds, minutes or hours."""
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


def write_title(panels: Panels, title: str, subtitle: str) -> None:
    """Write title and subtitle above the panels."""
    left, height = panels.curve.get_position().x0, panels.figure.get_figheight()
    for text, offset, size, weight, colour in (
        (title, 0.36, 13, "bold", INK),
        (subtitle, 0.60, 9.5, "normal", FAINT),
    ):
        panels.figure.text(
            left,
            1 - offset / height,
            printable(text),
            fontsize=size,
            fontweight=weight,
            color=colour,
            parse_math=False,
        )


def describe_length(seconds: float) -> str:
    """`11.1 s` or `1:05`."""
    return f"{seconds:.1f} s" if seconds < 60 else clock(seconds)


def short_name(name: str) -> str:
    """Shorten a class name to fit beside an axis."""
    return printable(name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…")


def short_file_name(source: str) -> str:
    """File name without folders, shortened in the middle, since both ends distinguish files."""
    name = Path(source).name or source
    if len(name) <= LONGEST_TITLE:
        return name
    half = (LONGEST_TITLE - 1) // 2
    return f"{name[:half]}…{name[-half:]}"
