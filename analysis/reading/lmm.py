"""Linear mixed models with crossed random effects: maximum likelihood and REML, with honest words about convergence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.mapping.threads import one_blas_thread
from analysis.reading.design import Design, design
from analysis.reading.formula import Formula, parse
from analysis.reading.penalised import Problem, Solution
from data.errors import BrainLensError

__all__ = ["MixedFit", "fitted_parameters", "likelihood_ratio", "mixed_model", "settled"]

SINGULAR = 1e-4
"""A relative standard deviation below this (of a column scaled to mean square 1) counts as 0, as in lme4."""
ENOUGH = 1e-4
"""A fit has converged where the deviance could fall by less than this."""


@dataclass(frozen=True)
class MixedFit:
    """A fitted mixed model.

    Parameters
    ----------
    formula : str
        What was fitted.
    aic, bic, loglik, deviance : float
        With ``reml=True`` of the restricted likelihood, which compares models with the same fixed effects only.
    coefficients : pandas.DataFrame
        Indexed by term: estimate, standard_error, z (Wald) and p (two-sided, normal).
    variances : pandas.DataFrame
        group, term, other (empty in rows of a variance), variance (there: covariance), sd, correlation; last the residual.
    converged : bool
        The remaining fall of the deviance, by its curvature, is below 1e-4, and no variance at 0 would grow.
    singular : bool
        A variance is 0 or a correlation is 1: the data do not support the random effects.
    notes : tuple of str
        Rows left out, columns left out, singular, fallbacks.
    n, n_dropped : int
    n_parameters : int
        Fixed effects, free entries of the factors, and the residual.
    n_levels : dict
        Group -> levels.
    residual : float
        Variance of the residual.
    modes : dict
        Group -> conditional means of its random effects, a frame (level x term).
    covariance : pandas.DataFrame
        Of the coefficients.
    rows : pandas.Index
        Of the table: the rows that were fitted.
    reml : bool
    """

    formula: str
    aic: float
    bic: float
    loglik: float
    deviance: float
    coefficients: pd.DataFrame
    variances: pd.DataFrame
    converged: bool
    singular: bool
    notes: tuple[str, ...]
    n: int
    n_dropped: int
    n_parameters: int
    n_levels: dict
    residual: float
    modes: dict = field(repr=False)
    covariance: pd.DataFrame = field(repr=False)
    rows: pd.Index = field(repr=False)
    reml: bool = False
    theta: np.ndarray = field(repr=False, default_factory=lambda: np.empty(0))
    covariances: Mapping = field(repr=False, default_factory=dict)

    def __str__(self) -> str:
        levels = ", ".join(f"{name} {count:,}" for name, count in self.n_levels.items())
        kind = "REML" if self.reml else "maximum likelihood"
        head = f"{self.formula}\n{self.n:,} rows ({levels}), {kind}: log likelihood {self.loglik:.4f}, AIC {self.aic:.4f}"
        tables = (
            self.coefficients.to_string(float_format="%.6g"),
            self.variances.to_string(index=False, float_format="%.6g"),
        )
        return "\n".join([head, *tables, *self.notes])


def mixed_model(
    table: pd.DataFrame,
    formula: str | Formula,
    *,
    reml: bool = False,
    start: MixedFit | None = None,
) -> MixedFit:
    """Fit a linear mixed model with crossed random effects.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per trial.
    formula : str
        In lme4's language: ``log(rt) ~ scale(surprisal) + (1 + scale(surprisal) | person) + (1 | item)``; see
        :func:`analysis.reading.design.design` for the functions.
    reml : bool
        Restricted maximum likelihood; by default maximum likelihood, which compares models with other fixed effects.
    start : MixedFit, optional
        A fit with the same random effects to start from.

    Returns
    -------
    MixedFit

    Raises
    ------
    BrainLensError
        For formulas without random effects, unknown columns, groups with one level or as many as rows.

    Notes
    -----
    Bates, Maechler, Bolker & Walker 2015, doi 10.18637/jss.v067.i01; the algebra and the gradient are in
    :class:`analysis.reading.penalised.Problem`. Standard errors take the variances as known, as lme4's do.

    Examples
    --------
    >>> fit = mixed_model(table, "log(rt) ~ surprisal + (surprisal | person) + (1 | item)")  # doctest: +SKIP
    >>> fit.aic, fit.coefficients.loc["surprisal", "z"]  # doctest: +SKIP
    """
    parsed = parse(formula)
    made = design(table, parsed)
    _check_groups(made)
    kept, left = _independent(made.x)
    problem = Problem(made.x[:, kept], made.y, made.blocks)
    theta = _identity(problem)
    if start is not None and len(start.theta) == len(theta):
        theta = start.theta
    with (
        one_blas_thread()
    ):  # small matrices: threads that wait for each other cost more than they give
        best = _optimum(problem, theta, reml)
    return _told(made, table.index[made.rows], problem, best, reml, kept, left)


def settled(table: pd.DataFrame, formula: str | Formula, *, reml: bool = False) -> MixedFit:
    """Fit what the data support: where the fit is singular or fails, without correlations, then with intercepts only; and say so.

    Parameters
    ----------
    table, formula, reml
        As in :func:`mixed_model`.

    Returns
    -------
    MixedFit
        The first that is neither singular nor failed, else the last; its notes name what was given up.
    """
    parsed = parse(formula)
    tried, notes = [], []
    for one, name in (
        (parsed, "as asked"),
        (parsed.without_correlations(), "without correlations (||)"),
        (parsed.intercepts_only(), "with random intercepts only"),
    ):
        if str(one) in tried:
            continue
        tried.append(str(one))
        fit = mixed_model(table, one, reml=reml)
        if fit.converged and not fit.singular:
            break
        why = "is singular" if fit.converged else "did not converge"
        notes.append(f"the model {name} {why}: {one}")
    return replace(fit, notes=(*notes, *fit.notes))


def likelihood_ratio(small: MixedFit, full: MixedFit) -> pd.Series:
    """Likelihood-ratio test of two nested models on the same rows.

    Returns
    -------
    pandas.Series
        chi2, df, p, delta_aic (small - full; above 0: the full model is better).

    Raises
    ------
    BrainLensError
        Where the rows differ, the models were fitted by REML, or the full one has no more parameters.
    """
    from scipy.stats import chi2

    if small.n != full.n or not small.rows.equals(full.rows):
        raise BrainLensError(
            f"The two models are of other rows ({small.n:,} and {full.n:,}), so their likelihoods do not compare",
            remedy="Leave out the rows that lack a column of either model first",
        )
    if small.reml or full.reml:
        raise BrainLensError(
            "Restricted likelihoods do not compare models with other fixed effects",
            remedy="Fit both with reml=False",
        )
    freedom = full.n_parameters - small.n_parameters
    if freedom < 1:
        raise BrainLensError(
            f"The model {full.formula} has no more parameters than {small.formula}",
            remedy="Give the smaller model first",
        )
    value = small.deviance - full.deviance
    return pd.Series(
        {
            "chi2": value,
            "df": freedom,
            "p": float(chi2.sf(max(value, 0), freedom)),
            "delta_aic": small.aic - full.aic,
        }
    )


def fitted_parameters(
    made: Design, start: list | None = None
) -> tuple[list[int], list, np.ndarray, float]:
    """The parameters of a design by maximum likelihood, without what is told of a fit.

    Parameters
    ----------
    start : list, optional
        Covariances of the random effects of each group and the residual variance to start from.

    Returns
    -------
    kept : list of int
        Columns of the design that do not follow from others.
    covariances : list of ndarray
        Of each group.
    weights : ndarray, shape (len(kept),)
    residual : float
    """
    _check_groups(made)
    kept, _ = _independent(made.x)
    problem = Problem(made.x[:, kept], made.y, made.blocks)
    theta = _identity(problem) if start is None else problem.relative(*start)
    theta[problem.diagonal] = np.maximum(
        theta[problem.diagonal], 0.02
    )  # a start at 0 would stay there
    with one_blas_thread():
        theta = _descended(problem, theta, False)
        solution = problem.solve(theta)
    return kept, problem.covariances(theta, solution.residual), solution.weights, solution.residual


# ---- the optimum -----------------------------------------------------------------------------------------------------------
def _identity(problem: Problem) -> np.ndarray:
    return problem.theta([np.eye(group.width) for group in problem.groups])


class _Optimum(NamedTuple):
    """Where the deviance is lowest, by how much it could still fall, and whether a variance at 0 would grow."""

    theta: np.ndarray
    solution: Solution
    fall: float
    growing: bool


def _optimum(problem: Problem, theta: np.ndarray, reml: bool) -> _Optimum:
    """The optimum by the gradient, then by Newton steps; started anew where a variance at 0 would grow."""
    for _ in range(4):
        theta, fall = _newton(problem, _descended(problem, theta, reml), reml)
        solution = problem.solve(theta, reml=reml)
        growing = _growing(problem, theta, solution, reml)
        if growing is None:
            return _Optimum(theta, solution, fall, False)
        before, theta = theta, growing
    return _Optimum(before, problem.solve(before, reml=reml), fall, True)


def _descended(problem: Problem, theta: np.ndarray, reml: bool) -> np.ndarray:
    """Where the quasi-Newton method ends, started anew where a variance at 0 would grow.

    The diagonal of a factor may change its sign on the way, which changes nothing: with a bound at 0, where the gradient by the
    factor is always 0, a step that is too long would end there.
    """
    from scipy.optimize import minimize

    def value(at):
        try:
            found = problem.solve(at, reml=reml)
        except np.linalg.LinAlgError:  # factors too large to be told from infinity
            return np.inf, np.zeros_like(at)
        return found.deviance, found.gradient

    options = {"maxiter": 500, "maxfun": 1500, "ftol": 1e-13, "gtol": 1e-6, "maxcor": 20}
    for _ in range(3):
        theta = problem.upright(
            minimize(value, theta, jac=True, method="L-BFGS-B", options=options).x
        )
        growing = _growing(problem, theta, problem.solve(theta, reml=reml), reml)
        if growing is None:
            break
        theta = growing
    return theta


def _newton(
    problem: Problem, theta: np.ndarray, reml: bool, step: float = 1e-4
) -> tuple[np.ndarray, float]:
    """Newton steps by differences of the gradient in the free parameters; the fall that is left, by the curvature."""
    fall = np.inf
    for _ in range(4):
        at = problem.solve(theta, reml=reml)
        low = problem.diagonal
        free = np.flatnonzero(~(low & (theta < SINGULAR)))
        if not len(free):
            return theta, 0.0
        curvature = np.empty((len(free), len(free)))
        for i, j in enumerate(free):
            up, down = theta.copy(), theta.copy()
            up[j] += step
            down[j] = max(down[j] - step, 0.0) if low[j] else down[j] - step
            gap = up[j] - down[j]
            curvature[i] = (
                problem.solve(up, reml=reml).gradient - problem.solve(down, reml=reml).gradient
            )[free] / gap
        values, vectors = np.linalg.eigh((curvature + curvature.T) / 2)
        along = vectors.T @ at.gradient[free]
        flat = values < 1e-6 * max(
            values.max(), 1e-12
        )  # directions in which nothing changes, as at a singular fit
        moves = np.where(flat, 0.0, along / np.where(flat, 1.0, values))
        fall = 0.5 * float(np.sum(along * moves)) + float(np.abs(along[flat]).sum()) * 1e-2
        if fall < ENOUGH / 100:
            break
        made = theta.copy()
        made[free] -= vectors @ moves
        made[low] = np.maximum(made[low], 0)
        try:
            better = problem.solve(made, reml=reml, gradient=False).deviance < at.deviance
        except np.linalg.LinAlgError:
            better = False
        if not better:
            break
        theta = made
    return theta, fall


def _growing(
    problem: Problem, theta: np.ndarray, solution: Solution, reml: bool
) -> np.ndarray | None:
    """A start with more variance where the deviance falls with it, though the factor's gradient is 0; None: nowhere."""
    best, lowest = None, solution.deviance - ENOUGH
    for g, group in enumerate(problem.groups):
        factors = problem.factors(theta)
        covariance = factors[g] @ factors[g].T
        slope = np.where(group.free | group.free.T, solution.slopes[g], 0.0)
        values, vectors = np.linalg.eigh(covariance)
        empty = vectors[:, values < SINGULAR**2]
        if not empty.shape[1]:
            continue
        steepest, direction = np.linalg.eigh(empty.T @ slope @ empty)
        if steepest[0] >= 0:
            continue
        away = empty @ direction[:, :1]
        for variance in (1e-6, 1e-5, 1e-4, 1e-3, 1e-2):
            root = np.linalg.cholesky(
                covariance + variance * away @ away.T + 1e-10 * np.eye(len(covariance))
            )
            factors[g] = np.where(group.free, root, 0.0)
            made = problem.theta(factors)
            deviance = problem.solve(made, reml=reml, gradient=False).deviance
            if deviance < lowest:
                best, lowest = made, deviance
    return best


