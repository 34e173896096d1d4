"""``python -m tools.plant_time``: plant layers, lags, drifts and motion in the embedded recordings over time."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from analysis.features.time import resample
from analysis.models import load
from analysis.text.passages import passages
from data import embedded
from data.embedded.time import ELECTRODES, INTERVAL, LAGS, REGIONS, WORDS_EACH, counts, spoken_words
from data.files import atomic
from data.presentation import Presentation, sample_table
from data.readers.simulated import hrf
from data.recording import Recording

__all__ = ["ECOG", "STORY", "ecog", "layers", "story", "write"]

FOLDER = Path(embedded.__file__).parent
MODEL = "zoo-causal-3m"

STORY = {
    "regions": {"LPTL": (1, 0), "LATL": (5, 0), "RATL": (5, 0), "LIFG": (5, 1)},
    "components": 12,
    "strength": {"LPTL": 1.0, "LATL": 1.0, "RATL": 0.6, "LIFG": 1.0},
    "word_rate": 0.7,
    "sound": 1.0,
    "noise": 1.0,
    "autocorrelation": 0.4,
    "drift": 0.8,
    "motion": 0.4,
    "people": 6,
    "seed": 2030,
}
"""Region -> (layer, further samples of delay), and the standard deviations of all that lies over the signal."""

ECOG = {
    "electrodes": {"STG": (1, 100), "IFG": (5, 300)},
    "components": 12,
    "width": 90.0,
    "noise": 1.2,
    "people": 3,
    "seed": 2031,
}
"""Electrode -> (layer, milliseconds after a word's onset at which it answers); width of that answer."""

_NOTE = "simulated: the responses were computed, no person was measured"


def layers(words: pd.DataFrame, numbers) -> dict[int, np.ndarray]:
    """Activations of words read run by run, layer -> (n_words, width)."""
    table = words.copy()
    table.index = pd.Index([f"word{i}" for i in range(len(table))], name="stimulus")
    unread = Recording(
        id="words",
        stimuli=table,
        scored_unit="word",
        context="run",
        responses=xr.DataArray(
            np.zeros((len(table), 1)),
            dims=("stimulus", "target"),
            coords={"stimulus": table.index.to_numpy(), "target": ["none"]},
        ),
    )
    numbers = list(numbers)
    found = list(load(MODEL).read(passages(unread), numbers))
    order = np.argsort(np.concatenate([rows for rows, _ in found]))
    return {
        number: np.concatenate([values[i] for _, values in found])[order]
        for i, number in enumerate(numbers)
    }


def components(values: np.ndarray, count: int) -> np.ndarray:
    """The largest principal components, each of variance 1, shape (n, count)."""
    u, _, _ = np.linalg.svd(values - values.mean(axis=0), full_matrices=False)
    return u[:, :count] * np.sqrt(len(values))


def unit(values: np.ndarray) -> np.ndarray:
    """Mean 0 and standard deviation 1."""
    return (values - values.mean(axis=0)) / values.std(axis=0)


def correlated(rng: np.random.Generator, lengths, width: int, rho: float) -> np.ndarray:
    """AR(1) noise of variance 1, begun anew in every run."""
    blocks = []
    for length in lengths:
        noise = rng.standard_normal((length, width))
        for t in range(1, length):
            noise[t] = rho * noise[t - 1] + np.sqrt(1 - rho**2) * noise[t]
        blocks.append(noise)
    return np.concatenate(blocks)


# ---- the story -------------------------------------------------------------------------------------------------------
def story(plan: dict = STORY) -> tuple[dict[str, np.ndarray], dict]:
    """Arrays and truths of the story."""
    rng = np.random.default_rng(plan["seed"])
    words = spoken_words()
    presentation, runs = Presentation(words, INTERVAL), counts(words)
    table = sample_table(presentation, runs)
    n, lengths = len(table), list(runs.values())
    read = layers(words, sorted({layer for layer, _ in plan["regions"].values()}))
    rate = _sampled(np.ones((len(words), 1)), presentation, table)[:, 0]
    power = np.maximum(rate + 0.5 * np.abs(rng.standard_normal(n)), 0)
    driven = np.zeros((n, len(REGIONS)))
    for column, region in enumerate(REGIONS):
        if region == "LAud":
            driven[:, column] = plan["sound"] * unit(_heard(power, runs, 0))
        elif region in plan["regions"]:
            layer, late = plan["regions"][region]
            scores = components(read[layer], plan["components"])
            weights = rng.standard_normal(plan["components"])
            heard = _heard(
                _sampled(scores @ weights[:, None], presentation, table)[:, 0], runs, late
            )
            driven[:, column] = plan["strength"][region] * unit(heard)
            driven[:, column] += plan["word_rate"] * unit(_heard(rate, runs, late))
    values, moved = [], []
    for _ in range(plan["people"]):
        noise = plan["noise"] * correlated(rng, lengths, len(REGIONS), plan["autocorrelation"])
        motion = np.cumsum(rng.standard_normal((n, 6)) * 0.02, axis=0)
        moving = unit(motion @ rng.standard_normal((6, len(REGIONS))))
        drift = np.concatenate([_drift(rng, length) for length in lengths])
        values.append(driven + noise + plan["motion"] * moving + plan["drift"] * drift)
        moved.append(motion)
    truth = {
        "model": MODEL,
        "layers": {region: layer for region, (layer, _) in plan["regions"].items()},
        "late": {region: late * INTERVAL for region, (_, late) in plan["regions"].items()},
        "sound": ["LAud"],
        "noise_regions": ["LFoot"],
        "kernel": [float(k) for k in hrf(INTERVAL)],
        "peak": 5.0,
        **{
            k: plan[k] for k in ("noise", "autocorrelation", "drift", "motion", "word_rate", "seed")
        },
        "ceilings": {
            region: float(np.sqrt(v / (v + plan["noise"] ** 2)))
            for region, v in zip(REGIONS, driven.var(axis=0))
            if v > 0
        },
        "notes": [_NOTE],
    }
    return {"values": np.hstack(values), "motion": np.stack(moved, axis=2), "power": power}, truth


def _sampled(values: np.ndarray, presentation: Presentation, table: pd.DataFrame) -> np.ndarray:
    return resample(
        values, presentation, table["run"].to_numpy(), table["time"].to_numpy(float), "lanczos"
    )


def _heard(values: np.ndarray, runs: dict[str, int], late: int) -> np.ndarray:
    """Each run convolved with the haemodynamic response, and so many samples later."""
    parts, kernel = (
        np.split(values, np.cumsum(list(runs.values()))[:-1]),
        np.r_[np.zeros(late), hrf(INTERVAL)],
    )
    return np.concatenate([np.convolve(part, kernel)[: len(part)] for part in parts])


def _drift(rng: np.random.Generator, length: int) -> np.ndarray:
    """Slow cosines, slower than 128 s a cycle, of standard deviation 1 in each region."""
    time = np.arange(length) * INTERVAL
    phase = rng.uniform(0, 2 * np.pi, (3, len(REGIONS)))
    waves = [
        np.cos(2 * np.pi * time[:, None] / period + phase[i])
        for i, period in enumerate((160, 240, 400))
    ]
    return np.sum(waves, axis=0) / np.sqrt(1.5)


# ---- the electrodes --------------------------------------------------------------------------------------------------
def ecog(plan: dict = ECOG) -> tuple[np.ndarray, dict]:
    """Responses (word, electrode x lag) and truths: every word sends an answer into the time that follows it."""
    rng = np.random.default_rng(plan["seed"])
    words = spoken_words(WORDS_EACH)
    read = layers(words, sorted({layer for layer, _ in plan["electrodes"].values()}))
    onset, runs = words["onset"].to_numpy(float), words["run"].to_numpy()
    apart = (onset[:, None] - onset[None, :]) * 1000  # ms from word j (column) to word i
    same = runs[:, None] == runs[None, :]
    driven = {}
    for name, (layer, lag) in plan["electrodes"].items():
        signal = components(read[layer], plan["components"]) @ rng.standard_normal(
            plan["components"]
        )
        made = [
            (np.exp(-0.5 * ((apart + at - lag) / plan["width"]) ** 2) * same) @ signal
            for at in LAGS
        ]
        driven[name] = np.column_stack(made)
        driven[name] /= driven[name].std()
    columns = []
    for _ in range(plan["people"]):
        for name in ELECTRODES:
            noise = plan["noise"] * rng.standard_normal((len(words), len(LAGS)))
            columns.append(driven.get(name, 0.0) + noise)
    truth = {
        "model": MODEL,
        "layers": {name: layer for name, (layer, _) in plan["electrodes"].items()},
        "lags": {name: lag for name, (_, lag) in plan["electrodes"].items()},
        "width": plan["width"],
        "noise": plan["noise"],
        "seed": plan["seed"],
        "noise_regions": ["none"],
        "notes": [_NOTE],
    }
    return np.hstack(columns), truth


# ---- files -----------------------------------------------------------------------------------------------------------
def write(folder: Path = FOLDER) -> None:
    """Signals as whole numbers of a step, truths as JSON; each whole or not at all."""
    arrays, truth = story()
    steps = [float(np.abs(arrays[name]).max() / 32000) for name in ("values", "motion", "power")]
    whole = {
        name: np.round(arrays[name] / step).astype(np.int16) for name, step in zip(arrays, steps)
    }
    _save(folder / "story", whole | {"scale": np.array(steps)}, truth)
    values, truth = ecog()
    step = float(np.abs(values).max() / 127)
    _save(
        folder / "ecog",
        {"values": np.round(values / step).astype(np.int8), "scale": np.array(step)},
        truth,
    )


def _save(stem: Path, arrays: dict, truth: dict) -> None:
    with atomic(stem.with_suffix(".npz")) as part, open(part, "wb") as file:
        np.savez_compressed(file, **arrays)
    with atomic(stem.with_suffix(".json")) as part:
        part.write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
