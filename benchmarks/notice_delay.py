"""From an event to its notice: `python benchmarks/notice_delay.py [--events 32]`.

A real RTSP server shows pictures with the time burnt in, a watch scores them, and mosquitto, a webhook's receiver and
an Apprise target (json:// on loopback) take what it sends. Encoders and networks are those of starter-1 and do all
their work, but the score is made: 1 in the first two of every PERIOD_SECONDS by the burnt-in time, else 0, so that
events begin when they are to. The delay runs from that moment to the arrival of the message with its picture (webhook:
with the link), encoding and network included. Needs GStreamer's RTSP server and mosquitto (`make setup-system`).
"""

import argparse
import base64
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

PERIOD_SECONDS, EVENT_SECONDS = 5, 2
LIMIT_SECONDS = 5.0  # of the 95th percentile
SERVER = Path(__file__).parents[1] / "tests" / "apps" / "live" / "rtsp_server.py"
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


class Arrivals:
    """Unix times at which each sink had an event, by sink and the moment at which the event begins."""

    def __init__(self) -> None:
        self.times: defaultdict[str, dict[int, float]] = defaultdict(dict)

    def add(self, sink: str, moment: float) -> None:
        """Only the first arrival of an event counts."""
        self.times[sink].setdefault(beginning(moment), time.time())

    def add_picture(self, sink: str, jpeg: bytes) -> None:
        """The picture says by itself which event it is of."""
        self.add(sink, shown_time(np.asarray(Image.open(BytesIO(jpeg)))))


def beginning(moment: float) -> int:
    """Unix time at which the event of this moment begins."""
    return round(moment / PERIOD_SECONDS) * PERIOD_SECONDS


