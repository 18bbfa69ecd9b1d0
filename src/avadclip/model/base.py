"""The contract of every network: features of bags in, outputs and named losses out.

The paper's own network and the compared systems are each a `System`. Training, scoring, evaluation and checkpoints know
nothing else about them.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, NamedTuple, Self

import torch
from torch import Tensor, nn

from avadclip.config import Pairing
from avadclip.events import Modality
from avadclip.model.class_text import FixedClassVectors

Losses = dict[str, Tensor]
"""Scalars by name, each already weighted as it enters the sum that is minimised; the same names in every step."""


class Bags(NamedTuple):
    """Features of several bags or windows, padded to one length; `system(*bags)` scores them."""

    visual: Tensor | None
    """[B, T, Dv]; None where no network reads it."""
    audio: Tensor | None
    """[B, T, Da]; None where no network reads it."""
    mask: Tensor
    """[B, T] bool, True for real snippets."""

    def to(self, device: torch.device) -> "Bags":
        """The same bags on a device."""
        return self._each(lambda part: part.to(device))

    def take(self, indices: Tensor) -> "Bags":
        """The bags of these indices, padded to the longest of them."""
        longest = int(self.mask[indices].sum(dim=1).max())
        return self._each(lambda part: part[indices, :longest])

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Bags":
        visual = None if self.visual is None else change(self.visual)
        audio = None if self.audio is None else change(self.audio)
        return Bags(visual, audio, change(self.mask))


class ShareWeights(NamedTuple):
    """Factors on one process's losses, so that their mean over all processes is the loss of the whole batch."""

    bags: float = 1.0
    """Of means over bags."""
    snippets_with_audio: float = 1.0
    """Of means over the snippets of bags with sound: the distillation."""


class Batch(NamedTuple):
    """Bags of one training step and their weak labels."""

    bags: Bags
    """Audio is zeros where a bag has none, and None where no bag has any."""
    targets: Tensor
    """[B, C] in {0, 1}; a bag is anomalous if any class but 0 is set."""
    has_audio: Tensor
    """[B] bool, True for bags with sound."""
    teacher_features: Tensor | None = None
    """X_av of the same bags, [B, T, D], for students that are distilled."""
    damaged: Tensor | None = None
    """[B, T] bool, True where a student sees a damaged picture and its teacher the clear one; None: nowhere."""
    weights: ShareWeights = ShareWeights()
    """Where the bags are one process's share of a batch."""

    def to(self, device: torch.device) -> "Batch":
        """The same batch on a device."""
        teacher, damaged = (None if each is None else each.to(device) for each in (self.teacher_features, self.damaged))
        return Batch(
            self.bags.to(device), self.targets.to(device), self.has_audio.to(device), teacher, damaged, self.weights
        )


class Outputs(NamedTuple):
    """Outputs for every snippet; values at padding have no meaning."""

    anomaly_logits: Tensor
    """[B, T]"""
    class_logits: Tensor | None = None
    """[B, T, C]; their softmax over classes, `normal` first, is the class map. None: a binary detector."""
    features: Tensor | None = None
    """The fused features X_av, or a student's X_vs or X_as, [B, T, D]; None from systems without such features."""
    log_variance: Tensor | None = None
    """theta = ln sigma^2 of a student's features, [B, T, D]."""

    @property
    def scores(self) -> Tensor:
        """Anomaly scores, [B, T], within [0, 1]."""
        return self.anomaly_logits.sigmoid()


