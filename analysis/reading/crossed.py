"""What a mean over trials is worth when people and items are both random: crossed bootstrap, contrast, sign counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from data.errors import BrainLensError

__all__ = ["Contrast", "CrossedMean", "contrast", "crossed_mean"]

DRAWS = 2000


@dataclass(frozen=True)
class CrossedMean:
    """A mean over trials with its person x item interval.

    Parameters
    ----------
    value, low, high : float
        95 % percentile interval of the crossed bootstrap.
    p : float
        Two-sided: twice the smaller share of draws beyond 0, + 1.
    n, n_persons, n_items : int
    people_above, people_below : int
        Persons whose own mean lies above or below 0.
    sign_p : float
        Two-sided binomial test of these counts.
    by_person : pandas.Series
        Mean of each person.
    """

    value: float
    low: float
    high: float
    p: float
    n: int
    n_persons: int
    n_items: int
    people_above: int
    people_below: int
    sign_p: float
    by_person: pd.Series = field(repr=False)


def crossed_mean(
    values: Sequence[float] | np.ndarray,
    persons: Sequence | np.ndarray,
    items: Sequence | np.ndarray,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> CrossedMean:
    r"""Mean over trials; people and items are resampled with replacement, independently, each trial weighted by both counts.

    .. math:: \bar d^* = \frac{\sum_t w_{p(t)} v_{i(t)} d_t}{\sum_t w_{p(t)} v_{i(t)}}

    Parameters
    ----------
    values : sequence of float, shape (n_trials,)
        Such as the difference of two models' log densities.
    persons, items : sequence, shape (n_trials,)
        Items that share context count as one: give their common label.

    Returns
    -------
    CrossedMean

    Raises
    ------
    BrainLensError
        For fewer than two persons or items.

    Notes
    -----
    Owen 2007, doi 10.1214/07-AOAS122. Conservative: the residual variance of trials counts about three times.
    """
    from scipy.stats import binomtest

    values = np.asarray(values, float)
    person, names = pd.factorize(np.asarray(persons))
    item, labels = pd.factorize(np.asarray(items))
    if len(names) < 2 or len(labels) < 2:
        raise BrainLensError(
            f"{len(names)} persons and {len(labels)} items are too few for an interval over both",
            remedy="Give two or more of each",
        )
    sums, counts = np.zeros((len(names), len(labels))), np.zeros((len(names), len(labels)))
    np.add.at(sums, (person, item), values)
    np.add.at(counts, (person, item), 1.0)
    rng = np.random.default_rng([seed, 7])
    drawn = np.empty(draws)
    for start in range(0, draws, 250):
        size = min(250, draws - start)
        w = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=size).astype(
            float
        )
        v = rng.multinomial(len(labels), np.full(len(labels), 1 / len(labels)), size=size).astype(
            float
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            drawn[start : start + size] = ((w @ sums) * v).sum(axis=1) / ((w @ counts) * v).sum(
                axis=1
            )
    drawn = drawn[np.isfinite(drawn)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    beyond = min((drawn <= 0).sum(), (drawn >= 0).sum())
    by_person = pd.Series(
        sums.sum(axis=1) / counts.sum(axis=1), index=pd.Index(names, name="person")
    )
    above, below = int((by_person > 0).sum()), int((by_person < 0).sum())
    sign = float(binomtest(above, above + below).pvalue) if above + below else 1.0
    return CrossedMean(
        float(values.mean()), float(low), float(high), min(1.0, 2 * (beyond + 1) / (len(drawn) + 1)), len(values), len(names),
        len(labels), above, below, sign, by_person,
    )  # fmt: skip


@dataclass(frozen=True)
class Contrast:
    """The mean of a mixed model with crossed intercepts of persons and items, with a t test."""

    value: float
    standard_error: float
    t: float
    df: int
    p: float
    notes: tuple[str, ...]


def contrast(values: Sequence[float], persons: Sequence, items: Sequence) -> Contrast:
    """Test of a mean over trials by a mixed model, ``d ~ 1 + (1 | person) + (1 | item)`` by REML.

    Parameters
    ----------
    values, persons, items : as in :func:`crossed_mean`

    Returns
    -------
    Contrast
        t with as many degrees of freedom as the smaller of persons and items, less one: never more than either supports.
    """
    from scipy.stats import t as student

    from analysis.reading.lmm import mixed_model

    table = pd.DataFrame(
        {"d": np.asarray(values, float), "person": np.asarray(persons), "item": np.asarray(items)}
    )
    fit = mixed_model(table, "d ~ 1 + (1 | person) + (1 | item)", reml=True)
    row = fit.coefficients.iloc[0]
    df = min(fit.n_levels.values()) - 1
    value = float(row["estimate"] / row["standard_error"])
    return Contrast(
        float(row["estimate"]),
        float(row["standard_error"]),
        value,
        df,
        float(2 * student.sf(abs(value), df)),
        fit.notes,
    )
