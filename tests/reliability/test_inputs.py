"""Every input of the corpus, extracted and detected, or read, by the real thing in a process of its own.

Promised for every one: a result whose notes say what is odd, or an error of one line that names the input; within the
limits of judge.py and trial.py for time and memory; nothing half-written; no code run; no substituted silence without
a note.
"""

import re
from collections import Counter
from pathlib import Path

import pytest

from .corpus.case import Case
from .corpus.everything import CASES
from .judge import Judge
from .record import Record, joined


def test_every_input_has_a_name_of_its_own() -> None:
    assert [label for label, num in Counter(case.label for case in CASES).items() if num > 1] == []


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=case.label, marks=[pytest.mark.long] if case.is_repeated else []) for case in CASES],
)
def test_an_input_gives_a_result_with_notes_or_a_one_line_error(
    case: Case, tmp_path: Path, judge: Judge, record: Record
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    path = case.build(folder)
    beside = set(folder.iterdir())
    answer = judge.try_input(case.reader, path, out)
    assert answer["outcome"] != "broken", answer["error"]
    assert case.expected in ("either", answer["outcome"]), answer
    assert set(folder.iterdir()) == beside  # nothing ran, nothing was left

    written = [each.name for each in out.iterdir()] if out.exists() else []
    if answer["outcome"] == "error":
        message = answer["error"]
        assert len(message.splitlines()) == 1
        assert len(message) < len(str(path)) + 1000
        assert message.startswith(str(path))
        assert written == []
    else:
        message = joined(answer["notes"])
        assert written == ([f"{path.stem}.safetensors"] if case.reader == "media" else [])
        assert message or not answer.get("num_silent") or case.is_silent
    assert re.search(case.says, message), message
    record.add(case.kind, case.name, answer["outcome"], message, folder=folder)
