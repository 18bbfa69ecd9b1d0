"""What every comparison system is to the rest: a model and its objective in one module."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, NamedTuple, Self

from torch import Tensor, nn

from avadclip.config import Pairing
from avadclip.model.models import Bags, TrainedNetwork
from avadclip.model.prompts import PROMPT_TOKENS

Losses = dict[str, Tensor]
"""Scalars by name, each already weighted as it enters the sum."""


class Outputs(NamedTuple):
    """What a system says of every snippet; what it says of padding means nothing."""

    anomaly_logits: Tensor
    """[B, T]; their sigmoid is the anomaly score."""
    class_logits: Tensor | None = None
    """[B, T, C]; their softmax over classes, `normal` first, is the class map. None: it finds, but does not name."""


class System(nn.Module, ABC):
    """A model with its objective. Padding never changes the output of a real snippet, nor a loss."""

    hears: ClassVar[bool]
    """Whether it needs sound beside the picture."""
    pairing: ClassVar[Pairing] = "mixed"
    """`paired`: every batch holds as many normal bags as anomalous ones, the normal ones first."""
    learning_rate_shares: ClassVar[Mapping[str, float]] = {}
    """Factor on the recipe's learning rate of the parameters whose names start so; 1 for all others."""
    prompt_tokens: ClassVar[int] = PROMPT_TOKENS
    """Learned vectors before each class word, and as many after it, where it reads class words."""

    @abstractmethod
    def forward(self, bags: Bags) -> Outputs:
        """Score bags or windows, as in a test."""

    @abstractmethod
    def losses(self, bags: Bags, targets: Tensor) -> Losses:
        """The objective's parts on one batch, under the same names in every step; their sum is minimised.

        Args:
            bags: B bags, resampled to the recipe's number of snippets where it has one.
            targets: [B, C] in {0, 1}; a bag is anomalous if any class but 0 is set.
        """

    def fit_projections(self, visual: Tensor, audio: Tensor | None) -> None:
        """Standardise by training features, [N, Dv] and [N, Da]; told once, before training."""

    def begin_epoch(self, epoch: int, num_epochs: int) -> None:
        """Told before every epoch, from 1; a resumed run starts with the epoch that was not kept.

        Whatever must survive a resume is a parameter or a buffer. A system that learns in stages keeps what labels
        bags for the next one as a frozen submodule, copied here from what has learned: `losses` asks it about the
        bags at hand, which gives the labels that a pass over all of them would have given, and nothing to store.
        """

    def after_step(self) -> None:
        """Told after every step of the optimizer."""

    def frozen(self) -> Self:
        """A copy that training no longer touches, ready to score and with nothing in it that a checkpoint cannot hold.

        Its state dict has the names and shapes of that of a frozen copy of what build_system makes without class text.
        """
        return copy.deepcopy(self).eval().requires_grad_(False)

    def tensors(self) -> dict[str, Tensor]:
        """All that a file has to hold."""
        return self.state_dict()

    def with_tensors(self, tensors: Mapping[str, Tensor]) -> Self:
        """A copy with the `tensors` of another one."""
        system = copy.deepcopy(self)
        system.load_state_dict(tensors)
        return system


Trained = TrainedNetwork | System
"""What can score: a network of AVadCLIP or a frozen comparison system, in eval mode."""
