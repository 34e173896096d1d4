"""Activations that somebody else computed stand in for a model."""

from __future__ import annotations

import json
import os
import re
import shutil
import uuid
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from analysis.features.from_file import SUFFIXES, peek
from analysis.models.base import Card, Model
from data.errors import BrainLensError
from data.home import home
from data.recording import Recording

__all__ = ["SUFFIXES", "ReadyActivations", "fits", "keep", "ready_card"]


class ReadyActivations(Model):
    """A file of activations with the face of a model: it has layers and reads nothing.

    Parameters
    ----------
    card : Card
    path : Path
        As for :func:`analysis.features.from_file.read_layers`. Layers are numbered 0, 1, ... in the order of the file's numbers.
    """

    def __init__(self, card: Card, path: Path):
        self.path = path
        self.card = replace(card, **_told(path)) if card.layers is None else card
        self.id = card.id

    @property
    def widths(self) -> tuple[int, ...]:
        return tuple(_peeked(self.path)[1].values())

    @property
    def fingerprint(self) -> str:
        return _peeked(self.path)[2]

    def of(self, recording: Recording):
        """The :class:`analysis.features.activations.Activations` of a recording's stimuli.

        Raises
        ------
        BrainLensError
            Where stimuli of the recording are missing in the file.
        """
        from analysis.features.activations import from_file

        return from_file(self.path, recording, card=self.card, contiguous=True)


def ready_card(path: Path, name: str) -> Card:
    """The card of a file of activations."""
    return Card(id=name, cls="activations", family=name, source="folder", **_told(path))


def fits(path: Path) -> list[str]:
    """Ids of the recordings on this machine whose stimuli are all in the file."""
    from data.catalog.catalog import entries, recording

    here, ids = [], set(_peeked(path)[0])
    for name, one in entries(recordings=True).items():
        if one.state != "ready":
            continue
        try:
            wanted = recording(name).stimuli.index
        except BrainLensError:
            continue
        if ids.issuperset(map(str, wanted)):
            here.append(name)
    return here


def keep(path: Path, name: str = "", note: str = "") -> str:
    """Put a file of activations among the models; its id from then on.

    Raises
    ------
    BrainLensError
        Where it cannot be read, or the name makes no id.
    """
    from analysis.models.catalog import cards

    wanted = re.sub(r"[^a-z0-9]+", "-", (name or path.stem).lower()).strip("-")[:60]
    if not wanted:
        raise BrainLensError(f"{name!r} makes no id", remedy="Use letters and digits")
    taken, free, count = cards(), wanted, 2
    while free in taken:
        free, count = f"{wanted}-{count}", count + 1
    told = _told(path)
    told["note"] = "; ".join(filter(None, [told["note"], note.strip()]))
    about = {
        "cls": "activations",
        "family": free,
        "adapter": "activations",
        "file": path.name,
        "source": "folder",
        **told,
    }
    folder = home("models") / f".part-{uuid.uuid4().hex[:8]}"
    folder.mkdir()
    try:
        shutil.copytree(path, folder / path.name) if path.is_dir() else shutil.copyfile(
            path, folder / path.name
        )
        (folder / "card.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        os.replace(folder, home("models") / free)  # whole, or not at all
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise BrainLensError(
            f"The file could not be kept: {error}", remedy="Make room on the disk"
        ) from None
    return free


def _told(path: Path) -> dict:
    numbers = list(_peeked(path)[1])
    note = "activations from a file"
    if numbers != list(range(len(numbers))):
        note += (
            f"; its layers {', '.join(map(str, numbers))} are counted 0 to {len(numbers) - 1} here"
        )
    widths = list(_peeked(path)[1].values())
    return {"layers": len(numbers) - 1, "width": max(widths), "parameters": 0, "note": note}


def _peeked(path: Path) -> tuple[list[str], dict[int, int], str]:
    files = [path] if path.is_file() else list(path.rglob("*"))
    newest = max((one.stat().st_mtime_ns for one in files), default=0) if path.exists() else 0
    return _peek(path, newest)


@lru_cache(maxsize=32)
def _peek(path: Path, newest: int) -> tuple[list[str], dict[int, int], str]:
    return peek(path)
