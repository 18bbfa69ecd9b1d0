"""Output formats of `avadclip detect`: one class per format, one video at a time; tables fit 80 columns."""

import sys
from typing import Protocol

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from avadclip.apps.cli.terminal.console import make_console
from avadclip.inference.detector import Detection
from avadclip.media.probe import MediaInfo
from avadclip.report.exports import dump_json, to_csv, to_document, to_webvtt
from avadclip.report.sounds import event_mark, sound_names
from avadclip.report.words import clock, counted, describe_network, printable


class Output(Protocol):
    """Writer of results, video by video."""

    def add(self, detection: Detection, report: str | None) -> None:
        """Write the result of one video; `report` is its report folder, if one was written."""

    def finish(self, num_failed: int) -> None:
        """Complete the output; also called if every video failed."""


class TableOutput:
    """Tables for people."""

    def __init__(self, *, include_scores: bool) -> None:
        self._include_scores = include_scores
        self._console = make_console()
        self._num_events: list[int] = []

    def add(self, detection: Detection, report: str | None) -> None:
        """Print the video's events."""
        _print_detection(self._console, detection, report=report, include_scores=self._include_scores)
        self._num_events.append(len(detection.events))

    def finish(self, num_failed: int) -> None:
        """Print the totals if there was more than one video."""
        if len(self._num_events) + num_failed > 1:
            _print_summary(self._console, self._num_events, num_failed)


class JsonOutput:
    """JSON: a list with one object per video."""

    def __init__(self, *, include_scores: bool) -> None:
        self._include_scores = include_scores
        self._is_begun = False

    def add(self, detection: Detection, report: str | None) -> None:  # noqa: ARG002
        """Write the video's object."""
        document = to_document(detection, include_scores=self._include_scores)
        _write((",\n  " if self._is_begun else "[\n  ") + dump_json(document, indent="  "))
        self._is_begun = True

    def finish(self, num_failed: int) -> None:  # noqa: ARG002
        """End the list."""
        _write("\n]\n" if self._is_begun else "[]\n")


class CsvOutput:
    """CSV: one table of the events of all videos."""

    def __init__(self, *, include_scores: bool) -> None:  # noqa: ARG002
        _write(to_csv([]))

    def add(self, detection: Detection, report: str | None) -> None:  # noqa: ARG002
        """Write the video's rows."""
        _write(to_csv(detection.events).partition("\r\n")[2])

    def finish(self, num_failed: int) -> None:
        """Do nothing; the output is complete."""


class VttOutput:
    """WebVTT cues of one video."""

    def __init__(self, *, include_scores: bool) -> None:
        pass

    def add(self, detection: Detection, report: str | None) -> None:  # noqa: ARG002
        """Write the video's cues."""
        _write(to_webvtt(detection))

    def finish(self, num_failed: int) -> None:
        """Do nothing; the output is complete."""


OUTPUTS: dict[str, type[TableOutput | JsonOutput | CsvOutput | VttOutput]] = {
    "table": TableOutput,
    "json": JsonOutput,
    "csv": CsvOutput,
    "vtt": VttOutput,
}


def _write(text: str) -> None:
    sys.stdout.write(text)


CHANNELS = {1: "mono", 2: "stereo"}
MARK_STYLES = {"alert": "bold red", "detection": "yellow", "sound": "magenta"}
NAMED_PER_EVENT = 2  # sounds; more would not fit


def _print_detection(console: Console, detection: Detection, *, report: str | None, include_scores: bool) -> None:
    """Print the video, the model and network that scored it, its events or its highest score, and its notes."""
    _print_line(console, printable(detection.source), f"  {_media_words(detection.media)}", style="bold")
    _print_line(console, f"  model {detection.model}, network: {describe_network(detection.network, detection.reason)}")
    if detection.events:
        console.print(Padding.indent(_event_table(detection), 2))
    else:
        _print_line(console, f"  {_nothing_found(detection)}")
    if detection.sound_summary:
        _print_line(console, f"  sounds: {printable(detection.sound_summary)}")
    if include_scores:
        console.print(Padding.indent(_score_table(detection), 2))
    for note in detection.notes:
        _print_line(console, "", f"  note: {printable(note)}")
    if report is not None:
        _print_line(console, "", f"  report: {printable(report)}")
    console.print()


def _print_summary(console: Console, num_events: list[int], num_failed: int) -> None:
    """Print the totals of all videos in one line."""
    with_events = sum(count > 0 for count in num_events)
    line = (
        f"{counted(len(num_events), 'video')}, {with_events} with events, {counted(sum(num_events), 'event')} in total"
    )
    _print_line(console, line + (f"; {num_failed} failed" if num_failed else ""))


def _print_line(console: Console, text: str, rest: str = "", *, style: str = "") -> None:
    # Soft wrap: a file that is piped keeps long lines whole, a terminal wraps them itself.
    console.print(Text.assemble((text, style), (rest, "dim")), soft_wrap=True)


def _media_words(media: MediaInfo) -> str:
    sound = "no sound track"
    if media.sound is not None:
        sound = f"{CHANNELS.get(media.sound.channels, media.sound.layout)} sound"
    return f"{clock(media.duration_seconds, decimals=1)}, {media.width}x{media.height}, {sound}"


def _nothing_found(detection: Detection) -> str:
    scores, threshold = detection.track.scores, detection.thresholds.detection
    peak = float(scores.max())
    reached = " (the snippets above it are shorter than --min-seconds)" if peak >= threshold else ""
    return f"no events: the highest score is {peak:.3f}, the threshold {threshold:.3f}{reached}"


def _event_table(detection: Detection) -> Table:
    table = _plain_table()
    for name in ("start", "end"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("label", overflow="fold")
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column("severity", no_wrap=True)
    gains = {
        name: [getattr(event, f"{name}_gain") for event in detection.events]
        for name in ("sound", "picture")
        if any(getattr(event, f"{name}_gain") is not None for event in detection.events)
    }
    for name in gains:
        table.add_column(f"{name} gain", justify="right", no_wrap=True)
    has_sounds = any(event.sounds for event in detection.events) and len(gains) < 2  # 80 columns have no room for all
    if has_sounds:
        table.add_column("sounds", overflow="fold")
    for index, event in enumerate(detection.events):
        table.add_row(
            clock(event.start, decimals=1),
            clock(event.end, decimals=1),
            Text(printable(event.label)),
            f"{event.score:.3f}",
            Text(event_mark(event), style=MARK_STYLES[event_mark(event)]),
            *(_signed(column[index]) for column in gains.values()),
            *([Text(sound_names(event.sounds[:NAMED_PER_EVENT]))] if has_sounds else []),
        )
    return table


def _score_table(detection: Detection) -> Table:
    track = detection.track
    table = _plain_table()
    for name in ("from", "score"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("likeliest class", overflow="fold")
    for start, score, row in zip(track.boundaries(), track.scores, track.class_probabilities, strict=False):
        best = int(row.argmax())
        table.add_row(
            clock(float(start), decimals=1), f"{score:.3f}", Text(f"{printable(track.classes[best])} {row[best]:.2f}")
        )
    return table


def _plain_table() -> Table:
    return Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")


def _signed(gain: float | None) -> str:
    return "-" if gain is None else f"{gain:+.3f}"
