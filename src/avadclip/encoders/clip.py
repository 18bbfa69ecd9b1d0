"""CLIP (Radford et al., 2021), a joint 512-d space of images and text, as a small module.

Attributes are named so that the state dict has the tensor names of Hugging Face's checkpoints (where `pre_layrnorm` is
spelled so). Unlike transformers' CLIPModel, the text tower runs on embeddings, because prompts are learned vectors.
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from avadclip.encoders.frozen import FrozenModule


@dataclass(frozen=True)
class ClipConfig:
    """Sizes of both towers; the defaults are ViT-B/16."""

    vision_width: int = 768
    vision_depth: int = 12
    vision_heads: int = 12
    image_size: int = 224  # pixels a side
    patch_size: int = 16  # pixels a side
    text_width: int = 512
    text_depth: int = 12
    text_heads: int = 8
    num_positions: int = 77  # text tokens, SOS and EOT included
    vocabulary: int = 49_408  # the last two are SOS and EOT
    embed_dim: int = 512  # of the joint space


def _quick_gelu(x: Tensor) -> Tensor:
    """CLIP's approximation of GELU; the weights were trained with it, so the exact GELU would be wrong."""
    return x * torch.sigmoid(1.702 * x)


class Attention(nn.Module):
    """Multi-head self-attention with separate projections."""

    def __init__(self, *, width: int, heads: int, causal: bool) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor, num_tokens: int | None = None) -> Tensor:
        """x: [N, L, width]. Returns [N, L, width], or [N, num_tokens, width]: the first of them."""
        q, k, v = (
            projection(tokens).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # [N, heads, L, width / heads]
            for projection, tokens in ((self.q_proj, x[:, :num_tokens]), (self.k_proj, x), (self.v_proj, x))
        )
        mixed = scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return cast(Tensor, self.out_proj(mixed.transpose(1, 2).flatten(-2)))


class ClipFeedForward(nn.Module):
    """Two linear layers with a hidden layer four times as wide."""

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """x: [.., width]. Returns [.., width]."""
        return cast(Tensor, self.fc2(_quick_gelu(self.fc1(x))))


class ClipBlock(nn.Module):
    """Transformer block with pre-normalisation."""

    def __init__(self, *, width: int, heads: int, causal: bool) -> None:
        super().__init__()
        self.layer_norm1 = nn.LayerNorm(width)
        self.self_attn = Attention(width=width, heads=heads, causal=causal)
        self.layer_norm2 = nn.LayerNorm(width)
        self.mlp = ClipFeedForward(width=width)

    def forward(self, x: Tensor, num_tokens: int | None = None) -> Tensor:
        """x: [N, L, width]. Returns [N, L, width], or [N, num_tokens, width]: the first of them."""
        x = x[:, :num_tokens] + self.self_attn(self.layer_norm1(x), num_tokens)
        return cast(Tensor, x + self.mlp(self.layer_norm2(x)))


