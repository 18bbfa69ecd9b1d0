"""Cameras on this machine that send pictures without times, at times the tests know."""

import itertools
import threading
import time
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import av
import numpy as np
import pytest

from avadclip.apps.live import camera
from avadclip.apps.live.camera import CameraOptions, open_camera
from avadclip.apps.live.camera_process import CameraProcess
from avadclip.apps.live.inbox import Inbox, Lost
from avadclip.apps.live.live_snippet import LiveSnippet
from avadclip.apps.live.recording.packet_recorder import PacketRecorder
from avadclip.timeline import SnippetGrid

GRID = SnippetGrid()
OFFSETS = (0, 5, 10)
PATIENCE = 60.0
LATE = 0.3  # seconds; of a busy machine
STEP = 5  # levels of grey between one picture and the next


def encode(codec, num_pictures, **options):
    """One packet a picture; picture i is grey of level i * STEP."""
    encoder = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height, encoder.time_base = 320, 240, Fraction(1, 25)
    encoder.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    encoder.options = options
    packets = []
    for i in range(num_pictures):
        pixels = np.full((240, 320, 3), i * STEP, np.uint8)
        pixels[::2, 200:] = np.random.default_rng(0).integers(0, 255, (120, 120, 3))  # so that pictures have a size
        frame = av.VideoFrame.from_ndarray(pixels).reformat(format=encoder.pix_fmt)
        frame.pts = i
        packets += encoder.encode(frame)
    return [bytes(packet) for packet in packets + encoder.encode(None)]


