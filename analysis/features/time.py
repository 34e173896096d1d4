"""From words to moments: resampling, delays, haemodynamic responses, slow drifts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from analysis.mapping.threads import LARGE, one_blas_thread, work
from analysis.progress import SILENT
from data.errors import BrainLensError, unknown
from data.presentation import Presentation

__all__ = [
    "HRFS",
    "RESAMPLING",
    "beside",
    "convolve",
    "cosines",
    "delayed",
    "detrended",
    "lanczos",
    "pieces",
    "resample",
]

RESAMPLING = {
    "lanczos": "low-pass at the samples' Nyquist frequency, window of 3 samples",
    "sum": "sum over the words whose midpoint lies in the sample",
    "mean": "mean over the words whose midpoint lies in the sample",
    "last": "the last word whose midpoint lies in the sample",
    "boxcar": "each word weighted by the share of the sample that it fills",
}
"""How features of words become features of samples."""

HRFS = ("fir", "spm", "glover", "none")
AT_ONCE = 512
"""Columns of a piece that are filtered together."""
WINDOW = 3
"""Half-width of the Lanczos kernel, in samples."""


# ---- words -> samples ------------------------------------------------------------------------------------------------
def resample(
    values: np.ndarray,
    presentation: Presentation,
    runs: Sequence | np.ndarray,
    times: np.ndarray,
    how: str = "lanczos",
) -> np.ndarray:
    r"""Features of words as features of samples, run by run.

    Parameters
    ----------
    values : ndarray, shape (n_words, n_units)
    presentation : Presentation
    runs : sequence, length n_samples
    times : ndarray, shape (n_samples,)
        Beginning of each sample in seconds; a sample lasts ``presentation.interval``.
    how : str
        One of :data:`RESAMPLING`.

    Returns
    -------
    ndarray, shape (n_samples, n_units), float64
        0 where nothing was said (nothing is carried over).

    Raises
    ------
    BrainLensError
        For an unknown way or a number of rows that is not that of the words.

    Notes
    -----
    ``lanczos`` sums :math:`L(t_s - t_w) x_w` over the words of the run, with words at their midpoints, samples at the middle of
    their interval, and :func:`lanczos` as the kernel; as in LeBel et al. 2023, doi 10.1038/s41597-023-02437-z.
    """
    values = np.asarray(values, float)
    if how not in RESAMPLING:
        raise unknown("value of resample", how, RESAMPLING)
    if len(values) != len(presentation.words):
        raise BrainLensError(
            f"features has {len(values)} rows for {len(presentation.words)} words",
            remedy="Give one row per word of the presentation",
        )
    runs, times = np.asarray(runs), np.asarray(times, float)
    out = np.zeros((len(times), values.shape[1]))
    for run in pd.unique(runs):
        rows = np.flatnonzero(runs == run)
        mine = np.flatnonzero(presentation.words["run"].to_numpy() == run)
        if len(mine):
            out[rows] = _weights(presentation, mine, times[rows], how) @ values[mine]
    return out


def _weights(
    presentation: Presentation, mine: np.ndarray, starts: np.ndarray, how: str
) -> np.ndarray:
    """Weight of each word in each sample, shape (n_samples, n_words)."""
    step = presentation.interval
    if how == "lanczos":
        return lanczos((starts[:, None] + step / 2 - presentation.middle[mine]) / step)
    if how == "boxcar":
        onset, offset = (presentation.words[c].to_numpy(float)[mine] for c in ("onset", "offset"))
        overlap = np.minimum(offset, starts[:, None] + step) - np.maximum(onset, starts[:, None])
        return np.maximum(overlap, 0) / step
    place = presentation.middle[mine] - starts[:, None]
    inside = ((place >= 0) & (place < step)).astype(float)
    if how == "mean":
        inside /= np.maximum(inside.sum(axis=1, keepdims=True), 1)
    elif how == "last":
        inside *= np.cumsum(inside[:, ::-1], axis=1)[:, ::-1] == 1
    return inside


def lanczos(t: np.ndarray, window: int = WINDOW) -> np.ndarray:
    r"""Lanczos kernel at distances in samples: :math:`\mathrm{sinc}(t)\,\mathrm{sinc}(t / a)` for :math:`|t| < a`, else 0."""
    t = np.asarray(t, float)
    return np.where(np.abs(t) < window, np.sinc(t) * np.sinc(t / window), 0.0)


# ---- samples -> what the signal follows ------------------------------------------------------------------------------
def delayed(values: np.ndarray, runs: Sequence | np.ndarray, delays: Sequence[int]) -> np.ndarray:
    """A finite impulse response: copies of the features so many samples later, side by side; none crosses a run.

    Parameters
    ----------
    values : ndarray, shape (n_samples, n_units)
    runs : sequence, length n_samples
    delays : sequence of int
        In samples; negative ones look ahead.

    Returns
    -------
    ndarray, shape (n_samples, n_units * n_delays)
        0 before the first sample of a run (and behind its last).
    """
    values = np.asarray(values, float)
    runs = np.asarray(runs)
    out = np.zeros((len(delays), *values.shape))
    for run in pd.unique(runs):
        rows = np.flatnonzero(runs == run)
        for number, delay in enumerate(delays):
            target = np.arange(len(rows)) + delay
            inside = (target >= 0) & (target < len(rows))
            out[number, rows[target[inside]]] = values[rows[inside]]
    return np.concatenate(list(out), axis=1)


def convolve(
    values: np.ndarray, runs: Sequence | np.ndarray, interval: float, hrf: str
) -> np.ndarray:
    """Features convolved with a canonical haemodynamic response, run by run.

    Parameters
    ----------
    values : ndarray, shape (n_samples, n_units)
    interval : float
        Seconds between samples.
    hrf : str
        ``"spm"`` or ``"glover"``: nilearn's functions, 32 s long.

    Raises
    ------
    BrainLensError
        Where nilearn is not installed.
    """
    kernel = _hrf(hrf, interval)
    runs, values = np.asarray(runs), np.asarray(values, float)
    out = np.empty_like(values)
    for run in pd.unique(runs):
        rows = np.flatnonzero(runs == run)
        full = np.apply_along_axis(lambda column: np.convolve(column, kernel), 0, values[rows])
        out[rows] = full[: len(rows)]
    return out


def _hrf(name: str, interval: float) -> np.ndarray:
    try:
        from nilearn.glm.first_level import glover_hrf, spm_hrf
    except ImportError:
        raise BrainLensError(
            f"hrf={name!r} needs the package nilearn",
            choices=("fir", "none"),
            remedy="pip install 'brainlens[brain]', or choose hrf=fir",
        ) from None
    return {"spm": spm_hrf, "glover": glover_hrf}[name](interval, oversampling=1)


# ---- slow drifts -----------------------------------------------------------------------------------------------------
def cosines(n: int, interval: float, seconds: float) -> np.ndarray:
    """A constant and the discrete cosines slower than ``seconds`` a cycle, shape (n, 1 + floor(2 n interval / seconds))."""
    count = min(int(np.floor(2 * n * interval / seconds)), n - 1)
    t = np.arange(n)
    return np.column_stack(
        [np.ones(n), *(np.cos(np.pi * (2 * t + 1) * k / (2 * n)) for k in range(1, count + 1))]
    )


def pieces(rows: np.ndarray, runs: Sequence | np.ndarray) -> list[np.ndarray]:
    """Contiguous pieces of ascending row numbers that lie in one run, as positions in ``rows``."""
    rows, runs = np.asarray(rows), np.asarray(runs)
    cut = (np.diff(rows) != 1) | (runs[rows[1:]] != runs[rows[:-1]])
    return np.split(np.arange(len(rows)), np.flatnonzero(cut) + 1)


def detrended(
    values: np.ndarray,
    rows: np.ndarray,
    runs: Sequence | np.ndarray,
    interval: float,
    seconds: float | None,
    *,
    scale: bool = False,
) -> np.ndarray:
    """The given rows without their slow drifts, each contiguous piece by itself.

    Filtering a whole run before a part of it is held out carries the held-out part into the training rows (r of .10 to .34 on
    noise); pieces filtered by themselves do not.

    Parameters
    ----------
    values : ndarray, shape (n_samples, k)
    rows : ndarray
        Ascending.
    seconds : float or None
        Cycles longer than this are taken out; None: the mean only.
    scale : bool
        Divide each piece by its standard deviation (columns that do not vary stay 0).

    Returns
    -------
    ndarray, shape (len(rows), k)
        float32 where the values are (each piece is worked out in double precision), else float64. Rows that a column misses
        (NaN) stay missing, and count in nothing that is taken out of its others.
    """
    rows = np.asarray(rows)
    single = getattr(values, "dtype", None) == np.float32
    out = np.empty((len(rows), values.shape[1]), np.float32 if single else np.float64)

    def filtered(piece: np.ndarray, checkpoint) -> None:
        checkpoint()
        n, first = len(piece), rows[piece[0]]
        base = _orthonormal(np.ones((n, 1)) if seconds is None else cosines(n, interval, seconds))
        for at in range(0, out.shape[1], AT_ONCE):  # so many columns as stay in the cache
            some = slice(at, at + AT_ONCE)
            block = _beside(np.asarray(values[first : first + n, some], float), base)
            out[piece[0] : piece[0] + n, some] = _scaled(block) if scale else block

    tasks = [partial(filtered, piece) for piece in pieces(rows, runs)] if len(rows) else []
    if out.size < LARGE:
        for task in tasks:
            task(SILENT.checkpoint)
    else:
        with one_blas_thread():
            work(tasks, SILENT, lambda *_: None)
    return out


def _scaled(block: np.ndarray) -> np.ndarray:
    """Columns over their standard deviation; those that do not vary are 0."""
    gone = np.isnan(block)
    spread = _spread(block) if gone.any() else block.std(axis=0)
    still = np.where(gone, np.nan, 0.0)
    return np.divide(block, spread, out=still, where=spread > 1e-12)


def beside(block: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """What of each column does not follow the columns of a basis, on the rows that the column has.

    Parameters
    ----------
    block : ndarray, shape (n_samples, k)
        NaN where a column misses a row; such rows stay NaN, and so does a column with no more rows than the basis has columns.
    basis : ndarray, shape (n_samples, m)
    """
    return _beside(block, _orthonormal(basis), basis)


def _beside(block: np.ndarray, base: np.ndarray, basis: np.ndarray | None = None) -> np.ndarray:
    """As :func:`beside`, of a basis and orthonormal columns that span the same."""
    gone = np.isnan(block)
    holed = np.flatnonzero(gone.any(axis=0))
    if not len(holed):
        return block - base @ (base.T @ block)
    basis = base if basis is None else basis
    out = np.full_like(block, np.nan)
    full = np.flatnonzero(~gone.any(axis=0))
    out[:, full] = block[:, full] - base @ (base.T @ block[:, full])
    patterns, which = np.unique(gone[:, holed], axis=1, return_inverse=True)
    for number, missing in enumerate(patterns.T):
        there, mine = np.flatnonzero(~missing), holed[which.ravel() == number]
        if len(there) > basis.shape[1]:
            some, left = block[np.ix_(there, mine)], _orthonormal(basis[there])
            out[np.ix_(there, mine)] = some - left @ (left.T @ some)
    return out


def _orthonormal(basis: np.ndarray) -> np.ndarray:
    """Orthonormal columns that span those of a basis, which may hang together."""
    base, weight, _ = np.linalg.svd(basis, full_matrices=False)
    return base[:, weight > 1e-8 * max(weight.max(initial=0.0), 1e-300)]


def _spread(block: np.ndarray) -> np.ndarray:
    """Standard deviation of each column over the rows it has; 0 of a column without any."""
    there = ~np.isnan(block)
    count = np.maximum(there.sum(axis=0), 1)
    centred = np.where(there, block - np.nansum(block, axis=0) / count, 0.0)
    return np.sqrt((centred**2).sum(axis=0) / count)
