"""Train one network on bags with weak labels, alone or after a teacher."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score
from torch import Tensor

from avadclip.baselines.system import Trained
from avadclip.config import NetworkKind, TrainingConfig
from avadclip.data.bags import Bag, Batch, bin_bag, collate
from avadclip.encoders.clip_text import ClipTextEncoder
from avadclip.errors import ConfigError
from avadclip.inference.scoring import score_features
from avadclip.model.losses import topk_mean
from avadclip.model.models import TrainedNetwork
from avadclip.training.batches import Share, draw_batches, take_share
from avadclip.training.build import build_learner
from avadclip.training.learner import TOTAL, Learner, Losses
from avadclip.training.optimizer import build_optimizer, learning_rate, set_learning_rate
from avadclip.training.run_folder import RunFolder, SavedState

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


class TrainingProgress(NamedTuple):
    """What training has come to, after some epoch or at the end."""

    last: Trained
    best: Trained
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
    on_epoch: Callable[[TrainingProgress], None] | None = None,
) -> TrainingProgress:
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
        DataError: a bag without sound where sound is needed, or bags of one kind where both are.
        ConfigError: a recipe that cannot be followed, or drives the loss out of the numbers.
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
        self.bags = [bin_bag(bag, config.bags.max_snippets, stretch=config.bags.stretch) for bag in bags]
        self.metrics: list[Metrics] = []
        torch.manual_seed(config.seed)
        self.learner = build_learner(
            config, kind, self.bags, classes=supervision.classes, text_encoder=supervision.text_encoder
        )
        _check_steps(kind, self.learner, config, accelerator)
        optimizer = build_optimizer(self.learner, config.optimizer)
        self.wrapped, self.optimizer = accelerator.prepare(self.learner, optimizer)
        self.teacher = None if supervision.teacher is None else supervision.teacher.to(accelerator.device)
        self.last = self.best = self.learner.snapshot()

    @property
    def num_epochs_done(self) -> int:
        return len(self.metrics)

    def resume(self, run: RunFolder) -> None:
        """Go on where the folder's state ends, if it holds one."""
        saved = run.load_state()
        if saved is None:
            return
        try:
            self.learner.load_state_dict(saved.current)
            self.last = self.learner.snapshot()
            self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": saved.optimizer})
            self.best = self.last.with_tensors(saved.best)
        except (KeyError, RuntimeError) as error:
            raise ConfigError(
                f"{run.path} holds the state of another version of this network; choose another --out"
            ) from error
        self.metrics = saved.metrics

    def save(self, run: RunFolder) -> None:
        """Write everything the next epoch needs."""
        run.save_state(
            SavedState(
                current=self.learner.state_dict(),
                best=self.best.tensors(),
                optimizer=self.optimizer.state_dict()["state"],
                metrics=self.metrics,
            )
        )

    def train_epoch(self, on_step: Callable[[Step], None] | None) -> None:
        """One pass over the bags, then validation."""
        epoch = self.num_epochs_done + 1
        rate = learning_rate(self.config.optimizer, epoch)
        set_learning_rate(self.optimizer, rate)
        # Drawn anew from seed and epoch, so that a resumed run needs no state of any random generator.
        shuffle = torch.Generator().manual_seed(_mix(self.config.seed, epoch))
        torch.manual_seed(_mix(self.config.seed, epoch, 1 + self.accelerator.process_index))
        self.wrapped.train()
        self.learner.begin_epoch(epoch, self.config.optimizer.epochs)
        shares = self._shares(shuffle)
        sums: dict[str, Tensor] = {}
        for number, share in enumerate(shares, start=1):
            losses = self._step(share)
            if not losses[TOTAL].isfinite():
                raise ConfigError(
                    f"the loss is {losses[TOTAL].item()} in epoch {epoch}, step {number}; needed a number: "
                    "lower `optimizer.learning_rate`, or the weights of the losses"
                )
            sums = {name: sums.get(name, 0.0) + loss.cpu() for name, loss in losses.items()}
            if on_step is not None:
                on_step(Step(epoch, number, len(shares), losses))
        means = {name: (total / len(shares)).item() for name, total in sums.items()}
        self.last = self.learner.snapshot()
        if not all(tensor.isfinite().all() for tensor in self.last.tensors().values()):
            raise ConfigError(
                f"the last step of epoch {epoch} left weights that are no numbers; needed numbers: "
                "lower `optimizer.learning_rate`"
            )
        average_precision = self._validate(self.last)
        previous = [line["validation_ap"] for line in self.metrics]
        if average_precision is None or all(average_precision > other for other in previous):
            self.best = self.last
        self.metrics.append({"epoch": epoch, "learning_rate": rate, **means, "validation_ap": average_precision})

    def progress(self) -> TrainingProgress:
        """The last and the best network."""
        return TrainingProgress(self.last, self.best, list(self.metrics))

    def _shares(self, shuffle: torch.Generator) -> list[Share]:
        """What this process does of every step of an epoch."""
        optimizer, accelerator = self.config.optimizer, self.accelerator
        batches = draw_batches(
            self.bags,
            batch_size=optimizer.batch_size,
            num_steps=optimizer.steps_per_epoch,
            pairing=self.learner.pairing,
            shuffle=shuffle,
        )
        return [
            take_share(batch, process=accelerator.process_index, num_processes=accelerator.num_processes)
            for batch in batches
        ]

    def _step(self, share: Share) -> Losses:
        """Descend by the whole batch, of which this process does its share; the losses of the whole batch."""
        batch = collate(share.bags, whole_windows=self.learner.whole_windows).to(self.accelerator.device)
        taught = None if self.teacher is None else _teach(self.teacher, batch)
        losses: Losses = self.wrapped(batch, taught, share.weights)
        self.optimizer.zero_grad(set_to_none=True)
        self.accelerator.backward(losses[TOTAL])
        self.optimizer.step()
        self.learner.after_step()
        values = self.accelerator.reduce(torch.stack(list(losses.values())).detach(), reduction="mean")
        return dict(zip(losses, values, strict=True))

    def _validate(self, trained: Trained) -> float | None:
        """Video-level AP on the held-out bags; None where they are all of one kind, or none."""
        validation = self.supervision.validation
        anomalous = [bag.is_anomalous for bag in validation]
        if len(set(anomalous)) < 2:
            return None
        return float(average_precision_score(anomalous, video_scores(trained, validation)))


def video_scores(trained: Trained, bags: Sequence[Bag]) -> NDArray[np.float64]:
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


def _check_steps(kind: NetworkKind, learner: Learner, config: TrainingConfig, accelerator: Accelerator) -> None:
    if accelerator.num_processes > 1 and not learner.shares_batches:
        raise ConfigError(
            f"{kind} trains in one process, found {accelerator.num_processes}; leave out --devices and --nodes"
        )
    if learner.pairing == "paired" and config.optimizer.batch_size % 2:
        raise ConfigError(
            f"`optimizer.batch_size` is {config.optimizer.batch_size}, {kind} learns from pairs; needed an even number"
        )


def _mix(*numbers: int) -> int:
    """One seed from several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
