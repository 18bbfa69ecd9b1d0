"""Robustness to damaged picture and sound: every network of a checkpoint, and the automatic choice among them.

The automatic choice is that of `avadclip detect`. It depends on the file and the level of its sound: it detects a
muted track, but neither a black picture nor foreign sound.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from avadclip.data.bags import Bag, Dataset
from avadclip.errors import DataError
from avadclip.evaluation.evaluate import Split, anomaly_curves, check_fit, score_bag
from avadclip.evaluation.metrics.measure import measure
from avadclip.evaluation.metrics.records import Report, Subject
from avadclip.evaluation.metrics.truth import VideoTruth
from avadclip.evaluation.truths import video_truth
from avadclip.features.snippets import SnippetFeatures
from avadclip.inference.checkpoint import Checkpoint
from avadclip.inference.scorers import TrainedScorer
from avadclip.inference.scoring import SnippetScores, student_variance
from avadclip.media.damage import DAMAGES, DamageName

ConditionName = DamageName | Literal["clean"]
CONDITIONS: tuple[ConditionName, ...] = ("clean", *DAMAGES)
AUTOMATIC = "automatic choice"


class Damage(Protocol):
    """Damages the videos of a split."""

    @property
    def of(self) -> Literal["videos", "features"]:
        """What is damaged: videos before they are encoded, or features, by analogues."""
        ...

    def __call__(self, index: int, damage: DamageName) -> SnippetFeatures:
        """Features of video number `index` under a damage."""
        ...


class Condition(BaseModel):
    """Measures of the networks under one damage, or none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ConditionName
    reports: tuple[Report, ...]
    """At frame level; one per network, then the automatic choice among several, where it had what it chose."""
    chosen: dict[str, int]
    """How many videos the automatic choice gave to each network."""
    median_variance: dict[str, float]
    """sigma^2 of each student, median over the snippets of all videos that it can score."""


