"""The measured sections of the page on robustness: every figure in one comes from the run that writes it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from avadclip.evaluation.robustness import AUTOMATIC, CONDITIONS, ConditionName, RobustnessReport
from avadclip.evaluation.uncertainty import UncertaintyMeasures
from avadclip.report.figures.robustness import Bar, draw_bars, markdown_table
from avadclip.report.words import counted

TITLES = {
    "synthetic": "On the synthetic benchmark",
    "composed": "On composed data",
}


@dataclass(frozen=True)
class Setting:
    """One kind of data, measured several times: over seeds, or over folds."""

    name: str
    """Key of TITLES, and of its picture."""
    repeat: str
    """What there is a report of: `seed` or `fold`."""
    reports: Sequence[RobustnessReport]

    @property
    def title(self) -> str:
        """Heading of its section."""
        return TITLES[self.name]

    @property
    def networks(self) -> tuple[str, ...]:
        """In order."""
        return self.reports[0].networks

    @property
    def spread(self) -> str:
        """What the figures are, in words."""
        if len(self.reports) == 1:
            return f"one {self.repeat}"
        return f"mean ± standard deviation over {counted(len(self.reports), self.repeat)}"

    @property
    def kind(self) -> str:
        """What was damaged, in words."""
        return "features damaged by analogues" if self.reports[0].damage_of == "features" else "damaged before encoding"

    def values(self, condition: ConditionName, network: str) -> list[float]:
        """Percent of every report; all networks are measured under all conditions here."""
        found = [report.find(condition, network) for report in self.reports]
        percents = [None if each is None else each.percent("frame_ap", head="classifier") for each in found]
        assert all(percent is not None for percent in percents), (condition, network)
        return [percent for percent in percents if percent is not None]

    def chance(self) -> float:
        """Frame AP of a random score, mean over reports."""
        return float(np.mean([report.conditions[0].reports[0].positive_percent for report in self.reports]))

    def table(self) -> list[str]:
        """Frame AP: mean and deviation, and under damage the mean gain over clean."""
        rows = []
        for condition in CONDITIONS:
            cells: list[str] = [condition]
            for network in self.networks:
                own, clean = (np.array(self.values(each, network)) for each in (condition, "clean"))
                if condition != "clean" and np.array_equal(own, clean):  # the network does not use this modality
                    cells.append("=")
                    continue
                gain = "" if condition == "clean" else f" ({np.mean(own - clean):+.1f})"
                bar = as_bar(list(own))
                deviation = "" if bar.deviation is None else f" ± {bar.deviation:.1f}"
                cells.append(f"{bar.percent:.1f}{deviation}{gain}")
            rows.append(cells)
        return markdown_table(["condition", *self.networks], rows)

    def variance_table(self) -> list[str]:
        """sigma^2 of the students, median over snippets, then mean over reports."""
        students = list(self.reports[0].conditions[0].median_variance)
        rows = []
        for number, condition in enumerate(CONDITIONS):
            medians = [
                [report.conditions[number].median_variance[student] for report in self.reports] for student in students
            ]
            rows.append([condition, *(f"{np.mean(each):.3f}" for each in medians)])
        return markdown_table(["condition", *students], rows)

    def draw(self) -> Figure:
        """Bars of the means with deviations."""
        bars: dict[str, dict[ConditionName, Bar]] = {network: {} for network in self.networks}
        for network in self.networks:
            for condition in CONDITIONS:
                bars[network][condition] = as_bar(self.values(condition, network))
        subtitle = f"{self.title}; {self.kind}; head classifier; {self.spread}"
        return draw_bars(bars, title="Frame AP under damage", subtitle=subtitle, chance=self.chance())


def as_bar(values: Sequence[float]) -> Bar:
    """Mean, and the deviation where there are several."""
    return Bar(float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None)


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading of level two."""

    title: str
    settings: Sequence[Setting]
    lines: Sequence[str]

    def replace_in(self, page: str) -> str:
        """The page with this section in the place of an earlier one; ValueError without one."""
        heading = f"## {self.title}\n"
        start = page.index(f"\n{heading}") + 1
        end = page.index("\n## ", start) + 1
        return page[:start] + "\n".join([heading, *self.lines, "", ""]) + page[end:]


