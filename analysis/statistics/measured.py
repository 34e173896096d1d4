"""What intervals kept of their promise in simulations, where that was not what they promise to within chance.

The numbers are those of ``benchmarks/results/coverage.json`` (:mod:`benchmarks.coverage`; the whole table is in docs/method.md);
a test holds them equal, and sees to it that whatever lies outside its band has a sentence here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from analysis.statistics.bootstrap import ENOUGH_PEOPLE, FEW_PEOPLE, of_few
from data.shares import percent

__all__ = [
    "HIGH_CEILING",
    "LEAKS",
    "MEASURED",
    "OMEGA",
    "OMEGA_FOUND",
    "SOME_PEOPLE",
    "beside",
    "beside_result",
    "beside_scores",
    "omega_comes_out",
    "omega_covers",
]

SOME_PEOPLE = 20
"""Below it the interval of a story's ceiling is wide: in order of 27 people, and not of 13."""
HIGH_CEILING = 0.45
"""Above it a ceiling from pools is told with what was measured: the interval was in order at .35 and not at .6."""

MEASURED = {
    "one subject": ("score, one person, r 0.4", "one subject", 0.9775),
    "nested, averaged": ("score, averaged, r 0.7", "nested", 0.98),
    "nested, few people": ("score, 4 people, r 0.4", "nested", 0.9075),
    "nested, two or three people": ("score, 3 people, r 0.4", "nested", 0.9875),
    "nested, nothing there": ("score, 10 people, r 0", "nested", 1.0),
    "share": ("score, 4 people, r 0.7", "share", 0.9975),
    "pools": ("ceiling 0.6, 10 people, 3 shared, own 0.3", "pools", 0.8125),
    "pools, few people": ("score, 4 people, r 0.7", "ceiling (pools)", 0.905),
    "peak": ("story, one of three lags", "peak", 1.0),
    "onset": ("story, one of three lags", "onset", 0.86),
    "score over time": ("story, the same with drift and motion", "score", 0.985),
    "p over time": ("story, one of three lags", "p <= .05 where nothing is", 0.0),
    "p of a region": ("story, one of three lags", "p of a region where nothing is", 0.0025),
    "story ceiling": ("ceiling of a story 0.3, 6 people", "ceiling", 0.985),
    "lower bound": ("ceiling 0.35, 3 people, 3 shared, own 0", "lower bound, own", 0.9175),
    "difference, averaged": ("equal models, averaged", "p <= .05", 0.0225),
    "difference, few people": ("equal models, 3 people", "p <= .05", 0.0075),
    "similarity": ("similarity, 6 people, r 0.6", "cka", 0.98),
    "ranks": ("three models, averaged", "rank of the last", 1.0),
    "families": ("families, rho 0, between 0.6, t4", "claimed", 0.029),
    "delta-LL": ("delta-LL, 10 texts, effect 0", "delta-LL", 0.99),
    "region": ("regions, 10 people, r 0.5", "a region", 0.985),
    "share of a region": ("regions, 10 people, r 0.5", "share of a region", 1.0),
    "trend": ("items of equal models, averaged", "a trend is shown", 0.0075),
    "wiring": ("wiring, a share of 0.8, 6 people, 3 seeds", "share", 0.9975),
}
"""Kind of interval -> the cell of the grid, the measure that lay outside of its 99 % binomial band, and the share measured."""

_SENTENCES = {
    "one subject": "such a band covers in {share} of data sets.",
    "nested, averaged": "such an interval of averaged responses or of one person is on the wide side; where r is high it covers "
    "in {share} of data sets.",
    "nested, two or three people": "of two or three people such an interval is wide; it covers in {share} of data sets or more.",
    "nested, few people": "of four people such an interval covers in {share} of data sets.",
    "nested, nothing there": "where nothing is predicted an interval over people is wide; it covers in {share} of data sets.",
    "share": "the interval of a share of the ceiling is wide; it covers in {share} of data sets.",
    "pools": "a high ceiling (.6) from disjoint pools comes out about .02 too low where targets are alike and people share "
    "several dimensions, and its interval covers the true one in {share} of data sets or more.",
    "pools, few people": "of four people the interval of such a ceiling covers in {share} of data sets.",
    "peak": "the interval of a peak is wide, for lags are whole samples; it covers in {share} of data sets.",
    "onset": "of six people the interval of an onset covers in {share} of data sets.",
    "score over time": "with drift and motion in the scanner the interval of r is wide; it covers in {share} of data sets.",
    "p over time": "where nothing is predicted p is .05 or less in {share} of data sets: the test is on the careful side.",
    "p of a region": "where nothing is predicted p of a region is .05 or less in {share} of data sets: the test is on the "
    "careful side.",
    "story ceiling": "of six people the interval of a story's ceiling is wide; it covers in {share} of data sets.",
    "lower bound": "of three people the interval of a low bound (.14) covers in {share} of data sets.",
    "difference, averaged": "of two equal models of averaged responses p is .05 or less in {share} of data sets: the test is on "
    "the careful side.",
    "difference, few people": "of two equal models in two or three people p is .05 or less in {share} of data sets or fewer: the "
    "test is on the careful side, and its interval wide.",
    "similarity": "over people the interval of a similarity is on the wide side; of rsa and cka it covers in {share} of data "
    "sets or more.",
    "ranks": "an interval of ranks is wide: it held the rank of a lesser model in {share} of data sets, and those of two equal "
    "models both of their ranks in 93.0 % (six people) to 98.0 % (averages).",
    "families": "of two unrelated measures a relation is claimed in {share} of data sets where families differ a lot: the rule "
    "is on the careful side.",
    "delta-LL": "without any effect such an interval is wide; it covers in {share} of data sets. It then lies below 0 in up to "
    "19.2 % of them, for added columns cost a little: below 0 is no gain, not a loss.",
    "region": "the band of a region is on the wide side; it covers in {share} of data sets.",
    "share of a region": "the interval of a region's share of the ceiling is wide; it covers in {share} of data sets.",
    "trend": "where two models do not differ, a change of their difference is told in {share} of data sets or fewer: the rule "
    "is on the careful side.",
    "wiring": "the interval of a share is wide: where runs reach .7 of r it covers in {share} of data sets or more, where they "
    "reach .2 in about 96 %; that of the seeds alone would cover in 91 % to 95 %.",
}


