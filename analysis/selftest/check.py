"""What a check is, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["GROUPS", "Absent", "Check", "Outcome"]

GROUPS = {
    "published": "Published tables",
    "peers": "Peers' numbers recomputed",
    "planted": "Planted truths",
    "models": "Models that ship",
    "statistics": "Statistics",
    "store": "Store",
    "goldens": "Published goldens, recomputed",
}


class Absent(Exception):
    """What a check needs is not on this machine; its message says what."""


@dataclass(frozen=True)
class Check:
    """One number with what it must be.

    Parameters
    ----------
    group, name : str
    number : callable
        ``number()``: what this machine finds.
    expected, tolerance : float
    source : str
        Where the expected value is from.
    quick : bool
        Whether it is part of ``--quick``.
    """

    group: str
    name: str
    number: Callable[[], float]
    expected: float
    tolerance: float
    source: str
    quick: bool = True


@dataclass(frozen=True)
class Outcome:
    """What came of a check.

    Parameters
    ----------
    state : str
        ``green``, ``red`` or ``not here``.
    found : float
    seconds : float
    words : str
        Why it is not green.
    """

    check: Check
    state: str
    found: float
    seconds: float
    words: str = ""
