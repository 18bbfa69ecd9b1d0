from pathlib import Path

import av
import numpy as np
import pytest

import avadclip.features.auto_precision
from avadclip.encoders.base import Encoders
from avadclip.encoders.load import EncoderOptions
from avadclip.errors import ConfigError
from avadclip.features.auto_precision import Agreement, agreement, choose_precision, sample_frames

SECONDS = {"fp32": 0.004, "bf16": 0.002, "int8": 0.001}  # per frame


class Noisy:
    """A fake CLIP: a picture's mean colours, with an error and a speed that its precision has."""

    name, dim, frame_offsets, frame_size, num_crops, snippets_per_batch = "clip", 3, (0,), (8, 8), 1, 4

    def __init__(self, precision: str, error: float) -> None:
        self.precision, self.error = precision, error

    def prepare(self, frame: np.ndarray) -> np.ndarray:
        return frame

    def encode(self, frames: list) -> np.ndarray:
        Clock.now += SECONDS[self.precision] * len(frames)
        rows = np.array([frame.mean(axis=(0, 1)) for frame in frames], np.float32)
        random = np.random.default_rng(0)
        return (rows + self.error * random.normal(size=rows.shape)).astype(np.float32)[None]

    def identity(self) -> dict:
        return {"name": self.name, "weights_sha256": "ab", "precision": self.precision}


class Clock:
    now = 0.0


@pytest.fixture
def errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """How far each precision is off; a machine with an empty cache and a clock of its own."""
    found = {"fp32": 0.0, "bf16": 0.0, "int8": 0.0}

    def load_encoders(spec: str, options: EncoderOptions) -> Encoders:
        return Encoders(spec, Noisy(options.precision, found[options.precision]), None, None)

    monkeypatch.setattr(avadclip.features.auto_precision, "load_encoders", load_encoders)
    monkeypatch.setattr(avadclip.features.auto_precision.time, "perf_counter", lambda: Clock.now)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return found


@pytest.fixture
def write_colours(tmp_path: Path) -> Path:
    """Three minutes at one picture a second, each of another colour."""
    path = tmp_path / "colours.mkv"
    random = np.random.default_rng(3)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=1)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "bgr0"
        for _ in range(180):
            colour = np.broadcast_to(random.integers(0, 256, 3, dtype=np.uint8), (16, 16, 3))
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(colour))
            container.mux(stream.encode(frame.reformat(format="bgr0")))
        container.mux(stream.encode(None))
    return path


def test_agreement_by_hand() -> None:
    reference = np.array([[1.0, 0], [0, 1], [-1, 0], [0, -1]], np.float32)
    assert agreement(reference, reference) == Agreement(1.0, 1.0)
    # A part that all features share says nothing: as plain cosines these would be near 1.
    shared = np.array([100.0, 100.0], np.float32)
    turned = reference @ np.array([[0, 1], [-1, 0]], np.float32)
    assert agreement(reference + shared, turned + shared).cosine == pytest.approx(0.0, abs=1e-5)
    # One frame in four that points elsewhere counts, whatever the mean of all is.
    one_off = reference.copy()
    one_off[0] = [0.6, 0.8]
    assert agreement(reference, one_off).cosine == pytest.approx(0.6, abs=1e-6)


@pytest.mark.parametrize(("cosine", "neighbours", "passes"), [(0.98, 0.95, True), (0.97, 1, False), (1, 0.94, False)])
def test_both_halves_of_the_check_count(cosine: float, neighbours: float, passes: bool) -> None:
    assert Agreement(cosine, neighbours).passes is passes


def test_the_fastest_that_agrees_is_taken(errors: dict[str, float], write_colours: Path) -> None:
    choice = choose_precision("clip", EncoderOptions(), [write_colours])
    assert choice.precision == "int8"
    assert "fp32 250.0 frames/s; bf16 500.0 frames/s, cosine 1.0000, same neighbour 100%" in choice.reason
    assert "\n" not in choice.reason


def test_one_that_is_too_far_off_is_not_taken_however_fast(errors: dict[str, float], write_colours: Path) -> None:
    errors["int8"] = 60.0
    choice = choose_precision("clip", EncoderOptions(), [write_colours])
    assert choice.precision == "bf16"
    assert choice.reason.count("differs too much from fp32") == 1
    errors["bf16"] = 60.0
    assert choose_precision("clip", EncoderOptions(num_crops=1), [write_colours]).precision == "bf16"  # remembered


def test_what_was_measured_is_remembered_on_this_machine(
    errors: dict[str, float], write_colours: Path, tmp_path: Path
) -> None:
    first = choose_precision("clip", EncoderOptions(), [write_colours])
    again = choose_precision("clip", EncoderOptions(), [])
    assert again.precision == first.precision
    assert again.reason == f"cached measurement of this machine: {first.reason}"
    (kept,) = (tmp_path / "cache" / "avadclip").iterdir()
    kept.write_text("damaged")
    assert choose_precision("clip", EncoderOptions(), [write_colours]) == first


def test_a_sample_that_is_too_small_means_fp32_and_is_not_remembered(
    errors: dict[str, float], write_colours: Path, tmp_path: Path
) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    choice = choose_precision("clip", EncoderOptions(), [tmp_path / "broken.mp4", tmp_path / "missing.mp4"])
    assert choice.precision == "fp32"
    assert choice.reason == "only 0 distinct frames in the sample, 16 are needed to check another precision"
    assert choose_precision("clip", EncoderOptions(), [write_colours]).precision == "int8"


def test_the_sample_holds_no_picture_twice(write_clip, tmp_path: Path, write_colours: Path) -> None:
    still = write_clip(tmp_path / "still.mkv", num_frames=20, rate_hz=1)
    frames = sample_frames([still, still, write_colours], Noisy("fp32", 0.0))
    assert len({frame.tobytes() for frame in frames}) == len(frames)
    assert len(frames) == 5 + 32  # every 4 s of 20 s, and half of the sample


def test_other_encoders_have_nothing_to_choose(errors: dict[str, float]) -> None:
    assert choose_precision("lite", EncoderOptions(), []).precision == "fp32"


def test_a_device_without_int8_never_gets_it(errors: dict[str, float], write_colours: Path, monkeypatch) -> None:
    monkeypatch.setattr(avadclip.features.auto_precision, "choose_device", lambda name, _: name)
    choice = choose_precision("clip", EncoderOptions(device="mps"), [write_colours])
    assert choice.precision == "bf16"


def test_problems_of_the_encoders_are_those_of_loading_them() -> None:
    with pytest.raises(ConfigError, match="unknown encoders"):
        choose_precision("resnet", EncoderOptions(), [])