# ---- what is told ----------------------------------------------------------------------------------------------------------
def _check_groups(made: Design) -> None:
    if not made.blocks:
        raise BrainLensError(
            f"The formula {made.formula} has no random effects",
            remedy="Add some, such as (1 | person) + (1 | item)",
        )
    for block in made.blocks:
        count, n = len(block.levels), len(made.y)
        if count < 2:
            raise BrainLensError(
                f"The group {block.group} has one level only", remedy="Leave its random effects out"
            )
        if count >= n:
            raise BrainLensError(
                f"The group {block.group} has {count:,} levels in {n:,} rows: its effects cannot be told from the residual",
                remedy="Name a group whose levels have several rows each",
            )
        if count * len(block.names) >= n:
            raise BrainLensError(
                f"{len(block.names)} effects ({', '.join(block.names)}) for each of {count:,} levels of {block.group} are "
                f"{count * len(block.names):,} in {n:,} rows: they cannot be told from the residual",
                remedy=f"Let less vary by {block.group}, such as (1 | {block.group})",
            )
        empty = [name for name, column in zip(block.names, block.columns.T) if not column.any()]
        if empty:
            raise BrainLensError(
                f"The random effect {empty[0]} of {block.group} is 0 everywhere",
                remedy="Leave it out",
            )


