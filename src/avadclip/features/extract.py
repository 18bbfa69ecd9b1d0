"""Extraction of a video's snippet features, in memory independent of frame size and length."""

import itertools
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from avadclip.encoders.base import AudioEncoder, Encoders, Frame, SoundTags, VisualEncoder, Windows
from avadclip.encoders.rows import Rows
from avadclip.errors import MediaError
from avadclip.features.skip_still import SkipStill, still_note
from avadclip.features.snippets import Provenance, SnippetFeatures
from avadclip.features.streams import WINDOWS_PER_BATCH, AudioStreamEncoder, StillsOnce
from avadclip.media.ahead import ahead
from avadclip.media.audio import SoundReader, SoundReport
from avadclip.media.damage import PictureSource, SoundSource
from avadclip.media.probe import MediaFile
from avadclip.media.video import MISSING_SECONDS, VideoReader
from avadclip.timeline import SnippetGrid

LONGER_SECONDS = 0.5  # sound that outlasts the picture by this much is noted
FRAMES_WAITING = 2  # full-size frames between decoding and preprocessing; a 4K frame has 25 MB

Progress = Callable[[float], None]
"""Called with the processed seconds of the video."""


def extract_features(
    path: str | Path | MediaFile,
    encoders: Encoders,
    *,
    grid: SnippetGrid | None = None,
    audio_track: int | None = None,
    on_progress: Progress | None = None,
) -> SnippetFeatures:
    """Decode a video and encode its snippets.

    The sound is read along with the picture where its encoder reads it once. Where it does so twice, or the file cannot
    be read to its end, the sound gets passes of its own. Each pass opens the file once.

    Args:
        path: a video file, or what MediaFile.open returned for it.
        encoders: see encoders.load.
        grid: how to cut snippets; 16 frames at 24 fps by default.
        audio_track: as MediaFile.open takes it.
        on_progress: see Progress.

    Raises:
        MediaError: the file cannot be read, has no such audio track, or the video is shorter than one snippet.
    """
    grid = grid or SnippetGrid()
    media = MediaFile.open(path, audio_track=audio_track)
    stream = audio_stream(encoders, grid)
    listener = None if stream is None else stream.listener
    frames = VideoReader(media, frame_size=encoders.visual.frame_size, listener=listener)
    stills = skipper(encoders, grid)
    visual = encode_picture(frames, media.path, encoders.visual, grid, stills=stills, on_progress=on_progress)
    sound = read_sound(media, encoders, grid, visual.shape[1], stream)
    picture = frames.report
    return SnippetFeatures(
        visual=visual,
        audio=sound.audio,
        tags=sound.tags,
        duration_seconds=picture.duration_seconds,
        provenance=provenance_of(encoders, grid),
        sound_is_silent=sound.report is not None and sound.report.silent,
        audio_track=media.audio_track,
        notes=(
            *picture.notes,
            *_sound_notes(sound.report, picture.duration_seconds, media.info.notes),
            *([] if stills is None else [still_note(stills.num_encoded, stills.num_snippets)]),
        ),
    )


def skipper(encoders: Encoders, grid: SnippetGrid) -> SkipStill | None:
    """What encodes one video's or camera's picture where these encoders skip still footage; else None."""
    return SkipStill(encoders.visual, grid.snippet_seconds) if encoders.skip_still else None


def _sound_notes(sound: SoundReport | None, picture_seconds: float, by_header: Collection[str]) -> Iterator[str]:
    if sound is None:
        return
    yield from sound.notes
    if sound.end_seconds > sound.start_seconds and picture_seconds - sound.end_seconds > MISSING_SECONDS:
        yield f"audio ends at {sound.end_seconds:.2f} s; the rest is treated as silence"
    is_said = any(note.startswith("audio ends") for note in by_header)
    if not is_said and sound.end_seconds - picture_seconds > LONGER_SECONDS:
        yield f"audio goes on until {sound.end_seconds:.2f} s, the video ends at {picture_seconds:.2f} s"


class EncodedSound(NamedTuple):
    """What was made of a video's sound track; nothing of a video without one."""

    audio: NDArray[np.float32] | None
    tags: SoundTags | None
    report: SoundReport | None


def audio_stream(encoders: Encoders, grid: SnippetGrid) -> AudioStreamEncoder | None:
    """What can be made of the sound in the picture's pass; None without such encoders."""
    audio = encoders.audio if encoders.audio is not None and encoders.audio.reads_once else None
    return None if audio is None and encoders.tagger is None else AudioStreamEncoder(audio, encoders.tagger, grid)


