"""The asymptote of a saturating curve, for hundreds of thousands of curves at once."""

from __future__ import annotations

import numpy as np

from data.errors import BrainLensError

__all__ = ["asymptotes"]

CHUNK = 20_000
"""Curves handled at once."""


def asymptotes(k: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""Least-squares fit of :math:`v(k) = v_0 (1 - e^{-k / \tau})` with :math:`0 \le v_0 \le 1`, :math:`\tau > 0`.

    Variable projection: for a given :math:`\tau` the best :math:`v_0` is
    :math:`\mathrm{clip}(\langle y, g\rangle / \langle g, g\rangle, 0, 1)` with :math:`g_k = 1 - e^{-k/\tau}`, so that only
    :math:`\tau` is searched: a grid shared by all curves, then the root of the loss's derivative inside the best bracket.

    Parameters
    ----------
    k : ndarray, shape (n_points,)
        Size of the pools, positive.
    values : ndarray, shape (..., n_points)
        Curves; NaN where a point is missing.

    Returns
    -------
    v0, tau : ndarray, shape (...)
        NaN for a curve with fewer than two points.

    Raises
    ------
    BrainLensError
        With fewer than two sizes.

    Notes
    -----
    Sources: the curve is that of Schrimpf et al. 2021, doi 10.1073/pnas.2105646118; variable projection is Golub & Pereyra
    1973, doi 10.1137/0710036.
    """
    k, values = np.asarray(k, float), np.asarray(values, float)
    if len(k) < 2:
        raise BrainLensError(
            f"A curve over {len(k)} pool sizes has no asymptote",
            remedy="Give pools of two or more sizes",
        )
    curves = values.reshape(-1, len(k))
    v0, tau = np.empty(len(curves)), np.empty(len(curves))
    for start in range(0, len(curves), CHUNK):
        some = slice(start, start + CHUNK)
        v0[some], tau[some] = _fit(k, curves[some])
    return v0.reshape(values.shape[:-1]), tau.reshape(values.shape[:-1])


def _fit(k: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    seen = np.isfinite(values)
    y, weight = np.where(seen, values, 0.0), seen.astype(float)
    whole = bool(seen.all())
    grid = np.linspace(np.log(k.min() / 40), np.log(k.max() * 1e5), 32)  # log tau
    g = -np.expm1(-k / np.exp(grid)[:, None])  # (grid, k)
    yg, gg = y @ g.T, (np.ones((1, len(k))) if whole else weight) @ (g * g).T
    v = np.clip(yg / gg, 0, 1)
    best = np.argmin(v * (v * gg - 2 * yg), axis=1)

    # The loss falls at `low` and rises at `high`; the root of its slope is found by regula falsi (Illinois) in between.
    low, high = grid[np.maximum(best - 1, 0)], grid[np.minimum(best + 1, len(grid) - 1)]
    at_low, at_high = (_slope(k, y, weight, end) for end in (low, high))
    found = (at_low < 0) & (at_high > 0)
    theta = np.where(found, (low + high) / 2, grid[best])
    active = np.flatnonzero(found)
    low, high, at_low, at_high = low[active], high[active], at_low[active], at_high[active]
    for _ in range(40):
        if not len(active):
            break
        middle = (low * at_high - high * at_low) / (at_high - at_low)
        slope = _slope(k, y[active], weight[active], middle)
        theta[active] = middle
        right = slope > 0
        at_low = np.where(right, at_low / 2, slope)
        at_high = np.where(right, slope, at_high / 2)
        done = (
            (np.abs(np.where(right, high, low) - middle) < 1e-12)
            | (np.abs(slope) < 1e-15)
            | (high - low < 1e-11)
        )
        low, high = np.where(right, low, middle), np.where(right, middle, high)
        active, low, high, at_low, at_high = (
            each[~done] for each in (active, low, high, at_low, at_high)
        )
    g = -np.expm1(-k / np.exp(theta)[:, None])
    v0 = np.clip((y * g).sum(axis=1) / (weight * g * g).sum(axis=1), 0, 1)
    few = seen.sum(axis=1) < 2
    return np.where(few, np.nan, v0), np.where(few, np.nan, np.exp(theta))


def _slope(k: np.ndarray, y: np.ndarray, weight: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Half the derivative of the projected loss by log tau (the term through v0 vanishes at its optimum and at its bounds)."""
    ratio = k / np.exp(theta)[:, None]
    e = np.exp(-ratio)
    g = 1 - e
    wg = weight * g
    v = np.clip((y * g).sum(axis=1) / (wg * g).sum(axis=1), 0, 1)
    return v * ((y - v[:, None] * wg) * ratio * e).sum(axis=1)
