"""Plug-ins: encoders, compared systems and sinks that other installed packages bring, as entry points.

Each kind has one registry, which finds avadclip's own by the same names: in encoders.load, baselines.build and
apps.live.sinks.registry. The names of plug-ins are read from the packages' metadata; a plug-in is imported when it is
named.
"""

import inspect
import logging
import sys
from collections.abc import Callable, Collection, Iterator
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, NamedTuple, TypeVar, cast

from avadclip.errors import ConfigError

PartT = TypeVar("PartT")

log = logging.getLogger(__name__)


class PluginEntry(NamedTuple):
    """An entry point as `avadclip doctor` lists it."""

    kind: str
    name: str
    origin: str
    """Package, version and place of the object."""
    problem: str | None
    """Why it cannot be used; None where nothing is known before it is imported."""


class Registry(Generic[PartT]):
    """Everything of one kind by name; avadclip's own names win.

    Args:
        kind: the word for one of them in messages.
        group: of the entry points.
        built_in: avadclip's own names.
        load_built_in: gives what one of them stands for.
        problem_of: says what an imported plug-in lacks, `it is .., needed ..`; None where it can be used.
    """

    def __init__(
        self,
        kind: str,
        group: str,
        built_in: Collection[str],
        load_built_in: Callable[[str], PartT],
        problem_of: Callable[[object], str | None],
    ) -> None:
        self.kind = kind
        self.group = group
        self._built_in = built_in
        self._load_built_in = load_built_in
        self._problem_of = problem_of

    def __contains__(self, name: str) -> bool:
        return name in self._built_in or bool(self._entry_points(name))

    def names(self) -> list[str]:
        """All names, avadclip's own first; nothing is imported."""
        return [*self._built_in, *sorted({each.name for each in self._entry_points()} - set(self._built_in))]

    def find(self, name: str) -> PartT:
        """What a name stands for; a plug-in is imported.

        Raises:
            ConfigError: an unknown name, or a plug-in that cannot be used.
        """
        found = self._entry_points(name)
        if name in self._built_in:
            for each in found:
                _warn_once(f"{_origin(each)} is ignored: {self._refusal(each, found)}")
            return self._load_built_in(name)
        if not found:
            raise ConfigError(
                f"there is no {self.kind} {name!r}; needed one of {', '.join(self.names())}, "
                "or install the package that brings it"
            )
        entry = found[0]
        refusal = self._refusal(entry, found)
        if refusal is not None:
            raise ConfigError(f"{_origin(entry)} cannot be used: {refusal}")
        return self._import(entry)

    def origin(self, name: str) -> str:
        """For messages: what brings this name."""
        found = self._entry_points(name)
        return f"avadclip's own {self.kind} {name}" if name in self._built_in or not found else _origin(found[0])

    def entries(self) -> Iterator[PluginEntry]:
        """The installed plug-ins of this kind; none is imported."""
        for each in self._entry_points():
            yield PluginEntry(self.kind, each.name, _place(each), self._refusal(each, self._entry_points(each.name)))

    def _entry_points(self, name: str | None = None) -> list[EntryPoint]:
        return [each for each in _installed(self.group, tuple(sys.path)) if name in (None, each.name)]

    def _refusal(self, entry: EntryPoint, of_that_name: Collection[EntryPoint]) -> str | None:
        if entry.name in self._built_in:
            return f"avadclip has a {self.kind} of its own named {entry.name}; rename the entry point"
        if len(of_that_name) > 1:
            return f"{' and '.join(map(_place, of_that_name))} have one name; uninstall all but one"
        return None

    def _import(self, entry: EntryPoint) -> PartT:
        try:
            part = entry.load()
        except Exception as error:  # a module may raise anything while it is imported
            reason = f"{type(error).__name__}: {error}"
            raise ConfigError(
                f"{_origin(entry)} cannot be imported ({reason}); install what it needs, or another version of it"
            ) from error
        problem = self._problem_of(part)
        if problem is not None:
            raise ConfigError(f"{_origin(entry)} cannot be used: {problem}; install another version of it")
        return cast(PartT, part)


def missing_members(part: object, protocol: type) -> list[str]:
    """The attributes and methods of a protocol that an object lacks."""
    methods = [name for name, member in vars(protocol).items() if callable(member) and not name.startswith("_")]
    return [name for name in (*inspect.get_annotations(protocol), *methods) if not hasattr(part, name)]


@cache
def _installed(group: str, _path: tuple[str, ...]) -> list[EntryPoint]:
    """All entry points of a group, by name; `_path` is where they were looked for."""
    return sorted(entry_points(group=group), key=lambda each: (each.name, each.value))


def _origin(entry: EntryPoint) -> str:
    return f"the plug-in `{entry.name}` ({entry.group}) of {_place(entry)}"


def _place(entry: EntryPoint) -> str:
    package = "an unknown package" if entry.dist is None else f"{entry.dist.name} {entry.dist.version}"
    return f"{package} ({entry.value})"


@cache
def _warn_once(text: str) -> None:
    log.warning("%s", text)
