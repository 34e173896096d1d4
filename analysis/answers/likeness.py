"""Who is the model like? Models as readers among readers, groups of people, and the way back from people to the model."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.answers.answer import Answer, decimal, interval, p_value, plural
from analysis.answers.persons import Bits, alone, held_together, surprisals_of
from analysis.ceiling.likeness import Groups, backwards, folds_of, groups_of_people, mean_pairs
from analysis.ceiling.persons import columns_r, persons, profiles, wide
from analysis.progress import SILENT, Report
from analysis.reading.by_trial import trial_table
from data.errors import BrainLensError

__all__ = ["likeness"]

MOST_PEOPLE = 60
"""People who are themselves predicted from all the others; more are a seeded sample."""
PAIR, PEOPLE, BEST = "one other person", "other people", "best other person"


def likeness(
    surprisals: Bits, recording: str, *, n_folds: int = 10, seed: int = 0, report: Report = SILENT
) -> Answer:
    """Model to person beside person to person, both directions, and whether people fall into groups.

    Parameters
    ----------
    surprisals : mapping of str to str or pandas.Series
        Name -> model's id, table of surprisals, or bits per stimulus.
    recording : str
        A recording of persons and words.

    Returns
    -------
    Answer
        ``frame``: direction (``"predicts a person"``, ``"is predicted by people"``), who (a model, ``"one other person"``,
        ``"other people"``, ``"best other person"``, ``"a person"``), person (whom; empty for a model that is predicted), r.
        ``facts``: ``summary`` (direction, who, r, low, high, n: mean over people, people resampled), ``groups``
        (:class:`analysis.ceiling.likeness.Groups` or None), ``profiles`` (persons x predictors), ``why`` no groups.
    """
    bits = surprisals_of(surprisals, recording, report)
    trials = trial_table(recording, filter="none")
    responses = wide(trials.table, trials.response, item="stimulus")
    known = pd.DataFrame({name: own.reindex(responses.index) for name, own in bits.items()})
    together, what = held_together(trials, responses.index)
    report.step(0, 4, "each person predicted")
    each = persons(responses, dict(known.items()), together, n_folds=n_folds, seed=seed)
    rows = [
        ("predicts a person", row.predictor, str(row.person), row.r) for row in each.itertuples()
    ]
    pairs = mean_pairs(responses)
    rows += [("predicts a person", PAIR, str(person), r) for person, r in pairs.items()]
    report.step(1, 4, "the way back")
    folds = folds_of(together, n_folds, seed)
    back = backwards(responses, known, folds)
    rows += [("is predicted by people", name, "", r) for name, r in zip(known, back)]
    sample = _sample(responses.columns, seed)
    for number, person in enumerate(sample):
        report.step(2 + number / len(sample), 4, "people predicted by all the others")
        r = backwards(responses, responses[[person]], folds, person=person)[0]
        rows.append(("is predicted by people", "a person", str(person), r))
    frame = pd.DataFrame(rows, columns=["direction", "who", "person", "r"]).dropna(subset=["r"])
    report.step(3, 4, "groups of people")
    groups, why = _groups(responses, known, together, n_folds, seed)
    summary = _summary(frame, seed)
    report.step(4, 4, "done")
    drawn = f"; {len(sample)} people drawn" if len(sample) < responses.shape[1] else ""
    caption = (
        f"{plural(responses.shape[1], 'person')}, {plural(len(responses), 'item')}; r on held-out items (mean over "
        f"{len(folds)} folds, items of one {what} together{alone(trials, what)}), a straight line fitted for each "
        f"person. '{PAIR}': mean r with each single other one, nothing fitted. The way back: ridge regression of a model's "
        f"surprisal, or of a person's responses, on the responses of all (other) people{drawn}. Intervals: 95 %, people "
        "resampled. Length, frequency and position are not taken out. A person is noisy and a model is not, so the two "
        "directions differ even for a model that is one more person."
    )
    return Answer(frame, _sentence(summary, list(known), groups, why, recording), caption,
                  facts={"summary": summary, "groups": groups, "profiles": profiles(each), "why": why},
                  axes={"x_title": "", "y_title": "Pearson r, held out"})  # fmt: skip


def _sample(people: pd.Index, seed: int) -> list:
    if len(people) <= MOST_PEOPLE:
        return list(people)
    chosen = np.random.default_rng([seed, 12]).choice(len(people), MOST_PEOPLE, replace=False)
    return [people[k] for k in np.sort(chosen)]


def _groups(responses, known, together, n_folds, seed) -> tuple[Groups | None, str]:
    """Groups by profiles over models, from all items and from two halves of the groups of items."""
    labels = pd.factorize(np.asarray(together))[0]
    half = np.random.default_rng([seed, 13]).permutation(labels.max() + 1) % 2
    try:
        tables = []
        for rows in (np.ones(len(labels), bool), half[labels] == 0, half[labels] == 1):
            x, y = known[rows], responses[rows]
            r = {name: columns_of(y, x[name]) for name in known}
            tables.append(pd.DataFrame(r, index=responses.columns))
        return groups_of_people(tables[0], (tables[1], tables[2]), seed=seed), ""
    except BrainLensError as error:
        return None, error.problem


def columns_of(responses: pd.DataFrame, values: pd.Series) -> np.ndarray:
    """r of every person with one value per item."""
    return columns_r(
        responses.to_numpy(float), values.to_numpy(float), list(range(responses.shape[1]))
    )


def _summary(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    rng, rows = np.random.default_rng([seed, 14]), []
    for (direction, who), own in frame.groupby(["direction", "who"], sort=False):
        r = own["r"].to_numpy(float)
        if len(r) > 1:
            drawn = r[rng.integers(len(r), size=(2000, len(r)))].mean(axis=1)
            low, high = np.quantile(drawn, [0.025, 0.975])
        else:
            low = high = np.nan
        rows.append((direction, who, r.mean(), low, high, len(r)))
    return pd.DataFrame(rows, columns=["direction", "who", "r", "low", "high", "n"])


def _sentence(
    summary: pd.DataFrame, models: list[str], groups: Groups | None, why: str, recording: str
) -> str:
    there = summary.set_index(["direction", "who"])

    def number(direction, who):
        row = there.loc[(direction, who)]
        return f"{decimal(row['r'])} {interval(row['low'], row['high'])}".strip()

    forward = "predicts a person"
    pair = there.loc[(forward, PAIR)]
    said = []
    for name in models:
        row = there.loc[(forward, name)]
        relation = (
            "better than"
            if row["low"] > pair["high"]
            else "worse than"
            if row["high"] < pair["low"]
            else "about as well as"
        )
        back = there.loc[("is predicted by people", name), "r"]
        said.append(f"{name} predicts a person with r = {number(forward, name)}, {relation} one other person does, and people "
                    f"predict it with {decimal(back)}")  # fmt: skip
    parts = [f"On {recording}: {'; '.join(said)}"]
    parts.append(
        f"one other person {number(forward, PAIR)}, the mean of the others {number(forward, PEOPLE)}"
    )
    if ("is predicted by people", "a person") in there.index:
        parts.append(
            f"people predict one more person with {number('is predicted by people', 'a person')}"
        )
    return f"{'; '.join(parts)}. {groups_words(groups, why)}"


def groups_words(groups: Groups | None, why: str) -> str:
    """Whether people fall into groups, in a sentence."""
    if groups is None:
        return f"Groups of people were not looked for: {why}."
    reliable = f"profiles over models agree between halves of the items with r = {decimal(groups.profile_r)}"
    if groups.count < 2:
        return f"People do not fall into groups by which models predict them best ({reliable})."
    sizes = ", ".join(str(n) for n in groups.labels.value_counts().sort_index())
    if groups.p >= 0.05:
        return (
            f"People would fall into {groups.count} groups ({sizes}), but halves of the items do not agree on them (adjusted "
            f"Rand {decimal(groups.agreement)}, {p_value(groups.p)}): not to be read as kinds of readers; {reliable}."
        )
    return (
        f"People fall into {groups.count} groups ({sizes}) by which models predict them best; halves of the items agree on "
        f"them (adjusted Rand {decimal(groups.agreement)}, {p_value(groups.p)}); {reliable}."
    )
