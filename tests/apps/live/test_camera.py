"""Files played fast through the live reader, against the readers of whole files."""

import functools
import itertools
import resource
import threading
import time
from contextlib import ExitStack, contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import av
import numpy as np
import pytest

from avadclip.apps.live.camera import CameraOptions, open_camera
from avadclip.apps.live.recording.packet_recorder import PacketRecorder
from avadclip.errors import MediaError
from avadclip.media.audio import SoundReader
from avadclip.media.stream import kind_of, without_password
from avadclip.media.video import VideoReader
from avadclip.timeline import SnippetGrid

GRID = SnippetGrid()
OFFSETS = (0, 5, 10)


def options(path, **changes):
    given = {"grid": GRID, "frame_offsets": OFFSETS, "frame_size": (48, 64), "window_seconds": 1.0, "speed": 100.0}
    return CameraOptions(str(path), **given | changes)


def leave(packet):
    pass


def play(path, **changes):
    with open_camera(options(path, **changes)) as reader:
        snippets = list(reader.snippets(leave))
        assert reader.is_finished
        return snippets, reader.opened


@pytest.mark.parametrize("rate_hz", [24.0, 30.0, 12.5])
def test_live_snippets_are_those_of_the_whole_file(tmp_path, make_video, sound_track, click_at, rate_hz) -> None:
    path = make_video(
        tmp_path / "a.mkv",
        num_frames=round(4 * rate_hz),
        rate_hz=rate_hz,
        sound=sound_track(click_at(1.3, 4.0), codec="pcm_s16le"),
    )
    snippets, opened = play(path)
    assert opened.has_sound
    assert len(snippets) == 6 == GRID.num_snippets(4.0)
    frames = VideoReader(path, frame_size=(48, 64)).frames_at(GRID.frame_times(OFFSETS))
    for live, whole in zip((f for s in snippets for f in s.frames), itertools.islice(frames, 18), strict=True):
        np.testing.assert_array_equal(live, whole)
    centres = itertools.islice(GRID.centres(), 6)
    windows = list(SoundReader(path).windows(centres, 1.0))
    for snippet, window in zip(snippets[:-1], windows[:-1], strict=True):  # the last one's sound ends with the file
        np.testing.assert_array_equal(snippet.sound, window)


def test_snippets_follow_each_other_without_a_hole(tmp_path, make_video) -> None:
    snippets, _ = play(make_video(tmp_path / "a.mp4", num_frames=96))
    for before, after in itertools.pairwise(snippets):
        assert after.start == pytest.approx(before.end, abs=1e-6)
        assert after.end - after.start == pytest.approx(GRID.snippet_seconds, abs=1e-3)
    assert {snippet.sound for snippet in snippets} == {None}


def test_unwanted_sound_is_not_read(tmp_path, make_video, sound_track, click_at) -> None:
    path = make_video(tmp_path / "a.mkv", num_frames=48, sound=sound_track(click_at(1.0, 2.0)))
    snippets, opened = play(path, window_seconds=None)
    assert not opened.has_sound
    assert {snippet.sound for snippet in snippets} == {None}


def test_sound_that_stops_is_distinguished_from_present_sound(tmp_path, make_video, sound_track, click_at) -> None:
    path = make_video(tmp_path / "a.mkv", num_frames=144, sound=sound_track(click_at(1.0, 2.0), codec="pcm_s16le"))
    snippets, _ = play(path)
    assert len(snippets) == 9
    assert [snippet.sound is not None for snippet in snippets] == [True] * 3 + [False] * 6


def test_a_stalled_picture_begins_a_new_grid(tmp_path, make_video, number_of) -> None:
    """16 pictures, nothing for 3 s, 20 more: what was shown meanwhile is unknown, and not invented."""
    times = [i / 24 for i in range(16)] + [3.7 + i / 24 for i in range(20)]
    path = make_video(tmp_path / "a.mkv", times=times)
    snippets, _ = play(path)
    assert [[number_of(frame) for frame in s.frames] for s in snippets] == [[0, 5, 10], [16, 21, 26]]


