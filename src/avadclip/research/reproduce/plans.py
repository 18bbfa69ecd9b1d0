"""The paper's tables as data: their columns, their rows, and the training run behind each row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

from avadclip.config import AS_PUBLISHED
from avadclip.errors import ConfigError
from avadclip.evaluation.metrics.records import Head, MeasureName, Part, Protocol

Side = Literal["first", "second"]
"""Which of the two datasets; only the cross-dataset table has a second."""


Change = tuple[str, bool | int | float | str]
"""A key of a recipe, dotted, and its value."""


@dataclass(frozen=True)
class Run:
    """A training run per seed, which rows of several tables may share."""

    name: str
    """Unique name, also of its folder."""
    recipe: str | None
    """File below the dataset's recipes, `baselines/SYSTEM` or a full path, without suffix; None: random scores."""
    changes: tuple[Change, ...] = ()
    """Of the recipe."""
    teacher: "Run | None" = None
    trained_on: Side = "first"


class TableJob(NamedTuple):
    """A run, and what it is tested on."""

    run: Run
    tested_on: Side = "first"


class PlanRow(NamedTuple):
    """One row of a table."""

    label: str
    """Row label as in the paper, the key of the printed numbers."""
    job: TableJob
    remark: str = ""
    """Remark for comparisons."""


class Column(NamedTuple):
    """One number of every row, and how it is measured."""

    title: str
    measure: MeasureName
    head: Head
    protocol: Protocol
    iou: float | Literal["AVG"] | None = None
    part: Part = "percent"


@dataclass(frozen=True)
class TablePlan:
    """One table of the paper."""

    key: str
    title: str
    printed_on: tuple[str, str]
    """The datasets, first and second, that the printed numbers are of."""
    columns: tuple[Column, ...]
    rows: tuple[PlanRow, ...]
    notes: tuple[str, ...] = ()

    @property
    def needs_second(self) -> bool:
        """Whether it takes two datasets."""
        return any(row.job.tested_on == "second" for row in self.rows)


AP = Column("AP", "frame_ap", "classifier", "frame")
APS = (
    AP,
    AP._replace(title="AP of means", part="video_mean_percent"),
    AP._replace(title="margin kept", part="kept_percent"),
)
AVG = Column("AVG", "map", "alignment", "legacy", "AVG")
STRICT_AVG = Column("AVG strict", "map", "alignment", "strict", "AVG")
MAPS = (
    *(Column(f"mAP@.{round(10 * iou)}", "map", "alignment", "legacy", iou) for iou in (0.1, 0.2, 0.3, 0.4, 0.5)),
    AVG,
)

NOT_PRINTED = "not a row of the paper"
ONLY_DESCRIBED = "re-implemented from the paper's description"
BY_RELEASE = f"{NOT_PRINTED}; the form of the authors' release, with their weights of the losses"

# Weights of the plain squared distance: chosen on validation splits of composed data (docs/composed.md).
MSE_WEIGHTS = {"visual": 1.0, "audio": 10.0}
ALONE: tuple[Change, ...] = (("distillation.kind", "none"),)


def _mse(modality: str) -> tuple[Change, ...]:
    return ("distillation.kind", "mse"), ("distillation.weight", MSE_WEIGHTS[modality])


RANDOM = Run("random", None)
TEACHER = Run("teacher", "teacher")
VISUAL_STUDENT = Run("visual-student", "visual_student", teacher=TEACHER)
AUDIO_STUDENT = Run("audio-student", "audio_student", teacher=TEACHER)
RELEASED_TEACHER = Run("released-teacher", "released_teacher")
RELEASED_STUDENT = Run("released-visual-student", "released_visual_student", teacher=RELEASED_TEACHER)
# The system that the visual student grew from: no enhancement, no focal loss, no teacher, scales as published.
VADCLIP = Run(
    "vadclip",
    "visual_student",
    (
        *ALONE,
        ("network.enhancement_blocks", 0),
        *((f"network.{key}", value) for key, value in AS_PUBLISHED.items()),
        ("loss.focal", False),
    ),
)


def _system(name: str) -> Run:
    return Run(name, f"baselines/{name}")


