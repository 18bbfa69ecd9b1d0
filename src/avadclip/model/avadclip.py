"""AVadCLIP: encode picture and sound, fuse them, score every snippet, and align it with the class words.

Wu et al., "AVadCLIP: Audio-Visual Collaboration for Robust Video Anomaly Detection", arXiv 2504.04495. The teacher
reads both modalities; a student is the same network without one of them, and with an uncertainty head for distillation.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize

from avadclip.config import FusionKind
from avadclip.model.base import Bags, Batch, Losses, Outputs, TextSystem, class_names
from avadclip.model.class_text import PromptEncoder, build_class_text
from avadclip.model.encoder import AudioVisualEncoder, SingleModalityEncoder
from avadclip.model.fusion import FUSIONS, AdaptiveFusion
from avadclip.model.heads import AnomalyClassifier, EnhancementBlock, UncertaintyHead, alignment_map
from avadclip.model.objective import Objective
from avadclip.model.projection import build_projection
from avadclip.model.prompts import PROMPT_TOKENS, AudioVisualPrompt, PlainPrompt
from avadclip.model.temporal import AudioTcn, LocalGlobalAdapter

EMBED_DIM = 512  # D, the width of CLIP's joint space
BAGS_PER_GROUP = 8  # fewer leave less padding, but add up more gradients; 6, 8 and 12 are alike on a CPU

# Names in checkpoint files, which differ from those of the state dict.
STORED_NAMES = {"class_text.vectors": "class_features"}
OBJECTIVE = "objective."  # begins the names of what only training needs
UNCERTAINTY = "uncertainty."
RETIRED = ("uncertainty.first.", "uncertainty.second.", "uncertainty.third.")  # the head of 0.1.0


class Encoded(NamedTuple):
    """Intermediate results of a batch that do not depend on the class words."""

    features: Tensor
    """X_av of the teacher, X_vs or X_as of a student, [B, T, D]."""
    anomaly_logits: Tensor
    """Classification branch, [B, T]."""
    pooled: Tensor
    """A^T X_av, [B, D]; the sums of a video's windows add up to the video's."""
    log_variance: Tensor | None
    """Students: theta = ln sigma^2, [B, T, D]."""


class AVadCLIP(TextSystem):
    """The network of the paper, in its variant `paper`: padding takes no part anywhere.

    Args:
        visual_dim: width of the visual features; None builds the audio student.
        audio_dim: width of the audio features; None builds the visual student.
        classes: C names, `normal` first.
        text: CLIP's text encoder, whose prompts around the class words are learned; None learns class vectors.
        embed_dim: D. Features of this width enter as they are, others are standardised and projected.
        num_blocks: transformer blocks of the visual temporal model; the paper's visual student has 1.
        attention_window: snippets that attend to each other; the paper's visual student has 64.
        fusion: how sound joins the picture (Table 5).
        audio_visual_prompt: False: X_cp = X_c.
        enhancement_blocks: of a student; printed 1, released 3.
        input_dropout: share of projected input channels dropped in training.
        layer_norm: of picture and sound before they are fused, and of a student's features before its enhancement.
        adapter_residual: see LocalGlobalAdapter.
        objective: by default the one of the paper, without distillation.
    """

    name = "AVadCLIP"
    shares_batches = True
    prompt_tokens: ClassVar[int] = PROMPT_TOKENS
    prompt_class: ClassVar[type[AudioVisualPrompt]] = AudioVisualPrompt
    objective_class: ClassVar[type[Objective]] = Objective
    uncertainty_class: ClassVar[type[nn.Module]] = UncertaintyHead

    def __init__(
        self,
        *,
        visual_dim: int | None = None,
        audio_dim: int | None = None,
        classes: Sequence[str],
        text: PromptEncoder | None = None,
        embed_dim: int = EMBED_DIM,
        num_blocks: int = 2,
        attention_window: int = 4,
        fusion: FusionKind = "adaptive",
        audio_visual_prompt: bool = True,
        enhancement_blocks: int = 3,
        input_dropout: float = 0.0,
        layer_norm: bool = True,
        adapter_residual: bool = True,
        objective: Objective | None = None,
    ) -> None:
        super().__init__()
        if visual_dim is None and audio_dim is None:
            raise ValueError("neither visual_dim nor audio_dim is given; needed at least one")
        self.classes = class_names(classes)
        self.uses_visual, self.uses_audio = visual_dim is not None, audio_dim is not None
        self.has_uncertainty = not (self.uses_visual and self.uses_audio)

        def projection(feature_dim: int) -> nn.Module:
            return build_projection(feature_dim, embed_dim, dropout=input_dropout)

        def adapter() -> LocalGlobalAdapter:
            return LocalGlobalAdapter(
                embed_dim=embed_dim,
                num_blocks=num_blocks,
                attention_window=attention_window,
                residual=adapter_residual,
            )

        self.encoder: AudioVisualEncoder | SingleModalityEncoder
        if visual_dim is not None and audio_dim is not None:
            self.encoder = AudioVisualEncoder(
                visual_projection=projection(visual_dim),
                audio_projection=projection(audio_dim),
                visual_temporal=adapter(),
                audio_temporal=AudioTcn(embed_dim=embed_dim),
                fusion=FUSIONS[fusion](embed_dim),
                layer_norm=layer_norm,
            )
            if layer_norm and isinstance(self.encoder.fusion, AdaptiveFusion):
                self.encoder.fusion.start_from_sound()
        else:
            self.encoder = SingleModalityEncoder(
                reads_audio=self.uses_audio,
                projection=projection(visual_dim or audio_dim or 0),
                temporal=AudioTcn(embed_dim=embed_dim) if self.uses_audio else adapter(),
                enhancement=[EnhancementBlock(embed_dim) for _ in range(enhancement_blocks)],
                layer_norm=layer_norm,
            )
        self.classifier = AnomalyClassifier(embed_dim)
        self.prompt: AudioVisualPrompt | PlainPrompt
        self.prompt = self.prompt_class(embed_dim) if audio_visual_prompt else PlainPrompt()
        self.uncertainty = self.uncertainty_class(embed_dim) if self.has_uncertainty else None
        self.class_text = build_class_text(self.classes, embed_dim, text, prompt_tokens=self.prompt_tokens)
        self.objective = objective or self.objective_class(num_classes=len(self.classes))

    def forward(self, visual: Tensor | None, audio: Tensor | None, mask: Tensor) -> Outputs:
        """See System."""
        encoded = self.encode(Bags(visual, audio, mask))
        return self._align(encoded, encoded.pooled, self.class_text())

    def losses(self, batch: Batch) -> Losses:
        """See Objective."""
        # Weights under weight norm are the same for every group of bags.
        with self.objective.autocast(batch.targets.device), parametrize.cached():
            class_features = self.class_text()
            encoded = self.encode(batch.bags)
            outputs = self._align(encoded, encoded.pooled, class_features)
        losses: Losses = self.objective(outputs, class_features, batch)
        return losses

    def score_windows(self, passes: Iterable[Bags]) -> Iterator[Outputs]:
        """See System; the audio-visual prompt is pooled over the whole video."""
        class_features = self.class_text()
        # theta is no score, and of hours of video it would be as large as the features.
        encoded = [self.encode(windows)._replace(log_variance=None) for windows in passes]
        of_video = torch.cat([each.pooled for each in encoded]).sum(dim=0, keepdim=True)
        for each in encoded:
            yield self._align(each, of_video.expand_as(each.pooled), class_features)

    def fit_projections(self, visual: Tensor, audio: Tensor | None) -> None:
        """See System."""
        self.encoder.fit_projections(visual, audio)

    def tensors(self) -> dict[str, Tensor]:
        """See System; the objective's own parameters are needed for training only."""
        state = self.state_dict()
        return {STORED_NAMES.get(name, name): state[name] for name in state if not name.startswith(OBJECTIVE)}

    def drop_missing_parts(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See System; a student's uncertainty head is such a part."""
        own = {name for name in self.state_dict() if name.startswith(UNCERTAINTY)}
        if self.uncertainty is None or not own.isdisjoint(tensors):
            return dict(tensors)
        self.uncertainty, self.has_uncertainty = None, False
        note = f"no sigma^2 of the {self.name}: its file has no uncertainty head of this version; distil it again"
        self.notes = (note,)
        return {name: tensor for name, tensor in tensors.items() if not name.startswith(RETIRED)}

    def with_tensors(self, tensors: Mapping[str, Tensor]) -> Self:
        """See System."""
        own = {stored: name for name, stored in STORED_NAMES.items()}
        kept = {name: tensor for name, tensor in self.state_dict().items() if name.startswith(OBJECTIVE)}
        return super().with_tensors({**kept, **{own.get(name, name): tensor for name, tensor in tensors.items()}})

    def encode(self, bags: Bags) -> Encoded:
        """Encode a batch in groups of similar length: padding takes no part, and little time."""
        groups = length_groups(bags.mask)
        if len(groups) == 1:
            return self._encode(bags, bags.mask)
        parts = [bags.take(group) for group in groups]
        return _join([self._encode(part, part.mask) for part in parts], groups, bags.mask.shape[1])

    def _encode(self, bags: Bags, active: Tensor) -> Encoded:
        """`active`: [B, T] bool, the positions that take part."""
        projected, unenhanced, features = self.encoder(bags, active)
        anomaly_logits = self.classifier(features)
        pooled = self.prompt.pool(features, anomaly_logits, active)
        log_variance = None if self.uncertainty is None else self.uncertainty(projected, unenhanced, active)
        return Encoded(features, anomaly_logits, pooled, log_variance)

    def _align(self, encoded: Encoded, pooled: Tensor, class_features: Tensor) -> Outputs:
        """Outputs under pooled videos [B, D] and class features [C, D]."""
        class_logits = alignment_map(encoded.features, self.prompt(class_features, pooled))
        return Outputs(encoded.anomaly_logits, class_logits, encoded.features, encoded.log_variance)


def length_groups(mask: Tensor) -> list[Tensor]:
    """Split a batch into groups of about BAGS_PER_GROUP bags, shortest first.

    Args:
        mask: [B, T] bool

    Returns:
        Indices of the bags of each group. One group, in the order given, where all bags are of one length.
    """
    lengths = mask.sum(dim=1)
    num_groups = max(1, len(lengths) // BAGS_PER_GROUP)
    if num_groups == 1 or bool((lengths == lengths[0]).all()):
        return [torch.arange(len(lengths), device=mask.device)]
    return list(lengths.argsort(stable=True).tensor_split(num_groups))


def join_groups(parts: list[Tensor], groups: list[Tensor], length: int) -> Tensor:
    """Put results per group, [b, t, ..] each, back into one [B, length, ..]; zeros behind each part's t."""
    padded = [functional.pad(part, [0, 0] * (part.dim() - 2) + [0, length - part.shape[1]]) for part in parts]
    return torch.cat(padded).index_select(0, torch.cat(groups).argsort())


def _join(parts: list[Encoded], groups: list[Tensor], length: int) -> Encoded:
    """One batch again, [B, length, ..], in the order before grouping."""
    log_variances = [part.log_variance for part in parts if part.log_variance is not None]
    return Encoded(
        features=join_groups([part.features for part in parts], groups, length),
        anomaly_logits=join_groups([part.anomaly_logits for part in parts], groups, length),
        pooled=torch.cat([part.pooled for part in parts]).index_select(0, torch.cat(groups).argsort()),
        log_variance=join_groups(log_variances, groups, length) if log_variances else None,
    )
