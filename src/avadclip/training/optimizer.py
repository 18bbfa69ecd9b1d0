"""The optimizer of a recipe, and the learning rate of each epoch."""

import math

import torch
from torch import nn
from torch.optim import Optimizer

from avadclip.config import OptimizerConfig, OptimizerKind
from avadclip.model.base import System

OPTIMIZERS: dict[OptimizerKind, type[Optimizer]] = {
    "adamw": torch.optim.AdamW,
    "adam": torch.optim.Adam,
    "adagrad": torch.optim.Adagrad,
}
DECAY = 0.1  # of the learning rate at every milestone
SHARE = "learning_rate_share"  # of a parameter group


def build_optimizer(system: System, config: OptimizerConfig) -> Optimizer:
    """One parameter group for every share of the learning rate."""
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in system.named_parameters():
        shares = [share for prefix, share in system.learning_rate_shares.items() if name.startswith(prefix)]
        groups.setdefault(shares[0] if shares else 1.0, []).append(parameter)
    parameters = [{"params": group, SHARE: share} for share, group in groups.items()]
    # Not fused, AdamW takes a third of a step's time on a CPU.
    return OPTIMIZERS[config.kind](  # type: ignore[call-arg]
        parameters, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
    )


def learning_rate(config: OptimizerConfig, epoch: int) -> float:
    """Of an epoch, from 1; a parameter group takes its share of it."""
    if config.schedule == "cosine":
        length = config.cosine_epochs or config.epochs
        return config.learning_rate * 0.5 * (1.0 + math.cos(math.pi * (epoch - 1) / length))
    return config.learning_rate * DECAY ** sum(epoch > milestone for milestone in config.milestones)


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Give every parameter group its share of a rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group[SHARE]
