"""Pictures of events: small JPEGs, each of its event's highest-scored snippet."""

from io import BytesIO

import av
import numpy as np
import pytest
from PIL import Image

from avadclip.apps.live.causal import Judgement
from avadclip.apps.live.config import CameraConfig, WatchConfig
from avadclip.apps.live.event_stream import EventStream
from avadclip.apps.live.key_frame import EventPictures, KeyFrameMaker
from avadclip.apps.live.messages import EventMessage, ScoreMessage
from avadclip.apps.live.spans import ScoredSnippet
from avadclip.apps.live.watch import Watch
from avadclip.config import parse_config
from avadclip.events import Thresholds


@pytest.mark.parametrize(
    ("shown", "written"),
    [((1920, 1080), (640, 360)), ((1080, 1920), (360, 640)), ((32, 24), (32, 24)), ((2000, 2), (640, 1))],
)
def test_a_picture_is_at_most_640_pixels_wide_and_high_and_never_enlarged(shown, written) -> None:
    pixels = np.tile(np.array([200, 40, 90], np.uint8), (shown[1], shown[0], 1))
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
    picture = Image.open(BytesIO(KeyFrameMaker().jpeg(frame)))
    assert (picture.format, picture.size) == ("JPEG", written)
    assert np.asarray(picture).mean(axis=(0, 1)) == pytest.approx((200, 40, 90), abs=6)


def judge(index: int, score: float) -> Judgement:
    probabilities = np.array([1 - score, score], np.float32)
    snippet = ScoredSnippet(index, index + 1, np.float32(score), probabilities, key_frame=b"jpeg %d" % index)
    return Judgement(snippet, "teacher", "visual", "made up", ("normal", "riot"), Thresholds(0.5, 0.8), 0.0)


def test_the_picture_is_that_of_the_highest_score_so_far(tmp_path) -> None:
    pictures = EventPictures(tmp_path / "kept", "https://example.org/watch")
    stream = EventStream("yard", CameraConfig(source="x"), model="tiny", pictures=pictures)
    path, shown, messages = tmp_path / "kept" / "yard-1000.jpg", [], []
    for index, score in enumerate([0.1, 0.6, 0.7, 0.6, 0.7, 0.9, 0.1, 0.1]):
        messages += stream.push(judge(index, score))
        shown.append(path.read_bytes() if path.exists() else None)
    # The second 0.7 is no higher; and the picture is newer than the last message where that says nothing new.
    assert shown == [None, b"jpeg 1", *[b"jpeg 2"] * 3, *[b"jpeg 5"] * 3]
    assert [message.type for message in messages] == ["new", "update", "end"]
    link = "https://example.org/watch/api/live-events/yard-1000/picture"
    assert {(message.after.picture, message.after.picture_link) for message in messages} == {(str(path), link)}


def test_an_event_that_is_kept_back_has_no_picture(tmp_path) -> None:
    config = CameraConfig(source="x", cooldown_seconds=60)
    stream = EventStream("yard", config, model="tiny", pictures=EventPictures(tmp_path))
    for index, score in enumerate([0.9, 0.1, 0.1, 0.9, 0.1, 0.1]):
        stream.push(judge(index, score))
    assert (stream.num_events, [file.name for file in tmp_path.iterdir()]) == (2, ["yard-0.jpg"])


def test_a_picture_that_cannot_be_written_holds_up_no_event(tmp_path, caplog) -> None:
    (tmp_path / "kept").touch()  # a file: no folder can be made there
    stream = EventStream("yard", CameraConfig(source="x"), model="tiny", pictures=EventPictures(tmp_path / "kept"))
    (new,) = stream.push(judge(0, 0.9))
    assert (new.type, new.after.picture) == ("new", None)
    assert caplog.messages == ["the picture of yard-0 cannot be written (File exists)"]


@pytest.mark.parametrize("codec", ["libx264", "mjpeg"])
def test_a_watch_writes_the_brightest_snippet_beside_the_recording(bright_is_bad, tmp_path, codec) -> None:
    path, levels = tmp_path / "yard.mkv", [0.1, 0.1, 0.6, 0.9, 0.7, 0.1, 0.1, 0.1]
    with av.open(str(path), "w") as container:
        picture = container.add_stream(codec, rate=24)
        picture.width, picture.height, picture.pix_fmt = 1280, 720, "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number in range(16 * len(levels)):
            value = round(255 * levels[number // 16])
            frame = av.VideoFrame.from_ndarray(np.full((720, 1280, 3), value, np.uint8))
            container.mux(picture.encode(frame.reformat(format=picture.pix_fmt)))
        container.mux(picture.encode(None))
    messages, folder = [], tmp_path / "recordings"
    config = {"cameras": {"yard": {"source": str(path), "speed": 2.0}}, "recording": {"folder": str(folder)}}
    Watch(parse_config(config, WatchConfig, origin="test"), bright_is_bad, messages.append).run()
    scores = [message.score for message in messages if isinstance(message, ScoreMessage)]
    assert max(scores) == pytest.approx(0.9, abs=0.02)
    event = [message.after for message in messages if isinstance(message, EventMessage)][-1]
    assert event.picture == str(folder / f"{event.id}.jpg")
    assert sorted(file.name for file in folder.glob("[!.]*")) == [f"{event.id}.jpg", f"{event.id}.mkv"]
    written = Image.open(event.picture)
    assert written.size == (640, 360)
    assert np.asarray(written).mean() / 255 == pytest.approx(0.9, abs=0.02)


def test_pictures_without_recordings_lie_in_the_state_folder_and_expire_there(
    bright_is_bad, write_yard, tmp_path
) -> None:
    path = write_yard(tmp_path / "yard.mkv", [0.9, 0.1, 0.1], with_sound=False)
    content = {"cameras": {"yard": {"source": str(path), "speed": 4.0}}, "state": str(tmp_path / "state")}
    config, messages = parse_config(content, WatchConfig, origin="test"), []
    Watch(config, bright_is_bad, messages.append).run()
    (event_id,) = {message.after.id for message in messages if isinstance(message, EventMessage)}
    folder = tmp_path / "state" / "pictures"
    assert [file.name for file in folder.glob("[!.]*")] == [f"{event_id}.jpg"]
    assert (config.kept.folder, config.kept.retention_days) == (folder, 30)
