"""The ceiling of a story that one person heard several times: how much of the signal comes again."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.ceiling.reliability import repeats
from analysis.ceiling.result import Ceiling, flagged
from analysis.features.time import detrended
from analysis.mapping.splits import BLOCK
from analysis.protocol import Protocol
from analysis.statistics.bootstrap import DRAWS_SEED
from data.recording import Recording

__all__ = ["LISTEN", "heard_again", "listens_ceiling"]

LISTEN = "listen"
"""Coordinate of targets that numbers the times a person heard the story; ``voxel`` says which of them are of one place."""
AT_ONCE = 4096
"""Voxels that are looked at together."""


def heard_again(recording: Recording) -> bool:
    """Whether targets are single listens, several of each voxel."""
    coords = recording.responses.coords
    return recording.sampled and {LISTEN, "voxel"} <= set(map(str, coords))


def listens_ceiling(recording: Recording, protocol: Protocol) -> Ceiling:
    r"""Ceiling of r with single listens, from listens that heard the same story.

    Every listen is filtered by the protocol's high-pass and z-scored; samples are what is presented, listens the presentations:

    .. math:: c = \sqrt{\rho}

    with the intraclass correlation :math:`\rho` of each voxel (:func:`analysis.ceiling.reliability.repeats`), averaged over
    voxels. Intervals draw blocks of 10 samples. It holds for this story, and for what comes again because of the sound as well.

    Returns
    -------
    Ceiling
        Of kind ``"repeats"``; ``none`` where no voxel was heard twice.
    """
    voxels, names = pd.factorize(np.asarray(recording.responses["voxel"].values).astype(str))
    listens = pd.factorize(np.asarray(recording.responses[LISTEN].values).astype(str))[0]
    place = np.full((len(names), listens.max() + 1), -1)
    place[voxels, listens] = np.arange(recording.n_targets)
    several = np.flatnonzero((place >= 0).sum(axis=1) >= 2)
    if not len(several):
        return Ceiling.none("no voxel was measured in two listens", recording.n_targets)
    n, runs = recording.n_stimuli, recording.stimuli["run"].to_numpy()
    blocks = pd.factorize(pd.Series(runs).astype(str) + "." + (np.arange(n) // BLOCK).astype(str))[
        0
    ]
    each, total = np.full(len(names), np.nan), np.zeros(protocol.bootstrap)
    for first in range(0, len(several), AT_ONCE):
        some = several[first : first + AT_ONCE]
        stacked = [
            _listen(recording, protocol, runs, place[some, one]) for one in range(place.shape[1])
        ]
        found = repeats(
            np.concatenate(stacked),
            np.tile(np.arange(n), len(stacked)),
            np.tile(blocks, len(stacked)),
            draws=protocol.bootstrap,
            seed=DRAWS_SEED,
        )
        each[some], total = found.value, total + np.nansum(found.draws, axis=1)
    value, draws = float(np.nanmean(each)), total / np.isfinite(each).sum()
    low, high = np.nanquantile(draws, [0.025, 0.975])
    note = "for single listens, not for their average; what comes again because of the sound counts in it"
    valid, flag = flagged("repeats", value, low, high, None, note)
    return Ceiling(
        "repeats",
        value,
        float(low),
        float(high),
        each[voxels],
        valid,
        flag,
        resampled=f"{blocks.max() + 1} blocks of {BLOCK} samples",
        draws=draws,
    )


def _listen(recording: Recording, protocol: Protocol, runs, targets: np.ndarray) -> np.ndarray:
    """One listen's signals of some voxels, filtered; NaN where a voxel was not measured in it."""
    out = np.full((recording.n_stimuli, len(targets)), np.nan)
    there = targets >= 0
    out[:, there] = detrended(
        recording.responses.values[:, targets[there]],
        np.arange(recording.n_stimuli),
        runs,
        recording.timed.interval,
        protocol.highpass,
        scale=True,
    )
    return out
