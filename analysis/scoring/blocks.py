"""Blocks of targets, and the folds of all parts of a recording side by side."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from data.recording import Recording

__all__ = ["empty_layers", "responding", "side_by_side", "streams"]

STREAMED = 1 << 25
"""Responses of a story that are fitted at once: of a whole cortex every array of them would take gigabytes."""


def streams(recording: Recording, targets: np.ndarray) -> list[np.ndarray]:
    """Some targets of a recording, of a story in blocks of no more than :data:`STREAMED` responses."""
    wide = max(1, STREAMED // recording.n_stimuli)
    if not recording.sampled or len(targets) <= 2 * wide:
        return [targets]
    return np.array_split(targets, -(-len(targets) // wide))


def responding(recording: Recording, rows: np.ndarray) -> np.ndarray:
    """Targets with a response in some of these rows, ascending."""
    values = recording.responses.values
    blocks = streams(recording, np.arange(recording.n_targets))
    empty = [np.isnan(values[np.ix_(rows, some)]).all(axis=0) for some in blocks]
    return np.flatnonzero(~np.concatenate(empty))


def empty_layers(dataset: xr.Dataset) -> np.ndarray:
    """Which layers predict a constant wherever anything was measured: their r is 0 by definition, and is not shown.

    Parameters
    ----------
    dataset : xarray.Dataset
        ``constant`` and ``r`` over (fold, target), with a layer or of one layer.

    Returns
    -------
    ndarray of bool, shape (n_layers,) or ()
    """
    both = ["fold", "target"]
    constant = dataset["constant"].sum(both)
    return ((constant > 0) & (constant == dataset["r"].notnull().sum(both))).values


def side_by_side(blocks: list[dict], parts, recording: Recording) -> xr.Dataset:
    """The folds of all parts in one Dataset, each labelled with its part."""
    names = [name for name in blocks[0] if name != "dropped"]
    labels = [part.name for part in parts for _ in part.folds]
    data: dict[str, Any] = {
        name: (("fold", "target"), np.concatenate([block[name] for block in blocks]))
        for name in names
    }
    data["dropped"] = ("fold", np.concatenate([block["dropped"] for block in blocks]))
    return xr.Dataset(
        data, coords={"target": recording.responses.target.values, "part": ("fold", labels)}
    )
