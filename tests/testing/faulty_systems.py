"""A sound system, and systems with one fault each; the module of a made-up package."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from avadclip import Batch, Outputs, System


class Sound(System):
    uses_audio = True

    def __init__(self, *, visual_dim: int, audio_dim: int) -> None:
        super().__init__()
        self.visual, self.audio = nn.Linear(visual_dim, 1), nn.Linear(audio_dim, 1)

    def logits(self, visual: Tensor, audio: Tensor, mask: Tensor) -> Tensor:
        return (self.visual(visual) + self.audio(audio)).squeeze(-1)

    def forward(self, visual: Tensor, audio: Tensor, mask: Tensor) -> Outputs:
        return Outputs(self.logits(visual, audio, mask))

    def pooled(self, batch: Batch) -> Tensor:
        mask = batch.bags.mask
        return (self.logits(*batch.bags) * mask).sum(dim=1) / mask.sum(dim=1)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        is_anomalous = batch.targets[:, 1:].amax(dim=1)
        return {"anomaly": functional.binary_cross_entropy_with_logits(self.pooled(batch), is_anomalous)}


class MeanOverPadding(Sound):
    def logits(self, visual, audio, mask):
        logits = super().logits(visual, audio, mask)
        return logits - logits.mean(dim=1, keepdim=True)


class MeanOverBags(Sound):
    def logits(self, visual, audio, mask):
        return super().logits(visual - visual[:, :1].mean(dim=0), audio, mask)


class PaddedLoss(Sound):
    def pooled(self, batch):
        return self.logits(*batch.bags).mean(dim=1)


class ColumnOfLogits(Sound):
    def forward(self, visual, audio, mask):
        return Outputs(self.logits(visual, audio, mask)[..., None])


class TooManyClasses(Sound):
    def forward(self, visual, audio, mask):
        logits = self.logits(visual, audio, mask)
        return Outputs(logits, logits[..., None].expand(-1, -1, 9))


class BareTensor(Sound):
    def forward(self, visual, audio, mask):
        return self.logits(visual, audio, mask)


class OneScore(Sound):
    def logits(self, visual, audio, mask):
        return 0.0 * super().logits(visual, audio, mask) + self.visual.bias


class Untrained(Sound):
    def __init__(self, *, visual_dim, audio_dim):
        super().__init__(visual_dim=visual_dim, audio_dim=audio_dim)
        self.forgotten = nn.Linear(2, 2)


class LossOfShortBags(Sound):
    def losses(self, batch):
        deviation = torch.stack(
            [row[mask].std() for row, mask in zip(self.logits(*batch.bags), batch.bags.mask, strict=True)]
        )
        return {**super().losses(batch), "spread": deviation.mean()}


class LossPerBag(Sound):
    def losses(self, batch):
        return {"anomaly": self.pooled(batch) ** 2}


class ChangingNames(Sound):
    def losses(self, batch):
        extra = {"long": self.pooled(batch).mean()} if batch.bags.mask.shape[1] > 1 else {}
        return {**super().losses(batch), **extra}


class Deaf(Sound):
    def logits(self, visual, audio, mask):
        return self.visual(visual).squeeze(-1)


class Eavesdropper(Sound):
    uses_audio = False


class SharedCopy(Sound):
    def frozen(self):
        return self


class Forgetful(Sound):
    """Its scores depend on a number that training changes and no checkpoint holds."""

    shift = 0.0

    def after_step(self):
        self.shift += 1.0

    def forward(self, visual, audio, mask):
        return Outputs(self.logits(visual, audio, mask) + self.shift)


class CountsSteps(Sound):
    """Its losses depend on a number that a resumed training starts anew."""

    steps = 0

    def after_step(self):
        self.steps += 1

    def losses(self, batch):
        return {name: loss * (1.0 + self.steps) ** 2 for name, loss in super().losses(batch).items()}


class NoAudioFlag(System):
    def forward(self, visual, audio, mask):
        return Outputs(visual.sum(dim=-1))


class OddArguments(Sound):
    def __init__(self, *, width):
        super().__init__(visual_dim=width, audio_dim=width)


not_a_class = 3
