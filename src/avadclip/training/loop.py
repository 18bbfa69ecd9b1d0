"""Train one network on bags with weak labels, alone or after a teacher."""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score
from torch import Tensor

from avadclip.config import NetworkKind, TrainingConfig
from avadclip.data.bags import Bag, Batch, bin_bag, collate, feature_widths
from avadclip.encoders.clip_text import ClipTextEncoder
from avadclip.errors import ConfigError, DataError
from avadclip.losses import topk_mean
from avadclip.nn.models import Network, TrainedNetwork, build_network
from avadclip.nn.projection import FeatureProjection
from avadclip.scoring import score_features
from avadclip.training.class_text import build_class_text
from avadclip.training.objective import Losses, Objective
from avadclip.training.run import RunFolder, SavedState
from avadclip.training.shares import Share, take_share

DECAY = 0.1  # of the learning rate at every milestone

Metrics = dict[str, Any]
"""One epoch: its number, mean losses, learning rate, and validation AP (None where nothing was held out)."""


class Step(NamedTuple):
    """Where training stands, for whoever shows it."""

    epoch: int
    """From 1."""
    step: int
    """Within the epoch, from 1."""
    num_steps: int
    """Of one epoch."""
    losses: Losses


class Progress(NamedTuple):
    """What training has come to, after some epoch or at the end."""

    last: TrainedNetwork
    best: TrainedNetwork
    """Of the epoch that validation chose; `last` itself where that is the last one, or nothing was held out."""
    metrics: list[Metrics]
    """A line for every epoch so far."""


@dataclass(frozen=True)
class Supervision:
    """What a network learns from besides bags: the class names, and for students a teacher."""

    classes: Sequence[str]
    """C names; the first is `normal`."""
    text_encoder: ClipTextEncoder | None = None
    """For prompts around the class words; without it class vectors are learned freely."""
    teacher: TrainedNetwork | None = None
    """Its features are what a student learns to give."""
    validation: Sequence[Bag] = field(default=())
    """Held-out bags, normal and anomalous; the best epoch has the highest video-level AP on them."""


def make_accelerator() -> Accelerator:
    """Device and processes, as Accelerate finds them."""
    # Unless told so, Accelerate leaves processes that have no accelerator to themselves.
    on_cpu = not torch.accelerator.is_available()
    # Without distillation a student's uncertainty head takes no part in the loss.
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)
    # Precision is the objective's own: Accelerate allows one per process for good.
    return Accelerator(cpu=on_cpu, mixed_precision="no", kwargs_handlers=[unused])


def train_network(
    kind: NetworkKind,
    bags: Sequence[Bag],
    config: TrainingConfig,
    supervision: Supervision,
    *,
    run: RunFolder | None = None,
    accelerator: Accelerator | None = None,
    on_step: Callable[[Step], None] | None = None,
    on_epoch: Callable[[Progress], None] | None = None,
) -> Progress:
    """Train a network; same seed and machine, same weights, also when the run was interrupted in between.

    Args:
        kind: the teacher and the audio student need sound in every bag.
        bags: with targets of one width.
        config: recipe.
        supervision: see Supervision.
        run: where to keep the state, and to go on from.
        accelerator: by default what make_accelerator gives.
        on_step: called after every step.
        on_epoch: called after every epoch, before its state is kept.

    Raises:
        DataError: a bag without sound where sound is needed.
        ConfigError: a recipe that drives the loss out of the numbers.
    """
    trainer = _Trainer(kind, bags, config, supervision, accelerator or make_accelerator())
    if run is not None:
        if trainer.accelerator.is_main_process:
            run.begin()
        trainer.resume(run)
    while trainer.num_epochs_done < config.optimizer.epochs:
        trainer.train_epoch(on_step)
        # Before the state is saved: a run killed in between does the epoch again, and none goes untold.
        if on_epoch is not None:
            on_epoch(trainer.progress())
        if run is not None and trainer.accelerator.is_main_process:
            trainer.save(run)
    return trainer.progress()


