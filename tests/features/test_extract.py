import itertools
import threading
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

import avadclip.features.extract
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


def test_features_have_their_provenance(tmp_path: Path, write_clip, fake_encoders) -> None:
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

    windows = list(SoundReader(path).windows(itertools.islice(grid.centres(), num_snippets), 0.975))
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


class Heard:
    """The loudness of every window, by an encoder that hears it once."""

    name, dim, window_seconds, reads_once = "heard", 1, 0.5, True

    def listen(self):
        return lambda windows: np.square(windows).mean(axis=1, keepdims=True).astype(np.float32)

    def encode_recording(self, read_windows):
        return np.concatenate([self.listen()(batch) for batch in read_windows()])

    def identity(self):
        return {"name": self.name}


class HeardTwice(Heard):
    reads_once = False


def mux(path: Path, picture: Path, *, order: str, sound_seconds: float = 8.0) -> Path:
    """The packets of a picture and a tone in one file, interleaved, or one after the other but for the last 10 s.

    So long a muxer waits for packets of the other stream.
    """
    index_first = {"movflags": "faststart"} if path.suffix == ".mp4" else {}
    with av.open(str(picture)) as source, av.open(str(path), "w", options=index_first) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        track = target.add_stream("mp2", rate=16_000, layout="mono")
        pictures = [packet for packet in source.demux(source.streams.video[0]) if packet.dts is not None]
        samples = (9_000 * np.sin(np.arange(round(sound_seconds * 16_000)) ** 1.2 / 50)).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 16_000, 0, Fraction(1, 16_000)
        sounds = [*track.encode(frame), *track.encode(None)]
        for packet in pictures:
            packet.stream = stream
        target.mux([*sounds, *pictures] if order == "sound first" else [*pictures, *sounds])
    if order != "interleaved" and path.suffix == ".mkv":  # the reader of AVI puts packets in order itself
        with av.open(str(path)) as written:
            found = [packet.stream_index for packet in written.demux() if packet.size]
        assert set(found[:200]) == {int(order == "sound first")}
    return path


@pytest.fixture(scope="module")
def picture_file(tmp_path_factory, write_clip) -> Path:
    return write_clip(tmp_path_factory.mktemp("picture") / "picture.mkv", num_frames=720, sound=None)


def same(first, second) -> None:
    np.testing.assert_array_equal(first.visual, second.visual)
    np.testing.assert_array_equal(first.audio, second.audio)
    assert (first.notes, first.sound_is_silent, first.duration_seconds) == (
        *(second.notes, second.sound_is_silent),
        second.duration_seconds,
    )


def both_ways(path: Path, fake_encoders):
    """Features from one pass over the file, and from a pass for each of picture and sound."""
    return (extract_features(path, fake_encoders()._replace(audio=audio())) for audio in (Heard, HeardTwice))


@pytest.mark.parametrize("sound_seconds", [28.0, 30.0, 60.0])
@pytest.mark.parametrize("order", ["interleaved", "picture first", "sound first"])
def test_one_pass_over_a_file_gives_the_numbers_of_two(
    tmp_path: Path, picture_file: Path, fake_encoders, order: str, sound_seconds: float
) -> None:
    for suffix in (".mkv", ".avi"):
        path = mux(tmp_path / f"both{suffix}", picture_file, order=order, sound_seconds=sound_seconds)
        once, twice = both_ways(path, fake_encoders)
        same(once, twice)
        assert len(once.audio) == len(once) >= 44


def test_one_pass_gives_the_same_of_real_and_of_joined_files(
    tmp_path: Path, sample_videos: tuple[Path, Path], fake_encoders
) -> None:
    same(*both_ways(sample_videos[0], fake_encoders))
    stream = tmp_path / "one.ts"
    with av.open(str(sample_videos[0])) as source, av.open(str(stream), "w") as target:
        copies = {each.index: target.add_stream_from_template(each) for each in (source.streams.video[0],)}
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = copies[packet.stream_index]
                target.mux(packet)
    joined = tmp_path / "joined.ts"
    sounding = mux(tmp_path / "sounding.ts", stream, order="interleaved", sound_seconds=5.0)
    joined.write_bytes(2 * sounding.read_bytes())  # timestamps restart in the middle
    once, twice = both_ways(joined, fake_encoders)
    same(once, twice)
    assert any("restart" in note for note in once.notes)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_file_cut_off_gives_the_same_in_one_pass(
    tmp_path: Path, sample_videos: tuple[Path, Path], fake_encoders, share: float, suffix: str
) -> None:
    whole = mux(tmp_path / f"whole{suffix}", sample_videos[0], order="interleaved", sound_seconds=5.0)
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(whole.read_bytes()[: int(share * whole.stat().st_size)])
    same(*both_ways(cut, fake_encoders))


def test_audio_is_decoded_in_the_video_pass_for_one_pass_encoders(
    tmp_path: Path, write_clip, fake_encoders, monkeypatch
) -> None:
    path = write_clip(tmp_path / "clip.mkv")
    monkeypatch.setattr(avadclip.features.extract, "SoundReader", None)  # nobody may open the file for it again
    features = extract_features(path, fake_encoders()._replace(audio=Heard()))
    assert features.audio.shape == (3, 1)
