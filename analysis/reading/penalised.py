"""Penalised least squares of a mixed model with crossed groups: the profiled deviance and its gradient from cross products."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.linalg import cho_factor, cho_solve, solve_triangular

from analysis.reading.design import Block
from data.errors import BrainLensError

__all__ = ["Problem", "Solution"]

LARGEST = 12_000
"""Random effects besides those of the largest group, whose dense matrix has to fit into memory (1.2 GB here)."""


@dataclass(frozen=True)
class Solution:
    """What the penalised least squares gives at some relative covariance factors.

    Parameters
    ----------
    deviance : float
        -2 log likelihood, or of the restricted likelihood.
    gradient : ndarray, shape (n_theta,)
        Of the deviance; empty where it was not asked for.
    slopes : list of ndarray
        Derivative by the relative covariance matrix of each group, shape (k, k).
    weights : ndarray, shape (p,)
        Of the columns of the design.
    covariance : ndarray, shape (p, p)
        Of the weights.
    residual : float
        Variance of the residual.
    modes : list of ndarray
        Conditional means of the random effects of each group, shape (levels, k).
    """

    deviance: float
    gradient: np.ndarray
    slopes: list
    weights: np.ndarray
    covariance: np.ndarray
    residual: float
    modes: list


@dataclass
class _Group:
    """All blocks of one grouping: their columns side by side, and which entries of the factor are free."""

    name: str
    levels: np.ndarray
    codes: np.ndarray
    columns: np.ndarray
    names: tuple[str, ...]
    free: np.ndarray

    @property
    def count(self) -> int:
        return len(self.levels)

    @property
    def width(self) -> int:
        return self.columns.shape[1]


class Problem:
    r"""The cross products of one data set.

    .. math:: y = X\beta + \sum_g Z_g b_g + e, \quad b_{gl} \sim N(0, \sigma^2 \Lambda_g \Lambda_g'), \quad
              e \sim N(0, \sigma^2 I)

    Parameters
    ----------
    x : ndarray, shape (n, p)
        Fixed effects, of full rank.
    y : ndarray, shape (n,)
    blocks : sequence of Block
        Blocks of the same group are put side by side; their factor is block diagonal.

    Notes
    -----
    :math:`\beta` and :math:`\sigma` are profiled out (Bates, Maechler, Bolker & Walker 2015, doi 10.18637/jss.v067.i01). The
    group with most random effects is block diagonal in :math:`\Lambda'Z'Z\Lambda + I`: it is eliminated level by level, and a
    Schur complement of the size of the other groups is factored densely. One evaluation costs
    :math:`O(q_1 m^2 + m^3)` whatever n is, with m the random effects of the other groups. The gradient by
    :math:`\Sigma_g = \Lambda_g\Lambda_g'` is :math:`\sum_l Z_{gl}'V^{-1}Z_{gl} - u_{gl}u_{gl}'/\sigma^2` with
    :math:`u = Z'V^{-1}(y - X\beta)`, from which that by the factor follows.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, blocks: Sequence[Block]):
        self.n, self.p = x.shape
        norms = np.linalg.norm(x, axis=0)
        self.basis, triangle = np.linalg.qr(x / norms)
        self.back = (
            np.linalg.solve(triangle, np.eye(self.p)) / norms[:, None]
        )  # weights = back @ (weights of the basis)
        self.start = self.basis.T @ y  # least squares, taken out so that nothing cancels
        both = np.column_stack([self.basis, y - self.basis @ self.start])
        self.square = both.T @ both
        self.log_triangle = np.log(np.abs(np.diag(triangle)) * norms).sum()
        self.groups = _grouped(blocks)
        self.scales = [np.sqrt((group.columns**2).mean(axis=0)) for group in self.groups]
        self._cross(both)

    def _cross(self, both: np.ndarray) -> None:
        groups = self.groups
        sizes = [group.count * group.width for group in groups]
        self.first = int(np.argmax(sizes))
        self.rest = [g for g in range(len(groups)) if g != self.first]
        self.slices, place = {}, 0
        for g in self.rest:
            self.slices[g] = slice(place, place + sizes[g])
            place += sizes[g]
        self.m = place
        if self.m > LARGEST:
            said = ", ".join(f"{groups[g].name} ({sizes[g]:,})" for g in range(len(groups)))
            raise BrainLensError(
                f"The random effects are too many for one model: {said}",
                remedy="Leave out slopes, or the random effects of a group with many levels",
            )
        z = [_sparse(group, scale) for group, scale in zip(groups, self.scales)]
        big, others = z[self.first], [z[g] for g in self.rest]
        count, width = groups[self.first].count, groups[self.first].width
        columns = groups[self.first].columns / self.scales[self.first]
        self.gram = np.zeros((count, width, width))
        for a in range(width):
            for b in range(a + 1):
                sums = np.bincount(groups[self.first].codes, columns[:, a] * columns[:, b], count)
                self.gram[:, a, b] = self.gram[:, b, a] = sums
        self.big_xy = np.asarray(big.T @ both).reshape(count, width, -1)
        if others:
            joined = sparse.hstack(others, format="csr")
            self.joint = (big.T @ joined).toarray().reshape(count, width, self.m)
            self.rest_gram = (joined.T @ joined).toarray()
            self.rest_xy = np.asarray(joined.T @ both)
        else:
            self.joint = np.zeros((count, width, 0))
            self.rest_gram, self.rest_xy = np.zeros((0, 0)), np.zeros((0, self.p + 1))

    # ---- the parameters: entries of the relative factors, in the scaled columns
    @property
    def diagonal(self) -> np.ndarray:
        """Which parameters stand on the diagonal of a factor, shape (n_theta,)."""
        return np.array([a == b for _, a, b in self._entries()])

    def upright(self, theta: np.ndarray) -> np.ndarray:
        """The same covariances from factors whose diagonal is not negative."""
        return self.theta([f * np.where(np.diag(f) < 0, -1.0, 1.0) for f in self.factors(theta)])

    def _entries(self):
        return [
            (g, a, b) for g, group in enumerate(self.groups) for a, b in np.argwhere(group.free)
        ]

    def factors(self, theta: np.ndarray) -> list[np.ndarray]:
        """Lower triangular factor of each group, for the scaled columns."""
        made = [np.zeros((group.width, group.width)) for group in self.groups]
        for value, (g, a, b) in zip(theta, self._entries(), strict=True):
            made[g][a, b] = value
        return made

    def theta(self, factors: Sequence[np.ndarray]) -> np.ndarray:
        """The free entries of factors."""
        return np.array([factors[g][a, b] for g, a, b in self._entries()])

    def covariances(self, theta: np.ndarray, residual: float) -> list[np.ndarray]:
        """Covariance matrix of the random effects of each group, in the units of the columns."""
        return [
            residual * (factor @ factor.T) / np.outer(scale, scale)
            for factor, scale in zip(self.factors(theta), self.scales)
        ]

    def relative(self, covariances: Sequence[np.ndarray], residual: float) -> np.ndarray:
        """The parameters that give these covariance matrices: the inverse of :meth:`covariances`."""
        factors = []
        for covariance, scale in zip(covariances, self.scales, strict=True):
            values, vectors = np.linalg.eigh(covariance * np.outer(scale, scale) / residual)
            root = vectors * np.sqrt(np.maximum(values, 0))
            triangle = np.linalg.qr(root.T, mode="r").T  # pyright: ignore[reportAttributeAccessIssue]  # numpy declares a pair; r is one
            factors.append(triangle * np.where(np.diag(triangle) < 0, -1.0, 1.0))
        return self.theta(factors)

    # ---- one evaluation
    def solve(self, theta: np.ndarray, *, reml: bool = False, gradient: bool = True) -> Solution:
        """Deviance, fixed effects, residual variance and the gradient at some relative factors."""
        step = self._eliminate(self.factors(theta))
        matrix = step.matrix
        factor = cho_factor(matrix[:-1, :-1], lower=True)
        weights = cho_solve(factor, matrix[:-1, -1])
        squares = float(matrix[-1, -1] - matrix[:-1, -1] @ weights)
        freedom = self.n - self.p if reml else self.n
        residual = squares / freedom
        deviance = step.log_determinant + freedom * (1 + np.log(2 * np.pi * residual))
        inverse = cho_solve(factor, np.eye(self.p))
        if reml:
            deviance += 2 * np.log(np.diag(factor[0])).sum() + 2 * self.log_triangle
        slopes, found, modes = [], np.empty(0), []
        if gradient:
            projected = self._projected(step)
            slopes, halves = self._slopes(step)
            towards = np.append(-weights, 1.0)
            for g, group in enumerate(self.groups):
                own = projected[g].reshape(group.count, group.width, -1)
                error = own @ towards
                outer = error.T @ error / residual
                halves[g] = halves[g] - outer @ step.factors[g]
                slopes[g] = slopes[g] - outer
                if reml:
                    flat = own[:, :, :-1]
                    taken = np.einsum("laj,jk,lbk->ab", flat, inverse, flat, optimize=True)
                    halves[g] = halves[g] - taken @ step.factors[g]
                    slopes[g] = slopes[g] - taken
                modes.append(error @ (step.factors[g] @ step.factors[g].T) / self.scales[g])
            found = np.array([2 * halves[g][a, b] for g, a, b in self._entries()])
        return Solution(
            float(deviance),
            found,
            slopes,
            self.back @ (weights + self.start),
            residual * self.back @ inverse @ self.back.T,
            residual,
            modes,
        )

    def log_likelihood(self, theta: np.ndarray, weights: np.ndarray, residual: float):
        """Log likelihood of the data at given parameters, and the conditional means of the random effects.

        Parameters
        ----------
        weights : ndarray, shape (p,)
            Fixed effects of the columns of the design.

        Returns
        -------
        float, list of ndarray
        """
        step = self._eliminate(self.factors(theta))
        towards = np.append(self.start - np.linalg.solve(self.back, weights), 1.0)
        squares = float(towards @ step.matrix @ towards)
        value = -0.5 * (
            step.log_determinant + self.n * np.log(2 * np.pi * residual) + squares / residual
        )
        modes = []
        for g, (group, own) in enumerate(zip(self.groups, self._projected(step))):
            error = own.reshape(group.count, group.width, -1) @ towards
            modes.append(error @ (step.factors[g] @ step.factors[g].T) / self.scales[g])
        return value, modes

    def _eliminate(self, factors: list[np.ndarray]) -> _Step:
        own = factors[self.first]
        inner = own.T @ self.gram @ own + np.eye(len(own))
        root = np.linalg.cholesky(inner)
        half = np.linalg.solve(
            root, np.broadcast_to(own.T, root.shape)
        )  # half' half = L (L'GL + I)^-1 L'
        log_determinant = 2 * np.log(np.diagonal(root, axis1=1, axis2=2)).sum()
        size = half.shape[0] * half.shape[1]
        joint = (half @ self.joint).reshape(size, self.m)
        flat = (half @ self.big_xy).reshape(-1, self.p + 1)
        schur = self.rest_gram - joint.T @ joint  # Z2' V1^-1 Z2
        rest_xy = self.rest_xy - joint.T @ flat
        matrix = self.square - flat.T @ flat
        chol = scaled_xy = None
        if self.m:
            inside = self._right(self._right(schur, factors).T, factors)
            inside[np.diag_indices(self.m)] += 1
            chol = np.linalg.cholesky(inside)
            log_determinant += 2 * np.log(np.diag(chol)).sum()
            scaled_xy = solve_triangular(chol, self._right(rest_xy.T, factors).T, lower=True)
            matrix = matrix - scaled_xy.T @ scaled_xy
        return _Step(
            factors,
            half,
            joint,
            flat,
            schur,
            rest_xy,
            matrix,
            chol,
            scaled_xy,
            float(log_determinant),
        )

    def _right(self, matrix: np.ndarray, factors: list[np.ndarray]) -> np.ndarray:
        """``matrix @ Lambda`` of the groups that stay, shape (rows, m)."""
        made = np.empty_like(matrix)
        for g in self.rest:
            part = matrix[:, self.slices[g]]
            width = self.groups[g].width
            made[:, self.slices[g]] = (part.reshape(len(part), -1, width) @ factors[g]).reshape(
                part.shape
            )
        return made

    def _projected(self, step: _Step) -> list[np.ndarray]:
        """``Z_g' V^-1 [basis, residual]`` of each group."""
        made: list = [None] * len(self.groups)
        flat = step.flat.reshape(*step.half.shape[:2], -1)
        big = self.big_xy - self.gram @ (step.half.transpose(0, 2, 1) @ flat)
        if self.m:
            back = self._right(solve_triangular(step.chol, step.scaled_xy, lower=True, trans="T").T,
                               [f.T for f in step.factors]).T  # fmt: skip
            rest = step.rest_xy - step.schur @ back
            big = big - self._coupling(step) @ back
            for g in self.rest:
                made[g] = rest[self.slices[g]]
        made[self.first] = big.reshape(-1, self.p + 1)
        return made

    def _coupling(self, step: _Step) -> np.ndarray:
        """``Z_1' V_1^-1 Z_2``, shape (levels, k, m)."""
        joint = step.joint.reshape(*step.half.shape[:2], self.m)
        return self.joint - self.gram @ (step.half.transpose(0, 2, 1) @ joint)

    def _slopes(self, step: _Step) -> tuple[list, list]:
        """Sum over levels of ``Z_gl' V^-1 Z_gl``, and the same times the factor."""
        slopes: list = [None] * len(self.groups)
        weighted = step.half.transpose(0, 2, 1) @ step.half
        big = (self.gram - self.gram @ weighted @ self.gram).sum(axis=0)
        if self.m:
            coupling = self._coupling(step).reshape(-1, self.m)
            taken = solve_triangular(step.chol, self._right(coupling, step.factors).T, lower=True)
            width = self.groups[self.first].width
            flat = taken.reshape(-1, width)
            big = big - flat.T @ flat
            mine = solve_triangular(step.chol, self._right(step.schur, step.factors).T, lower=True)
            for g in self.rest:
                count, width = self.groups[g].count, self.groups[g].width
                part = step.schur[self.slices[g], self.slices[g]].reshape(
                    count, width, count, width
                )
                own = np.einsum("iaib->ab", part)
                flat = mine[:, self.slices[g]].reshape(-1, width)
                slopes[g] = own - flat.T @ flat
        slopes[self.first] = big
        return slopes, [slope @ factor for slope, factor in zip(slopes, step.factors)]


