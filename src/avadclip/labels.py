"""Class names, the benchmarks' codes for them, and the words of verdicts. Class 0 is always `normal`."""

import unicodedata
from typing import Literal

NORMAL = "normal"
CLASS_SEPARATOR = "|"  # between several classes in one cell of a label file
MAX_CLASS_CHARACTERS = 100

VerdictWord = Literal["real", "false alarm", "wrong class", "missed"]
"""A person's verdict on an event, or on a stretch that should have been one."""
WITH_CLASS: tuple[VerdictWord, ...] = ("wrong class", "missed")
"""Verdicts that name a class."""


def class_name(text: str) -> str:
    """The name of an anomaly class as label files have it, in lower case; ValueError where it can be none."""
    name = unicodedata.normalize("NFKC", text).lower().strip()
    if not 0 < len(name) <= MAX_CLASS_CHARACTERS or not name.isprintable() or CLASS_SEPARATOR in name or name == NORMAL:
        raise ValueError(
            f"it is no class; needed 1 to {MAX_CLASS_CHARACTERS} visible characters without `|`, and not `{NORMAL}`"
        )
    return name


def check_verdict(verdict: VerdictWord, label: str | None, correct_label: str | None) -> None:
    """ValueError where a verdict lacks its class, has one in vain, or corrects a class to itself."""
    if (verdict in WITH_CLASS) != (correct_label is not None):
        needed = "needs" if verdict in WITH_CLASS else "has no"
        raise ValueError(f"`{verdict}` {needed} `correct_label`")
    if verdict == "wrong class" and correct_label == label:
        raise ValueError(f"`correct_label` is the event's own class {label!r}; give another, or the verdict `real`")


XD_VIOLENCE_CODES = {
    "A": NORMAL,
    "B1": "fighting",
    "B2": "shooting",
    "B4": "riot",
    "B5": "abuse",
    "B6": "car accident",
    "G": "explosion",
}
"""XD-Violence's label codes in the order its class indices follow."""

UCF_CRIME_FOLDERS = {
    "Normal": NORMAL,
    "Training_Normal_Videos_Anomaly": NORMAL,
    "Testing_Normal_Videos_Anomaly": NORMAL,
    "Abuse": "abuse",
    "Arrest": "arrest",
    "Arson": "arson",
    "Assault": "assault",
    "Burglary": "burglary",
    "Explosion": "explosion",
    "Fighting": "fighting",
    "RoadAccidents": "road accident",
    "Robbery": "robbery",
    "Shooting": "shooting",
    "Shoplifting": "shoplifting",
    "Stealing": "stealing",
    "Vandalism": "vandalism",
}
"""UCF-Crime's folders, and the names its lists give them, in the order its class indices follow."""
