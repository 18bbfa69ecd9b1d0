import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from avadclip.data.bags import Bag, Dataset
from avadclip.data.synthetic import SIZES, SPLITS, build_world, load_synthetic, synthetic_bags
from avadclip.errors import ConfigError

FROZEN = {
    "tiny": [21, -0.8889, 1.8229, -0.5196, 0.5036, 1.2856, 1.2324],
    "small": [56, 0.1043, -1.1581, 0.429, 0.47, 1.496, -1.4444],
}
"""Snippets of test video 7, then three channels of picture and of sound of its sixth snippet; seed 0."""


@pytest.fixture(scope="module")
def tiny() -> Dataset:
    return load_synthetic("tiny")


@pytest.fixture(scope="module")
def small() -> Dataset:
    return load_synthetic("small")


def all_bags(dataset: Dataset) -> list[Bag]:
    return [*dataset.train, *dataset.validation, *dataset.test]


def snippet_classes(bag: Bag, classes: tuple[str, ...]) -> np.ndarray:
    truth = np.zeros(len(bag.load()), dtype=int)
    seconds = bag.stored.provenance.grid.snippet_seconds
    for interval in bag.intervals:
        truth[round(interval.start / seconds) : round(interval.end / seconds)] = classes.index(interval.label)
    return truth


def rows_of(bags: tuple[Bag, ...], classes: tuple[str, ...]) -> dict[str, np.ndarray]:
    visual = np.concatenate([bag.load().visual[0] for bag in bags])
    audio = np.concatenate([bag.load().audio for bag in bags])
    truth = np.concatenate([snippet_classes(bag, classes) for bag in bags])
    return {"visual": visual, "audio": audio, "both": np.hstack([visual, audio]), "truth": truth}


def probe_ap(dataset: Dataset, modality: str) -> float:
    """Frame AP of the trivial reference: softmax regression on single snippets, trained with their true classes."""
    train, test = (rows_of(bags, dataset.classes) for bags in (dataset.train, dataset.test))
    mean, deviation = train[modality].mean(axis=0), train[modality].std(axis=0)
    probe = LogisticRegression(C=0.1, max_iter=500).fit((train[modality] - mean) / deviation, train["truth"])
    anomaly_scores = 1.0 - probe.predict_proba((test[modality] - mean) / deviation)[:, 0]
    return float(average_precision_score(test["truth"] > 0, anomaly_scores))


def test_the_generator_gives_the_numbers_it_was_frozen_with(tiny, small):
    # A change here is a change of the benchmark: raise GENERATOR_VERSION and measure everything again.
    for dataset, expected in ((tiny, FROZEN["tiny"]), (small, FROZEN["small"])):
        bag = dataset.test[7]
        found = [len(bag.load()), *bag.load().visual[0, 5, :3], *bag.load().audio[5, :3]]
        assert found == pytest.approx(expected, abs=1e-4)


def test_a_seed_gives_the_same_numbers_whatever_numpy_was_doing(tiny):
    np.random.seed(1)
    again = load_synthetic("tiny")
    for bag, same in zip(all_bags(tiny), all_bags(again), strict=True):
        np.testing.assert_array_equal(bag.load().visual, same.load().visual)
        np.testing.assert_array_equal(bag.load().audio, same.load().audio)
        assert (bag.name, bag.intervals) == (same.name, same.intervals)


def test_seeds_and_splits_give_different_videos(tiny):
    other = load_synthetic("tiny", seed=1)
    firsts = [tiny.train[1], tiny.validation[1], tiny.test[1], other.train[1]]
    for one, two in itertools.combinations(firsts, 2):
        num = min(len(one.load()), len(two.load()))
        assert not np.allclose(one.load().visual[0, :num], two.load().visual[0, :num], atol=0.1)


@pytest.mark.parametrize("size", ["tiny", "small"])
def test_sizes_are_as_documented(size):
    dataset, chosen = load_synthetic(size), SIZES[size]
    assert {split: len(getattr(dataset, split)) for split in SPLITS} == chosen.num_bags
    assert dataset.is_synthetic
    assert dataset.classes == chosen.classes
    shortest, longest = chosen.snippets
    for bag in all_bags(dataset):
        bag.load().validate(bag.name)
        assert shortest <= len(bag.load()) <= longest
        assert bag.load().visual.shape == (1, len(bag.load()), chosen.dim)
        assert bag.load().audio.shape == (len(bag.load()), chosen.dim)
        assert bag.load().visual.dtype == bag.load().audio.dtype == np.float32


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 2**31))
def test_targets_and_intervals_agree_within_the_video(seed):
    classes = SIZES["tiny"].classes
    for bag in synthetic_bags("tiny", "test", seed=seed):
        named = {interval.label for interval in bag.intervals}
        assert {classes[c] for c in np.flatnonzero(bag.targets)} == (named or {"normal"})
        ends = [0.0, *(time for interval in bag.intervals for time in interval[1:])]
        assert ends == sorted(ends)
        assert ends[-1] <= bag.load().duration_seconds + 1e-9
        assert all(interval.end > interval.start for interval in bag.intervals)


def test_no_video_is_in_two_splits(small):
    groups = [bag.group for bag in all_bags(small)]
    assert len(groups) == len(set(groups))


def test_every_class_is_in_every_split(small):
    for split in SPLITS:
        assert np.sum([bag.targets for bag in getattr(small, split)], axis=0).min() > 0


def test_features_have_the_norm_of_clips(small):
    norms = np.concatenate([np.linalg.norm(bag.load().visual[0], axis=1) for bag in small.train])
    assert norms.mean() == pytest.approx(10.0, abs=1.0)


def test_the_synthetic_reference_finds_picture_and_sound_above_picture_above_chance(small):
    chance = (rows_of(small.test, small.classes)["truth"] > 0).mean()
    audio, visual, both = (probe_ap(small, modality) for modality in ("audio", "visual", "both"))
    assert 0.15 < chance < 0.25
    assert chance + 0.2 < audio < visual < both - 0.05
    assert 0.6 < both < 0.8  # head room


def test_sound_alone_raises_false_alarms_in_normal_videos():
    """In some normal videos the sound carries an anomaly's prototype as strongly as in an event."""
    world = build_world("small")
    directions = (world.prototypes[1:] @ world.basis).T
    peaks = {False: [], True: []}
    for bag in synthetic_bags("small", "train"):
        sound = (bag.load().audio - np.median(bag.load().audio, axis=0)) @ directions
        peaks[bag.is_anomalous].append(sound.max())
    usual, loud = np.median(peaks[False]), np.median(peaks[True])
    share = np.mean(np.array(peaks[False]) > (usual + loud) / 2)
    assert 0.05 < share < 0.3


def test_an_unknown_size_names_the_known_ones():
    with pytest.raises(ConfigError, match="synthetic:huge is not known; choose one of synthetic:tiny, synthetic:quick"):
        load_synthetic("huge")


def test_xd_bags_come_one_at_a_time_at_full_width():
    bags = list(itertools.islice(synthetic_bags("xd", "test"), 20))
    assert {bag.load().visual.shape[2] for bag in bags} == {512}
    assert max(len(bag.load()) for bag in bags) > 256
