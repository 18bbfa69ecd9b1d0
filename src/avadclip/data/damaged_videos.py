"""Features of damaged videos: the damaged modality is encoded again, the other one copied from the clean features.

Their provenance names the damage, so checkpoints refuse them; only a robustness run scores them.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from avadclip.data.bags import Bag
from avadclip.data.damage import draw_donors
from avadclip.data.names import NameIndex, normal_name
from avadclip.encoders.base import Encoders, Identity
from avadclip.errors import DataError, FeatureError
from avadclip.features.batch import content_sha256, is_current
from avadclip.features.extract import encode_picture, encode_sound, provenance_of
from avadclip.features.snippets import Provenance, SnippetFeatures
from avadclip.features.store import read_features, write_features
from avadclip.media.audio import SoundReader
from avadclip.media.damage import (
    DamagedPicture,
    DamageName,
    ForeignSound,
    LateSound,
    MutedSound,
    NoisySound,
    SoundDamage,
    SoundSource,
)
from avadclip.media.probe import MediaFile
from avadclip.media.suffixes import VIDEO_SUFFIXES
from avadclip.media.video import VideoReader


class VideoDamage:
    """Features of the bags' videos under damage; up-to-date files in the folder are reused.

    Args:
        bags: bags with features from `avadclip extract`, also the source of foreign audio.
        videos: one per bag, in the same order.
        encoders: the encoders of the bags' features.
        folder: folder of feature files, with one sub-folder per damage.

    Raises:
        DataError: a bag has sound, but no other recording has sound to replace it.
    """

    of: Literal["videos"] = "videos"

    def __init__(self, bags: Sequence[Bag], videos: Sequence[Path], encoders: Encoders, folder: Path) -> None:
        self._bags = bags
        self._videos = videos
        self._encoders = encoders
        self._folder = folder
        self._donors = draw_donors(bags)

    def __call__(self, index: int, damage: DamageName) -> SnippetFeatures:
        """Features of bag `index` under a damage; raises as extract_damaged."""
        donor = None
        if damage == "foreign" and index in self._donors:
            other = self._donors[index]
            donor = Donor(self._videos[other], self._bags[other].load())
        target = self._folder / damage.replace(" ", "-") / f"{self._bags[index].name.replace('/', '_')}.safetensors"
        clean = self._bags[index].load()
        return keep_damaged(target, self._videos[index], self._encoders, damage, clean=clean, donor=donor)


def find_videos(bags: Sequence[Bag], folder: Path) -> list[Path]:
    """Find the video of every bag: at the bag's path below the folder, else by a unique name anywhere below it.

    Raises:
        DataError: a bag has no video, or several candidates.
    """
    videos = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in VIDEO_SUFFIXES]
    by_path = {path.relative_to(folder).as_posix(): path for path in videos}
    by_name: dict[str, list[Path]] = {}
    for path in videos:
        by_name.setdefault(normal_name(path.stem), []).append(path)
    names = NameIndex(by_path)
    return [_find_video(bag.name, folder, names, by_name) for bag in bags]


def _find_video(video: str, folder: Path, names: NameIndex, by_name: Mapping[str, list[Path]]) -> Path:
    at_path = names.find(video)
    if at_path is not None:
        return folder / at_path
    # Names may hold dots and no suffix: `Bad.Boys.1995__#00-26-51_00-27-53_label_B2-0-0`.
    name = Path(normal_name(video))
    found = by_name.get(name.name) or by_name.get(name.stem) or []
    if len(found) == 1:
        return found[0]
    many = f"; {found[0]} and {found[1]} both match" if found else ""
    raise DataError(
        f"{folder} has no unique video {video}{many}; give the folder that the labels' paths are relative to"
    )


DAMAGE_VERSION = 1  # part of the provenance; increased with every change of media.damage that affects features


class Donor(NamedTuple):
    """The video with the foreign audio."""

    path: Path
    clean: SnippetFeatures


def extract_damaged(
    path: Path, encoders: Encoders, damage: DamageName, *, clean: SnippetFeatures, donor: Donor | None = None
) -> SnippetFeatures:
    """Encode a video under a damage.

    Args:
        path: the video of the clean features.
        encoders: the encoders of the clean features.
        damage: damage to its frames or audio. For a video without a sound track, an audio damage changes only the
            provenance.
        clean: its features from extract_features; the undamaged modality is copied.
        donor: a video with sound, for the damage `foreign`.

    Raises:
        FeatureError: the clean features have another provenance.
        MediaError: the file cannot be read.
    """
    provenance = _damaged_provenance(path, encoders, damage, clean=clean, donor=donor)
    match damage:
        case "black" | "dark" | "half covered":
            frames = DamagedPicture(VideoReader(path, frame_size=encoders.visual.frame_size), damage)
            visual = encode_picture(frames, path, encoders.visual, provenance.grid)
            return dataclasses.replace(clean, visual=visual, provenance=provenance)
    if clean.audio is None or encoders.audio is None:
        return dataclasses.replace(clean, provenance=provenance)
    sound = _damage_sound(path, damage, clean, donor)
    audio = encode_sound(sound, encoders.audio, provenance.grid, len(clean))
    silent = sound.report.silent
    return dataclasses.replace(clean, audio=audio, tags=None, provenance=provenance, sound_is_silent=silent)


def keep_damaged(
    target: Path,
    path: Path,
    encoders: Encoders,
    damage: DamageName,
    *,
    clean: SnippetFeatures,
    donor: Donor | None = None,
) -> SnippetFeatures:
    """Read the feature file `target` if it has this content, damage and encoders; else extract and write it.

    See extract_damaged; FeatureError if the clean features are of other content.
    """
    needed = _damaged_provenance(path, encoders, damage, clean=clean, donor=donor)
    if clean.source_sha256 is not None and is_current(target, needed, clean.source_sha256, clean.audio_track):
        return read_features(target)
    if content_sha256(path) != clean.source_sha256:
        raise FeatureError(f"{path} has changed since its features were extracted; extract them again")
    features = extract_damaged(path, encoders, damage, clean=clean, donor=donor)
    write_features(target, features)
    return features


def _damaged_provenance(
    path: Path, encoders: Encoders, damage: DamageName, *, clean: SnippetFeatures, donor: Donor | None
) -> Provenance:
    """Provenance of damaged features; FeatureError if the clean ones were made with other encoders."""
    if clean.provenance is None:
        raise FeatureError(
            f"the features of {path} have no provenance, so matching damaged features cannot be extracted; "
            "extract them with `avadclip extract`"
        )
    provenance = provenance_of(encoders, clean.provenance.grid)
    difference = provenance.difference(clean.provenance)
    if difference is not None:
        raise FeatureError(f"the clean features of {path} do not match ({difference}); extract them again")
    identity: Identity = {"name": damage, "version": DAMAGE_VERSION}
    if damage == "foreign":
        identity["donor_sha256"] = None if donor is None else donor.clean.source_sha256
    return provenance.model_copy(update={"damage": identity})


def _damage_sound(path: Path, damage: SoundDamage, clean: SnippetFeatures, donor: Donor | None) -> SoundSource:
    reader = SoundReader(MediaFile.open(path, audio_track=clean.audio_track))
    if damage == "muted":
        return MutedSound(reader)
    if damage == "late":
        return LateSound(reader)
    if damage == "noisy":
        # The noise depends on the content, so that it is reproducible.
        seed = int((clean.source_sha256 or "0")[:8], 16)
        return NoisySound(reader, clean.duration_seconds, seed)
    if donor is None:
        raise ValueError("foreign sound needs a donor")
    foreign = SoundReader(MediaFile.open(donor.path, audio_track=donor.clean.audio_track))
    return ForeignSound(foreign, donor.clean.duration_seconds)
