"""What can be added under a name: our own by ``module:name``, another package's by an entry point."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from data.errors import BrainLensError, unknown

__all__ = ["Registry"]


class Registry(Mapping):
    """Named things of one kind, loaded when they are first asked for.

    Parameters
    ----------
    group : str
        Entry point group under which other packages add theirs, such as ``brainlens.models``.
    kind : str
        What one is called in an error, such as ``"class of model"``.
    own : mapping
        Name -> ``module:name`` of those that ship; they come first, and in this order.

    Examples
    --------
    >>> errors = Registry("brainlens.none", "error", {"ours": "data.errors:BrainLensError"})
    >>> list(errors), errors["ours"].__name__
    (['ours'], 'BrainLensError')
    """

    def __init__(self, group: str, kind: str, own: Mapping[str, str]):
        self.group, self.kind, self.own = group, kind, dict(own)
        self._added: dict[str, Any] = {}
        self._loaded: dict[str, Any] = {}

    @cached_property
    def others(self) -> dict[str, EntryPoint]:
        """Entry points of other packages by name; one that takes a name of ours is left out with a warning."""
        found: dict[str, EntryPoint] = {}
        for point in sorted(entry_points(group=self.group), key=lambda point: point.name):
            first = found.get(point.name)
            if point.name in self.own or (first is not None and first.value != point.value):
                holder = _package(first) if first is not None else "BrainLens"
                warnings.warn(
                    f"The {self.kind} {point.name!r} of the package {_package(point)} is left out: "
                    f"{holder} has one of that name",
                    stacklevel=2,
                )
                continue
            found[point.name] = point
        return found

    def add(self, name: str, thing: object) -> None:
        """Add one for this process: from a notebook, a script or a test."""
        self._added[name] = thing

    def remove(self, name: str) -> None:
        """Take back what :meth:`add` added."""
        del self._added[name]

    def __getitem__(self, name: str):
        """The thing itself.

        Raises
        ------
        BrainLensError
            For an unknown name, with the closest; for a package whose entry point cannot be loaded, with its name.
        """
        if name in self._added:
            return self._added[name]
        if name not in self._loaded:
            if name in self.own:
                module, _, attribute = self.own[name].partition(":")
                self._loaded[name] = getattr(importlib.import_module(module), attribute)
            elif name in self.others:
                self._loaded[name] = self._from_package(name)
            else:
                raise unknown(self.kind, name, list(self))
        return self._loaded[name]

    def _from_package(self, name: str):
        point = self.others[name]
        try:
            return point.load()
        except MemoryError:
            raise
        except Exception as error:  # whatever a foreign package raises when it is imported
            raise BrainLensError(
                f"The {self.kind} {name!r} of the package {_package(point)} cannot be loaded: "
                f"{type(error).__name__}: {error}",
                remedy=f"Update or uninstall {_package(point)}",
            ) from error

    def loadable(self, *, own: bool = True) -> dict[str, Any]:
        """Everything that loads; a package that fails is left out with a warning, so that it takes nothing else down.

        Parameters
        ----------
        own : bool
            With those that ship; False loads none of them.
        """
        found = {}
        for name in self:
            if not own and name in self.own:
                continue
            try:
                found[name] = self[name]
            except BrainLensError as error:
                warnings.warn(str(error), stacklevel=2)
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._added or name in self.own or name in self.others

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self.own, *self.others, *self._added]))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def package(self, name: str) -> str:
        """Who brings it: the distribution's name; ``brainlens`` for our own, empty for one added in this process."""
        if name in self._added:
            return ""
        return "brainlens" if name in self.own else _package(self.others[name])


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.value
