from datetime import datetime

import pytest
from pydantic import ValidationError

from avadclip.apps.live.config import MqttConfig, WatchConfig, WebhookConfig
from avadclip.apps.live.schedule import is_due, parse_period
from avadclip.config import parse_config, read_config
from avadclip.errors import ConfigError

SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_a_whole_file_is_read(tmp_path) -> None:
    path = tmp_path / "watch.toml"
    path.write_text(
        f"""
        state = "state"
        [scoring]
        latency_snippets = 2
        [cameras.yard]
        source = "rtsp://10.0.0.7/stream"
        threshold = 0.7
        cooldown_seconds = 60
        schedule = ["mon-fri 22:00-06:00", "sat-sun"]
        [cameras.gate]
        source = "/dev/video0"
        sound = false
        [cameras.door]
        source = "/dev/video1"
        [cameras.door.sounds]
        "Gunshot, gunfire" = 0.4
        glass = 0.5
        [cameras.shop]
        source = "/dev/video2"
        sounds = false
        [webhook]
        url = "https://example.org/hook"
        secret = "{SECRET}"
        [mqtt]
        host = "broker"
        """
    )
    config = read_config(path, WatchConfig)
    assert list(config.cameras) == ["yard", "gate", "door", "shop"]
    assert (config.cameras["yard"].threshold, config.cameras["gate"].threshold) == (0.7, None)
    assert len(config.cameras["yard"].periods) == 2
    assert config.cameras["yard"].sounds is None
    assert config.cameras["door"].sounds == {"Gunshot, gunfire": 0.4, "glass": 0.5}
    assert [camera.names_sounds for camera in config.cameras.values()] == [True, False, True, False]
    assert config.webhook is not None
    assert config.webhook.secret.get_secret_value() == SECRET
    assert SECRET not in str(config)


CAMERA = {"source": "x"}
URLS = {
    f"http://{'a' * 64}.example/": "parts have 1 to 63 characters",
    "http://a..b/": "parts have 1 to 63 characters",
    "http://h:0/": "a port from 1 to 65535",
    "http://h:99999/": "invalid port number",
    "http://a b/": "invalid international domain name",
    "http://ann:sesame@h/": "not shown here; needed a URL without user and password",
    "http://ann:sesame@h:99999/": "not shown here",
    "http://": "empty host",
}
HOSTS = ("", "a" * 64, "a..b", "a b", "mqtt://broker", "broker:1883", "ann:sesame@broker", "a\tb")
NOTICE = {"name": "phone", "url": "json://ann:sesame@h"}
PREFIXES = ("", "a/+", "#", "a b", "/a", "a//b", "a/", "$SYS/a", "a\0b", "a" * 201)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({}, "`cameras` is missing"),
        ({"cameras": {}}, "`cameras`"),
        ({"cameras": {"a b": CAMERA}}, "cameras.a b"),
        ({"cameras": {"a": {**CAMERA, "treshold": 0.5}}}, "did you mean `threshold`?"),
        ({"cameras": {"a": {}}}, "`cameras.a.source` is missing"),
        ({"cameras": {"a": {**CAMERA, "schedule": ["monday"]}}}, "mon-fri 22:00-06:00"),
        ({"cameras": {"a": {**CAMERA, "sounds": {"glass": 0}}}}, "`cameras.a.sounds.glass` is 0"),
        ({"cameras": {"a": {**CAMERA, "sounds": True}}}, "`cameras.a.sounds` is True"),
        ({"cameras": {"a": CAMERA}, "mqtt": {"host": "h"}}, "state = FOLDER"),
        ({"cameras": {"a": CAMERA}, "store": {}}, "state = FOLDER"),
        ({"cameras": {"a": CAMERA}, "scoring": {"window_snippets": 2, "latency_snippets": 2}}, "latency_snippets"),
        ({"cameras": {"a": CAMERA}, "webhook": {"url": "ftp://x", "secret": SECRET}}, "webhook.url"),
        ({"cameras": {"a": CAMERA}, "webhook": {"url": "http://x", "secret": "whsec_QUJD"}}, "24 to 64"),
        *(({"cameras": {"a": CAMERA}, "webhook": {"url": url, "secret": SECRET}}, said) for url, said in URLS.items()),
        *(({"cameras": {"a": CAMERA}, "mqtt": {"host": host}}, "mqtt.host") for host in HOSTS),
        *(({"cameras": {"a": CAMERA}, "mqtt": {"host": "h", "prefix": each}}, "mqtt.prefix") for each in PREFIXES),
        ({"cameras": {"a": CAMERA}, "mqtt": {"host": "h", "port": 0}}, "mqtt.port"),
        ({"cameras": {"a": {**CAMERA, "time_zone": "Mars/Base"}}}, "`Europe/Berlin`"),
        ({"cameras": {"a": {**CAMERA, "time_zone": "../etc/passwd"}}}, "`Europe/Berlin`"),
        ({"cameras": {"a": CAMERA}, "service": {"address": "https://ann:sesame@h"}}, "without user and password"),
        ({"cameras": {"a": CAMERA}, "service": {"address": "h/x"}}, "service.address"),
        ({"cameras": {"a": CAMERA}, "notice": [NOTICE]}, "state = FOLDER"),
        ({"cameras": {"a": CAMERA}, "notice": NOTICE}, "`[[notice]]`"),
        ({"cameras": {"a": CAMERA}, "notice": [NOTICE["url"]]}, "`[[notice]]`"),
        ({"cameras": {"a": CAMERA}, "notice": [{**NOTICE, "url": [NOTICE["url"]]}]}, "one address"),
        ({"cameras": {"a": CAMERA}, "notice": [{"url": NOTICE["url"]}]}, "name"),
        ({"cameras": {"a": CAMERA}, "notice": [NOTICE, NOTICE]}, "different names"),
        ({"cameras": {"a": CAMERA}, "notice": [{**NOTICE, "cameras": ["b"]}]}, "not `b`"),
        ({"cameras": {"a": CAMERA}, "notice": [{**NOTICE, "schedule": ["monday"]}]}, "mon-fri 22:00-06:00"),
    ],
)
def test_what_is_wrong_is_named(content, said) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_config(content, WatchConfig, origin="here")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "whsec_QUJD" not in str(refused.value)
    assert "sesame" not in str(refused.value)


