"""Layers of different width brought to a common one, so that a wider layer has no more to fit with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from analysis.mapping.fit import cross_validate
from data.errors import BrainLensError

__all__ = ["cross_validate_narrow", "narrowed", "projected"]

SEED = 23


def projected(features: np.ndarray, dimensions: str, seed: int) -> np.ndarray:
    r"""Features under ``"random:k"``: :math:`X R`, entries of R independent N(0, 1/k); as they are for any other choice.

    No row is used to make it, so nothing can leak. Features that have no more than k units stay as they are.

    Notes
    -----
    Johnson & Lindenstrauss 1984: distances are kept in expectation.
    """
    kind, _, width = dimensions.partition(":")
    if kind != "random" or features.shape[1] <= int(width):
        return features
    k = int(width)
    drawn = np.random.default_rng([SEED, seed, features.shape[1]]).standard_normal(
        (features.shape[1], k)
    )
    return np.asarray(features, float) @ (drawn / np.sqrt(k))


def narrowed(
    features: np.ndarray, train: np.ndarray, dimensions: str, *, standardize: bool
) -> np.ndarray:
    """All rows on the first principal components of the training rows under ``"pca:k"``; else as they are.

    Parameters
    ----------
    features : ndarray, shape (n_stimuli, n_units)
    train : ndarray of int
        Rows that means, scales and components are learnt from.
    standardize : bool
        z-score each unit by the training rows first; constant units are 0 then.

    Returns
    -------
    ndarray, shape (n_stimuli, k)
        Components keep their variance: the penalty weighs them as it weighs the units.

    Raises
    ------
    BrainLensError
        Where the training rows do not span k dimensions.
    """
    kind, _, width = dimensions.partition(":")
    if kind != "pca" or features.shape[1] <= int(width):
        return features
    k = int(width)
    if k > len(train) - 1:
        raise BrainLensError(
            f"{len(train)} training stimuli have no {k} principal components",
            remedy=f"Set dimensions to pca:{len(train) - 1} or fewer, or to random:{k}",
        )
    x = np.asarray(features, float)
    x = x - x[train].mean(axis=0)
    if standardize:
        spread = x[train].std(axis=0)
        x = x / np.where(spread > 0, spread, np.inf)
    _, _, axes = np.linalg.svd(x[train], full_matrices=False)
    return x @ axes[:k].T


def cross_validate_narrow(
    features: Any,
    responses,
    folds: Sequence,
    *,
    dimensions: str = "all",
    seed: int = 0,
    standardize: bool = False,
    inner_folds=None,
    fit: Callable = cross_validate,
    **options,
):
    """:func:`analysis.mapping.cross_validate` of one layer brought to a common width.

    Parameters
    ----------
    features : ndarray, shape (n_rows, n_units), or Decomposed
        What is decomposed already keeps its width: ``dimensions="all"``.
    dimensions : str
        As :attr:`analysis.protocol.Protocol.dimensions`. Components are those of each outer training fold; alpha is chosen
        within them.
    seed : int
        Of a random projection.
    fit : callable
        What fits: of the same arguments.

    Returns
    -------
    Fit, or a namespace with its arrays ``r``, ``r2``, ``alpha``, ``constant``, ``dropped``, ``inner`` and ``predictions``
    """
    kind = dimensions.partition(":")[0]
    if kind != "pca" or features.shape[1] <= int(dimensions.partition(":")[2]):
        wide = projected(features, dimensions, seed)
        return fit(
            wide, responses, folds, standardize=standardize, inner_folds=inner_folds, **options
        )
    fits = []
    for number, fold in enumerate(folds):
        made = narrowed(features, fold[0], dimensions, standardize=standardize)
        inside = None if inner_folds is None else [inner_folds[number]]
        fits.append(fit(made, responses, [fold], standardize=False, inner_folds=inside, **options))
    joined = SimpleNamespace(
        **{
            name: np.concatenate([getattr(one, name) for one in fits], axis=1)
            for name in ("r", "r2", "alpha", "constant", "dropped")
        },
        inner=None,
        predictions=None,
    )
    if all(one.inner is not None for one in fits):
        joined.inner = np.concatenate([one.inner for one in fits], axis=1)
    if all(one.predictions is not None for one in fits):
        joined.predictions = fits[0].predictions.copy()
        for (_, test), one in zip(folds, fits, strict=True):
            joined.predictions[:, test] = one.predictions[:, test]
    return joined
