import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avadclip.data.bags import Interval
from avadclip.data.label_csv import LabelledVideo, read_label_csv
from avadclip.errors import DataError


def read(folder: Path, text: str) -> list[LabelledVideo]:
    path = folder / "labels.csv"
    path.write_text(text, encoding="utf-8")
    return read_label_csv(path)


def test_weak_labels_suffice(tmp_path):
    one, two = read(tmp_path, "video,label\na.mp4,normal\nb.mp4,fighting\n")
    assert one == LabelledVideo("a.mp4", ("normal",), (), "train", "a.mp4", f"{tmp_path / 'labels.csv'}:2")
    assert (two.labels, two.intervals) == (("fighting",), None)


def test_rows_of_one_video_are_joined(tmp_path):
    text = "video,label,start,end\na,fighting,7.5,9\nb,normal,,\na,riot|fighting,1,2.5\n"
    joined, _ = read(tmp_path, text)
    assert joined.labels == ("fighting", "riot")
    assert joined.intervals == (
        Interval("fighting", 1.0, 2.5),
        Interval("riot", 1.0, 2.5),
        Interval("fighting", 7.5, 9.0),
    )


def test_split_and_group_are_read_and_may_be_empty(tmp_path):
    videos = read(tmp_path, "video,label,split,group\na,normal,test,hall\nb,normal,,\nc,normal,Validation,hall 2\n")
    assert [(video.split, video.group) for video in videos] == [
        ("test", "hall"),
        ("train", "b"),
        ("validation", "hall 2"),
    ]


def test_files_of_spreadsheets_are_read(tmp_path):
    text = '\ufeffVideo, Label ,camera\r\n"a, b.mp4" ,Fighting | Car Accident,3\r\n\r\n'
    (video,) = read(tmp_path, text)
    assert (video.video, video.labels) == ("a, b.mp4", ("fighting", "car accident"))


def test_a_repeated_interval_counts_once(tmp_path):
    (video,) = read(tmp_path, "video,label,start,end\na,riot,1,2\na,riot,1,2\n")
    assert video.intervals == (Interval("riot", 1.0, 2.0),)


def test_trailing_commas_and_full_width_say_nothing(tmp_path):
    normal = "\uff2e\uff4f\uff52\uff4d\uff41\uff4c"
    text = f"\ufeffvideo,label,start,end,split,\na,{normal},,,test,,,\nb,Riot\uff5cAbuse,\uff11.5,2,,\n"
    quiet, riot = read(tmp_path, text)
    assert (quiet.labels, quiet.split, quiet.has_split) == (("normal",), "test", True)
    assert (riot.labels, riot.intervals[0], riot.has_split) == (("riot", "abuse"), Interval("abuse", 1.5, 2.0), False)
    assert {origin.rpartition(":")[2] for origin in riot.interval_origins} == {"3"}


def test_composed_and_decomposed_labels_are_one_class(tmp_path):
    one, two = read(tmp_path, "video,label\na,schl\u00e4gerei\nb,schla\u0308gerei\n")
    assert one.labels == two.labels


def test_words_may_be_joined_by_characters_without_width(tmp_path):
    (video,) = read(tmp_path, "video,label\nfa\u200bmily.mp4,\u0645\u06cc\u200c\u0631\u0648\u062f\n")
    assert (video.video, video.labels) == ("fa\u200bmily.mp4", ("\u0645\u06cc\u200c\u0631\u0648\u062f",))


def test_every_interval_knows_its_row(tmp_path):
    (video,) = read(tmp_path, "video,label,start,end\na,riot,5,6\na,riot,1,2\na,riot,5,6\n")
    assert [origin.rpartition(":")[2] for origin in video.interval_origins] == ["3", "2"]


