"""One training step written as published code writes it, and our batched step held against it.

The reference: every bag padded to 256 snippets and all layers run on the padding too, attention as a dense 256 x 256
matrix under a mask, similarities and the losses' top k made bag by bag in a Python loop, distances repeated for every
bag, and the text tower over all 77 positions. It reads the parameters of our modules, so that its gradients land beside
ours. `benchmarks/training_step.py` times both.
"""

import math
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from avadclip.encoders.clip import Clip, ClipConfig
from avadclip.encoders.clip_text import ClipTextEncoder
from avadclip.model.avadclip import BAGS_PER_GROUP, AVadCLIP, length_groups
from avadclip.model.base import Bags, Batch, Losses
from avadclip.model.class_text import PromptedClassText

PADDED = 256  # snippets
CLASS_TOKENS = {  # XD-Violence's class words, and how many tokens CLIP's tokenizer makes of each
    "normal": 1, "fighting": 1, "shooting": 1, "riot": 1, "abuse": 1, "car accident": 2, "explosion": 1,
}  # fmt: skip


class WordTokenizer:
    """In the place of CLIP's tokenizer, whose vocabulary is a download: any ids do, only their number matters."""

    def __init__(self, vocabulary: int) -> None:
        self.sos, self.eot = vocabulary - 2, vocabulary - 1

    def word_ids(self, phrase: str) -> list[int]:
        return [5 + len(phrase), 7][: CLASS_TOKENS[phrase]]


def build_teacher(clip: ClipConfig) -> AVadCLIP:
    """The teacher of the variant `paper` with prompts through a random frozen text tower, as training builds it."""
    text = ClipTextEncoder(Clip(clip).eval().requires_grad_(False), WordTokenizer(clip.vocabulary))
    dim = clip.embed_dim
    return AVadCLIP(visual_dim=dim, audio_dim=dim, classes=list(CLASS_TOKENS), text=text, embed_dim=dim)


def step_losses(network: AVadCLIP, batch: Batch) -> Losses:
    """Losses of one step, and their sum as `total`."""
    losses = network.losses(batch)
    return {"total": sum(losses.values()), **losses}


def random_batch(lengths: list[int], dim: int, *, longest: int, seed: int = 0) -> Batch:
    """Related snippets, so that cosines fall on both sides of the graph's threshold; zeros in padding."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.arange(longest) < torch.tensor(lengths)[:, None]
    common = torch.randn(len(lengths), 1, dim, generator=generator)
    visual, audio = (
        (common + torch.randn(len(lengths), longest, dim, generator=generator)) * mask[..., None] for _ in range(2)
    )
    classes = torch.randint(len(CLASS_TOKENS), (len(lengths),), generator=generator)
    targets = functional.one_hot(classes, len(CLASS_TOKENS)).float()
    return Batch(Bags(visual, audio, mask), targets, torch.ones(len(lengths), dtype=torch.bool))


def cut_to_longest(bags: Bags) -> Bags:
    """As data/bags.py pads them."""
    return bags.take(torch.arange(len(bags.mask)))


def padded_attention(block: nn.Module, x: Tensor, lengths: list[int]) -> Tensor:
    """Dense attention [256, 256] for every bag under a block-diagonal mask."""
    stretch = torch.arange(PADDED) // block.attention_window
    allowed = (stretch[:, None] == stretch[None, :]).repeat(len(lengths), 1, 1)
    for bag, length in enumerate(lengths):
        allowed[bag, :length, length:] = False
    query, key, value = block.query_key_value(block.norm_attention(x)).chunk(3, dim=-1)
    logits = query @ key.transpose(1, 2) / math.sqrt(x.shape[-1])
    mixed = logits.masked_fill(~allowed, -math.inf).softmax(dim=-1) @ value
    x = x + block.attention_out(mixed)
    return x + padded_mlp(block.feed_forward, block.norm_feed_forward(x))


def padded_mlp(layer: nn.Module, x: Tensor) -> Tensor:
    hidden = layer.expand(x)
    return layer.contract(hidden * torch.sigmoid(1.702 * hidden))


def looped_similarity(x: Tensor, lengths: list[int]) -> Tensor:
    """[B, 256, 256], each bag's corner filled in turn."""
    norms = x.norm(dim=-1, keepdim=True)
    cosine = x @ x.transpose(1, 2) / (norms @ norms.transpose(1, 2) + 1e-20)
    adjacency = torch.zeros_like(cosine)
    for bag, length in enumerate(lengths):
        related = functional.threshold(cosine[bag, :length, :length], 0.7, 0.0)
        adjacency[bag, :length, :length] = related.softmax(dim=-1)
    return adjacency


