"""Times and losses that a container states wrongly or not at all, by hand-made files."""

import subprocess
from collections.abc import Callable
from itertools import count
from pathlib import Path

import av
import pytest

from avadclip.errors import MediaError
from avadclip.media.probe import MediaFile, probe
from avadclip.media.times.frame_rate import frame_rate_hz
from avadclip.media.video import VideoReader

MakeVideo = Callable[..., Path]
NumberOf = Callable[..., int]


def numbers(path: Path, number_of: NumberOf, rate_hz: float = 24.0) -> tuple[list[int], tuple[str, ...]]:
    """The picture shown in the middle of each frame's time, and the notes."""
    reader = VideoReader(path)
    found = [number_of(frame) for frame in reader.frames_at((i + 0.5) / rate_hz for i in count())]
    return found, reader.report.notes


def remux(source: Path, target: Path, change: Callable[[int, "av.Packet"], bool], rate_hz: int = 24) -> Path:
    """Copy the packets, in order of decoding; `change` alters each by its number, and returns whether it is kept."""
    with av.open(str(source)) as reader, av.open(str(target), "w") as writer:
        stream = reader.streams.video[0]
        copy = writer.add_stream_from_template(stream)
        for number, packet in enumerate(packet for packet in reader.demux(stream) if packet.size):
            if change(number, packet):
                packet.stream = copy
                writer.mux(packet)
    return target


@pytest.mark.parametrize("num_bframes", [0, 1, 3])
def test_avi_shows_every_picture_in_order_and_says_that_times_were_rebuilt(
    tmp_path: Path, make_video: MakeVideo, number_of: NumberOf, num_bframes: int
) -> None:
    options = {"x264-params": f"bframes={num_bframes}:b-adapt=0"}
    path = make_video(tmp_path / "a.avi", num_frames=48, codec_options=options)
    found, notes = numbers(path, number_of)
    assert found == list(range(48))
    assert any("rebuilt from the order of decoding" in note for note in notes) == (num_bframes > 0)


def test_an_mp4_without_its_table_of_display_times_shows_every_picture(
    tmp_path: Path, make_video: MakeVideo, number_of: NumberOf
) -> None:
    path = make_video(tmp_path / "a.mp4", num_frames=48, codec_options={"x264-params": "bframes=3:b-adapt=0"})
    content = path.read_bytes()
    assert b"ctts" in content
    path.write_bytes(content.replace(b"ctts", b"free"))
    found, notes = numbers(path, number_of)
    assert found == list(range(48))
    assert any("rebuilt from the order of decoding" in note for note in notes)


