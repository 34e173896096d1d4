"""On which sentences do two models disagree most, and what do people say there?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.answers.answer import Answer, plural
from analysis.answers.choices import forced_choices
from analysis.answers.drive import drive
from analysis.design.controversial import described, pairs_apart
from analysis.features.surprisal import token_surprisals
from analysis.models import load
from analysis.models.catalog import card
from analysis.progress import SILENT, Report
from analysis.protocol import Protocol
from data.errors import BrainLensError, unknown
from data.shares import percent

__all__ = ["BY", "controversial", "judged"]

BY = ("surprisal", "response")


def controversial(
    first: str,
    second: str,
    candidates: Sequence[str],
    protocol: Protocol | None = None,
    *,
    by: str = "surprisal",
    recording=None,
    target: str = "",
    count: int = 20,
    words: float = 1,
    frequency: float = 0.2,
    store=None,
    report: Report = SILENT,
) -> Answer:
    """Pairs of sentences that two models, or two layers of one, put in opposite orders.

    Parameters
    ----------
    first, second : str
        Models; ``model#layer`` names a layer, for ``by="response"``.
    candidates : sequence of str
    by : str
        ``"surprisal"``: how probable a whole sentence is, among sentences of as many words. ``"response"``: what each predicts of
        a recording's target.
    recording, target
        For responses, as in :func:`analysis.answers.drive.drive`.
    count, words, frequency
        As in :func:`analysis.design.controversial.pairs_apart`.

    Returns
    -------
    Answer
        ``frame``: the pairs; ``facts["items"]``: every candidate with both values.
    """
    if by not in BY:
        raise unknown("what models disagree on", by, BY)
    if first == second:
        raise BrainLensError(
            f"{first} does not disagree with itself", remedy="Choose two models or layers"
        )
    named = [name for name in (first, second) if "#" in name]
    if by == "surprisal" and named:
        raise BrainLensError(
            f"{named[0]} names a layer, and how probable a sentence is has none",
            remedy="Compare predicted responses (by response), or name the model alone",
        )
    if by == "surprisal":
        for name in (first, second):
            if not card(name).rates_sentences:
                raise BrainLensError(
                    f"{name} gives no probabilities of words",
                    remedy="Pick a causal, masked, recurrent or n-gram model, or compare predicted responses (by response)",
                )
    texts = list(dict.fromkeys(str(text).strip() for text in candidates if str(text).strip()))
    items = described(texts)
    for number, name in enumerate((first, second)):
        report.step(number, 2, "models")
        items[name] = _values(name, texts, protocol, by, recording, target, store, report)
    report.step(2, 2, "models")
    pairs = pairs_apart(items, first, second, count=count, words=words, frequency=frequency)
    top = pairs.iloc[0]
    what = "find probable" if by == "surprisal" else "predict a response for"
    sentence = (
        f"{first} and {second} disagree most on '{top['preferred_by_first']}' (preferred by {first}) and "
        f"'{top['preferred_by_second']}': {percent(top['gap_first'])} and {percent(top['gap_second'])} of the ranks apart."
    )
    near = f"{words:g} word" + ("" if words == 1 else "s")
    caption = (
        f"{plural(len(pairs), 'pair')} of {plural(len(items), 'candidate')}, by the ranks of what the models {what}; a pair "
        f"is as controversial as the smaller of both gaps. Matched within {near} and {frequency:g} of mean log "
        "frequency; every sentence in one pair. Raw scores of two models have no common scale and are not compared."
    )
    return Answer(
        pairs, sentence, caption, facts={"items": items, "models": (first, second)},
        axes={"x_title": f"Rank within {second}", "y_title": f"Rank within {first}"},
    )  # fmt: skip


def _values(name, texts, protocol, by, recording, target, store, report: Report) -> np.ndarray:
    model, _, layer = name.partition("#")
    if by == "surprisal":
        read = token_surprisals(load(model), texts, store=store)
        return np.array([-float(np.sum(one.nats)) for one in read])
    if recording is None:
        raise BrainLensError("Responses need a recording to learn from", remedy="Name one")

    found = drive(model, recording, texts, protocol, target=target, layer=layer or None, draws=2, store=store,
                  report=report)  # fmt: skip
    return (
        found.frame.drop_duplicates("text")
        .set_index("text")["prediction"]
        .reindex(texts)
        .to_numpy()
    )


def judged(table: pd.DataFrame, first: str, second: str, *, gap: float = 0.0) -> Answer:
    """People's choices on the pairs of a table of forced choices that two of its models decide differently.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`data.readers.trials.choices`.
    first, second : str
        Columns of models.
    gap : float
        Pairs count where both models prefer their sentence by at least this much, in ranks of the size of their own
        preferences over all pairs (0 .. 1).

    Returns
    -------
    Answer
        As of :func:`analysis.answers.choices.forced_choices` (agreement of both models and of other people, each person against
        the majority of the others, with intervals over people and pairs); ``facts["pairs"]``: the sentences.

    Raises
    ------
    BrainLensError
        For unknown models, and where they never disagree by that much.
    """
    models = list(table.columns[table.columns.get_loc("second_model") + 1 :])
    for name in (first, second):
        if name not in models:
            raise unknown("model of the table", name, models)
    pairs = table.drop_duplicates("pair").set_index("pair")
    strength = {name: pairs[name].abs().rank(pct=True) for name in (first, second)}
    apart = (
        (np.sign(pairs[first]) * np.sign(pairs[second]) < 0)
        & (strength[first] >= gap)
        & (strength[second] >= gap)
    )
    if apart.sum() < 2:
        raise BrainLensError(
            f"{first} and {second} decide {int(apart.sum())} of {len(pairs)} pairs differently",
            remedy="Choose other models or a smaller gap",
        )
    some = table[table["pair"].isin(apart.index[apart])]
    keep = list(table.columns[: table.columns.get_loc("second_model") + 1])
    found = forced_choices(some[[*keep, first, second]])
    sentences = {tuple(sorted(one)) for one in zip(some["first"], some["second"], strict=True)}
    return Answer(
        found.frame, found.sentence, found.caption,
        facts={**found.facts, "pairs": sentences, "models": (first, second)}, axes=found.axes,
    )  # fmt: skip
