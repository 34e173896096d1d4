"""Columns of labels: their levels in R's order, and what stands for them in a design."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import numpy as np
import pandas as pd

__all__ = [
    "CONTRASTS", "Factor", "as_factor", "contrast_names", "contrasts", "numbers_only", "polynomial", "truths",
    "used_levels",
]  # fmt: skip

CONTRASTS = ("treatment", "sum", "helmert", "poly")


@dataclass(frozen=True)
class Factor:
    """A column of labels: ``codes`` with -1 where it is missing; how its levels are contrasted."""

    codes: np.ndarray
    levels: tuple[str, ...]
    contrast: str = "treatment"

    @property
    def truth(self) -> bool:
        """Whether these are truth values, which functions take as 0 and 1."""
        return set(self.levels) <= {"FALSE", "TRUE"}

    @property
    def numbers(self) -> np.ndarray:
        """Truth values as 0 and 1, NaN where they are missing; shape (n, 1)."""
        value = np.array([*(level == "TRUE" for level in self.levels), np.nan], float)
        return value[self.codes][:, None]


def as_factor(column: pd.Series) -> Factor:
    """A column as a factor: a categorical column in its own order, any other as R sorts its levels; truth values as TRUE."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        used = column.cat.remove_unused_categories()
        contrast = "poly" if column.cat.ordered else "treatment"  # R's defaults
        return Factor(used.cat.codes.to_numpy(), tuple(map(_word, used.cat.categories)), contrast)
    present = column.notna().to_numpy()
    levels = sorted(pd.unique(column[present]), key=_collated)
    codes = np.full(len(column), -1)
    codes[present] = pd.Index(levels).get_indexer(column[present])
    return Factor(codes, tuple(map(_word, levels)))


def used_levels(factor: Factor, rows: np.ndarray) -> Factor:
    """The factor with the levels that stand in some rows only, as R drops those that no row of the fit has."""
    there = np.isin(np.arange(len(factor.levels)), factor.codes[rows])
    place = np.append(np.where(there, np.cumsum(there) - 1, -1), -1)
    levels = tuple(level for level, kept in zip(factor.levels, there) if kept)
    return Factor(place[factor.codes], levels, factor.contrast)


def contrast_names(factor: Factor) -> list[str]:
    """What the columns of :func:`contrasts` are called behind the factor's name."""
    if factor.contrast == "treatment":
        return list(factor.levels[1:])
    count = len(factor.levels) - 1
    if factor.contrast == "poly":
        return [*(".L", ".Q", ".C"), *(f"^{k}" for k in range(4, count + 1))][:count]
    return [str(k) for k in range(1, count + 1)]


def numbers_only(column: pd.Series) -> bool:
    """Whether a column of objects holds nothing but numbers, such as one that was read with None for a missing value."""
    present = column.dropna()
    kinds = {type(one) for one in present}
    return bool(kinds) and all(
        issubclass(one, (int, float, np.number)) and one is not bool for one in kinds
    )


def truths(values: np.ndarray, known: np.ndarray) -> Factor:
    """Truth values as a factor, without a value where one side had none."""
    present = np.unique(values[known])
    codes = np.where(known, np.searchsorted(present, values), -1)
    return Factor(codes, tuple(map(_word, present)))


def contrasts(factor: Factor) -> np.ndarray:
    """Columns that levels are coded by, shape (levels, levels - 1)."""
    count = len(factor.levels)
    if factor.contrast == "treatment":
        return np.eye(count)[:, 1:]
    if factor.contrast == "sum":
        return np.vstack([np.eye(count - 1), -np.ones(count - 1)])
    if factor.contrast == "poly":
        return polynomial(np.arange(float(count)), np.arange(float(count)), count - 1)
    rows, columns = np.mgrid[:count, 1:count]
    return np.where(rows < columns, -1.0, np.where(rows == columns, columns, 0.0))


def _word(level) -> str:
    """A level as R writes it."""
    return str(level).upper() if isinstance(level, (bool, np.bool_)) else str(level)


def _collated(level) -> tuple:
    """The order of levels as R has it in every language but C: ``b``, ``B``, ``c``; signs before digits before letters."""
    if not isinstance(level, str):
        return (level,)
    base = "".join(c for c in unicodedata.normalize("NFD", level) if not unicodedata.combining(c))
    ranks = [
        (1 + c.isdigit() if c.isalnum() and not c.isalpha() else 3 * c.isalpha(), c.casefold())
        for c in base
    ]
    return (ranks, level.casefold(), level.swapcase())


def polynomial(values: np.ndarray, own: np.ndarray, degree: int) -> np.ndarray:
    """Orthonormal polynomials over the values ``own``, at ``values``; shape (n, degree)."""
    centre, spread = own.mean(), own.std()
    _, triangle = np.linalg.qr(np.vander((own - centre) / spread, degree + 1, increasing=True))
    triangle = triangle * np.sign(np.diag(triangle))[:, None]
    made = np.vander((values - centre) / spread, degree + 1, increasing=True)
    return np.linalg.solve(triangle.T, made.T).T[:, 1:]
