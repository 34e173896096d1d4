"""From a protocol to the solver's arguments: the one place where that happens."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import partial

import numpy as np

from analysis.mapping.decomposed import Decomposed
from analysis.mapping.narrow import cross_validate_narrow
from analysis.models.device import VARIABLE, device
from analysis.progress import Report
from analysis.protocol import Protocol

__all__ = ["ON_CARD", "cross_validate_under", "solver_device"]

ON_CARD = 1000
"""Targets from which on a graphics card pays."""


def solver_device(features: np.ndarray, responses: np.ndarray) -> str:
    """Where the products of a fit run: on the graphics card of models, or ``cpu``.

    Few targets and few units stay on the cores, and so do targets with gaps, which the card would fit pattern by pattern. A card
    that nobody named is looked for only where torch is loaded already: the look would cost seconds.

    Parameters
    ----------
    features : ndarray, shape (n_rows, n_units)
    responses : ndarray, shape (n_rows, n_targets)
    """
    named = os.environ.get(VARIABLE, "").startswith("cuda")
    small = responses.shape[1] < ON_CARD or features.shape[1] < len(features) / 8
    if small or not (named or "torch" in sys.modules):
        return "cpu"
    found = device()
    return found if found.startswith("cuda") and not np.isnan(responses).any() else "cpu"


def cross_validate_under(
    protocol: Protocol,
    features: np.ndarray | Decomposed,
    responses: np.ndarray,
    folds: Sequence[tuple[np.ndarray, np.ndarray]],
    *,
    criterion: str,
    inner_folds=None,
    predictions: bool,
    report: Report,
):
    """:func:`analysis.mapping.narrow.cross_validate_narrow` of one layer, with the mapping that a protocol names.

    Parameters
    ----------
    protocol : Protocol
        ``method``, ``alphas``, ``standardize``, ``shared_alpha``, ``rcond``, ``dimensions`` and ``seed`` count.
    features : ndarray, shape (n_rows, n_units), or Decomposed
    responses : ndarray, shape (n_rows, n_targets)
    folds : list of (train, test)
    criterion, inner_folds
        How alpha is chosen inside the training folds: from :func:`analysis.mapping.splits.within`, by row.
    predictions : bool
        Whether held-out predictions are wanted.
    """
    fit = partial(
        cross_validate_narrow,
        features,
        responses,
        folds,
        dimensions=protocol.dimensions,
        seed=protocol.seed,
        method=protocol.method,
        alphas=protocol.alphas,
        criterion=criterion,
        inner_folds=inner_folds,
        standardize=protocol.standardize,
        shared_alpha=protocol.shared_alpha,
        rcond=protocol.rcond,
        predictions=predictions,
        report=report,
    )
    where = "cpu" if isinstance(features, Decomposed) else solver_device(features, responses)
    try:
        return fit(device=where)
    except (
        RuntimeError
    ) as error:  # a card that the model fills has no room: the cores give the same numbers
        if where == "cpu" or "out of memory" not in str(error).lower():
            raise
        return fit(device="cpu")