def picture_shown(frame):
    return round(frame[:, : frame.shape[1] // 2].mean() / STEP)


@pytest.fixture(scope="module")
def jpegs():
    return encode("mjpeg", 50)


@pytest.fixture
def serve():
    """Serves (second, picture) pairs over HTTP, to one client after another; returns the address and when each came."""
    servers = []

    def start(plan, *, multipart=True, length=None):
        begun = []

        class Camera(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                begun.append(time.time())
                self.send_response(200)
                kind = "multipart/x-mixed-replace; boundary=frame" if multipart else "application/octet-stream"
                self.send_header("Content-Type", kind)
                if length is not None:
                    self.send_header("Content-Length", str(length))
                self.end_headers()
                for second, picture in plan:
                    time.sleep(max(begun[-1] + second - time.time(), 0))
                    head = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(picture)
                    self.wfile.write(head + picture + b"\r\n" if multipart else picture)

        server = ThreadingHTTPServer(("127.0.0.1", 0), Camera)
        server.handle_error = lambda *_: None  # a client that left
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/video", begun

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def options(source):
    return CameraOptions(str(source), GRID, OFFSETS, (24, 32), window_seconds=None)


def watch(source):
    """Each snippet and how late it came, how its times are made, and whether it was a recording."""
    with open_camera(options(source)) as reader:
        told = [(snippet, time.time() - snippet.due) for snippet in reader.snippets(lambda _: None)]
        return told, reader.opened.note, reader.is_finished


def samples(snippet):
    """(Unix time, number of the picture) of each sampled frame."""
    times = [snippet.start + offset / GRID.frame_rate_hz for offset in OFFSETS]
    return list(zip(times, map(picture_shown, snippet.frames), strict=True))


@pytest.mark.parametrize("rate_hz", [1.0, 5.0, 12.5, 50.0])
def test_pictures_without_times_are_dated_by_their_arrival(serve, jpegs, rate_hz) -> None:
    seconds = 5.0 if rate_hz == 1 else 3.0
    num = round(seconds * rate_hz)
    stride = max(1, num // 50 + 1)
    sent = [(i / rate_hz, jpegs[i // stride]) for i in range(num)]
    address, begun = serve(sent)
    told, note, is_finished = watch(address)
    assert note == "no times: dated by arrival"
    assert not is_finished  # a camera, which is connected again
    covered = sum(snippet.end - snippet.start for snippet, _ in told)
    assert seconds - 2 / rate_hz - 0.7 - LATE <= covered <= seconds + LATE
    assert max(late for _, late in told) < 1 / rate_hz + LATE
    for when, number in itertools.chain.from_iterable(samples(snippet) for snippet, _ in told):
        shown_from, shown_until = number * stride / rate_hz, (number + 1) * stride / rate_hz
        # FFmpeg has two small pictures in hand before it gives the first.
        assert shown_from - LATE <= when - begun[0] <= shown_until + LATE


def test_an_irregular_camera_is_scored_throughout(serve, jpegs) -> None:
    times = [0.0, 0.1, 0.5, 0.6, 1.4, 1.5, 2.9, 3.1, 4.4, 4.5]
    address, begun = serve([(second, jpegs[i]) for i, second in enumerate(times)])
    told, _, _ = watch(address)
    assert len(told) in {6, 7}  # of 4.5 s: 6.75
    for when, number in itertools.chain.from_iterable(samples(snippet) for snippet, _ in told):
        assert times[number] - LATE <= when - begun[0] <= times[number + 1] + LATE


def test_a_pause_is_left_unscored_and_pictures_held_back_arrive_when_they_arrive(serve, jpegs) -> None:
    """5 a second, nothing for 3 s, then everything at once and 5 a second again."""
    due = [i / 5 for i in range(40)]
    sent = [second if second < 1.6 or second > 4.6 else 4.6 for second in due]
    address, begun = serve([(second, jpegs[i]) for i, second in enumerate(sent)])
    told, _, _ = watch(address)
    assert len(told) in {6, 7}  # 2 of 1.4 s, 4 or 5 of 3.2 s
    for snippet, _ in told:
        assert snippet.end - begun[0] <= 1.6 + LATE or snippet.start - begun[0] >= 4.6 - LATE
    for when, number in itertools.chain.from_iterable(samples(snippet) for snippet, _ in told[3:]):
        assert abs(due[number] + 0.1 - (when - begun[0])) <= 0.1 + LATE


def test_pictures_that_no_snippet_samples_are_not_decoded(serve, jpegs, monkeypatch) -> None:
    decoded = []
    decode = camera.decode_packet
    monkeypatch.setattr(camera, "decode_packet", lambda *given: decoded.append(given[1]) or decode(*given))
    address, _ = serve([(i / 50, jpegs[i % 50]) for i in range(105)])
    told, _, _ = watch(address)
    assert len(told) == 3
    assert sum(packet is not None for packet in decoded) <= 3 * len(OFFSETS) + 1  # a fourth one began


def test_a_damaged_picture_is_replaced_by_the_one_before_for_a_second_at_most(serve, jpegs) -> None:
    def picture(i):
        return jpegs[i][:30] if i % 5 == 3 or 10 <= i < 40 else jpegs[i]

    address, begun = serve([(i / 10, picture(i)) for i in range(50)])
    told, _, _ = watch(address)
    numbers = {number for snippet, _ in told for _, number in samples(snippet)}
    assert numbers <= {i for i in range(50) if i % 5 != 3 and not 10 <= i < 40}
    unscored = [
        after.start - before.end for (before, _), (after, _) in itertools.pairwise(told) if after.start > before.end
    ]
    assert sum(unscored) >= 3.0 - 1.0 - 0.7 - LATE
    assert told[-1][0].end - begun[0] > 4.0


def test_raw_h264_of_a_camera_is_dated_by_arrival(serve) -> None:
    packets = encode("libx264", 50, g="10", bf="0", tune="zerolatency")
    address, begun = serve([(i / 40, packet) for i, packet in enumerate(packets * 3)], multipart=False)
    told, note, _ = watch(address)
    assert note == "no times: dated by arrival"
    assert len(told) >= 3  # FFmpeg reads up to 2 s before it opens such a stream
    shown = [number for snippet, _ in told for _, number in samples(snippet)]
    for when, number in list(zip([w for s, _ in told for w, _ in samples(s)], shown, strict=True))[1:]:
        ages = [(when - begun[0]) - (number + 50 * turn) / 40 for turn in range(3)]
        assert min(map(abs, ages)) <= LATE


def raw_file(path, packets):
    path.write_bytes(b"".join(packets))
    return path


def test_a_recording_without_times_is_played_at_the_rate_it_says(serve, tmp_path) -> None:
    """With B-frames, stored in another order than shown; from a disk, and from a server that states a size."""
    packets = encode("libx264", 50, bf="2", crf="10")
    path = raw_file(tmp_path / "a.h264", packets)
    size = path.stat().st_size
    for source in (path, serve([(0, path.read_bytes())], multipart=False, length=size)[0]):
        told, note, is_finished = watch(source)
        assert note == "no times: 25 pictures/s assumed"
        assert is_finished
        assert len(told) == 3  # 2 s
        start = told[0][0].start
        assert [number for snippet, _ in told for _, number in samples(snippet)] == [
            int(25 * (when - start) + 0.01) for snippet, _ in told for when, _ in samples(snippet)
        ]


def test_an_event_of_such_a_camera_is_recorded_at_its_true_speed(serve, jpegs, tmp_path) -> None:
    address, _ = serve([(i / 5, jpegs[i]) for i in range(15)])
    path = tmp_path / "event.mkv"
    with open_camera(options(address)) as reader:
        recorder = PacketRecorder([reader.picture], 5.0, lambda *failure: pytest.fail(str(failure)))

        def tap(packet):
            recorder.add(packet)
            recorder.begin(path, 60.0)

        list(reader.snippets(tap))
        recorder.close()
    with av.open(str(path)) as container:
        times = [(frame.time, picture_shown(frame.to_ndarray(format="gray"))) for frame in container.decode(video=0)]
    assert [number for _, number in times] == list(range(15))
    assert times[-1][0] == pytest.approx(14 / 5, abs=LATE)


def test_a_camera_that_comes_back_is_dated_anew(serve, jpegs) -> None:
    address, begun = serve([(i / 10, jpegs[i]) for i in range(15)])
    inbox = Inbox()
    process = CameraProcess("yard", options(address), inbox, queue_seconds=5.0, watchdog_seconds=PATIENCE)
    process.start()
    try:
        told = []
        while sum(isinstance(news, Lost) for news in told) < 2:
            told.append(inbox.get(PATIENCE)[1])
    finally:
        process.stop()
        process.join(PATIENCE)
    snippets = [news for news in told if isinstance(news, LiveSnippet)]
    for start, number in itertools.chain.from_iterable(map(samples, snippets)):
        assert min(abs(start - (zero + number / 10)) for zero in begun) <= LATE
    assert snippets[-1].start > begun[1]
