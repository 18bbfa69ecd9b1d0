"""The device that networks run on: `auto`, or one by its name in torch."""

import torch

from avadclip.encoders.precision import Precision, precisions_on
from avadclip.errors import ConfigError

AUTO = "auto"
GPUS = ("cuda", "mps")  # in the order that `auto` tries them


def choose_device(name: str, encoders: str, precision: Precision = "fp32") -> str:
    """Choose the device of a model's networks.

    Args:
        name: a device as torch names it, or `auto`: the first of cuda and mps that works and that the encoders can
            use, else cpu.
        encoders: as load_encoders takes them.
        precision: of the visual encoder.

    Returns:
        The device as torch names it.

    Raises:
        ConfigError: this machine has no such device.
    """
    name = narrow_device(name, encoders, precision)
    if name == AUTO:
        name = next((gpu for gpu in GPUS if _problem_of(gpu) is None), "cpu")
    elif (problem := _problem_of(name)) is not None:
        raise ConfigError(f"device {name!r} is not available ({problem}); use auto, cpu or a device of this machine")
    if name.startswith("cuda"):
        torch.backends.cudnn.allow_tf32 = False  # by default inputs are rounded to 10 bits
    return name


def narrow_device(name: str, encoders: str, precision: Precision = "fp32") -> str:
    """Replace `auto` by `cpu` for encoders that run on the CPU only: all but clip, and its int8.

    Of any machine, also one that is not this one.
    """
    runs_on_gpu = encoders.partition(":")[0] == "clip" and precision in precisions_on(GPUS[0])
    return "cpu" if name == AUTO and not runs_on_gpu else name


def _problem_of(name: str) -> str | None:
    """Compute something on a device; return why that fails, None if it works."""
    try:
        torch.ones(1, device=name).item()
    except (RuntimeError, AssertionError) as error:  # torch without CUDA asserts
        return (str(error).splitlines() or ["unknown"])[0]
    return None
