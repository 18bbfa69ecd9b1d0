"""Names of videos as other systems write them.

`C:\\Yard\\Über.MP4` and `yard/über.mp4` are one name: back slashes, a drive letter, upper case, composed or decomposed
letters, full-width and invisible characters make no difference.
"""

import difflib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple

from avadclip.errors import DataError

DRIVE = re.compile(r"^[A-Za-z]:")
CROP_FILE = re.compile(r"(.+)__(\d+)\.npy", re.IGNORECASE)
CLOSE = 0.6  # least similarity of a name that a message suggests


class Crop(NamedTuple):
    """One crop of a video's features."""

    video: str
    crop: int


def split_crop(name: str) -> Crop | None:
    """The parts of `NAME__CROP.npy`; None of another name."""
    match = CROP_FILE.fullmatch(name)
    return None if match is None else Crop(match[1], int(match[2]))


def file_name(video: str) -> str:
    """The last part of a path of any system."""
    return PureWindowsPath(video).name  # splits at both kinds of slash


def normal_name(name: str) -> str:
    """One spelling for all that mean the same name."""
    visible = "".join(character for character in name if unicodedata.category(character) != "Cf")
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", visible).casefold())
    return DRIVE.sub("", folded.strip().replace("\\", "/")).removeprefix("./").strip("/")


def read_names(path: Path) -> tuple[str, ...]:
    """The names of videos in a text file, one a line; DataError where it cannot be read or holds none."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: cannot be read ({error}); give a text file with the name of a video a line"
        ) from error
    names = tuple(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not names:
        raise DataError(f"{path} holds no name; give a text file with the name of a video a line")
    return names


class NameIndex:
    """Names, with or without folders and suffix, that are found by the name of a video."""

    def __init__(self, names: Iterable[str]) -> None:
        self._normal: dict[str, list[str]] = {}
        for name in names:
            self._normal.setdefault(normal_name(name), []).append(name)

    def find(self, video: str) -> str | None:
        """The name at the video's path, else at the longest end of this path; one that is spelt the same goes first.

        Raises:
            DataError: several names differ only in spelling, and none is spelt like the video's.
        """
        for form in _forms(video):
            alike = self._normal.get(normal_name(form), [])
            if form in alike or len(alike) == 1:
                return form if form in alike else alike[0]
            if alike:
                raise DataError(f"{video} may be {alike[0]} or {alike[1]}; write it exactly as one of them")
        return None

    def nearest(self, video: str) -> str | None:
        """The name whose last part is most similar, to be suggested; None where none is similar."""
        last_parts = {_last_part(names[0]): names[0] for names in self._normal.values()}
        close = difflib.get_close_matches(_last_part(video), last_parts, n=1, cutoff=CLOSE)
        return last_parts[close[0]] if close else None


def _forms(video: str) -> Iterator[str]:
    """The video's path and ever shorter ends of it, each with its suffix and without."""
    parts = [part for part in DRIVE.sub("", video.replace("\\", "/")).split("/") if part not in {"", ".", ".."}]
    for path in (video, *("/".join(parts[start:]) for start in range(len(parts)))):
        yield path
        yield _without_suffix(path)


def _without_suffix(name: str) -> str:
    # Names may hold dots and no suffix: `Bad.Boys.1995__#00-26-51_00-27-53_label_B2-0-0`.
    suffix = PurePosixPath(name).suffix
    return name.removesuffix(suffix) if suffix[1:].isalnum() else name


def _last_part(name: str) -> str:
    return file_name(_without_suffix(normal_name(name)))
