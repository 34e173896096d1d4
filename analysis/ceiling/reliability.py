"""How well responses agree with themselves: halves of the people, repeats of the stimuli."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.errors import BrainLensError

__all__ = ["Reliability", "few_groups", "repeats", "signed_root", "spearman_brown", "split_half"]

SPLITS = 100
"""Random halves averaged."""


@dataclass(frozen=True)
class Reliability:
    """A ceiling for correlations with a noiseless prediction.

    Parameters
    ----------
    value : ndarray, shape (n_targets,)
    draws : ndarray, shape (n_draws, n_targets)
    resampled : str
    """

    value: np.ndarray
    draws: np.ndarray
    resampled: str


def spearman_brown(r: np.ndarray | float) -> np.ndarray:
    """Reliability of the whole from the correlation of its halves, ``2 r / (1 + r)``."""
    return 2 * np.asarray(r, float) / (1 + np.asarray(r, float))


def signed_root(values: np.ndarray) -> np.ndarray:
    """Square root that keeps the sign: a reliability below 0 gives a ceiling below 0, and nothing is clipped."""
    return np.sign(values) * np.sqrt(np.abs(values))


# ---- halves of the people ------------------------------------------------------------------------------------------------
def split_half(
    responses: np.ndarray,
    groups: np.ndarray,
    *,
    root: bool = True,
    draws: int = 1000,
    seed: int = 0,
) -> Reliability:
    r"""Ceiling of a correlation with the *average* over people, from random halves of them.

    .. math:: c = \sqrt{\frac{2 r}{1 + r}}

    with r the correlation of the two half averages, meaned over :data:`SPLITS` random splits.

    Parameters
    ----------
    responses : ndarray, shape (n_stimuli, n_people)
        One column per person, NaN where he or she saw nothing; half averages are over those who did.
    groups : ndarray, shape (n_stimuli,)
    root : bool
        False leaves out the root, as Brain-Score's Futrell2018 does (a replica: that is the reliability, not the ceiling).

    Returns
    -------
    Reliability
        With one target. Its draws resample stimulus groups; the people stay, because it is their average that the ceiling
        normalises (and a person drawn twice would make the average noisier than it is).

    Notes
    -----
    Sources: Spearman 1910; Brown 1910. The root turns the reliability of the average into its largest correlation with a
    noiseless prediction (Schoppe et al. 2016, doi 10.3389/fncom.2016.00010).
    """
    y = np.asarray(responses, float)
    n_people = y.shape[1]
    if n_people < 2:
        raise BrainLensError(
            f"{n_people} person cannot be split in halves",
            remedy="Give two or more people, or repeats",
        )
    seen = np.isfinite(y).astype(float)
    y = np.where(seen > 0, y - np.nanmean(y), 0.0)
    rng = np.random.default_rng([seed, 2])
    half = np.zeros((n_people, SPLITS))
    for split in range(SPLITS):
        half[rng.permutation(n_people)[: n_people // 2], split] = 1.0
    sums = (y @ half, y @ (1 - half), seen @ half, seen @ (1 - half))  # each (stimulus, split)
    codes, names = pd.factorize(np.asarray(groups))
    cells = _half_moments(*sums, codes, len(names))
    finish = (lambda r: signed_root(spearman_brown(r))) if root else spearman_brown

    counts = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws).astype(
        float
    )
    value = _mean_r(np.ones((1, len(names))), cells)[0]
    drawn = _mean_r(counts, cells)
    drawn = drawn - np.nanmedian(drawn) + value
    what = f"{len(names)} stimulus groups (the average of these {n_people} people is what it normalises)"
    return Reliability(np.array([finish(value)]), finish(drawn)[:, None], what)


def _half_moments(
    a: np.ndarray, b: np.ndarray, n_a: np.ndarray, n_b: np.ndarray, codes: np.ndarray, n_groups: int
) -> np.ndarray:
    """Sums by stimulus group of (1, x, y, xx, yy, xy) of the two half averages, shape (6, n_groups, splits)."""
    both = (n_a > 0) & (n_b > 0)
    x, y = np.where(both, a / np.maximum(n_a, 1), 0.0), np.where(both, b / np.maximum(n_b, 1), 0.0)
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(n_groups))
    return np.stack(
        [
            np.add.reduceat(each[order], starts, axis=0)
            for each in (both.astype(float), x, y, x * x, y * y, x * y)
        ]
    )


def _mean_r(counts: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Mean over splits of the correlation of the halves, for each row of group counts."""
    n, x, y, xx, yy, xy = (counts @ each for each in cells)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nanmean((xy - x * y / n) / np.sqrt((xx - x * x / n) * (yy - y * y / n)), axis=1)


