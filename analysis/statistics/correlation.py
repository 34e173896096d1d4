"""Correlation over models, with intervals that know that models come in families."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from data.errors import BrainLensError

__all__ = ["FEW_FAMILIES", "Correlation", "correlate", "leave_one_family_out"]

FEW_FAMILIES = 5
"""Below so many families a jackknife over them gives no interval worth drawing."""
LEFT_OVER = 1e-10
"""A measure of which the covariates leave less variance than this share has no partial correlation: the rest is rounding."""


@dataclass(frozen=True)
class Correlation:
    """Pearson and rank correlation of two measures over models.

    Parameters
    ----------
    r, low, high : float
        Pearson r and its interval: Student's t over the leave-one-family-out values of Fisher's z.
    rho, rho_low, rho_high : float
        The same for ranks (Spearman).
    partial, partial_low, partial_high : float
        Pearson r with the covariates taken out of both; NaN where none was given, or where they leave nothing of a measure.
    n, n_families : int
    n_partial : int
        Models whose covariates are known: those of the partial correlation.
    p : float
        Parametric two-sided p of r, which takes models for independent (they are not): for comparison with papers only.
    undefined : int
        Bootstrap draws without a value (a single family drawn, no spread).
    resampled : str
        What was left out in turn, in words.
    draws : ndarray, shape (n_draws, 3)
        r, rho and partial of each draw of families with replacement; intervals from them would be too narrow (type I error
        8 %).
    """

    r: float
    low: float
    high: float
    rho: float
    rho_low: float
    rho_high: float
    n: int
    n_families: int
    p: float
    partial: float = float("nan")
    partial_low: float = float("nan")
    partial_high: float = float("nan")
    n_partial: int = 0
    undefined: int = 0
    resampled: str = ""
    draws: np.ndarray = field(default_factory=lambda: np.empty((0, 3)), repr=False)

    @property
    def claim(self) -> int:
        """1 or -1 where the intervals of Pearson's r *and* of the rank r lie on that side of 0, else 0: nothing is shown."""
        if self.n_families < FEW_FAMILIES:
            return 0
        if self.low > 0 and self.rho_low > 0:
            return 1
        return -1 if self.high < 0 and self.rho_high < 0 else 0


