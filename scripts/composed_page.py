"""docs/composed.md and the table of docs/baselines.md: every figure in them comes from kept scores."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from composed_runs import EXTENDED, Candidate, Outcome, Trial
from numpy.typing import NDArray
from scipy.stats import t as student_t
from sklearn.metrics import average_precision_score

from avadclip.data.bags import Bag
from avadclip.files import write_atomically
from avadclip.inference.networks import AUDIO_STUDENT, TEACHER, VISUAL_STUDENT

DOCS = Path(__file__).parents[1] / "docs"
BEGIN, BEGIN_FRONT, END = "<!-- table -->", "<!-- front -->", "<!-- end -->"
PROBE = "linear-probe"
FROM_DESCRIPTION = ("avvd", "fvai", "cu-net", "avcl")  # of these, only a paper's description is public
TITLES = {
    "deep-mil": "DeepMIL",
    "hl-net": "HL-Net",
    "rtfm": "RTFM",
    "avvd": "AVVD",
    "efficient-prompt": "Efficient-Prompt",
    "ur-dmu": "UR-DMU",
    "clip-tsa": "CLIP-TSA",
    "vadclip": "VadCLIP",
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
    "vadclip": "84.51",
    "fvai": "81.69",
    "macil-sd": "81.21",
    "cu-net": "81.43",
    "avcl": "81.11",
    TEACHER: "86.04",
    VISUAL_STUDENT: "85.53",
}
OWN_TITLES = {
    TEACHER: "AVadCLIP",
    VISUAL_STUDENT: "AVadCLIP, picture only",
    AUDIO_STUDENT: "AVadCLIP, sound only",
    PROBE: "control: linear probe",
}
KINDS = {"all": "AP", "visible": "visible only", "audible": "audible only", "both": "both"}
DAMAGE = {"all": "AP", "damaged": "picture damaged", "clear": "picture clear"}
TABLE_4 = {
    "parts: none": "none",
    "parts: fusion": "fusion",
    "parts: fusion, prompt": "fusion, prompt",
    TEACHER: "fusion, prompt, focal",
    "parts: all but fusion": "all but fusion",
    "parts: all but prompt": "all but prompt",
}
TABLE_5 = {
    "fusion: cross-attention": "cross-attention",
    "fusion: add": "addition",
    "fusion: concat": "concatenation, linear",
    TEACHER: "adaptive",
}
TABLE_6 = {
    AUDIO_STUDENT: "sound",
    f"{AUDIO_STUDENT}, uncertainty": "sound, distilled",
    f"{AUDIO_STUDENT}, mse": "sound, plain MSE",
    VISUAL_STUDENT: "picture",
    f"{VISUAL_STUDENT}, uncertainty": "picture, distilled",
    f"{VISUAL_STUDENT}, mse": "picture, plain MSE",
    "visual student, no adapter": "picture, without the adapter",
    TEACHER: "picture and sound",
}
FRONT = {
    EXTENDED: "AVadCLIP, variant `extended`",
    TEACHER: "AVadCLIP",
    "adapter replaces": "AVadCLIP, the adapter replaces the features",
    VISUAL_STUDENT: "AVadCLIP, picture only",
    AUDIO_STUDENT: "AVadCLIP, sound only",
    "hl-net": "HL-Net",
    PROBE: "control: linear probe",
}
"""Whose differences take more seeds to tell."""
SCALES = {
    TEACHER: "AVadCLIP",
    "no layer norm": "no layer norm before fusion",
    "adapter replaces": "the adapter replaces the features",
    "as in 0.1.0": "both, as in 0.1.0",
    "no adapter": "no adapter",
}


class Results(NamedTuple):
    """One seed: its test sequences, and the scores of every row."""

    bags: Sequence[Bag]
    outcomes: Mapping[str, Outcome]


def frame_ap(scores: NDArray[np.float32], bags: Sequence[Bag]) -> float:
    """AP over all snippets, [N, T] scores; every snippet has as many frames, so this is the frame AP."""
    return float(average_precision_score(_kinds(bags) != "", scores.reshape(-1)))


def measures_of(scores: NDArray[np.float32], bags: Sequence[Bag]) -> dict[str, float]:
    """AP in percent: of all, of each kind of event (snippets of other kinds left out), of damaged and clear time.

    `means`: of all, every score replaced by the mean of its sequence, which tells sequences apart and no moments.
    """
    kinds, flat = _kinds(bags), scores.reshape(-1)
    damaged = np.concatenate([_composition(bag).picture_damage for bag in bags]) != ""
    kept = {"all": np.ones(len(flat), bool), "damaged": damaged, "clear": ~damaged}
    kept |= {kind: np.isin(kinds, ["", kind]) for kind in ("visible", "audible", "both")}
    found = {name: 100 * float(average_precision_score(kinds[of] != "", flat[of])) for name, of in kept.items()}
    means = np.repeat(scores.mean(axis=1), scores.shape[1])
    return found | {"means": 100 * float(average_precision_score(kinds != "", means))}


def interval(differences: Sequence[float]) -> tuple[float, float]:
    """Mean, and half the width of its 95 % interval by Student's t."""
    values = np.asarray(differences)
    half = student_t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
    return float(values.mean()), float(half)


