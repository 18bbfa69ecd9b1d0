"""Check that one video's files are complete and consistent; only headers are read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from avadclip.data.bags import StoredFeatures
from avadclip.data.published.definition import Benchmark, ListedVideo
from avadclip.data.published.inventory import VideoFiles
from avadclip.errors import AvadclipError, FeatureError, MediaError
from avadclip.features.published import MAX_ROW_DIFFERENCE, ArrayShape, PublishedFeatures, read_shape
from avadclip.features.snippets import Provenance
from avadclip.features.store import FileFeatures, read_feature_shape
from avadclip.media.probe import probe
from avadclip.timeline import SnippetGrid

SplitName = Literal["train", "test"]
ProblemKind = Literal["missing", "crop", "sound", "length", "empty", "unreadable", "unlike", "double", "annotation"]


class FileProblem(NamedTuple):
    """A problem of one video that makes its split unusable."""

    video: str
    kind: ProblemKind
    message: str
    """One line that names the video: what was found, what was needed, what to do."""


@dataclass(frozen=True)
class ReadyVideo:
    """A video with complete files."""

    listed: ListedVideo
    crops: Mapping[int, StoredFeatures]
    """Files by crop number, all of one length."""
    grid: SnippetGrid
    provenance: Provenance | None
    """None for published features."""
    widths: tuple[int, int]
    """Dv and Da; Da is 0 without sound."""
    frame_rate_hz: float
    """Frame rate of this video's annotations."""

    @property
    def num_snippets(self) -> int:
        """T."""
        return len(next(iter(self.crops.values())))


class ProblemError(AvadclipError):
    """Exception for a FileProblem."""

    def __init__(self, kind: ProblemKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def inspect_video(
    video: ListedVideo,
    files: VideoFiles,
    crops: Sequence[int],
    split: SplitName,
    *,
    needs_sound: bool,
    benchmark: Benchmark,
) -> ReadyVideo:
    """Read the heads of one video's files.

    Args:
        video: as listed.
        files: the files found for it.
        crops: required crops.
        split: decides the crops used of an extracted file: all for training, the first for a test.
        needs_sound: others of its split have sound.
        benchmark: its published features and annotations.

    Raises:
        ProblemError: something is missing or wrong.
    """
    if not files.has_features:
        raise ProblemError("missing", f"{video.name} has no feature file; download it, or extract it from the video")
    doubles = [*files.doubles, *([files.extracted] if files.extracted and files.crops else [])]
    if doubles:
        raise ProblemError("double", f"{video.name} has more than one set of features, such as {doubles[0]}; keep one")
    try:
        if files.extracted is not None:
            ready = _inspect_extracted(video, files, files.extracted, split, benchmark)
        else:
            ready = _inspect_published(video, files, crops, benchmark, needs_sound=needs_sound)
    except (FeatureError, MediaError) as error:
        raise ProblemError("unreadable", f"{video.name}: {error}") from error
    if ready.num_snippets == 0:
        raise ProblemError("empty", f"{video.name} has features of no snippet; download or extract them again")
    return ready


def _inspect_extracted(
    video: ListedVideo, files: VideoFiles, path: Path, split: SplitName, benchmark: Benchmark
) -> ReadyVideo:
    shape = read_feature_shape(path)
    rate = benchmark.annotated_at_hz or _own_rate(video, files, split)
    return ReadyVideo(
        listed=video,
        crops={crop: FileFeatures(path, shape, crop) for crop in range(1 if split == "test" else shape.num_crops)},
        grid=shape.header.provenance.grid,
        provenance=shape.header.provenance,
        widths=(shape.visual_width, shape.audio_width),
        frame_rate_hz=rate,
    )


def _own_rate(video: ListedVideo, files: VideoFiles, split: SplitName) -> float:
    """Frame rate of the video, needed to convert annotated frames to the times of extracted features."""
    if split == "train":
        return 0.0  # no annotations
    if files.video is None:
        raise ProblemError(
            "annotation",
            f"{video.name} is annotated in frames of its own rate, which extracted features do not keep; "
            "put the video into the folder too",
        )
    return probe(files.video).frame_rate_hz


def _inspect_published(
    video: ListedVideo, files: VideoFiles, crops: Sequence[int], benchmark: Benchmark, *, needs_sound: bool
) -> ReadyVideo:
    missing = [crop for crop in crops if crop not in files.crops]
    if missing:
        raise ProblemError(
            "crop", f"{video.name} has no crop {missing[0]} ({video.name}__{missing[0]}.npy); download it"
        )
    shapes = {crop: read_shape(files.crops[crop]) for crop in crops}
    first = shapes[crops[0]]
    for crop, shape in shapes.items():
        if shape != first:
            raise ProblemError(
                "length",
                f"{video.name} has {shape.num_rows} rows of {shape.width} in crop {crop}, {first.num_rows} of "
                f"{first.width} in crop {crops[0]}; the crops of one video need the same: download them again",
            )
    audio = _inspect_sound(video, files.audio, first.num_rows, needs_sound=needs_sound)
    return ReadyVideo(
        listed=video,
        crops={
            crop: PublishedFeatures(
                files.crops[crop], files.audio, first.num_rows, first.width, audio.width, benchmark.grid
            )
            for crop in crops
        },
        grid=benchmark.grid,
        provenance=None,
        widths=(first.width, audio.width),
        frame_rate_hz=benchmark.grid.frame_rate_hz,
    )


def _inspect_sound(video: ListedVideo, path: Path | None, num_snippets: int, *, needs_sound: bool) -> ArrayShape:
    if path is None:
        if needs_sound:
            raise ProblemError("sound", f"{video.name} has no audio file ({video.name}.npy), others have; download it")
        return ArrayShape(0, 0)
    shape = read_shape(path)
    if abs(shape.num_rows - num_snippets) > MAX_ROW_DIFFERENCE:
        raise ProblemError(
            "length",
            f"{video.name} has {shape.num_rows} audio rows for {num_snippets} visual snippets; needed as many, or "
            f"{MAX_ROW_DIFFERENCE} more or less: check that {path.name} is of this video",
        )
    return shape
