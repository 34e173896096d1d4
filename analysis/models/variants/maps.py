"""Maps of a model's units that a user made: a t value for every unit of every block, saved under a name."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from data.errors import BrainLensError, first_line, unknown
from data.files import Damaged, atomic, touched
from data.home import find, home, personal, shared
from data.own.archive import DAMAGE
from data.rights import require_room

__all__ = [
    "UnitMap",
    "check_name",
    "drop_map",
    "load_map",
    "map_files",
    "maps",
    "maps_told",
    "own_map",
    "save_map",
]

_LOG = logging.getLogger("brainlens.maps")
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,79}")


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


def check_name(name: str) -> None:
    """Refuse what cannot be the name of a map.

    Raises
    ------
    BrainLensError
        For a name with other than small letters, digits, ``_``, ``.`` and ``-``.
    """
    if not _NAME.fullmatch(name):
        raise BrainLensError(
            f"{name!r} cannot be the name of a map",
            remedy="Use up to 80 small letters, digits, '_', '.' and '-': it becomes part of a model's name",
        )


def save_map(made: UnitMap) -> Path:
    """Keep a map under its name in the person's own folder; one of that name is replaced.

    Raises
    ------
    BrainLensError
        For a name that :func:`check_name` refuses, and where it would go beyond the person's quota.
    """
    check_name(made.name)
    path = personal("units") / f"{made.name}.npz"
    told = {"model": made.model, "first": made.first, "second": made.second, "about": made.about}
    content = io.BytesIO()
    np.savez(content, t=np.asarray(made.t, np.float64), about=np.array(json.dumps(told)))
    require_room(content.getbuffer().nbytes)
    with atomic(path) as part:
        part.write_bytes(content.getbuffer())
    return path


def own_map(name: str) -> bool:
    """Whether a map is the person's own: only such a one can be dropped."""
    return bool(_NAME.fullmatch(name)) and (personal("units") / f"{name}.npz").is_file()


def drop_map(name: str) -> None:
    """Delete a map of the person's own. What was computed with it stays where it is and cannot be computed again.

    Raises
    ------
    BrainLensError
        For a name that no map has, and for one of the data folder or of everybody.
    """
    if not own_map(name):
        if name in maps():
            raise BrainLensError(
                f"The map {name!r} belongs to everybody",
                remedy="Ask who keeps the data folder to delete it",
            )
        raise unknown("map of units", name, maps())
    (personal("units") / f"{name}.npz").unlink()


def maps() -> list[str]:
    """Names of the maps that are saved: the person's own, and those of the data folder and of the shared one."""
    folders = [personal("units"), home("units")]
    if (common := shared()) is not None:
        folders.append(common / "units")
    names = {path.stem for folder in folders for path in folder.glob("*.npz")}
    return sorted(filter(_NAME.fullmatch, names))


def maps_told() -> dict[str, dict]:
    """Name -> ``model``, ``first`` and ``second`` (number of texts), ``about``, of every map that is saved; no value is read.

    A damaged one is left out, and said once.
    """
    found = {}
    for name in maps():
        if (path := _place(name)) is None:  # deleted meanwhile
            continue
        try:
            found[name] = _told(path)
        except FileNotFoundError:
            continue
        except Damaged as error:
            _say(str(path), touched(path), str(error))
    return found


@lru_cache(maxsize=200)
def _say(path: str, when: float, why: str) -> None:
    _LOG.warning("%s", why)


def _told(path: Path, *, values: bool = False) -> dict:
    """What stands in a file, with ``t`` where its values are asked for.

    Raises
    ------
    Damaged
    """
    try:
        with np.load(path, allow_pickle=False) as held:
            about = json.loads(str(held["about"]))
            told = {
                "model": str(about["model"]), "about": str(about["about"]),
                "first": int(about["first"]), "second": int(about["second"]),
            }  # fmt: skip
            if values:
                told["t"] = held["t"]
                if told["t"].ndim != 2 or told["t"].dtype.kind != "f":
                    raise ValueError(f"its values have shape {told['t'].shape}")
    except (*DAMAGE, TypeError, AttributeError) as error:
        why = "it holds no arrays" if "pickle" in str(error) else first_line(error)
        raise Damaged(
            f"The map of units {path} is damaged: {why}",
            remedy="Make it again: brainlens units map",
        ) from None
    return told


def map_files(variant) -> list[Path]:
    """The files of the maps behind a variant's lesions, as far as they are there."""
    named = [step.scheme.partition("-")[2] for step in variant.steps if step.kind == "lesion"]
    return [path for path in map(_place, filter(None, named)) if path is not None]


def _place(name: str) -> Path | None:
    """Where a map lies: the person's own first."""
    if not _NAME.fullmatch(name):
        return None
    own = personal("units") / f"{name}.npz"
    return own if own.is_file() else find("units", f"{name}.npz")


def load_map(name: str, *, shape: tuple[int, int] | None = None) -> UnitMap:
    """A saved map.

    Parameters
    ----------
    shape : (int, int), optional
        Blocks and units of the model that it is meant for.

    Raises
    ------
    BrainLensError
        Where there is none of that name, it is damaged, or it was made on a model of another shape.
    """
    path = _place(name)
    if path is None:
        raise unknown("map of units", name, maps(), remedy="Make one: brainlens units map")
    told = _told(path, values=True)
    t = told.pop("t")
    if shape is not None and t.shape != shape:
        raise BrainLensError(
            f"The map {name!r} was made on {told['model']}, with {t.shape[0]} blocks of {t.shape[1]} units; "
            f"this model has {shape[0]} of {shape[1]}",
            remedy="Make a map of this very model: brainlens units map",
        )
    return UnitMap(name, t=t, **told)
