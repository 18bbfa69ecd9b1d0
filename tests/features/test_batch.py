import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

import avadclip.features.batch
from avadclip.errors import DataError
from avadclip.features.batch import extract_to_folder
from avadclip.features.store import read_features
from avadclip.media.probe import MediaFile
from avadclip.timeline import SnippetGrid

torch.set_num_threads(1)


@pytest.fixture
def videos(tmp_path: Path, write_clip) -> list[Path]:
    folder = tmp_path / "videos"
    folder.mkdir()
    return [write_clip(folder / "a.mkv"), write_clip(folder / "b.mkv", brightness=40, sound=None)]


@pytest.fixture
def extractions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the videos that were really decoded."""
    names: list[str] = []
    extract = avadclip.features.batch.extract_features

    def counted(media: MediaFile, *args: object, **options: object) -> object:
        names.append(media.info.path.name)
        return extract(media, *args, **options)

    monkeypatch.setattr(avadclip.features.batch, "extract_features", counted)
    return names


def statuses(paths: list[Path], folder: Path, encoders, **options: object) -> list[str]:
    return [outcome.status for outcome in extract_to_folder(paths, folder, encoders, **options)]


def test_every_video_gets_its_file(tmp_path: Path, videos: list[Path], fake_encoders) -> None:
    out = tmp_path / "features"
    outcomes = list(extract_to_folder(videos, out, fake_encoders()))
    assert [(o.path, o.feature_file, o.status) for o in outcomes] == [
        (videos[0], out / "a.safetensors", "done"),
        (videos[1], out / "b.safetensors", "done"),
    ]
    first, second = (read_features(outcome.feature_file) for outcome in outcomes)
    assert len(first) == len(second) == 3
    assert first.has_usable_sound
    assert second.audio is None
    assert sorted(path.name for path in out.iterdir()) == ["a.safetensors", "b.safetensors"]


def test_a_rerun_keeps_what_is_done(tmp_path: Path, videos: list[Path], fake_encoders, extractions) -> None:
    out = tmp_path / "features"
    assert statuses(videos, out, fake_encoders()) == ["done", "done"]
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    extractions.clear()
    assert statuses(videos, out, fake_encoders()) == ["kept", "kept"]
    assert extractions == []
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_extraction_opens_a_file_once_a_pass(tmp_path: Path, videos: list[Path], fake_encoders, opened_files) -> None:
    out = tmp_path / "features"
    statuses(videos, out, fake_encoders())
    assert opened_files == ["a.mkv"] * 3 + ["b.mkv"] * 2  # facts, picture, and a.mkv has sound
    opened_files.clear()
    statuses(videos, out, fake_encoders())
    assert opened_files == ["a.mkv", "b.mkv"]


def test_a_copy_or_a_new_date_is_the_same_video(
    tmp_path: Path, videos: list[Path], fake_encoders, extractions, monkeypatch
) -> None:
    out, elsewhere = tmp_path / "features", tmp_path / "elsewhere"
    statuses(videos, out, fake_encoders())
    extractions.clear()
    os.utime(videos[0], (1, 1))
    elsewhere.mkdir()
    copy = Path(shutil.copy(videos[1], elsewhere / "b.mkv"))
    os.utime(out / "b.safetensors", (1, 1))
    monkeypatch.setattr("avadclip.features.store.__version__", "99.0")
    assert statuses([videos[0], copy], out, fake_encoders()) == ["kept", "kept"]
    assert extractions == []


def test_changed_content_is_done_again(tmp_path: Path, videos: list[Path], fake_encoders, write_clip) -> None:
    out = tmp_path / "features"
    statuses(videos, out, fake_encoders())
    write_clip(videos[0], brightness=90)
    assert statuses(videos, out, fake_encoders()) == ["done", "kept"]
    assert read_features(out / "a.safetensors").visual[0, 0, 0] == pytest.approx(90, abs=1)


def test_other_encoders_another_grid_or_missing_sound_mean_doing_it_again(
    tmp_path: Path, videos: list[Path], fake_encoders
) -> None:
    out = tmp_path / "features"
    one = videos[:1]
    assert statuses(one, out, fake_encoders()) == ["done"]
    assert statuses(one, out, fake_encoders(frame_offsets=(0, 4))) == ["done"]
    assert statuses(one, out, fake_encoders(frame_offsets=(0, 4))) == ["kept"]
    assert statuses(one, out, fake_encoders(sound=False, frame_offsets=(0, 4))) == ["done"]
    assert statuses(one, out, fake_encoders(frame_offsets=(0, 4))) == ["done"]
    assert statuses(one, out, fake_encoders(frame_offsets=(0, 1)), grid=SnippetGrid(snippet_frames=4)) == ["done"]
    assert len(read_features(out / "a.safetensors")) == 12


def test_another_audio_track_means_doing_it_again(tmp_path: Path, ffmpeg: str, fake_encoders) -> None:
    tones = [word for hz in (300, 500) for word in ("-f", "lavfi", "-i", f"sine={hz}:d=2")]
    maps, video = ("-map", "0", "-map", "1", "-map", "2"), tmp_path / "a.mkv"
    picture = (ffmpeg, "-v", "error", "-f", "lavfi", "-i", "testsrc=s=64x48:d=2")
    subprocess.run([*picture, *tones, *maps, str(video)], check=True)
    for track, status in ((None, "done"), (2, "done"), (2, "kept"), (None, "done")):
        (outcome,) = extract_to_folder([video], tmp_path / "out", fake_encoders(), audio_track=track)
        assert outcome.status == status
        assert read_features(outcome.feature_file).audio_track == track


def test_how_many_snippets_are_encoded_at_once_is_no_reason_to_do_it_again(
    tmp_path: Path, videos: list[Path], fake_encoders
) -> None:
    out = tmp_path / "features"
    assert statuses(videos, out, fake_encoders(snippets_per_batch=1)) == ["done", "done"]
    assert statuses(videos, out, fake_encoders(snippets_per_batch=3)) == ["kept", "kept"]


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
def test_a_file_cut_off_is_repaired(tmp_path: Path, videos: list[Path], fake_encoders, share: float) -> None:
    out = tmp_path / "features"
    statuses(videos, out, fake_encoders())
    target = out / "a.safetensors"
    whole = target.read_bytes()
    target.write_bytes(whole[: int(share * len(whole))])
    assert statuses(videos, out, fake_encoders()) == ["done", "kept"]
    assert target.read_bytes() == whole


def test_a_bad_video_is_reported_and_the_rest_goes_on(tmp_path: Path, videos: list[Path], fake_encoders) -> None:
    out = tmp_path / "features"
    broken, missing = tmp_path / "videos" / "broken.mkv", tmp_path / "videos" / "missing.mkv"
    broken.write_bytes(videos[0].read_bytes()[:300])
    paths = [broken, videos[0], missing, videos[1]]
    outcomes = list(extract_to_folder(paths, out, fake_encoders()))
    assert [outcome.status for outcome in outcomes] == ["failed", "done", "failed", "done"]
    for outcome in outcomes:
        if outcome.status == "failed":
            assert outcome.path.name in outcome.message
            assert "\n" not in outcome.message
    assert sorted(path.name for path in out.iterdir()) == ["a.safetensors", "b.safetensors"]


def test_a_killed_extraction_leaves_nothing_half_written(tmp_path: Path, videos: list[Path], fake_encoders) -> None:
    out = tmp_path / "features"
    encoders = fake_encoders()

    def interrupt(frames: list) -> np.ndarray:
        raise KeyboardInterrupt

    encoders.visual.encode = interrupt
    with pytest.raises(KeyboardInterrupt):
        statuses(videos, out, encoders)
    assert not out.exists() or list(out.iterdir()) == []


def test_numbers_that_are_not_finite_fail_that_video_only(tmp_path: Path, videos: list[Path], fake_encoders) -> None:
    encoders = fake_encoders()
    encode = encoders.visual.encode
    encoders.visual.encode = lambda frames: encode(frames) / (frames[0].mean() > 20)
    with np.errstate(invalid="ignore", divide="ignore"):
        outcomes = list(extract_to_folder(videos, tmp_path / "features", encoders))
    assert [outcome.status for outcome in outcomes] == ["failed", "done"]
    assert "non-finite visual value" in outcomes[0].message


def test_two_videos_of_one_name_are_refused_before_anything_is_read(tmp_path: Path, fake_encoders) -> None:
    paths = [tmp_path / "x" / "a.mp4", tmp_path / "y" / "a.mkv"]
    with pytest.raises(DataError, match="would share") as refused:
        list(extract_to_folder(paths, tmp_path / "features", fake_encoders()))
    assert all(str(path) in str(refused.value) for path in paths)
    assert not (tmp_path / "features").exists()


def test_progress_names_the_video_at_work(tmp_path: Path, videos: list[Path], fake_encoders) -> None:
    seen: list[tuple[str, float, float]] = []

    def follow(path: Path, done: float, total: float) -> None:
        seen.append((path.name, round(done, 2), round(total, 2)))

    statuses(videos, tmp_path / "out", fake_encoders(), on_progress=follow)
    assert seen == [(name, seconds, 2.0) for name in ("a.mkv", "b.mkv") for seconds in (1.33, 2.0)]
