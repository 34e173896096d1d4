"""Persons one by one: how well a model, the others and the best other predict each; how reliable persons and items are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.ceiling.reliability import spearman_brown
from data.errors import BrainLensError, unknown

__all__ = ["Halves", "columns_r", "halves", "pairwise_r", "persons", "profiles", "wide"]

SPLITS = 200


class Halves(NamedTuple):
    """Correlation of random halves, mean over splits, and stepped up to the whole (Spearman-Brown)."""

    r: float
    reliability: float
    low: float
    high: float


def wide(
    table: pd.DataFrame, response: str, person: str = "person", item: str = "item"
) -> pd.DataFrame:
    """Items x persons of a long table; several trials of a cell are averaged."""
    for name in (response, person, item):
        if name not in table.columns:
            raise unknown("column of the table", name, table.columns)
    return table.pivot_table(index=item, columns=person, values=response, sort=False)


def halves(
    responses: np.ndarray | pd.DataFrame,
    by: str = "persons",
    *,
    splits: int = SPLITS,
    seed: int = 0,
) -> Halves:
    r"""Split-half reliability by persons (do halves of the people agree on the items?) or by items.

    Parameters
    ----------
    responses : array, shape (n_items, n_persons)
        NaN where a person did not see an item; means are over what is there.
    by : str
        ``"persons"``: item means of two halves of the persons are correlated; ``"items"``: person means of two halves of the
        items.

    Returns
    -------
    Halves
        r, :math:`2r/(1+r)`, and the range of r over 95 % of the splits (their spread, no interval over new people).

    Raises
    ------
    BrainLensError
        Where fewer than two are to be split, or fewer than three to be correlated.
    """
    if by not in ("persons", "items"):
        raise unknown("split", by, ("persons", "items"))
    values = np.asarray(responses, float)
    values = values if by == "persons" else values.T
    n_rows, n = values.shape
    if n < 2 or n_rows < 3:
        other = "items" if by == "persons" else "persons"
        raise BrainLensError(
            f"{n} {by} and {n_rows} {other} are too few for halves",
            remedy="Give two to split, and three to correlate",
        )
    rng = np.random.default_rng([seed, 5])
    first = np.zeros((n, splits))
    for split in range(splits):
        first[rng.permutation(n)[: n // 2], split] = 1.0
    seen, filled = np.isfinite(values).astype(float), np.nan_to_num(values - np.nanmean(values))
    counts = seen @ first, seen @ (1 - first)
    with np.errstate(invalid="ignore", divide="ignore"):
        one, two = (filled @ first) / counts[0], (filled @ (1 - first)) / counts[1]
    found = np.array([_r(a, b) for a, b in zip(one.T, two.T)])
    r = float(np.nanmean(found))
    return Halves(r, float(spearman_brown(r)), *map(float, np.nanquantile(found, [0.025, 0.975])))


def _r(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson r over what both have; 0 where one is constant, as everywhere in a score; NaN below three pairs."""
    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() < 3:
        return np.nan
    a, b = a[both] - a[both].mean(), b[both] - b[both].mean()
    norm = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / norm) if norm > 0 else 0.0


