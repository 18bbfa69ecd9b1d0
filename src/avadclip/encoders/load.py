"""Loading of encoders by name: `lite`, `lite-1`, `clip`, `clip:FOLDER`, `onnx:PATH`, and those of plug-ins."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal, Self, cast

import torch
from pydantic import BaseModel, Field, model_validator

from avadclip.encoders.base import AudioEncoder, Encoders, Identity, SoundTagger, TextEncoder, VisualEncoder
from avadclip.encoders.device import AUTO, choose_device
from avadclip.encoders.downloads.get import obtain_files
from avadclip.encoders.onnx.encoder import OnnxAudioEncoder, OnnxVisualEncoder
from avadclip.encoders.onnx.manifest import known_manifest, read_manifest
from avadclip.encoders.precision import Precision
from avadclip.encoders.preprocess import Framing
from avadclip.encoders.wav2clip import Normalisation
from avadclip.errors import AvadclipError, ConfigError
from avadclip.plugins import Registry, missing_members
from avadclip.timeline import SNIPPET_FRAMES

NAMES = ("lite", "lite-1", "clip", "clip:FOLDER", "onnx:FOLDER", "onnx:MANIFEST.toml")
OPTIONS_FOR_ALL = {"sound", "device"}
VISUAL_MANIFEST, AUDIO_MANIFEST = "visual.toml", "audio.toml"  # of a user's folder


class EncoderOptions(BaseModel, frozen=True, extra="forbid"):
    """Options of the encoders. All but `sound` and `device` are for `clip`; the others have no other options."""

    frames_per_snippet: int = Field(1, ge=1)
    """Frames whose embeddings are averaged; 1 is the snippet's first frame."""
    snippet_frames: int = Field(SNIPPET_FRAMES, ge=1)
    """Model frames per snippet; CCTV-Fights uses 4."""
    framing: Framing = "centre"
    """`centre`: 224 crop with the aspect kept. `published`: crops of 340 x 256, aspect not kept."""
    num_crops: Literal[1, 5, 10] = 1
    """1: centre; 5: plus four corners; 10: plus mirror images. More than one needs `published` framing."""
    audio_window_seconds: float = Field(1.0, ge=0.1, le=60.0)
    """Length of the audio window centred on each snippet."""
    audio_normalisation: Normalisation = "recording"
    """Unit over which Wav2CLIP's spectrograms are z-scored."""
    sound: bool = True
    """False loads no audio encoder; True fails if its weights are missing."""
    precision: Precision = "fp32"
    """Precision of CLIP's vision tower; audio is always fp32."""
    device: str = AUTO
    """Device of CLIP and Wav2CLIP, see device.choose_device. `lite` always runs on the CPU."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.num_crops > 1 and self.framing != "published":
            raise ValueError(f'{self.num_crops} crops need framing = "published"; "centre" has one')
        if self.frames_per_snippet > self.snippet_frames:
            raise ValueError(f"{self.frames_per_snippet} frames cannot be taken from snippets of {self.snippet_frames}")
        return self

    @classmethod
    def behind(cls, visual: Identity, audio: Identity | None, snippet_frames: int) -> Self:
        """Reconstruct the options of encoders from their identities; defaults for encoders other than CLIP.

        The device does not affect features and keeps its default.
        """
        if visual["name"] != "clip":
            return cls()
        values = {
            "snippet_frames": snippet_frames,
            "frames_per_snippet": len(cast(list[int], visual["frame_offsets"])),
            "framing": visual["framing"],
            "num_crops": visual["num_crops"],
            "precision": visual["precision"],
            "sound": audio is not None,
        }
        if audio is not None:
            values |= {"audio_window_seconds": audio["window_seconds"], "audio_normalisation": audio["normalisation"]}
        return cls.model_validate(values)


DEFAULTS = EncoderOptions()


EncoderLoader = Callable[[Path | None, EncoderOptions], Encoders]
"""What an entry point of `avadclip.encoders` names: loads encoders, of a file or folder where the user gave one.

