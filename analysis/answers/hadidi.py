"""The published table of Hadidi, Feghhi et al. 2025: what is left of a score when neighbours are held out together."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd

from analysis.answers.answer import Answer, decimal, listed, plural
from analysis.answers.task import correlation_words
from analysis.statistics import correlate, leave_one_family_out
from data.errors import unknown
from data.readers.published import hadidi2025
from data.shares import percent

__all__ = ["CONTROLS", "RECORDINGS", "hadidi"]

RECORDINGS = ("pereira2018", "fedorenko2016", "blank2014")
POOLINGS = ("last", "mean", "sum")
CONTROLS = {"OASM-all-sigma": "OASM, a model without text", "PWR": "position and word rate"}
"""Rows of the table that are no language models."""


def hadidi(benchmark: str = "pereira2018", *, pooling: str = "last") -> Answer:
    """Each published model under contiguous folds against the same model under shuffled ones.

    Parameters
    ----------
    benchmark : str
        One of :data:`RECORDINGS`.
    pooling : str
        How tokens became one vector: last, mean or sum.

    Returns
    -------
    Answer
        ``frame``: model, family, x (mean r, shuffled folds), y (mean r, contiguous folds), x_error and error (standard errors),
        low, high (y -+ 1.96 standard errors), kept (y / x); language models only. ``facts["controls"]``: the same of the two
        controls. ``correlation``: over models, clustered by family. ``missing``: models that score 0 in the shuffled folds.
    """
    if benchmark not in RECORDINGS:
        raise unknown("benchmark of Hadidi et al.", benchmark, RECORDINGS)
    if pooling not in POOLINGS:
        raise unknown("pooling", pooling, POOLINGS)
    return _hadidi(benchmark, pooling)


@lru_cache(maxsize=9)
def _hadidi(benchmark: str, pooling: str) -> Answer:
    table = hadidi2025()
    table = table[(table["benchmark"] == benchmark) & (table["pooling"] == pooling)]
    wide = table.pivot(index=["model", "family"], columns="split", values=["score", "error"])
    every = pd.DataFrame({"x": wide["score", "shuffled"], "y": wide["score", "contiguous"], "x_error": wide["error", "shuffled"],
                          "error": wide["error", "contiguous"]}).reset_index()  # fmt: skip
    every["low"], every["high"] = (
        every["y"] - 1.96 * every["error"],
        every["y"] + 1.96 * every["error"],
    )
    every["kept"] = every["y"] / every["x"].where(every["x"] > 0)
    control = every["model"].isin(CONTROLS)
    frame, controls = every[~control].reset_index(drop=True), every[control].set_index("model")
    found = correlate(frame["x"], frame["y"], frame["family"].to_numpy(str), draws=2000)
    without = leave_one_family_out(frame["x"], frame["y"], frame["family"].to_numpy(str))
    oasm, rate = controls.loc["OASM-all-sigma"], controls.loc["PWR"]
    above = int((frame["y"] > rate["y"]).sum())
    sentence = (
        f"Of the r = {decimal(frame['x'].mean(), 3)} that {plural(len(frame), 'published model')} reach on {benchmark} with "
        f"shuffled folds, {decimal(frame['y'].mean(), 3)} ({percent(frame['y'].mean() / frame['x'].mean())}) is left with "
        f"contiguous ones; OASM, which reads no text, goes from {decimal(oasm['x'], 3)} to {decimal(oasm['y'], 3)}. "
        f"{above} of {len(frame)} models are above position and word rate alone ({decimal(rate['y'], 3)})."
    )
    zero = frame[(frame["x"] == 0) | (frame["y"] == 0)]
    said = f" At 0 in one of them: {listed(zero['model'])}." if len(zero) else ""
    caption = (
        f"Hadidi, Feghhi et al. 2025, released table: ridge, mean r, not divided by a ceiling, tokens pooled by {pooling}; "
        "whiskers: 1.96 standard errors. The dotted line is where folds make no difference. Over models, shuffled and "
        f"contiguous scores {'go' if found.claim > 0 else 'are not shown to go'} together: {correlation_words(found, without)} "
        f"(n = {found.n} models of {found.n_families} families; 95 %, jackknife over "
        f"families; every model has both numbers).{said} These scores share no axis and no fit with Schrimpf et al. 2021."
    )
    return Answer(
        frame,
        sentence,
        caption,
        correlation=found,
        facts={"controls": controls.reset_index(), "above_rate": above, "kept": float(np.nanmean(frame["kept"]))},
        axes={"x_title": f"Mean r, shuffled folds ({benchmark})", "y_title": "Mean r, contiguous folds", "log_x": False,
              "invert_x": False},
    )  # fmt: skip
