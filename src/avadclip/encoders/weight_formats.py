"""Reads the published weight files: safetensors, pickles (nothing in them is run) and OpenAI's TorchScript archive."""

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
_OPENAI_TRANSPOSED = ("visual.proj", "text_projection")  # kept for x @ W there, for a linear layer here
_OPENAI_SETTINGS = ("input_resolution", "context_length", "vocab_size")  # stored beside the weights

_WAV2CLIP_PREFIXES = {
    "audio_encoder.": "resnet.",
    "audio_transform.sequential.0.": "projection.0.",
    "audio_transform.sequential.3.": "projection.2.",
}
# The window is a constant, batches are no longer counted, and VGGSound's classifier is not part of the embedding.
_WAV2CLIP_UNUSED = ("spectrogram.window", "num_batches_tracked", "audio_encoder.fc.weight", "audio_encoder.fc.bias")

MAX_PICKLE_BYTES = 2**31  # three times CLIP in float32; none of the published files comes near

ModuleT = TypeVar("ModuleT", bound=FrozenModule)


def clip_from_safetensors(path: Path) -> Clip:
    """CLIP from Hugging Face's or our model.safetensors."""
    return _empty(Clip).load_tensors(_read_safetensors(path), str(path))


def wav2clip_from_safetensors(path: Path) -> Wav2Clip:
    """Wav2CLIP from a converted file."""
    return _empty(Wav2Clip).load_tensors(_read_safetensors(path), str(path))


def clip_from_pickle(path: Path) -> Clip:
    """CLIP from Hugging Face's pytorch_model.bin."""
    return _empty(Clip).load_tensors(read_pickled(path), str(path))


def wav2clip_from_pickle(path: Path) -> Wav2Clip:
    """Wav2CLIP from the published Wav2CLIP.pt."""
    renamed = {}
    for name, tensor in read_pickled(path).items():
        prefix = next((prefix for prefix in _WAV2CLIP_PREFIXES if name.startswith(prefix)), None)
        if prefix and not name.endswith(_WAV2CLIP_UNUSED):
            renamed[_WAV2CLIP_PREFIXES[prefix] + name.removeprefix(prefix)] = tensor
    return _empty(Wav2Clip).load_tensors(renamed, str(path))


def clip_from_openai(path: Path) -> Clip:
    """CLIP from OpenAI's ViT-B-16.pt. The only place that opens TorchScript, and only after looking at the archive."""
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
    """CLIP from tensors under OpenAI's names; raises WeightsError, which begins with `source`."""
    return _empty(Clip).load_tensors(hugging_face_names(state), source)


def hugging_face_names(openai: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """CLIP's tensors from OpenAI's names to Hugging Face's: q, k and v apart, projections transposed.

    A name or a shape that OpenAI's CLIP does not have is passed on, for the caller's check to refuse.
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
    """A flat dict of tensors from a file of torch.save, without running anything in it.

    Raises:
        WeightsError: unreadable, larger than anything published, or it holds anything but named tensors.
    """
    try:
        _check_archive(path)
        with warnings.catch_warnings(action="ignore"):  # about odd pickles, which are refused or fine
            found = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except WeightsError:
        raise
    except Exception as error:  # a damaged pickle can fail in any way
        raise WeightsError(f"{path} cannot be read as weights ({_why_unreadable(error)}); download it again") from None
    if not isinstance(found, dict) or not all(isinstance(tensor, Tensor) for tensor in found.values()):
        raise WeightsError(
            f"{path} holds a {type(found).__name__}, needed a flat dict of tensors; use the published file"
        )
    for name, tensor in found.items():
        if not isinstance(name, str) or not _is_in_the_file(tensor):
            raise WeightsError(
                f"{path} holds {name!r:.60} as something else than plain numbers under a name; use the published file"
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
    """The module with names and shapes but without memory for its weights: they are about to be replaced."""
    with torch.device("meta"):
        return kind()


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path} cannot be read as weights ({first_line(error)}); download it again") from None


def is_torchscript(path: Path) -> bool:
    """Whether the file is a TorchScript archive, judged by its table of contents; any file may be asked about."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def _check_archive(path: Path) -> None:
    """Refuse what would take more memory than the published files do, before anything is read."""
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
    """Whether every number has its place in the file: a pickle may claim any shape over a few bytes, or none."""
    is_plain = tensor.layout == torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized
    return is_plain and tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()


def _why_unreadable(error: Exception) -> str:
    """Torch's own text goes on for a page, and says how to run the code in the file."""
    if isinstance(error, OSError | RuntimeError):
        return first_line(error)
    code = re.search(r"GLOBAL (\S+) was not an allowed", str(error))
    return "it is no file of torch.save" if code is None else f"it holds code, {code[1]}, which is never run"


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
    """What went wrong, short enough for a message of one line."""
    return (str(error).splitlines() or [type(error).__name__])[0]