@pytest.mark.parametrize("host", ["broker.local", "10.0.0.7", "fe80::1", "bücher.example", "under_score"])
def test_hosts_that_can_be_asked_for_are_taken(host) -> None:
    assert MqttConfig(host=host).host == host
    name = f"[{host}]" if ":" in host else host
    WebhookConfig(url=f"https://{name}/", secret=SECRET)


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("mon-fri 22:00-06:00", ["05 22:00", "06 05:59", "10 05:00"], ["05 21:59", "06 06:00", "10 22:00", "05 03:00"]),
        ("sat-sun", ["10 00:00", "11 23:59"], ["09 23:59", "12 00:00"]),
        ("08:00-18:00", ["05 08:00", "11 17:59"], ["05 18:00", "05 07:59"]),
        ("sun-mon 12:00-13:00", ["11 12:30", "05 12:00"], ["06 12:30"]),
        ("wed", ["07 12:00"], ["08 00:00"]),
    ],
)
def test_periods_cover_what_they_say(text, inside, outside) -> None:
    def at(day_and_time):  # January 2026: the 5th is a Monday
        return datetime.fromisoformat(f"2026-01-{day_and_time.replace(' ', 'T')}")

    period = parse_period(text)
    assert [moment for moment in inside if not period.covers(at(moment))] == []
    assert [moment for moment in outside if period.covers(at(moment))] == []


def test_no_schedule_is_always() -> None:
    assert is_due((), datetime(2026, 1, 1))


@pytest.mark.parametrize("text", ["", "monday", "mon-", "25:00-26:00", "mon 8:00-9:00", "8-9"])
def test_other_periods_are_refused(text) -> None:
    with pytest.raises(ValidationError, match="needed days, hours or both"):
        WatchConfig(cameras={"a": {"source": "x", "schedule": [text]}})
