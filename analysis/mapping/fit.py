"""Cross-validated linear maps from features to responses: the one entry point and its result."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from analysis.mapping.plan import (
    checked_folds,
    checked_grid,
    checked_inner,
    checked_responses,
    patterns,
)
from analysis.mapping.result import Fit
from analysis.progress import SILENT, Report
from data.errors import BrainLensError, unknown

__all__ = ["ALPHAS", "cross_validate"]

ALPHAS = tuple(float(a) for a in np.logspace(-1, 7, 17))
METHODS = ("ridge", "ols")
CRITERIA = ("loo", "gcv", "kfold", "logo")
DEVICES = ("cpu", "torch", "cuda")


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
    criterion : {"loo", "gcv", "kfold", "logo"}
        How ridge chooses alpha inside the training rows: exact leave-one-out, generalised cross-validation, the
        mean R2 over ``inner_folds``, or the squared error pooled over them in closed form, without a refit.
    inner_folds : list, one entry per fold, of lists of (training rows, held-out rows)
        All inside the training rows of that fold, counted over the whole recording. For ``"logo"`` (leave one group out)
        usually one per group; no row may be held out twice.
    standardize : bool
        z-score each unit by the rows trained on (the inner ones for an inner fold; ``"logo"`` keeps the outer fold's scale).
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
        checked_inner(inner_folds, folds, len(y), once=criterion == "logo")
        if method == "ridge" and criterion in ("kfold", "logo")
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
    scatter = method == "ridge" and criterion != "kfold" and not shared_alpha and device == "cpu"
    found = patterns(y, folds, inner, once=criterion == "logo", scatter=scatter)
    engine.run(found, report or SILENT)
    return engine.result()
