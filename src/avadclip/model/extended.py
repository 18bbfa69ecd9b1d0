"""The variant `extended`: what goes beyond the printed method.

The teacher has one more branch, which hears the sound alone and learns by a MIL loss of its own: an event that is only
audible is not left to a picture that shows nothing. Its logit and the classifier's are averaged. The class map is mixed
from both branches of the method.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from avadclip.model.avadclip import AVadCLIP, Encoded
from avadclip.model.base import Batch, Losses, Outputs
from avadclip.model.heads import AnomalyClassifier
from avadclip.model.losses import anomaly_mil_loss


class ExtendedAVadCLIP(AVadCLIP):
    """AVadCLIP with a branch for sound; see AVadCLIP for the arguments."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        is_teacher = self.uses_visual and self.uses_audio
        self.sound_classifier = AnomalyClassifier(self.classifier.classify.in_features) if is_teacher else None

    def _sound_logits(self, audio: Tensor | None) -> Tensor | None:
        return None if self.sound_classifier is None else self.sound_classifier(audio)

    def _losses(self, encoded: Encoded, outputs: Outputs, class_features: Tensor, batch: Batch) -> Losses:
        losses = super()._losses(encoded, outputs, class_features, batch)
        if encoded.sound_logits is None:
            return losses
        own = anomaly_mil_loss(encoded.sound_logits.float(), batch.bags.mask, batch.targets)
        return {**losses, "sound_anomaly": batch.weights.bags * own}

    def _score(self, encoded: Encoded, pooled: Tensor, class_features: Tensor) -> Outputs:
        outputs = super()._score(encoded, pooled, class_features)
        if encoded.sound_logits is not None:
            outputs = outputs._replace(anomaly_logits=(outputs.anomaly_logits + encoded.sound_logits) / 2)
        return mixed(outputs)


def mixed(outputs: Outputs) -> Outputs:
    """Class logits of p(normal) = 1 - A and p(c) = A q(c) / (1 - q(normal)), A the anomaly score, q the class map."""
    anomaly_logits, class_logits = outputs.anomaly_logits, outputs.class_logits
    assert class_logits is not None, "AVadCLIP predicts classes"
    shares = class_logits[..., 1:].log_softmax(dim=-1)
    normal = functional.logsigmoid(-anomaly_logits)[..., None]
    anomalies = functional.logsigmoid(anomaly_logits)[..., None] + shares
    return outputs._replace(class_logits=torch.cat([normal, anomalies], dim=-1))
