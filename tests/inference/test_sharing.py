"""Models on the Hugging Face hub, by its own client against a stand-in of the hub on this machine."""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from avadclip.encoders.downloads.hub_models import HubAddress, obtain_model, read_address
from avadclip.encoders.downloads.notice import megabytes
from avadclip.errors import AvadclipError, CheckpointError, WeightsError
from avadclip.inference.checkpoint import load_checkpoint, locate_checkpoint
from avadclip.inference.detector import load_detector
from avadclip.inference.sharing import push_model

pytestmark = pytest.mark.usefixtures("empty_caches")

Command = Callable[..., tuple[int, str, str]]
TOKEN = "hf_owner"
REPO = "someone/yard"


class Hub:
    """The hub's repositories: files by commit, branches, privacy, and uploads of large files.

    It answers as the hub's API does, as far as the client reads it.
    """

    def __init__(self, url: str, answer: Any) -> None:
        self.url, self.answer = url, answer
        self.commits: dict[str, dict[str, bytes]] = {}
        self.heads: dict[str, str] = {}
        self.is_private: dict[str, bool] = {}
        self.uploads: dict[str, bytes] = {}
        self.breaks: list[int] = []
        """The next downloads break after so many bytes."""
        self.num_requests = 0

    def commit(self, repo: str, files: dict[str, bytes], *, branch: str = "main", is_private: bool = False) -> str:
        """Put a commit on a branch of a repository."""
        commit = hashlib.sha1(f"{repo} {branch} {len(self.commits)}".encode()).hexdigest()
        self.commits[commit] = files
        self.heads[f"{repo}@{branch}"] = commit
        self.is_private.setdefault(repo, is_private)
        return commit

    def respond(self, request: BaseHTTPRequestHandler, content: bytes) -> Any:  # noqa: PLR0911  one for each endpoint
        """Answer a request of the hub's client."""
        self.num_requests += 1
        path = unquote(urlsplit(request.path).path)
        is_owner = request.headers["Authorization"] == f"Bearer {TOKEN}"
        if path.startswith("/uploads/"):
            self.uploads[path.removeprefix("/uploads/")] = content
            return self.answer()
        if path == "/api/validate-yaml":
            return self._json({"errors": [], "warnings": []})
        if path == "/api/repos/create":
            return self._create(json.loads(content)) if is_owner else self._json({"error": "log in"}, status=401)
        parts = path.removeprefix("/api/models").strip("/").split("/")
        repo = "/".join(parts[:2]).removesuffix(".git")
        if self.is_private.get(repo, True) and not is_owner:
            return self._error(401, "RepoNotFound")
        if repo not in self.is_private:
            return self._error(404, "RepoNotFound")
        if path.endswith("/info/lfs/objects/batch"):
            return self._json(
                {"transfer": "basic", "objects": [self._slot(each) for each in json.loads(content)["objects"]]}
            )
        action = parts[2] if len(parts) > 2 else "revision"
        revision = parts[3] if len(parts) > 3 else "main"
        commit = revision if revision in self.commits else self.heads.get(f"{repo}@{revision}")
        if commit is None:
            return self._error(404, "RevisionNotFound")
        if action == "resolve":
            return self._file(commit, "/".join(parts[4:]), is_head=request.command == "HEAD")
        if action == "preupload":
            modes = [
                {
                    "path": each["path"],
                    "uploadMode": "regular" if each["path"].endswith(".md") else "lfs",
                    "shouldIgnore": False,
                }
                for each in json.loads(content)["files"]
            ]
            return self._json({"files": modes})
        if action == "commit":
            return self._commit(repo, revision, [json.loads(line) for line in content.splitlines()])
        files = self.commits[commit].items()
        if action == "tree":
            return self._json([{"type": "file", "path": name, **_blob(each)} for name, each in files])
        siblings = [{"rfilename": name, **_blob(each)} for name, each in files]
        return self._json({"id": repo, "modelId": repo, "sha": commit, "siblings": siblings})

    def _create(self, wanted: dict[str, Any]) -> Any:
        repo = f"{wanted['organization']}/{wanted['name']}"
        if repo in self.is_private:
            return self._json({"url": f"{self.url}/{repo}"}, status=409)
        self.commit(
            repo, {".gitattributes": b"*.safetensors filter=lfs\n"}, is_private=wanted["visibility"] == "private"
        )
        return self._json({"url": f"{self.url}/{repo}"})

    def _slot(self, wanted: dict[str, Any]) -> dict[str, Any]:
        return {**wanted, "actions": {"upload": {"href": f"{self.url}/uploads/{wanted['oid']}"}}}

    def _commit(self, repo: str, branch: str, lines: list[dict[str, Any]]) -> Any:
        files = dict(self.commits[self.heads[f"{repo}@{branch}"]])
        for line in lines:
            value = line["value"]
            match line["key"]:
                case "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    files[value["path"]] = self.uploads[value["oid"]]
                case "deletedFile":
                    del files[value["path"]]
        commit = self.commit(repo, files, branch=branch)
        return self._json({"commitUrl": f"{self.url}/{repo}/commit/{commit}", "commitOid": commit})

    def _file(self, commit: str, name: str, *, is_head: bool) -> Any:
        content = self.commits[commit][name]
        headers = {
            "X-Repo-Commit": commit,
            "X-Linked-Etag": f'"{_sha256(content)}"',
            "X-Linked-Size": str(len(content)),
        }
        return self.answer(
            content, headers=headers, break_after=self.breaks.pop() if self.breaks and not is_head else None
        )

    def _json(self, value: Any, *, status: int = 200) -> Any:
        return self.answer(json.dumps(value).encode(), kind="application/json", status=status)

    def _error(self, status: int, code: str) -> Any:
        return self.answer(b"{}", kind="application/json", status=status, headers={"X-Error-Code": code})


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _blob(content: bytes) -> dict[str, Any]:
    sizes = {"sha256": _sha256(content), "oid": _sha256(content), "size": len(content), "pointerSize": 130}
    return {"oid": "0" * 40, "blobId": "0" * 40, "size": len(content), "lfs": sizes}


