import math

import pytest
import torch
from torch import nn

from avadclip.baselines.efficient_prompt import EfficientPrompt
from avadclip.encoders.clip import Clip, ClipConfig
from avadclip.encoders.clip_text import ClipTextEncoder
from avadclip.model.base import Bags
from avadclip.model.projection import FeatureProjection

from .made_up_bags import make_batch, shake

CLASSES = ("normal", "fighting", "riot")


class OneWordTokenizer:
    """A word's token is its length. See encoders.clip_text.ClipTokenizer."""

    sos, eot = 30, 31

    def word_ids(self, phrase: str) -> list[int]:
        return [len(word) for word in phrase.split()]


@pytest.fixture
def text() -> ClipTextEncoder:
    torch.manual_seed(0)
    sizes = {"vision_width": 8, "vision_depth": 1, "vision_heads": 1, "image_size": 16, "text_width": 12}
    clip = Clip(ClipConfig(**sizes, text_depth=2, text_heads=2, vocabulary=32, embed_dim=512))
    return ClipTextEncoder(clip, OneWordTokenizer())


def bag(length: int, width: int = 512) -> Bags:
    visual = torch.randn(1, length, width, generator=torch.Generator().manual_seed(1))
    return Bags(visual, None, torch.ones(1, length, dtype=torch.bool))


@torch.no_grad()
def test_class_logits_are_scaled_cosines_with_class_features() -> None:
    system = shake(EfficientPrompt(visual_dim=512, classes=CLASSES))
    bags = bag(4)
    x = bags.visual[0] + system.position_embedding[:4]
    for block in system.blocks:
        x = block(x[None], bags.mask)[0]
    outputs = system(*bags)
    for snippet in range(4):
        for c in range(3):
            vector = system.class_text.vectors[c]
            cosine = x[snippet] @ vector / (x[snippet].norm() * vector.norm())
            assert outputs.class_logits[0, snippet, c].item() == pytest.approx(cosine.item() / 0.07, rel=1e-4, abs=1e-4)


@torch.no_grad()
def test_anomaly_score_is_one_minus_normal_probability() -> None:
    outputs = shake(EfficientPrompt(visual_dim=512, classes=CLASSES))(*bag(6))
    torch.testing.assert_close(outputs.scores, 1 - outputs.class_logits.softmax(dim=-1)[..., 0])


def test_loss_is_cross_entropy_of_the_best_snippet_of_each_class(monkeypatch: pytest.MonkeyPatch) -> None:
    system = EfficientPrompt(visual_dim=512, classes=CLASSES)
    logits = torch.tensor([[[1.0, 0.0, 3.0], [0.0, 2.0, 0.0], [9.0, 9.0, 9.0]]])
    monkeypatch.setattr(system, "_align", lambda *_: logits)
    bags = Bags(torch.zeros(1, 3, 512), None, torch.tensor([[True, True, False]]))
    losses = system.losses(make_batch(bags, torch.tensor([[0.0, 1.0, 1.0]])))
    best = [math.exp(1.0), math.exp(2.0), math.exp(3.0)]  # k = 1 of two snippets; the third is padding
    expected = -(math.log(best[1] / sum(best)) + math.log(best[2] / sum(best))) / 2
    assert {name: loss.item() for name, loss in losses.items()} == {"alignment": pytest.approx(expected, rel=1e-5)}


@torch.no_grad()
def test_frozen_copy_holds_the_class_features_as_a_constant(text: ClipTextEncoder) -> None:
    system = EfficientPrompt(visual_dim=512, classes=CLASSES, text=text)
    state = torch.get_rng_state()
    frozen = system.frozen()
    assert torch.equal(torch.get_rng_state(), state)  # looking at a system in between changes no training
    before = frozen(*bag(5)).class_logits
    torch.testing.assert_close(before, system.eval()(*bag(5)).class_logits)
    system.class_text.prompts.table.fill_(1.0)
    assert torch.equal(frozen(*bag(5)).class_logits, before)
    assert not any(parameter.requires_grad for parameter in frozen.parameters())
    # A checkpoint is loaded into a system built without any text tower.
    loaded = EfficientPrompt(visual_dim=512, classes=CLASSES)
    loaded.load_state_dict(frozen.state_dict())
    torch.testing.assert_close(loaded.eval()(*bag(5)).class_logits, before)


def test_prompts_have_gradients(text: ClipTextEncoder) -> None:
    system = EfficientPrompt(visual_dim=512, classes=CLASSES, text=text)
    system.losses(make_batch(bag(5), torch.tensor([[0.0, 1.0, 0.0]])))["alignment"].backward()
    assert system.class_text.prompts.table.grad.abs().sum() > 0


def test_layer_sizes() -> None:
    system = EfficientPrompt(visual_dim=512, classes=("normal", *"abcdef"))
    assert isinstance(system.visual_projection, nn.Identity)
    assert system.position_embedding.shape == (256, 512)
    assert [block.attention.num_heads for block in system.blocks] == [8, 8]
    assert system.class_text().shape == (7, 512)
    assert isinstance(
        EfficientPrompt(visual_dim=20, classes=("normal", *"abcdef")).visual_projection, FeatureProjection
    )
