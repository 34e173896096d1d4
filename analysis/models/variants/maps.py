"""Maps of a model's units that a user made: a t value for every unit of every block, saved under a name."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.errors import BrainLensError, unknown
from data.files import atomic
from data.home import home

__all__ = ["UnitMap", "load_map", "maps", "save_map"]

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")


@dataclass(frozen=True)
class UnitMap:
    """How strongly each unit answers to one kind of text against another.

    Parameters
    ----------
    name : str
        Under which it is saved, and named in ``@lesion:map-NAME:PERCENT``.
    model : str
        On which it was made.
    t : ndarray, shape (block, unit)
        Welch's t, first texts above second ones.
    first, second : int
        Number of texts of each kind.
    about : str
        What was contrasted, in the user's words.
    """

    name: str
    model: str
    t: np.ndarray
    first: int
    second: int
    about: str = ""

    @property
    def mark(self) -> str:
        """Hash of its values: part of the identity of every model that is cut by it."""
        return hashlib.sha256(np.ascontiguousarray(self.t, "<f8").tobytes()).hexdigest()[:16]


def save_map(made: UnitMap) -> Path:
    """Keep a map under its name in the user's data folder.

    Raises
    ------
    BrainLensError
        For a name with other than small letters, digits, ``_``, ``.`` and ``-``.
    """
    if not _NAME.fullmatch(made.name):
        raise BrainLensError(
            f"{made.name!r} cannot be the name of a map",
            remedy="Use small letters, digits, '_', '.' and '-': it becomes part of a model's name",
        )
    path = home("units") / f"{made.name}.npz"
    told = {"model": made.model, "first": made.first, "second": made.second, "about": made.about}
    with atomic(path) as part, open(part, "wb") as file:
        np.savez(file, t=np.asarray(made.t, np.float64), about=np.array(json.dumps(told)))
    return path


def maps() -> list[str]:
    """Names of the maps that are saved."""
    return sorted(path.stem for path in home("units").glob("*.npz"))


def load_map(name: str, *, shape: tuple[int, int] | None = None) -> UnitMap:
    """A saved map.

    Parameters
    ----------
    shape : (int, int), optional
        Blocks and units of the model that it is meant for.

    Raises
    ------
    BrainLensError
        Where there is none of that name, or it was made on a model of another shape.
    """
    path = home("units") / f"{name}.npz"
    if not _NAME.fullmatch(name) or not path.is_file():
        raise unknown("map of units", name, maps(), remedy="Make one: brainlens units map")
    with np.load(path, allow_pickle=False) as held:
        t, told = held["t"], json.loads(str(held["about"]))
    if shape is not None and t.shape != shape:
        raise BrainLensError(
            f"The map {name!r} was made on {told['model']}, with {t.shape[0]} blocks of {t.shape[1]} units; "
            f"this model has {shape[0]} of {shape[1]}",
            remedy="Make a map of this very model: brainlens units map",
        )
    return UnitMap(name, t=t, **told)
