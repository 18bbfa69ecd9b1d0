"""Train one network on bags with weak labels, alone or after a teacher."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from numpy.typing import NDArray
from torch import Tensor, nn

from avadclip.config import TrainingConfig
from avadclip.data.bags import Bag, bin_bag, collate, damaged_snippets
from avadclip.data.damage import damage_stretch
from avadclip.errors import ConfigError
from avadclip.model.base import Batch, Losses, System
from avadclip.model.class_text import PromptEncoder
from avadclip.training.batches import Share, draw_batches, take_share
from avadclip.training.build import build_for_training
from avadclip.training.launch import meet
from avadclip.training.optimizer import build_optimizer, learning_rate, set_learning_rate
from avadclip.training.run_folder import RunFolder, SavedState
from avadclip.training.start import begin_from
from avadclip.training.teacher import TeacherFeatures
from avadclip.training.validation import Validation

TOTAL = "total"  # the sum of the losses, in metrics

Metrics = dict[str, Any]
"""One epoch: its number, mean losses, learning rate, validation AP (None without validation videos of both kinds).

Of a student with a teacher also `is_taught`, whether it learned from the teacher, and `lead_over_teacher`, its AP less
the teacher's over the validation videos with sound (None where these are not of both kinds). With a SelectionOnTest
`test_ap`, its score.
"""


class Step(NamedTuple):
    """Position in the training, for a progress bar."""

    epoch: int
    """From 1."""
    step: int
    """Within the epoch, from 1."""
    num_steps: int
    """Of one epoch."""
    losses: Losses


class SelectionOnTest(NamedTuple):
    """Choice of the best epoch by the test split, as published tables have it; for `avadclip reproduce` alone."""

    score: Callable[[System], float]
    """Of the network after an epoch; the highest is the best, whatever validation says."""
    puts_back: bool
    """Whether the weights of the best epoch replace those of a worse one; the optimizer's moments stay as they are."""


class TrainingProgress(NamedTuple):
    """The networks so far, after some epoch or at the end."""

    last: System
    best: System
    """Of the epoch with the highest validation AP, or by SelectionOnTest; `last` itself where that is the last
    one, or without validation."""
    metrics: list[Metrics]
    """A line for every epoch so far."""
    validation_scores: NDArray[np.float64] | None = None
    """Of `last`, one per validation video; None where they are all of one kind, or none."""


@dataclass(frozen=True)
class Supervision:
    """Inputs of training besides the bags: class names, text encoder, and for students a teacher."""

    classes: Sequence[str]
    """C names; the first is `normal`."""
    text: PromptEncoder | None = None
    """For prompts around the class words; without it class vectors are learned freely."""
    teacher: System | None = None
    """A student learns to reproduce its features, but not in epochs at whose start it is better on validation."""
    always_taught: bool = False
    """Whether a student learns from its teacher in those epochs too."""
    validation: Sequence[Bag] = field(default=())
    """Validation bags, normal and anomalous; the best epoch has the highest video-level AP on them."""
    on_test: SelectionOnTest | None = None
    start: System | None = None
    """A trained network of the same shape, whose weights training begins with; see training.start."""


def make_accelerator() -> Accelerator:
    """Device and processes, as Accelerate finds them."""
    meet()
    # By default Accelerate does not connect processes without an accelerator.
    on_cpu = not torch.accelerator.is_available()
    # Without distillation a student's uncertainty head takes no part in the loss.
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)
    # Precision is the objective's own: Accelerate allows one per process for good.
    return Accelerator(cpu=on_cpu, mixed_precision="no", kwargs_handlers=[unused])


