"""Ceiling court: every estimator of the ceiling, whether it may be divided by, and what that does to the ranking."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from analysis.answers.answer import Answer, decimal, interval, listed
from analysis.scoring.nested import ratio_interval
from analysis.scoring.summary import summarise
from analysis.statistics.measured import HIGH_CEILING, beside
from data.errors import BrainLensError
from data.shares import percent

__all__ = ["ceiling_court"]


def ceiling_court(scores: Iterable, bounds: Mapping[str, object]) -> Answer:
    """Every ceiling with its interval and validity, and each model's score divided by it.

    Parameters
    ----------
    scores : iterable of Score
        Of models on one recording.
    bounds : mapping of str to Ceiling
        Estimator -> its ceiling, or one of kind ``none`` whose flag says why there is none.

    Returns
    -------
    Answer
        ``frame``: one row per estimator and model: estimator, ceiling, ceiling_low, ceiling_high, divides, flag, model, r, share
        (r / c), share_low, share_high, variance_share, each_share (mean over targets of r / c), rank, rank_share, rank_each.
        ``facts["ceilings"]``: one row per estimator. ``facts["flips"]``: estimators under which two models change places.

    Notes
    -----
    On the correlation scale a score is divided by the ceiling c; on the variance scale :math:`(r / c)^2 = r^2 / c^2`, where
    :math:`c^2` is the reliability: dividing r2 by the reliability squared counts the noise twice. It is not defined where r < 0.
    One number divides all models alike, so a ratio of means never changes a ranking; a mean of ratios over targets may.
    """
    scores = list(scores)
    if not scores:
        raise BrainLensError(
            "No score to answer with", remedy="Choose a model and a recording, then run"
        )
    rows = [_row(name, bound, score) for name, bound in bounds.items() for score in scores]
    frame = pd.DataFrame(rows)
    if frame.empty:
        raise BrainLensError("No ceiling was estimated", remedy="Ask for one kind at least")
    for column, of in (("rank", "r"), ("rank_share", "share"), ("rank_each", "each_share")):
        frame[column] = frame.groupby("estimator", sort=False)[of].rank(
            ascending=False, method="min"
        )
    ceilings = frame.drop_duplicates("estimator")[
        ["estimator", "ceiling", "ceiling_low", "ceiling_high", "valid", "divides", "flag"]
    ].reset_index(drop=True)
    flips = [
        name
        for name, own in frame.groupby("estimator", sort=False)
        if len(scores) > 1
        and own["rank_each"].notna().all()
        and (own["rank_each"] != own["rank"]).any()
    ]
    usable = ceilings[ceilings["divides"] & ceilings["ceiling"].gt(0)]
    sentence = _words(scores, ceilings, usable, frame, flips)
    caption = (
        "Each estimator with its 95 % interval. Only an estimate of the ceiling of what is scored is divided by: bounds and "
        "ceilings of other things stand beside it. Share: r / c, whose interval carries the ceiling's own. On the variance scale "
        "(r / c)^2 = r2 / reliability; never r2 / reliability squared. "
        + (f"{beside('pools')} " if _high(ceilings) else "")
        + _why_not(ceilings)
    )
    return Answer(
        frame,
        sentence,
        caption,
        facts={"ceilings": ceilings, "flips": flips},
        axes={"x_title": "", "y_title": "Pearson r"},
    )


def _high(ceilings) -> bool:
    """Whether a ceiling from pools is so high that its interval did not keep its promise in simulations."""
    return bool(((ceilings["estimator"] == "pools") & (ceilings["ceiling"] > HIGH_CEILING)).any())


def _row(name: str, bound, score) -> dict:
    r, usable = score.value, bool(bound.divides and bound.value > 0)
    share = r / bound.value if usable else np.nan
    low, high = ratio_interval(score.draws, bound.draws, share, r) if usable else (np.nan, np.nan)
    each = np.nan
    if usable and bound.holds_for == "targets" and (bound.per_target > 0).any():
        target = np.where(bound.per_target > 0, bound.per_target, np.nan)
        subjects = (
            score.dataset.subject.values.astype(str) if "subject" in score.dataset.coords else None
        )
        each = summarise(
            score.at_chosen_layers("r") / target,
            score.dataset.part.values,
            subjects,
            score.protocol,
        )
    return {
        "estimator": name,
        "ceiling": bound.value,
        "ceiling_low": bound.low,
        "ceiling_high": bound.high,
        "valid": bool(bound.valid),
        "divides": usable,
        "flag": bound.flag,
        "model": score.model,
        "r": r,
        "share": share,
        "share_low": low,
        "share_high": high,
        "variance_share": share**2 if usable and r >= 0 else np.nan,
        "each_share": each,
    }


def _words(scores, ceilings, usable, frame, flips) -> str:
    if usable.empty:
        why = next((flag for flag in ceilings["flag"] if flag), "none could be estimated")
        return f"No ceiling may be divided by here ({why}): only raw r is quoted."
    named = [
        f"{row.estimator} {decimal(row.ceiling)} {interval(row.ceiling_low, row.ceiling_high)}".strip()
        for row in usable.itertuples()
    ]
    reached = frame[frame["divides"]].groupby("model", sort=False)["share"].agg(["min", "max"])
    spans = [
        f"{model} {' to '.join(dict.fromkeys(map(percent, reached.loc[model])))}"
        for model in dict.fromkeys(score.model for score in scores)
        if model in reached.index
    ]
    moved = (
        f" Averaging ratios target by target changes the ranking under {listed(flips)}."
        if flips
        else (" The ranking of the models is the same under each." if len(scores) > 1 else "")
    )
    return f"The ceiling is {listed(named)}; r is of it: {listed(spans)}.{moved}"


def _why_not(ceilings: pd.DataFrame) -> str:
    said = [
        f"{row.estimator}: {row.flag}"
        for row in ceilings.itertuples()
        if not row.divides and row.flag
    ]
    return f"Not divided by: {'; '.join(said)}." if said else ""
