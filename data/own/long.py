"""The trials behind a recording of one's own: one row per person and stimulus, with every column of the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from data.errors import BrainLensError, unknown
from data.own.read import understood
from data.own.tables import squashed

__all__ = ["own_trials"]

_ITEMS = ("item", "itemid", "itemnumber", "itemnum", "itemnr", "sentenceid")


def own_trials(path: str | Path, *, response: str | None = None) -> pd.DataFrame | None:
    """The rows of a long table that a recording was made of.

    Parameters
    ----------
    path : path-like
        A table with one row per person and stimulus; ``file#corpus`` for one corpus in it.
    response : str, optional
        Which response column, where there are several; the first.

    Returns
    -------
    pandas.DataFrame or None
        person, item (a column of that name, else the stimulus), stimulus, the response, and the other columns of the file as they
        stand there; rows without a response are left out. ``attrs`` as of :func:`data.readers.trials.trials`. None: the file has
        no row per person.

    Raises
    ------
    BrainLensError
        For an unknown response, and whatever is wrong with the file.
    """
    made = understood(path)
    recording, cells = made.recording, made.cells
    if cells is None or recording.subjects is None:
        return None
    coords = recording.responses.coords
    measures = coords["measure"].values if "measure" in coords else None
    columns = np.arange(recording.n_targets)
    names = [str(one) for one in recording.responses.target.values]
    subjects = [str(one) for one in recording.subjects]
    ends = dict.fromkeys(
        name.removeprefix(f"{who}.") for name, who in zip(names, subjects) if name != who
    )
    if ends and measures is None:
        chosen = response or next(iter(ends))
        if chosen not in ends:
            raise unknown(f"response of {recording.id}", chosen, ends)
        columns = np.array([k for k, name in enumerate(names) if name.endswith(f".{chosen}")])
    elif measures is not None:
        chosen = response or str(measures[0])
        if chosen not in set(map(str, measures)):
            raise unknown(f"response of {recording.id}", chosen, set(map(str, measures)))
        columns = np.flatnonzero(measures.astype(str) == chosen)
    else:
        chosen = response or "rt"
    values = recording.responses.values[:, columns]
    row, column = np.nonzero(np.isfinite(values) & (cells[:, columns] >= 0))
    if not len(row):
        raise BrainLensError(
            f"{recording.id} has no trial with a response", remedy="Look at its columns"
        )
    long = made.table.frame.iloc[cells[row, columns[column]]].reset_index(drop=True)
    long = long.loc[:, ~long.columns.astype(str).str.startswith("Unnamed:")]
    long.columns = [str(name) for name in long.columns]
    ids = recording.stimuli.index.to_numpy()[row]
    person = np.array(subjects, dtype=object)[columns[column]]
    item = next((long[c].astype(str).to_numpy() for c in long if squashed(c) in _ITEMS), ids)
    own = {"person": person, "item": item, "stimulus": ids, chosen: values[row, column]}
    long = pd.concat([pd.DataFrame(own), long.drop(columns=[c for c in long if c in own])], axis=1)
    together = next((c for c in (recording.group, recording.context) if c), None)
    if together is None:
        together = "item"
    elif together not in long.columns:  # several columns that were joined
        long[together] = recording.stimuli[together].to_numpy()[row]
    long.attrs = {
        "response": chosen,
        "together": together,
        "notes": tuple(filter(None, [recording.source])),
    }
    return long