OMEGA = {
    "one average": (0.925, 0.97),
    "2 people apart": (0.975, 0.975),
    "3 people apart": (0.9625, 0.9625),
    "4 people alike": (0.99, 0.99),
    "4 people apart": (0.855, 0.885),
    "8 people alike": (0.995, 0.995),
    "8 people apart": (0.94, 0.94),
}
"""Planted people -> lowest and highest share of data sets (planted shares of 20, 50 and 80 %) in which the interval of Omega held
the procedure's mean, of ``benchmarks/results/trust.json`` (:mod:`benchmarks.trust`); a test holds them equal."""
OMEGA_FOUND = {20: (13.9, 17.7), 50: (44.4, 48.3), 80: (77.9, 80.6)}
"""Planted share -> lowest and highest mean of what came out, in percent; of the same file."""
LEAKS = 0.045
"""Share of data sets of noise that the leak meter called a leak, or partly one; of the same file."""


def omega_covers(people: int) -> str:
    """What the interval of Omega was measured to hold, for so many people (one: an average)."""
    said = {
        name: percent(low, 1) if low == high else f"{percent(low, 1)} to {percent(high, 1)}"
        for name, (low, high) in OMEGA.items()
    }
    held = "in simulations it held the procedure's mean in"
    if people <= 1:
        return f"{held} {said['one average']} of data sets of one average"
    if people < ENOUGH_PEOPLE:
        return (
            f"the spread between {people} people counts {of_few(people):.1f} times, for so few tell little of how people "
            f"differ; {held} {said[f'{people} people apart']} of data sets with {people} people whose shares differ by 20 points"
        )
    many = "8" if people >= 6 else "4"
    narrow = " (too narrow: four people tell little of how people differ)" if many == "4" else ""
    alike, apart = said[f"{many} people alike"], said[f"{many} people apart"]
    return f"{held} {alike} of data sets with {many} people alike and {apart} where their shares differ by 20 points{narrow}"


def omega_comes_out() -> str:
    """How far Omega lay from what was planted."""
    said = [
        f"{planted} % planted came out as {low} to {high} %"
        for planted, (low, high) in OMEGA_FOUND.items()
    ]
    return (
        f"{', '.join(said)} (144 stimuli): small shares, and shares of a small R2, are some points too low, since the joint fit "
        "pays for the controls' weights; of more stimuli they are less so"
    )


def beside(*kinds: str) -> str:
    """What to say beside intervals of these kinds; empty where there is none.

    Examples
    --------
    >>> beside("one subject")
    'Measured in simulations: such a band covers in 97.8 % of data sets.'
    >>> beside()
    ''
    """
    if not kinds:
        return ""
    said = [_SENTENCES[kind].format(share=percent(MEASURED[kind][2], 1)) for kind in kinds]
    return f"Measured in simulations: {said[0]}" + "".join(
        f" {one[0].upper()}{one[1:]}" for one in said[1:]
    )


def beside_scores(scores: Iterable) -> str:
    """What to say beside the intervals of several scores, each kind once; empty where there is none.

    Parameters
    ----------
    scores : iterable of analysis.scoring.result.Score
    """
    return beside(*dict.fromkeys(kind for score in scores for kind in score.measured))


def beside_result(
    *,
    people: int,
    averaged: bool,
    nested: bool,
    low: float,
    share: float,
    ceiling: str = "",
    value: float = math.nan,
) -> tuple[str, ...]:
    """Kinds of intervals of one result that did not keep their promise, for :func:`beside`.

    Parameters
    ----------
    people : int
    averaged : bool
        Whether the responses are means over people.
    nested : bool
        Whether the layer was chosen among several on training rows.
    low : float
        Lower end of the score's interval.
    share : float
        Of the ceiling; NaN where there is none.
    ceiling : str
        Its kind, such as ``"pools"``.
    value : float
        Of the ceiling.
    """
    found = []
    if (averaged or people == 1) and nested:
        found.append("nested, averaged")
    elif not averaged and 1 < people < ENOUGH_PEOPLE:
        found.append("nested, two or three people")
    elif not averaged and 1 < people <= FEW_PEOPLE and low > 0:
        found.append("nested, few people")
    elif not averaged and people > 1 and low <= 0:
        found.append("nested, nothing there")
    if math.isfinite(share):
        found.append("share")
    if ceiling == "pools" and value > HIGH_CEILING:
        found.append("pools")
    elif ceiling == "pools" and math.isfinite(value) and people <= FEW_PEOPLE:
        found.append("pools, few people")
    elif ceiling == "leave-one-out" and people <= FEW_PEOPLE:
        found.append("lower bound")
    return tuple(found)
