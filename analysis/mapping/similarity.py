"""Similarity of representations without a fitted map: RSA and centred kernel alignment."""

from __future__ import annotations

import numpy as np

from data.errors import BrainLensError, unknown

__all__ = ["debiased_alignment", "dissimilarity", "linear_cka", "rsa"]

DISTANCES = ("correlation", "euclidean", "crossvalidated")
COMPARISONS = ("spearman", "pearson", "cosine")


def dissimilarity(
    patterns: np.ndarray,
    *,
    distance: str = "correlation",
    items: np.ndarray | None = None,
    repeats: np.ndarray | None = None,
) -> np.ndarray:
    r"""Dissimilarity of every pair of stimuli.

    Parameters
    ----------
    patterns : ndarray, shape (n_rows, n_units)
        One row for each stimulus; with repeats one for each presentation.
    distance : str
        ``"correlation"``: 1 - r over units. ``"euclidean"``: squared distance per unit. ``"crossvalidated"``: the squared
        distance from independent repeats, which is 0 in expectation where two stimuli do not differ,

        .. math:: d_{ij} = \frac1{P R (R - 1)} \sum_{a \ne b} (x_i^a - x_j^a) \cdot (x_i^b - x_j^b)

        with P units and R repeats; it may be negative, and stays so.
    items, repeats : ndarray, shape (n_rows,)
        Stimulus and repeat of each row, for ``"crossvalidated"``: every stimulus in every repeat. The matrix follows the
        order in which stimuli first appear.

    Returns
    -------
    ndarray, shape (n_stimuli, n_stimuli)

    Notes
    -----
    Sources: Kriegeskorte et al. 2008, doi 10.3389/neuro.06.004.2008; Walther et al. 2016,
    doi 10.1016/j.neuroimage.2015.12.012 (cross-validation).
    """
    x = np.asarray(patterns, float)
    if distance not in DISTANCES:
        raise unknown("distance", distance, DISTANCES)
    if distance == "crossvalidated":
        return _crossvalidated(x, items, repeats)
    if distance == "correlation":
        z = x - x.mean(axis=1, keepdims=True)
        norm = np.linalg.norm(z, axis=1, keepdims=True)
        if (norm == 0).any():
            raise BrainLensError(
                f"{int((norm == 0).sum())} stimuli have the same value in every unit, so a correlation distance "
                "does not exist",
                remedy="Use distance='euclidean'",
            )
        return 1 - (z / norm) @ (z / norm).T
    gram = x @ x.T
    return (np.diag(gram)[:, None] + np.diag(gram) - 2 * gram) / x.shape[1]


def _crossvalidated(
    x: np.ndarray, items: np.ndarray | None, repeats: np.ndarray | None
) -> np.ndarray:
    if items is None or repeats is None:
        raise BrainLensError(
            "Cross-validated distances need independent repeats",
            choices=DISTANCES[:2],
            remedy="Give items and repeats, or choose another distance",
        )
    items, repeats = np.asarray(items), np.asarray(repeats)
    first = list(dict.fromkeys(items.tolist()))
    times = list(dict.fromkeys(repeats.tolist()))
    place = {item: number for number, item in enumerate(first)}
    cube = np.full((max(len(times), 2), len(first), x.shape[1]), np.nan)
    for number, time in enumerate(times):
        rows = np.flatnonzero(repeats == time)
        cube[number, [place[item] for item in items[rows].tolist()]] = x[rows]
    if np.isnan(cube).any() or len(x) != len(first) * len(times):
        raise BrainLensError(
            f"{len(x)} rows are not {len(first)} stimuli, each once in every one of two or more repeats "
            f"({len(times)} found)",
            remedy="Keep the stimuli that were presented in every repeat",
        )
    total = cube.sum(axis=0)
    inner = total @ total.T - sum(
        each @ each.T for each in cube
    )  # sum over pairs of different repeats
    return (np.diag(inner)[:, None] + np.diag(inner) - 2 * inner) / (
        x.shape[1] * len(times) * (len(times) - 1)
    )


