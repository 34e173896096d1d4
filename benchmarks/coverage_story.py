"""Cells of :mod:`benchmarks.coverage` about time: what is said of a planted layer, lag, haemodynamic response, drift and motion,
and of what people share.

Small stories through :func:`analysis.scoring.lags.lag_course`, as the Time lens asks for them. Six people hear three runs; region
``A`` follows one of three layers, region ``none`` follows nothing. The truth of a curve (its peak, its onset) is that of the same
story without noise, drift and motion.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

STEP, SAMPLES, RUNS, WORDS = 2.0, 75, 3, 1.2
"""Seconds a sample, samples a run, runs, seconds from word to word."""
PLANTED = 1
"""The layer that region ``A`` follows, of three that share half of their variance."""
LEAST = 0.9
"""Share of stories in which most folds have to choose the planted layer, at least."""


def heard(rng):
    """Words with their times, and features of three layers, shape (n_words, 4) each."""
    from data.presentation import Presentation, sample_table

    parts, counts = [], {}
    for run in range(RUNS):
        onset = np.cumsum(rng.uniform(0.4 * WORDS, 1.6 * WORDS, int(SAMPLES * STEP / WORDS)))
        onset = onset[onset < SAMPLES * STEP - 2]
        words = [f"w{number}" for number in rng.integers(0, 40, len(onset))]
        parts.append(
            pd.DataFrame({"run": f"run{run}", "onset": onset, "offset": onset + 0.3, "text": words})
        )
        counts[f"run{run}"] = SAMPLES
    words = pd.concat(parts, ignore_index=True)
    common = rng.standard_normal((len(words), 4))
    layers = [
        np.sqrt(0.5) * (common + rng.standard_normal((len(words), 4))).astype(np.float32)
        for _ in range(3)
    ]
    presentation = Presentation(words, STEP)
    return presentation, sample_table(presentation, counts), layers


def followed(values: np.ndarray, presentation, table: pd.DataFrame, weights: np.ndarray):
    """Sum of the features in time after the words, shape (n_samples,): ``weights`` are those of the samples that follow."""
    from analysis.features.time import resample

    runs = table["run"].to_numpy()
    onto = resample(values, presentation, runs, table["time"].to_numpy(float), "lanczos").sum(
        axis=1
    )
    out = np.concatenate(
        [np.convolve(onto[runs == run], weights)[:SAMPLES] for run in pd.unique(runs)]
    )
    return (out - out.mean()) / out.std()


def response(kind: str, lag: int) -> np.ndarray:
    """How the signal follows a word, sample by sample: a bump around ``lag``, or the canonical response ``lag`` samples later."""
    from data.readers.simulated import hrf

    if kind == "hrf":
        return np.r_[np.zeros(lag), hrf(STEP)]
    bump = np.zeros(lag + 2)
    bump[lag - 1 : lag + 2] = 0.35, 1.0, 0.35
    return bump


def slow(rng, rows: int, columns: int, rho: float) -> np.ndarray:
    """Noise of which each sample resembles the one before, shape (rows, columns); runs go on into each other."""
    from scipy.signal import lfilter

    noise = rng.standard_normal((rows + 50, columns)) * np.sqrt(1 - rho**2)
    return lfilter([1.0], [1.0, -rho], noise, axis=0)[50:]


def recorded(presentation, table, columns: np.ndarray, people: int, motion: np.ndarray | None):
    """A recording of two regions per person, with motion as known nuisance."""
    from data.presentation import Presentation
    from data.recording import Recording

    names = np.array([f"s{person}" for person in range(people) for _ in range(2)], object)
    coords = {
        "stimulus": table.index.to_numpy(),
        "target": np.arange(2 * people),
        "subject": ("target", names),
        "region": ("target", np.array(["A", "none"] * people, object)),
    }
    nuisance = {}
    if motion is not None:
        who = {"stimulus": table.index.to_numpy(), "subject": np.unique(names)}
        nuisance["motion"] = xr.DataArray(motion, dims=("stimulus", "subject"), coords=who)
    return Recording(
        "planted",
        xr.DataArray(columns, dims=("stimulus", "target"), coords=coords),
        table,
        scored_unit="tr",
        context="run",
        presentation=Presentation(presentation.words, STEP, nuisance),
        simulated=True,
    )


def protocol():
    """The preset of stories, small: what every story here is scored with."""
    from analysis import preset

    return preset("story").but(
        seeds=1, folds=6, inner_folds=2, bootstrap=200, alphas=(1.0, 100.0, 1e4), criterion="gcv", controls=(),
        ceiling="none", unique=False, shuffled_twin=False,
    )  # fmt: skip


def scored(layers, recording, store):
    """The score that chooses the layers."""
    from analysis import score

    return score(dict(enumerate(layers)), recording, protocol(), store=store)


def course(layers, recording):
    """The curves of the Time lens, and the score that chose the layers."""
    from analysis.scoring.lags import lag_course
    from analysis.store.store import Store

    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        return (
            lag_course(dict(enumerate(layers)), recording, protocol(), store=store),
            scored(layers, recording, store),
        )


def world(seed, *, kind, lags, height, drift, motion, people=6):
    """One story's words, samples, layers, planted signal, noise and recording."""
    rng = np.random.default_rng(seed)
    presentation, table, layers = heard(rng)
    rows, lag = len(table), int(rng.choice(lags))
    signal = followed(layers[PLANTED], presentation, table, response(kind, lag))
    moved = None
    if motion:  # people move with the words: what is not taken out looks like an answer to them
        moved = 0.7 * signal[:, None] + 0.7 * slow(rng, rows, people, 0.5)
    noise = slow(rng, rows, 2 * people, 0.5)
    strength = height * np.exp(0.3 * rng.standard_normal(people))
    columns = noise.copy()
    columns[:, ::2] += signal[:, None] * strength
    if drift:  # slow waves of each person's own in each run
        time = np.tile(np.arange(SAMPLES) / SAMPLES, RUNS)
        for number in range(1, 3):
            waves = np.repeat(rng.standard_normal((RUNS, 2 * people)), SAMPLES, axis=0)
            columns += drift * waves * np.cos(np.pi * number * time)[:, None]
    if motion:
        columns += np.repeat(moved, 2, axis=1)
    made = recorded(presentation, table, columns, people, moved)
    return presentation, table, layers, signal, noise, made


