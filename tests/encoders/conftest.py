"""Full-size models with random weights, made once a session and saved as the published ones are."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
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
def big_dir() -> Iterator[Path]:
    """A folder for files of hundreds of megabytes; unlike pytest's own, gone after the session."""
    with tempfile.TemporaryDirectory(prefix="avadclip-tests-") as folder:
        yield Path(folder)


def clip_tokenizer_json() -> str:
    """A small BPE tokenizer in the format of CLIP's tokenizer.json: 49,408 ids, almost all of them filler."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("f", "i"), ("fi", "g"), ("fig", "h"), ("figh", "t</w>"), ("c", "a"), ("ca", "r</w>")]
    words = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(pair) for pair in merges)]
    vocabulary = {word: index for index, word in enumerate(words)}
    vocabulary |= {f"<filler{index}>": index for index in range(len(words), 49_406)}
    vocabulary |= {"<|startoftext|>": 49_406, "<|endoftext|>": 49_407}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<|endoftext|>", end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    pattern = Regex(r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(pattern, "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.RobertaProcessing(
        ("<|endoftext|>", 49_407), ("<|startoftext|>", 49_406), add_prefix_space=False, trim_offsets=False
    )
    tokenizer.add_special_tokens(["<|startoftext|>", "<|endoftext|>"])
    return tokenizer.to_str()


@pytest.fixture(scope="session")
def tokenizer_file(big_dir) -> Path:
    path = big_dir / "tokenizer.json"
    path.write_text(clip_tokenizer_json())
    assert json.loads(path.read_text())["model"]["type"] == "BPE"
    return path


@pytest.fixture(scope="session")
def wav2clip_tensors() -> dict[str, torch.Tensor]:
    """The flat dict of Wav2CLIP.pt: the sound encoder, its projection, and parts that are not needed."""
    generator = torch.Generator().manual_seed(1)

    def normal(*shape: int) -> torch.Tensor:
        fan_in = torch.Size(shape[1:]).numel()
        return torch.randn(shape, generator=generator) * (2 / fan_in) ** 0.5

    def norm(name: str, channels: int) -> dict[str, torch.Tensor]:
        uniform = torch.rand(4, channels, generator=generator)
        values = {"weight": uniform[0] + 0.5, "bias": uniform[1] - 0.5}
        values |= {"running_mean": uniform[2] - 0.5, "running_var": uniform[3] + 0.5}
        values |= {"num_batches_tracked": torch.tensor(1)}
        return {f"{name}.{key}": value.clone() for key, value in values.items()}

    tensors = {"audio_encoder.spectrogram.window": torch.hann_window(512)}
    tensors |= {"audio_encoder.conv1.weight": normal(64, 1, 7, 7), **norm("audio_encoder.bn1", 64)}
    inputs = 64
    for layer, channels in enumerate((64, 128, 256, 512), start=1):
        for block in (0, 1):
            name = f"audio_encoder.layer{layer}.{block}"
            tensors |= {f"{name}.conv1.weight": normal(channels, inputs, 3, 3), **norm(f"{name}.bn1", channels)}
            tensors |= {f"{name}.conv2.weight": normal(channels, channels, 3, 3), **norm(f"{name}.bn2", channels)}
            if inputs != channels:
                tensors[f"{name}.downsample.0.weight"] = normal(channels, inputs, 1, 1)
                tensors |= norm(f"{name}.downsample.1", channels)
            inputs = channels
    for modality in ("audio", "image"):
        for index in (0, 3):
            name = f"{modality}_transform.sequential.{index}"
            tensors |= {f"{name}.weight": normal(512, 512), f"{name}.bias": normal(512, 512)[0]}
    return tensors


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


@pytest.fixture
def empty_caches(tmp_path, monkeypatch) -> None:
    """Caches of a machine that has never run the tool, instead of those of whoever runs the tests."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
