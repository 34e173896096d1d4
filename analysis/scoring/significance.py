"""Which targets are predicted above chance? Whole groups of responses are exchanged and everything is fitted anew."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from analysis.progress import SILENT, Report
from analysis.protocol import Protocol
from analysis.scoring.summary import per_target
from data.errors import BrainLensError
from data.recording import Recording

__all__ = ["TargetTest", "targets_test"]

BLOCK = 4000
"""Moved targets fitted at once."""
ORDERS = 200
"""Exchanges with fewer distinct orders (and fewer than draws) tell too little from chance: responses are rotated instead."""


@dataclass(frozen=True)
class TargetTest:
    """Each target of one layer against chance.

    Parameters
    ----------
    layer : int
    r, p : ndarray, shape (n_targets,)
        Mean over folds, and the one-sided p of the moved responses.
    draws : int
    rule : str
        What was moved, in words, and why that way.
    orders : float
        Distinct orders of the responses there are.
    """

    layer: int
    r: np.ndarray
    p: np.ndarray
    draws: int
    rule: str
    orders: float = np.inf

    @property
    def floor(self) -> float:
        """The smallest p that this test can give."""
        return max(1 / (1 + self.draws), 1 / self.orders)


def targets_test(
    features: np.ndarray,
    recording: Recording,
    protocol: Protocol,
    *,
    layer: int = 0,
    draws: int = 200,
    report: Report = SILENT,
) -> TargetTest:
    r"""p-values of all targets, :math:`p = (1 + \#\{null \ge observed\}) / (1 + draws)`.

    Parameters
    ----------
    features : ndarray, shape (n_stimuli, n_units)
        One layer.
    recording, protocol
        Folds, penalties and the mean over folds are those of the score.
    draws : int
        Of the permutation: whole held-out groups of equal length change places inside an experiment. Where that leaves fewer
        than :data:`ORDERS` distinct orders, or most stimuli in place (stories are rarely equally long), responses are rotated
        inside their group; ``rule`` says which and why.

    Raises
    ------
    BrainLensError
        Where nothing can be moved.
    """
    from analysis.mapping.splits import make_folds
    from analysis.scoring.folds import fit_parts

    parts = make_folds(recording, protocol)
    groups, within = np.empty(recording.n_stimuli, object), np.zeros(recording.n_stimuli, int)
    for number, part in enumerate(parts):
        groups[part.rows] = [f"{part.name}|{group}" for group in np.asarray(part.groups)[part.rows]]
        within[part.rows] = number
    moved = _moved(groups.astype(str), within, draws, protocol.seed)

    def scored(values: np.ndarray) -> np.ndarray:
        array = xr.DataArray(
            values,
            dims=("stimulus", "target"),
            coords={
                "stimulus": recording.responses.stimulus.values,
                "target": np.arange(values.shape[1]),
            },
        )
        fit = fit_parts(features, replace(recording, responses=array), protocol, parts, report)
        return per_target(fit.r.values, fit.part.values)

    responses = recording.responses.values
    observed = scored(responses)
    above, step = np.zeros(len(observed)), max(1, BLOCK // recording.n_targets)
    for start in range(0, draws, step):
        report.step(start, draws, "permutations")
        rows = moved.rows[start : start + step]
        table = responses[rows].transpose(1, 0, 2).reshape(recording.n_stimuli, -1)
        above += (scored(table).reshape(len(rows), -1) >= observed - 1e-12).sum(axis=0)
    p = np.where(np.isfinite(observed), (1 + above) / (1 + draws), np.nan)
    return TargetTest(layer, observed, p, draws, moved.rule, moved.orders)


def _moved(groups: np.ndarray, within: np.ndarray, draws: int, seed: int):
    """Exchanges of whole groups where they move enough, else rotations inside the groups."""
    from analysis.statistics.permutation import circular_shifts, group_permutations

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
               else f"only {exchanged.moving:.0%} of the stimuli lie in groups that can be exchanged")  # fmt: skip
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