def test_lost_packets_do_not_shift_what_follows_in_avi(
    tmp_path: Path, make_video: MakeVideo, number_of: NumberOf
) -> None:
    """Damaged packets give no picture: those after the next key frame are at their times again, to one frame."""
    options = {"x264-params": "bframes=2:b-adapt=0:keyint=12"}
    path = make_video(tmp_path / "a.avi", num_frames=72, codec_options=options)
    content = bytearray(path.read_bytes())
    start = content.index(b"00dc", len(content) // 3)
    content[start + 8 : start + 200] = bytes(192)
    path.write_bytes(content)
    found, _ = numbers(path, number_of)
    assert all(abs(number - place) <= 1 for place, number in enumerate(found) if place >= 60)


@pytest.mark.parametrize(
    ("seconds", "rate"),
    [(0.04, 25.0), (1 / 30, 30.0), (1.0, 1.0)],
)
def test_the_measured_rate_replaces_one_that_counts_fields_or_ticks(seconds: float, rate: float) -> None:
    class Stream:
        average_rate, guessed_rate, base_rate = 60_000, 2 / seconds, 2 / seconds
        duration, time_base, frames = None, None, 0

    starts = [number * seconds for number in range(16)]
    assert frame_rate_hz(Stream, starts) == pytest.approx(rate)  # type: ignore[arg-type]


def test_the_true_average_of_a_variable_rate_is_kept() -> None:
    """16 pictures of 1 a second, then 30 a second, counted by the header: 300 in 24.9 s."""

    class Stream:
        average_rate, guessed_rate, base_rate = 300 / 24.9, 30, 30
        duration, time_base, frames = 24.9, 1, 300

    assert frame_rate_hz(Stream, list(range(16))) == pytest.approx(300 / 24.9)  # type: ignore[arg-type]


def test_an_average_over_time_that_a_clock_jumped_is_no_rate() -> None:
    class Stream:
        average_rate, guessed_rate, base_rate = 100 / 7204, 25, 25
        duration, time_base, frames = 7204, 1, 100

    assert frame_rate_hz(Stream, [number / 25 for number in range(16)]) == pytest.approx(25)  # type: ignore[arg-type]


@pytest.mark.parametrize("suffix", ["mkv", "webm", "flv", "ts"])
def test_missing_pictures_are_counted_in_seconds(tmp_path: Path, make_video: MakeVideo, suffix: str) -> None:
    codec = {"codec": "libvpx-vp9"} if suffix == "webm" else {"codec_options": {"x264-params": "keyint=1"}}
    whole = make_video(tmp_path / f"whole.{suffix}", num_frames=48, **codec)
    assert not any("no new frame" in note for note in _notes(whole))
    broken = remux(whole, tmp_path / f"broken.{suffix}", lambda number, _: not 10 <= number < 16)
    (note,) = [note for note in _notes(broken) if "no new frame" in note]
    assert note.startswith("no new frame for 0.25 s, in 1 place")


@pytest.mark.parametrize("num_lost", [3, 6])
def test_an_end_that_is_missing_is_noted(tmp_path: Path, make_video: MakeVideo, num_lost: int) -> None:
    whole = make_video(tmp_path / "whole.mkv", num_frames=48, codec_options={"x264-params": "keyint=1"})
    content = whole.read_bytes()
    cut = tmp_path / "cut.mkv"
    blocks = [place for place in range(len(content)) if content[place : place + 1] == b"\xa3"]
    found = None
    for place in reversed(blocks):  # cut before ever earlier blocks until so many pictures are gone
        cut.write_bytes(content[:place])
        if len(list(VideoReader(cut).frames_at(i / 24 for i in count()))) <= 48 - num_lost:
            found = _notes(cut)
            break
    assert found is not None
    assert any("cut off" in note for note in found)


def test_a_file_that_grows_while_it_is_read_says_so_and_states_what_was_scored(
    tmp_path: Path, make_video: MakeVideo
) -> None:
    whole = make_video(tmp_path / "whole.ts", num_frames=240, codec_options={"x264-params": "keyint=12"})
    content, growing = whole.read_bytes(), tmp_path / "growing.ts"
    first = len(content) // 2 // 188 * 188
    growing.write_bytes(content[:first])
    reader = VideoReader(MediaFile.open(growing))
    frames = reader.frames_at(i / 24 for i in count())
    next(frames)
    with growing.open("ab") as file:
        file.write(content[first:])
    num_frames = 1 + sum(1 for _ in frames)
    assert num_frames == 240
    (note,) = [note for note in reader.report.notes if "still being written" in note]
    assert "until 10.00 s" in note


@pytest.mark.parametrize(
    ("first", "second"), [("libx264", "mpeg2video"), ("libx265", "libx264"), ("mpeg2video", "libx264")]
)
def test_a_codec_that_changes_in_a_transport_stream_is_followed_and_named(
    tmp_path: Path, make_video: MakeVideo, number_of: NumberOf, first: str, second: str
) -> None:
    names = {"libx264": "h264", "libx265": "hevc", "mpeg2video": "mpeg2video"}
    parts = [
        make_video(
            tmp_path / f"{codec}.ts",
            num_frames=75,
            rate_hz=25.0,
            size=(96, 128),
            codec=codec,
            codec_options={"g": "5", "x265-params": "log-level=0:keyint=5", "bf": "0"},
        )
        for codec in (first, second)
    ]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    found, notes = numbers(joined, number_of, 25.0)
    assert any(f"{names[first]} to {names[second]}" in note for note in notes)
    assert found[:70] == list(range(70))
    assert set(range(30, 75)) <= set(found[75:])  # some pictures are needed to notice it


def _notes(path: Path) -> tuple[str, ...]:
    reader = VideoReader(path)
    for _ in reader.frames_at(i / 24 for i in count()):
        pass
    return reader.report.notes


def test_times_of_display_that_go_to_and_fro_are_noted(tmp_path: Path, make_video: MakeVideo) -> None:
    whole = make_video(tmp_path / "whole.mp4", num_frames=48, codec_options={"x264-params": "bframes=0:keyint=1"})

    def late(number: int, packet: "av.Packet") -> bool:
        assert packet.pts is not None
        packet.pts += 20 * int(packet.duration or 0) * (number % 8 == 4)
        return True

    (note,) = [note for note in _notes(remux(whole, tmp_path / "odd.mp4", late)) if "out of order" in note]
    assert "6 frames go back in time" in note  # 48 / 8 pictures are shown late, and the next one is earlier


@pytest.mark.parametrize(("suffix", "codec"), [("y4m", "wrapped_avframe"), ("dv", "dvvideo")])
def test_a_file_of_frames_of_one_size_that_ends_inside_one_is_cut_off(
    ffmpeg: str, tmp_path: Path, suffix: str, codec: str
) -> None:
    path = tmp_path / f"a.{suffix}"
    scene = "testsrc2=s=720x576:r=25:d=1"
    command = [ffmpeg, "-v", "error", "-f", "lavfi", "-i", scene, "-c:v", codec, "-pix_fmt", "yuv420p", str(path)]
    subprocess.run(command, check=True)
    assert not any("cut off" in note for note in _notes(path))
    path.write_bytes(path.read_bytes()[:-1000])
    assert "the file ends inside a frame: cut off" in _notes(path)


def _damage_a_picture(path: Path) -> None:
    content = bytearray(path.read_bytes())
    picture = content.index(b"\xff\xda", len(content) // 2)  # the start of a JPEG picture's coded data
    content[picture + 20 : picture + 40] = bytes(20)
    path.write_bytes(content)


def test_what_only_the_decoders_log_says_is_noted(tmp_path: Path, make_video: MakeVideo) -> None:
    """MJPEG fills in what a damaged picture lacks, and neither fails nor marks it."""
    path = make_video(tmp_path / "a.mkv", num_frames=24, codec="mjpeg", pix_fmt="yuvj420p")
    assert _notes(path) == ()
    _damage_a_picture(path)
    (note,) = _notes(path)
    assert note.startswith("the decoder found errors in 1 of 24 video packets, the first one: ")


def _insert_zeros(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] + bytes(200) + content[len(content) // 2 :])


def test_what_only_the_containers_log_says_is_noted(tmp_path: Path, make_video: MakeVideo) -> None:
    path = make_video(tmp_path / "a.mkv", num_frames=48, codec="mjpeg", pix_fmt="yuvj420p")
    _insert_zeros(path)
    (note,) = [note for note in _notes(path) if "the container has errors" in note]
    assert "exceeds containing master element" in note


def test_errors_of_the_headers_are_noted(tmp_path: Path, make_video: MakeVideo) -> None:
    path = make_video(tmp_path / "a.flv", num_frames=48, codec="flv")
    assert probe(path).notes == ()
    _insert_zeros(path)
    (note,) = probe(path).notes
    assert note.startswith("the file's headers have errors, the first one: Packet mismatch")


def test_the_log_of_one_file_is_not_noted_for_another(tmp_path: Path, make_video: MakeVideo) -> None:
    """FFmpeg's library reports a repeated message late, when the next one is logged."""
    no_index = tmp_path / "a.mp4"
    no_index.write_bytes(make_video(tmp_path / "whole.mp4", num_frames=24).read_bytes()[:-2000])
    for _ in range(3):
        with pytest.raises(MediaError):
            probe(no_index)
    damaged = make_video(tmp_path / "b.mkv", num_frames=24, codec="mjpeg", pix_fmt="yuvj420p")
    _damage_a_picture(damaged)
    (note,) = _notes(damaged)
    assert "moov" not in note
