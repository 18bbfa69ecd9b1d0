import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from avadclip.inference.detector import Detection
from avadclip.report.exports import to_document

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def result(made_up: Callable[..., Detection], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """result.json of yard.mp4, 5 s of 64x48 without sound, which lies beside it; the working directory is theirs."""
    monkeypatch.chdir(tmp_path)
    with av.open("yard.mp4", "w") as container:
        stream = container.add_stream("libx264", rate=5)
        stream.width, stream.height = 64, 48
        for _ in range(25):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8))))
        container.mux(stream.encode(None))
    document = to_document(made_up(7, source="yard.mp4", with_sound=False), include_scores=True)
    document["media"] |= {"duration_seconds": 5.0, "width": 64, "height": 48}
    path = tmp_path / "result.json"
    path.write_text(json.dumps([document]))
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_result_becomes_a_page(result: Path, avadclip_command: Command) -> None:
    code, out, err = avadclip_command("report", "result.json", "--out", "pages", "--also", "elan")
    assert (code, out, err) == (0, "pages/yard/index.html\n", "")
    assert names(Path("pages")) == ["assets", "index.html", "yard"]
    assert "events.eaf" in names(Path("pages/yard"))
    assert 'src="../../yard.mp4"' in Path("pages/yard/index.html").read_text()


def test_results_of_one_name_get_a_folder_each(result: Path, avadclip_command: Command) -> None:
    code, out, _ = avadclip_command("report", "result.json", "result.json", "--output", "pages")
    assert code == 0
    assert out.splitlines() == ["pages/yard/index.html", "pages/yard-2/index.html"]


def test_a_moved_video_is_noted_and_can_be_given(result: Path, avadclip_command: Command) -> None:
    Path("yard.mp4").rename("moved.mp4")
    code, _, err = avadclip_command("report", "result.json", "--out", "pages")
    assert code == 0
    assert (
        err
        == "avadclip: note: yard.mp4 not found; its page has no event pictures, and the viewer must choose the file\n"
    )
    code, _, err = avadclip_command("report", "result.json", "--out", "pages", "--video", "moved.mp4")
    assert (code, err) == (0, "")
    assert 'src="../../moved.mp4"' in Path("pages/yard/index.html").read_text()
    code, _, err = avadclip_command("report", "result.json", "--out", "pages", "--video", "nowhere.mp4")
    assert code == 1
    assert "nowhere.mp4 does not exist" in err


def test_what_is_no_result_is_one_line(result: Path, avadclip_command: Command) -> None:
    Path("other.json").write_text('{"format": "something"}')
    code, out, err = avadclip_command("report", "other.json", "--out", "pages")
    assert (code, out) == (1, "")
    assert err.startswith("avadclip: error: other.json ")
    assert len(err.splitlines()) == 1
    assert not Path("pages").exists()


def test_one_video_is_not_for_many_results(result: Path, avadclip_command: Command) -> None:
    code, _, err = avadclip_command("report", "result.json", "result.json", "--out", "pages", "--video", "yard.mp4")
    assert code == 2
    assert "--video needs exactly one" in err


def test_detect_writes_pages_and_their_list(
    detector: Any, videos: Path, avadclip_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[tuple[Path, Path | None, set[str]]] = []

    def write_page(
        detection: Detection, folder: Path, *, video: Path | None, also: Any, on_progress: Callable[[float], None]
    ) -> Path:
        on_progress(1.0)
        folder.mkdir(parents=True)
        written.append((folder, video, {str(extra) for extra in also}))
        return folder / "index.html"

    monkeypatch.setattr("avadclip.report.page_folder.write_page", write_page)
    code, out, _ = avadclip_command("detect", "yard", "--report", "pages", "--also", "elan", "--also", "label-studio")
    assert code == 0
    assert [(str(folder), str(video)) for folder, video, _ in written] == [
        ("pages/a", "yard/a.mp4"),
        ("pages/b", "yard/b.mp4"),
        ("pages/a-2", "yard/deep/a.mkv"),
    ]
    assert written[0][2] == {"elan", "label-studio"}
    assert "report: pages/a/index.html" in out
    assert "0 videos" not in out
    assert Path("pages/index.html").is_file()


def test_more_files_need_pages_to_go_with(detector: Any, videos: Path, avadclip_command: Command) -> None:
    code, out, err = avadclip_command("detect", "yard", "--also", "elan")
    assert (code, out) == (2, "")
    assert "--report" in err
    assert not detector.loaded


def test_a_missing_library_is_reported_before_the_work(
    detector: Any, videos: Path, avadclip_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opentimelineio", None)
    code, out, err = avadclip_command("detect", "yard", "--report", "pages", "--also", "opentimelineio")
    assert (code, out) == (1, "")
    assert "avadclip[export]" in err
    assert not detector.calls
