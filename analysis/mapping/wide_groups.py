r"""Leave-one-group-out where groups have more rows than there are units: what a group adds is a form of as many numbers as units.

With :math:`U_G = [1, Q_G]`, :math:`D = \mathrm{diag}(1/m, h)`, :math:`E = D^{1/2} U_G'U_G D^{1/2}` and :math:`v_G = U_G' c_G`,
:math:`H_{GG} = U_G D U_G'` has no more dimensions than E, and (Woodbury 1950)

.. math:: |(I - H_{GG})^{-1} c_G|^2 = |c_G|^2 + |F_G v_G|^2,\quad F_G'F_G = D^{1/2} (S + S^2) D^{1/2},\; S = (I - E)^{-1}

A sum of squares, so float32 loses nothing to a difference. :math:`v_G = U_G' o_G + U_G'Q_G\,W z` with ``o`` outside of Q, the
same for all penalties: one product with ``[U_G'o_G, z]`` gives the numbers of all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from analysis.mapping.threads import scratch, work
from analysis.progress import SILENT

__all__ = ["WideByGroup", "pays"]

AT_A_TIME = 512
"""Targets whose products stay in the cache."""


def pays(rows: int, units: int, groups: list[np.ndarray]) -> bool:
    """Whether the forms take fewer operations than the residuals themselves, of each target at each penalty."""
    forms = len(groups) * (units + 1) * (2 * units + 1)
    return forms < rows * units + sum(len(group) ** 2 for group in groups)


class WideByGroup:
    """Errors of every target at every penalty.

    Parameters
    ----------
    q : ndarray (m, k)
        Orthonormal, float64.
    w : ndarray (A, k)
    groups : list of ndarray
        Rows of each group, which together are all rows, each once.
    workers : int
        Threads that make the forms.

    Attributes
    ----------
    bounds : ndarray (2, A)
        Least and largest square of an eigenvalue of the inverses.
    """

    def __init__(self, q: np.ndarray, w: np.ndarray, groups: list[np.ndarray], workers: int = 1):
        (m, k), count = q.shape, len(w)
        self.w, self.groups = w, groups
        self.sides = [np.column_stack([np.ones(len(rows)), q[rows]]) for rows in groups]
        self.sides32 = [side.astype(np.float32) for side in self.sides]
        self.own = np.stack([side.T @ side[:, 1:] for side in self.sides])  # (G, k + 1, k)
        root = np.sqrt(np.concatenate([np.full((count, 1), 1 / m), 1 - w], axis=1))
        self.forms = np.empty((len(groups), count, k + 1, k + 1))
        self.maps = np.empty((len(groups), 2 * k + 1, count * (k + 1)), np.float32)
        largest = np.empty((len(groups), count))

        def solve(g: int, checkpoint: Callable) -> None:
            square = self.sides[g].T @ self.sides[g]
            for a in range(count):
                checkpoint()
                lam, v = np.linalg.eigh(root[a][:, None] * square * root[a])
                s = 1 / np.maximum(1 - lam, np.finfo(float).tiny)
                largest[g, a] = s.max()
                form = self.forms[g, a] = np.sqrt(s + s * s)[:, None] * v.T * root[a]
                mine = slice(a * (k + 1), (a + 1) * (k + 1))
                self.maps[g, : k + 1, mine] = form.T
                self.maps[g, k + 1 :, mine] = (form @ (self.own[g] * w[a])).T

        with np.errstate(over="ignore"):  # a group that the fit of the others determines
            work(
                [partial(solve, g) for g in range(len(groups))],
                SILENT,
                lambda *_: None,
                workers=workers,
            )
            self.bounds = np.stack([np.ones(count), largest.max(axis=0) ** 2])

    def errors(self, z: np.ndarray, outside: np.ndarray, square: np.ndarray) -> np.ndarray:
        """(T, A) float32.

        Parameters
        ----------
        z : ndarray (T, k) float32
        outside : ndarray (T, m) float32
            What of the responses lies outside of Q.
        square : ndarray (T, A) float32
            Sums of squares of the training residuals.
        """
        error, (count, k) = square.copy(), self.w.shape
        for at in range(0, len(z), AT_A_TIME):
            some = z[at : at + AT_A_TIME]
            joint = scratch("joint", len(some), 2 * k + 1)
            joint[:, k + 1 :] = some
            for g, rows in enumerate(self.groups):
                joint[:, : k + 1] = outside[at : at + AT_A_TIME, rows] @ self.sides32[g]
                part = scratch("forms", len(some), self.maps.shape[2])
                part = np.matmul(joint, self.maps[g], out=part).reshape(len(some), count, k + 1)
                with np.errstate(over="ignore"):
                    error[at : at + AT_A_TIME] += np.vecdot(part, part)
        return error

    def exact(self, z: np.ndarray, outside: np.ndarray, a: int) -> np.ndarray:
        """(T,) float64 of one penalty."""
        weighed = z * self.w[a]
        error = np.vecdot(outside, outside) + np.vecdot(weighed, weighed)
        for g, rows in enumerate(self.groups):
            v = outside[:, rows] @ self.sides[g] + weighed @ self.own[g].T
            part = v @ self.forms[g, a].T
            with np.errstate(over="ignore"):
                error += np.vecdot(part, part)
        return error
