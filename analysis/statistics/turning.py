"""Time series against chance: predictions turned around in their run or cut into blocks, intervals over people and blocks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.statistics.bootstrap import recentred, widening

__all__ = ["as_refitted", "block_r", "effective_shifts", "people_by_blocks", "permuted", "turned"]

Fold = tuple[np.ndarray, np.ndarray]
AT_ONCE = 1200
"""Shifted targets whose r is taken in one call."""
LENGTH = 10
"""Rows of a block that stays together where blocks are put into another order."""


def block_r(predicted: np.ndarray, measured: np.ndarray, folds: Sequence[Fold]) -> np.ndarray:
    """Pearson r inside each held-out block, shape (n_folds, n_targets).

    0 where a prediction is constant, NaN where nothing was measured.

    Parameters
    ----------
    predicted, measured : ndarray, shape (n_rows, n_targets)
        NaN where a row was in no block or not measured.
    folds : list of (train, test)
    """
    out = np.full((len(folds), measured.shape[1]), np.nan)
    for number, (_, test) in enumerate(folds):
        x, y = np.asarray(predicted[test], float), np.asarray(measured[test], float)
        both = np.isfinite(x) & np.isfinite(y)
        count = both.sum(axis=0)
        x, y = np.where(both, x, 0.0), np.where(both, y, 0.0)
        n = np.maximum(count, 1)
        x, y = (np.where(both, v - v.sum(axis=0) / n, 0.0) for v in (x, y))
        size = np.sqrt((x * x).sum(axis=0) * (y * y).sum(axis=0))
        r = np.divide((x * y).sum(axis=0), size, out=np.zeros(len(size)), where=size > 1e-12)
        out[number] = np.where(count >= 3, r, np.nan)
    return out


def turned(
    predicted: np.ndarray,
    measured: np.ndarray,
    folds: Sequence[Fold],
    runs: Sequence | np.ndarray,
    closest: int,
    *,
    draws: int = 200,
    seed: int = 0,
) -> np.ndarray:
    """r where the predictions are shifted around their run: the same course in time, at the wrong moment.

    Parameters
    ----------
    predicted, measured : ndarray, shape (n_rows, n_targets)
    runs : sequence, length n_rows
    closest : int
        Rows that a shift lies away from the right moment at least, on both sides; a run that is too short for that is shifted
        by half of it.
    draws : int
    seed : int
        The same seed shifts every array alike, so that a maximum over lags and regions can be taken.

    Returns
    -------
    ndarray, shape (draws, n_targets)
        Mean over blocks.
    """

    def order(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        n = len(rows)
        by = int(rng.integers(closest, n - closest + 1)) if n > 2 * closest else n // 2
        return np.roll(rows, by)

    return _moved(predicted, measured, folds, runs, order, draws, seed)


def permuted(
    predicted: np.ndarray,
    measured: np.ndarray,
    folds: Sequence[Fold],
    runs: Sequence | np.ndarray,
    length: int = LENGTH,
    *,
    draws: int = 200,
    seed: int = 0,
) -> np.ndarray:
    """r where blocks of so many rows of the predictions are put into another order within their run; as :func:`turned`.

    Beside shifts, which keep the course of a whole run but of which a short run has few: blocks keep what neighbours share, and
    there are many orders.

    Returns
    -------
    ndarray, shape (draws, n_targets)
        Mean over blocks that are held out.
    """

    def order(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        blocks = np.split(rows, np.arange(length, len(rows), length))
        return np.concatenate([blocks[one] for one in rng.permutation(len(blocks))])

    return _moved(predicted, measured, folds, runs, order, draws, seed)


def _moved(predicted, measured, folds, runs, order, draws: int, seed: int) -> np.ndarray:
    """r of predictions whose rows stand in another order within each run, drawn anew every time."""
    runs, rng = np.asarray(runs), np.random.default_rng(seed)
    rows = [np.flatnonzero(runs == run) for run in pd.unique(runs)]
    predicted, width = np.asarray(predicted, float), measured.shape[1]
    # draws side by side, as targets of one call; a single column would be summed in another order there
    step = max(1, AT_ONCE // width) if width > 1 else 1
    out = np.empty((draws, width))
    for first in range(0, draws, step):
        some = min(step, draws - first)
        moved = np.empty((len(measured), some, width))
        for draw in range(some):
            moved[:, draw] = predicted
            for mine in rows:
                moved[mine, draw] = predicted[order(mine, rng)]
        with np.errstate(invalid="ignore"):
            r = block_r(
                moved.reshape(len(moved), -1),
                measured if some == 1 else np.tile(measured, (1, some)),
                folds,
            )
            there = np.isfinite(r)
            mean = np.where(there, r, 0).sum(axis=0) / np.where(there.any(axis=0), there.sum(axis=0), np.nan)  # fmt: skip
        out[first : first + some] = mean.reshape(some, width)
    return out


def as_refitted(null: np.ndarray) -> np.ndarray:
    r"""What :func:`turned` gives of held-out predictions, as wide as if every shift had been fitted anew.

    Parameters
    ----------
    null : ndarray, shape (draws, ...)

    Returns
    -------
    ndarray, of the same shape
        Deviations from the mean over draws times :math:`\sqrt 2`.

    Notes
    -----
    A prediction of block i holds the responses of every other block j, and one of block j those of i: without any effect the
    mean over blocks is a quadratic form :math:`y^\top A y` whose diagonal blocks are 0, with the variance
    :math:`\operatorname{tr}(A \Sigma A^\top \Sigma) + \operatorname{tr}(A \Sigma A \Sigma)`. Shifting predictions that are
    fitted already breaks the pairs and keeps the first term alone. The second is never larger (Cauchy & Schwarz), and nearly
    equal where folds share most of their training rows: unwidened, such a p was .05 or less in 11 % of data sets without an
    effect.
    """
    middle = np.nanmean(null, axis=0, keepdims=True)
    return middle + np.sqrt(2.0) * (null - middle)


def effective_shifts(
    predicted: np.ndarray, measured: np.ndarray, runs: Sequence | np.ndarray, closest: int
) -> float:
    r"""How many shifts are worth as much as independent ones.

    .. math:: n / \Bigl(1 + 2 \sum_{k>0} \rho_x(k) \rho_y(k)\Bigr)

    with the autocorrelations of prediction and signal (Bartlett 1946), their sum cut at its first value below 0; the mean over
    targets, summed over runs, for the shifts that are allowed.
    """
    runs, total = np.asarray(runs), 0.0
    for run in pd.unique(runs):
        mine = np.flatnonzero(runs == run)
        allowed = len(mine) - 2 * closest + 1
        if allowed < 1:
            continue
        x, y = (_autocorrelation(values[mine]) for values in (predicted, measured))
        product = x[1:] * y[1:]
        stop = np.where((product < 0).any(axis=0), (product < 0).argmax(axis=0), len(product))
        kept = np.where(np.arange(len(product))[:, None] < stop, product, 0.0)
        total += float(np.mean(allowed / np.maximum(1 + 2 * kept.sum(axis=0), 1.0)))
    return total


def _autocorrelation(values: np.ndarray) -> np.ndarray:
    """Autocorrelation at lags 0 to n / 2, shape (n / 2, n_columns)."""
    known = np.maximum((~np.isnan(values)).sum(axis=0), 1)
    values = np.nan_to_num(values - np.nansum(values, axis=0) / known)
    n = len(values)
    power = np.abs(np.fft.rfft(values, 2 * n, axis=0)) ** 2
    found = np.fft.irfft(power, axis=0)[: max(n // 2, 2)]
    return found / np.maximum(found[:1], 1e-12)


def people_by_blocks(
    r: np.ndarray, subjects: Sequence | np.ndarray, *, draws: int = 1000, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    r"""Mean curves and their draws: people and held-out blocks are drawn with replacement, independently of each other.

    Parameters
    ----------
    r : ndarray, shape (n_lags, n_folds, n_series)
        NaN where a series was not measured in a block.
    subjects : sequence, length n_series
        Whose each series is; a person's series are averaged first.
    draws : int
    seed : int
        The same seed draws the same people and blocks: differences of two curves are paired.

    Returns
    -------
    value : ndarray, shape (n_lags,)
    drawn : ndarray, shape (draws, n_lags)
        Around ``value``; spread by what few people or blocks hide: with m of the rarer, :math:`\sqrt{m / (m - 1)}` times the
        ratio of Student's t to the normal quantile. Of one person the blocks alone are drawn, which know nothing of the
        variability of training: wider by :func:`analysis.statistics.bootstrap.widening` as well.

    Notes
    -----
    The pigeonhole bootstrap (Owen 2007, doi 10.1214/07-AOAS122). Blocks of one story say nothing about other stories.
    """
    from scipy.stats import norm, t

    names = list(dict.fromkeys(map(str, subjects)))
    subjects = np.asarray(list(map(str, subjects)))
    person = np.stack([_mean(r[:, :, subjects == name], axis=2) for name in names], axis=2)
    n_folds, n_people = person.shape[1:]
    rng = np.random.default_rng(seed)
    blocks = rng.multinomial(n_folds, np.full(n_folds, 1 / n_folds), draws).astype(float)
    people = (
        rng.multinomial(n_people, np.full(n_people, 1 / n_people), draws).astype(float)
        if n_people > 1
        else np.ones((draws, 1))
    )
    there, filled = np.isfinite(person).astype(float), np.nan_to_num(person)
    weigh = lambda values: np.einsum("bf,lfp,bp->bl", blocks, values, people, optimize=True)  # noqa: E731
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = weigh(filled) / weigh(there)
    value = _mean(_mean(person, axis=1), axis=1)
    few = max(min(n for n in (n_folds, n_people) if n > 1) if max(n_folds, n_people) > 1 else 2, 2)
    widened = float(np.sqrt(few / (few - 1)) * t.ppf(0.975, few - 1) / norm.ppf(0.975))
    if n_people == 1:
        widened *= widening(n_folds)
    spread = [recentred(drawn[:, lag], value[lag], widened) for lag in range(len(value))]
    return value, np.column_stack(spread)


def _mean(values: np.ndarray, axis: int) -> np.ndarray:
    there = np.isfinite(values)
    count = there.sum(axis=axis)
    total = np.where(there, values, 0.0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
