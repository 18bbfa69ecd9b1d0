"""Copies of videos that every browser plays: H.264 and AAC in mp4, upright, on the video's clock."""

import heapq
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import count, takewhile
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from numpy.typing import NDArray

from avadclip.errors import MediaError
from avadclip.files import atomic_path
from avadclip.media.container import keep_only, open_media, picture_stream, sound_stream
from avadclip.media.decode import DecodeCount, decode, readable
from avadclip.media.playable import PIXELS
from avadclip.media.probe import MediaFile, MediaInfo
from avadclip.media.times.clock import Clock, longest_pause, sound_packets
from avadclip.media.times.frame_rate import NOMINAL_RATE_HZ
from avadclip.media.video import VideoReader

MAX_SIDE = 1280  # pixels; a copy is for looking at events, and a page of many shall stay small
MAX_RATE_HZ = 30.0
SOUND_RATE_HZ = 48_000
SOUND_GAP_SAMPLES = 960  # 0.02 s; timestamps off by less are continuous sound
WHOLE = (0.0, math.inf)  # a span
SECONDS_PER_KEY_PICTURE = 2  # a player seeks to key pictures

Alter = Callable[[NDArray[np.uint8], float], NDArray[np.uint8]]
"""Function of a frame, RGB [H, W, 3], and its time in seconds; returns the frame to write, of the same size."""
Progress = Callable[[float], None]
"""Called with the seconds of the video that are done."""


def write_copy(
    source: str | Path | MediaFile,
    target: Path,
    *,
    span: tuple[float, float] = WHOLE,
    alter: Alter | None = None,
    on_progress: Progress | None = None,
) -> None:
    """Transcode a video with its audio track (see MediaFile.sound_index), whole or not at all.

    Zero is the first frame; audio before it is dropped, gaps in the audio become silence. The larger side is at most
    MAX_SIDE, the frame rate constant and at most MAX_RATE_HZ.

    Args:
        source: any video this package reads.
        target: of suffix .mp4.
        span: the stretch to copy, half open, in seconds of the video; its start is zero in the copy.
        alter: changes each frame.
        on_progress: see Progress.

    Raises:
        MediaError: the source cannot be read, or ends before the span.
        OSError: the target cannot be written.
    """
    media = MediaFile.open(source)
    with atomic_path(target) as temporary, _written(temporary, target) as output:
        picture = _picture_track(output, media.info)
        tracks = [_encode_pictures(media, picture, span, alter, on_progress)]
        if media.has_sound:
            sound = output.add_stream("aac", rate=SOUND_RATE_HZ, layout="stereo")
            tracks.append(_encode_sound(media, sound, span))
        for packet in heapq.merge(*tracks, key=_decoding_seconds):
            output.mux(packet)


def write_quick_copy(source: str | Path | MediaFile, target: Path) -> None:
    """Copy the pictures of an H.264 video as they are, with its audio track as AAC, whole or not at all.

    Zero is the first frame, as in `write_copy`; the video needs to begin with a key frame.

    Raises:
        MediaError: the source cannot be read, or its pictures are not H.264 as browsers play it.
        OSError: the target cannot be written.
    """
    media = MediaFile.open(source)
    with open_media(media.path) as container:
        picture = picture_stream(container)
        codec, pixels = picture.codec_context.codec.canonical_name, picture.codec_context.pix_fmt
        if codec != "h264" or pixels not in PIXELS:
            raise MediaError(f"{media.path} has {codec} pictures, {pixels}, that browsers cannot play; transcode it")
        keep_only(container, picture)
        with atomic_path(target) as temporary, _written(temporary, target) as output:
            tracks = [_copy_pictures(container, picture, output.add_stream_from_template(picture), media.zero_seconds)]
            if media.has_sound:
                sound = output.add_stream("aac", rate=SOUND_RATE_HZ, layout="stereo")
                tracks.append(_encode_sound(media, sound, WHOLE))
            for packet in heapq.merge(*tracks, key=_decoding_seconds):
                output.mux(packet)


def _copy_pictures(
    container: InputContainer, picture: VideoStream, target: VideoStream, zero_seconds: float
) -> "Iterator[Packet[Any]]":
    packets = (packet for packet in readable(container.demux(picture), DecodeCount()) if packet.size > 0)
    for packet in _with_decoding_times(packets):
        if packet.pts is None or packet.dts is None:
            continue
        shift = round(zero_seconds / packet.time_base)
        packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, target
        yield packet


def _with_decoding_times(packets: "Iterable[Packet[Any]]") -> "Iterator[Packet[Any]]":
    """The packets; Matroska has no decoding times, and FFmpeg cannot tell those of the first packets."""
    waiting: list[Packet[Any]] = []
    for packet in packets:
        if packet.dts is None:
            waiting.append(packet)
            continue
        for place, early in enumerate(waiting):
            early.dts = packet.dts - (len(waiting) - place) * max(packet.duration or 1, 1)
        yield from waiting
        waiting = []
        yield packet
    for early in waiting:  # none has one: too few packets for a picture to be out of order
        early.dts = early.pts
    yield from waiting


