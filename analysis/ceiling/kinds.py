"""How high a score could be: noise ceilings with intervals, and a flag in words for when to trust them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from analysis.ceiling.disjoint import FEWEST, SPLITS, Agreement, agreement, combined, levels_of
from analysis.ceiling.extrapolate import asymptotes
from analysis.ceiling.pools import FEW, PoolPredictor, pools
from analysis.ceiling.reliability import repeats, split_half
from analysis.mapping.scattered import MISSING
from analysis.mapping.splits import BLOCK, Part, make_folds, same_folds
from analysis.progress import SILENT, Report
from analysis.protocol import Protocol
from analysis.statistics.bootstrap import DRAWS_SEED, hierarchical_bootstrap, moments, recentred
from data.errors import BrainLensError, unknown
from data.recording import Recording

__all__ = ["KINDS", "PUBLISHED", "Ceiling", "ceiling", "chosen_kind", "published"]

KINDS = ("pools", "extrapolated", "leave-one-out", "split-half", "repeats", "none")

PUBLISHED = {
    ("schrimpf2021", "pereira2018"): (0.3186, "Schrimpf et al. 2021"),
    ("schrimpf2021", "fedorenko2016"): (0.1686, "Schrimpf et al. 2021"),
    ("schrimpf2021", "blank2014"): (0.2004, "Schrimpf et al. 2021"),
    ("schrimpf2021", "futrell2018"): (0.76, "Schrimpf et al. 2021"),
    ("brainscore2026", "pereira2018"): (
        (0.1337 + 0.1352) / 2,
        "Brain-Score, ridge, mean of the experiments' .1337 and .1352",
    ),
    ("brainscore2026", "blank2014"): (0.1446, "Brain-Score, ridge"),
    ("brainscore2026", "futrell2018"): (0.8580, "Brain-Score"),
}
"""Aggregate ceilings as published: (preset, recording) -> (value, source)."""

BOOTSTRAPS = 100  # curves fitted per target, as in Schrimpf et al. (2021)


@dataclass(frozen=True)
class Ceiling:
    """The largest score a perfect model could reach.

    Parameters
    ----------
    kind : str
        One of :data:`KINDS`, or ``published``.
    value, low, high : float
        Aggregate and its 95 % interval; never clipped.
    per_target : ndarray, shape (n_targets,)
        NaN where a target has none.
    valid : bool
        False where dividing by it means little; ``flag`` says why.
    flag : str
        Everything to know before dividing by it, in words; empty where there is nothing.
    holds_for : str
        What it may normalise: ``"targets"``, ``"the average over people"``, ``"the aggregate"`` or ``"nothing"`` (a bound).
    resampled : str
        What the interval was drawn over.
    draws : ndarray, shape (n_draws,)
        Of the aggregate.
    details : dict
        Counts and by-products, such as ``tau`` per target.
    lower_bound : Ceiling or None
        What other people predict of each person, where that was taken too: below the ceiling, never divided by.
    """

    kind: str
    value: float
    low: float
    high: float
    per_target: np.ndarray = field(repr=False)
    valid: bool
    flag: str
    holds_for: str = "targets"
    resampled: str = ""
    draws: np.ndarray = field(default_factory=lambda: np.empty(0), repr=False)
    details: dict = field(default_factory=dict, repr=False)
    lower_bound: Ceiling | None = None

    @property
    def divides(self) -> bool:
        """Whether a share of it means something: an estimate of the ceiling of what is scored, not a bound, and valid."""
        return self.holds_for in ("targets", "the aggregate") and (
            self.valid or self.kind in ("extrapolated", "published")
        )

    @classmethod
    def none(cls, reason: str, n_targets: int = 0) -> Ceiling:
        """No ceiling, and why."""
        nan = float("nan")
        return cls("none", nan, nan, nan, np.full(n_targets, nan), False, reason)


def ceiling(
    recording: Recording,
    protocol: Protocol,
    *,
    kind: str | None = None,
    beside: bool = True,
    report: Report = SILENT,
) -> Ceiling:
    """Noise ceiling of a recording under a protocol.

    Parameters
    ----------
    recording : Recording
        A role ``repeat`` marks presentations of the same stimulus (same text, or same ``item`` role).
    protocol : Protocol
        The regression, the folds and the aggregation are those of the score.
    kind : str, optional
        One of :data:`KINDS` or ``"auto"``; default: the protocol's. ``auto`` is repeats where there are any, split halves
        where each person has one target, else two disjoint pools of others, with leave-one-out as the lower bound beside it.
    beside : bool
        Take that lower bound too.
    report : Report

    Returns
    -------
    Ceiling
        Of kind ``none``, with the reason as its flag, for responses averaged over people or with people unknown.

    Raises
    ------
    BrainLensError
        For a kind that this recording cannot have.
    """
    kind = kind or protocol.ceiling
    if kind not in (*KINDS, "auto"):
        raise unknown("kind of ceiling", kind, (*KINDS, "auto"))
    if kind == "auto":
        kind, reason = _auto(recording)
    else:
        reason = "no ceiling was asked for"
        if kind not in ("none", "repeats") and recording.subjects is None:
            kind, reason = "none", _people_missing(recording)
    if kind == "none":
        return Ceiling.none(reason, recording.n_targets)
    if kind == "repeats":
        return _from_repeats(recording, protocol)
    codes, people = pd.factorize(recording.subjects)
    if len(people) < 2:
        return Ceiling.none(
            "one person alone has no ceiling from others: repeats would give one",
            recording.n_targets,
        )
    alone = len(people) == recording.n_targets
    if kind == "split-half" or (kind == "extrapolated" and alone):
        if not alone:
            raise BrainLensError(
                f"{recording.id}: halves of people need one target per person, and {len(people)} people have "
                f"{recording.n_targets}",
                choices=("pools", "leave-one-out", "extrapolated"),
                remedy="Choose another kind of ceiling",
            )
        return _from_halves(recording, protocol, kind)
    if kind == "pools":
        return _pools(recording, protocol, codes, report, beside)
    if kind == "leave-one-out":
        return _lower_bound(recording, protocol, codes, report)
    return _extrapolated(recording, protocol, codes, report)


def published(recording: str, preset: str, n_targets: int = 0) -> Ceiling | None:
    """The published aggregate ceiling of a recording under a preset, or None where there is none."""
    found = PUBLISHED.get((preset, recording.removesuffix("-language")))
    if found is None:
        return None
    value, source = found
    nan = float("nan")
    return Ceiling(
        "published",
        value,
        nan,
        nan,
        np.full(n_targets, nan),
        True,
        f"as published: {source}; no interval is known",
        "the aggregate",
    )


# ---- choosing ------------------------------------------------------------------------------------------------------------
def _people_missing(recording: Recording) -> str:
    return (
        "the responses are averages over people"
        if recording.averaged
        else "it is not known which target belongs to whom"
    )


def chosen_kind(recording: Recording, protocol: Protocol) -> str:
    """The kind of ceiling that a protocol means on a recording: one of :data:`KINDS`."""
    if protocol.ceiling == "auto":
        return _auto(recording)[0]
    from_people = protocol.ceiling not in ("none", "repeats")
    return "none" if from_people and recording.subjects is None else protocol.ceiling


def _auto(recording: Recording) -> tuple[str, str]:
    if "repeat" in recording.roles:
        return "repeats", ""
    subjects = recording.subjects
    if subjects is None:
        return "none", _people_missing(recording)
    return ("split-half" if len(set(subjects)) == len(subjects) else "pools"), ""


def _flagged(
    kind: str, value: float, low: float, high: float, people: int | None, *notes: str
) -> tuple[bool, str]:
    """Whether a ceiling may be divided by, and everything to say about it."""
    doubts = []
    if people is not None and people < 3:
        doubts.append(f"{people} people are too few for a ceiling")
    if not np.isfinite([value, low, high]).all():
        doubts.append("it could not be estimated")
    elif low <= 0 <= high:
        doubts.append("its interval includes 0")
    if value > 1:
        doubts.append("it is above 1")
    return not doubts, "; ".join([*doubts, *(note for note in notes if note)])


# ---- the kinds -----------------------------------------------------------------------------------------------------------
def _from_repeats(recording: Recording, protocol: Protocol) -> Ceiling:
    if "repeat" not in recording.roles:
        raise BrainLensError(
            f"{recording.id}: no column is known to number the repeats",
            choices=recording.stimuli.columns,
            remedy="Name it as the role 'repeat', or choose another kind of ceiling",
        )
    items = (
        recording.column("item")
        if "item" in recording.roles
        else recording.stimuli["text"].to_numpy()
    )
    groups = _groups(recording)
    found = repeats(
        recording.responses.values, items, groups, draws=protocol.bootstrap, seed=DRAWS_SEED
    )
    subjects = recording.subjects
    codes = np.zeros(recording.n_targets, int) if subjects is None else pd.factorize(subjects)[0]
    draws = _over_people(found.draws, codes, protocol, resample=subjects is not None)
    value = _over_people(found.value[None], codes, protocol)[0]
    low, high = np.nanquantile(draws, [0.025, 0.975])
    several = f"{codes.max() + 1} people and " if codes.max() else ""
    valid, flag = _flagged(
        "repeats", value, low, high, None, "for single presentations, not for their average"
    )
    return Ceiling(
        "repeats",
        float(value),
        float(low),
        float(high),
        found.value,
        valid,
        flag,
        resampled=several + found.resampled,
        draws=draws,
    )


def _groups(recording: Recording) -> np.ndarray:
    """What is drawn: the known groups, else runs of rows, because neighbours share noise."""
    if recording.group is None:
        return np.arange(recording.n_stimuli) // BLOCK
    return recording.column(recording.group)


def _from_halves(recording: Recording, protocol: Protocol, kind: str) -> Ceiling:
    groups = _groups(recording)
    found = split_half(
        recording.responses.values, groups, draws=protocol.bootstrap, seed=DRAWS_SEED
    )
    low, high = np.nanquantile(found.draws, [0.025, 0.975])
    value = float(found.value[0])
    instead = (
        "one target per person cannot be extrapolated, so halves were split"
        if kind == "extrapolated"
        else ""
    )
    valid, flag = _flagged(
        "split-half",
        value,
        low,
        high,
        recording.n_targets,
        "normalises the average over people only; single people need repeats",
        instead,
    )
    return Ceiling(
        "split-half",
        value,
        float(low),
        float(high),
        np.full(recording.n_targets, np.nan),
        valid,
        flag,
        "the average over people",
        found.resampled,
        found.draws[:, 0],
    )


def _measured_targets(
    recording: Recording, part: Part, codes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Targets measured on (nearly) all rows of a part, and their people numbered anew."""
    missing = np.isnan(recording.responses.values[part.rows]).mean(axis=0)
    kept = np.flatnonzero(missing <= MISSING)
    return kept, pd.factorize(codes[kept])[0]


