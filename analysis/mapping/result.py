"""What cross-validation gives back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Fit"]


@dataclass
class Fit:
    """What a cross-validation found, one value per (layer, fold, target).

    Parameters
    ----------
    r : ndarray (layer, fold, target) float32
        Pearson correlation of prediction and response on the held-out rows; 0 where one of them is constant
        (see ``constant``), NaN where the target has fewer than two training or two held-out rows.
    r2 : ndarray (layer, fold, target) float32
        Out-of-sample R2, ``1 - |y - yhat|^2 / |y - mean of the training rows|^2``.
    pick : ndarray of int16 (layer, fold, target)
        Chosen penalty as a position in ``alphas``; -1 where there is none.
    constant : ndarray of bool (layer, fold, target)
        The prediction or the responses (held out, or trained on) are constant, so ``r`` is 0 by definition.
    dropped : ndarray of int (layer, fold)
        Units that are constant in the training fold and so carry no weight; -1 where only a Gram was given.
    form : list of str
        Per layer, ``"dual"`` (rows x rows) or ``"primal"`` (units x units).
    solver : ndarray of str (layer, fold)
        ``"eigh"``, ``"cholesky"``, ``"qr"`` or ``"svd"``: what solved the fold (of the first group of targets that has it).
    alphas : ndarray (A,)
        The grid, ascending; empty for OLS.
    method, criterion : str
        ``criterion`` is ``""`` for OLS.
    shared_alpha, standardize : bool
        As asked for.
    rcond : float or None
        Largest relative cut-off of the singular values used (OLS); None for ridge.
    device, dtype : str
        What computed it, and in which precision, in words.
    estimate : int
        Working memory estimated before running, bytes above features, responses and results.
    predictions : ndarray (layer, stimulus, target) in the responses' precision, or None
        Held-out predictions, NaN where a row was never tested; the mean where several folds tested it.
    inner : ndarray (layer, fold, target) float32 or None
        R2 inside the training rows at the chosen penalty, so that a layer may be chosen by it (a penalty per target): mean
        over the inner folds (``criterion="kfold"``), or pooled over them (``"logo"``).
    """

    r: np.ndarray
    r2: np.ndarray
    pick: np.ndarray
    constant: np.ndarray
    dropped: np.ndarray
    form: list[str]
    solver: np.ndarray
    alphas: np.ndarray
    method: str
    criterion: str
    shared_alpha: bool
    standardize: bool
    rcond: float | None
    device: str
    dtype: str
    estimate: int = 0
    predictions: np.ndarray | None = None
    inner: np.ndarray | None = None

    @property
    def alpha(self) -> np.ndarray:
        """Chosen penalty (layer, fold, target): 0 for OLS, NaN where nothing was fitted."""
        if self.method == "ols":
            return np.where(np.isnan(self.r), np.nan, 0.0)
        return np.append(self.alphas, np.nan)[self.pick]

    @property
    def at_edge(self) -> np.ndarray:
        """How many targets chose the smallest and the largest penalty, (layer, fold, 2)."""
        if self.method == "ols":
            return np.zeros((*self.r.shape[:2], 2), dtype=int)
        chosen = ~self.constant
        return np.stack(
            [((self.pick == edge) & chosen).sum(axis=-1) for edge in (0, len(self.alphas) - 1)],
            axis=-1,
        )