def read_sound(
    media: MediaFile, encoders: Encoders, grid: SnippetGrid, num_snippets: int, stream: AudioStreamEncoder | None
) -> EncodedSound:
    """Encode the sound track: from the picture's pass where that read all of it, else from passes of its own."""
    if not media.has_sound or (encoders.audio is None and stream is None):
        return EncodedSound(None, None, None)
    sound = EncodedSound(None, None, None)
    if stream is not None:
        sound = _finish(stream, media, encoders, grid, num_snippets)
    if encoders.audio is not None and not encoders.audio.reads_once:
        reader = SoundReader(media)
        sound = EncodedSound(encode_sound(reader, encoders.audio, grid, num_snippets), sound.tags, reader.report)
    return sound


def _finish(
    stream: AudioStreamEncoder, media: MediaFile, encoders: Encoders, grid: SnippetGrid, num_snippets: int
) -> EncodedSound:
    """Finish what the picture's pass began; where it could not read all of the sound, begin again in another pass."""
    report = stream.report
    if report is None:
        stream = AudioStreamEncoder(stream.encoder, encoders.tagger, grid)
        reader = SoundReader(media)
        stream.read_alone(reader, num_snippets)
        report = reader.report
    else:
        stream.finish(num_snippets)
    return EncodedSound(stream.features(num_snippets), stream.tags(num_snippets), report)


def provenance_of(encoders: Encoders, grid: SnippetGrid) -> Provenance:
    """Provenance of features made with these encoders on this grid."""
    return Provenance(
        grid=grid,
        visual=encoders.visual_identity(),
        audio=None if encoders.audio is None else encoders.audio.identity(),
    )


def encode_picture(
    reader: PictureSource,
    path: str | Path,
    encoder: VisualEncoder,
    grid: SnippetGrid,
    *,
    stills: SkipStill | None = None,
    on_progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Encode a video's frames, damaged or not, to visual features [K, T, Dv].

    Reading and preprocessing have a thread each; the encoder's network runs in the caller's thread.

    Args:
        reader: gives the frames.
        path: of the video, for messages.
        encoder: the encoder.
        grid: how to cut snippets.
        stills: a new one of this encoder, to skip still footage.
        on_progress: see Progress.
    """
    per_snippet = len(encoder.frame_offsets)
    once: StillsOnce | SkipStill = stills or StillsOnce(encoder)
    per_batch = encoder.snippets_per_batch * per_snippet
    crops = [Rows(encoder.dim) for _ in range(encoder.num_crops)]
    leftover: list[Any] = []  # frames as `once` prepares them
    with (
        ahead(reader.frames_at(grid.frame_times(encoder.frame_offsets)), FRAMES_WAITING) as frames,
        ahead(_prepared(once, frames), per_batch) as prepared,
    ):
        while batch := list(itertools.islice(prepared, per_batch)):
            whole = len(batch) // per_snippet * per_snippet
            leftover = batch[whole:]
            if whole:
                _append(crops, once.encode(batch[:whole]))
            if on_progress is not None:
                on_progress(len(crops[0]) * grid.snippet_seconds)
    num_snippets = grid.num_snippets(reader.report.duration_seconds)
    if num_snippets == 0:
        raise MediaError(
            f"{path} has {reader.report.duration_seconds:.2f} s of video, less than one snippet of "
            f"{grid.snippet_seconds:.2f} s ({grid.snippet_frames} frames at {grid.frame_rate_hz:g} fps); "
            "give a longer video"
        )
    if len(crops[0]) < num_snippets:
        # The last snippet ends within half a model frame of the video's end: its last frame is extended.
        leftover += leftover[-1:] * (per_snippet - len(leftover))
        _append(crops, once.encode(leftover))
    return _stack(crops, num_snippets)


def _prepared(once: StillsOnce | SkipStill, frames: Iterator[Frame]) -> Iterator[Any]:
    return (once.prepare(frame) for frame in frames)


def _append(crops: list[Rows], features: NDArray[np.float32]) -> None:
    """Add features [K, N, Dv] to the rows of each crop."""
    for rows, batch in zip(crops, features, strict=True):
        rows.append(batch)


def _stack(crops: list[Rows], num_snippets: int) -> NDArray[np.float32]:
    """Stack crops to [K, T, Dv]; a single crop is not copied, and of several only one is duplicated at a time."""
    if len(crops) == 1:
        return crops[0].take(num_snippets)[None]
    stacked = np.empty((len(crops), num_snippets, crops[0].width), np.float32)
    for target in stacked:
        target[:] = crops.pop(0).take(num_snippets)
    return stacked


def encode_sound(
    reader: SoundSource, encoder: AudioEncoder, grid: SnippetGrid, num_snippets: int
) -> NDArray[np.float32]:
    """Encode a video's audio, damaged or not, to audio features [T, Da]."""

    def read_windows() -> Iterator[Windows]:
        centres = itertools.islice(grid.centres(), num_snippets)
        windows = reader.windows(centres, encoder.window_seconds)
        while batch := list(itertools.islice(windows, WINDOWS_PER_BATCH)):
            yield np.stack(batch)

    return encoder.encode_recording(read_windows)
