from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from avadclip.apps.archive import ranges
from avadclip.apps.archive.parts import part_name, read_part, write_part
from avadclip.apps.archive.ranges import IndivisibleError, TimeRange, encode_range, join_ranges, plan_spans
from avadclip.encoders.load import load_encoders
from avadclip.errors import FeatureError
from avadclip.features.extract import extract_features
from avadclip.features.snippets import SnippetFeatures
from avadclip.features.store import write_features
from avadclip.media.probe import MediaFile
from avadclip.timeline import SnippetGrid

from .archive_jobs import tiny_encoders
from .conftest import LONG_SECONDS as SECONDS

GRID = SnippetGrid()
RANGE_SECONDS = 4.0

CODINGS = {
    "mp4, pictures predicted from both sides": ("long.mp4", "libx264", {"bf": "3"}),
    "mkv, key pictures that earlier ones refer to": ("long.mkv", "libx264", {"bf": "3", "x264-params": "open-gop=1"}),
    "mkv, every picture a key": ("long.mkv", "mjpeg", {}),
    "avi": ("long.avi", "mpeg4", {}),
}


def divided(path: Path, *, by_batch: bool = False):
    encoders = tiny_encoders(by_batch=by_batch)
    spans = plan_spans(MediaFile.open(path), encoders.visual, GRID, range_seconds=RANGE_SECONDS)
    assert len(spans) == 5
    parts = [encode_range(MediaFile.open(path), encoders, GRID, span) for span in spans]
    return encoders, parts


def divide_and_join(path: Path) -> SnippetFeatures:
    encoders, parts = divided(path)
    return join_ranges(MediaFile.open(path), parts, encoders, GRID)


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("by_batch", [False, True])
def test_ranges_joined_are_the_undivided_features_byte_for_byte(
    tmp_path: Path, write_video: Callable[..., Path], coding: str, by_batch: bool
) -> None:
    name, codec, options = CODINGS[coding]
    path = write_video(tmp_path / name, seconds=SECONDS, codec=codec, options=options)
    encoders, parts = divided(path, by_batch=by_batch)
    for kind, features in {
        "whole": extract_features(path, encoders, grid=GRID),
        "joined": join_ranges(MediaFile.open(path), parts, encoders, GRID),
    }.items():
        write_features(tmp_path / kind, replace(features, source_sha256="0" * 64))
    assert (tmp_path / "joined").read_bytes() == (tmp_path / "whole").read_bytes()


def test_ranges_joined_are_the_undivided_features_of_real_encoders_too(long_video: Path) -> None:
    encoders = load_encoders("lite")
    spans = plan_spans(MediaFile.open(long_video), encoders.visual, GRID, range_seconds=RANGE_SECONDS)
    parts = [encode_range(MediaFile.open(long_video), encoders, GRID, span) for span in spans]
    joined = join_ranges(MediaFile.open(long_video), parts, encoders, GRID)
    whole = extract_features(long_video, encoders, grid=GRID)
    assert len(parts) > 2
    assert np.array_equal(joined.visual, whole.visual)
    assert joined.audio is not None
    assert np.array_equal(joined.audio, whole.audio)
    assert (joined.duration_seconds, joined.notes) == (whole.duration_seconds, whole.notes)


