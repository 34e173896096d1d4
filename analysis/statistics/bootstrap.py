"""Intervals for scores by resampling people and stimulus groups of held-out predictions; nothing is ever refitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial

import numpy as np
import pandas as pd

from analysis.mapping.pearson import still
from analysis.mapping.threads import LARGE, one_blas_thread, work
from analysis.progress import SILENT, Report
from data.errors import BrainLensError

__all__ = [
    "DRAWS_SEED",
    "Bootstrap",
    "Comparison",
    "Moments",
    "compare_models",
    "hierarchical_bootstrap",
    "moments",
    "of_few",
    "paired",
    "recentred",
    "students",
    "widening",
]

DRAWS_SEED = 0
"""Of every draw of people and stimulus groups: one draw serves all models, layers and fold seeds, so that they are paired."""
FEW_PEOPLE = 5
"""Up to so many people an interval is called optimistic."""
ENOUGH_PEOPLE = 4
"""Below it people are drawn farther apart than they are, see :func:`of_few`."""
BLOCK = 1 << 16  # numbers handled at once: 512 KiB in float64 stay in the cache

N, SX, SY, SXX, SYY, SXY = range(
    6
)  # count, prediction, response and their products, all about the training mean


@dataclass(frozen=True)
class Moments:
    """Sums over the held-out stimuli of each (fold, stimulus group): all that a bootstrap of r and R2 needs.

    Parameters
    ----------
    sums : ndarray, shape (6, n_cells, n_targets), float64
        Count, sum of predictions x, of responses y, of x^2, y^2 and x y; x and y are taken about the mean response of the
        fold's training rows.
    fold, group : ndarray, shape (n_cells,)
        Fold and stimulus group (numbered from 0) of each cell.
    n_folds, n_groups : int
    """

    sums: np.ndarray
    fold: np.ndarray
    group: np.ndarray
    n_folds: int
    n_groups: int

    @property
    def n_targets(self) -> int:
        """Number of targets."""
        return self.sums.shape[2]

    def per_fold(self, measure: str = "r") -> np.ndarray:
        """r or out-of-sample R2 of each fold and target, shape (n_folds, n_targets); NaN where nothing was measured."""
        return np.stack(
            [
                _measure(self.sums[:, self.fold == fold].sum(axis=1), measure)
                for fold in range(self.n_folds)
            ]
        )

    @classmethod
    def joined(cls, blocks: Sequence[Moments], columns: Sequence[np.ndarray], n_targets: int):
        """Moments of blocks of targets as those of all targets; what is in no block counts nothing.

        Parameters
        ----------
        blocks : sequence of Moments
            Of the same folds and groups.
        columns : sequence of ndarray of int
            Where the targets of each block stand among all.
        """
        first = blocks[0]
        sums = np.zeros((*first.sums.shape[:2], n_targets))
        for block, where in zip(blocks, columns, strict=True):
            sums[:, :, where] = block.sums
        return replace(first, sums=sums)


@dataclass(frozen=True)
class Bootstrap:
    """A score with its percentile interval.

    Parameters
    ----------
    value, low, high : float
        The score of the data themselves, and the interval over draws.
    draws : ndarray, shape (n_draws,)
        Shifted so that their median is ``value``: drawing stimuli twice makes folds smaller and r a little lower.
    bias : float
        The shift: median of the draws as they came, minus ``value``.
    subjects : tuple of str
        People in order; empty where people are not known.
    per_subject : ndarray, shape (n_subjects,)
    per_target : ndarray, shape (n_targets,)
        Mean over folds (and parts).
    resampled : str
        What was drawn with replacement, in words.
    note : str
        What to say beside the interval; empty where there is nothing.
    by_fold : ndarray, shape (n_draws, n_folds)
        What each fold gives to each draw, before the shift and the widening: their sum is the draw. Folds of several parts
        follow each other. Empty where targets or people are summarised by medians, which are no sums.
    widened : float
        What the draws' distances from ``value`` were multiplied with, see :func:`widening`.
    """

    value: float
    low: float
    high: float
    draws: np.ndarray = field(repr=False)
    bias: float = 0.0
    subjects: tuple[str, ...] = ()
    per_subject: np.ndarray = field(default_factory=lambda: np.empty(0), repr=False)
    per_target: np.ndarray = field(default_factory=lambda: np.empty(0), repr=False)
    resampled: str = ""
    note: str = ""
    by_fold: np.ndarray = field(default_factory=lambda: np.empty((0, 0)), repr=False)
    widened: float = 1.0

    @property
    def raw(self) -> np.ndarray:
        """The draws as they came, neither shifted nor widened."""
        return self.value + self.bias + (self.draws - self.value) / self.widened


@dataclass(frozen=True)
class Comparison:
    """Difference between two models on the same people and stimuli.

    Parameters
    ----------
    difference, low, high : float
        First minus second, with its interval over paired draws.
    p : float
        Two-sided bootstrap probability of a difference this far from 0, never below 2 / (draws + 1).
    first, second : Bootstrap
    """

    difference: float
    low: float
    high: float
    p: float
    first: Bootstrap = field(repr=False)
    second: Bootstrap = field(repr=False)
    resampled: str = ""
    note: str = ""


def moments(
    predictions: np.ndarray,
    responses: np.ndarray,
    folds: Sequence[tuple[np.ndarray, np.ndarray]],
    groups: np.ndarray,
) -> Moments:
    """Sums of held-out predictions and responses by fold and stimulus group.

    Parameters
    ----------
    predictions : ndarray, shape (n_stimuli, n_targets)
        Held-out predictions; with folds that test a row more than once, one array (fold, n_stimuli, n_targets).
    responses : ndarray, shape (n_stimuli, n_targets)
        NaN where not measured.
    folds : list of (train, test)
    groups : ndarray, shape (n_stimuli,)
        Stimulus groups, such as ``Part.groups``.

    Raises
    ------
    BrainLensError
        Where shapes do not match.
    """
    predictions = (
        np.atleast_3d(predictions) if np.ndim(predictions) == 1 else np.asarray(predictions)
    )
    responses = np.asarray(responses, float)
    if responses.ndim == 1:
        responses = responses[:, None]
    if predictions.shape[-2:] != responses.shape or len(groups) != len(responses):
        raise BrainLensError(
            f"predictions {predictions.shape}, responses {responses.shape} and {len(groups)} group labels do "
            "not belong together",
            remedy="Give one row for each stimulus of the recording in all three",
        )
    tested = np.concatenate([test for _, test in folds])
    if predictions.ndim == 2 and len(np.unique(tested)) < len(tested):
        raise BrainLensError(
            "These folds test some stimuli more than once, and one array holds only one prediction each",
            remedy="Give predictions as (fold, stimulus, target)",
        )
    rows = np.unique(
        tested
    )  # groups are numbered by their rows, so that other folds draw the same ones
    codes = np.full(len(responses), -1)
    codes[rows], names = pd.factorize(np.asarray(groups)[rows])
    seen = np.isfinite(responses)
    fitted = np.zeros((len(folds), len(responses)))
    for number, (train, _) in enumerate(folds):
        fitted[number, train] = 1.0
    if seen.all():
        centres = fitted @ responses / np.maximum(fitted.sum(axis=1), 1.0)[:, None]
    else:
        centres = fitted @ np.where(seen, responses, 0.0) / np.maximum(fitted @ seen, 1.0)

    def of_fold(number: int, checkpoint) -> tuple[np.ndarray, np.ndarray]:
        """Sums (6, cells, targets) of one fold, and the group of each cell."""
        checkpoint()
        test = folds[number][1]
        cells, place = np.unique(codes[test], return_inverse=True)
        held = predictions if predictions.ndim == 2 else predictions[number]
        x, y = held[test] - centres[number], responses[test] - centres[number]
        ok = seen[test] & np.isfinite(x)
        if not ok.all():
            x, y = np.where(ok, x, 0.0), np.where(ok, y, 0.0)
        member = (place == np.arange(len(cells))[:, None]).astype(float)  # (cells, test rows)
        return np.stack([member @ part for part in (ok, x, y, x * x, y * y, x * y)]), cells

    tasks = [partial(of_fold, number) for number in range(len(folds))]
    if responses.size < LARGE:
        found = [task(SILENT.checkpoint) for task in tasks]
    else:
        with one_blas_thread():
            found = work(tasks, SILENT, lambda *_: None)
    sums = [each for each, _ in found]
    group_of = [cells for _, cells in found]
    fold_of = [np.full(len(cells), number) for number, cells in enumerate(group_of)]
    return Moments(
        np.concatenate(sums, axis=1),
        np.concatenate(fold_of),
        np.concatenate(group_of),
        len(folds),
        len(names),
    )


def hierarchical_bootstrap(
    data: Moments | Sequence[Moments],
    subjects: np.ndarray | None = None,
    *,
    draws: int = 1000,
    seed: int = 0,
    measure: str = "r",
    targets: str = "mean",
    people: str = "mean",
    confidence: float = 0.95,
    report: Report = SILENT,
) -> Bootstrap:
    r"""Score and interval over people and stimulus groups.

    In each draw the stimulus groups and the people are drawn with replacement, independently of each other. With
    :math:`c_g` the times group g was drawn, r of fold f and target v comes from the sums :math:`\sum_g c_g m_{gfv}`;
    folds are averaged with weight :math:`\sum_{g \in f} c_g / G_f`, so that a fold drawn twice counts twice; then parts,
    targets within people, people.

    Parameters
    ----------
    data : Moments or sequence of Moments
        One per part (experiment); a target is averaged over the parts in which it was measured.
    subjects : ndarray, shape (n_targets,), optional
        Person of each target. None: stimulus groups only.
    draws : int
    seed : int
        The same seed draws the same groups and people: intervals of several models are paired.
    measure : str
        ``"r"``, or ``"r2"`` (out of sample, against the training mean).
    targets, people : str
        mean or median.

    Notes
    -----
    Where only stimulus groups are drawn, the interval is widened, see :func:`widening`.

    Drawing people and stimuli independently (the pigeonhole bootstrap, Owen 2007, doi 10.1214/07-AOAS122) errs on the wide
    side where the noise of single responses dominates. With five people or fewer the spread between people is hardly
    sampled at all: of four or five the interval is called optimistic, of two or three people are drawn farther apart
    (:func:`of_few`).
    """
    parts = [data] if isinstance(data, Moments) else list(data)
    n_targets = parts[0].n_targets
    if any(part.n_targets != n_targets for part in parts):
        raise BrainLensError(
            f"The parts have {[part.n_targets for part in parts]} targets",
            remedy="Give every part all targets of the recording, NaN where one was not measured",
        )
    if subjects is not None and len(subjects) != n_targets:
        raise BrainLensError(
            f"{len(subjects)} subject labels for {n_targets} targets",
            remedy="Give one label for each target",
        )
    codes, names = (
        (np.zeros(n_targets, int), []) if subjects is None else pd.factorize(np.asarray(subjects))
    )
    n_people = len(names) or 1

    plans = [_plan(part, draws, (seed, 1, number)) for number, part in enumerate(parts)]
    several = subjects is not None and n_people > 1
    who = (
        np.random.default_rng([seed, 0]).integers(n_people, size=(draws, n_people))
        if several
        else np.zeros((draws, 1), int)
    )
    additive = "median" not in (targets, people)
    per_target, people_draws = np.empty(n_targets), np.empty((draws + 1, n_people))
    by_fold, counted = np.zeros((draws, sum(part.n_folds for part in parts))), np.zeros(draws)
    points: list[np.ndarray] = []  # of each person, what each fold gives to the score itself
    for person in range(n_people):
        report.step(person, n_people, "bootstrap")
        mine = np.flatnonzero(codes == person) if len(names) else np.arange(n_targets)
        people_draws[:, person], per_target[mine], shares = _person_draws(
            parts, plans, mine, measure, targets, report
        )
        if additive:
            times = (who == person).sum(axis=1) * np.isfinite(people_draws[1:, person])
            by_fold += times[:, None] * shares[1:]
            counted += times
            points.append(shares[0])

    average = np.nanmedian if people == "median" else np.nanmean
    value = float(_quiet(average, people_draws[0]))
    drawn = people_draws[1:]
    if several and (apart := of_few(n_people) - 1.0):
        drawn = drawn + apart * (people_draws[0] - value)
        if additive:
            often = np.stack([(who == person).sum(axis=1) for person in range(n_people)], axis=1)
            known = often * np.isfinite(people_draws[1:])
            by_fold += apart * (known @ (np.stack(points) - np.mean(points, axis=0)))
    if several:
        drawn = np.take_along_axis(drawn, who, axis=1)
    drawn = _quiet(average, drawn, axis=1)
    bias = float(_quiet(np.nanmedian, drawn)) - value
    widened = 1.0 if several else widening(min(part.n_folds for part in parts))
    drawn = recentred(drawn, value, widened)
    low, high = _interval(drawn, confidence)
    resampled, note = _words(parts, names, several)
    with np.errstate(invalid="ignore", divide="ignore"):
        by_fold = by_fold / np.where(counted > 0, counted, np.nan)[:, None]
    return Bootstrap(
        value,
        low,
        high,
        drawn,
        bias,
        tuple(map(str, names)),
        people_draws[0] if len(names) else np.empty(0),
        per_target,
        resampled,
        note,
        by_fold if additive else np.empty((0, 0)),
        widened,
    )


def widening(folds: int) -> float:
    r"""What an interval over stimuli alone is widened by: held-out predictions know nothing of the variability of training.

    .. math:: \sqrt{1 + K / (K - 1)}

    for K folds (1.45 at ten): the correction of Nadeau & Bengio 2003, doi 10.1023/A:1024068626366, whose ratio of test to
    training stimuli is 1 / (K - 1). Not used where people are drawn as well, whose spread is the larger part.
    """
    return float(np.sqrt(1 + folds / (folds - 1))) if folds > 1 else 1.0


def of_few(people: int) -> float:
    r"""What the spread between two or three people is multiplied by in each draw: so few show little of it.

    .. math:: \sqrt{n / (n - 1)} \; t_{.975, n - 1} / z_{.975}

    for n people (9.2 of two, 2.7 of three), and 1 from :data:`ENOUGH_PEOPLE` on, where the pigeonhole bootstrap, which counts
    the noise of single responses twice, makes up for most of it.
    """
    if not 1 < people < ENOUGH_PEOPLE:
        return 1.0
    return float(np.sqrt(people / (people - 1))) * students(people)


def students(number: int) -> float:
    r"""How much wider Student's interval of a mean of so many values is than a normal one: :math:`t_{.975, n - 1} / z_{.975}`."""
    from scipy.stats import norm, t

    return float(t.ppf(0.975, number - 1) / norm.ppf(0.975)) if number > 1 else 1.0


