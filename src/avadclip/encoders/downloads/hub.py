"""Files of the Hugging Face hub: CLIP, in the hub's own cache, and archives of other encoders."""

import os
from pathlib import Path
from typing import NamedTuple

from avadclip.encoders.downloads import notice
from avadclip.encoders.downloads.cache import check_record, file_sha256
from avadclip.encoders.downloads.notice import FORBIDDEN, announce, is_offline
from avadclip.encoders.downloads.sources import HubSource
from avadclip.encoders.downloads.transfer import fetch
from avadclip.errors import WeightsError

CLIP_REPO = "openai/clip-vit-base-patch16"
CLIP_REVISION = "57c216476eefef5ab752ec549e440a49ae4ae5f3"  # a commit, so that the weights cannot change
CLIP_FILES = ("model.safetensors", "pytorch_model.bin")  # in order of preference; the pinned revision has the second
TOKENIZER_FILE = "tokenizer.json"
CLIP_BYTES = 601_000_000  # about, with the tokenizer
_WHAT = {TOKENIZER_FILE: ("CLIP's tokenizer", 2_200_000)}
WITHOUT_CLIP = "`--encoders lite` and the starter model work without it"


class ClipFiles(NamedTuple):
    """Files of CLIP."""

    weights: Path
    tokenizer: Path


def fetch_archive(source: HubSource, folder: Path, *, max_bytes: int) -> Path:
    """Download an archive from the hub into a folder; raises WeightsError."""
    target = folder / Path(source.path).name
    fetch(f"{hub_endpoint()}/{source.repo}/resolve/{source.revision}/{source.path}", target, max_bytes=max_bytes)
    return target


def clip_from_hub() -> ClipFiles:
    """Get CLIP from the hub's cache, or by a download; raises WeightsError."""
    weights = in_hub_cache(*CLIP_FILES)
    return ClipFiles(weights or from_hub(*CLIP_FILES), from_hub(TOKENIZER_FILE, is_announced=weights is None))


def clip_in_cache() -> ClipFiles | None:
    """CLIP in the hub's cache, None where one of its files is missing."""
    weights, tokenizer = in_hub_cache(*CLIP_FILES), in_hub_cache(TOKENIZER_FILE)
    return None if weights is None or tokenizer is None else ClipFiles(weights, tokenizer)


def in_hub_cache(*names: str) -> Path | None:
    """The first of these files of CLIP that is in the hub's cache on this machine."""
    from huggingface_hub import try_to_load_from_cache  # slow to import, and local folders do not need it

    for name in names:
        path = try_to_load_from_cache(CLIP_REPO, name, revision=CLIP_REVISION)
        if isinstance(path, str):
            return Path(path)
    return None


def from_hub(*names: str, remedy: str = WITHOUT_CLIP, is_announced: bool = False) -> Path:
    """Get the first of these files of CLIP that the repository has, from the hub's cache or by a download.

    Args:
        names: in order of preference.
        remedy: what else the user can do, for the message.
        is_announced: whether the line before a download was printed already.

    Raises:
        WeightsError: not on this machine, and downloads are forbidden or fail.
    """
    cached = in_hub_cache(*names)
    if cached is not None:
        return cached
    try:
        if is_offline():
            raise WeightsError(FORBIDDEN)
        return _download(*names, is_announced=is_announced)
    except WeightsError as error:
        raise WeightsError(
            f"CLIP's {' or '.join(names)} is not on this machine and cannot be downloaded ({error}): with a network,"
            f" `avadclip weights get clip`; {remedy}"
        ) from error


def _download(*names: str, is_announced: bool) -> Path:
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if not notice.announces:
        disable_progress_bars()

    for name in names:
        try:
            # Checked first, since it fails at once without a network, while the download retries for half a minute.
            url = hf_hub_url(CLIP_REPO, name, revision=CLIP_REVISION, endpoint=hub_endpoint())
            etag = get_hf_file_metadata(url).etag
            if not is_announced:
                announce(*_WHAT.get(name, ("CLIP ViT-B/16", CLIP_BYTES)), f"Hugging Face, {CLIP_REPO}")
            path = Path(hf_hub_download(CLIP_REPO, name, revision=CLIP_REVISION, endpoint=hub_endpoint()))
        except Exception as error:  # the HTTP library of the hub's client has its own exceptions
            if not isinstance(error, EntryNotFoundError) or isinstance(error, LocalEntryNotFoundError):
                raise WeightsError((str(error).splitlines() or [type(error).__name__])[0]) from error
        else:
            _check(path, etag, url)
            return path
    raise WeightsError("the repository has no such file")


def _check(path: Path, etag: str | None, url: str) -> None:
    """Compare a large file with the hub's own hash, and every file with its first download."""
    try:
        if etag is not None and len(etag) == 64 and etag != file_sha256(path):
            raise WeightsError(f"{path.name} has another SHA-256 than the hub's {etag}")
        check_record(path, f"clip/{path.name}", url)
    except WeightsError:
        path.resolve().unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        raise


def hub_endpoint() -> str:
    """The address of the hub, or of a mirror that HF_ENDPOINT names."""
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