class Blocks(nn.Module):
    """A stack of blocks."""

    def __init__(self, *, depth: int, width: int, heads: int, causal: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(ClipBlock(width=width, heads=heads, causal=causal) for _ in range(depth))

    def forward(self, x: Tensor, num_tokens: int | None = None) -> Tensor:
        """x: [N, L, width]. Returns [N, L, width], or [N, num_tokens, width]: the first of them."""
        for layer in self.layers[:-1]:
            x = layer(x)
        return cast(Tensor, self.layers[-1](x, num_tokens))


class PatchEmbeddings(nn.Module):
    """Embedding of image patches, preceded by the class token."""

    def __init__(self, *, width: int, image_size: int, patch_size: int) -> None:
        super().__init__()
        self.class_embedding = nn.Parameter(torch.randn(width) * width**-0.5)
        self.patch_embedding = nn.Conv2d(3, width, kernel_size=patch_size, stride=patch_size, bias=False)
        self.position_embedding = nn.Embedding((image_size // patch_size) ** 2 + 1, width)

    def forward(self, pixels: Tensor) -> Tensor:
        """pixels: [N, 3, S, S], normalised. Returns [N, 1 + patches, width]."""
        patches = self.patch_embedding(pixels).flatten(2).transpose(1, 2)
        class_token = self.class_embedding.expand(len(pixels), 1, -1)
        return torch.cat([class_token, patches], dim=1) + self.position_embedding.weight


class TokenEmbeddings(nn.Module):
    """Token and position embeddings of the text tower."""

    def __init__(self, *, width: int, vocabulary: int, num_positions: int) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(vocabulary, width)
        self.position_embedding = nn.Embedding(num_positions, width)


class VisionTower(nn.Module):
    """Vision transformer: an image to one vector, before projection."""

    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        width = config.vision_width
        self.embeddings = PatchEmbeddings(width=width, image_size=config.image_size, patch_size=config.patch_size)
        self.pre_layrnorm = nn.LayerNorm(width)
        self.encoder = Blocks(depth=config.vision_depth, width=width, heads=config.vision_heads, causal=False)
        self.post_layernorm = nn.LayerNorm(width)

    def forward(self, pixels: Tensor, *, lean: bool = False) -> Tensor:
        """Image vectors, [N, width], read at the class token.

        Args:
            pixels: [N, 3, S, S], normalised.
            lean: skip the parts of the last block that the class token does not need, a fifteenth of the computation.
                Other product sizes round differently, so published features need the full computation.
        """
        tokens = self.encoder(self.pre_layrnorm(self.embeddings(pixels)), 1 if lean else None)
        return cast(Tensor, self.post_layernorm(tokens[:, 0]))


class TextTower(nn.Module):
    """Text transformer: token embeddings to one vector, before projection."""

    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        width = config.text_width
        self.embeddings = TokenEmbeddings(width=width, vocabulary=config.vocabulary, num_positions=config.num_positions)
        self.encoder = Blocks(depth=config.text_depth, width=width, heads=config.text_heads, causal=True)
        self.final_layer_norm = nn.LayerNorm(width)

    def forward(self, embeddings: Tensor, end_positions: Tensor) -> Tensor:
        """embeddings: [N, L, width]; end_positions: [N] int. Returns [N, width], read at the end positions."""
        # Attention is causal, so tokens after the last end position are never read and can be dropped.
        length = int(end_positions.max()) + 1
        x = self.encoder(embeddings[:, :length] + self.embeddings.position_embedding.weight[:length])
        at_end = x[torch.arange(len(x), device=x.device), end_positions]
        return cast(Tensor, self.final_layer_norm(at_end))


class Clip(FrozenModule):
    """Both towers and their projections into the joint space; features are not normalised."""

    title = "CLIP ViT-B/16 in Hugging Face's layout"
    ignored_suffixes = (".position_ids",)  # buffers of older checkpoints, only 0, 1, 2, ..

    def __init__(self, config: ClipConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or ClipConfig()
        self.vision_model = VisionTower(config)
        self.text_model = TextTower(config)
        self.visual_projection = nn.Linear(config.vision_width, config.embed_dim, bias=False)
        self.text_projection = nn.Linear(config.text_width, config.embed_dim, bias=False)
        self.logit_scale = nn.Parameter(torch.tensor(2.6592))  # ln(1 / 0.07), CLIP's starting value
        self.train(False)

    def encode_images(self, pixels: Tensor) -> Tensor:
        """pixels: [N, 3, S, S], normalised as in preprocess.py. Returns [N, embed_dim]."""
        return cast(Tensor, self.visual_projection(self.vision_model(pixels)))

    def token_embedding(self, ids: Tensor) -> Tensor:
        """Embeddings of tokens, without positions. ids: [..] int. Returns [.., text_width]."""
        return cast(Tensor, self.text_model.embeddings.token_embedding(ids))

    def encode_text_embeddings(self, embeddings: Tensor, end_positions: Tensor) -> Tensor:
        """Run the text tower on token embeddings, frozen or learned; gradients reach them.

        Args:
            embeddings: [N, L, text_width] without positions, which are added here; L is at most num_positions.
            end_positions: [N] int, position of EOT, where the feature is read. Later tokens have no effect.

        Returns:
            [N, embed_dim]
        """
        return cast(Tensor, self.text_projection(self.text_model(embeddings, end_positions)))