`options` says whether sound is wanted, and the device, as torch names it; all else has its default.
"""


def load_encoders(spec: str = "lite", options: EncoderOptions = DEFAULTS) -> Encoders:
    """Load the frozen encoders.

    Args:
        spec: `lite`; `lite-1` (that of version 0.1.0); `clip` (Hugging Face's cache, else a download); `clip:FOLDER`
            (a local folder); `onnx:FOLDER` (visual.toml and, for sound, audio.toml: see encoders.onnx.manifest);
            `onnx:MANIFEST.toml` (instead of visual.toml); or a plug-in's `NAME` or `NAME:PATH`.
        options: see EncoderOptions.

    Raises:
        ConfigError: an unknown name, an unsupported option, an unavailable device, or a plug-in that cannot be used.
        WeightsError: missing or damaged weights, including those of audio unless `options.sound` is False.
    """
    name, colon, place = spec.partition(":")
    options = options.model_copy(update={"device": choose_device(options.device, spec, options.precision)})
    if name not in ENCODERS or (colon and not place):
        raise _unknown(spec)
    if name != "clip":
        _refuse_options_of_clip(spec, options)
    path = Path(place).expanduser() if place else None
    load = ENCODERS.find(name)
    loaded = load(path, options) if name in BUILT_IN else _load_plugin(name, load, path, options)
    return loaded._replace(name=spec)


def visual_name(spec: str) -> str:
    """The name that the visual encoder has in its identity; a plug-in's is that of its entry point."""
    name, _, place = spec.partition(":")
    if name == "onnx" and place:
        return read_manifest(visual_manifest(Path(place).expanduser()), "visual").name
    return "lite" if name == "lite-1" else name


def visual_manifest(path: Path) -> Path:
    """The visual encoder's manifest: the file itself, or that of a folder."""
    return path if path.suffix == ".toml" else path / VISUAL_MANIFEST


def load_tagger() -> OnnxAudioEncoder:
    """Load YAMNet, which names sounds; WeightsError where its weights are missing and cannot be downloaded."""
    manifest = known_manifest("yamnet")
    return OnnxAudioEncoder(manifest, obtain_files(manifest))


def _load_plugin(name: str, load: EncoderLoader, path: Path | None, options: EncoderOptions) -> Encoders:
    origin = ENCODERS.origin(name)
    try:
        loaded = load(path, options)
    except AvadclipError:
        raise
    except Exception as error:  # a plug-in may raise anything
        raise ConfigError(f"{origin} cannot load ({type(error).__name__}: {error}); see its documentation") from error
    if not isinstance(loaded, Encoders):
        raise ConfigError(f"{origin} returns a {type(loaded).__name__}, needed avadclip.Encoders; update it")
    parts = {VisualEncoder: loaded.visual, AudioEncoder: loaded.audio, SoundTagger: loaded.tagger}
    for protocol, part in {**parts, TextEncoder: loaded.text}.items():
        missing = missing_members(part, protocol)
        if missing and (part is not None or protocol is VisualEncoder):
            raise ConfigError(
                f"{origin} is no {protocol.__name__}: {type(part).__name__} lacks {', '.join(missing)}; update it"
            )
    return loaded


def _load_lite(path: Path | None, options: EncoderOptions) -> Encoders:
    from avadclip.encoders.lite import LiteVisualEncoder

    if path is not None:
        raise _unknown(f"lite:{path}")
    tagger = load_tagger() if options.sound else None
    return Encoders("lite", LiteVisualEncoder(), tagger, text=None, tagger=tagger)


def _load_lite_1(path: Path | None, options: EncoderOptions) -> Encoders:
    from avadclip.encoders.lite import LiteVisualEncoder
    from avadclip.encoders.log_mel import LogMelEncoder

    if path is not None:
        raise _unknown(f"lite-1:{path}")
    return Encoders("lite-1", LiteVisualEncoder(), LogMelEncoder() if options.sound else None, text=None)


def _load_onnx(path: Path | None, options: EncoderOptions) -> Encoders:
    if path is None:
        raise _unknown("onnx")
    file = visual_manifest(path)
    folder = file.parent
    visual = read_manifest(file, "visual")
    audio, tagger = None, None
    if options.sound and (folder / AUDIO_MANIFEST).exists():
        audio = OnnxAudioEncoder(read_manifest(folder / AUDIO_MANIFEST, "audio"), folder)
        tagger = audio if audio.names else None
    return Encoders("onnx", OnnxVisualEncoder(visual, folder, num_threads=torch.get_num_threads()), audio, None, tagger)


def _unknown(spec: str) -> ConfigError:
    plugins = [name for name in ENCODERS.names() if name not in BUILT_IN]
    return ConfigError(f"unknown encoders {spec!r}, needed one of {', '.join([*NAMES, *plugins])}")


def _refuse_options_of_clip(spec: str, options: EncoderOptions) -> None:
    without_effect = sorted(
        name
        for name in EncoderOptions.model_fields.keys() - OPTIONS_FOR_ALL
        if getattr(options, name) != getattr(DEFAULTS, name)
    )
    if without_effect:
        raise ConfigError(f"the encoders {spec} do not support {', '.join(without_effect)}; omit it or use clip")


def _load_clip(folder: Path | None, options: EncoderOptions) -> Encoders:
    # Imported here, since `lite` does not need it.
    from avadclip.encoders.clip_text import ClipTextEncoder, ClipTokenizer
    from avadclip.encoders.clip_visual import ClipVisualEncoder
    from avadclip.encoders.wav2clip import Wav2ClipEncoder
    from avadclip.encoders.weights import find_clip, find_wav2clip, load_clip, load_wav2clip

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
    return Encoders("clip", visual, audio, text)


def _problem_of(part: object) -> str | None:
    return None if callable(part) else f"it is a {type(part).__name__}, needed a function that returns Encoders"


BUILT_IN: dict[str, EncoderLoader] = {
    "lite": _load_lite,
    "lite-1": _load_lite_1,
    "clip": _load_clip,
    "onnx": _load_onnx,
}
ENCODERS = Registry("encoder", "avadclip.encoders", BUILT_IN, BUILT_IN.__getitem__, _problem_of)
"""All encoders by the name before the colon."""
