"""Whole watches over files: from pixels to messages, recordings and deliveries."""

import base64
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import av
import numpy as np
import pytest

from avadclip.apps.live.camera_process import CameraProcess
from avadclip.apps.live.config import RecordingConfig, WatchConfig
from avadclip.apps.live.messages import EventMessage, ScoreMessage, SinkStats, StatsMessage, StatusMessage
from avadclip.apps.live.recording.recordings import Recordings
from avadclip.apps.live.watch import Watch, load_live_detector
from avadclip.config import parse_config
from avadclip.errors import ConfigError, MediaError
from avadclip.events import EventRules, ScoreTrack, find_spans
from avadclip.inference.detector import Detector

PATIENCE = 60.0
SECRET = "whsec_" + base64.b64encode(bytes(32)).decode()


def run(detector, cameras, **config):
    messages = []
    Watch(parse_config({"cameras": cameras, **config}, WatchConfig, origin="test"), detector, messages.append).run()
    return messages


def of_type(messages, kind):
    return [message for message in messages if isinstance(message, kind)]


def test_messages_are_exactly_what_the_scores_imply(bright_is_bad, write_yard, tmp_path) -> None:
    levels = [0.1, 0.6, 0.9, 0.45, 0.1, 0.55, 0.1, 0.1, 0.1, 0.7, 0.7]
    path = write_yard(tmp_path / "yard.mkv", levels, with_sound=False)
    messages = run(bright_is_bad, {"yard": {"source": str(path), "speed": 20.0}})
    told = of_type(messages, ScoreMessage)
    scores = np.array([message.score for message in told], np.float32)
    np.testing.assert_allclose(scores, levels, atol=0.02)
    probabilities = np.stack([1 - scores, scores], axis=1)
    track = ScoreTrack(scores, probabilities, ("normal", "fighting"), 2 / 3, len(scores) * 2 / 3)
    spans = find_spans(track, EventRules(threshold=0.5))
    assert spans == [(1, 6), (9, 11)]
    events = of_type(messages, EventMessage)
    ended = [message.after for message in events if message.type == "end"]
    begun = told[0].start
    boundaries = [(event.start - begun, event.end - begun) for event in ended]
    assert boundaries == [pytest.approx((a * 2 / 3, b * 2 / 3), abs=0.01) for a, b in spans]
    assert [event.score for event in ended] == pytest.approx([scores[a:b].max() for a, b in spans], abs=1e-6)
    assert [event.severity for event in ended] == ["alert", "detection"]
    assert [message.type for message in events] == ["new", "update", "end", "new", "end"]
    assert [message.note for message in events] == [None] * 4 + ["camera disconnected: the stream ended"]
    # Each message came with the score that made it certain: `end` only once nothing could be joined.
    places = {message.id: sum(isinstance(m, ScoreMessage) for m in messages[:i]) for i, message in enumerate(messages)
              if isinstance(message, EventMessage)}  # fmt: skip
    assert list(places.values()) == [1, 2, 7, 9, 11]


def test_a_tone_is_an_event_of_its_own_beside_the_models(bright_or_beeping, write_yard, tmp_path) -> None:
    path = write_yard(tmp_path / "yard.mkv", [0.1] * 3 + [0.9] * 5 + [0.1] * 4, tones=[0.0] * 5 + [0.9] + [0.0] * 6)
    folder = tmp_path / "recordings"
    cameras = {"yard": {"source": str(path), "speed": 4.0, "sounds": {"beep": 0.3}}}
    messages = run(bright_or_beeping, cameras, recording={"folder": str(folder)})
    begun = of_type(messages, ScoreMessage)[0].start
    events = [m for m in of_type(messages, EventMessage) if m.type != "update"]
    assert [(m.type, m.after.label) for m in events] == [
        ("new", "fighting"), ("new", "beep"), ("end", "beep"), ("end", "fighting")
    ]  # fmt: skip
    beep = events[2].after
    assert (beep.kind, beep.modality, beep.model, beep.threshold) == ("sound", "audio", "beeper", 0.3)
    assert (beep.start - begun, beep.end - begun) == pytest.approx((5 * 2 / 3, 6 * 2 / 3), abs=0.01)
    assert beep.score == pytest.approx(0.9 * 2 / np.pi, abs=0.03)  # the mean of a rectified sine
    for event in (beep, events[3].after):
        assert [(s.name, s.start, s.end) for s in event.sounds] == [("Beep, bleep", beep.start, beep.end)]
    assert {file.stem for file in folder.glob("*.mkv")} == {beep.id, events[3].after.id}


