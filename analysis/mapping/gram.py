"""Features as the solvers want them: centred Grams, cross-products, and their spectra per training fold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.errors import BrainLensError

__all__ = ["Gram", "Kernel", "Spectrum", "Units", "gram", "layer_of"]

CHUNK = 1024
"""Rows cast to float64 at a time where the units outnumber what should be copied."""
WILD = 100.0
"""Rows left out with more than this multiple of the training rows' variance are not subtracted but summed around."""


def robust_centre(x: np.ndarray) -> np.ndarray:
    """(p,) median of nine rows spread over ``x``: any constant may be taken off the units, a central one keeps digits.

    A mean over all rows would let a few wild rows (held out ones too) cost every other row its precision.
    """
    rows = np.unique(np.linspace(0, len(x) - 1, 9).astype(int))
    return np.median(x[rows], axis=0).astype(np.float64)


@dataclass(frozen=True)
class Gram:
    """Inner products of the stimuli of one layer: all that unscaled ridge and OLS need of the features.

    Parameters
    ----------
    matrix : ndarray (n_stimuli, n_stimuli)
        float64, of units with any constant vector taken off.
    units : int
        Units it was made of.
    """

    matrix: np.ndarray
    units: int

    def __post_init__(self):
        matrix = np.asarray(self.matrix, dtype=np.float64)
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
            raise BrainLensError(
                f"a Gram of shape {matrix.shape} is not square", remedy="Give rows x rows"
            )
        object.__setattr__(self, "matrix", matrix)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and units."""
        return self.matrix.shape[0], self.units


def gram(x: np.ndarray) -> Gram:
    """Gram of one layer's features, in float64 (``G = Xc Xc'``, the PERFORMANCE notes' step 1).

    Parameters
    ----------
    x : ndarray (n_stimuli, n_units)
    """
    x = np.asarray(x)
    centre, total = robust_centre(x), np.zeros((len(x), len(x)))
    for at in range(0, x.shape[1], max(CHUNK, len(x))):
        columns = slice(at, at + max(CHUNK, len(x)))
        part = x[:, columns].astype(np.float64) - centre[columns]
        total += part @ part.T
    return Gram(total, x.shape[1])


@dataclass
class Spectrum:
    """Centred training features of one fold as ``Xc = Q S V'``, with the held-out rows in the same basis.

    Predictions for any penalty are ``P diag(1 / (lam + alpha)) Q'y``: dual and primal form differ only in how
    they come here.

    Parameters
    ----------
    q : ndarray (m, k)
        Left singular vectors (training rows), orthogonal to the constant.
    lam : ndarray (k,)
        Squared singular values.
    p : ndarray (t, k)
        Held-out rows, ``Xt V S``.
    full : bool
        ``q`` spans everything but the constant: no response lies outside of it.
    still : bool
        All held-out rows have the same features: the prediction is constant.
    dropped : int
        Units constant in the training fold; -1 unknown.
    """

    q: np.ndarray
    lam: np.ndarray
    p: np.ndarray
    full: bool = False
    still: bool = False
    dropped: int = 0

    @property
    def nbytes(self) -> int:
        """Memory of the decomposition, in bytes."""
        return self.q.nbytes + self.lam.nbytes + self.p.nbytes


def spectrum_of_kernel(
    kernel: np.ndarray, cross: np.ndarray, eigh=np.linalg.eigh
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``(q, lam, p)`` from a doubly centred kernel (m, m) and its held-out rows (t, m).

    A multiple of 11'/m moves the constant vector to the top of the spectrum, where it is cut off: what is left
    is orthogonal to it, also among the null vectors.
    """
    m = len(kernel)
    lift = 2 * max(np.trace(kernel), np.finfo(float).tiny) + 1e-300
    lam, q = eigh(kernel + lift / m)
    lam, q = np.maximum(lam[:-1], 0), q[:, :-1]
    return q, lam, cross @ q


def _varying(train: np.ndarray) -> np.ndarray:
    """(p,) bool: units that vary over the training rows."""
    return (train != train[:1]).any(axis=0)


