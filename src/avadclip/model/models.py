"""The networks: an audio-visual teacher, and students that see or hear only."""

import copy
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from avadclip.config import FusionKind, NetworkConfig, OwnKind, TemporalConfig, Variant
from avadclip.model.fusion import AdaptiveFusion, AdditiveFusion, ConcatFusion, CrossAttentionFusion, NoFusion
from avadclip.model.grouping import join_groups, length_groups
from avadclip.model.heads import AnomalyClassifier, EnhancementBlock, UncertaintyHead, alignment_map
from avadclip.model.projection import build_projection, fit_projection
from avadclip.model.prompts import AudioVisualPrompt, PlainPrompt
from avadclip.model.temporal import AudioTcn, LocalGlobalAdapter

FUSIONS: dict[FusionKind, type[nn.Module]] = {
    "adaptive": AdaptiveFusion,
    "concat": ConcatFusion,
    "add": AdditiveFusion,
    "cross-attention": CrossAttentionFusion,
    "none": NoFusion,
}
CLASS_FEATURES = "class_features"  # beside the parameters of a network in a file


class Bags(NamedTuple):
    """Features of several bags or windows, padded to one length."""

    visual: Tensor | None
    """[B, T, Dv]; None for the audio student."""
    audio: Tensor | None
    """[B, T, Da]; None for the visual student."""
    valid: Tensor
    """[B, T] bool, True for real snippets."""

    def to(self, device: torch.device) -> "Bags":
        """The same bags on a device."""
        return self._each(lambda part: part.to(device))

    def take(self, indices: Tensor) -> "Bags":
        """The bags of these indices, padded to the longest of them."""
        longest = int(self.valid[indices].sum(dim=1).max())
        return self._each(lambda part: part[indices, :longest])

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Bags":
        visual = None if self.visual is None else change(self.visual)
        audio = None if self.audio is None else change(self.audio)
        return Bags(visual, audio, change(self.valid))


class Encoded(NamedTuple):
    """What a network makes of its bags before any class word is read."""

    features: Tensor
    """X_av of the teacher or its stand-in of a student, [B, T, D]."""
    anomaly_logits: Tensor
    """Classification branch, [B, T]."""
    pooled: Tensor
    """A^T X_av, [B, D]; sums of a video's windows add up to the video's."""
    log_variance: Tensor | None
    """Students: theta = ln sigma^2, [B, T, D]."""


class TeacherEncoder(nn.Module):
    """Picture and sound, each through its temporal model, then fused."""

    def __init__(
        self,
        *,
        visual_projection: nn.Module,
        audio_projection: nn.Module,
        visual_temporal: nn.Module,
        audio_temporal: nn.Module,
        fusion: nn.Module,
    ) -> None:
        super().__init__()
        self.visual_projection = visual_projection
        self.audio_projection = audio_projection
        self.visual_temporal = visual_temporal
        self.audio_temporal = audio_temporal
        self.fusion = fusion

    def fit_projections(self, visual: Tensor, audio: Tensor | None) -> None:
        """Standardise by training features, [N, Dv] and [N, Da]."""
        assert audio is not None, "a teacher is trained on bags with sound"
        fit_projection(self.visual_projection, visual)
        fit_projection(self.audio_projection, audio)

    def forward(self, bags: Bags, seen: Tensor) -> Tensor:
        """X_av, [B, T, D]; see Network.encode for `seen`."""
        visual = self.visual_temporal(self.visual_projection(bags.visual), bags.valid, seen)
        audio = self.audio_temporal(self.audio_projection(bags.audio), bags.valid, seen)
        fused: Tensor = self.fusion(visual, audio, seen)
        return fused


class StudentEncoder(nn.Module):
    """One side of the teacher, then enhancement blocks."""

    def __init__(
        self,
        *,
        modality: Literal["visual", "audio"],
        projection: nn.Module,
        temporal: nn.Module,
        enhancement: list[EnhancementBlock],
    ) -> None:
        super().__init__()
        self.modality = modality
        self.projection = projection
        self.temporal = temporal
        self.enhancement = nn.ModuleList(enhancement)

    def fit_projections(self, visual: Tensor, audio: Tensor | None) -> None:
        """Standardise by training features, [N, Dv] or [N, Da]."""
        rows = visual if self.modality == "visual" else audio
        assert rows is not None, "an audio student is trained on bags with sound"
        fit_projection(self.projection, rows)

    def forward(self, bags: Bags, seen: Tensor) -> Tensor:
        """X_vs or X_as, [B, T, D]; see Network.encode for `seen`."""
        features = bags.visual if self.modality == "visual" else bags.audio
        x: Tensor = self.temporal(self.projection(features), bags.valid, seen)
        for block in self.enhancement:
            x = block(x, seen)
        return x


