"""`avadclip-xd`: the authors' weights for XD-Violence, downloaded and converted once."""

from pathlib import Path

from avadclip.encoders.downloads.cache import cache_folder, in_caches
from avadclip.encoders.downloads.get import obtain, obtain_by
from avadclip.encoders.downloads.hub import CLIP_FILES
from avadclip.encoders.downloads.notice import announce
from avadclip.encoders.weight_formats import MAX_PICKLE_BYTES
from avadclip.encoders.weights import KnownWeights, find_tokenizer
from avadclip.errors import AvadclipError, WeightsError
from avadclip.inference.checkpoint import RELEASE
from avadclip.inference.published_weights import drive
from avadclip.inference.published_weights.conversion import convert_released

DRIVE_FOLDER = "1FwVnaUKBUOPKVxsc_Rx0z7Sha2lp1Gmx"
TEACHER, STUDENT = "model_xd_t.pth", "model_xd_s.pth"
NUM_BYTES = 1_300_000_000  # about, both files; each contains CLIP
PLACE = "the authors' Google Drive folder"
ENCODER_FOLDER = "clip"


def find_release() -> Path | None:
    """The converted checkpoint, None if it is not on this machine."""
    return in_caches(f"{RELEASE}/{RELEASE}.safetensors")


def obtain_release() -> Path:
    """The converted checkpoint, with the encoders that its header names; downloaded if it is not on this machine.

    Raises:
        WeightsError: it is not here, and downloads are forbidden or fail, or the files are not the published ones.
    """
    by_hand = f"`avadclip weights convert {TEACHER} {STUDENT} --keep-encoder FOLDER`"
    return obtain_by(RELEASE, "the authors' model", find_release, _download, by_hand=by_hand)


def known_release() -> KnownWeights:
    """Its row of `avadclip weights list`."""
    what = "the authors' model for XD-Violence, with CLIP"
    return KnownWeights(RELEASE, what, PLACE, NUM_BYTES, "Apache-2.0", find_release())


def _folder() -> Path:
    return cache_folder() / RELEASE


def _download() -> Path:
    folder = _folder()
    obtain("wav2clip")
    find_tokenizer(folder / ENCODER_FOLDER)
    announce("the authors' model for XD-Violence", NUM_BYTES, PLACE)
    for name, file_id in drive.find_files(DRIVE_FOLDER, (TEACHER, STUDENT)).items():
        if not (folder / name).exists():
            drive.fetch_file(file_id, folder / name, max_bytes=MAX_PICKLE_BYTES)
    return _convert(folder)


def _convert(folder: Path) -> Path:
    """Convert both files inside the folder. The checkpoint is written last, so where it is, all is there."""
    out, encoder = folder / f"{RELEASE}.safetensors", folder / ENCODER_FOLDER
    (encoder / CLIP_FILES[0]).unlink(missing_ok=True)  # of a conversion that was interrupted
    try:
        convert_released(folder / TEACHER, folder / STUDENT, out, keep_encoder=encoder)
    except AvadclipError as error:
        raise WeightsError(f"{error}; to download again, remove {folder}") from error
    for name in (TEACHER, STUDENT):
        (folder / name).unlink()
    return out
