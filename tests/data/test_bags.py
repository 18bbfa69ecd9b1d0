import dataclasses

import numpy as np
import pytest
import torch

from avadclip.data.bags import Bag, bin_bag, bin_snippets, collate
from avadclip.features.snippets import SnippetFeatures

torch.set_num_threads(1)


def make_bag(length: int, *, sound: bool = True, silent: bool = False, crops: int = 1, seed: int = 0) -> Bag:
    random = np.random.default_rng(seed)
    features = SnippetFeatures(
        visual=random.normal(size=(crops, length, 5)).astype(np.float32),
        audio=random.normal(size=(length, 3)).astype(np.float32) if sound else None,
        duration_seconds=length * 2 / 3,
        provenance=None,
        sound_is_silent=silent,
    )
    return Bag(f"bag {seed}", f"film {seed}", features, np.array([0.0, 1.0], np.float32))


def plain_bins(rows: np.ndarray) -> np.ndarray:
    """The published rule, bin by bin."""
    edges = [int(edge) for edge in np.linspace(0, len(rows), 257)]
    bins = []
    for i in range(256):
        first, stop = edges[i], edges[i + 1]
        bins.append(rows[first:stop].mean(axis=0) if stop > first else rows[first])
    return np.stack(bins)


@pytest.mark.parametrize(
    "length", [1, 3, 200, 255, 256, *range(257, 300), 383, 384, 511, 512, 513, 767, 768, 1000, 1279, 2049, 2074]
)
def test_binning_equals_the_published_rule_bin_by_bin(length: int) -> None:
    rows = np.random.default_rng(length).normal(size=(length, 2)).astype(np.float32)
    binned = bin_snippets(rows)
    assert binned.dtype == np.float32
    np.testing.assert_allclose(binned, plain_bins(rows), rtol=0, atol=1e-6)


@pytest.mark.parametrize("first_length", [257, 900, 1500])
def test_binning_equals_the_published_rule_at_every_length(first_length: int) -> None:
    lengths = range(first_length, {257: 900, 900: 1500, 1500: 2075}[first_length], 7)
    rows = np.random.default_rng(0).normal(size=(2074, 1)).astype(np.float32)
    for length in lengths:
        np.testing.assert_allclose(bin_snippets(rows[:length]), plain_bins(rows[:length]), rtol=0, atol=1e-6)


@pytest.mark.parametrize("length", [1, 255, 256])
def test_short_videos_are_not_binned(length: int) -> None:
    bag = make_bag(length)
    assert bin_bag(bag) is bag


@pytest.mark.parametrize("length", [1, 3, 32, 40])
def test_bags_are_stretched_to_one_length(length: int) -> None:
    bag = make_bag(length)
    binned = bin_bag(bag, 32, stretch=True)
    assert len(binned.stored) == len(binned.load()) == 32
    rows = bag.load().audio
    if length == 3:  # edges at 0, 0.09, .. cut to integers: 11, 11 and 10 times
        np.testing.assert_array_equal(binned.load().audio, rows[[*[0] * 11, *[1] * 11, *[2] * 10]])
    if length == 32:
        assert binned is bag
    if length == 40:
        np.testing.assert_array_equal(binned.load().audio[0], rows[0])
        np.testing.assert_allclose(binned.load().audio[3], (rows[3] + rows[4]) / 2, rtol=1e-6)


def test_a_constant_stays_the_same_constant_in_a_long_video() -> None:
    rows = np.full((100_003, 1), 0.1, np.float32)
    assert (bin_snippets(rows) == np.float32(0.1)).all()


def test_a_long_bag_is_binned_in_every_crop_and_in_sound() -> None:
    bag = make_bag(600, crops=2)
    binned = bin_bag(bag)
    assert binned.load().visual.shape == (2, 256, 5)
    for crop in range(2):
        np.testing.assert_allclose(binned.load().visual[crop], plain_bins(bag.load().visual[crop]), atol=1e-6)
    np.testing.assert_allclose(binned.load().audio, plain_bins(bag.load().audio), atol=1e-6)
    assert (binned.name, binned.group) == (bag.name, bag.group)
    assert len(bag.load()) == 600
    assert bin_bag(make_bag(600, sound=False)).load().audio is None


def test_a_long_bag_can_be_sampled_at_even_steps() -> None:
    """Seven snippets to four: rows 0, 2, 4 and 6; eight to four: 0, 2.33, 4.67 and 7, cut to integers."""
    for length, kept in ((7, [0, 2, 4, 6]), (8, [0, 2, 4, 7])):
        bag = make_bag(length)
        sampled = bin_bag(bag, 4, how="sample").load()
        np.testing.assert_array_equal(sampled.visual, bag.load().visual[:, kept])
        np.testing.assert_array_equal(sampled.audio, bag.load().audio[kept])


def test_collate_pads_to_the_longest_and_keeps_every_row() -> None:
    bags = [make_bag(3, seed=0), make_bag(7, seed=1), make_bag(1, seed=2)]
    batch = collate(bags)
    assert batch.bags.visual.shape == (3, 7, 5)
    assert batch.bags.audio.shape == (3, 7, 3)
    assert batch.bags.mask.sum(dim=1).tolist() == [3, 7, 1]
    for index, bag in enumerate(bags):
        length = len(bag.load())
        assert batch.bags.mask[index, :length].all()
        np.testing.assert_array_equal(batch.bags.visual[index, :length].numpy(), bag.load().visual[0])
        np.testing.assert_array_equal(batch.bags.audio[index, :length].numpy(), bag.load().audio)
        assert (batch.bags.visual[index, length:] == 0).all()
    assert batch.targets.tolist() == [[0.0, 1.0]] * 3


def test_the_release_needs_windows_of_256() -> None:
    batch = collate([make_bag(3), make_bag(7)], pad_to_window=True)
    assert batch.bags.visual.shape == (2, 256, 5)
    assert batch.bags.audio.shape == (2, 256, 3)
    assert batch.bags.mask.sum(dim=1).tolist() == [3, 7]


def test_bags_without_usable_sound_are_marked() -> None:
    batch = collate([make_bag(3), make_bag(4, sound=False), make_bag(2, silent=True)])
    assert batch.has_audio.tolist() == [True, False, False]
    assert (batch.bags.audio[1:] == 0).all()
    silent = collate([make_bag(3, sound=False), make_bag(2, silent=True)])
    assert silent.bags.audio is None
    assert not silent.has_audio.any()


def test_which_bags_are_anomalous() -> None:
    bag = make_bag(2)
    assert bag.is_anomalous
    assert not dataclasses.replace(bag, targets=np.array([1.0, 0.0], np.float32)).is_anomalous
