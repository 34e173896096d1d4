"""Held-out log-likelihood of mixed models: folds over items, over people, or over both, new levels integrated out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from analysis.mapping.threads import one_blas_thread
from analysis.progress import SILENT, Report
from analysis.reading.crossed import CrossedMean, crossed_mean
from analysis.reading.design import Block, Design, design
from analysis.reading.formula import Formula, parse
from analysis.reading.lmm import fitted_parameters
from analysis.reading.penalised import Problem
from data.errors import BrainLensError, unknown

__all__ = ["OVER", "HeldOut", "crossed_folds", "held_out", "joint_density"]

OVER = ("items", "people", "texts", "both")


@dataclass(frozen=True)
class HeldOut:
    """What the full model adds to the log-likelihood of trials that it was not fitted to.

    Parameters
    ----------
    per_trial : float
        Mean over trials of log p(full) - log p(base), in nats.
    low, high : float
        95 % interval, people and items resampled.
    mean : CrossedMean
        With the counts of people above and below 0.
    trials : ndarray, shape (n_trials,)
        The difference of every trial that was tested; their sum over a fold is that of the joint densities.
    rows : ndarray of int
        Positions in the table.
    folds : pandas.DataFrame
        fold, n_train, n_test, gain.
    rule : str
    """

    per_trial: float
    low: float
    high: float
    mean: CrossedMean
    trials: np.ndarray = field(repr=False)
    rows: np.ndarray = field(repr=False)
    folds: pd.DataFrame = field(repr=False)
    rule: str


def crossed_folds(
    persons: Sequence, items: Sequence, over: str, *, n_folds: int = 5, seed: int = 0
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(train, test) masks: items, people, or both are new in the test.

    With ``"both"``, trials of a test person on a training item, or the other way round, are in neither.

    Parameters
    ----------
    items : sequence
        Items that share context have the same label here.
    over : str
        ``"items"`` (or ``"texts"``), ``"people"`` or ``"both"`` (the square root of the folds, up, for each).
    """
    if over not in OVER:
        raise unknown("what is held out", over, OVER)
    rng = np.random.default_rng([seed, 8])

    def parts(labels, count):
        codes, names = pd.factorize(np.asarray(labels))
        if len(names) < 2:
            raise BrainLensError(f"There is one {'person' if over == 'people' else 'item'} only: nothing can be held out",
                                 remedy="Hold out something else")  # fmt: skip
        place = np.empty(len(names), int)
        place[rng.permutation(len(names))] = np.arange(len(names))
        return (place * min(count, len(names)) // len(names))[codes]

    if over == "both":
        count = int(np.ceil(np.sqrt(n_folds)))
        a, b = parts(persons, max(count, 2)), parts(items, max(count, 2))
        for i in np.unique(a):
            for j in np.unique(b):
                yield (a != i) & (b != j), (a == i) & (b == j)
        return
    fold = parts(persons if over == "people" else items, n_folds)
    for i in np.unique(fold):
        yield fold != i, fold == i


def held_out(
    table: pd.DataFrame,
    base: str | Formula,
    full: str | Formula,
    *,
    over: str = "items",
    person: str = "person",
    item: str = "item",
    together: str | None = None,
    n_folds: int = 5,
    seed: int = 0,
    report: Report = SILENT,
) -> HeldOut:
    """Held-out difference of two mixed models in log-likelihood.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per trial.
    base, full : str
        Formulas with the same response.
    over : str
        One of :data:`OVER`: what is new in the test.
    together : str, optional
        Column whose rows share context and are held out together (story, item set); default: ``item``.
    n_folds : int

    Returns
    -------
    HeldOut

    Raises
    ------
    BrainLensError
        Where the responses differ, or nothing can be held out.

    Notes
    -----
    Scaling is learned from the training rows. The test rows of a fold have one joint density, given the training rows and the
    parameters fitted to them: known people and items by their conditional distribution, new ones by the prior, with all
    their covariances (see :func:`joint_density`).
    """
    base, full = parse(base), parse(full)
    if str(base.response) != str(full.response):
        raise BrainLensError(f"The responses {base.response} and {full.response} differ, so densities do not compare",
                             remedy="Give two formulas with the same response")  # fmt: skip
    together = together or item
    for name in (person, item, together):
        if name not in table.columns:
            raise unknown("column of the table", name, table.columns)
    used = table[[*dict.fromkeys([*base.columns, *full.columns, person, item, together])]]
    positions = np.flatnonzero(used.notna().all(axis=1).to_numpy())
    used = used.iloc[positions].reset_index(drop=True)
    parts = list(crossed_folds(used[person], used[together], over, n_folds=n_folds, seed=seed))
    gains, tested, rows = np.full(len(used), np.nan), np.zeros(len(used), bool), []
    starts: dict = {}
    for k, (train, test) in enumerate(parts):
        report.step(k, len(parts), f"held out over {over}")
        if not test.any():
            continue
        for sign, formula in ((1, full), (-1, base)):
            density, starts[formula] = joint_density(
                used, formula, train, test, start=starts.get(formula)
            )
            gains[test] = np.where(tested[test], gains[test], 0.0) + sign * density
            tested |= test
        rows.append((k, int(train.sum()), int(test.sum()), float(gains[test].mean())))
    report.step(len(parts), len(parts), f"held out over {over}")
    mean = crossed_mean(gains[tested], used[person][tested], used[together][tested], seed=seed)
    new = {
        "items": "new items",
        "texts": "new texts",
        "people": "new people",
        "both": "new people and items",
    }[over]
    return HeldOut(
        mean.value, mean.low, mean.high, mean, gains[tested], positions[tested],
        pd.DataFrame(rows, columns=["fold", "n_train", "n_test", "gain"]),
        f"mixed model, {new} in {len(rows)} folds by {person if over == 'people' else together}",
    )  # fmt: skip


def joint_density(
    table: pd.DataFrame, formula: Formula | str, train: np.ndarray, test: np.ndarray, *, start=None
) -> tuple[np.ndarray, list]:
    r"""Log density of the test rows given the training rows, shared out over the rows.

    Parameters
    ----------
    train, test : ndarray of bool, shape (n,)
    start : list of ndarray, optional
        Covariances of an earlier fold to start from.

    Returns
    -------
    ndarray, shape (n_test,)
        Its sum is the joint log density.
    list
        Covariances of the random effects, and the residual variance.

    Notes
    -----
    With parameters fixed at those of the training rows, :math:`\log p(y_{te} | y_{tr}) = \log p(y_{te}, y_{tr}) - \log
    p(y_{tr})`, two evaluations of the likelihood. The quadratic form of the test rows is :math:`\sum_i r_i s_i` with :math:`r`
    their error given the training rows and :math:`s = (y - X\beta - Z\hat b_{all}) / \sigma^2`; each row gets its
    :math:`-r_i s_i / 2` and an equal share of the rest.
    """
    both = train | test
    made = design(table[both], formula, train=train[both])
    if made.n_dropped:
        raise BrainLensError(
            f"{made.n_dropped} rows lack a value of {made.formula}", remedy="Leave them out first"
        )
    inside = train[both]
    part = _rows(made, inside)
    kept, covariances, weights, residual = fitted_parameters(part, start)
    with one_blas_thread():
        small = Problem(part.x[:, kept], part.y, part.blocks)
        large = Problem(made.x[:, kept], made.y, made.blocks)
        value, modes = small.log_likelihood(
            small.relative(covariances, residual), weights, residual
        )
        total, every = large.log_likelihood(
            large.relative(covariances, residual), weights, residual
        )
    error = made.y - made.x[:, kept] @ weights
    after = error - _fitted(made, {g.name: (g.levels, m) for g, m in zip(large.groups, every)})
    before = error - _fitted(made, {g.name: (g.levels, m) for g, m in zip(small.groups, modes)})
    own = -0.5 * (before * after)[~inside] / residual
    return own + (total - value - own.sum()) / len(own), [covariances, residual]


def _rows(made: Design, kept: np.ndarray) -> Design:
    """The design of some rows; levels without a row go."""
    blocks = []
    for block in made.blocks:
        codes, levels = pd.factorize(block.codes[kept], sort=True)
        blocks.append(
            Block(block.group, block.levels[levels], codes, block.names, block.columns[kept])
        )
    return replace(made, y=made.y[kept], x=made.x[kept], blocks=tuple(blocks), rows=made.rows[kept])


def _fitted(made: Design, modes: dict) -> np.ndarray:
    """``Z b`` of every row; 0 for levels that have no conditional mean."""
    total, place = np.zeros(len(made.y)), dict.fromkeys(modes, 0)
    for block in made.blocks:
        levels, own = modes[block.group]
        width = block.columns.shape[1]
        where = pd.Index(levels).get_indexer(block.levels)
        weights = np.where(
            where[:, None] >= 0, own[where][:, place[block.group] : place[block.group] + width], 0.0
        )
        place[block.group] += width
        total += (block.columns * weights[block.codes]).sum(axis=1)
    return total
