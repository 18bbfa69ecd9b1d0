import pytest
import torch

import avadclip.research.speed.model
from avadclip.model.avadclip import AVadCLIP
from avadclip.research.speed.model import scored_window, training_step


@pytest.fixture(autouse=True)
def built(monkeypatch: pytest.MonkeyPatch) -> list[AVadCLIP]:
    """The networks that are built, all of them small."""
    monkeypatch.setattr(avadclip.research.speed.model, "NUM_BAGS", 2)
    monkeypatch.setattr(avadclip.research.speed.model, "WINDOW_SNIPPETS", 20)
    monkeypatch.setattr(avadclip.research.speed.model, "WIDTH", 16)
    networks: list[AVadCLIP] = []

    def keep(**options: object) -> AVadCLIP:
        networks.append(AVadCLIP(**options, embed_dim=16))
        return networks[-1]

    monkeypatch.setattr(avadclip.research.speed.model, "AVadCLIP", keep)
    return networks


def test_training_step_changes_the_weights(built: list[AVadCLIP]) -> None:
    step = training_step()
    (network,) = built
    before = [parameter.clone() for parameter in network.parameters()]
    step()
    assert any(not torch.equal(old, new) for old, new in zip(before, network.parameters(), strict=True))


def test_scored_window_has_a_score_for_every_snippet() -> None:
    assert scored_window()().anomaly_scores.shape == (20,)