def padded_conv(conv: nn.Conv1d, x: Tensor) -> Tensor:
    return functional.conv1d(x.permute(0, 2, 1), conv.weight, conv.bias, padding=conv.padding).permute(0, 2, 1)


def padded_stream(stream: nn.Module, x: Tensor, adjacency: Tensor, mask: Tensor) -> Tensor:
    x = x * mask
    hidden = adjacency @ (x @ stream.first.weight) + padded_conv(stream.first.residual, x)
    hidden = hidden * torch.sigmoid(1.702 * hidden) * mask
    out = adjacency @ (hidden @ stream.second.weight) + hidden
    return out * torch.sigmoid(1.702 * out) * mask


def padded_adapter(adapter: nn.Module, x: Tensor, lengths: list[int], mask: Tensor) -> Tensor:
    x = x + adapter.position_embedding
    for block in adapter.blocks:
        x = padded_attention(block, x, lengths)
    index = torch.arange(PADDED, dtype=x.dtype)
    distance = torch.exp(-(index[:, None] - index[None, :]).abs() / math.e).repeat(len(lengths), 1, 1)
    similar = padded_stream(adapter.similarity_stream, x, looped_similarity(x, lengths), mask)
    near = padded_stream(adapter.distance_stream, x, distance, mask)
    return adapter.join(torch.cat([similar, near], dim=-1)) * mask


def standard(x: Tensor) -> Tensor:
    """Mean 0 and deviation 1 over the channels."""
    centred = x - x.mean(dim=-1, keepdim=True)
    return centred / (centred.square().mean(dim=-1, keepdim=True) + 1e-5).sqrt()


def padded_tcn(tcn: nn.Module, x: Tensor) -> Tensor:
    """Padded on both sides, the surplus at the end cut off again."""
    x = x.permute(0, 2, 1)
    for block in tcn.levels:
        hidden = x
        for conv in block.convs:
            reach = conv.dilation[0]
            out = functional.conv1d(hidden, conv.weight, conv.bias, padding=reach, dilation=reach)
            hidden = block.dropout(functional.relu(out[:, :, :-reach].contiguous()))
        x = functional.relu(x + hidden)
    return x.permute(0, 2, 1)


def text_over_all_positions(class_text: PromptedClassText, clip: Clip) -> Tensor:
    """X_c, [C, D], through all 77 positions."""
    table, rows, ends = class_text.prompts.table, [], []
    for word in class_text._words:
        end = 11 + len(word) + 10
        after = table[11 + len(word) : end]
        parts = [
            class_text.start_of_text[None],
            table[1:11],
            word,
            after,
            class_text.end_of_text[None],
            table[end + 1 :],
        ]
        rows.append(torch.cat(parts))
        ends.append(end)
    tower = clip.text_model
    tokens = tower.encoder(torch.stack(rows) + tower.embeddings.position_embedding.weight)
    return clip.text_projection(tower.final_layer_norm(tokens[torch.arange(len(rows)), ends]))