def write_pages(results: Sequence[Results], rows: Sequence[Candidate], trials: Mapping[str, Trial]) -> None:
    """Write both pages."""
    tables = _measured(results, [row.name for row in rows])
    seconds = {row.name: float(np.median([each.outcomes[row.name].seconds for each in results])) for row in rows}
    chance = np.mean([100 * (_kinds(each.bags) != "").mean() for each in results])
    _write_between(DOCS / "baselines.md", _race(tables, seconds, trials, float(chance)))
    _write_between(DOCS / "composed.md", _claims(tables, rows))


def write_front(results: Sequence[Results]) -> None:
    """Write the section of docs/composed.md that has more seeds."""
    tables = _measured(results, list(FRONT))
    pairs = [
        (f"{FRONT[one]} less: {FRONT[other]}", one, other)
        for index, one in enumerate((EXTENDED, TEACHER))
        for other in list(FRONT)[index + 1 :]
    ]
    lines = [
        f"{len(results)} seeds; columns and signs as above.",
        "",
        *_table(tables, FRONT, KINDS),
        "",
        *_differences(tables, pairs, KINDS),
    ]
    _write_between(DOCS / "composed.md", lines, BEGIN_FRONT)


def _measured(results: Sequence[Results], names: Sequence[str]) -> dict[str, list[dict[str, float]]]:
    return {name: [measures_of(each.outcomes[name].scores, each.bags) for each in results] for name in names}


