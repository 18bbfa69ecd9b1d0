from typing import Any

import pytest
import torch
from torch import nn

from avadclip.config import TrainingConfig
from avadclip.data.synthetic import load_synthetic
from avadclip.model.prompts import LearnedClassVectors
from avadclip.training import build
from avadclip.training.build import build_learner


def test_a_system_standardises_by_its_training_bags() -> None:
    dataset = load_synthetic("tiny")
    learner = build_learner(
        TrainingConfig(network_kind="rtfm"), "rtfm", dataset.train, classes=dataset.classes, text_encoder=None
    )
    rows = torch.cat([torch.from_numpy(bag.load().visual[0]) for bag in dataset.train])
    torch.testing.assert_close(learner.system.visual_projection.mean, rows.mean(dim=0))
    torch.testing.assert_close(learner.system.visual_projection.deviation, rows.std(dim=0))


def test_prompts_are_as_long_as_the_system_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def prompted(classes: tuple[str, ...], encoder: object, *, prompt_tokens: int) -> nn.Module:
        asked.update(encoder=encoder, prompt_tokens=prompt_tokens)
        return LearnedClassVectors(len(classes), 512)

    monkeypatch.setattr(build, "PromptedClassText", prompted)
    dataset, encoder = load_synthetic("tiny"), object()
    config = TrainingConfig(network_kind="efficient-prompt")
    build_learner(config, "efficient-prompt", dataset.train, classes=dataset.classes, text_encoder=encoder)
    assert asked == {"encoder": encoder, "prompt_tokens": 16}
