import pytest
import torch

from avadclip.config import DistillationConfig, LossConfig, NetworkConfig, OptimizerConfig, TrainingConfig
from avadclip.data.synthetic import load_synthetic
from avadclip.encoders.clip import Clip, ClipConfig
from avadclip.encoders.clip_text import ClipTextEncoder
from avadclip.errors import ConfigError
from avadclip.training.build import build_for_training


class OneTokenTokenizer:
    """Every word is one token; see encoders.clip_text.ClipTokenizer."""

    sos, eot = 30, 31

    def word_ids(self, phrase: str) -> list[int]:
        return [len(phrase)]


def test_a_system_standardises_by_its_training_bags() -> None:
    dataset = load_synthetic("tiny")
    system = build_for_training(TrainingConfig(network_kind="rtfm"), dataset.train, classes=dataset.classes, text=None)
    rows = torch.cat([torch.from_numpy(bag.load().visual[0]) for bag in dataset.train])
    torch.testing.assert_close(system.visual_projection.mean, rows.mean(dim=0))
    torch.testing.assert_close(system.visual_projection.deviation, rows.std(dim=0))


@pytest.mark.parametrize(("kind", "length"), [("efficient-prompt", 16), ("teacher", 10)])
def test_prompts_are_as_long_as_the_system_defines(kind: str, length: int) -> None:
    sizes = {"vision_width": 8, "vision_depth": 1, "vision_heads": 1, "image_size": 16, "text_width": 12}
    clip = Clip(ClipConfig(**sizes, text_depth=2, text_heads=2, vocabulary=32, embed_dim=512))
    dataset = load_synthetic("tiny")
    config = TrainingConfig(network_kind=kind)
    text = ClipTextEncoder(clip, OneTokenTokenizer())
    system = build_for_training(config, dataset.train, classes=dataset.classes, text=text)
    assert system.class_text.prompts.prompt_tokens == length


@pytest.mark.parametrize(
    ("table", "found"),
    [
        ({"network": NetworkConfig(embed_dim=64)}, r"\[network\]"),
        ({"loss": LossConfig(focal=False)}, r"\[loss\]"),
        ({"distillation": DistillationConfig(kind="mse")}, r"\[distillation\]"),
        ({"optimizer": OptimizerConfig(precision="bf16")}, "`optimizer.precision`"),
    ],
)
def test_tables_that_a_compared_system_does_not_read_are_refused(table: dict, found: str) -> None:
    dataset = load_synthetic("tiny")
    config = TrainingConfig(network_kind="hl-net", **table)
    with pytest.raises(ConfigError, match=f"{found} is for networks of AVadCLIP only, hl-net ignores it"):
        build_for_training(config, dataset.train, classes=dataset.classes, text=None)
    default = TrainingConfig(network_kind="hl-net", network=NetworkConfig(embed_dim=512))
    assert build_for_training(default, dataset.train, classes=dataset.classes, text=None).name == "hl-net"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("hl_net", "did you mean `hl-net`"),
        ("yolo", "needed one of teacher"),
        ("both students", "has no weights of its own; train visual student and audio student"),
    ],
)
def test_what_is_no_network_to_train_is_refused_with_what_is(name: str, hint: str) -> None:
    dataset = load_synthetic("tiny")
    with pytest.raises(ConfigError, match=hint):
        build_for_training(TrainingConfig(network_kind=name), dataset.train, classes=dataset.classes, text=None)