class _Trainer:
    """A network, its optimizer, and the best weights so far."""

    def __init__(
        self,
        kind: NetworkKind,
        bags: Sequence[Bag],
        config: TrainingConfig,
        supervision: Supervision,
        accelerator: Accelerator,
    ) -> None:
        self.config = config
        self.supervision = supervision
        self.accelerator = accelerator
        self.bags = [bin_bag(bag) for bag in bags]
        self.metrics: list[Metrics] = []
        _check_sound(kind, self.bags)
        torch.manual_seed(config.seed)
        visual_dim, audio_dim = feature_widths(self.bags)
        network = build_network(kind, config.network, visual_dim=visual_dim, audio_dim=audio_dim)
        _fit_projections(network, self.bags)
        self.objective = Objective(
            network,
            build_class_text(supervision.classes, config.network.embed_dim, supervision.text_encoder),
            num_classes=len(supervision.classes),
            loss=config.loss,
            distillation=config.distillation,
            precision=config.optimizer.precision,
        )
        optimizer = torch.optim.AdamW(
            self.objective.parameters(),
            lr=config.optimizer.learning_rate,
            weight_decay=config.optimizer.weight_decay,
            fused=True,  # parameter by parameter, AdamW takes a third of a step's time
        )
        self.wrapped, self.optimizer = accelerator.prepare(self.objective, optimizer)
        self.teacher = None if supervision.teacher is None else _on_device(supervision.teacher, accelerator.device)
        self.last = self.best = self._snapshot()

    @property
    def num_epochs_done(self) -> int:
        return len(self.metrics)

    def resume(self, run: RunFolder) -> None:
        """Go on where the folder's state ends, if it holds one."""
        saved = run.load_state()
        if saved is None:
            return
        self.objective.load_state_dict(saved.current)
        self.last = self._snapshot()
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": saved.optimizer})
        best = copy.deepcopy(self.last.network)
        best.load_state_dict(saved.best)
        self.best = TrainedNetwork(best, saved.best_class_features.to(self.accelerator.device))
        self.metrics = saved.metrics

    def save(self, run: RunFolder) -> None:
        """Write everything the next epoch needs."""
        run.save_state(
            SavedState(
                current=self.objective.state_dict(),
                best=self.best.network.state_dict(),
                best_class_features=self.best.class_features,
                optimizer=self.optimizer.state_dict()["state"],
                metrics=self.metrics,
            )
        )

    def train_epoch(self, on_step: Callable[[Step], None] | None) -> None:
        """One pass over the bags, then validation."""
        optimizer_config, epoch = self.config.optimizer, self.num_epochs_done + 1
        learning_rate = optimizer_config.learning_rate * DECAY ** sum(epoch > m for m in optimizer_config.milestones)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        # Drawn anew from seed and epoch, so that a resumed run needs no state of any random generator.
        shuffle = torch.Generator().manual_seed(_mix(self.config.seed, epoch))
        torch.manual_seed(_mix(self.config.seed, epoch, 1 + self.accelerator.process_index))
        self.wrapped.train()
        shares = list(self._shares(shuffle))
        sums = torch.zeros(len(Losses._fields))
        for number, share in enumerate(shares, start=1):
            losses = self._step(share)
            if not losses.total.isfinite():
                raise ConfigError(
                    f"the loss is {losses.total.item()} in epoch {epoch}, step {number}; needed a number: "
                    "lower `optimizer.learning_rate`, or the weights of the losses"
                )
            sums += torch.stack(losses).cpu()
            if on_step is not None:
                on_step(Step(epoch, number, len(shares), losses))
        means = dict(zip(Losses._fields, (sums / len(shares)).tolist(), strict=True))
        self.last = self._snapshot()
        if not all(tensor.isfinite().all() for tensor in (*self.last.network.parameters(), self.last.class_features)):
            raise ConfigError(
                f"the last step of epoch {epoch} left weights that are no numbers; needed numbers: "
                "lower `optimizer.learning_rate`"
            )
        average_precision = self._validate(self.last)
        previous = [line["validation_ap"] for line in self.metrics]
        if average_precision is None or all(average_precision > other for other in previous):
            self.best = self.last
        self.metrics.append(
            {"epoch": epoch, "learning_rate": learning_rate, **means, "validation_ap": average_precision}
        )

    def progress(self) -> Progress:
        """The last and the best network."""
        return Progress(self.last, self.best, list(self.metrics))

    def _snapshot(self) -> TrainedNetwork:
        """The network so far, as a copy that training no longer touches."""
        network = copy.deepcopy(self.objective.network)
        with torch.no_grad():
            class_features = self.objective.class_text().clone()
        return TrainedNetwork(network.eval().requires_grad_(False), class_features)

    def _shares(self, shuffle: torch.Generator) -> Iterator[Share]:
        order = torch.randperm(len(self.bags), generator=shuffle).tolist()
        size, rank, world = (
            self.config.optimizer.batch_size,
            self.accelerator.process_index,
            self.accelerator.num_processes,
        )
        for start in range(0, len(order), size):
            batch = [self.bags[index] for index in order[start : start + size]]
            yield take_share(batch, process=rank, num_processes=world)

    def _step(self, share: Share) -> Losses:
        """Descend by the whole batch, of which this process does its share; the losses of the whole batch."""
        network = self.objective.network
        batch = collate(share.bags, whole_windows=network.variant == "released").to(self.accelerator.device)
        taught = None if self.teacher is None else _teach(self.teacher, batch)
        losses: Losses = self.wrapped(batch, taught, share.weights)
        self.optimizer.zero_grad(set_to_none=True)
        self.accelerator.backward(losses.total)
        self.optimizer.step()
        return Losses(*self.accelerator.reduce(torch.stack(losses).detach(), reduction="mean"))

    def _validate(self, trained: TrainedNetwork) -> float | None:
        """Video-level AP on the held-out bags; None where they are all of one kind, or none."""
        validation = self.supervision.validation
        anomalous = [bag.is_anomalous for bag in validation]
        if len(set(anomalous)) < 2:
            return None
        return float(average_precision_score(anomalous, video_scores(trained, validation)))


