"""What came of every input that a run tried, and the tables of docs/reliability.md made of it."""

import platform
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import av

from .corpus.everything import DRAWN_KINDS

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- begin: written by the tests -->", "<!-- end: written by the tests -->"
MAX_SAID = 200  # characters of what was said that the page repeats


@dataclass(frozen=True)
class Tried:
    """One input and what came of it."""

    kind: str
    name: str
    outcome: Literal["result", "error"]
    said: str
    """Notes of the result, or the error, without paths."""


@dataclass
class Record:
    """A run's inputs; only those that kept their promise are recorded."""

    tried: list[Tried] = field(default_factory=list)

    def add(self, kind: str, name: str, outcome: Literal["result", "error"], said: str, *, folder: Path) -> None:
        """Note what came of an input that lay in `folder`."""
        self.tried.append(Tried(kind, name, outcome, _readable(said.replace(f"{folder}/", ""))))

    def tables(self) -> str:
        """The part of the page between BEGIN and END, without them."""
        kinds = dict.fromkeys(tried.kind for tried in self.tried)
        rows = []
        for kind in kinds:
            outcomes = [tried.outcome for tried in self.tried if tried.kind == kind]
            rows.append(f"| {kind} | {len(outcomes)} | {outcomes.count('result')} | {outcomes.count('error')} |")
        outcomes = [tried.outcome for tried in self.tried]
        total = f"| **all** | **{len(outcomes)}** | {outcomes.count('result')} | {outcomes.count('error')} |"
        return "\n".join([
            f"Written by a run on {platform.system()} {platform.machine()}, Python {platform.python_version()}, "
            f"PyAV {av.__version__}.",
            "",
            "| kind | tried | a result | an error of one line |",
            "| --- | ---: | ---: | ---: |",
            *rows,
            total,
            "",
            "What was said about each, random damage left out:",
            "",
            "| input | outcome | said |",
            "| --- | --- | --- |",
            *(row_of(tried) for tried in self.tried if tried.kind not in DRAWN_KINDS),
        ])  # fmt: skip


def row_of(tried: Tried) -> str:
    """The input's row in the long table."""
    return f"| {tried.kind}: {tried.name} | {tried.outcome} | {tried.said} |"


def write_page(record: Record) -> None:
    """Replace the tables of the page by those of this run."""
    head, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(f"{head}{BEGIN}\n\n{record.tables()}\n\n{END}{rest.split(END)[1]}")


def rows_on_page() -> list[str]:
    """Rows of both tables."""
    written = PAGE.read_text().split(BEGIN)[1].split(END)[0]
    return [line for line in written.splitlines() if line.startswith("| ") and not line.startswith("| ---")]


def _readable(said: str) -> str:
    """One cell of a table."""
    text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in re.sub(r"\s+", " ", said))
    text = re.sub(r"0x[0-9a-f]{6,}", "0x..", text)  # where an object lay in memory
    text = re.sub(r"\d+ bytes of rows", ".. bytes of rows", text)  # a pickle's, which holds a path of this run
    text = text.replace("|", "\\|").replace("`", "'").replace("<", "&lt;")
    return text if len(text) <= MAX_SAID else f"{text[:MAX_SAID]}.."


def joined(notes: Iterable[str]) -> str:
    """Notes as one text."""
    return "; ".join(notes)