def train_network(
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
        bags: with targets of one width; a network that uses audio needs sound in every bag.
        config: recipe; names the network.
        supervision: see Supervision.
        run: where to keep the state, and to go on from.
        accelerator: by default what make_accelerator gives.
        on_step: called after every step.
        on_epoch: called after every epoch, before its state is kept.

    Raises:
        DataError: a bag without sound where sound is needed, or bags of one kind where both are.
        ConfigError: a recipe that cannot be followed, or drives the loss out of the numbers.
    """
    trainer = _Trainer(bags, config, supervision, accelerator or make_accelerator())
    if run is not None:
        trainer.resume(run)
    is_done = trainer.num_epochs_done >= config.optimizer.epochs
    kept = run if trainer.accelerator.is_main_process and not is_done else None
    with nullcontext() if kept is None else kept.followed():
        while trainer.num_epochs_done < config.optimizer.epochs:
            trainer.train_epoch(on_step)
            # Before the state is saved: a run killed in between does the epoch again, and every epoch is reported.
            if on_epoch is not None:
                on_epoch(trainer.progress())
            if kept is not None:
                trainer.save(kept)
    return trainer.progress()


class _Trainer:
    """A network, its optimizer, and the best weights so far."""

    def __init__(
        self,
        bags: Sequence[Bag],
        config: TrainingConfig,
        supervision: Supervision,
        accelerator: Accelerator,
    ) -> None:
        self.config = config
        self.supervision = supervision
        self.accelerator = accelerator
        lengths = config.bags
        self.bags = [bin_bag(bag, lengths.max_snippets, stretch=lengths.stretch, how=lengths.long) for bag in bags]
        self.metrics: list[Metrics] = []
        self.validation = Validation(supervision.validation, supervision.teacher)
        torch.manual_seed(config.seed)
        self.system = build_for_training(config, self.bags, classes=supervision.classes, text=supervision.text)
        if supervision.start is not None:
            begin_from(self.system, supervision.start)
        _check_steps(self.system, config, accelerator)
        optimizer = build_optimizer(self.system, config.optimizer)
        self.step_losses, self.optimizer = accelerator.prepare(_StepLosses(self.system), optimizer)
        self.teacher = None
        if supervision.teacher is not None:
            self.teacher = TeacherFeatures(supervision.teacher.to(accelerator.device))
        self.last = self.best = self.system.frozen()

    @property
    def num_epochs_done(self) -> int:
        return len(self.metrics)

    @property
    def is_taught(self) -> bool:
        """Whether the next epoch learns from the teacher: not where the teacher is worse at the student's task."""
        if self.teacher is None:
            return False
        lead = self.metrics[-1]["lead_over_teacher"] if self.metrics else None
        return self.supervision.always_taught or lead is None or lead <= 0.0

    def resume(self, run: RunFolder) -> None:
        """Go on where the folder's state ends, if it holds one."""
        saved = run.load_state()
        if saved is None:
            return
        try:
            self.system.load_state_dict(saved.current)
            self.last = self.system.frozen()
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
                current=self.system.state_dict(),
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
        on_test = self.supervision.on_test
        puts_back = on_test is not None and on_test.puts_back
        before = {name: tensor.clone() for name, tensor in self.system.state_dict().items()} if puts_back else {}
        self.step_losses.train()
        self.system.begin_epoch(epoch, self.config.optimizer.epochs)
        shares, is_taught = self._shares(shuffle), self.is_taught
        sums: dict[str, Tensor] = {}
        for number, share in enumerate(shares, start=1):
            losses = self._step(share, epoch, is_taught=is_taught)
            if not losses[TOTAL].isfinite():
                raise ConfigError(
                    f"the loss is {losses[TOTAL].item()} in epoch {epoch}, step {number}; needed a number: "
                    "lower `optimizer.learning_rate`, or the weights of the losses"
                )
            sums = {name: sums.get(name, 0.0) + loss.cpu() for name, loss in losses.items()}
            if on_step is not None:
                on_step(Step(epoch, number, len(shares), losses))
        means = {name: (total / len(shares)).item() for name, total in sums.items()}
        self.last = self.system.frozen()
        if not all(tensor.isfinite().all() for tensor in self.last.tensors().values()):
            raise ConfigError(
                f"the last step of epoch {epoch} left weights that are no numbers; needed numbers: "
                "lower `optimizer.learning_rate`"
            )
        average_precision = self.validation.measure(self.last)
        line = {"epoch": epoch, "learning_rate": rate, **means, "validation_ap": average_precision}
        if on_test is not None:
            line["test_ap"] = on_test.score(self.last)
        decisive = "validation_ap" if on_test is None else "test_ap"
        if line[decisive] is None or all(line[decisive] > other[decisive] for other in self.metrics):
            self.best = self.last
        elif puts_back:
            self.system.load_state_dict(before)  # those of the best epoch: every worse one was undone
        if self.teacher is not None:
            line |= {"is_taught": is_taught, "lead_over_teacher": self.validation.lead_over_teacher()}
        self.metrics.append(line)

    def progress(self) -> TrainingProgress:
        """The last and the best network."""
        return TrainingProgress(self.last, self.best, list(self.metrics), self.validation.scores)

    def _shares(self, shuffle: torch.Generator) -> list[Share]:
        """The part of every step of an epoch that this process computes."""
        optimizer, accelerator = self.config.optimizer, self.accelerator
        batches = draw_batches(
            self.bags,
            batch_size=optimizer.batch_size,
            num_steps=optimizer.steps_per_epoch,
            pairing=self.system.pairing,
            shuffle=shuffle,
        )
        return [
            take_share(batch, process=accelerator.process_index, num_processes=accelerator.num_processes)
            for batch in batches
        ]

    def _damaged(self, bag: Bag, epoch: int) -> Bag:
        """The bag as a student sees it, with its clear copy; its teacher has the bag itself."""
        share = self.config.distillation.damaged_share
        if share == 0.0 or bag.clear is not None:
            return bag
        return damage_stretch(bag, share, seed=_mix(self.config.seed, epoch, crc32(bag.name.encode())))

    def _step(self, share: Share, epoch: int, *, is_taught: bool) -> Losses:
        """Descend by the whole batch, of which this process does its share; the losses of the whole batch."""
        bags = share.bags if self.teacher is None else [self._damaged(bag, epoch) for bag in share.bags]
        batch = collate(bags, pad_to_window=self.system.pads_to_window)._replace(weights=share.weights)
        if self.teacher is not None and is_taught:
            features = self.teacher.of(share.bags, batch.bags.mask.shape[1])
            # An audio student hears what its teacher hears.
            damaged = damaged_snippets(bags, batch.bags.mask.shape[1]) if self.system.uses_visual else None
            batch = batch._replace(teacher_features=features, damaged=damaged)
        losses: Losses = self.step_losses(batch.to(self.accelerator.device))
        self.optimizer.zero_grad(set_to_none=True)
        self.accelerator.backward(losses[TOTAL])
        self.optimizer.step()
        self.system.after_step()
        values = self.accelerator.reduce(torch.stack(list(losses.values())).detach(), reduction="mean")
        return dict(zip(losses, values, strict=True))


class _StepLosses(nn.Module):
    """`losses` of a system and their sum as a forward pass, which is what wrappers for several devices call."""

    def __init__(self, system: System) -> None:
        super().__init__()
        self.system = system

    def forward(self, batch: Batch) -> Losses:
        losses = self.system.losses(batch)
        return {TOTAL: sum(losses.values(), start=batch.targets.new_zeros(())), **losses}


def _check_steps(system: System, config: TrainingConfig, accelerator: Accelerator) -> None:
    kind = config.network_kind
    if accelerator.num_processes > 1 and not system.shares_batches:
        raise ConfigError(
            f"{kind} trains in one process, found {accelerator.num_processes}; leave out --devices and --nodes"
        )
    if system.pairing == "paired" and config.optimizer.batch_size % 2:
        raise ConfigError(
            f"`optimizer.batch_size` is {config.optimizer.batch_size}, {kind} learns from pairs; needed an even number"
        )


def _mix(*numbers: int) -> int:
    """One seed from several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
