"""What is odd in the numbers of a recording: times of 0, typing errors, codes for 'missing', labels, twins."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from data.own.findings.finding import Finding, Places, warning
from data.recording import Recording

__all__ = ["values"]

MOST_TIED, MOST_TWINS = 200, 2000
"""Targets that are looked through for two values only, and for the same values."""


def values(recording: Recording, places: Places, facts: dict) -> Iterator[Finding]:
    """What is odd in the responses, by its lines."""
    if recording.unit == "ms":
        yield from _no_times(recording, places)
    yield from _far(recording, places)
    yield from _coded(recording, places)
    yield from _tied(recording)


def _no_times(recording: Recording, places: Places) -> Iterator[Finding]:
    held = recording.responses.values
    odd = held <= 0
    if odd.any():
        which, times = np.unique(held[odd], return_counts=True)
        yield warning(
            f"{int(odd.sum())} times are 0 ms or less: {places.of_responses(odd)}",
            f"Leave the cell empty where nothing was measured, or name the code: --missing {which[times.argmax()]:g}",
        )


def _far(recording: Recording, places: Places) -> Iterator[Finding]:
    held = recording.responses.values
    middle = np.nanmedian(held, axis=0)
    spread = np.nanmedian(np.abs(held - middle), axis=0)
    far = np.abs(held - middle) > 50 * np.where(spread > 0, spread, np.inf)
    if far.any():
        yield warning(
            f"{int(far.sum())} values lie more than 50 median deviations away: {places.of_responses(far)}",
            "Check them: a typing error, or a code such as -999 for 'missing'",
        )


def _coded(recording: Recording, places: Places) -> Iterator[Finding]:
    held = recording.responses.values
    for code in _codes(held):
        yield warning(
            f"the value {code:g} occurs {int((held == code).sum())} times and looks like a code for 'missing': "
            f"{places.of_responses(held == code)}",
            f"Leave these cells empty, or name the code: --missing {code:g}",
        )


def _codes(held: np.ndarray) -> list[float]:
    """The lowest and the highest value, where it occurs more than once and is written with nines or eights only, such as -99."""
    known = held[np.isfinite(held)]
    ends = {float(known.min()), float(known.max())} if known.size else set()
    return [
        end
        for end in sorted(ends)
        if end.is_integer()
        and (re.fullmatch(r"-(9{2,}|8{2,})|9{3,}|8{3,}", f"{end:.0f}") or _off_scale(known, end))
        and (known == end).sum() > 1
    ]


def _off_scale(known: np.ndarray, end: float) -> bool:
    """Whether an end stands apart from a scale of whole numbers, as 9 does from 1 to 7, or is the one value below 0."""
    others = np.unique(known[known != end])
    if len(others) < 3:
        return False
    steps = np.abs(np.diff(others))
    if len(others) <= 11 and (others % 1 == 0).all() and (steps == 1).all():
        return bool(min(abs(end - others[0]), abs(end - others[-1])) > 1)
    return bool(end < -1 and others[0] >= 0)


def _tied(recording: Recording) -> Iterator[Finding]:
    """Targets that are labels, and targets that stand twice."""
    named = list(zip(map(str, recording.responses.target.values), recording.responses.values.T))
    tied = [t for t, one in named[:MOST_TIED] if len(np.unique(one[~np.isnan(one)])) <= 2]
    if tied:
        yield warning(
            f"targets with two values only: {', '.join(tied[:5])}",
            "Is this a measurement, or a label?",
        )
    twins: dict[bytes, list[str]] = {}
    for target, one in named[:MOST_TWINS]:
        twins.setdefault(one.tobytes(), []).append(target)
    same = [names for names in twins.values() if len(names) > 1]
    if same:
        yield warning(
            f"targets with the same values: {' = '.join(same[0][:4])}", "Leave one of them out"
        )
