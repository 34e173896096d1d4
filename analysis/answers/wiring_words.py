"""What the seeds of a wiring let one say: a claim stands only where its interval leaves the other case out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.answers.answer import decimal, interval, listed, plural
from analysis.answers.further_words import BIRTH_WORDS, VISION
from analysis.answers.outcomes import LEAST_SEEDS
from data.shares import percent, percent_within

__all__ = ["BIRTH_WORDS", "against", "difference", "sentence"]


def against(row, level: float) -> str:
    """Whether a mean share is at or above a level: ``yes``, ``no``, ``open`` (its interval holds the level), ``few`` seeds."""
    if row.seeds < LEAST_SEEDS:
        return "few"
    if not np.isfinite(row.share_low + row.share_high):
        return "open"
    return "yes" if row.share_low >= level else "no" if row.share_high < level else "open"


def difference(a: Sequence[float], b: Sequence[float], tests: int = 1) -> tuple[float, float]:
    """95 % interval of the mean of ``a`` less that of ``b`` (Welch), widened for the number of tests; NaN with too few seeds.

    Notes
    -----
    Bonferroni's correction: each of the tests is of .05 over their number.
    """
    from scipy import stats

    if min(len(a), len(b)) < LEAST_SEEDS:
        return float("nan"), float("nan")
    gap = float(np.mean(a) - np.mean(b))
    parts = np.array([np.var(a, ddof=1) / len(a), np.var(b, ddof=1) / len(b)])
    if not parts.sum():
        return gap, gap
    df = parts.sum() ** 2 / (parts**2 / np.array([len(a) - 1, len(b) - 1])).sum()
    reach = stats.t.ppf(1 - 0.025 / max(tests, 1), df) * np.sqrt(parts.sum())
    return float(gap - reach), float(gap + reach)


def sentence(
    finished, single: pd.DataFrame, frame: pd.DataFrame, enough: dict[float, pd.Series]
) -> str:
    """The answer in words.

    Parameters
    ----------
    finished : Course
    single, frame : DataFrame
        A row per run and seed; means over seeds, of :func:`analysis.answers.wiring.wiring`.
    enough : dict
        Level -> the cheapest run whose mean reaches it.
    """
    full = finished.outcomes[0][1]
    ends = interval(full.r_low, full.r_high)
    said = [f"The finished {finished.model} predicts with r = {decimal(full.r)} {ends}".rstrip()]
    born = frame[frame["updates"] == 0].drop_duplicates("birth").set_index("birth", drop=False)
    runs = frame[frame["updates"] > 0]
    said += _of_births(born, single)
    two = runs[(runs["part"] == "all") & (runs["birth"] == "init")]
    two = two[(two["updates_percent"] - 2).abs() < 0.5]
    said += [_of_vision(row) for row in two.head(1).itertuples()]
    said += _of_enough(enough, runs)
    said += _of_small(runs, born, single)
    above = listed(
        dict.fromkeys(row.part for row in runs.itertuples() if against(row, 1.0) == "yes")
    )
    if above:
        said.append(f"above the finished model, which read other text too: {above}")
    return "; ".join(said) + "."


def _share(row) -> str:
    return percent_within(row.share, row.share_low, row.share_high)


def _of_vision(row) -> str:
    seeds = plural(int(row.seeds), "seed")
    verdict = {
        "yes": f"that holds for language here ({seeds})",
        "no": f"not so for language here ({seeds})",
        "open": f"{seeds} leave open whether that holds for language here",
        "few": f"{seeds} cannot say whether that holds for language here",
    }[against(row, VISION)]
    return f"2 % of the updates of all weights reach {_share(row)} (vision: {percent(VISION)}): {verdict}"


def _of_births(born: pd.DataFrame, single: pd.DataFrame) -> list[str]:
    if "mixture" not in born.index:
        return []
    own = next(born.loc[["mixture"]].itertuples())
    said = f"at birth by weight compression {_share(own)} of it is there (vision: 54 %)"
    others = born.drop(index="mixture")
    if len(others):
        best = next(others.loc[[others["share"].idxmax()]].itertuples())
        at_birth = single[single["updates"] == 0].drop_duplicates(["birth", "seed"])
        values = at_birth.groupby("birth")["share"].apply(list)
        low, _ = difference(values[best.birth], values["mixture"], len(others))
        name = f"{BIRTH_WORDS.get(best.birth, best.birth)}, {_share(best)}"
        if low > 0:
            said += f"; more is there by {name}"
        elif best.share > own.share:
            said += f"; that more is there by another is not shown (highest: {name})"
    return [said]


def _of_enough(enough: dict[float, pd.Series], runs: pd.DataFrame) -> list[str]:
    if VISION in enough:
        one = enough[VISION]
        few = "no training at all" if one["updates"] == 0 else (
            f"{one['updates_percent']:.3g} % of the updates of {one['weights_percent']:.3g} % of the weights ({one['part']})"
        )  # fmt: skip
        sure = {"yes": "", "few": ": a look, not a finding"}.get(
            against(one, VISION), ": its interval reaches below"
        )
        return [
            f"on average of {plural(int(one['seeds']), 'seed')} {percent(VISION)} of r takes {few}, from "
            f"{BIRTH_WORDS[one['birth']]} ({_share(one)}{sure})"
        ]
    if not len(runs):
        return []
    best = runs.loc[runs["share"].idxmax()]
    return [
        f"no run's mean reaches {percent(VISION)} of r by {runs['updates_percent'].max():.3g} % of the updates; the best, "
        f"{best['part']} from {BIRTH_WORDS[best['birth']]}, has {_share(best)}"
    ]


def _of_small(runs: pd.DataFrame, born: pd.DataFrame, single: pd.DataFrame) -> list[str]:
    """What training a tenth of the weights or less, to the end, brings beyond the birth that it begins with."""
    small = runs[(runs["weights_percent"] <= 10) & (runs["updates"] == runs["updates"].max())]
    small = small[small["birth"].isin(born.index)]
    if not len(small):
        return []
    best = small.loc[small["share"].idxmax()]
    before = next(born.loc[[best["birth"]]].itertuples())
    own = single[(single["birth"] == best["birth"]) & single["share"].notna()]
    after = own[(own["part"] == best["part"]) & (own["updates"] == best["updates"])]["share"]
    start = own[own["updates"] == 0].drop_duplicates("seed")["share"]
    low, high = difference(after, start, len(small))
    verdict = (
        f"{plural(min(len(after), len(start)), 'seed')} cannot say whether it is more than at birth"
        if not np.isfinite(low)
        else "more than at birth"
        if low > 0
        else "less than at birth"
        if high < 0
        else "not shown to be more than at birth"
    )
    return [
        f"of parts with a tenth of the weights or less {best['part']} from {BIRTH_WORDS[best['birth']]} ends highest, at "
        f"{_share(best)} from {_share(before)} untrained: {verdict} (vision: 5 % of the synapses, {percent(VISION)})"
    ]
