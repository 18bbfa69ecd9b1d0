"""outcomes.json and docs/reliability.md are what a run made of them; this file is the last one of its folder to run."""

import pytest

from .corpus.everything import CASES, DRAWN_KINDS
from .record import Record, read_outcomes, summary, summary_on_page


def test_the_file_lists_every_input() -> None:
    outcomes = read_outcomes()
    listed = {f"{each['kind']}: {each['name']}" for each in outcomes["inputs"]}
    assert [case.label for case in CASES if case.kind not in DRAWN_KINDS and case.label not in listed] == []
    tried = {each["kind"]: each["tried"] for each in outcomes["counts"]}
    num_drawn = {kind: sum(case.kind == kind for case in CASES) for kind in DRAWN_KINDS}
    assert {kind: tried.get(kind) for kind in DRAWN_KINDS} == num_drawn


def test_the_file_lists_what_this_run_saw(record: Record, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--write-reliability-outcomes", default=False):
        pytest.skip("this run writes the file")
    listed = read_outcomes()["inputs"]
    assert [each for each in record.repeatable() if each not in listed] == []


def test_the_page_shows_the_counts_of_the_file(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--write-reliability-outcomes", default=False):
        pytest.skip("this run writes the page")
    assert summary_on_page() == summary(read_outcomes())
