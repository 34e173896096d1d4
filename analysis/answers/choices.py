"""Whose preferences between sentences agree with people's?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from analysis.answers.answer import Answer, listed, plural
from analysis.features.surprisal import word_surprisal
from analysis.models import load
from analysis.progress import SILENT, Report
from analysis.reading.crossed import crossed_mean
from data.readers.trials import choices
from data.shares import percent, percent_within

__all__ = ["forced_choices", "preferences"]

OTHERS, ONE = "other people", "one other person"


def forced_choices(
    table: pd.DataFrame | None = None, *, more: Mapping[str, pd.Series] | None = None
) -> Answer:
    """Whose preferences agree with people's? Each model's choices against each person's, beside how people agree.

    Parameters
    ----------
    table : pandas.DataFrame, optional
        Of :func:`data.readers.trials.choices`; by default that of ``contstim2022``.
    more : mapping of str to pandas.Series, optional
        Further models: log probability of the second sentence minus that of the first, indexed by pair.

    Returns
    -------
    Answer
        ``frame``: predictor (models; ``"other people"``: the majority of the others, ties counted as half; ``"one other
        person"``: each of the others in turn), agreement (share of choices), low, high (people and pairs resampled), p
        (two-sided, against .5), n, people_above (more than half agree), n_people. ``facts["by_person"]``: persons x predictors.
    """
    told = choices() if table is None else table
    columns = (
        [name for name in told.columns[told.columns.get_loc("second_model") + 1 :]]
        if "second_model" in told
        else []
    )
    chosen = told["chose_second"].to_numpy(bool)
    scores = {name: _agreement(told[name].to_numpy(float), chosen) for name in columns}
    for name, series in (more or {}).items():
        scores[name] = _agreement(told["pair"].map(series).to_numpy(float), chosen)
    votes = told.groupby("pair")["chose_second"].agg(["sum", "size"])
    others = told["pair"].map(votes["sum"]).to_numpy(float) - chosen
    count = told["pair"].map(votes["size"]).to_numpy(float) - 1
    scores[OTHERS] = _agreement(others - count / 2, chosen)
    with np.errstate(invalid="ignore"):  # a pair that one person alone chose in
        scores[ONE] = np.where(chosen, others, count - others) / count
    rows, by_person = [], {}
    for name, own in scores.items():
        there = np.isfinite(own)
        mean = crossed_mean(own[there] - 0.5, told["person"][there], told["pair"][there])
        by_person[name] = mean.by_person + 0.5
        rows.append(
            (
                name,
                mean.value + 0.5,
                mean.low + 0.5,
                mean.high + 0.5,
                mean.p,
                mean.n,
                mean.people_above,
                mean.n_persons,
            )
        )
    frame = pd.DataFrame(
        rows,
        columns=["predictor", "agreement", "low", "high", "p", "n", "people_above", "n_people"],
    )
    models = frame[~frame["predictor"].isin((OTHERS, ONE))]
    people_rows = frame.set_index("predictor")
    ceiling, one = people_rows.loc[OTHERS], people_rows.loc[ONE]
    best = models.loc[models["agreement"].idxmax()]
    first = models.loc[models["agreement"] == best["agreement"], "predictor"]
    most = "agrees with people most" if len(first) == 1 else "agree with people most, alike"
    sentence = (
        f"{listed(first)} {most}, in {_agrees(best)} of the choices; other people agree in {_agrees(ceiling)}, "
        f"one other person in {percent(one['agreement'], 1)}."
    )
    people, pairs = (
        plural(told["person"].nunique(), "person"),
        plural(told["pair"].nunique(), "pair"),
    )
    caption = (
        f"{len(told):,} choices of {people} between {pairs} of sentences that were made to set models apart: they say "
        "nothing of ordinary sentences. A model prefers the sentence with the higher log probability; ties count as half. "
        "Other people: the majority of the others for each person; one other person: each of them in turn. "
        "Intervals: 95 %, people and pairs resampled."
    )
    return Answer(frame, sentence, caption, facts={"by_person": pd.DataFrame(by_person)},
                  axes={"x_title": "", "y_title": "Share of choices that agree"})  # fmt: skip


def preferences(
    models: Mapping[str, str], table: pd.DataFrame | None = None, *, report: Report = SILENT
) -> dict[str, pd.Series]:
    """What models prefer: log probability (bits) of the second sentence minus that of the first, by pair.

    Parameters
    ----------
    models : mapping of str to str
        Name -> id of a model with probabilities of the next word.

    Returns
    -------
    dict of str to pandas.Series
        As ``more`` of :func:`forced_choices`. A sentence with a word that has no surprisal has none.
    """
    told = choices() if table is None else table
    sentences = list(dict.fromkeys([*told["first"], *told["second"]]))
    pairs = told.drop_duplicates("pair").set_index("pair")
    found = {}
    for name, model in models.items():
        words = word_surprisal(load(model), sentences, report=report)
        bits = words.groupby("passage")["surprisal"].apply(lambda one: one.sum(skipna=False))
        by = dict(zip(sentences, bits.reindex(range(len(sentences)))))
        found[name] = pairs["first"].map(by) - pairs["second"].map(by)
    return found


def _agreement(preference: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """1 where the preference is the choice, 0 where it is the other sentence, .5 for a tie, NaN where there is none."""
    agree = np.where(preference == 0, 0.5, ((preference > 0) == chosen).astype(float))
    return np.where(np.isfinite(preference), agree, np.nan)


def _agrees(row: pd.Series) -> str:
    """A predictor's share of the choices, with its interval."""
    return percent_within(row["agreement"], row["low"], row["high"], 1)
