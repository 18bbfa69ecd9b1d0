"""Readers of published weight files: safetensors, pickles (without running code) and OpenAI's TorchScript archive."""

import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from avadclip.encoders.clip import Clip
from avadclip.encoders.frozen import FrozenModule
from avadclip.encoders.wav2clip import Wav2Clip
from avadclip.errors import WeightsError
from avadclip.files import atomic_path

# Parts of names in OpenAI's state dict and what Hugging Face calls them, longest first.
_OPENAI_PREFIXES = {
    "visual.transformer.resblocks.": "vision_model.encoder.layers.",
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.conv1.": "vision_model.embeddings.patch_embedding.",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.ln_pre.": "vision_model.pre_layrnorm.",
    "visual.ln_post.": "vision_model.post_layernorm.",
    "visual.proj": "visual_projection.weight",
    "transformer.resblocks.": "text_model.encoder.layers.",
    "token_embedding.": "text_model.embeddings.token_embedding.",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "ln_final.": "text_model.final_layer_norm.",
    "text_projection": "text_projection.weight",
}
_OPENAI_BLOCK_PARTS = {
    ".attn.": ".self_attn.",
    ".ln_1.": ".layer_norm1.",
    ".ln_2.": ".layer_norm2.",
    ".mlp.c_fc.": ".mlp.fc1.",
    ".mlp.c_proj.": ".mlp.fc2.",
}
_OPENAI_TRANSPOSED = ("visual.proj", "text_projection")  # stored for x @ W there, for a linear layer here
_OPENAI_SETTINGS = ("input_resolution", "context_length", "vocab_size")  # stored with the weights

_WAV2CLIP_PREFIXES = {
    "audio_encoder.": "resnet.",
    "audio_transform.sequential.0.": "projection.0.",
    "audio_transform.sequential.3.": "projection.2.",
}
# The window is a constant, batches are no longer counted, and VGGSound's classifier is not part of the embedding.
_WAV2CLIP_UNUSED = ("spectrogram.window", "num_batches_tracked", "audio_encoder.fc.weight", "audio_encoder.fc.bias")

MAX_PICKLE_BYTES = 2**31  # three times CLIP in float32, well above all published files

ModuleT = TypeVar("ModuleT", bound=FrozenModule)


def clip_from_safetensors(path: Path) -> Clip:
    """Load CLIP from model.safetensors, Hugging Face's or converted."""
    return _empty(Clip).load_tensors(_read_safetensors(path), str(path))


def wav2clip_from_safetensors(path: Path) -> Wav2Clip:
    """Load Wav2CLIP from a converted file."""
    return _empty(Wav2Clip).load_tensors(_read_safetensors(path), str(path))


def clip_from_pickle(path: Path) -> Clip:
    """Load CLIP from Hugging Face's pytorch_model.bin."""
    return _empty(Clip).load_tensors(read_pickled(path), str(path))


def wav2clip_from_pickle(path: Path) -> Wav2Clip:
    """Load Wav2CLIP from the published Wav2CLIP.pt."""
    renamed = {}
    for name, tensor in read_pickled(path).items():
        prefix = next((prefix for prefix in _WAV2CLIP_PREFIXES if name.startswith(prefix)), None)
        if prefix and not name.endswith(_WAV2CLIP_UNUSED):
            renamed[_WAV2CLIP_PREFIXES[prefix] + name.removeprefix(prefix)] = tensor
    return _empty(Wav2Clip).load_tensors(renamed, str(path))


def clip_from_openai(path: Path) -> Clip:
    """Load CLIP from OpenAI's ViT-B-16.pt, the only TorchScript file that is opened, after a check of the archive."""
    _check_torchscript(path, num_weights=sum(tensor.numel() for tensor in _empty(Clip).state_dict().values()))
    try:
        with warnings.catch_warnings(action="ignore"):  # torch has deprecated the format, OpenAI has not
            state = torch.jit.load(path, map_location="cpu").state_dict()  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        raise WeightsError(
            f"{path} is a damaged TorchScript archive ({first_line(error)}); download it again"
        ) from None
    return clip_from_openai_tensors(state, str(path))


def clip_from_openai_tensors(state: Mapping[str, Tensor], source: str) -> Clip:
    """Load CLIP from tensors with OpenAI's names; WeightsError begins with `source`."""
    return _empty(Clip).load_tensors(hugging_face_names(state), source)


