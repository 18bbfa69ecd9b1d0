import itertools
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from avadclip.encoders.load import load_encoders
from avadclip.errors import MediaError
from avadclip.features.extract import extract_features, provenance_of
from avadclip.media.audio import SoundReader
from avadclip.media.video import VideoReader
from avadclip.timeline import SnippetGrid

torch.set_num_threads(1)


def test_snippets_are_the_frames_and_the_sound_of_their_time(tmp_path: Path, write_clip, fake_encoders) -> None:
    features = extract_features(write_clip(tmp_path / "clip.mkv"), fake_encoders())
    # Frame i is grey 4 i; a snippet is 16 frames, of which 0 and 8 are looked at.
    expected = [[4.0 * (16 * s + offset) for offset in (0, 0, 0, 8, 8, 8)] for s in range(3)]
    np.testing.assert_allclose(features.visual, [expected], atol=1.5)
    assert features.audio.shape == (3, 1)
    # A tone whose second half, from 1 s on, is louder: windows of .5 s around 1/3, 1 and 5/3 s.
    powers = [0.5 * 0.2**2, 0.25 * (0.2**2 + 0.8**2), 0.5 * 0.8**2]
    np.testing.assert_allclose(features.audio[:, 0], powers, rtol=0.1)
    assert features.duration_seconds == pytest.approx(2.0, abs=0.01)
    assert not features.sound_is_silent


@pytest.mark.parametrize("snippets_per_batch", [1, 2, 3, 100])
@pytest.mark.parametrize("num_frames", [16, 31, 32, 48, 70])
def test_batches_never_change_a_number(
    tmp_path: Path, write_clip, fake_encoders, num_frames: int, snippets_per_batch: int
) -> None:
    path = write_clip(tmp_path / "clip.mkv", num_frames=num_frames)
    encoders = fake_encoders(snippets_per_batch=snippets_per_batch)
    features = extract_features(path, encoders)
    assert len(features) == num_frames // 16
    np.testing.assert_array_equal(features.visual, extract_features(path, fake_encoders()).visual)
    assert max(encoders.visual.calls) <= snippets_per_batch


@pytest.mark.parametrize(("rate_hz", "num_frames"), [(12, 48), (24, 96), (30, 120), (48, 192)])
def test_the_same_time_gives_as_many_snippets_at_any_frame_rate(
    tmp_path: Path, write_clip, fake_encoders, rate_hz: int, num_frames: int
) -> None:
    features = extract_features(
        write_clip(tmp_path / "clip.mkv", num_frames=num_frames, rate_hz=rate_hz), fake_encoders()
    )
    assert len(features) == 6  # 4 s
    at_one_snippet = 2 / 3 * rate_hz  # frame shown there
    assert features.visual[0, 1, 0] == pytest.approx(4 * int(at_one_snippet + 1e-6), abs=1.5)


def test_a_last_snippet_that_lacks_half_a_frame_is_kept(tmp_path: Path, write_clip, fake_encoders) -> None:
    # 80 frames at 120 fps end at 2/3 s; 79 end 8 ms earlier, within half a model frame of 21 ms.
    path = write_clip(tmp_path / "clip.mkv", num_frames=79, rate_hz=120)
    features = extract_features(path, fake_encoders(frame_offsets=(0, 15)))
    assert len(features) == 1
    assert features.visual[0, 0, 3] == pytest.approx(4 * 75 % 256, abs=1.5)  # shown at 15/24 s


@pytest.mark.parametrize("num_frames", [1, 2, 15])
def test_less_than_one_snippet_is_one_line(tmp_path: Path, write_clip, fake_encoders, num_frames: int) -> None:
    path = write_clip(tmp_path / "short.mkv", num_frames=num_frames)
    with pytest.raises(MediaError, match="less than one snippet") as refused:
        extract_features(path, fake_encoders())
    message = str(refused.value)
    assert "\n" not in message
    assert str(path) in message
    assert "0.67 s (16 frames at 24 fps)" in message