def test_sounds_are_not_named_where_a_camera_wants_none(bright_or_beeping, write_yard, tmp_path) -> None:
    path = write_yard(tmp_path / "yard.mkv", [0.9] * 4, tones=[0.9] * 4)
    messages = run(bright_or_beeping, {"yard": {"source": str(path), "speed": 20.0, "sounds": False}})
    assert {(m.after.kind, m.after.sounds) for m in of_type(messages, EventMessage)} == {("model", ())}


def test_an_unknown_sound_is_one_line_before_anything_starts(bright_or_beeping) -> None:
    config = {"cameras": {"door": {"source": "x", "sounds": {"Bep": 0.5}}}}
    with pytest.raises(
        ConfigError, match=r"camera door: there is no sound 'Bep'; the nearest names are 'Beep, bleep'"
    ) as e:
        Watch(parse_config(config, WatchConfig, origin="test"), bright_or_beeping, print)
    assert "\n" not in str(e.value)


def test_several_cameras_keep_to_their_own_rules(bright_is_bad, write_yard, tmp_path) -> None:
    path = str(write_yard(tmp_path / "yard.mkv", [0.1, 0.7, 0.1, 0.1], with_sound=False))
    cameras = {"low": {"source": path, "speed": 20.0}, "high": {"source": path, "speed": 20.0, "threshold": 0.9}}
    messages = run(bright_is_bad, cameras, stats_seconds=0.2)
    assert {message.after.source for message in of_type(messages, EventMessage)} == {"low"}
    states = [(m.camera, m.state) for m in of_type(messages, StatusMessage)]
    assert {("low", "finished"), ("high", "finished")} <= set(states)
    stats = of_type(messages, StatsMessage)[-1]
    assert stats.memory_bytes > 10_000_000
    assert set(stats.cameras) == {"low", "high"}


