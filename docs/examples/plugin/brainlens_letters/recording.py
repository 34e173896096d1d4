"""A recording: 60 made-up sentences, and a response that follows how many of their letters are vowels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from data.catalog.entries import Entry
from data.recording import Recording

__all__ = ["ENTRY", "rhythm"]

SUBJECTS = ("A grey heron", "Our neighbour", "The last tram", "An old song", "Every baker")
PLACES = ("by the river", "in the rain", "after midnight", "near the station")
VERBS = ("waits", "hums quietly", "turns around")


def rhythm(*, id: str = "rhythm", **facts) -> Recording:
    """The recording; a reader gets the entry's id, licence, citation and source as keywords."""
    rows = [
        (place, f"{who} {verb} {place}.") for place in PLACES for verb in VERBS for who in SUBJECTS
    ]
    stimuli = pd.DataFrame(rows, columns=["topic", "text"])
    stimuli.index = pd.Index([f"s{number:02d}" for number in range(len(rows))], name="stimulus")
    vowels = stimuli["text"].str.count("[aeiou]").to_numpy(float)
    noise = np.random.default_rng(0).normal(0, 1, (len(rows), 3))
    responses = xr.DataArray(
        (vowels - vowels.mean())[:, None] + noise,
        dims=("stimulus", "target"),
        coords={"stimulus": stimuli.index, "target": ["v1", "v2", "v3"]},
    )
    return Recording(
        id=id,
        stimuli=stimuli,
        responses=responses,
        kind="fmri",
        unit="a.u.",
        scored_unit="sentence",
        group="topic",
        simulated=True,
        **facts,
    )


ENTRY = Entry(
    id="rhythm",
    title="Made-up sentences with a response to vowels",
    reader="brainlens_letters.recording:rhythm",
    kind="fmri",
    shape="60 sentences x 3 targets",
    licence="MIT",
    citation="",
    source="simulated by this example",
)
