"""Synthetic benchmark: generated features with planted events, for tests and for comparing parts of the method.

No real video is involved: results describe the behaviour of a part under the assumptions below, do not carry over to
real video, and must be labelled as synthetic wherever they are shown.

The world. A joint space of K = 32 latent directions, as the frozen encoders' features vary in few of their D channels.
It holds unit vectors: a prototype p_c and a reaction r_c for every anomaly class c, and for the class `normal` several
scenes, each with a look s_k and an ambience a_k. An orthonormal basis E [K, D] carries them to the features' channels.

A video. One scene k, and in anomalous videos 1 to 3 events e of class c_e over snippets [start_e, end_e), each visible
only, audible only, or both. m_e(t) is the intensity of the event, 0 outside it, and the same in picture and sound.

    picture   v(t) = E^T [ mu_v + 4 s_k + d_v(t) + n_v(t) + sum_e g_e m_e(t) ] + eps
        g_e = VISIBLE (.8 p_c + .6 u_e)         visible: the class, as it looks from this place (u_e, random, unit)
        g_e = TRACE (p_c + r_c) / sqrt(2)       audible only: a faint trace of what it does to people and camera in view
    sound     a(t) = E^T [ mu_a + 4 a_k + d_a(t) + n_a(t) + sum_e h_e m_e(t) ] + eps
        h_e = AUDIBLE (.95 p_c + .31 w_e)       audible: a cleaner version of the class than in the picture; else 0

|mu| = 7 is shared by all videos of a modality: features lie in a cone and have a norm of about 10, as CLIP's do. d is a
first-order autoregressive drift (|d| = 3, correlation .95 from snippet to snippet), n white noise (|n| = 3.5), both
latent; eps is white noise over all channels (|eps| = 1).

What goes wrong. In some videos, normal ones too, the sound is bad: only `noise`, or it `contradicts` (dubbed music,
another channel) and carries bursts of another class at random places. Events in them are visible: they would not have
been annotated otherwise. Some normal videos have distractors: inaudible bursts of half strength that look anomalous.

The numbers were chosen once, by supervised linear probes on snippets (docs/data.md), before any network was distilled.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from avadclip.data.bags import Bag, Dataset, Interval
from avadclip.encoders.base import Identity
from avadclip.errors import ConfigError
from avadclip.features.snippets import Provenance, SnippetFeatures
from avadclip.labels import XD_VIOLENCE_CODES
from avadclip.timeline import SnippetGrid

Rows = NDArray[np.float64]
Split = Literal["train", "validation", "test"]
SoundKind = Literal["true", "noise", "contradicts"]

GENERATOR_VERSION = 1  # part of the features' provenance; increased with every change of the generated values
LATENT_DIM = 32  # K
NUM_SCENES = 6  # looks of the class `normal`
MEAN, SCENE, DRIFT, NOISE, CHANNEL_NOISE = 7.0, 4.0, 3.0, 3.5, 1.0  # expected norms
DRIFT_MEMORY = 0.95  # of the autoregressive drift, per snippet
VISIBLE, TRACE, AUDIBLE = 3.2, 1.4, 4.2  # norms of an event in a snippet, at intensity 1
VISIBLE_PURITY, AUDIBLE_PURITY = 0.8, 0.95  # cosine of an event's direction with its prototype
INTENSITY_SPREAD = 0.3  # standard deviation of m_e(t) around 1
MODALITY_SHARES = {"visible": 0.3, "audible": 0.35, "both": 0.35}  # of events
SOUND_SHARES: dict[SoundKind, float] = {"true": 0.75, "noise": 0.1, "contradicts": 0.15}  # of videos
SECOND_CLASS_SHARE = 0.1  # of the events after the first
DISTRACTOR_SHARE = 0.3  # of normal videos
DISTRACTOR_STRENGTH = 0.5


@dataclass(frozen=True)
class SyntheticSize:
    """Size and difficulty of a synthetic dataset."""

    num_bags: dict[Split, int]
    classes: tuple[str, ...]
    dim: int
    """D of picture and sound."""
    snippets: tuple[int, int]
    """Shortest and longest video."""
    median_snippets: int
    length_spread: float
    """Standard deviation of the logarithm of the length."""
    longest_event: int
    """Snippets; the shortest is 3. No event is longer than a third of its video."""
    strength: float = 1.0
    """Factor on VISIBLE, TRACE and AUDIBLE; more where there are few bags to learn from."""


XD_CLASSES = tuple(XD_VIOLENCE_CODES.values())
SIZES = {
    "tiny": SyntheticSize({"train": 40, "validation": 10, "test": 20}, XD_CLASSES[:4], 32, (8, 40), 18, 0.5, 12, 1.5),
    "quick": SyntheticSize({"train": 120, "validation": 20, "test": 60}, XD_CLASSES[:4], 32, (8, 40), 18, 0.5, 12, 1.5),
    "small": SyntheticSize({"train": 300, "validation": 60, "test": 120}, XD_CLASSES, 64, (16, 120), 48, 0.6, 40),
    # Lengths as in XD-Violence's test videos, whose logarithms have mean 4.84 and standard deviation .86.
    "xd": SyntheticSize({"train": 3559, "validation": 395, "test": 800}, XD_CLASSES, 512, (2, 2000), 127, 0.86, 400),
}
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


class World(NamedTuple):
    """Directions shared by all videos of a dataset; unit rows."""

    prototypes: Rows
    """p_c, [C, K]; row 0 is not used."""
    reactions: Rows
    """r_c, [C, K]; row 0 is not used."""
    scenes: Rows
    """s_k, [NUM_SCENES, K]"""
    ambiences: Rows
    """a_k, [NUM_SCENES, K]"""
    means: Rows
    """mu_v and mu_a, [2, K]"""
    basis: NDArray[np.float32]
    """E, [K, D], orthonormal rows."""
    strength: float
    """See SyntheticSize."""
    provenance: Provenance


class Happening(NamedTuple):
    """A change of the visual or audio features, or both, over snippets [start, end)."""

    start: int
    end: int
    label: int
    """Class index; 0 if it does not resemble an event of a class."""
    visual_gain: Rows
    """Added to the picture's latent features at intensity 1, [K]."""
    audio_gain: Rows
    """Added to the sound's."""


