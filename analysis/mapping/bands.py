"""The two solvers of banded ridge: himalaya's search, and ours for one wide band beside narrow ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

__all__ = ["NARROW", "Band", "scale", "solve", "solve_himalaya", "solve_narrow"]

NARROW = 64
"""Units that all bands but the widest may have together for :func:`solve_narrow`."""
RANK = 1e-13
"""Eigenvalues below this share of the largest are rounding."""
AT_ONCE = 2**17
"""Numbers of all penalties' dual weights at a time."""


@dataclass(frozen=True)
class Band:
    """One band in one fold: units z-scored by the training rows, divided by the root of their number.

    Parameters
    ----------
    fit, held : ndarray, shapes (n_train, n_units), (n_test, n_units)
    """

    fit: np.ndarray
    held: np.ndarray

    @property
    def units(self) -> int:
        """Features of the band."""
        return self.fit.shape[1]


def scale(x: np.ndarray, train: np.ndarray, test: np.ndarray) -> Band:
    """The band of one fold; units that are constant in the training rows are dropped."""
    varies = np.ptp(x[train], axis=0) > 0
    fit = x[train][:, varies]
    mean, sd = fit.mean(axis=0), fit.std(axis=0) * np.sqrt(max(int(varies.sum()), 1))
    return Band((fit - mean) / sd, (x[test][:, varies] - mean) / sd)


