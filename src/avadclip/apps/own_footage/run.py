"""From a user's labelled videos to a checkpoint, its card and its page; the same call resumes an interrupted run.

run.json            labels of the videos, and how training begins: a folder of other footage is refused
features/           feature files
trainings/          the result of every training: fold-1.json .., final.json and final.safetensors
model.safetensors   the checkpoint
card.md             its card
report.html         the page
"""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from avadclip.apps.own_footage.collect import OwnFootage, collect
from avadclip.apps.own_footage.jobs import TrainedJob, TrainingJob, run_jobs
from avadclip.apps.own_footage.measure import Measured, divide, measure
from avadclip.apps.own_footage.networks import Start, Supported, choose_start, describe_videos, supported_students
from avadclip.apps.own_footage.pages import Findings, write_own_card, write_own_page
from avadclip.apps.own_footage.verdict import PlainVerdict, choose_default, describe_others, judge
from avadclip.data.bags import bin_bag
from avadclip.data.footage_checks.videos import FootageVideo, read_file_facts
from avadclip.data.footage_checks.warnings import footage_warnings
from avadclip.data.label_csv import LabelledVideo
from avadclip.errors import ConfigError
from avadclip.events import UNVALIDATED
from avadclip.files import write_atomically
from avadclip.inference.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from avadclip.inference.familiarity import Familiarity
from avadclip.inference.networks import BOTH_STUDENTS, STUDENTS
from avadclip.model.either import BothStudents
from avadclip.report.words import counted

RUN, FEATURES, TRAININGS = "run.json", "features", "trainings"
FINAL = f"{TRAININGS}/final.safetensors"
FAMILIAR_SNIPPETS = 32  # of a video, for the statistics of what the footage looks like
MODEL, CARD, PAGE = "model.safetensors", "card.md", "report.html"


class OwnRun(NamedTuple):
    """What came of a run."""

    model: Path
    page: Path
    verdict: PlainVerdict
    warnings: list[str]
    decisions: list[str]
    others: list[str]


def train_on_footage(videos: Sequence[LabelledVideo], out: Path, *, name: str, from_scratch: bool = False) -> OwnRun:
    """Train the networks that the videos support, measure them out of fold, and write everything into a folder.

    Args:
        videos: named by their paths, normal and anomalous ones.
        out: the run's folder: new, or of the same videos.
        name: of the checkpoint.
        from_scratch: begin with random weights also where those of `starter` would fit.

    Raises:
        ConfigError: the folder holds something else.
        DataError: the videos cannot be used.
    """
    _claim(out, videos, from_scratch=from_scratch)
    footage = collect(videos, out / FEATURES)
    warnings = _warnings(footage)
    supported = supported_students(footage.bags)
    start = choose_start(supported.students, footage.bags, footage.classes, from_scratch=from_scratch)
    folds = divide(footage.bags)
    everything = TrainingJob(
        title=name,
        learned=footage.bags,
        scored=[],
        classes=footage.classes,
        students=supported.students,
        started=start.students,
        result=out / TRAININGS / "final.json",
        keeps=out / FINAL,
    )
    *scored, final = run_jobs(_jobs(everything, folds))
    measured = _measure(footage, scored)
    default = choose_default(measured)
    findings = Findings(
        name=name,
        described=describe_videos(footage.bags),
        classes=footage.classes,
        students=supported.students,
        verdict=judge(measured.get(default)),
        others=describe_others(measured, default),
        warnings=warnings,
        decisions=_decisions(supported, start, folds, final),
    )
    card = write_own_card(findings)
    save_checkpoint(out / MODEL, _checkpoint(footage, measured, default, card, out))
    write_atomically(out / CARD, card)
    write_own_page(out / PAGE, findings, measured.get(default), final, scored)
    return OwnRun(out / MODEL, out / PAGE, findings.verdict, warnings, list(findings.decisions), list(findings.others))


def _warnings(footage: OwnFootage) -> list[str]:
    """What the user should know of the videos, a sentence each: for the terminal, the card and the page."""
    videos = [
        FootageVideo(
            name=bag.name,
            group=bag.group,
            split=None,
            labels=tuple(name for name, is_set in zip(footage.classes, bag.targets, strict=True) if is_set),
            facts=read_file_facts(Path(bag.name)),
            has_usable_sound=bag.stored.has_usable_sound,
        )
        for bag in footage.bags
    ]
    return [*footage.notes, *(warning.text for warning in footage_warnings(videos))]