def _filled(responses: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Responses with the gaps of these rows at each target's mean over them, from where it predicts nothing."""
    here = responses[rows]
    if not np.isnan(here).any():
        return responses
    filled = responses.copy()
    filled[rows] = np.where(np.isnan(here), np.nanmean(here, axis=0), here)
    return filled


def _leave_one_out(
    recording: Recording, protocol: Protocol, codes: np.ndarray, report: Report
) -> Ceiling:
    if protocol.split == "shuffle-split":
        raise BrainLensError(
            "Leave-one-subject-out needs folds that test each stimulus once",
            remedy="Choose another split",
        )
    responses = recording.responses.values
    parts, left_out = [], 0
    for part in make_folds(recording, protocol):
        whole, inside = _measured_targets(recording, part, codes)
        left_out += recording.n_targets - len(whole)
        predicted = np.full(responses.shape, np.nan)
        if inside.size and inside.max() >= 1:
            filled = _filled(responses[:, whole], part.rows)
            predictor = PoolPredictor(filled, inside, part, protocol)
            for person in range(inside.max() + 1):
                report.step(person, int(inside.max()) + 1, "ceiling")
                others = set(range(inside.max() + 1)) - {person}
                targets, values = predictor.held_out(others, [person], report)
                predicted[np.ix_(part.rows, whole[targets])] = values
        parts.append(
            moments(
                predicted,
                np.where(np.isfinite(predicted), responses, np.nan),
                part.folds,
                part.groups,
            )
        )
    if not any(np.isfinite(part.per_fold()).any() for part in parts):
        return Ceiling.none(
            "no two people saw nine tenths of the same stimuli", recording.n_targets
        )
    boot = hierarchical_bootstrap(
        parts,
        recording.subjects,
        draws=protocol.bootstrap,
        seed=DRAWS_SEED,
        targets=protocol.targets,
        people=protocol.people,
        report=report,
    )
    n_people = int(np.isfinite(boot.per_subject).sum())
    _, flag = _flagged(
        "leave-one-out",
        boot.value,
        boot.low,
        boot.high,
        n_people,
        f"a lower bound of the ceiling: {n_people - 1} people predict the one left out",
        _left_out(left_out, len(parts)),
        boot.note,
    )
    return Ceiling(
        "leave-one-out",
        boot.value,
        boot.low,
        boot.high,
        boot.per_target,
        False,
        flag,
        holds_for="nothing",
        resampled=boot.resampled,
        draws=boot.draws,
        details={"per_subject": dict(zip(boot.subjects, boot.per_subject.tolist(), strict=True))},
    )


def _seeds(recording: Recording, protocol: Protocol) -> list[tuple[Protocol, list[Part]]]:
    """The protocol and folds of each fold seed; those with the same folds once."""
    found: list[tuple[Protocol, list[Part]]] = []
    for single in protocol.each_seed():
        parts = make_folds(recording, single)
        if not any(same_folds(parts, other) for _, other in found):
            found.append((single, parts))
    return found


def _lower_bound(
    recording: Recording, protocol: Protocol, codes: np.ndarray, report: Report
) -> Ceiling:
    """Leave-one-out, mean over the fold seeds; the same people and stimuli are drawn for all of them."""
    each = [
        _leave_one_out(recording, single, codes, report)
        for single, _ in _seeds(recording, protocol)
    ]
    first = each[0]
    if len(each) == 1 or first.kind == "none":
        return first
    draws = np.mean([one.draws for one in each], axis=0)
    low, high = np.nanquantile(draws, [0.025, 0.975])
    return replace(
        first,
        value=float(np.mean([one.value for one in each])),
        low=float(low),
        high=float(high),
        per_target=np.mean([one.per_target for one in each], axis=0),
        draws=draws,
    )


def _pools(
    recording: Recording, protocol: Protocol, codes: np.ndarray, report: Report, beside: bool
) -> Ceiling:
    """Two disjoint pools of others, corrected for attenuation, on the score's own folds; the lower bound beside it."""
    lower = (
        _lower_bound(recording, protocol, codes, report)
        if beside and protocol.split != "shuffle-split"
        else Ceiling.none("folds that test a stimulus more than once have no lower bound")
    )
    lower = None if lower.kind == "none" else lower
    seeds = _seeds(recording, protocol)
    whole, left_out, sizes = [], 0, []
    for part in seeds[0][1]:
        complete, inside = _measured_targets(recording, part, codes)
        whole.append((complete, inside))
        left_out += recording.n_targets - len(complete)
        sizes.append(int(inside.max()) + 1 if inside.size else 0)

    def without(reason: str) -> Ceiling:
        return replace(Ceiling.none(reason, recording.n_targets), kind="pools", lower_bound=lower)

    if max(sizes) < FEWEST:
        return without(
            f"{max(sizes)} people who saw the same stimuli are too few: three are needed, one and one in each pool"
        )
    levels = levels_of(
        min(
            len(complete)
            for (complete, _), size in zip(whole, sizes, strict=True)
            if size >= FEWEST
        )
    )
    splits = max(1 + (levels > 1), -(-SPLITS // len(seeds)))
    found, counted = [], []
    for index, (complete, inside) in enumerate(whole):
        if sizes[index] < FEWEST:
            continue
        each = []
        for single, parts in seeds:
            one = agreement(
                recording.responses.values[:, complete],
                inside,
                parts[index],
                single,
                splits=splits,
                levels=levels,
                seed=single.seed,
                report=report,
            )
            if one is None:
                return without(
                    "halves of the training stimuli hold too few groups to fit two pools"
                )
            each.append(one.spread(complete, codes[complete], inside, codes))
        found.append(each)
        counted.append(index)
    both = combined(found, codes, protocol.bootstrap)
    people = max(sizes)
    notes = [
        f"two disjoint pools of the {people - 1} others",
        f"{people} people: optimistic" if people < 6 else "",
        "of what people share: what is one person's own is not in it",
        _left_out(left_out, len(seeds[0][1])),
    ]
    if not np.isfinite(both.value):
        ends = ", ".join(f"{low:.3f}" for low in both.low)
        reason = (
            f"the pools do not agree clearly enough (lower ends of the three correlations {ends})"
        )
        return without("; ".join(filter(None, [reason, *notes[3:]])))
    low, high = np.nanquantile(both.draws, [0.025, 0.975])
    valid, flag = _flagged("pools", both.value, low, high, people, *notes)
    correlations = np.concatenate([one.r for one in _by_seed(found)], axis=1)
    return Ceiling(
        "pools",
        both.value,
        float(low),
        float(high),
        np.full(recording.n_targets, np.nan),
        valid,
        flag,
        resampled=f"{people} people and stimulus groups",
        draws=both.draws,
        details={
            "pools": (("pair", "pool_fold", "target"), correlations.astype(np.float32)),
            "pools_rank": (
                ("pool_fold", "target"),
                np.concatenate([one.rank for one in _by_seed(found)]).astype(np.float32),
            ),
            "pools_part": (
                "pool_fold",
                np.concatenate(
                    [
                        np.repeat(parts[index].name, len(parts[index].folds))
                        for _, parts in seeds
                        for index in counted
                    ]
                ),
            ),
            "pools_seed": (
                "pool_fold",
                np.concatenate(
                    [
                        np.repeat(single.seed, len(parts[index].folds))
                        for single, parts in seeds
                        for index in counted
                    ]
                ),
            ),
        },
        lower_bound=lower,
    )


def _by_seed(found: list[list[Agreement]]) -> list[Agreement]:
    """Part by part inside each fold seed, as the folds of a score follow each other."""
    return [part[seed] for seed in range(len(found[0])) for part in found]


def _extrapolated(
    recording: Recording, protocol: Protocol, codes: np.ndarray, report: Report
) -> Ceiling:
    parts, left_out, at_bound, curves, sizes = [], 0, 0, 0, 0
    for part in make_folds(recording, protocol):
        whole, inside = _measured_targets(recording, part, codes)
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
    draws = _over_people(_mean_over_parts(stacked), codes, protocol)
    value = float(_over_people(per_target[None], codes, protocol)[0])
    draws = recentred(draws, value)  # medians over curves do not commute with the aggregation
    low, high = np.nanquantile(draws, [0.025, 0.975])
    bound = (
        f"{at_bound / curves:.0%} of the fitted curves end at the bound of 1" if at_bound else ""
    )
    valid, flag = _flagged(
        "extrapolated",
        value,
        low,
        high,
        sizes,
        f"biased: extrapolating from {sizes} people misses a known ceiling, and its interval covers pools and "
        "folds but not people",
        bound,
        _left_out(left_out, len(parts)),
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
    predictor = PoolPredictor(_filled(responses, part.rows), codes, part, protocol)
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


def _over_people(
    values: np.ndarray, codes: np.ndarray, protocol: Protocol, resample: bool = False
) -> np.ndarray:
    """(draw, target) -> (draw,): targets of a person, then people, with people drawn anew where asked."""
    functions = {"mean": np.nanmean, "median": np.nanmedian}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a person without a value stays NaN
        each = [
            functions[protocol.targets](values[:, codes == person], axis=1)
            for person in range(codes.max() + 1)
        ]
        each = np.stack(each, axis=1)
        if resample and each.shape[1] > 1:
            who = np.random.default_rng([protocol.seed, 0]).integers(each.shape[1], size=each.shape)
            each = np.take_along_axis(each, who, axis=1)
        return functions[protocol.people](each, axis=1)


def _mean_over_parts(values: np.ndarray) -> np.ndarray:
    """Mean over the first axis, NaN parts left out."""
    seen = np.isfinite(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(seen, values, 0.0).sum(axis=0) / seen.sum(axis=0)


def _left_out(count: int, parts: int) -> str:
    """How many targets miss too many stimuli (summed over the parts), or nothing."""
    return (
        f"{count} targets that miss more than {MISSING:.0%} of the stimuli left out"
        + (f" in {parts} parts" if parts > 1 else "")
        if count
        else ""
    )
