"""Train one network on bags with weak labels."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain

import torch
from torch import nn

from avadclip.config import TrainingConfig
from avadclip.data.bags import Bag, collate
from avadclip.nn.models import Network, NetworkKind, TrainedNetwork, build_network
from avadclip.nn.prompts import LearnedClassVectors
from avadclip.training.objective import Losses, Objective

DECAY = 0.1  # of the learning rate at every milestone


def train_network(
    kind: NetworkKind,
    bags: Sequence[Bag],
    config: TrainingConfig,
    *,
    on_epoch: Callable[[int, Losses], None] | None = None,
) -> TrainedNetwork:
    """Train a network from scratch; same seed and machine, same weights.

    Args:
        kind: the teacher and the audio student need sound in every bag.
        bags: with targets of one width.
        config: recipe.
        on_epoch: called with the epoch's number, from 1, and its mean losses.
    """
    torch.manual_seed(config.seed)
    first = bags[0].features
    network = build_network(
        kind,
        config.network,
        visual_dim=first.visual.shape[-1],
        audio_dim=0 if first.audio is None else first.audio.shape[-1],
    )
    _fit_projections(network, bags)
    class_text = LearnedClassVectors(len(bags[0].targets), config.network.embed_dim)
    objective = Objective(config.loss, num_classes=len(bags[0].targets), variant=config.network.variant)
    optimizer = torch.optim.AdamW(
        chain(network.parameters(), class_text.parameters(), objective.parameters()),
        lr=config.optimizer.learning_rate,
        weight_decay=config.optimizer.weight_decay,
    )
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, list(config.optimizer.milestones), DECAY)
    shuffle = torch.Generator().manual_seed(config.seed)
    for epoch in range(1, config.optimizer.epochs + 1):
        network.train()
        losses = [
            _step(network, class_text, objective, optimizer, batch)
            for batch in _batches(bags, config.optimizer.batch_size, shuffle)
        ]
        schedule.step()
        if on_epoch is not None:
            on_epoch(epoch, Losses(*(torch.stack(part).mean() for part in zip(*losses, strict=True))))
    return TrainedNetwork(network.eval().requires_grad_(False), class_text().detach())


def _step(
    network: Network,
    class_text: nn.Module,
    objective: Objective,
    optimizer: torch.optim.Optimizer,
    batch: list[Bag],
) -> Losses:
    bags, targets = collate(batch, variant_released=network.variant == "released")
    losses: Losses = objective(network, bags, targets, class_text())
    optimizer.zero_grad(set_to_none=True)
    losses.total.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return Losses(*(part.detach() for part in losses))


def _batches(bags: Sequence[Bag], batch_size: int, shuffle: torch.Generator) -> Iterator[list[Bag]]:
    order = torch.randperm(len(bags), generator=shuffle).tolist()
    for start in range(0, len(order), batch_size):
        yield [bags[index] for index in order[start : start + batch_size]]


def _fit_projections(network: Network, bags: Sequence[Bag]) -> None:
    """Standardise projected features by the training bags' own statistics."""
    visual = torch.cat([torch.from_numpy(bag.features.visual[0]) for bag in bags])
    audio = [torch.from_numpy(bag.features.audio) for bag in bags if bag.features.audio is not None]
    network.encoder.fit_projections(visual, torch.cat(audio) if audio else None)
