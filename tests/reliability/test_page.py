"""docs/reliability.md is what a run made of it; this file is the last one of its folder to run."""

import pytest

from .corpus.everything import CASES, DRAWN_KINDS
from .record import Record, row_of, rows_on_page


def test_the_page_lists_every_input() -> None:
    rows = rows_on_page()
    missing = [
        case.label
        for case in CASES
        if case.kind not in DRAWN_KINDS and not any(f"| {case.label} |" in row for row in rows)
    ]
    assert missing == []
    num_drawn = {kind: sum(case.kind == kind for case in CASES) for kind in DRAWN_KINDS}
    assert all(any(row.startswith(f"| {kind} | {num} |") for row in rows) for kind, num in num_drawn.items())


def test_the_page_says_what_this_run_saw(record: Record, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--write-reliability-page", default=False):
        pytest.skip("this run writes the page")
    rows = set(rows_on_page())
    seen = [row_of(tried) for tried in record.tried if tried.kind not in DRAWN_KINDS]
    assert [row for row in seen if row not in rows] == []
