"""Ridge regression from spectra: the choice of alpha per target, and predictions.

With ``Xc = Q S V'`` (training rows, centred), ``z = Q'y``, ``w = alpha / (lam + alpha)``:

- residuals   ``e = (y - Qz) + Q (w z)``; the first part is zero in the dual form,
- leverages   ``d_i = 1 - h_ii = 1 - 1/m - sum_j q_ij^2 (1 - w_j)``,
- leave-one-out error (exact)  ``LOO = sum_i (e_i / d_i)^2``,
- generalised cross-validation ``GCV = sum_i (e_i / mean d)^2``, hence
  ``min(rho) GCV <= LOO <= max(rho) GCV`` with ``rho_i = (mean d / d_i)^2``.

Sources: Golub, Heath & Wahba 1979 (GCV); Rifkin & Lippert 2007 (exact leave-one-out); the bracket and the pruning
that follows from it are ours. float32 multiplies; where two alphas come within ``TIE`` of each other, float64 decides.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from analysis.mapping.evaluate import with_mean
from analysis.mapping.gram import Spectrum

__all__ = ["InnerFold", "Penalties", "inner_fold", "shared_errors"]

TIE = 5e-6
EXTREME = 12
"""Rows with the most extreme leverage that are evaluated before the rest is bounded."""


class Penalties:
    """One training fold at every penalty of the grid.

    Parameters
    ----------
    spectrum : Spectrum
    grid : ndarray (A,)
        Penalties, ascending.
    exact : bool
        Keep float64 vectors for the decisions of exact leave-one-out.
    """

    def __init__(self, spectrum: Spectrum, grid: np.ndarray, *, exact: bool):
        lam, q, m = spectrum.lam, spectrum.q, len(spectrum.q)
        self.still, self.full, self.dropped = spectrum.still, spectrum.full, spectrum.dropped
        self.grid = grid
        self.q = np.ascontiguousarray(q, dtype=np.float32)
        root = np.sqrt(lam)
        p = np.divide(spectrum.p, root, out=np.zeros_like(spectrum.p), where=root > 0)
        self.p = np.ascontiguousarray(with_mean(p).T, dtype=np.float32)  # (k, t + 1)
        self.weights = (root / (lam + grid[:, None])).astype(np.float32)  # (A, k)
        w = grid[:, None] / (lam + grid[:, None])
        base = 0.0 if spectrum.full else (m - 1 - len(lam)) / m
        self.mean_d = base + w.sum(axis=1) / m
        self.omega = w / self.mean_d[:, None]  # (A, k) float64
        self.omega2 = np.ascontiguousarray((self.omega**2).T, dtype=np.float32)  # (k, A)
        self.exact = exact
        if exact:
            self.q64 = q
            square = q * q
            spare = 0.0 if spectrum.full else 1 - 1 / m - square.sum(axis=1)[:, None]
            d = spare + square @ w.T  # (m, A)
            self.rho = (self.mean_d / np.maximum(d, np.finfo(float).tiny)) ** 2
            self._extremes()

    def _extremes(self) -> None:
        """Per alpha the rows whose rho is furthest from the rest, so that the rest is bounded tightly."""
        m, count = self.rho.shape
        few = min(EXTREME, m)
        order = np.argsort(self.rho, axis=0)
        self.rows = np.empty((count, few), dtype=int)
        self.rest = np.empty((count, 2))
        for a in range(count):
            values = self.rho[order[:, a], a]
            spans = values[m - few + np.arange(few + 1) - 1] - values[np.arange(few + 1)] if m > few else np.zeros(few + 1)
            low = int(np.argmin(spans))  # this many from below, the others from above
            self.rows[a] = np.concatenate([order[:low, a], order[m - few + low :, a]])
            left = values[low : m - few + low]
            self.rest[a] = (left[0], left[-1]) if len(left) else (0.0, 0.0)
        self.bounds = np.stack([self.rho.min(axis=0), self.rho.max(axis=0)])

    @property
    def nbytes(self) -> int:
        return sum(v.nbytes for v in vars(self).values() if isinstance(v, np.ndarray))

    def all_errors(self, y: np.ndarray) -> np.ndarray:
        """Error (T, A) of every penalty in float64, nothing pruned."""
        if self.exact:
            return self._loo64(y, np.ones((len(y), len(self.grid)), bool))
        return self._gcv64(y, np.ones((len(y), len(self.grid)), bool))

    # ---- per block of targets ---------------------------------------------------------------------------------------
    def project(self, y: np.ndarray) -> np.ndarray:
        """``z = Q'y``, (T, m) -> (T, k)."""
        return y @ self.q

    def predict(self, z: np.ndarray, pick: np.ndarray) -> np.ndarray:
        """Predictions (T, t + 1), see :func:`~analysis.mapping.evaluate.with_mean`."""
        scaled = np.take(self.weights, pick, axis=0)
        scaled *= z
        return scaled @ self.p

    def gcv(self, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Generalised cross-validation error (T, A), up to the number of rows."""
        z2 = z * z
        error = z2 @ self.omega2
        if not self.full:
            outside = np.maximum(np.vecdot(y, y) - z2.sum(axis=1), 0)
            error += outside[:, None] / (self.mean_d**2).astype(np.float32)
        return error

    def choose(self, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Index of the best penalty per target, by GCV or, where built ``exact``, by leave-one-out."""
        gcv = self.gcv(y, z)
        if not self.exact:
            return self._settle(gcv, y, self._gcv64)
        return self._settle(self._bracketed(gcv, y, z), y, self._loo64)

    def _bracketed(self, gcv: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Leave-one-out error (T, A), infinite where it is certain not to be the smallest."""
        slack = np.float32(1 + 2 * TIE)
        outside = None if self.full else y - z @ self.q.T
        low, high = gcv * self.bounds[0].astype(np.float32), gcv * self.bounds[1].astype(np.float32)
        best = high.min(axis=1) * slack
        for a in range(len(self.grid)):  # a few rows exactly, the rest between tighter bounds
            at = np.flatnonzero(low[:, a] <= best)
            if not len(at):
                continue
            rows = self.rows[a]
            some = self._residuals(z, outside, at, a, rows)
            some *= some
            left = np.maximum(gcv[at, a] - some.sum(axis=1), 0)
            done = some @ self.rho[rows, a].astype(np.float32)
            low[at, a] = done + np.float32(self.rest[a, 0]) * left
            high[at, a] = done + np.float32(self.rest[a, 1]) * left
            best[at] = np.minimum(best[at], high[at, a] * slack)
        exact = np.full_like(gcv, np.inf)
        alive = low <= best[:, None]
        middle = np.where(alive, low + high, np.inf).argmin(axis=1)
        first = np.zeros_like(alive)
        first[np.arange(len(alive)), middle] = True
        for wanted in (first, None):  # the likeliest penalty first: its exact error prunes the others
            if wanted is None:
                best = exact.min(axis=1) * slack
                wanted = alive & ~first & (low <= best[:, None])
            for a in np.flatnonzero(wanted.any(axis=0)):
                at = np.flatnonzero(wanted[:, a])
                c = self._residuals(z, outside, at, a, slice(None))
                c *= c
                exact[at, a] = c @ self.rho[:, a].astype(np.float32)
        return exact

    def _residuals(self, z, outside, at, a, rows) -> np.ndarray:
        """Residuals over mean leverage (targets ``at``, ``rows``) at penalty ``a``."""
        part = z[at] if len(at) < len(z) else z
        c = (part * self.omega[a].astype(np.float32)) @ self.q[rows].T
        if outside is not None:
            c += (outside[at][:, rows] if isinstance(rows, np.ndarray) else outside[at]) / np.float32(self.mean_d[a])
        return c

    def _settle(self, error: np.ndarray, y: np.ndarray, decide: Callable) -> np.ndarray:
        """Smallest error per target; errors within ``TIE`` of it are computed again in float64."""
        pick = error.argmin(axis=1)
        best = error[np.arange(len(error)), pick]
        near = error <= (best * np.float32(1 + TIE))[:, None]
        tied = np.flatnonzero((near.sum(axis=1) > 1) & (best > 0))
        if len(tied):
            pick[tied] = decide(y[tied].astype(np.float64), near[tied]).argmin(axis=1)
        return pick

    def _gcv64(self, y: np.ndarray, near: np.ndarray) -> np.ndarray:
        z = y @ self.q.astype(np.float64)
        outside = 0.0 if self.full else (np.vecdot(y, y) - np.vecdot(z, z))[:, None] / self.mean_d**2
        return np.where(near, (z * z) @ (self.omega**2).T + outside, np.inf)

    def _loo64(self, y: np.ndarray, near: np.ndarray) -> np.ndarray:
        z = y @ self.q64
        outside = None if self.full else y - z @ self.q64.T
        error = np.full(near.shape, np.inf)
        for a in np.flatnonzero(near.any(axis=0)):
            at = np.flatnonzero(near[:, a])
            c = (z[at] * self.omega[a]) @ self.q64.T
            if outside is not None:
                c += outside[at] / self.mean_d[a]
            error[at, a] = (c * c) @ self.rho[:, a]
        return error


def shared_errors(penalties: Penalties, second: np.ndarray) -> np.ndarray:
    """Error summed over all targets (A,), by leave-one-out or GCV, from ``second = sum of y y'`` (m, m), centred.

    The targets drop out: with ``M = Q' second Q`` every quantity is a quadratic form in M.
    """
    q = penalties.q64 if penalties.exact else penalties.q.astype(np.float64)
    qc = q.T @ second  # (k, m)
    inner = qc @ q
    total = np.zeros(len(penalties.grid))
    spare = np.diag(second) - 2 * np.einsum("ik,ki->i", q, qc) + np.einsum("ik,ik->i", q @ inner, q)
    for a, omega in enumerate(penalties.omega):
        scaled = q * omega
        each = np.einsum("ik,ik->i", scaled @ inner, scaled)
        if not penalties.full:
            mean_d = penalties.mean_d[a]
            mixed = np.einsum("ik,ki->i", scaled, qc) - np.einsum("ik,ik->i", scaled @ inner, q)
            each = each + (spare / mean_d + 2 * mixed) / mean_d
        total[a] = each @ penalties.rho[:, a] if penalties.exact else each.sum()
    return total / len(q)


class InnerFold:
    """One inner fold at every penalty: squared held-out error over the held-out variance, per target.

    Where targets are many the map from training to held-out responses is formed once per penalty (``hats``), and
    one product gives all predictions; where they are few, predictions go through the spectrum.
    """

    def __init__(self, spectrum: Spectrum, grid: np.ndarray, dtype, *, hats: bool):
        root = np.sqrt(spectrum.lam)
        p = np.divide(spectrum.p, root, out=np.zeros_like(spectrum.p), where=root > 0)
        weights = root / (spectrum.lam + grid[:, None])
        self.held, self.count, self.hats = len(p), len(grid), hats
        if hats:
            stacked = np.concatenate([(p * w) for w in weights]).astype(dtype)  # (A t, k)
            self.map = stacked @ spectrum.q.T.astype(dtype)  # (A t, m)
        else:
            self.q, self.p, self.weights = (np.ascontiguousarray(a, dtype=dtype) for a in (spectrum.q, p.T, weights))

    def errors(self, train: np.ndarray, held: np.ndarray) -> np.ndarray:
        """(T, A) from training rows (T, m) and held-out rows (T, t), both less the training mean."""
        total = np.vecdot(held, held) - held.sum(axis=1) ** 2 / self.held
        constant = (held == held[:, :1]).all(axis=1)
        total = np.where(constant, np.inf, total)[:, None]  # constant held-out responses have no R2: left out
        if self.hats:
            predicted = (train @ self.map.T).reshape(len(train), self.count, self.held)
            predicted -= held[:, None]
            return np.vecdot(predicted, predicted) / total
        error = np.empty((len(train), self.count), dtype=train.dtype)
        z = train @ self.q
        for a, w in enumerate(self.weights):
            predicted = (z * w) @ self.p
            predicted -= held
            error[:, a] = np.vecdot(predicted, predicted)
        return error / total


def inner_fold(spectrum: Spectrum, grid: np.ndarray, targets: int, dtype=np.float32) -> InnerFold:
    """The cheaper of the two forms of :class:`InnerFold` for so many targets."""
    t, (m, k), a = len(spectrum.p), spectrum.q.shape, len(grid)
    through_hats = a * t * k * m + targets * a * t * m
    through_spectrum = targets * (m * k + a * t * k)
    return InnerFold(spectrum, grid, dtype, hats=through_hats < through_spectrum)
