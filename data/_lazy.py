"""Public names that load their module when they are first asked for."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path


def attach(package: str, names: dict[str, str]):
    """``__getattr__`` and ``__dir__`` of a package whose public names are ``{name: module}``."""

    def __getattr__(name: str):
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(names[name]), name)

    def __dir__():
        return sorted(names)

    return __getattr__, __dir__


def check_neighbours(here: str, *packages: str) -> None:
    """Refuse to start where a user's own file of the same name hides one of our packages.

    Raises
    ------
    ImportError
        Naming the file that is in the way.
    """
    root = Path(here).resolve().parent.parent
    for package in packages:
        spec = importlib.util.find_spec(package)
        found = Path(spec.origin).resolve() if spec and spec.origin else None
        if found != root / package / "__init__.py":
            raise ImportError(
                f"BrainLens needs its own package {package!r}, but Python finds {found or 'nothing'} first. "
                f"Rename that file or folder, or start from another folder."
            )
