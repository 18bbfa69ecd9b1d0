import math

import pytest
import torch
from torch import Tensor, nn

from avadclip.baselines.efficient_prompt import EfficientPrompt
from avadclip.model.models import Bags
from avadclip.model.projection import FeatureProjection

from .made_up_bags import shake


class Tower(nn.Module):
    """Class features from something learned and something that no checkpoint should hold."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.learned = nn.Parameter(torch.randn(3, 512, generator=generator))
        self.hidden = (nn.Linear(512, 512),)

    def forward(self) -> Tensor:
        features: Tensor = self.hidden[0](self.learned)
        return features


def bag(length: int, width: int = 512) -> Bags:
    visual = torch.randn(1, length, width, generator=torch.Generator().manual_seed(1))
    return Bags(visual, None, torch.ones(1, length, dtype=torch.bool))


@torch.no_grad()
def test_logits_are_cosines_of_mixed_snippets_with_class_features() -> None:
    system = shake(EfficientPrompt(visual_dim=512, num_classes=3))
    bags = bag(4)
    x = bags.visual[0] + system.position_embedding[:4]
    for block in system.blocks:
        x = block(x[None], bags.valid)[0]
    outputs = system(bags)
    for snippet in range(4):
        for c in range(3):
            vector = system.class_text.vectors[c]
            cosine = x[snippet] @ vector / (x[snippet].norm() * vector.norm())
            assert outputs.class_logits[0, snippet, c].item() == pytest.approx(cosine.item() / 0.07, rel=1e-4, abs=1e-4)


@torch.no_grad()
def test_the_anomaly_score_is_what_is_left_of_normal() -> None:
    anomaly_logits, class_logits = shake(EfficientPrompt(visual_dim=512, num_classes=3))(bag(6))
    torch.testing.assert_close(anomaly_logits.sigmoid(), 1 - class_logits.softmax(dim=-1)[..., 0])


def test_the_loss_is_the_cross_entropy_of_the_best_snippet_of_each_class(monkeypatch: pytest.MonkeyPatch) -> None:
    system = EfficientPrompt(visual_dim=512, num_classes=3)
    logits = torch.tensor([[[1.0, 0.0, 3.0], [0.0, 2.0, 0.0], [9.0, 9.0, 9.0]]])
    monkeypatch.setattr(system, "_align", lambda _: logits)
    bags = Bags(torch.zeros(1, 3, 512), None, torch.tensor([[True, True, False]]))
    losses = system.losses(bags, torch.tensor([[0.0, 1.0, 1.0]]))
    best = [math.exp(1.0), math.exp(2.0), math.exp(3.0)]  # k = 1 of two snippets; the third is padding
    expected = -(math.log(best[1] / sum(best)) + math.log(best[2] / sum(best))) / 2
    assert {name: loss.item() for name, loss in losses.items()} == {"alignment": pytest.approx(expected, rel=1e-5)}


@torch.no_grad()
def test_a_frozen_copy_holds_the_class_features_as_a_constant() -> None:
    tower = Tower()
    system = EfficientPrompt(visual_dim=512, num_classes=3, class_text=tower)
    state = torch.get_rng_state()
    frozen = system.frozen()
    assert torch.equal(torch.get_rng_state(), state)  # looking at a system in between changes no training
    before = frozen(bag(5)).class_logits
    torch.testing.assert_close(before, system.eval()(bag(5)).class_logits)
    tower.learned.fill_(1.0)
    assert torch.equal(frozen(bag(5)).class_logits, before)
    assert not any(parameter.requires_grad for parameter in frozen.parameters())
    # A checkpoint is loaded into a system built without any text tower.
    loaded = EfficientPrompt(visual_dim=512, num_classes=3)
    loaded.load_state_dict(frozen.state_dict())
    torch.testing.assert_close(loaded.eval()(bag(5)).class_logits, before)


def test_prompts_learn() -> None:
    tower = Tower()
    system = EfficientPrompt(visual_dim=512, num_classes=3, class_text=tower)
    system.losses(bag(5), torch.tensor([[0.0, 1.0, 0.0]]))["alignment"].backward()
    assert tower.learned.grad.abs().sum() > 0


def test_layers_are_those_of_the_recipe() -> None:
    system = EfficientPrompt(visual_dim=512, num_classes=7)
    assert isinstance(system.visual_projection, nn.Identity)
    assert system.position_embedding.shape == (256, 512)
    assert [block.attention.num_heads for block in system.blocks] == [8, 8]
    assert system.class_text().shape == (7, 512)
    assert isinstance(EfficientPrompt(visual_dim=20, num_classes=7).visual_projection, FeatureProjection)