@contextmanager
def _written(path: Path, target: Path) -> Iterator[OutputContainer]:
    """An mp4 to write, its index in front: a player starts before it has read everything."""
    try:
        with av.open(f"file:{path}", "w", format="mp4", options={"movflags": "faststart"}) as output:
            yield output
    except av.FFmpegError as error:  # what is read has its own: a full disk, most likely
        raise OSError(error.errno, error.strerror, str(target)) from error


def _decoding_seconds(packet: "Packet[Any]") -> float:
    return float((packet.dts or 0) * packet.time_base)


def _picture_track(output: OutputContainer, media: MediaInfo) -> VideoStream:
    rate = Fraction(min(media.frame_rate_hz or NOMINAL_RATE_HZ, MAX_RATE_HZ)).limit_denominator(1001)
    stream = output.add_stream("libx264", rate=rate, options={"preset": "veryfast", "crf": "24"})
    shrink = min(1.0, MAX_SIDE / max(media.width, media.height))
    stream.width, stream.height = (max(2, round(side * shrink / 2) * 2) for side in (media.width, media.height))
    stream.pix_fmt = "yuv420p"
    stream.codec_context.gop_size = max(1, round(SECONDS_PER_KEY_PICTURE * rate))
    stream.codec_context.colorspace = Colorspace.ITU709
    stream.codec_context.color_range = ColorRange.MPEG
    return stream


def _encode_pictures(
    media: MediaFile,
    stream: VideoStream,
    span: tuple[float, float],
    alter: Alter | None,
    on_progress: Progress | None,
) -> "Iterator[Packet[Any]]":
    rate = stream.average_rate or stream.codec_context.framerate
    begin, end = span
    reader = VideoReader(media, frame_size=(stream.height, stream.width), skip_to_seconds=begin)
    times = takewhile(lambda seconds: seconds < end, (begin + float(number / rate) for number in count()))
    index = -1
    for index, picture in enumerate(reader.frames_at(times)):
        seconds = begin + float(index / rate)
        altered = picture if alter is None else alter(picture, seconds)
        frame = av.VideoFrame.from_ndarray(altered, format="rgb24").reformat(
            format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )
        frame.pts, frame.time_base = index, 1 / rate
        yield from stream.encode(frame)
        if on_progress is not None:
            on_progress(seconds)
    if index < 0:
        raise MediaError(f"{media.path} ends before {begin:g} s; give a stretch inside it")
    yield from stream.encode(None)


def _encode_sound(media: MediaFile, stream: AudioStream, span: tuple[float, float]) -> "Iterator[Packet[Any]]":
    position = 0
    for samples in _continuous(_within(span, _resampled(media))):
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
        frame.sample_rate, frame.time_base, frame.pts = SOUND_RATE_HZ, Fraction(1, SOUND_RATE_HZ), position
        position += samples.shape[1]
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _continuous(blocks: Iterable[tuple[int, NDArray[np.float32]]]) -> Iterator[NDArray[np.float32]]:
    """Stereo samples [2, N] without gaps or overlaps from place 0 on, from blocks and their places."""
    end = 0
    for start, samples in blocks:
        if start - end > SOUND_GAP_SAMPLES:
            for first in range(end, start, SOUND_RATE_HZ):  # by the second: a gap may last for hours
                yield np.zeros((2, min(SOUND_RATE_HZ, start - first)), np.float32)
            end = start
        late = max(end - start, 0)
        kept = samples[:, late if late > SOUND_GAP_SAMPLES or end == 0 else 0 :]
        if kept.shape[1]:
            yield np.ascontiguousarray(kept)
            end += kept.shape[1]


def _within(
    span: tuple[float, float], blocks: Iterable[tuple[int, NDArray[np.float32]]]
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """The blocks that begin before a stretch ends, their places counted from its start, cut at its end."""
    begin, end = (seconds * SOUND_RATE_HZ for seconds in span)
    for start, samples in blocks:
        if start >= end:
            return
        yield start - round(begin), samples if start + samples.shape[1] <= end else samples[:, : round(end) - start]


def _resampled(media: MediaFile) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Stereo samples [2, N] at SOUND_RATE_HZ, and the place of the first one since the first picture."""
    with open_media(media.path) as container:
        picture, sound = picture_stream(container), sound_stream(container, media.sound_index)
        if sound is None:
            return
        keep_only(container, picture, sound)
        clock = Clock(picture, media.zero_seconds, longest_pause=longest_pause(container, picture))
        packets = sound_packets(readable(container.demux(picture, sound), DecodeCount()), picture, clock)
        resampler: AudioResampler | None = None
        form: tuple[str, str, int] | None = None
        end = 0
        for frame in decode(packets, sound.codec_context, DecodeCount()):
            if form != (form := (frame.format.name, frame.layout.name, frame.sample_rate)):
                resampler = AudioResampler(format="fltp", layout="stereo", rate=SOUND_RATE_HZ)
            if frame.pts is not None:
                end = round(float(frame.pts * (sound.time_base or 0)) * SOUND_RATE_HZ)
                frame.pts = None  # a resampler would refuse a gap
            if resampler is not None:
                for part in resampler.resample(frame):
                    yield end, part.to_ndarray().astype(np.float32, copy=False)
                    end += part.samples
