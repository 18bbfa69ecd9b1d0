import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import avadclip.features.skip_still
from avadclip.encoders.base import Encoders
from avadclip.encoders.lite import CHANNELS, IMAGE_SIZE, LiteVisualEncoder
from avadclip.features.batch import extract_to_folder
from avadclip.features.extract import extract_features
from avadclip.features.skip_still import (
    CALIBRATION_EVERY,
    CALIBRATION_SNIPPETS,
    LARGEST_DIFFERENCE,
    REFRESH_SECONDS,
    SkipStill,
    StillBound,
    cell_luma,
    luma_difference,
)
from avadclip.features.store import read_features

HEIGHT, WIDTH = 96, 128
NUM_REUSED = 3
SECONDS = 2 / 3


class Patches:
    """Mean brightness of 6 x 8 patches of a frame. See base.VisualEncoder."""

    name = "patches"
    dim = 48
    frame_offsets: tuple[int, ...] = (0,)
    frame_size: tuple[int, int] | None = (HEIGHT, WIDTH)
    num_crops = 1
    snippets_per_batch = 4

    def __init__(self) -> None:
        self.calls: list[int] = []

    def prepare(self, frame: np.ndarray) -> np.ndarray:
        return frame

    def encode(self, frames: list) -> np.ndarray:
        self.calls.append(len(frames))
        patches = np.stack(frames).reshape(len(frames), 6, HEIGHT // 6, 8, WIDTH // 8, 3)
        return patches.mean(axis=(2, 4, 5)).reshape(1, len(frames), self.dim).astype(np.float32)

    def identity(self) -> dict:
        return {"name": self.name, "version": 1}


def draw_scene(seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    scene = np.full((HEIGHT, WIDTH, 3), 120.0)
    for _ in range(25):
        top, left = random.integers(0, HEIGHT - 12), random.integers(0, WIDTH - 12)
        scene[top : top + 24, left : left + 24] = random.uniform(30, 220)
    return scene


def shown(scenes: Iterable[np.ndarray], *, noise: float = 4.0, flicker: float = 0.01) -> Iterator[np.ndarray]:
    """Scenes as a camera shows them."""
    random = np.random.default_rng(1)
    for scene in scenes:
        seen = scene * (1 + random.normal(0, flicker)) + random.normal(0, noise, scene.shape)
        yield seen.clip(0, 255).astype(np.uint8)


def is_encoded(skipping: SkipStill, frame: np.ndarray) -> bool:
    before = skipping.num_encoded
    skipping.encode([skipping.prepare(frame)])
    return skipping.num_encoded > before


def test_noise_and_flicker_trigger_nothing() -> None:
    skipping = SkipStill(Patches(), SECONDS)
    encoded = [is_encoded(skipping, frame) for frame in shown([draw_scene()] * 400)]
    assert all(encoded[:CALIBRATION_SNIPPETS])
    refreshes = 384 * SECONDS / REFRESH_SECONDS
    assert refreshes - 1 <= sum(encoded[CALIBRATION_SNIPPETS:]) <= refreshes + 8  # some noise is more than any before
    assert skipping.encoded_share == pytest.approx(sum(encoded) / 400)


@pytest.mark.parametrize("size", [(10, 6), (12, 12), (80, 40)])  # from half a percent of the picture
@pytest.mark.parametrize("place", [(3, 5), (10, 61), (13, 80)])
def test_a_person_who_enters_a_still_scene_is_encoded_at_once(size: tuple[int, int], place: tuple[int, int]) -> None:
    empty = draw_scene()
    entered = empty.copy()
    part = entered[place[0] : place[0] + size[0], place[1] : place[1] + size[1]]
    part += np.where(part > 125, -80, 80)
    encoder = Patches()
    skipping = SkipStill(encoder, SECONDS)
    *before, frame = shown([*[empty] * 24, entered])
    for each in before:
        skipping.encode([skipping.prepare(each)])
    num_encoded = skipping.num_encoded
    assert num_encoded < 24
    row = skipping.encode([skipping.prepare(frame)])
    assert skipping.num_encoded == num_encoded + 1
    np.testing.assert_array_equal(row, encoder.encode([frame]))


@settings(max_examples=8, deadline=None)
@given(
    rate=st.floats(0.0, 0.03),
    noise=st.floats(0, 6),
    flicker=st.floats(0, 0.02),
    per_batch=st.integers(1, 5),
    seed=st.integers(0, 99),
)
def test_every_reused_feature_is_of_a_frame_within_the_bound(
    rate: float, noise: float, flicker: float, per_batch: int, seed: int
) -> None:
    scenes = (draw_scene(seed) * (1 - rate) ** number for number in range(60))  # it slowly gets dark
    frames = iter(list(shown(scenes, noise=noise, flicker=flicker)))
    encoder = Patches()
    skipping = SkipStill(encoder, SECONDS)
    source = None
    while batch := list(itertools.islice(frames, per_batch)):
        bound = skipping.bound.value
        rows = skipping.encode([skipping.prepare(frame) for frame in batch])[0]
        for frame, row in zip(batch, rows, strict=True):
            if np.array_equal(row, encoder.encode([frame])[0, 0]):
                source = (frame, row)
                continue
            assert source is not None
            np.testing.assert_array_equal(row, source[1])  # the last encoded one, not the last
            assert bound is not None
            assert luma_difference(cell_luma(frame), cell_luma(source[0])) <= bound <= LARGEST_DIFFERENCE


def test_a_still_picture_is_encoded_again_after_some_seconds_also_where_snippets_were_dropped() -> None:
    frame = next(shown([draw_scene()]))
    skipping = SkipStill(Patches(), SECONDS)
    encoded = [is_encoded(skipping, frame) for _ in range(120)]
    times = [number * SECONDS for number, each in enumerate(encoded) if each]
    assert len(times) == CALIBRATION_SNIPPETS + int((120 * SECONDS - times[15]) / REFRESH_SECONDS)
    assert max(np.diff(times)) == pytest.approx(REFRESH_SECONDS)
    before = skipping.num_encoded
    skipping.encode([skipping.prepare(frame)], [120 * SECONDS + REFRESH_SECONDS])
    assert skipping.num_encoded == before + 1


def test_the_calibration_starts_over_every_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    assert CALIBRATION_EVERY * SECONDS == 3600
    monkeypatch.setattr(avadclip.features.skip_still, "CALIBRATION_EVERY", hour := 40)
    frame = next(shown([draw_scene()]))
    skipping = SkipStill(Patches(), SECONDS)
    encoded = [is_encoded(skipping, frame) for _ in range(hour + CALIBRATION_SNIPPETS + 3)]
    assert all(encoded[hour : hour + CALIBRATION_SNIPPETS])
    assert not any(encoded[-3:])


def test_only_what_is_needed_is_encoded_in_one_call_a_batch() -> None:
    encoder = Patches()
    skipping = SkipStill(encoder, SECONDS)
    frames = list(shown([*[draw_scene()] * 20, draw_scene(5), draw_scene(6), *[draw_scene(6)] * 2]))
    for first in range(0, 24, 4):
        rows = skipping.encode([skipping.prepare(frame) for frame in frames[first : first + 4]])
        assert rows.shape == (1, 4, 48)
        assert rows.dtype == np.float32
    assert encoder.calls == [8, 4, 4, 4, *encoder.calls[4:]]  # four quarters for the centre with the first
    assert encoder.calls[-1] == 2  # two scenes; what follows is like the second
    assert len(encoder.calls) <= 6


def test_the_bound_is_the_largest_difference_that_keeps_the_cosine() -> None:
    bound = StillBound()
    assert bound.value is None
    for difference, cosine in [(1.0, 0.999), (2.0, 0.99), (3.0, 0.97), (20.0, 0.999)]:
        bound.add(difference, cosine)
    assert bound.value == 2.0  # up to 3, one of three fails; more than 12 never counts
    for _ in range(17):
        bound.add(2.5, 0.98)
    assert bound.value == 3.0  # one of twenty may fail
    bound.add(2.25, 0.5)
    assert bound.value == 2.5  # two of twenty-one may not
    bound.add(2.25, 0.5)
    assert bound.value == 2.0
    bound.clear()
    bound.add(0.5, 0.97)
    assert bound.value is None


def test_the_difference_is_that_of_the_worst_block() -> None:
    one = cell_luma(np.full((HEIGHT, WIDTH, 3), 100, np.uint8))
    assert one.shape == (48, 64)
    other = one.copy()
    other[4:8, 8:12] += 8.0
    assert luma_difference(one, other) == 8.0
    assert luma_difference(one, one + 2) == 2.0
    assert luma_difference(one, one[:, :32]) == np.inf
    assert cell_luma(np.full((2, 3, 3), 7, np.uint8)).tolist() == [[7.0] * 3] * 2


def test_the_motion_of_lite_is_never_reused() -> None:
    random = np.random.default_rng(0)
    scene = np.kron(random.uniform(40, 200, (14, 14, 3)), np.ones((16, 16, 1)))
    frames = [
        (scene + random.normal(0, 3, scene.shape)).clip(0, 255).astype(np.uint8)
        for _ in range(8 * (CALIBRATION_SNIPPETS + NUM_REUSED))
    ]
    assert frames[0].shape[:2] == (IMAGE_SIZE, IMAGE_SIZE)
    encoder = LiteVisualEncoder()
    skipping = SkipStill(encoder, SECONDS)
    found = skipping.encode([skipping.prepare(frame) for frame in frames[: 8 * CALIBRATION_SNIPPETS]])[0]
    found = np.concatenate([found, skipping.encode(list(map(skipping.prepare, frames[8 * CALIBRATION_SNIPPETS :])))[0]])
    full = encoder.encode(frames[-8 * NUM_REUSED :])[0]
    np.testing.assert_array_equal(found[-NUM_REUSED:, 2 * CHANNELS :], full[:, 2 * CHANNELS :])
    assert skipping.num_encoded < len(found)
    assert (found[-NUM_REUSED:, : 2 * CHANNELS] != full[:, : 2 * CHANNELS]).any()  # its appearance is


def write_still(path: Path, num_snippets: int) -> Path:
    with av.open(str(path), "w") as container:
        picture = container.add_stream("ffv1", rate=3)
        picture.width, picture.height, picture.pix_fmt = WIDTH, HEIGHT, "bgr0"
        for frame in shown([draw_scene()] * (2 * num_snippets)):
            container.mux(picture.encode(av.VideoFrame.from_ndarray(frame).reformat(format="bgr0")))
        container.mux(picture.encode(None))
    return path


def test_extraction_has_the_same_shape_and_says_how_much_was_encoded(tmp_path: Path) -> None:
    path = write_still(tmp_path / "still.mkv", 40)
    encoders = Encoders("patches", Patches(), None, None)
    full = extract_features(path, encoders)
    assert full.notes == ()
    assert full.provenance.visual == Patches().identity()
    assert sum(encoders.visual.calls) == 40  # off by default: every snippet is encoded
    skipped = extract_features(path, encoders._replace(visual=(encoder := Patches()), skip_still=True))
    assert skipped.visual.shape == full.visual.shape
    np.testing.assert_array_equal(skipped.visual[:, :CALIBRATION_SNIPPETS], full.visual[:, :CALIBRATION_SNIPPETS])
    num_encoded = sum(encoder.calls) - 4
    assert num_encoded < 25
    assert skipped.notes == (
        f"still footage skipped: {num_encoded / 40:.0%} of the frames encoded ({num_encoded} of 40 snippets), "
        "the others reuse features",
    )


def test_features_with_still_footage_skipped_are_never_taken_for_full_ones(tmp_path: Path) -> None:
    paths = [write_still(tmp_path / "still.mkv", 20)]
    full = Encoders("patches", Patches(), None, None)
    skipping = full._replace(skip_still=True)
    outcomes = [
        next(extract_to_folder(paths, tmp_path, encoders)) for encoders in (full, full, skipping, skipping, full)
    ]
    assert [outcome.status for outcome in outcomes] == ["done", "kept", "done", "kept", "done"]
    assert outcomes[2].message.startswith("still footage skipped: ")
    needed = read_features(tmp_path / "still.safetensors").provenance
    made = extract_features(paths[0], skipping).provenance
    assert made.difference(needed) == "visual encoder: skip_still is 1, needed None"
    assert needed.difference(made) == "visual encoder: skip_still is None, needed 1"
