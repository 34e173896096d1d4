"""How well is each person predicted, by models and by other people?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from analysis.answers.answer import Answer, decimal, interval
from analysis.ceiling.persons import persons, profiles, wide
from analysis.progress import SILENT, Report
from analysis.reading.by_trial import Trials, trial_table, words_of
from analysis.reading.source import corpus, surprisal_of
from data.errors import BrainLensError

__all__ = ["alone", "held_together", "persons_of", "surprisals_of"]

Bits = Mapping[str, "str | pd.Series"]
"""Name of a model -> its id, a table of surprisals, or bits per stimulus."""


def surprisals_of(surprisals: Bits, recording: str, report: Report) -> dict[str, pd.Series]:
    """Surprisals by name: of a model's id, a table, or the numbers."""
    if not surprisals:
        raise BrainLensError(
            "No model is named", remedy="Give a name and a model's id, a table or a Series"
        )
    made = corpus(recording)
    return {name: surprisal_of(given, made, report=report) for name, given in surprisals.items()}


def held_together(trials: Trials, items: pd.Index) -> tuple[pd.Series, str]:
    """What is held out together of each item, so that a person has something to learn from and something to be tested on.

    Parameters
    ----------
    items : pandas.Index
        Stimuli, such as the rows of the responses.

    Returns
    -------
    groups : pandas.Series
        Indexed by item: the texts or item sets of the recording; where most people met fewer than two of them (each read one
        story), the sentences of these.
    what : str
        What a group is.
    """
    table = trials.table
    once = table.drop_duplicates("stimulus").set_index("stimulus")
    if table.groupby("person")[trials.together].nunique().median() >= 2:
        return once[trials.together].reindex(items), trials.together
    words, text = words_of(corpus(trials.recording))
    number = words["first_in_sentence"].astype(int).groupby(words[text], sort=False).cumsum()
    return (words[text].astype(str) + "." + number.astype(str)).reindex(items), "sentence"


def alone(trials: Trials, what: str) -> str:
    """Why something else is held out than the recording says, for a caption."""
    return "" if what == trials.together else f": each person met one {trials.together} only"


def persons_of(
    surprisals: Bits, recording: str, *, n_folds: int = 10, report: Report = SILENT
) -> Answer:
    """Each person of a recording predicted by each model's surprisal, by the other people, and by the best other person.

    Returns
    -------
    Answer
        ``frame``: as of :func:`analysis.ceiling.persons.persons`; ``facts["profiles"]``: persons x predictors;
        ``facts["summary"]``: mean
        over people with its interval (people resampled), and how many people a model predicts better than the other people do.
    """
    bits = surprisals_of(surprisals, recording, report)
    trials = trial_table(recording, filter="none")
    responses = wide(trials.table, trials.response, item="stimulus")
    groups, what = held_together(trials, responses.index)
    frame = persons(
        responses,
        {name: own.reindex(responses.index) for name, own in bits.items()},
        groups,
        n_folds=n_folds,
    )
    table, rng, rows = profiles(frame), np.random.default_rng(10), []
    if table.empty:
        raise BrainLensError(
            f"No person of {recording} has three items in two folds: nobody can be predicted on held-out items",
            remedy="Choose a recording in which each person met more items",
        )
    for name, own in table.items():
        drawn = own.to_numpy()[rng.integers(len(own), size=(2000, len(own)))].mean(axis=1)
        rows.append(
            (
                name,
                own.mean(),
                *np.quantile(drawn, [0.025, 0.975]),
                int((own > table["other people"]).sum()),
                len(own),
            )
        )
    summary = pd.DataFrame(
        rows, columns=["predictor", "r", "low", "high", "above_people", "n_people"]
    )
    said = [
        f"{row.predictor} {decimal(row.r)} {interval(row.low, row.high)}"
        for row in summary.itertuples()
    ]
    sentence = (
        f"How well is a person predicted on {recording}? Mean r over people: {', '.join(said)}."
    )
    caption = (
        f"Each dot is a person: r on held-out items (mean over {n_folds} folds, items of one {what} "
        f"together{alone(trials, what)}). A "
        "straight line is fitted for each "
        "person on the training items; the best other person is chosen there too. Interval of the mean: 95 %, people resampled."
    )
    return Answer(frame, sentence, caption, facts={"profiles": table, "summary": summary},
                  axes={"x_title": "", "y_title": "Pearson r with a person, held out"})  # fmt: skip
