"""Published files with random weights: the networks in full size, and a CLIP of OpenAI's names in any size."""

import math
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from avadclip.encoders.clip import ClipConfig
from avadclip.inference.published_weights.networks import ReleasedKind

State = dict[str, Tensor]
Shapes = dict[str, tuple[int, ...]]

DIM, CLASSES, POSITIONS = 512, 7, 256


@pytest.fixture(scope="package", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def weight_and_bias(name: str, *shape: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def shapes_of(kind: ReleasedKind) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the published files; a convolution's second registration and CLIP are added elsewhere."""
    shapes: dict[str, tuple[int, ...]] = {
        "frame_position_embeddings.weight": (POSITIONS, DIM),
        "text_prompt_embeddings.weight": (77, DIM),
        **weight_and_bias("linear", DIM, DIM),
        **weight_and_bias("classifier", 1, DIM),
    }
    for mlp in ("mlp1", "mlp2", *(f"temporal.resblocks.{i}.mlp" for i in range(2 if kind == "teacher" else 1))):
        shapes |= weight_and_bias(f"{mlp}.c_fc", 4 * DIM, DIM) | weight_and_bias(f"{mlp}.c_proj", DIM, 4 * DIM)
    for block in range(2 if kind == "teacher" else 1):
        name = f"temporal.resblocks.{block}"
        shapes |= {f"{name}.attn.in_proj_weight": (3 * DIM, DIM), f"{name}.attn.in_proj_bias": (3 * DIM,)}
        shapes |= weight_and_bias(f"{name}.attn.out_proj", DIM, DIM)
        shapes |= weight_and_bias(f"{name}.ln_1", DIM) | weight_and_bias(f"{name}.ln_2", DIM)
    for first, second in (("gc1", "gc2"), ("gc3", "gc4")):
        shapes |= {f"{first}.weight": (DIM, 256), f"{second}.weight": (256, 256)}
        shapes |= weight_and_bias(f"{first}.residual", 256, DIM, 5)
    if kind != "VadCLIP":
        shapes["alpha"] = (CLASSES,)
    if kind == "teacher":
        for level in range(3):
            for conv in ("conv1", "conv2"):
                name = f"temporalconvnet.network.{level}.{conv}"
                shapes |= {f"{name}.weight_g": (DIM, 1, 1), f"{name}.weight_v": (DIM, DIM, 2), f"{name}.bias": (DIM,)}
        shapes |= weight_and_bias("temporalgatedresidual.gate_proj.0", DIM, 2 * DIM)
        shapes |= weight_and_bias("temporalgatedresidual.residual_proj.0", DIM, 2 * DIM)
        shapes |= weight_and_bias("temporalgatedresidual.residual_proj.2", DIM, DIM)
    elif kind == "visual student":
        for block in range(3):
            shapes |= weight_and_bias(f"fe_net.conv.{block}.conv.0", DIM, DIM, 3)
        for index, kernel in ((0, 1), (2, 3), (3, 1)):
            shapes |= weight_and_bias(f"fe_net.theta.theta.{index}", DIM, DIM, kernel)
    return shapes


def state_of(kind: ReleasedKind) -> State:
    """A state dict of the published shape, without CLIP."""
    generator = torch.Generator().manual_seed(1)
    state = {}
    for name, shape in shapes_of(kind).items():
        fan_in = math.prod(shape[1:]) if len(shape) > 1 else 9
        state[name] = torch.randn(shape, generator=generator) * fan_in**-0.5
        if name in ("gc3.weight", "gc4.weight"):
            state[name] /= 6  # rows of the distance adjacency sum to about 6
        if name.endswith(("weight_g", "ln_1.weight", "ln_2.weight")):
            state[name] = 1.0 + 0.3 * torch.rand(shape, generator=generator)
    for name in [name for name in state if name.startswith("temporalconvnet.")]:
        state[name.replace(".conv1.", ".net.0.").replace(".conv2.", ".net.4.")] = state[name]
    return {**state, "disAdj.sigma": torch.ones(1)}


@pytest.fixture(scope="session")
def released_shapes() -> Callable[[ReleasedKind], Shapes]:
    return shapes_of


@pytest.fixture(scope="session")
def random_state() -> Callable[[ReleasedKind], State]:
    return state_of


def openai_clip(config: ClipConfig) -> State:
    """CLIP as OpenAI's code holds it on a GPU: matrices in half precision, norms and embeddings in single."""
    shapes: Shapes = {
        "visual.class_embedding": (config.vision_width,),
        "visual.positional_embedding": ((config.image_size // config.patch_size) ** 2 + 1, config.vision_width),
        "visual.conv1.weight": (config.vision_width, 3, config.patch_size, config.patch_size),
        "visual.proj": (config.vision_width, config.embed_dim),
        "positional_embedding": (config.num_positions, config.text_width),
        "token_embedding.weight": (config.vocabulary, config.text_width),
        "text_projection": (config.text_width, config.embed_dim),
        "logit_scale": (),
    }
    for norm, width in (("visual.ln_pre", 0), ("visual.ln_post", 0), ("ln_final", config.text_width)):
        shapes |= weight_and_bias(norm, width or config.vision_width)
    towers = [("visual.", config.vision_width, config.vision_depth), ("", config.text_width, config.text_depth)]
    for tower, width, depth in towers:
        for block in range(depth):
            name = f"{tower}transformer.resblocks.{block}"
            shapes |= {f"{name}.attn.in_proj_weight": (3 * width, width), f"{name}.attn.in_proj_bias": (3 * width,)}
            shapes |= weight_and_bias(f"{name}.attn.out_proj", width, width)
            shapes |= weight_and_bias(f"{name}.ln_1", width) | weight_and_bias(f"{name}.ln_2", width)
            shapes |= weight_and_bias(f"{name}.mlp.c_fc", 4 * width, width)
            shapes |= weight_and_bias(f"{name}.mlp.c_proj", width, 4 * width)
    generator = torch.Generator().manual_seed(3)
    state = {}
    for name, shape in shapes.items():
        fan_in = math.prod(shape[1:]) if len(shape) > 1 else 100
        tensor = torch.randn(shape, generator=generator) * (0.1 if "embedding" in name else fan_in**-0.5)
        single = "ln_" in name or "embedding" in name or name == "logit_scale"
        tensor += 1.0 if "ln_" in name and name.endswith("weight") else 0.0
        state[name] = tensor if single else tensor.half()
    return state


@pytest.fixture(scope="session")
def make_openai_clip() -> Callable[[ClipConfig], State]:
    return openai_clip