def load_synthetic(size: str, *, seed: int = 0) -> Dataset:
    """Generate a synthetic dataset; the same seed gives the same numbers.

    Args:
        size: `tiny` (a second), `quick` (all tables of the paper in minutes), `small` (ablations on two cores), or `xd`
            (3.5 GB; synthetic_bags gives them in turn).
        seed: of the world and of every video.
    """
    train, validation, test = (tuple(synthetic_bags(size, split, seed=seed)) for split in SPLITS)
    classes = _size(size).classes
    return Dataset(f"synthetic:{size}", classes, SnippetGrid(), train, validation, test, is_synthetic=True)


def synthetic_bags(size: str, split: Split, *, seed: int = 0) -> Iterator[Bag]:
    """The bags of one split, one at a time: only one is in memory. Half of them are anomalous."""
    chosen = _size(size)
    world = build_world(size, seed=seed)
    for index in range(chosen.num_bags[split]):
        random = np.random.default_rng([seed, 1 + SPLITS.index(split), index])
        # Anomalous videos take the classes in turn, so that a small split has all of them.
        label = 0 if index % 2 == 0 else 1 + (index // 2) % (len(chosen.classes) - 1)
        yield _generate_bag(f"synthetic-{split}-{index:04d}", label, chosen, world, random)


def build_world(size: str, *, seed: int = 0) -> World:
    """The directions behind synthetic_bags of the same size and seed."""
    chosen = _size(size)
    random = np.random.default_rng([seed, 0])
    num_classes = len(chosen.classes)
    identity: Identity = {"name": f"synthetic:{size}", "version": GENERATOR_VERSION, "seed": seed}
    return World(
        prototypes=_unit(random.standard_normal((num_classes, LATENT_DIM))),
        reactions=_unit(random.standard_normal((num_classes, LATENT_DIM))),
        scenes=_unit(random.standard_normal((NUM_SCENES, LATENT_DIM))),
        ambiences=_unit(random.standard_normal((NUM_SCENES, LATENT_DIM))),
        means=_unit(random.standard_normal((2, LATENT_DIM))),
        basis=np.linalg.qr(random.standard_normal((chosen.dim, LATENT_DIM))).Q.T.astype(np.float32),
        strength=chosen.strength,
        provenance=Provenance(grid=SnippetGrid(), visual=identity, audio=identity),
    )


def _size(name: str) -> SyntheticSize:
    if name not in SIZES:
        known = ", ".join(f"synthetic:{size}" for size in SIZES)
        raise ConfigError(f"synthetic:{name} is not known; choose one of {known}")
    return SIZES[name]


def _generate_bag(name: str, label: int, size: SyntheticSize, world: World, random: np.random.Generator) -> Bag:
    num_snippets = round(np.clip(size.median_snippets * np.exp(size.length_spread * random.normal()), *size.snippets))
    sound: SoundKind = random.choice(list(SOUND_SHARES), p=list(SOUND_SHARES.values()))
    spans = place_spans(num_snippets, size.longest_event, random)
    happenings = []
    if label:
        happenings = _events(spans, label, world, sound, random)
    elif random.random() < DISTRACTOR_SHARE:
        happenings = _decoys(spans, label, world, random, look=DISTRACTOR_STRENGTH * VISIBLE, noise=0.0)
    if sound == "contradicts":
        spans = place_spans(num_snippets, size.longest_event, random)
        happenings += _decoys(spans, label, world, random, look=0.0, noise=AUDIBLE)
    visual, audio = _features(num_snippets, happenings, world, sound == "noise", random)
    events = [happening for happening in happenings if happening.label]
    targets = np.zeros(len(size.classes), dtype=np.float32)
    targets[[event.label for event in events] or [0]] = 1.0
    seconds = world.provenance.grid.snippet_seconds
    return Bag(
        name=name,
        group=name,
        stored=SnippetFeatures(visual[None], audio, num_snippets * seconds, world.provenance),
        targets=targets,
        intervals=tuple(Interval(size.classes[e.label], e.start * seconds, e.end * seconds) for e in events),
    )


def place_spans(num_snippets: int, longest: int, random: np.random.Generator) -> list[tuple[int, int]]:
    """1 to 3 stretches in order, none overlapping, each at most a third of the video."""
    longest = max(1, min(longest, num_snippets // 3))
    shortest = min(3, longest)
    num = random.integers(1, 4) if num_snippets >= 3 else 1
    lengths = random.integers(shortest, longest + 1, size=num)
    gaps = np.sort(random.integers(0, num_snippets - lengths.sum() + 1, size=num))
    starts = gaps + np.cumsum(lengths) - lengths
    return [(int(start), int(start + length)) for start, length in zip(starts, lengths, strict=True)]


def _events(
    spans: list[tuple[int, int]], label: int, world: World, sound: SoundKind, random: np.random.Generator
) -> list[Happening]:
    events = []
    for number, (start, end) in enumerate(spans):
        is_other = number > 0 and random.random() < SECOND_CLASS_SHARE
        c = int(random.integers(1, len(world.prototypes))) if is_other else label
        modality = random.choice(list(MODALITY_SHARES), p=list(MODALITY_SHARES.values()))
        look = VISIBLE * _near(world.prototypes[c], VISIBLE_PURITY, random)
        noise = AUDIBLE * _near(world.prototypes[c], AUDIBLE_PURITY, random)
        if modality == "visible" or sound != "true":
            noise = 0.0 * noise
        elif modality == "audible":
            look = TRACE * _unit(world.prototypes[c] + world.reactions[c])
        events.append(Happening(start, end, c, look, noise))
    return events


def _decoys(
    spans: list[tuple[int, int]], label: int, world: World, random: np.random.Generator, *, look: float, noise: float
) -> list[Happening]:
    """Bursts of one anomaly class that is not the video's, with these norms in picture and sound."""
    c = int(random.choice([c for c in range(1, len(world.prototypes)) if c != label]))
    prototype = world.prototypes[c]
    return [
        Happening(
            *span, 0, look * _near(prototype, VISIBLE_PURITY, random), noise * _near(prototype, AUDIBLE_PURITY, random)
        )
        for span in spans
    ]


def _features(
    num_snippets: int, happenings: list[Happening], world: World, is_noise: bool, random: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Picture and sound, [T, D] each."""
    scene = random.integers(NUM_SCENES)
    ambience = 0.0 if is_noise else SCENE
    visual = MEAN * world.means[0] + SCENE * world.scenes[scene] + _wander(num_snippets, random)
    audio = MEAN * world.means[1] + ambience * world.ambiences[scene] + _wander(num_snippets, random)
    if is_noise:
        audio += NOISE * random.standard_normal(audio.shape) / np.sqrt(LATENT_DIM)
    for happening in happenings:
        intensity = 1.0 + INTENSITY_SPREAD * random.standard_normal((happening.end - happening.start, 1))
        intensity = world.strength * intensity.clip(0.0)
        visual[happening.start : happening.end] += intensity * happening.visual_gain
        audio[happening.start : happening.end] += intensity * happening.audio_gain
    return _to_channels(visual, world, random), _to_channels(audio, world, random)


def _wander(num_snippets: int, random: np.random.Generator) -> Rows:
    """d(t) + n(t), [T, K]."""
    steps = random.standard_normal((num_snippets, LATENT_DIM))
    drift = np.empty_like(steps)
    drift[0] = steps[0]
    for t in range(1, num_snippets):
        drift[t] = DRIFT_MEMORY * drift[t - 1] + np.sqrt(1.0 - DRIFT_MEMORY**2) * steps[t]
    noise = random.standard_normal((num_snippets, LATENT_DIM))
    wander: Rows = (DRIFT * drift + NOISE * noise) / np.sqrt(LATENT_DIM)
    return wander


def _to_channels(latent: Rows, world: World, random: np.random.Generator) -> NDArray[np.float32]:
    """[T, K] to [T, D]."""
    num_snippets, dim = len(latent), world.basis.shape[1]
    noise = random.standard_normal((num_snippets, dim), dtype=np.float32) * np.float32(CHANNEL_NOISE / np.sqrt(dim))
    # Not `@`: threads of a linear algebra library would cost more than they give on matrices this small.
    features: NDArray[np.float32] = np.einsum("tk,kd->td", latent.astype(np.float32), world.basis) + noise
    return features


def _near(direction: Rows, purity: float, random: np.random.Generator) -> Rows:
    """A unit vector whose cosine with `direction` is `purity` but for the chance overlap of a random one."""
    near: Rows = purity * direction + np.sqrt(1.0 - purity**2) * _unit(random.standard_normal(LATENT_DIM))
    return near


def _unit(rows: Rows) -> Rows:
    unit: Rows = rows / np.linalg.norm(rows, axis=-1, keepdims=True)
    return unit
