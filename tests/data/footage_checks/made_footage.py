"""Collections of labelled videos as a user has them, made with and without a flaw."""

from collections.abc import Iterator

import numpy as np

from avadclip.data.footage_checks.videos import FileFacts, FootageVideo

SIZES = ((640, 360), (1280, 720), (1920, 1080), (352, 288))
FRAME_RATES = (15.0, 25.0, 29.97, 30.0)


def make_footage(seed: int, *, num_recordings: int = 60, mixed: bool = False) -> list[FootageVideo]:
    """Recordings of one camera each, one to eight videos long, whose files say nothing of what happens.

    Args:
        seed: of everything.
        num_recordings: one in ten for validation.
        mixed: whether anomalous and normal videos are cut from one recording.
    """
    return list(_draw(np.random.default_rng(seed), num_recordings, mixed=mixed))


def _draw(random: np.random.Generator, num_recordings: int, *, mixed: bool) -> Iterator[FootageVideo]:
    for number in range(num_recordings):
        width, height = SIZES[random.integers(len(SIZES))]
        rate_hz = FRAME_RATES[random.integers(len(FRAME_RATES))]
        has_sound = bool(random.random() < 0.5)
        bits = random.lognormal(14, 0.7)
        is_anomalous = bool(random.random() < 0.5)
        for part in range(random.integers(1, 9)):
            is_anomalous = bool(random.random() < 0.5) if mixed else is_anomalous
            facts = FileFacts(
                random.lognormal(3, 0.8), has_sound, width, height, rate_hz, bits * random.lognormal(0, 0.2)
            )
            labels = ("fighting",) if is_anomalous else ("normal",)
            split = "validation" if number % 10 == 0 else "train"
            yield FootageVideo(f"{number}/{part}", str(number), split, labels, facts, has_sound)
