"""The variant `extended`: the class map is mixed from both branches, and trained as in `paper`."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor
from torch.nn import functional

from avadclip.model.avadclip import AVadCLIP
from avadclip.model.base import Bags, Outputs


class ExtendedAVadCLIP(AVadCLIP):
    """AVadCLIP whose classifier decides how anomalous a snippet is, and whose alignment branch which class it is."""

    def forward(self, visual: Tensor | None, audio: Tensor | None, mask: Tensor) -> Outputs:
        """See System."""
        return mixed(super().forward(visual, audio, mask))

    def score_windows(self, passes: Iterable[Bags]) -> Iterator[Outputs]:
        """See System."""
        yield from map(mixed, super().score_windows(passes))


def mixed(outputs: Outputs) -> Outputs:
    """Class logits of p(normal) = 1 - A and p(c) = A q(c) / (1 - q(normal)), A the anomaly score, q the class map."""
    anomaly_logits, class_logits = outputs.anomaly_logits, outputs.class_logits
    assert class_logits is not None, "AVadCLIP predicts classes"
    shares = class_logits[..., 1:].log_softmax(dim=-1)
    normal = functional.logsigmoid(-anomaly_logits)[..., None]
    anomalies = functional.logsigmoid(anomaly_logits)[..., None] + shares
    return outputs._replace(class_logits=torch.cat([normal, anomalies], dim=-1))
