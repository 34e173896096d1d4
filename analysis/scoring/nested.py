"""The number that stands for a model: every fold with the layer chosen for it, with the interval of exactly that."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.statistics.bootstrap import recentred

__all__ = ["chosen_anew", "nested_draws", "picked", "ratio_interval", "stretched"]


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


def nested_draws(
    dataset: xr.Dataset, layers: np.ndarray, value: float, *, chosen: bool = False
) -> np.ndarray:
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
    chosen : bool
        The layers were chosen on the data: the draws are stretched to what choosing anew in each draw gives
        (:func:`chosen_anew`), on each side where that reaches further. Not where there is no ``draws_fold``.

    Returns
    -------
    ndarray, shape (n_draws,)
        Empty where the protocol draws nothing.

    Notes
    -----
    With the choice held fixed, twelve layers of noise had an interval above 0 in 8.8 % of data sets (:mod:`benchmarks.coverage`):
    all folds choose the layer that fits all of them by chance, which no draw knew.
    """
    if "draws_r" not in dataset or not np.isfinite(dataset["draws_r"].values).any():
        return np.empty(0)
    distinct, widened = np.unique(layers), float(dataset.attrs.get("widened", 1.0))
    by_fold = "draws_fold" in dataset
    addends = dataset["draws_fold"].transpose("layer", "fold", "draw").values if by_fold else None
    if len(distinct) == 1:
        drawn = dataset["draws_r"].transpose("layer", "draw").values[distinct[0]]
    elif addends is not None:
        drawn = recentred(picked(addends, layers).astype(float).sum(axis=0), value, widened)
    else:
        share = np.bincount(layers, minlength=dataset.sizes["layer"]) / len(layers)
        drawn = share @ np.nan_to_num(dataset["draws_r"].transpose("layer", "draw").values)
        return recentred(drawn, value)
    if not chosen or addends is None or len(addends) == 1:
        return drawn
    return stretched(drawn, value, chosen_anew(addends, _rounds(dataset)))


def _rounds(dataset: xr.Dataset) -> np.ndarray:
    """Which folds belong together: those of one fold seed and part, over which one layer is chosen for each of them."""
    part = dataset["part"].values.astype(str)
    seed = dataset["seed"].values if "seed" in dataset.coords else np.zeros(len(part), int)
    return np.unique(np.stack([seed.astype(str), part]), axis=1, return_inverse=True)[1].ravel()


def chosen_anew(addends: np.ndarray, rounds: np.ndarray) -> np.ndarray:
    """Draws in which every fold takes the layer that the other folds of its round are best at in that very draw.

    Parameters
    ----------
    addends : ndarray, shape (n_layers, n_folds, n_draws)
        What each fold gives to each draw of each layer.
    rounds : ndarray, shape (n_folds,)
        Folds with the same label are made together; a fold that is alone chooses by all others.

    Returns
    -------
    ndarray, shape (n_draws,)
        As they come, neither shifted nor widened.
    """
    total = np.zeros(addends.shape[2])
    filled = np.where(np.isfinite(addends), addends, 0.0).astype(float)
    lacking = ~np.isfinite(addends).any(axis=(1, 2))
    for label in np.unique(rounds):
        mine = np.flatnonzero(rounds == label)
        of = filled[:, mine] if len(mine) > 1 else filled
        others = of.sum(axis=1, keepdims=True) - filled[:, mine]
        others[lacking] = -np.inf
        best = others.argmax(axis=0)
        total += np.take_along_axis(filled[:, mine], best[None], axis=0)[0].sum(axis=0)
    return total


def stretched(draws: np.ndarray, value: float, other: np.ndarray) -> np.ndarray:
    """Draws stretched about ``value`` until the ends of their interval lie no nearer to it than those of ``other`` to its median.

    Each side by itself, in order, so that draws stay paired with those of other models.
    """
    if not np.isfinite(draws).any() or not np.isfinite(other).any():
        return draws
    ends = np.nanpercentile(draws, [2.5, 97.5]) - value
    wanted = np.nanpercentile(other, [2.5, 97.5]) - np.nanmedian(other)
    low, high = (
        max(1.0, float(there / here)) if here else 1.0
        for there, here in zip(wanted, ends, strict=True)
    )
    distance = draws - value
    return value + distance * np.where(distance < 0, low, high)


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