def test_a_recording_is_the_cameras_own_packets_from_a_key_frame_before_the_event(tmp_path, make_video) -> None:
    path = make_video(tmp_path / "a.mkv", num_frames=240, codec_options={"g": "12", "bf": "0", "sc_threshold": "0"})
    out = tmp_path / "clips" / "event.mkv"
    seen = 0
    with open_camera(options(path, window_seconds=None)) as reader:
        recorder = PacketRecorder(
            [reader.picture], buffer_seconds=1.0, report=lambda *failure: pytest.fail(str(failure))
        )

        def tap(packet):
            nonlocal seen
            recorder.add(packet)
            seen += 1
            if seen == 100:
                recorder.begin(out, 60.0)
            if seen == 150:
                recorder.end(out, 1.0)

        list(reader.snippets(tap))
        recorder.close()
    recorded = list(VideoReader(out, frame_size=None).frames_at(i / 24 for i in range(240)))
    original = list(VideoReader(path, frame_size=None).frames_at(i / 24 for i in range(240)))
    # Packet 100 is picture 99; a second before it lies 75, whose group begins at 72. Picture 149 and 1 s more: 173.
    assert len(recorded) == 174 - 72
    for copied, own in zip(recorded, original[72:174], strict=True):
        np.testing.assert_array_equal(copied, own)
    assert list(out.parent.iterdir()) == [out]


@contextmanager
def no_file_longer_than(num_bytes):
    """As on a full disk, writes fail."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def record(path, out, num_bytes, *, from_packet=0):
    """Record a file, with no room left from a packet on, or at its end: the failures, and the number of snippets."""
    failures = []
    with open_camera(options(path, window_seconds=None)) as reader, ExitStack() as disk:
        recorder = PacketRecorder([reader.picture], 60.0, lambda *failure: failures.append(failure))
        packets = itertools.count()

        def tap(packet):
            number = next(packets)
            if number == from_packet:
                disk.enter_context(no_file_longer_than(num_bytes))
            recorder.add(packet)
            if number == 0:
                recorder.begin(out, 60.0)

        num_snippets = len(list(reader.snippets(tap)))
        if from_packet == "end":
            disk.enter_context(no_file_longer_than(num_bytes))
        recorder.close()
    return failures, num_snippets


@pytest.mark.parametrize(("num_bytes", "from_packet"), [(0, 0), (100, 0), (50_000, 0), (0, 60), (100_000, "end")])
def test_on_a_full_disk_no_recording_gets_its_name_and_the_stream_goes_on(
    tmp_path, make_video, num_bytes, from_packet
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (96, 48, 64, 3), np.uint8)  # 400 kB
    path = make_video(tmp_path / "a.mkv", num_frames=96, pictures=list(noise))
    out = tmp_path / "clips" / "event.mkv"
    failures, num_snippets = record(path, out, num_bytes, from_packet=from_packet)
    assert failures == [(out, "File too large")]
    assert num_snippets == 6
    assert [file.name for file in out.parent.iterdir()] in ([], ["event.partial.mkv"])
    if num_bytes == 50_000 or from_packet == "end":
        assert len(list(VideoReader(out.with_suffix(".partial.mkv"), frame_size=None).frames_at([0.0]))) == 1


def test_a_recording_into_which_nothing_can_be_copied_leaves_no_file(tmp_path, make_video) -> None:
    path = make_video(tmp_path / "a.mkv", num_frames=48)
    (tmp_path / "file").touch()
    failures, _ = record(path, tmp_path / "file" / "event.mkv", 10**6)
    assert [reason for _, reason in failures] == ["File exists"]
    failures = []
    with open_camera(options(path, window_seconds=None)) as reader:
        recorder = PacketRecorder([reader.picture], 60.0, lambda *failure: failures.append(failure))
        list(reader.snippets(lambda packet: None if packet.is_keyframe else recorder.add(packet)))
        recorder.begin(tmp_path / "clips" / "event.mkv", 60.0)
        recorder.close()
    assert failures == [(tmp_path / "clips" / "event.mkv", "no key frame came, or no packet could be copied")]
    assert list((tmp_path / "clips").iterdir()) == []


@pytest.fixture
def site(tmp_path):
    """A web server for the files in tmp_path."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def write_hls(source, playlist):
    """The source's packets, cut into transport stream segments of a second or so."""
    with av.open(str(source)) as reader, av.open(str(playlist), "w", format="hls", options={"hls_time": "1"}) as writer:
        streams = {stream.index: writer.add_stream_from_template(stream) for stream in reader.streams}
        for packet in reader.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream_index]
                writer.mux(packet)


