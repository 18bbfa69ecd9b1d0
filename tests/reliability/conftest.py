"""The process that inputs are tried in, and the record of their outcomes."""

from collections.abc import Iterator

import pytest

from .judge import Judge
from .record import Record, write_outcomes


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-reliability-outcomes",
        action="store_true",
        help="write tests/reliability/outcomes.json and the summary in docs/reliability.md",
    )


@pytest.fixture(scope="session")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    """Tries inputs in a process that may crash."""
    judge = Judge(tmp_path_factory.mktemp("judge"))
    yield judge
    judge.close()


@pytest.fixture(scope="session")
def record(request: pytest.FixtureRequest) -> Iterator[Record]:
    """The outcomes of the inputs of this run."""
    record = Record()
    yield record
    if request.config.getoption("--write-reliability-outcomes", default=False):
        write_outcomes(record.outcomes())
