"""The page on robustness: every figure in it comes from the run that writes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from avadclip.evaluation.robustness import AUTOMATIC, CONDITIONS, ConditionName, RobustnessReport
from avadclip.report.figures.robustness import Bar, draw_bars, markdown_table
from avadclip.report.words import counted


@dataclass(frozen=True)
class Setting:
    """One kind of data, measured several times: over seeds, or over folds."""

    title: str
    repeat: str
    """What there is a report of: `seed` or `fold`."""
    reports: Sequence[RobustnessReport]

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
        return "features damaged by analogues" if self.reports[0].damage_of == "features" else "videos damaged"

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


def write_page(settings: Mapping[str, Setting]) -> str:
    """Markdown; `settings` by the name of their picture, the synthetic benchmark first."""
    synthetic, blocks = settings["synthetic"], settings["blocks"]
    return "\n".join(
        [
            HEAD.replace("{num_seeds}", str(len(synthetic.reports))),
            _section(synthetic, "synthetic"),
            "",
            SYNTHETIC_WORDS,
            "",
            "### sigma² of the students",
            "",
            VARIANCE_WORDS,
            "",
            *synthetic.variance_table(),
            "",
            "![sigma² over one synthetic video](images/robustness-variance-synthetic.png)",
            "",
            "## On the shared fights",
            "",
            FIGHTS_WORDS,
            "",
            *(line for name in ("alone", "isolated", "blocks") for line in (_section(settings[name], name, "###"), "")),
            "### sigma² on the fights",
            "",
            *blocks.variance_table(),
            "",
            "![sigma² over one composed sequence](images/robustness-variance-fights.png)",
            "",
            "## Findings",
            "",
            *_findings(synthetic, blocks),
            "",
        ]
    )


def _section(setting: Setting, name: str, level: str = "##") -> str:
    return "\n".join(
        [
            f"{level} {setting.title}",
            "",
            f"{setting.kind.capitalize()}; {setting.spread}, in brackets the mean gain over clean. Head: classifier. "
            f"A random score gets frame AP {setting.chance():.1f}.",
            "",
            f"![Frame AP under damage: {setting.title}](images/robustness-{name}.png)",
            "",
            "Frame AP, percent:",
            "",
            *setting.table(),
        ]
    )


def _findings(synthetic: Setting, blocks: Setting) -> list[str]:
    def mean(setting: Setting, condition: ConditionName, network: str) -> float:
        return float(np.mean(setting.values(condition, network)))

    lines = []
    for name, setting in (("synthetic", synthetic), ("fights in blocks", blocks)):
        muted = [mean(setting, "muted", network) for network in ("teacher", "visual student", AUTOMATIC)]
        black = [mean(setting, "black", network) for network in ("teacher", "audio student", AUTOMATIC)]
        foreign = [mean(setting, "foreign", network) for network in ("teacher", "visual student", AUTOMATIC)]
        lines += [
            f"- **{name}**: muted, the teacher gets {muted[0]:.1f}, and the automatic choice switches to the visual student "
            f"with {muted[2]:.1f}. Black and foreign sound are not detected: the automatic choice gets {black[2]:.1f} where "
            f"the audio student has {black[1]:.1f}, and {foreign[2]:.1f} where the visual student has {foreign[1]:.1f}.",
        ]
    return [*lines, "", CLOSING]


HEAD = """# Damaged picture or sound

How each network scores when the picture is black, dark or half covered, or the sound is muted, from another video, late or
noisy; and how the automatic choice of `avadclip detect` performs.

```console
$ avadclip robustness runs/student/best.safetensors --data synthetic:small --out runs/robustness
$ avadclip robustness starter --data videos.csv --features features --videos recordings --out runs/robustness
```

| damage | to a video | analogue on features |
|---|---|---|
| black | every frame black | every visual row zeros |
| dark | a fifth of every pixel value | a fifth of every visual value |
| half covered | the left half black | the first half of the visual channels zeros |
| muted | digital silence on the track | audio rows zeros, the track known to be silent |
| foreign | the sound of a video of another group | its audio rows |
| late | sound 2 s after its picture, silence before it | audio rows 2 s later, zeros before them |
| noisy | white noise of the sound's mean power, 0 dB | the same on the rows |

With `--videos`, the videos are damaged before they are encoded, and only the damaged modality is encoded again. The feature
files are kept in `--out` for the next run; their provenance names the damage, so that no other command takes them for clean
ones. Without `--videos`, features are damaged by **analogues**: an encoder does not turn a black picture into zeros. They
show how networks respond to such features, and nothing about cameras and microphones.

| option | meaning | default |
|---|---|---|
| `--data` | annotated videos, as for [`avadclip evaluate`](evaluation.md) | needed |
| `--out` | folder for robustness.json, robustness.md, robustness.png, variance.png and the damaged features | needed |
| `--features` | folder of feature files from `avadclip extract`, for a CSV | none |
| `--videos` | folder of the videos, to damage them instead of their features | none |
| `--split` | `test` or `validation` | `test` |
| `--seed` | the recipe's `seed`: it decides synthetic data | 0 |
| `--device` | where videos are encoded | `cpu` |
| `--format` | `table` for people, `json` for programs, `markdown` for pages | `table` |

A network that cannot score every video of the split, such as the teacher where one has no sound, is left out with a note.
All figures below are from `AVADCLIP_DATA=... python scripts/robustness_study.py --seeds {num_seeds}`. `=` means: as clean, because the
network does not use the damaged modality.
"""

SYNTHETIC_WORDS = """Trained by the recipes of `configs/synthetic`, chosen on validation; data and weights are drawn anew for every seed. These
figures are synthetic: they test the machinery and say nothing about real video. Training amplifies rounding: the same seed,
trained by another version of this code, can differ by five points in the row `clean`, so one seed cannot rank networks."""

VARIANCE_WORDS = """A student distilled with uncertainty also predicts sigma², the variance of its features around the teacher's. The curve is its
geometric mean over channels; the table gives the median over all snippets. It was learned on clean videos only: nothing in
training makes it rise under damage, and where it falls, the student is more certain of less accurate features."""

FIGHTS_WORDS = """Videos with audible sound; networks trained on clean videos of the other folds: 5 folds by recording, one seed, recipe
`configs/starter.toml`, last epoch. Damage is applied to the videos, which are encoded again. Sequences are composed of 40
videos each, 4 per fold and arrangement, as on the page on [real fights](fights.md); there, late sound crosses from video to
video. In a single video, about 2 s long, little of late sound remains. On this data sound carries nothing about fights, and
file properties alone do well: read the differences between conditions, not the levels. Deviations over folds are large
because folds are small and differ in their share of fights. `black` falls below a random score because of the position of
the fights: with a constant picture, scores depend only on the distance to the ends of the sequence, and the block is in its
middle."""

CLOSING = """The automatic choice depends on the file's streams and the level of its sound. It detects a muted or missing track, and nothing
else: a black or covered picture and the sound of another video are not detected. The row `muted` shows whether switching to
the student helps; that is not guaranteed."""
