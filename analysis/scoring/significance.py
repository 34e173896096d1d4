"""Which targets are predicted above chance? Whole groups of responses are exchanged and everything is fitted anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from analysis.mapping.splits import make_folds
from analysis.progress import SILENT, Report
from analysis.protocol import Protocol
from analysis.scoring.folds import fit_parts
from analysis.scoring.nested import picked
from analysis.scoring.summary import choose_layers, per_target, summarise
from analysis.statistics.bootstrap import DRAWS_SEED
from analysis.statistics.permutation import circular_shifts, group_permutations
from data.errors import BrainLensError
from data.recording import Recording
from data.shares import percent

__all__ = ["TargetTest", "exchanges", "summary_of_moved", "targets_test"]

BLOCK = 4000
"""Moved targets fitted at once."""
ORDERS = 200
"""Exchanges with fewer distinct orders (and fewer than draws) tell too little from chance: responses are rotated instead."""


@dataclass(frozen=True)
class TargetTest:
    """Each target of one model against chance.

    Parameters
    ----------
    r, p : ndarray, shape (n_targets,)
        Mean over folds, each with the layer chosen for it, and the one-sided p of the moved responses.
    draws : int
    rule : str
        What was moved, in words, and why that way.
    orders : float
        Distinct orders of the responses there are.
    layers : int
        Among which a layer was chosen anew in each draw.
    """

    r: np.ndarray
    p: np.ndarray
    draws: int
    rule: str
    orders: float = np.inf
    layers: int = 1

    @property
    def floor(self) -> float:
        """The smallest p that this test can give."""
        return max(1 / (1 + self.draws), 1 / self.orders)


def targets_test(
    layers: Sequence[np.ndarray] | np.ndarray,
    recording: Recording,
    protocol: Protocol,
    *,
    draws: int = 200,
    report: Report = SILENT,
) -> TargetTest:
    r"""p-values of all targets, :math:`p = (1 + \#\{null \ge observed\}) / (1 + draws)`.

    Parameters
    ----------
    layers : sequence of ndarray, each (n_stimuli, n_units)
        All layers among which the protocol chooses; one array is one layer.
    recording, protocol
        Folds, penalties, the choice of the layer and the mean over folds are those of the score, under its first fold seed. Alpha
        and layer are chosen anew in each draw: a layer that was chosen on the data as they are would find something in noise.
        Where the protocol takes the best layer of the same data, so does each draw.
    draws : int
        Of the permutation: whole held-out groups of equal length change places inside an experiment. Where that leaves fewer
        than :data:`ORDERS` distinct orders, or most stimuli in place (stories are rarely equally long), responses are rotated
        inside their group; ``rule`` says which and why.

    Raises
    ------
    BrainLensError
        Where nothing can be moved.
    """
    layers = [layers] if isinstance(layers, np.ndarray) else list(layers)
    protocol = protocol.each_seed()[0]
    parts = make_folds(recording, protocol)
    moved = exchanges(recording, protocol, draws)
    responses, count = recording.responses.values, recording.n_targets
    observed = _nested(layers, responses[None], recording, protocol, parts, report)[0]
    above, step = np.zeros(len(observed)), max(1, BLOCK // count)
    for start in range(0, draws, step):
        report.step(start, draws, "permutations")
        rows = moved.rows[start : start + step]
        null = _nested(layers, responses[rows], recording, protocol, parts, report)
        above += (null >= observed - 1e-12).sum(axis=0)
    p = np.where(np.isfinite(observed), (1 + above) / (1 + draws), np.nan)
    return TargetTest(observed, p, draws, moved.rule, moved.orders, len(layers))


def exchanges(recording: Recording, protocol: Protocol, draws: int):
    """How responses change places under the null: whole groups where they move enough, else rotations inside the groups.

    Returns
    -------
    Permutations
        One order of the rows for each draw; it serves every model, layer and specification alike.
    """
    groups, within = np.empty(recording.n_stimuli, object), np.zeros(recording.n_stimuli, int)
    for number, part in enumerate(make_folds(recording, protocol.each_seed()[0])):
        groups[part.rows] = [f"{part.name}|{group}" for group in np.asarray(part.groups)[part.rows]]
        within[part.rows] = number
    return _moved(groups.astype(str), within, draws, DRAWS_SEED)


def summary_of_moved(
    layers: Sequence[np.ndarray],
    recording: Recording,
    protocol: Protocol,
    rows: np.ndarray,
    *,
    report: Report = SILENT,
) -> np.ndarray:
    """A model's r for each order of the responses, alpha and layer chosen anew in each.

    Parameters
    ----------
    rows : ndarray of int, shape (n_draws, n_stimuli)
        As of :func:`exchanges`.

    Returns
    -------
    ndarray, shape (n_draws,)
        Summarised over targets and people as the protocol says.
    """
    protocol = protocol.each_seed()[0]
    parts, responses = make_folds(recording, protocol), recording.responses.values
    step, found = max(1, BLOCK // recording.n_targets), []
    for start in range(0, len(rows), step):
        report.step(start, len(rows), "exchanges")
        null = _nested(
            layers, responses[rows[start : start + step]], recording, protocol, parts, report
        )
        found += [
            summarise(each[None], np.array([""]), recording.subjects, protocol) for each in null
        ]
    return np.array(found)


def _nested(
    layers: Sequence[np.ndarray],
    responses: np.ndarray,
    recording: Recording,
    protocol: Protocol,
    parts,
    report: Report,
) -> np.ndarray:
    """r of each copy and target, every fold with the layer chosen for that copy of the responses.

    Parameters
    ----------
    responses : ndarray, shape (n_copies, n_stimuli, n_targets)

    Returns
    -------
    ndarray, shape (n_copies, n_targets)
    """
    copies, n_stimuli, count = responses.shape
    array = xr.DataArray(
        responses.transpose(1, 0, 2).reshape(n_stimuli, -1),
        dims=("stimulus", "target"),
        coords={
            "stimulus": recording.responses.stimulus.values,
            "target": np.arange(copies * count),
        },
    )
    table = replace(recording, responses=array)
    nested = protocol.layer == "nested" and len(layers) > 1
    labels: Any = None  # of the first layer on
    r, inner = [], []
    for features in layers[-1:] if protocol.layer == "last" else layers:
        report.checkpoint()
        fit = fit_parts(features, table, protocol, parts, report, choosing=nested)
        labels = fit.part.values
        r.append(fit.r.values.reshape(len(labels), copies, count))
        if nested:
            inner.append(fit.inner.values.reshape(len(labels), copies, count))
    r, out = np.stack(r), np.empty((copies, count))
    for copy in range(copies):
        if nested:
            won = choose_layers(np.stack(inner)[:, :, copy], recording.subjects)
        else:  # the best on the same data, or the only one
            means = [
                summarise(values, labels, recording.subjects, protocol) for values in r[:, :, copy]
            ]
            won = np.full(len(labels), int(np.nanargmax(means)) if len(r) > 1 else 0)
        out[copy] = per_target(picked(r[:, :, copy], won), labels)
    return out


def _moved(groups: np.ndarray, within: np.ndarray, draws: int, seed: int):
    """Exchanges of whole groups where they move enough, else rotations inside the groups."""
    exchanged, why = None, "no two groups are equally long"
    try:
        exchanged = group_permutations(groups, within=within, draws=draws, seed=seed)
    except BrainLensError:
        pass
    else:
        few, stuck = exchanged.orders < min(draws, ORDERS), exchanged.moving < 0.5
        if not (few or stuck):
            return exchanged
        why = (f"exchanging whole groups of equal length gives {exchanged.orders:,.0f} orders only" if few
               else f"only {percent(exchanged.moving)} of the stimuli lie in groups that can be exchanged")  # fmt: skip
    try:
        rotated = circular_shifts(groups, draws=draws, seed=seed)
    except BrainLensError:
        if exchanged is None:
            raise
        rotated = exchanged
    if exchanged is not None and rotated.orders <= exchanged.orders:
        return exchanged
    return replace(
        rotated, rule=f"{rotated.rule}, because {why}; what differs between groups stays in place"
    )