@dataclass
class _Step:
    """What one elimination leaves behind."""

    factors: list
    half: np.ndarray
    joint: np.ndarray
    flat: np.ndarray
    schur: np.ndarray
    rest_xy: np.ndarray
    matrix: np.ndarray
    chol: np.ndarray | None
    scaled_xy: np.ndarray | None
    log_determinant: float


def _grouped(blocks: Sequence[Block]) -> list[_Group]:
    """Blocks of the same group side by side, with a factor that is block diagonal over them."""
    by: dict[str, list[Block]] = {}
    for block in blocks:
        by.setdefault(block.group, []).append(block)
    groups = []
    for name, own in by.items():
        widths = [block.columns.shape[1] for block in own]
        free, place = np.zeros((sum(widths),) * 2, bool), 0
        for width in widths:
            free[place : place + width, place : place + width] = np.tri(width, dtype=bool)
            place += width
        columns = np.column_stack([block.columns for block in own])
        names = tuple(label for block in own for label in block.names)
        groups.append(_Group(name, own[0].levels, own[0].codes, columns, names, free))
    return groups


def _sparse(group: _Group, scale: np.ndarray) -> sparse.csr_matrix:
    n, width = group.columns.shape
    indices = (group.codes[:, None] * width + np.arange(width)).ravel()
    data = (group.columns / scale).ravel()
    return sparse.csr_matrix(
        (data, indices, np.arange(0, n * width + 1, width)), shape=(n, group.count * width)
    )
