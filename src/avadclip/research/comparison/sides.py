"""The feature files of one side of a comparison, by video.

NAME__CROP.npy    picture, [T, D]
NAME__WORD.npy    sound, [T, D]
NAME.npy          sound where NAME has crops, too; otherwise either; [T, D], or [T, K, D] of K crops
NAME.safetensors  both, from `avadclip extract`
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from avadclip.data.feature_files import FEATURE_SUFFIX
from avadclip.data.names import NameIndex
from avadclip.data.own_arrays import ARRAY_SUFFIX, sort_arrays, with_bare_names
from avadclip.data.published.inventory import files_below
from avadclip.errors import DataError, FeatureError
from avadclip.features.published import read_crops
from avadclip.features.store import read_features

Part = Literal["picture", "sound", "rows"]
"""`rows`: of a file whose name does not tell which of the two it holds."""
Rows = NDArray[np.float32]


class VideoRows(NamedTuple):
    """What one side has of a video."""

    crops: Mapping[int, Rows]
    """Picture by crop number, [T, D] each."""
    sound: Rows | None
    """[T, D]"""
    unnamed: Mapping[int, Rows]
    """Of a file that may be picture or sound, by crop, [T, D] each; empty where the names tell."""


class FeatureSide:
    """Feature files of one side.

    Args:
        path: a folder, searched at any depth, or one file.

    Raises:
        DataError: missing, unreadable, or without feature files.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            raise DataError(f"{path} does not exist; give a folder of feature files, or one of them")
        folder = path if path.is_dir() else path.parent
        paths = list(files_below([path])) if path.is_dir() else [path]
        arrays = [each for each in paths if each.suffix.lower() == ARRAY_SUFFIX]
        self._crops, others = sort_arrays(folder, arrays)
        self._extracted = {
            each.relative_to(folder).as_posix()[: -len(FEATURE_SUFFIX)]: each
            for each in paths
            if each.suffix.lower() == FEATURE_SUFFIX
        }
        with_picture = {*self._crops, *self._extracted}
        self._others = _by_video(others, with_picture)
        self.videos = tuple(sorted({*with_picture, *self._others}))
        if not self.videos:
            raise DataError(f"{path} holds no feature file; needed {ARRAY_SUFFIX} or {FEATURE_SUFFIX}")
        self._by_any_name = with_bare_names({name: name for name in self.videos})
        self._names = NameIndex(self._by_any_name)

    @property
    def is_one_video(self) -> bool:
        """Whether all files are of one video."""
        return len(self.videos) == 1

    def find(self, video: str) -> str | None:
        """This side's name of a video of the other side; DataError where several may be meant."""
        found = self._names.find(video)
        return None if found is None else self._by_any_name[found]

    def read(self, video: str) -> VideoRows:
        """All of a video; raises FeatureError."""
        if video in self._extracted:
            features = read_features(self._extracted[video])
            return VideoRows(dict(enumerate(features.visual)), features.audio, {})
        crops = {crop: self._one(path) for crop, path in sorted(self._crops.get(video, {}).items())}
        other = self._others.get(video)
        if other is None:
            return VideoRows(crops, None, {})
        is_sound = bool(crops) or other.stem != Path(video).name  # NAME__vggish.npy
        rows = read_crops(other)
        return VideoRows(crops, rows[0] if is_sound else None, {} if is_sound else dict(enumerate(rows)))

    @staticmethod
    def _one(path: Path) -> Rows:
        rows = read_crops(path)
        if len(rows) > 1:
            raise FeatureError(f"{path} holds {len(rows)} crops, but its name is that of one; needed [snippets, width]")
        first: Rows = rows[0]
        return first


def _by_video(others: Mapping[str, Path], videos: Collection[str]) -> dict[str, Path]:
    """Files without a crop's number by the video that they belong to, which may be in a folder beside."""
    named = with_bare_names({name: name for name in videos})
    names = NameIndex(named)
    found = {}
    for name, path in others.items():
        video = names.find(name)
        found[name if video is None else named[video]] = path
    return found
