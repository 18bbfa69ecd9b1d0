import functools
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from avadclip.encoders import weight_formats
from avadclip.encoders.clip import Clip, ClipConfig
from avadclip.encoders.downloads import get
from avadclip.encoders.downloads.cache import cache_folder, read_records
from avadclip.encoders.downloads.hub import CLIP_REPO, CLIP_REVISION
from avadclip.errors import WeightsError
from avadclip.inference.checkpoint import read_checkpoint_header
from avadclip.inference.detector import load_detector
from avadclip.inference.published_weights import drive
from avadclip.inference.published_weights.download import DRIVE_FOLDER, find_release, obtain_release
from avadclip.inference.published_weights.networks import ReleasedKind

pytestmark = pytest.mark.usefixtures("empty_caches")

State = dict[str, Tensor]
NARROW = ClipConfig(vision_width=16, vision_depth=1, vision_heads=2, text_depth=2, vocabulary=600)
NAMES: dict[str, ReleasedKind] = {"model_xd_t.pth": "teacher", "model_xd_s.pth": "visual student"}

FOLDER_PAGE = """<html><body><div class="flip-entries">
<div class="flip-entry" id="entry-inner"><a href="https://drive.google.com/drive/folders/inner" target="_blank">
<div class="flip-entry-title">weights</div></a></div>
<div class="flip-entry" id="entry-other"><a href="https://drive.google.com/file/d/other/view?usp=drive_web">
<div class="flip-entry-visual"><img src="icon.png"></div><div class="flip-entry-title">notes.txt</div></a></div>
</div></body></html>"""
INNER_PAGE = "".join(
    f'<a href="https://drive.google.com/file/d/id-{name[:10]}/view"><div class="flip-entry-title">{name}</div></a>'
    for name in NAMES
)
CONFIRMATION = """<html><body><p>Google Drive can't scan this file for viruses.</p>
<form id="download-form" action="{url}/confirmed" method="get"><input type="submit" value="Download anyway"/>
<input type="hidden" name="id" value="{id}"><input type="hidden" name="export" value="download">
<input type="hidden" name="confirm" value="t"><input type="hidden" name="uuid" value="a-b"></form></body></html>"""


def saved(state: State) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def contents(random_state: Callable[[ReleasedKind], State], make_openai_clip: Callable) -> dict[str, bytes]:
    """Both published files, with a narrow CLIP inside."""
    inside = {f"clipmodel.{name}": tensor for name, tensor in make_openai_clip(NARROW).items()}
    return {name: saved(random_state(kind) | inside) for name, kind in NAMES.items()}


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weight_formats, "Clip", functools.partial(Clip, NARROW))


