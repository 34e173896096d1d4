"""Who is like whom: readers by their profiles over models, groups among them, and the way back from people to a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.ceiling.persons import pairwise_r
from analysis.mapping.fit import cross_validate
from data.errors import BrainLensError

__all__ = ["Groups", "backwards", "folds_of", "groups_of_people", "mean_pairs"]

MOST_GROUPS = 5
DRAWS = 500
REFERENCES = 20


def mean_pairs(responses: pd.DataFrame) -> pd.Series:
    """Mean r of each person with each single other one, over the items that both met.

    Parameters
    ----------
    responses : pandas.DataFrame
        Items x persons, NaN where there is none.

    Returns
    -------
    pandas.Series
        By person; what one more reader like the others would reach without being averaged. Pairs of persons with fewer than
        three items in common do not count.
    """
    r = pairwise_r(responses.to_numpy(float))
    np.fill_diagonal(r, np.nan)
    pairs = np.isfinite(r).sum(axis=1)
    found = np.where(pairs > 0, np.nansum(r, axis=1) / np.maximum(pairs, 1), np.nan)
    return pd.Series(found, index=responses.columns)


# ---- groups of people ---------------------------------------------------------------------------------------------------------
class Groups(NamedTuple):
    """Whether people fall into groups by their profiles over models.

    Parameters
    ----------
    labels : pandas.Series
        Group of each person, 0 for everybody where there are none.
    count : int
    gap : float
        How much tighter the groups are than groups of people drawn from one normal cloud, in standard errors of the drawing.
    agreement : float
        Adjusted Rand index of the same number of groups formed in two halves of the items apart.
    p : float
        How often shuffled people agree as well, + 1.
    profile_r : float
        r over people and models of the profiles (less their mean over people and over models) in the two halves; near 0: what
        tells people apart is noise.
    axes : pandas.DataFrame
        Person x (mean, first, second): mean r over models, and the two directions in which profiles differ most.
    """

    labels: pd.Series
    count: int
    gap: float
    agreement: float
    p: float
    profile_r: float
    axes: pd.DataFrame


def groups_of_people(
    whole: pd.DataFrame, halves: tuple[pd.DataFrame, pd.DataFrame], *, seed: int = 0
) -> Groups:
    """Groups among people by which models predict them better than others do.

    Parameters
    ----------
    whole, halves : pandas.DataFrame
        Persons x models, r; over all items and over two halves of them.

    Returns
    -------
    Groups
        Profiles are taken less the person's own mean, so that a person who is predicted better by every model is not another
        kind of reader. The number of groups (Ward's linkage) is the smallest whose gap statistic is within one standard error of
        the next (Tibshirani, Walther & Hastie 2001, doi 10.1111/1467-9868.00293); one: no groups.

    Raises
    ------
    BrainLensError
        For fewer than two models or six people.
    """
    people = (
        whole.dropna()
        .index.intersection(halves[0].dropna().index)
        .intersection(halves[1].dropna().index)
    )
    if whole.shape[1] < 2 or len(people) < 6:
        raise BrainLensError(
            f"{whole.shape[1]} models and {len(people)} people with all values are too few for groups of people",
            remedy="Give two or more models, and six or more people",
        )
    own, one, two = (_kinds(part.loc[people].to_numpy(float)) for part in (whole, *halves))
    rng = np.random.default_rng([seed, 11])
    count, gap = _how_many(own, rng)
    labels = _grouped(own, count)
    tried = max(count, 2)
    first, second = _grouped(one, tried), _grouped(two, tried)
    agreement = _rand(first, second)
    drawn = np.array([_rand(first, rng.permutation(second)) for _ in range(DRAWS)])
    p = (1 + (drawn >= agreement).sum()) / (DRAWS + 1)
    a, b = (part - part.mean(axis=0) for part in (one, two))
    norm = np.sqrt((a * a).sum() * (b * b).sum())
    centred = own - own.mean(axis=0)
    left, size, _ = np.linalg.svd(centred, full_matrices=False)
    place = np.zeros((len(people), 2))
    width = min(2, len(size))
    place[:, :width] = left[:, :width] * size[:width]
    axes = pd.DataFrame(
        {"mean": whole.loc[people].mean(axis=1), "first": place[:, 0], "second": place[:, 1]},
        index=people,
    )
    return Groups(pd.Series(labels, index=people), count, gap, agreement, float(p), float((a * b).sum() / norm) if norm else 0.0,
                  axes)  # fmt: skip


def _kinds(r: np.ndarray) -> np.ndarray:
    return r - r.mean(axis=1, keepdims=True)


def _grouped(profiles: np.ndarray, count: int) -> np.ndarray:
    from scipy.cluster.hierarchy import fcluster, ward

    if count < 2:
        return np.zeros(len(profiles), int)
    return fcluster(ward(profiles), count, criterion="maxclust") - 1


def _how_many(profiles: np.ndarray, rng: np.random.Generator) -> tuple[int, float]:
    """Number of groups by the gap statistic against one normal cloud of the same covariance."""
    most = min(MOST_GROUPS, len(profiles) // 3)
    centre, covariance = profiles.mean(axis=0), np.cov(profiles.T)
    own = [_spread(profiles, _grouped(profiles, k)) for k in range(1, most + 1)]
    drawn = np.empty((REFERENCES, most))
    for row in drawn:
        cloud = rng.multivariate_normal(centre, covariance, size=len(profiles), method="svd")
        row[:] = [_spread(cloud, _grouped(cloud, k)) for k in range(1, most + 1)]
    gap = drawn.mean(axis=0) - own
    error = drawn.std(axis=0) * np.sqrt(1 + 1 / REFERENCES)
    for k in range(most - 1):
        if gap[k] >= gap[k + 1] - error[k + 1]:
            return k + 1, float(gap[k] / error[k]) if k else 0.0
    return most, float(gap[-1] / error[-1])


def _spread(values: np.ndarray, labels: np.ndarray) -> float:
    """Logarithm of the summed squares around the groups' means."""
    total = sum(
        ((values[labels == k] - values[labels == k].mean(axis=0)) ** 2).sum()
        for k in np.unique(labels)
    )
    return float(np.log(max(total, 1e-300)))


def _rand(a: np.ndarray, b: np.ndarray) -> float:
    """Adjusted Rand index (Hubert & Arabie 1985)."""
    table = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(table, (a, b), 1)

    def pairs(n):
        return (n * (n - 1) / 2).sum()

    n = len(a) * (len(a) - 1) / 2
    both, rows, columns = pairs(table), pairs(table.sum(axis=1)), pairs(table.sum(axis=0))
    expected, most = rows * columns / n, (rows + columns) / 2
    return float((both - expected) / (most - expected)) if most != expected else 0.0


# ---- the way back -----------------------------------------------------------------------------------------------------------
def folds_of(
    groups: Sequence, n_folds: int = 10, seed: int = 0
) -> list[tuple[np.ndarray, np.ndarray]]:
    """(train, test) rows with the items of one group together, in a drawn order."""
    labels = pd.factorize(np.asarray(groups))[0]
    count = labels.max() + 1
    order = np.random.default_rng([seed, 6]).permutation(count)
    place = np.argsort(order) * min(n_folds, count) // count
    fold = place[labels]
    return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in np.unique(fold)]


