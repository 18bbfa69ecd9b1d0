import itertools
import struct
from bisect import bisect_right

import av
import numpy as np
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avadclip.errors import MediaError
from avadclip.media.video import VideoReader

from .made_videos import black_picture


def every(rate_hz):
    return (i / rate_hz for i in itertools.count())


@pytest.fixture
def numbers(number_of):
    def read(path, rate_hz=24.0, **kwargs):
        reader = VideoReader(path, **kwargs)
        return [number_of(picture) for picture in reader.frames_at(every(rate_hz))], reader.report

    return read


@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        ("a.mp4", {}),
        ("a.mkv", {}),
        ("a.ts", {}),
        ("a.flv", {}),
        ("a.mov", {"pix_fmt": "yuv420p10le"}),
        ("a.avi", {"codec": "mpeg4"}),
        ("b.avi", {"codec": "mpeg4", "setup": lambda s: setattr(s.codec_context, "max_b_frames", 2)}),
        ("a.webm", {"codec": "libvpx-vp9"}),
        ("odd.mkv", {"codec": "ffv1", "size": (47, 63)}),
        ("odd.mp4", {"pix_fmt": "yuv444p", "size": (47, 63)}),
        ("field.mp4", {"codec_options": {"x264-params": "tff=1"}}),
        ("frag.mp4", {"container_options": {"movflags": "frag_keyframe+empty_moov"}}),
    ],
)
def test_every_picture_is_at_its_time(tmp_path, make_video, numbers, name, kwargs):
    found, report = numbers(make_video(tmp_path / name, **kwargs))
    assert found == list(range(24))
    assert report.num_frames == 24
    assert report.duration_seconds == pytest.approx(1.0, abs=0.002)
    assert report.undecodable_share == 0


def test_without_timestamps_the_nominal_rate_counts_and_is_noted(tmp_path, make_video, numbers):
    found, report = numbers(make_video(tmp_path / "a.h264", rate_hz=25), rate_hz=25)
    assert found == list(range(24))
    assert any("without timestamps" in note for note in report.notes)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(st.integers(1, 900), min_size=1, max_size=12),
    asked=st.lists(st.integers(0, 6000), min_size=1, max_size=30),
)
def test_frames_at_gives_the_last_picture_that_began(tmp_path, make_video, number_of, steps, asked):
    starts = [0, *itertools.accumulate(steps)]  # milliseconds
    path = make_video(tmp_path / "a.mkv", times=[start / 1000 for start in starts])
    reader = VideoReader(path, frame_size=(24, 32))
    asked = sorted(time for time in asked if time <= starts[-1])
    found = [number_of(picture) for picture in reader.frames_at(time / 1000 for time in asked)]
    assert found == [bisect_right(starts, time) - 1 for time in asked]


