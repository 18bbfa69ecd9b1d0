"""Picture and sound on one scale before fusion, and the variant `extended`."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from avadclip.config import NetworkConfig
from avadclip.model.avadclip import AVadCLIP
from avadclip.model.base import Bags
from avadclip.model.encoder import AudioVisualEncoder
from avadclip.model.fusion import AdditiveFusion


class Scaled(nn.Module):
    """In the place of a temporal model: its output has this deviation."""

    def __init__(self, deviation: float) -> None:
        super().__init__()
        self.deviation = deviation

    def forward(self, x: Tensor, mask: Tensor, active: Tensor) -> Tensor:
        del mask, active
        return self.deviation * x


def encoder(*, layer_norm: bool, audio: float = 1.0) -> AudioVisualEncoder:
    return AudioVisualEncoder(
        visual_projection=nn.Identity(),
        audio_projection=nn.Identity(),
        visual_temporal=Scaled(5.0),
        audio_temporal=Scaled(audio),
        fusion=AdditiveFusion(16),
        layer_norm=layer_norm,
    )


def bags(num: int = 2) -> Bags:
    torch.manual_seed(0)
    visual, audio = torch.randn(2, num, 6, 16)
    return Bags(visual, audio, torch.ones(num, 6, dtype=torch.bool))


def test_neither_modality_drowns_the_other() -> None:
    some = bags()
    quiet, loud = (encoder(layer_norm=True, audio=audio)(some, some.mask).features for audio in (0.5, 10.0))
    torch.testing.assert_close(quiet, loud, atol=1e-3, rtol=1e-3)
    left_out = Bags(some.visual, torch.zeros_like(some.audio), some.mask)
    without = encoder(layer_norm=True)(left_out, some.mask).features
    assert (quiet - without).std() == pytest.approx(without.std().item(), rel=0.05)
    plain = encoder(layer_norm=False, audio=0.1)(some, some.mask).features
    torch.testing.assert_close(plain, 5.0 * some.visual + 0.1 * some.audio)


def without_linear_path(network: AVadCLIP) -> AVadCLIP:
    """Its weights at 0, as before training."""
    for parameter in network.linear.parameters():
        nn.init.zeros_(parameter)
    return network


def with_neighbours(logits: Tensor, lengths: Sequence[int]) -> Tensor:
    """By hand: the mean of what there is of a snippet and its two neighbours."""
    means = torch.zeros_like(logits)
    for row, length in enumerate(lengths):
        for place in range(length):
            means[row, place] = logits[row, max(place - 1, 0) : min(place + 2, length)].mean()
    return means


def test_the_extended_class_map_is_mixed_from_both_branches(tiny_network, random_bags) -> None:
    """The anomaly score is the classifier's over three snippets; anomaly classes share it as in the class map."""
    some = random_bags([9])
    plain, extended = tiny_network()(*some), without_linear_path(tiny_network(variant="extended"))(*some)
    torch.testing.assert_close(extended.anomaly_logits, with_neighbours(plain.anomaly_logits, [9]))
    found, map_ = extended.class_logits.softmax(dim=-1), plain.class_logits.softmax(dim=-1)
    torch.testing.assert_close(1 - found[..., 0], extended.scores)
    torch.testing.assert_close(found[..., 1:] / extended.scores[..., None], map_[..., 1:] / (1 - map_[..., :1]))


def test_the_extended_score_has_a_linear_path_of_each_modality(tiny_network, random_bags) -> None:
    lengths = [9, 5]
    some = random_bags(lengths)
    plain, extended = tiny_network(), without_linear_path(tiny_network(variant="extended"))
    expected = plain(*some).anomaly_logits
    for name, features in (("visual", some.visual), ("audio", some.audio)):
        rows = features[some.mask]
        layer = extended.linear[name]
        layer.fit(rows)
        nn.init.constant_(layer.linear.weight, 0.01)
        expected = expected + 0.01 * ((features - rows.mean(dim=0)) / rows.std(dim=0)).clamp(-5, 5).sum(dim=-1)
    found = extended(*some).anomaly_logits
    torch.testing.assert_close(found[some.mask], with_neighbours(expected, lengths)[some.mask])


def test_the_release_keeps_the_scales_of_its_features() -> None:
    paper, released = NetworkConfig(), NetworkConfig(variant="released")
    assert (paper.layer_norm, paper.adapter_residual) == (True, True)
    assert (released.layer_norm, released.adapter_residual) == (False, False)
