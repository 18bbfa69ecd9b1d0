"""Figure of one detection: score over time with the events, and below it the named sounds and the class map."""

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from avadclip.events import Event, NamedSound, Thresholds
from avadclip.inference.detector import Detection
from avadclip.report.figures.panels import (
    EVENT_COLOUR,
    FAINT,
    INK,
    SCORE_COLOUR,
    SECOND_COLOUR,
    SOUND_COLOUR,
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
from avadclip.report.sounds import rows_by_name
from avadclip.report.words import counted, network_words

LANE_ROWS = 6  # names of sounds


def save_figure(detection: Detection, path: Path) -> None:
    """Write the figure; see write_figure."""
    write_figure(draw_figure(detection), path)


def draw_figure(detection: Detection) -> Figure:
    """Draw score curve, thresholds and events above sounds and class probabilities, on the same time axis."""
    sounds = dict(islice(rows_by_name(detection.sounds or ()).items(), LANE_ROWS))
    panels = open_panels(detection.track, lane_names=list(sounds))
    _draw_thresholds(panels.curve, detection.thresholds)
    _draw_scores(panels.curve, detection)
    _draw_events(panels.curve, detection.events)
    if panels.lane is not None:
        _draw_sounds(panels.lane, sounds)
    draw_class_map(panels, detection.track)
    count = len(detection.events)
    found = counted(count, "event") if count else f"no events, highest score {detection.track.scores.max():.2f}"
    write_title(
        panels,
        f"model {detection.model}, network: {network_words(detection.network)}",
        f"{short_file_name(detection.source)}, {describe_length(detection.media.duration_seconds)}, {found}",
    )
    return panels.figure


def _draw_scores(axes: Axes, detection: Detection) -> None:
    if detection.audio_track is not None:
        draw_curve(axes, detection.audio_track, network_words("audio student"), THIRD_COLOUR, style=":")
    if detection.visual_track is not None:
        draw_curve(axes, detection.visual_track, network_words("visual student"), SECOND_COLOUR)
    draw_curve(axes, detection.track, network_words(detection.network), SCORE_COLOUR, is_main=True)
    has_companions = detection.visual_track is not None or detection.audio_track is not None
    finish_curves(axes, with_labels=bool(detection.events), with_legend=has_companions)


def _draw_thresholds(axes: Axes, thresholds: Thresholds) -> None:
    levels = [(thresholds.detection, "detection", "--")]
    if thresholds.alert is not None:
        levels.append((thresholds.alert, "alert", ":"))
    levels.sort(key=lambda level: level[0])
    are_close = levels[-1][0] - levels[0][0] < 0.07  # their names would overlap
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


def _draw_events(axes: Axes, events: tuple[Event, ...]) -> None:
    """Shade every event; label those for which there is room, highest score first."""
    stretches = [
        Stretch(
            event.start,
            event.end,
            f"{short_name(event.label)} {event.score:.2f}",
            is_strong=event.severity == "alert",
            is_sound=event.kind == "sound",
        )
        for event in sorted(events, key=lambda event: -event.score)
    ]
    num_labels = shade(axes, stretches)
    if num_labels < len(events):
        axes.set_title(
            f"{len(events)} events, labels on the {num_labels} highest that fit",
            loc="left",
            fontsize=8.5,
            color=FAINT,
            pad=3,
        )


def _draw_sounds(axes: Axes, sounds: Mapping[str, Sequence[NamedSound]]) -> None:
    """Draw a row of bars per name."""
    for row, stretches in enumerate(sounds.values()):
        spans = [(sound.start, sound.end - sound.start) for sound in stretches]
        # The outline keeps a bar in sight that is less than a pixel wide.
        axes.broken_barh(spans, (row - 0.32, 0.64), color=SOUND_COLOUR, linewidth=1)
    axes.set_ylim(len(sounds) - 0.5, -0.5)
    axes.set_yticks(range(len(sounds)), [short_name(name) for name in sounds], parse_math=False)
    axes.tick_params(axis="y", length=0, labelsize=9, labelcolor=INK)
    axes.tick_params(axis="x", length=0, labelbottom=False)
    axes.spines[:].set_color("#dddddd")