def test_60_and_5_frames_a_second_mean_the_same_time(tmp_path, make_video, number_of, numbered_picture):
    # Both show the number of the current fifth of a second.
    fast = make_video(
        tmp_path / "60.mp4", rate_hz=60, num_frames=180, pictures=[numbered_picture(i // 12) for i in range(180)]
    )
    slow = make_video(tmp_path / "5.mp4", rate_hz=5, num_frames=15)
    found = [[number_of(p) for p in VideoReader(path).frames_at(every(24))] for path in (fast, slow)]
    assert found[0] == found[1] == [int(i / 24 * 5 + 1e-9) for i in range(72)]


def test_a_frame_sampled_twice_is_converted_once(tmp_path, make_video):
    first, again, other = VideoReader(make_video(tmp_path / "a.mp4")).frames_at([0.0, 0.02, 0.05])
    assert first is again
    assert other is not first


def test_times_may_be_few_and_start_late(tmp_path, make_video, number_of):
    assert [number_of(p) for p in VideoReader(make_video(tmp_path / "a.mp4")).frames_at([0.5])] == [12]


def test_each_call_is_a_fresh_pass(tmp_path, make_video, numbers):
    reader = VideoReader(make_video(tmp_path / "a.mp4"))
    with pytest.raises(RuntimeError, match="frames_at"):
        _ = reader.report
    assert [len(list(reader.frames_at(every(24)))) for _ in range(2)] == [24, 24]


@pytest.mark.parametrize(("degrees", "turns"), [(90, 1), (180, 2), (-90, 3)])
def test_rotation_turns_the_pixels(tmp_path, make_video, numbered_picture, degrees, turns):
    original = numbered_picture(5)
    expected = np.rot90(original, turns).astype(int)
    path = make_video(tmp_path / "a.mp4", pictures=[original] * 2, times=[0, 0.1], rotation=degrees)
    for frame_size in (None, expected.shape[:2]):
        reader = VideoReader(path, frame_size=frame_size)
        shown = list(reader.frames_at([0.0, 0.1]))[-1]
        assert shown.shape == expected.shape
        assert np.abs(shown[4::8, 4::8] - expected[4::8, 4::8]).max() < 40  # the middles of bars and grey
        assert any("rotation" in note for note in reader.report.notes)


def test_rotation_follows_the_matrix_of_the_file_format(tmp_path, make_video, numbered_picture):
    # ISO 14496-12: x' = a x + c y + tx, y' = b x + d y + ty. A phone held upright writes a quarter turn clockwise.
    path = make_video(tmp_path / "a.mp4", pictures=[numbered_picture(0)] * 2, times=[0, 0.1])
    content = bytearray(path.read_bytes())
    start = content.index(b"tkhd") + 4 + 40
    content[start : start + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 48 << 16, 0, 1 << 30)
    path.write_bytes(content)
    shown = next(VideoReader(path).frames_at([0.0]))
    assert shown.shape == (64, 48, 3)
    assert shown[32, 40].mean() < 40  # the black upper half is now on the right
    assert shown[32, 8].mean() > 100


MATRICES = {
    "bt709": (1, 0.2126, 0.0722),
    "bt601": (6, 0.299, 0.114),
    "bt2020": (9, 0.2627, 0.0593),
    "none": (2, 0.299, 0.114),
}


def reference_rgb(yuv, red, blue, full):
    """The matrix equations of ITU-T H.273, in floating point."""
    y, u, v = yuv
    if full:
        y, u, v = y / 255, (u - 128) / 255, (v - 128) / 255
    else:
        y, u, v = (y - 16) / 219, (u - 128) / 224, (v - 128) / 224
    r, b = y + 2 * (1 - red) * v, y + 2 * (1 - blue) * u
    return np.clip(np.array([r, (y - red * r - blue * b) / (1 - red - blue), b]) * 255, 0, 255)


@pytest.mark.parametrize(
    "case", list(itertools.product(MATRICES, [False, True], [(120, 100, 160), (200, 150, 110)])), ids=str
)
def test_colours_follow_the_files_matrix_and_range(tmp_path, make_video, case):
    matrix, full, yuv = case
    code, red, blue = MATRICES[matrix]
    picture = av.VideoFrame(64, 48, "yuv420p")
    for plane, value in zip(picture.planes, yuv, strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    picture.colorspace, picture.color_range = code, 2 if full else 1

    def tag(stream):
        stream.codec_context.colorspace, stream.codec_context.color_range = code, 2 if full else 1

    path = make_video(tmp_path / "a.mp4", pictures=[picture], times=[0], codec_options={"qp": "0"}, setup=tag)
    expected = reference_rgb(yuv, red, blue, full)
    exact = next(VideoReader(path).frames_at([0.0])).reshape(-1, 3)
    assert np.abs(exact - expected).max() <= 0.6  # half a level of rounding
    fast = next(VideoReader(path, frame_size=(24, 32)).frames_at([0.0])).reshape(-1, 3)
    assert np.abs(fast - expected).max() <= 3.0


def test_a_matrix_that_cannot_be_converted_is_noted(tmp_path, make_video):
    picture = black_picture(64, 48)
    picture.colorspace = 8  # YCgCo
    path = make_video(
        tmp_path / "a.mp4", pictures=[picture], times=[0], setup=lambda s: setattr(s.codec_context, "colorspace", 8)
    )
    reader = VideoReader(path)
    assert len(list(reader.frames_at([0.0, 1.0]))) == 1
    assert any("colour matrix" in note for note in reader.report.notes)


def cut(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def noisy_pictures(number):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (48, 64, 3), dtype=np.uint8) for _ in range(number)]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_truncated_file_gives_its_frames_and_a_note(tmp_path, make_video, name):
    options = {"movflags": "faststart"} if name == "a.mp4" else {}
    path = make_video(tmp_path / name, pictures=noisy_pictures(96), num_frames=96, container_options=options)
    reader = VideoReader(cut(path, 0.5))
    num_shown = len(list(reader.frames_at(every(24))))
    assert 40 <= num_shown <= 50
    assert reader.report.num_frames <= num_shown
    assert any("the header states 4.00 s" in note for note in reader.report.notes)


def test_an_mp4_whose_index_is_missing_is_refused(tmp_path, make_video):
    path = cut(make_video(tmp_path / "a.mp4", pictures=noisy_pictures(24)), 0.5)
    with pytest.raises(MediaError, match="is not a video"):
        next(VideoReader(path).frames_at([0.0]))


def test_bit_flips_cost_pictures_not_the_file(tmp_path, make_video):
    path = make_video(tmp_path / "a.mp4", pictures=noisy_pictures(48), num_frames=48)
    content = bytearray(path.read_bytes())
    for place in range(2000, len(content) - 8000, 9000):
        content[place] ^= 0x10
    path.write_bytes(content)
    reader = VideoReader(path)
    assert len(list(reader.frames_at(every(24)))) == 48
    assert reader.report.undecodable_share < 0.5


def test_a_picture_that_is_mostly_damaged_is_unreadable(tmp_path, make_video):
    path = make_video(tmp_path / "a.mp4", pictures=noisy_pictures(24))
    content = bytearray(path.read_bytes())
    start = content.index(b"mdat") + 4
    end = content.index(b"moov") - 4
    content[start:end] = np.random.default_rng(1).bytes(end - start)
    path.write_bytes(content)
    with pytest.raises(MediaError, match=r"is unreadable: .* packets") as caught:
        list(VideoReader(path).frames_at(every(24)))
    assert len(str(caught.value).splitlines()) == 1


def test_joined_streams_continue_the_clock_and_may_change_size(tmp_path, make_video, number_of, numbered_picture):
    make_video(tmp_path / "1.ts", num_frames=48)
    later = [numbered_picture(100 + i, (96, 128)) for i in range(48)]
    make_video(tmp_path / "2.ts", num_frames=48, size=(96, 128), pictures=later)
    (tmp_path / "a.ts").write_bytes((tmp_path / "1.ts").read_bytes() + (tmp_path / "2.ts").read_bytes())
    reader = VideoReader(tmp_path / "a.ts")
    pictures = list(reader.frames_at(every(24)))
    assert [number_of(picture) for picture in pictures] == [*range(48), *range(100, 148)]
    assert {picture.shape for picture in pictures} == {(48, 64, 3), (96, 128, 3)}
    assert reader.report.duration_seconds == pytest.approx(4.0)
    assert any("restart" in note for note in reader.report.notes)
    assert any("size changes" in note for note in reader.report.notes)


def test_a_far_jump_ahead_in_a_transport_stream_is_no_pause(tmp_path, make_video):
    make_video(tmp_path / "1.ts")
    make_video(tmp_path / "2.ts", times=[3600 + i / 24 for i in range(24)])
    (tmp_path / "a.ts").write_bytes((tmp_path / "1.ts").read_bytes() + (tmp_path / "2.ts").read_bytes())
    reader = VideoReader(tmp_path / "a.ts")
    assert sum(1 for _ in reader.frames_at(itertools.islice(every(24), 100))) == 48
    assert reader.report.duration_seconds == pytest.approx(2.0, abs=0.01)


def test_one_wild_timestamp_does_not_make_a_video_endless(tmp_path, make_video):
    # The encoder's decoding times are sane where its presentation times leap by an hour.
    path = make_video(tmp_path / "a.ts", times=[i / 24 if i < 24 else 3600 + i / 24 for i in range(48)])
    reader = VideoReader(path)
    assert sum(1 for _ in reader.frames_at(itertools.islice(every(24), 1000))) < 100


def test_a_long_pause_in_a_screen_recording_is_a_pause(tmp_path, make_video):
    reader = VideoReader(make_video(tmp_path / "a.mp4", times=[0, 0.1, 60.0, 60.1], codec_options={"bf": "0"}))
    assert len(list(reader.frames_at(every(1)))) == 61


def test_pictures_that_claim_more_than_a_day_are_refused(tmp_path, make_video, monkeypatch):
    monkeypatch.setattr("avadclip.media.video.MAX_SECONDS", 30.0)
    path = make_video(tmp_path / "a.mkv", times=[float(second) for second in range(32)], codec_options={"bf": "0"})
    with pytest.raises(MediaError, match=r"a\.mkv is longer than"):
        list(VideoReader(path).frames_at(every(1)))


def test_pictures_that_stand_still_for_hours_are_refused_and_minutes_are_not(tmp_path, make_video):
    def shown_every(seconds, num):
        times = [seconds * number for number in range(num)]
        path = make_video(tmp_path / f"{num}.mkv", times=times, codec_options={"bf": "0"})
        return sum(1 for _ in VideoReader(path).frames_at(every(0.01)))

    assert shown_every(60.0, 200) == 120  # three hours and more, none longer than a minute
    with pytest.raises(MediaError, match="stand still for more than 3 hours"):
        shown_every(3000.0, 6)


def test_pictures_that_the_decoder_filled_in_are_noted(tmp_path, make_video):
    path = make_video(tmp_path / "a.mp4", num_frames=48, pictures=noisy_pictures(48), codec_options={"bf": "0"})
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    content = bytearray(path.read_bytes())
    for packet in packets[10:14]:
        middle = packet.pos + packet.size // 2
        content[middle : middle + 60] = bytes(60)
    path.write_bytes(content)
    reader = VideoReader(path)
    list(reader.frames_at(every(24)))
    assert any("the decoder concealed" in note for note in reader.report.notes), reader.report


def test_a_truncated_avi_file_is_noted_though_its_lengths_were_adapted(tmp_path, make_video):
    path = make_video(tmp_path / "a.avi", num_frames=48, pictures=noisy_pictures(48), codec="mpeg4")
    whole = VideoReader(path)
    list(whole.frames_at(every(24)))
    assert not any("cut off" in note for note in whole.report.notes)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    half = VideoReader(path)
    list(half.frames_at(every(24)))
    assert any("shorter than its header states: cut off" in note for note in half.report.notes)


def test_one_picture_is_readable(tmp_path, make_video, numbers):
    found, report = numbers(make_video(tmp_path / "a.mp4", num_frames=1))
    assert (found, report.num_frames) == ([0], 1)


def test_interlaced_is_noted(tmp_path, make_video, numbers):
    _, report = numbers(make_video(tmp_path / "a.mp4", codec_options={"x264-params": "tff=1"}))
    assert any("interlaced" in note for note in report.notes)


def test_memory_does_not_grow_with_length(tmp_path, make_video, numbered_picture):
    picture = av.VideoFrame.from_ndarray(numbered_picture(1, (180, 320))).reformat(format="yuv420p")
    peaks = []
    for num_frames in (100, 1500):
        kwargs = {"pictures": [picture] * num_frames, "codec_options": {"preset": "ultrafast"}, "size": (180, 320)}
        path = make_video(tmp_path / f"{num_frames}.mp4", num_frames=num_frames, **kwargs)
        before = psutil.Process().memory_info().rss
        num_shown = sum(1 for _ in VideoReader(path).frames_at(every(24)))
        assert num_shown == num_frames
        peaks.append(psutil.Process().memory_info().rss - before)
    assert peaks[1] < 40e6  # 1,500 RGB frames would be 259 MB


def test_real_videos(sample_videos):
    bunny, bikes = sample_videos
    reader = VideoReader(bunny, frame_size=(224, 224))
    assert len(list(reader.frames_at(every(12)))) == 64
    assert reader.report.num_frames == 132
    assert len(list(VideoReader(bikes).frames_at(every(25)))) == 250
