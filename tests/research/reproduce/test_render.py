import csv
import io
from statistics import mean

from avadclip.research.reproduce.plans import AP, STRICT_AVG
from avadclip.research.reproduce.render import headings, shown, to_csv, to_latex, to_markdown
from avadclip.research.reproduce.results import Cell, ResultRow, ResultTable

TABLE = ResultTable(
    key="6",
    title="Table 6: distillation",
    measured_on="yard_1 (synthetic data)",
    is_synthetic=True,
    is_composed=False,
    printed_on="XD-Violence",
    columns=(AP, STRICT_AVG),
    rows=(
        ResultRow("sound", (Cell(50.89, (40.0, 44.0)), Cell(None, (10.0, 10.0))), "validation", ""),
        ResultRow("a|b & 50 %", (Cell(None, (7.125,)), Cell(None, ())), "last", "not a row"),
    ),
    notes=("ours: percent, 2 seeds",),
)
DEVIATION = 8**0.5  # of 40 and 44 about 42: sqrt((4 + 4) / (2 - 1))


def test_mean_and_sample_deviation() -> None:
    cell = TABLE.rows[0].cells[0]
    assert (cell.mean, cell.deviation) == (mean([40, 44]), DEVIATION)
    assert shown(cell) == "42.00 ± 2.83"
    assert shown(Cell(1.0, ())) == "-"
    assert shown(Cell(1.0, (7.125,))) == "7.12"


def test_printed_numbers_are_shown_for_columns_of_the_paper_only() -> None:
    assert headings(TABLE) == ["", "AP", "AP printed", "AVG strict", "remark"]


def test_markdown() -> None:
    assert to_markdown(TABLE) == (
        "## Table 6: distillation; ours on yard_1 (synthetic data)\n"
        "\n"
        "|  | AP | AP printed | AVG strict | remark |\n"
        "| --- | --- | --- | --- | --- |\n"
        "| sound | 42.00 ± 2.83 | 50.89 | 10.00 ± 0.00 |  |\n"
        "| a\\|b & 50 % | 7.12 | - | - | not a row |\n"
        "\n"
        "- ours: percent, 2 seeds\n"
    )


def test_latex() -> None:
    assert to_latex(TABLE) == (
        "\\begin{table}\n"
        "\\caption{Table 6: distillation; ours on yard\\_1 (synthetic data)}\n"
        "\\begin{tabular}{lrrrl}\n"
        "\\hline\n"
        " & AP & AP printed & AVG strict & remark \\\\\n"
        "\\hline\n"
        "sound & 42.00 $\\pm$ 2.83 & 50.89 & 10.00 $\\pm$ 0.00 &  \\\\\n"
        "a|b \\& 50 \\% & 7.12 & - & - & not a row \\\\\n"
        "\\hline\n"
        "\\end{tabular}\n"
        "\\footnotesize\n"
        "\\par ours: percent, 2 seeds\n"
        "\\end{table}\n"
    )


def test_csv_has_all_fields_of_every_number() -> None:
    lines = list(csv.DictReader(io.StringIO(to_csv(TABLE))))
    assert [(line["row"], line["column"]) for line in lines] == [
        ("sound", "AP"),
        ("sound", "AVG strict"),
        ("a|b & 50 %", "AP"),
        ("a|b & 50 %", "AVG strict"),
    ]
    assert lines[0] == {
        "table": "6",
        "row": "sound",
        "column": "AP",
        "printed": "50.89",
        "printed_on": "XD-Violence",
        "mean": "42.00",
        "deviation": "2.83",
        "seeds": "2",
        "measured_on": "yard_1 (synthetic data)",
        "synthetic": "true",
        "composed": "false",
        "head": "classifier",
        "protocol": "frame",
        "split": "test",
        "selection": "validation",
        "remark": "",
    }
    assert (lines[3]["mean"], lines[3]["deviation"], lines[3]["seeds"]) == ("", "", "0")
    assert (lines[3]["head"], lines[3]["protocol"], lines[3]["selection"]) == ("alignment", "strict", "last")
