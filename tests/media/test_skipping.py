import itertools
from bisect import bisect_right
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avadclip.media.skipping import LOOK_AHEAD, PROGRESSIVE, RequestedTimes, skip_unread
from avadclip.media.times.display_order import DisplayOrder
from avadclip.media.video import VideoReader

MakeVideo = Callable[..., Path]

# How x264 may arrange pictures: hidden from others, referred to, over the borders of groups, very far apart.
ARRANGEMENTS = st.fixed_dictionaries(
    {
        "bframes": st.integers(0, 16),
        "b-pyramid": st.sampled_from(["none", "strict", "normal"]),
        "b-adapt": st.integers(0, 2),
        "open-gop": st.integers(0, 1),
        "keyint": st.sampled_from([1, 7, 30, 250]),
        "ref": st.integers(1, 16),
        "intra-refresh": st.integers(0, 1),
    }
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    arrangement=ARRANGEMENTS,
    steps=st.lists(st.integers(1, 120), min_size=1, max_size=9),
    suffix=st.sampled_from(["mp4", "mkv", "ts", "mov"]),
    every=st.integers(1, 60),
    data=st.data(),
)
def test_skipping_does_not_change_the_returned_frames(
    tmp_path: Path,
    make_video: MakeVideo,
    number_of: Callable[..., int],
    *,
    arrangement: dict[str, Any],
    steps: list[int],
    suffix: str,
    every: int,
    data: st.DataObject,
) -> None:
    starts = [0, *itertools.accumulate(itertools.islice(itertools.cycle(steps), 119))]  # milliseconds
    parameters = ":".join(f"{key}={value}" for key, value in arrangement.items())
    path = make_video(
        tmp_path / f"a.{suffix}",
        times=[start / 1000 for start in starts],
        codec_options={"x264-params": parameters},
    )
    reader = VideoReader(path)
    whole = list(reader.frames_at(start / 1000 for start in starts))
    assert [number_of(picture) for picture in whole] == list(range(120))
    assert reader.report.num_frames == 120
    offset = data.draw(st.integers(0, every - 1))
    asked = sorted(start + data.draw(st.integers(0, 5)) for start in starts[offset::every])
    found = list(reader.frames_at(time / 1000 for time in asked))
    wanted = [whole[bisect_right(starts, time) - 1] for time in asked if time < starts[-1]]
    assert len(found) >= len(wanted)
    for picture, same in zip(found, wanted, strict=False):
        np.testing.assert_array_equal(picture, same)


def test_half_of_the_pictures_are_left_out_where_one_of_sixteen_is_read(tmp_path: Path, make_video: MakeVideo) -> None:
    # Three hidden ones of four: b-pyramid would make one of the three a reference.
    options = {"x264-params": "bframes=3:b-pyramid=none:b-adapt=0:scenecut=0"}
    reader = VideoReader(make_video(tmp_path / "a.mp4", num_frames=320, codec_options=options))
    assert len(list(reader.frames_at(i * 16 / 24 for i in range(20)))) == 20
    assert reader.report.num_frames == pytest.approx(320 / 4 + 20 / 2, abs=LOOK_AHEAD)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp4", {"codec": "libx265"}),
        ("a.webm", {"codec": "libvpx-vp9"}),
        ("a.avi", {"codec": "mpeg4", "setup": lambda stream: setattr(stream.codec_context, "max_b_frames", 2)}),
        ("a.mp4", {"codec_options": {"x264-params": "tff=1:bframes=3"}}),
    ],
)
def test_other_codecs_and_interlaced_pictures_are_decoded_whole(
    tmp_path: Path, make_video: MakeVideo, name: str, options: dict[str, Any]
) -> None:
    reader = VideoReader(make_video(tmp_path / name, num_frames=120, **options))
    assert len(list(reader.frames_at([0.0, 4.96]))) == 2
    assert reader.report.num_frames == 120


def decided(starts: list[int | None], times: list[float]) -> list[str]:
    """For packets of these starts in milliseconds, in decoding order: what the decoder is told before each."""
    context = SimpleNamespace(name="h264", field_order=PROGRESSIVE, skip_frame="DEFAULT")
    packets = [SimpleNamespace(pts=start, time_base=Fraction(1, 1000), is_discard=False) for start in starts]
    order = DisplayOrder(is_reordered=False, begins_at=0)
    passed, told = [], []
    for packet in skip_unread(iter(packets), context, RequestedTimes(times), order):  # type: ignore[arg-type]
        passed.append(packet)
        told.append(context.skip_frame)
    assert passed == packets
    return told


def test_a_frame_is_decoded_if_a_time_falls_before_the_next_displayed_frame() -> None:
    rest = [200 + 40 * i for i in range(LOOK_AHEAD)]
    told = decided([0, 120, 40, 80, 160, *rest], [0.0, 0.079, 0.12])
    assert told[:5] == ["DEFAULT", "DEFAULT", "DEFAULT", "NONREF", "NONREF"]
    assert decided([0, 120, 40, 80, 160, *rest], [0.16])[:5] == ["NONREF"] * 4 + ["DEFAULT"]


def test_the_end_is_decoded_completely_since_the_next_frame_is_unknown() -> None:
    assert set(decided([40 * i for i in range(LOOK_AHEAD)], [])) == {"DEFAULT"}
    assert decided([40 * i for i in range(LOOK_AHEAD + 3)], [])[3:] == ["DEFAULT"] * LOOK_AHEAD


def test_a_packet_without_a_time_ends_it() -> None:
    starts: list[int | None] = [40 * i for i in range(100)]
    starts[50] = None
    told = decided(starts, [])
    assert told[: 50 - LOOK_AHEAD] == ["NONREF"] * (50 - LOOK_AHEAD)
    assert told[50 - LOOK_AHEAD :] == ["DEFAULT"] * (50 + LOOK_AHEAD)
