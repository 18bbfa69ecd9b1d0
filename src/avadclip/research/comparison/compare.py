"""Comparison of two sets of feature files, and, where the videos are given, of what can have made them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from avadclip.data.names import NameIndex
from avadclip.data.own_arrays import with_bare_names
from avadclip.data.published.inventory import files_below
from avadclip.errors import AvadclipError, DataError, FeatureError
from avadclip.media.probe import MediaFile
from avadclip.media.suffixes import VIDEO_SUFFIXES
from avadclip.research.comparison.agreement import Rows, agree, cosines
from avadclip.research.comparison.records import CropComparison, FeatureComparison
from avadclip.research.comparison.search import Way, fit
from avadclip.research.comparison.sides import FeatureSide, Part, VideoRows
from avadclip.research.comparison.verdict import MOST_LENGTHS_APART, Compared, Fits, fits_16_bits, judge
from avadclip.research.comparison.ways import SHIFT_OF, SNIPPET, Sampled, Ways
from avadclip.timeline import MODEL_FRAME_RATE_HZ, SNIPPET_FRAMES, SnippetGrid

PARTS: tuple[Part, ...] = ("picture", "sound", "rows")
MOST_VIDEOS, SNIPPETS_OF_EACH = 3, 4  # encoded again
MOST_TRIED = 10  # videos that are opened to find these
MOST_SECONDS = 60.0  # of a video that are read for it
COSINE_DIGITS = 7

Crops = Mapping[int, Rows]
MakeWays = Callable[[Part, Sequence[Sampled]], Ways | None]
"""The ways to encode a part of some videos again; None where there are none to try."""


def compare_features(
    mine: Path, theirs: Path, *, videos: Path | None = None, make_ways: MakeWays | None = None
) -> FeatureComparison:
    """Compare two folders of feature files, or two files.

    Videos are matched by name; one file on either side is matched whatever its name is.

    Args:
        mine: see sides.
        theirs: likewise.
        videos: folder of the videos, or one of them, some of which are encoded again in every way of `make_ways`.
        make_ways: needed with `videos`.

    Raises:
        DataError: a side has no feature files, or they have no video in common.
    """
    sides = FeatureSide(mine), FeatureSide(theirs)
    pairs = _pairs(*sides)
    files = None if videos is None else _VideoFiles(videos)
    compared: dict[Part, list[Compared]] = {part: [] for part in PARTS}
    samples: dict[Part, list[_Sample]] = {part: [] for part in PARTS}
    problems = []
    for name, other in pairs.items():
        try:
            read = sides[0].read(name), sides[1].read(other)
            parts = _common_parts(*read)
            if not parts:
                raise FeatureError(
                    f"{name}: one side has its picture, the other its sound; give files of the same part"
                )
            for part, (own, published) in parts.items():
                compared[part].append(_compare(name, own, published))
                if files is not None and (path := files.find(name) or files.find(other)) is not None:
                    samples[part] = sorted([*samples[part], _Sample(path, own, published)], key=len)[:MOST_TRIED]
        except AvadclipError as error:
            problems.append(str(error))
    found = [part for part in PARTS if compared[part]]
    return FeatureComparison(
        mine=str(mine),
        theirs=str(theirs),
        crops=tuple(record for part in found for each in compared[part] for record in _records(part, each)),
        only_mine=tuple(name for name in sides[0].videos if name not in pairs),
        only_theirs=tuple(name for name in sides[1].videos if name not in set(pairs.values())),
        verdicts=tuple(
            judge(part, compared[part], None if make_ways is None else _fits(part, samples[part], make_ways))
            for part in found
        ),
        problems=tuple(problems),
    )


def _pairs(mine: FeatureSide, theirs: FeatureSide) -> dict[str, str]:
    """Names of both sides by mine; DataError where there are none."""
    if mine.is_one_video and theirs.is_one_video:
        return {mine.videos[0]: theirs.videos[0]}
    found = {name: theirs.find(name) for name in mine.videos}
    pairs = {name: other for name, other in found.items() if other is not None}
    if not pairs:
        raise DataError(
            f"{mine.path} and {theirs.path} have no video in common ({mine.videos[0]}, {theirs.videos[0]}); "
            "name the files alike"
        )
    return pairs


def _common_parts(mine: VideoRows, theirs: VideoRows) -> dict[Part, tuple[Crops, Crops]]:
    """What both sides have, by part; a file that may be either counts as what the other side has."""
    found: dict[Part, tuple[Crops, Crops]] = {}
    if mine.unnamed and theirs.unnamed:
        return {"rows": (mine.unnamed, theirs.unnamed)}
    own, other = _named(mine, theirs), _named(theirs, mine)
    if own.crops and other.crops:
        found["picture"] = own.crops, other.crops
    if own.sound is not None and other.sound is not None:
        found["sound"] = {0: own.sound}, {0: other.sound}
    return found


def _named(side: VideoRows, other: VideoRows) -> VideoRows:
    """The side with its unnamed rows as picture or sound: what the other has, or of both what is nearer."""
    if not side.unnamed:
        return side
    as_picture, as_sound = side._replace(crops=side.unnamed), side._replace(sound=next(iter(side.unnamed.values())))
    if other.sound is None or not other.crops:
        return as_picture if other.crops else as_sound
    picture, sound = next(iter(other.crops.values())), other.sound
    assert as_sound.sound is not None
    return as_picture if _likeness(as_sound.sound, picture) >= _likeness(as_sound.sound, sound) else as_sound


def _likeness(mine: Rows, theirs: Rows) -> float:
    length = min(len(mine), len(theirs))
    if mine.shape[1] != theirs.shape[1] or length == 0:
        return -1.0
    return float(cosines(mine[:length], theirs[:length]).mean())


def _compare(name: str, mine: Crops, theirs: Crops) -> Compared:
    for side, crops in (("mine", mine), ("theirs", theirs)):
        if len({rows.shape for rows in crops.values()}) > 1:
            raise FeatureError(f"{name}: the crops of {side} have different shapes; extract or download them again")
        for rows in crops.values():
            if len(rows) == 0 or not np.isfinite(rows).all():
                raise FeatureError(f"{name}: {side} has no rows, or numbers that are not finite; extract it again")
    one, other = next(iter(mine.values())), next(iter(theirs.values()))
    widths = one.shape[1], other.shape[1]
    agreements = [agree(rows, crop, theirs) for crop, rows in mine.items()] if widths[0] == widths[1] else []
    are_half = fits_16_bits(one), fits_16_bits(other)
    return Compared(name, len(one), len(other), widths, tuple(agreements), are_half)


def _records(part: Part, video: Compared) -> list[CropComparison]:
    has_crops = part == "picture"
    return [
        CropComparison(
            video=video.video,
            part=part,
            num_mine=video.num_mine,
            num_theirs=video.num_theirs,
            crop=each.crop if has_crops else None,
            their_crop=each.their_crop if has_crops else None,
            shift=each.shift,
            cosine=round(float(each.cosines.mean()), COSINE_DIGITS),
            unmoved_cosine=None if each.unmoved is None else round(each.unmoved, COSINE_DIGITS),
            lowest_cosine=round(float(each.cosines.min()), COSINE_DIGITS),
            lowest_snippet=int(each.cosines.argmin()) + max(0, -each.shift),
            scale=each.scale,
            cosines=tuple(each.cosines.round(COSINE_DIGITS).tolist()),
        )
        for each in video.agreements
    ]


class _VideoFiles:
    """Video files by name, below a folder or one alone."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise DataError(f"{path} does not exist; give the videos' folder")
        folder = path if path.is_dir() else path.parent
        paths = files_below([path]) if path.is_dir() else iter([path])
        found = [each for each in paths if each.suffix.lower() in VIDEO_SUFFIXES]
        if not found:
            raise DataError(f"{path} holds no video; give the folder of the videos that the features were made of")
        named = {each.relative_to(folder).as_posix().removesuffix(each.suffix): each for each in found}
        self._paths = with_bare_names(named)
        self._names = NameIndex(self._paths)

    def find(self, name: str) -> Path | None:
        """The video of this name."""
        found = self._names.find(name)
        return None if found is None else self._paths[found]