SYSTEMS: Mapping[str, Run] = {
    "DeepMIL": _system("deep-mil"),
    "HL-Net": _system("hl-net"),
    "RTFM": _system("rtfm"),
    "AVVD": _system("avvd"),
    "Ju et al.": _system("efficient-prompt"),
    "UR-DMU": _system("ur-dmu"),
    "CLIP-TSA": _system("clip-tsa"),
    "VadCLIP": VADCLIP,
    "FVAI": _system("fvai"),
    "MACIL-SD": _system("macil-sd"),
    "CUPL": _system("cu-net"),
    "AVCL": _system("avcl"),
    "AVadCLIP*": VISUAL_STUDENT,
    "AVadCLIP": TEACHER,
}
"""The comparison systems, then AVadCLIP's visual student and AVadCLIP itself."""

REMARKS = {**dict.fromkeys(("AVVD", "FVAI", "CUPL", "AVCL"), ONLY_DESCRIBED), "AVadCLIP*": "picture only"}
"""Remarks on a system in all tables."""

PRINTED_ON_OTHER_FEATURES = ("FVAI", "MACIL-SD", "CUPL", "AVCL")
"""Rows of Table 1 that the paper took from others, on I3D and VGGish features."""

LINEAR_PROBE = PlanRow("linear probe", TableJob(_system("linear-probe")), f"a control; {NOT_PRINTED}")
RELEASED_ROWS = (
    PlanRow("AVadCLIP*, variant released", TableJob(RELEASED_STUDENT), BY_RELEASE),
    PlanRow("AVadCLIP, variant released", TableJob(RELEASED_TEACHER), BY_RELEASE),
)


def _rows(*labels: str) -> tuple[PlanRow, ...]:
    return tuple(PlanRow(label, TableJob(SYSTEMS[label]), REMARKS.get(label, "")) for label in labels)


def _with_parts(name: str, *, fusion: bool, prompt: bool, focal: bool) -> TableJob:
    """The teacher with parts of the method switched off."""
    off: list[Change] = [
        *([] if fusion else [("network.fusion", "none")]),
        *([] if prompt else [("network.audio_visual_prompt", False)]),
        *([] if focal else [("loss.focal", False)]),
    ]
    return TableJob(Run(name, "teacher", tuple(off)))


def _with_fusion(kind: str) -> TableJob:
    return TableJob(Run(f"fusion-{kind}", "teacher", (("network.fusion", kind),)))