class RobustnessReport(BaseModel):
    """Measures of one checkpoint under every damage, on one split."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["avadclip-robustness/1"] = "avadclip-robustness/1"
    checkpoint: str
    damage_of: Literal["videos", "features"]
    """`features`: analogues, which do not stand for cameras and microphones."""
    conditions: tuple[Condition, ...]
    """`clean` first."""
    notes: tuple[str, ...]
    """What decides a number without showing in it."""

    @property
    def networks(self) -> tuple[str, ...]:
        """All that were measured under any condition, in order."""
        return tuple(dict.fromkeys(report.network for each in self.conditions for report in each.reports))

    def find(self, condition: ConditionName, network: str) -> Report | None:
        """Measures of a network under a condition; None where it could not be measured."""
        reports = next(each.reports for each in self.conditions if each.name == condition)
        return next((report for report in reports if report.network == network), None)


class _VideoScores(NamedTuple):
    """Scores of one video by every network."""

    scores: Mapping[str, SnippetScores]
    """Of those that can score it."""
    chosen: str
    why: str
    variance: Mapping[str, NDArray[np.float32]]


def measure_robustness(
    checkpoint: Checkpoint,
    dataset: Dataset,
    split: Split,
    damage: Damage,
    *,
    on_video: Callable[[str, int], None] | None = None,
) -> RobustnessReport:
    """Score a split clean and under every damage, by the path that detection uses.

    Args:
        checkpoint: with one network or more.
        dataset: annotated, with intervals.
        split: of the dataset.
        damage: of the videos of this split, in their order.
        on_video: called with a video's name and the number of videos done, over all conditions.

    Raises:
        DataError, FeatureError: the data is not usable or does not fit the checkpoint, or no network can score it.
        CheckpointError: a network gives something else than numbers.
    """
    check_fit(checkpoint, dataset)
    bags = dataset.bags_of(split)
    truths = [video_truth(bag, checkpoint.header.classes, dataset.grid) for bag in bags]
    scorer = TrainedScorer(checkpoint, device=torch.device("cpu"))
    conditions, notes = [], [*dataset.notes, *(note for each in checkpoint.networks.values() for note in each.notes)]
    for number, name in enumerate(CONDITIONS):
        videos = []
        for index, bag in enumerate(bags):
            if on_video is not None:
                on_video(f"{name}: {bag.name}", number * len(bags) + index)
            videos.append(_score_video(checkpoint, scorer, damaged_bag(bag, index, name, damage)))
        reports, own_notes = _report(checkpoint, dataset, split, truths, videos)
        if not reports:
            raise DataError(f"no network of {checkpoint.header.name} can score the {split} split: {own_notes[0]}")
        notes += [f"{name}: {note}" for note in own_notes]
        conditions.append(_condition(name, reports, videos))
    return RobustnessReport(
        checkpoint=checkpoint.header.name, damage_of=damage.of, conditions=tuple(conditions), notes=tuple(notes)
    )


def damaged_bag(bag: Bag, index: int, condition: ConditionName, damage: Damage) -> Bag:
    """The bag under a condition; under `clean` it is the same."""
    if condition == "clean":
        return bag
    return Bag(bag.name, bag.group, damage(index, condition), bag.targets, bag.intervals, bag.anomalous_spans)


def student_variances(checkpoint: Checkpoint, features: SnippetFeatures) -> dict[str, NDArray[np.float32]]:
    """sigma^2, [T], of every student of the checkpoint that can score these features."""
    return {
        kind: student_variance(network, features)
        for kind, network in checkpoint.networks.items()
        if network.has_uncertainty and (features.audio is not None or not network.uses_audio)
    }


def _score_video(checkpoint: Checkpoint, scorer: TrainedScorer, bag: Bag) -> _VideoScores:
    networks, features = checkpoint.networks, bag.load()
    has_audio = features.audio is not None
    scores = {kind: score_bag(net, bag) for kind, net in networks.items() if has_audio or not net.uses_audio}
    chosen = (next(iter(networks)), "there is no other") if len(networks) == 1 else scorer.choose(features)
    return _VideoScores(scores, *chosen, student_variances(checkpoint, features))


def _report(
    checkpoint: Checkpoint, dataset: Dataset, split: Split, truths: Sequence[VideoTruth], videos: Sequence[_VideoScores]
) -> tuple[list[Report], list[str]]:
    """Frame-level reports of the networks and of the automatic choice, and why one is missing."""
    chosen_by: dict[str, list[str]] = {kind: [kind] * len(videos) for kind in checkpoint.networks}
    if len(checkpoint.networks) > 1:
        chosen_by[AUTOMATIC] = [each.chosen for each in videos]
    reports, notes = [], []
    for network, kinds in chosen_by.items():
        lacking = next((i for i, kind in enumerate(kinds) if kind not in videos[i].scores), None)
        if lacking is not None:
            name = dataset.bags_of(split)[lacking].name
            if network == AUTOMATIC:
                notes.append(f"no {network}: {name} needs a {kinds[lacking]} ({videos[lacking].why})")
            else:
                notes.append(f"no {network}: {name} has no sound")
            continue
        selections = sorted({checkpoint.header.selection[kind] for kind in kinds})
        scores = [each.scores[kind] for each, kind in zip(videos, kinds, strict=True)]
        subject = Subject(dataset.name, dataset.is_synthetic, network, split, " and ".join(selections))
        curves = anomaly_curves(scores)
        reports.append(measure(subject, truths, curves, None, classes=checkpoint.header.classes, grid=dataset.grid))
    return reports, notes


def _condition(name: ConditionName, reports: Sequence[Report], videos: Sequence[_VideoScores]) -> Condition:
    chosen: dict[str, int] = {}
    variances: dict[str, list[NDArray[np.float32]]] = {}
    for each in videos:
        chosen[each.chosen] = chosen.get(each.chosen, 0) + 1
        for kind, curve in each.variance.items():
            variances.setdefault(kind, []).append(curve)
    medians = {kind: float(np.median(np.concatenate(curves))) for kind, curves in variances.items()}
    return Condition(name=name, reports=tuple(reports), chosen=chosen, median_variance=medians)