def shown_time(picture: Any) -> float:
    """The burnt-in time of a picture: bars of the upper half are milliseconds modulo 2^32, lowest bit left."""
    height, width, _ = picture.shape
    bars = picture[height // 4, (np.arange(32) * width + width // 2) // 32].mean(axis=-1) > 128
    milliseconds = sum(1 << int(bit) for bit in np.flatnonzero(bars))
    now = int(time.time() * 1000)
    return (now - (now - milliseconds) % 2**32) / 1000


class Receiver(BaseHTTPRequestHandler):
    """Takes webhooks at /hook and Apprise's JSON at /phone."""

    arrivals: Arrivals

    def do_POST(self) -> None:
        """One message; it counts only with its picture."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()
        if self.path.startswith("/hook"):
            if body["type"] == "new" and body["after"]["picture_link"]:
                self.arrivals.add("webhook, with a link", body["after"]["start"])
        else:
            (picture,) = body["attachments"]
            self.arrivals.add_picture("notice (Apprise), with the picture", base64.b64decode(picture["base64"]))

    def log_message(self, *_: object) -> None:
        """Nothing."""


class ClockEncoder:
    """The visual encoder, which also reads the burnt-in time of every snippet; see encoders.base.VisualEncoder."""

    def __init__(self, encoder: Any) -> None:
        self._encoder = encoder
        self.is_event: list[bool] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def prepare(self, frame: Any) -> Any:
        """Read its time."""
        self._last = shown_time(frame) % PERIOD_SECONDS < EVENT_SECONDS
        return self._encoder.prepare(frame)

    def encode(self, frames: list[Any]) -> Any:
        """Features of one snippet."""
        self.is_event.append(self._last)
        return self._encoder.encode(frames)


class ClockScorer:
    """The scorer, whose scores are replaced; see scorers.Scorer."""

    def __init__(self, scorer: Any, encoder: ClockEncoder) -> None:
        self._scorer, self._encoder = scorer, encoder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._scorer, name)

    def judge(self, features: Any) -> Any:
        """Judge in earnest, then put the made scores in place."""
        verdict = self._scorer.judge(features)
        made = np.array(self._encoder.is_event[-features.visual.shape[1] :], np.float32)
        return verdict._replace(scores=verdict.scores._replace(anomaly_scores=made))


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def subscribe(port: int, arrivals: Arrivals) -> Any:
    """Note events and their pictures, which come by topics of their own."""
    import paho.mqtt.client as paho

    client = paho.Client(paho.CallbackAPIVersion.VERSION2)

    def take(_: Any, __: Any, message: Any) -> None:
        if message.topic.endswith("/picture"):
            arrivals.add_picture("MQTT, the picture", message.payload)
        elif (event := json.loads(message.payload))["type"] == "new":
            arrivals.add("MQTT, the event", event["after"]["start"])

    client.on_connect = lambda *_: client.subscribe([("avadclip/events", 1), ("avadclip/yard/picture", 1)])
    client.on_message = take
    client.connect("127.0.0.1", port)
    client.loop_start()
    return client


def measure(num_events: int, folder: Path) -> dict[str, list[float]]:
    """Delays in seconds by sink."""
    from avadclip.apps.live.config import WatchConfig
    from avadclip.apps.live.messages import EventMessage
    from avadclip.apps.live.watch import Watch
    from avadclip.config import parse_config
    from avadclip.inference.detector import Detector, load_detector

    arrivals = Receiver.arrivals = Arrivals()
    http = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    camera_port, broker_port = free_port(), free_port()
    conf = folder / "mosquitto.conf"
    conf.write_text(f"listener {broker_port} 127.0.0.1\nallow_anonymous true\nuser root\n")
    mosquitto = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin") or "mosquitto"
    broker = subprocess.Popen([mosquitto, "-c", str(conf)], stderr=subprocess.DEVNULL)
    camera = subprocess.Popen(
        ["/usr/bin/python3", str(SERVER), str(camera_port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert camera.stdout is not None
        assert camera.stdout.readline() == "ready\n"
        time.sleep(1)
        client = subscribe(broker_port, arrivals)
        yard = {"source": f"rtsp://127.0.0.1:{camera_port}/yard", "threshold": 0.5, "min_seconds": 0.0}
        content = {
            "cameras": {"yard": {**yard, "merge_gap_seconds": 1.0, "sounds": False}},
            "state": str(folder / "state"),
            "service": {"address": "https://example.org"},
            "webhook": {"url": f"http://127.0.0.1:{http.server_port}/hook", "secret": SECRET},
            "mqtt": {"host": "127.0.0.1", "port": broker_port, "home_assistant": True},
            "notice": [
                {"name": "phone", "url": f"json://127.0.0.1:{http.server_port}/phone", "cooldown_seconds": 0}
            ],
        }  # fmt: skip
        detector = load_detector("starter-1", sounds=False)
        encoder = ClockEncoder(detector.encoders.visual)
        scorer = ClockScorer(detector.scorer, encoder)
        detector = Detector(scorer, detector.encoders._replace(visual=encoder), grid=detector.grid)  # type: ignore[arg-type]
        begun: list[int] = []

        def take(message: Any) -> None:
            if isinstance(message, EventMessage) and message.type == "new":
                begun.append(beginning(message.after.start))
                print(f"\r{len(begun)} of {num_events} events", end="", file=sys.stderr, flush=True)
                if len(begun) > num_events:
                    watch.stop()

        watch = Watch(parse_config(content, WatchConfig, origin="benchmark"), detector, take)
        watch.run()
        time.sleep(1)
        client.loop_stop()
    finally:
        camera.kill()
        broker.kill()
        http.shutdown()
    counted = begun[1 : num_events + 1]  # without the first: the watch may have begun in its midst
    return {sink: [times[event] - event for event in counted] for sink, times in arrivals.times.items()}


def main() -> int:
    """Print the table; 1 where a sink is slower than the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=32)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        delays = measure(arguments.events, Path(name))
    print("\n| sink | events | median | 95th percentile | worst |\n|---|---|---|---|---|")
    is_slow = False
    for sink, seconds in delays.items():
        median, high, worst = np.percentile(seconds, [50, 95, 100])
        is_slow |= bool(high > LIMIT_SECONDS)
        print(f"| {sink} | {len(seconds)} | {median:.2f} s | {high:.2f} s | {worst:.2f} s |")
    return int(is_slow)


if __name__ == "__main__":
    sys.exit(main())
