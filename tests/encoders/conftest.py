"""Full-size models with random weights, made once a session and saved as the published ones are."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn


@pytest.fixture(scope="package", autouse=True)
def _one_thread() -> Iterator[None]:
    """Single pictures gain little from a second core, and lose a lot where it is busy with something else."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@torch.no_grad()
def randomise(module: nn.Module, seed: int) -> None:
    """Weights of realistic size, so that a difference of 1e-5 in the output means something."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in module.named_parameters():
        if name == "logit_scale":
            continue
        noise = torch.randn(parameter.shape, generator=generator)
        if parameter.dim() == 1:  # a bias is small, the gain of a norm near one
            parameter.copy_(0.1 * noise + (1.0 if "norm" in name and name.endswith("weight") else 0.0))
        else:
            fan_in = 1 if "embedding.weight" in name and parameter.dim() == 2 else parameter[0].numel()
            parameter.copy_(noise * (0.3 if fan_in == 1 else fan_in**-0.5))


@pytest.fixture(scope="session")
def hf_clip():
    """transformers' CLIPModel, full ViT-B/16 size."""
    from transformers import CLIPConfig, CLIPModel

    vision = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "patch_size": 16}
    model = CLIPModel(CLIPConfig(vision_config=vision, text_config={"eos_token_id": 49_407})).eval()
    randomise(model, seed=0)
    return model


@pytest.fixture(scope="session")
def tokenizer_file(make_tokenizer) -> Path:
    path = make_tokenizer(49_408)
    assert json.loads(path.read_text())["model"]["type"] == "BPE"
    return path


@pytest.fixture(scope="session")
def safetensors_folder(hf_clip, tokenizer_file, big_dir) -> Path:
    """A folder as `save_pretrained` leaves it."""
    folder = big_dir / "safetensors"
    hf_clip.save_pretrained(folder)
    (folder / "tokenizer.json").write_bytes(tokenizer_file.read_bytes())
    return folder


@pytest.fixture(scope="session")
def pickle_folder(hf_clip, tokenizer_file, big_dir) -> Path:
    """A folder as older checkpoints are: pytorch_model.bin, with position ids."""
    folder = big_dir / "pickle"
    folder.mkdir()
    tensors = dict(hf_clip.state_dict())
    tensors["text_model.embeddings.position_ids"] = torch.arange(77)[None]
    tensors["vision_model.embeddings.position_ids"] = torch.arange(197)[None]
    torch.save(tensors, folder / "pytorch_model.bin")
    (folder / "tokenizer.json").write_bytes(tokenizer_file.read_bytes())
    return folder
