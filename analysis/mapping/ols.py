"""Ordinary least squares of minimum norm, with the singular-value cut-off as part of the result.

Singular values of the centred training features below ``rcond * largest`` count as zero. Near the cut-off the answer
depends on the solver, so there are four, the cheapest that is exact:

- ``cholesky`` of the Gram (dual) or cross-product (primal) where its condition number is below ``SAFE``: the squared
  condition then costs at most 1e-8 relative, and no singular value comes near a cut-off below 1e-4;
- ``qr`` of the features in float64 where the units outnumber the rows and their own condition number is below
  ``SAFE``: no square is taken, and every singular value lies above the cut-off;
- ``svd`` of the features in float64 (after a QR of the long side) everywhere else;
- ``eigh`` of the Gram where only that is there: it cannot see singular values below sqrt(eps * m) of the largest, so
  the cut-off is at least that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg.lapack import dpocon, dtrcon

from analysis.mapping.evaluate import with_mean
from analysis.mapping.gram import Kernel, Units
from analysis.mapping.threads import scratch

__all__ = ["Linear", "cut_off", "least_squares"]

SAFE = 1e8


def cut_off(rcond: float | None, m: int, p: int) -> float:
    """``rcond``, or eps(float64) * max(m, p), which is what LAPACK's users mean by None."""
    return float(np.finfo(np.float64).eps * max(m, p)) if rcond is None else float(rcond)


@dataclass
class Linear:
    """A fitted map from training responses to predictions: ``(T, m) -> (T, t + 1)``, float32.

    ``basis`` (m, k) and ``out`` (k, t + 1); or ``out`` alone, (m, t + 1), where that is cheaper.
    """

    basis: np.ndarray | None
    out: np.ndarray
    solver: str
    still: bool
    dropped: int
    rcond: float

    @property
    def nbytes(self) -> int:
        """Memory of the solution, in bytes."""
        return self.out.nbytes + (0 if self.basis is None else self.basis.nbytes)

    def respond(self, train: np.ndarray, pick=None) -> tuple[np.ndarray, None, None]:
        """Predictions (T, t + 1) from training rows (T, m); the rest is there for the likeness with ridge."""
        if self.basis is not None:
            train = np.matmul(train, self.basis, out=scratch("z", len(train), self.basis.shape[1]))
        return (
            np.matmul(train, self.out, out=scratch("predicted", len(train), self.out.shape[1])),
            None,
            None,
        )


def least_squares(
    layer: Units | Kernel,
    train: np.ndarray,
    test: np.ndarray,
    form: str,
    rcond: float | None,
    *,
    rows: bool = False,
) -> Linear:
    """The minimum-norm least-squares map of one fold; with ``rows`` it predicts the rows one by one too."""
    cut = cut_off(rcond, len(train), layer.shape[1])
    if isinstance(layer, Kernel):
        return _from_kernel(layer, train, test, cut, rows)
    solve = _dual if form == "dual" else _primal
    return solve(layer, train, test, cut, rows)


def _finish(basis, out, solver, still, dropped, cut, rows) -> Linear:
    """``out`` (t, k) of the basis (m, k), or (t, m): float32, held-out mean set apart, in the cheaper order."""
    t = len(out)
    if basis is not None and t * len(basis) <= basis.shape[1] * (len(basis) + t):
        basis, out = None, out @ basis.T
    if basis is None:
        out = out - out.mean(
            axis=1, keepdims=True
        )  # responses are centred: their mean says nothing
    as32 = np.ascontiguousarray(with_mean(out, rows).T, dtype=np.float32)
    return Linear(
        None if basis is None else basis.astype(np.float32), as32, solver, still, dropped, cut
    )


def _condition(matrix: np.ndarray) -> tuple[np.ndarray | None, float]:
    """Cholesky factor and an estimate of the condition number (1-norm); None and inf where there is none.

    Where no unit varies there is nothing to solve: an empty matrix is its own factor, and the prediction is the mean.
    """
    if len(matrix) == 0:
        return matrix, 1.0
    try:
        factor = np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return None, np.inf
    inverse, _ = dpocon(factor, np.abs(matrix).sum(axis=0).max(), uplo="L")
    return factor, 1 / inverse if inverse > 0 else np.inf


