import contextlib
import os
import shutil

import av
import numpy as np
import pytest
from PIL import Image

from avadclip.errors import MediaError
from avadclip.media.audio import SoundReader
from avadclip.media.container import MAX_PIXELS, open_media
from avadclip.media.probe import probe
from avadclip.media.video import VideoReader

from .made_videos import black_picture


def refusal(path) -> str:
    with pytest.raises(MediaError) as caught, open_media(path):
        pass
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


def test_a_missing_file_is_refused(tmp_path):
    assert "does not exist" in refusal(tmp_path / "no.mp4")


def test_a_directory_is_refused(tmp_path):
    assert "is a directory" in refusal(tmp_path)


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "empty.mp4").touch()
    assert "is empty" in refusal(tmp_path / "empty.mp4")


def test_a_pipe_is_refused_without_waiting_for_its_writer(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    assert "not a regular file" in refusal(tmp_path / "pipe.mp4")


def test_a_file_without_read_permission_is_refused(tmp_path, monkeypatch, make_video):
    path = make_video(tmp_path / "a.mp4")
    monkeypatch.setattr(os, "access", lambda *_: False)  # tests may run as root, who may read everything
    assert "may not be read" in refusal(path)


def test_a_name_too_long_for_the_system_is_refused(tmp_path):
    assert "cannot be opened" in refusal(tmp_path / ("x" * 5000 + ".mp4"))


@pytest.mark.parametrize("content", [b"hello world\n" * 500, bytes(50_000)])
def test_something_else_is_refused(tmp_path, content):
    (tmp_path / "a.mp4").write_bytes(content)
    assert "is not a video" in refusal(tmp_path / "a.mp4")


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "bmp"])
def test_a_picture_named_mp4_is_refused(tmp_path, kind):
    Image.new("RGB", (64, 48)).save(tmp_path / "a.mp4", format=kind)
    with av.open(str(tmp_path / "a.mp4")) as container:  # FFmpeg itself would take it
        assert container.streams.video
    assert "is not a video" in refusal(tmp_path / "a.mp4")


@pytest.mark.parametrize(
    "playlist",
    ["#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\na.ts\n#EXT-X-ENDLIST\n", "ffconcat version 1.0\nfile a.ts\n"],
)
def test_a_playlist_named_mp4_cannot_pull_in_other_files(tmp_path, make_video, playlist):
    make_video(tmp_path / "a.ts")
    (tmp_path / "list.mp4").write_text(playlist)
    assert "is not a video" in refusal(tmp_path / "list.mp4")


def test_sound_alone_is_refused(tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 48_000, 0
        container.mux(stream.encode(frame) + stream.encode(None))
    assert "has no video stream" in refusal(tmp_path / "a.mp4")


@pytest.mark.parametrize(("codec", "side"), [("libx264", 8192), ("mpeg4", 8190)])
def test_a_huge_picture_is_refused_by_its_header(tmp_path, make_video, monkeypatch, codec, side):
    picture = black_picture(side, side)
    options = {"preset": "ultrafast"} if codec == "libx264" else {}
    path = make_video(
        tmp_path / "huge.mp4", pictures=[picture], times=[0.0], size=(side, side), codec=codec, codec_options=options
    )
    assert side * side > MAX_PIXELS
    monkeypatch.setattr("avadclip.media.video.ChangingDecoder", lambda *_: pytest.fail("decoded"))
    assert str(MAX_PIXELS) in refusal(path)
    with pytest.raises(MediaError, match=str(MAX_PIXELS)):
        next(VideoReader(path).frames_at([0.0]))


def test_the_decoder_itself_has_the_pixel_limit(tmp_path, make_video):
    # Options given to av.open() never reach the decoder, and a picture may grow in the middle of a stream.
    with open_media(make_video(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].codec_context.options["max_pixels"] == str(MAX_PIXELS)


@pytest.mark.parametrize(
    "name",
    [
        "-i.mp4",
        "http:a.mp4",
        "pipe:1.mp4",
        "a b%03d[0]'\".mp4",
        "v\u00eddeo\U0001f3a5.mp4",
        "x" * 240 + ".mp4",
        "a\nb.mp4",
    ],
)
def test_unusual_names_are_names(tmp_path, monkeypatch, make_video, name):
    shutil.copy(make_video(tmp_path / "a.mp4"), tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert len(list(VideoReader(name).frames_at([0.0, 0.5]))) == 2


def test_a_name_with_a_line_break_stays_one_line(tmp_path):
    assert r"a\nb" in refusal(tmp_path / "a\nb.mp4")


def test_cover_art_is_not_the_video(tmp_path, make_video):
    path = make_video(tmp_path / "a.mp4", cover=True)
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 2
    assert next(VideoReader(path).frames_at([0.0])).shape == (48, 64, 3)


def test_titles_that_are_not_utf8_do_no_harm(tmp_path, make_video):
    path = make_video(tmp_path / "a.mp4")
    content = path.read_bytes()
    assert b"VideoHandler" in content
    path.write_bytes(content.replace(b"VideoHandler", b"Vid\xe9oHandler"))
    assert len(list(VideoReader(path).frames_at([0.0]))) == 1


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.flv", "a.avi"])
def test_damage_of_any_kind_is_a_media_error_or_none(tmp_path, make_video, sound_track, click_at, name):
    random = np.random.default_rng(7)
    codecs = ("mpeg4", "libmp3lame") if name == "a.avi" else ("libx264", "aac")
    path = make_video(tmp_path / name, codec=codecs[0], sound=sound_track(click_at(0.5, 1.0), codec=codecs[1]))
    original = path.read_bytes()
    for num_flips in [1, 10, 100] * 8:
        content = bytearray(original)
        for place in random.integers(0, len(content), num_flips):
            content[place] ^= 1 << int(random.integers(8))
        path.write_bytes(content[: int(random.integers(1, len(content)))] if num_flips == 10 else content)
        with contextlib.suppress(MediaError):
            probe(path)
        with contextlib.suppress(MediaError):
            list(VideoReader(path, frame_size=(24, 32)).frames_at(i / 24 for i in range(48)))
        with contextlib.suppress(MediaError):
            list(SoundReader(path).windows([0.1, 0.9], 1.0))
