"""The page of the synthetic study: every figure in it comes from the runs it is given."""

from collections.abc import Sequence

import numpy as np

Results = Sequence[dict[str, float]]
"""Per seed, test AP by row."""

ALL_PARTS = "+ focal"
NONE, UNCERTAINTY, MSE = "no distillation", "uncertainty", "plain MSE"
AUTHORS = "uncertainty, authors' weight"
ROUNDED = "no distillation, other rounding"


def write_page(size: str, results: Results) -> str:
    """Markdown."""
    rows = [name for name in results[0] if name.startswith("teacher")]
    visual_only = f"visual student: {NONE}"
    return f"""# What the parts do, on synthetic data

**All figures on this page are synthetic.** They come from `synthetic:{size}` (see [data](data.md)): feature vectors generated
by a formula, with inserted events. They test that the machinery works, and say nothing about real video.

Frame AP in percent, classifier head, test split, last epoch (selection: `last`). {len(results)} seeds; data, weights and
order are drawn anew for each. Recipes: `configs/synthetic/`. The generator was fixed before any network was distilled on
it; the recipe was chosen with networks without a teacher, on other seeds. Repeat with `python scripts/synthetic_study.py`.

| | AP, mean ± deviation | each seed |
|---|---|---|
| chance (share of anomalous frames) | {_cells(results, "chance")} |
| visual only (student without teacher) | {_cells(results, visual_only)} |
| teacher, audio-visual | {_cells(results, f"teacher: {ALL_PARTS}")} |

## The paper's parts

Table 4 is cumulative; below it, each part switched off alone.

| | AP, mean ± deviation | each seed |
|---|---|---|
{_rows(results, rows)}

## Distillation

A student with uncertainty-weighted distillation against the same student without a teacher, and against the plain
squared distance. The weights of both were chosen on validation splits of other seeds (`--choose-weights`). Gains are paired: same seed, same data, same
first weights. Two rows show how far to trust a difference: "authors' weight" is 1e-8 as in their release, where the
gradient of the term is negligible; "other rounding" is the student without a teacher, its training features multiplied by
1 + 1e-7, which is no change of the method. Training amplifies either to the differences in the rows.

{_distillation(results, "visual student")}

{_distillation(results, "audio student")}
"""


def _distillation(results: Results, kind: str) -> str:
    rows = [name for name in results[0] if name.startswith(kind)]
    gains = [
        (f"{UNCERTAINTY} minus {NONE}", UNCERTAINTY, NONE),
        (f"{UNCERTAINTY} minus {MSE}", UNCERTAINTY, MSE),
        (f"{MSE} minus {NONE}", MSE, NONE),
        (f"{AUTHORS}, minus {NONE}", AUTHORS, NONE),
        (f"{ROUNDED}, minus {NONE}", ROUNDED, NONE),
    ]
    lines = [f"| {kind} | AP, mean ± deviation | each seed |", "|---|---|---|", _rows(results, rows), ""]
    lines += ["| paired gain | mean | each seed |", "|---|---|---|"]
    for title, first, second in gains:
        paired = np.array([100 * (seed[f"{kind}: {first}"] - seed[f"{kind}: {second}"]) for seed in results])
        lines.append(f"| {title} | {paired.mean():+.2f} | {' '.join(f'{gain:+.2f}' for gain in paired)} |")
    return "\n".join(lines)


def _rows(results: Results, names: Sequence[str]) -> str:
    return "\n".join(f"| {name.partition(': ')[2]} | {_cells(results, name)} |" for name in names)


def _cells(results: Results, name: str) -> str:
    values = np.array([100 * seed[name] for seed in results])
    deviation = values.std(ddof=1) if len(values) > 1 else 0.0
    return f"{values.mean():.2f} ± {deviation:.2f} | {' '.join(f'{value:.1f}' for value in values)}"
