"""One table of a mixed model: fixed effects, per unit and per standard deviation of the predictor, and variances."""

from __future__ import annotations

import pandas as pd

from analysis.reading.design import design
from analysis.reading.lmm import MixedFit

__all__ = ["fit_table"]


def fit_table(table: pd.DataFrame, fit: MixedFit) -> pd.DataFrame:
    """Everything that a mixed model estimated.

    Parameters
    ----------
    table : pandas.DataFrame
        The one that was fitted.
    fit : MixedFit

    Returns
    -------
    pandas.DataFrame
        part (``"fixed"``, ``"random"``), group, term, other (of a covariance); of fixed effects estimate, standard_error, z, p,
        and per_sd with low and high: the change of the response by one standard deviation of the predictor, with Wald's 95 %
        interval (NaN for the intercept); of random effects variance, sd and correlation, last the residual.
    """
    made = design(table, fit.formula)
    spread = pd.Series(made.x.std(axis=0), made.names)
    fixed = fit.coefficients.rename_axis("term").reset_index()
    size = fixed["term"].map(spread)
    size = size.where(size > 0)
    reach = 1.96 * fixed["standard_error"]
    fixed = fixed.assign(
        part="fixed",
        group="",
        other="",
        per_sd=fixed["estimate"] * size,
        low=(fixed["estimate"] - reach) * size,
        high=(fixed["estimate"] + reach) * size,
    )
    both = pd.concat([fixed, fit.variances.assign(part="random")], ignore_index=True)
    return both[
        [
            "part",
            "group",
            "term",
            "other",
            "estimate",
            "standard_error",
            "z",
            "p",
            "per_sd",
            "low",
            "high",
            "variance",
            "sd",
            "correlation",
        ]
    ]