class _Sample:
    """One video whose features both sides have: its file, and the first crop of each side."""

    def __init__(self, path: Path, mine: Crops, theirs: Crops) -> None:
        self.path = path
        self.mine, self.theirs = mine[min(mine)], theirs[min(theirs)]

    def __len__(self) -> int:
        return min(len(self.mine), len(self.theirs))

    def sampled(self) -> Sampled | None:
        """Some snippets of the first minute; None where the video does not have these features' length."""
        media = MediaFile.open(self.path)
        rates = [MODEL_FRAME_RATE_HZ, media.info.frame_rate_hz]
        grids = [SnippetGrid(frames, rate) for frames in (SNIPPET_FRAMES, 4) for rate in rates if rate > 0]
        duration = media.info.duration_seconds

        def off(grid: SnippetGrid) -> int:
            return abs(grid.num_snippets(duration) - len(self))

        grid = min(grids, key=off)
        last = min(len(self) - 2, int(MOST_SECONDS / grid.snippet_seconds))
        if off(grid) > MOST_LENGTHS_APART or last < 1:
            return None
        indices = sorted({round(index) for index in np.linspace(1, last, SNIPPETS_OF_EACH)})
        return Sampled(media, grid, len(self), tuple(indices))


def _fits(part: Part, samples: Sequence[_Sample], make_ways: MakeWays) -> Fits | str:
    """The ways nearest to either side, by the shortest videos; or why none can be encoded again."""
    usable = [(sample, sampled) for sample in samples if (sampled := sample.sampled()) is not None]
    kinds: Sequence[Part] = ("picture", "sound") if part == "rows" else (part,)
    found = []
    for kind in kinds:
        chosen = [pair for pair in usable if kind == "picture" or pair[1].media.has_sound][:MOST_VIDEOS]
        ways = make_ways(kind, [sampled for _, sampled in chosen]) if chosen else None
        if ways is not None:
            found.append(_fit_both(ways, chosen))
    if not found:
        return "no video could be encoded again: none has the name and length of these features, or no way is known"
    return max(found, key=lambda fits: fits.mine.cosine + fits.theirs.cosine)


def _fit_both(ways: Ways, chosen: Sequence[tuple[_Sample, Sampled]]) -> Fits:
    known: dict[tuple[str, ...], Rows] = {}
    encoded_in = [name for name in ways.properties if name != SNIPPET]

    def cosine(way: Way, side: Sequence[Rows]) -> float:
        key = tuple(way[name] for name in encoded_in)
        if key not in known:
            known[key] = ways.encode(way)
        shift = SHIFT_OF[way[SNIPPET]]
        pairs = zip(side, chosen, strict=True)
        stored = np.concatenate([rows[[index + shift for index in sampled.indices]] for rows, (_, sampled) in pairs])
        return float(cosines(known[key], stored).mean()) if stored.shape == known[key].shape else -1.0

    mine = fit(ways.properties, lambda way: cosine(way, [sample.mine for sample, _ in chosen]))
    theirs = fit(ways.properties, lambda way: cosine(way, [sample.theirs for sample, _ in chosen]))
    return Fits(mine, theirs, sum(len(sampled.indices) for _, sampled in chosen))
