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
from itertools import pairwise

import numpy as np

from analysis.mapping.evaluate import with_mean
from analysis.mapping.few_units import FEW_UNITS, FewByRow
from analysis.mapping.gram import Spectrum
from analysis.mapping.threads import scratch

__all__ = ["InnerFold", "Penalties", "inner_fold", "shared_errors"]

TIE = 5e-6
"""Relative difference of errors below which float32 does not decide."""
SLACK = np.float32(1 + 4 * TIE)
ROUNDING = np.float32(1e-6)
"""What float32 may have lost of a squared length that is a difference."""


class Penalties:
    """One training fold at every penalty of the grid.

    Parameters
    ----------
    spectrum : Spectrum
    grid : ndarray (A,)
        Penalties, ascending.
    exact : bool
        Keep float64 vectors for the decisions of exact leave-one-out.
    rows : bool
        Predict the held-out rows one by one too, not only what the scores need.
    """

    def __init__(self, spectrum: Spectrum, grid: np.ndarray, *, exact: bool, rows: bool = False):
        lam, q, m = spectrum.lam, spectrum.q, len(spectrum.q)
        self.still, self.full, self.dropped = spectrum.still, spectrum.full, spectrum.dropped
        self.grid = grid
        self.q = np.ascontiguousarray(q, dtype=np.float32)
        root = np.sqrt(lam)
        p = np.divide(spectrum.p, root, out=np.zeros_like(spectrum.p), where=root > 0)
        self.p = np.ascontiguousarray(
            with_mean(p, rows).T, dtype=np.float32
        )  # (k, t + 1), or (k, 2t + 1)
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
            self.omega32 = self.omega.astype(np.float32)
            self.rho_mean32 = self.rho.mean(axis=0).astype(np.float32)
            spread = self.rho - self.rho_mean32
            self.spread = np.concatenate([spread, spread**2], axis=1).astype(np.float32)  # (m, 2 A)
            self.bounds = np.stack([self.rho.min(axis=0), self.rho.max(axis=0)]).astype(np.float32)
            few = not spectrum.full and 1 <= len(lam) <= FEW_UNITS
            self.few_rows = FewByRow(q, self.omega, self.rho, self.mean_d) if few else None

    @property
    def nbytes(self) -> int:
        """Memory of the arrays, in bytes."""
        return sum(v.nbytes for v in vars(self).values() if isinstance(v, np.ndarray))

    def all_errors(self, y: np.ndarray) -> np.ndarray:
        """Error (T, A) of every penalty in float64, nothing pruned."""
        if self.exact:
            return self._loo64(y, np.ones((len(y), len(self.grid)), bool))
        return self._gcv64(y, np.ones((len(y), len(self.grid)), bool))

    def respond(
        self, train: np.ndarray, pick: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Predictions (T, t + 1) from training rows (T, m).

        With the penalties behind them, chosen where not given, and R2 inside the training rows where the choice gives one.
        """
        z = np.matmul(train, self.q, out=scratch("z", len(train), self.q.shape[1]))
        pick, inner = self.judge(train, z) if pick is None else (pick, None)
        scaled = np.take(self.weights, pick, axis=0, out=scratch("part", *z.shape), mode="clip")
        scaled *= z
        return (
            np.matmul(scaled, self.p, out=scratch("predicted", len(z), self.p.shape[1])),
            pick,
            inner,
        )

    # ---- per block of targets ---------------------------------------------------------------------------------------
    def gcv(self, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Generalised cross-validation error (T, A), up to the number of rows."""
        z2 = np.multiply(z, z, out=scratch("z2", *z.shape))
        error = np.matmul(z2, self.omega2, out=scratch("gcv", len(z), len(self.grid)))
        if not self.full:
            outside = np.maximum(np.vecdot(y, y) - z2.sum(axis=1), 0)
            error += outside[:, None] / (self.mean_d**2).astype(np.float32)
        return error

    def judge(self, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Index of the best penalty per target, by GCV or, where built ``exact``, by leave-one-out; no R2."""
        if self.exact and self.few_rows is not None:
            return self.few_rows.errors(y).argmin(axis=1), None
        gcv = self.gcv(y, z)
        if not self.exact:
            return self._settle(gcv, y, self._gcv64), None
        return self._settle(self._bracketed(gcv, y, z), y, self._loo64), None

    def _bracketed(self, gcv: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Leave-one-out error (T, A), infinite where it is certain not to be the smallest.

        With the weighted residuals c of one penalty known row by row, those of another are c + u, where <c, u> and
        |u|^2 need no rows. With b = sum(rho c^2) / |c|^2 and rho the other penalty's,
        ``LOO = sum rho c^2 + 2 b <c, u> + 2 sum (rho - b) c u + sum rho u^2``, where the third term is at most
        ``2 |(rho - b) c| |u|`` and the last lies between min(rho) and max(rho) times |u|^2. Neighbours of the penalty
        that GCV proposes are so close to it that two or three evaluations do for the whole grid.
        """
        outside = None if self.full else y - z @ self.q.T
        z2 = np.multiply(z, z, out=scratch("z2", *z.shape))
        apart = None if outside is None else np.vecdot(outside, outside)
        low = gcv * self.bounds[0]
        best = (gcv * self.bounds[1]).min(axis=1) * SLACK
        exact = np.full_like(gcv, np.inf)
        guess = np.where(low <= best[:, None], gcv, np.inf)  # infinite where done or ruled out
        at = np.arange(len(gcv))
        while len(at):
            pick = guess[at].argmin(axis=1)
            order = np.argsort(pick, kind="stable")
            at, pick = at[order], pick[order]
            c2 = scratch("c2", len(at), y.shape[1])
            cross = np.empty((len(at), len(self.grid)), np.float32)
            edges = np.flatnonzero(np.diff(pick, prepend=-1, append=-1))
            for begin, end in pairwise(edges):
                a, some = pick[begin], at[begin:end]
                part = np.take(
                    z, some, axis=0, out=scratch("part", len(some), z.shape[1]), mode="clip"
                )
                part *= self.omega32[a]
                c = np.matmul(part, self.q.T, out=c2[begin:end])
                part = np.take(z2, some, axis=0, out=part, mode="clip")
                joint = np.matmul(part, (self.omega32 * self.omega32[a]).T, out=cross[begin:end])
                if outside is not None and apart is not None:
                    c += outside[some] / np.float32(self.mean_d[a])
                    joint += apart[some, None] / (self.mean_d * self.mean_d[a]).astype(np.float32)
                c *= c
            sums = c2 @ self.spread
            first, second = sums[:, : len(self.grid)], sums[:, len(self.grid) :]
            own = c2.sum(axis=1)
            error = own * self.rho_mean32[pick] + first[np.arange(len(at)), pick]
            exact[at, pick] = error
            guess[at, pick] = np.inf
            best[at] = np.minimum(best[at], error * SLACK)
            step2 = np.maximum(gcv[at] - 2 * cross + own[:, None], 0) + ROUNDING * own[:, None]
            balance = first / np.where(own > 0, own, 1)[:, None]  # of rho around its mean
            wobble = np.sqrt(np.maximum(second - first * balance, 0) * step2)
            towards = cross - own[:, None]
            bound = (
                first
                + self.rho_mean32 * own[:, None]
                + 2 * (self.rho_mean32 + balance) * towards
                + self.bounds[0] * step2
            )
            out = np.isinf(guess[at]) | (bound - 2 * wobble > best[at, None]) | (own[:, None] == 0)
            guess[at] = np.where(out, np.inf, bound)
            at = at[np.isfinite(guess[at]).any(axis=1)]
        return exact

    def _settle(self, error: np.ndarray, y: np.ndarray, decide: Callable) -> np.ndarray:
        """Smallest error per target; errors within ``TIE`` of it are computed again in float64."""
        pick = error.argmin(axis=1)
        best = error[np.arange(len(error)), pick]
        near = error <= (best * np.float32(1 + TIE))[:, None]
        if np.count_nonzero(near) > len(near):
            tied = np.flatnonzero((np.count_nonzero(near, axis=1) > 1) & (best > 0))
            if len(tied):
                pick[tied] = decide(y[tied].astype(np.float64), near[tied]).argmin(axis=1)
        return pick

    def _gcv64(self, y: np.ndarray, near: np.ndarray) -> np.ndarray:
        z = y @ self.q.astype(np.float64)
        outside = (
            0.0 if self.full else (np.vecdot(y, y) - np.vecdot(z, z))[:, None] / self.mean_d**2
        )
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
            self.q, self.p, self.weights = (
                np.ascontiguousarray(a, dtype=dtype) for a in (spectrum.q, p.T, weights)
            )

    def totals(self, held: np.ndarray) -> np.ndarray:
        """Held-out sums of squares (T, 1), infinite for constant responses: those have no R2 and count as no error."""
        total = np.vecdot(held, held) - held.sum(axis=1) ** 2 / self.held
        return np.where((held == held[:, :1]).all(axis=1), np.inf, total)[:, None]

    def errors(self, train: np.ndarray, held: np.ndarray) -> np.ndarray:
        """(T, A) from training rows (T, m) and held-out rows (T, t), both less the training mean."""
        total = self.totals(held)
        if self.hats:
            predicted = np.matmul(
                train, self.map.T, out=scratch("hats", len(train), len(self.map), dtype=train.dtype)
            )
            predicted = predicted.reshape(len(train), self.count, self.held)
            predicted -= held[:, None]
            return np.vecdot(predicted, predicted) / total
        error = np.empty((len(train), self.count), dtype=train.dtype)
        z = np.matmul(
            train, self.q, out=scratch("z", len(train), self.q.shape[1], dtype=train.dtype)
        )
        for a, w in enumerate(self.weights):
            part = np.multiply(z, w, out=scratch("part", *z.shape, dtype=train.dtype))
            predicted = np.matmul(
                part, self.p, out=scratch("predicted", *held.shape, dtype=train.dtype)
            )
            predicted -= held
            error[:, a] = np.vecdot(predicted, predicted)
        return error / total


def inner_fold(spectrum: Spectrum, grid: np.ndarray, targets: int, dtype=np.float32) -> InnerFold:
    """The cheaper of the two forms of :class:`InnerFold` for so many targets."""
    t, (m, k), a = len(spectrum.p), spectrum.q.shape, len(grid)
    through_hats = a * t * k * m + targets * a * t * m
    through_spectrum = targets * (m * k + a * t * k)
    return InnerFold(spectrum, grid, dtype, hats=through_hats < through_spectrum)