def test_a_range_does_not_read_the_video_from_its_start(long_video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readers = []
    original = ranges.VideoReader

    def reader(*args: object, **options: object) -> object:
        readers.append(original(*args, **options))
        return readers[-1]

    monkeypatch.setattr(ranges, "VideoReader", reader)
    encode_range(MediaFile.open(long_video), tiny_encoders(), GRID, TimeRange(18, 24))  # 12 to 16 s
    # Four seconds, and from the key picture at most 2 s and a second ahead of it; not the twelve before.
    assert readers[0].report.num_frames <= (4 + 3) * 12 + 2


@pytest.mark.parametrize(
    ("name", "seconds", "codec"), [("short.mp4", 7.0, "libx264"), ("stream.ts", SECONDS, "libx264")]
)
def test_short_videos_and_those_whose_clock_may_jump_stay_in_one_piece(
    tmp_path: Path, write_video: Callable[..., Path], name: str, seconds: float, codec: str
) -> None:
    path = write_video(tmp_path / name, seconds=seconds, codec=codec)
    assert plan_spans(MediaFile.open(path), tiny_encoders().visual, GRID, range_seconds=RANGE_SECONDS) == ()


def test_a_video_of_odd_pictures_stays_in_one_piece(tmp_path: Path, write_video: Callable[..., Path]) -> None:
    options = {"flags": "+ildct+ilme", "x264-params": "interlaced=1"}
    path = write_video(tmp_path / "long.mp4", seconds=SECONDS, options=options)
    assert "interlaced" in str(extract_features(path, tiny_encoders()).notes)
    assert plan_spans(MediaFile.open(path), tiny_encoders().visual, GRID, range_seconds=RANGE_SECONDS) == ()


def test_pictures_that_differ_when_read_from_the_middle_are_noticed(
    tmp_path: Path, write_video: Callable[..., Path]
) -> None:
    # Marked as a key picture where there is none: decoding from there repeats what an undivided pass does not see.
    honest = write_video(tmp_path / "honest.mkv", seconds=SECONDS, sound=False, options={"g": "1000", "bf": "0"})
    path = tmp_path / "long.mkv"
    with av.open(str(honest)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                packet.is_keyframe = True
                target.mux(packet)
    with pytest.raises(IndivisibleError):
        divide_and_join(path)
    assert len(extract_features(path, tiny_encoders())) == 32


def test_neighbours_that_saw_another_first_picture_are_not_joined(long_video: Path) -> None:
    encoders, parts = divided(long_video)
    other = parts[1]._replace(first_picture=parts[1].first_picture.replace(" ", " 0"))
    with pytest.raises(IndivisibleError, match="other frames"):
        join_ranges(MediaFile.open(long_video), [parts[0], other, *parts[2:]], encoders, GRID)
    with pytest.raises(IndivisibleError):
        join_ranges(MediaFile.open(long_video), [parts[0], *parts[2:]], encoders, GRID)
    with pytest.raises(IndivisibleError, match="snippets"):
        join_ranges(MediaFile.open(long_video), parts[:-1], encoders, GRID)


def test_a_video_shorter_than_its_header_states_is_not_divided(long_video: Path) -> None:
    encoders = tiny_encoders()
    for span in (TimeRange(30, 36), TimeRange(36, None), TimeRange(90, None)):
        with pytest.raises(IndivisibleError):
            encode_range(MediaFile.open(long_video), encoders, GRID, span)


def test_a_part_comes_back_as_it_was_written(tmp_path: Path, long_video: Path) -> None:
    _, parts = divided(long_video)
    for number, part in enumerate(parts):
        write_part(tmp_path / f"{number}", part)
        read = read_part(tmp_path / f"{number}")
        assert np.array_equal(read.visual, part.visual)
        assert read[1:] == part[1:]
    (tmp_path / "0").write_bytes((tmp_path / "0").read_bytes()[:-10])
    with pytest.raises(FeatureError, match="remove it"):
        read_part(tmp_path / "0")


def test_parts_of_other_content_encoders_or_ranges_have_other_names() -> None:
    names = {
        part_name(sha, made, span) for sha in "ab" for made in "ab" for span in (TimeRange(0, 9), TimeRange(9, None))
    }
    assert len(names) == 8


def test_ranges_that_skip_still_footage_say_how_much_was_encoded(tmp_path: Path, long_video: Path) -> None:
    encoders = tiny_encoders()._replace(skip_still=True)
    spans = plan_spans(MediaFile.open(long_video), encoders.visual, GRID, range_seconds=RANGE_SECONDS)
    parts = [encode_range(MediaFile.open(long_video), encoders, GRID, span) for span in spans]
    write_part(tmp_path / "part", parts[0])
    assert read_part(tmp_path / "part").num_encoded == parts[0].num_encoded == len(parts[0].visual[0])
    joined = join_ranges(MediaFile.open(long_video), parts, encoders, GRID)
    # Every range is calibrated anew, which is longer than these ranges.
    assert f"100% of the frames encoded ({len(joined)} of {len(joined)} snippets)" in joined.notes[-1]
    assert joined.provenance is not None
    assert joined.provenance.visual["skip_still"] == 1
