"""Stimuli, ids and responses put together: a recording, and the notes that go with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from data.notes import AVERAGE, REPORTED, SUPPOSED, Note
from data.own.meaning import Meaning
from data.own.turned import Turned
from data.recording import Recording
from data.words import are_words

__all__ = ["ASSUMED_AVERAGE", "assembled"]

ASSUMED_AVERAGE = Note(
    "taken as an average over people: no ceiling, no normalised score, no inference over people",
    SUPPOSED,
)
"""The note of a recording of which nothing says whose responses they are."""


def assembled(
    path: Path,
    said: Mapping,
    stimuli: pd.DataFrame,
    ids: np.ndarray,
    shape: Turned,
    *,
    labels: Mapping[str, str],
    meant: Meaning,
    notes: list[str],
) -> Recording:
    """The recording of stimuli and responses that stand in their order, and the notes on it.

    Parameters
    ----------
    said : mapping
        What was said of the file and what was found out; fields of :class:`data.recording.Recording`.
    labels : mapping
        The columns of group and context.
    notes : list of str
        What was noted on the way; more are added.
    """
    data, targets, coords = shape.data, shape.targets, shape.coords
    if "position" not in stimuli.columns:
        blocks = (
            stimuli[labels["context"]] if "context" in labels else pd.Series(0, index=stimuli.index)
        )
        stimuli["position"] = stimuli.groupby(blocks, sort=False).cumcount()
    stimuli.index = pd.Index(ids, name="stimulus")
    people = coords.get("subject")
    responses = xr.DataArray(
        np.asarray(data, dtype=np.float64),
        dims=("stimulus", "target"),
        coords={
            "stimulus": ids,
            "target": np.asarray(targets, dtype=object),
            **{
                role: ("target", _plain(values))
                for role, values in coords.items()
                if role not in ("stimulus", "target")
            },
        },
    )
    averaged = said.get(
        "averaged", people is None and (len(targets) == 1 or all(_says_mean(t) for t in targets))
    )
    if averaged and "averaged" not in said:
        notes.append(ASSUMED_AVERAGE)
    elif averaged:
        notes.append(
            Note(
                "averaged over people: no ceiling, no normalised score, no inference over people",
                AVERAGE,
            )
        )
    elif people is None:
        notes.append(Note("subjects unknown: no inference over people", REPORTED))
    notes += _text_notes(stimuli, labels, meant.repeat)
    missing = int(np.isnan(data).sum())
    if missing:
        notes.append(
            Note(
                f"{missing:,} of {data.size:,} responses are missing; their stimuli are still read as context",
                REPORTED,
            )
        )
    if "group" not in labels:
        notes.append(
            Note(
                "no groups are known: neighbouring stimuli may leak from training to test; name a group column",
                REPORTED,
            )
        )
    roles = {
        role: labels[key]
        for role, key in (("topic", "group"), ("passage", "context"))
        if key in labels and role not in stimuli.columns
    }
    if meant.repeat:
        roles["repeat"] = meant.repeat
    within = "text (column)" if meant.within == "text" else meant.within
    return Recording(
        id=said.get("id") or path.name.split(".")[0],
        responses=responses,
        stimuli=stimuli,
        kind=said["kind"],
        unit=said["unit"],
        scored_unit=said["scored_unit"],
        context=labels.get("context"),
        group=labels.get("group"),
        within=within,
        roles=roles,
        averaged=bool(averaged),
        simulated=bool(said.get("simulated", False)),
        language=said["language"],
        joiner=said["joiner"],
        quality=said.get("quality", ""),
        citation=said.get("citation", ""),
        licence=said.get("licence", ""),
        source=said.get("source", ""),
        notes=tuple(notes),
    )


def _text_notes(stimuli: pd.DataFrame, labels: Mapping, repeat: str | None) -> list[str]:
    if repeat or are_words(stimuli["text"]):
        return []  # words and repeats occur again and again
    twins = stimuli["text"][stimuli["text"].duplicated(keep=False)]
    if twins.empty:
        return []
    note = f"{twins.nunique()} texts occur more than once ({len(twins)} rows), first {twins.iloc[0][:50]!r}"
    if "group" in labels:
        apart = stimuli.loc[twins.index].groupby("text")[labels["group"]].nunique().gt(1).sum()
        note += (
            f"; {apart} of them in different groups, where they leak from training to test"
            if apart
            else "; always in the same group"
        )
    return [Note(note, REPORTED)]


def _says_mean(target: str) -> bool:
    return any(
        word in str(target).lower().replace("-", "_").split("_")
        for word in ("avg", "average", "mean")
    )


def _plain(values: list) -> np.ndarray:
    """Numbers as numbers, such as a lag or a place; anything else as it is."""
    numbers = np.asarray(values)
    return numbers if numbers.dtype.kind in "iuf" else np.asarray(values, dtype=object)
