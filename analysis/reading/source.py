"""What is read and how surprising it is: a recording of words by name, and surprisals of its words from wherever they come."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from analysis.features.surprisal import word_surprisal
from analysis.features.surprisal_table import holds_surprisals
from analysis.models import load
from analysis.progress import SILENT, Report
from analysis.protocol import Protocol
from analysis.scoring.lock import require_open
from analysis.store.store import Store
from data.catalog import catalog
from data.errors import BrainLensError
from data.gate import existing
from data.own.tables import numbers, read_table
from data.readers.reading_times import gpt3_surprisal
from data.recording import Recording

__all__ = ["GPT3", "corpus", "surprisal_of"]

GPT3 = "gpt3"
"""Name of the probabilities that were released with Natural Stories."""


def corpus(name: Recording | str) -> Recording:
    """A recording by id or path; ``file#corpus`` is one corpus of a table of words, ``file#corpus:eye_tracking`` of its eyes."""
    return name if isinstance(name, Recording) else catalog.recording(name)


def surprisal_of(
    source: str | pd.Series,
    recording: Recording,
    *,
    protocol: Protocol | None = None,
    store=None,
    report: Report = SILENT,
) -> pd.Series:
    """Surprisal of a recording's words in bits, indexed by stimulus.

    Parameters
    ----------
    source : str or pandas.Series
        ``gpt3`` (the probabilities released with Natural Stories), a table with the columns ``stimulus`` and ``surprisal``
        (bits), a table of words or tokens as other tools write it (:mod:`analysis.features.surprisal_table`), a model's id, or
        the numbers themselves.

    Raises
    ------
    BrainLensError
        Where the table lacks columns or words, or the model has no probabilities.
    analysis.store.promises.Locked
        Where this model on this recording is locked: surprisals are asked for here to be held against responses.
    """
    if isinstance(source, pd.Series):
        return source
    if source == GPT3:
        if "zone" not in recording.stimuli.columns or not recording.id.startswith(
            "natural-stories"
        ):
            raise BrainLensError(
                f"The released GPT-3 probabilities belong to Natural Stories, not to {recording.id}",
                remedy="Name a model, or a table with the columns stimulus and surprisal",
            )
        return gpt3_surprisal(words=recording.stimuli)
    place = existing(source)
    if place is not None and place.is_file() and not holds_surprisals(place):
        return _from_table(place, recording)

    reader, how = load(source), protocol or Protocol()
    require_open(reader, recording, how, store or Store())
    return word_surprisal(reader, recording, how, store=store, report=report)["surprisal"]


def _from_table(path: Path, recording: Recording) -> pd.Series:
    table = read_table(path, texts=("stimulus",))
    for name in ("stimulus", "surprisal"):
        if name not in table.frame.columns:
            raise BrainLensError(
                f"{path.name} has no column {name!r}",
                choices=table.frame.columns,
                remedy="Give stimulus and surprisal (bits); or word (or token) and surprisal_bits, surprisal_nats or lnprob, a "
                "row for each in the texts' order",
            )
    ids = [str(one) for one in recording.stimuli.index]
    found = pd.Series(numbers(table, "surprisal"), index=table.frame["stimulus"].astype(str))
    if not found.index.is_unique:
        raise BrainLensError(
            f"{path.name}: stimuli occur more than once", remedy="Give each stimulus one row"
        )
    missing = [name for name in ids if name not in found.index]
    if len(missing) == len(ids):
        raise BrainLensError(
            f"{path.name} has none of the stimuli of {recording.id}",
            choices=ids[:5],
            remedy="Name them as the recording does",
        )
    return pd.Series(found.reindex(ids).to_numpy(), index=recording.stimuli.index)
