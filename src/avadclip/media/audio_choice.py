"""Choice among a file's audio tracks: the first that is not silent, or the one that was asked for."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from avadclip.errors import MediaError
from avadclip.media.container import is_aside, keep_only, open_media, shown, sound_streams
from avadclip.media.decode import DecodeCount, decode_packet, readable
from avadclip.media.mono import SILENCE_DBFS

if TYPE_CHECKING:
    from av.packet import Packet

SILENT, UNDECODABLE = "is silent", "cannot be decoded"


class AudioChoice(NamedTuple):
    """The track to use."""

    stream: AudioStream
    number: int
    """Its place among the file's audio tracks, counted from 1."""
    note: str | None
    """Which one it is, and why; None of a file's only track."""


def choose_audio(path: str | Path, container: InputContainer, number: int | None) -> AudioChoice | None:
    """Choose the audio track of an open file; None where none can be decoded.

    Several are decoded, in a pass of their own, until the first of them in the order of `sound_streams` is not silent.

    Args:
        path: of the file, which is opened again for that pass.
        container: the open file; nothing is read from it.
        number: the track that was asked for, counted from 1.

    Raises:
        MediaError: there is no such track, or it cannot be decoded.
    """
    tracks, ranked = container.streams.audio, sound_streams(container)
    if number is not None:
        _check_number(number, tracks, ranked, shown(path))
        stream, why = tracks[number - 1], ", as asked for"
    elif ranked:
        findings = _listen(path) if len(ranked) > 1 else {}
        stream = next((s for s in ranked if s.index not in findings), ranked[0])
        why = _why(stream, tracks, ranked, findings)
    else:
        return None
    number = tracks.index(stream) + 1
    note = f"{len(tracks)} audio tracks; number {number}{_name(stream)} is used{why}"
    return AudioChoice(stream, number, note if len(tracks) > 1 else None)


def _check_number(number: int, tracks: Sequence[AudioStream], ranked: Sequence[AudioStream], name: str) -> None:
    if not 1 <= number <= len(tracks):
        raise MediaError(f"{name} has {len(tracks)} audio tracks, asked for was number {number}; give one that exists")
    if tracks[number - 1] not in ranked:
        raise MediaError(
            f"{name}: the format of audio track {number} cannot be decoded; give the number of another one"
        )


def _why(
    chosen: AudioStream, tracks: Sequence[AudioStream], ranked: Sequence[AudioStream], findings: dict[int, str]
) -> str:
    """What speaks against the tracks that would come before the chosen one, where something does."""
    if chosen.index in findings:
        return ": none of them can be heard"
    reasons = []
    for number, track in enumerate(tracks, 1):
        if track in ranked[ranked.index(chosen) :] and not (track.index < chosen.index and is_aside(track)):
            continue
        finding = UNDECODABLE if track not in ranked else findings.get(track.index, "is a commentary or a description")
        reasons.append(f"number {number} {finding}")
    return f": {', '.join(reasons)}" if reasons else ""


def _name(track: AudioStream) -> str:
    """Language and title, in brackets."""
    words = (track.metadata.get("language", "und").replace("und", ""), track.metadata.get("title", ""))
    text = shown(", ".join(word for word in words if word))
    return f" ({text})" if text else ""


def _listen(path: str | Path) -> dict[int, str]:
    """Findings about the tracks that cannot be heard, by the index of their streams; none if the first can be."""
    with open_media(path) as container:
        ears = [_Ear(stream) for stream in sound_streams(container)]
        by_index = {ear.stream.index: ear for ear in ears}
        keep_only(container, *(ear.stream for ear in ears))
        for packet in readable(container.demux([ear.stream for ear in ears]), DecodeCount()):
            if packet.size:
                by_index[packet.stream_index].listen(packet)
            if ears[0].hears:
                return {}
        for ear in ears:
            ear.listen(None)
        return {ear.stream.index: ear.finding for ear in ears if not ear.hears}


class _Ear:
    """Decoder of one track until something is heard."""

    def __init__(self, stream: AudioStream) -> None:
        self.stream = stream
        self.hears = False
        self.finding = UNDECODABLE

    def listen(self, packet: "Packet[Any] | None") -> None:
        """Decode a packet, unless something was heard; None flushes the decoder."""
        if self.hears:
            return
        for frame in decode_packet(self.stream.codec_context, packet, DecodeCount()):
            self.finding = SILENT
            self.hears |= bool(_peak(frame.to_ndarray()) >= 10 ** (SILENCE_DBFS / 20))


def _peak(samples: NDArray[Any]) -> float:
    """Loudest sample of any channel, 1 is full scale."""
    if samples.dtype == np.uint8:
        return float(np.abs(samples.astype(np.float32) - 128).max()) / 128
    scale = 1.0 if samples.dtype.kind == "f" else -float(np.iinfo(samples.dtype).min)
    return max(float(samples.max()), -float(samples.min())) / scale
