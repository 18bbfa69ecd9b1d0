"""The outcome of every input that a run tried, the file that lists them, and the summary in docs/reliability.md."""

import json
import platform
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, TypedDict

import av

from .corpus.everything import DRAWN_KINDS

OUTCOMES = Path(__file__).with_name("outcomes.json")
PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- begin: written by the tests -->", "<!-- end: written by the tests -->"
MAX_MESSAGE = 200  # characters of a message that the file repeats


@dataclass(frozen=True)
class Tried:
    """One input and its outcome."""

    kind: str
    name: str
    outcome: Literal["result", "error"]
    message: str
    """Notes of the result, or the error, without paths."""


class Count(TypedDict):
    """How often inputs of one kind were tried, and with which outcome."""

    kind: str
    tried: int
    result: int
    error: int


class Outcomes(TypedDict):
    """The content of outcomes.json."""

    run: str
    counts: list[Count]
    inputs: list[dict[str, str]]
    """All but random damage, whose outcome depends on the encoder that made the file."""


@dataclass
class Record:
    """A run's inputs; only those that kept their promise are recorded."""

    tried: list[Tried] = field(default_factory=list)

    def add(self, kind: str, name: str, outcome: Literal["result", "error"], message: str, *, folder: Path) -> None:
        """Note the outcome of an input that lay in `folder`."""
        self.tried.append(Tried(kind, name, outcome, _readable(message.replace(f"{folder}/", ""))))

    def repeatable(self) -> list[dict[str, str]]:
        """The inputs whose outcome is the same in every run: all but random damage."""
        return [asdict(tried) for tried in self.tried if tried.kind not in DRAWN_KINDS]

    def outcomes(self) -> Outcomes:
        """The content of outcomes.json for this run."""
        return {
            "run": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, "
            f"PyAV {av.__version__}",
            "counts": [self._count(kind) for kind in dict.fromkeys(tried.kind for tried in self.tried)],
            "inputs": self.repeatable(),
        }

    def _count(self, kind: str) -> Count:
        outcomes = [tried.outcome for tried in self.tried if tried.kind == kind]
        return {
            "kind": kind,
            "tried": len(outcomes),
            "result": outcomes.count("result"),
            "error": outcomes.count("error"),
        }


def read_outcomes() -> Outcomes:
    """The outcomes of the run that wrote outcomes.json."""
    outcomes: Outcomes = json.loads(OUTCOMES.read_text())
    return outcomes


def write_outcomes(outcomes: Outcomes) -> None:
    """Replace outcomes.json and the summary on the page by those of this run."""
    lists = [
        f' "{name}": [\n' + ",\n".join(f"  {json.dumps(row, ensure_ascii=False)}" for row in rows) + "\n ]"
        for name, rows in (("counts", outcomes["counts"]), ("inputs", outcomes["inputs"]))
    ]  # one line an input, so that a difference between two runs is read as a difference between lines
    OUTCOMES.write_text("{\n" + ",\n".join([f' "run": {json.dumps(outcomes["run"])}', *lists]) + "\n}\n")
    head, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(f"{head}{BEGIN}\n\n{summary(outcomes)}\n\n{END}{rest.split(END)[1]}")


def summary(outcomes: Outcomes) -> str:
    """The part of the page between BEGIN and END, without them."""
    rows = [f"| {each['kind']} | {each['tried']} | {each['result']} | {each['error']} |" for each in outcomes["counts"]]
    tried, result, error = (sum(each[key] for each in outcomes["counts"]) for key in ("tried", "result", "error"))
    return "\n".join([
        f"Run on {outcomes['run']}.",
        "",
        "| kind | tried | a result | an error of one line |",
        "| --- | ---: | ---: | ---: |",
        *rows,
        f"| **all** | **{tried}** | {result} | {error} |",
    ])  # fmt: skip


def summary_on_page() -> str:
    """The same part as the page has it."""
    return PAGE.read_text().split(BEGIN)[1].split(END)[0].strip()


def _readable(message: str) -> str:
    """One line without what differs from run to run."""
    text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in re.sub(r"\s+", " ", message))
    text = re.sub(r"0x[0-9a-f]{6,}", "0x..", text)  # where an object lay in memory
    text = re.sub(r"\d+ bytes of rows", ".. bytes of rows", text)  # a pickle's, which holds a path of this run
    return text if len(text) <= MAX_MESSAGE else f"{text[:MAX_MESSAGE]}.."


def joined(notes: Iterable[str]) -> str:
    """Notes as one text."""
    return "; ".join(notes)
