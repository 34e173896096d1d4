"""Recordings with a planted truth and their scores, of which the cells of :mod:`benchmarks.coverage` are made."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

__all__ = ["defended", "of_people", "population", "recorded", "scored", "slow"]


def recorded(responses: np.ndarray, people: np.ndarray | None, length: int, **fields):
    """A recording of stimuli in groups of ``length``."""
    from data.recording import Recording

    n, count = responses.shape
    coords = {"stimulus": np.arange(n), "target": np.arange(count)}
    if people is not None:
        coords["subject"] = ("target", np.array([f"p{one}" for one in people]))
    array = xr.DataArray(responses, dims=("stimulus", "target"), coords=coords)
    table = pd.DataFrame(
        {"text": [f"sentence {i}" for i in range(n)], "topic": np.arange(n) // length},
        index=np.arange(n),
    )
    return Recording("simulated", array, table, group="topic", averaged=people is None, **fields)


def slow(rng, n: int, columns: int, length: int, rho: float) -> np.ndarray:
    """Noise that changes slowly inside each group."""
    out = rng.standard_normal((n, columns))
    for row in range(1, n):
        if row % length:
            out[row] = rho * out[row - 1] + np.sqrt(1 - rho**2) * out[row]
    return out


def scored(layers: list[np.ndarray], recordings: list, protocol) -> list:
    """A Score of ready layers for each recording, made as :func:`analysis.score` makes it, without store and controls.

    The recordings have the same stimuli and people: their targets go through each decomposition together.
    """
    from dataclasses import replace

    from analysis.ceiling.result import Ceiling
    from analysis.progress import SILENT
    from analysis.scoring.folds import drawn_onto, fitted, over_seeds, runs
    from analysis.scoring.result import Score

    first, count = recordings[0], recordings[0].n_targets
    length = int((first.column("topic") == first.column("topic")[0]).sum())
    values = np.hstack([each.responses.values for each in recordings])
    together = recorded(values, None, length)
    every = [run for number, run in enumerate(runs(first, protocol)) if run.same == number]
    seeds = [run.protocol.seed for run in every]
    found: list[list] = [[] for _ in recordings]
    for x in layers:
        fits = [
            fitted(x, together, run.protocol, run.parts, SILENT, draws=True, choosing=True)
            for run in every
        ]
        for at, each in enumerate(recordings):
            mine = slice(at * count, (at + 1) * count)
            drawn = []
            for (fit, samples), run in zip(fits, every, strict=True):
                own = [replace(one, sums=one.sums[:, :, mine]) for one in samples]
                fit = fit.isel(target=mine).assign_coords(target=np.arange(count))
                drawn.append(drawn_onto(fit, own, each.subjects, run.protocol))
            found[at].append(over_seeds(drawn, seeds))
    scores = []
    for each, fits in zip(recordings, found, strict=True):
        dataset = xr.concat(fits, dim=pd.Index(range(len(layers)), name="layer"), coords="different",
                            compat="equals", combine_attrs="drop_conflicts")  # fmt: skip
        if each.subjects is not None:
            dataset = dataset.assign_coords(subject=("target", each.subjects))
        about = {"id": "simulated", "averaged": each.averaged, "simulated": True, "quality": "",
                 "n_stimuli": each.n_stimuli, "n_targets": count,
                 "n_subjects": 0 if each.subjects is None else len(set(each.subjects))}  # fmt: skip
        dataset = dataset.assign_coords(
            depth=("layer", np.linspace(0, 1, len(layers))), note=("layer", [""] * len(layers))
        )
        provenance = {"recording": about, "model": {"id": "simulated"}, "folds": ""}
        none = Ceiling.none("", count)
        controls = pd.DataFrame({"control": []})
        scores.append(Score(dataset, none, protocol, controls, {}, provenance))
    return scores


def defended(**changes):
    from analysis.protocol import preset

    quick = {"controls": (), "shuffled_twin": False, "unique": False, "bootstrap": 500}
    return preset("defended").but(**quick, **changes)


def population(cell_seed: int, width: int, targets: int) -> np.ndarray:
    """Weights of the planted layer, of unit norm, the same in every data set of a cell."""
    weights = np.random.default_rng(cell_seed).standard_normal((width, targets))
    return weights / np.linalg.norm(weights, axis=0)


def of_people(signal, seeds, people, r, length):
    """A recording for each seed: every person's targets are the signal with noise of their own (0 people: not known)."""
    who, (n, targets), recordings = max(people, 1), signal.shape, []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        y = np.hstack(
            [r * signal + np.sqrt(1 - r**2) * rng.standard_normal((n, targets)) for _ in range(who)]
        )
        subjects = np.repeat(np.arange(who), targets) if people else None
        recordings.append(recorded(y, subjects, length))
    return recordings