def backwards(
    responses: pd.DataFrame,
    values: pd.DataFrame,
    folds: list[tuple[np.ndarray, np.ndarray]],
    *,
    person: object = None,
) -> np.ndarray:
    """How well people's responses to an item tell what a model (or one more person) has there, on held-out items.

    Parameters
    ----------
    responses : pandas.DataFrame
        Items x persons; a missing response counts as the person's mean.
    values : pandas.DataFrame
        Items x units, such as surprisal, or the units of a layer; NaN where there is none.
    folds : list of (train, test)
    person : optional
        A column of ``responses`` that is left out of the predictors.

    Returns
    -------
    ndarray, shape (n_units,)
        Mean over folds of the held-out Pearson r of a ridge regression on all persons, its penalty chosen on the training items
        by leave-one-out.
    """
    x = responses.drop(columns=[person]) if person is not None else responses
    x = x.to_numpy(float)
    centre, spread = np.nanmean(x, axis=0), np.nanstd(x, axis=0)
    z = np.where(np.isfinite(x), (x - centre) / np.where(spread > 0, spread, 1.0), 0.0)
    fit = cross_validate(z, values.to_numpy(float), folds, criterion="loo")
    r = fit.r[0].astype(float)
    there = np.isfinite(r)
    return np.where(
        there.any(axis=0),
        np.where(there, r, 0).sum(axis=0) / np.maximum(there.sum(axis=0), 1),
        np.nan,
    )