def recentred(draws: np.ndarray, value: float, widened: float = 1.0) -> np.ndarray:
    """Draws with their median at ``value``, their distances from it widened: drawing stimuli twice makes r a little lower."""
    centre = _quiet(np.nanmedian, draws)
    return value + widened * (draws - centre)


def compare_models(
    first: Moments | Sequence[Moments],
    second: Moments | Sequence[Moments],
    subjects: np.ndarray | None = None,
    *,
    confidence: float = 0.95,
    **options,
) -> Comparison:
    """Whether one model predicts better than another: paired over targets, people and folds.

    Both models are drawn with the same people and stimulus groups, and the differences of the draws make the interval.

    Parameters
    ----------
    first, second : Moments or sequence of Moments
        From the same folds and groups.
    subjects, **options
        As for :func:`hierarchical_bootstrap`.

    Raises
    ------
    BrainLensError
        Where the two were not scored on the same folds, groups and targets.
    """
    firsts = [first] if isinstance(first, Moments) else list(first)
    seconds = [second] if isinstance(second, Moments) else list(second)
    pairs = list(zip(firsts, seconds, strict=True))
    for a, b in pairs:
        if a.sums.shape != b.sums.shape or not (
            np.array_equal(a.fold, b.fold) and np.array_equal(a.group, b.group)
        ):
            raise BrainLensError(
                "The two models were not scored on the same folds, stimulus groups and targets",
                remedy="Score both under one protocol and compare again",
            )
    one = hierarchical_bootstrap(first, subjects, confidence=confidence, **options)
    two = hierarchical_bootstrap(second, subjects, confidence=confidence, **options)
    low, high, p = paired(one.draws, two.draws, confidence)
    return Comparison(one.value - two.value, low, high, p, one, two, one.resampled, one.note)


