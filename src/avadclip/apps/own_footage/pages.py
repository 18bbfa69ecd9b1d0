"""The card and the page of a run, from the same findings."""

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from avadclip import __version__
from avadclip.apps.own_footage.figures import roc, training_curves
from avadclip.apps.own_footage.jobs import TrainedJob
from avadclip.apps.own_footage.measure import Measured
from avadclip.apps.own_footage.mistakes import key_frame, worst_mistakes
from avadclip.apps.own_footage.networks import own_recipe
from avadclip.apps.own_footage.verdict import PlainVerdict
from avadclip.data import progress
from avadclip.files import write_atomically
from avadclip.report.words import clock
from avadclip.training.card import recipe_text

_templates = Environment(
    loader=PackageLoader("avadclip.apps.own_footage", "page"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters["clock"] = clock

CARD = """\
# {name}

Trained by `avadclip train` on own footage: {described}, classes {classes}.

**{headline}** {operating_point}
{sections}
## Recipes

{recipes}
Made by avadclip {version}.
"""


class Findings(NamedTuple):
    """Everything that card and page tell."""

    name: str
    described: str
    """The videos in a few words."""
    classes: tuple[str, ...]
    students: tuple[str, ...]
    verdict: PlainVerdict
    others: Sequence[str]
    """A sentence for each network beside the default one."""
    warnings: Sequence[str]
    decisions: Sequence[str]
    """How the networks were made, a sentence each."""


def write_own_card(findings: Findings) -> str:
    """The model card, Markdown."""
    lists = {"Warnings": findings.warnings, "Other networks": findings.others, "How it was made": findings.decisions}
    sections = [
        f"\n## {title}\n\n" + "".join(f"- {line}\n" for line in lines) for title, lines in lists.items() if lines
    ]
    recipes = [f"```toml\n{recipe_text(own_recipe(student))}```\n" for student in findings.students]
    return CARD.format(
        name=findings.name,
        described=findings.described,
        classes=", ".join(findings.classes),
        headline=findings.verdict.headline,
        operating_point=findings.verdict.operating_point,
        sections="".join(sections),
        recipes="\n".join(recipes),
        version=__version__,
    )


def write_own_page(
    path: Path, findings: Findings, measured: Measured | None, final: TrainedJob, folds: Sequence[TrainedJob]
) -> None:
    """Write the page, one file that needs no other."""
    mistakes = [] if measured is None else worst_mistakes(measured, findings.classes)
    pictured = []
    with progress.show_steps("key frames") as show:
        for number, mistake in enumerate(mistakes, start=1):
            pictured.append((mistake, key_frame(mistake)))
            show("key frames", number, len(mistakes))
    style = (Path(str(resources.files("avadclip.apps.own_footage"))) / "page" / "report.css").read_text(
        encoding="utf-8"
    )
    page = _templates.get_template("report.html").render(
        **findings._asdict(),
        version=__version__,
        style=style,
        roc=None if measured is None else roc(measured),
        curves=training_curves(final, folds),
        mistakes=pictured,
    )
    write_atomically(path, page)
