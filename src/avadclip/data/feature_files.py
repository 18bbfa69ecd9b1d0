"""Feature files of a user's own videos, found by name below a folder."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from avadclip.data.label_csv import LabelledVideo
from avadclip.data.names import NameIndex
from avadclip.data.published.inventory import files_below
from avadclip.errors import DataError, FeatureError

FEATURE_SUFFIX = ".safetensors"


class FeatureFolder:
    """The feature files below a folder; raises DataError where it cannot be read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files = {
            path.relative_to(folder).as_posix()[: -len(FEATURE_SUFFIX)]: path
            for path in files_below([folder])
            if path.suffix.lower() == FEATURE_SUFFIX
        }
        self._names = NameIndex(self._files)

    def find(self, video: str) -> Path | None:
        """The file at the video's path below the folder, at the end of this path, or in the folder itself."""
        name = self._names.find(video.removesuffix(FEATURE_SUFFIX))
        return None if name is None else self._files[name]

    def why_missing(self, video: LabelledVideo) -> str:
        """What to say of a video without a file: its row, and the file with the most similar name."""
        nearest = self._names.nearest(video.video)
        hint = "" if nearest is None else f", the nearest name is {self._files[nearest].relative_to(self.folder)}"
        return f"{video.video} ({video.origin}{hint})"


def check_found(
    videos: Sequence[LabelledVideo], files: Sequence[Path | None], folder: FeatureFolder, source: Path
) -> list[Path]:
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
    owners: dict[Path, LabelledVideo] = {}
    for video, file in zip(videos, found, strict=True):
        if file in owners:
            raise DataError(
                f"{video.origin}: {video.video} and {owners[file].video} ({owners[file].origin}) would share {file}; "
                "name a video one way, and extract videos of one name into sub-folders of their own"
            )
        owners[file] = video
    return found
