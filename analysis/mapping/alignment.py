"""Similarity through a map that is no regression: a rotation, or a matching of single units, learnt on training rows."""

from __future__ import annotations

import numpy as np

from data.errors import BrainLensError

__all__ = ["PAIRS", "matched_correlation", "matching", "rotation", "shape_similarity"]

PAIRS = 4_000_000
"""Pairs of units above which a matching is refused: it would take minutes and gigabytes."""


def rotation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    r"""The orthogonal map of ``first`` that comes closest to ``second`` on these rows (Procrustes).

    .. math:: Q = U V^\top, \quad U S V^\top = X^\top Y

    Parameters
    ----------
    first, second : ndarray, shape (n_stimuli, n_units)
        Centred. Of unequal width, Q is what is left of a rotation of the narrower one padded with zeros.

    Returns
    -------
    ndarray, shape (n_units of first, n_units of second)
    """
    u, _, v = np.linalg.svd(first.T @ second, full_matrices=False)
    return u @ v


def shape_similarity(first: np.ndarray, second: np.ndarray, turned: np.ndarray) -> float:
    r"""Cosine of two shapes after a rotation, :math:`\langle X Q, Y \rangle / (\|X\| \|Y\|)`.

    On the rows the rotation was learnt from it is the cosine of the Riemannian shape distance; on other rows it has the
    expectation 0 for features that share nothing, whatever their number.

    Parameters
    ----------
    first, second : ndarray, shape (n_stimuli, n_units)
        Less the means of the rows that ``turned`` was learnt from.
    turned : ndarray
        Of :func:`rotation`.

    Notes
    -----
    Williams, Kunz, Kornblith & Linderman 2021, arXiv 2110.14739.
    """
    norm = np.linalg.norm(first) * np.linalg.norm(second)
    return float(((first @ turned) * second).sum() / norm) if norm > 0 else 0.0


def matching(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""Which unit goes with which: the transport plan with the highest correlation, each side's units of equal mass.

    .. math:: \max_T \sum_{ij} T_{ij} \, r(x_i, y_j), \quad \sum_j T_{ij} = 1 / p, \; \sum_i T_{ij} = 1 / q

    Of equal widths the best plan is a permutation. Of widths that do not divide each other the larger side's units are placed
    one each, and the smaller side's take their share rounded up: the plan is exact to less than one unit of the larger side.

    Parameters
    ----------
    first, second : ndarray, shape (n_stimuli, n_units)

    Returns
    -------
    units of first, units of second, mass : ndarray
        The pairs of the plan.

    Raises
    ------
    BrainLensError
        Above :data:`PAIRS` pairs.

    Notes
    -----
    Khosla & Williams 2024, PMLR 243 (soft matching), arXiv 2311.09466. A constant unit has correlation 0 with every other.
    """
    from scipy.optimize import linear_sum_assignment

    if first.shape[1] > second.shape[1]:
        b, a, mass = matching(second, first)
        return a, b, mass
    p, q = first.shape[1], second.shape[1]
    copies = -(-q // p)
    if copies * p * q > PAIRS:
        raise BrainLensError(
            f"{p:,} and {q:,} units are too many to match one by one",
            remedy="Choose fewer targets or units, or method=shape",
        )
    r = _standard(first).T @ _standard(second)
    if copies == 1:
        rows, columns = linear_sum_assignment(r, maximize=True)
    else:
        rows, columns = linear_sum_assignment(np.repeat(r, copies, axis=0), maximize=True)
        rows = rows // copies
    return rows, columns, np.full(len(columns), 1 / len(columns))


def matched_correlation(first: np.ndarray, second: np.ndarray, plan: tuple) -> float:
    """Mean correlation of matched units on these rows, weighted by the plan's mass."""
    rows, columns, mass = plan
    x, y = _standard(first[:, rows]), _standard(second[:, columns])
    return float(mass @ (x * y).sum(axis=0))


def _standard(values: np.ndarray) -> np.ndarray:
    """Units centred and of unit norm; constant ones are 0."""
    centred = values - values.mean(axis=0)
    norm = np.linalg.norm(centred, axis=0)
    return centred / np.where(norm > 1e-12 * np.abs(values).max(initial=1.0), norm, np.inf)
