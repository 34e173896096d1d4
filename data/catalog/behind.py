"""Which files a recording of a user's own is read from, for noticing that one of them changed."""

from __future__ import annotations

import glob
import json
import tomllib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from data.hashes import Mark, mark
from data.own.gate import inside
from data.own.sidecar import SIDECAR

__all__ = ["files_behind"]

FIELDS = ("stimuli", "targets")
"""Fields of a sidecar that name a file beside it."""


def files_behind(path: Path) -> list[Path]:
    """Every file that decides what is read from a path, and all that its sidecar or ``story.toml`` names, there or not.

    Parameters
    ----------
    path : Path
        A table, an array, a file of epochs, a ``story.toml`` or a folder of BIDS derivatives.
    """
    if path.is_dir():
        return sorted({*path.glob("*"), *path.glob("sub-*/**/*"), *_named(path / "story.toml")})
    beside = path.parent.glob(glob.escape(path.stem.partition(".")[0]) + "*")
    named = [*_named(path), *_named(Path(str(path) + SIDECAR))]
    scans = path.parent.glob("**/*.json") if path.suffix == ".toml" else ()
    return sorted({*beside, *named, *scans})


def _named(path: Path) -> list[Path]:
    """The files that a sidecar or a ``story.toml`` names; none where it cannot be read, which the reader says."""
    if path.suffix not in (".toml", ".json") or not path.is_file():
        return []
    return [path.parent / one for one in _names(path, mark(path))]


@lru_cache(maxsize=64)  # a sidecar may say something of ten thousand columns
def _names(path: Path, _: Mark) -> tuple[str, ...]:
    try:
        text = path.read_text(encoding="utf-8")
        told = (tomllib if path.suffix == ".toml" else json).loads(text)
    except (OSError, ValueError, RecursionError):
        return ()
    if path.suffix == ".json" and isinstance(told, dict):
        told = {field: told.get(field) for field in FIELDS}
    names = {one.partition("#")[0] for one in _strings(told)}
    return tuple(one for one in sorted(names) if inside(one) and len(one) < 256)


def _strings(told: object) -> Iterator[str]:
    if isinstance(told, str):
        yield told
    elif isinstance(told, dict | list):
        for one in told.values() if isinstance(told, dict) else told:
            yield from _strings(one)
