from pathlib import Path

import numpy as np
import pytest

from avadclip.data.bags import Dataset
from avadclip.data.composed.dataset import ComposedPlan
from avadclip.data.composed.features import SequenceFeatures
from avadclip.data.synthetic import SPLITS
from avadclip.encoders.base import Encoders
from avadclip.encoders.lite import CHANNELS
from avadclip.errors import DataError


def test_the_clear_copy_of_a_damaged_picture_differs_in_the_damaged_snippets_alone(tiny: Dataset) -> None:
    for bag in (*tiny.train, *tiny.test):
        is_damaged = bag.composition.picture_damage != ""
        assert (bag.clear is not None) == is_damaged.any()
        if bag.clear is not None:
            clear, damaged = bag.clear.load(), bag.load()
            assert ((damaged.visual != clear.visual).any(axis=(0, 2)) == is_damaged).all()
            np.testing.assert_array_equal(clear.audio, damaged.audio)


def test_a_frozen_snippet_has_no_motion(tiny: Dataset) -> None:
    frozen = [
        bag.load().visual[0, bag.composition.picture_damage == "frozen"]
        for split in SPLITS
        for bag in tiny.bags_of(split)
    ]
    rows = np.concatenate(frozen)
    assert len(rows) > 0
    assert not rows[:, 2 * CHANNELS :].any()
    assert all((rows == rows[0]).all() for rows in frozen if len(rows))


def test_a_recording_shorter_than_its_header_is_refused(planned: ComposedPlan, lite: Encoders, tmp_path: Path) -> None:
    plan = planned.sequences["train"][0]
    longer = {name: each.model_copy(update={"num_snippets": 9}) for name, each in planned.recordings.items()}
    with pytest.raises(DataError, match="has fewer pictures than the 9 snippets that its header states"):
        SequenceFeatures(longer, lite, tmp_path).bag(plan, ("normal",), is_weak=True)
