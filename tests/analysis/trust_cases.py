"""Recordings and activations with a planted truth, small enough that a whole score takes a moment."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
import xarray as xr

from analysis.features.activations import Activations
from analysis.mapping.banded import banded_ridge
from analysis.mapping.splits import make_folds
from analysis.models.base import Card
from analysis.protocol import Protocol
from analysis.scoring.folds import side_by_side
from data.recording import Recording

FAST = Protocol(
    folds=4,
    inner_folds=3,
    seeds=1,
    bootstrap=100,
    controls=("position", "length"),
    unique=False,
    ceiling="none",
    alphas=(1.0, 100.0, 10_000.0),
)


class _Arrays:
    def __init__(self, layers):
        self._layers = layers

    def layer(self, number):
        return self._layers[number]


def activations(layers, name="planted") -> Activations:
    """Ready activations of these arrays."""
    layers = [np.ascontiguousarray(one, dtype=np.float32) for one in layers]
    digest = hashlib.sha256(b"".join(one.tobytes() for one in layers)).hexdigest()
    widths = [one.shape[1] for one in layers]
    card = Card(id=name, cls="activations", family=name, layers=len(layers) - 1, width=max(widths))
    return Activations(
        card,
        id=name,
        fingerprint=digest,
        tokenizer_hash="",
        widths=widths,
        layers=range(len(layers)),
        key=digest,
        fresh=False,
        source=_Arrays(layers),
    )


def recording(values, *, groups=12, people=None, within=None, id="planted") -> Recording:
    """Sentences in equal groups with these responses; ``people``: the person of each target."""
    values = np.asarray(values, float)
    n = len(values)
    rng = np.random.default_rng(1)
    table = pd.DataFrame(
        {
            "text": [" ".join(["word"] * int(k)) for k in rng.integers(3, 9, n)],
            "passage": np.repeat(np.arange(groups), n // groups),
        }
    )
    if within is not None:
        table["experiment"] = within
    coords = {
        "stimulus": table.index.to_numpy(),
        "target": [f"t{i}" for i in range(values.shape[1])],
    }
    if people is not None:
        coords["subject"] = ("target", np.asarray(people, object))
        coords["pair"] = ("target", pd.Series(people).groupby(people).cumcount().to_numpy())
    return Recording(
        id,
        xr.DataArray(values, dims=("stimulus", "target"), coords=coords),
        table,
        kind="fmri",
        unit="a.u.",
        scored_unit="sentence",
        context="passage",
        group="passage",
        within=None if within is None else "experiment",
        averaged=people is None,
        simulated=True,
    )


def smooth(rng, groups, length, columns, rho) -> np.ndarray:
    """Noise that is correlated along time inside each group, and independent between groups."""
    noise = rng.standard_normal((groups, length, columns))
    for t in range(1, length):
        noise[:, t] = rho * noise[:, t - 1] + np.sqrt(1 - rho**2) * noise[:, t]
    return noise.reshape(groups * length, columns)


def joint_fit(rng, share, people=("a", "b", "c", "d"), n=240, targets=4):
    """A joint fit in which controls explain this share (or one for each person) of what the model predicts, out of sample."""
    plain, own = rng.standard_normal((n, 3)), rng.standard_normal((n, 3))
    unit = lambda x: x / x.std(axis=0)  # noqa: E731
    count = targets * len(people)
    share = np.repeat(np.broadcast_to(share, len(people)), targets)
    signal = np.sqrt(share) * unit(plain @ rng.standard_normal((3, count)))
    signal += np.sqrt(1 - share) * unit(own @ rng.standard_normal((3, count)))
    y = signal + rng.standard_normal((n, count))
    measured = recording(y, groups=24, people=np.repeat(people, targets))
    parts = make_folds(measured, FAST.but(folds=6))
    fit = banded_ridge(
        {"model": np.hstack([plain, own]), "controls": plain},
        y,
        parts[0].folds,
        parts[0].inner,
        alphas=(1.0, 100.0),
    )
    block = {
        "joint": fit.r2["model", "controls"],
        "alone": fit.r2["model",],
        "controls": fit.r2["controls",],
        "dropped": np.zeros(6),
    }
    return side_by_side([block], parts, measured), measured.subjects


def cells_frame(r, defensible=None, model="m") -> pd.DataFrame:
    """Cells of a specification curve with these r."""
    r = np.asarray(r, float)
    return pd.DataFrame(
        {
            "model": model,
            "cell": [f"c{i}" for i in range(len(r))],
            "r": r,
            "low": r - 0.05,
            "high": r + 0.05,
            "defensible": True if defensible is None else defensible,
        }
    )
