"""From folds and targets to one number for a layer, and the layer that stands for a model."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.protocol import Protocol

__all__ = [
    "LETTERS",
    "choose_layers",
    "ends",
    "interval",
    "letter",
    "omega",
    "per_target",
    "statistic",
    "summarise",
    "targets_of",
]

LETTERS = {
    "rsa": "RSA",
    "cka": "CKA",
    "shape": "shape similarity",
    "soft-matching": "matched correlation",
}
"""What a score is, where it is a similarity of geometries; of every other method r."""
PERCENTILES = (2.5, 97.5)
"""Of the bootstrap draws: they bound every interval."""


def letter(protocol: Protocol) -> str:
    """What stands before a score's equals sign: ``r``, or the name of a similarity."""
    return LETTERS.get(protocol.method, "r")


def statistic(protocol: Protocol) -> str:
    """What a score is, as the title of an axis."""
    words = letter(protocol)
    return "Pearson r, held out" if words == "r" else f"{words[0].upper()}{words[1:]}, held out"


def per_target(values: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """(fold, target) -> (target,): mean over folds inside each part, then over the parts a target was measured in."""
    return _nanmean(
        np.stack([_nanmean(values[parts == part], axis=0) for part in dict.fromkeys(parts)]), axis=0
    )


def _nanmean(values: np.ndarray, axis: int) -> np.ndarray:
    """Mean over what is there; NaN, without a warning, where nothing is."""
    there = ~np.isnan(values)
    count = there.sum(axis=axis)
    return np.where(
        count, np.where(there, values, 0.0).sum(axis=axis) / np.maximum(count, 1), np.nan
    )


def interval(layer) -> tuple[float, float]:
    """95 % interval of one layer's r from its stored draws; NaN where the protocol has no interval."""
    return ends(layer["draws_r"].values) if "draws_r" in layer else (float("nan"), float("nan"))


def ends(draws: np.ndarray) -> tuple[float, float]:
    """95 % percentile interval of draws; NaN without any."""
    if not np.isfinite(draws).any():
        return float("nan"), float("nan")
    low, high = np.nanpercentile(draws, PERCENTILES)
    return float(low), float(high)


_CENTRE = {"mean": np.nanmean, "median": np.nanmedian}


def targets_of(subjects: np.ndarray | None) -> list[np.ndarray] | None:
    """Positions of each person's targets, in the order of the first ones; None where nothing says whose they are."""
    if subjects is None:
        return None
    codes, people = pd.factorize(np.asarray(subjects))
    return [np.flatnonzero(codes == person) for person in range(len(people))]


def summarise(
    values: np.ndarray,
    parts: np.ndarray,
    people: np.ndarray | list[np.ndarray] | None,
    protocol: Protocol,
) -> float:
    """One number for a layer.

    Parameters
    ----------
    values : ndarray, shape (n_folds, n_targets)
        r or R2; NaN where a target has no data in a part.
    parts : ndarray, shape (n_folds,)
        Part (experiment) of each fold.
    people : ndarray, shape (n_targets,), list of ndarray, or None
        Whose each target is, or :func:`targets_of` them.
    protocol : Protocol
        Its ``order``, ``targets`` and ``people`` are read.

    Returns
    -------
    float
        ``targets-first``: folds are averaged per target, then targets within a subject, then subjects. ``folds-first``
        (Brain-Score): targets are summarised in every fold, then folds are averaged inside parts, then parts.
    """
    targets, over = _CENTRE[protocol.targets], _CENTRE[protocol.people]
    if protocol.order == "folds-first":
        by_fold = np.array([targets(row) if not np.isnan(row).all() else np.nan for row in values])
        return float(per_target(by_fold[:, None], parts)[0])
    each = per_target(values, parts)
    if np.isnan(each).all():
        return float("nan")
    mine = people if isinstance(people, list) else targets_of(people)
    if mine is None:
        return float(targets(each))
    return float(over([targets(each[at]) for at in mine if not np.isnan(each[at]).all()]))


def choose_layers(inner: np.ndarray, subjects: np.ndarray | None) -> np.ndarray:
    """The layer that wins inside each training fold.

    Parameters
    ----------
    inner : ndarray, shape (n_layers, n_folds, n_targets)
        Inner score of every layer, from the training rows alone.

    Returns
    -------
    ndarray of int, shape (n_folds,)
        Position of the winner among the layers, averaged over a subject's targets, then over subjects.
    """
    n_layers, n_folds, _ = inner.shape
    people = targets_of(subjects)
    means = np.full((n_layers, n_folds), -np.inf)
    for layer in range(n_layers):
        for fold in range(n_folds):
            row = inner[layer, fold]
            if np.isnan(row).all():
                continue
            each = [row] if people is None else [row[at] for at in people]
            means[layer, fold] = np.mean(
                [np.nanmean(mine) for mine in each if not np.isnan(mine).all()]
            )
    return means.argmax(axis=0)


def omega(joint, model, controls):
    r"""Share of a model's out-of-sample R2 that controls explain, in percent.

    .. math:: \Omega = 100 \left(1 - \mathrm{clip}\left(\frac{\max(R^2_{joint}, R^2_{model}) - R^2_{controls}}
              {R^2_{model}}, 0, 1\right)\right)

    of averaged components, never an average of ratios; NaN where the model's R2 is not above 0. Source: Hadidi, Feghhi et
    al. 2024, arXiv 2406.01538.
    """
    joint, model, controls = (np.asarray(one, float) for one in (joint, model, controls))
    share = (np.maximum(joint, model) - controls) / np.where(model > 0, model, np.nan)
    return 100 * (1 - np.clip(share, 0, 1))
