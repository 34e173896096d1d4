"""Ceilings from other people: what they predict of the one left out, and what two disjoint pools of them say of each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from analysis.ceiling.disjoint import FEWEST, SPLITS, Agreement, agreement, combined, levels_of
from analysis.ceiling.pools import PoolPredictor
from analysis.ceiling.result import Ceiling, flagged, told_left_out
from analysis.mapping.scattered import MISSING
from analysis.mapping.splits import Part, make_folds, same_folds
from analysis.progress import Report
from analysis.protocol import Protocol
from analysis.statistics.bootstrap import DRAWS_SEED, hierarchical_bootstrap, moments
from data.errors import BrainLensError
from data.recording import Recording

__all__ = ["filled", "from_pools", "lower_bound", "measured_targets"]


def measured_targets(
    recording: Recording, part: Part, codes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Targets measured on (nearly) all rows of a part, and their people numbered anew."""
    missing = np.isnan(recording.responses.values[part.rows]).mean(axis=0)
    kept = np.flatnonzero(missing <= MISSING)
    return kept, pd.factorize(codes[kept])[0]


def filled(responses: np.ndarray, rows: np.ndarray) -> np.ndarray:
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
        whole, inside = measured_targets(recording, part, codes)
        left_out += recording.n_targets - len(whole)
        predicted = np.full(responses.shape, np.nan)
        if inside.size and inside.max() >= 1:
            complete = filled(responses[:, whole], part.rows)
            predictor = PoolPredictor(complete, inside, part, protocol)
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
    _, flag = flagged(
        "leave-one-out",
        boot.value,
        boot.low,
        boot.high,
        n_people,
        f"a lower bound of the ceiling: {n_people - 1} people predict the one left out",
        told_left_out(left_out, len(parts)),
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


def lower_bound(
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


def from_pools(
    recording: Recording, protocol: Protocol, codes: np.ndarray, report: Report, beside: bool
) -> Ceiling:
    """Two disjoint pools of others, corrected for attenuation, on the score's own folds; the lower bound beside it."""
    lower = (
        lower_bound(recording, protocol, codes, report)
        if beside and protocol.split != "shuffle-split"
        else Ceiling.none("folds that test a stimulus more than once have no lower bound")
    )
    lower = None if lower.kind == "none" else lower
    seeds = _seeds(recording, protocol)
    whole, left_out, sizes = [], 0, []
    for part in seeds[0][1]:
        complete, inside = measured_targets(recording, part, codes)
        whole.append((complete, inside))
        left_out += recording.n_targets - len(complete)
        sizes.append(int(inside.max()) + 1 if inside.size else 0)

    def without(reason: str) -> Ceiling:
        return replace(Ceiling.none(reason, recording.n_targets), kind="pools", lower_bound=lower)

    if max(sizes) < FEWEST:
        return without(
            f"{max(sizes)} people who saw the same stimuli are too few: three are needed, one and one in each pool"
        )
    found = _agreements(
        recording,
        seeds,
        [one if size >= FEWEST else None for one, size in zip(whole, sizes)],
        codes,
        report,
    )
    if found is None:
        return without("halves of the training stimuli hold too few groups to fit two pools")
    counted = [index for index, size in enumerate(sizes) if size >= FEWEST]
    both = combined(found, codes, protocol.bootstrap)
    people = max(sizes)
    notes = [
        f"two disjoint pools of the {people - 1} others",
        f"{people} people: optimistic" if people < 6 else "",
        "of what people share: what is one person's own is not in it",
        told_left_out(left_out, len(seeds[0][1])),
    ]
    if not np.isfinite(both.value):
        ends = ", ".join(f"{low:.3f}" for low in both.low)
        reason = (
            f"the pools do not agree clearly enough (lower ends of the three correlations {ends})"
        )
        return without("; ".join(filter(None, [reason, *notes[3:]])))
    low, high = np.nanquantile(both.draws, [0.025, 0.975])
    valid, flag = flagged("pools", both.value, low, high, people, *notes)
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
        details=_details(found, seeds, counted),
        lower_bound=lower,
    )


def _agreements(
    recording: Recording,
    seeds: list[tuple[Protocol, list[Part]]],
    measured: list[tuple[np.ndarray, np.ndarray] | None],
    codes: np.ndarray,
    report: Report,
) -> list[list[Agreement]] | None:
    """What the pools say of each other, by part and fold seed, where people are enough; None where none can be fitted."""
    several = [one for one in measured if one is not None]
    levels = levels_of(min(len(complete) for complete, _ in several))
    splits = max(1 + (levels > 1), -(-SPLITS // len(seeds)))
    found = []
    for index, one in enumerate(measured):
        if one is None:
            continue
        complete, inside = one
        each = []
        for single, parts in seeds:
            agreed = agreement(
                recording.responses.values[:, complete],
                inside,
                parts[index],
                single,
                splits=splits,
                levels=levels,
                seed=single.seed,
                report=report,
            )
            if agreed is None:
                return None
            each.append(agreed.spread(complete, codes[complete], inside, codes))
        found.append(each)
    return found


def _details(
    found: list[list[Agreement]], seeds: list[tuple[Protocol, list[Part]]], counted: list[int]
) -> dict:
    """The three correlations of each fold and target, and which part and seed a fold is of."""
    each = _by_seed(found)
    folds = [
        (parts[index].name, single.seed, len(parts[index].folds))
        for single, parts in seeds
        for index in counted
    ]
    counts = [n for *_, n in folds]
    return {
        "pools": (
            ("pair", "pool_fold", "target"),
            np.concatenate([one.r for one in each], axis=1).astype(np.float32),
        ),
        "pools_rank": (
            ("pool_fold", "target"),
            np.concatenate([one.rank for one in each]).astype(np.float32),
        ),
        "pools_part": ("pool_fold", np.repeat([name for name, *_ in folds], counts)),
        "pools_seed": ("pool_fold", np.repeat([seed for _, seed, _ in folds], counts)),
    }


def _by_seed(found: list[list[Agreement]]) -> list[Agreement]:
    """Part by part inside each fold seed, as the folds of a score follow each other."""
    return [part[seed] for seed in range(len(found[0])) for part in found]
