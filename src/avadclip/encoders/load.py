"""The encoders by the name a user gives: `lite`, `clip`, `clip:FOLDER`."""

from pathlib import Path
from typing import Literal, Self, cast

import torch
from pydantic import BaseModel, Field, model_validator

from avadclip.encoders.base import Encoders, Identity
from avadclip.encoders.precision import Precision
from avadclip.encoders.preprocess import Framing
from avadclip.encoders.wav2clip import Normalisation
from avadclip.errors import ConfigError
from avadclip.timeline import SNIPPET_FRAMES

NAMES = ("lite", "clip", "clip:FOLDER")
OPTIONS_FOR_ALL = {"sound", "device"}


class EncoderOptions(BaseModel, frozen=True, extra="forbid"):
    """How the encoders look and listen. All of it but `sound` and `device` is for `clip`; `lite` has one way."""

    frames_per_snippet: int = Field(1, ge=1)
    """Frames whose embeddings are averaged; 1 is the snippet's first frame."""
    snippet_frames: int = Field(SNIPPET_FRAMES, ge=1)
    """Model frames in a snippet; CCTV-Fights has 4."""
    framing: Framing = "centre"
    """`centre`: 224 crop with the aspect kept. `published`: crops of 340 x 256, aspect not kept."""
    num_crops: Literal[1, 5, 10] = 1
    """Centre; and four corners; and the mirror images of these. More than one needs `published` framing."""
    audio_window_seconds: float = Field(1.0, ge=0.1, le=60.0)
    """Length of the sound window centred on each snippet."""
    audio_normalisation: Normalisation = "recording"
    """Unit over which Wav2CLIP's spectrograms are z-scored."""
    sound: bool = True
    """False goes without an audio encoder; True fails where its weights are missing."""
    precision: Precision = "fp32"
    """What CLIP's picture side computes in; the sound is always fp32."""
    device: str = "cpu"
    """Where CLIP and Wav2CLIP run: cpu, cuda, cuda:1, mps. `lite` always runs on the CPU."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.num_crops > 1 and self.framing != "published":
            raise ValueError(f'{self.num_crops} crops need framing = "published"; "centre" has one')
        if self.frames_per_snippet > self.snippet_frames:
            raise ValueError(f"{self.frames_per_snippet} frames cannot be taken from snippets of {self.snippet_frames}")
        return self

    @classmethod
    def behind(cls, visual: Identity, audio: Identity | None, snippet_frames: int) -> Self:
        """The options that encoders of these identities were loaded with; the defaults for others than CLIP's.

        The device, which decides no number, stays as by default.
        """
        if visual["name"] != "clip":
            return cls()
        said = {
            "snippet_frames": snippet_frames,
            "frames_per_snippet": len(cast(list[int], visual["frame_offsets"])),
            "framing": visual["framing"],
            "num_crops": visual["num_crops"],
            "precision": visual["precision"],
            "sound": audio is not None,
        }
        if audio is not None:
            said |= {"audio_window_seconds": audio["window_seconds"], "audio_normalisation": audio["normalisation"]}
        return cls.model_validate(said)


DEFAULTS = EncoderOptions()


def load_encoders(spec: str = "lite", options: EncoderOptions = DEFAULTS) -> Encoders:
    """Load the frozen encoders.

    Args:
        spec: `lite`; `clip` (Hugging Face's cache, else a download); `clip:FOLDER` (a local folder).
        options: see EncoderOptions.

    Raises:
        ConfigError: an unknown name, an option that the encoders do not have, or a device that is not there.
        WeightsError: weights that are missing or damaged, those of the sound included unless `options.sound` is False.
    """
    name, _, folder = spec.partition(":")
    match name:
        case "lite" if not folder:
            return _load_lite(options)
        case "clip" if folder or spec == "clip":
            return _load_clip(spec, Path(folder).expanduser() if folder else None, options)
    raise ConfigError(f"there are no encoders {spec!r}, needed one of {', '.join(NAMES)}")


def _load_lite(options: EncoderOptions) -> Encoders:
    from avadclip.encoders.lite import LiteVisualEncoder
    from avadclip.encoders.log_mel import LogMelEncoder

    without_effect = sorted(
        name
        for name in EncoderOptions.model_fields.keys() - OPTIONS_FOR_ALL
        if getattr(options, name) != getattr(DEFAULTS, name)
    )
    if without_effect:
        raise ConfigError(f"the lite encoders have no option {', '.join(without_effect)}; leave it out or use clip")
    return Encoders("lite", LiteVisualEncoder(), LogMelEncoder() if options.sound else None, text=None)


def _load_clip(spec: str, folder: Path | None, options: EncoderOptions) -> Encoders:
    # Imported here: a run with `lite` needs none of it.
    from avadclip.encoders.clip_text import ClipTextEncoder, ClipTokenizer
    from avadclip.encoders.clip_visual import ClipVisualEncoder
    from avadclip.encoders.wav2clip import Wav2ClipEncoder
    from avadclip.encoders.weights import find_clip, find_wav2clip, load_clip, load_wav2clip

    _check_device(options.device)
    files = find_clip(folder)
    sound_weights = find_wav2clip(folder) if options.sound else None  # before anything large is read
    clip = load_clip(files.weights)
    visual = ClipVisualEncoder(
        clip,
        frames_per_snippet=options.frames_per_snippet,
        framing=options.framing,
        num_crops=options.num_crops,
        snippet_frames=options.snippet_frames,
        device=options.device,
        precision=options.precision,
    )
    text = ClipTextEncoder(clip, ClipTokenizer(files.tokenizer), device=options.device)
    audio = None
    if sound_weights is not None:
        audio = Wav2ClipEncoder(
            load_wav2clip(sound_weights),
            window_seconds=options.audio_window_seconds,
            normalisation=options.audio_normalisation,
            device=options.device,
        )
    return Encoders(spec, visual, audio, text)


def _check_device(name: str) -> None:
    try:
        kind = torch.empty(0, device=name).device.type
    except (RuntimeError, AssertionError) as error:
        reason = (str(error).splitlines() or ["unknown"])[0]
        raise ConfigError(f"device {name!r} cannot be used here ({reason}); use cpu, or one that torch finds") from None
    if kind == "cuda":
        torch.backends.cudnn.allow_tf32 = False  # torch's default cuts the inputs of convolutions to 10 bits
