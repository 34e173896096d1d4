"""What stands beside a score: the ceiling, the controls on the same folds, and what the model adds to length and position."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xarray as xr

from analysis.progress import Report
from analysis.protocol import Protocol
from analysis.scoring.folds import fit_with_twin, side_by_side
from analysis.scoring.keys import data_key
from analysis.scoring.summary import summarise
from analysis.store.keys import content_key
from data.errors import BrainLensError
from data.recording import Recording

__all__ = ["Context", "context", "headline"]


BEYOND = ("position", "length")
"""The controls that the headline goes beyond."""

HEADLINE_TARGETS = 1000
"""Above so many targets the joint fit would outlast everything else, and is left to a request of its own."""


@dataclass(frozen=True)
class Context:
    """What is the same for every layer: the ceiling, and the controls on the same folds."""

    ceiling: object
    controls: dict[str, xr.Dataset]


def context(
    source, recording: Recording, protocol: Protocol, parts, twins, store, report: Report
) -> Context:
    """The ceiling and the protocol's controls, from the store where they are there."""
    bound = _ceiling(recording, protocol, store, report)
    sets = _control_features(source, recording, protocol)
    controls = {}
    for done, (name, matrix) in enumerate(sets.items()):
        report.step(done, len(sets), "controls")
        content = hashlib.sha256(np.ascontiguousarray(matrix).tobytes()).hexdigest()
        key = content_key("control", content, data_key(recording, protocol))
        found = store.load_score(key)
        if found is None:
            found = fit_with_twin(matrix, recording, protocol, parts, twins, report)
            store.save_score(key, found)
        controls[name] = found
    return Context(bound, controls)


def _control_features(source, recording: Recording, protocol: Protocol) -> dict[str, np.ndarray]:
    from analysis.features.controls import features

    if not source.widths:
        raise BrainLensError(
            f"{source.id} has no activations, only probabilities of words",
            remedy="Compare it in reading times, or by bits per word",
        )
    sets = features(recording, protocol.controls, width=max(source.widths), seed=protocol.seed)
    if set(BEYOND) <= sets.keys():
        sets["+".join(BEYOND)] = np.column_stack([sets[name] for name in BEYOND])
    return sets


def _ceiling(recording: Recording, protocol: Protocol, store, report: Report):
    """The recording's ceiling under the protocol, kept in the store: no model has a part in it."""
    from analysis.ceiling.kinds import Ceiling, ceiling

    key = content_key("ceiling", data_key(recording, protocol))
    if (found := store.load_score(key)) is not None:
        fields = {name: found.attrs[name] for name in _CEILING_FIELDS}
        return Ceiling(
            **fields,
            value=float(found.value),
            low=float(found.low),
            high=float(found.high),
            per_target=found.per_target.values,
        )
    bound = ceiling(recording, protocol, report=report)
    numbers = {
        "value": bound.value,
        "low": bound.low,
        "high": bound.high,
        "per_target": ("target", bound.per_target),
    }
    attrs = {name: getattr(bound, name) for name in _CEILING_FIELDS}
    store.save_score(
        key, xr.Dataset(numbers, attrs=attrs | {"recording": recording.id, "model": ""})
    )
    return bound


_CEILING_FIELDS = ("kind", "valid", "flag", "holds_for", "resampled")


def headline(
    features: Callable[[], np.ndarray],
    layer: int,
    recording: Recording,
    protocol: Protocol,
    parts,
    key: str,
    store,
    report: Report,
) -> tuple[dict, bool]:
    """R2 of one layer beyond position and length, of them alone, and of both together; and whether it was in the store.

    Parameters
    ----------
    features : callable
        Gives the layer's features, shape (n_stimuli, n_units); called only where the result is not stored.
    layer : int
    key : str
        Of the model's scores.

    Returns
    -------
    dict
        layer, unique_r2, joint_r2, controls_r2, model_r2, beyond, left_out (targets with missing stimuli); empty where the
        protocol does not ask for it, there are more than :data:`HEADLINE_TARGETS` targets, or each target lacks stimuli that
        others have.
    bool
    """
    if (
        not protocol.unique
        or recording.n_targets > HEADLINE_TARGETS
        or not all(_measured(recording, part)[1].any() for part in parts)
    ):
        return {}, True
    key = f"{key}-unique{layer}"
    found = store.load_score(key)
    known = found is not None
    if not known:
        found = _joint_fit(features(), recording, protocol, parts, report)
        found.attrs |= {"recording": recording.id, "protocol": protocol.name, "layer": layer}
        store.save_score(key, found)
    joint, controls, alone = (
        summarise(found[name].values, found.part.values, recording.subjects, protocol)
        for name in ("joint", "controls", "alone")
    )
    return {
        "layer": layer,
        "unique_r2": joint - controls,
        "joint_r2": joint,
        "controls_r2": controls,
        "model_r2": alone,
        "beyond": " and ".join(BEYOND),
        "left_out": int(found.attrs["left_out"]),
    }, known


def _measured(recording: Recording, part) -> tuple[np.ndarray, np.ndarray]:
    """The part's rows with a measurement (words between them are only read), and the targets that have one in each of them."""
    there = ~np.isnan(recording.responses.values)
    rows = part.rows[there[part.rows].any(axis=1)]
    return rows, there[rows].all(axis=0)


def _joint_fit(
    features: np.ndarray, recording: Recording, protocol: Protocol, parts, report: Report
) -> xr.Dataset:
    from analysis.features.controls import features as plain
    from analysis.mapping.banded import banded_ridge

    controls = plain(recording, BEYOND)
    bands = {"model": features, "controls": np.column_stack([controls[name] for name in BEYOND])}
    blocks, left_out = [], 0
    for part in parts:
        rows, _ = _measured(recording, part)
        folds = _among(part.folds, rows)
        inner = [_among(inside, rows) for inside in part.inner]
        fit = banded_ridge(
            {name: band[rows] for name, band in bands.items()},
            recording.responses.values[rows],
            folds,
            inner,
            alphas=protocol.alphas,
            seed=protocol.seed,
            report=report,
        )
        blocks.append(
            {
                "joint": fit.r2["model", "controls"],
                "alone": fit.r2["model",],
                "controls": fit.r2["controls",],
                "dropped": np.zeros(len(part.folds)),
            }
        )
        left_out += fit.left_out
    return side_by_side(blocks, parts, recording).assign_attrs(left_out=left_out)


def _among(folds, rows: np.ndarray):
    """Folds that count the given rows only, by their place among them."""
    return [tuple(np.flatnonzero(np.isin(rows, side)) for side in fold) for fold in folds]
