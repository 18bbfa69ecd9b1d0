import torch
from torch import nn

from avadclip.encoders.frozen import FrozenModule


class Small(FrozenModule):
    title = "a small net"

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout(0.5))
        self.train(False)


def is_frozen(module):
    return not any(part.training for part in module.modules()) and not any(
        parameter.requires_grad for parameter in module.parameters()
    )


def test_a_frozen_module_starts_frozen():
    assert is_frozen(Small())


def test_train_cannot_unfreeze_it():
    module = Small()
    assert module.train() is module
    assert is_frozen(module)


def test_train_on_a_parent_cannot_unfreeze_it():
    parent = nn.Sequential(nn.Linear(2, 2), Small())
    parent.requires_grad_(True)
    parent.train()
    assert parent[0].training
    assert is_frozen(parent[1])


def test_training_a_parent_leaves_its_features_alone():
    parent = nn.ModuleDict({"encoder": Small(), "head": nn.Linear(2, 1)})
    x = torch.randn(4, 2)
    before = parent["encoder"].layers(x)
    parent.train()
    torch.testing.assert_close(parent["encoder"].layers(x), before, atol=0, rtol=0)
