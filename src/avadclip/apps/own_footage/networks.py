"""Which networks a user's footage supports, their recipes, and what they start from."""

from collections.abc import Sequence
from typing import NamedTuple

from avadclip.config import TrainingConfig, read_config
from avadclip.data.bags import Bag
from avadclip.inference.checkpoint import Checkpoint, load_checkpoint
from avadclip.inference.networks import AUDIO_STUDENT, STUDENTS, VISUAL_STUDENT
from avadclip.report.words import counted
from avadclip.research.reproduce.recipes import shipped_recipes

FEWEST_AUDIBLE = 10  # normal videos with usable sound, and as many anomalous ones
AUDIBLE_SHARE = 0.5  # of the normal and of the anomalous videos; else silence alone would tell the kinds apart
STARTER = "starter"
LEARNED_BY_STARTER = {VISUAL_STUDENT: {"fighting"}, AUDIO_STUDENT: {"shooting", "explosion"}}
"""The classes that each of its students was trained to find (scripts/starter_folds.py)."""


class Supported(NamedTuple):
    """The students to train."""

    students: tuple[str, ...]
    reason: str
    """A sentence for people."""


class Start(NamedTuple):
    """Where the training of the students begins."""

    students: frozenset[str]
    """Those that begin with the weights of `starter`; the others begin with random ones."""
    reason: str
    """A sentence for people."""


def supported_students(bags: Sequence[Bag]) -> Supported:
    """The visual student always; the audio student too where enough videos of both kinds have usable sound.

    Enough are 10 normal and 10 anomalous videos, and half of each kind. There is no teacher: on few videos it was no
    better than a student alone.
    """
    enough, shares = [], []
    for kind in (False, True):
        own = [bag.stored.has_usable_sound for bag in bags if bag.is_anomalous == kind]
        enough.append(sum(own) >= FEWEST_AUDIBLE and sum(own) >= AUDIBLE_SHARE * len(own))
        shares.append(f"{sum(own)} of {len(own)} {'anomalous' if kind else 'normal'} videos")
    if all(enough):
        return Supported(STUDENTS, f"picture and sound: {' and '.join(shares)} have usable sound")
    return Supported(
        (VISUAL_STUDENT,),
        f"picture only: {' and '.join(shares)} have usable sound; sound needs {FEWEST_AUDIBLE} of each kind, and half",
    )


def own_recipe(student: str) -> TrainingConfig:
    """The recipe that the package has for a student of a user's own footage."""
    return read_config(shipped_recipes() / "own" / f"{student.replace(' ', '_')}.toml", TrainingConfig)


def choose_start(students: Sequence[str], bags: Sequence[Bag], classes: Sequence[str], *, from_scratch: bool) -> Start:
    """A student begins with `starter`'s where that reads such features and was trained to find one of the classes."""
    if from_scratch:
        return Start(frozenset(), "started from random weights, as asked for")
    header = starter().header
    misfit = next(filter(None, (header.misfit(bag.stored) for bag in bags)), None)
    if misfit is not None:
        return Start(frozenset(), f"started from random weights: {STARTER} reads other features ({misfit})")
    known = frozenset(student for student in students if LEARNED_BY_STARTER[student] & set(classes))
    if not known:
        every = sorted(set().union(*(LEARNED_BY_STARTER[student] for student in students)))
        return Start(known, f"started from random weights: {STARTER} learned {listed(every)}, none of the classes")
    return Start(
        known,
        f"started from {STARTER} ({', '.join(sorted(known))}); if it was trained on these very videos, the figures are "
        "too high, and --from-scratch gives right ones",
    )


def listed(words: Sequence[str]) -> str:
    """`a`, or `a, b and c`."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def starter() -> Checkpoint:
    """The checkpoint that training starts from."""
    return load_checkpoint(STARTER)


def describe_videos(bags: Sequence[Bag]) -> str:
    """`60 videos in 41 groups`."""
    return f"{counted(len(bags), 'video')} in {counted(len({bag.group for bag in bags}), 'group')}"
