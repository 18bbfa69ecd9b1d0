"""Conversion of published encoder weights to safetensors, so that detection never unpickles."""

from pathlib import Path
from typing import NamedTuple

from avadclip.encoders.clip import Clip
from avadclip.encoders.downloads.get import WAV2CLIP_FILES
from avadclip.encoders.downloads.hub import CLIP_FILES, TOKENIZER_FILE
from avadclip.encoders.frozen import FrozenModule
from avadclip.encoders.weight_formats import (
    clip_from_openai,
    clip_from_pickle,
    is_torchscript,
    read_pickled,
    wav2clip_from_pickle,
    write_weights,
)
from avadclip.errors import WeightsError
from avadclip.files import write_atomically


class Converted(NamedTuple):
    """A written file, and a note for the user, which may be empty."""

    path: Path
    note: str


def convert_weights(source: Path, out_folder: Path) -> Converted:
    """Convert a supported published file: ViT-B-16.pt, pytorch_model.bin or Wav2CLIP.pt.

    Raises:
        WeightsError: unsupported or damaged file, or the converted file exists already.
    """
    if is_torchscript(source):
        return convert_openai_clip(source, out_folder)
    tensors = read_pickled(source)
    if any(name.startswith("audio_encoder.") for name in tensors):
        return _convert_wav2clip(source, out_folder)
    if any(name.startswith("vision_model.") for name in tensors):
        return Converted(_write_new(clip_from_pickle(source), out_folder / CLIP_FILES[0]), _tokenizer_note(out_folder))
    raise WeightsError(
        f"{source} contains neither CLIP nor Wav2CLIP (its first tensor is {next(iter(tensors), 'none')});"
        " needed: OpenAI's ViT-B-16.pt, Hugging Face's pytorch_model.bin, Wav2CLIP.pt,"
        " or both files of the authors' model, model_xd_t.pth model_xd_s.pth"
    )


def convert_openai_clip(source: Path, out_folder: Path) -> Converted:
    """Convert OpenAI's ViT-B-16.pt, a TorchScript archive, to `model.safetensors` with Hugging Face's names in float32.

    Raises:
        WeightsError: not such an archive, not of the size or shapes of ViT-B/16, or the converted file exists already.
    """
    return Converted(_write_new(clip_from_openai(source), out_folder / CLIP_FILES[0]), _tokenizer_note(out_folder))


def _convert_wav2clip(source: Path, out_folder: Path) -> Converted:
    """Convert the published Wav2CLIP.pt to `wav2clip.safetensors` with this package's names.

    Raises:
        WeightsError: unreadable, other names or shapes, or the converted file exists already.
    """
    return Converted(_write_new(wav2clip_from_pickle(source), out_folder / WAV2CLIP_FILES[0]), "")


def write_clip_folder(clip: Clip, tokenizer: Path, folder: Path) -> None:
    """Write a folder for `--encoders clip:FOLDER`.

    Raises:
        WeightsError: the folder contains CLIP already, or cannot be written.
    """
    _write_new(clip, folder / CLIP_FILES[0])
    if tokenizer != folder / TOKENIZER_FILE:
        write_atomically(folder / TOKENIZER_FILE, tokenizer.read_bytes())


def refuse_to_overwrite(path: Path) -> None:
    """Raise WeightsError if the path exists."""
    if path.exists():
        raise WeightsError(f"{path} exists already and is not overwritten; remove it or choose another path")


def _write_new(module: FrozenModule, path: Path) -> Path:
    refuse_to_overwrite(path)
    return write_weights(module, path)


def _tokenizer_note(folder: Path) -> str:
    if (folder / TOKENIZER_FILE).exists():
        return ""
    return f"{TOKENIZER_FILE} is also needed; without it in this folder, it is downloaded on first use (2 MB)"