@pytest.fixture
def servers(  # noqa: PLR0917
    loopback: Any,
    answer: Any,
    contents: dict[str, bytes],
    wav2clip_tensors: State,
    make_tokenizer: Callable[[int], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Any]:
    """Google Drive with the authors' folder, the hub with CLIP's tokenizer, and Wav2CLIP's release page."""
    monkeypatch.setattr(drive, "FOLDER_PAGE", f"{loopback.url}/folder")
    monkeypatch.setattr(drive, "DOWNLOAD_PAGE", f"{loopback.url}/download")
    monkeypatch.setenv("HF_ENDPOINT", loopback.url)
    monkeypatch.setattr(get, "WAV2CLIP_URL", f"{loopback.url}/Wav2CLIP.pt")
    loopback.answers["/Wav2CLIP.pt"] = answer(saved(wav2clip_tensors))
    tokenizer = answer(make_tokenizer(600).read_bytes(), headers={"X-Repo-Commit": CLIP_REVISION})
    loopback.answers[f"/{CLIP_REPO}/resolve/{CLIP_REVISION}/tokenizer.json"] = tokenizer
    loopback.answers[f"/folder?id={DRIVE_FOLDER}"] = answer(FOLDER_PAGE.encode(), kind="text/html; charset=utf-8")
    loopback.answers["/folder?id=inner"] = answer(INNER_PAGE.encode(), kind="text/html")
    for name, content in contents.items():
        file_id = f"id-{name[:10]}"
        page = CONFIRMATION.format(url=loopback.url, id=file_id).encode()
        loopback.answers[f"/download?id={file_id}&export=download&confirm=t"] = answer(page, kind="text/html")
        confirmed = f"/confirmed?id={file_id}&export=download&confirm=t&uuid=a-b"
        loopback.answers[confirmed] = answer(content)
    return loopback


def confirmed(name: str) -> str:
    return f"/confirmed?id=id-{name[:10]}&export=download&confirm=t&uuid=a-b"


def test_the_authors_model_is_loaded_by_its_name(
    servers: Any, capsys: pytest.CaptureFixture[str], sample_videos: tuple[Path, Path]
) -> None:
    detector = load_detector("avadclip-xd", sounds=False)
    folder = cache_folder() / "avadclip-xd"
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == [
        "avadclip-xd.safetensors",
        "clip/model.safetensors",
        "clip/tokenizer.json",
    ]
    assert set(read_records()) == {"Wav2CLIP.pt", "clip/tokenizer.json", *NAMES}
    places = [line.rpartition(" from ")[2] for line in capsys.readouterr().err.splitlines()]
    assert places == ["127.0.0.1", f"Hugging Face, {CLIP_REPO}", "the authors' Google Drive folder"]
    assert read_checkpoint_header("avadclip-xd").encoders == f"clip:{folder / 'clip'}"
    servers.answers.clear()
    assert load_detector("avadclip-xd", sounds=False).encoders.name == detector.encoders.name
    assert detector.detect(sample_videos[1]).network == "visual student"


def test_an_interrupted_file_is_continued_and_the_other_is_kept(servers: Any, contents: dict[str, bytes]) -> None:
    _, student = NAMES
    servers.answers[confirmed(student)].break_after = 100_000
    with pytest.raises(WeightsError, match=r"broke.*`avadclip weights get avadclip-xd`; or `avadclip weights convert"):
        obtain_release()
    assert find_release() is None
    servers.asked.clear()
    assert obtain_release() == find_release()
    transferred = {path: size for path, _, size in servers.asked if path.startswith("/confirmed")}
    assert transferred == {confirmed(student): len(contents[student]) - 100_000}


def test_an_interrupted_conversion_is_done_again(servers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("avadclip.inference.published_weights.conversion.save_checkpoint", interrupt)
        with pytest.raises(KeyboardInterrupt):
            obtain_release()
    assert find_release() is None
    assert obtain_release() == find_release()


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("path", "content", "said"),
    [
        (f"/folder?id={DRIVE_FOLDER}", b"<html>moved</html>", "has no model_xd_t.pth nor model_xd_s.pth"),
        ("/folder?id=inner", b"", "has no model_xd_t.pth nor model_xd_s.pth; it lists notes.txt"),
        (
            "/download?id=id-model_xd_t&export=download&confirm=t",
            b"<html>Quota exceeded</html>",
            "a page without a download",
        ),
        (confirmed("model_xd_t.pth"), b"<html>Sign in</html>", "answered with a web page, needed a file"),
    ],
)
def test_another_page_of_drive_is_said(servers: Any, answer: Any, path: str, content: bytes, said: str) -> None:
    servers.answers[path] = answer(content, kind="text/html")
    with pytest.raises(WeightsError, match=said) as refused:
        obtain_release()
    assert "\n" not in str(refused.value)
    assert find_release() is None


def test_other_files_than_the_authors_are_refused(servers: Any, answer: Any) -> None:
    servers.answers[confirmed("model_xd_t.pth")] = answer(saved({"weight": torch.ones(1)}))
    with pytest.raises(WeightsError, match=r"tensors are missing.*to download again, remove .*avadclip-xd\)"):
        obtain_release()
    assert find_release() is None


def test_offline_nothing_is_asked_for(servers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(WeightsError, match="the authors' model is not on this machine and cannot be downloaded"):
        load_detector("avadclip-xd")
    assert servers.asked == []
