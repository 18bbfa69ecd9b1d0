from pathlib import Path

import numpy as np
import pytest

from avadclip.data.bags import Dataset
from avadclip.data.composed.damage import SequenceDamage, composed_damage


@pytest.fixture(scope="module")
def damage(tiny: Dataset, recordings_folder: Path) -> SequenceDamage:
    return composed_damage(f"tiny:{recordings_folder}", "test")


@pytest.mark.parametrize("name", ["black", "dark", "half covered", "muted", "foreign", "late", "noisy"])
def test_a_whole_modality_is_damaged_and_the_other_one_stays(damage: SequenceDamage, tiny: Dataset, name: str) -> None:
    is_picture = name in {"black", "dark", "half covered"}
    for index, bag in enumerate(tiny.test):
        damaged, before = damage(index, name), bag.load()
        assert damaged.provenance.damage["name"] == name
        own, other = (damaged.visual[0], damaged.audio) if is_picture else (damaged.audio, damaged.visual[0])
        own_before, other_before = (before.visual[0], before.audio) if is_picture else (before.audio, before.visual[0])
        np.testing.assert_array_equal(other, other_before)
        assert own.shape == own_before.shape
        assert not np.array_equal(own, own_before)


def test_black_pictures_are_encoded_and_all_alike(damage: SequenceDamage) -> None:
    rows = np.concatenate([damage(index, "black").visual[0] for index in range(3)])
    assert (rows == rows[0]).all()
    assert rows.any()  # the encoder does not turn black into zeros


def test_a_muted_sequence_is_known_to_be_silent(damage: SequenceDamage) -> None:
    assert damage(0, "muted").sound_is_silent
