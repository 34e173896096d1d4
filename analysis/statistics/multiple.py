"""Many tests at once: p-values of permutations, false discoveries, the largest statistic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.errors import BrainLensError

__all__ = ["Discoveries", "fdr", "max_statistic", "permutation_p"]


@dataclass(frozen=True)
class Discoveries:
    """False-discovery control over a family of tests.

    Parameters
    ----------
    q : ndarray
        Adjusted p-values, NaN where the p-value was NaN.
    rejected : ndarray of bool
    level : float
    n : int
        Tests in the family (NaN left out).
    family : str
        What the family is, in words: it belongs in every caption.
    """

    q: np.ndarray
    rejected: np.ndarray
    level: float
    n: int
    family: str

    def __str__(self) -> str:
        return f"{int(self.rejected.sum())} of {self.n} {self.family}, FDR {self.level:g} (Benjamini-Hochberg)"


def permutation_p(observed: np.ndarray, null: np.ndarray) -> np.ndarray:
    r"""One-sided p-values, :math:`p = (1 + \#\{null \ge observed\}) / (1 + draws)`; the draws are the first axis of ``null``.

    Source: Phipson & Smyth 2010, doi 10.2202/1544-6115.1585: a permutation p-value is never 0.
    """
    observed, null = np.asarray(observed, float), np.asarray(null, float)
    p = (1 + (null >= observed - 1e-12).sum(axis=0)) / (1 + len(null))
    return np.where(np.isfinite(observed), p, np.nan)


def fdr(p: np.ndarray, *, level: float = 0.05, family: str = "tests") -> Discoveries:
    r"""Benjamini-Hochberg: :math:`q_{(i)} = \min_{j \ge i} n p_{(j)} / j`.

    Parameters
    ----------
    p : ndarray
        Any shape; NaN are not part of the family.
    level : float
        Expected share of false discoveries.
    family : str
        What the family is ("voxels of subject 1, layer 6").

    Raises
    ------
    BrainLensError
        For values outside [0, 1].

    Notes
    -----
    Source: Benjamini & Hochberg 1995, doi 10.1111/j.2517-6161.1995.tb02031.x.
    """
    p = np.asarray(p, float)
    inside = np.isfinite(p)
    values = p[inside]
    if values.size and (values.min() < 0 or values.max() > 1):
        raise BrainLensError(
            f"p-values run from {values.min():g} to {values.max():g}",
            remedy="Give probabilities in [0, 1]",
        )
    order = np.argsort(values)
    n = len(values)
    steps = np.minimum.accumulate((values[order] * n / np.arange(1, n + 1))[::-1])[::-1]
    q = np.full(p.shape, np.nan)
    filled = np.empty(n)
    filled[order] = np.minimum(steps, 1.0)
    q[inside] = filled
    return Discoveries(q, np.where(inside, q <= level, False), level, n, family)


def max_statistic(observed: np.ndarray, null: np.ndarray) -> np.ndarray:
    r"""p-values corrected for looking at all layers: the largest statistic of each draw is the null.

    Parameters
    ----------
    observed : ndarray, shape (n_layers,)
    null : ndarray, shape (n_draws, n_layers)
        All layers under the same permutations.

    Returns
    -------
    ndarray, shape (n_layers,)
        :math:`(1 + \#\{\max_l null_l \ge observed_l\}) / (1 + draws)`: any layer below .05 is significant family-wise.

    Notes
    -----
    Source: Nichols & Holmes 2002, doi 10.1002/hbm.1058.
    """
    null = np.asarray(null, float)
    if null.ndim != 2 or null.shape[1] != len(observed):
        raise BrainLensError(
            f"The null has shape {null.shape} for {len(observed)} layers",
            remedy="Give one row for each draw and one column for each layer",
        )
    return permutation_p(observed, np.nanmax(null, axis=1, keepdims=True))
