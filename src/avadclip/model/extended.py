"""The variant `extended`: a linear path beside the network, and a class map that is mixed from both branches."""

from collections.abc import Iterable, Iterator
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from avadclip.model.avadclip import AVadCLIP, Encoded
from avadclip.model.base import Bags, Outputs
from avadclip.model.heads import shared_class_logits
from avadclip.model.projection import FeatureProjection, fit_projection


class ExtendedAVadCLIP(AVadCLIP):
    """AVadCLIP that adds to what a linear probe makes of a snippet, and names classes by its alignment branch.

    The anomaly logit is the mean, over a snippet and its two neighbours, of a(X) + w_v . x_v + w_a . x_a + b, of the
    standardised features that came in: few recordings suffice for w, and the network need only learn what a linear
    layer misses. The classifier decides how anomalous a snippet is, and the alignment branch which class it is.
    """

    def __init__(self, *, visual_dim: int | None = None, audio_dim: int | None = None, **shape: Any) -> None:
        super().__init__(visual_dim=visual_dim, audio_dim=audio_dim, **shape)
        widths = {"visual": visual_dim, "audio": audio_dim}
        self.linear = nn.ModuleDict({name: _silent(width) for name, width in widths.items() if width is not None})

    def forward(self, visual: Tensor | None, audio: Tensor | None, mask: Tensor) -> Outputs:
        """See System."""
        return mixed(super().forward(visual, audio, mask))

    def score_windows(self, passes: Iterable[Bags]) -> Iterator[Outputs]:
        """See System."""
        yield from map(mixed, super().score_windows(passes))

    def fit_projections(self, visual: Tensor, audio: Tensor | None) -> None:
        """See System."""
        super().fit_projections(visual, audio)
        for name, rows in (("visual", visual), ("audio", audio)):
            if rows is not None and name in self.linear:
                fit_projection(self.linear[name], rows)

    def _encode(self, bags: Bags, active: Tensor) -> Encoded:
        encoded = super()._encode(bags, active)
        logits = [layer(getattr(bags, name)).squeeze(-1) for name, layer in self.linear.items()]
        return encoded._replace(anomaly_logits=smoothed(sum(logits, start=encoded.anomaly_logits), active))


def smoothed(logits: Tensor, active: Tensor) -> Tensor:
    """Mean of every snippet and its two neighbours, of those there are.

    Args:
        logits: [B, T]
        active: [B, T] bool, the snippets that count.

    Returns:
        [B, T], 0 where neither the snippet nor a neighbour is active.
    """
    counts = active.to(logits.dtype)
    sums, numbers = (functional.avg_pool1d(each, 3, stride=1, padding=1) for each in (logits * counts, counts))
    return sums / numbers.clamp(min=1 / 3)


def _silent(width: int) -> FeatureProjection:
    """A linear layer to one number, which begins as 0."""
    layer = FeatureProjection(width, 1)
    nn.init.zeros_(layer.linear.weight)
    nn.init.zeros_(layer.linear.bias)
    return layer


def mixed(outputs: Outputs) -> Outputs:
    """Class logits of p(normal) = 1 - A and p(c) = A q(c) / (1 - q(normal)), A the anomaly score, q the class map."""
    anomaly_logits, class_logits = outputs.anomaly_logits, outputs.class_logits
    assert class_logits is not None, "AVadCLIP predicts classes"
    shares = class_logits[..., 1:].log_softmax(dim=-1)
    return outputs._replace(class_logits=shared_class_logits(anomaly_logits, shares))