def paired(
    first: np.ndarray, second: np.ndarray, confidence: float = 0.95
) -> tuple[float, float, float]:
    """Interval and p of the difference of two scores from their draws, where both drew the same people and stimulus groups.

    Returns
    -------
    low, high : float
    p : float
        Two-sided, never below 2 / (draws + 1).
    """
    differences = np.asarray(first) - np.asarray(second)
    low, high = _interval(differences, confidence)
    finite = differences[np.isfinite(differences)]
    tail = min((finite <= 0).sum(), (finite >= 0).sum())
    return low, high, float(min(1.0, 2 * (1 + tail) / (1 + len(finite))))


# ---- the arithmetic ------------------------------------------------------------------------------------------------------
def _measure(sums: Sequence[np.ndarray], measure: str) -> np.ndarray:
    """r or R2 from the six sums; r = 0 for a constant prediction or response, NaN below two stimuli (one for R2)."""
    n, x, y, xx, yy, xy = sums
    if measure not in ("r", "r2"):
        raise BrainLensError(f"Unknown measure {measure!r}", choices=("r", "r2"))
    with np.errstate(invalid="ignore", divide="ignore"):
        if measure == "r2":
            value = 1 - (yy - 2 * xy + xx) / yy
            return np.where(n >= 1, np.where(yy > 0, value, 0.0), np.nan)
        mean = x / n
        own = xx - mean * x
        xy = xy - mean * y
        spread = yy - y * y / n
        flat = still(own, xx) | still(spread, yy)
        xx = own
        xx *= spread
        np.sqrt(xx, out=xx)
        xy /= xx
    xy[flat] = 0.0
    return np.where(n >= 2, xy, np.nan)


