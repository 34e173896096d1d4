"""The ceiling as Schrimpf et al. (2021) took it: curves over the size of a pool of people, followed to infinitely many."""

from __future__ import annotations

import numpy as np

from analysis.ceiling.extrapolate import asymptotes
from analysis.ceiling.others import filled, measured_targets
from analysis.ceiling.pools import FEW, PoolPredictor, pools
from analysis.ceiling.result import Ceiling, flagged, over_people, told_left_out
from analysis.mapping.splits import Part, make_folds
from analysis.progress import Report
from analysis.protocol import Protocol
from analysis.statistics.bootstrap import recentred
from data.recording import Recording
from data.shares import percent

__all__ = ["from_curves"]

BOOTSTRAPS = 100  # curves fitted per target, as in Schrimpf et al. (2021)


def from_curves(
    recording: Recording, protocol: Protocol, codes: np.ndarray, report: Report
) -> Ceiling:
    """Asymptote of each target over bootstrapped curves, mean over the parts; its interval knows of no people."""
    parts, left_out, at_bound, curves, sizes = [], 0, 0, 0, 0
    for part in make_folds(recording, protocol):
        whole, inside = measured_targets(recording, part, codes)
        left_out += recording.n_targets - len(whole)
        n_people = inside.max() + 1 if inside.size else 0
        sizes = max(sizes, n_people)
        if n_people < 3:  # pools of one size only: no curve
            continue
        v0 = _pool_curves(recording.responses.values[:, whole], inside, part, protocol, report)
        at_bound, curves = at_bound + int((v0 >= 1 - 1e-9).sum()), curves + v0.size
        full = np.full((BOOTSTRAPS, recording.n_targets), np.nan)
        full[:, whole] = v0
        parts.append(full)
    if not parts:
        return Ceiling.none(
            f"{sizes} people who saw the same stimuli are too few to extrapolate: three are needed",
            recording.n_targets,
        )
    stacked = np.stack(parts)  # (part, bootstrap, target)
    per_target = _mean_over_parts(np.median(stacked, axis=1))
    draws = over_people(_mean_over_parts(stacked), codes, protocol)
    value = float(over_people(per_target[None], codes, protocol)[0])
    draws = recentred(draws, value)  # medians over curves do not commute with the aggregation
    low, high = np.nanquantile(draws, [0.025, 0.975])
    bound = (
        f"{percent(at_bound / curves)} of the fitted curves end at the bound of 1"
        if at_bound
        else ""
    )
    valid, flag = flagged(
        "extrapolated",
        value,
        low,
        high,
        sizes,
        f"biased: extrapolating from {sizes} people misses a known ceiling, and its interval covers pools and "
        "folds but not people",
        bound,
        told_left_out(left_out, len(parts)),
    )
    return Ceiling(
        "extrapolated",
        value,
        float(low),
        float(high),
        per_target,
        valid,
        flag,
        resampled="pools and folds",
        draws=draws,
        details={
            "pools": "all" if sizes <= FEW else "drawn",
            "at_bound": at_bound,
            "curves": curves,
        },
    )


def _pool_curves(
    responses: np.ndarray, codes: np.ndarray, part: Part, protocol: Protocol, report: Report
) -> np.ndarray:
    """Asymptote of each bootstrap and target of one part, shape (BOOTSTRAPS, n_targets)."""
    n_people = int(codes.max()) + 1
    predictor = PoolPredictor(filled(responses, part.rows), codes, part, protocol)
    wanted: dict[
        tuple[int, ...], list[tuple[int, int]]
    ] = {}  # others -> [(size of the pool, person held out)]
    for pool in pools(n_people, protocol.seed):
        for person in pool.held:
            others = tuple(member for member in pool.members if member != person)
            wanted.setdefault(others, []).append((len(pool.members), person))
    choices: dict[
        tuple[int, int], list[np.ndarray]
    ] = {}  # (size, person) -> arrays (fold, that person's targets)
    for done, (others, uses) in enumerate(wanted.items()):
        report.step(done, len(wanted), "ceiling")
        targets, r = predictor.scores(others, {person for _, person in uses}, report)
        for size, person in uses:
            choices.setdefault((size, person), []).append(
                r[:, np.isin(targets, predictor.targets[person])]
            )
    sizes = np.arange(2, n_people + 1)
    v0 = np.empty((BOOTSTRAPS, len(codes)))
    rng = np.random.default_rng([protocol.seed, 4])
    for person, mine in enumerate(predictor.targets):
        points = np.full((BOOTSTRAPS, len(mine), len(sizes)), np.nan)
        for column, size in enumerate(sizes):
            if (size, person) in choices:
                found = np.concatenate(choices[int(size), person])  # (pools x folds, targets)
                weights = rng.multinomial(
                    len(found), np.full(len(found), 1 / len(found)), size=BOOTSTRAPS
                ) / len(found)
                points[:, :, column] = weights @ np.nan_to_num(found)
        v0[:, mine] = asymptotes(sizes, points)[0]
    return v0


def _mean_over_parts(values: np.ndarray) -> np.ndarray:
    """Mean over the first axis, NaN parts left out."""
    seen = np.isfinite(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(seen, values, 0.0).sum(axis=0) / seen.sum(axis=0)
