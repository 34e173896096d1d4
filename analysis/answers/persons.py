"""How well is each person predicted, by models and by other people?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from analysis.answers.answer import Answer, decimal, interval
from analysis.ceiling.persons import persons, profiles, wide
from analysis.progress import SILENT, Report
from analysis.reading.by_trial import trial_table
from analysis.reading.source import corpus, surprisal_of
from data.errors import BrainLensError

__all__ = ["persons_of", "surprisals_of"]

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
    groups = (
        trials.table.drop_duplicates("stimulus")
        .set_index("stimulus")[trials.together]
        .reindex(responses.index)
    )
    frame = persons(
        responses,
        {name: own.reindex(responses.index) for name, own in bits.items()},
        groups,
        n_folds=n_folds,
    )
    table, rng, rows = profiles(frame), np.random.default_rng(10), []
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
        f"Each dot is a person: r on held-out items (mean over {n_folds} folds, items of one {trials.together} together). A "
        "straight line is fitted for each "
        "person on the training items; the best other person is chosen there too. Interval of the mean: 95 %, people resampled."
    )
    return Answer(frame, sentence, caption, facts={"profiles": table, "summary": summary},
                  axes={"x_title": "", "y_title": "Pearson r with a person, held out"})  # fmt: skip
