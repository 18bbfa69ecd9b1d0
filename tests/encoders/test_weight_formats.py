import copy
import warnings
import zipfile

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from avadclip.encoders import weight_formats
from avadclip.encoders.clip import Clip, ClipConfig
from avadclip.encoders.weight_formats import (
    clip_from_openai,
    clip_from_pickle,
    clip_from_safetensors,
    hugging_face_names,
    read_pickled,
    wav2clip_from_pickle,
    wav2clip_from_safetensors,
    write_weights,
)
from avadclip.encoders.weights import load_clip
from avadclip.errors import WeightsError

OPENAI_NAMES = {  # Hugging Face's to OpenAI's, the other way round than the code
    "vision_model.embeddings.class_embedding": "visual.class_embedding",
    "vision_model.embeddings.patch_embedding.weight": "visual.conv1.weight",
    "vision_model.embeddings.position_embedding.weight": "visual.positional_embedding",
    "vision_model.pre_layrnorm": "visual.ln_pre",
    "vision_model.post_layernorm": "visual.ln_post",
    "vision_model.encoder.layers": "visual.transformer.resblocks",
    "text_model.encoder.layers": "transformer.resblocks",
    "text_model.embeddings.token_embedding": "token_embedding",
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    "text_model.final_layer_norm": "ln_final",
    "self_attn": "attn",
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "visual_projection.weight": "visual.proj",
    "text_projection.weight": "text_projection",
}


def openai_name(name):
    for theirs, openai in OPENAI_NAMES.items():
        name = name.replace(theirs, openai)
    return name


def openai_state(hugging_face):
    """The state dict of OpenAI's archive: q, k and v in one, projections the other way round, most of it in fp16."""
    state = {openai_name(name): tensor for name, tensor in hugging_face.items()}
    for name in [name for name in state if ".q_proj." in name]:
        parts = [state.pop(name.replace(".q_proj.", f".{letter}_proj.")) for letter in "qkv"]
        state[name.replace(".q_proj.", ".in_proj_")] = torch.cat(parts)
    for name in ("visual.proj", "text_projection"):
        state[name] = state[name].T.contiguous()
    in_fp32 = ("ln_", "embedding", "logit_scale")
    return {name: t if any(part in name for part in in_fp32) else t.half() for name, t in state.items()}


def torchscript_archive(state, path):
    root = nn.Module()
    for name, tensor in state.items():
        *parents, leaf = name.split(".")
        module = root
        for parent in parents:
            if not hasattr(module, parent):
                module.add_module(parent, nn.Module())
            module = getattr(module, parent)
        module.register_parameter(leaf, nn.Parameter(tensor, requires_grad=False))
    root.register_buffer("input_resolution", torch.tensor(224))
    with warnings.catch_warnings(action="ignore"):  # deprecated, but what OpenAI published
        torch.jit.save(torch.jit.script(root), path)
    return path


@pytest.fixture(scope="module")
def archive(hf_clip, big_dir):
    return torchscript_archive(openai_state(hf_clip.state_dict()), big_dir / "ViT-B-16.pt")


@pytest.fixture(scope="module")
def pixels():
    return torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def ids():
    ids = torch.randint(0, 49_406, (1, 9), generator=torch.Generator().manual_seed(2))
    ids[:, 0], ids[:, -1] = 49_406, 49_407
    return ids


@torch.inference_mode()
def assert_same_features(clip, reference, pixels, ids):
    expected = reference.get_image_features(pixels).pooler_output
    torch.testing.assert_close(clip.encode_images(pixels), expected, atol=1e-5, rtol=0)
    expected = reference.get_text_features(ids).pooler_output
    features = clip.encode_text_embeddings(clip.token_embedding(ids), torch.tensor([ids.shape[1] - 1]))
    torch.testing.assert_close(features, expected, atol=1e-5, rtol=0)


def test_safetensors_give_transformers_features(safetensors_folder, hf_clip, pixels, ids):
    assert_same_features(load_clip(safetensors_folder / "model.safetensors"), hf_clip, pixels, ids)


def test_pytorch_model_bin_gives_transformers_features(pickle_folder, hf_clip, pixels, ids):
    assert_same_features(clip_from_pickle(pickle_folder / "pytorch_model.bin"), hf_clip, pixels, ids)


def test_openais_archive_gives_transformers_features(archive, hf_clip, pixels, ids):
    clip = clip_from_openai(archive)
    ours = clip.state_dict()
    for name, tensor in hf_clip.state_dict().items():  # what is stored in fp16 is rounded, and nothing else changed
        assert torch.equal(ours[name], tensor) or torch.equal(ours[name], tensor.half().float())
    rounded = copy.deepcopy(hf_clip)
    rounded.load_state_dict(ours, strict=True)
    assert_same_features(clip, rounded, pixels, ids)