def test_a_web_address_plays_like_the_file(tmp_path, make_video, sound_track, site, number_of) -> None:
    path = make_video(
        tmp_path / "a.mp4",
        num_frames=96,
        codec_options={"g": "24", "bf": "0"},
        sound=sound_track(np.full(4 * 48_000, 0.1, np.float32)),
    )
    write_hls(path, tmp_path / "live.m3u8")
    own, _ = play(path)
    for name in ("a.mp4", "live.m3u8"):
        snippets, opened = play(f"{site}/{name}")
        assert opened.has_sound
        numbers = [[number_of(frame) for frame in snippet.frames] for snippet in snippets]
        assert numbers == [[number_of(frame) for frame in snippet.frames] for snippet in own]
        assert all(snippet.sound is not None for snippet in snippets[:-1])


@pytest.mark.parametrize("days", [-40, 40])
def test_a_camera_is_connected_anew_when_this_machines_clock_is_set(
    tmp_path, make_video, site, monkeypatch, days
) -> None:
    make_video(tmp_path / "a.mp4", num_frames=48)
    now = time.time
    with open_camera(options(f"{site}/a.mp4")) as reader:

        def tap(packet):
            monkeypatch.setattr(time, "time", lambda: now() + days * 86400)

        with pytest.raises(MediaError, match="clock was set"):
            list(reader.snippets(tap))


@pytest.mark.parametrize("address", ["file://{folder}/0.ts", "concat:{folder}/0.ts"])
def test_a_playlist_reads_no_local_file(tmp_path, make_video, site, address) -> None:
    make_video(tmp_path / "0.ts", num_frames=48)
    lines = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{}\n#EXT-X-ENDLIST\n"
    (tmp_path / "good.m3u8").write_text(lines.format(f"{site}/0.ts"))
    (tmp_path / "bad.m3u8").write_text(lines.format(address.format(folder=tmp_path)))
    snippets, _ = play(f"{site}/good.m3u8")
    assert len(snippets) == 3
    with pytest.raises(MediaError, match=r"cannot be opened|no video stream"):
        play(f"{site}/bad.m3u8")


@pytest.mark.parametrize(
    ("source", "kind"),
    [("rtsp://u:p@host/x", "rtsp"), ("HTTPS://host/x.m3u8", "https"), ("/dev/video0", "webcam"), ("a.mp4", "file")],
)
def test_a_source_is_what_its_name_says(source, kind) -> None:
    assert kind_of(source) == kind


@pytest.mark.parametrize("source", ["concat://u:secret@a|b", "ftp://u:secret@host/x", "file:///etc/passwd"])
def test_other_schemes_are_refused(source) -> None:
    with pytest.raises(MediaError, match="use rtsp, rtsps, http or https") as refused:
        kind_of(source)
    assert "secret" not in str(refused.value)


def test_passwords_are_in_no_message() -> None:
    assert without_password("rtsp://user:p@ss@10.0.0.7/a failed") == "rtsp://***@10.0.0.7/a failed"
    with pytest.raises(MediaError) as refused, open_camera(options("rtsp://user:secret@127.0.0.1:9/x")):
        pass
    assert "secret" not in str(refused.value)
    assert "cannot be opened" in str(refused.value)
    assert "\n" not in str(refused.value)
