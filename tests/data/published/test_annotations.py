from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avadclip.data.published.annotations import (
    build_frame_truth,
    read_class_spans,
    read_frame_counts,
    read_spans,
    read_ucf_spans,
    recognise_lengths,
)
from avadclip.data.published.cctv_fights import CCTV_FIGHTS
from avadclip.data.published.ucf_crime import UCF_CRIME
from avadclip.data.published.xd_violence import XD_VIOLENCE
from avadclip.errors import DataError
from avadclip.labels import XD_VIOLENCE_CODES


def write(folder: Path, text: str) -> Path:
    path = folder / "annotations.txt"
    path.write_text(text)
    return path


def test_the_three_formats(tmp_path):
    assert read_spans(write(tmp_path, "a.b__#1_label_G.mp4 3 5 8 9\nc 0 2\n")) == {
        "a.b__#1_label_G": ((3, 5), (8, 9)),
        "c": ((0, 2),),
    }
    assert read_class_spans(write(tmp_path, "a B2 3 5 G 4 9\n")) == {"a": (("B2", (3, 5)), ("G", (4, 9)))}
    lines = (
        "Arson011_x264  Arson  150  420  680  1267  \nNormal_1  Normal  -1  -1  -1  -1  \nB.mp4  Abuse  0  2  -1  -1\n"
    )
    assert read_ucf_spans(write(tmp_path, lines)) == {
        "Arson011_x264": (("Arson", (150, 420)), ("Arson", (680, 1267))),
        "Normal_1": (),
        "B": (("Abuse", (0, 2)),),
    }
    assert read_frame_counts(write(tmp_path, "a__#1@17\nb@c@20\n")) == {"a__#1": 17, "b@c": 20}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a 3 5\nb 3\n", "annotations.txt:2: b has invalid times (1 values, needed groups of 2)"),
        ("a 5 5\n", "annotations.txt:1: a has invalid times (from 5 to 5, needed 0 <= start < end)"),
        ("a 5 x\n", "annotations.txt:1: a has invalid times"),
        ("a 1 2\na.mp4 1 2\n", "annotations.txt:2: duplicate line of a"),
        ("a\n", "annotations.txt:1: a has invalid times (0 values"),
    ],
)
def test_bad_lines_are_named(tmp_path, text, message):
    with pytest.raises(DataError) as caught:
        read_spans(write(tmp_path, text))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_tail_is_dropped_or_kept_with_the_last_snippet():
    # 41 frames: two snippets of 16, and 9 frames after them; frames 30 to 40 are anomalous.
    dropped = build_frame_truth([(30, 41)], 2, snippet_frames=16)
    assert (len(dropped), dropped.sum(), dropped[29], dropped[30]) == (32, 2, False, True)
    kept = build_frame_truth([(30, 41)], 2, snippet_frames=16, tail="keep", num_frames=41)
    assert (len(kept), kept.sum()) == (41, 11)
    # Features may have a snippet more than the frame count makes.
    assert len(build_frame_truth([], 3, snippet_frames=16, tail="keep", num_frames=41)) == 48
    with pytest.raises(DataError, match="needs the video's frame count"):
        build_frame_truth([], 2, snippet_frames=16, tail="keep")


@pytest.mark.parametrize("num_snippets", [0, 1, 255, 256, 257, 512, 2074])
@pytest.mark.parametrize("tail", ["drop", "keep"])
def test_truth_is_as_long_as_what_is_scored(num_snippets, tail):
    num_frames = 16 * num_snippets + 7
    truth = build_frame_truth(
        [(3, 5), (4, 20), (10**6, 10**7)], num_snippets, snippet_frames=16, tail=tail, num_frames=num_frames
    )
    assert len(truth) == (num_frames if tail == "keep" and num_snippets else 16 * num_snippets)
    assert (
        truth.sum() == min(len(truth), 17 if num_snippets > 1 or tail == "keep" else 13)
        if num_snippets
        else not truth.size
    )


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20))), st.integers(0, 4))
def test_a_frame_is_anomalous_where_any_span_covers_it(spans, num_snippets):
    spans = [(start, start + length) for start, length in spans]
    truth = build_frame_truth(spans, num_snippets, snippet_frames=16)
    assert truth.tolist() == [any(start <= frame < end for start, end in spans) for frame in range(16 * num_snippets)]


