"""Banded ridge: what a model predicts that plainer features do not, each band of features with a penalty of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations

import numpy as np
import pandas as pd

from analysis.mapping.bands import NARROW, scale, solve
from analysis.mapping.fit import ALPHAS
from analysis.mapping.pearson import pearson
from analysis.mapping.scattered import MISSING
from analysis.mapping.threads import one_blas_thread, work
from analysis.progress import SILENT, Report
from data.errors import BrainLensError, unknown
from data.shares import percent

__all__ = ["BandedFit", "banded_ridge"]

RATIOS = tuple(float(share) for share in 1 / (1 + 10.0 ** np.linspace(-3, 3, 13)))
"""Shares of the first of two bands: equal steps of their log ratio."""
SAMPLES = 60
"""Weightings tried for three bands and more."""

Bands = tuple[str, ...]


@dataclass(frozen=True)
class BandedFit:
    """Held-out scores of sets of bands.

    Parameters
    ----------
    bands : tuple of str
    r2, r : dict of tuple of str to ndarray, shape (n_folds, n_targets)
        For all bands together, each alone, and all but each one. R2 is out of sample, against the training mean. NaN for
        targets that were not measured on every stimulus.
    weights : ndarray, shape (n_folds, n_bands, n_targets)
        Share of each band's kernel in the joint fit; sums to 1.
    left_out : int
        Targets that miss more than a tenth of the stimuli.
    tried : dict of tuple of str to int
        Weightings of the bands that were tried for each set.
    """

    bands: Bands
    r2: dict[Bands, np.ndarray] = field(repr=False)
    r: dict[Bands, np.ndarray] = field(repr=False)
    weights: np.ndarray = field(repr=False)
    left_out: int
    tried: dict[Bands, int] = field(repr=False)

    def _r2(self, bands: Iterable[str]) -> np.ndarray:
        return self.r2[tuple(bands)].mean(axis=0)

    def _check(self, band: str) -> str:
        if band not in self.bands:
            raise unknown("band", band, self.bands)
        return band

    @property
    def joint(self) -> np.ndarray:
        """R2 of all bands together, mean over folds, shape (n_targets,)."""
        return self._r2(self.bands)

    def alone(self, band: str) -> np.ndarray:
        """R2 of one band alone, shape (n_targets,)."""
        return self._r2((self._check(band),))

    def without(self, band: str) -> np.ndarray:
        """R2 of all other bands together, shape (n_targets,)."""
        self._check(band)
        return self._r2(name for name in self.bands if name != band)

    def unique(self, band: str) -> np.ndarray:
        """``R2_joint - R2_without``: what only this band predicts; may be below 0, and is shown so. Shape (n_targets,)."""
        return self.joint - self.without(band)

    def shared(self, band: str) -> np.ndarray:
        """``R2_alone - R2_unique``: what it predicts and others predict too. Shape (n_targets,)."""
        return self.alone(band) - self.unique(band)

    def omega(self, band: str, subjects: np.ndarray | None = None) -> dict[str, float]:
        r"""Share of a band's predictivity that the other bands explain, in percent, for each person.

        .. math:: \Omega = 100 \left(1 - \mathrm{clip}\left(\frac{\max(R^2_{joint}, R^2_{model}) - R^2_{controls}}
                  {R^2_{model}}, 0, 1\right)\right)

        from the mean R2 over a person's targets; NaN where the model's R2 is not above 0. Source: Hadidi, Feghhi et al. 2024,
        arXiv 2406.01538.
        """
        labels = np.zeros(len(self.joint), int) if subjects is None else np.asarray(subjects)
        out = {}
        for person in pd.unique(labels):
            mine = (labels == person) & np.isfinite(self.joint)
            joint, model, controls = (
                float(each[mine].mean()) if mine.any() else np.nan
                for each in (self.joint, self.alone(band), self.without(band))
            )
            share = (max(joint, model) - controls) / model if model > 0 else np.nan
            out["" if subjects is None else str(person)] = float(100 * (1 - np.clip(share, 0, 1)))
        return out


def banded_ridge(
    bands: Mapping[str, np.ndarray],
    responses: np.ndarray,
    folds: Sequence,
    inner: Sequence,
    *,
    alphas: Sequence[float] = ALPHAS,
    seed: int = 0,
    report: Report = SILENT,
) -> BandedFit:
    r"""Ridge with one penalty per band of features, chosen per target on inner folds.

    .. math:: \min_\beta |y - \sum_b X_b \beta_b|^2 + \sum_b \lambda_b |\beta_b|^2 \iff
              \hat y = K_\gamma (K_\gamma + \alpha I)^{-1} y, \quad K_\gamma = \sum_b \gamma_b X_b X_b^\top / p_b

    Units are z-scored by the outer training fold; constant ones are dropped. The weights :math:`\gamma` (positive, sum 1) run
    over a grid of ratios for two bands and over seeded Dirichlet draws for more; with them each :math:`\alpha` of the grid.

    Parameters
    ----------
    bands : mapping of str to ndarray, shape (n_stimuli, n_units)
    responses : ndarray, shape (n_stimuli, n_targets)
        A target that misses up to a tenth of the stimuli (:data:`~analysis.mapping.scattered.MISSING`) is at its mean there
        where it is fitted, and not compared; targets that miss more are left out and counted.
    folds : list of (train, test)
    inner : list of list of (train, test)
        As of :class:`analysis.mapping.splits.Part`.
    alphas : sequence of float
        In the units of ordinary ridge on all units together.
    seed : int
    report : Report

    Returns
    -------
    BandedFit

    Notes
    -----
    Engine: himalaya's random search over kernel weights, in float64; where all bands but one are narrow (position, length,
    frequency) :func:`analysis.mapping.bands.solve_narrow`, which finds the same with one decomposition for all weightings.
    Sources: Nunez-Elizalde, Huth & Gallant 2019, doi 10.1016/j.neuroimage.2019.04.012; Dupre la Tour et al. 2022, doi
    10.1016/j.neuroimage.2022.119728.
    """
    names = tuple(bands)
    y = np.asarray(responses, float)
    y = y[:, None] if y.ndim == 1 else y
    arrays = {name: np.asarray(x, float) for name, x in bands.items()}
    if not names or any(x.ndim != 2 or len(x) != len(y) for x in arrays.values()):
        raise BrainLensError(
            f"Bands of shape {[x.shape for x in arrays.values()]} for {len(y)} stimuli",
            remedy="Give at least one array (stimuli, units) with one row for each stimulus",
        )
    rows = np.unique(np.concatenate([np.concatenate(fold) for fold in folds]))
    whole = np.flatnonzero(np.isnan(y[rows]).mean(axis=0) <= MISSING)
    if not len(whole):
        raise BrainLensError(
            f"Every target misses more than {percent(MISSING)} of the stimuli",
            remedy="Select stimuli that were measured",
        )
    sets = list(
        dict.fromkeys([names, *((name,) for name in names), *combinations(names, len(names) - 1)])
    )
    sets = [one for one in sets if one]
    shape = (len(folds), y.shape[1])
    r2, r = ({one: np.full(shape, np.nan) for one in sets} for _ in range(2))
    weights = np.full((len(folds), len(names), y.shape[1]), np.nan)
    tried = {one: _weightings(len(one), seed) for one in sets}

    def fold(number: int, checkpoint) -> None:
        train, test = folds[number]
        scaled = {name: scale(x, train, test) for name, x in arrays.items()}
        place = np.full(len(y), -1)
        place[train] = np.arange(len(train))
        splits = [(place[a], place[b]) for a, b in inner[number]]
        centre = np.nanmean(y[train][:, whole], axis=0)
        learnt = np.nan_to_num(y[train][:, whole] - centre)
        held = y[test][:, whole] - centre
        there = ~np.isnan(held)
        held = np.where(there, held, 0.0)
        for one in sets:
            checkpoint()
            predicted, shares = solve(
                [scaled[name] for name in one], learnt, splits, alphas, tried[one]
            )
            predicted = np.where(there, predicted, 0.0)
            r2[one][number, whole] = _r2(predicted, held)
            r[one][number, whole] = pearson(predicted, np.where(there, held, np.nan))
            if one == names:
                weights[number][:, whole] = shares

    narrow = (
        sum(x.shape[1] for x in arrays.values()) - max(x.shape[1] for x in arrays.values())
        <= NARROW
    )
    with one_blas_thread():  # its products are small: two threads would wait for each other
        work(
            [partial(fold, number) for number in range(len(folds))],
            report,
            lambda done, all_: report.step(done, all_, "banded ridge"),
            workers=None if narrow else 1,
        )
    return BandedFit(
        names,
        r2,
        r,
        weights,
        y.shape[1] - len(whole),
        {one: len(each) for one, each in tried.items()},
    )


# ---- one fold -------------------------------------------------------------------------------------------------------
def _weightings(bands: int, seed: int) -> np.ndarray:
    """Shares of the bands to try, each row summing to 1."""
    if bands == 1:
        return np.ones((1, 1))
    if bands == 2:
        share = np.array(RATIOS)
        return np.column_stack([share, 1 - share])
    rng = np.random.default_rng([seed, bands])
    drawn = np.concatenate(
        [rng.dirichlet(np.full(bands, spread), SAMPLES // 2) for spread in (0.1, 1.0)]
    )
    tried = np.vstack([np.full((1, bands), 1 / bands), drawn])
    tried = np.maximum(tried, 1e-4)
    return tried / tried.sum(axis=1, keepdims=True)


def _r2(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return 1 - ((y - x) ** 2).sum(axis=0) / (y**2).sum(axis=0)