def _race(
    tables: Mapping[str, list[dict[str, float]]],
    seconds: Mapping[str, float],
    trials: Mapping[str, Trial],
    chance: float,
) -> list[str]:
    names = [name for name in (*TITLES, *OWN_TITLES) if name in tables]
    lines = [
        f"`composed:small`, {len(tables[TEACHER])} seeds; mean ± standard deviation of frame AP in percent, **composed**. "
        f"A random score gets {chance:.1f}.",
        "",
        "| system | AP | visible only | audible only | both | video means | AVadCLIP less this one | learning rate, epochs | seconds | printed, XD-Violence |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name in names:
        found = [_mean(tables[name], measure) for measure in (*KINDS, "means")]
        difference = "" if name == TEACHER else _difference(tables, TEACHER, name, "all")
        rate, epochs = trials[name]
        title = OWN_TITLES.get(name) or TITLES[name]
        title += " *(re-implemented from the paper's description)*" if name in FROM_DESCRIPTION else ""
        lines.append(
            f"| {title} | {' | '.join(found)} | {difference} | {rate:g}, {epochs} | {seconds[name]:.0f} | {PRINTED.get(name, '')} |"
        )
    return lines


def _claims(tables: Mapping[str, list[dict[str, float]]], rows: Sequence[Candidate]) -> list[str]:
    weights = {row.name: row.distillation.weight for row in rows if row.teacher}
    students = (VISUAL_STUDENT, AUDIO_STUDENT)
    distillation = [
        (f"{student}: {one} less {other}", f"{student}{first}", f"{student}{second}")
        for student in students
        for one, other, first, second in (
            ("distilled", "alone", ", uncertainty", ""),
            ("MSE", "alone", ", mse", ""),
            ("distilled", "MSE", ", uncertainty", ", mse"),
        )
    ]
    against = [(f"AVadCLIP less the {student}", TEACHER, student) for student in students]
    against.append(("AVadCLIP less the linear probe", TEACHER, PROBE))
    scales = [(f"AVadCLIP less: {title}", TEACHER, name) for name, title in SCALES.items() if name != TEACHER]
    no_adapter = [
        (f"visual student {what} less one without the adapter", f"{VISUAL_STUDENT}{name}", "visual student, no adapter")
        for what, name in (("distilled", ", uncertainty"), ("alone", ""))
    ]
    chosen = ", ".join(f"{name.replace(',', ' by')} {weight:g}" for name, weight in weights.items())
    return [
        "### Teacher and students",
        "",
        *_differences(tables, against, KINDS),
        "",
        "### Table 4: parts of the method",
        "",
        *_table(tables, TABLE_4, KINDS),
        "",
        "### Table 5: kinds of fusion",
        "",
        *_table(tables, TABLE_5, KINDS),
        "",
        "### Table 6: distillation",
        "",
        f"Weights, each the best of four on validation: {chosen}.",
        "",
        *_table(tables, TABLE_6, DAMAGE),
        "",
        *_differences(tables, [*distillation, *no_adapter], DAMAGE),
        "",
        "### Scales before fusion",
        "",
        *_differences(tables, scales, KINDS),
    ]


def _table(
    tables: Mapping[str, list[dict[str, float]]], titles: Mapping[str, str], measures: Mapping[str, str]
) -> list[str]:
    lines = [f"| | {' | '.join(measures.values())} |", f"|---{'|---' * len(measures)}|"]
    for name, title in titles.items():
        lines.append(f"| {title} | {' | '.join(_mean(tables[name], measure) for measure in measures)} |")
    return lines


def _differences(
    tables: Mapping[str, list[dict[str, float]]], pairs: Sequence[tuple[str, str, str]], measures: Mapping[str, str]
) -> list[str]:
    lines = [f"| paired difference | {' | '.join(measures.values())} |", f"|---{'|---' * len(measures)}|"]
    for title, one, other in pairs:
        lines.append(f"| {title} | {' | '.join(_difference(tables, one, other, measure) for measure in measures)} |")
    return lines


def _mean(seeds: Sequence[Mapping[str, float]], measure: str) -> str:
    values = [each[measure] for each in seeds]
    return f"{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}" if len(values) > 1 else f"{values[0]:.1f}"


def _difference(tables: Mapping[str, list[dict[str, float]]], one: str, other: str, measure: str) -> str:
    mean, half = interval([a[measure] - b[measure] for a, b in zip(tables[one], tables[other], strict=True)])
    shown = f"{mean:+.1f} ± {half:.1f}"
    return f"**{shown}**" if abs(mean) > half > 0 else shown


def _kinds(bags: Sequence[Bag]) -> NDArray[np.str_]:
    return np.concatenate([_composition(bag).event_kinds for bag in bags])


def _composition(bag: Bag):
    assert bag.composition is not None, "a composed sequence"
    return bag.composition


def _write_between(page: Path, lines: Sequence[str], begin: str = BEGIN) -> None:
    """Replace what stands between the markers of a page."""
    before, rest = page.read_text(encoding="utf-8").split(begin)
    write_atomically(page, before + "\n".join([begin, "", *lines, "", END]) + rest.split(END, maxsplit=1)[1])
