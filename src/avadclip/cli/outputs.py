"""How `avadclip detect` shows its results: one class per format, fed one video at a time."""

import sys
from typing import Protocol

from avadclip.cli.console import make_console
from avadclip.cli.tables import print_detection, print_summary
from avadclip.detection import Detection
from avadclip.report.exports import dump_json, to_csv, to_document, to_webvtt


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
