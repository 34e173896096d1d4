r"""Leave-one-group-out in closed form: every penalty's held-out error from one decomposition, nothing refitted.

With the training residuals :math:`c = (I - \tfrac1m 11' - Q\,\mathrm{diag}(h)\,Q')\,y`, ``h = lam / (lam + alpha)``, the
residuals of a group G that is predicted from all others are

.. math:: e_G = (I - H_{GG})^{-1} c_G, \qquad H = \tfrac1m 11' + Q\,\mathrm{diag}(h)\,Q'

where the first term of H is the unpenalised intercept. That is exact for features scaled by the *outer* training fold. The
error is pooled: the sum of squares over all groups, so every stimulus counts once. Where rows beside a group are left out
with it (a gap), G is the group and the gap, and only the group's residuals are counted.

Nothing but the sum of squares is wanted, so where Q spans all but the constant the error is a quadratic form in ``z = Q'y``:

.. math:: |e|^2 = |F'z|^2,\quad F = \mathrm{diag}(w)\,L,\quad L L' = \sum_G Q_G' (I - H_{GG})^{-2} Q_G,\quad w = 1 - h

with triangular F: half the work of the residuals themselves, and the triangles of all penalties side by side make one wide
product. Elsewhere residuals are evaluated row by row and pruned: with the eigenvalues of ``(I - H_GG)^-1`` between lo and hi,
``lo^2 |c|^2 <= |e|^2 <= hi^2 |c|^2``, and ``|c|^2`` costs one thin product for the whole grid; a penalty whose lower bound
lies above the best error so far is not evaluated. (Where the triangles fit, these bounds spare a quarter of the grid, and
picking the targets out costs as much.) A triangle costs more than all residuals of a few targets: for those none is made. A
handful of units has forms of its own, :mod:`analysis.mapping.few_units`, and so have groups of more rows than units,
:mod:`analysis.mapping.wide_groups`. Where two penalties come within ``TIE``, float64
decides.

Source of the identity: Cook & Weisberg 1982, Residuals and Influence in Regression (several cases left out at once); the
quadratic form and the pruning are ours.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np

from analysis.mapping.few_units import FEW_UNITS, FewByGroup
from analysis.mapping.gram import Spectrum
from analysis.mapping.plan import TRIANGLES
from analysis.mapping.ridge import SLACK, TIE, Penalties
from analysis.mapping.threads import scratch, work
from analysis.mapping.wide_groups import WideByGroup, pays
from analysis.progress import SILENT
from data.mapped import laid_down, room_for

__all__ = ["GroupPenalties", "left_out"]

EPS = np.float32(np.finfo(np.float32).eps)
LARGE = 1e30
"""What a bound is at most: beyond, float32 would not hold it."""
PANELS = 8
"""Pieces of a triangle that are multiplied one by one: nine sixteenths of the square's operations, at its speed."""
AT_A_TIME = 512
"""Targets whose products with all triangles stay in the cache."""
TOGETHER = 2**20
"""Numbers in the matrices of some groups at all penalties that are decomposed in one call."""
SPREAD = 1 << 26
"""Bytes from which an array that is kept for further targets lies on disk."""
FEW = 2**21
"""Numbers in all residuals of a block at all penalties, below which pruning costs more than it saves."""


def left_out(train: np.ndarray, inner) -> list[tuple[np.ndarray, np.ndarray]]:
    """Per inner fold, the places in ``train`` of the rows it does not train on, and which of them it holds out.

    Parameters
    ----------
    train : ndarray (m,)
        Training rows, ascending.
    inner : list of (train, held out)
        Inside of them.
    """
    place = np.full(train[-1] + 1, -1)
    place[train] = np.arange(len(train))
    left = []
    for fitted, held in inner:
        out, counted = np.ones(len(train), bool), np.zeros(len(train), bool)
        out[place[fitted]], counted[place[held]] = False, True
        places = np.flatnonzero(out)
        left.append((places, counted[places]))
    return left


