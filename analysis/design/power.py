"""How many people and items does it take to tell two models apart?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from data.errors import BrainLensError

__all__ = [
    "Components",
    "LearningCurve",
    "components",
    "crossed_test",
    "learning_curve",
    "power",
    "power_curve",
    "smallest",
]

DRAWS = 200
"""Of the variance components, behind the interval of a power."""


@dataclass(frozen=True)
class Components:
    """Variance components of a difference measured of people on items.

    Parameters
    ----------
    person, item, residual, trial : float
        Variance between people, between items, of person x item, and of repeats within a person and item (0 where the pilot has
        one each: it is part of the residual then).
    mean : float
        Of the pilot: shown, never planned with.
    people, items, repeats : int
        Of the pilot.
    squares : tuple of float
        Mean squares of people, items and person x item, with which the components are drawn anew.
    """

    person: float
    item: float
    residual: float
    trial: float
    mean: float
    people: int
    items: int
    repeats: int
    squares: tuple[float, float, float]

    def variance(self, people: float, items: float, repeats: float = 1) -> float:
        r"""Of the mean of a study.

        .. math:: \frac{\sigma_p^2}{n} + \frac{\sigma_i^2}{m} + \frac{\sigma_{pi}^2 + \sigma_t^2 / k}{n m}
        """
        crossed = (self.residual + self.trial / repeats) / (people * items)
        return self.person / people + self.item / items + crossed


def components(table: pd.DataFrame) -> Components:
    """Variance components of a balanced pilot, by the expected mean squares of a crossed design.

    Parameters
    ----------
    table : pandas.DataFrame
        person, item, difference, and ``repeat`` where people met items several times. Pairs of person and item that lack a value
        are filled in a way that adds nothing: people and items that lack more than a tenth are left out first.

    Returns
    -------
    Components
        Negative estimates are set to 0.

    Raises
    ------
    BrainLensError
        For fewer than three people or items, and differences that are no numbers.
    """
    lacking = [name for name in ("person", "item", "difference") if name not in table]
    if lacking:
        raise BrainLensError(
            f"The pilot has no column {', '.join(lacking)}",
            choices=list(map(str, table.columns)),
            remedy="Name the columns person, item and difference",
        )
    values = pd.to_numeric(table["difference"], errors="coerce")
    wrong = np.flatnonzero(values.isna() & table["difference"].notna())
    if len(wrong):
        raise BrainLensError(
            f"{len(wrong)} differences of the pilot are no numbers, first {str(table['difference'].iloc[wrong[0]])[:40]!r} "
            f"(row {wrong[0] + 1})",
            remedy="Write plain numbers, or leave the cells empty",
        )
    table = table.assign(difference=values)
    cells = table.groupby(["person", "item"])["difference"].agg(["mean", "count", "var"])
    wide = cells["mean"].unstack("item")
    wide = wide.loc[wide.notna().mean(axis=1) >= 0.9]
    wide = wide.loc[:, wide.notna().mean(axis=0) >= 0.9]
    n, m = wide.shape
    if n < 3 or m < 3:
        raise BrainLensError(
            f"{n} people and {m} items have enough in common: too few for variance components (3 and 3)",
            remedy="Give a pilot in which most people met most items",
        )
    x = _filled(wide.to_numpy(float))
    repeats = round(float(cells["count"].mean()))
    trial = float(cells["var"].mean()) if repeats > 1 else 0.0
    squares = _squares(x)
    return Components(*_solved(squares, n, m, trial, max(repeats, 1)), float(x.mean()), n, m, repeats, squares)  # fmt: skip


def _filled(x: np.ndarray) -> np.ndarray:
    """Empty cells by the two-way additive fit of the others."""
    hole = ~np.isfinite(x)
    if hole.any():
        x = np.where(hole, np.nanmean(x), x)
        for _ in range(50):
            fit = x.mean(axis=1, keepdims=True) + x.mean(axis=0) - x.mean()
            x = np.where(hole, fit, x)
    return x


def _squares(x: np.ndarray) -> tuple[float, float, float]:
    n, m = x.shape
    rows, columns, mean = x.mean(axis=1), x.mean(axis=0), x.mean()
    rest = x - rows[:, None] - columns + mean
    return (
        m * float(((rows - mean) ** 2).sum()) / (n - 1),
        n * float(((columns - mean) ** 2).sum()) / (m - 1),
        float((rest**2).sum()) / ((n - 1) * (m - 1)),
    )


def _solved(
    squares, n: int, m: int, trial: float, repeats: int
) -> tuple[float, float, float, float]:
    people, items, rest = squares
    return (
        max((people - rest) / m, 0.0),
        max((items - rest) / n, 0.0),
        max(rest - trial / repeats, 0.0),
        trial,
    )


# ---- the test that is planned for -----------------------------------------------------------------------------------
def crossed_test(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r"""t and two-sided p of the mean of studies in which the same people meet the same items.

    .. math:: t = \bar d \Big/ \sqrt{(MS_p + MS_i - MS_{pi}) / (n m)}

    with Satterthwaite's degrees of freedom; where the sum is below the larger of the two mean squares' own share, that one.

    Parameters
    ----------
    x : ndarray, shape (..., n_people, n_items)

    Notes
    -----
    The quasi F of Clark 1973, doi 10.1016/S0022-5371(73)80014-3.
    """
    from scipy.stats import t as student

    n, m = x.shape[-2:]
    rows, columns = x.mean(axis=-1), x.mean(axis=-2)
    mean = rows.mean(axis=-1)
    people = m * ((rows - mean[..., None]) ** 2).sum(axis=-1) / (n - 1)
    items = n * ((columns - mean[..., None]) ** 2).sum(axis=-1) / (m - 1)
    rest = x - rows[..., None] - columns[..., None, :] + mean[..., None, None]
    rest = (rest**2).sum(axis=(-1, -2)) / ((n - 1) * (m - 1))
    error, df = _error(people, items, rest, n, m)
    t = mean / np.sqrt(error / (n * m))
    return t, 2 * student.sf(np.abs(t), df)


def _error(people, items, rest, n: int, m: int):
    """Mean square of the mean and its degrees of freedom."""
    both = people + items - rest
    wider = np.maximum(people, items)
    df = both**2 / (people**2 / (n - 1) + items**2 / (m - 1) + rest**2 / ((n - 1) * (m - 1)))
    alone = np.where(people > items, n - 1.0, m - 1.0)
    return np.where(both > wider, both, wider), np.where(both > wider, df, alone)


def power(
    parts: Components,
    effect: float,
    people: int,
    items: int,
    repeats: int = 1,
    *,
    alpha: float = 0.05,
    draws: int = 1024,
) -> float:
    """Probability that :func:`crossed_test` finds an effect of that size: a mean over draws of the three mean squares.

    Given these, the mean is normal and the test's threshold is known, so that nothing else is simulated.

    Parameters
    ----------
    effect : float
        The smallest difference of interest, in the pilot's unit; not the observed one, which is selected for being large.
    draws : int
        A power of two.
    """
    from scipy.stats import norm
    from scipy.stats import t as student

    rest = parts.residual + parts.trial / repeats
    row, column = rest + items * parts.person, rest + people * parts.item
    spread = np.sqrt(max(row + column - rest, 1e-300) / (people * items))
    scales = _scales(people - 1, items - 1, (people - 1) * (items - 1), draws)
    one, two, both = scales * np.array([[row], [column], [rest]])
    error, df = _error(one, two, both, people, items)
    edge = student.isf(alpha / 2, df) * np.sqrt(error / (people * items))
    size = abs(effect)
    return float(np.mean(norm.sf((edge - size) / spread) + norm.cdf((-edge - size) / spread)))


@lru_cache(maxsize=4096)
def _scales(first: int, second: int, third: int, draws: int) -> np.ndarray:
    """Chi square over its degrees of freedom for three mean squares, (3, draws): evenly spread draws, the same ones each time."""
    from scipy.stats import chi2, qmc

    even = qmc.Sobol(3, seed=0).random(draws)
    return np.stack(
        [chi2.ppf(even[:, at], df) / df for at, df in enumerate((first, second, third))]
    )


def power_curve(
    parts: Components,
    effect: float,
    people: Sequence[int],
    items: Sequence[int],
    repeats: int = 1,
    *,
    alpha: float = 0.05,
    learning: LearningCurve | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> pd.DataFrame:
    r"""Power for every number of people and items, with the interval that the pilot's size leaves.

    Parameters
    ----------
    learning : LearningCurve, optional
        Items also train the regression: the effect at m items is ``effect`` times the curve at m over the curve at the pilot's
        number of items. Without it the effect is the same for any number of items.
    draws : int
        Of the components: each expected mean square anew as :math:`MS \, \nu / \chi^2_\nu` (generalised confidence intervals,
        Weerahandi 1993).

    Returns
    -------
    pandas.DataFrame
        people, items, repeats, effect, power, low, high (95 %).
    """
    rng = np.random.default_rng([seed, 13])
    n, m = parts.people, parts.items
    df = np.array([n - 1, m - 1, (n - 1) * (m - 1)])
    drawn = [
        Components(
            *_solved(np.array(parts.squares) * scale, n, m, parts.trial, max(parts.repeats, 1)),
            parts.mean, n, m, parts.repeats, parts.squares,
        )
        for scale in df / rng.chisquare(df, size=(draws, 3))
    ]  # fmt: skip
    rows = []
    for count in items:
        size = effect * (learning.relative(count, m) if learning is not None else 1.0)
        for who in people:
            each = [power(one, size, who, count, repeats, alpha=alpha, draws=128) for one in drawn]
            low, high = np.percentile(each, [2.5, 97.5])
            point = power(parts, size, who, count, repeats, alpha=alpha)
            rows.append((who, count, repeats, size, point, float(low), float(high)))
    return pd.DataFrame(
        rows, columns=["people", "items", "repeats", "effect", "power", "low", "high"]
    )


def smallest(
    parts: Components,
    effect: float,
    items: int,
    *,
    wanted: float = 0.8,
    repeats: int = 1,
    alpha: float = 0.05,
    most: int = 2000,
) -> int | None:
    """Fewest people with that power; None where no number of people reaches it with so few items."""
    if power(parts, effect, most, items, repeats, alpha=alpha) < wanted:
        return None
    low, high = 2, most
    while high - low > 1:
        middle = (low + high) // 2
        if power(parts, effect, middle, items, repeats, alpha=alpha) >= wanted:
            high = middle
        else:
            low = middle
    return high


# ---- items train the regression -------------------------------------------------------------------------------------
@dataclass(frozen=True)
class LearningCurve:
    r"""How a score grows with the number of items, :math:`s(m) = a - b \, m^{-c}`.

    Parameters
    ----------
    table : pandas.DataFrame
        items, score.
    top, slope, rate : float
        a, b, c.
    """

    table: pd.DataFrame
    top: float
    slope: float
    rate: float

    def at(self, items: float) -> float:
        """The score with so many items."""
        return self.top - self.slope * float(items) ** -self.rate

    def relative(self, items: float, pilot: float) -> float:
        """Score with so many items over that with the pilot's, never below 0; 1 where the pilot's is not above 0."""
        base = self.at(pilot)
        return max(self.at(items) / base, 0.0) if base > 0 else 1.0


def learning_curve(table: pd.DataFrame) -> LearningCurve:
    """Fit a learning curve to scores at several numbers of items.

    Parameters
    ----------
    table : pandas.DataFrame
        items, score.

    Raises
    ------
    BrainLensError
        For fewer than three numbers of items.
    """
    items, score = table["items"].to_numpy(float), table["score"].to_numpy(float)
    if len(np.unique(items)) < 3:
        raise BrainLensError(
            f"{len(np.unique(items))} numbers of items give no learning curve",
            remedy="Give three or more",
        )
    best = None
    for rate in np.linspace(0.1, 2.0, 39):  # linear in the other two
        design = np.column_stack([np.ones(len(items)), -(items**-rate)])
        found, *_ = np.linalg.lstsq(design, score, rcond=None)
        if found[1] < 0:  # a score that falls with items has no such curve
            found = np.array([score.mean(), 0.0])
        error = float(((design @ found - score) ** 2).sum())
        if best is None or error < best[0] - 1e-15:
            best = (error, *found, rate)
    assert best is not None  # of 39 rates one is best
    return LearningCurve(table.reset_index(drop=True), *map(float, best[1:]))
