"""The processes that inputs are tried in, and the record of what came of them."""

from collections.abc import Iterator

import pytest

from .judge import Judge
from .record import Record, write_page


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-reliability-page", action="store_true", help="write the tables of docs/reliability.md")


@pytest.fixture(scope="session")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    """Tries inputs in a process that may be lost."""
    judge = Judge(tmp_path_factory.mktemp("judge"))
    yield judge
    judge.close()


@pytest.fixture(scope="session")
def record(request: pytest.FixtureRequest) -> Iterator[Record]:
    """What came of the inputs of this run."""
    record = Record()
    yield record
    if request.config.getoption("--write-reliability-page", default=False):
        write_page(record)