def correlate(
    x: np.ndarray,
    y: np.ndarray,
    families: np.ndarray | None = None,
    *,
    partial: np.ndarray | None = None,
    draws: int = 10_000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Correlation:
    r"""Pearson and rank r of two measures over models, with intervals over model families.

    Parameters
    ----------
    x, y : ndarray, shape (n_models,)
        Models in which either is NaN are left out; ``n`` counts those that stay.
    families : ndarray, shape (n_models,), optional
        Relatives share a label: whole families are left out (and drawn) together. None: single models.
    partial : ndarray, shape (n_models,) or (n_models, k), optional
        Covariates (the logarithm of the width) to take out of both. Models in which one is NaN count for r and the ranks, and
        are left out of the partial correlation.
    draws, seed
        Of the bootstrap of families.
    confidence
        Of the jackknife interval.

    Raises
    ------
    BrainLensError
        With fewer than three models, or where a measure does not vary.

    Notes
    -----
    With :math:`z_{(f)}` Fisher's z without family f, and F families, the interval is :math:`\tanh(z \pm t_{F - 1} s)`,
    :math:`s^2 = \frac{F - 1}{F} \sum_f (z_{(f)} - \bar z)^2` (Tukey 1958; Miller 1974, doi 10.1093/biomet/61.1.1).

    The correlation of a draw is the weighted one, a model's weight being the times its family was drawn; ranks are mid-ranks
    of the weighted sample. Source: Field & Welsh 2007, doi 10.1111/j.1467-9868.2007.00593.x (cluster bootstrap).
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    families = np.arange(len(x)) if families is None else np.asarray(families)
    extra = (
        np.empty((len(x), 0)) if partial is None else np.asarray(partial, float).reshape(len(x), -1)
    )
    if not len(x) == len(y) == len(families):
        raise BrainLensError(
            f"{len(x)} and {len(y)} values with {len(families)} families do not belong together",
            remedy="Give one of each for every model",
        )
    keep = np.isfinite(x) & np.isfinite(y)
    x, y, extra, families = x[keep], y[keep], extra[keep], families[keep]
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        raise BrainLensError(
            f"A correlation over {len(x)} models needs three or more, and two measures that vary",
            remedy="Add models, or choose another measure",
        )
    codes = pd.factorize(families)[0]
    n_families = int(codes.max()) + 1
    counts = np.random.default_rng(seed).multinomial(
        n_families, np.full(n_families, 1 / n_families), size=draws
    )
    weights = np.vstack([np.ones(len(x)), counts[:, codes]])  # row 0: the data themselves
    pearson = _weighted_r(weights, x[None], y[None])
    rank = _weighted_r(weights, _midranks(weights, x), _midranks(weights, y))
    known = np.isfinite(extra).all(axis=1) & (extra.shape[1] > 0)
    enough = known.sum() > extra.shape[1] + 2  # with fewer the residuals lie on a line
    without = (
        _weighted_partial(weights[:, known], x[known], y[known], extra[known])
        if enough
        else np.full(len(weights), np.nan)
    )
    table = np.stack([pearson, rank, without], axis=1)
    low, high = _jackknife(x, y, codes, extra, confidence)
    what = (
        f"{n_families} families of {len(x)} models"
        if n_families < len(x)
        else f"{len(x)} models, each its own family"
    )
    r, rho, rest = (float(value) for value in table[0])
    return Correlation(
        r,
        float(low[0]),
        float(high[0]),
        rho,
        float(low[1]),
        float(high[1]),
        len(x),
        n_families,
        _parametric_p(r, len(x)),
        rest,
        float(low[2]),
        float(high[2]),
        int(known.sum()),
        int((~np.isfinite(pearson[1:])).sum()),
        what,
        table[1:],
    )


def leave_one_family_out(
    x: np.ndarray, y: np.ndarray, families: np.ndarray, *, confidence: float = 0.95
) -> pd.DataFrame:
    """The correlation without each family in turn: what a single one carries.

    Parameters
    ----------
    x, y, families : ndarray, shape (n_models,)
        As for :func:`correlate`.

    Returns
    -------
    pandas.DataFrame
        family, n (models left), r, low, high, rho, rho_low, rho_high; by r. Families without which there is no correlation are
        left out.
    """
    x, y, families = np.asarray(x, float), np.asarray(y, float), np.asarray(families)
    rows = []
    for family in pd.unique(families):
        rest = families != family
        try:
            found = correlate(x[rest], y[rest], families[rest], draws=0, confidence=confidence)
        except BrainLensError:
            continue
        names = ("n", "r", "low", "high", "rho", "rho_low", "rho_high")
        rows.append({"family": str(family)} | {name: getattr(found, name) for name in names})
    columns = ["family", "n", "r", "low", "high", "rho", "rho_low", "rho_high"]
    return pd.DataFrame(rows, columns=columns).sort_values("r", ignore_index=True)


def _jackknife(
    x: np.ndarray, y: np.ndarray, codes: np.ndarray, extra: np.ndarray, confidence: float
) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the t intervals of Fisher's z for r, rho and partial, each (3,); NaN where a family cannot be left out."""
    from scipy.special import stdtrit

    def values(weights: np.ndarray, covariates: bool) -> np.ndarray:
        if not covariates:
            return np.stack(
                [
                    _weighted_r(weights, x[None], y[None]),
                    _weighted_r(weights, _midranks(weights, x), _midranks(weights, y)),
                ],
                axis=1,
            )
        if known.sum() <= extra.shape[1] + 2:
            return np.full((len(weights), 1), np.nan)
        return _weighted_partial(weights[:, known], x[known], y[known], extra[known])[:, None]

    known = np.isfinite(extra).all(axis=1) & (extra.shape[1] > 0)
    low, high = np.full(3, np.nan), np.full(3, np.nan)
    for columns, covariates in (([0, 1], False), ([2], True)):
        members = pd.unique(codes[known] if covariates else codes)
        count = len(members)
        if count < 3:
            continue
        weights = np.vstack([np.ones(len(codes)), codes[None] != members[:, None]]).astype(float)
        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.arctanh(np.clip(values(weights, covariates), -1 + 1e-12, 1 - 1e-12))
        spread = (z[1:] - z[1:].mean(axis=0)) ** 2
        reach = stdtrit(count - 1, (1 + confidence) / 2) * np.sqrt(
            (count - 1) / count * spread.sum(axis=0)
        )
        low[columns], high[columns] = np.tanh(z[0] - reach), np.tanh(z[0] + reach)
    return low, high


def _weighted_r(weights: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pearson r of each row of weights; x and y have one row, or one for each row of weights."""
    with np.errstate(invalid="ignore", divide="ignore"):
        total = weights.sum(axis=1, keepdims=True)
        x = x - (weights * x).sum(axis=1, keepdims=True) / total
        y = y - (weights * y).sum(axis=1, keepdims=True) / total
        xx, yy, xy = ((weights * product).sum(axis=1) for product in (x * x, y * y, x * y))
        flat = (xx <= 1e-12 * xx[0]) | (yy <= 1e-12 * yy[0])
        return np.where(flat, np.nan, xy / np.sqrt(xx * yy))


def _midranks(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Mean ranks in the weighted sample, shape (n_rows, n_models): those below, plus half of those equal."""
    _, place = np.unique(values, return_inverse=True)
    member = (place[:, None] == np.arange(place.max() + 1)).astype(float)
    here = weights @ member  # weight of each distinct value
    return (np.cumsum(here, axis=1) - here / 2)[:, place]


def _weighted_partial(
    weights: np.ndarray, x: np.ndarray, y: np.ndarray, extra: np.ndarray
) -> np.ndarray:
    """r of the residuals after weighted least squares on an intercept and the covariates; NaN where they are rounding noise."""
    design = np.column_stack([np.ones(len(x)), extra - extra.mean(axis=0)])
    gram = np.einsum("bn,ni,nj->bij", weights, design, design)
    both = np.einsum("bn,ni,nk->bik", weights, design, np.column_stack([x, y]))
    beta = np.linalg.pinv(gram, rcond=1e-10, hermitian=True) @ both
    both = np.column_stack([x, y])[None]
    residual = both - design[None] @ beta
    left, whole = (
        _weighted_variance(weights, residual),
        _weighted_variance(weights, np.broadcast_to(both, residual.shape)),
    )
    return np.where(
        (left > LEFT_OVER * whole).all(axis=1),
        _weighted_r(weights, residual[..., 0], residual[..., 1]),
        np.nan,
    )


def _weighted_variance(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(row, model, measure) -> (row, measure); NaN in a row without weight."""
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (weights / weights.sum(axis=1, keepdims=True))[..., None]
        return (share * (values - (share * values).sum(axis=1, keepdims=True)) ** 2).sum(axis=1)


def _parametric_p(r: float, n: int) -> float:
    from scipy.special import betainc

    return float(betainc((n - 2) / 2, 0.5, max(0.0, 1 - r * r)))