def test_both_file_formats_have_one_hash(safetensors_folder, pickle_folder):
    first = clip_from_safetensors(safetensors_folder / "model.safetensors")
    second = clip_from_pickle(pickle_folder / "pytorch_model.bin")
    assert first.sha256() == second.sha256()
    assert first.sha256("vision_model.") != first.sha256("text_model.")


def test_openais_names_and_back_are_the_same_tensors():
    tiny = Clip(ClipConfig(vision_width=8, vision_heads=2, text_width=8, text_heads=2, vocabulary=20, embed_dim=4))
    state = {name: tensor.half().float() for name, tensor in tiny.state_dict().items()}
    back = hugging_face_names(openai_state(state))
    assert back.keys() == state.keys()
    assert all(torch.equal(back[name].float(), state[name]) for name in state)


def test_parts_of_one_tensor_are_written_apart(tmp_path):
    config = ClipConfig(vision_width=8, vision_heads=2, text_width=8, text_heads=2, vocabulary=20, embed_dim=4)
    in_fp32 = {name: tensor.float() for name, tensor in openai_state(Clip(config).state_dict()).items()}
    clip = Clip(config).load_tensors(hugging_face_names(in_fp32), "archive")  # q, k and v are views of in_proj
    tensors = load_file(write_weights(clip, tmp_path / "model.safetensors"))
    assert all(torch.equal(tensors[name], tensor) for name, tensor in clip.state_dict().items())


def test_published_wav2clip_is_read_and_written_whole(wav2clip_tensors, tmp_path):
    torch.save(wav2clip_tensors, tmp_path / "Wav2CLIP.pt")
    net = wav2clip_from_pickle(tmp_path / "Wav2CLIP.pt")
    assert torch.equal(net.resnet.conv1.weight, wav2clip_tensors["audio_encoder.conv1.weight"])
    assert torch.equal(net.projection[2].bias, wav2clip_tensors["audio_transform.sequential.3.bias"])
    path = write_weights(net, tmp_path / "new" / "wav2clip.safetensors")
    assert wav2clip_from_safetensors(path).sha256() == net.sha256()


def test_wav2clip_without_a_layer_is_refused(wav2clip_tensors, tmp_path):
    tensors = {name: tensor for name, tensor in wav2clip_tensors.items() if "layer4.1.conv2" not in name}
    torch.save(tensors, tmp_path / "Wav2CLIP.pt")
    with pytest.raises(WeightsError, match=r"does not contain Wav2CLIP: 1 of \d+ .* \(resnet.layer4.1.conv2.weight\)"):
        wav2clip_from_pickle(tmp_path / "Wav2CLIP.pt")


class Malicious:
    def __reduce__(self):
        return print, ("this ran",)


def test_code_in_a_pickle_is_refused_and_not_run(tmp_path, capsys):
    torch.save({"weight": torch.zeros(1), "extra": Malicious()}, tmp_path / "pytorch_model.bin")
    with pytest.raises(WeightsError, match="cannot be read as weights"):
        read_pickled(tmp_path / "pytorch_model.bin")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("content", [b"", b"not weights", b"PK\x03\x04", b"PK\x05\x06" + 18 * b"\x01"])
def test_damaged_files_are_refused_in_one_line(tmp_path, content):
    path = tmp_path / "model"
    path.write_bytes(content)
    for read in (read_pickled, clip_from_safetensors, clip_from_openai):
        with pytest.raises(WeightsError) as caught:
            read(path)
        assert "\n" not in str(caught.value)
        assert str(path) in str(caught.value)


def test_nested_checkpoints_are_refused(tmp_path):
    torch.save({"state_dict": {"weight": torch.zeros(1)}}, tmp_path / "model.ckpt")
    with pytest.raises(WeightsError, match="needed a flat dict of tensors"):
        read_pickled(tmp_path / "model.ckpt")


def test_an_archive_of_the_wrong_size_is_refused_unopened(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.jit, "load", lambda *_: pytest.fail("was opened"))
    path = torchscript_archive({"visual.proj": torch.zeros(8, 4)}, tmp_path / "ViT-B-16.pt")
    with pytest.raises(WeightsError, match="needed 299 to 666 MB"):
        clip_from_openai(path)


def test_a_zip_that_is_no_torchscript_is_refused_unopened(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.jit, "load", lambda *_: pytest.fail("was opened"))
    with zipfile.ZipFile(tmp_path / "ViT-B-16.pt", "w") as archive:
        archive.writestr("archive/data.pkl", b"")
    with pytest.raises(WeightsError, match="not a TorchScript archive"):
        clip_from_openai(tmp_path / "ViT-B-16.pt")


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def fill_the_disk(tensors, path, metadata):
        path.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(weight_formats, "save_file", fill_the_disk)
    with pytest.raises(WeightsError, match=r"cannot be written \(No space left on device\)"):
        write_weights(Clip(ClipConfig(vision_depth=0, text_depth=0, vocabulary=9)), tmp_path / "model.safetensors")
    assert list(tmp_path.iterdir()) == []
