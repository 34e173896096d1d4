"""Scores without a regression: how alike the geometry of a layer and of the responses is, on the held-out rows of every fold.

``rsa`` and ``cka`` learn nothing: each fold's value is of its held-out stimuli, and the layer is chosen by the value of its
training stimuli. ``shape`` (a rotation) and ``soft-matching`` (a matching of units) are learnt on the training rows and judged on
the held-out ones, as a regression is. A value belongs to a person; every target of the person carries it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xarray as xr

from analysis.mapping.alignment import matched_correlation, matching, rotation, shape_similarity
from analysis.mapping.similarity import debiased_alignment, dissimilarity, rsa
from analysis.progress import Report
from analysis.protocol import SIMILARITIES, Protocol
from analysis.scoring.blocks import side_by_side
from analysis.statistics.bootstrap import DRAWS_SEED, of_few, recentred, students, widening
from data.errors import BrainLensError
from data.recording import Recording

__all__ = ["FEWEST", "fit_geometry", "refuse_geometry"]

FEWEST = 5
"""Held-out stimuli of a fold below which a geometry is refused."""
_GROUPS = 4  # of a fold, from which on single groups are left out in turn
_SPARSE = 0.5  # share of a part's stimuli that a target must have to count


def refuse_geometry(protocol: Protocol, what: str) -> None:
    """Say that something needs predictions, where the protocol's method makes none.

    Raises
    ------
    BrainLensError
    """
    if protocol.method in SIMILARITIES:
        raise BrainLensError(
            f"method={protocol.method} compares geometries and predicts no response, so there is no {what}",
            remedy="Choose method=ridge",
        )


def fit_geometry(
    features: np.ndarray,
    recording: Recording,
    protocol: Protocol,
    parts,
    report: Report,
    *,
    draws: bool = False,
    choosing: bool = False,
) -> xr.Dataset:
    """One layer's similarity with every person's responses: the fields of :func:`analysis.scoring.folds.fit_parts`.

    Parameters
    ----------
    features : ndarray, shape (n_stimuli, n_units)
    parts : list of Part
    draws : bool
        Add ``draws_r`` and ``draws_fold``: linearised bootstrap over stimulus groups (their influence by leaving each out) and
        people.
    choosing : bool
        Add ``inner``, the value inside each training fold.

    Raises
    ------
    BrainLensError
        For recordings in time, for folds with too few stimuli, and for features or responses without any geometry.
    """
    if recording.sampled:
        raise BrainLensError(
            f"{recording.id}: its rows are samples of a run, whose geometry is that of neighbours in time",
            remedy="Choose method=ridge, or a recording of sentences or words",
        )
    people = _people(recording)
    blocks, kept = [], []
    for part in parts:
        shape = (len(part.folds), recording.n_targets)
        block: dict[str, np.ndarray] = {
            name: np.full(shape, np.nan)
            for name in ("r", "r2", "alpha", "constant", *(("inner",) if choosing else ()))
        }
        block["dropped"] = np.zeros(len(part.folds))
        for person, targets in people.items():
            report.checkpoint()
            pair = _pair(features, recording, part, targets, protocol.method)
            if pair is None:
                continue
            mine = targets[pair.targets]
            values, influences = pair.held_out(part, groups=draws)
            block["r"][:, mine] = values[:, None]
            block["constant"][:, mine] = 0.0
            if choosing:
                block["inner"][:, mine] = pair.inside(part)[:, None]
            kept.append((person, part, values, influences))
        blocks.append(block)
    if not kept:
        raise BrainLensError(
            f"No person of {recording.id} has the same stimuli for most of the targets: there is no geometry to compare",
            remedy="Choose method=ridge, or a recording whose targets share their stimuli",
        )
    dataset = side_by_side(blocks, parts, recording)
    if draws:
        learnt = protocol.method in ("shape", "soft-matching")
        return _with_draws(dataset, parts, kept, protocol, learnt=learnt)
    return dataset


# ---- one person -----------------------------------------------------------------------------------------------------
@dataclass
class _Pair:
    """Features and one person's responses on the stimuli that have all of the targets kept.

    ``place`` says at which row of both a row of the recording stands; -1: nowhere.
    """

    x: np.ndarray
    y: np.ndarray
    place: np.ndarray
    targets: np.ndarray
    groups: np.ndarray
    method: str
    value: Callable

    def _rows(self, rows: np.ndarray) -> np.ndarray:
        found = self.place[rows]
        return found[found >= 0]

    def held_out(self, part, *, groups: bool) -> tuple[np.ndarray, list]:
        """Value of each fold, and per fold (groups, their influence on it); None where folds hold too few groups."""
        values, influences = np.empty(len(part.folds)), []
        for number, (train, test) in enumerate(part.folds):
            rows = self._rows(test)
            if len(rows) < FEWEST:
                raise BrainLensError(
                    f"Fold {number} holds out {len(rows)} stimuli: too few for a geometry (at least {FEWEST})",
                    remedy="Set folds to fewer, or choose method=ridge",
                )
            learnt = self._learnt(self._rows(train))
            values[number] = self.value(rows, learnt)
            here = np.unique(self.groups[rows])
            few = len(here) < _GROUPS
            left = [] if few or not groups else [rows[self.groups[rows] != one] for one in here]
            if few or any(len(some) < FEWEST for some in left):
                influences.append((here, None))
                continue
            without = np.array([self.value(some, learnt) for some in left])
            centred = (len(here) - 1) * (without.mean() - without) if groups else np.empty(0)
            influences.append((here, centred * np.sqrt(len(here) / (len(here) - 1))))
        return values, influences

    def inside(self, part) -> np.ndarray:
        """Value inside the training rows of each fold: of all of them, or over its inner folds where a map is learnt."""
        if self.method in ("rsa", "cka"):
            return np.array([self.value(self._rows(train), None) for train, _ in part.folds])
        found = []
        for inside in part.inner:
            each = [
                self.value(self._rows(test), self._learnt(self._rows(train)))
                for train, test in inside
                if len(self._rows(test)) >= FEWEST
            ]
            found.append(np.mean(each) if each else np.nan)
        return np.array(found)

    def _learnt(self, train: np.ndarray):
        if self.method in ("rsa", "cka"):
            return None
        x, y = self.x[train], self.y[train]
        if self.method == "soft-matching":
            return matching(x, y)
        mean_x, mean_y = x.mean(axis=0), y.mean(axis=0)
        return mean_x, mean_y, rotation(x - mean_x, y - mean_y)


def _pair(
    features: np.ndarray, recording: Recording, part, targets: np.ndarray, method: str
) -> _Pair | None:
    """What one person and a layer share in a part; None where the person was not measured in it."""
    measured = np.isfinite(recording.responses.values[np.ix_(part.rows, targets)])
    kept = np.flatnonzero(measured.mean(axis=0) >= _SPARSE)
    if not len(kept):
        return None
    rows = part.rows[measured[:, kept].all(axis=1)]
    if len(rows) < FEWEST:
        return None
    x = np.asarray(features, float)[rows]
    y = np.asarray(recording.responses.values[np.ix_(rows, targets[kept])], float)
    place = np.full(recording.n_stimuli, -1)
    place[rows] = np.arange(len(rows))
    groups = np.asarray(part.groups)[rows]
    return _Pair(x, y, place, kept, groups, method, _value(method, x, y, groups))


def _value(method: str, x: np.ndarray, y: np.ndarray, groups: np.ndarray) -> Callable:
    """``value(rows, learnt)`` of one method; what does not depend on the rows is made once."""
    if method == "rsa":
        first, second = _distances(x), _distances(y)
        apart = groups[:, None] != groups

        def geometry(rows, learnt):
            block = np.ix_(rows, rows)
            several = len(np.unique(groups[rows])) > 1
            return rsa(first[block], second[block], keep=apart[block] if several else None)

        return geometry
    if method == "cka":
        first, second = ((v - v.mean(axis=0)) @ (v - v.mean(axis=0)).T for v in (x, y))

        def alignment(rows, learnt):
            block = np.ix_(rows, rows)
            return debiased_alignment(first[block], second[block])

        return alignment
    if method == "shape":
        return lambda rows, learnt: shape_similarity(
            x[rows] - learnt[0], y[rows] - learnt[1], learnt[2]
        )
    return lambda rows, learnt: matched_correlation(x[rows], y[rows], learnt)


def _distances(values: np.ndarray) -> np.ndarray:
    """1 - r over units; of one or two units, or where a stimulus has one value in all of them, the squared distance."""
    if values.shape[1] > 2 and (np.ptp(values, axis=1) > 0).all():
        return dissimilarity(values)
    return dissimilarity(values, distance="euclidean")


def _people(recording: Recording) -> dict[str, np.ndarray]:
    """Person -> columns of the responses; one without a name where there are no people."""
    if recording.subjects is None:
        return {"": np.arange(recording.n_targets)}
    names = np.asarray(recording.subjects).astype(str)
    return {name: np.flatnonzero(names == name) for name in dict.fromkeys(names)}


# ---- the interval ---------------------------------------------------------------------------------------------------
def _with_draws(
    dataset: xr.Dataset, parts, kept: list, protocol: Protocol, *, learnt: bool
) -> xr.Dataset:
    r"""Bootstrap draws, linear in how often each stimulus group is drawn.

    .. math:: d_b = \frac1{S F} \sum_s C_{bs} \sum_f \left( v_{fs} + \frac1{n_f} \sum_{g \in f} (M_{bg} - 1) \, l_{gfs} \right)

    with :math:`l` the influence of group g on fold f, :math:`M` and :math:`C` how often group and person are drawn. Where folds
    hold too few groups, whole folds are drawn by their distance from the mean; over one average that distance counts
    :func:`~analysis.statistics.bootstrap.students` times.
    """
    rng = np.random.default_rng([DRAWS_SEED, 11])
    count, names = protocol.bootstrap, list(dict.fromkeys(person for person, *_ in kept))
    starts = np.cumsum([0, *(len(part.folds) for part in parts)])
    times = {}
    for part in parts:
        labels = np.unique(np.asarray(part.groups)[part.rows])
        drawn = rng.multinomial(len(labels), np.full(len(labels), 1 / len(labels)), size=count)
        times[id(part)] = dict(zip(labels.tolist(), drawn.T.astype(float) - 1.0, strict=True))
    several = len(names) > 1
    who = (
        rng.integers(len(names), size=(count, len(names))) if several else np.zeros((count, 1), int)
    )
    whole, still = np.zeros((count, len(names), starts[-1])), np.zeros((len(names), starts[-1]))
    for person, part, values, influences in kept:
        at = parts.index(part)
        shares = sum(person == other for other, *_ in kept)  # parts this person is in
        folds = len(values)
        coarse = any(found is None for _, found in influences)
        for fold, (groups, found) in enumerate(influences):
            moved = np.stack([times[id(part)][group] for group in groups.tolist()])
            if coarse:
                spread = (values[fold] - values.mean()) * np.sqrt(folds / max(folds - 1, 1))
                spread *= 1.0 if several else students(folds)  # ten folds tell little of it
                change = moved.mean(axis=0) * np.sqrt(len(groups)) * spread
            else:
                change = found @ moved / len(groups)
            whole[:, names.index(person), starts[at] + fold] = (values[fold] + change) / (
                folds * shares
            )
            still[names.index(person), starts[at] + fold] = values[fold] / (folds * shares)
    apart = of_few(len(names)) / np.sqrt(len(names) / (len(names) - 1)) if several else 1.0
    whole += max(apart - 1.0, 0.0) * (still - still.mean(axis=0))
    each = whole.sum(axis=2)
    point = np.array(
        [
            np.mean([values.mean() for other, _, values, _ in kept if other == person])
            for person in names
        ]
    )
    centre = np.median if protocol.people == "median" else np.mean
    value = float(centre(point))
    fewest = min(len(part.folds) for part in parts)
    widened = np.sqrt(len(names) / (len(names) - 1)) if several else 1.0
    widened *= widening(fewest) if learnt and not several else 1.0
    drawn = recentred(centre(np.take_along_axis(each, who, axis=1), axis=1), value, widened)
    dataset["draws_r"] = ("draw", drawn)
    if protocol.people != "median":
        often = np.stack([(who == number).sum(axis=1) for number in range(len(names))], axis=1)
        by_fold = np.einsum("bs,bsf->bf", often / len(names), whole)
        dataset["draws_fold"] = (("draw", "fold"), by_fold.astype(np.float32))
    dataset.attrs["widened"] = float(widened)
    dataset.attrs["interval"] = (
        "people and stimulus groups" if several else "stimulus groups"
    ) + ", linear in how often each is drawn"
    return dataset
