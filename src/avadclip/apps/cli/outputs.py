"""How `avadclip detect` prints its results: one class per format, fed one video at a time; tables fit 80 columns."""

import sys
from typing import Protocol

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from avadclip.apps.cli.console import make_console
from avadclip.inference.detector import Detection
from avadclip.media.probe import MediaInfo
from avadclip.report.exports import dump_json, to_csv, to_document, to_webvtt
from avadclip.report.words import clock, counted, printable


class Output(Protocol):
    """Shows videos as they are done."""

    def add(self, detection: Detection, report: str | None) -> None:
        """Show one video; `report` names its report folder where one was written."""

    def finish(self, num_failed: int) -> None:
        """Close what was begun; also called where every video failed."""


class TableOutput:
    """Tables for people."""

    def __init__(self, *, include_scores: bool) -> None:
        self._include_scores = include_scores
        self._console = make_console()
        self._num_events: list[int] = []

    def add(self, detection: Detection, report: str | None) -> None:
        """Print the video's events."""
        print_detection(self._console, detection, report=report, include_scores=self._include_scores)
        self._num_events.append(len(detection.events))

    def finish(self, num_failed: int) -> None:
        """Print the sums where there is something to sum up."""
        if len(self._num_events) + num_failed > 1:
            print_summary(self._console, self._num_events, num_failed)


class JsonOutput:
    """One JSON document: a list with an object per video."""

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
    """One table of the events of all videos."""

    def __init__(self, *, include_scores: bool) -> None:  # noqa: ARG002
        _write(to_csv([]))

    def add(self, detection: Detection, report: str | None) -> None:  # noqa: ARG002
        """Write the video's rows."""
        _write(to_csv(detection.events).partition("\r\n")[2])

    def finish(self, num_failed: int) -> None:
        """Nothing is left to write."""


class VttOutput:
    """The cues of one video."""

    def __init__(self, *, include_scores: bool) -> None:
        pass

    def add(self, detection: Detection, report: str | None) -> None:  # noqa: ARG002
        """Write the video's cues."""
        _write(to_webvtt(detection))

    def finish(self, num_failed: int) -> None:
        """Nothing is left to write."""


OUTPUTS: dict[str, type[TableOutput | JsonOutput | CsvOutput | VttOutput]] = {
    "table": TableOutput,
    "json": JsonOutput,
    "csv": CsvOutput,
    "vtt": VttOutput,
}


def _write(text: str) -> None:
    sys.stdout.write(text)


CHANNELS = {1: "mono", 2: "stereo"}


def print_detection(console: Console, detection: Detection, *, report: str | None, include_scores: bool) -> None:
    """The video, who scored it and why, its events or how far it was from one, and what is odd about it."""
    _print_line(console, printable(detection.source), f"  {_media_words(detection.media)}", style="bold")
    _print_line(console, f"  {detection.model}, {detection.network}: {detection.reason}")
    if detection.events:
        console.print(Padding.indent(_event_table(detection), 2))
    else:
        _print_line(console, f"  {_nothing_found(detection)}")
    if include_scores:
        console.print(Padding.indent(_score_table(detection), 2))
    for note in detection.notes:
        _print_line(console, "", f"  note: {printable(note)}")
    if report is not None:
        _print_line(console, "", f"  report: {printable(report)}")
    console.print()


def print_summary(console: Console, num_events: list[int], num_failed: int) -> None:
    """One line for all videos."""
    with_events = sum(count > 0 for count in num_events)
    line = f"{counted(len(num_events), 'video')}, {with_events} with events, {counted(sum(num_events), 'event')} in all"
    _print_line(console, line + (f"; {num_failed} could not be read" if num_failed else ""))


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
    reached = " (what reached it was shorter than --min-seconds)" if peak >= threshold else ""
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
    for index, event in enumerate(detection.events):
        table.add_row(
            clock(event.start, decimals=1),
            clock(event.end, decimals=1),
            Text(printable(event.label)),
            f"{event.score:.3f}",
            Text(event.severity, style="bold red" if event.severity == "alert" else "yellow"),
            *(_signed(column[index]) for column in gains.values()),
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