def story(seed, **sizes):
    """One story: measure -> (value, low, high), or one outcome (0 or 1); peak and onset against the noiseless curve's."""
    from analysis.answers.regions import regions
    from analysis.answers.time_course import time_course

    presentation, table, layers, signal, noise, made = world(seed, **sizes)
    found, whole = course(layers, made)
    peaks = time_course([found], by="region", seed=0).facts["peaks"].set_index("group")
    places = regions([whole]).frame.set_index("region")
    said = {
        "p <= .05 where nothing is": float(peaks.loc["none", "p"] <= 0.05),
        "p of blocks <= .05 where nothing is": float(peaks.loc["none", "p_blocks"] <= 0.05),
        "p of a region where nothing is": float(places.loc["none", "p"] <= 0.05),
    }
    if not sizes["height"]:
        said["p <= .05 where nothing is"] = float(peaks["p"].min() <= 0.05)
        said["p of blocks <= .05 where nothing is"] = float(peaks["p_blocks"].min() <= 0.05)
        said["above 0"] = float(whole.low > 0)
        return said
    alone = np.c_[signal, noise[:, 1]]
    truth, _ = course(layers, recorded(presentation, table, alone, 1, None))
    planted = time_course([truth], by="region", seed=0).facts["peaks"].set_index("group").loc["A"]
    row = peaks.loc["A"]
    said |= {
        "peak": float(row["peak_low"] <= planted["peak"] <= row["peak_high"]),
        "onset": float(row["onset_low"] <= planted["onset"] <= row["onset_high"]),
        "the planted layer in most folds": float(
            np.bincount(whole.fold_layers, minlength=3).argmax() == PLANTED
        ),
        "p <= .05 where it is planted": float(row["p"] <= 0.05),
        "score": (whole.value, whole.low, whole.high),
    }
    return said


