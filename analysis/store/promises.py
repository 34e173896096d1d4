"""Locked predictions: cells whose scores nobody is shown until they are revealed. A promise to oneself, not tamper-proof."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path

from data.errors import BrainLensError
from data.files import atomic
from data.home import home

__all__ = [
    "Locked",
    "Promise",
    "held",
    "held_cells",
    "held_numbers",
    "held_pairs",
    "mark",
    "promises",
    "refuse",
    "refuse_number",
    "reveal",
    "shows",
    "write",
]

_LOG = logging.getLogger("brainlens.store")
FOLDER = "promises"
_FROZEN = ("hypothesis", "models", "recordings", "protocol", "cells", "time", "version", "seen")


class Locked(BrainLensError):
    """A score is asked for that somebody has locked."""


@dataclass(frozen=True)
class Promise:
    """What was said before the numbers were seen.

    Parameters
    ----------
    hypothesis : str
    models, recordings : list of str
    protocol : dict
    cells : list of dict
        model, recording, data_key, protocol_key, keys (of its scores in the store), numbers (what its r is, whatever stands
        beside it).
    time, version : str
        When it was locked, and by which version of the program.
    seen : list of str
        Results of these models on these recordings that were stored already, under whatever protocol.
    hash : str
        sha256 of all of the above.
    revealed, meanwhile : str, list of str
        When it was revealed, and what was seen between.
    """

    hypothesis: str
    models: list
    recordings: list
    protocol: dict
    cells: list
    time: str
    version: str
    seen: list
    hash: str = ""
    revealed: str = ""
    meanwhile: list = field(default_factory=list)

    @property
    def digest(self) -> str:
        """The hash of what it says now."""
        told = {name: getattr(self, name) for name in _FROZEN}
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    @property
    def changed(self) -> bool:
        """Whether the record is not what was locked: shown as a change wherever it is shown."""
        return self.hash != self.digest


def write(promise: Promise, root: Path) -> Promise:
    """Freeze a promise under the hash of what it says."""
    made = Promise(**{**asdict(promise), "hash": promise.digest})
    path = Path(root) / FOLDER / f"{made.hash[:16]}.json"
    if path.exists():
        raise BrainLensError("This is locked already", remedy="See 'brainlens lock --list'")
    _save(path, made)
    return made


def reveal(name: str, root: Path, *, time: str, meanwhile: list[str]) -> Promise:
    """Open a promise: its cells are shown from now on; the record says when, and what was seen between.

    Raises
    ------
    BrainLensError
        Where no hash, or several, begin so.
    """
    found = {path: one for path, one in _every(root).items() if one.hash.startswith(name)}
    if len(found) != 1 or not name:
        raise BrainLensError(
            f"{len(found)} locked predictions begin with {name!r}",
            choices=[one.hash[:12] for one in promises(root)],
            remedy="Give more letters of the hash",
        )
    ((path, one),) = found.items()
    if one.revealed:
        return one
    opened = Promise(**{**asdict(one), "revealed": time, "meanwhile": meanwhile})
    _save(path, opened)
    return opened


def promises(root: Path) -> list[Promise]:
    """All promises of a store, oldest first."""
    return sorted(_every(root).values(), key=lambda one: one.time)


def held(root: Path) -> dict[str, str]:
    """Key of a locked score -> hash of the promise."""
    return _held(str(root), _mark(root))[0]


def held_cells(root: Path) -> dict[tuple[str, str, str], str]:
    """(model, data_key, protocol_key) of a locked cell -> hash: the same number brought from elsewhere is locked too."""
    return _held(str(root), _mark(root))[1]


def held_numbers(root: Path) -> dict[str, str]:
    """Key of a locked number (:func:`analysis.scoring.keys.number_keys`) -> hash."""
    return _held(str(root), _mark(root))[2]


def held_pairs(root: Path) -> set[tuple[str, str]]:
    """(model, recording) of locked cells, by their names: what does not tell its protocol may be of one of them."""
    return _held(str(root), _mark(root))[3]


def mark(root: Path) -> str:
    """Another word as soon as something is locked or revealed; empty where nothing is locked."""
    locked = held(root)
    told = json.dumps(sorted(set(locked.values())))
    return hashlib.sha256(told.encode()).hexdigest()[:8] if locked else ""


def refuse_number(root: Path, keys: list[str]) -> None:
    """Raise where one of the numbers is locked.

    Raises
    ------
    Locked
    """
    locked = held_numbers(root)
    for key in keys:
        if key in locked:
            raise _locked(locked[key])


def shows(root: Path, attrs: Mapping) -> bool:
    """Whether a stored dataset may be shown: False where it is of a locked model and recording, and older than such records.

    Parameters
    ----------
    attrs : mapping
        ``numbers``: keys of what it holds (:func:`analysis.scoring.keys.cell_numbers`); ``model``, ``recording``.

    Raises
    ------
    Locked
        Where one of its numbers is locked.
    """
    if not held(root):
        return True
    if "numbers" in attrs:
        refuse_number(root, attrs["numbers"])
        return True
    return (attrs.get("model"), attrs.get("recording")) not in held_pairs(root)


def _locked(name: str) -> Locked:
    return Locked(
        f"This score is locked by the prediction {name[:12]}",
        remedy=f"Reveal it with 'brainlens reveal {name[:12]}' when the prediction is final",
    )


def refuse(root: Path, key: str) -> None:
    """Raise where a key, or what it belongs to, is locked.

    Raises
    ------
    Locked
        With the promise and how to open it.
    """
    locked = held(root)
    if locked and (name := locked.get(key.partition("-")[0])) is not None:
        raise _locked(name)


# ---- files ----------------------------------------------------------------------------------------------------------
def _save(path: Path, promise: Promise) -> None:
    """The record, and a second one behind it: what cannot be read would keep every cell of the store from being shown."""
    for place in (_second(path), path):
        with atomic(place) as part:
            part.write_text(json.dumps(asdict(promise), indent=1) + "\n", encoding="utf-8")


def _second(path: Path) -> Path:
    return path.with_suffix(".copy")


def _every(root: Path) -> dict[Path, Promise]:
    found = {}
    for path in sorted((Path(root) / FOLDER).glob("*.json")):
        try:
            found[path] = _read(path)
        except (OSError, ValueError, TypeError) as error:
            found[path] = _healed(path, error)
    return found


def _read(path: Path) -> Promise:
    return Promise(**json.loads(path.read_text(encoding="utf-8")))


def _healed(path: Path, damage: Exception) -> Promise:
    """A damaged record as its second one has it, put back where the folder may be written to."""
    try:
        kept = _read(_second(path))
    except (OSError, ValueError, TypeError):
        raise BrainLensError(
            f"The locked prediction {path} cannot be read ({damage}), and neither can its copy",
            remedy="Put it back as it was; no cell of this store is shown until then",
        ) from damage
    _LOG.warning("The locked prediction %s was damaged (%s); it was put back", path, damage)
    with contextlib.suppress(OSError):
        _save(path, kept)
    return kept


def _binding(root: Path) -> list[Path]:
    """Stores whose promises hold in this one: its own, and the user's; another folder for the numbers is no way around."""
    return list(dict.fromkeys([Path(root), home("cache")]))


def _mark(root: Path) -> tuple:
    """Changes as soon as a record comes, goes or is changed."""
    found = []
    for one in _binding(root):
        with contextlib.suppress(OSError), os.scandir(one / FOLDER) as files:
            found += [(f.path, f.stat().st_mtime_ns, f.stat().st_size) for f in files]
    return tuple(sorted(found))


@lru_cache(maxsize=16)
def _held(root: str, mark: tuple) -> tuple[dict, dict, dict, set]:
    keys, cells, numbers, pairs = {}, {}, {}, set()
    every = [one for base in _binding(Path(root)) for one in promises(base)] if mark else []
    for one in every:
        if not one.revealed:
            for cell in one.cells:
                keys |= dict.fromkeys(cell["keys"], one.hash)
                numbers |= dict.fromkeys(cell.get("numbers", ()), one.hash)
                cells[cell["model"], cell["data_key"], cell["protocol_key"]] = one.hash
                pairs.add((cell["model"], cell["recording"]))
    return keys, cells, numbers, pairs
