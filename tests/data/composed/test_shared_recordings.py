import os
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from avadclip.data.composed.dataset import ComposedPlan, plan_composed
from avadclip.data.composed.features import SequenceFeatures
from avadclip.data.composed.sound import render_sound, rms
from avadclip.encoders.base import Encoders

SCRIPT = Path(__file__).parents[3] / "scripts/composed_recordings.py"
LEVEL_TOLERANCE_DB = 0.5  # quiet backgrounds have few steps of 16 bits

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def folder(development_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shared")
    environment = os.environ | {"AVADCLIP_DATA": str(development_data)}
    subprocess.run([sys.executable, SCRIPT, folder], check=True, env=environment)
    return folder


@pytest.fixture(scope="module")
def shared(folder: Path) -> ComposedPlan:
    return plan_composed("small", folder)


def test_the_shared_recordings_are_split_by_session_with_all_events_in_each(shared: ComposedPlan) -> None:
    assert shared.classes == ("normal", "explosion", "fighting", "glass_break", "gunshot", "scream", "siren")
    sessions = {split: {member.session for member in members} for split, members in shared.parts.items()}
    assert not any(sessions[one] & sessions[other] for one, other in combinations(sessions, 2))
    for members in shared.parts.values():
        assert {member.label for member in members if member.role == "event"} == set(shared.classes[1:])
    assert not any(member.share_alike for split in ("train", "validation") for member in shared.parts[split])
    assert any(member.share_alike for member in shared.parts["test"])


def test_real_backgrounds_have_their_level(shared: ComposedPlan) -> None:
    for plan in shared.sequences["test"][:40]:
        alone = plan._replace(foregrounds=(), sound_damage=None)
        level = 20 * np.log10(rms(render_sound(alone, shared.recordings)))
        assert level == pytest.approx(plan.background_dbfs, abs=LEVEL_TOLERANCE_DB)


def test_the_licence_that_is_not_stated_travels_with_the_dataset(shared: ComposedPlan) -> None:
    assert "SESA: CC BY 4.0 as remembered, not stated in the copy" in shared.licences
    assert not any("SA 4.0" in licence for licence in shared.licences)


def test_real_recordings_are_encoded(shared: ComposedPlan, lite: Encoders, tmp_path: Path) -> None:
    plan = shared.sequences["test"][1]
    bag = SequenceFeatures(shared.recordings, lite, tmp_path).bag(plan, shared.classes, is_weak=False)
    features = bag.load()
    assert features.visual.shape == (1, 32, lite.visual.dim)
    assert features.audio.shape == (32, lite.audio.dim)
    assert features.has_usable_sound
    assert bag.is_anomalous