def rsa(
    first: np.ndarray,
    second: np.ndarray,
    *,
    comparison: str = "spearman",
    keep: np.ndarray | None = None,
) -> float:
    """Agreement of two dissimilarity matrices over the pairs of stimuli.

    Parameters
    ----------
    first, second : ndarray, shape (n_stimuli, n_stimuli)
        From :func:`dissimilarity`.
    comparison : str
        ``"spearman"``, ``"pearson"`` or ``"cosine"`` (through 0: for cross-validated distances, whose 0 means something).
    keep : ndarray of bool, shape (n_stimuli, n_stimuli), optional
        Pairs to compare; pairs of different stimulus groups leave out what neighbours in time share.
    """
    if comparison not in COMPARISONS:
        raise unknown("comparison", comparison, COMPARISONS)
    first, second = np.asarray(first, float), np.asarray(second, float)
    if first.shape != second.shape or first.shape[0] != first.shape[1]:
        raise BrainLensError(
            f"Dissimilarities of shape {first.shape} and {second.shape} cannot be compared",
            remedy="Make both from the same stimuli",
        )
    pairs = np.triu(np.ones(first.shape, bool), 1) & (
        True if keep is None else np.asarray(keep, bool)
    )
    a, b = first[pairs], second[pairs]
    if len(a) < 3:
        raise BrainLensError(
            f"{len(a)} pairs of stimuli are too few to compare", remedy="Keep more pairs"
        )
    if comparison == "spearman":
        from scipy.stats import rankdata

        a, b = rankdata(a), rankdata(b)
    if comparison != "cosine":
        a, b = a - a.mean(), b - b.mean()
    norm = np.linalg.norm(a) * np.linalg.norm(b)
    return float(a @ b / norm) if norm > 0 else 0.0


def linear_cka(first: np.ndarray, second: np.ndarray, *, debiased: bool = True) -> float:
    r"""Centred kernel alignment of two sets of features with linear kernels.

    .. math:: \mathrm{CKA} = \frac{H(K, L)}{\sqrt{H(K, K) H(L, L)}}, \quad
              H(K, L) = \frac{1}{n (n - 3)} \left( \mathrm{tr}(\tilde K \tilde L) +
              \frac{1^\top \tilde K 1 \; 1^\top \tilde L 1}{(n - 1)(n - 2)} - \frac{2}{n - 2} 1^\top \tilde K \tilde L 1 \right)

    with the diagonals of :math:`\tilde K, \tilde L` set to 0. The plain estimate rises towards 1 with the number of units
    whatever they hold; this one is 0 in expectation for independent features, and may be negative.

    Parameters
    ----------
    first, second : ndarray, shape (n_stimuli, n_units)
    debiased : bool
        False: the plain, biased estimate.

    Notes
    -----
    Sources: Song et al. 2012, JMLR 13 (unbiased HSIC); Kornblith et al. 2019, arXiv 1905.00414; Murphy et al. 2024,
    arXiv 2405.01012.
    """
    x, y = np.asarray(first, float), np.asarray(second, float)
    if len(x) != len(y) or x.ndim != 2 or y.ndim != 2:
        raise BrainLensError(
            f"Features of shape {x.shape} and {y.shape} cannot be aligned",
            remedy="Give two arrays (stimuli, units) of the same stimuli",
        )
    if len(x) < 4:
        raise BrainLensError(
            f"{len(x)} stimuli are too few for a debiased alignment", remedy="Give four or more"
        )
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    k, m = x @ x.T, y @ y.T
    measure = _hsic if debiased else lambda a, b: (a * b).sum()
    spread = measure(k, k) * measure(m, m)
    return float(measure(k, m) / np.sqrt(spread)) if spread > 0 else 0.0


def debiased_alignment(k: np.ndarray, m: np.ndarray) -> float:
    """Debiased centred kernel alignment of two Gram matrices (n_stimuli, n_stimuli); their diagonals are not read.

    Centring is part of the estimate, so that a block of a larger Gram matrix may be given as it is.
    """
    spread = _hsic(k, k) * _hsic(m, m)
    return float(_hsic(k, m) / np.sqrt(spread)) if spread > 0 else 0.0


def _hsic(k: np.ndarray, m: np.ndarray) -> float:
    n = len(k)
    k, m = (each - np.diag(np.diag(each)) for each in (k, m))
    ks, ms = k.sum(axis=0), m.sum(axis=0)
    return ((k * m).sum() + ks.sum() * ms.sum() / ((n - 1) * (n - 2)) - 2 * (ks @ ms) / (n - 2)) / (
        n * (n - 3)
    )
