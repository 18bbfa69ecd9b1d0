"""What stored class features save: `python benchmarks/stored_text.py [threads]`. Weights are random, speed is not.

Class features do not depend on the video, so a checkpoint stores them. Published code runs the text tower again at
every call, over all 77 positions. Both ways score the same window here, in turns, and end at the same scores.
"""

import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from avadclip.encoders.clip import Clip
from avadclip.features.snippets import SnippetFeatures
from avadclip.inference.scoring import SnippetScores, score_features
from avadclip.model.avadclip import AVadCLIP
from avadclip.model.class_text import FixedClassVectors
from avadclip.model.prompts import CONTEXT_TOKENS, LearnedPrompts
from avadclip.timeline import WINDOW_SNIPPETS, SnippetGrid

ROUNDS = 20
WARM_UP_ROUNDS = 2  # not counted
# XD-Violence's class words, and how many tokens CLIP's tokenizer makes of each.
CLASS_TOKENS = {
    "normal": 1, "fighting": 1, "shooting": 1, "riot": 1, "abuse": 1, "car accident": 2, "explosion": 1,
}  # fmt: skip


class TextTowerEveryCall:
    """Learned prompts through CLIP's text tower, as if no class features were stored."""

    def __init__(self, clip: Clip) -> None:
        sos, eot = clip.config.vocabulary - 2, clip.config.vocabulary - 1
        self.clip = clip
        self.start_of_text, self.end_of_text = clip.token_embedding(torch.tensor([sos, eot]))
        # Which words these are does not change the work: any token ids do.
        self.words = [clip.token_embedding(torch.arange(1, 1 + num)) for num in CLASS_TOKENS.values()]
        self.prompts = LearnedPrompts(clip.config.text_width)

    def over_needed_positions(self) -> Tensor:
        """X_c, [C, D], from the positions up to the last EOT: causal attention never looks behind it."""
        return self.clip.encode_text_embeddings(*self.prompts(self.words, self.start_of_text, self.end_of_text))

    def over_all_positions(self) -> Tensor:
        """X_c, [C, D], from all 77 positions; our tower leaves out those behind the last EOT, hence its parts here."""
        short, end_positions = self.prompts(self.words, self.start_of_text, self.end_of_text)
        rest = self.prompts.table[short.shape[1] :].expand(len(short), -1, -1)
        tower = self.clip.text_model
        tokens = torch.cat([short, rest], dim=1) + tower.embeddings.position_embedding.weight
        at_end = tower.encoder(tokens)[torch.arange(len(tokens)), end_positions]
        features: Tensor = self.clip.text_projection(tower.final_layer_norm(at_end))
        return features


def median_and_range(ratios: np.ndarray) -> str:
    """`5.6 (5.2 to 5.9)`."""
    return f"{np.median(ratios):.2f} ({ratios.min():.2f} to {ratios.max():.2f})"


def limit_by_operations(network_positions: float, text_positions: int) -> float:
    """How much faster stored features could be if every multiplication took the same time.

    Counted in D x D matrix products per snippet or token, the only work that weighs.
    """
    blocks = 2 * 12  # two transformer blocks: 4 for attention, 8 for the MLP
    streams = 2 * (0.5 + 2.5 + 0.25) + 1  # two graph streams (kernel 5 in the residual), and their join
    tcn = 3 * 2 * 2  # three levels of two convolutions with kernel 2
    fusion, classifier = 2 + 2 + 1, 8
    of_network = network_positions * (blocks + streams + tcn + fusion + classifier)
    of_text = text_positions * 12 * 12  # 12 layers
    return (of_network + of_text) / of_network


@torch.inference_mode()
def main(threads: int) -> None:
    """Print the times and their ratios."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    network = AVadCLIP(visual_dim=512, audio_dim=512, classes=tuple(CLASS_TOKENS)).eval()
    text = TextTowerEveryCall(Clip())
    features = SnippetFeatures(
        visual=random.normal(size=(1, WINDOW_SNIPPETS, 512)).astype(np.float32),
        audio=random.normal(size=(WINDOW_SNIPPETS, 512)).astype(np.float32),
        duration_seconds=WINDOW_SNIPPETS * SnippetGrid().snippet_seconds,
        provenance=None,
    )
    stored = text.over_needed_positions()

    def score(class_features: Tensor) -> SnippetScores:
        network.class_text = FixedClassVectors(class_features)
        return score_features(network, features)

    ways: dict[str, Callable[[], SnippetScores]] = {
        "stored class features": lambda: score(stored),
        "text tower, all 77 positions": lambda: score(text.over_all_positions()),
        "text tower, needed positions": lambda: score(text.over_needed_positions()),
    }
    first, *others = (way() for way in ways.values())
    for other in others:
        np.testing.assert_allclose(other.class_probabilities, first.class_probabilities, atol=1e-4)

    seconds = np.empty((WARM_UP_ROUNDS + ROUNDS, len(ways)))
    for row in seconds:
        for column, way in enumerate(ways.values()):
            start = time.perf_counter()
            way()
            row[column] = time.perf_counter() - start
    seconds = seconds[WARM_UP_ROUNDS:]

    needed = 2 + 20 + max(CLASS_TOKENS.values())
    print(f"one window of {WINDOW_SNIPPETS} snippets, D = 512, {len(CLASS_TOKENS)} classes")
    print(f"threads: {threads}, {ROUNDS} rounds in turns; median (min to max)")
    for name, column in zip(ways, seconds.T, strict=True):
        print(f"{name}: {np.median(column) * 1e3:.0f} ms ({column.min() * 1e3:.0f} to {column.max() * 1e3:.0f})")
    for column, positions in ((1, CONTEXT_TOKENS), (2, needed)):
        limit = limit_by_operations(WINDOW_SNIPPETS, len(CLASS_TOKENS) * positions)
        ratio = median_and_range(seconds[:, column] / seconds[:, 0])
        print(f"stored is faster than {positions} positions by {ratio}; limit by operation counts {limit:.1f}")


if __name__ == "__main__":
    # On a machine that does other things too, several threads wait for each other and the ratios scatter.
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
