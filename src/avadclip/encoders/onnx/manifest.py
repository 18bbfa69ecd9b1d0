"""Manifests: TOML files that say what an encoder in an ONNX file takes and gives.

`manifests/` holds those of encoders that avadclip knows by name. A folder of the user's may hold others
(`--encoders onnx:FOLDER`), beside the ONNX files they name.
"""

import tomllib
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, Field, ValidationError, model_validator

from avadclip.encoders.downloads.sources import WeightFiles
from avadclip.errors import ConfigError, reason_by_pydantic
from avadclip.events import SoundRule
from avadclip.media.track import SAMPLE_RATE_HZ

KNOWN = ("yamnet",)


class GraphSpec(BaseModel, frozen=True, extra="forbid"):
    """The ONNX graph: one input, and the tensors that are read from it."""

    file: str
    data_file: str | None = None
    """File of the weights where they are not in `file`."""
    input: str
    input_shape: tuple[int, ...]
    """Of one run; the first number is the windows or frames that one run takes."""
    features: str
    """Tensor with the features, [N, dim]; any tensor of the graph, an output or not."""
    logits: str | None = None
    """Tensor with the logits of the named sounds, [N, number of names]."""
    scale: str | None = None
    zero_point: str | None = None
    """Constants of the graph by which its integer input is quantised: q = round(x / scale) + zero_point."""


class SpectrogramSpec(BaseModel, frozen=True, extra="forbid"):
    """Log-mel magnitude spectrogram of mono sound: periodic Hann windows, bands as triangles on the HTK mel scale."""

    sample_rate_hz: Literal[16000]
    fft_samples: int = Field(ge=16)
    window_samples: int = Field(ge=16)
    hop_samples: int = Field(ge=1)
    mel_bands: int = Field(ge=1)
    lowest_hz: float = Field(ge=0)
    highest_hz: float = Field(le=SAMPLE_RATE_HZ / 2)
    log_offset: float = Field(gt=0)
    """Added to the magnitude of a band before the logarithm."""

    def num_samples(self, num_frames: int) -> int:
        """Samples that so many spectrogram frames cover."""
        return (num_frames - 1) * self.hop_samples + self.window_samples


class PixelSpec(BaseModel, frozen=True, extra="forbid"):
    """How a frame becomes the graph's input."""

    height: int = Field(ge=8, le=1024)
    width: int = Field(ge=8, le=1024)
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Per RGB channel, of pixels within [0, 1]; subtracted."""
    deviation: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Per RGB channel; divided by."""
    frame_offsets: tuple[int, ...] = (0,)
    """Model frames of a snippet that are encoded, ascending; their features are averaged."""


class SoundEventSpec(BaseModel, frozen=True, extra="forbid"):
    """A named sound that raises events by default, see events.SoundRule."""

    label: str
    names: tuple[str, ...] = Field(min_length=1)
    synonyms: tuple[str, ...] = ()
    is_sudden: bool = False
    threshold: float = Field(gt=0, le=1)


class ClassNames(BaseModel, frozen=True, extra="forbid"):
    """Names of the logits, in their order."""

    names: tuple[str, ...] = ()


class EncoderManifest(WeightFiles, frozen=True, extra="forbid"):
    """One encoder; `spectrogram` makes it one of sound, `pixels` one of pictures."""

    modality: Literal["visual", "audio"]
    dim: int = Field(ge=1, le=65_536)
    version: int = 1
    """Increased where the same file is read in another way: part of the encoder's identity."""
    graph: GraphSpec
    spectrogram: SpectrogramSpec | None = None
    pixels: PixelSpec | None = None
    sound_events: tuple[SoundEventSpec, ...] = ()
    classes: ClassNames = ClassNames()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        given, needed = ("pixels", "spectrogram") if self.modality == "audio" else ("spectrogram", "pixels")
        if getattr(self, needed) is None or getattr(self, given) is not None:
            raise ValueError(f'modality = "{self.modality}" needs a table [{needed}] and no [{given}]')
        if self.graph.file not in self.files or (self.graph.data_file or self.graph.file) not in self.files:
            raise ValueError("the files of [graph] have no table [files]")
        unknown = [name for event in self.sound_events for name in event.names if name not in self.classes.names]
        if unknown:
            raise ValueError(f"sound_events names {unknown[0]!r}, which is not in classes.names")
        if bool(self.classes.names) != (self.graph.logits is not None):
            raise ValueError("classes.names and graph.logits go together")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """All sounds that the encoder names."""
        return self.classes.names

    @property
    def default_sounds(self) -> tuple[SoundRule, ...]:
        """The sounds that raise events where the user named none."""
        return tuple(SoundRule(**event.model_dump()) for event in self.sound_events)


@cache
def known_manifest(name: str) -> EncoderManifest:
    """The manifest of an encoder that avadclip knows by name; KeyError for another name."""
    if name not in KNOWN:
        raise KeyError(name)
    text = (
        resources.files("avadclip")
        .joinpath("encoders", "onnx", "manifests", f"{name}.toml")
        .read_text(encoding="utf-8")
    )
    return EncoderManifest.model_validate(tomllib.loads(text))


def sound_vocabulary() -> EncoderManifest:
    """The sounds that the default audio tagger names, without its weights."""
    return known_manifest("yamnet")


def read_manifest(path: Path, modality: Literal["visual", "audio"]) -> EncoderManifest:
    """Read a user's manifest; raises ConfigError."""
    try:
        manifest = EncoderManifest.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} cannot be read as TOML ({error}); give the manifest of an encoder") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the manifest"
        reason = reason_by_pydantic(first["msg"])
        raise ConfigError(f"{path} is no manifest of an encoder ({where}: {reason}); mend it") from error
    if manifest.modality != modality:
        raise ConfigError(f"{path} has the modality {manifest.modality!r}, needed {modality!r}")
    return manifest
