"""From how far features agree to what made the difference; the reasons of every judgement are in its evidence."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from avadclip.research.comparison.agreement import CropAgreement, Rows, correlation
from avadclip.research.comparison.records import Cause, ComparisonVerdict
from avadclip.research.comparison.search import Fit
from avadclip.research.comparison.sides import Part
from avadclip.research.comparison.ways import (
    COLOUR_ORDER,
    CROP_FRAMINGS,
    FRAME,
    FRAMING,
    NORMALISATION,
    RESIZE_KERNEL,
    SHIFT_OF,
    SNIPPET,
    WINDOW,
)

SAME_COSINE = 1 - 1e-6  # of float32 features; other machines round otherwise
NEAR_COSINE = 0.9995  # of every snippet: a small difference, also where a video hardly changes and nothing correlates
SAME_SCALE = 1e-3
# Correlations: after each side's mean feature is subtracted, all rows together.
SMALL, RELATED = 0.98, 0.3
MOST_LENGTHS_APART = 1  # snippet; lengths are rounded

WORDS: dict[Cause, str] = {
    "none": "the same, up to rounding",
    "scale": "another scale, as where one side is normalised",
    "precision": "numeric precision",
    "small difference": "a small difference: numeric precision, resize kernel or decoder; --videos tells more",
    "encoded otherwise": "the same videos, encoded otherwise; --videos tells which: {}",
    "unrelated": "another encoder, other weights or other videos: changes between snippets have nothing in common",
}
PROPERTY_CAUSES: dict[str, Cause] = {
    COLOUR_ORDER: "colour order",
    FRAME: "frame of the snippet",
    RESIZE_KERNEL: "resize kernel",
    NORMALISATION: "normalisation",
    WINDOW: "window",
}
TO_BE_TOLD: dict[Part, str] = {
    "picture": "framing, colour order, frame of the snippet, resize kernel; or other weights",
    "sound": "normalisation, window; or other weights",
    "rows": "of the picture framing, colour order, frame of the snippet, resize kernel; of the sound normalisation, "
    "window; or other weights",
}


class Compared(NamedTuple):
    """One video's part, compared."""

    video: str
    num_mine: int
    num_theirs: int
    widths: tuple[int, int]
    agreements: tuple[CropAgreement, ...]
    """By crop; none where widths differ."""
    are_half: tuple[bool, bool]
    """Whether every number of mine, of theirs has 16 bits."""


class Fits(NamedTuple):
    """The ways that fit both sides best, of those tried on the videos."""

    mine: Fit
    theirs: Fit
    num_snippets: int


def fits_16_bits(rows: Rows) -> bool:
    """Whether float16 or bfloat16 holds every number exactly."""
    with np.errstate(over="ignore"):
        is_half = bool((rows.astype(np.float16) == rows).all())
    return is_half or not bool((np.ascontiguousarray(rows).view(np.uint32) & 0xFFFF).any())


def judge(part: Part, videos: Sequence[Compared], fits: Fits | str | None) -> ComparisonVerdict:
    """The verdict on one part of the features.

    Args:
        part: which.
        videos: at least one.
        fits: what the videos told, or why they told nothing; None where they were not given.
    """
    widths = [video.widths for video in videos if video.widths[0] != video.widths[1]]
    if widths:
        evidence = f"{len(widths)} of {len(videos)} videos have features {widths[0][0]} wide, theirs {widths[0][1]}"
        return _verdict(part, ("width",), "another encoder: features of another width", [evidence])
    by_features = _by_features(part, videos)
    if fits is None or by_features.is_same or "cut" in by_features.causes:
        return by_features
    if isinstance(fits, str):
        return by_features.model_copy(update={"evidence": (*by_features.evidence, fits)})
    return _by_videos(part, by_features, fits)


def _by_features(part: Part, videos: Sequence[Compared]) -> ComparisonVerdict:
    causes: list[Cause] = []
    words: list[str] = []
    every = [agreement for video in videos for agreement in video.agreements]
    evidence = [_lengths(videos)]
    apart = [video for video in videos if abs(video.num_mine - video.num_theirs) > MOST_LENGTHS_APART]
    if 2 * len(apart) > len(videos):
        ratio = float(np.median([video.num_mine / video.num_theirs for video in apart]))
        words.append(
            f"snippets are cut otherwise: mine has {ratio:.3f} times as many; published features count a video's own "
            "frames, `avadclip extract` 24 a second"
        )
        return _verdict(part, ("cut",), words[0], evidence)
    cosine = float(np.concatenate([each.cosines for each in every]).mean())
    lowest = min(float(each.cosines.min()) for each in every)
    related = correlation([each.moments for each in every])
    evidence.append(f"mean cosine {cosine:.6f}, lowest {lowest:.6f}; {related:.4f} after subtracting each side's mean")
    shift, count = Counter(each.shift for each in every).most_common(1)[0]
    if shift and 2 * count > len(every):
        causes.append("shift")
        words.append(f"shifted by a snippet: snippet i of mine is their snippet i {shift:+d}")
        evidence.append(_unmoved(every, f"{count} of {len(every)} agree best with that shift"))
    elif any(each.shift for each in every):
        shifted = sorted({video.video for video in videos if any(each.shift for each in video.agreements)})
        evidence.append(f"shifted by a snippet in {len(shifted)} of {len(videos)} videos, such as {shifted[0]}")
    moved = Counter((each.crop, each.their_crop) for each in every if each.crop != each.their_crop)
    if part == "picture" and 2 * moved.total() > len(every):
        causes.append("crop")
        pairs = ", ".join(f"{crop} is their {other}" for (crop, other), _ in sorted(moved.items())[:10])
        words.append(f"another order of crops: my crop {pairs}")
        evidence.append(_unmoved(every, f"{moved.total()} of {len(every)} agree best with another crop"))
    scale = float(np.median([each.scale for each in every]))
    if abs(scale - 1) > SAME_SCALE and (related >= SMALL or lowest >= SAME_COSINE):
        causes.append("scale")
        words.append(WORDS["scale"])
        evidence.append(f"rows of mine are {scale:.4g} times as long as theirs (median)")
    half = [side for index, side in enumerate(("mine", "theirs")) if all(video.are_half[index] for video in videos)]
    evidence += [f"every number of {side} is one of 16 bits" for side in half]
    rest = _rest(lowest, related, is_rounded=len(half) == 1)
    if rest != "none" or not causes:
        causes.append(rest)
        words.append(WORDS[rest].format(TO_BE_TOLD[part]))
    return _verdict(part, tuple(causes), "; ".join(words), evidence)