class Network(nn.Module):
    """Teacher or student: an encoder of the features, then the two branches."""

    def __init__(
        self,
        *,
        encoder: TeacherEncoder | StudentEncoder,
        classifier: AnomalyClassifier,
        prompt: AudioVisualPrompt | PlainPrompt,
        uncertainty: UncertaintyHead | None,
        variant: Variant,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.classifier = classifier
        self.prompt = prompt
        self.uncertainty = uncertainty
        self.variant = variant
        """In `released`, padding takes part; its bags are always padded to 256 snippets."""

    def encode(self, bags: Bags) -> Encoded:
        """Features, anomaly logits and the pooled video of every bag or window.

        In the variant `paper` a batch is encoded in groups of like length: padding takes no part, nor time.
        """
        if self.variant == "released":
            return self._encode(bags, torch.ones_like(bags.valid))
        groups = length_groups(bags.valid)
        if len(groups) == 1:
            return self._encode(bags, bags.valid)
        taken = [bags.take(group) for group in groups]
        return _join([self._encode(group, group.valid) for group in taken], groups, bags.valid.shape[1])

    def _encode(self, bags: Bags, seen: Tensor) -> Encoded:
        """`seen`: [B, T] bool, what takes part."""
        features = self.encoder(bags, seen)
        anomaly_logits = self.classifier(features)
        pooled = self.prompt.pool(features, anomaly_logits, seen)
        log_variance = None if self.uncertainty is None else self.uncertainty(features, seen)
        return Encoded(features, anomaly_logits, pooled, log_variance)

    def align(self, features: Tensor, class_features: Tensor, pooled: Tensor) -> Tensor:
        """Alignment map of features [B, T, D] with class features [C, D] under pooled videos [B, D]: [B, T, C]."""
        return alignment_map(features, self.prompt(class_features, pooled))


class TrainedNetwork(NamedTuple):
    """A network ready to score, and the class features it was trained with."""

    network: Network
    class_features: Tensor
    """X_c, [C, D]."""

    @property
    def hears(self) -> bool:
        """Whether it needs sound."""
        encoder = self.network.encoder
        return not (isinstance(encoder, StudentEncoder) and encoder.modality == "visual")

    def to(self, device: torch.device) -> "TrainedNetwork":
        """On a device; its own network is moved."""
        return TrainedNetwork(self.network.to(device), self.class_features.to(device))

    def tensors(self) -> dict[str, Tensor]:
        """All that a file has to hold."""
        return {**self.network.state_dict(), CLASS_FEATURES: self.class_features}

    def with_tensors(self, tensors: Mapping[str, Tensor]) -> "TrainedNetwork":
        """A copy with the `tensors` of another one."""
        network = copy.deepcopy(self.network)
        network.load_state_dict({name: tensor for name, tensor in tensors.items() if name != CLASS_FEATURES})
        return TrainedNetwork(network, self.class_features.clone().copy_(tensors[CLASS_FEATURES]))


def build_network(kind: OwnKind, config: NetworkConfig, *, visual_dim: int, audio_dim: int) -> Network:
    """Build an untrained network for features of these widths.

    Features as wide as D enter as they are; others are standardised and projected (FeatureProjection).
    """
    dim = config.embed_dim
    encoder: TeacherEncoder | StudentEncoder
    if kind == "teacher":
        encoder = TeacherEncoder(
            visual_projection=_build_projection(visual_dim, config),
            audio_projection=_build_projection(audio_dim, config),
            visual_temporal=_build_adapter(dim, config.teacher_temporal),
            audio_temporal=AudioTcn(embed_dim=dim),
            fusion=FUSIONS[config.fusion](dim),
        )
    else:
        is_visual = kind == "visual student"
        encoder = StudentEncoder(
            modality="visual" if is_visual else "audio",
            projection=_build_projection(visual_dim if is_visual else audio_dim, config),
            temporal=_build_adapter(dim, config.student_temporal) if is_visual else AudioTcn(embed_dim=dim),
            enhancement=[EnhancementBlock(dim) for _ in range(config.enhancement_blocks)],
        )
    return Network(
        encoder=encoder,
        classifier=AnomalyClassifier(dim),
        prompt=AudioVisualPrompt(dim, variant=config.variant) if config.audio_visual_prompt else PlainPrompt(),
        uncertainty=None if kind == "teacher" else UncertaintyHead(dim),
        variant=config.variant,
    )


def _join(parts: list[Encoded], groups: list[Tensor], length: int) -> Encoded:
    """One batch again, [B, length, ..], in the order before grouping."""
    log_variances = [part.log_variance for part in parts if part.log_variance is not None]
    return Encoded(
        features=join_groups([part.features for part in parts], groups, length),
        anomaly_logits=join_groups([part.anomaly_logits for part in parts], groups, length),
        pooled=torch.cat([part.pooled for part in parts]).index_select(0, torch.cat(groups).argsort()),
        log_variance=join_groups(log_variances, groups, length) if log_variances else None,
    )


def _build_projection(feature_dim: int, config: NetworkConfig) -> nn.Module:
    return build_projection(feature_dim, config.embed_dim, dropout=config.input_dropout)


def _build_adapter(dim: int, config: TemporalConfig) -> LocalGlobalAdapter:
    return LocalGlobalAdapter(embed_dim=dim, num_blocks=config.num_blocks, attention_window=config.attention_window)
