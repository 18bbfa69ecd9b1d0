"""Writes ucf_legacy_golden.npz: made-up scores of UCF-Crime's classes, and what its published mAP script makes of them.

python -m tests.evaluation.metrics.ucf_golden

Truth is what that script has: labels as the label file writes them, `A` for a normal video, looked up among the names
of its own list of classes, where normal is called `Normal`.
"""

from pathlib import Path

import numpy as np

from avadclip.evaluation.metrics.intervals import TruthInterval

from .plain_legacy import plain_map

UCF_GOLDEN = Path(__file__).with_name("ucf_legacy_golden.npz")
NAMES = (
    "Normal", "Abuse", "Arrest", "Arson", "Assault", "Burglary", "Explosion", "Fighting", "RoadAccidents", "Robbery",
    "Shooting", "Shoplifting", "Stealing", "Vandalism",
)  # fmt: skip
FRAMES = 16  # of a snippet


def main() -> None:
    random = np.random.default_rng(18)
    listed, annotations, scores, truth = [], [], [], []
    for number in range(40):
        length = int(random.integers(8, 30))
        curves = random.normal(size=(length, len(NAMES)))
        if number < 26:
            label = NAMES[1 + number % 13]
            name, folder = f"{label}{number:03}_x264", label
            times = sorted(
                int(time) for time in random.choice(length * FRAMES, size=2 + 2 * (number % 3 == 0), replace=False)
            )
            for start, end in zip(times[::2], times[1::2], strict=True):
                curves[start // FRAMES : end // FRAMES + 1, NAMES.index(label)] += 2.5
        else:
            label, name, folder, times = "A", f"Normal_Videos_{number:03}_x264", "Testing_Normal_Videos_Anomaly", []
            curves[1:, 0] += 2.0
        columns = [*map(str, times), *["-1"] * (4 - len(times))]
        annotations.append("  ".join([name, "Normal" if label == "A" else label, *columns]) + "  ")
        listed.append(f"{folder}/{name}.mp4")
        scores.append((np.exp(curves) / np.exp(curves).sum(axis=1, keepdims=True)).astype(np.float32))
        stretches = zip(times[::2], times[1::2], strict=True) if times else [(0, length * FRAMES)]
        truth.append([TruthInterval(NAMES.index(label), start, end) for start, end in stretches if label in NAMES])
    np.savez_compressed(
        UCF_GOLDEN,
        list=np.array(listed),
        annotations=np.array("\n".join(annotations) + "\n"),
        snippets=np.array([len(rows) for rows in scores]),
        scores=np.concatenate(scores),
        expected_percent=100 * np.array(plain_map(scores, truth, FRAMES)),
    )


if __name__ == "__main__":
    main()
