"""A table of results as Markdown, LaTeX and CSV."""

import csv
import io
from collections.abc import Callable, Mapping

from avadclip.research.reproduce.results import SELECTED_ON_TEST, Cell, ResultRow, ResultTable

LATEX_ESCAPES = str.maketrans(
    {
        **{character: rf"\{character}" for character in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "±": r"$\pm$",
    }
)
CSV_FIELDS = (
    "table",
    "row",
    "column",
    "printed",
    "printed_on",
    "mean",
    "deviation",
    "seeds",
    "measured_on",
    "synthetic",
    "composed",
    "head",
    "protocol",
    "split",
    "selection",
    "remark",
)


def to_markdown(table: ResultTable) -> str:
    """Render a heading, the table, and the notes as a list."""
    lines = [_row(headings(table)), _row(["---"] * len(headings(table)))]
    lines += [_row(cells) for cells in _text_rows(table)]
    notes = [f"- {note}" for note in table.notes]
    return "\n".join([f"## {subject(table)}", "", *lines, "", *notes, ""])


def to_latex(table: ResultTable) -> str:
    """Render a `table` environment without extra packages, with the notes below the tabular."""

    def line(cells: list[str]) -> str:
        return " & ".join(cell.translate(LATEX_ESCAPES) for cell in cells) + r" \\"

    columns = "l" + "r" * (len(headings(table)) - 2) + "l"
    notes = [rf"\par {note.translate(LATEX_ESCAPES)}" for note in table.notes]
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{subject(table).translate(LATEX_ESCAPES)}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\hline",
            line(headings(table)),
            r"\hline",
            *(line(cells) for cells in _text_rows(table)),
            r"\hline",
            r"\end{tabular}",
            r"\footnotesize",
            *notes,
            r"\end{table}",
            "",
        ]
    )


def to_csv(table: ResultTable) -> str:
    """Render one line per number, with all its context."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(CSV_FIELDS)
    for row in table.rows:
        for column, cell in zip(table.columns, row.cells, strict=True):
            writer.writerow(
                [
                    table.key,
                    row.label,
                    column.title,
                    _plain(cell.printed),
                    table.printed_on,
                    _plain(cell.mean),
                    _plain(cell.deviation),
                    len(cell.values),
                    table.measured_on,
                    str(table.is_synthetic).lower(),
                    str(table.is_composed).lower(),
                    column.head,
                    column.protocol,
                    "test",
                    row.selection,
                    row.remark,
                ]
            )
    return text.getvalue()


FORMATS: Mapping[str, Callable[[ResultTable], str]] = {".md": to_markdown, ".tex": to_latex, ".csv": to_csv}


def subject(table: ResultTable) -> str:
    """The title, what our numbers were measured on, and whether they were selected there."""
    return f"{table.title}; ours on {table.measured_on}{SELECTED_ON_TEST if table.is_selected_on_test else ''}"


def headings(table: ResultTable) -> list[str]:
    """Of every column, `printed` left out where the paper has no number in it."""
    names = []
    for index, column in enumerate(table.columns):
        names += [column.title, f"{column.title} printed"] if _is_printed(table, index) else [column.title]
    return ["", *names, "remark"]


def shown(cell: Cell) -> str:
    """Ours: `43.07 ± 5.28`, or a dash."""
    if cell.mean is None:
        return "-"
    return f"{cell.mean:.2f}" if cell.deviation is None else f"{cell.mean:.2f} ± {cell.deviation:.2f}"


def _is_printed(table: ResultTable, index: int) -> bool:
    return any(row.cells[index].printed is not None for row in table.rows)


def _text_rows(table: ResultTable) -> list[list[str]]:
    return [[row.label, *_numbers(table, row), row.remark] for row in table.rows]


def _numbers(table: ResultTable, row: ResultRow) -> list[str]:
    numbers = []
    for index, cell in enumerate(row.cells):
        numbers.append(shown(cell))
        if _is_printed(table, index):
            numbers.append("-" if cell.printed is None else f"{cell.printed:.2f}")
    return numbers


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _plain(percent: float | None) -> str:
    return "" if percent is None else f"{percent:.2f}"
