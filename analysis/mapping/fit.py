"""Cross-validated linear maps from features to responses: the one entry point and its result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.mapping.plan import (
    checked_folds,
    checked_grid,
    checked_inner,
    checked_responses,
    patterns,
)
from analysis.progress import SILENT, Report
from data.errors import BrainLensError, unknown

__all__ = ["ALPHAS", "Fit", "cross_validate"]

ALPHAS = tuple(float(a) for a in np.logspace(-1, 7, 17))
METHODS = ("ridge", "ols")
CRITERIA = ("loo", "gcv", "kfold")
DEVICES = ("cpu", "torch", "cuda")


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
    predictions : ndarray (layer, stimulus, target) float32 or None
        Held-out predictions, NaN where a row was never tested; the mean where several folds tested it.
    inner : ndarray (layer, fold, target) float32 or None
        Mean R2 over the inner folds at the chosen penalty (``criterion="kfold"``, a penalty per target): from the training
        rows alone, so a layer may be chosen by it.
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
    """Fit every layer on the training rows of every fold and score it on the rows held out.

    Parameters
    ----------
    features : array (n_stimuli, n_units), or a list of them, one per layer
        Or :class:`~analysis.mapping.gram.Gram` objects, or one :class:`~analysis.mapping.decomposed.Decomposed`.
    responses : array (n_stimuli, n_targets)
        NaN where a target was not measured: it is fitted and tested on the stimuli it has.
    folds : list of (training rows, held-out rows)
    method : {"ridge", "ols"}
        ``"ols"`` is least squares of minimum norm. Both have an unpenalised intercept.
    alphas : sequence of float, optional
        Penalties, ascending; :data:`ALPHAS` by default.
    criterion : {"loo", "gcv", "kfold"}
        How ridge chooses alpha inside the training rows: exact leave-one-out, generalised cross-validation, or the
        mean R2 over ``inner_folds``.
    inner_folds : list, one entry per fold, of lists of (training rows, held-out rows)
        All inside the training rows of that fold, counted over the whole recording.
    standardize : bool
        z-score each unit by the rows trained on (the inner ones for an inner fold).
    shared_alpha : bool
        One alpha for all targets of a (layer, fold): smallest summed error ("loo", "gcv"), largest mean R2 ("kfold").
    rcond : float, optional
        Cut-off of OLS relative to the largest singular value; None is eps(float64) * max(n, p).
    device : {"cpu", "torch", "cuda"}
        numpy on one thread per core; torch on its CPU device; torch on a GPU.
    memory : int, optional
        Bytes the computation may take above features, responses and results; by default 200 MiB, or what
        full speed takes up to half of the free memory.
    predictions : bool
        Keep the held-out predictions.
    report : Report, optional
        Progress, and cancel within one block.

    Returns
    -------
    Fit

    Raises
    ------
    BrainLensError
        For anything that does not fit together, before the computation starts.
    Cancelled
        Where ``report`` was cancelled.
    """
    for kind, value, choices in (("method", method, METHODS), ("criterion", criterion, CRITERIA)):
        if value not in choices:
            raise unknown(kind, value, choices)
    if device.split(":")[0] not in DEVICES:
        raise unknown("device", device, DEVICES)
    if rcond is not None and not 0 <= rcond < 1:
        raise BrainLensError(
            f"rcond={rcond} is not a share of the largest singular value",
            remedy="Give 0 <= rcond < 1, or None",
        )
    from analysis.mapping.engine import Engine  # the checks above need none of it

    y = checked_responses(responses)
    folds = checked_folds(folds, len(y))
    inner = (
        checked_inner(inner_folds, folds, len(y))
        if method == "ridge" and criterion == "kfold"
        else None
    )
    grid = checked_grid(ALPHAS if alphas is None else alphas) if method == "ridge" else np.empty(0)
    engine = Engine(
        features,
        y,
        folds,
        inner,
        method=method,
        grid=grid,
        criterion=criterion,
        standardize=standardize,
        shared_alpha=shared_alpha,
        rcond=rcond,
        device=device,
        memory=memory,
        predictions=predictions,
    )
    engine.run(patterns(y, folds, inner), report or SILENT)
    return engine.result()
