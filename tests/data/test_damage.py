from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from avadclip.data.bags import Bag
from avadclip.data.damage import FeatureDamage, damage_stretch, draw_donors
from avadclip.errors import DataError
from avadclip.features.snippets import Provenance, SnippetFeatures
from avadclip.timeline import SnippetGrid

GRID = SnippetGrid()
PROVENANCE = Provenance(grid=GRID, visual={"name": "made up"}, audio={"name": "made up"})


def make_bag(number: int, *, group: str | None = None, length: int = 500, sound: bool = True) -> Bag:
    random = np.random.default_rng(number)
    visual = random.normal(size=(2, length, 6)).astype(np.float32)
    audio = (3 * random.normal(size=(length, 4))).astype(np.float32) if sound else None
    held = SnippetFeatures(visual, audio, length * GRID.snippet_seconds, PROVENANCE)
    return Bag(f"yard-{number}", group or f"yard-{number}", held, np.array([1, 0], dtype=np.float32))


def shift_of(late: NDArray[np.float32], clean: NDArray[np.float32]) -> int:
    return int(np.argmax([np.sum(late[k:] * clean[: len(clean) - k]) for k in range(20)]))


def test_each_damage_has_its_documented_effect() -> None:
    bags = [make_bag(0), make_bag(1, length=300)]
    damage, clean = FeatureDamage(bags, GRID), bags[0].load()
    assert clean.audio is not None
    assert not damage(0, "black").visual.any()
    np.testing.assert_allclose(damage(0, "dark").visual, clean.visual / 5, rtol=1e-6)
    covered = damage(0, "half covered").visual
    assert not covered[..., :3].any()
    np.testing.assert_array_equal(covered[..., 3:], clean.visual[..., 3:])
    muted = damage(0, "muted")
    assert muted.audio is not None
    assert not muted.audio.any()
    assert muted.sound_is_silent
    foreign = damage(0, "foreign").audio
    assert foreign is not None
    np.testing.assert_array_equal(foreign[:300], bags[1].load().audio)
    np.testing.assert_array_equal(foreign[300:], bags[1].load().audio[:200])


def test_noise_is_as_strong_as_the_rows_and_late_rows_are_three_snippets_late() -> None:
    bags = [make_bag(0), make_bag(1)]
    damage, clean = FeatureDamage(bags, GRID), bags[0].load().audio
    noise = damage(0, "noisy").audio - clean
    assert 10 * np.log10(np.square(clean).mean() / np.square(noise).mean()) == pytest.approx(0, abs=0.3)
    np.testing.assert_array_equal(damage(0, "noisy").audio - clean, noise)  # the same each time
    assert not np.allclose(damage(1, "noisy").audio - bags[1].load().audio, noise)  # other noise for another video
    late = damage(0, "late").audio
    assert shift_of(late, clean) * GRID.snippet_seconds == pytest.approx(2.0)
    assert late.shape == clean.shape
    assert not late[:3].any()


@pytest.mark.parametrize("damage", ["black", "dark", "half covered", "muted", "foreign", "late", "noisy"])
def test_the_provenance_names_the_damage_and_the_bag_stays_as_it_is(damage: str) -> None:
    bags = [make_bag(0), make_bag(1)]
    before = (bags[0].load().visual.copy(), bags[0].load().audio.copy())
    damaged = FeatureDamage(bags, GRID)(0, damage)
    assert damaged.provenance.difference(PROVENANCE) == f"damage is {damage}, needed none"
    np.testing.assert_array_equal(bags[0].load().visual, before[0])
    np.testing.assert_array_equal(bags[0].load().audio, before[1])
    is_picture = damage in ("black", "dark", "half covered")
    assert np.array_equal(damaged.visual, before[0]) == (not is_picture)
    assert np.array_equal(damaged.audio, before[1]) == is_picture


def test_late_sound_of_a_short_video_is_all_silence() -> None:
    damage = FeatureDamage([make_bag(0, length=2), make_bag(1)], GRID)
    late = damage(0, "late").audio
    assert late.shape == (2, 4)
    assert not late.any()


def test_a_donor_is_never_of_the_same_group_and_always_has_sound() -> None:
    bags = [make_bag(i, group=f"film-{i % 4}", length=3, sound=i % 3 > 0) for i in range(40)]
    silent = replace(bags[1], stored=replace(bags[1].load(), sound_is_silent=True))
    donors = draw_donors([bags[0], silent, *bags[2:]])
    assert set(donors) == {i for i in range(40) if i % 3}  # what has no track gets none
    for own, donor in donors.items():
        assert bags[own].group != bags[donor].group
        assert donor % 3
        assert donor != 1
    assert len({donors[own] for own in donors}) > 8  # not always the same


def test_no_other_recording_with_sound_is_one_line() -> None:
    bags = [make_bag(0, group="a"), make_bag(1, group="a"), make_bag(2, group="b", sound=False)]
    with pytest.raises(DataError, match="no other recording has sound to replace that of yard-0; give two"):
        FeatureDamage(bags, GRID)


def test_without_any_sound_only_the_picture_is_damaged() -> None:
    damage = FeatureDamage([make_bag(0, sound=False)], GRID)
    assert damage(0, "foreign").audio is None
    assert not damage(0, "black").visual.any()


def test_one_stretch_of_a_copy_is_damaged_in_one_way() -> None:
    bag = make_bag(0, length=20)
    clean = bag.load()
    before, starts, kinds = clean.visual.copy(), set(), set()
    for seed in range(20):
        copy = damage_stretch(bag, 0.25, seed=seed)
        damaged = copy.load()
        assert copy.clear is bag.stored
        differs = np.flatnonzero((damaged.visual != clean.visual).any(axis=(0, 2)))
        rows, own = damaged.visual[:, differs], clean.visual[:, differs]
        if len(differs) == 4:  # the first of five snippets is the one that the others repeat
            kinds.add("frozen")
            np.testing.assert_array_equal(rows, np.repeat(clean.visual[:, differs[:1] - 1], 4, axis=1))
        else:
            kinds |= {tuple(row) for row in np.abs(rows / own).astype(np.float64).round(3).reshape(-1, 6)}
            assert len(differs) == 5
        assert (np.diff(differs) == 1).all()
        starts.add(int(differs[0]))
        np.testing.assert_array_equal(damaged.audio, clean.audio)
        np.testing.assert_array_equal(damaged.visual, damage_stretch(bag, 0.25, seed=seed).load().visual)
    assert kinds == {"frozen", (0.0,) * 6, (0.2,) * 6, (0.0,) * 3 + (1.0,) * 3}
    assert len(starts) > 5
    np.testing.assert_array_equal(clean.visual, before)
    np.testing.assert_array_equal(damage_stretch(bag, 0.0, seed=0).load().visual, before)