def test_undelivered_messages_are_in_stats_and_status(bright_is_bad, write_yard, tmp_path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        webhook = {"url": f"http://127.0.0.1:{closed.getsockname()[1]}/", "secret": SECRET}
        path = write_yard(tmp_path / "yard.mkv", [0.9, 0.1, 0.1], with_sound=False)
        cameras = {"yard": {"source": str(path), "speed": 4.0}}
        messages = run(bright_is_bad, cameras, webhook=webhook, state=str(tmp_path / "state"), stats_seconds=0.01)
    assert [m.type for m in of_type(messages, EventMessage)] == ["new", "end"]
    assert [of_type(messages, StatusMessage)[i].undelivered for i in (0, -1)] == [0, 2]
    (stats,) = of_type(messages, StatsMessage)[-1].sinks.items()
    assert stats == ("webhook", SinkStats(waiting=2, given_up=0, last_error=stats[1].last_error))
    assert stats[1].last_error.startswith("the receiver cannot be reached (")
    written = StatsMessage.model_validate_json((tmp_path / "state" / "stats.json").read_text())
    assert written.sinks == dict([stats])


def test_an_event_is_recorded_with_what_came_before_it(bright_is_bad, write_yard, tmp_path) -> None:
    path = write_yard(tmp_path / "yard.mkv", [0.1] * 9 + [0.9] + [0.1] * 9)
    folder = tmp_path / "recordings"
    recording = {"folder": str(folder), "pre_seconds": 2.0, "post_seconds": 1.0}
    messages = run(bright_is_bad, {"yard": {"source": str(path), "speed": 4.0}}, recording=recording)
    (new, *_) = of_type(messages, EventMessage)
    assert [file.name for file in folder.glob("*.mkv")] == [f"{new.after.id}.mkv"]
    with av.open(str(folder / f"{new.after.id}.mkv")) as container:
        kinds = [stream.type for stream in container.streams]
        levels = [frame.to_ndarray(format="gray").mean() / 255 for frame in container.decode(video=0)]
    assert kinds == ["video", "audio"]
    bright = [i for i, level in enumerate(levels) if level > 0.6]
    assert len(bright) == 16  # the event, whole
    assert bright[0] >= 2.0 * 24  # and 2 s of what came before
    assert len(levels) - bright[-1] >= 1.0 * 24


def test_an_event_whose_recording_fails_says_so_and_its_camera_goes_on(bright_is_bad, write_yard, tmp_path) -> None:
    (tmp_path / "recordings").touch()  # a file: no folder can be made there
    path = write_yard(tmp_path / "yard.mkv", [0.1, 0.7, 0.7, 0.7, 0.1, 0.1, 0.7] + [0.1] * 6, with_sound=False)
    recording = {"folder": str(tmp_path / "recordings")}
    cameras = {"yard": {"source": str(path), "speed": 4.0}}
    messages = run(bright_is_bad, cameras, recording=recording, stats_seconds=0.01)
    events = of_type(messages, EventMessage)
    assert [message.type for message in events] == ["new", "update", "end"] * 2
    assert [message.note for message in events] == [None, *["recording failed: File exists"] * 2] * 2
    failed = [m.reason for m in of_type(messages, StatusMessage) if "recording" in m.reason]
    assert failed == [f"recording of {event.after.id} failed: File exists" for event in events[::3]]
    last = of_type(messages, StatsMessage)[-1].cameras["yard"]
    assert (last.failed_recordings, last.starts, last.snippets) == (2, 1, 13)


def test_an_event_of_a_camera_that_is_already_gone_says_that_it_is_not_recorded(
    bright_is_bad, write_yard, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(CameraProcess, "command", lambda *_: False)
    path = write_yard(tmp_path / "yard.mkv", [0.9, 0.1, 0.1], with_sound=False)
    recording = {"folder": str(tmp_path / "recordings")}
    messages = run(bright_is_bad, {"yard": {"source": str(path), "speed": 20.0}}, recording=recording)
    notes = [(message.type, message.note) for message in of_type(messages, EventMessage)]
    failure = "recording failed: the camera is disconnected"
    assert notes == [("new", None), ("update", failure), ("end", failure)]


def test_the_oldest_recordings_go_when_the_folder_is_full(bright_is_bad, write_yard, tmp_path) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    for age, name in enumerate(["new.mkv", "old.mkv", "oldest.mkv"]):
        (folder / name).write_bytes(bytes(400_000))
        os.utime(folder / name, (time.time() - 60 - age,) * 2)
    path = write_yard(tmp_path / "yard.mkv", [0.9, 0.1])
    recording = {"folder": str(folder), "max_gigabytes": 0.001}
    run(bright_is_bad, {"yard": {"source": str(path), "speed": 4.0}}, recording=recording)
    names = {file.name for file in folder.iterdir()}
    assert {"new.mkv", "old.mkv"} < names
    assert "oldest.mkv" not in names


def test_recordings_go_when_their_time_is_over(bright_is_bad, write_yard, tmp_path) -> None:
    """Also where no event begins that would need the room."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    ages = {"over.mkv": 2.1, "over.jpg": 2.1, "not over.mkv": 1.9, "not over.jpg": 1.9, "over.txt": 3}
    for name, age_days in ages.items():
        (folder / name).touch()
        os.utime(folder / name, (time.time() - age_days * 86400,) * 2)
    path = write_yard(tmp_path / "yard.mkv", [0.1, 0.1, 0.1])
    recording = {"folder": str(folder), "retention_days": 2}
    run(bright_is_bad, {"yard": {"source": str(path), "speed": 4.0}}, recording=recording, stats_seconds=0.1)
    assert {file.name for file in folder.glob("[!.]*")} == {"not over.mkv", "not over.jpg", "over.txt"}


@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_clock_that_jumps_deletes_no_recording(tmp_path, monkeypatch, *, is_restarted) -> None:
    (tmp_path / "yesterday.mkv").touch()
    config = RecordingConfig(folder=tmp_path, retention_days=30)
    recordings, now = Recordings(config), time.time()
    recordings.make_room()
    monkeypatch.setattr(time, "time", lambda: now + 40 * 86400)
    (Recordings(config) if is_restarted else recordings).make_room()
    assert (tmp_path / "yesterday.mkv").exists()


@pytest.mark.parametrize(
    ("config", "error", "said"),
    [
        ({"model": "zero-shot", "cameras": {"a": {"source": "rtsp://h/x"}}}, ConfigError, "trained checkpoint"),
        ({"cameras": {"a": {"source": "ftp://u:secret@h/x"}}}, MediaError, "use rtsp, rtsps, http or https"),
        (
            {"cameras": {"a": {"source": "rtsp://h/x"}, "b": {"source": "none.mp4"}}},
            MediaError,
            "none.mp4 does not exist",
        ),
        ({"cameras": {"a": {"source": "/dev/video63"}}}, MediaError, "/dev/video63 does not exist; plug the webcam in"),
        ({"cameras": {"a": {"source": "."}}}, MediaError, "is a directory"),
        ({"cameras": {"a": {"source": __file__}}}, MediaError, "is not a video"),
    ],
)
def test_what_cannot_work_is_refused_before_it_starts(config, error, said) -> None:
    with pytest.raises(error, match=said) as refused:
        load_live_detector(parse_config(config, WatchConfig, origin="test"))
    assert "secret" not in str(refused.value)


class Hook(BaseHTTPRequestHandler):
    taken: ClassVar[list] = []

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.taken.append((self.headers["webhook-id"], body["type"], body["after"]["id"], body["note"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def hook():
    Hook.taken = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def wait_until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def test_a_stopped_watch_prints_no_error_and_its_files_are_its_owners_alone(hook, write_yard, tmp_path) -> None:
    video = write_yard(tmp_path / "yard.mkv", [0.2, 0.6] * 200, with_sound=False)
    config, work = tmp_path / "watch.toml", tmp_path / "new" / "work"
    config.write_text(
        f'state = "{work}/state"\n[recording]\nfolder = "{work}/recordings"\n'
        f'[cameras.yard]\nsource = "{video}"\nthreshold = 0.0\n'
        f'[webhook]\nurl = "http://127.0.0.1:{hook.server_port}/"\nsecret = "{SECRET}"\n'
    )
    command = [sys.executable, "-m", "avadclip", "watch", "--config", str(config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watch:
        wait_until(lambda: any((work / "recordings").glob("*.partial.mkv")))
        modes = {stat.S_IMODE(path.stat().st_mode) for path in work.parent.rglob("*") if path.is_file()}
        watch.send_signal(signal.SIGINT)
        _, errors = watch.communicate(timeout=PATIENCE)
    assert (watch.returncode, errors) == (0, "")
    assert modes == {0o600}
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (work, work / "state", work / "recordings")} == {0o700}
    assert [file.suffixes for file in (work / "recordings").glob("*.mkv")] == [[".mkv"]]


def test_a_killed_watch_ends_its_open_event_at_the_next_start_and_repeats_nothing(hook, write_yard, tmp_path) -> None:
    """The program itself, with the starter model; at a threshold of 0 everything is an event."""
    video = write_yard(tmp_path / "yard.mkv", [0.2, 0.6] * 200, with_sound=False)
    config = tmp_path / "watch.toml"
    config.write_text(
        f'state = "{tmp_path}/state"\n[cameras.yard]\nsource = "{video}"\nthreshold = 0.0\n'
        f'[webhook]\nurl = "http://127.0.0.1:{hook.server_port}/"\nsecret = "{SECRET}"\n'
    )
    command = [sys.executable, "-m", "avadclip", "watch", "--config", str(config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as first:
        wait_until(lambda: any(kind == "new" for _, kind, _, _ in Hook.taken))
        first.send_signal(signal.SIGKILL)
    told = len(Hook.taken)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as second:
        wait_until(lambda: sum(kind == "new" for _, kind, _, _ in Hook.taken) == 2)
        second.send_signal(signal.SIGINT)
        lines = [json.loads(line) for line in second.stdout]
        assert second.wait(PATIENCE) == 0
    wait_until(lambda: sum(kind == "end" for _, kind, _, _ in Hook.taken) == 2)
    ids = [message_id for message_id, *_ in Hook.taken]
    assert len(set(ids)) == len(ids)
    first_end = next(entry for entry in Hook.taken[told:] if entry[1] == "end")
    assert first_end[2] == Hook.taken[0][2]
    assert first_end[3].startswith("avadclip was restarted")
    assert lines[-1]["type"] == "end"
    assert lines[-1]["note"] == "camera disconnected: avadclip was stopped"


def test_a_watch_skips_still_footage_where_its_config_wants_it(bright_is_bad, write_yard, tmp_path) -> None:
    content = {"cameras": {"yard": {"source": str(write_yard(tmp_path / "yard.mkv", [0.1] * 20, with_sound=False))}}}
    config = parse_config({**content, "skip_still": True}, WatchConfig, origin="test")
    assert load_live_detector(config).encoders.skip_still
    assert not load_live_detector(parse_config(content, WatchConfig, origin="test")).encoders.skip_still
    skipping = Detector(bright_is_bad.scorer, bright_is_bad.encoders._replace(skip_still=True), grid=bright_is_bad.grid)
    content["cameras"]["yard"]["speed"] = 20.0
    watch = Watch(parse_config(content, WatchConfig, origin="test"), skipping, [].append)
    watch.run()
    counts = watch.camera_stats()["yard"]
    assert counts.encoded_share == round(16 / counts.snippets, 3) < 1
