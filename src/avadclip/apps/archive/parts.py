"""Files of finished ranges, stored below the results' folder until all ranges of their video are finished.

visual     float32 [K, snippets of the range, Dv]
header     `avadclip`: JSON of PartHeader
"""

from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict
from safetensors.numpy import save

from avadclip.apps.archive.ranges import RangeFeatures, TimeRange
from avadclip.errors import FeatureError
from avadclip.files import write_atomically
from avadclip.tensor_file import FORMAT, HEADER_KEY, TensorFile

PARTS_FOLDER = ".parts"


class PartHeader(BaseModel):
    """Header of a part."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1]
    first_picture: str
    next_picture: str | None
    duration_seconds: float | None
    num_encoded: int | None = None


PART_FILE = TensorFile(
    title="part",
    header=PartHeader,
    error=FeatureError,
    framework="numpy",
    mark="first_picture",
    if_foreign="not a part of an archive run; remove it",
    if_other_kind="something other than a part of an archive run; remove it",
    if_other_format="remove it",
    if_damaged="remove it",
)


def part_name(source_sha256: str, made_by: str, span: TimeRange) -> str:
    """Path below the results' folder, unique for content, encoders and range."""
    stop = "end" if span.stop is None else span.stop
    return f"{PARTS_FOLDER}/{source_sha256[:32]}-{made_by[:16]}-{span.start}-{stop}.safetensors"


def write_part(path: Path, part: RangeFeatures) -> None:
    """Write a part whole or not at all."""
    header = PartHeader(
        format=FORMAT,
        first_picture=part.first_picture,
        next_picture=part.next_picture,
        duration_seconds=part.duration_seconds,
        num_encoded=part.num_encoded,
    )
    tensors = {"visual": np.ascontiguousarray(part.visual)}
    write_atomically(path, save(tensors, metadata={HEADER_KEY: header.model_dump_json()}))


def read_part(path: Path) -> RangeFeatures:
    """Read what write_part wrote; raises FeatureError."""
    with PART_FILE.open(path) as (header, file):
        return RangeFeatures(
            file.get_tensor("visual"),
            header.first_picture,
            header.next_picture,
            header.duration_seconds,
            header.num_encoded,
        )
