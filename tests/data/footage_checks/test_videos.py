from pathlib import Path

import numpy as np
import pytest

from avadclip.data.folder import load_csv
from avadclip.data.footage_checks.videos import FileFacts, dataset_videos, read_file_facts
from avadclip.data.footage_checks.warnings import footage_warnings
from avadclip.features.snippets import SnippetFeatures
from avadclip.features.store import write_features

from .made_footage import make_footage


@pytest.mark.data
def test_facts_are_those_of_the_file_and_where_it_is_missing_of_the_features(
    tmp_path: Path, development_data: Path
) -> None:
    clip = development_data / "surveillance_fights" / "fight" / "fi013.mp4"  # 2.002 s, 640 x 360, with sound
    (tmp_path / "a.mp4").symlink_to(clip)
    (tmp_path / "broken.mp4").write_text("no video")
    rows = np.ones((9, 4), dtype=np.float32)
    for name in ("a", "broken", "gone"):
        made = SnippetFeatures.from_arrays(rows, visual_encoder="i3d")
        write_features(tmp_path / "features" / f"{name}.safetensors", made)
    (tmp_path / "labels.csv").write_text("video,label,split\na.mp4,fighting,test\nbroken.mp4,normal,\ngone.mp4,riot,\n")
    data = load_csv(tmp_path / "labels.csv", features=tmp_path / "features")
    videos = {video.name: video for video in dataset_videos(data, files=tmp_path)}
    seen = videos["a.mp4"].facts
    assert seen is not None
    assert (seen.width, seen.height, seen.has_sound_track) == (640, 360, True)
    assert (seen.seconds, seen.frame_rate_hz) == pytest.approx((2.002, 29.97), abs=0.01)
    assert seen.bits_per_second == pytest.approx(8 * clip.stat().st_size / seen.seconds)
    assert seen == read_file_facts(clip)
    assert videos["broken.mp4"].facts == videos["gone.mp4"].facts == FileFacts(6.0, False)
    assert {name: (video.split, video.labels, video.is_anomalous) for name, video in videos.items()} == {
        "a.mp4": ("test", ("fighting",), True),
        "broken.mp4": ("train", ("normal",), False),
        "gone.mp4": ("train", ("riot",), True),
    }
    assert all(video.facts == FileFacts(6.0, False) for video in dataset_videos(data))


def test_clean_footage_gets_no_warning_but_that_of_its_few_validation_videos() -> None:
    assert [warning.kind for warning in footage_warnings(make_footage(2))] == ["validation too small"]


def test_every_warning_is_one_sentence_of_its_kind() -> None:
    videos = []
    for video in make_footage(2):
        assert video.facts is not None
        facts = video.facts._replace(width=320 + video.is_anomalous)
        videos.append(video._replace(has_usable_sound=video.is_anomalous, facts=facts))
    found = footage_warnings(videos)
    assert [warning.kind for warning in found] == [
        "validation too small",
        "sound in one class",
        "file properties tell classes apart",
    ]
    assert all("\n" not in warning.text for warning in found)
