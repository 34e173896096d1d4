"""Activations that somebody else computed stand in for a model."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from analysis.features.activations import from_file
from analysis.features.from_file import SUFFIXES, peek
from analysis.models.base import Card, Model
from analysis.models.files.cards import read_card
from analysis.models.variants.spec import Variant
from data.errors import BrainLensError
from data.hashes import marks
from data.recording import Recording

__all__ = ["SUFFIXES", "ReadyActivations", "ready_card"]


class ReadyActivations(Model):
    """A file of activations with the face of a model: it has layers and reads nothing.

    Parameters
    ----------
    card : Card
    path : Path
        As for :func:`analysis.features.from_file.read_layers`. Layers are numbered 0, 1, ... in the order of the file's numbers.
    """

    endings = SUFFIXES

    @classmethod
    def claims(cls, path: Path) -> bool:
        """A file of activations; a zarr store is a folder."""
        return path.suffix in SUFFIXES and (path.suffix != ".zarr" or path.is_dir())

    @classmethod
    def describe(cls, path: Path, name: str) -> Card:
        """The card of a file of activations, or of a folder of the models folder that holds one."""
        return ready_card(_file(path), path.stem.lower())

    @classmethod
    def open(cls, card: Card, path: Path, variant: Variant) -> ReadyActivations:
        """The reader.

        Raises
        ------
        BrainLensError
            For a variant: numbers cannot be read otherwise.
        """
        if variant:
            raise BrainLensError(
                f"{card.id} holds activations and has no variant {variant}",
                remedy="Leave the variant out",
            )
        return cls(card, _file(path))

    def __init__(self, card: Card, path: Path):
        self.path = path
        self.card = replace(card, **_told(path)) if card.layers is None else card
        self.id = card.id

    @property
    def widths(self) -> tuple[int, ...]:
        """Units of each layer."""
        return tuple(_peeked(self.path)[1].values())

    @property
    def fingerprint(self) -> str:
        """Hash of what determines its numbers, part of every cache key."""
        return _peeked(self.path)[2]

    def of(self, recording: Recording):
        """The :class:`analysis.features.activations.Activations` of a recording's stimuli.

        Raises
        ------
        BrainLensError
            Where stimuli of the recording are missing in the file.
        """
        return from_file(self.path, recording, card=self.card, contiguous=True)


def _file(path: Path) -> Path:
    """The file of activations itself, where a folder of the models folder holds it beside its card."""
    if path.suffix in SUFFIXES:
        return path
    return path / Path(str(read_card(path / "card.json").get("file", ""))).name


def ready_card(path: Path, name: str) -> Card:
    """The card of a file of activations."""
    return Card(id=name, cls="activations", family=name, source="folder", **_told(path))


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
    files = [path] if path.is_file() else sorted(path.rglob("*"))
    return _peek(path, marks(files))


@lru_cache(maxsize=32)
def _peek(path: Path, held: str) -> tuple[list[str], dict[int, int], str]:
    return peek(path)
