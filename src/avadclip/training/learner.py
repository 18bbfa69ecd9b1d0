"""What the training loop trains: a model with its objective, AVadCLIP's own or a comparison system."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

from avadclip.baselines.system import System, Trained
from avadclip.config import Pairing
from avadclip.data.bags import Batch
from avadclip.training.batches import Weights

WHOLE_BATCH = Weights()
TOTAL = "total"

Losses = dict[str, Tensor]
"""The parts of one step's loss by name, each a scalar, the same names in every step; `total` is what is minimised."""


class Learner(nn.Module, ABC):
    """One module, so that whatever wraps modules for several devices sees all that is trained."""

    shares_batches: ClassVar[bool]
    """Whether several processes can do a batch together: its loss is a mean over bags, whatever their order."""
    whole_windows: bool = False
    """Whether bags are padded to 256 snippets."""
    pairing: Pairing = "mixed"
    """See System."""
    learning_rate_shares: Mapping[str, float] = {}
    """See System; names here are those of this module's parameters."""

    @abstractmethod
    def forward(self, batch: Batch, teacher_features: Tensor | None = None, weights: Weights = WHOLE_BATCH) -> Losses:
        """Losses of one batch.

        Args:
            batch: B bags.
            teacher_features: X_av of the same bags, [B, T, D]; for students of AVadCLIP.
            weights: of each part, where the bags are one process's share of a batch.
        """

    @abstractmethod
    def snapshot(self) -> Trained:
        """The model so far, as a copy that training no longer touches."""

    def begin_epoch(self, epoch: int, num_epochs: int) -> None:
        """Told before every epoch, from 1."""

    def after_step(self) -> None:
        """Told after every step of the optimizer."""


class SystemLearner(Learner):
    """A comparison system, which brings its objective along."""

    shares_batches = False

    def __init__(self, system: System) -> None:
        super().__init__()
        self.system = system
        self.pairing = system.pairing
        self.learning_rate_shares = {f"system.{name}": share for name, share in system.learning_rate_shares.items()}

    def forward(self, batch: Batch, teacher_features: Tensor | None = None, weights: Weights = WHOLE_BATCH) -> Losses:
        """The system's own losses, and their sum."""
        del teacher_features, weights  # without a teacher, and in one process
        losses = self.system.losses(batch.bags, batch.targets)
        return {TOTAL: sum(losses.values(), start=batch.targets.new_zeros(())), **losses}

    def snapshot(self) -> System:
        """A frozen copy."""
        return self.system.frozen()

    def begin_epoch(self, epoch: int, num_epochs: int) -> None:
        """Passed on."""
        self.system.begin_epoch(epoch, num_epochs)

    def after_step(self) -> None:
        """Passed on."""
        self.system.after_step()
