import dataclasses
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from avadclip.inference.detector import Detection
from avadclip.report.annotation import Annotator, write_annotated

MakeDetection = Callable[..., Detection]
BLUE, ORANGE = (0, 0x72, 0xB2), (0xD5, 0x5E, 0)


def bar_of(picture: np.ndarray) -> tuple[float, tuple[int, int, int]]:
    """How far the bar in the lowest row reaches, as a share, and its colour."""
    row = picture[-1].astype(int)
    colour = tuple(row[0])
    return float((row == colour).all(axis=1).cumprod().sum() / len(row)), colour


def test_the_bar_is_as_long_as_the_score_and_changes_colour_in_events(
    detection_of: MakeDetection, clock_video: Path
) -> None:
    detection = detection_of(clock_video)
    annotator = Annotator(detection)
    black = np.zeros((400, 1000, 3), np.uint8)
    seen = set()
    for index, score in enumerate(detection.track.scores):
        seconds = (index + 0.5) * detection.track.snippet_seconds
        share, colour = bar_of(annotator.draw(black, seconds))
        inside = any(event.start <= seconds < event.end for event in detection.events)
        assert colour == (ORANGE if inside else BLUE)
        if abs(score - detection.thresholds.detection) > 0.01 and score < detection.thresholds.detection:
            assert share == pytest.approx(score, abs=0.003)
        seen.add(inside)
    assert seen == {True, False}
    assert not black.any()


def test_the_label_stands_above_only_while_the_event_lasts(detection_of: MakeDetection, clock_video: Path) -> None:
    detection = detection_of(clock_video)
    event = detection.events[0]
    annotator = Annotator(detection)
    white = np.full((400, 1000, 3), 255, np.uint8)

    def label_width(seconds: float) -> int:
        corner = annotator.draw(white, seconds)[:60]
        return int((corner != 255).any(axis=(0, 2)).sum())

    assert label_width(event.start) > 1.5 * label_width(event.start - 0.01)
    assert label_width(event.end) < label_width(event.end - 0.01)


def test_the_video_keeps_its_length_and_its_sound(
    detection_of: MakeDetection, clock_video: Path, tmp_path: Path
) -> None:
    detection = dataclasses.replace(detection_of(clock_video), events=())
    write_annotated(detection, clock_video, tmp_path / "annotated.mp4")
    with av.open(str(tmp_path / "annotated.mp4")) as container:
        video, sound = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, sound.codec_context.name) == ("h264", "aac")
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video)]
    assert len(frames) == 200
    loud = int(detection.track.scores.argmax())
    frame = frames[round((loud + 0.5) * detection.track.snippet_seconds * 5)]
    assert np.abs(frame[-2, 20].astype(int) - BLUE).max() < 40
