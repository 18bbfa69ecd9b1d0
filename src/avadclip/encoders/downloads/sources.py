from typing import Any

from pydantic import BaseModel


class WeightFile(BaseModel, frozen=True, extra="forbid"):
    bytes: int
    sha256: str


class WeightFiles(BaseModel, frozen=True, extra="forbid"):
    name: str
    title: str
    licence: str
    files: dict[str, WeightFile]
    sources: tuple[Any, ...] = ()
