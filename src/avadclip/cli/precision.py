"""The option `--precision`, which `extract` and `detect` share."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, cast

from avadclip.cli.console import note

if TYPE_CHECKING:
    from avadclip.encoders.load import EncoderOptions
    from avadclip.encoders.precision import Precision

PRECISION_HELP = "For clip: fp32, bf16, int8; auto takes the fastest that agrees with fp32 on your own frames."


class ChosenPrecision(StrEnum):
    """What the picture's network computes in."""

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"
    INT8 = "int8"


def settle_precision(
    chosen: ChosenPrecision, encoders: str, options: "EncoderOptions", videos: list[Path]
) -> "Precision":
    """The precision itself; `auto` is measured, or remembered, and one line on stderr says what came of it."""
    if chosen is not ChosenPrecision.AUTO:
        return cast("Precision", chosen.value)
    from avadclip.features.auto_precision import choose_precision

    choice = choose_precision(encoders, options, videos)
    note(f"--precision auto takes {choice.precision}: {choice.reason}")
    return choice.precision
