"""What intervals kept of their promise in simulations, where that was not what they promise to within chance.

The numbers are those of ``benchmarks/results/coverage.json`` (:mod:`benchmarks.coverage`; the whole table is in docs/method.md);
a test holds them equal.
"""

from __future__ import annotations

__all__ = ["MEASURED", "beside"]

MEASURED = {
    "one subject": ("score, one person, r 0.4", "one subject", 0.9825),
}
"""Kind of interval -> the cell of the grid, the measure that lay outside of its 99 % binomial band, and the share measured."""


def beside(kind: str) -> str:
    """What to say beside an interval of this kind: one sentence.

    Examples
    --------
    >>> beside("one subject")
    'Measured in simulations: such a band covers in 98.2% of data sets.'
    """
    share = MEASURED[kind][2]
    return f"Measured in simulations: such a band covers in {share:.1%} of data sets."
