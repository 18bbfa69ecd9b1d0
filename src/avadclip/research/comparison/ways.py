"""Ways to make features of videos again: what people's own extraction does otherwise, property by property."""

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from avadclip.encoders.base import AudioEncoder, Frame, VisualEncoder
from avadclip.encoders.device import choose_device
from avadclip.encoders.load import EncoderOptions, load_encoders
from avadclip.encoders.preprocess import INPUT_SIZE, Kernel, crop_frame, resize_frame
from avadclip.encoders.wav2clip import Normalisation, Wav2Clip, Wav2ClipEncoder
from avadclip.encoders.weights import find_wav2clip, load_wav2clip
from avadclip.errors import ConfigError
from avadclip.features.extract import encode_sound
from avadclip.media.audio import SoundReader
from avadclip.media.probe import MediaFile
from avadclip.media.video import VideoReader
from avadclip.research.comparison.agreement import Rows
from avadclip.research.comparison.search import Way
from avadclip.research.comparison.sides import Part
from avadclip.timeline import SnippetGrid

NUM_CROPS = 10  # published
FRAMING, COLOUR_ORDER, FRAME, RESIZE_KERNEL = "framing", "colour order", "frame of the snippet", "resize kernel"
NORMALISATION, WINDOW, SNIPPET = "normalisation", "window", "snippet"
SHIFTS = {SNIPPET: ("the same", "the one before", "the one after")}
SHIFT_OF = {"the same": 0, "the one before": 1, "the one after": -1}
"""In which row, beside that of its own number, the features of a snippet are: row i holds the snippet before i."""


class Sampled(NamedTuple):
    """Snippets of a video that are encoded again."""

    media: MediaFile
    grid: SnippetGrid
    num_snippets: int
    """T of the features."""
    indices: tuple[int, ...]
    """Neither the first nor the last snippet: those beside them are compared too."""


class Ways(Protocol):
    """One modality of some videos, to be encoded in any way."""

    @property
    def properties(self) -> Mapping[str, tuple[str, ...]]:
        """The values to try of each, the usual one first."""
        ...

    def encode(self, way: Way) -> Rows:
        """The sampled snippets of all videos in a row, [N, D]."""
        ...


CROP_FRAMINGS = tuple(f"crop {number} of 340 x 256" for number in range(NUM_CROPS))
FRAMINGS = (
    *CROP_FRAMINGS,
    "centre, aspect kept",
    "the whole frame, stretched",
)
FRAMES = {"first": (0.0,), "middle": (0.5,), "mean of four": (0.0, 0.25, 0.5, 0.75)}  # where in the snippet


class PictureWays:
    """The picture in other framings, colour orders, resize kernels and frames of a snippet.

    Args:
        encoder: of one crop that it takes from the centre, or of frames of 224 x 224.
        videos: what to encode.

    Raises:
        ConfigError: the encoder's input has another size.
        MediaError: a video cannot be read.
    """

    def __init__(self, encoder: VisualEncoder, videos: Sequence[Sampled]) -> None:
        if encoder.frame_size not in {None, (INPUT_SIZE, INPUT_SIZE)} or encoder.num_crops != 1:
            raise ConfigError(
                f"{encoder.name} takes pictures of {encoder.frame_size}, which cannot be framed otherwise here; "
                "needed encoders of 224 x 224 pixels"
            )
        self.properties: dict[str, tuple[str, ...]] = {FRAMING: FRAMINGS, COLOUR_ORDER: ("RGB", "BGR"), **SHIFTS}
        self._takes_one_frame = len(encoder.frame_offsets) == 1
        if self._takes_one_frame:
            self.properties[FRAME] = tuple(FRAMES)
        self.properties[RESIZE_KERNEL] = ("bicubic", "bilinear")
        self._encoder = encoder
        self._snippets = [frames for video in videos for frames in self._read(video)]

    def _read(self, video: Sampled) -> Sequence[dict[float, Frame]]:
        """Frames of every sampled snippet, by where in the snippet they are."""
        num_frames = video.grid.snippet_frames
        places = [offset / num_frames for offset in self._encoder.frame_offsets]
        if self._takes_one_frame:
            places = sorted({place for each in FRAMES.values() for place in each})
        times = [
            (index * num_frames + int(place * num_frames)) / video.grid.frame_rate_hz
            for index in video.indices
            for place in places
        ]
        frames = iter(list(islice(VideoReader(video.media).frames_at(times), len(times))))
        return [dict(zip(places, islice(frames, len(places)), strict=True)) for _ in video.indices]

    def encode(self, way: Way) -> Rows:
        """See Ways."""
        snippets = []
        for frames in self._snippets:
            wanted = FRAMES[way[FRAME]] if self._takes_one_frame else tuple(frames)
            prepared = [self._encoder.prepare(_framed(frames[place], way)) for place in wanted]
            snippets.append(self._encoder.encode(prepared)[0].mean(axis=0))
        return np.stack(snippets)