@pytest.fixture
def hub(loopback: Any, answer: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    monkeypatch.setenv("HF_ENDPOINT", loopback.url)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)  # the stand-in has no block storage
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-token"))
    hub = Hub(loopback.url, answer)
    loopback.respond = hub.respond
    return hub


@pytest.fixture
def checkpoint() -> Path:
    return locate_checkpoint("starter-1")  # whose encoders need no download


def refusal(ask: Callable[[], object], error: type[AvadclipError] = WeightsError) -> str:
    with pytest.raises(error) as refused:
        ask()
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_pushed_checkpoint_is_loaded_by_its_address(
    hub: Hub, checkpoint: Path, avadclip_command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = avadclip_command("weights", "push", str(checkpoint), f"hf://{REPO}")
    assert (code, err) == (0, "")
    commit = hub.heads[f"{REPO}@main"]
    assert out == f"hf://{REPO}@{commit}\n"
    files = hub.commits[commit]
    assert sorted(files) == [".gitattributes", "README.md", "model.safetensors"]
    assert files["model.safetensors"] == checkpoint.read_bytes()
    assert files["README.md"].startswith(b"---\nlibrary_name: avadclip\n")
    assert load_checkpoint(checkpoint).header.card.encode() in files["README.md"]
    assert hub.is_private[REPO]
    assert load_detector(out.strip(), sounds=False).encoders.name == "lite-1"
    size = megabytes(checkpoint.stat().st_size)
    assert capsys.readouterr().err == f"avadclip: downloading a model ({size}) from {out}"
    assert avadclip_command("weights", "show", f"hf://{REPO}") == avadclip_command("weights", "show", "starter-1")


def test_a_commit_on_this_machine_is_not_asked_for_again(hub: Hub, checkpoint: Path) -> None:
    address = push_model(checkpoint, f"hf://{REPO}")
    path = obtain_model(address)
    before = hub.num_requests
    assert obtain_model(address) == path
    assert hub.num_requests == before


def test_a_branch_is_looked_up_and_a_commit_stays(hub: Hub, checkpoint: Path) -> None:
    older = push_model(checkpoint, f"hf://{REPO}")
    first = obtain_model(HubAddress(REPO))
    hub.commit(REPO, {"model.safetensors": b"newer"})
    assert obtain_model(HubAddress(REPO)).read_bytes() == b"newer"
    assert obtain_model(older) == first
    assert first.read_bytes() == checkpoint.read_bytes()


def test_a_push_replaces_the_model_and_keeps_the_page(hub: Hub, checkpoint: Path, tmp_path: Path) -> None:
    before = {"README.md": b"mine", "manifest.json": b"{}", "picture.onnx": b"graph", "notes.txt": b"kept"}
    hub.commit(REPO, before, is_private=False)
    push_model(checkpoint, f"hf://{REPO}")
    files = hub.commits[hub.heads[f"{REPO}@main"]]
    assert sorted(files) == ["README.md", "model.safetensors", "notes.txt"]
    assert files["README.md"] == b"mine"


def test_an_exported_folder_goes_there_and_back(hub: Hub, tmp_path: Path) -> None:
    folder = tmp_path / "exported"
    folder.mkdir()
    contents = {"manifest.json": b"{}", "picture.onnx": b"graph", "weights.safetensors": b"weights"}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    found = obtain_model(push_model(folder, f"hf://{REPO}"))
    assert {path.name: path.read_bytes() for path in found.iterdir()} == contents


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["manifest.json", "model.pt"], "it has model.pt; needed manifest.json, .onnx and .safetensors alone"),
        (["picture.onnx"], "it has no manifest.json"),
    ],
)
def test_a_folder_of_something_else_is_not_shared(hub: Hub, tmp_path: Path, names: list[str], said: str) -> None:
    for name in names:
        (tmp_path / "folder" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "folder" / name).write_bytes(b"{}")
    assert said in refusal(lambda: push_model(tmp_path / "folder", f"hf://{REPO}"))
    assert hub.num_requests == 0


