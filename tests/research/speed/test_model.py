import pytest
import torch

import avadclip.research.speed.model
from avadclip.config import NetworkConfig
from avadclip.research.speed.model import scored_window, training_step


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(avadclip.research.speed.model, "NUM_BAGS", 2)
    monkeypatch.setattr(avadclip.research.speed.model, "WINDOW_SNIPPETS", 20)
    monkeypatch.setattr(avadclip.research.speed.model, "WIDTH", 16)
    monkeypatch.setattr(avadclip.research.speed.model, "NetworkConfig", lambda: NetworkConfig(embed_dim=16))


def test_a_step_changes_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[torch.nn.Module] = []
    objective = avadclip.research.speed.model.Objective

    def keep(*parts: object, **options: object) -> torch.nn.Module:
        built.append(objective(*parts, **options))
        return built[0]

    monkeypatch.setattr(avadclip.research.speed.model, "Objective", keep)
    step = training_step()
    before = [parameter.clone() for parameter in built[0].parameters()]
    step()
    assert any(not torch.equal(old, new) for old, new in zip(before, built[0].parameters(), strict=True))


def test_a_window_gives_a_score_for_every_snippet() -> None:
    assert scored_window()().anomaly_scores.shape == (20,)
