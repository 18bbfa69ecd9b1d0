from pathlib import Path

import numpy as np
import pytest

from avadclip.data.bags import Dataset
from avadclip.data.composed.dataset import ComposedPlan, plan_composed
from avadclip.data.composed.features import SequenceFeatures
from avadclip.data.synthetic import SPLITS
from avadclip.encoders.base import Encoders
from avadclip.encoders.lite import CHANNELS
from avadclip.errors import DataError


def test_only_damaged_snippets_have_other_features(
    tiny: Dataset, recordings_folder: Path, lite: Encoders, tmp_path: Path
) -> None:
    plan = plan_composed("tiny", recordings_folder)
    features = SequenceFeatures(plan.recordings, lite, recordings_folder / "composed-features")
    for split in ("train", "test"):
        for bag, planned in zip(tiny.bags_of(split), plan.sequences[split], strict=True):
            clear = features.bag(planned._replace(picture_damage=None), tiny.classes, is_weak=False).load()
            differs = (bag.load().visual != clear.visual).any(axis=(0, 2))
            assert (differs == (bag.composition.picture_damage != "")).all()


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