def _independent(x: np.ndarray) -> tuple[list[int], list[int]]:
    """Columns that do not follow from those before them, and those that do."""
    kept, left, basis = [], [], np.empty((len(x), 0))
    for j, column in enumerate(x.T):
        rest = column - basis @ (basis.T @ column)
        rest = rest - basis @ (basis.T @ rest)
        norm = np.linalg.norm(column)
        if norm == 0 or np.linalg.norm(rest) < 1e-7 * norm:
            left.append(j)
        else:
            kept.append(j)
            basis = np.column_stack([basis, rest / np.linalg.norm(rest)])
    return kept, left


def _told(
    made: Design,
    rows: pd.Index,
    problem: Problem,
    best: _Optimum,
    reml: bool,
    kept: list[int],
    left: list[int],
) -> MixedFit:
    from scipy.stats import norm

    theta, solution = best.theta, best.solution
    names = [made.names[j] for j in kept]
    errors = np.sqrt(np.diag(solution.covariance))
    z = solution.weights / errors
    coefficients = pd.DataFrame(
        {
            "estimate": solution.weights,
            "standard_error": errors,
            "z": z,
            "p": 2 * norm.sf(np.abs(z)),
        },
        index=pd.Index(names, name="term"),
    )
    covariances = problem.covariances(theta, solution.residual)
    variances, singular = _variances(problem, theta, covariances, solution.residual)
    parameters = len(names) + len(theta) + 1
    converged = bool(best.fall < ENOUGH and not best.growing)
    notes = []
    if made.n_dropped:
        notes.append(f"{made.n_dropped:,} rows with a missing value left out")
    if made.unused:
        notes.append(f"levels without a row: {', '.join(made.unused)}")
    if left:
        notes.append(
            f"left out, because they follow from others: {', '.join(made.names[j] for j in left)}"
        )
    if singular:
        notes.append(f"singular: {'; '.join(singular)}")
    notes += [
        f"the variances of {group.name} are not unique: its effects {', '.join(group.names)} overlap, as those of a factor and "
        "of the intercept do behind ||; likelihood and fixed effects are not touched"
        for group in problem.groups
        if _overlaps(group.columns, group.free)
    ]
    notes += [
        f"{first} and {second} have the same levels: how their effects share a variance is not unique; likelihood and fixed "
        "effects are not touched, leave one of them out"
        for first, second in _same_levels(problem)
    ]
    if set(np.unique(made.y)) == {0.0, 1.0}:
        notes.append(
            "the response is 0 or 1: this is a linear model of a probability; for log odds take glmer(..., family = binomial) "
            "of lme4"
        )
    if not converged:
        notes.append(f"not converged: the deviance could fall by about {best.fall:.2g}"
                     f"{', and a variance at 0 would grow' if best.growing else ''}")  # fmt: skip
    modes = {
        group.name: pd.DataFrame(
            own, index=pd.Index(group.levels, name=group.name), columns=list(group.names)
        )
        for group, own in zip(problem.groups, solution.modes)
    }
    return MixedFit(
        str(made.formula), solution.deviance + 2 * parameters, solution.deviance + np.log(problem.n) * parameters,
        -0.5 * solution.deviance, solution.deviance, coefficients, variances, converged, bool(singular), tuple(notes),
        problem.n, made.n_dropped, parameters, {group.name: group.count for group in problem.groups}, solution.residual,
        modes, pd.DataFrame(solution.covariance, names, names), rows, reml, theta,
        {group.name: covariance for group, covariance in zip(problem.groups, covariances)},
    )  # fmt: skip


