"""Features made elsewhere: .npy files below a folder, and a file in it that states what made them.

NAME__CROP.npy    picture, floats [T, Dv] of any width, a file per crop
NAME.npy          sound, floats [T, Da]; or NAME__WORD.npy, such as `NAME__vggish.npy`
provenance.toml   see StatedProvenance
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TypeVar

from pydantic import Field

from avadclip.config import FrozenConfig, read_config
from avadclip.data.names import NameIndex, split_crop
from avadclip.errors import FeatureError
from avadclip.features.published import read_published
from avadclip.features.snippets import Provenance, SnippetFeatures
from avadclip.timeline import MODEL_FRAME_RATE_HZ, SNIPPET_FRAMES, SnippetGrid

ItemT = TypeVar("ItemT")

ARRAY_SUFFIX = ".npy"
STATEMENT = "provenance.toml"
SOUND_SUFFIX = re.compile(r"(.+)__[A-Za-z]+")


class StatedProvenance(FrozenConfig):
    """What the user states of the features in a folder; a network trained on them refuses others."""

    visual: str = Field(min_length=1)
    """Name of what made the picture's features, such as `i3d-rgb`."""
    audio: str | None = Field(None, min_length=1)
    """Name of what made the sound's features, such as `vggish`; needed where there are any."""
    snippet_frames: int = Field(SNIPPET_FRAMES, ge=1)
    frame_rate_hz: float = Field(MODEL_FRAME_RATE_HZ, gt=0)


@dataclass(frozen=True)
class VideoArrays:
    """The files of one crop of a video."""

    visual: Path
    audio: Path | None

    def __str__(self) -> str:
        return str(self.visual)


class ArrayFolder:
    """The .npy files below a folder, found by the name of a video.

    Args:
        folder: with provenance.toml in it.
        paths: the .npy files.
    """

    def __init__(self, folder: Path, paths: list[Path]) -> None:
        self._folder = folder
        crops, audio = sort_arrays(folder, paths)
        self._crops, self._audio = with_bare_names(crops), with_bare_names(audio)
        self._crop_names, self._audio_names = NameIndex(self._crops), NameIndex(self._audio)

    def find(self, video: str) -> VideoArrays | None:
        """The files of the crop that the name ends with (`NAME__5.npy`), otherwise of the first."""
        cropped = split_crop(video)
        wanted = video if cropped is None else cropped.video
        name, of_sound = self._crop_names.find(wanted), self._audio_names.find(wanted)
        if name is None:
            return None
        crops = self._crops[name]
        crop = min(crops) if cropped is None else cropped.crop
        if crop not in crops:
            return None
        return VideoArrays(crops[crop], None if of_sound is None else self._audio[of_sound])

    def nearest(self, video: str) -> str | None:
        """See NameIndex.nearest."""
        return self._crop_names.nearest(video)

    def read(self, files: VideoArrays) -> SnippetFeatures:
        """The features with the stated provenance; raises FeatureError, ConfigError."""
        statement = self._folder / STATEMENT
        if not statement.is_file():
            raise FeatureError(
                f"{self._folder} has .npy features but no {STATEMENT}, which states what made them; write one with "
                '`visual = "i3d-rgb"`, for sound `audio = "vggish"`, and `snippet_frames` and `frame_rate_hz` unless '
                f"they are {SNIPPET_FRAMES} and {MODEL_FRAME_RATE_HZ:g}"
            )
        stated = read_config(statement, StatedProvenance)
        if files.audio is not None and stated.audio is None:
            raise FeatureError(f"{files.audio} holds sound, but {statement} names no `audio`; name what made it")
        grid = SnippetGrid(stated.snippet_frames, stated.frame_rate_hz)
        provenance = Provenance(
            grid=grid,
            visual={"name": stated.visual},
            audio=None if stated.audio is None else {"name": stated.audio},
        )
        return replace(read_published([files.visual], files.audio, grid=grid), provenance=provenance)


def sort_arrays(folder: Path, paths: Iterable[Path]) -> tuple[dict[str, dict[int, Path]], dict[str, Path]]:
    """Sort .npy files below a folder by their video's path in it: those with a crop's number, and the others."""
    crops: dict[str, dict[int, Path]] = {}
    others: dict[str, Path] = {}
    for path in paths:
        name = path.relative_to(folder).as_posix()
        cropped = split_crop(name)
        if cropped is not None:
            crops.setdefault(cropped.video, {})[cropped.crop] = path
        else:
            stem = name[: -len(ARRAY_SUFFIX)]
            of_sound = SOUND_SUFFIX.fullmatch(stem)
            others[of_sound[1] if of_sound else stem] = path
    return crops, others


def with_bare_names(items: Mapping[str, ItemT]) -> dict[str, ItemT]:
    """The items under their paths, and under the file name where only one has it: sound often has its own folder."""
    by_file: dict[str, list[ItemT]] = {}
    for path, item in items.items():
        by_file.setdefault(PurePosixPath(path).name, []).append(item)
    return {name: same[0] for name, same in by_file.items() if len(same) == 1} | dict(items)
