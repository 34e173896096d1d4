"""Activations from Python: an array, a table, or a dict of layers, in the face of a model."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.features.activations import Activations
from analysis.features.matching import either_way, matched
from analysis.models.base import Card
from data.errors import BrainLensError
from data.recording import Recording

__all__ = ["from_arrays", "is_arrays"]


def is_arrays(model) -> bool:
    """Whether this is numbers and no model: an array of numpy, torch, xarray or scipy, a table, or a dict or list of them."""
    if isinstance(model, np.ndarray | pd.DataFrame | Mapping | list | tuple):
        return True
    return hasattr(model, "shape") and hasattr(model, "dtype")


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
        names its stimuli, and so does a coordinate ``stimulus`` of a DataArray. A dict holds one array for each layer, called 0,
        1, ... or by any names, in its order, or by the numbers that its names end with; an entry ``"stimulus"`` holds the ids. A
        list holds one array for each layer, too.
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
    _one_for_each(layers, recording)
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
    notes = [
        "activations from Python",
        told,
        "" if plain else f"layers {', '.join(names)}",
        either_way(layers),
    ]
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
        layers = _by_number(layers)
    elif isinstance(values, list | tuple) and values and np.ndim(_plain(values[0])) == 2:
        layers = dict(enumerate(values))
    else:
        layers = {0: values}
    given = ids
    one: Any
    for key, one in layers.items():
        own = None
        if isinstance(one, pd.DataFrame):
            own = one.index.to_numpy()
        elif "stimulus" in getattr(one, "dims", ()):  # a DataArray says which of its dims is which
            one = one.transpose("stimulus", ...)
            own = one["stimulus"].values if "stimulus" in one.coords else None
        array = _plain(one)
        if own is not None and given is None:
            if ids is not None and list(map(str, own)) != list(map(str, ids)):
                raise BrainLensError(
                    f"Layer {key!r} names its rows otherwise than the layers before it",
                    remedy="Bring the rows of all layers into one order",
                )
            ids = own
        layers[key] = array
    return layers, None if ids is None else list(ids)


def _plain(one) -> np.ndarray:
    """Numbers of any library as a numpy array."""
    if hasattr(
        one, "detach"
    ):  # a tensor of torch, which may be on a card and in a type that numpy has not
        one = one.detach().cpu()
        one = one.float() if one.is_floating_point() else one
    elif hasattr(one, "toarray"):  # a sparse matrix
        one = one.toarray()
    try:
        return np.asarray(one)
    except ValueError:
        raise BrainLensError(
            "The rows of the activations have unequal lengths", remedy="Give (stimulus, unit)"
        ) from None


def _by_number(layers: dict) -> dict:
    """Layers in the order of the numbers that their names end with, where the names differ in these only."""
    ends = [re.fullmatch(r"(.*?)(\d+)", str(key)) for key in layers]
    found = [(end[1], int(end[2])) for end in ends if end]
    if len(found) < len(layers) or len({stem for stem, _ in found}) > 1:
        return layers
    if len({number for _, number in found}) < len(found):
        return layers
    order = sorted(zip(found, layers), key=lambda one: one[0][1])
    return {key: layers[key] for _, key in order}


def _one_for_each(layers: dict, recording: Recording) -> None:
    """Refuse a dict with a vector for each stimulus, which looks like one with an array for each layer."""
    flat = all(array.ndim == 1 and len(array) > 1 for array in layers.values())
    if flat and len(layers) >= recording.n_stimuli > 1:
        raise BrainLensError(
            f"The dict holds {len(layers)} vectors, one for each stimulus, and not an array for each layer",
            remedy='Give {"stimulus": list(d), 0: numpy.stack(list(d.values()))}',
        )