class Units:
    """One layer's features: ``x`` (n, p) as given, and what can be shared between folds."""

    has_units = True
    eigh: Callable[[np.ndarray], Any] = staticmethod(np.linalg.eigh)
    """Eigendecomposition of a symmetric float64 matrix; on another device where the engine says so."""

    def __init__(self, x: np.ndarray, standardize: bool):
        self.x, self.standardize = x, standardize
        self.shape = x.shape
        self.centre = robust_centre(x)
        self._gram: np.ndarray | None = None
        self._total: tuple[np.ndarray, np.ndarray] | None = None

    # ---- shared and dual ---------------------------------------------------------------------------------------------------
    def prepare(self, form: str) -> None:
        """Compute once what all folds share."""
        if form == "dual" and not self.standardize and self._gram is None:
            self._gram = gram(self.x).matrix
        if form == "primal" and self._total is None:
            self._total = self.moments(np.arange(len(self.x)))

    def release(self) -> None:
        """Forget what :meth:`prepare` computed."""
        self._gram = self._total = None

    def scaled(
        self, train: np.ndarray, test: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Training and held-out rows (float64), centred, scaled where asked, without constant units; kept units."""
        raw = self.x[train]
        kept = _varying(raw)
        if not kept.all():
            raw = raw[:, kept]
        xtr = raw.astype(np.float64)
        mean = xtr.mean(axis=0)
        xtr -= mean
        mean2 = xtr.mean(axis=0)  # a second pass takes off what rounding left
        xtr -= mean2
        xte = self.x[np.ix_(test, np.flatnonzero(kept))].astype(np.float64)
        xte -= mean
        xte -= mean2
        if self.standardize:
            scale = 1 / np.sqrt(np.einsum("ij,ij->j", xtr, xtr) / len(train))
            xtr *= scale
            xte *= scale
        return xtr, xte, kept

    def kernel(
        self, train: np.ndarray, test: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, bool, int]:
        """Doubly centred kernel (m, m), held-out rows (t, m), whether those are all alike, dropped units."""
        if self.standardize:
            xtr, xte, kept = self.scaled(train, test)
            return xtr @ xtr.T, xte @ xtr.T, bool((xte == xte[:1]).all()), int((~kept).sum())
        kept = _varying(self.x[train])
        still = bool((self.x[test] == self.x[test[:1]])[:, kept].all())
        assert self._gram is not None  # as prepared
        return *centred_blocks(self._gram, train, test), still, int((~kept).sum())

    def spectrum(self, train: np.ndarray, test: np.ndarray, form: str) -> Spectrum:
        """The fold's spectrum in ``form``, which :meth:`prepare` was called with."""
        return (self.dual if form == "dual" else self.primal)(train, test)

    def dual(self, train: np.ndarray, test: np.ndarray) -> Spectrum:
        """From the rows x rows kernel."""
        kernel, cross, still, dropped = self.kernel(train, test)
        q, lam, p = spectrum_of_kernel(kernel, cross, self.eigh)
        return Spectrum(lam=lam, p=p, q=q, full=True, still=still, dropped=dropped)

    # ---- primal -------------------------------------------------------------------------------------------------
    def moments(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``(sum of x x', sum of x)`` over rows, of units with ``centre`` taken off."""
        p = self.shape[1]
        square, total = np.zeros((p, p)), np.zeros(p)
        for at in range(0, len(rows), CHUNK):
            part = self.x[rows[at : at + CHUNK]].astype(np.float64) - self.centre
            square += part.T @ part
            total += part.sum(axis=0)
        return square, total

    def primal(self, train: np.ndarray, test: np.ndarray) -> Spectrum:
        """Spectrum from the units' cross-products: the total less the rows left out, where those are the fewer."""
        square, total = self._training_moments(train)
        m = len(train)
        kept = _varying(self.x[train])
        mean = total / m
        cov = square - np.outer(mean, total)
        scale = kept.astype(np.float64)
        if self.standardize:
            scale[kept] = 1 / np.sqrt(np.maximum(np.diag(cov)[kept] / m, np.finfo(float).tiny))
        lam, v = self.eigh(cov * scale[:, None] * scale)
        on = lam > np.finfo(float).eps * max(self.shape) * max(lam[-1], 0)
        lam, v = lam[on], v[:, on] * scale[:, None]
        root = np.sqrt(lam)
        still = bool((self.x[test] == self.x[test[:1]])[:, kept].all())
        return Spectrum(
            lam=lam,
            p=self._through(test, mean, v * root),
            q=self._through(train, mean, v / root),
            full=False,
            still=still,
            dropped=int((~kept).sum()),
        )

    def _training_moments(self, train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        out = np.setdiff1d(np.arange(len(self.x)), train, assume_unique=True)
        if self._total is not None and len(out) < len(train):
            less = self.moments(out)
            square = self._total[0] - less[0]
            if np.trace(less[0]) < WILD * np.trace(
                square
            ):  # else the difference has lost the digits of the training rows
                return square, self._total[1] - less[1]
        return self.moments(train)

    def _through(self, rows: np.ndarray, mean: np.ndarray, basis: np.ndarray) -> np.ndarray:
        """Centred rows times ``basis``, a chunk of rows in float64 at a time."""
        done = np.empty((len(rows), basis.shape[1]))
        for at in range(0, len(rows), CHUNK):
            done[at : at + CHUNK] = (
                self.x[rows[at : at + CHUNK]].astype(np.float64) - self.centre - mean
            ) @ basis
        return done


class Kernel:
    """A layer of which only the :class:`Gram` is there."""

    standardize, has_units = False, False
    eigh = staticmethod(np.linalg.eigh)

    def __init__(self, given: Gram):
        self.matrix, self.shape = given.matrix, given.shape

    def prepare(self, form: str) -> None:
        """Nothing to do: the Gram is there."""

    def release(self) -> None:
        """Nothing to give back: the Gram is the caller's."""

    def kernel(
        self, train: np.ndarray, test: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, bool, int]:
        """Centred kernels of one fold."""
        kernel, cross = centred_blocks(self.matrix, train, test)
        noise = 64 * np.finfo(float).eps * np.abs(self.matrix[np.ix_(test, train)]).max(initial=0)
        return kernel, cross, bool(np.abs(cross - cross[:1]).max(initial=0) <= noise), -1

    dual, spectrum = Units.dual, Units.spectrum


def centred_blocks(
    full: np.ndarray, train: np.ndarray, test: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Training block of a Gram, doubly centred, and the test x train block centred by the training means."""
    kernel = full[np.ix_(train, train)]
    cross = full[np.ix_(test, train)]
    means = kernel.mean(axis=0)
    grand = means.mean()
    cross -= cross.mean(axis=1, keepdims=True)
    cross -= means - grand
    kernel -= means
    kernel -= (means - grand)[:, None]
    return kernel, cross


def layer_of(features, rows: int, standardize: bool) -> Units | Kernel:
    """One layer of features, checked against the number of responses' rows.

    Raises
    ------
    BrainLensError
        For a wrong shape, values that are not finite, or a Gram where units must be scaled.
    """
    if isinstance(features, Gram):
        if standardize:
            raise BrainLensError(
                "standardize=True needs the units, and a Gram has lost them",
                remedy="Give the activations, or set standardize=False",
            )
        layer = Kernel(features)
    else:
        x = np.asarray(features)
        if x.ndim != 2 or not np.issubdtype(x.dtype, np.number):
            raise BrainLensError(
                f"features of shape {x.shape} and dtype {x.dtype} are not (stimuli, units) numbers",
                remedy="Give one 2-D array per layer, or a list of them",
            )
        if not np.isfinite(x).all():
            rows_bad = np.flatnonzero(~np.isfinite(x).all(axis=1))
            raise BrainLensError(
                f"features have NaN or infinity in {len(rows_bad)} rows, the first is row {rows_bad[0] + 1} (from 1)",
                remedy="Leave those stimuli out or read the model in float32",
            )
        layer = Units(x, standardize)
    if layer.shape[0] != rows:
        raise BrainLensError(
            f"features have {layer.shape[0]} rows, the responses {rows}",
            remedy="Give one row per stimulus to both",
        )
    return layer