def _claim(out: Path, videos: Sequence[LabelledVideo], *, from_scratch: bool) -> None:
    """Begin the run of a new folder; ConfigError where the folder holds another run, or something else."""
    wanted: dict[str, Any] = {
        "from_scratch": from_scratch,
        "videos": {video.video: [list(video.labels), video.group, video.split] for video in videos},
    }
    path = out / RUN
    if path.is_file():
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ConfigError(f"{path} is damaged ({error}); remove the folder, or choose another --out") from error
        if found != wanted:
            raise ConfigError(
                f"{out} holds a run of other footage ({_difference(found, wanted)}); choose another --out"
            )
    elif out.exists() and any(out.iterdir()):
        raise ConfigError(f"{out} is not empty and holds no run on own footage; choose another --out")
    else:
        write_atomically(path, json.dumps(wanted, indent=1))


def _difference(found: dict[str, Any], wanted: dict[str, Any]) -> str:
    if found.get("from_scratch") != wanted["from_scratch"]:
        return f"it was started {'with' if found.get('from_scratch') else 'without'} --from-scratch"
    there, here = found.get("videos", {}), wanted["videos"]
    for name in (*here, *there):
        if name not in there:
            return f"{name} is new"
        if name not in here:
            return f"{name} is gone"
        if there[name] != here[name]:
            return f"{name} was labelled {', '.join(there[name][0])}"
    return "in another order"


def _jobs(final: TrainingJob, folds: Sequence[Sequence[int]]) -> list[TrainingJob]:
    """A training for every fold, and at last that of everything."""
    bags = final.learned
    parts = [
        final._replace(
            title=f"fold {number}",
            learned=[bag for index, bag in enumerate(bags) if index not in set(held_out)],
            scored=[bags[index] for index in held_out],
            result=final.result.with_name(f"fold-{number}.json"),
            keeps=None,
        )
        for number, held_out in enumerate(folds, start=1)
    ]
    return [*parts, final]


def _measure(footage: OwnFootage, folds: Sequence[TrainedJob]) -> dict[str, Measured]:
    """Every network out of fold, all folds together."""
    scores: dict[str, dict[str, list[float]]] = {}
    for fold in folds:
        for network, by_video in fold.scores.items():
            scores.setdefault(network, {}).update(by_video)
    measured = {network: measure(network, footage.bags, by_video) for network, by_video in scores.items()}
    return {network: each for network, each in measured.items() if each is not None}


def _decisions(supported: Supported, start: Start, folds: Sequence[Sequence[int]], final: TrainedJob) -> list[str]:
    num_epochs = max(len(lines) for lines in final.metrics.values())
    measured_by = f"cross-validated in {len(folds)} folds of whole groups" if folds else "not cross-validated"
    return [
        f"Networks: {supported.reason}.",
        f"Training {start.reason}.",
        f"Measured: {measured_by}; thresholds from the out-of-fold scores.",
        f"Kept: networks trained on all videos for {counted(num_epochs, 'epoch')}, the weights of the last one.",
    ]


def _checkpoint(footage: OwnFootage, measured: dict[str, Measured], default: str, card: str, out: Path) -> Checkpoint:
    """The networks that learned everything, with what was measured of those of the folds."""
    kept = load_checkpoint(out / FINAL)
    networks = dict(kept.networks)
    if networks.keys() >= set(STUDENTS):
        networks[BOTH_STUDENTS] = BothStudents(*(networks[student] for student in STUDENTS))
    thresholds = {name: measured[name].thresholds if name in measured else UNVALIDATED for name in networks}
    header = kept.header.model_copy(
        update={
            "thresholds": thresholds,
            "selection": dict.fromkeys(networks, "last"),
            "default": default,
            "card": card,
        }
    )
    familiarity = None
    if len(set(footage.groups)) > 1:
        # Evenly spaced snippets: hours of video need no more memory.
        short = [bin_bag(bag, FAMILIAR_SNIPPETS, how="sample").load() for bag in footage.bags]
        familiarity = Familiarity.fit(short, footage.groups)
    return dataclasses.replace(kept, header=header, networks=networks, familiarity=familiarity)
