"""Damage applied to features, as analogues of media.damage for data without videos.

The same operations on feature rows instead of pixels and samples. An encoder does not map a black frame to zeros, nor
half a frame to half the channels: results under these analogues do not carry over to real cameras and microphones.

black           every visual row zeros
dark            a fifth of every visual value
half covered    the first half of the visual channels zeros
frozen          the first visual row again and again; of a stretch only, a whole video has nothing to differ from
muted           every audio row zeros, and the track known to be silent
foreign         another bag's audio rows, again and again where they are fewer
late            audio rows 2 s later, in whole snippets, zeros before them
noisy           white noise of the audio rows' mean power added, 0 dB

A blurred picture has no analogue: which channels carry fine detail depends on the encoder.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from avadclip.data.bags import Bag
from avadclip.errors import DataError
from avadclip.features.snippets import SnippetFeatures
from avadclip.media.damage import DARK_SHARE, DELAY_SECONDS, DamageName, PictureDamage, SoundDamage
from avadclip.timeline import SnippetGrid

Rows = NDArray[np.float32]
StretchDamage = PictureDamage | Literal["frozen"]
STRETCH_DAMAGES: tuple[StretchDamage, ...] = (*get_args(PictureDamage), "frozen")


class FeatureDamage:
    """Damaged copies of the features of bags.

    Args:
        bags: bags to damage, also the source of foreign audio.
        grid: their snippet grid.
    """

    of: Literal["features"] = "features"

    def __init__(self, bags: Sequence[Bag], grid: SnippetGrid) -> None:
        self._bags = bags
        self._grid = grid
        self._donors = draw_donors(bags)

    def __call__(self, index: int, damage: DamageName) -> SnippetFeatures:
        """Features of bag number `index` under an analogue of a damage; their provenance, if any, names it."""
        features = self._bags[index].load()
        if features.provenance is not None:
            named = features.provenance.model_copy(update={"damage": {"name": damage, "of": "features"}})
            features = replace(features, provenance=named)
        match damage:
            case "black" | "dark" | "half covered":
                return replace(features, visual=_damage_visual(features.visual, damage))
            case _ if features.audio is None:
                return features
            case _:
                audio = self._damage_audio(index, features.audio, damage)
                silent = features.sound_is_silent or damage == "muted"
                return replace(features, audio=audio, tags=None, sound_is_silent=silent)

    def _damage_audio(self, index: int, rows: Rows, damage: SoundDamage) -> Rows:
        match damage:
            case "muted":
                return np.zeros_like(rows)
            case "foreign":
                foreign = self._bags[self._donors[index]].load().audio
                assert foreign is not None, "draw_donors takes only bags with sound"
                return np.resize(foreign, rows.shape)
            case "late":
                return delay_rows(rows, self._grid)
            case "noisy":
                return _add_noise(rows, seed=index)


def damage_stretch(bag: Bag, share: float, *, seed: int) -> Bag:
    """The bag with its picture damaged in one stretch, by an analogue, and a clear copy; stretch and damage are drawn.

    Args:
        bag: stays as it is.
        share: of its snippets, within [0, 1).
        seed: of the draw.
    """
    draw, features = np.random.default_rng(seed), bag.load()
    length = round(share * len(features))
    start = int(draw.integers(len(features) - length + 1))
    stretch = slice(start, start + length)
    damage: StretchDamage = STRETCH_DAMAGES[draw.integers(len(STRETCH_DAMAGES))]
    visual = features.visual.copy()
    visual[:, stretch] = _damage_visual(visual[:, stretch], damage)
    return replace(bag, stored=replace(features, visual=visual), clear=bag.stored)


def delay_rows(rows: Rows, grid: SnippetGrid) -> Rows:
    """Audio rows [T, Da] DELAY_SECONDS later, to the nearest whole snippet, with zeros before them."""
    shift = min(round(DELAY_SECONDS / grid.snippet_seconds), len(rows))
    return np.concatenate([np.zeros_like(rows[:shift]), rows[: len(rows) - shift]])


def draw_donors(bags: Sequence[Bag]) -> dict[int, int]:
    """Draw for every bag with sound the index of a donor of foreign audio: of another group, with usable sound.

    The draw uses a fixed seed and ignores classes.

    Raises:
        DataError: there is no donor for a bag.
    """
    draw = np.random.default_rng(0)
    usable = [number for number, bag in enumerate(bags) if bag.stored.has_usable_sound]
    donors = {}
    for number, bag in enumerate(bags):
        if bag.stored.audio_width:
            others = [other for other in usable if bags[other].group != bag.group]
            if not others:
                raise DataError(
                    f"no other recording has sound to replace that of {bag.name}; give two recordings with sound"
                )
            donors[number] = int(draw.choice(others))
    return donors


def _damage_visual(rows: Rows, damage: StretchDamage) -> Rows:
    match damage:
        case "black":
            return np.zeros_like(rows)
        case "dark":
            return rows * np.float32(DARK_SHARE)
        case "half covered":
            covered = rows.copy()
            covered[..., : rows.shape[-1] // 2] = 0.0
            return covered
        case "frozen":
            return np.broadcast_to(rows[..., :1, :], rows.shape)


def _add_noise(rows: Rows, *, seed: int) -> Rows:
    noise = np.random.default_rng(seed).standard_normal(rows.shape, dtype=np.float32)
    noisy: Rows = rows + noise * np.sqrt(np.square(rows).mean(), dtype=np.float32)
    return noisy
