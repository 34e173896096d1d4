r"""The ceiling from two disjoint pools of other people: what both miss of a person is corrected for, which one pool cannot do.

With :math:`\hat a, \hat b` the predictions of a person's target y from two pools of others that share neither people nor training
stimuli, their errors are independent of each other and of y's noise, and

.. math:: c = \sqrt{\frac{\bar r_{ay} \, \bar r_{by}}{\bar r_{ab}}}

is the correlation of y with the signal that people share, whatever the pools' own noise and overfitting: each r is lowered by the
same factors, which cancel (correction for attenuation, Spearman 1904). The means, over targets, people and random splits, are
taken before the root: a mean of ratios of noisy numbers has no expectation. Over targets of unlike ceilings one ratio of means is
too high, though (half of them noise: .42 for .30), so it is taken inside levels of targets that are about alike, and the ceiling
is the mean over the levels. A target's level in one half of the folds is read in the other half: sorted by the numbers that are
averaged, the highest would be the luckiest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import numpy as np
import pandas as pd

from analysis.mapping.splits import Part
from analysis.mapping.threads import LARGE, cores, one_blas_thread, work
from analysis.progress import SILENT, Report
from analysis.protocol import Protocol
from analysis.statistics.bootstrap import DRAWS_SEED, recentred

__all__ = [
    "PAIRS",
    "SPLITS",
    "Agreement",
    "Disjoint",
    "agreement",
    "combined",
    "levelled",
    "levels_of",
    "levels_within",
]

PAIRS = ("one pool and the person", "the other pool and the person", "both pools")
SPLITS = 10
"""Random splits of the others and of the training groups, the halves swapped in each; over several fold seeds a few more. Where
there are several levels the first of a seed sorts the targets and is not averaged."""
LEVELS = 6
"""Levels of targets at most; more gain nothing, for what sorts them is noisy."""
SURE = 2.0
"""Standard errors above 0 of the least correlation of two pools that a level's is divided by."""
ENOUGH = 24
"""Targets of a level at least."""
FEWEST = 3
"""People: one, and one in each pool."""


@dataclass(frozen=True)
class Agreement:
    """How well two pools and a person agree under one part's folds, mean over splits.

    Parameters
    ----------
    r : ndarray, shape (3, n_folds, n_targets)
        Of each of :data:`PAIRS`; NaN for targets that were not predicted.
    rank : ndarray, shape (n_folds, n_targets)
        Share of the targets that are predicted worse in the other half of the folds, NaN for targets that were not predicted.
    influence : ndarray, shape (3, n_people, n_levels, n_groups)
        What a stimulus group adds, when it is drawn once more, to the sum over folds of what the person's targets of a level add
        to the person's mean r.
    fold_share : ndarray, shape (n_folds, n_groups)
        1 / (groups of the fold) where the group is held out in it.
    """

    r: np.ndarray
    rank: np.ndarray
    influence: np.ndarray
    fold_share: np.ndarray

    def spread(
        self, targets: np.ndarray, people: np.ndarray, inside: np.ndarray, codes: np.ndarray
    ) -> Agreement:
        """The same over all targets and people of the recording, NaN for those that the part lacks.

        Parameters
        ----------
        targets : ndarray
            Positions of the part's complete targets.
        people, inside : ndarray, shape (n_complete,)
            Person of each of them, in the recording's and in the part's numbers.
        codes : ndarray, shape (n_targets,)
        """
        r = np.full((*self.r.shape[:2], len(codes)), np.nan)
        r[:, :, targets] = self.r
        rank = np.full(r.shape[1:], np.nan)
        rank[:, targets] = self.rank
        influence = np.zeros((len(PAIRS), int(codes.max()) + 1, *self.influence.shape[2:]))
        for person in range(self.influence.shape[1]):
            influence[:, people[inside == person][0]] = self.influence[:, person]
        return Agreement(r, rank, influence, self.fold_share)