def test_no_track_and_a_silent_track_are_two_things(tmp_path: Path, write_clip, fake_encoders) -> None:
    without = extract_features(write_clip(tmp_path / "without.mkv", sound=None), fake_encoders())
    silent = extract_features(write_clip(tmp_path / "silent.mkv", sound="silence"), fake_encoders())
    assert without.audio is None
    assert not without.sound_is_silent
    assert silent.audio is not None
    assert silent.sound_is_silent
    assert not silent.has_usable_sound


def test_encoders_without_sound_do_not_listen(tmp_path: Path, write_clip, fake_encoders) -> None:
    features = extract_features(write_clip(tmp_path / "clip.mkv"), fake_encoders(sound=False))
    assert features.audio is None
    assert features.provenance.audio is None


def test_features_say_how_they_were_made(tmp_path: Path, write_clip, fake_encoders) -> None:
    grid, encoders = SnippetGrid(snippet_frames=8), fake_encoders(frame_offsets=(0, 4))
    features = extract_features(write_clip(tmp_path / "clip.mkv"), encoders, grid=grid)
    assert len(features) == 6
    assert features.provenance == provenance_of(encoders, grid)
    assert features.provenance.grid.snippet_frames == 8
    assert features.provenance.visual["name"] == "mean colour"
    assert features.provenance.audio["window_seconds"] == 0.5


def test_real_videos_have_as_much_sound_as_picture(sample_videos: tuple[Path, Path], fake_encoders) -> None:
    with_sound, without = (extract_features(path, fake_encoders()) for path in sample_videos)
    assert with_sound.audio.shape == (len(with_sound), 1)
    assert with_sound.has_usable_sound
    assert without.audio is None
    for features in (with_sound, without):
        assert len(features) == int(features.duration_seconds * 1.5 + 0.5 / 16)
        features.validate("sample")


def test_work_in_threads_changes_no_number(sample_videos: tuple[Path, Path]) -> None:
    encoders, grid, path = load_encoders("lite"), SnippetGrid(), sample_videos[0]
    features = extract_features(path, encoders, grid=grid)

    reader = VideoReader(path, frame_size=encoders.visual.frame_size)
    frames = list(reader.frames_at(grid.frame_times(encoders.visual.frame_offsets)))
    num_snippets = grid.num_snippets(reader.report.duration_seconds)
    rows = encoders.visual.encode(frames[: num_snippets * len(encoders.visual.frame_offsets)])
    np.testing.assert_array_equal(features.visual, rows)

    windows = list(SoundReader(path).windows(itertools.islice(grid.centres(), num_snippets), 1.0))
    heard = encoders.audio.encode_recording(lambda: iter([np.stack(windows)]))
    np.testing.assert_array_equal(features.audio, heard)


def test_no_thread_is_left_by_a_file_that_fails(tmp_path: Path, write_clip, fake_encoders) -> None:
    before = threading.active_count()
    encoders = fake_encoders()

    def fail(frames: list) -> np.ndarray:
        raise MediaError("the encoder cannot go on")

    encoders.visual.encode = fail
    with pytest.raises(MediaError, match="cannot go on"):
        extract_features(write_clip(tmp_path / "clip.mkv", num_frames=200), encoders)
    assert threading.active_count() == before


def test_several_crops_keep_their_rows_apart(tmp_path: Path, write_clip, fake_encoders) -> None:
    path = write_clip(tmp_path / "clip.mkv", num_frames=70)
    encoders = fake_encoders()
    encode_one = encoders.visual.encode
    encoders.visual.num_crops = 3
    encoders.visual.encode = lambda frames: np.concatenate([encode_one(frames) + crop for crop in range(3)])
    features = extract_features(path, encoders)
    centre = extract_features(path, fake_encoders()).visual[0]
    np.testing.assert_array_equal(features.visual, np.stack([centre, centre + 1, centre + 2]))
