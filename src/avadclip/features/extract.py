"""From a video to its snippet features, in memory that does not grow with the picture's size or length."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avadclip.encoders.base import AudioEncoder, Encoders, Frame, VisualEncoder, Windows
from avadclip.errors import MediaError
from avadclip.features.snippets import Provenance, SnippetFeatures
from avadclip.features.stills import StillsOnce
from avadclip.media.audio import SoundReader
from avadclip.media.damage import PictureSource, SoundSource
from avadclip.media.video import VideoReader
from avadclip.timeline import SnippetGrid

WINDOWS_PER_BATCH = 64  # sound windows encoded at once: 4 MB of samples

Progress = Callable[[float], None]
"""Called with the seconds of the video that are done."""


def extract_features(
    path: str | Path, encoders: Encoders, *, grid: SnippetGrid | None = None, on_progress: Progress | None = None
) -> SnippetFeatures:
    """Decode a video and encode its snippets.

    Raises:
        MediaError: the file cannot be read, or its picture is shorter than one snippet.
    """
    grid = grid or SnippetGrid()
    frames = VideoReader(path, frame_size=encoders.visual.frame_size)
    visual = encode_picture(frames, path, encoders.visual, grid, on_progress=on_progress)
    picture = frames.report
    notes = list(picture.notes)
    audio, sound = None, None
    reader = SoundReader(path)
    if encoders.audio is not None and reader.has_sound:
        audio = encode_sound(reader, encoders.audio, grid, visual.shape[1])
        sound = reader.report
        notes.extend(sound.notes)
    return SnippetFeatures(
        visual=visual,
        audio=audio,
        duration_seconds=picture.duration_seconds,
        provenance=provenance_of(encoders, grid),
        sound_is_silent=sound is not None and sound.silent,
        notes=tuple(notes),
    )


def provenance_of(encoders: Encoders, grid: SnippetGrid) -> Provenance:
    """What features made with these encoders on this grid will say of themselves."""
    return Provenance(
        grid=grid,
        visual=encoders.visual.identity(),
        audio=None if encoders.audio is None else encoders.audio.identity(),
    )


def encode_picture(
    reader: PictureSource,
    path: str | Path,
    encoder: VisualEncoder,
    grid: SnippetGrid,
    *,
    on_progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Visual features, [K, T, Dv], of a video's pictures or damaged ones, at the size that the encoder asks for."""
    frames = reader.frames_at(grid.frame_times(encoder.frame_offsets))
    per_snippet = len(encoder.frame_offsets)
    once = StillsOnce(encoder)
    batches: list[NDArray[np.float32]] = []
    num_encoded = 0
    leftover: list[Frame] = []
    while batch := list(itertools.islice(frames, encoder.snippets_per_batch * per_snippet)):
        whole = len(batch) // per_snippet * per_snippet
        leftover = batch[whole:]
        if whole:
            batches.append(once.encode(batch[:whole]))
            num_encoded += whole // per_snippet
        if on_progress is not None:
            on_progress(num_encoded * grid.snippet_seconds)
    num_snippets = grid.num_snippets(reader.report.duration_seconds)
    if num_snippets == 0:
        raise MediaError(
            f"{path} holds {reader.report.duration_seconds:.2f} s of picture, less than one snippet of "
            f"{grid.snippet_seconds:.2f} s ({grid.snippet_frames} frames at {grid.frame_rate_hz:g} fps); "
            "give a longer video"
        )
    if num_encoded < num_snippets:
        # The last snippet ends within half a model frame of the picture's end: its last picture stays on.
        leftover += leftover[-1:] * (per_snippet - len(leftover))
        batches.append(once.encode(leftover))
    return np.concatenate(batches, axis=1)[:, :num_snippets]


def encode_sound(
    reader: SoundSource, encoder: AudioEncoder, grid: SnippetGrid, num_snippets: int
) -> NDArray[np.float32]:
    """Audio features, [T, Da], of a video's sound or damaged sound."""

    def read_windows() -> Iterator[Windows]:
        centres = itertools.islice(grid.centres(), num_snippets)
        windows = reader.windows(centres, encoder.window_seconds)
        while batch := list(itertools.islice(windows, WINDOWS_PER_BATCH)):
            yield np.stack(batch)

    return encoder.encode_recording(read_windows)