def hugging_face_names(openai: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename CLIP's tensors from OpenAI's to Hugging Face's names, with q, k and v split and projections transposed.

    Unknown names and shapes are kept, for the caller's check to refuse.
    """
    renamed = {}
    for name, tensor in openai.items():
        if name in _OPENAI_SETTINGS:
            continue
        prefix = next((prefix for prefix in _OPENAI_PREFIXES if name.startswith(prefix)), "")
        new_name = _OPENAI_PREFIXES.get(prefix, "") + name.removeprefix(prefix)
        for old, new in _OPENAI_BLOCK_PARTS.items():
            new_name = new_name.replace(old, new)
        if ".in_proj_" in new_name and tensor.dim() > 0:
            for letter, part in zip("qkv", tensor.tensor_split(3), strict=True):
                renamed[new_name.replace(".in_proj_", f".{letter}_proj.")] = part
        else:
            renamed[new_name] = tensor.T if name in _OPENAI_TRANSPOSED and tensor.dim() == 2 else tensor
    return renamed


def read_pickled(path: Path) -> dict[str, Tensor]:
    """Read a flat dict of tensors from a file of torch.save, without running code in it.

    Raises:
        WeightsError: unreadable, larger than any published file, or with other content than named tensors.
    """
    try:
        _check_archive(path)
        with warnings.catch_warnings(action="ignore"):  # about unusual pickles, which are refused or harmless
            found = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except WeightsError:
        raise
    except Exception as error:  # a damaged pickle can fail in any way
        raise WeightsError(f"{path} cannot be read as weights ({_why_unreadable(error)}); download it again") from None
    if not isinstance(found, dict) or not all(isinstance(tensor, Tensor) for tensor in found.values()):
        raise WeightsError(
            f"{path} contains a {type(found).__name__}, needed a flat dict of tensors; use the published file"
        )
    for name, tensor in found.items():
        if not isinstance(name, str) or not _is_in_the_file(tensor):
            raise WeightsError(
                f"{path} contains {name!r:.60}, which is not a named plain tensor; use the published file"
            )
    return found


def write_weights(module: FrozenModule, path: Path) -> Path:
    """Write the weights as safetensors, whole or not at all. Returns the path."""
    tensors = {name: tensor.contiguous() for name, tensor in module.state_dict().items()}
    try:
        with atomic_path(path) as temporary:
            save_file(tensors, temporary, {"format": "pt"})
    except (OSError, SafetensorError) as error:
        raise WeightsError(
            f"{path} cannot be written ({first_line(error)}); free space or choose another folder"
        ) from None
    return path


def _empty(kind: type[ModuleT]) -> ModuleT:
    """Create the module without memory for its weights, which are loaded next."""
    with torch.device("meta"):
        return kind()


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path} cannot be read as weights ({first_line(error)}); download it again") from None


def is_torchscript(path: Path) -> bool:
    """Whether the file is a TorchScript archive, judged by its table of contents; works for any file."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def _check_archive(path: Path) -> None:
    """Refuse files that need more memory than the published ones, before reading them."""
    size = path.stat().st_size
    if size > MAX_PICKLE_BYTES:
        raise WeightsError(
            f"{path} has {size / 1e9:.1f} GB, needed at most {MAX_PICKLE_BYTES / 1e9:.1f} GB; use the published file"
        )
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                raise WeightsError(f"{path} is a compressed archive, which torch never writes; use the published file")


def _is_in_the_file(tensor: Tensor) -> bool:
    """Whether all numbers are stored in the file: a pickle may declare any shape over a few bytes."""
    is_plain = tensor.layout == torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized
    return is_plain and tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()


def _why_unreadable(error: Exception) -> str:
    """Shorten torch's message, which is a page long and explains how to run the code in the file."""
    if isinstance(error, OSError | RuntimeError):
        return first_line(error)
    code = re.search(r"GLOBAL (\S+) was not an allowed", str(error))
    return "it is not a file of torch.save" if code is None else f"it contains code, {code[1]}, which is never run"


def _check_torchscript(path: Path, num_weights: int) -> None:
    if not path.is_file():
        raise WeightsError(f"{path} is not a file; needed OpenAI's ViT-B-16.pt")
    if not is_torchscript(path):
        raise WeightsError(f"{path} is not a TorchScript archive, needed OpenAI's ViT-B-16.pt as published")
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
    fewest, most = num_weights * 2, num_weights * 4 + 2**26  # all in half precision; all in full, and code
    if not (fewest <= path.stat().st_size <= most and unpacked <= most):
        raise WeightsError(
            f"{path} unpacks to {unpacked / 1e6:.0f} MB, needed {fewest / 1e6:.0f} to {most / 1e6:.0f} MB"
            " for CLIP ViT-B/16; use OpenAI's ViT-B-16.pt as published"
        )


def first_line(error: Exception) -> str:
    """First line of an error, shortened for a one-line message."""
    return (str(error).splitlines() or [type(error).__name__])[0]
