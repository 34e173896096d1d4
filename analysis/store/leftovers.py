"""What killed processes leave in the folders of this machine, and its end."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from analysis.store.store import Store
from data.files import sweep, touched, weighed
from data.home import home, personal

__all__ = ["JOURNALS", "sweep_home"]

JOURNALS = 30 * 24 * 3600.0
"""Seconds after which a journal that nobody went on with is taken away; until then an interrupted extraction resumes from it."""


def sweep_home(older_than: float = 24 * 3600.0, *, journals: float = JOURNALS) -> int:
    """Take away half-made models, staged uploads, folders under way and old journals; returns the bytes given back.

    Folders that a living process holds stay, whatever their age.

    Parameters
    ----------
    older_than : float
        Seconds, for what carries no lock.
    journals : float
        Seconds since the last row of a journal.
    """
    store = Store()
    places = {
        home("models"),
        personal("models"),
        home("cache", "embeddings"),
        home("cache", "mapped"),
        personal("recordings", "own"),
    }
    freed = store.sweep(older_than)
    freed += sum(sweep(one, older_than=older_than, patterns=(".staged-*",)) for one in places)
    return freed + sum(_dropped(one) for one in _journals(store.root, journals))


def _journals(root: Path, age: float) -> list[Path]:
    found = (root / "activations").glob("*/partial/*")
    return [one for one in found if time.time() - touched(one) > age]


def _dropped(path: Path) -> int:
    size = weighed(path)
    shutil.rmtree(path, ignore_errors=True)
    return size
