"""What a case of the corpus is, and how one becomes a file."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Expected = Literal["result", "error", "either"]


@dataclass(frozen=True)
class Case:
    """One broken, odd or hostile input, and what is promised about it."""

    kind: str
    """A row of the summary in docs/reliability.md."""
    name: str
    build: Callable[[Path], Path]
    """Makes it inside an empty folder."""
    expected: Expected = "either"
    """`either` for random damage, where only the promises for all inputs hold."""
    says: str = ""
    """Regular expression that the notes of a result, joined by `; `, or the error must hold."""
    is_silent: bool = False
    """Whether its sound was silent before anything happened to it."""
    is_repeated: bool = False
    """Whether it is another draw of the same damage, tried in long runs only."""
    reader: str = "media"
    """Who reads it: a key of trial._readers()."""

    @property
    def label(self) -> str:
        """Its name among all cases."""
        return f"{self.kind}: {self.name}"


def written(name: str, content: Callable[[Path], bytes] | bytes) -> Callable[[Path], Path]:
    """Builds a file of this name and content; a function makes the content for the folder it will lie in."""

    def build(folder: Path) -> Path:
        (folder / name).write_bytes(content(folder) if callable(content) else content)
        return folder / name

    return build
