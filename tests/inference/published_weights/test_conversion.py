import functools
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from torch import Tensor

from avadclip.encoders import weight_formats
from avadclip.encoders.clip import Clip, ClipConfig
from avadclip.encoders.load import load_encoders
from avadclip.errors import AvadclipError
from avadclip.events import Thresholds
from avadclip.features.extract import provenance_of
from avadclip.features.snippets import Provenance
from avadclip.inference.checkpoint import Checkpoint, load_checkpoint
from avadclip.inference.published_weights import conversion
from avadclip.inference.published_weights.conversion import convert_released
from avadclip.inference.published_weights.networks import ReleasedKind, network_from_released
from avadclip.model.base import System

State = dict[str, Tensor]
Command = Callable[..., tuple[int, str, str]]

FILES: dict[str, ReleasedKind] = {"model_xd_t.pth": "teacher", "model_xd_s.pth": "visual student"}
CLASSES = ("normal", "fighting", "shooting", "riot", "abuse", "car accident", "explosion")
# The widths that meet the networks are the real ones.
NARROW = ClipConfig(vision_width=16, vision_depth=1, vision_heads=2, text_depth=2, vocabulary=600)


@pytest.fixture(scope="session")
def states(random_state: Callable[[ReleasedKind], State], make_openai_clip: Callable) -> dict[str, State]:
    """What the two files hold, a narrow CLIP included."""
    inside = {f"clipmodel.{name}": tensor for name, tensor in make_openai_clip(NARROW).items()}
    return {name: random_state(kind) | inside for name, kind in FILES.items()}