def test_a_pickle_is_not_shared(hub: Hub, tmp_path: Path) -> None:
    pickle = tmp_path / "model.pt"
    pickle.write_bytes(b"\x80\x02}.")
    assert str(pickle) in refusal(lambda: push_model(pickle, f"hf://{REPO}"), CheckpointError)
    assert hub.num_requests == 0


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["pytorch_model.bin", "config.json"], "found config.json, pytorch_model.bin"),
        (["a.safetensors", "b.safetensors"], "found a.safetensors, b.safetensors"),
        (["inner/model.safetensors"], "found inner/model.safetensors"),
        ([], "found nothing"),
    ],
)
def test_a_repository_without_one_model_is_refused(hub: Hub, loopback: Any, names: list[str], found: str) -> None:
    hub.commit(REPO, dict.fromkeys(names, b"\x80\x02}."))
    message = refusal(lambda: load_checkpoint(f"hf://{REPO}"))
    assert message.startswith(f"hf://{REPO}@main holds no model of avadclip: {found}; needed one .safetensors")
    assert not [path for path, *_ in loopback.asked if "/resolve/" in path]


@pytest.mark.parametrize("repo", ["someone/else", REPO])
def test_a_wrong_name_and_a_private_repository_without_a_token_are_one_line(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, repo: str
) -> None:
    hub.commit(REPO, {"model.safetensors": b""}, is_private=True)
    monkeypatch.delenv("HF_TOKEN")
    message = refusal(lambda: load_checkpoint(f"hf://{repo}@v1"))
    assert message.startswith(f"hf://{repo}@v1: there is no such repository, or it is not open to you")


def test_a_wrong_revision_is_one_line(hub: Hub) -> None:
    hub.commit(REPO, {"model.safetensors": b""})
    message = refusal(lambda: load_checkpoint(f"hf://{REPO}@v9"))
    assert message == f"hf://{REPO}@v9: the repository has no branch, tag or commit v9"


@pytest.mark.parametrize("text", ["hf://yard", "hf://a/b/c", "hf://a/b@", "hf://a/../b@x", "hf://a/b@x y"])
def test_another_form_of_address_is_refused(text: str) -> None:
    assert "needed hf://owner/name" in refusal(lambda: read_address(text))


def test_offline_the_copy_is_used_and_a_missing_one_named(
    hub: Hub, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_model(checkpoint, f"hf://{REPO}")
    path = obtain_model(HubAddress(REPO))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    before = hub.num_requests
    assert obtain_model(HubAddress(REPO)) == path
    message = refusal(lambda: load_checkpoint("hf://someone/else@v2"))
    assert message == (
        "hf://someone/else@v2 is not on this machine, and --offline or HF_HUB_OFFLINE forbids downloads: "
        "with a network, `avadclip weights get hf://someone/else@v2`"
    )
    assert "forbids downloads" in refusal(lambda: push_model(checkpoint, f"hf://{REPO}"))
    assert hub.num_requests == before


def test_an_interrupted_download_is_refused_or_continued(
    hub: Hub, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
    hub.commit(REPO, {"model.safetensors": checkpoint.read_bytes()})
    hub.breaks = [0] * 50
    message = refusal(lambda: obtain_model(HubAddress(REPO)))
    assert message.startswith(f"hf://{REPO}@main: the connection to the hub failed (")
    hub.breaks = [1000]
    assert obtain_model(HubAddress(REPO)).read_bytes() == checkpoint.read_bytes()
    assert hub.breaks == []


def test_another_content_than_the_hubs_hash_is_refused(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.commit(REPO, {"model.safetensors": b"weights"})
    monkeypatch.setattr(f"{__name__}._sha256", lambda _: "0" * 64)
    assert "model.safetensors has SHA-256" in refusal(lambda: obtain_model(HubAddress(REPO)))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "is not on this machine" in refusal(lambda: obtain_model(HubAddress(REPO)))


def test_a_push_without_a_login_is_one_line(hub: Hub, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    message = refusal(lambda: push_model(checkpoint, f"hf://{REPO}"))
    assert message.startswith(f"hf://{REPO}@main: ")
    assert "log in" in message
    assert hub.commits == {}


def test_a_server_that_is_away_is_one_line(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert "the connection to the hub failed" in refusal(lambda: load_checkpoint(f"hf://{REPO}"))
