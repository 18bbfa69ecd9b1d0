import json
from pathlib import Path

import pytest
import torch
from pydantic import BaseModel, Field, model_validator
from safetensors.torch import save_file

from avadclip.errors import AvadclipError, FeatureError
from avadclip.tensor_file import HEADER_KEY, TensorFile


class Part(BaseModel, extra="forbid"):
    size: int = Field(ge=1)


class Header(BaseModel, extra="forbid"):
    format: int
    colour: str
    part: Part = Part(size=1)

    @model_validator(mode="after")
    def _no_pink(self) -> "Header":
        if self.colour == "pink":
            raise ValueError("Pink is not a colour")
        return self


KIND = TensorFile(
    title="paint",
    header=Header,
    error=FeatureError,
    framework="pt",
    mark="colour",
    if_foreign="no paint; mix some",
    if_other_kind="something else; name a paint",
    if_other_format="buy a new one",
    if_damaged="mix it again",
)
GOOD = {"format": 1, "colour": "red", "part": {"size": 2}}


def write(path: Path, header: object, key: str = HEADER_KEY) -> Path:
    save_file({"x": torch.ones(2)}, path, metadata={key: header if isinstance(header, str) else json.dumps(header)})
    return path


def test_header_and_tensors_are_read(tmp_path: Path) -> None:
    with KIND.open(write(tmp_path / "a", GOOD)) as (header, file):
        assert header == Header(format=1, colour="red", part=Part(size=2))
        assert file.get_tensor("x").tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ({**GOOD, "part": {}}, "cannot be read as a paint file (in its header `part.size` is missing); mix it again"),
        ({**GOOD, "part": {"size": 0}}, "`part.size` is 0: input should be greater than or equal to 1"),
        ({**GOOD, "weight": 1}, "`weight` is an unknown key"),
        ({**GOOD, "new\nline": 1}, "`new\\nline` is an unknown key"),
        ({**GOOD, "colour": ["a\n"] * 1000}, ".."),
        ({**GOOD, "colour": "pink"}, "(in its header pink is not a colour)"),
        ({**GOOD, "format": 2}, "has paint format 2, this version reads 1; buy a new one"),
        ({"format": 1}, "holds something else; name a paint"),
        ("{", "its header is not a JSON object"),
        ("3", "its header is not a JSON object"),
        ("[" * 100_000, "its header is not a JSON object"),
    ],
)
def test_a_refused_header_is_one_line_with_key_and_reason(tmp_path: Path, header: object, said: str) -> None:
    path = write(tmp_path / "a", header)
    with pytest.raises(FeatureError) as refused, KIND.open(path):
        pass
    message = str(refused.value)
    assert message.startswith(str(path))
    assert said in message
    assert "\n" not in message
    assert len(message) < len(str(path)) + 250


def test_other_safetensors_are_told_from_damaged_files(tmp_path: Path) -> None:
    with pytest.raises(FeatureError, match="is a safetensors file, but no paint; mix some"):
        KIND.open(write(tmp_path / "a", GOOD, key="format")).__enter__()
    (tmp_path / "b").write_bytes((tmp_path / "a").read_bytes()[:-3])
    for path in (tmp_path / "b", tmp_path, tmp_path / "nowhere"):
        with pytest.raises(FeatureError, match=r"cannot be read as a paint file \(.+\); mix it again"):
            KIND.open(path).__enter__()


def test_a_tensor_that_cannot_be_read_is_the_files_fault(tmp_path: Path) -> None:
    path = write(tmp_path / "a", GOOD)
    with pytest.raises(FeatureError, match="cannot be read as a paint file"), KIND.open(path) as (_, file):
        file.get_tensor("y")
    own = AvadclipError("of the block")
    with pytest.raises(AvadclipError, match="of the block"), KIND.open(path):
        raise own
