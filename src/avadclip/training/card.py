"""The model card of a trained checkpoint: what it learned from, by which recipe, and how it did on validation."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import tomli_w

from avadclip import __version__
from avadclip.config import Selection, TrainingConfig
from avadclip.data.bags import Dataset
from avadclip.data.footage_checks.warning import FootageWarning

CARD = """\
# {dataset} {network}

Trained on {bags} bags of {origin}.

| | |
|---|---|
| network | {network}, weights {selection} |
| teacher | {teacher} |
| distillation | {distillation} |
| validation | {validation} |
| made by | avadclip {version} |
{warnings}{licences}
## Recipe

```toml
{recipe}```
"""
SELECTION_WORDS: dict[Selection, str] = {
    "last": "the last epoch",
    "validation": "selected on validation",
    "test": "selected on the test split: figures on it are too high",
}


class NamedTeacher(NamedTuple):
    """The checkpoint that a student learned from."""

    name: str
    sha256: str
    """Of its file."""
    selection: Selection


def write_card(
    config: TrainingConfig,
    dataset: Dataset,
    metrics: Sequence[dict[str, Any]],
    *,
    selection: Selection,
    teacher: NamedTeacher | None,
    warnings: Sequence[FootageWarning],
) -> str:
    """The card, Markdown.

    Args:
        config: the recipe; the folder of its data is left out.
        dataset: what was trained on.
        metrics: a line for every epoch up to the one whose weights these are; see training.loop.
        selection: of these weights.
        teacher: None where there is none.
        warnings: about the footage.
    """
    return CARD.format(
        dataset=dataset.name,
        network=config.network_kind,
        bags=f"{len(dataset.train):,}",
        origin="synthetic features" if dataset.is_synthetic else dataset.name,
        selection=f"of epoch {metrics[-1]['epoch']} of {config.optimizer.epochs}, {SELECTION_WORDS[selection]}",
        teacher="none" if teacher is None else _teacher_words(teacher),
        distillation=_distillation_words(config),
        validation=_validation_words(dataset, metrics[-1]),
        version=__version__,
        warnings=_section("Warnings about the footage", [warning.text for warning in warnings]),
        licences=_section("Licences of the recordings", dataset.licences),
        recipe=recipe_text(config),
    )


def recipe_text(config: TrainingConfig) -> str:
    """The recipe without its data, TOML."""
    return tomli_w.dumps(config.model_dump(mode="json", exclude_none=True, exclude={"data"}))


def _teacher_words(teacher: NamedTeacher) -> str:
    return f"{teacher.name}, {SELECTION_WORDS[teacher.selection]} (SHA-256 `{teacher.sha256}`)"


def _distillation_words(config: TrainingConfig) -> str:
    given = config.distillation
    if given.kind == "none":
        return "none"
    damaged = f", damaged share {given.damaged_share:g}" if given.damaged_share else ""
    return f"{given.kind}, weight {given.weight:g}{damaged}"


def _validation_words(dataset: Dataset, line: dict[str, Any]) -> str:
    """Video-level figures of these weights."""
    if line["validation_ap"] is None:
        return "none: no validation videos of both kinds"
    num_anomalous = sum(bag.is_anomalous for bag in dataset.validation)
    words = (
        f"AP of videos {100 * line['validation_ap']:.1f} %, {len(dataset.validation)} videos, {num_anomalous} anomalous"
    )
    lead = line.get("lead_over_teacher")
    return words if lead is None else f"{words}; {100 * lead:+.1f} against the teacher, on those with sound"


def _section(title: str, items: Sequence[str]) -> str:
    """A list under its title; empty without items."""
    return "".join([f"\n{title}:\n\n", *(f"- {item}\n" for item in items)]) if items else ""