@pytest.fixture(scope="module", autouse=True)
def _narrow() -> Iterator[None]:
    """Every CLIP that is read has the narrow one's shapes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weight_formats, "Clip", functools.partial(Clip, NARROW))
        yield


@pytest.fixture(scope="session")
def tokenizer_folder(make_tokenizer: Callable[[int], Path]) -> Path:
    return make_tokenizer(NARROW.vocabulary).parent


@pytest.fixture(scope="module")
def files(states: dict[str, State], big_dir: Path) -> Path:
    """The folder of the two files; tests work on links to them."""
    folder = big_dir / "released"
    folder.mkdir()
    for name, state in states.items():
        torch.save(state, folder / name)
    return folder


class Published:
    """The two files in a folder, and the conversion of them."""

    def __init__(self, folder: Path, files: Path, tokenizer_folder: Path) -> None:
        self.folder, self.out, self.tokenizer_folder = folder, folder / "released.safetensors", tokenizer_folder
        for name in FILES:
            (folder / name).symlink_to(files / name)

    def change(self, name: str, change: Callable[[State], State]) -> None:
        """Write a file anew."""
        state = change(torch.load(self.folder / name, weights_only=True))
        (self.folder / name).unlink()
        torch.save(state, self.folder / name)

    def convert(self, *, clip: Path | None = None, **options: Path) -> None:
        teacher, student = (self.folder / name for name in FILES)
        convert_released(teacher, student, self.out, clip_folder=clip or self.tokenizer_folder, **options)

    def refusal(self, **options: Path) -> str:
        """What is said; nothing may be left behind."""
        before = sorted(self.folder.rglob("*"))
        with pytest.raises(AvadclipError) as refused:
            self.convert(**options)
        assert sorted(self.folder.rglob("*")) == before
        assert "\n" not in str(refused.value)
        return str(refused.value)


@pytest.fixture
def published(tmp_path: Path, files: Path, tokenizer_folder: Path) -> Published:
    return Published(tmp_path, files, tokenizer_folder)


@pytest.fixture(scope="module")
def converted(big_dir: Path, files: Path, tokenizer_folder: Path) -> Checkpoint:
    """The checkpoint of the two files."""
    published = Published(Path(tempfile.mkdtemp(dir=big_dir)), files, tokenizer_folder)
    published.convert()
    return load_checkpoint(published.out)


def layer_norm(clip: State, name: str, row: Tensor) -> Tensor:
    centred = row - row.mean()
    return centred / (centred.square().mean() + 1e-5).sqrt() * clip[f"{name}.weight"] + clip[f"{name}.bias"]


def class_feature(state: State, word_ids: list[int]) -> Tensor:
    """X_c of one class, [512]: all 77 positions through the text tower, one position and one head at a time."""
    clip = {name.removeprefix("clipmodel."): tensor.float() for name, tensor in state.items() if "clipmodel." in name}
    rows = state["text_prompt_embeddings.weight"].clone()
    end = 21 + len(word_ids)
    rows[0] = clip["token_embedding.weight"][598]
    for number, token in enumerate(word_ids):
        rows[11 + number] = clip["token_embedding.weight"][token]
    rows[end] = clip["token_embedding.weight"][599]
    x = rows + clip["positional_embedding"]
    for block in range(NARROW.text_depth):
        name = f"transformer.resblocks.{block}"
        normed = torch.stack([layer_norm(clip, f"{name}.ln_1", row) for row in x])
        packed = normed @ clip[f"{name}.attn.in_proj_weight"].T + clip[f"{name}.attn.in_proj_bias"]
        mixed = torch.zeros(77, 512)
        for head in range(8):
            query, key, value = (packed[:, 512 * third + 64 * head :][:, :64] for third in range(3))
            for position in range(77):  # which sees itself and what stands before
                past = slice(position + 1)
                mixed[position, 64 * head :][:64] = (key[past] @ query[position] / 8).softmax(dim=0) @ value[past]
        x = x + mixed @ clip[f"{name}.attn.out_proj.weight"].T + clip[f"{name}.attn.out_proj.bias"]
        normed = torch.stack([layer_norm(clip, f"{name}.ln_2", row) for row in x])
        hidden = normed @ clip[f"{name}.mlp.c_fc.weight"].T + clip[f"{name}.mlp.c_fc.bias"]
        hidden = hidden * torch.sigmoid(1.702 * hidden)
        x = x + hidden @ clip[f"{name}.mlp.c_proj.weight"].T + clip[f"{name}.mlp.c_proj.bias"]
    return layer_norm(clip, "ln_final", x[end]) @ clip["text_projection"]


def own_tensors(network: System) -> dict[str, torch.Tensor]:
    """Everything but the class features, which the files do not hold."""
    return {
        name: tensor
        for name, tensor in network.tensors().items()
        if name != "class_features" and "class_text" not in name
    }


def test_class_features_are_those_of_the_released_text_tower(
    converted: Checkpoint, states: dict[str, State], tokenizer_folder: Path
) -> None:
    tokenizer = Tokenizer.from_file(str(tokenizer_folder / "tokenizer.json"))
    for name, kind in FILES.items():
        found = converted.networks[kind].class_text()
        for row in (0, 5):  # one word, and two
            expected = class_feature(states[name], tokenizer.encode(CLASSES[row], add_special_tokens=False).ids)
            torch.testing.assert_close(found[row], expected, rtol=0, atol=1e-4)
        assert (found - found.mean(dim=0)).abs().max() > 0.01  # classes that are all alike would agree with anything


def test_the_checkpoint_holds_the_networks_of_the_files(converted: Checkpoint, states: dict[str, State]) -> None:
    """What these networks compute is compared in test_networks.py."""
    assert set(converted.networks) == {"teacher", "visual student"}
    for name, kind in FILES.items():
        expected = own_tensors(network_from_released(states[name], kind).network)
        found = own_tensors(converted.networks[kind])
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_the_header_claims_no_more_than_is_known(converted: Checkpoint) -> None:
    header = converted.header
    assert header.classes == CLASSES
    assert header.network.variant == "released"
    assert set(header.selection.values()) == {"test"}
    assert set(header.thresholds.values()) == {Thresholds(detection=0.5, alert=None)}
    assert header.encoders == "clip"
    assert header.encoder_options.framing == "published"
    assert "Not measured here" in header.card
    assert "github.com/WanshunSu/AVadCLIP" in header.card
    assert "Apache-2.0" in header.card


@pytest.mark.parametrize(
    ("changes", "misfit"),
    [
        ({}, None),
        ({"frame_offsets": [0, 2, 4, 6, 8, 10, 12, 14]}, None),  # not settled by the authors
        ({"num_crops": 10}, None),
        ({"framing": "centre"}, "visual encoder: framing is centre, needed published"),
        ({"weights_sha256": "0" * 64}, "visual encoder: weights_sha256 is 0000"),
        ({"name": "lite"}, "visual encoder: name is lite"),
    ],
)
def test_features_are_compared_in_what_is_known(converted: Checkpoint, changes: dict, misfit: str | None) -> None:
    needed = converted.header.features
    settled = {"frame_offsets": [0], "num_crops": 1}
    audio = {"name": "wav2clip", "weights_sha256": "12", "window_seconds": 0.5, "normalisation": "window"}
    found = Provenance(grid=needed.grid, visual={**needed.visual, **settled, **changes}, audio=audio)
    difference = found.difference(needed)
    assert difference is None if misfit is None else str(difference).startswith(misfit)
    other_sound = found.model_copy(update={"visual": needed.visual, "audio": {"name": "log-mel"}})
    assert other_sound.difference(needed) == "audio encoder: name is log-mel, needed wav2clip"


def test_detection_runs_on_the_kept_encoder(
    published: Published,
    wav2clip_tensors: State,
    sample_videos: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    avadclip_command: Command,
) -> None:
    teacher, student = (str(published.folder / name) for name in FILES)
    models = published.folder / "models"
    models.mkdir()
    (models / "tokenizer.json").write_bytes((published.tokenizer_folder / "tokenizer.json").read_bytes())
    torch.save(wav2clip_tensors, models / "Wav2CLIP.pt")
    monkeypatch.chdir(published.folder)
    code, out, err = avadclip_command("weights", "convert", teacher, student, "--keep-encoder", "models")
    assert (code, out) == (0, f"{published.folder / 'avadclip-released-xd.safetensors'}\n")
    assert "not validated" in err
    header = load_checkpoint(out.strip()).header
    encoders = load_encoders(f"clip:{models}", header.encoder_options)
    assert provenance_of(encoders, header.features.grid).difference(header.features) is None
    monkeypatch.chdir(published.tokenizer_folder)  # the folder is found from elsewhere too
    for video, network in zip(sample_videos, ("teacher", "visual student"), strict=True):
        code, printed, _ = avadclip_command("detect", str(video), "--model", out.strip(), "--format", "json")
        assert code == 0
        (detection,) = json.loads(printed)
        assert detection["network"] == network
        assert detection["model"] == "released-xd"


def without_clip(state: State) -> State:
    return {name: tensor for name, tensor in state.items() if not name.startswith("clipmodel.")}


def test_one_clip_is_enough_and_a_folder_gives_it_where_there_is_none(
    published: Published, converted: Checkpoint
) -> None:
    published.change("model_xd_t.pth", without_clip)
    published.convert(keep_encoder=published.folder / "clip")
    from_student = load_checkpoint(published.out)
    published.out = published.folder / "second.safetensors"
    published.change("model_xd_s.pth", without_clip)
    assert f"{published.tokenizer_folder} contains no CLIP weights" in published.refusal()
    with pytest.raises(AvadclipError, match=r"model_xd_s.pth holds a CLIP \(clipmodel\.\*\), .* `--clip FOLDER`"):
        convert_released(*(published.folder / name for name in FILES), published.out)
    published.convert(clip=published.folder / "clip")
    from_folder = load_checkpoint(published.out)
    assert from_folder.header.encoders == f"clip:{published.folder / 'clip'}"
    for checkpoint in (from_student, from_folder):
        for kind, trained in checkpoint.networks.items():
            torch.testing.assert_close(trained.class_text(), converted.networks[kind].class_text(), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "tensor", "said"),
    [
        ("clipmodel.ln_final.bias", None, "its clipmodel.*, does not contain CLIP"),
        ("clipmodel.transformer.resblocks.0.attn.in_proj_weight", torch.tensor(1.0), "does not contain CLIP"),
        ("clipmodel.transformer.resblocks.0.attn.in_proj_bias", torch.ones(2), "does not contain CLIP"),
        ("clipmodel.text_projection", torch.ones(2), "does not contain CLIP"),
        ("clipmodel.visual.ln_post.bias", torch.full((16,), torch.inf), "holds a number that is not finite"),
        ("clipmodel.visual.ln_post.bias", torch.ones(16), "model_xd_s.pth holds another CLIP than"),
        ("alpha", torch.ones(2), "knows 2 classes (alpha), needed the 7 of XD-Violence"),
    ],
)
def test_files_that_do_not_fit_are_refused(published: Published, name: str, tensor: Tensor | None, said: str) -> None:

    def change(state: State) -> State:
        others = {key: value for key, value in state.items() if key != name}
        return others if tensor is None else {**others, name: tensor}

    published.change("model_xd_s.pth", change)
    message = published.refusal(keep_encoder=published.folder / "clip")
    assert said in message
    assert "model_xd_s.pth" in message


def test_swapped_files_are_told_apart(published: Published) -> None:
    teacher, student = (published.folder / name for name in FILES)
    with pytest.raises(AvadclipError, match=r"model_xd_s.pth is the released visual student .* needed the teacher"):
        convert_released(student, teacher, published.out)
    with pytest.raises(AvadclipError, match=r"model_xd_t.pth is the released teacher .* needed the visual student"):
        convert_released(teacher, teacher, published.out)


def test_nothing_is_overwritten_nor_read_in_vain(published: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "read_released", lambda *_: pytest.fail("was read"))
    folder = published.folder / "clip"
    folder.mkdir()
    (folder / "model.safetensors").write_text("precious")
    assert "model.safetensors exists already" in published.refusal(keep_encoder=folder)
    published.out.write_text("precious")
    assert "released.safetensors exists already" in published.refusal()


def test_a_missing_tokenizer_is_said_with_what_to_do(published: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(published.folder / "hub"))
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", unreachable)
    published.tokenizer_folder = published.folder  # where there is none
    message = published.refusal()
    assert "CLIP's tokenizer.json is not on this machine and cannot be downloaded (no network)" in message
    assert message.endswith(f"or put tokenizer.json of openai/clip-vit-base-patch16 into {published.folder}")


def test_vadclips_file_becomes_a_visual_student_that_hears_nothing(
    random_state: Callable[[ReleasedKind], State],
    make_openai_clip: Callable,
    tokenizer_folder: Path,
    big_dir: Path,
    avadclip_command: Command,
) -> None:
    folder = Path(tempfile.mkdtemp(dir=big_dir))
    state = random_state("VadCLIP")
    inside = {f"clipmodel.{name}": tensor for name, tensor in make_openai_clip(NARROW).items()}
    torch.save(state | inside, folder / "model_xd.pth")
    code, out, err = avadclip_command(
        "weights", "convert", str(folder / "model_xd.pth"), "--clip", str(tokenizer_folder)
    )
    assert (code, out) == (0, f"{folder / 'avadclip-vadclip-xd.safetensors'}\n"), err
    converted = load_checkpoint(out.strip())
    assert converted.header.classes == CLASSES
    assert (converted.header.features.audio, converted.header.audio_dim) == (None, 0)
    assert "84.51" in converted.header.card
    assert "Wav2CLIP" not in converted.header.card
    (trained,) = converted.networks.values()
    assert not trained.uses_audio
    expected = own_tensors(network_from_released(state, "VadCLIP").network)
    found = own_tensors(trained)
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    text = class_feature(
        state | inside,
        Tokenizer.from_file(str(tokenizer_folder / "tokenizer.json")).encode("riot", add_special_tokens=False).ids,
    )
    torch.testing.assert_close(trained.class_text()[3], text, rtol=0, atol=1e-4)
