import pytest
import torch

from avadclip.config import NetworkConfig
from avadclip.errors import ConfigError
from avadclip.inference.networks import VISUAL_STUDENT, build_network
from avadclip.model.base import System
from avadclip.training.start import CLASS_VECTORS, begin_from


def student(*classes: str, embed_dim: int = 8, seed: int = 0) -> System:
    torch.manual_seed(seed)
    config = NetworkConfig(variant="extended", embed_dim=embed_dim, enhancement_blocks=1)
    return build_network(VISUAL_STUDENT, visual_dim=5, audio_dim=0, classes=classes, network=config)


def test_training_begins_with_the_weights_and_the_class_vectors_of_known_names() -> None:
    trained = student("normal", "fighting", "riot", seed=1).frozen()
    system = student("normal", "fall", "fighting", seed=2)
    own = system.state_dict()[CLASS_VECTORS].clone()
    begin_from(system, trained)
    theirs, now = trained.state_dict(), system.state_dict()
    assert torch.equal(now[CLASS_VECTORS], torch.stack([theirs[CLASS_VECTORS][0], own[1], theirs[CLASS_VECTORS][1]]))
    assert all(torch.equal(now[name], tensor) for name, tensor in theirs.items() if name != CLASS_VECTORS)


def test_weights_of_another_shape_are_refused() -> None:
    with pytest.raises(ConfigError, match="cannot begin with these weights"):
        begin_from(student("normal", "fighting", embed_dim=16), student("normal", "fighting").frozen())
