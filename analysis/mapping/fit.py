"""Cross-validated linear maps from features to responses: the one entry point, its checks and its result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from analysis.progress import SILENT, Report
from data.errors import BrainLensError, unknown

__all__ = ["ALPHAS", "Fit", "cross_validate"]

ALPHAS = tuple(float(a) for a in np.logspace(-1, 7, 17))
METHODS = ("ridge", "ols")
CRITERIA = ("loo", "gcv", "kfold")


@dataclass
class Fit:
    """What a cross-validation found, one value per (layer, fold, target).

    Parameters
    ----------
    r : ndarray (layer, fold, target)
        Pearson correlation of prediction and response on the held-out rows; 0 where one of them is constant
        (see ``constant``), NaN where the target has fewer than two held-out rows or fewer than two training rows.
    r2 : ndarray (layer, fold, target)
        Out-of-sample R2, ``1 - |y - yhat|^2 / |y - mean of the training rows|^2``.
    alpha : ndarray (layer, fold, target)
        Chosen penalty (0 for OLS), NaN where ``r`` is NaN.
    constant : ndarray of bool (layer, fold, target)
        The prediction or the held-out response is constant, so ``r`` was set to 0.
    at_edge : ndarray of int (layer, fold, 2)
        How many targets chose the smallest and the largest alpha of the grid.
    dropped : ndarray of int (layer, fold)
        Units that are constant in the training fold and therefore carry no weight; -1 where only a Gram was given.
    form : list of str
        Per layer, ``"dual"`` (rows x rows) or ``"primal"`` (units x units).
    solver : ndarray of str (layer, fold)
        ``"eigh"``, ``"cholesky"`` or ``"svd"``: what solved the fold.
    alphas : ndarray
        The grid, ascending.
    method, criterion : str
        ``criterion`` is ``""`` for OLS.
    shared_alpha, standardize : bool
        As asked for.
    rcond : float or None
        Relative cut-off of the singular values (OLS); None for ridge.
    dtype : str
        Precision in words.
    device : str
        What computed it.
    predictions : ndarray (layer, stimulus, target) or None
        Held-out predictions, NaN where a row was never tested; the mean where several folds tested it.
    """

    r: np.ndarray
    r2: np.ndarray
    alpha: np.ndarray
    constant: np.ndarray
    at_edge: np.ndarray
    dropped: np.ndarray
    form: list[str]
    solver: np.ndarray
    alphas: np.ndarray
    method: str
    criterion: str
    shared_alpha: bool
    standardize: bool
    rcond: float | None
    dtype: str = "float64"
    device: str = "cpu"
    predictions: np.ndarray | None = None
    label: str = field(default="")


def cross_validate(
    features,
    responses,
    folds,
    *,
    method: str = "ridge",
    alphas: Sequence[float] | None = None,
    criterion: str = "loo",
    inner_folds=None,
    standardize: bool = False,
    shared_alpha: bool = False,
    rcond: float | None = None,
    device: str = "cpu",
    memory: int | None = None,
    predictions: bool = False,
    report: Report | None = None,
) -> Fit:
    """Fit every layer on every training fold and score it on the rows held out.

    Returns
    -------
    Fit
    """
    report = report or SILENT
    layers = list(features) if isinstance(features, (list, tuple)) else [features]
    layers = [np.asarray(layer) for layer in layers]
    y = np.asarray(responses)
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    if criterion not in CRITERIA:
        raise unknown("criterion", criterion, CRITERIA)
    if method == "ridge" and criterion == "kfold" and inner_folds is None:
        raise BrainLensError("criterion='kfold' needs inner_folds", remedy="Give one list of (train, test) per outer fold")
    grid = np.asarray(ALPHAS if alphas is None else alphas, dtype=float)
    shape = (len(layers), len(folds), y.shape[1])
    r, r2, alpha = (np.full(shape, np.nan) for _ in range(3))
    constant = np.zeros(shape, bool)
    dropped = np.zeros(shape[:2], int)
    predicted = np.zeros((len(layers), *y.shape)) if predictions else None
    times = np.zeros(y.shape) if predictions else None
    seen = np.isfinite(y)
    patterns, which = np.unique(seen.T, axis=0, return_inverse=True)
    which = which.ravel()
    for layer, x in enumerate(layers):
        for fold, (train, test) in enumerate(folds):
            report.step(layer * len(folds) + fold, len(layers) * len(folds), "scoring")
            dropped[layer, fold] = int((np.ptp(x[train], axis=0) == 0).sum())
            parts = []
            for i, rows in enumerate(patterns):
                at = np.flatnonzero(which == i)
                tr, te = np.asarray(train)[rows[train]], np.asarray(test)[rows[test]]
                if len(tr) < 2 or len(te) < 2:
                    continue
                inner = [(np.asarray(a)[rows[a]], np.asarray(b)[rows[b]]) for a, b in inner_folds[fold]] if inner_folds else []
                parts.append((at, tr, te, inner))
            if method == "ols":
                chosen = [np.zeros(len(p[0]), int) for p in parts]
            else:
                errors = [_errors(x, y[:, at], tr, inner, grid, criterion, standardize) for at, tr, te, inner in parts]
                if shared_alpha and errors:
                    best = np.argmin(sum(e.sum(1) for e in errors))
                    chosen = [np.full(e.shape[1], best) for e in errors]
                else:
                    chosen = [np.argmin(e, axis=0) for e in errors]
            for (at, tr, te, _), pick in zip(parts, chosen, strict=True):
                q, lam, p = _decompose(x, tr, te, standardize)
                yc = y[np.ix_(tr, at)] - y[np.ix_(tr, at)].mean(0)
                if method == "ols":
                    cut = np.finfo(float).eps * max(len(tr), x.shape[1]) if rcond is None else rcond
                    w = np.where(lam > cut**2 * lam.max(initial=0), 1 / np.maximum(lam, 1e-300), 0)[:, None]
                    alpha[layer, fold, at] = 0
                else:
                    w = 1 / (lam[:, None] + grid[pick])
                    alpha[layer, fold, at] = grid[pick]
                yhat = p @ (w * (q.T @ yc))
                yt = y[np.ix_(te, at)] - y[np.ix_(tr, at)].mean(0)
                a, b = yhat - yhat.mean(0), yt - yt.mean(0)
                na, nb = np.linalg.norm(a, axis=0), np.linalg.norm(b, axis=0)
                still = (na <= 1e-7 * np.linalg.norm(yhat, axis=0)) | (np.ptp(yt, axis=0) == 0) | (np.ptp(y[np.ix_(tr, at)], axis=0) == 0)
                r[layer, fold, at] = np.where(still, 0, (a * b).sum(0) / np.where(still, 1, na * nb))
                with np.errstate(all="ignore"):
                    r2[layer, fold, at] = 1 - ((yt - yhat) ** 2).sum(0) / (yt**2).sum(0)
                constant[layer, fold, at] = still
                if predictions:
                    predicted[layer][np.ix_(te, at)] += yhat + y[np.ix_(tr, at)].mean(0)
                    if layer == 0:
                        times[np.ix_(te, at)] += 1
    if predictions:
        predicted = np.where(times > 0, predicted / np.maximum(times, 1), np.nan)
    edge = np.stack([(alpha == grid[0]).sum(-1), (alpha == grid[-1]).sum(-1)], axis=-1)
    return Fit(r=r, r2=r2, alpha=alpha, constant=constant, at_edge=edge * (method == "ridge"), dropped=dropped,
               form=["dual" if len(folds[0][0]) <= x.shape[1] else "primal" for x in layers], solver=np.full(shape[:2], "svd"),
               alphas=grid, method=method, criterion=criterion if method == "ridge" else "", shared_alpha=shared_alpha,
               standardize=standardize, rcond=rcond, predictions=predicted)


def _decompose(x, train, test, standardize):
    xtr, xte = x[train].astype(float), x[test].astype(float)
    keep = np.ptp(xtr, axis=0) > 0
    mean, sd = xtr.mean(0), np.where(keep, xtr.std(0), 1)
    xtr, xte = (xtr - mean) * keep, (xte - mean) * keep
    if standardize:
        xtr, xte = xtr / sd, xte / sd
    u, s, vt = np.linalg.svd(xtr, full_matrices=False)
    on = s > 1e-15 * s.max(initial=0)
    return u[:, on], s[on] ** 2, (xte @ vt[on].T) * s[on]


def _errors(x, y, train, inner, grid, criterion, standardize):
    """(alpha, target) error to be made small."""
    out = np.zeros((len(grid), y.shape[1]))
    if criterion == "kfold":
        for tr, te in inner:
            if len(tr) < 2 or len(te) < 2:
                continue
            q, lam, p = _decompose(x, tr, te, standardize)
            z = q.T @ (y[tr] - y[tr].mean(0))
            yt = y[te] - y[tr].mean(0)
            total = ((yt - yt.mean(0)) ** 2).sum(0)
            for i, a in enumerate(grid):
                sse = ((yt - p @ (z / (lam + a)[:, None])) ** 2).sum(0)
                out[i] += np.where(total > 0, sse / np.where(total > 0, total, 1), 0)
        return out
    q, lam, _ = _decompose(x, train, train[:1], standardize)
    yc = y[train] - y[train].mean(0)
    z = q.T @ yc
    for i, a in enumerate(grid):
        e = yc - q @ ((lam / (lam + a))[:, None] * z)
        d = 1 - 1 / len(train) - (q**2) @ (lam / (lam + a))
        out[i] = ((e / (d if criterion == "loo" else d.mean())[:, None]) ** 2 if criterion == "loo" else (e / d.mean()) ** 2).mean(0)
    return out
