from pathlib import Path
from typing import Any

import pytest

from avadclip.data.bags import Interval, Span
from avadclip.data.verdicts import VerdictRow, clip_span, labelled_videos, read_verdicts, write_verdicts
from avadclip.errors import DataError


def make_row(number: int = 1, **changes: Any) -> VerdictRow:
    values = {"id": f"v{number}", "video": f"clips/v{number}.mp4", "start": 5.0, "end": 7.5, "label": "fighting"}
    values |= {"verdict": "real", "correct_label": None, "score": 0.75, "group": "yard", "source": "yard.mp4"}
    values |= {"at": 61.0, "judged_by": "ann", "judged_at": 1764500000.0, "note": ""}
    return VerdictRow.model_validate(values | changes)


MISSED = make_row(2, verdict="missed", label="", correct_label="riot", score=None)
FALSE_ALARM = make_row(3, verdict="false alarm", group="lobby, east")
WRONG = make_row(4, verdict="wrong class", correct_label="explosion")
GONE = make_row(5, video="", start=None, end=None, note="the job's video is gone")


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    rows = [make_row(), MISSED, FALSE_ALARM, WRONG, GONE]
    write_verdicts(tmp_path, rows)
    assert read_verdicts(tmp_path) == rows
    write_verdicts(tmp_path, [])
    assert read_verdicts(tmp_path) == []


def test_labels_are_what_the_verdicts_say(tmp_path: Path) -> None:
    rows = [make_row(), MISSED, FALSE_ALARM, WRONG, GONE, make_row(6, start=None, end=None)]
    write_verdicts(tmp_path, rows)
    (tmp_path / "clips").mkdir()
    for row in rows:
        if row.video:
            (tmp_path / row.video).touch()
    videos = labelled_videos(tmp_path)
    assert [video.labels for video in videos] == [("fighting",), ("riot",), ("normal",), ("explosion",), ("fighting",)]
    assert [video.group for video in videos] == ["yard", "yard", "lobby, east", "yard", "yard"]
    assert videos[0].intervals == (Interval("fighting", 5.0, 7.5),)
    assert (videos[2].intervals, videos[4].intervals) == ((), None)
    assert videos[3].origin == f"{tmp_path / 'verdicts.csv'}:5"
    (tmp_path / "clips/v3.mp4").unlink()
    with pytest.raises(DataError, match=r"verdicts\.csv:4: .*v3\.mp4 does not exist"):
        labelled_videos(tmp_path)


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (",real,", ",perhaps,", ":2: `verdict` is 'perhaps'"),
        (",real,,", ",wrong class,,", ":2: `wrong class` needs `correct_label`"),
        (",real,,", ",wrong class,fighting,", ":2: `correct_label` is the event's own class"),
        (",0.75,", ",1.5,", ":2: `score` is '1.5'"),
        ("clips/v1.mp4", "../v1.mp4", ":2: `video` is '../v1.mp4'; needed a path inside"),
        ("5.0,7.5", "9,7.5", ":2: invalid stretch from 9.0 s"),
        ("5.0,7.5", "nan,7.5", ":2: `start` is 'nan'"),
        ("group", "groups", ":1: no column `group`"),
    ],
)
def test_a_faulty_line_is_named_with_the_reason(tmp_path: Path, before: str, after: str, reason: str) -> None:
    write_verdicts(tmp_path, [make_row()])
    path = tmp_path / "verdicts.csv"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))
    with pytest.raises(DataError) as refused:
        read_verdicts(tmp_path)
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_id_stands_once(tmp_path: Path) -> None:
    write_verdicts(tmp_path, [make_row(), make_row()])
    with pytest.raises(DataError, match=r":3: the id v1 stands in .*:2 too"):
        read_verdicts(tmp_path)


def test_a_false_alarms_clip_holds_no_other_event() -> None:
    assert clip_span(Span(2.0, 4.0)) == (0.0, 9.0)
    assert clip_span(Span(20.0, 24.0), [Span(10.0, 17.0), Span(26.0, 30.0)]) == (17.0, 26.0)
    assert clip_span(Span(20.0, 24.0), [Span(19.0, 21.0), Span(0.0, 1.0)]) == (20.0, 29.0)
