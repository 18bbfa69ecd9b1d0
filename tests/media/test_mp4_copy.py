from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from avadclip.errors import MediaError
from avadclip.media.audio import SoundReader
from avadclip.media.mp4_copy import write_copy, write_quick_copy
from avadclip.media.playable import why_unplayable
from avadclip.media.probe import probe
from avadclip.media.video import VideoReader

MakeVideo = Callable[..., Path]
NumberOf = Callable[[NDArray[np.uint8]], int]


def numbers_at(path: Path, times: list[float], number_of: NumberOf) -> list[int]:
    return [number_of(picture) for picture in VideoReader(path).frames_at(times)]


def loudest_second(path: Path, length_seconds: float) -> float:
    (window,) = SoundReader(path).windows([length_seconds / 2], length_seconds)
    return float(np.abs(window).argmax() / 16_000)


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "libx265"), ("a.avi", "mpeg4"), ("a.ts", "libx264")])
def test_every_picture_stays_at_its_time(
    make_video: MakeVideo, number_of: NumberOf, tmp_path: Path, name: str, codec: str
) -> None:
    source = make_video(tmp_path / name, codec=codec, num_frames=60)
    write_copy(source, tmp_path / "copy.mp4")
    times = [(number + 0.5) / 24 for number in range(60)]
    assert numbers_at(tmp_path / "copy.mp4", times, number_of) == list(range(60))
    assert why_unplayable(tmp_path / "copy.mp4") is None
    assert probe(tmp_path / "copy.mp4").sound is None


@pytest.mark.parametrize("start_seconds", [0.0, 0.7, -0.4])
@pytest.mark.parametrize("rate_hz", [48_000, 44_100, 8_000])
def test_sound_stays_with_the_picture(
    make_video: MakeVideo,
    sound_track: Any,
    click_at: Any,
    *,
    tmp_path: Path,
    start_seconds: float,
    rate_hz: int,
) -> None:
    samples = click_at(1.25, 3.0, rate_hz)
    track = sound_track(samples, start_seconds=max(start_seconds, 0), rate_hz=rate_hz)
    late = [max(-start_seconds, 0) + index / 24 for index in range(72)]
    source = make_video(tmp_path / "a.mkv", times=late, sound=track)
    write_copy(source, tmp_path / "copy.mp4")
    assert loudest_second(tmp_path / "copy.mp4", 4) == pytest.approx(1.25 + start_seconds, abs=0.003)
    assert loudest_second(source, 4) == pytest.approx(1.25 + start_seconds, abs=0.003)


def test_a_gap_in_the_sound_becomes_silence(
    make_video: MakeVideo, sound_track: Any, click_at: Any, tmp_path: Path
) -> None:
    track = sound_track(click_at(2.5, 3.0), codec="pcm_s16le", skip_seconds=(0.5, 2.0))
    source = make_video(tmp_path / "a.mkv", num_frames=72, sound=track)
    write_copy(source, tmp_path / "copy.mp4")
    assert loudest_second(tmp_path / "copy.mp4", 3) == pytest.approx(2.5, abs=0.003)


def test_a_joined_stream_continues_across_the_join(
    make_video: MakeVideo, sound_track: Any, click_at: Any, number_of: NumberOf, tmp_path: Path
) -> None:
    parts = [
        make_video(tmp_path / f"{index}.ts", num_frames=48, sound=sound_track(click_at(1.0, 2.0))).read_bytes()
        for index in range(2)
    ]
    source = tmp_path / "joined.ts"
    source.write_bytes(b"".join(parts))
    write_copy(source, tmp_path / "copy.mp4")
    assert numbers_at(tmp_path / "copy.mp4", [1.0, 3.02], number_of) == [24, 24]
    windows = SoundReader(tmp_path / "copy.mp4").windows([1.0, 3.0], 2.0)
    clicks = [float(np.abs(window).argmax() / 16_000) for window in windows]
    assert clicks == pytest.approx([1.0, 1.0], abs=0.05)