@dataclass(frozen=True)
class _Draws:
    """The draws of one fold: r and R2 do not change when all counts are doubled, so few distinct draws are left."""

    cells: np.ndarray  # cells of the fold
    distinct: np.ndarray  # (n_distinct, cells) counts divided by their common factor
    which: np.ndarray  # (draws + 1,) row of `distinct`; draw 0 is the data themselves
    share: np.ndarray  # (draws + 1,) weight of the fold


def _plan(part: Moments, draws: int, seed: tuple[int, ...]) -> list[_Draws]:
    """The draws of every fold: the same for all layers and models on the same folds, so the last ones are kept."""
    return _planned(
        part.fold.astype(int).tobytes(),
        part.group.astype(int).tobytes(),
        part.n_folds,
        part.n_groups,
        draws,
        seed,
    )


@lru_cache(maxsize=6)
def _planned(
    folds: bytes, cells_of: bytes, n_folds: int, groups: int, draws: int, seed: tuple[int, ...]
) -> list[_Draws]:
    fold_of, group_of = np.frombuffer(folds, int), np.frombuffer(cells_of, int)
    counts = np.random.default_rng(seed).multinomial(
        groups, np.full(groups, 1 / groups), size=draws
    )
    counts = np.vstack([np.ones(groups, int), counts])
    plan = []
    for fold in range(n_folds):
        cells = np.flatnonzero(fold_of == fold)
        drawn = counts[:, group_of[cells]]
        factor = np.maximum(np.gcd.reduce(drawn, axis=1), 1)[:, None]
        distinct, which = np.unique(drawn // factor, axis=0, return_inverse=True)
        plan.append(
            _Draws(cells, distinct.astype(float), which.ravel(), drawn.sum(axis=1) / len(cells))
        )
    return plan


def _person_draws(
    parts: list[Moments],
    plans: list[list[_Draws]],
    mine: np.ndarray,
    measure: str,
    targets: str,
    report: Report,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Summary over one person's targets in each draw (draws + 1,).

    With each target's own score, and what each fold gives to the mean over targets (draws + 1, folds).
    """
    counted = np.concatenate([part.sums[N][:, mine] for part in parts])
    classes = np.zeros(len(mine), int)  # targets with the same missing stimuli
    if (counted != counted[:, :1]).any():
        classes = np.unique(counted, axis=1, return_inverse=True)[1].ravel()
    own = np.empty(len(mine))
    columns, total, number = [], 0.0, 0
    for one in range(classes.max() + 1):
        inside = np.flatnonzero(classes == one)
        found = [
            _class_draws(part, plan, mine[inside], measure, targets == "median", report)
            for part, plan in zip(parts, plans, strict=True)
        ]
        values, points, shares = zip(*found, strict=True)
        own[inside] = _quiet(np.nanmean, np.stack(points), axis=0)
        if targets == "median":
            columns.append(_quiet(np.nanmean, np.stack(values), axis=0))
            continue
        there = np.stack([np.isfinite(each) for each in values])  # parts with a score in a draw
        spread = np.concatenate([np.nan_to_num(each) for each in shares], axis=1)
        total = total + spread / np.maximum(there.sum(axis=0), 1)[:, None] * len(inside)
        number = number + there.any(axis=0) * len(inside)
    if targets == "median":
        values = _quiet(np.nanmedian, np.concatenate(columns, axis=1), axis=1)
        return values, own, np.empty((len(values), 0))
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = total / np.maximum(number, 1)[:, None]
        return np.where(number > 0, shares.sum(axis=1), np.nan), own, shares


def _class_draws(
    part: Moments, plan: list[_Draws], targets: np.ndarray, measure: str, each: bool, report: Report
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean over folds for targets with the same missing stimuli: their mean (draws + 1,) or each one (draws + 1, targets).

    With the targets' own scores, and the addends of the mean, one for each fold (draws + 1, folds).
    """
    n_draws = len(plan[0].which)
    total = np.zeros((n_draws, len(targets))) if each else None
    addends = np.zeros((n_draws, len(plan)))
    point, weight, point_weight = np.zeros(len(targets)), np.zeros(n_draws), 0.0
    for number, draws in enumerate(plan):
        report.checkpoint()
        own = part.sums[:, draws.cells[:, None], targets]
        drawn_n = draws.distinct @ own[N, :, :1]  # the same for every target of the class
        enough = drawn_n[:, 0] >= (2 if measure == "r" else 1)
        share = draws.share * enough[draws.which]
        weight += share
        point_weight += share[0]
        sums = np.zeros(len(draws.distinct))
        step = max(1, BLOCK // len(draws.distinct))
        for start in range(0, len(targets), step):
            some = slice(start, start + step)
            cells = np.ascontiguousarray(own[:, :, some])  # (6, cells, some)
            values = _measure(
                [drawn_n, *(draws.distinct @ moment for moment in cells[SX:])], measure
            )
            values[~enough] = 0.0
            point[some] += share[0] * values[draws.which[0]]
            sums += values.sum(axis=1)
            if total is not None:
                total[:, some] += share[:, None] * values[draws.which]
        addends[:, number] = share * sums[draws.which] / len(targets)
    with np.errstate(invalid="ignore", divide="ignore"):
        addends = np.where((weight > 0)[:, None], (addends.T / weight).T, np.nan)
        mean = (
            np.where((weight > 0)[:, None], (total.T / weight).T, np.nan)
            if total is not None
            else addends.sum(axis=1)
        )
        return mean, np.where(point_weight > 0, point / point_weight, np.nan), addends


def _interval(draws: np.ndarray, confidence: float) -> tuple[float, float]:
    if not np.isfinite(draws).any():
        return float("nan"), float("nan")
    low, high = np.nanquantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _words(parts: list[Moments], names: Sequence, several: bool) -> tuple[str, str]:
    groups = " + ".join(str(part.n_groups) for part in parts)
    if not several:
        why = "people are not known or were averaged" if not len(names) else "there is one person"
        return (
            f"{groups} stimulus groups only: {why}",
            f"the interval says nothing about other people: {why}; it is widened for the variability of training",
        )
    note = ""
    if len(names) < ENOUGH_PEOPLE:
        note = f"{len(names)} people tell little of how people differ: their spread counts {of_few(len(names)):.1f} times"
    elif len(names) <= FEW_PEOPLE:
        note = f"the interval over {len(names)} people is optimistic"
    return f"{len(names)} people and {groups} stimulus groups", note


def _quiet(function, values: np.ndarray, **options):
    """A nan-function without its warning for all-NaN slices, which stay NaN."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return function(values, **options)
