"""Bags whose videos are at hand: damaged on the way to the encoders, and kept as feature files of their own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from avadclip.data.bags import Bag
from avadclip.data.feature_damage import draw_donors
from avadclip.encoders.base import Encoders
from avadclip.errors import DataError
from avadclip.features.damaged import Donor, keep_damaged
from avadclip.features.snippets import SnippetFeatures
from avadclip.media.damage import DamageName
from avadclip.media.suffixes import VIDEO_SUFFIXES


class VideoDamage:
    """Damages the videos of bags; a file that is kept in the folder already, and is what it should be, is read.

    Args:
        bags: their features come from `avadclip extract`; sound that is foreign comes from among them.
        videos: one per bag, in their order.
        encoders: those of the bags' features.
        folder: for feature files, one sub-folder per damage.

    Raises:
        DataError: a bag has sound, but no other recording has any to replace it.
    """

    of: Literal["videos"] = "videos"

    def __init__(self, bags: Sequence[Bag], videos: Sequence[Path], encoders: Encoders, folder: Path) -> None:
        self._bags = bags
        self._videos = videos
        self._encoders = encoders
        self._folder = folder
        self._donors = draw_donors(bags)

    def __call__(self, index: int, damage: DamageName) -> SnippetFeatures:
        """Features of bag number `index` under a damage; see features.damaged for what it raises."""
        donor = None
        if damage == "foreign" and index in self._donors:
            other = self._donors[index]
            donor = Donor(self._videos[other], self._bags[other].features)
        target = self._folder / damage.replace(" ", "-") / f"{self._bags[index].name.replace('/', '_')}.safetensors"
        clean = self._bags[index].features
        return keep_damaged(target, self._videos[index], self._encoders, damage, clean=clean, donor=donor)


def find_videos(bags: Sequence[Bag], folder: Path) -> list[Path]:
    """The video of every bag: at its name below the folder, or else the only one of its name anywhere in there.

    Raises:
        DataError: a bag has no video, or one that cannot be told from another.
    """
    by_stem: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in VIDEO_SUFFIXES:
            by_stem.setdefault(path.stem, []).append(path)
    return [_find_video(bag.name, folder, by_stem) for bag in bags]


def _find_video(name: str, folder: Path, by_stem: dict[str, list[Path]]) -> Path:
    if (folder / name).is_file():
        return folder / name
    # Names may hold dots and no suffix: `Bad.Boys.1995__#00-26-51_00-27-53_label_B2-0-0`.
    found = by_stem.get(Path(name).name) or by_stem.get(Path(name).stem) or []
    if len(found) == 1:
        return found[0]
    many = f"; {found[0]} and {found[1]} could both be it" if found else ""
    raise DataError(f"{folder} holds no video {name}{many}; name the folder that the labels' names start from")
