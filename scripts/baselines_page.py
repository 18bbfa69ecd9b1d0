"""The measured table of docs/baselines.md: every figure in it comes from the runs it is given."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from avadclip.files import write_atomically

Rows = Mapping[str, Mapping[str, float]]
"""Of one seed, by row name: measures in [0, 1] by name."""

BEGIN, END = "<!-- table -->", "<!-- end -->"
TEACHER, STUDENT, VADCLIP = "AVadCLIP", "AVadCLIP, picture only", "vadclip"
CONTROL, RANDOM = "control: file properties, no pixels", "Random"
FROM_DESCRIPTION = ("avvd", "fvai", "cu-net", "avcl")  # of these, only a paper's description is public
TITLES = {
    "deep-mil": "DeepMIL",
    "hl-net": "HL-Net",
    "rtfm": "RTFM",
    "avvd": "AVVD",
    "efficient-prompt": "Efficient-Prompt",
    "ur-dmu": "UR-DMU",
    "clip-tsa": "CLIP-TSA",
    VADCLIP: "VadCLIP",
    "fvai": "FVAI",
    "macil-sd": "MACIL-SD",
    "cu-net": "CU-Net (CUPL)",
    "avcl": "AVCL",
}
PRINTED = {
    "deep-mil": "75.18",
    "hl-net": "80.00",
    "rtfm": "78.27",
    "avvd": "78.10",
    "efficient-prompt": "76.57",
    "ur-dmu": "82.41",
    "clip-tsa": "82.17",
    VADCLIP: "84.51",
    "fvai": "81.69",
    "macil-sd": "81.21",
    "cu-net": "81.43",
    "avcl": "81.11",
    TEACHER: "86.04",
    STUDENT: "85.53",
}
SYNTHETIC, FIGHTS = "synthetic", "fights"
COLUMNS = {  # measure, and the benchmark it belongs to
    "synthetic AP": SYNTHETIC,
    "isolated AP": FIGHTS,
    "block AP": FIGHTS,
    "alone AUC": FIGHTS,
}


def write_table(page: Path, results: Mapping[str, Sequence[Rows]], *, settings: str) -> None:
    """Write the table between the markers of the page.

    Args:
        page: docs/baselines.md.
        results: by benchmark, what each seed gave.
        settings: how the runs were made, one sentence.
    """
    names = [name for name in [*TITLES, TEACHER, STUDENT, CONTROL, RANDOM] if any(_has(results, name))]
    lines = [
        BEGIN,
        "",
        f"{settings} Mean ± standard deviation over {_seeds(results)} seeds, in percent; the first column is synthetic.",
        "",
        "| system | **synthetic**: frame AP | fights isolated: frame AP | fights in a block: frame AP | videos alone: ROC AUC | printed, XD-Violence AP |",
        "|---|---|---|---|---|---|",
        *(_row(results, name) for name in names),
        "",
        END,
    ]
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    write_atomically(page, before + "\n".join(lines) + rest.split(END)[1])


def _row(results: Mapping[str, Sequence[Rows]], name: str) -> str:
    cells = []
    for measure, benchmark in COLUMNS.items():
        values = [100 * rows[name][measure] for rows in results[benchmark] if measure in rows.get(name, {})]
        cells.append(_spread(values) if values else "")
    mark = " *(re-implemented from the paper's description)*" if name in FROM_DESCRIPTION else ""
    return f"| {TITLES.get(name, name)}{mark} | {' | '.join(cells)} | {PRINTED.get(name, '')} |"


def _has(results: Mapping[str, Sequence[Rows]], name: str) -> list[bool]:
    return [name in rows for seeds in results.values() for rows in seeds]


def _seeds(results: Mapping[str, Sequence[Rows]]) -> str:
    return " / ".join(sorted({str(len(seeds)) for seeds in results.values()}))


def _spread(values: Sequence[float]) -> str:
    if len(values) == 1:
        return f"{values[0]:.1f}"
    return f"{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}"
