"""A linear mixed model with one or two crossed random intercepts, by maximum likelihood, for hundreds of thousands of rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Crossed", "fit_crossed"]

LARGEST_RATIO = 1e3
"""Bound of a random intercept's standard deviation over the residual's."""


@dataclass(frozen=True)
class Crossed:
    """The fitted model.

    Parameters
    ----------
    weights : ndarray, shape (p,)
        Fixed effects.
    residual : float
        Variance of the residual.
    intercepts : tuple of float
        Variance of the random intercepts of each grouping.
    log_likelihood : float
    """

    weights: np.ndarray
    residual: float
    intercepts: tuple[float, ...]
    log_likelihood: float

    @property
    def total(self) -> float:
        """Variance of a response around its fixed effects."""
        return self.residual + sum(self.intercepts)


def fit_crossed(design: np.ndarray, y: np.ndarray, labels: np.ndarray) -> Crossed:
    r"""Fit fixed effects and the variance of one or two crossed random intercepts.

    .. math:: y = X \beta + \sum_g Z_g b_g + e, \quad b_g \sim N(0, \theta_g^2 \sigma^2), \quad e \sim N(0, \sigma^2)

    Parameters
    ----------
    design : ndarray, shape (n, p)
        Fixed effects, intercept included.
    y : ndarray, shape (n,)
    labels : ndarray of int, shape (n,) or (n, 1) or (n, 2)
        Group of each row in each grouping.

    Returns
    -------
    Crossed

    Notes
    -----
    :math:`\beta` and :math:`\sigma` are profiled out (Bates et al. 2015, doi 10.18637/jss.v067.i01). With
    :math:`\Lambda = diag(\theta)`, :math:`A = \Lambda Z'Z \Lambda + I` and :math:`B = \Lambda Z'[X\,y]`, the matrix
    :math:`S = [X\,y]'[X\,y] - B'A^{-1}B` gives :math:`\hat\beta = S_{xx}^{-1} S_{xy}`,
    :math:`r^2 = S_{yy} - S_{yx} \hat\beta` and

    .. math:: -2 \log L = \log |A| + n (1 + \log(2 \pi r^2 / n)).

    The grouping with more groups is diagonal in :math:`A` and is eliminated first, so that one evaluation takes
    :math:`q_{small}^2 q_{large}` steps whatever n is.
    """
    from scipy.optimize import minimize

    problem = _Problem(design, y, np.asarray(labels).reshape(len(y), -1))
    count = len(problem.sizes)
    best = minimize(
        lambda logs: problem.solve(np.exp(logs))[0],
        np.log(np.full(count, 0.5)),
        method="L-BFGS-B",
        bounds=[(-12.0, np.log(LARGEST_RATIO))] * count,
        options={"ftol": 1e-12, "gtol": 1e-6},
    )
    deviance, weights, residual = problem.solve(np.exp(best.x))
    ratios = dict(zip(problem.order, np.exp(2 * best.x)))
    return Crossed(
        weights, residual, tuple(float(residual * ratios[g]) for g in range(count)), -0.5 * deviance
    )


class _Problem:
    """The cross products of one data set, and the profiled deviance."""

    def __init__(self, design: np.ndarray, y: np.ndarray, labels: np.ndarray):
        self.n = len(y)
        self.scale = np.sqrt((design**2).mean(axis=0))
        both = np.column_stack([design / self.scale, y])
        self.square = both.T @ both
        codes = [np.unique(labels[:, g], return_inverse=True)[1] for g in range(labels.shape[1])]
        sizes = [int(code.max()) + 1 for code in codes]
        self.order = sorted(range(len(codes)), key=lambda g: -sizes[g])  # most groups first
        self.sizes = [sizes[g] for g in self.order]
        codes = [codes[g] for g in self.order]
        self.counts = [
            np.bincount(code, minlength=size).astype(float) for code, size in zip(codes, self.sizes)
        ]
        self.sums = [
            np.column_stack(
                [np.bincount(code, weights=column, minlength=size) for column in both.T]
            )
            for code, size in zip(codes, self.sizes)
        ]
        if len(codes) == 2:
            joint = np.bincount(
                codes[0] * self.sizes[1] + codes[1], minlength=self.sizes[0] * self.sizes[1]
            )
            self.joint = joint.reshape(self.sizes).astype(
                float
            )  # (large, small): rows in both groups

    def solve(self, ratios: np.ndarray) -> tuple[float, np.ndarray, float]:
        """Deviance, fixed effects and residual variance at some ratios of standard deviations."""
        large = ratios[0] ** 2 * self.counts[0] + 1  # diagonal of A
        projected = ratios[0] * self.sums[0]
        matrix = self.square - projected.T @ (projected / large[:, None])
        log_determinant = np.log(large).sum()
        if len(ratios) == 2:
            cross = ratios[0] * ratios[1] * self.joint
            schur = np.diag(ratios[1] ** 2 * self.counts[1] + 1) - cross.T @ (
                cross / large[:, None]
            )
            rest = ratios[1] * self.sums[1] - cross.T @ (projected / large[:, None])
            factor = np.linalg.cholesky(schur)
            half = np.linalg.solve(factor, rest)
            matrix = matrix - half.T @ half
            log_determinant += 2 * np.log(np.diag(factor)).sum()
        weights = np.linalg.solve(matrix[:-1, :-1], matrix[:-1, -1])
        residual = (matrix[-1, -1] - matrix[-1, :-1] @ weights) / self.n
        return (
            log_determinant + self.n * (1 + np.log(2 * np.pi * residual)),
            weights / self.scale,
            float(residual),
        )
