"""From the features of one or both modalities to fused features: the teacher's encoder and a student's."""

from typing import NamedTuple

from torch import Tensor, nn

from avadclip.model.base import Bags
from avadclip.model.heads import EnhancementBlock, normalised
from avadclip.model.projection import fit_projection


class EncoderOutputs(NamedTuple):
    """Features of a batch of bags; a student's uncertainty head reads the first two."""

    projected: Tensor
    """Those that enter the temporal model, of the picture where both are read, [B, T, D]."""
    unenhanced: Tensor
    """Before a student's enhancement blocks, [B, T, D]."""
    features: Tensor
    """X_av, or a student's X_vs or X_as, [B, T, D]."""


class AudioVisualEncoder(nn.Module):
    """The teacher's encoder: picture and sound, each through its temporal model, then fused."""

    def __init__(
        self,
        *,
        visual_projection: nn.Module,
        audio_projection: nn.Module,
        visual_temporal: nn.Module,
        audio_temporal: nn.Module,
        fusion: nn.Module,
        layer_norm: bool,
    ) -> None:
        super().__init__()
        self.layer_norm = layer_norm
        self.visual_projection = visual_projection
        self.audio_projection = audio_projection
        self.visual_temporal = visual_temporal
        self.audio_temporal = audio_temporal
        self.fusion = fusion

    def fit_projections(self, visual: Tensor, audio: Tensor | None) -> None:
        """Standardise by training features, [N, Dv] and [N, Da]."""
        assert audio is not None, "an audio-visual network is trained on bags with sound"
        fit_projection(self.visual_projection, visual)
        fit_projection(self.audio_projection, audio)

    def forward(self, bags: Bags, active: Tensor) -> EncoderOutputs:
        """See AVadCLIP.encode for `active`; nothing enhances X_av."""
        projected = self.visual_projection(bags.visual)
        visual = self.visual_temporal(projected, bags.mask, active)
        audio = self.audio_temporal(self.audio_projection(bags.audio), bags.mask, active)
        if self.layer_norm:
            visual, audio = normalised(visual), normalised(audio)
        fused: Tensor = self.fusion(visual, audio, active)
        return EncoderOutputs(projected, fused, fused)


class SingleModalityEncoder(nn.Module):
    """A student's encoder: one side of the teacher, then enhancement blocks."""

    def __init__(
        self,
        *,
        reads_audio: bool,
        projection: nn.Module,
        temporal: nn.Module,
        enhancement: list[EnhancementBlock],
        layer_norm: bool,
    ) -> None:
        super().__init__()
        self.layer_norm = layer_norm
        self.reads_audio = reads_audio
        self.projection = projection
        self.temporal = temporal
        self.enhancement = nn.ModuleList(enhancement)

    def fit_projections(self, visual: Tensor, audio: Tensor | None) -> None:
        """Standardise by training features, [N, Dv] or [N, Da]."""
        rows = audio if self.reads_audio else visual
        assert rows is not None, "an audio network is trained on bags with sound"
        fit_projection(self.projection, rows)

    def forward(self, bags: Bags, active: Tensor) -> EncoderOutputs:
        """See AVadCLIP.encode for `active`."""
        features = bags.audio if self.reads_audio else bags.visual
        projected = self.projection(features)
        unenhanced: Tensor = self.temporal(projected, bags.mask, active)
        if self.layer_norm:
            unenhanced = normalised(unenhanced)
        x = unenhanced
        for block in self.enhancement:
            x = block(x, active)
        return EncoderOutputs(projected, unenhanced, x)