def synthetic_section(setting: Setting) -> Section:
    """Tables of frame AP and of sigma^2."""
    return Section(
        setting.title,
        [setting],
        [*_figures(setting), "", SYNTHETIC_WORDS, "", _finding(setting), "", *_variance(setting, "###")],
    )


def composed_section(setting: Setting, uncertainties: Sequence[UncertaintyMeasures]) -> Section:
    """The same, and what theta shows in sequences that are damaged in part."""
    rows = [
        [word, *(f"{getattr(each, field):.2f}" for each in uncertainties), f"{mean:.2f}"]
        for field, word in SHOWN.items()
        for mean in [np.mean([getattr(each, field) for each in uncertainties])]
    ]
    seeds = [f"seed {number}" for number in range(len(uncertainties))]
    table = markdown_table(["visual student, damaged in part", *seeds, "mean"], rows)
    return Section(
        setting.title,
        [setting],
        [
            *_figures(setting),
            "",
            COMPOSED_WORDS,
            "",
            _finding(setting),
            "",
            *_variance(setting, "###"),
            "",
            UNCERTAINTY_WORDS,
            "",
            *table,
        ],
    )


def _figures(setting: Setting) -> list[str]:
    return [*_picture(setting), "", "Frame AP, percent:", "", *setting.table()]


def _picture(setting: Setting) -> list[str]:
    return [
        f"{setting.kind.capitalize()}; {setting.spread}. A random score gets frame AP {setting.chance():.1f}.",
        "",
        f"![Frame AP under damage: {setting.title}](images/robustness-{setting.name}.png)",
    ]


def _variance(setting: Setting, level: str) -> list[str]:
    image = f"![sigma² over one video](images/robustness-variance-{setting.name}.png)"
    return [f"{level} sigma², {setting.name}", "", *setting.variance_table(), "", image]


def _finding(setting: Setting) -> str:
    def mean(condition: ConditionName, network: str) -> float:
        return float(np.mean(setting.values(condition, network)))

    return (
        f"Muted, the teacher gets {mean('muted', 'teacher'):.1f}, and the automatic choice switches to the visual student "
        f"with {mean('muted', AUTOMATIC):.1f}. Black and foreign sound are not detected: the automatic choice gets "
        f"{mean('black', AUTOMATIC):.1f} where the audio student has {mean('black', 'audio student'):.1f}, and "
        f"{mean('foreign', AUTOMATIC):.1f} where the visual student has {mean('foreign', 'visual student'):.1f}."
    )


SHOWN = {
    "distance_auroc": "AUROC of d², damaged against clear snippets",
    "variance_auroc": "AUROC of ln sigma²",
    "correlation": "correlation of ln sigma² and ln d² in a video",
}

SYNTHETIC_WORDS = """Trained by the recipes of `configs/synthetic`: the teacher chosen on validation, students of the last epoch (the best one is
early, when sigma² has hardly learned), distilled with weight 10, a quarter of every video damaged by analogues for the
visual one; data and weights are drawn anew for every seed. These figures are synthetic: they test the machinery and say
nothing about real video. Training amplifies rounding: the same seed, trained by another version
of this code, can differ by five points in the row `clean`."""

COMPOSED_WORDS = """Real recordings put together by chance ([composed data](data.md#composed-data)): pairs of picture and sound mean nothing.
Trained by the same recipes on features of `lite`; the visual student sees the damage that parts of the sequences have, its
teacher the clear picture. `clean` keeps that damage."""

UNCERTAINTY_WORDS = """In the test sequences as they are, `clean`, parts of the picture are damaged. How well ln sigma² and what it is to predict, the
squared distance d² to the teacher's features of the clear picture, tell these snippets (0.5: by chance):"""
