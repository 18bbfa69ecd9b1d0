"""What a check of labelled footage says."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

WarningKind = Literal[
    "validation too small",
    "classes unbalanced",
    "sound in one class",
    "file properties tell classes apart",
    "near-duplicates",
]


class FootageWarning(BaseModel):
    """A flaw of labelled footage that training would not show."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: WarningKind
    text: str
    """One sentence: what was found, why it matters, what to do."""