def test_length_conventions_differ_where_frames_fill_the_last_snippet():
    frames = {"a": 32, "b": 40, "c": 48}
    clip, i3d = {"a": 2, "b": 2, "c": 3}, {"a": 1, "b": 2, "c": 2}
    assert recognise_lengths(clip, frames, snippet_frames=16).convention == "clip"
    assert recognise_lengths(i3d, frames, snippet_frames=16).convention == "i3d"
    assert recognise_lengths({"b": 2}, frames, snippet_frames=16).convention == "clip or i3d"
    found = recognise_lengths({"a": 2, "b": 3, "c": 9, "unknown": 1}, frames, snippet_frames=16)
    assert (found.convention, found.num_known, found.off_by_one, dict(found.wrong)) == ("clip", 3, ("b",), {"c": 3})


def test_lengths_count_in_snippets_of_the_benchmark():
    assert recognise_lengths({"a": 10}, {"a": 40}, snippet_frames=4).convention == "clip"
    assert recognise_lengths({"a": 9}, {"a": 40}, snippet_frames=4).convention == "i3d"


@pytest.fixture(scope="module")
def published(development_data: Path) -> Path:
    return development_data / "xd_violence"


@pytest.mark.data
@pytest.mark.parametrize(
    ("tail_frame", "convention", "total", "percent"), [(0, "clip", 2_331_248, 23.07), (1, "i3d", 2_330_384, 23.08)]
)
def test_the_published_xd_test_set(published, tail_frame, convention, total, percent):
    """800 videos, 500 of them anomalous, in both lengths that features have."""
    num_frames = read_frame_counts(published / "test_frame_counts.txt")
    spans = read_spans(published / "annotations.txt")
    videos = XD_VIOLENCE.read_list(published / "test_videos.csv")
    num_snippets = {video.name: (num_frames[video.name] - tail_frame) // 16 for video in videos}
    lengths = recognise_lengths(num_snippets, num_frames, snippet_frames=16)
    assert (lengths.convention, lengths.num_known, lengths.off_by_one, lengths.wrong) == (convention, 800, (), {})
    truth = {
        video.name: build_frame_truth(spans.get(video.name, ()), num_snippets[video.name], snippet_frames=16)
        for video in videos
    }
    assert len(truth) == 800
    assert sum(each.any() for each in truth.values()) == 500
    assert {name for name, each in truth.items() if each.any()} == {v.name for v in videos if v.labels != ("normal",)}
    assert sum(map(len, truth.values())) == total
    assert round(100 * sum(each.sum() for each in truth.values()) / total, 2) == percent


@pytest.mark.data
def test_class_intervals_are_those_of_the_published_map_script(published):
    """The script's files, by list order; three normal videos have a snippet more there than their frames make."""
    annotations = XD_VIOLENCE.read_annotations(
        [published / "annotations.txt", published / "annotations_multiclasses.txt"]
    )
    intervals = np.load(published / "legacy_event_intervals.npy", allow_pickle=True)
    labels = np.load(published / "legacy_event_labels.npy", allow_pickle=True)
    num_frames = read_frame_counts(published / "test_frame_counts.txt")
    videos = XD_VIOLENCE.read_list(published / "test_videos.csv")
    longer = 0
    for video, spans, codes in zip(videos, intervals, labels, strict=True):
        script = [
            (XD_VIOLENCE_CODES[code], (int(start), int(end))) for code, (start, end) in zip(codes, spans, strict=True)
        ]
        if video.labels == ("normal",):
            ((label, (start, end)),) = script
            assert (label, start, end % 16) == ("normal", 0, 0)
            longer += end // 16 - num_frames[video.name] // 16
            assert video.name not in annotations.intervals
        else:
            assert list(annotations.intervals[video.name]) == script
    assert longer == 3


@pytest.mark.data
def test_the_lists_are_whole(development_data):
    videos = XD_VIOLENCE.read_list(development_data / "xd_violence" / "train_videos.csv")
    assert len(videos) == 3954
    codes = {video.name: video.labels for video in videos}
    assert sum(labels == ("normal",) for labels in codes.values()) == 2049
    assert max(map(len, codes.values())) == 3
    ucf = development_data / "ucf_crime"
    train, test = (UCF_CRIME.read_list(ucf / f"Anomaly_{split}.txt") for split in ("Train", "Test"))
    assert (len(train), len(test)) == (1610, 290)
    assert sum(video.labels == ("normal",) for video in (*train, *test)) == 950
    assert {label for video in train for label in video.labels} == set(UCF_CRIME.classes)
    annotated = UCF_CRIME.read_annotations([ucf / "Temporal_Anomaly_Annotation.txt"]).intervals
    assert {name: each[0].code for name, each in annotated.items()} == {
        video.name: video.labels[0] for video in test if video.labels != ("normal",)
    }


@pytest.mark.data
def test_films_stand_on_both_sides_of_the_published_xd_split(published):
    train, test = (XD_VIOLENCE.read_list(published / f"{split}_videos.csv") for split in ("train", "test"))
    films = {video.name.partition("__#")[0] for video in train}
    num_shared = sum(video.name.partition("__#")[0] in films for video in test)
    assert f"{num_shared} of the 800 test videos" in XD_VIOLENCE.caveats[0]


@pytest.mark.data
def test_the_published_cctv_frame_truth_lacks_two_fights(development_data):
    """Its videos' lengths follow from where their first fights stand in it; the rest of it is then checked."""
    folder = development_data / "cctv_fights"
    published = np.load(folder / "legacy_frame_truth.npy") > 0
    assert len(published) == 173_276
    spans = {
        name: [span for _, span in each]
        for name, each in CCTV_FIGHTS.read_annotations([folder / "annotations.txt"]).intervals.items()
    }
    intervals = np.load(folder / "legacy_event_intervals.npy", allow_pickle=True)
    assert [[(int(start), int(end)) for start, end in each] for each in intervals] == list(spans.values())
    edges = np.flatnonzero(np.diff(np.concatenate([[False], published, [False]])))
    runs = [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]
    lacking, offsets = {}, []
    for name, each in spans.items():
        offsets.append(runs[0][0] - each[0].start)
        for span in each:
            if runs and runs[0] == (offsets[-1] + span.start, offsets[-1] + span.end):
                runs.pop(0)
            else:
                lacking[name] = span
    assert not runs
    assert lacking == {"fight_0006_label_B1-0-0": (1774, 1820), "fight_0768_label_B1-0-0": (1112, 1177)}
    lengths = np.diff([*offsets, len(published)])
    assert not (lengths % 4).any()
    built = np.concatenate(
        [
            build_frame_truth([span for span in each if span != lacking.get(name)], length // 4, snippet_frames=4)
            for (name, each), length in zip(spans.items(), lengths, strict=True)
        ]
    )
    assert (built == published).all()
    whole = [build_frame_truth(each, n // 4, snippet_frames=4) for each, n in zip(spans.values(), lengths, strict=True)]
    assert np.concatenate(whole).sum() - published.sum() == 46 + 65
    assert round(100 * np.concatenate(whole).mean(), 1) == 45.5


SPANS = st.lists(st.tuples(st.integers(0, 300), st.integers(1, 100)).map(lambda each: (each[0], sum(each))), max_size=6)


@given(spans=SPANS, more=SPANS, num_snippets=st.integers(0, 20), order=st.randoms())
def test_truth_does_not_depend_on_the_order_of_spans_and_grows_with_them(spans, more, num_snippets, order):
    def truth(each):
        return build_frame_truth(each, num_snippets, snippet_frames=16)

    shuffled = order.sample(spans, len(spans))
    assert np.array_equal(truth(shuffled), truth(spans))
    assert np.array_equal(truth([*spans, *spans]), truth(spans))
    assert np.array_equal(truth([*spans, *more]), truth(spans) | truth(more))


@given(spans=SPANS, num_snippets=st.integers(1, 20), extra=st.integers(0, 40))
def test_keeping_the_tail_changes_no_frame_before_it(spans, num_snippets, extra):
    dropped = build_frame_truth(spans, num_snippets, snippet_frames=16)
    kept = build_frame_truth(spans, num_snippets, snippet_frames=16, tail="keep", num_frames=num_snippets * 16 + extra)
    assert len(kept) == len(dropped) + extra
    assert np.array_equal(kept[: len(dropped)], dropped)
