"""Damage to features where there is no video to damage: analogues of media.damage, as for the synthetic benchmark.

The same operations on rows of features instead of pixels and samples. An encoder does not turn a black picture into
zeros, nor half a picture into half its channels: figures under these analogues say how networks bear them, and nothing
about cameras and microphones.

black           every visual row zeros
dark            a fifth of every visual value
half covered    the first half of the visual channels zeros
muted           every audio row zeros, and the track known to be silent
foreign         another bag's audio rows, again and again where they are fewer
late            audio rows 2 s later, in whole snippets, zeros before them
noisy           white noise of the audio rows' mean power added, 0 dB
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from avadclip.data.bags import Bag
from avadclip.errors import DataError
from avadclip.features.snippets import SnippetFeatures
from avadclip.media.damage import DARK_SHARE, DELAY_SECONDS, DamageName, PictureDamage, SoundDamage
from avadclip.timeline import SnippetGrid

Rows = NDArray[np.float32]


class FeatureDamage:
    """Damages the features of bags, which stay as they are.

    Args:
        bags: those to damage; sound that is foreign comes from among them.
        grid: of their snippets.
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
                return replace(features, audio=audio, sound_is_silent=features.sound_is_silent or damage == "muted")

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


def delay_rows(rows: Rows, grid: SnippetGrid) -> Rows:
    """Audio rows [T, Da] DELAY_SECONDS later, to the nearest whole snippet, with zeros before them."""
    shift = min(round(DELAY_SECONDS / grid.snippet_seconds), len(rows))
    return np.concatenate([np.zeros_like(rows[:shift]), rows[: len(rows) - shift]])


def draw_donors(bags: Sequence[Bag]) -> dict[int, int]:
    """For every bag with sound the number of one whose sound is foreign to it: of another group, with usable sound.

    Drawn by a fixed seed, so that which classes meet is chance.

    Raises:
        DataError: a bag has none.
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


def _damage_visual(rows: Rows, damage: PictureDamage) -> Rows:
    match damage:
        case "black":
            return np.zeros_like(rows)
        case "dark":
            return rows * np.float32(DARK_SHARE)
        case "half covered":
            covered = rows.copy()
            covered[..., : rows.shape[-1] // 2] = 0.0
            return covered


def _add_noise(rows: Rows, *, seed: int) -> Rows:
    noise = np.random.default_rng(seed).standard_normal(rows.shape, dtype=np.float32)
    noisy: Rows = rows + noise * np.sqrt(np.square(rows).mean(), dtype=np.float32)
    return noisy