def _same_levels(problem: Problem) -> list[tuple[str, str]]:
    """Groups that sort the rows alike and let the same effect vary, such as i and i:h where no item has two values of h."""
    return [
        (first.name, second.name)
        for first, second in combinations(problem.groups, 2)
        if set(first.names) & set(second.names)
        and first.count == second.count
        and len(np.unique(first.codes.astype(np.int64) * second.count + second.codes))
        == first.count
    ]


def _overlaps(columns: np.ndarray, free: np.ndarray) -> bool:
    """Whether another covariance of the effects, of the same pattern, gives the same data: columns that add up to 0 allow it.

    With Zv = 0 a covariance may change by vw' + wv' for any w; it is another of the same pattern where that is 0 at every entry
    which the pattern keeps at 0.
    """
    scaled = columns / np.sqrt((columns**2).mean(axis=0))
    values, vectors = np.linalg.eigh(scaled.T @ scaled / len(scaled))
    idle = vectors[:, values < 1e-10 * values[-1]]
    if not idle.shape[1]:
        return False
    width, unit = len(free), np.eye(len(free))
    moves = np.array([np.outer(v, w) + np.outer(w, v) for v in idle.T for w in unit])
    kept = ~(free | free.T)
    every = np.linalg.matrix_rank(moves.reshape(-1, width * width), tol=1e-8)
    held = np.linalg.matrix_rank(moves[:, kept], tol=1e-8) if kept.any() else 0
    return bool(every > held)


def _variances(
    problem: Problem, theta, covariances, residual: float
) -> tuple[pd.DataFrame, list[str]]:
    rows, singular = [], []
    for group, covariance, factor in zip(problem.groups, covariances, problem.factors(theta)):
        deviations = np.sqrt(np.diag(covariance))
        for a, name in enumerate(group.names):
            rows.append((group.name, name, "", covariance[a, a], deviations[a], np.nan))
            if factor[a, a] < SINGULAR:
                alone = np.abs(factor[a, :a]).max(initial=0) < SINGULAR
                what = (
                    "has no variance"
                    if alone
                    else "follows from the other effects (correlation of 1)"
                )
                singular.append(f"{name} of {group.name} {what}")
        for a in range(group.width):
            for b in range(a):
                if group.free[a, b]:
                    both = deviations[a] * deviations[b]
                    value = covariance[a, b]
                    rows.append(
                        (
                            group.name,
                            group.names[b],
                            group.names[a],
                            value,
                            np.nan,
                            value / both if both else np.nan,
                        )
                    )
    rows.append(("Residual", "", "", residual, np.sqrt(residual), np.nan))
    return pd.DataFrame(
        rows, columns=["group", "term", "other", "variance", "sd", "correlation"]
    ), singular