def agreement(
    responses: np.ndarray,
    codes: np.ndarray,
    part: Part,
    protocol: Protocol,
    *,
    splits: int,
    levels: int = 1,
    seed: int = 0,
    report: Report = SILENT,
) -> Agreement | None:
    """Predict each person from two disjoint pools of the others, fitted on disjoint halves of the training groups.

    Parameters
    ----------
    responses : ndarray, shape (n_stimuli, n_targets)
        A response that is missing is at the target's mean where it predicts or is fitted (more noise of one pool, which the
        estimate corrects for), and is compared nowhere.
    codes : ndarray of int, shape (n_targets,)
        Person of each target.
    part : Part
        The score's own folds.
    protocol : Protocol
        Its alphas are used.
    splits : int
        At least one, and one more where there are several levels.
    levels : int
        Levels of targets.
    seed : int

    Returns
    -------
    Agreement or None
        None where a half of some training fold has fewer than two groups.
    """
    rows, n_people = part.rows, int(codes.max()) + 1
    place = np.full(len(part.groups), -1)
    place[rows] = np.arange(len(rows))
    group, names = pd.factorize(np.asarray(part.groups)[rows])
    y = np.array(responses[rows], float)
    seen = ~np.isnan(y)
    y = np.where(seen, y, np.nanmean(y, axis=0))
    spread = y.std(axis=0)
    scaled = (y - y.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    people = [scaled[:, codes == person] for person in range(n_people)]
    wide = y.shape[1] / n_people * (n_people - 1) / 2 > len(rows) / 2
    people = [one @ one.T for one in people] if wide else people
    mine = [codes == person for person in range(n_people)]
    targets = [(np.ascontiguousarray(scaled[:, own], np.float32), seen[:, own]) for own in mine]
    folds = [(place[train], place[test]) for train, test in part.folds]
    rng = np.random.default_rng([seed, 5])
    plan = []
    for _ in range(splits):
        side = (rng.permutation(len(names)) % 2)[group]
        halves = [[(train[side[train] == h], test) for train, test in folds] for h in (0, 1)]
        if min(len(np.unique(group[train])) for half in halves for train, _ in half) < 2:
            return None
        for person in range(n_people):
            others = rng.permutation([other for other in range(n_people) if other != person])
            plan.append((person, [others[at::2] for at in (0, 1)], halves))

    def agree(level: np.ndarray, person: int, others: list, halves: list, checkpoint) -> list:
        """What a person and two pools share under one split, for each of :data:`PAIRS` its r and influence."""
        own, there = targets[person]
        apart = level[:, mine[person]], levels
        pools = [_pool([people[one] for one in members], wide) for members in others]
        found = []
        for swap in (0, 1):
            checkpoint()
            one, two = (
                _predict(pools[at], own, halves[at ^ swap], protocol.alphas, wide) for at in (0, 1)
            )
            pairs = (one, own, there), (two, own, there), (one, two, np.ones_like(there))
            found += [_moments(*pair, folds, group, len(names), apart) for pair in pairs]
        return found

    def summed(some: list, level: np.ndarray, before: int) -> tuple[np.ndarray, np.ndarray]:
        """r and influence of some of the plan, added up in its order."""
        r = np.zeros((len(PAIRS), *level.shape))
        influence = np.zeros((len(PAIRS), n_people, levels, len(names)))
        at_once = max(2 * cores(), n_people)
        for start in range(0, len(some), at_once):
            found = work(
                [partial(agree, level, *task) for task in some[start : start + at_once]],
                report,
                lambda done, _, start=start: report.step(
                    before + start + done, len(plan), "ceiling"
                ),
                workers=None if y.size >= LARGE else 1,
            )
            for (person, *_), each in zip(some[start:], found, strict=False):
                for number, (scores, moved) in enumerate(each):
                    r[number % len(PAIRS)][:, mine[person]] += scores
                    influence[number % len(PAIRS), person] += moved
        return r, influence

    with one_blas_thread():
        rank, before = np.zeros((len(folds), y.shape[1])), 0
        if levels > 1:
            before = n_people
            first, _ = summed(plan[:before], rank, 0)
            rank = _ranks(first[0] + first[1])
        r, influence = summed(plan[before:], np.floor(rank * levels), before)
    done = 2 * (splits - (levels > 1))
    fold_share = np.zeros((len(folds), len(names)))
    for fold, (_, test) in enumerate(folds):
        here = np.unique(group[test])
        fold_share[fold, here] = 1 / len(here)
    return Agreement(r / done, rank, influence / done, fold_share)


def levels_of(n_targets: int) -> int:
    """Levels of so many targets."""
    return max(1, min(LEVELS, n_targets // ENOUGH))


def _ranks(r: np.ndarray) -> np.ndarray:
    """Share of the targets that are predicted worse, in the folds of the other half (every second one).

    Parameters
    ----------
    r : ndarray, shape (n_folds, n_targets)

    Returns
    -------
    ndarray, shape (n_folds, n_targets)
        0 where there is one fold.
    """
    ranks = np.zeros(r.shape)
    if len(r) > 1:
        for half in (0, 1):
            ranks[half::2] = _order(r[1 - half :: 2].mean(axis=0)) / r.shape[1]
    return ranks


def _order(values: np.ndarray) -> np.ndarray:
    return values.argsort(kind="stable").argsort(kind="stable")


def levels_within(rank: np.ndarray) -> np.ndarray:
    """Levels of some of the targets alone, in each fold.

    Parameters
    ----------
    rank : ndarray, shape (n_folds, n_targets)
        Of these targets, as :class:`Agreement` has it.

    Returns
    -------
    ndarray of int, shape (n_folds, n_targets)
        -1 where a target was not predicted.
    """
    there = np.isfinite(rank)
    each = there.sum(axis=1)
    count = levels_of(int(each[each > 0].min())) if each.any() else 1
    level = np.stack([_order(fold) for fold in rank]) * count // np.maximum(each, 1)[:, None]
    return np.where(there, level, -1)


def _moments(
    a: np.ndarray,
    b: np.ndarray,
    there: np.ndarray,
    folds,
    group: np.ndarray,
    n_groups: int,
    apart: tuple[np.ndarray, int],
) -> tuple[np.ndarray, np.ndarray]:
    r"""r of each fold and target, and each group's influence on what each level adds to the sum over folds of their mean.

    With z the held-out values of a fold, centred and of unit norm, :math:`r = \sum_i z_{ai} z_{bi}`, and drawing stimulus i once
    more moves it by :math:`z_{ai} z_{bi} - \frac r2 (z_{ai}^2 + z_{bi}^2)` (the infinitesimal jackknife; Efron 1982). Only
    entries that are ``there`` count.
    """
    level, levels = apart
    r, influence = np.empty(level.shape), np.zeros((levels, n_groups))
    for fold, (_, test) in enumerate(folds):
        x, y = (_unit(each[test], there[test]) for each in (a, b))
        product = x * y
        r[fold] = product.sum(axis=0)
        moved = (product - r[fold] / 2 * (x * x + y * y)) / a.shape[1]
        member = level[fold] == np.arange(len(influence))[:, None]
        by_level = member.astype(moved.dtype) @ moved.T
        for own, each in zip(influence, by_level, strict=True):
            own += np.bincount(group[test], each, minlength=n_groups)
    return r, influence


def _unit(values: np.ndarray, there: np.ndarray) -> np.ndarray:
    if there.all():
        values = values - values.mean(axis=0)
    else:
        mean = (values * there).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
        values = (values - mean) * there
    norm = np.sqrt((values * values).sum(axis=0))
    return values / np.where(norm > 0, norm, 1.0)


def _pool(people: list[np.ndarray], wide: bool) -> np.ndarray:
    """Several people's targets side by side, or the sum of their Grams where there are more targets than stimuli."""
    return cast(np.ndarray, sum(people)) if wide else np.concatenate(people, axis=1)


def _predict(
    pool: np.ndarray, y: np.ndarray, folds, alphas: Sequence[float], wide: bool
) -> np.ndarray:
    """Held-out ridge predictions of each fold, less the training mean, alpha per target by generalised cross-validation.

    Too small an alpha, which that chooses in grouped data, adds noise to a prediction, and noise of one pool is what the estimate
    corrects for.
    """
    out, grid = np.empty_like(y), np.asarray(alphas, float)
    for train, test in folds:
        if wide:
            kernel = pool[np.ix_(train, train)]
            column = kernel.mean(axis=0)
            centred = kernel - column - column[:, None] + column.mean()
            cross = pool[np.ix_(test, train)] - column
            cross -= cross.mean(axis=1, keepdims=True)
            s, u = np.linalg.eigh(centred)
            kept = s > 1e-10 * s[-1]
            s, u = s[kept], u[:, kept]
            reach = (cross @ u) / s
        else:
            x = pool[train] - pool[train].mean(axis=0)
            s, v = np.linalg.eigh(x.T @ x)
            kept = s > 1e-10 * s[-1]
            s, v = s[kept], v[:, kept] / np.sqrt(s[kept])
            u, reach = x @ v, (pool[test] - pool[train].mean(axis=0)) @ v
        own = y[train]
        own -= own.mean(axis=0)
        uy = u.T.astype(np.float32) @ own
        shrunk = s / (s + grid[:, None])  # (alpha, component)
        square = np.square(
            uy, dtype=np.float64
        )  # neighbouring alphas differ by less than float32 tells
        error = (1 - shrunk) ** 2 @ square
        if len(s) < len(train) - 1:
            outside = own - u.astype(np.float32) @ uy
            error += np.einsum("ij,ij->j", outside, outside)
        freedom = len(train) - 1 - shrunk.sum(axis=1)
        best = (error / np.maximum(freedom, 1e-9)[:, None] ** 2).argmin(axis=0)
        uy *= np.take(shrunk.T.astype(np.float32), best, axis=1)
        out[test] = reach.astype(np.float32) @ uy
    return out


@dataclass(frozen=True)
class Disjoint:
    """The corrected ceiling with its interval.

    Parameters
    ----------
    value : float
        NaN unless the intervals of all three correlations lie above 0.
    draws : ndarray, shape (n_draws,)
        Over the people and stimulus groups that every interval draws.
    parts : ndarray, shape (3,)
        The three mean correlations.
    low : ndarray, shape (3,)
        Lower ends of their 95 % intervals.
    """

    value: float
    draws: np.ndarray
    parts: np.ndarray
    low: np.ndarray


def combined(found: list[list[Agreement]], codes: np.ndarray, n_draws: int) -> Disjoint:
    """One ceiling of all parts (experiments) and fold seeds.

    Parameters
    ----------
    found : list of list of Agreement
        For each part, one for each fold seed.
    codes : ndarray of int, shape (n_targets,)
    n_draws : int
    """
    n_people = int(codes.max()) + 1
    who = np.random.default_rng([DRAWS_SEED, 0]).integers(n_people, size=(n_draws, n_people))
    times = (
        np.stack([np.bincount(row, minlength=n_people) for row in who])
        if n_draws
        else np.empty((0, n_people))
    )
    times = np.vstack([np.ones(n_people), times])  # the first row is the data themselves
    n_levels = found[0][0].influence.shape[2]
    total = np.zeros((len(PAIRS), len(times), n_people, n_levels))
    inside = np.zeros((len(times), n_people, n_levels))
    number = np.zeros(n_people)
    for index, seeds in enumerate(found):
        n_groups = seeds[0].fold_share.shape[1]
        counts = np.random.default_rng([DRAWS_SEED, 1, index]).multinomial(
            n_groups, np.full(n_groups, 1 / n_groups), size=n_draws
        )
        counts = np.vstack([np.ones(n_groups), counts])
        for one in seeds:
            share = counts @ one.fold_share.T  # (draws, folds)
            share /= share.sum(axis=1, keepdims=True)
            sums, part, there = _by_level(one, codes, n_people, n_levels)
            total += np.einsum("bf,kplf->kbpl", share, sums)
            total += np.einsum(
                "bg,kplg->kbpl",
                counts / (counts @ one.fold_share.T).sum(axis=1, keepdims=True),
                one.influence * there[:, None, None],
            )
            inside += np.einsum("bf,plf->bpl", share, part)
            number += there
    seen = number > 0
    times = times * seen / np.maximum(number, 1)  # mean over parts and seeds
    weight = np.einsum("bp,bpl->bl", times, inside)
    drawn = np.einsum("bp,kbpl->kbl", times, total)
    with np.errstate(invalid="ignore", divide="ignore"):
        every = drawn.sum(axis=2) / weight.sum(axis=1)
    means = drawn / np.where(weight > 0, weight, 1.0)
    value = every[:, 0]
    low = np.full(len(PAIRS), np.nan)
    if n_draws:
        boot = np.stack([recentred(row[1:], at) for row, at in zip(every, value, strict=True)])
        low = np.nanpercentile(boot, 2.5, axis=1)
    if not (low > 0).all():
        return Disjoint(float("nan"), np.full(n_draws, np.nan), value, low)
    floor = SURE * means[2, 1:].std(axis=0) if n_draws else 0.0
    ceilings = levelled(means, weight, floor)
    return Disjoint(float(ceilings[0]), recentred(ceilings[1:], ceilings[0]), value, low)


def levelled(means: np.ndarray, weight: np.ndarray, floor: np.ndarray | float) -> np.ndarray:
    r"""The ceiling from the three mean correlations of each level of targets.

    .. math:: c = \sum_l w_l \, c_l, \quad c_l = \pm \sqrt{\frac{\bar r_{ay} \, \bar r_{by}}{\bar r_{ab}}}

    with the sign of both correlations with the person, 0 where they disagree: levels without any signal must not add the size of
    their noise.

    Parameters
    ----------
    means : ndarray, shape (3, ..., n_levels)
        Of each of :data:`PAIRS`.
    weight : ndarray, shape (..., n_levels)
        Share of the targets in each level, of any sum.
    floor : ndarray or float
        Least correlation of the two pools to divide by: what is told from 0.

    Returns
    -------
    ndarray, shape (...)
    """
    one, two, both = means
    with np.errstate(invalid="ignore", divide="ignore"):
        each = np.sqrt(np.maximum(one * two, 0.0) / np.maximum(both, floor)) * np.sign(one)
        return np.nansum(each * weight, axis=-1) / weight.sum(axis=-1)


def _by_level(
    one: Agreement, codes: np.ndarray, n_people: int, n_levels: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What each level adds to a person's mean r and to 1 in each fold, and who was measured.

    Returns
    -------
    sums : ndarray, shape (3, n_people, n_levels, n_folds)
    part : ndarray, shape (n_people, n_levels, n_folds)
    there : ndarray of bool, shape (n_people,)
    """
    member = codes == np.arange(n_people)[:, None]  # (person, target)
    member = member & np.isfinite(one.r).all(axis=(0, 1))
    count = member.sum(axis=1)
    share = member / np.maximum(count, 1)[:, None]
    r = np.nan_to_num(one.r)
    sums, part = [], []
    for level in range(n_levels):
        here = (np.floor(one.rank * n_levels) == level).astype(float)  # (fold, target)
        sums.append(np.einsum("kft,pt->kpf", r * here, share))
        part.append(share @ here.T)
    return np.stack(sums, axis=2), np.stack(part, axis=1), count > 0