def solve(
    bands: Sequence[Band], y: np.ndarray, splits: list, alphas: Sequence[float], gammas: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Held-out predictions and shares, by whichever solver fits.

    Parameters
    ----------
    bands : sequence of Band
    y : ndarray, shape (n_train, n_targets)
        Centred.
    splits : list of (fit rows, validation rows)
        Inner folds, in rows of ``y``.
    alphas : sequence of float
        In the units of ordinary ridge on all units together.
    gammas : ndarray, shape (n_weightings, n_bands)
        Shares to try, each row summing to 1.

    Returns
    -------
    predictions : ndarray, shape (n_test, n_targets)
    shares : ndarray, shape (n_bands, n_targets)
        The chosen row of ``gammas`` for each target.
    """
    units = sum(band.units for band in bands)
    if not units:
        return np.zeros((len(bands[0].held), y.shape[1])), np.full(
            (len(bands), y.shape[1]), 1 / len(bands)
        )
    grid = np.asarray(alphas, float) / units
    narrow = units - max(band.units for band in bands) <= NARROW
    return (solve_narrow if narrow else solve_himalaya)(bands, y, splits, grid, gammas)


def solve_himalaya(
    bands: Sequence[Band], y: np.ndarray, splits: list, alphas: np.ndarray, gammas: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """himalaya's search over the given shares: a decomposition for each weighting and inner fold."""
    from himalaya.backend import set_backend
    from himalaya.kernel_ridge import solve_multiple_kernel_ridge_random_search

    set_backend("numpy")
    kernels = np.stack([band.fit @ band.fit.T for band in bands])
    deltas, dual, _ = solve_multiple_kernel_ridge_random_search(
        kernels,
        y,
        n_iter=gammas,
        alphas=alphas,
        score_func=_out_of_sample,
        cv=splits,
        return_weights="dual",
        progress_bar=False,
    )
    strength = np.exp(deltas)  # (bands, targets): the chosen shares over the chosen alpha
    predicted = sum(
        band.held @ (band.fit.T @ (dual * strength[number])) for number, band in enumerate(bands)
    )
    return cast(np.ndarray, predicted), strength / strength.sum(axis=0)


def _out_of_sample(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """R2 against the training mean, which is 0 in centred responses: the one definition of inner R2 everywhere."""
    error = ((y_true - y_pred) ** 2).sum(axis=-2)
    variance = (y_true**2).sum(axis=-2)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(variance > 0, 1 - error / variance, 0.0)


def solve_narrow(
    bands: Sequence[Band], y: np.ndarray, splits: list, alphas: np.ndarray, gammas: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    r"""The same search with one decomposition for each inner fold, whatever the number of weightings.

    With :math:`K = s K_w + Z Z^\top + \alpha I`, :math:`K_w = Q \Lambda Q^\top` the wide band and Z the narrow bands' columns
    times the roots of their shares, Woodbury's identity leaves a system of the narrow width:

    .. math:: K^{-1} = D - D Z (I + Z^\top D Z)^{-1} Z^\top D, \quad D = Q (s \Lambda + \alpha)^{-1} Q^\top
    """
    wide = int(np.argmax([band.units for band in bands]))
    thin = [number for number in range(len(bands)) if number != wide]
    narrow = np.hstack([bands[number].fit for number in thin]) if thin else np.empty((len(y), 0))
    owner = np.repeat(np.arange(len(thin)), [bands[number].units for number in thin])
    kernel = bands[wide].fit @ bands[wide].fit.T

    scores = np.zeros((len(gammas), len(alphas), y.shape[1]))
    for fit, check in splits:
        fold = _Fold(
            kernel[np.ix_(fit, fit)], kernel[np.ix_(check, fit)], narrow[fit], narrow[check], y[fit]
        )
        variance = (y[check] ** 2).sum(axis=0)  # about the training mean, which is 0 here
        step = max(1, AT_ONCE // max(len(fold.lam) * y.shape[1], 1))
        for number, gamma in enumerate(gammas):
            for at in range(0, len(alphas), step):
                some = slice(at, at + step)
                left = fold.predict(gamma[wide], gamma[thin][owner], alphas[some])
                left -= y[check]
                error = np.vecdot(left, left, axis=1)  # pyright: ignore[reportCallIssue]  # numpy declares no axis of it
                with np.errstate(invalid="ignore", divide="ignore"):
                    scores[number, some] += np.where(variance > 0, 1 - error / variance, 0.0)
    best = scores.reshape(-1, y.shape[1]).argmax(axis=0)

    held = (
        np.hstack([bands[number].held for number in thin])
        if thin
        else np.empty((len(bands[0].held), 0))
    )
    fold = _Fold(kernel, bands[wide].held @ bands[wide].fit.T, narrow, held, y)
    predicted = np.empty((len(held), y.shape[1]))
    for choice in np.unique(best):
        mine = best == choice
        gamma, alpha = gammas[choice // len(alphas)], np.float64(alphas[choice % len(alphas)])
        (predicted[:, mine],) = fold.predict(
            gamma[wide], gamma[thin][owner], np.atleast_1d(alpha), mine
        )
    return predicted, gammas[best // len(alphas)].T


class _Fold:
    """One training block in the basis of its wide band; outside of it every penalty weighs alike."""

    def __init__(
        self,
        kernel: np.ndarray,
        cross: np.ndarray,
        narrow: np.ndarray,
        narrow_held: np.ndarray,
        y: np.ndarray,
    ):
        lam, q = np.linalg.eigh(kernel)
        kept = lam > RANK * max(lam[-1], 0)
        self.lam, q = lam[kept], q[:, kept]
        self.narrow, self.narrow_held = q.T @ narrow, narrow_held
        self.cross, self.y = cross @ q, q.T @ y
        self.narrow_outside = narrow.T @ narrow - self.narrow.T @ self.narrow
        self.y_outside = narrow.T @ y - self.narrow.T @ self.y

    def predict(
        self, share: float, shares: np.ndarray, alphas: np.ndarray, targets=slice(None)
    ) -> np.ndarray:
        """Predictions (alpha, held row, target); ``shares`` has one entry for each narrow column."""
        w = 1 / (share * self.lam + alphas[:, None])  # (A, k)
        dual = w[:, :, None] * self.y[:, targets]
        if not len(shares):
            return share * (self.cross @ dual)
        root = np.sqrt(shares)
        z, flat = self.narrow * root, 1 / alphas[:, None, None]
        wz = w[:, :, None] * z
        inside = np.eye(len(root)) + z.T @ wz + flat * (self.narrow_outside * np.outer(root, root))
        own = z.T @ dual + flat * (self.y_outside[:, targets] * root[:, None])
        weights = np.linalg.solve(inside, own)  # Z' of the dual: (I + Z'DZ) w = Z'Dy
        dual -= wz @ weights
        return share * (self.cross @ dual) + (self.narrow_held * root) @ weights
