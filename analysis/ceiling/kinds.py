"""How high a score could be: noise ceilings with intervals, and a flag in words for when to trust them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.ceiling.curves import from_curves
from analysis.ceiling.others import from_pools, lower_bound
from analysis.ceiling.reliability import repeats, split_half
from analysis.ceiling.result import Ceiling, flagged, over_people
from analysis.mapping.splits import BLOCK
from analysis.progress import SILENT, Report
from analysis.protocol import Protocol
from analysis.statistics.bootstrap import DRAWS_SEED
from data.errors import BrainLensError, unknown
from data.recording import Recording

__all__ = ["KINDS", "ceiling", "chosen_kind"]

KINDS = ("pools", "extrapolated", "leave-one-out", "split-half", "repeats", "none")


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
        return from_pools(recording, protocol, codes, report, beside)
    if kind == "leave-one-out":
        return lower_bound(recording, protocol, codes, report)
    return from_curves(recording, protocol, codes, report)


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
    draws = over_people(found.draws, codes, protocol, resample=subjects is not None)
    value = over_people(found.value[None], codes, protocol)[0]
    low, high = np.nanquantile(draws, [0.025, 0.975])
    several = f"{codes.max() + 1} people and " if codes.max() else ""
    valid, flag = flagged(
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
    valid, flag = flagged(
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
