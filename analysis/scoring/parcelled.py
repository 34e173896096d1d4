"""A score by the parcels of an annotation: the same numbers of the same targets, under other names of places."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from analysis.ceiling.result import Ceiling
from analysis.scoring.result import Score
from data.errors import BrainLensError
from data.recording import Recording
from data.stories.parcels import Parcels, in_parcels

__all__ = ["parcelled"]


def parcelled(score: Score, recording: Recording, parcels: Parcels) -> tuple[Score, str]:
    """The score of the targets that lie in a parcel, with it as their region; nothing is fitted again.

    Parameters
    ----------
    score : Score
        Of this recording.
    recording : Recording
        Says where the targets lie.
    parcels : Parcels

    Returns
    -------
    score : Score
    said : str
        How many targets lie in no parcel and were left out; empty for none.

    Raises
    ------
    BrainLensError
        As :func:`data.stories.parcels.in_parcels`, and for a score of other targets.
    """
    targets = recording.responses["target"].values
    if not np.array_equal(score.dataset["target"].values, targets):
        raise BrainLensError(
            f"The score of {score.model} is not of the targets of {recording.id}",
            remedy="Give the recording that was scored",
        )
    made = in_parcels(recording, parcels)
    there = np.isin(targets, made.responses["target"].values)
    region = made.responses["region"].values
    dataset = score.dataset.isel(target=there).assign_coords(region=("target", region))
    found = replace(score, dataset=dataset, ceiling=_some(score.ceiling, there))
    left = int((~there).sum())
    said = f"{left} of {len(there)} targets lie in no parcel of {parcels.name} and are left out"
    return found, said if left else ""


def _some(ceiling: Ceiling, there: np.ndarray) -> Ceiling:
    """The ceiling of some targets; its aggregate stays that of all."""
    below = None if ceiling.lower_bound is None else _some(ceiling.lower_bound, there)
    values = np.asarray(ceiling.per_target, float)
    kept = values[there] if values.shape == there.shape else values
    return replace(ceiling, per_target=kept, lower_bound=below)