XD = ("xd-violence", "xd-violence")
TABLE_1 = TablePlan(
    "1",
    "Table 1: comparison on XD-Violence, coarse",
    XD,
    APS,
    (
        PlanRow("Random", TableJob(RANDOM), NOT_PRINTED),
        LINEAR_PROBE,
        *_rows(*SYSTEMS),
        *RELEASED_ROWS,
    ),
    (
        "ours: all systems on the same features; printed on I3D and VGGish features, not comparable: "
        + ", ".join(PRINTED_ON_OTHER_FEATURES),
    ),
)
TABLE_2 = TablePlan(
    "2",
    "Table 2: comparison on XD-Violence, fine",
    XD,
    (*MAPS, STRICT_AVG),
    (
        PlanRow("Random", TableJob(RANDOM)),
        *_rows("DeepMIL", "AVVD", "VadCLIP", "AVadCLIP*", "AVadCLIP"),
        *RELEASED_ROWS,
    ),
)
TABLE_3 = TablePlan(
    "3",
    "Table 3: comparison on CCTV-Fights_sub",
    ("cctv-fights", "cctv-fights"),
    (*APS, AVG, STRICT_AVG),
    (
        PlanRow("Random", TableJob(RANDOM), NOT_PRINTED),
        LINEAR_PROBE,
        *_rows("MACIL-SD", "UR-DMU", "AVCL", "VadCLIP", "AVadCLIP*", "AVadCLIP"),
    ),
    ("the printed AVG is of the second version of the preprint",),
)
TABLE_4 = TablePlan(
    "4",
    "Table 4: parts of the method",
    XD,
    (*APS, AVG, STRICT_AVG),
    (
        PlanRow("none", _with_parts("parts-none", fusion=False, prompt=False, focal=False)),
        PlanRow("fusion", _with_parts("parts-fusion", fusion=True, prompt=False, focal=False)),
        PlanRow("fusion, prompt", _with_parts("parts-fusion-prompt", fusion=True, prompt=True, focal=False)),
        PlanRow("fusion, prompt, focal", TableJob(TEACHER)),
        PlanRow("all but fusion", _with_parts("without-fusion", fusion=False, prompt=True, focal=True), NOT_PRINTED),
        PlanRow("all but prompt", _with_parts("without-prompt", fusion=True, prompt=False, focal=True), NOT_PRINTED),
        LINEAR_PROBE,
    ),
    ("all but focal is the row `fusion, prompt`",),
)
TABLE_5 = TablePlan(
    "5",
    "Table 5: kinds of fusion",
    XD,
    (*APS, AVG, STRICT_AVG),
    (
        PlanRow("cross-attention", _with_fusion("cross-attention")),
        PlanRow("addition", _with_fusion("add")),
        PlanRow("concatenation, linear", _with_fusion("concat")),
        PlanRow("adaptive", TableJob(TEACHER)),
        LINEAR_PROBE,
    ),
)
TABLE_6 = TablePlan(
    "6",
    "Table 6: distillation",
    XD,
    (*APS, AVG, STRICT_AVG),
    (
        PlanRow("sound", TableJob(Run("audio-student-alone", "audio_student", ALONE))),
        PlanRow("sound, distilled", TableJob(AUDIO_STUDENT)),
        PlanRow(
            "sound, plain MSE", TableJob(Run("audio-student-mse", "audio_student", _mse("audio"), TEACHER)), NOT_PRINTED
        ),
        PlanRow("picture", TableJob(Run("visual-student-alone", "visual_student", ALONE))),
        PlanRow("picture, distilled", TableJob(VISUAL_STUDENT)),
        PlanRow(
            "picture, plain MSE",
            TableJob(Run("visual-student-mse", "visual_student", _mse("visual"), TEACHER)),
            NOT_PRINTED,
        ),
        PlanRow("picture and sound", TableJob(TEACHER)),
        LINEAR_PROBE,
    ),
    ("distilled: weighted by uncertainty, the student's weight as in its recipe",),
)
OTHER_TEACHER = Run("teacher-of-second", "teacher", trained_on="second")
TABLE_CROSS = TablePlan(
    "cross",
    "Cross-dataset: trained on one, tested on the other",
    ("xd-violence", "cctv-fights"),
    APS,
    (
        PlanRow("trained on the first, tested on the first", TableJob(TEACHER), "printed in Table 1"),
        PlanRow("trained on the first, tested on the second", TableJob(TEACHER, "second")),
        PlanRow("trained on the second, tested on the first", TableJob(OTHER_TEACHER)),
        PlanRow("trained on the second, tested on the second", TableJob(OTHER_TEACHER, "second"), "printed in Table 3"),
    ),
    ("the classes of two datasets differ, hence no mAP", "printed in the second version of the preprint"),
)
TABLES: Mapping[str, TablePlan] = {
    table.key: table for table in (TABLE_1, TABLE_2, TABLE_3, TABLE_4, TABLE_5, TABLE_6, TABLE_CROSS)
}

COMPARISONS = ("1", "2", "3")
"""Keys of the tables that compare systems."""


def with_recipes(plan: TablePlan, recipes: Sequence[Path]) -> TablePlan:
    """A comparison with further rows, each a system trained by a recipe (`.toml`); other tables stay as they are.

    Raises:
        ConfigError: a row is named like the file already.
    """
    rows = list(plan.rows)
    for recipe in recipes if plan.key in COMPARISONS else ():
        if recipe.stem in {name for row in rows for name in (row.label, row.job.run.name)}:
            raise ConfigError(f"{recipe}: {plan.title} has a row {recipe.stem} already; rename the file")
        run = Run(recipe.stem, str(recipe.resolve().with_suffix("")))
        rows.append(PlanRow(recipe.stem, TableJob(run), NOT_PRINTED))
    return replace(plan, rows=tuple(rows))


FIGURE_4 = (TEACHER, VADCLIP)
"""The curve and the class map; the second curve."""


def jobs_of(tables: list[TablePlan]) -> list[TableJob]:
    """Every job once, in the order of the tables."""
    return list(dict.fromkeys(row.job for table in tables for row in table.rows))
