"""What ships inside the package: original sentences, the simulated people who read them, and prose that no model has seen."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pandas as pd
import xarray as xr

from data.recording import Recording
from data.words import add_word_columns

__all__ = [
    "FACTS",
    "READING_FACTS",
    "prose",
    "reading",
    "recording",
    "stimuli",
    "training_tokens",
    "words",
]

FACTS = {
    "kind": "fmri",
    "unit": "a.u.",
    "scored_unit": "sentence",
    "context": "passage",
    "group": "topic",
    "roles": {"topic": "topic", "passage": "passage"},
    "licence": "MIT",
    "source": "written and simulated for BrainLens",
}
"""What the recording is, beside its numbers."""

READING_FACTS = {
    "kind": "reading_times",
    "unit": "ms",
    "scored_unit": "word",
    "context": "story",
    "group": "story",
    "roles": {"passage": "story", "topic": "story"},
    "licence": "MIT",
    "source": "written and simulated for BrainLens",
}
"""The same of the simulated readers."""


def stimuli() -> pd.DataFrame:
    """288 original sentences: 24 topics of 3 passages of 4 sentences; columns topic, passage, position, text."""
    with files(__name__).joinpath("sentences.csv").open(encoding="utf-8") as stream:
        table = pd.read_csv(stream)
    table.index = pd.Index(
        [f"{p}-{n}" for p, n in zip(table["passage"], table["position"])], name="stimulus"
    )
    return table


def prose() -> list[str]:
    """Original short prose for bits per byte: each piece one text, its paragraphs one line each, an empty line between them."""
    text = files(__name__).joinpath("prose.txt").read_text(encoding="utf-8")
    return [piece.strip() for piece in text.split("\n* * *\n")]


def recording() -> Recording:
    """The embedded default, id ``simulated``.

    Simulated subjects listen with one layer of a model that ships too; ``truth`` names both, with every other planted fact.
    The responses are made by ``python -m tools.plant``.
    """
    table = stimuli()
    with (
        files(__name__).joinpath("responses.npz").open("rb") as stream,
        np.load(stream, allow_pickle=False) as saved,
    ):
        coords = {name: ("target", saved[name]) for name in ("subject", "planted", "pair")}
        responses = xr.DataArray(
            saved["values"],
            dims=("stimulus", "target"),
            coords={"stimulus": table.index.to_numpy(), "target": saved["target"], **coords},
        )
    truth = json.loads(files(__name__).joinpath("truth.json").read_text(encoding="utf-8"))
    notes = truth.pop("notes")
    made = Recording(
        id="simulated",
        responses=responses,
        stimuli=table,
        simulated=True,
        notes=tuple(notes),
        **FACTS,
    )
    return replace(made, truth=truth)


def words() -> pd.DataFrame:
    """Every word of the prose, in order: text, story, zone (number in the story, from 1) and the columns of words."""
    rows = [
        (word, f"{number}", zone)
        for number, piece in enumerate(prose(), 1)
        for zone, word in enumerate(piece.split(), 1)
    ]
    table = add_word_columns(pd.DataFrame(rows, columns=["text", "story", "zone"]))
    table.index = pd.Index(
        [f"{story}.{zone}" for story, zone in zip(table["story"], table["zone"])], name="stimulus"
    )
    return table


def reading() -> Recording:
    """The embedded reading times, id ``simulated-reading``: eight simulated people read the prose word by word.

    Surprisal under a model that ships too, with spillover, is planted; ``truth`` names it, with every other planted fact. The
    times are made by ``python -m tools.plant_reading``.
    """
    table = words()
    with (
        files(__name__).joinpath("reading.npz").open("rb") as stream,
        np.load(stream, allow_pickle=False) as saved,
    ):
        people = saved["subject"].astype(object)
        responses = xr.DataArray(
            saved["values"].astype(float),
            dims=("stimulus", "target"),
            coords={
                "stimulus": table.index.to_numpy(),
                "target": people,
                "subject": ("target", people),
            },
        )
    truth = json.loads(files(__name__).joinpath("reading.json").read_text(encoding="utf-8"))
    notes = tuple(truth.pop("notes"))
    return Recording(
        id="simulated-reading",
        responses=responses,
        stimuli=table,
        simulated=True,
        notes=notes,
        truth=truth,
        **READING_FACTS,
    )


def training_tokens() -> np.ndarray:
    """The text that live trainings read, shape (4 million,): pieces of the zoo's tokenizer, 0 behind every document.

    State of the Union addresses, Moby Dick and the World English Bible, all in the public domain: the training documents of the
    zoo without its dictionary, in a fixed random order. Made by ``python -m tools.zoo --tokens``.
    """
    import lzma

    packed = files(__name__).joinpath("training-tokens.xz").read_bytes()
    return np.frombuffer(lzma.decompress(packed), "<u2")