class System(nn.Module, ABC):
    """A network with its objective. Padding never changes the output of a real snippet, nor a loss."""

    name: str = ""
    """As recipes and checkpoints name it, e.g. `teacher` or `hl-net`."""
    classes: tuple[str, ...] = ()
    """C names; the first is `normal`."""
    selection: str = "last"
    """How the weights were chosen: `last`, `validation` or `test`."""
    notes: tuple[str, ...] = ()
    """What a file of it lacks."""

    uses_visual: bool = True
    """Whether it reads visual features."""
    uses_audio: bool
    """Whether it reads audio features."""
    has_uncertainty: bool = False
    """Whether its outputs have a log_variance."""
    pads_to_window: bool = False
    """Whether bags and windows are always padded to 256 snippets."""
    shares_batches: ClassVar[bool] = False
    """Whether several processes can share a batch: its loss is a mean over bags, whatever their order."""
    pairing: ClassVar[Pairing] = "mixed"
    """`paired`: every batch holds as many normal bags as anomalous ones, the normal ones first."""
    learning_rate_shares: ClassVar[Mapping[str, float]] = {}
    """Factor on the recipe's learning rate of the parameters whose names start so; 1 for all others."""

    @property
    def modality(self) -> Modality:
        """What it reads."""
        if self.uses_visual and self.uses_audio:
            return "audio-visual"
        return "audio" if self.uses_audio else "visual"

    @abstractmethod
    def forward(self, visual: Tensor | None, audio: Tensor | None, mask: Tensor) -> Outputs:
        """Score bags or windows.

        Args:
            visual: [B, T, Dv]; ignored where `uses_visual` is False.
            audio: [B, T, Da]; ignored where `uses_audio` is False.
            mask: [B, T] bool, True for real snippets.
        """

    @abstractmethod
    def losses(self, batch: Batch) -> Losses:
        """The parts of the objective on one batch; their sum is minimised."""

    def score_windows(self, passes: Iterable[Bags]) -> Iterator[Outputs]:
        """Score the windows of one video, several at a time.

        Args:
            passes: windows in order; only the last window of the last pass is padded.
        """
        for windows in passes:
            yield self(*windows)

    def fit_projections(self, visual: Tensor, audio: Tensor | None) -> None:
        """Standardise inputs by training features, [N, Dv] and [N, Da]; called once, before training."""

    def begin_epoch(self, epoch: int, num_epochs: int) -> None:
        """Called before every epoch, from 1; a resumed run starts with the first unfinished epoch.

        Whatever must survive a resume is a parameter or a buffer. A system that learns in stages keeps the labeller of
        the next stage as a frozen submodule, copied here, and labels each batch with it in `losses`: the same labels
        as a pass over all bags would give, and nothing to store.
        """

    def after_step(self) -> None:
        """Called after every step of the optimizer."""

    def frozen(self) -> Self:
        """A copy for scoring that training no longer changes, without anything that a checkpoint cannot hold.

        Its state dict has the names and shapes of a frozen copy of the same system built without a text encoder.
        """
        return copy.deepcopy(self).eval().requires_grad_(False)

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a file has to hold of a frozen copy."""
        return self.state_dict()

    def drop_missing_parts(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Drop parts that a file lacks and scores do not need, with a note; returns the tensors of those that stay.

        Args:
            tensors: of a file, maybe of an earlier version, whose form of such a part counts as missing.
        """
        return dict(tensors)

    def with_tensors(self, tensors: Mapping[str, Tensor]) -> Self:
        """A copy of this frozen system with the `tensors` of another one."""
        system = copy.deepcopy(self)
        system.load_state_dict(tensors)
        return system


class TextSystem(System):
    """A system that compares snippets with class features X_c, which `class_text()` gives, [C, D]."""

    prompt_tokens: ClassVar[int]
    """Learned vectors before each class word, and as many after it, with a text encoder."""
    class_text: nn.Module

    @torch.no_grad()
    def frozen(self) -> Self:
        """See System; the class features are a constant in it."""
        # The memo entry stands for a copy: a frozen text tower need not be copied, nor can a checkpoint hold it.
        copied = copy.deepcopy(self, {id(self.class_text): FixedClassVectors(self.class_text().clone())})
        return copied.eval().requires_grad_(False)


def class_names(classes: Sequence[str]) -> tuple[str, ...]:
    """Class names as every system takes them; ValueError unless there are two or more, each once."""
    names = tuple(classes)
    if len(names) < 2 or len(set(names)) < len(names):
        raise ValueError(f"found the classes {', '.join(names) or 'none'}; needed two or more, each once, normal first")
    return names
