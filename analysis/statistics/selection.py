"""What choosing a layer on the data that score it adds to the score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.errors import BrainLensError

__all__ = ["Selection", "select_layer"]


@dataclass(frozen=True)
class Selection:
    """A layer chosen without looking at the data that score it, beside the best layer of the same data.

    Parameters
    ----------
    chosen : ndarray of int, shape (n_folds,)
        Layer chosen inside each outer training fold.
    layer : int
        The layer chosen most often (the lower one of a tie).
    nested : float
        Mean over folds of the chosen layer's held-out score.
    maximum : float
        Score of the best layer, chosen on the data that score it.
    best : int
        That layer.
    optimism : float
        ``maximum - nested``.
    rule : str
        How the choice was made, in words.
    """

    chosen: np.ndarray
    layer: int
    nested: float
    maximum: float
    best: int
    optimism: float
    rule: str


def select_layer(outer: np.ndarray, inner: np.ndarray | None = None) -> Selection:
    r"""Nested layer choice and selection optimism.

    .. math:: \text{nested} = \frac1F \sum_f s_{\hat l(f), f}, \quad \hat l(f) = \arg\max_l s^{inner}_{l f}, \quad
              \text{optimism} = \max_l \frac1F \sum_f s_{l f} - \text{nested}

    Parameters
    ----------
    outer : ndarray, shape (n_layers, n_folds)
        Held-out score of each layer in each outer fold (summarised over targets and people).
    inner : ndarray, shape (n_layers, n_folds), optional
        Score of each layer on the inner folds inside each outer training fold. None: the layer is chosen on the *other*
        outer folds, which is cheaper; those were fitted on this fold's stimuli too, so it is labelled a preview.

    Raises
    ------
    BrainLensError
        Where the two do not match or a fold has no layer with a score.

    Notes
    -----
    Sources: Cawley & Talbot 2010, JMLR 11; Varma & Simon 2006, doi 10.1186/1471-2105-7-91.
    """
    outer = np.asarray(outer, float)
    n_folds = outer.shape[1]
    if inner is None:
        if n_folds < 2:
            raise BrainLensError(
                "One fold leaves no other to choose a layer on",
                remedy="Give inner scores or more folds",
            )
        seen = np.isfinite(outer)
        total, count = (
            np.where(seen, outer, 0).sum(axis=1, keepdims=True),
            seen.sum(axis=1, keepdims=True),
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            guide = (total - np.where(seen, outer, 0)) / (count - seen)
        rule = "layer chosen on the other outer folds (preview)"
    else:
        guide, rule = np.asarray(inner, float), "layer chosen on inner folds"
    if guide.shape != outer.shape:
        raise BrainLensError(
            f"Inner scores have shape {guide.shape}, outer scores {outer.shape}",
            remedy="Give one inner score for each layer and outer fold",
        )
    if not np.isfinite(guide).any(axis=0).all() or not np.isfinite(outer).any():
        raise BrainLensError(
            "In some folds no layer has a score",
            remedy="Leave out these folds or score more stimuli",
        )
    chosen = np.nanargmax(guide, axis=0)
    nested = float(np.nanmean(outer[chosen, np.arange(n_folds)]))
    means = np.array([np.nanmean(row) if np.isfinite(row).any() else np.nan for row in outer])
    best = int(np.nanargmax(means))
    maximum = float(means[best])
    return Selection(
        chosen, int(np.bincount(chosen).argmax()), nested, maximum, best, maximum - nested, rule
    )
