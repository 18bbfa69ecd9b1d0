"""Files of avadclip: safetensors with one JSON object in the header that describes the tensors.

Checkpoints and feature files have this format. The header is read and validated before any tensor.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError, safe_open

from avadclip.errors import AvadclipError, reason_by_pydantic

HEADER_KEY = "avadclip"
FORMAT = 1  # of all kinds, until one of them changes
LONGEST_VALUE = 60  # characters of a wrong value that a message repeats

HeaderT = TypeVar("HeaderT", bound=BaseModel)


@dataclass(frozen=True)
class TensorFile(Generic[HeaderT]):
    """One kind of file, with its error messages."""

    title: str
    """`a <title> file`, in messages."""
    header: type[HeaderT]
    error: type[AvadclipError]
    framework: Literal["pt", "numpy"]
    """What tensors are read as."""
    mark: str
    """A key that only headers of this kind have."""
    if_foreign: str
    """`<path> is a safetensors file, but ..`"""
    if_other_kind: str
    """`<path> holds ..`"""
    if_other_format: str
    """What to do about a file of another version."""
    if_damaged: str
    """What to do about a damaged file."""

    @contextmanager
    def open(self, path: Path) -> Iterator[tuple[HeaderT, Any]]:
        """Open a file of this kind: its header, and safetensors' own reader for the tensors, inside the block.

        Raises:
            AvadclipError: of the class `error`, in one line, also for what fails in reading tensors inside the block.
        """
        try:
            with safe_open(path, framework=self.framework) as file:
                yield self._parse(path, file.metadata()), file
        except (OSError, SafetensorError, AttributeError, TypeError) as error:  # the last two: a dtype numpy lacks
            self._refuse(path, (str(error).splitlines() or [type(error).__name__])[0], error)

    def _parse(self, path: Path, metadata: dict[str, str] | None) -> HeaderT:
        if metadata is None or HEADER_KEY not in metadata:
            raise self.error(f"{path} is a safetensors file, but {self.if_foreign}")
        try:
            content = dict(json.loads(metadata[HEADER_KEY]))
        except (ValueError, TypeError, RecursionError) as error:  # not JSON, or not an object
            self._refuse(path, f"its header is not a JSON object: {str(error).splitlines()[0]}", error)
        if self.mark not in content:
            raise self.error(f"{path} holds {self.if_other_kind}")
        if content.get("format") != FORMAT:
            found = _short(content.get("format"))
            raise self.error(
                f"{path} has {self.title} format {found}, this version reads {FORMAT}; {self.if_other_format}"
            )
        try:
            return self.header.model_validate(content)
        except ValidationError as error:
            self._refuse(path, f"in its header {_first_problem(error)}", error)

    def _refuse(self, path: Path, reason: str, cause: Exception) -> NoReturn:
        raise self.error(f"{path} cannot be read as a {self.title} file ({reason}); {self.if_damaged}") from cause


def _first_problem(error: ValidationError) -> str:
    """Key and reason of the first value that does not fit."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    reason = reason_by_pydantic(first["msg"])
    if not key:
        return reason
    shown = _short(key).strip("'\"")
    match first["type"]:
        case "missing":
            return f"`{shown}` is missing"
        case "extra_forbidden":
            return f"`{shown}` is an unknown key"
    return f"`{shown}` is {_short(first['input'])}: {reason}"


def _short(value: object) -> str:
    """One line, whatever the value holds."""
    text = repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}.."
