"""What a noise ceiling is: a value with an interval, and in words when it may be divided by."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

import numpy as np

from analysis.mapping.scattered import MISSING
from analysis.protocol import Protocol
from data.catalog.entries import all_entries
from data.shares import percent

__all__ = ["Ceiling", "flagged", "over_people", "published", "told_left_out"]


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


def published(recording: str, preset: str, n_targets: int = 0) -> Ceiling | None:
    """The published aggregate ceiling of a recording under a preset, or None where there is none."""
    entries = all_entries()
    known = entries.get(recording) or next(
        (one for one in entries.values() if recording in one.aliases), None
    )
    found = known.published_ceilings.get(preset) if known else None
    if found is None:
        return None
    nan = float("nan")
    return Ceiling(
        "published",
        found["value"],
        nan,
        nan,
        np.full(n_targets, nan),
        True,
        f"as published: {found['source']}; no interval is known",
        "the aggregate",
    )


def flagged(
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


def told_left_out(count: int, parts: int) -> str:
    """How many targets miss too many stimuli (summed over the parts), or nothing."""
    return (
        f"{count} targets that miss more than {percent(MISSING)} of the stimuli left out"
        + (f" in {parts} parts" if parts > 1 else "")
        if count
        else ""
    )


def over_people(
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
