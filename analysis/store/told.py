"""Plain values of a finished answer in the store: texts, numbers, lists and tables as JSON can say them, to the last bit."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from analysis.store.store import Store

__all__ = ["find_told", "keep_told"]

_UNBOUND = {"NaN": np.nan, "Infinity": np.inf, "-Infinity": -np.inf}


def keep_told(store: Store, key: str, told: Mapping, *, numbers: Sequence[str] = ()) -> None:
    """Keep plain values under a key.

    Parameters
    ----------
    told : mapping
        What JSON can say; NaN and infinities too.
    numbers : sequence of str
        As for :meth:`analysis.store.store.Store.save_score`.
    """
    written = np.frombuffer(json.dumps(told).encode("utf-8", "surrogatepass"), np.uint8)
    store.save_score(key, xr.Dataset({"told": ("byte", written)}), numbers=numbers)


def find_told(store: Store, key: str) -> dict | None:
    """What was kept under a key, or None.

    Raises
    ------
    analysis.store.promises.Locked
        Where a number in it is locked.
    """
    kept = store.load_score(key)
    if kept is None:
        return None
    return json.loads(kept["told"].values.tobytes(), parse_constant=_UNBOUND.__getitem__)
