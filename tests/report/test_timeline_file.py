import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path

import opentimelineio as otio
import pytest

from avadclip.errors import ConfigError
from avadclip.inference.detector import Detection
from avadclip.report.sounds import event_mark
from avadclip.report.timeline_file import write_timeline

MakeDetection = Callable[..., Detection]


def test_the_library_reads_markers_at_the_events(made_up: MakeDetection, tmp_path: Path) -> None:
    detection = made_up(200)
    write_timeline(detection, "../yard.mp4", tmp_path / "events.otio")
    timeline = otio.adapters.read_from_file(str(tmp_path / "events.otio"))
    (clip,) = timeline.find_clips()
    rate = detection.media.frame_rate_hz
    assert clip.media_reference.target_url == "../yard.mp4"
    assert timeline.duration().to_seconds() == pytest.approx(detection.track.end_seconds, abs=1 / rate)
    assert len(clip.markers) == len(detection.events) > 3
    for marker, event in zip(clip.markers, detection.events, strict=True):
        span = marker.marked_range
        assert span.start_time.to_seconds() == pytest.approx(event.start, abs=0.6 / rate)
        assert span.end_time_exclusive().to_seconds() == pytest.approx(event.end, abs=0.6 / rate)
        assert marker.color == {"alert": "RED", "detection": "ORANGE", "sound": "PURPLE"}[event_mark(event)]
        assert marker.metadata["avadclip"]["label"] == event.label


def test_without_a_frame_rate_times_are_milliseconds(made_up: MakeDetection, tmp_path: Path) -> None:
    made = made_up(60)
    detection = dataclasses.replace(made, media=dataclasses.replace(made.media, frame_rate_hz=0.0))
    write_timeline(detection, None, tmp_path / "events.otio")
    (clip,) = otio.adapters.read_from_file(str(tmp_path / "events.otio")).find_clips()
    assert clip.media_reference.is_missing_reference
    assert clip.markers[0].marked_range.start_time.value == round(1000 * made.events[0].start)


def test_without_the_library_the_error_names_what_to_install(
    made_up: MakeDetection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opentimelineio", None)
    with pytest.raises(ConfigError, match=r"pip install 'avadclip\[export\]'"):
        write_timeline(made_up(5), None, tmp_path / "events.otio")
    assert list(tmp_path.iterdir()) == []
