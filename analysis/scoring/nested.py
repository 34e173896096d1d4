"""The number that stands for a model: every fold with the layer chosen for it, with the interval of exactly that."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.statistics.bootstrap import recentred

__all__ = ["nested_draws", "picked", "ratio_interval"]


def picked(values: np.ndarray, layers: np.ndarray) -> np.ndarray:
    """Each fold's values at the layer chosen for it.

    Parameters
    ----------
    values : ndarray, shape (n_layers, n_folds, ...)
    layers : ndarray of int, shape (n_folds,)
        Positions among the layers.

    Returns
    -------
    ndarray, shape (n_folds, ...)
    """
    return values[layers, np.arange(len(layers))]


def nested_draws(dataset: xr.Dataset, layers: np.ndarray, value: float) -> np.ndarray:
    r"""Bootstrap draws of a score whose folds use different layers.

    .. math:: d_b = \sum_f a_{\hat l(f), f, b}

    with :math:`a_{lfb}` what fold f gives to draw b of layer l (``draws_fold``). Predictions of different layers are never put
    together in one correlation: r is taken inside each fold, where one layer predicts.

    Parameters
    ----------
    dataset : xarray.Dataset
        Of a score: ``draws_fold`` over (layer, draw, fold). Where targets or people are summarised by medians there is none, and
        the layers' own draws are averaged with the share of folds that use them.
    layers : ndarray of int, shape (n_folds,)
        Positions among the layers.
    value : float
        The score itself, at which the draws have their median.

    Returns
    -------
    ndarray, shape (n_draws,)
        Empty where the protocol draws nothing.
    """
    if "draws_r" not in dataset or not np.isfinite(dataset["draws_r"].values).any():
        return np.empty(0)
    distinct = np.unique(layers)
    if len(distinct) == 1:
        return dataset["draws_r"].transpose("layer", "draw").values[distinct[0]]
    if "draws_fold" in dataset:
        addends = dataset["draws_fold"].transpose("layer", "fold", "draw").values
        drawn = picked(addends, layers).astype(float).sum(axis=0)
        return recentred(drawn, value, float(dataset.attrs.get("widened", 1.0)))
    share = np.bincount(layers, minlength=dataset.sizes["layer"]) / len(layers)
    drawn = share @ np.nan_to_num(dataset["draws_r"].transpose("layer", "draw").values)
    return recentred(drawn, value)


def ratio_interval(
    draws: np.ndarray, ceiling_draws: np.ndarray, share: float, r: float
) -> tuple[float, float]:
    """95 % interval of a share of the ceiling: of the ratio of both draws, which carries the ceiling's own uncertainty.

    Draws with the same people and stimulus groups are paired. Where the ceiling has no draws (a published one) the interval of r
    is divided like r itself.
    """
    if not len(draws) or not np.isfinite(share) or not r:
        return float("nan"), float("nan")
    if len(ceiling_draws) == len(draws):
        usable = np.where(ceiling_draws > 0, ceiling_draws, np.nan)
        ratios = recentred(draws / usable, share)
    else:
        ratios = draws * (share / r)
    low, high = np.nanpercentile(ratios, [2.5, 97.5])
    return float(low), float(high)
