"""From a recording of words to the table that reading times are regressed in: one row per word, or per word and person."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.errors import BrainLensError
from data.recording import Recording
from data.words import add_word_columns

__all__ = ["WordFrame", "people_frame", "word_frame"]

_MEASURED_BY_PEOPLE = "mean over people"


@dataclass(frozen=True)
class WordFrame:
    """The table and which of its columns are responses.

    Parameters
    ----------
    table : pandas.DataFrame
        Indexed by stimulus, every word in reading order: text, story (the text it stands in), zone (number in the text, from 1),
        length, log_frequency, sentence, first_in_sentence, last_in_sentence, one column per measure, and surprisal where given.
    measures : tuple of str
        A recording with people has one: the mean over them.
    kind : str
        ``"self-paced"`` or ``"eye-tracking"``.
    link : str
        ``"log"`` where every response of every measure is a time above 0, else ``"identity"``.
    """

    table: pd.DataFrame
    measures: tuple[str, ...]
    kind: str
    link: str


def word_frame(recording: Recording, surprisal: pd.Series | None = None) -> WordFrame:
    """The word table of a recording.

    Parameters
    ----------
    surprisal : pandas.Series, optional
        In bits, indexed by stimulus.

    Raises
    ------
    BrainLensError
        Where the recording's rows are not words.
    """
    table = _words(recording)
    values = recording.responses.values
    if recording.subjects is None:
        names = [_free(str(name), table) for name in recording.responses.target.values]
    else:
        names = [_free(_MEASURED_BY_PEOPLE, table)]
        counts = np.isfinite(values).sum(axis=1)
        totals = np.nansum(values, axis=1)
        values = np.where(counts > 0, totals / np.maximum(counts, 1), np.nan)[:, None]
    table = table.assign(**dict(zip(names, values.T)))
    if surprisal is not None:
        table["surprisal"] = surprisal.reindex(table.index).to_numpy(float)
    kind = "eye-tracking" if recording.kind == "eye_tracking" else "self-paced"
    timed = recording.kind in ("reading_times", "eye_tracking") and not (values <= 0).any()
    return WordFrame(table, tuple(names), kind, "log" if timed else "identity")


def people_frame(recording: Recording, surprisal: pd.Series) -> pd.DataFrame:
    """One row per word and person, for mixed models: columns of :func:`word_frame`, subject, word, rt; missing times left out.

    Raises
    ------
    BrainLensError
        Where the recording has no people.
    """
    people = recording.subjects
    if people is None:
        raise BrainLensError(
            f"{recording.id} has no people, only {'averages' if recording.averaged else 'targets'}",
            remedy="Use the linear model, or a recording with a target per person",
        )
    table = _words(recording).assign(
        surprisal=surprisal.reindex(recording.stimuli.index).to_numpy(float)
    )
    rows, columns = np.nonzero(np.isfinite(recording.responses.values))
    long = table.iloc[rows].reset_index(names="word")
    return long.assign(subject=people[columns], rt=recording.responses.values[rows, columns])


def _words(recording: Recording) -> pd.DataFrame:
    if recording.scored_unit != "word":
        raise BrainLensError(
            f"{recording.id} has one response per {recording.scored_unit}, not per word",
            remedy="Choose a recording of reading times, such as natural-stories, ucl-spr or simulated-reading",
        )
    label = recording.context or recording.group
    text = recording.column(label).astype(str) if label else np.full(recording.n_stimuli, "text")
    table = recording.stimuli.assign(story=text)
    table["text"] = recording.texts
    if not {"length", "log_frequency", "first_in_sentence", "last_in_sentence"} <= set(
        table.columns
    ):
        table = add_word_columns(table, language=recording.language)
    table["zone"] = table.groupby("story", sort=False).cumcount() + 1
    return table


def _free(name: str, table: pd.DataFrame) -> str:
    """The name, or one like it that no column of the table has."""
    while name in table.columns or name == "surprisal":
        name += "_measured"
    return name
