from pathlib import Path

import pytest
import torch

from avadclip.encoders import weights
from avadclip.encoders.clip import Clip, ClipConfig
from avadclip.encoders.weights import (
    CLIP_REPO,
    CLIP_REVISION,
    cache_folder,
    find_clip,
    find_wav2clip,
    known_weights,
    load_clip,
    load_wav2clip,
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


def test_a_download_takes_what_the_pinned_revision_has(tmp_path, monkeypatch):
    from huggingface_hub.errors import EntryNotFoundError

    asked = []

    def only_pickles(url):
        asked.append(url)
        if url.endswith("safetensors"):
            raise EntryNotFoundError("404")

    def download(repo, name, revision):
        assert (repo, revision) == (CLIP_REPO, CLIP_REVISION)
        return str(tmp_path / name)

    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", only_pickles)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    assert find_clip() == (tmp_path / "pytorch_model.bin", tmp_path / "tokenizer.json")
    assert all(CLIP_REVISION in url for url in asked)


def test_without_a_network_the_error_has_the_remedy(offline):
    with pytest.raises(WeightsError) as caught:
        find_clip()
    message = str(caught.value)
    assert "\n" not in message
    for part in ("no route to host", f"hf download {CLIP_REPO}", "--encoders clip:FOLDER", "--encoders lite"):
        assert part in message


def test_a_folder_without_weights_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(WeightsError, match=r"model.safetensors or pytorch_model.bin and tokenizer.json.*hf download"):
        find_clip(tmp_path / "nowhere")


def test_a_folder_without_a_tokenizer_is_refused_with_the_remedy(tmp_path):
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(WeightsError, match=r"no tokenizer.json: `hf download .* tokenizer.json"):
        find_clip(tmp_path)


def test_wav2clip_is_found_beside_clip_or_in_the_users_cache(tmp_path):
    with pytest.raises(WeightsError, match=r"download https://github.com/.*Wav2CLIP.pt into .*--no-sound.*lite"):
        find_wav2clip(tmp_path)
    cache_folder().mkdir(parents=True)
    (cache_folder() / "Wav2CLIP.pt").touch()
    assert find_wav2clip(tmp_path) == find_wav2clip() == cache_folder() / "Wav2CLIP.pt"
    (tmp_path / "Wav2CLIP.pt").touch()
    assert find_wav2clip(tmp_path) == tmp_path / "Wav2CLIP.pt"
    (tmp_path / "wav2clip.safetensors").touch()
    assert find_wav2clip(tmp_path) == tmp_path / "wav2clip.safetensors"


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
    assert list(rows) == ["lite", "clip", "wav2clip"]
    assert rows["lite"].found
    assert rows["clip"].found is rows["wav2clip"].found is None
    link = put_into_hub_cache(hub, "pytorch_model.bin", b"")
    assert known_weights()[1].found == link
    (tmp_path / "model.safetensors").touch()
    assert known_weights(tmp_path)[1].found == tmp_path / "model.safetensors"