def looped_topk_mean(logits: Tensor, lengths: list[int]) -> Tensor:
    """[B, 256, C] to [B, C], bag by bag."""
    pooled = [
        torch.topk(logits[bag, :length], k=length // 16 + 1, dim=0).values.mean(dim=0)
        for bag, length in enumerate(lengths)
    ]
    return torch.stack(pooled)


class ReferenceLosses(NamedTuple):
    total: Tensor
    anomaly: Tensor
    alignment: Tensor
    text_separation: Tensor


def reference_losses(network: AVadCLIP, clip: Clip, batch: Batch) -> ReferenceLosses:
    """Losses of a batch whose bags are padded to 256."""
    bags = batch.bags
    lengths, mask = bags.mask.sum(dim=1).tolist(), bags.mask[..., None]
    encoder = network.encoder
    visual = standard(bags.visual * mask + padded_adapter(encoder.visual_temporal, bags.visual, lengths, mask))
    both = torch.cat([visual, standard(padded_tcn(encoder.audio_temporal, bags.audio))], dim=-1)
    fusion = encoder.fusion
    residual = fusion.residual_out(functional.gelu(fusion.residual_in(both)))
    features = visual + torch.sigmoid(fusion.gate(both)) * residual
    logits = network.classifier.classify(features + padded_mlp(network.classifier.feed_forward, features))

    class_features = text_over_all_positions(network.class_text, clip)
    repeated = class_features.repeat(len(lengths), 1, 1)
    video = functional.normalize((logits.sigmoid() * mask).transpose(1, 2) @ features, dim=-1)  # [B, 1, D]
    mixed = (repeated @ video.transpose(1, 2)).softmax(dim=1) @ video
    vectors = repeated + padded_mlp(network.prompt.feed_forward, repeated + mixed)
    unit = features / features.norm(dim=-1, keepdim=True).clamp(min=1e-12)
    alignment = unit @ functional.normalize(vectors, dim=-1).transpose(1, 2) / 0.07

    scores = looped_topk_mean(logits.sigmoid(), lengths).squeeze(1)
    anomaly = functional.binary_cross_entropy(scores, (batch.targets[:, 0] == 0).type_as(scores))
    log_p = looped_topk_mean(alignment, lengths).log_softmax(dim=-1)
    nce = -(batch.targets * log_p).sum(dim=1)
    focal = 0.25 * (1 - (batch.targets * log_p.exp()).sum(dim=1)) ** 2 * nce
    normalised = functional.normalize(class_features, dim=-1)
    text = (normalised[1:] @ normalised[0]).abs().mean()
    aligned = (nce.mean() + focal.mean()) / 2
    return ReferenceLosses(anomaly + aligned + 1e-4 * text, anomaly, aligned, 1e-4 * text)


@pytest.fixture
def teacher() -> AVadCLIP:
    torch.manual_seed(0)
    sizes = {"text_width": 32, "text_depth": 2, "text_heads": 2, "vocabulary": 60, "embed_dim": 32}
    vision = {"vision_width": 16, "vision_depth": 1, "vision_heads": 1, "image_size": 16}
    built = build_teacher(ClipConfig(**sizes, **vision))
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    # float64: in float32 a cosine within rounding of the graph's threshold falls on either side, form by form.
    built.double()
    built.objective.float()  # losses are taken in float32
    built.class_text._tower[0].double()  # no submodule
    return built.eval()  # dropout would draw another mask for every shape


MANY_LENGTHS = [40, 9, 33, 1, 26, 9, 18, 52, 31, 7, 60, 16, 15, 44, 3, 70, 12, 29]  # enough for several groups


@pytest.mark.parametrize("lengths", [[40, 9, 1, 26], [256, 17], [3], MANY_LENGTHS])
def test_a_step_has_the_losses_and_gradients_of_the_padded_loop_form(teacher: AVadCLIP, lengths: list[int]) -> None:
    batch = random_batch(lengths, 32, longest=PADDED)
    bags = batch.bags
    batch = batch._replace(bags=bags._replace(visual=bags.visual.double(), audio=bags.audio.double()))
    ours = step_losses(teacher, batch._replace(bags=cut_to_longest(batch.bags)))
    ours["total"].backward()
    gradients = {name: parameter.grad.clone() for name, parameter in teacher.named_parameters()}
    teacher.zero_grad()
    batch = batch._replace(targets=batch.targets.double())
    reference = reference_losses(teacher, teacher.class_text._tower[0], batch)
    reference.total.backward()
    assert len(length_groups(batch.bags.mask)) == max(1, len(lengths) // BAGS_PER_GROUP)
    for name in ReferenceLosses._fields:
        torch.testing.assert_close(ours[name], getattr(reference, name).float(), rtol=1e-5, atol=1e-6)
    for name, parameter in teacher.named_parameters():
        torch.testing.assert_close(gradients[name], parameter.grad, rtol=1e-4, atol=1e-7, msg=name)
