"""Picture and sound on one scale before fusion, and the variant `extended`."""

import pytest
import torch
from torch import Tensor, nn

from avadclip.config import NetworkConfig
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


def test_the_extended_class_map_is_mixed_from_both_branches(tiny_network, random_bags) -> None:
    """The anomaly score is the classifier's; anomaly classes share it as in the class map."""
    some = random_bags([9])
    plain, extended = (tiny_network(variant=variant)(*some) for variant in ("paper", "extended"))
    torch.testing.assert_close(extended.anomaly_logits, plain.anomaly_logits)
    found, map_ = extended.class_logits.softmax(dim=-1), plain.class_logits.softmax(dim=-1)
    torch.testing.assert_close(1 - found[..., 0], plain.scores)
    torch.testing.assert_close(found[..., 1:] / plain.scores[..., None], map_[..., 1:] / (1 - map_[..., :1]))


def test_the_release_keeps_the_scales_of_its_features() -> None:
    paper, released = NetworkConfig(), NetworkConfig(variant="released")
    assert (paper.layer_norm, paper.adapter_residual) == (True, True)
    assert (released.layer_norm, released.adapter_residual) == (False, False)
