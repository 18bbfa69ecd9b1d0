import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from avadclip.inference.detector import Detection
from avadclip.report.pictures import write_pictures

MakeDetection = Callable[..., Detection]


def test_without_events_there_are_no_pictures_and_no_folder(
    detection_of: MakeDetection, clock_video: Path, tmp_path: Path
) -> None:
    detection = detection_of(clock_video, events=())
    assert write_pictures(detection, clock_video, tmp_path / "pictures").events == ()
    assert not (tmp_path / "pictures").exists()


def test_an_event_beyond_the_last_picture_has_none(
    detection_of: MakeDetection, clock_video: Path, tmp_path: Path
) -> None:
    detection = detection_of(clock_video)
    track = dataclasses.replace(detection.track, snippet_seconds=10.0, end_seconds=600.0)
    first, last = detection.events[0], detection.events[-1]
    times = ({"start": 0.0, "end": 20.0}, {"start": 300.0, "end": 320.0})
    events = tuple(event.model_copy(update=each) for event, each in zip((first, last), times, strict=True))
    detection = dataclasses.replace(detection, track=track, events=events)
    written = write_pictures(detection, clock_video, tmp_path / "pictures")
    assert [event.snapshot for event in written.events] == ["pictures/0001.jpg", None]


def test_pictures_keep_the_shape_of_the_video(
    detection_of: MakeDetection, sample_videos: tuple[Path, Path], tmp_path: Path
) -> None:
    detection = detection_of(sample_videos[1])
    early = detection.events[0].model_copy(update={"start": 0.0, "end": 2.0})
    write_pictures(dataclasses.replace(detection, events=(early,)), sample_videos[1], tmp_path / "pictures")
    width, height = Image.open(tmp_path / "pictures" / "0001.jpg").size
    assert width / height == pytest.approx(640 / 272, rel=0.01)
