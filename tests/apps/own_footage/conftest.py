from collections.abc import Callable, Sequence

import numpy as np
import pytest

from avadclip.data.bags import Bag
from avadclip.features.snippets import SnippetFeatures

MakeBags = Callable[..., list[Bag]]


@pytest.fixture
def make_bags() -> MakeBags:
    """Bags of random features, normal ones first."""

    def make(
        num_normal: int = 10,
        num_anomalous: int = 10,
        *,
        audible: Sequence[bool] | None = None,
        groups: Sequence[str] | None = None,
    ) -> list[Bag]:
        draw = np.random.default_rng(0)
        bags = []
        for index in range(num_normal + num_anomalous):
            is_anomalous = index >= num_normal
            has_sound = audible is not None and audible[index]
            visual = draw.normal(size=(3, 16)).astype(np.float32)
            audio = draw.normal(size=(3, 8)).astype(np.float32) if has_sound else None
            features = SnippetFeatures.from_arrays(
                visual, audio, visual_encoder="made up", audio_encoder="made up" if has_sound else None
            )
            group = f"recording {index}" if groups is None else groups[index]
            targets = np.array([not is_anomalous, is_anomalous], dtype=np.float32)
            bags.append(Bag(f"video {index}.mp4", group, features, targets))
        return bags

    return make
