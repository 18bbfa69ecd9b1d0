"""Result tables: reproduced numbers next to the published ones, with notes."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, stdev
from typing import NamedTuple

from avadclip.data.composed.dataset import COMPOSED
from avadclip.data.published.load import BENCHMARKS
from avadclip.evaluation.metrics.records import Report
from avadclip.report.words import origin_words
from avadclip.research.reproduce.plans import Column, PlanRow, Side, TableJob, TablePlan
from avadclip.research.reproduce.printed import PRINTED, PRINTED_SELECTION
from avadclip.research.reproduce.runner import Outcomes, RunOutcome

RANDOM_SELECTION = "none"
SELECTED_ON_TEST = ", selected on the test split"


class Cell(NamedTuple):
    """One number of one row, in percent."""

    printed: float | None
    """As in the paper; None where it prints none."""
    values: tuple[float, ...]
    """Ours, one for every seed that gave one."""

    @property
    def mean(self) -> float | None:
        """Over seeds; None where no seed gave a number."""
        return fmean(self.values) if self.values else None

    @property
    def deviation(self) -> float | None:
        """Sample standard deviation over seeds; None for fewer than two."""
        return stdev(self.values) if len(self.values) > 1 else None


class ResultRow(NamedTuple):
    """A row of the plan with its numbers."""

    label: str
    cells: tuple[Cell, ...]
    selection: str
    """How our weights were chosen."""
    remark: str


class ResultTable(NamedTuple):
    """A table of the paper, measured again."""

    key: str
    title: str
    measured_on: str
    """Our data; synthetic and composed data are called so."""
    is_synthetic: bool
    is_composed: bool
    printed_on: str
    """The data of the printed numbers."""
    columns: tuple[Column, ...]
    rows: tuple[ResultRow, ...]
    notes: tuple[str, ...]

    @property
    def is_selected_on_test(self) -> bool:
        """Whether the epoch of any run was chosen on the split that it is measured on."""
        return any("test" in row.selection.split(", ") for row in self.rows)


def fill_table(plan: TablePlan, outcomes: Outcomes, *, num_seeds: int, names: Mapping[Side, str]) -> ResultTable:
    """The numbers of a plan.

    Args:
        plan: all of whose jobs are among the outcomes.
        outcomes: of seeds 0 .. num_seeds - 1.
        num_seeds: how many.
        names: of the datasets, as `Dataset.name` has them.
    """

    def of_job(job: TableJob) -> list[RunOutcome]:
        return [outcomes[job, seed] for seed in range(num_seeds)]

    reports = [each.report for row in plan.rows for each in of_job(row.job) if each.report is not None]
    dataset_notes = _common(reports, plan)
    is_synthetic = any(report.is_synthetic for report in reports)
    ours = _ours(plan, names)
    measured, printed = _pair(ours, is_synthetic=is_synthetic), _pair(plan.printed_on)
    return ResultTable(
        key=plan.key,
        title=plan.title,
        measured_on=measured,
        is_synthetic=is_synthetic,
        is_composed=any(name.startswith(COMPOSED) for name in ours),
        printed_on=printed,
        columns=plan.columns,
        rows=tuple(_fill_row(plan, row, of_job(row.job)) for row in plan.rows),
        notes=(
            *_how_measured(plan, reports, num_seeds),
            f"printed: of {printed}, {PRINTED_SELECTION}"
            + ("" if measured == printed else "; ours is on another dataset, so the two are not comparable"),
            *plan.notes,
            *dict.fromkeys(note for row in plan.rows for note in _of_row(row, plan, of_job(row.job), dataset_notes)),
            *dataset_notes,
        ),
    )


def _ours(plan: TablePlan, names: Mapping[Side, str]) -> tuple[str, str]:
    return names["first"], names["second" if plan.needs_second else "first"]


def _pair(names: tuple[str, str], *, is_synthetic: bool = False) -> str:
    titles = [
        (BENCHMARKS[name].title if name in BENCHMARKS else name) + origin_words(name, is_synthetic=is_synthetic)
        for name in dict.fromkeys(names)
    ]
    return " (first) and ".join(titles) + (" (second)" if len(titles) > 1 else "")


def _fill_row(plan: TablePlan, row: PlanRow, outcomes: Sequence[RunOutcome]) -> ResultRow:
    printed = PRINTED[plan.key].get(row.label, {})
    reports = [each.report for each in outcomes if each.report is not None]
    cells = []
    for column in plan.columns:
        found = [_value(report, column) for report in reports]
        cells.append(Cell(printed.get(column.title), tuple(value for value in found if value is not None)))
    selections = dict.fromkeys(report.selection for report in reports)
    missing = len(outcomes) - len(reports)
    of_seeds = f"{missing} of {len(outcomes)} seeds failed, see below" if missing else ""
    remark = "; ".join(part for part in (row.remark, of_seeds) if part)
    return ResultRow(row.label, tuple(cells), ", ".join(selections), remark)


def _value(report: Report, column: Column) -> float | None:
    """None where it is undefined, or the system does not give what it takes."""
    for each in report.measures:
        is_measure = (each.name, each.protocol, each.iou, each.label) == (
            column.measure,
            column.protocol,
            column.iou,
            None,
        )
        if is_measure and each.head in (column.head, "given"):  # random scores come from no head
            return each.part(column.part)
    return None


def _how_measured(plan: TablePlan, reports: Sequence[Report], num_seeds: int) -> Iterable[str]:
    seeds = "1 seed" if num_seeds == 1 else f"mean and sample deviation over {num_seeds} seeds"
    splits = ", ".join(dict.fromkeys(report.split for report in reports))
    selections = ", ".join(dict.fromkeys(each.selection for each in reports if each.selection != RANDOM_SELECTION))
    yield f"ours: percent, {seeds}; split: {splits or 'none'}; epoch selected on: {selections or 'none'}"
    if any(each.selection == "test" for each in reports):
        yield "selected on test: too high for footage never seen, and comparable with published figures only"
    for protocol in dict.fromkeys(column.protocol for column in plan.columns):
        own = [column for column in plan.columns if column.protocol == protocol]
        titles = ", ".join(column.title for column in own)
        yield f"{titles}: head {own[0].head}, protocol {protocol}"
    if any(column.part != "percent" for column in plan.columns):
        yield "AP of means: every score replaced by its video's mean; margin kept: its share of what AP is above chance"
    shares = [report.chance_percent for report in reports]
    if shares and any(column.measure == "frame_ap" for column in plan.columns):
        yield f"a random score gets the share of anomalous frames as its AP: {fmean(shares):.2f}"


def _shown_notes(report: Report, plan: TablePlan) -> list[str]:
    """Those on numbers that the table has: no F1, no recall and no whole videos, and not always mAP."""
    has_map = any(column.measure == "map" for column in plan.columns)
    others = ("no F1", "recall at", "video AP", *(() if has_map else ("no mAP", "mAP")))
    return [note for note in report.notes if not note.startswith(others)]


def _common(reports: Sequence[Report], plan: TablePlan) -> list[str]:
    """Notes that all reports have: those of the dataset."""
    if not reports:
        return []
    return [note for note in _shown_notes(reports[0], plan) if all(note in each.notes for each in reports)]


def _of_row(row: PlanRow, plan: TablePlan, outcomes: Sequence[RunOutcome], known: Sequence[str]) -> Iterable[str]:
    """What went wrong with a row, and what its reports note besides what is known."""
    for outcome in outcomes:
        notes = [outcome.problem] if outcome.report is None else _shown_notes(outcome.report, plan)
        yield from (f"{row.label}: {note}" for note in notes if note not in known)
