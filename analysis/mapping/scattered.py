r"""Targets that each miss a few stimuli of their own: one decomposition serves them all, and leaves out the same rows as a refit.

Leaving rows M out of a penalised least squares fit gives the same coefficients as keeping them with responses that the fit
without them predicts (Cook & Weisberg 1982, Residuals and Influence in Regression). With the hat matrix
:math:`H = \tfrac1m 11' + Q\,\mathrm{diag}(h)\,Q'` of all training rows those responses are

.. math:: f = (I - H_{MM})^{-1} H_{MO} \, y_O

for the observed rows O: a system as small as the target's gaps, instead of a decomposition for each target. What differs from
dropping the rows before anything else is the scale of the features, which comes from all training rows, and the choice of
alpha, in which the filled rows count: alpha is chosen with the gaps at the mean, and once more after they are filled for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.mapping.pearson import still as constant_values

__all__ = ["GAPS", "MISSING", "Scattered", "fill", "fit"]

MISSING = 0.1
"""Share of the stimuli that a target may lack and still be fitted with the others."""

GAPS = 64
"""Missing training rows of a target up to which filling costs less than a decomposition of its own."""
AT_ONCE = 2**22
"""Numbers of the small systems held at a time."""


@dataclass
class Scattered:
    """Targets of one layer and fold, target-major.

    Parameters
    ----------
    predicted : ndarray (T, t) float64
        In the responses' unit, for all held-out rows.
    r, r2, constant : ndarray (T,)
        Over the held-out rows that have a response; NaN below two of them.
    pick : ndarray (T,)
        Penalty of each target.
    inner : ndarray (T,) or None
        R2 of what was left out inside the training rows.
    """

    predicted: np.ndarray
    r: np.ndarray
    r2: np.ndarray
    constant: np.ndarray
    pick: np.ndarray
    inner: np.ndarray | None


def fit(model, y: np.ndarray, train: np.ndarray, test: np.ndarray) -> Scattered:
    """Choose penalties and predict held-out rows.

    Parameters
    ----------
    model : Penalties
        Of the training rows of this fold, all of them.
    y : ndarray (T, n)
        Target-major responses, NaN where not measured.
    train, test : ndarray
    """
    rows = y[:, train].astype(np.float64)
    missing = np.isnan(rows)
    first = np.take_along_axis(rows, missing.argmin(axis=1)[:, None], axis=1)
    still = (missing | (rows == first)).all(axis=1)
    mean = np.nanmean(rows, axis=1, keepdims=True)
    rows = np.where(missing, 0.0, rows - mean)
    norm = np.sqrt(np.vecdot(rows, rows))[:, None]
    norm[still | (norm[:, 0] == 0)] = 1.0
    rows /= norm
    rows[still] = 0
    q = getattr(model, "q64", model.q).astype(np.float64)
    filled, pick = rows, None
    for turn in range(3):
        _, found, inner = model.respond(_centred(filled))
        if pick is not None and (turn == 2 or np.array_equal(found, pick)):
            break
        pick = found
        filled = fill(rows, missing, q, 1 - model.omega[pick] * model.mean_d[pick, None])
    through = model.respond(_centred(filled), pick)[0].astype(np.float64)
    count = len(test)
    spread = through[:, :count]  # about the mean over the held-out rows, see with_mean
    predicted = spread + through[:, count : count + 1] / np.sqrt(count)
    predicted += filled.mean(axis=1, keepdims=True)
    r, r2, constant = _scores(predicted, (y[:, test] - mean) / norm, still | model.still)
    assert pick is not None  # as the first turn found it
    return Scattered(predicted * norm + mean, r, r2, constant, pick, inner)


def fill(rows: np.ndarray, missing: np.ndarray, q: np.ndarray, shrunk: np.ndarray) -> np.ndarray:
    """Missing entries as the fit without them predicts them.

    Parameters
    ----------
    rows : ndarray (T, m)
        Observed rows less their mean, 0 where missing.
    missing : ndarray (T, m) of bool
    q : ndarray (m, k)
        Orthonormal basis of the centred features.
    shrunk : ndarray (T, k)
        ``lam / (lam + alpha)`` at each target's penalty.
    """
    out, z, m = rows.copy(), rows @ q, rows.shape[1]
    gaps = missing.sum(axis=1)
    for count in np.unique(gaps[gaps > 0]):
        alike = np.flatnonzero(gaps == count)
        step = max(1, AT_ONCE // (count * (q.shape[1] + count)))
        for at in range(0, len(alike), step):
            some = alike[at : at + step]
            places = np.nonzero(missing[some])[1].reshape(len(some), count)
            own = q[places]  # (some, count, k)
            hat = own * shrunk[some, None]
            left = np.eye(count) - 1 / m - hat @ own.swapaxes(1, 2)
            given = (hat @ z[some, :, None])[..., 0]
            out[some[:, None], places] = np.linalg.solve(left, given[..., None])[..., 0]
    return out


def _centred(rows: np.ndarray) -> np.ndarray:
    return (rows - rows.mean(axis=1, keepdims=True)).astype(np.float32)


def _scores(
    predicted: np.ndarray, held: np.ndarray, still: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """r, R2 and constants over the held-out rows with a response; both arrays (T, t) less the training mean."""
    there = ~np.isnan(held)
    count = there.sum(axis=1)
    x, y = np.where(there, predicted, 0.0), np.where(there, held, 0.0)
    error, total, square = ((y - x) ** 2).sum(axis=1), (y * y).sum(axis=1), (x * x).sum(axis=1)
    few = np.maximum(count, 1)[:, None]
    x, y = (np.where(there, each - each.sum(axis=1, keepdims=True) / few, 0.0) for each in (x, y))
    xx, yy = (x * x).sum(axis=1), (y * y).sum(axis=1)
    constant = still | constant_values(xx, square) | constant_values(yy, total)
    with np.errstate(invalid="ignore", divide="ignore"):
        r = np.where(constant, 0.0, (x * y).sum(axis=1) / np.sqrt(xx * yy))
        r2 = np.where(total > 0, 1 - error / total, np.nan)
    return np.where(count > 1, r, np.nan), np.where(count > 1, r2, np.nan), constant & (count > 1)
