import pytest
import torch

import avadclip.encoders.device
from avadclip.encoders.device import choose_device, narrow_device
from avadclip.encoders.load import EncoderOptions, load_encoders
from avadclip.errors import ConfigError
from avadclip.inference.detector import load_detector

needs_no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")


@pytest.mark.parametrize(
    ("working", "expected"), [({"cuda", "mps"}, "cuda"), ({"mps"}, "mps"), (set(), "cpu"), ({"cuda:1"}, "cpu")]
)
def test_auto_is_the_first_gpu_that_works(monkeypatch: pytest.MonkeyPatch, working: set[str], expected: str) -> None:
    monkeypatch.setattr(avadclip.encoders.device, "_problem_of", lambda name: None if name in working else "broken")
    assert choose_device("auto", "clip") == expected


@pytest.mark.parametrize(
    ("encoders", "precision", "expected"),
    [
        ("clip", "fp32", "auto"),
        ("clip:/models", "bf16", "auto"),
        ("clip", "int8", "cpu"),
        ("lite", "fp32", "cpu"),
        ("onnx:/models", "fp32", "cpu"),
    ],
)
def test_auto_is_the_cpu_for_encoders_that_run_on_it_alone(encoders: str, precision: str, expected: str) -> None:
    assert narrow_device("auto", encoders, precision) == expected
    assert narrow_device("cuda", encoders, precision) == "cuda"


@pytest.mark.parametrize("name", [pytest.param("cuda", marks=needs_no_gpu), "meta", "abacus", "cuda:99"])
def test_a_device_that_is_not_there_is_one_error(name: str) -> None:
    with pytest.raises(ConfigError, match=f"device '{name}' is not available .*; use auto, cpu or"):
        load_encoders("lite", EncoderOptions(device=name))
    with pytest.raises(ConfigError, match=f"device '{name}' is not available"):
        load_detector("starter", device=name)


@needs_no_gpu
def test_auto_is_the_default_and_works_without_a_gpu() -> None:
    detector = load_detector("starter", sounds=False)
    assert {parameter.device.type for parameter in detector.scorer._networks["teacher"].parameters()} == {"cpu"}
