"""``python -m tools.plant``: plant the truth of the embedded recording in one layer of a zoo model."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import xarray as xr

from analysis.models import load
from analysis.text.passages import passages
from data import embedded
from data.files import atomic
from data.readers.simulated import simulate
from data.recording import Recording

__all__ = ["PLANT", "features", "make", "write"]

FOLDER = Path(embedded.__file__).parent

PLANT = {
    "n_subjects": 6,
    "targets_per_subject": 16,
    "noise_targets": 4,
    "noise": 1.2,
    "autocorrelation": 0.4,
    "length_effect": 0.3,
    "position_effect": 0.3,
    "seed": 2024,
}
"""What is planted beside model and layer; every value is among the recording's truths."""

MODEL, LAYER = "zoo-causal-3m", 3


def features(model: str = MODEL, layer: int = LAYER) -> np.ndarray:
    """Activations of the embedded sentences, read passage by passage, last token, shape (288, width)."""
    table = embedded.stimuli()
    unread = Recording(
        id="sentences",
        stimuli=table,
        **embedded.FACTS,
        responses=xr.DataArray(
            np.zeros((len(table), 1)),
            dims=("stimulus", "target"),
            coords={"stimulus": table.index.to_numpy(), "target": ["none"]},
        ),
    )
    rows, values = zip(
        *((rows, values[0]) for rows, values in load(model).read(passages(unread), [layer]))
    )
    return np.concatenate(values)[np.argsort(np.concatenate(rows))]


def make(model: str = MODEL, layer: int = LAYER) -> Recording:
    """The embedded recording, computed anew."""
    facts = {
        name: value
        for name, value in embedded.FACTS.items()
        if name not in ("kind", "unit", "scored_unit")
    }
    made = simulate(
        features(model, layer), embedded.stimuli(), layer=layer, id="simulated", **PLANT, **facts
    )
    return replace(made, truth={**made.truth, "model": model})


def write(recording: Recording, folder: Path = FOLDER) -> None:
    """Responses as ``responses.npz``, truths and notes as ``truth.json``; each whole or not at all."""
    responses = recording.responses
    with atomic(folder / "responses.npz") as part, open(part, "wb") as file:
        np.savez_compressed(
            file,
            values=responses.values.astype(np.float32),
            target=responses.target.values.astype(str),
            **{
                name: np.asarray(responses[name].values.tolist())
                for name in ("subject", "planted", "pair")
            },
        )
    told = {**recording.truth, "notes": list(recording.notes)}
    with atomic(folder / "truth.json") as part:
        part.write_text(json.dumps(told, indent=1, default=float) + "\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    """Make and write the recording."""
    parser = argparse.ArgumentParser(prog="python -m tools.plant", description=__doc__)
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--layer", type=int, default=LAYER)
    options = parser.parse_args(arguments)
    write(make(options.model, options.layer))


if __name__ == "__main__":
    main()
