"""Report of `avadclip data check` on recordings: what is in the folder, and what is composed of it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Literal

from pydantic import BaseModel, ConfigDict

from avadclip.data.bags import EventKind
from avadclip.data.composed.dataset import CHANCE_PAIRS, COMPOSED, ComposedPlan, plan_composed, split_spec
from avadclip.data.composed.features import hard_negatives_of
from avadclip.data.composed.plan import SequencePlan
from avadclip.data.composed.recordings import GRID, Kind, Recording, Role
from avadclip.data.synthetic import SPLITS, Split


class _Count(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LabelCount(_Count):
    """Recordings of one kind, role and label."""

    kind: Kind
    role: Role
    label: str
    num_sessions: int
    num_recordings: dict[Split, int]
    num_unused: int
    """Events of a label that no recording trains."""


class LicenceCount(_Count):
    """Recordings under one licence."""

    licence: str
    num_recordings: int
    num_trained_on: int
    """Of the splits train and validation; a model's card names their licences."""
    num_share_alike: int


class ComposedSplit(_Count):
    """The sequences of one split."""

    split: Split
    num_sequences: int
    num_with_events: int
    num_events: dict[EventKind, int]
    num_hard_negatives: int
    hours: float


class ComposedCheck(_Count):
    """The complete check, as printed by `--format json`."""

    format: Literal["avadclip-composed-data-check/1"] = "avadclip-composed-data-check/1"
    source: str
    classes: tuple[str, ...]
    labels: tuple[LabelCount, ...]
    licences: tuple[LicenceCount, ...]
    """Those of most recordings first."""
    splits: tuple[ComposedSplit, ...]
    num_share_alike: int
    """Recordings that are only tested on."""
    notes: tuple[str, ...]


def check_composed(source: str, *, seed: int = 0) -> ComposedCheck:
    """Plan a composed dataset and count what is in it; no features are made.

    Args:
        source: `composed:SIZE:FOLDER`.
        seed: as load_composed takes it.

    Raises:
        ConfigError, DataError, MediaError: as load_composed; of recordings.csv, the first mistake.
    """
    size, folder = split_spec(source.removeprefix(COMPOSED))
    plan = plan_composed(size, folder, seed=seed)
    split_of = {each.sha256: split for split, members in plan.parts.items() for each in members}
    return ComposedCheck(
        source=source,
        classes=plan.classes,
        labels=tuple(_count_labels(plan.recordings.values(), split_of)),
        licences=tuple(_count_licences(plan.recordings.values(), split_of)),
        splits=tuple(_count_sequences(split, plan) for split in SPLITS),
        num_share_alike=sum(each.share_alike for each in plan.recordings.values()),
        notes=(CHANCE_PAIRS, f"divided and composed by seed {seed}; another seed gives other splits and sequences"),
    )


def _count_labels(recordings: Iterable[Recording], split_of: dict[str, Split]) -> Iterator[LabelCount]:
    groups: dict[tuple[Kind, Role, str], list[Recording]] = defaultdict(list)
    for each in recordings:
        groups[each.kind, each.role, each.label].append(each)
    for (kind, role, label), members in sorted(groups.items()):
        found = Counter(split_of.get(each.sha256) for each in members)
        yield LabelCount(
            kind=kind,
            role=role,
            label=label,
            num_sessions=len({each.session for each in members}),
            num_recordings={split: found[split] for split in SPLITS},
            num_unused=found[None],
        )


def _count_licences(recordings: Iterable[Recording], split_of: dict[str, Split]) -> Iterator[LicenceCount]:
    groups: dict[str, list[Recording]] = defaultdict(list)
    for each in recordings:
        groups[each.licence].append(each)
    for licence, members in sorted(groups.items(), key=lambda group: (-len(group[1]), group[0])):
        yield LicenceCount(
            licence=licence,
            num_recordings=len(members),
            num_trained_on=sum(split_of.get(each.sha256) in {"train", "validation"} for each in members),
            num_share_alike=sum(each.share_alike for each in members),
        )


def _count_sequences(split: Split, plan: ComposedPlan) -> ComposedSplit:
    sequences: tuple[SequencePlan, ...] = plan.sequences[split]
    kinds = Counter(event.kind for each in sequences for event in each.events)
    return ComposedSplit(
        split=split,
        num_sequences=len(sequences),
        num_with_events=sum(bool(each.events) for each in sequences),
        num_events={kind: kinds[kind] for kind in ("visible", "audible", "both")},
        num_hard_negatives=sum(len(hard_negatives_of(each)) for each in sequences),
        hours=sum(each.num_snippets for each in sequences) * GRID.snippet_seconds / 3600,
    )