def _rest(lowest: float, related: float, *, is_rounded: bool) -> Cause:
    """What is left where crop, shift and scale are accounted for."""
    if lowest >= SAME_COSINE:
        return "none"
    if related >= SMALL or lowest >= NEAR_COSINE:
        return "precision" if is_rounded else "small difference"
    return "encoded otherwise" if related >= RELATED else "unrelated"


def _unmoved(every: Sequence[CropAgreement], found: str) -> str:
    unmoved = [each.unmoved for each in every if each.unmoved is not None]
    if not unmoved:
        return found
    return f"{found}; without it the mean cosine is {float(np.mean(unmoved)):.6f}"


def _by_videos(part: Part, by_features: ComparisonVerdict, fits: Fits) -> ComparisonVerdict:
    evidence = [
        *by_features.evidence,
        f"{fits.num_snippets} snippets of the videos encoded again, one property after the other:",
        f"nearest to mine: {_way_words(fits.mine)}",
        f"nearest to theirs: {_way_words(fits.theirs)}",
    ]
    if not (fits.mine.is_found and fits.theirs.is_found):
        sides = " nor ".join(side for side, each in (("mine", fits.mine), ("theirs", fits.theirs)) if not each.is_found)
        evidence.append(f"none of the ways made {sides}: another encoder or weights, or a way that was not tried")
        return by_features.model_copy(update={"evidence": tuple(evidence)})
    causes: list[Cause] = []
    words: list[str] = []
    clear = fits.mine.clear & fits.theirs.clear
    for name, value in fits.mine.way.items():
        other = fits.theirs.way[name]
        if value == other or name not in clear:
            continue
        cause, told = _difference(name, value, other, _shift(fits))
        causes.append(cause)
        words.append(told)
    evidence.append(f"clear on both sides: {', '.join(name for name in fits.mine.way if name in clear) or 'nothing'}")
    if not causes and by_features.causes == ("small difference",) and RESIZE_KERNEL in clear:
        causes.append("precision")
        words.append("numeric precision, or another decoder: framing, colour order and resize kernel are the same")
    if not causes:
        evidence.append("both sides were made in the same way, as far as could be told")
        return by_features.model_copy(update={"evidence": tuple(evidence), "rests_on": "videos"})
    if "scale" in by_features.causes:
        causes.append("scale")
        words.append(WORDS["scale"])
    return _verdict(part, tuple(causes), "; ".join(words), evidence, rests_on="videos")


def _difference(name: str, mine: str, theirs: str, shift: int) -> tuple[Cause, str]:
    """One property in which both sides differ, as a cause and in words."""
    if name == SNIPPET:
        return "shift", f"shifted by a snippet: snippet i of mine is their snippet i {shift:+d}"
    words = f"{name}: mine {mine}, theirs {theirs}"
    if name == FRAMING:
        is_crop = mine in CROP_FRAMINGS and theirs in CROP_FRAMINGS
        return ("crop" if is_crop else "framing"), words
    return PROPERTY_CAUSES[name], words


def _shift(fits: Fits) -> int:
    """Snippet i of mine is their snippet i + shift."""
    return SHIFT_OF[fits.theirs.way[SNIPPET]] - SHIFT_OF[fits.mine.way[SNIPPET]]


def _way_words(found: Fit) -> str:
    return f"{', '.join(found.way.values())} (cosine {found.cosine:.6f})"


def _lengths(videos: Sequence[Compared]) -> str:
    by_one = sum(abs(video.num_mine - video.num_theirs) == 1 for video in videos)
    equal = sum(video.num_mine == video.num_theirs for video in videos)
    more = len(videos) - equal - by_one
    rest = f"; {more} by more" if more else ""
    return f"lengths: {equal} of {len(videos)} equal, {by_one} differ by one snippet, which is normal{rest}"


def _verdict(
    part: Part,
    causes: tuple[Cause, ...],
    words: str,
    evidence: Sequence[str],
    *,
    rests_on: Literal["features", "videos"] = "features",
) -> ComparisonVerdict:
    return ComparisonVerdict(
        part=part,
        is_same=causes == ("none",),
        causes=causes,
        words=words,
        rests_on=rests_on,
        evidence=tuple(evidence),
    )
