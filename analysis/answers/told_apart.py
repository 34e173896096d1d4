"""Which stimulus was it? How well held-out stimuli are told apart from what each of several models predicts."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from analysis.answers.answer import Answer, plural
from analysis.scoring.decoding import Decoding

__all__ = ["told_apart"]

WORDS = {"2v2": "2-v-2", "retrieval": "rank of the right one", "first": "right one first"}
"""What a measure is called."""


def told_apart(found: Mapping[str, Decoding], recording: str) -> Answer:
    """2-v-2 decoding and retrieval of several models on one recording.

    Parameters
    ----------
    found : mapping of str to Decoding
        By model, of :func:`analysis.scoring.decoding.decode`.
    recording : str

    Returns
    -------
    Answer
        ``frame``: model, measure, value, chance, p, n. ``facts["people"]``: model, measure, person, value.
    """
    frame = pd.concat(
        [one.table.assign(model=model, measure=one.table["measure"].map(WORDS)) for model, one in found.items()],
        ignore_index=True,
    )[["model", "measure", "value", "chance", "p", "n"]]  # fmt: skip
    people = pd.concat(
        [one.people.rename(columns=WORDS).assign(model=model) for model, one in found.items()],
        ignore_index=True,
    ).melt(["model", "person"], var_name="measure")
    first = next(iter(found.values()))
    of = f"{people['person'].nunique():,} people" if len(first.people) > 1 else "one person"
    words = plural(round(first.tolerance), "word")
    caption = (
        f"Only stimuli that are held out in one fold, share their topic and differ in length by {words} at most compete: "
        f"{first.strata:,} strata; {first.alone:,} stimuli have no rival. Values: mean over {of}, first fold seed. "
        f"Chance and p: {first.draws:,} exchanges of predictions inside strata, the same for all people."
    )
    sentence = " ".join(one.sentence(model, recording) for model, one in found.items())
    axes = {"x_title": "", "y_title": "Share told apart, held out"}
    return Answer(frame, sentence, caption, facts={"people": people}, axes=axes)
