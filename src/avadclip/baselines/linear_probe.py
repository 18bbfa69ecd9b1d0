"""The linear probe: one linear layer over both modalities of a snippet, a control beside every system."""

from torch import Tensor, nn

from avadclip.model.base import Batch, Losses, Outputs, System
from avadclip.model.losses import mean_logit_mil_loss
from avadclip.model.projection import FeatureProjection


class LinearProbe(System):
    """logit = w_v . x_v + w_a . x_a + b, of standardised features, under the mean of the top-k logits."""

    uses_audio = True

    def __init__(self, *, visual_dim: int, audio_dim: int) -> None:
        super().__init__()
        self.visual = FeatureProjection(visual_dim, 1)
        self.audio = FeatureProjection(audio_dim, 1)
        for projection in (self.visual, self.audio):
            nn.init.zeros_(projection.linear.weight)

    def fit_projections(self, visual: Tensor, audio: Tensor | None) -> None:
        """See System."""
        assert audio is not None, "an audio-visual network is trained on bags with sound"
        self.visual.fit(visual)
        self.audio.fit(audio)

    def forward(self, visual: Tensor | None, audio: Tensor | None, mask: Tensor) -> Outputs:
        """Score bags or windows, each snippet on its own."""
        del mask
        logits: Tensor = self.visual(visual) + self.audio(audio)
        return Outputs(logits.squeeze(-1))

    def losses(self, batch: Batch) -> Losses:
        """The MIL loss alone."""
        logits = self(*batch.bags).anomaly_logits
        return {"anomaly": mean_logit_mil_loss(logits, batch.bags.mask, batch.targets)}
