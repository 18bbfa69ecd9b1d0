"""A reproduced table as people read it in a terminal: ours, and the printed number below it."""

from typing import TYPE_CHECKING

from avadclip.report.words import printable
from avadclip.reproduce.render import shown, subject

if TYPE_CHECKING:
    from rich.console import Console

    from avadclip.reproduce.results import Cell, ResultTable


def print_table(console: "Console", table: "ResultTable") -> None:
    """The table and everything that has to be said of it."""
    from rich.table import Table

    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    grid.add_column("ours\n(printed)", overflow="fold")
    for column in table.columns:
        grid.add_column(column.title, justify="right")
    for row in table.rows:
        grid.add_row(printable(row.label), *map(_text, row.cells))
    console.print(printable(subject(table)), style="bold", soft_wrap=True)
    console.print(grid)
    remarks = [f"{row.label}: {row.remark}" for row in table.rows if row.remark]
    for line in (*table.notes, *remarks):
        console.print(printable(line), style="dim", soft_wrap=True)
    console.print()


def _text(cell: "Cell") -> str:
    return shown(cell) if cell.printed is None else f"{shown(cell)}\n({cell.printed:.2f})"
