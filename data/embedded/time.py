"""What ships of simulated people over time: a story heard in a scanner, and the same words under electrodes."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from data.embedded import prose
from data.presentation import Presentation, sample_table
from data.recording import Recording

__all__ = [
    "ELECTRODES",
    "INTERVAL",
    "LAGS",
    "REGIONS",
    "WORDS_EACH",
    "ecog",
    "spoken_words",
    "story",
]

INTERVAL = 2.0
"""Seconds between two volumes of the story."""

REGIONS = {
    "LAud": (-52.0, -20.0, 6.0),
    "LPTL": (-56.0, -42.0, 4.0),
    "LATL": (-52.0, 6.0, -22.0),
    "RATL": (52.0, 6.0, -22.0),
    "LIFG": (-50.0, 20.0, 14.0),
    "LFoot": (-6.0, -28.0, 68.0),
}
"""Simulated regions and where they are drawn, in millimetres of MNI space."""

LAGS = tuple(range(-400, 701, 100))
"""Milliseconds around the onset of a word at which the electrodes are looked at."""

ELECTRODES = ("STG", "IFG", "none")
"""Electrodes of each simulated patient."""

WORDS_EACH = 150
"""Words of each piece of prose that the patients heard."""

_FACTS: dict[str, Any] = {
    "unit": "a.u.",
    "licence": "MIT",
    "source": "written and simulated for BrainLens",
}


def spoken_words(each: int | None = None) -> pd.DataFrame:
    """Words of the prose as a voice might say them: run, onset, offset (seconds) and text.

    A word takes .12 s and .05 s for each letter, there is a pause behind commas (.2 s) and full stops (.9 s), the voice quickens
    and slows by a third every 41 s, and each piece is a run that begins with 4 s of silence. Nothing is drawn at random: the
    times follow from the text.

    Parameters
    ----------
    each : int, optional
        Words of each piece; None: all.
    """
    rows = []
    for number, piece in enumerate(prose(), 1):
        now = 4.0
        for word in piece.split()[:each]:
            pace = 1 + np.sin(2 * np.pi * now / 41) / 3
            length = pace * (0.12 + 0.05 * len(word))
            rows.append((f"run{number}", round(now, 3), round(now + length, 3), word))
            now += length + (0.9 if word[-1] in ".?!" else 0.2 if word[-1] in ",;:" else 0.03)
    return pd.DataFrame(rows, columns=["run", "onset", "offset", "text"])


def counts(words: pd.DataFrame) -> dict[str, int]:
    """Volumes of each run: until 10 s after its last word."""
    last = words.groupby("run", sort=False)["offset"].max()
    return {run: int(np.ceil((end + 10) / INTERVAL)) for run, end in last.items()}


def story() -> Recording:
    """The embedded story, id ``simulated-story``: six people hear the prose in the scanner.

    Layers of a model that ships too drive four regions through a haemodynamic response, the sound drives a fifth, nothing a
    sixth; drifts, motion and autocorrelated noise lie over it. ``truth`` names every planted fact. The signals are made by
    ``python -m tools.plant_time``.
    """
    words = spoken_words()
    bare = Presentation(words, INTERVAL)
    table = sample_table(bare, counts(words))
    ids = table.index.to_numpy()
    with (
        files("data.embedded").joinpath("story.npz").open("rb") as stream,
        np.load(stream) as saved,
    ):
        values, motion, power = (
            saved[name].astype(np.float32) for name in ("values", "motion", "power")
        )
        scale = saved["scale"]
    truth, notes = _told("story.json")
    people = [f"s{i + 1}" for i in range(motion.shape[2])]
    owners = np.repeat(np.array(people, object), len(REGIONS))
    regions = np.tile(np.array(list(REGIONS), object), len(people))
    places = np.array([REGIONS[region] for region in regions])
    nuisance = {
        "sound-power": xr.DataArray(power * scale[2], dims=("stimulus",), coords={"stimulus": ids})
    }
    for column in range(motion.shape[1]):
        nuisance[f"motion-{column + 1}"] = xr.DataArray(
            motion[:, column] * scale[1],
            dims=("stimulus", "subject"),
            coords={"stimulus": ids, "subject": np.array(people, object)},
        )
    responses = xr.DataArray(
        values * scale[0],
        dims=("stimulus", "target"),
        coords={
            "stimulus": ids,
            "target": np.array([f"{p}.{r}" for p, r in zip(owners, regions)], object),
            "subject": ("target", owners),
            "region": ("target", regions),
            **{axis: ("target", places[:, i]) for i, axis in enumerate("xyz")},
        },
    )
    return Recording(
        id="simulated-story",
        responses=responses,
        stimuli=table,
        kind="fmri",
        scored_unit="tr",
        context="run",
        group="run",
        simulated=True,
        truth=truth,
        notes=notes,
        presentation=Presentation(words, INTERVAL, nuisance),
        **_FACTS,
    )


def ecog() -> Recording:
    """The embedded electrodes, id ``simulated-ecog``: three patients hear the beginning of each piece, word by word.

    A row is a word, a target is one electrode at one lag from its onset (coordinates ``electrode``, ``lag`` in milliseconds,
    ``region``, ``subject``). Each electrode follows one layer of a model that ships too at a lag of its own, or nothing;
    ``truth`` names both. As in real recordings the windows of neighbouring words overlap.
    """
    words = spoken_words(WORDS_EACH)
    table = words.rename(columns={"run": "story"})[["text", "story", "onset", "offset"]]
    table["position"] = table.groupby("story").cumcount()
    table.index = pd.Index(
        [f"{s}.{p}" for s, p in zip(table["story"], table["position"])], name="stimulus"
    )
    with files("data.embedded").joinpath("ecog.npz").open("rb") as stream, np.load(stream) as saved:
        values, scale = saved["values"].astype(np.float32), float(saved["scale"])
    truth, notes = _told("ecog.json")
    people = values.shape[1] // (len(ELECTRODES) * len(LAGS))
    subject = np.repeat([f"p{i + 1}" for i in range(people)], len(ELECTRODES) * len(LAGS)).astype(
        object
    )
    region = np.tile(np.repeat(ELECTRODES, len(LAGS)), people).astype(object)
    lag = np.tile(LAGS, people * len(ELECTRODES))
    electrode = np.array([f"{s}.{r}" for s, r in zip(subject, region)], object)
    responses = xr.DataArray(
        values * scale,
        dims=("stimulus", "target"),
        coords={
            "stimulus": table.index.to_numpy(),
            "target": np.array([f"{e}.{ms:+d}ms" for e, ms in zip(electrode, lag)], object),
            "subject": ("target", subject),
            "region": ("target", region),
            "electrode": ("target", electrode),
            "lag": ("target", lag.astype(float)),
        },
    )
    return Recording(
        id="simulated-ecog",
        responses=responses,
        stimuli=table,
        kind="ecog",
        scored_unit="word",
        context="story",
        group="story",
        roles={"story": "story", "passage": "story", "topic": "story"},
        simulated=True,
        truth=truth,
        notes=notes,
        **_FACTS,
    )


def _told(name: str) -> tuple[dict, tuple[str, ...]]:
    told = json.loads(files("data.embedded").joinpath(name).read_text(encoding="utf-8"))
    return told, tuple(told.pop("notes"))
