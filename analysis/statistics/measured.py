"""What intervals kept of their promise in simulations, where that was not what they promise to within chance.

The numbers are those of ``benchmarks/results/coverage.json`` (:mod:`benchmarks.coverage`; the whole table is in docs/method.md);
a test holds them equal.
"""

from __future__ import annotations

__all__ = ["MEASURED", "beside"]

MEASURED = {
    "one subject": ("score, one person, r 0.4", "one subject", 0.9775),
    "nested, averaged": ("score, averaged, r 0.7", "nested", 0.98),
    "difference, averaged": ("equal models, averaged", "p <= .05", 0.0225),
}
"""Kind of interval -> the cell of the grid, the measure that lay outside of its 99 % binomial band, and the share measured."""

_SENTENCES = {
    "one subject": "Measured in simulations: such a band covers in {share} of data sets.",
    "nested, averaged": "Measured in simulations: such an interval of averaged responses is on the wide side; where r is high "
    "it covers in {share} of data sets.",
    "difference, averaged": "Measured in simulations: of two equal models of averaged responses p is .05 or less in {share} of "
    "data sets: the test is on the careful side.",
}


def beside(kind: str) -> str:
    """What to say beside an interval of this kind: one sentence.

    Examples
    --------
    >>> beside("one subject")
    'Measured in simulations: such a band covers in 97.8% of data sets.'
    """
    return _SENTENCES[kind].format(share=f"{MEASURED[kind][2]:.1%}")