def persons(
    responses: pd.DataFrame,
    predictions: dict[str, pd.Series],
    groups: Sequence | pd.Series,
    *,
    n_folds: int = 10,
    seed: int = 0,
) -> pd.DataFrame:
    """Each person predicted by every model, by the mean of the others, and by the best other person, on held-out items.

    Parameters
    ----------
    responses : pandas.DataFrame
        Items x persons, NaN where there is none.
    predictions : dict
        Model -> value per item (such as surprisal), indexed as the responses; one slope and intercept per person is fitted on the
        training items, so that the sign is learned, not assumed.
    groups : sequence
        Label of each item; items of one label are held out together.

    Returns
    -------
    pandas.DataFrame
        person, predictor (a model's name, ``"other people"`` or ``"best other person"``), kind (model, people, person), r (mean
        over folds of the held-out Pearson r; a constant prediction counts as 0), n_items, n_folds, and who was chosen as the
        best other most often.

    Raises
    ------
    BrainLensError
        For fewer than three persons or two groups.
    """
    values = responses.to_numpy(float)
    labels = pd.factorize(np.asarray(groups))[0]
    n_groups, n_persons = labels.max() + 1, values.shape[1]
    if n_persons < 3 or n_groups < 2:
        raise BrainLensError(f"{n_persons} persons and {n_groups} groups of items are too few to predict one from the others",
                             remedy="Give three persons and two groups, or more")  # fmt: skip
    order = np.random.default_rng([seed, 6]).permutation(n_groups)
    fold = (np.argsort(order) * min(n_folds, n_groups) // n_groups)[labels]
    mean, there = np.nanmean(values), np.isfinite(values)
    total, count = np.where(there, values - mean, 0.0).sum(axis=1), there.sum(axis=1)
    standing = {
        name: series.reindex(responses.index).to_numpy(float)
        for name, series in predictions.items()
    }
    alike = {k: _most_alike(values[fold != k]) for k in np.unique(fold)}
    rows = []
    for j, person in enumerate(responses.columns):
        y = values[:, j]
        left = count - there[:, j]
        with np.errstate(invalid="ignore", divide="ignore"):
            rest = (total - np.where(there[:, j], y - mean, 0.0)) / left
        found = {name: [] for name in (*standing, "other people", "best other person")}
        chosen = []
        for k in np.unique(fold):
            train, test = (fold != k) & there[:, j], (fold == k) & there[:, j]
            if test.sum() < 3 or train.sum() < 3:
                continue
            for name, x in (*standing.items(), ("other people", rest)):
                found[name].append(_held_out(x, y, train, test))
            best = alike[k][j]
            if best >= 0:
                chosen.append(responses.columns[best])
                found["best other person"].append(_held_out(values[:, best], y, train, test))
        for name, each in found.items():
            kind = {"other people": "people", "best other person": "person"}.get(name, "model")
            best = pd.Series(chosen).mode().iloc[0] if kind == "person" and chosen else ""
            r = float(np.nanmean(each)) if np.isfinite(each).any() else np.nan
            rows.append(
                (person, name, kind, r, int(there[:, j].sum()), int(np.isfinite(each).sum()), best)
            )
    return pd.DataFrame(
        rows, columns=["person", "predictor", "kind", "r", "n_items", "n_folds", "chosen"]
    )


def _held_out(x: np.ndarray, y: np.ndarray, train: np.ndarray, test: np.ndarray) -> float:
    """Held-out r of a straight line fitted to the training items; the sign of its slope is all that matters to r."""
    train, test = train & np.isfinite(x), test & np.isfinite(x)
    if train.sum() < 3 or test.sum() < 3:
        return np.nan
    sign = np.sign(_r(x[train], y[train]))
    return float(sign * _r(x[test], y[test])) if sign else 0.0


def _most_alike(values: np.ndarray) -> np.ndarray:
    """For each person (columns) the other one with the largest r over what both have; -1 where there is none."""
    r = pairwise_r(values)
    np.fill_diagonal(r, np.nan)
    found = np.where(np.isfinite(r), r, -np.inf)
    return np.where(np.isfinite(found).any(axis=1), found.argmax(axis=1), -1)


def pairwise_r(values: np.ndarray) -> np.ndarray:
    """Pearson r of each two columns, over the rows that both have; NaN below three of them or for a constant.

    Parameters
    ----------
    values : ndarray, shape (n_rows, n_columns)

    Returns
    -------
    ndarray, shape (n_columns, n_columns)
    """
    there = np.isfinite(values)
    seen, counts = there.astype(float), np.maximum(there.sum(axis=0), 1)
    mean = np.where(there, values, 0.0).sum(axis=0) / counts
    x = np.where(there, values - mean, 0.0)
    n, sums, squares = seen.T @ seen, x.T @ seen, (x * x).T @ seen
    with np.errstate(invalid="ignore", divide="ignore"):
        around = squares - sums * sums / n
        around = np.where(around > 1e-12 * squares, around, np.nan)  # constant over what both have
        r = (x.T @ x - sums * sums.T / n) / np.sqrt(around * around.T)
    return np.where(n >= 3, r, np.nan)


def columns_r(values: np.ndarray, y: np.ndarray, columns: list[int]) -> np.ndarray:
    """Pearson r of y with each column, over what both have; NaN below three pairs or for a constant."""
    both = np.isfinite(values[:, columns]) & np.isfinite(y)[:, None]
    x, y = np.where(both, values[:, columns], 0.0), np.where(both, y[:, None], 0.0)
    n = both.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        x, y = (
            np.where(both, x - x.sum(axis=0) / n, 0.0),
            np.where(both, y - y.sum(axis=0) / n, 0.0),
        )
        r = (x * y).sum(axis=0) / np.sqrt((x * x).sum(axis=0) * (y * y).sum(axis=0))
    return np.where(n >= 3, r, np.nan)


def profiles(frame: pd.DataFrame) -> pd.DataFrame:
    """Who is the model like? Persons x predictors, each person's r, for the persons that have all; the models' columns first."""
    table = frame.pivot(index="person", columns="predictor", values="r")
    kinds = frame.drop_duplicates("predictor").set_index("predictor")["kind"]
    return table[sorted(table.columns, key=lambda name: (kinds[name] != "model", name))].dropna()
