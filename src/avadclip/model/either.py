"""The visual and the audio student side by side: an event is what either of them saw or heard."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from avadclip.model.base import Bags, Batch, Losses, Outputs, System
from avadclip.model.heads import shared_class_logits


class Apart(NamedTuple):
    """Outputs of both students for the same windows, joined and each by itself."""

    joined: Outputs
    visual: Outputs
    audio: Outputs


class BothStudents(System):
    """Two students of one file, which name the same classes; it has no weights of its own, and learns nothing.

    Args:
        visual: reads the picture.
        audio: reads the sound.
    """

    name = "both students"
    uses_audio = True

    def __init__(self, visual: System, audio: System) -> None:
        super().__init__()
        self.visual, self.audio = visual, audio
        self.classes = visual.classes
        self.pads_to_window = visual.pads_to_window or audio.pads_to_window
        self.eval()

    def forward(self, visual: Tensor | None, audio: Tensor | None, mask: Tensor) -> Outputs:
        """See System."""
        return join(self.visual(visual, audio, mask), self.audio(visual, audio, mask))

    def losses(self, batch: Batch) -> Losses:
        """NotImplementedError: each student is trained by itself."""
        raise NotImplementedError(f"{self.name} cannot be trained; train each of them")

    def score_windows(self, passes: Iterable[Bags]) -> Iterator[Outputs]:
        """See System."""
        return (each.joined for each in self.score_apart(passes))

    def score_apart(self, passes: Iterable[Bags]) -> Iterator[Apart]:
        """As score_windows, with what each student says; each runs once."""
        windows = list(passes)
        for seen, heard in zip(self.visual.score_windows(windows), self.audio.score_windows(windows), strict=True):
            yield Apart(join(seen, heard), seen, heard)

    def tensors(self) -> dict[str, Tensor]:
        """None: a file holds the students under their own names."""
        return {}


def join(seen: Outputs, heard: Outputs) -> Outputs:
    """Join two networks' outputs by a noisy-or: the chance that one of them or both are right.

    With the anomaly scores p_v and p_a, and each network's shares q of the anomaly classes, which sum to 1:

        p = 1 - (1 - p_v)(1 - p_a),  p(normal) = 1 - p,  p(c) = p (p_v q_v(c) + p_a q_a(c)) / (p_v + p_a)

    Args:
        seen, heard: of the same snippets, with class logits for the same classes.
    """
    visual, audio = seen.anomaly_logits, heard.anomaly_logits
    # The odds of p are e^v + e^a + e^(v + a).
    anomaly_logits = torch.stack([visual, audio, visual + audio]).logsumexp(dim=0)
    class_maps = [each.class_logits for each in (seen, heard) if each.class_logits is not None]
    weights = functional.logsigmoid(torch.stack([visual, audio])).log_softmax(dim=0)
    shares = torch.stack(class_maps)[..., 1:].log_softmax(dim=-1)
    joined = (weights[..., None] + shares).logsumexp(dim=0)
    return Outputs(anomaly_logits, shared_class_logits(anomaly_logits, joined))