BAD = {
    "empty": ("", "labels.csv is empty; add a header `video,label`"),
    "header only": ("video,label\n", "labels.csv lists no video; add one line per video"),
    "column missing": ("video,start,end\na,1,2\n", "labels.csv:1: no column `label` (found `video`, `start`, `end`)"),
    "column misspelt": ("video,lable\na,normal\n", "labels.csv:1: no column `label` (rename `lable`)"),
    "optional column misspelt": (
        "video,label,groups\na,normal,x\n",
        "labels.csv:1: no column `group` (rename `groups`)",
    ),
    "json": ('{"a.mp4": "normal"}', "labels.csv is a JSON file; needed a CSV file with a header `video,label`"),
    "semicolons": ("video;label\na;normal\n", "labels.csv:1: no column `video` (found `video;label`)"),
    "column twice": ("video,label,label\na,normal,riot\n", "labels.csv:1: duplicate column `label`"),
    "start alone": ("video,label,start\na,riot,1\n", "labels.csv:1: `start` and `end` are needed together"),
    "no video": ("video,label\n ,normal\n", "labels.csv:2: `video` is empty"),
    "no label": ("video,label\na,normal\nb,\n", "labels.csv:3: `label` is ''"),
    "cell missing": ("video,label\na\n", "labels.csv:2: `label` is ''"),
    "half a label": ("video,label\na,riot|\n", "labels.csv:2: `label` is 'riot|'"),
    "too many cells": ("video,label\na,b.mp4,normal\n", "labels.csv:2: more cells than columns"),
    "one cell too many": (
        "video,label,split\na,normal,,test\n",
        "labels.csv:2: more cells than columns, 'test' stands after the last one, `split`",
    ),
    "invisible in a header": (
        "video,\u200blabel\na,normal\n",
        "labels.csv:1: column 2 has the invisible character U+200B (\\u200blabel)",
    ),
    "invisible in a label": (
        "video,label\na,normal\u200b\n",
        "labels.csv:2: `label` has the invisible character U+200B (normal\\u200b); type it again",
    ),
    "joiner at an end": ("video,label\na,normal\u200d\n", "labels.csv:2: `label` has the invisible character U+200D"),
    "soft hyphen": ("video,label\na,explo\u00adsion\n", "labels.csv:2: `label` has the invisible character U+00AD"),
    "invisible in a time": (
        "video,label,start,end\na,riot,1,\u20602\n",
        "labels.csv:2: `end` has the invisible character U+2060",
    ),
    "invisible in a split": ("video,label,split\na,riot,test\ufeff\n", "labels.csv:2: `split` has the invisible"),
    "invisible in a group": ("video,label,group\na,riot,hall\u200b\n", "labels.csv:2: `group` has the invisible"),
    "unknown split": ("video,label,split\na,normal,val\n", "labels.csv:2: `split` is 'val'; needed train, validation"),
    "no number": ("video,label,start,end\na,riot,0:10,20\n", "labels.csv:2: `start` is '0:10'; needed a number"),
    "not finite": ("video,label,start,end\na,riot,1,inf\n", "labels.csv:2: `end` is 'inf'; needed a number"),
    "end missing": ("video,label,start,end\na,riot,1,\n", "labels.csv:2: `end` is ''; needed a number"),
    "end first": ("video,label,start,end\na,riot,5,5\n", "labels.csv:2: invalid interval from 5 s to 5 s"),
    "before the video": ("video,label,start,end\na,riot,-1,5\n", "labels.csv:2: invalid interval from -1 s to 5 s"),
    "normal and not": ("video,label\na,normal\nb,riot\na,riot\n", "labels.csv:2 to 4: a is both `normal` and `riot`"),
    "normal and not in one row": ("video,label\na,normal|riot\n", "labels.csv:2: a is both `normal` and `riot`"),
    "two splits": (
        "video,label,split\na,riot,train\na,riot,test\n",
        "labels.csv:3: `split` of a is 'test', but 'train'",
    ),
    "two groups": ("video,label,group\na,riot,x\na,riot,y\n", "labels.csv:3: `group` of a is 'y', but 'x' before"),
    "times in some": (
        "video,label,start,end\na,riot,1,2\na,abuse,,\n",
        "labels.csv:3: no start and end, but other rows",
    ),
    "not text": ("video,label\na,\x00\n", None),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_a_bad_file_is_one_line_with_its_place(tmp_path, text, message):
    if message is None:
        (tmp_path / "labels.csv").write_bytes(b"video,label\n\xff\xfe,normal\n")
        with pytest.raises(DataError, match=r"labels\.csv: cannot be read .*; give a CSV file in UTF-8"):
            read_label_csv(tmp_path / "labels.csv")
        return
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        read(tmp_path, text)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path))


@given(text=st.text(alphabet=st.characters(codec="utf-8"), max_size=80))
def test_any_file_content_gives_a_result_or_a_data_error(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_text("video,label,start,end\n" + text, encoding="utf-8", newline="")
    try:
        videos = read_label_csv(path)
    except DataError:
        return
    assert all(video.video and video.labels for video in videos)
