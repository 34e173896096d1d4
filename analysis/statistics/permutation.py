"""Is a score above chance? Responses are moved as whole groups, everything is fitted anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from analysis.mapping import cross_validate
from analysis.progress import SILENT, Report
from analysis.statistics.multiple import max_statistic, permutation_p
from data.errors import BrainLensError

__all__ = [
    "PermutationTest",
    "Permutations",
    "circular_shifts",
    "group_permutations",
    "permutation_test",
]

BLOCK_TARGETS = 20_000
"""Permuted targets handed to the engine at once."""


@dataclass(frozen=True)
class Permutations:
    """Orders of the responses under the null hypothesis.

    Parameters
    ----------
    rows : ndarray of int, shape (n_draws, n_stimuli)
        Draw d gives stimulus i the response of stimulus ``rows[d, i]``.
    rule : str
        What was moved, in words, with a count of what could not move.
    orders : float
        Distinct orders there are: no p can be below their inverse, however many are drawn.
    moving : float
        Share of the stimuli that can change places.
    """

    rows: np.ndarray
    rule: str
    orders: float = np.inf
    moving: float = 1.0


@dataclass(frozen=True)
class PermutationTest:
    """Observed scores and their p-values.

    Parameters
    ----------
    score : ndarray, shape (n_layers,)
    p : ndarray, shape (n_layers,)
        One-sided, each layer by itself.
    p_max : ndarray, shape (n_layers,)
        Corrected for all layers (largest statistic of each draw): the p of the best layer, chosen anew in each draw.
    per_target, p_target : ndarray, shape (n_layers, n_targets)
        For :func:`analysis.statistics.fdr`.
    null : ndarray, shape (n_draws, n_layers)
    rule : str
    """

    score: np.ndarray
    p: np.ndarray
    p_max: np.ndarray
    per_target: np.ndarray = field(repr=False)
    p_target: np.ndarray = field(repr=False)
    null: np.ndarray = field(repr=False)
    rule: str = ""


def group_permutations(
    groups: np.ndarray, *, within: np.ndarray | None = None, draws: int = 1000, seed: int = 0
) -> Permutations:
    """Exchange whole stimulus groups of equal length, within an experiment.

    Parameters
    ----------
    groups : ndarray, shape (n_stimuli,)
        Topics, passages, sentences: stimuli inside a group keep their order.
    within : ndarray, shape (n_stimuli,), optional
        Experiment of each stimulus.

    Raises
    ------
    BrainLensError
        Where no two groups of an experiment have the same length.
    """
    codes = pd.factorize(np.asarray(groups))[0]
    outside = np.zeros(len(codes), int) if within is None else pd.factorize(np.asarray(within))[0]
    members = [np.flatnonzero(codes == group) for group in range(codes.max() + 1)]
    if any(np.ptp(outside[rows]) for rows in members):
        raise BrainLensError(
            "Some stimulus groups lie in two experiments",
            remedy="Number the groups within each experiment",
        )
    classes: dict[tuple[int, int], list[np.ndarray]] = {}
    for rows in members:
        classes.setdefault((int(outside[rows[0]]), len(rows)), []).append(rows)
    blocks = [
        np.stack(same) for same in classes.values() if len(same) > 1
    ]  # each (groups of one length, length)
    movable = sum(len(block) for block in blocks)
    if not movable:
        raise BrainLensError(
            f"No two of the {len(members)} stimulus groups have the same length, so none can be exchanged",
            remedy="Use circular_shifts, or a finer grouping",
        )
    rng = np.random.default_rng(seed)
    order = np.tile(np.arange(len(codes)), (draws, 1))
    for draw in range(draws):
        for block in blocks:
            order[draw, block.ravel()] = block[rng.permutation(len(block))].ravel()
    kept = len(members) - movable
    stay = f"; {kept} groups of a length of their own stay in place" if kept else ""
    if kept == 1:
        stay = "; one group of a length of its own stays in place"
    orders = _product([factor for block in blocks for factor in range(2, len(block) + 1)])
    return Permutations(
        order,
        f"{draws} exchanges of {movable} whole groups of equal length{stay}",
        orders,
        sum(block.size for block in blocks) / len(codes),
    )


def circular_shifts(groups: np.ndarray, *, draws: int = 1000, seed: int = 0) -> Permutations:
    """Rotate the responses inside each story by a random number of stimuli: keeps autocorrelation, breaks the pairing."""
    codes = pd.factorize(np.asarray(groups))[0]
    members = [np.flatnonzero(codes == group) for group in range(codes.max() + 1)]
    if max(map(len, members)) < 2:
        raise BrainLensError(
            "Every group holds one stimulus, so nothing can be rotated",
            remedy="Use group_permutations",
        )
    rng = np.random.default_rng(seed)
    order = np.empty((draws, len(codes)), int)
    for rows in members:
        shift = rng.integers(len(rows), size=(draws, 1))
        order[:, rows] = rows[(np.arange(len(rows)) + shift) % len(rows)]
    lengths = [len(rows) for rows in members]
    return Permutations(
        order,
        f"{draws} circular shifts inside {len(members)} groups",
        _product(lengths),
        sum(length for length in lengths if length > 1) / len(codes),
    )


def _product(factors: Sequence[int]) -> float:
    """Product of many numbers; infinite where a float cannot hold it."""
    logarithm = float(np.log(factors).sum())
    return float(np.prod(factors, dtype=float)) if logarithm < 700 else np.inf


def permutation_test(
    features,
    responses: np.ndarray,
    folds: Sequence,
    permutations: Permutations,
    *,
    subjects: np.ndarray | None = None,
    targets: str = "mean",
    people: str = "mean",
    report: Report = SILENT,
    **engine,
) -> PermutationTest:
    """Whether the score of any layer is above what moved responses give.

    Moved responses are further targets of the same features: the engine's decompositions (its hat matrices) serve all
    draws, and the penalty of each target is chosen anew in each draw.

    Parameters
    ----------
    features : array or list of arrays
        One per layer, as :func:`analysis.mapping.cross_validate` takes them.
    responses : ndarray, shape (n_stimuli, n_targets)
    folds : list of (train, test)
    permutations : Permutations
    subjects : ndarray, shape (n_targets,), optional
    targets, people : str
        mean or median.
    **engine
        Further arguments of ``cross_validate``, such as ``inner_folds``.
    """
    responses = np.asarray(responses, float)
    responses = responses[:, None] if responses.ndim == 1 else responses
    n, n_targets = responses.shape
    if permutations.rows.shape[1] != n:
        raise BrainLensError(
            f"Permutations of {permutations.rows.shape[1]} stimuli for {n} responses",
            remedy="Make them from this recording's groups",
        )

    def scored(table):
        return _mean_over_folds(cross_validate(features, table, folds, **engine).r)

    observed = scored(responses)  # (layers, targets)
    draws = len(permutations.rows)
    null, above = np.empty((draws, len(observed))), np.zeros(observed.shape)
    step = max(1, BLOCK_TARGETS // n_targets)
    for start in range(0, draws, step):
        report.step(start, draws, "permutations")
        rows = permutations.rows[start : start + step]
        moved = responses[rows].transpose(1, 0, 2).reshape(n, -1)
        scores = scored(moved).reshape(len(observed), len(rows), n_targets)
        above += (scores >= observed[:, None] - 1e-12).sum(axis=1)
        null[start : start + step] = _summary(scores, subjects, targets, people).T
    score = _summary(observed, subjects, targets, people)
    p_target = np.where(np.isfinite(observed), (1 + above) / (1 + draws), np.nan)
    return PermutationTest(
        score,
        permutation_p(score, null),
        max_statistic(score, null),
        observed,
        p_target,
        null,
        permutations.rule,
    )


def _mean_over_folds(r: np.ndarray) -> np.ndarray:
    """(layer, fold, target) -> (layer, target), NaN folds left out."""
    seen = np.isfinite(r)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(seen, r, 0).sum(axis=1) / seen.sum(axis=1)


def _summary(
    values: np.ndarray, subjects: np.ndarray | None, targets: str, people: str
) -> np.ndarray:
    """(..., target) -> (...): over the targets of a person, then over people."""
    functions = {"mean": np.nanmean, "median": np.nanmedian}
    codes = (
        np.zeros(values.shape[-1], int)
        if subjects is None
        else pd.factorize(np.asarray(subjects))[0]
    )
    each = [
        functions[targets](values[..., codes == person], axis=-1)
        for person in range(codes.max() + 1)
    ]
    return functions[people](np.stack(each, axis=-1), axis=-1)
