import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from avadclip.errors import DataError, MediaError
from avadclip.inference.detector import Detection
from avadclip.media.probe import probe
from avadclip.report import page_folder
from avadclip.report.extras import Extra
from avadclip.report.page_folder import address, write_index, write_page

MakeDetection = Callable[..., Detection]
FILES = ["detection.json", "events.csv", "events.vtt", "index.html", "pictures", "scores.png"]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_page_comes_with_pictures_and_the_files_of_a_report(
    detection_of: MakeDetection, clock_video: Path, clock_grey: Callable[[float], int], tmp_path: Path
) -> None:
    page = write_page(detection_of(clock_video), tmp_path / "yard", video=clock_video)
    assert page == tmp_path / "yard" / "index.html"
    assert names(page.parent) == FILES
    document = json.loads((page.parent / "detection.json").read_text())
    scores = document["scores"]["anomaly"]
    for event in document["events"]:
        picture = Image.open(page.parent / event["snapshot"])
        peak = scores.index(event["score"])
        middle = (peak + 0.5) * document["scores"]["snippet_seconds"]
        assert picture.size == (320, 192)
        assert picture.convert("L").getpixel((160, 96)) == pytest.approx(clock_grey(middle), abs=3)


def test_more_files_on_request(detection_of: MakeDetection, clock_video: Path, tmp_path: Path) -> None:
    page = write_page(detection_of(clock_video), tmp_path / "yard", video=clock_video, also=set(Extra))
    extra = ["annotated.mp4", "events.eaf", "events.otio", "label-studio.json", "label-studio.xml"]
    assert names(page.parent) == sorted([*FILES, *extra])
    for name in (*extra[:4], *FILES[:3]):
        assert f'href="{name}"' in page.read_text()
    media = probe(page.parent / "annotated.mp4")
    assert media.duration_seconds == pytest.approx(40, abs=0.05)
    assert media.sound is not None


def test_a_second_page_replaces_the_first_and_leaves_other_files(
    detection_of: MakeDetection, clock_video: Path, tmp_path: Path
) -> None:
    detection = detection_of(clock_video)
    folder = write_page(detection, tmp_path / "yard", video=clock_video).parent
    (folder / "my notes.txt").write_text("seen by A.")
    write_page(detection_of(clock_video, events=detection.events[:1]), folder, video=clock_video)
    assert names(folder) == sorted([*FILES, "my notes.txt"])
    film = [f"film-{number:02d}.jpg" for number in range(1, 13)]
    assert names(folder / "pictures") == ["0001.jpg", *film, "waveform.png"]


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_nothing_behind(
    detection_of: MakeDetection,
    clock_video: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    failure: BaseException,
) -> None:
    def fail(*args: object) -> None:
        raise failure

    monkeypatch.setattr(page_folder, "write_files", fail)
    with pytest.raises(type(failure)):
        write_page(detection_of(clock_video), tmp_path / "yard", video=clock_video)
    assert names(tmp_path) == ["assets"]


def test_another_video_under_the_name_is_refused(
    detection_of: MakeDetection, clock_video: Path, sample_videos: tuple[Path, Path], tmp_path: Path
) -> None:
    with pytest.raises(MediaError, match=r"10\.0 s of 640x272.*40\.0 s of 160x96"):
        write_page(detection_of(clock_video), tmp_path / "yard", video=sample_videos[1])
    assert names(tmp_path) == []


def test_an_annotated_video_needs_the_video(detection_of: MakeDetection, clock_video: Path, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="--video"):
        write_page(detection_of(clock_video), tmp_path / "yard", video=None, also=[Extra.ANNOTATED_VIDEO])


def test_addresses_lead_from_the_page_to_the_video(tmp_path: Path) -> None:
    assert address(tmp_path / "a" / "x y#1.mp4", tmp_path / "pages" / "x") == "../../a/x%20y%231.mp4"
    assert address(tmp_path / "pages" / "c:d?.mp4", tmp_path / "pages") == "c%3Ad%3F.mp4"


def test_the_list_also_has_pages_of_earlier_runs_and_nothing_else(
    detection_of: MakeDetection, clock_video: Path, tmp_path: Path
) -> None:
    for name in ("one", "two #2"):
        write_page(detection_of(clock_video), tmp_path / name, video=None)
    (tmp_path / "empty").mkdir()
    page = write_index(tmp_path).read_text()
    assert 'href="one/index.html"' in page
    assert 'href="two%20%232/index.html"' in page
    assert "2 videos" in page


@pytest.mark.parametrize("content", ["{", "[]", '{"format": "other"}'])
def test_a_result_in_the_way_of_the_list_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "index.html").write_text("")
    (tmp_path / "one" / "detection.json").write_text(content)
    with pytest.raises(DataError, match=r"one/detection\.json"):
        write_index(tmp_path)
    assert names(tmp_path) == ["one"]
