"""Pearson's r of predictions and responses, with one rule for what counts as constant."""

from __future__ import annotations

import numpy as np

__all__ = ["STILL", "pearson", "still"]

STILL = 1e-12
"""Values whose variance is at most this share of their mean square are constant up to rounding (of float32, in which products are
made)."""


def still(square, total):
    """Whether values are constant: by the sum of squares about their mean, and about 0 (or the training mean).

    A prediction that is shrunken to almost nothing about the training mean is small, not constant: its own size is what counts,
    never that of the responses.

    Parameters
    ----------
    square, total : float or ndarray
        Sum of squares about the values' own mean; sum of squares as they are.
    """
    return square <= STILL * total


def pearson(first: np.ndarray, second: np.ndarray) -> np.ndarray | float:
    """Correlation of each column of two arrays; 0 where one of them is constant, NaN below two pairs of values.

    Parameters
    ----------
    first, second : ndarray, shape (n,) or (n, k)
        NaN where not measured: such a row is left out of that column.

    Returns
    -------
    float, or ndarray of shape (k,)

    Examples
    --------
    >>> round(pearson(np.array([1.0, 2.0, 4.0, np.nan]), np.array([2.0, 4.0, 9.0, 1.0])), 4)
    0.9991
    >>> pearson(np.ones(3), np.arange(3.0))
    0.0
    """
    x, y = (np.asarray(one, float) for one in (first, second))
    single = x.ndim == 1
    x, y = (one[:, None] if one.ndim == 1 else one for one in (x, y))
    there = np.isfinite(x) & np.isfinite(y)
    count = there.sum(axis=0)
    x, y = (np.where(there, one, 0.0) for one in (x, y))
    totals = [np.square(one).sum(axis=0) for one in (x, y)]
    few = np.maximum(count, 1)
    x, y = (np.where(there, one - one.sum(axis=0) / few, 0.0) for one in (x, y))
    xx, yy = (np.square(one).sum(axis=0) for one in (x, y))
    constant = still(xx, totals[0]) | still(yy, totals[1])
    norm = np.sqrt(np.where(constant, 1.0, xx)) * np.sqrt(np.where(constant, 1.0, yy))
    r = np.where(constant, 0.0, (x * y).sum(axis=0) / norm)
    r = np.where(count > 1, r, np.nan)
    return float(r[0]) if single else r
