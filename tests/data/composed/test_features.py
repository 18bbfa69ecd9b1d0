from pathlib import Path

import numpy as np
import pytest

from avadclip.data.bags import Dataset
from avadclip.data.composed.dataset import load_composed
from avadclip.data.composed.videos import write_composed_videos
from avadclip.encoders.base import Encoders
from avadclip.features.extract import extract_features

FILE_TOLERANCE = 1e-4  # of features extracted from a written video


def contents(features: Path) -> dict[str, bytes]:
    return {str(path.relative_to(features)): path.read_bytes() for path in features.rglob("*.safetensors")}


def test_data_made_twice_are_equal_to_the_byte(
    tiny: Dataset, recordings_folder: Path, lite: Encoders, tmp_path: Path
) -> None:
    again = load_composed(f"tiny:{recordings_folder}", features=tmp_path, encoders=lite)
    first = contents(recordings_folder / "composed-features")
    assert first == contents(tmp_path)
    assert len(first) > len(tiny.train)
    for split in ("train", "validation", "test"):
        assert [bag.name for bag in again.bags_of(split)] == [bag.name for bag in tiny.bags_of(split)]


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_written_video_has_the_features_made_directly(
    tiny: Dataset, recordings_folder: Path, lite: Encoders, tmp_path: Path, split: str
) -> None:
    damaged = [index for index, bag in enumerate(tiny.bags_of(split)) if (bag.composition.picture_damage != "").any()]
    limit = damaged[0] + 1
    paths = write_composed_videos(f"tiny:{recordings_folder}", tmp_path, split=split, limit=limit)
    assert len(paths) == limit
    for path, bag in zip(paths, tiny.bags_of(split), strict=False):
        extracted, direct = extract_features(path, lite), bag.load()
        assert extracted.notes == ()
        np.testing.assert_allclose(extracted.visual, direct.visual, rtol=0, atol=FILE_TOLERANCE)
        np.testing.assert_allclose(extracted.audio, direct.audio, rtol=0, atol=FILE_TOLERANCE)
