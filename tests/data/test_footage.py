from pathlib import Path

import pytest

from avadclip.data.bags import Interval
from avadclip.data.footage import find_labelled_footage, find_normal_footage
from avadclip.errors import AvadclipError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("nights/b.mp4", "nights/deep/a.mkv", "nights/notes.txt", "nights/.hidden.mp4", "rows/c.safetensors"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def write_csv(folder: Path, *lines: str) -> Path:
    (folder / "labels.csv").write_text("\n".join(["video,label,start,end", *lines]))
    return folder / "labels.csv"


def test_a_folder_gives_its_videos_or_its_feature_files(folder: Path) -> None:
    assert [file.path.name for file in find_normal_footage(folder / "nights")] == ["b.mp4", "a.mkv"]
    (rows,) = find_normal_footage(folder / "rows")
    assert (rows.path.name, rows.is_features, rows.intervals) == ("c.safetensors", True, ())
    assert find_normal_footage(folder / "nights" / "b.mp4")[0].path == folder / "nights" / "b.mp4"


def test_a_csv_names_videos_beside_it_or_their_feature_files(folder: Path) -> None:
    source = write_csv(folder, "nights/b.mp4,normal,,")
    assert find_normal_footage(source)[0].path == folder / "nights" / "b.mp4"
    source = write_csv(folder, "c.mp4,normal,,")
    assert find_normal_footage(source, features=folder / "rows")[0].path == folder / "rows" / "c.safetensors"


def test_annotated_footage_keeps_its_times(folder: Path) -> None:
    source = write_csv(folder, "nights/b.mp4,fighting,1,2", "nights/b.mp4,riot,5,9", "nights/deep/a.mkv,normal,,")
    fights, normal = find_labelled_footage(source)
    assert fights.intervals == (Interval("fighting", 1, 2), Interval("riot", 5, 9))
    assert normal.intervals == ()


def test_footage_named_by_another_system_is_found(folder: Path) -> None:
    source = write_csv(folder, "E:\\Nights\\B.MP4,fighting,1,2")
    (footage,) = find_labelled_footage(source)
    assert (footage.path, footage.origins) == (folder / "nights" / "b.mp4", (f"{source}:2",))
    with pytest.raises(AvadclipError, match=r"labels.csv:2: .* does not exist \(the nearest name is nights/b.mp4\)"):
        find_labelled_footage(write_csv(folder, "b_.mp4,fighting,1,2"))


def test_times_after_the_end_are_refused(folder: Path) -> None:
    (footage,) = find_labelled_footage(write_csv(folder, "nights/b.mp4,fighting,1,50"))
    footage.check_times(49.5)
    with pytest.raises(AvadclipError, match=r"labels.csv:2: b.mp4 has an event from 1 to 50 s, but ends at 2.00 s"):
        footage.check_times(2.0)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            ["nights/b.mp4,normal,,", "c.mp4,fighting,1,2"],
            "labels.csv:3: c.mp4 is fighting; counting false alarms needs",
        ),
        (["c.mp4,fighting,,"], "labels.csv:2: c.mp4 is fighting; counting false alarms needs"),
        (["c.mp4,normal,,"], r"labels.csv:2: .*c.mp4 does not exist"),
    ],
)
def test_normal_footage_that_is_not_is_refused(folder: Path, lines: list[str], message: str) -> None:
    with pytest.raises(AvadclipError, match=message):
        find_normal_footage(write_csv(folder, *lines))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["nights/b.mp4,fighting,,"], "b.mp4 is fighting, but has no times"),
        (["nights/b.mp4,normal,,"], "lists no event"),
        (["c.mp4,fighting,1,2"], r"labels.csv:2: .*c.mp4 does not exist"),
    ],
)
def test_annotated_footage_that_is_not_is_refused(folder: Path, lines: list[str], message: str) -> None:
    with pytest.raises(AvadclipError, match=message):
        find_labelled_footage(write_csv(folder, *lines))


def test_what_leads_to_no_footage_is_refused(folder: Path) -> None:
    for source, message in (
        (folder, "contains both videos and feature files"),
        (folder / "none", "does not exist"),
        (folder / "empty", "contains no videos and no feature files"),
    ):
        (folder / "empty").mkdir(exist_ok=True)
        with pytest.raises(AvadclipError, match=message):
            find_normal_footage(source)
    with pytest.raises(AvadclipError, match="is not a CSV file"):
        find_normal_footage(folder / "nights", features=folder / "rows")
    with pytest.raises(AvadclipError, match="no feature file in"):
        find_normal_footage(write_csv(folder, "nights/b.mp4,normal,,"), features=folder / "rows")


def test_where_thresholds_come_from_normal_footage_events_need_no_times(folder: Path) -> None:
    source = write_csv(folder, "nights/b.mp4,fighting,,", "nights/deep/a.mkv,normal,,")
    fight, normal = find_labelled_footage(source, needs_times=False)
    assert (fight.intervals, normal.intervals) == (None, ())
    fight.check_times(1.0)
    with pytest.raises(AvadclipError, match="lists no event"):
        find_labelled_footage(write_csv(folder, "nights/b.mp4,normal,,"), needs_times=False)
