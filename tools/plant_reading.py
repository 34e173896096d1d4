"""``python -m tools.plant_reading``: plant a surprisal effect in simulated readers of the embedded prose."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import xarray as xr

from analysis.features.surprisal import word_surprisal
from analysis.models import load
from data import embedded
from data.files import atomic
from data.readers.simulated import simulate
from data.recording import Recording

__all__ = ["PLANT", "make", "write"]

FOLDER = Path(embedded.__file__).parent
MODEL = "zoo-causal-400k"
PLANT = {
    "n_subjects": 8,
    "targets_per_subject": 1,
    "noise": 1.5,
    "autocorrelation": 0.3,
    "length_effect": 0.6,
    "position_effect": -0.3,
    "spillover": (1.0, 0.5, 0.25),
    "seed": 2027,
}
"""What is planted beside the model's surprisal; every value is among the recording's truths."""


def make(model: str = MODEL) -> Recording:
    """The recording, computed anew: every reader slows down with the surprisal of a word and of the two words before it."""
    words = embedded.words()
    unread = Recording(
        id="words",
        stimuli=words,
        **embedded.READING_FACTS,
        responses=xr.DataArray(
            np.zeros((len(words), 1)),
            dims=("stimulus", "target"),
            coords={"stimulus": words.index.to_numpy(), "target": ["none"]},
        ),
    )
    bits = word_surprisal(load(model), unread)["surprisal"]
    facts = {
        name: value
        for name, value in embedded.READING_FACTS.items()
        if name not in ("kind", "unit", "scored_unit")
    }
    plant = {**PLANT, "features": bits.fillna(bits.mean()).to_numpy()}
    made = simulate(stimuli=words, kind="reading_times", id="simulated-reading", **plant, **facts)
    return replace(made, truth={**made.truth, "model": model, "what": "surprisal in bits"})


def write(recording: Recording, folder: Path = FOLDER) -> None:
    """Times as ``reading.npz``, truths and notes as ``reading.json``; each whole or not at all."""
    responses = recording.responses
    with atomic(folder / "reading.npz") as part, open(part, "wb") as file:
        np.savez_compressed(
            file,
            values=responses.values.round(1).astype(np.float32),
            subject=responses["subject"].values.astype(str),
        )
    told = {**recording.truth, "notes": list(recording.notes)}
    with atomic(folder / "reading.json") as part:
        part.write_text(json.dumps(told, indent=1, default=float) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(make())