# ---- repeats of the stimuli ----------------------------------------------------------------------------------------------
def repeats(
    responses: np.ndarray,
    items: np.ndarray,
    groups: np.ndarray,
    *,
    draws: int = 1000,
    seed: int = 0,
) -> Reliability:
    r"""Ceiling of a correlation with *single* presentations, from stimuli that were presented more than once.

    .. math:: c = \sqrt{\rho}, \quad \rho = \frac{MS_b - MS_w}{MS_b + (n_0 - 1) MS_w}

    the one-way intraclass correlation of each target, with :math:`n_0` the usual number of repeats.

    Parameters
    ----------
    responses : ndarray, shape (n_presentations, n_targets)
        NaN left out target by target.
    items : ndarray, shape (n_presentations,)
        The same label for presentations of the same stimulus.
    groups : ndarray, shape (n_presentations,)
        Stimulus groups, drawn with replacement.

    Notes
    -----
    Source: Shrout & Fleiss 1979, doi 10.1037/0033-2909.86.2.420, ICC(1, 1).
    """
    y = np.asarray(responses, float)
    codes, labels = pd.factorize(np.asarray(items))
    first = np.array([np.flatnonzero(codes == item)[0] for item in range(len(labels))])
    group_of, names = pd.factorize(np.asarray(groups)[first])
    seen = np.isfinite(y)
    member = (codes == np.arange(len(labels))[:, None]).astype(float)  # (items, presentations)
    count = member @ seen
    y = np.where(seen, y - np.where(seen, y, 0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1), 0.0)
    total, squares = member @ y, member @ (y * y)
    again = count >= 2
    if not again.any(axis=0).all():
        raise BrainLensError(
            "Some targets have no stimulus that was presented twice",
            remedy="Leave these targets out, or use another ceiling",
        )
    with np.errstate(invalid="ignore", divide="ignore"):
        between = np.where(again, total**2 / count, 0.0)
    kept = np.where(again, count, 0.0)
    cells = np.stack(
        [
            again.astype(float),
            kept,
            kept**2,
            np.where(again, total, 0.0),
            between,
            np.where(again, squares, 0.0) - between,
        ]
    )  # (6, items, targets)
    by_group = np.stack(
        [np.stack([each[group_of == g].sum(axis=0) for g in range(len(names))]) for each in cells]
    )
    rng = np.random.default_rng([seed, 3])
    counts = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws).astype(
        float
    )
    value, drawn = (_intraclass(each, by_group) for each in (np.ones((1, len(names))), counts))
    value, drawn = signed_root(value[0]), signed_root(drawn)
    drawn = value + few_groups(len(names)) * (drawn - np.nanmedian(drawn, axis=0))
    return Reliability(value, drawn, f"{len(names)} stimulus groups")


def few_groups(count: int) -> float:
    r"""What draws over so many groups are widened by: a bootstrap takes their spread as known.

    .. math:: \sqrt{G / (G - 1)} \; t_{.975, G - 1} / z_{.975}

    (1.06 at 30 groups, 1.29 at 8.)
    """
    from scipy.special import stdtrit

    if count < 2:
        return float("nan")
    return float(np.sqrt(count / (count - 1)) * stdtrit(count - 1, 0.975) / 1.959964)


def _intraclass(counts: np.ndarray, cells: np.ndarray) -> np.ndarray:
    n_items, n, n_squares, total, between, within = (counts @ each for each in cells)
    with np.errstate(invalid="ignore", divide="ignore"):
        ms_between = (between - total**2 / n) / (n_items - 1)
        ms_within = within / (n - n_items)
        usual = (n - n_squares / n) / (n_items - 1)
        return (ms_between - ms_within) / (ms_between + (usual - 1) * ms_within)
