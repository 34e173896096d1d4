"""Which row of somebody's numbers belongs to which stimulus: by id, by any column of the recording, or counted from 0 or 1."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from data.errors import BrainLensError
from data.recording import Recording

__all__ = ["either_way", "matched"]


def matched(ids: Sequence, recording: Recording, where: str) -> tuple[np.ndarray, str]:
    """Rows of the numbers in the order of the recording's stimuli.

    Parameters
    ----------
    ids : sequence
        One for each row: stimulus ids, or what stands in any column of the recording that tells all stimuli apart (the sentence
        itself), or numbers from 0 or from 1.
    recording : Recording
    where : str
        Names the numbers in errors.

    Returns
    -------
    rows : ndarray of int, shape (n_stimuli,)
    told : str
        How they were matched; empty where by stimulus id.

    Raises
    ------
    BrainLensError
        Where ids occur twice, or stimuli are missing under every reading.
    """
    names = [_name(one) for one in ids]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise BrainLensError(
            f"{where}: {len(twice)} stimuli occur more than once, first {twice[0]!r}",
            remedy="Make the ids unique",
        )
    place = {name: row for row, name in enumerate(names)}
    stimuli = recording.stimuli
    wanted = [_name(one) for one in stimuli.index]
    readings = [(wanted, "")]
    for column in stimuli.columns:
        values = [_name(one) for one in stimuli[column]]
        if len(set(values)) == len(values):
            readings.append((values, f"rows matched by the column {column!r}"))
    count = range(len(wanted))
    for start in (0, 1):
        if set(names) == {str(i + start) for i in count}:
            readings.append(([str(i + start) for i in count], f"rows counted from {start}"))
    for values, told in readings:
        if all(value in place for value in values):
            return np.asarray([place[value] for value in values]), told
    missing = [name for name in wanted if name not in place]
    columns = ", ".join(map(repr, stimuli.columns))
    raise BrainLensError(
        f"{where} lacks {len(missing)} of the {len(wanted)} stimuli of {recording.id}, first {missing[0]!r}; no column "
        f"({columns}) holds its ids either",
        choices=names[:5],
        remedy="Name the stimuli as the recording does (its stimulus ids), or number them from 0 or 1",
    )


def either_way(layers: Mapping[Any, np.ndarray]) -> str:
    """What has to be said of layers whose rows might be their units: a square array cannot show that it lies turned.

    Examples
    --------
    >>> either_way({0: np.ones((4, 4)), 1: np.ones((4, 3))})
    'layer 0 is square (4 x 4): its rows are taken as stimuli, its columns as units'
    """
    for key, array in layers.items():
        if array.shape[0] == array.shape[1] > 2:
            n = len(array)
            return f"layer {key} is square ({n} x {n}): its rows are taken as stimuli, its columns as units"
    return ""


def _name(value) -> str:
    """An id as text: bytes decoded, whole numbers without a point."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)
