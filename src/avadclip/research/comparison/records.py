"""What a comparison of two extractions found, as `avadclip compare-features --format json` prints it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from avadclip.research.comparison.sides import Part

Cause = Literal[
    "none",
    "precision",
    "scale",
    "shift",
    "crop",
    "cut",
    "width",
    "framing",
    "colour order",
    "frame of the snippet",
    "resize kernel",
    "normalisation",
    "window",
    "small difference",
    "encoded otherwise",
    "unrelated",
]
"""docs/features.md says what each means."""


class _ComparisonRecord(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CropComparison(_ComparisonRecord):
    """One crop of a video, or its sound, beside the one of theirs that it agrees with best."""

    video: str
    part: Part
    num_mine: int
    """Snippets."""
    num_theirs: int
    crop: int | None
    """Of mine; None for sound."""
    their_crop: int | None
    shift: int
    """Snippet i of mine is their snippet i + shift."""
    cosine: float
    """Mean over the snippets that both have."""
    unmoved_cosine: float | None
    """With the same crop and no shift; None where they have no such crop."""
    lowest_cosine: float
    lowest_snippet: int
    """Of mine."""
    scale: float
    """Median of |mine| / |theirs|."""
    cosines: tuple[float, ...]
    """Per snippet, from mine max(0, -shift)."""


class ComparisonVerdict(_ComparisonRecord):
    """Whether one part of the features is the same, and if not, the likely cause."""

    part: Part
    is_same: bool
    causes: tuple[Cause, ...]
    """The most certain first; ("none",) where it is the same."""
    words: str
    """One line for people."""
    rests_on: Literal["features", "videos"]
    """The evidence: the features alone, or snippets of the videos encoded again."""
    evidence: tuple[str, ...]
    """One line each."""


class FeatureComparison(_ComparisonRecord):
    """A whole comparison."""

    format: Literal["avadclip-feature-comparison/1"] = "avadclip-feature-comparison/1"
    mine: str
    theirs: str
    crops: tuple[CropComparison, ...]
    only_mine: tuple[str, ...]
    """Videos that the other side lacks."""
    only_theirs: tuple[str, ...]
    verdicts: tuple[ComparisonVerdict, ...]
    """One for each part."""
    problems: tuple[str, ...]
    """Videos that could not be compared, one line each."""