def video_scores(trained: TrainedNetwork, bags: Sequence[Bag]) -> NDArray[np.float64]:
    """One score per video, the mean of its top-k snippets as in training, [N]."""
    scores = []
    for bag in bags:
        rows = torch.from_numpy(score_features(trained, bag.features).anomaly_scores)[None, :, None]
        scores.append(topk_mean(rows, torch.ones(rows.shape[:2], dtype=torch.bool)).item())
    return np.array(scores)


def _teach(teacher: TrainedNetwork, batch: Batch) -> Tensor | None:
    """X_av of the batch, [B, T, D]; None where no bag has sound."""
    if batch.bags.audio is None:
        return None
    with torch.no_grad():
        return teacher.network.encode(batch.bags).features


def _check_sound(kind: NetworkKind, bags: Sequence[Bag]) -> None:
    silent = [bag.name for bag in bags if not bag.held.has_usable_sound]
    if kind != "visual student" and silent:
        raise DataError(
            f"{len(silent)} of {len(bags)} training videos have no sound (the first is {silent[0]}), "
            f"the {kind} needs it in all; leave them out, or train a visual student"
        )


def _fit_projections(network: Network, bags: Sequence[Bag]) -> None:
    """Standardise projected features by the training bags' own statistics; CLIP's enter as they are, unread here."""
    if not any(isinstance(part, FeatureProjection) for part in network.modules()):
        return
    visual = torch.cat([torch.from_numpy(bag.features.visual[0]) for bag in bags])
    audio = [torch.from_numpy(bag.features.audio) for bag in bags if bag.features.audio is not None]
    network.encoder.fit_projections(visual, torch.cat(audio) if audio else None)


def _on_device(trained: TrainedNetwork, device: torch.device) -> TrainedNetwork:
    return TrainedNetwork(trained.network.to(device).eval(), trained.class_features.to(device))


def _mix(*numbers: int) -> int:
    """One seed from several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
