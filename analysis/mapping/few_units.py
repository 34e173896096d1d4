r"""Held-out errors of features with a handful of units (position, length): every penalty at once, no row looked at twice.

Residuals of one penalty are :math:`c = o + Q W z`: ``o`` lies outside of Q and is the same for all penalties, ``W = diag(w)``
weighs the few numbers ``z = Q'y``. An error that is quadratic in c is then a quadratic form in ``z`` and in a few products of
``o``, and those of all penalties are one thin product.

- leave-one-out: :math:`\sum_i \rho_i c_i^2`;
- leave-one-group-out: :math:`|(I - H_{GG})^{-1} c_G|^2 = |c_G|^2 + v_G' C_G v_G` with :math:`v_G = U_G' c_G`,
  :math:`U_G = [1, Q_G]`, since :math:`H_{GG} = U_G D U_G'` has the rank of the units and the intercept:
  :math:`C_G = 2E + E\,U_G'U_G\,E,\; E = (I - D\,U_G'U_G)^{-1} D,\; D = \mathrm{diag}(1/m, h)` (Woodbury 1950).
"""

from __future__ import annotations

import numpy as np

__all__ = ["FEW_UNITS", "FewByGroup", "FewByRow"]

FEW_UNITS = 4
"""Units up to which the forms are cheaper than looking at rows."""


class FewByRow:
    """Leave-one-out.

    Parameters
    ----------
    q : ndarray (m, k)
        Orthonormal, float64.
    omega : ndarray (A, k)
        w of each penalty over its mean leverage's complement.
    rho : ndarray (m, A)
        Weights of the squared residuals.
    mean_d : ndarray (A,)
    """

    def __init__(self, q: np.ndarray, omega: np.ndarray, rho: np.ndarray, mean_d: np.ndarray):
        self.q = q
        self.outer = rho / mean_d**2
        mixed = 2 * np.einsum("ma,ml,al->mla", rho / mean_d, q, omega)
        self.mixed = mixed.reshape(len(q), -1)
        self.inner = np.einsum("ma,mk,ml,ak,al->kla", rho, q, q, omega, omega)

    def errors(self, y: np.ndarray) -> np.ndarray:
        """(T, A) float64, from training rows (T, m)."""
        z, outside = _apart(y, self.q)
        mixed = (outside @ self.mixed).reshape(len(z), z.shape[1], -1)
        error = (outside * outside) @ self.outer + np.einsum("tl,tla->ta", z, mixed)
        return error + _form(z, self.inner)


class FewByGroup:
    """Leave-one-group-out, all rows counted.

    Parameters
    ----------
    q : ndarray (m, k)
        Orthonormal, float64.
    w : ndarray (A, k)
    groups : list of ndarray
        Rows of each group, which together are all rows.
    """

    def __init__(self, q: np.ndarray, w: np.ndarray, groups: list[np.ndarray]):
        (m, k), (count, _) = q.shape, w.shape
        self.q, self.w2 = q, (w**2).T
        sides = np.zeros((m, len(groups), k + 1))
        forms = np.empty((len(groups), count, k + 1, k + 1))
        d = np.concatenate([np.full((count, 1), 1 / m), 1 - w], axis=1)[:, :, None]
        own = np.empty((len(groups), k + 1, k))
        for g, rows in enumerate(groups):
            u = np.column_stack([np.ones(len(rows)), q[rows]])
            sides[rows, g], square = u, u.T @ u
            e = np.linalg.solve(np.eye(k + 1) - d * square, d * np.eye(k + 1))
            forms[g], own[g] = 2 * e + e @ square @ e, square[:, 1:]
        self.sides = sides.reshape(m, -1)
        within = np.einsum("gik,ak->gaik", own, w)  # what a unit's number adds to v of each group
        through = forms @ within
        self.outer = _stacked(forms.transpose(2, 3, 0, 1))
        self.mixed = 2 * through.transpose(3, 0, 2, 1).reshape(k, -1, count)
        self.inner = np.einsum("gaik,gail->kla", within, through)

    def errors(self, y: np.ndarray) -> np.ndarray:
        """(T, A) float64, from training rows (T, m)."""
        z, outside = _apart(y, self.q)
        v = outside @ self.sides
        each = v.reshape(len(v), -1, self.q.shape[1] + 1)
        error = np.vecdot(outside, outside)[:, None] + (z * z) @ self.w2
        error += _products(each) @ self.outer + _form(z, self.inner)
        for unit, mixed in enumerate(self.mixed):
            error += z[:, unit, None] * (v @ mixed)
        return error


def _apart(y: np.ndarray, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``z = Q'y`` and what lies outside of Q, in float64: their forms cancel where a fit is nearly perfect."""
    y = y.astype(np.float64)
    z = y @ q
    return z, y - z @ q.T


def _products(v: np.ndarray) -> np.ndarray:
    """All products of two of each group's numbers, (T, G, n) -> (T, pairs * G)."""
    first, second = np.triu_indices(v.shape[2])
    return np.concatenate(
        [v[:, :, i] * v[:, :, j] for i, j in zip(first, second, strict=True)], axis=1
    )


def _stacked(forms: np.ndarray) -> np.ndarray:
    """Symmetric forms (n, n, G, A) as the coefficients of :func:`_products`, (pairs * G, A)."""
    first, second = np.triu_indices(len(forms))
    return np.concatenate(
        [forms[i, j] * (1 if i == j else 2) for i, j in zip(first, second, strict=True)]
    )


def _form(z: np.ndarray, form: np.ndarray) -> np.ndarray:
    """``z' F z`` (T, A) of a symmetric form (k, k, A)."""
    return _products(z[:, None]) @ _stacked(form[:, :, None])
