"""Feature files of a user's own videos, found by name below a folder."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from avadclip.data.label_csv import LabelledVideo
from avadclip.data.names import NameIndex
from avadclip.data.own_arrays import ARRAY_SUFFIX, ArrayFolder, VideoArrays
from avadclip.data.published.inventory import files_below
from avadclip.errors import DataError, FeatureError
from avadclip.features.snippets import SnippetFeatures
from avadclip.features.store import read_features

FEATURE_SUFFIX = ".safetensors"
FoundFile = Path | VideoArrays
"""A file of `avadclip extract`, or arrays made elsewhere."""


class FeatureFolder:
    """The feature files below a folder; raises DataError where it cannot be read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        paths = list(files_below([folder]))
        self._files = {
            path.relative_to(folder).as_posix()[: -len(FEATURE_SUFFIX)]: path
            for path in paths
            if path.suffix.lower() == FEATURE_SUFFIX
        }
        self._names = NameIndex(self._files)
        self._arrays = ArrayFolder(folder, [path for path in paths if path.suffix.lower() == ARRAY_SUFFIX])

    def find(self, video: str) -> FoundFile | None:
        """The file at the video's path below the folder, else at the longest end of this path; otherwise arrays."""
        return self.find_extracted(video) or self._arrays.find(video)

    def find_extracted(self, video: str) -> Path | None:
        """The file of `avadclip extract`; see find."""
        name = self._names.find(video.removesuffix(FEATURE_SUFFIX))
        return None if name is None else self._files[name]

    def read(self, found: FoundFile) -> SnippetFeatures:
        """The features in a file that was found; raises FeatureError."""
        return self._arrays.read(found) if isinstance(found, VideoArrays) else read_features(found)

    def why_missing(self, video: LabelledVideo) -> str:
        """What to say of a video without a file: its row, and the file with the most similar name."""
        nearest = self._names.nearest(video.video) or self._arrays.nearest(video.video)
        hint = "" if nearest is None else f", the nearest name is {nearest}"
        return f"{video.video} ({video.origin}{hint})"


def check_found(
    videos: Sequence[LabelledVideo], files: Sequence[FoundFile | None], folder: FeatureFolder, source: Path
) -> list[FoundFile]:
    """The files; FeatureError where a video has none, DataError where two share one. `source` lists the videos."""
    missing = [video for video, file in zip(videos, files, strict=True) if file is None]
    if missing:
        first, where = missing[0], source
        if not source.is_dir():
            at_csv = source.parent / first.video
            where = at_csv.parent if at_csv.exists() else Path("VIDEOS")
        command = shlex.join(["avadclip", "extract", str(where), "--out", str(folder.folder)])
        raise FeatureError(
            f"{len(missing)} of {len(videos)} videos have no feature file in {folder.folder}, the first is "
            f"{folder.why_missing(first)}; run `{command}`"
        )
    found = [file for file in files if file is not None]
    owners: dict[FoundFile, LabelledVideo] = {}
    for video, file in zip(videos, found, strict=True):
        if file in owners:
            raise DataError(
                f"{video.origin}: {video.video} and {owners[file].video} ({owners[file].origin}) would share {file}; "
                "name a video one way, and extract videos of one name into sub-folders of their own"
            )
        owners[file] = video
    return found