THERE = "the planted layer of a region"
NOWHERE = "that layer where nothing is"


def layer_of(seed, **sizes):
    """Whether most folds choose the planted layer for its region, and whether a fold chooses it where nothing is.

    The three layers are alike but for what is planted: where nothing is, a fold chooses each of them once in three times, also
    where people move with the words of one of them.
    """
    from analysis.scoring.layer_map import chosen_by_region
    from analysis.store.store import Store

    _, _, layers, _, _, made = world(seed, **sizes)
    with tempfile.TemporaryDirectory() as folder:
        names, chosen = chosen_by_region(scored(layers, made, Store(Path(folder))), "region")
    by_region = dict(zip(names, chosen, strict=True))
    most = np.bincount(by_region["A"], minlength=3).argmax()
    there = {THERE: float(most == PLANTED)} if sizes["height"] else {}
    return there | {NOWHERE: float(by_region["none"][0] == PLANTED)}


def ceiling(seed, *, people, shared):
    """Distance of the ceiling from what people share of this very story, and of the ends of its interval."""
    from analysis import preset
    from analysis.ceiling.synchrony import synchrony_ceiling
    from analysis.features.time import detrended

    rng, how = np.random.default_rng(seed), preset("story")
    presentation, table, _ = heard(rng)
    rows, runs = len(table), table["run"].to_numpy()
    common = slow(rng, rows, 1, 0.5)
    columns = shared * common + np.sqrt(1 - shared**2) * slow(rng, rows, 2 * people, 0.5)
    found = synchrony_ceiling(recorded(presentation, table, columns, people, None), how)

    def spread(values: np.ndarray) -> float:
        kept = detrended(values, np.arange(rows), runs, STEP, how.highpass, scale=False)
        return float((kept**2).mean())

    signal, noise = shared**2 * spread(common), (1 - shared**2) * spread(slow(rng, rows, 60, 0.5))
    truth = np.sqrt(signal / (signal + noise))
    return {"ceiling": (found.value - truth, found.low - truth, found.high - truth)}


def cells():
    """Arguments of a cell each: name, function, sizes, nominal values, planted truths."""
    tests = dict.fromkeys(
        ("p <= .05 where nothing is", "p of blocks <= .05 where nothing is", "p of a region where nothing is"), 0.05
    )  # fmt: skip
    found = {"peak": 0.95, "onset": 0.95, "score": 0.95} | tests
    false = tests | {"above 0": 0.025}
    worlds = {
        "one of three lags": dict(kind="bump", lags=(2, 3, 4), height=0.6, drift=0.0, motion=False),
        "a haemodynamic response": dict(kind="hrf", lags=(0,), height=0.6, drift=0.0, motion=False),
        "the same with drift and motion": dict(kind="hrf", lags=(0,), height=0.6, drift=1.5, motion=True),
        "drift and motion alone": dict(kind="hrf", lags=(0,), height=0.0, drift=1.5, motion=True),
    }  # fmt: skip
    for name, sizes in worlds.items():
        yield f"story, {name}", story, sizes, found if sizes["height"] else false, {}
    for name, sizes in worlds.items():
        said = ({THERE: LEAST} if sizes["height"] else {}) | {NOWHERE: 1 / 3}
        yield f"layers of a story, {name}", layer_of, sizes, said, {}, False, 1, (THERE,)
    for people, shared in ((6, 0.6), (6, 0.3), (13, 0.4), (27, 0.5)):
        sizes = dict(people=people, shared=shared)
        yield (
            f"ceiling of a story {shared:g}, {people} people",
            ceiling,
            sizes,
            {"ceiling": 0.95},
            {"ceiling": 0.0},
        )