def test_the_copy_stands_upright_and_is_small(make_video: MakeVideo, tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.mov", rotation=90, size=(1000, 1901), num_frames=3, pix_fmt="yuv444p")
    write_copy(source, tmp_path / "copy.mp4")
    media = probe(tmp_path / "copy.mp4")
    assert (media.width, media.height, media.rotation_degrees) == (674, 1280, 0)


def test_a_fast_video_is_thinned_and_a_slow_one_is_not_filled(make_video: MakeVideo, tmp_path: Path) -> None:
    for rate_hz, wanted in ((60.0, 30.0), (4.0, 4.0)):
        source = make_video(tmp_path / "a.mkv", num_frames=40, rate_hz=rate_hz)
        write_copy(source, tmp_path / "copy.mp4")
        media = probe(tmp_path / "copy.mp4")
        assert media.frame_rate_hz == pytest.approx(wanted)
        assert media.duration_seconds == pytest.approx(40 / rate_hz, abs=0.5 / wanted)


def test_pictures_can_be_altered_and_progress_is_reported(
    make_video: MakeVideo, number_of: NumberOf, tmp_path: Path
) -> None:
    source = make_video(tmp_path / "a.mp4", num_frames=30)
    seen: list[float] = []
    write_copy(
        source,
        tmp_path / "copy.mp4",
        alter=lambda picture, _: np.ascontiguousarray(255 - picture),
        on_progress=seen.append,
    )
    times = [(number + 0.5) / 24 for number in range(30)]
    assert numbers_at(tmp_path / "copy.mp4", times, number_of) == [255 - number for number in range(30)]
    assert seen == pytest.approx([number / 24 for number in range(30)])


def test_colours_stay(make_video: MakeVideo, tmp_path: Path) -> None:
    colour = np.tile(np.array([200, 60, 30], np.uint8), (48, 64, 1))
    source = make_video(tmp_path / "a.mkv", pictures=[colour] * 5, times=[index / 24 for index in range(5)])
    write_copy(source, tmp_path / "copy.mp4")
    (before,) = VideoReader(source).frames_at([0.1])
    (after,) = VideoReader(tmp_path / "copy.mp4").frames_at([0.1])
    assert np.abs(before[24, 32].astype(int) - after[24, 32]).max() <= 6


def test_a_failure_leaves_nothing(make_video: MakeVideo, tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.mp4")
    counter = count()

    def fail(picture: NDArray[np.uint8], seconds: float) -> NDArray[np.uint8]:
        if next(counter) == 10:
            raise KeyboardInterrupt
        return picture

    with pytest.raises(KeyboardInterrupt):
        write_copy(source, tmp_path / "copy.mp4", alter=fail)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_a_full_disk_is_an_error_of_the_system(
    make_video: MakeVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_video(tmp_path / "a.mp4")

    def refuse(*_: object) -> None:
        raise av.error.classes[28](28, "No space left on device")

    monkeypatch.setattr("avadclip.media.mp4_copy._decoding_seconds", refuse)
    with pytest.raises(OSError, match="No space left on device") as raised:
        write_copy(source, tmp_path / "copy.mp4")
    assert raised.value.filename == str(tmp_path / "copy.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("no video")
    with pytest.raises(MediaError):
        write_copy(tmp_path / "a.mp4", tmp_path / "copy.mp4")


def test_a_quick_copy_has_the_same_pictures_and_sound_at_their_times(
    make_video: MakeVideo, number_of: NumberOf, sound_track: Any, click_at: Any, *, tmp_path: Path
) -> None:
    track = sound_track(click_at(1.25, 3.0, 8_000), start_seconds=0.3, rate_hz=8_000)
    source = make_video(tmp_path / "a.mkv", times=[index / 24 for index in range(72)], sound=track)
    assert why_unplayable(source) is not None
    write_quick_copy(source, tmp_path / "copy.mp4")
    assert why_unplayable(tmp_path / "copy.mp4") is None
    times = [(number + 0.5) / 24 for number in range(72)]
    assert numbers_at(tmp_path / "copy.mp4", times, number_of) == numbers_at(source, times, number_of)
    assert loudest_second(tmp_path / "copy.mp4", 4) == pytest.approx(1.55, abs=0.003)
    assert num_packets(tmp_path / "copy.mp4") == num_packets(source)


def num_packets(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(packet.size > 0 for packet in container.demux(video=0))


def test_a_quick_copy_of_what_browsers_cannot_play_is_refused(make_video: MakeVideo, tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.mkv", codec="mpeg4", num_frames=24)
    with pytest.raises(MediaError, match=r"has mpeg4 pictures, yuv420p, that browsers cannot play; transcode it"):
        write_quick_copy(source, tmp_path / "copy.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mkv"]


def test_a_span_is_cut_out_with_its_sound(
    make_video: MakeVideo, number_of: NumberOf, sound_track: Any, click_at: Any, tmp_path: Path
) -> None:
    track = sound_track(click_at(3.0, 5.0, 48_000), start_seconds=0.0, rate_hz=48_000)
    source = make_video(tmp_path / "a.mkv", num_frames=120, sound=track)
    write_copy(source, tmp_path / "copy.mp4", span=(2.0, 4.0))
    times = [(number + 0.5) / 24 for number in range(48)]
    assert numbers_at(tmp_path / "copy.mp4", times, number_of) == list(range(48, 96))
    assert probe(tmp_path / "copy.mp4").duration_seconds == pytest.approx(2.0, abs=0.05)
    assert loudest_second(tmp_path / "copy.mp4", 2.0) == pytest.approx(1.0, abs=0.05)
    with pytest.raises(MediaError, match=r"ends before 9 s"):
        write_copy(source, tmp_path / "late.mp4", span=(9.0, 10.0))
    assert not (tmp_path / "late.mp4").exists()