def _framed(frame: Frame, way: Way) -> Frame:
    """[224, 224, 3]"""
    pixels = np.ascontiguousarray(frame[..., ::-1]) if way[COLOUR_ORDER] == "BGR" else frame
    kernel = cast(Kernel, way[RESIZE_KERNEL])
    number = FRAMINGS.index(way[FRAMING])
    if number < NUM_CROPS:
        image = crop_frame(pixels, "published", NUM_CROPS, kernel=kernel)[number]
    elif number == NUM_CROPS:
        image = crop_frame(pixels, "centre", kernel=kernel)[0]
    else:
        image = resize_frame(pixels, INPUT_SIZE, INPUT_SIZE, kernel=kernel)
    return cast(Frame, np.ascontiguousarray(image.permute(1, 2, 0).numpy()))


class SoundWays:
    """The sound as Wav2CLIP takes it, normalised over other stretches and in windows of other lengths.

    Args:
        network: its weights.
        videos: with sound.
        device: see Wav2ClipEncoder.
    """

    properties: Mapping[str, tuple[str, ...]] = {
        NORMALISATION: ("over the recording", "over each window"),
        WINDOW: ("1 s", "one snippet"),
        **SHIFTS,
    }

    def __init__(self, network: Wav2Clip, videos: Sequence[Sampled], device: str = "cpu") -> None:
        self._network, self._videos, self._device = network, videos, device

    def encode(self, way: Way) -> Rows:
        """See Ways; a recording is read whole, since its normalisation needs that."""
        rows = [self._encode(video, way)[list(video.indices)] for video in self._videos]
        return np.concatenate(rows)

    def _encode(self, video: Sampled, way: Way) -> NDArray[np.float32]:
        unit: Normalisation = "recording" if way[NORMALISATION] == "over the recording" else "window"
        seconds = 1.0 if way[WINDOW] == "1 s" else video.grid.snippet_seconds
        encoder: AudioEncoder = Wav2ClipEncoder(
            self._network, window_seconds=seconds, normalisation=unit, device=self._device
        )
        return encode_sound(SoundReader(video.media), encoder, video.grid, video.num_snippets)


def load_ways(encoders: str, device: str) -> Callable[[Part, Sequence[Sampled]], Ways | None]:
    """What compare_features encodes by; weights are loaded where they are needed.

    Args:
        encoders: as load_encoders takes it. Of other encoders than CLIP's, sound has one way only.
        device: see load_encoders.
    """
    name, _, folder = encoders.partition(":")

    def make(part: Part, videos: Sequence[Sampled]) -> Ways | None:
        if part == "picture":
            return PictureWays(load_encoders(encoders, EncoderOptions(sound=False, device=device)).visual, videos)
        if name != "clip":
            return None
        network = load_wav2clip(find_wav2clip(Path(folder).expanduser() if folder else None))
        return SoundWays(network, videos, choose_device(device, encoders, "fp32"))

    return make