class GroupPenalties(Penalties):
    """One training fold at every penalty of the grid, chosen by leave-one-group-out.

    Parameters
    ----------
    spectrum : Spectrum
    grid : ndarray (A,)
        Penalties, ascending.
    left : list of (places, counted)
        What is left out together, as of :func:`left_out`.
    rows : bool
        As for :class:`~analysis.mapping.ridge.Penalties`.
    roots : callable
        ``roots(matrices)``: lower triangles L with ``L L' = M'M`` of each of a stack (A, m, k); on another device where the
        engine says so.
    targets : int, optional
        How many targets choose their penalty here; triangles that cost more than all their residuals are not made. None: many.
    kept : dict, optional
        Filled with what depends on features and groups alone, and used where it is in it: for the next targets of this fold.
    workers : int
        Threads that the groups are shared among; more than one where no other fold is solved at the same time.
    """

    def __init__(
        self,
        spectrum: Spectrum,
        grid: np.ndarray,
        left: list,
        *,
        rows: bool = False,
        roots: Callable | None = None,
        targets: int | None = None,
        kept: dict | None = None,
        workers: int = 1,
    ):
        self.roots = roots or _roots
        super().__init__(spectrum, grid, exact=False, rows=rows)
        self.q64 = spectrum.q
        m, k = spectrum.q.shape
        w = grid[:, None] / (spectrum.lam + grid[:, None])
        self.w, self.w2 = w, np.ascontiguousarray((w**2).T, dtype=np.float32)
        self.groups = [places for places, _ in left]
        self.out, self.counted = np.zeros((2, m, len(left)), np.float32)
        for g, (places, counted) in enumerate(left):
            self.out[places, g] = 1
            self.counted[places[counted], g] = 1
        self.workers, self.least, self.left = workers, None if kept is None else SPREAD, left
        self.found = {} if kept is None else kept.setdefault(_named(grid, left), {})
        # with rows beside a group left out too, forms of whole groups would count those as well
        every = self.counted.sum() == m and all(counted.all() for _, counted in left)
        narrow = not spectrum.full and 1 <= k <= FEW_UNITS and every
        self.few = FewByGroup(spectrum.q, w, self.groups) if narrow else None
        self.wide: WideByGroup | None = None
        if not spectrum.full and every and not narrow and roots is None and pays(m, k, self.groups):
            if "forms" not in self.found:
                self.found["forms"] = WideByGroup(spectrum.q, w, self.groups, workers)
            self.wide = self.found["forms"]
        bounds = self._inverses()[2] if self.wide is None else self.wide.bounds
        self.bounds = np.minimum(bounds, LARGE).astype(np.float32)
        whole = spectrum.full and every
        few = targets is not None and targets <= k and len(grid) * targets * m <= FEW
        triangular = whole and not few and len(grid) * k * k * 4 <= TRIANGLES
        if triangular and "triangles" not in self.found:
            self.found["triangles"] = self._triangles()
        self.triangles = self.found["triangles"] if triangular else None

    @property
    def alike(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Groups of one size side by side: rows (G, g), inverses (A, G, counted, g)."""
        return self._inverses()[0]

    @property
    def inverse(self) -> list[np.ndarray]:
        """Of each group the counted rows of (I - H_GG)^-1, (A, counted, g) float64."""
        return self._inverses()[1]

    def _inverses(self) -> tuple[list, list[np.ndarray], np.ndarray]:
        if "inverses" not in self.found:
            self.found["inverses"] = self._inverted(self.left)
        return self.found["inverses"]

    def _inverted(self, left) -> tuple[list, list[np.ndarray], np.ndarray]:
        """The counted rows of (I - H_GG)^-1 of every group, float64, and bounds of their eigenvalues.

        Returns
        -------
        alike : list of (rows, inverses)
            Groups of one size side by side, as they go through the decomposition: rows (G, g), inverses (A, G, counted, g).
        inverse : list of ndarray
            Of each group (A, counted, g), views of the same.
        bounds : ndarray (2, A) float32
            Least and largest square of an eigenvalue of an inverse.
        """
        m, h = len(self.q64), 1 - self.w
        low, high = np.full(len(h), np.inf), np.zeros(len(h))
        inverse: list[np.ndarray] = [np.empty(0)] * len(left)
        sizes: dict[bytes, list[int]] = {}
        for g, (_, counted) in enumerate(left):
            sizes.setdefault(counted.tobytes(), []).append(g)
        alike = []
        for members in sizes.values():
            rows = np.stack([left[g][0] for g in members])
            counted = left[members[0]][1]
            lam, each = self._solved(rows, counted, h)
            alike.append((rows, each))
            for at, g in enumerate(members):
                inverse[g] = each[:, at]
            least = 1 / lam[:, :, -1].max(axis=1) ** 2 if counted.all() else 0
            low, high = np.minimum(low, least), np.maximum(high, 1 / lam[:, :, 0].min(axis=1) ** 2)
        if self.counted.sum() < m:  # a residual that nobody counts says nothing from below
            low[:] = 0
        return alike, inverse, np.stack([low, high])

    def _solved(self, rows: np.ndarray, counted: np.ndarray, h: np.ndarray):
        """Eigenvalues (A, G, g) of I - H_GG and inverses (A, G, counted, g) of groups of one size, some at a time."""
        m, (groups, size) = len(self.q64), rows.shape
        lam = np.empty((len(h), groups, size))
        each = self._room((len(h), groups, int(counted.sum()), size))

        def solve(some: slice, checkpoint) -> None:
            checkpoint()
            own = self.q64[rows[some]]  # (G, g, k)
            block = np.eye(size) - 1 / m - (own * h[:, None, None]) @ own.swapaxes(1, 2)
            found, v = np.linalg.eigh(block)
            lam[:, some] = found = np.maximum(found, np.finfo(float).tiny)
            each[:, some] = ((v / found[:, :, None]) @ v.swapaxes(2, 3))[:, :, counted]

        step = max(1, TOGETHER // (len(h) * size * max(size, self.q64.shape[1])))
        tasks = [partial(solve, slice(at, at + step)) for at in range(0, groups, step)]
        work(tasks, SILENT, lambda *_: None, workers=self.workers)
        return lam, each

    def _room(self, shape: tuple[int, ...]) -> np.ndarray:
        """An array to be filled, on disk where it is large and kept."""
        return np.empty(shape) if self.least is None else room_for(shape, float, least=self.least)

    def _triangles(self) -> list[tuple[int, np.ndarray]]:
        """Panels (from, F[from:, from:to] of all penalties side by side) of the triangles, float32."""
        k = self.q64.shape[1]
        scaled = np.concatenate(
            [each @ self.q64[rows] for rows, each in zip(self.groups, self.inverse, strict=True)],
            axis=1,
        )
        f = (self.roots(scaled) * self.w[:, :, None]).astype(np.float32)
        cuts = pairwise(np.linspace(0, k, min(PANELS, k) + 1).astype(int))
        panels = [(at, np.concatenate([g[at:, at:to] for g in f], axis=1)) for at, to in cuts]
        if self.least is None:
            return panels
        return [(at, laid_down(one, least=self.least, among=PANELS)) for at, one in panels]

    # ---- per block of targets ---------------------------------------------------------------------------------------
    def judge(self, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Penalty per target (T,), and the R2 of what was left out at it, against the mean of the other groups."""
        if self.few is not None:
            error = self.few.errors(y)
            return (pick := error.argmin(axis=1)), self.inner(y, error, pick)
        error = self._pruned(y, z) if self.triangles is None else self._errors(z)
        pick = self.settled(error, y)
        return pick, self.inner(y, error, pick)

    def settled(self, error: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Smallest error per target; what float32 cannot tell from it is computed again in float64.

        A residual is off by about ``EPS`` of the responses times the largest eigenvalue of its group's inverse, which is large
        where a group holds nearly all that the features know.
        """
        pick = error.argmin(axis=1)
        best = np.take_along_axis(error, pick[:, None], axis=1)
        doubt = 4 * EPS * np.sqrt(best * self.bounds[1])
        near = error <= best * np.float32(1 + TIE) + doubt
        tied = np.flatnonzero((np.count_nonzero(near, axis=1) > 1) & (best[:, 0] > 0))
        if len(tied):
            pick[tied] = self._logo64(y[tied].astype(np.float64), near[tied]).argmin(axis=1)
        return pick

    def inner(self, y: np.ndarray, error: np.ndarray, pick: np.ndarray) -> np.ndarray:
        """R2 (T,) of what was left out, at the penalties picked, against the mean of what was not; 0 for constant responses."""
        sums, own = y @ self.out, y @ self.counted
        rest = len(self.out) - self.out.sum(axis=0)
        total = (y * y) @ self.counted.sum(axis=1)
        total += (2 * own * sums / rest + self.counted.sum(axis=0) * (sums / rest) ** 2).sum(axis=1)
        error = np.take_along_axis(error, pick[:, None], axis=1)[:, 0]
        return np.where(total > 0, 1 - error / np.where(total > 0, total, 1), 0)

    def _errors(self, z: np.ndarray) -> np.ndarray:
        """Error (T, A) of every penalty through the triangles."""
        assert self.triangles is not None  # else judge takes another way
        error = np.zeros((len(z), len(self.grid)), np.float32)
        for at in range(0, len(z), AT_A_TIME):
            some = z[at : at + AT_A_TIME]
            for start, panel in self.triangles:
                part = scratch("panel", len(some), panel.shape[1])
                np.matmul(some[:, start:], panel, out=part)
                part = part.reshape(len(some), len(self.grid), -1)
                error[at : at + AT_A_TIME] += np.vecdot(part, part)
        return error

    def _pruned(self, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Error (T, A) row by row, infinite where it is certain not to be the smallest.

        Targets go through the penalties in the order of how many of them each one is the best guess for.
        """
        z2 = np.multiply(z, z, out=scratch("z2", *z.shape))
        square = np.matmul(z2, self.w2, out=scratch("square", len(z), len(self.grid)))  # |c|^2
        outside = None if self.full else y - z @ self.q.T
        if outside is not None:
            square += np.vecdot(outside, outside)[:, None]
        if self.wide is not None and outside is not None:
            return self.wide.errors(z, outside, square)
        if len(self.grid) * y.size <= FEW:
            return self._every(z, outside)
        low = square * self.bounds[0]
        best = self._above((square * self.bounds[1]).min(axis=1))
        guess = (square / (self.mean_d**2).astype(np.float32)).argmin(axis=1)
        exact = np.full_like(square, np.inf)
        popular = np.argsort(-np.bincount(guess, minlength=len(self.grid)), kind="stable")
        for first in (True, False):
            for a in popular:
                wanted = guess == a if first else (low[:, a] <= best) & np.isinf(exact[:, a])
                at = np.flatnonzero(wanted)
                if len(at):
                    exact[at, a] = self._error(a, at, z, outside)
                    best[at] = np.minimum(best[at], self._above(exact[at, a]))
        return exact

    def _above(self, error: np.ndarray) -> np.ndarray:
        """What float32 may have made of an error as small as this."""
        return error * SLACK + 8 * EPS * np.sqrt(error * self.bounds[1].max())

    def _error(self, a: int, at: np.ndarray, z: np.ndarray, outside: np.ndarray | None):
        """Error of one penalty for some targets (len(at),), row by row."""
        some = np.take(z, at, axis=0, out=scratch("part", len(at), z.shape[1]), mode="clip")
        some *= self.w[a].astype(np.float32)
        c = np.matmul(some, self.q.T, out=scratch("c", len(at), len(self.q)))
        if outside is not None:
            c += outside[at]
        error = np.zeros(len(at), np.float32)
        for rows, inverse in self.alike:
            error += _squares(c[:, rows].swapaxes(0, 1), inverse[a].astype(np.float32))
        return error

    def _every(self, z: np.ndarray, outside: np.ndarray | None) -> np.ndarray:
        """Error (T, A) of all penalties for few targets, row by row at once."""
        c = (z * self.w[:, None].astype(np.float32)) @ self.q.T  # (A, T, m)
        if outside is not None:
            c += outside
        error = np.zeros(c.shape[:2], np.float32)
        for rows, inverse in self.alike:
            error += _squares(c[:, :, rows].swapaxes(1, 2), inverse.astype(np.float32))
        return error.T

    def _logo64(self, y: np.ndarray, near: np.ndarray) -> np.ndarray:
        z = y @ self.q64
        outside = None if self.full else y - z @ self.q64.T
        error = np.full(near.shape, np.inf)
        for a in np.flatnonzero(near.any(axis=0)):
            at = np.flatnonzero(near[:, a])
            if self.wide is not None and outside is not None:
                error[at, a] = self.wide.exact(z[at], outside[at], a)
                continue
            c = (z[at] * self.w[a]) @ self.q64.T
            if outside is not None:
                c += outside[at]
            error[at, a] = sum(
                _squares(c[:, rows].swapaxes(0, 1), inverse[a]) for rows, inverse in self.alike
            )
        return error

    def all_errors(self, y: np.ndarray) -> np.ndarray:
        """Errors of every target at every penalty."""
        return self._logo64(y, np.ones((len(y), len(self.grid)), bool))

    def shared_errors(self, second: np.ndarray) -> np.ndarray:
        """Error summed over all targets (A,), from ``second = sum of y y'`` (m, m), centred."""
        m, total = len(self.q64), np.zeros(len(self.grid))
        for a, w in enumerate(self.w):
            left = np.eye(m) - 1 / m - (self.q64 * (1 - w)) @ self.q64.T
            block = left @ second @ left
            for rows, inverse in zip(self.groups, self.inverse, strict=True):
                total[a] += np.einsum(
                    "ij,ji->", inverse[a].T @ inverse[a], block[np.ix_(rows, rows)]
                )
        return total / m


def _named(grid: np.ndarray, left: list) -> str:
    """Penalties and groups as one name."""
    digest = hashlib.sha256(grid.tobytes())
    for places, counted in left:
        digest.update(places.tobytes() + b"|" + counted.tobytes() + b"|")
    return digest.hexdigest()


def _squares(residuals: np.ndarray, inverse: np.ndarray) -> np.ndarray:
    """Sums of squares (.., T) over all groups of one size: residuals (.., G, T, g), inverses (.., G, counted, g)."""
    with np.errstate(
        over="ignore"
    ):  # a group that its own fit determines: an infinite error, which no penalty is chosen by
        left = residuals @ inverse.swapaxes(-1, -2)
        return np.vecdot(left, left).sum(axis=-2)


def _roots(matrices: np.ndarray) -> np.ndarray:
    return np.stack([np.linalg.cholesky(each.T @ each) for each in matrices])