def _triangular_condition(upper: np.ndarray) -> float:
    """Estimated condition number (1-norm) of an upper triangle; inf where it has fewer rows than columns.

    LAPACK takes a square: of a wide one (constant units are left out, so that fewer may be left than there are rows) scipy's
    ``dtrcon`` reads what lies behind the array.
    """
    if upper.shape[0] < upper.shape[1]:
        return np.inf
    inverse, _ = dtrcon(upper, uplo="U")
    return 1 / inverse if inverse > 0 else np.inf


def _dual(layer: Units, train, test, cut, rows) -> Linear:
    kernel, cross, still, dropped = layer.kernel(train, test)
    lifted = kernel + np.trace(kernel) / len(kernel) ** 2
    if _condition(lifted)[1] < min(SAFE, 0.1 / max(cut, 1e-300) ** 2):
        return _finish(
            None, np.linalg.solve(lifted, cross.T).T, "cholesky", still, dropped, cut, rows
        )
    xtr, xte, _ = layer.scaled(train, test)
    level = np.sqrt(
        np.trace(lifted) / len(kernel) ** 2
    )  # an intercept as one more unit: the rows become independent
    basis, upper = np.linalg.qr(np.concatenate([xtr.T, np.full((1, len(train)), level)]))
    if _triangular_condition(upper) < SAFE and cut < 0.1 / SAFE:
        return _finish(
            None, np.linalg.solve(upper, (xte @ basis[:-1]).T).T, "qr", still, dropped, cut, rows
        )
    basis, upper = np.linalg.qr(xtr.T)  # xtr' = basis upper
    u, s, vt = np.linalg.svd(upper.T, full_matrices=False)
    on = _above(s, cut, len(train))
    out = ((xte @ basis) @ (vt[on].T / s[on])) @ u[:, on].T
    return _finish(None, out, "svd", still, dropped, cut, rows)


def _primal(layer: Units, train, test, cut, rows) -> Linear:
    xtr, xte, kept = layer.scaled(train, test)
    still, dropped = bool((xte == xte[:1]).all()), int((~kept).sum())
    factor, condition = _condition(xtr.T @ xtr)
    if factor is not None and condition < min(SAFE, 0.1 / max(cut, 1e-300) ** 2):
        return _finish(
            np.linalg.solve(factor, xtr.T).T,
            np.linalg.solve(factor, xte.T).T,
            "cholesky",
            still,
            dropped,
            cut,
            rows,
        )
    basis, upper = np.linalg.qr(xtr)
    u, s, vt = np.linalg.svd(upper, full_matrices=False)
    on = _above(s, cut, len(train))
    return _finish(basis @ u[:, on], xte @ (vt[on].T / s[on]), "svd", still, dropped, cut, rows)


def _from_kernel(layer: Kernel, train, test, cut, rows) -> Linear:
    kernel, cross, still, dropped = layer.kernel(train, test)
    lifted = kernel + np.trace(kernel) / len(kernel) ** 2
    if layer.shape[1] >= len(train) and _condition(lifted)[1] < min(
        SAFE, 0.1 / max(cut, 1e-300) ** 2
    ):
        return _finish(
            None, np.linalg.solve(lifted, cross.T).T, "cholesky", still, dropped, cut, rows
        )
    cut = max(cut, float(np.sqrt(np.finfo(np.float64).eps * len(train))))
    lam, q = np.linalg.eigh(kernel)
    on = lam > cut**2 * max(lam[-1], 0)
    return _finish(
        None, ((cross @ q[:, on]) / lam[on]) @ q[:, on].T, "eigh", still, dropped, cut, rows
    )


def _above(s: np.ndarray, cut: float, m: int) -> np.ndarray:
    """Singular values to keep; centring has taken one dimension, which rounding must not bring back."""
    on = s > cut * s.max(initial=0)
    on[m - 1 :] = False
    return on
