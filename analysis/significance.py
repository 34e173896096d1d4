"""Which targets are predicted above chance? Whole groups of responses are exchanged and everything is fitted anew."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from analysis.progress import SILENT, Report
from analysis.protocol import Protocol
from analysis.summary import per_target
from data.errors import BrainLensError
from data.recording import Recording

__all__ = ["TargetTest", "targets_test"]

BLOCK = 4000
"""Moved targets fitted at once."""


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
        What was moved, in words.
    """

    layer: int
    r: np.ndarray
    p: np.ndarray
    draws: int
    rule: str


def targets_test(features: np.ndarray, recording: Recording, protocol: Protocol, *, layer: int = 0, draws: int = 200,
                 report: Report = SILENT) -> TargetTest:
    r"""p-values of all targets, :math:`p = (1 + \#\{null \ge observed\}) / (1 + draws)`.

    Parameters
    ----------
    features : ndarray, shape (n_stimuli, n_units)
        One layer.
    recording, protocol
        Folds, penalties and the mean over folds are those of the score.
    draws : int
        Of the permutation: whole held-out groups of equal length change places inside an experiment; where no two have the same
        length (stories), responses are rotated inside their group.

    Raises
    ------
    BrainLensError
        Where nothing can be moved.
    """
    from analysis.folded import fit_parts
    from analysis.mapping.splits import make_folds
    from analysis.statistics.permutation import circular_shifts, group_permutations

    parts = make_folds(recording, protocol)
    groups, within = np.empty(recording.n_stimuli, object), np.zeros(recording.n_stimuli, int)
    for number, part in enumerate(parts):
        groups[part.rows] = [f"{part.name}|{group}" for group in np.asarray(part.groups)[part.rows]]
        within[part.rows] = number
    try:
        moved = group_permutations(groups.astype(str), within=within, draws=draws, seed=protocol.seed)
    except BrainLensError:
        moved = circular_shifts(groups.astype(str), draws=draws, seed=protocol.seed)

    def scored(values: np.ndarray) -> np.ndarray:
        array = xr.DataArray(values, dims=("stimulus", "target"),
                             coords={"stimulus": recording.responses.stimulus.values, "target": np.arange(values.shape[1])})
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
    return TargetTest(layer, observed, p, draws, moved.rule)


