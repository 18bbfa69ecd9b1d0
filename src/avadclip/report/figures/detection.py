"""Figure of one detection: score over time with the events, and below it named sounds and the class map."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from avadclip.events import Event, NamedSound, Thresholds
from avadclip.inference.detector import Detection
from avadclip.inference.named_sounds import short_sound_name
from avadclip.report.figures.panels import (
    EVENT_COLOUR,
    FAINT,
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


def save_figure(detection: Detection, path: Path) -> None:
    """Write the figure; see write_figure."""
    write_figure(draw_figure(detection), path)


def draw_figure(detection: Detection) -> Figure:
    """Draw score curve, thresholds and events above sounds and class probabilities, on the same time axis."""
    rows = rows_by_name(detection.sounds or ())
    panels = open_panels(detection.track, [short_sound_name(name) for name in rows])
    _draw_thresholds(panels.curve, detection.thresholds)
    _draw_scores(panels.curve, detection)
    _draw_events(panels.curve, detection.events)
    if panels.lane is not None:
        _draw_sounds(panels.lane, rows)
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
            event.severity == "alert",
            SOUND_COLOUR if event.kind == "sound" else EVENT_COLOUR,
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


def _draw_sounds(axes: Axes, rows: dict[str, list[NamedSound]]) -> None:
    """Draw the stretches of each name as bars, darker for the more probable."""
    for row, sounds in enumerate(rows.values()):
        axes.broken_barh(
            [(sound.start, sound.end - sound.start) for sound in sounds],
            (row - 0.35, 0.7),
            facecolor=[to_rgba(SOUND_COLOUR, 0.3 + 0.7 * sound.probability) for sound in sounds],
            edgecolor=SOUND_COLOUR,  # a second in an hour is less than a pixel wide, and must stay visible
            linewidth=0.7,
        )
