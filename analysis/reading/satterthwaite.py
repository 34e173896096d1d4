"""Intervals and p of a mixed model's coefficients with the degrees of freedom that its variances leave."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.mapping.threads import one_blas_thread
from analysis.reading.design import design
from analysis.reading.formula import Formula, parse
from analysis.reading.lmm import SINGULAR, MixedFit, mixed_model
from analysis.reading.penalised import Problem

__all__ = ["coefficient_intervals"]

STEP = 1e-3


def coefficient_intervals(
    table: pd.DataFrame, formula: str | Formula | MixedFit, *, level: float = 0.95
) -> pd.DataFrame:
    r"""Coefficients by REML with t intervals, their degrees of freedom after Satterthwaite.

    .. math:: \nu_j = \frac{2 v_j^2}{g_j' A g_j}, \quad v_j = Var(\hat\beta_j), \quad
              g_j = \partial v_j / \partial(\theta, \log \sigma^2)

    with :math:`A` the asymptotic covariance of the variance parameters, twice the inverse curvature of the restricted deviance.

    Parameters
    ----------
    table : pandas.DataFrame
    formula : str, or MixedFit
        Of a fit, its formula (after whatever fallback) on the same table; one by REML is taken as it is.
    level : float

    Returns
    -------
    pandas.DataFrame
        Indexed by term: estimate, standard_error, df, t, p, low, high. Parameters at a boundary (a variance of 0) are taken as
        known. Where the curvature is no minimum df is NaN, and the interval is the normal one.

    Notes
    -----
    Giesbrecht & Burns 1985; Kuznetsova, Brockhoff & Christensen 2017, doi 10.18637/jss.v082.i13. Wald's z, which a fit shows,
    takes the variances as known: with 20 people it claims too much.
    """
    from scipy.stats import norm, t

    parsed = parse(formula.formula if isinstance(formula, MixedFit) else formula)
    fit = (
        formula
        if isinstance(formula, MixedFit) and formula.reml
        else mixed_model(table, parsed, reml=True)
    )
    made = design(table, parsed)
    kept = [made.names.index(name) for name in fit.coefficients.index]
    problem = Problem(made.x[:, kept], made.y, made.blocks)
    with one_blas_thread():
        slopes, curvature = _derivatives(problem, fit)
    try:
        covariance = 2 * np.linalg.inv(curvature)
        valid = np.linalg.eigvalsh(curvature).min() > 0
    except np.linalg.LinAlgError:
        valid, covariance = False, np.zeros_like(curvature)
    variance = fit.coefficients["standard_error"].to_numpy() ** 2
    spread = (
        np.einsum("ij,ik,kj->j", slopes, covariance, slopes)
        if valid
        else np.full(len(variance), np.nan)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        df = np.where(spread > 0, 2 * variance**2 / spread, np.nan)
    df = np.clip(df, 1.0, len(made.y) - len(kept)) if valid else df
    frame = fit.coefficients[["estimate", "standard_error"]].assign(df=df)
    value = frame["estimate"] / frame["standard_error"]
    known = np.isfinite(df)
    reach = np.where(
        known, t.ppf(0.5 + level / 2, np.where(known, df, 1)), norm.ppf(0.5 + level / 2)
    )
    p = np.where(known, 2 * t.sf(value.abs(), np.where(known, df, 1)), 2 * norm.sf(value.abs()))
    half = reach * frame["standard_error"]
    return frame.assign(t=value, p=p, low=frame["estimate"] - half, high=frame["estimate"] + half)


def _derivatives(problem: Problem, fit: MixedFit) -> tuple[np.ndarray, np.ndarray]:
    """Slopes of the coefficients' variances, (parameters, coefficients), and the curvature of the restricted deviance.

    The parameters are the free entries of the factors and the logarithm of the residual variance.
    """
    free = np.flatnonzero(~(problem.diagonal & (fit.theta < SINGULAR)))
    freedom = problem.n - problem.p
    start = np.append(fit.theta[free], np.log(fit.residual))

    def at(point):
        theta = fit.theta.copy()
        theta[free] = point[:-1]
        found = problem.solve(theta, reml=True, gradient=False)
        rest = found.deviance - freedom * (1 + np.log(2 * np.pi * found.residual))
        ratio = found.residual * np.exp(-point[-1])
        deviance = rest + freedom * (np.log(2 * np.pi) + point[-1] + ratio)
        return deviance, np.diag(found.covariance) / ratio

    count = len(start)
    steps = np.diag(np.full(count, STEP))
    centre = at(start)[0]
    up, down = zip(*((at(start + s), at(start - s)) for s in steps))
    slopes = np.array([(a[1] - b[1]) / (2 * STEP) for a, b in zip(up, down)])
    curvature = np.empty((count, count))
    for i in range(count):
        curvature[i, i] = (up[i][0] - 2 * centre + down[i][0]) / STEP**2
        for j in range(i):
            both = at(start + steps[i] + steps[j])[0] + at(start - steps[i] - steps[j])[0]
            alone = up[i][0] + down[i][0] + up[j][0] + down[j][0]
            curvature[i, j] = curvature[j, i] = (both - alone + 2 * centre) / (2 * STEP**2)
    return slopes, curvature
