import re
from pathlib import Path

import pytest

from avadclip.data.published.cctv_fights import CCTV_FIGHTS
from avadclip.data.published.definition import labels_of_code, parse_name, read_csv_list
from avadclip.data.published.ucf_crime import UCF_CRIME
from avadclip.data.published.xd_violence import XD_VIOLENCE
from avadclip.errors import DataError


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_code_is_a_set_and_may_lack_its_zeros():
    assert labels_of_code("B2-G-0") == ("shooting", "explosion")
    assert labels_of_code("G") == labels_of_code("G-0-0") == ("explosion",)
    assert labels_of_code("A") == ("normal",)
    for bad in ("B3-0-0", "A-B1-0", "0-0-0", ""):
        with pytest.raises(DataError, match="needed codes of A, B1, B2"):
            labels_of_code(bad)


@pytest.mark.parametrize(
    ("cell", "name", "crop"),
    [
        (
            "/home/wp/XDTestClipFeatures/Bad.Boys.1995__#00-26-51_label_B2-0-0__5.npy",
            "Bad.Boys.1995__#00-26-51_label_B2-0-0",
            5,
        ),
        ("v=S-7__#1_label_A.npy", "v=S-7__#1_label_A", None),
        ("v=S-7__#1_label_A", "v=S-7__#1_label_A", None),
        ("Abuse/Abuse001_x264.mp4", "Abuse001_x264", None),
        (r"D:\features\Normal_Videos_003_x264__0.npy", "Normal_Videos_003_x264", 0),
    ],
)
def test_names_of_published_files(cell, name, crop):
    assert parse_name(cell) == (name, crop)


def test_the_authors_lists_join_a_videos_crops(tmp_path):
    lines = "".join(f"/x/v=a__#1_label_B2-G-0__{crop}.npy,/y/v=a__#1_label_B2-G-0.npy,B2-G-0\n" for crop in range(10))
    path = write(tmp_path, "xd_CLIP_rgb.csv", f"path,audio_path,label\n{lines}/x/b__#1_label_A__0.npy,/y/b.npy,A\n")
    first, second = XD_VIOLENCE.read_list(path)
    assert (first.name, first.labels, first.crops) == (
        "v=a__#1_label_B2-G-0",
        ("shooting", "explosion"),
        tuple(range(10)),
    )
    assert (second.name, second.labels, second.crops, second.origin) == (
        "b__#1_label_A",
        ("normal",),
        (0,),
        f"{path}:12",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,label\na,A\n", "list.csv:1: columns name, label; needed `video,label` or `path,label`"),
        ("video,label\na,A\na,A\n", "list.csv:3: duplicate row of a"),
        (
            "video,label\nx__#1_label_B1-0-0,B2-0-0\n",
            "list.csv:2: x__#1_label_B1-0-0 has the label B2-0-0, but B1-0-0 in its name",
        ),
        ("path,label\na__0.npy,A\na__1.npy,G\n", "list.csv:3: a is G, but normal in"),
        ("video,label\na,X\n", "list.csv:2: label `X`; needed codes"),
        ("video,label\na\n", "list.csv:2: label ``"),
    ],
)
def test_bad_rows_are_named(tmp_path, text, message):
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        read_csv_list(write(tmp_path, "list.csv", text), labels_of_code)
    assert "\n" not in str(caught.value)


def test_ucf_folders_are_classes(tmp_path):
    text = "RoadAccidents/RoadAccidents001_x264.mp4\nTraining_Normal_Videos_Anomaly/Normal_Videos001_x264.mp4\n"
    videos = UCF_CRIME.read_list(write(tmp_path, "Anomaly_Train.txt", text))
    assert [video[:2] for video in videos] == [
        ("RoadAccidents001_x264", ("road accident",)),
        ("Normal_Videos001_x264", ("normal",)),
    ]
    rows = "path,label\n/x/Abuse/Abuse028_x264__5.npy,Abuse\n/x/Testing_Normal_Videos_Anomaly/N__5.npy,Normal\n"
    videos = UCF_CRIME.read_list(write(tmp_path, "ucf_CLIP_rgbtest.csv", rows))
    assert [video[1:3] for video in videos] == [(("abuse",), (5,)), (("normal",), (5,))]
    with pytest.raises(DataError, match=r"Anomaly_Train.txt:1: class `Running`; needed one of"):
        UCF_CRIME.read_list(write(tmp_path, "Anomaly_Train.txt", "Running/a.mp4\n"))
    assert len(UCF_CRIME.classes) == 14


def test_cctv_names_come_from_the_annotations(tmp_path):
    path = write(tmp_path, "annotations_cctv.txt", "fight_0006_label_B1-0-0 1 43 161 421\n")
    (video,) = CCTV_FIGHTS.read_list(path)
    assert (video.name, video.labels) == ("fight_0006_label_B1-0-0", ("fighting",))
    assert CCTV_FIGHTS.read_annotations([path]).intervals[video.name] == (
        ("fighting", (1, 43)),
        ("fighting", (161, 421)),
    )


def test_xd_annotation_files_of_other_videos_are_refused(tmp_path):
    spans, classes = write(tmp_path, "annotations.txt", "a 1 2\n"), write(tmp_path, "multi.txt", "b G 1 2\n")
    with pytest.raises(DataError, match="is in only one of"):
        XD_VIOLENCE.read_annotations([spans, classes])
    with pytest.raises(DataError, match="a has the class X9"):
        XD_VIOLENCE.read_annotations([spans, write(tmp_path, "multi.txt", "a X9 1 2\n")])
