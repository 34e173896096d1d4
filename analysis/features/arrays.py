"""Activations from Python: an array, a table, or a dict of layers, in the face of a model."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from analysis.features.activations import Activations
from analysis.features.matching import matched
from analysis.models.base import Card
from data.errors import BrainLensError
from data.recording import Recording

__all__ = ["from_arrays", "is_arrays"]


def is_arrays(model) -> bool:
    """Whether this is numbers and no model: an array, a DataFrame, or a dict of them."""
    return isinstance(model, np.ndarray | pd.DataFrame | Mapping)


def from_arrays(
    values,
    recording: Recording,
    *,
    ids: Sequence | None = None,
    name: str = "arrays",
) -> Activations:
    """Activations of a recording's stimuli from arrays in memory.

    Parameters
    ----------
    values : ndarray, DataFrame or mapping
        (n_stimuli, width) of one layer (of a recording sampled over time: a row per word, or per sample); a DataFrame's index
        names its stimuli. A dict holds one array for each layer, called 0, 1, ... or by any names, in its order; an entry
        ``"stimulus"`` holds the ids.
    recording : Recording
    ids : sequence, optional
        Whose row is which, as of :func:`analysis.features.matching.matched`; None: rows stand in the recording's order.
    name : str
        What stands for the model.

    Returns
    -------
    Activations

    Raises
    ------
    BrainLensError
        Where shapes do not fit, stimuli are missing, or values are not finite numbers.

    Examples
    --------
    >>> from data.catalog.catalog import recording
    >>> simulated = recording("simulated")
    >>> made = from_arrays(np.ones((simulated.n_stimuli, 3)), simulated)
    >>> made.layers, made.widths
    ([0], (3,))
    """
    layers, ids = _layers(values, ids)
    if recording.sampled and len(next(iter(layers.values()))) == len(recording.timed.words):
        recording = recording.reading()
    n = recording.n_stimuli
    words = (
        f"{len(recording.timed.words)} words in {n} samples"
        if recording.sampled
        else f"{n} stimuli"
    )
    for key, array in layers.items():
        if array.ndim != 2 or not array.size or (ids is None and len(array) != n):
            raise BrainLensError(
                f"Layer {key!r} has shape {array.shape}, and {recording.id} has {words}",
                remedy="Give (stimulus, unit), or ids for the rows",
            )
        if array.dtype.kind not in "fiub":
            raise BrainLensError(
                f"Layer {key!r} holds {array.dtype}, not numbers", remedy="Give plain numbers"
            )
        if not np.isfinite(array).all():
            raise BrainLensError(
                f"Layer {key!r} has values that are not finite",
                remedy="Correct them or leave the layer out",
            )
        if ids is not None and len(array) != len(ids):
            raise BrainLensError(
                f"Layer {key!r} has {len(array)} rows, and there are {len(ids)} ids",
                remedy="Give one id for each row",
            )
    rows, told = (slice(None), "") if ids is None else matched(ids, recording, name)
    held = [np.ascontiguousarray(array[rows], np.float32) for array in layers.values()]
    digest = hashlib.sha256()
    for array in held:
        digest.update(repr(array.shape).encode() + array.tobytes())
    names = [str(key) for key in layers]
    plain = names == [str(i) for i in range(len(names))]
    notes = ["activations from Python", told, "" if plain else f"layers {', '.join(names)}"]
    widths = [array.shape[1] for array in held]
    card = Card(
        id=name,
        cls="activations",
        family=name,
        source="folder",
        note="; ".join(filter(None, notes)),
        layers=len(held) - 1,
        width=max(widths),
        layer_names={} if plain else {key: i for i, key in enumerate(names)},
    )
    return Activations.in_memory(card, dict(enumerate(held)), recording, digest.hexdigest())


def _layers(values, ids) -> tuple[dict, Sequence | None]:
    """Layers as arrays by name, and the ids of their rows."""
    if isinstance(values, Mapping):
        layers = dict(values)
        given = layers.pop("stimulus", None)
        ids = given if ids is None else ids
        if not layers:
            raise BrainLensError(
                "The dict of activations holds no layer", remedy="Give {0: array, 1: array, ...}"
            )
    else:
        layers = {0: values}
    for key, one in layers.items():
        if isinstance(one, pd.DataFrame):
            ids = one.index.to_numpy() if ids is None else ids
        layers[key] = np.asarray(one)
    return layers, None if ids is None else list(ids)
