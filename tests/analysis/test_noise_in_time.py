"""Slow noise has no score, whatever filter, delay, gap and split of ``story`` and ``epochs`` is chosen.

Features are random walks over words, responses noise of which each sample resembles the one before, drawn apart. Without an
effect r is as often above 0 as below, if not less often (what is held out is centred by itself): how many are above is judged
by the binomial distribution, at 1 % for all settings together.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.stats import binom

from analysis import preset
from analysis.mapping import cross_validate
from analysis.mapping.splits import gap_of, make_folds, within
from analysis.protocol import CHOICES, SINGLE
from analysis.scoring.in_time import followed
from data.errors import BrainLensError
from data.recording import Recording
from tests.analysis.test_scoring_in_time import held_out_r_each, story

QUICK = preset("story").but(seeds=1, folds=4, alphas=(1.0, 100.0, 1e4), inner_folds=3)
SPLITS = tuple(one for one in CHOICES["split"] if one not in SINGLE)
SETTINGS = [
    *({"resample": one} for one in CHOICES["resample"]),
    *({"hrf": one} for one in CHOICES["hrf"]),
    *({"delays": one} for one in ((0,), (2,), (-2, -1, 1, 2), (1, 2, 3, 4, 5, 6))),
    *({"highpass": one} for one in (None, 400.0, 60.0, 20.0)),
    *({"trim": one} for one in ((5, 5), (30, 0))),
    *({"gap": one} for one in ("auto", "20", "5")),
    {"standardize_run": False},
    *({"split": one} for one in SPLITS),
    {"split": "contiguous", "highpass": None, "hrf": "spm"},
    {"split": "contiguous", "highpass": 40.0, "hrf": "none", "resample": "boxcar"},
]
"""Every value of the fields that have few, and some of those that are numbers, one after the other around the preset."""


@cache
def noise(seed: int, runs: int, people: int) -> tuple[Recording, np.ndarray]:
    recording = story(5000 + seed, runs=runs, rho=0.9, people=people)
    walks = np.random.default_rng(seed).standard_normal((len(recording.timed.words), 4))
    return recording, np.cumsum(walks, axis=0)


def above(changes: dict, sets: int, runs: int, people: int) -> np.ndarray:
    """Mean r over blocks of each target, shape (sets, targets)."""
    protocol, found = QUICK.but(**changes), []
    for seed in range(sets):
        recording, words = noise(seed, runs, people)
        parts = make_folds(recording, protocol)
        found.append(
            held_out_r_each(recording, followed(words, recording, protocol), protocol, parts)
        )
    return np.array(found)


def most(r: np.ndarray, settings: list) -> float:
    """How many r above 0 are expected at most, at 1 % for all settings together."""
    return float(binom.ppf(1 - 0.01 / len(settings), r.size, 0.5))


def error(r: np.ndarray) -> float:
    return float(r.std() / np.sqrt(r.size))


def possible(changes: dict, runs: int) -> bool:
    return runs > 1 or changes.get("split") != "leave-one-group-out"


@pytest.mark.parametrize(
    ("runs", "sets"),
    [(1, 5), pytest.param(3, 3, marks=pytest.mark.slow)],
    ids=["one story", "runs"],
)
def test_slow_noise_has_no_score_under_any_filter_and_split(runs, sets):
    """Each target is a draw: 16 of every data set."""
    settings = [one for one in SETTINGS if possible(one, runs)]
    for changes in settings:
        r = above(changes, sets, runs, 8)
        assert (r > 0).sum() <= most(r, settings) and r.mean() < 3 * error(r) + 0.01, changes


@pytest.mark.deep
@pytest.mark.parametrize("runs", [1, 3], ids=["one story", "runs"])
def test_slow_noise_has_no_score_in_two_hundred_data_sets(runs):
    """The same with the mean of a data set as one draw, and filters crossed with splits."""
    settings = [one for one in SETTINGS if possible(one, runs)]
    crossed = [
        {"highpass": highpass, "split": split, "hrf": hrf, "standardize_run": z}
        for highpass in (None, 128.0, 40.0)
        for split in SPLITS
        for hrf in CHOICES["hrf"]
        for z in (True, False)
    ]
    settings += [one for one in crossed if possible(one, runs)]
    for changes in settings:
        r = above(changes, 200, runs, 1).mean(axis=1)
        assert (r > 0).sum() <= most(r, settings), (changes, int((r > 0).sum()), float(r.mean()))


def test_this_test_sees_a_leak():
    """Folds of single samples, which are no choice of a story, are seen by the same count."""
    found = []
    for seed in range(6):
        recording, words = noise(seed, 1, 6)
        protocol = QUICK.but(highpass=None)
        parts = make_folds(recording, protocol, shuffled=True)
        found.append(
            held_out_r_each(recording, followed(words, recording, protocol), protocol, parts)
        )
    r = np.array(found)
    assert (r > 0).sum() > most(r, SETTINGS) and r.mean() > 0.1


@pytest.mark.parametrize("split", SINGLE)
def test_single_samples_and_epochs_are_not_held_out(split):
    for recording in (noise(0, 4, 1)[0], epochs(0)[0]):
        with pytest.raises(BrainLensError, match=r"slow noise alone would score.*shuffled twin"):
            make_folds(recording, preset("story").but(split=split))
        make_folds(recording, preset("story"), shuffled=True)  # the leak meter


# ---- epochs ---------------------------------------------------------------------------------------------------------------
def epochs(
    seed: int, stories: int = 1, *, step: float = 0.3, known: bool = True
) -> tuple[Recording, np.ndarray]:
    """Windows of -0.4 to 0.4 s around words, cut out of slow noise: neighbours share what they overlap in."""
    rng, words = np.random.default_rng(seed), 240 // stories
    rows, values = [], []
    for one in range(stories):
        onset = 1 + np.cumsum(rng.uniform(0.5, 1.5, words) * step)
        time = np.arange(0, onset[-1] + 1, 0.05)
        signal = np.cumsum(rng.standard_normal((len(time), 6)), axis=0)
        signal -= np.array([np.convolve(x, np.ones(200) / 200, "same") for x in signal.T]).T
        places = np.round((onset[:, None] + LAGS / 1000) / 0.05).astype(int)
        values.append(signal[places].transpose(0, 2, 1).reshape(words, -1))
        rows.append(
            pd.DataFrame(
                {
                    "text": [f"w{i % 40}" for i in range(words)],
                    "story": f"story{one}",
                    "onset": onset,
                }
            )
        )
    table = pd.concat(rows, ignore_index=True)
    table.index = pd.Index(range(len(table)), name="stimulus")
    values = np.concatenate(values)
    coords = {
        "stimulus": table.index.to_numpy(),
        "target": np.arange(values.shape[1]),
        "lag": ("target", np.tile(LAGS, 6)),
        "electrode": ("target", np.repeat([f"e{i}" for i in range(6)], len(LAGS)).astype(object)),
    }
    made = Recording(
        "epochs", xr.DataArray(values, dims=("stimulus", "target"), coords=coords),
        table if known else table.drop(columns="onset"), kind="ecog", scored_unit="word",
        context="story", group="story" if stories > 1 else None,
    )  # fmt: skip
    walks = np.cumsum(np.random.default_rng([seed, 1]).standard_normal((len(table), 4)), axis=0)
    return made, walks


LAGS = np.arange(-400.0, 401.0, 200.0)


def of_epochs(changes: dict, sets: int, stories: int) -> np.ndarray:
    """Mean r of each electrode over lags and blocks."""
    protocol, found = (
        preset("epochs").but(seeds=1, folds=4, alphas=(1.0, 100.0, 1e4), inner_folds=3, **changes),
        [],
    )
    for seed in range(sets):
        recording, words = epochs(7000 + seed, stories)
        (part,) = make_folds(recording, protocol)
        criterion, inner = within(part, protocol)
        fit = cross_validate(
            words, recording.responses.values.astype(np.float32), part.folds, alphas=protocol.alphas, criterion=criterion,
            inner_folds=inner, standardize=True,
        )  # fmt: skip
        found.append(np.nanmean(fit.r[0], axis=0).reshape(6, -1).mean(axis=1))
    return np.array(found)


OF_EPOCHS = [{"split": one, "criterion": how} for one in SPLITS for how in ("kfold", "logo")]


@pytest.mark.parametrize("stories", [1, 6], ids=["one story", "stories"])
def test_slow_noise_in_epochs_has_no_score_under_any_split(stories):
    settings = [one for one in OF_EPOCHS if possible(one, stories)]
    for changes in settings:
        r = of_epochs(changes, 12, stories)
        assert (r > 0).sum() <= most(r, settings) and r.mean() < 3 * error(r) + 0.01, changes


@pytest.mark.deep
@pytest.mark.parametrize("stories", [1, 6], ids=["one story", "stories"])
def test_slow_noise_in_epochs_has_no_score_in_two_hundred_data_sets(stories):
    settings = [one for one in OF_EPOCHS if possible(one, stories)]
    for changes in settings:
        r = of_epochs(changes, 200, stories).mean(axis=1)
        assert (r > 0).sum() <= most(r, settings), (changes, float(r.mean()))


@pytest.mark.parametrize("known", [True, False], ids=["onsets", "no onsets"])
def test_no_window_of_training_overlaps_one_that_is_held_out(known):
    recording, _ = epochs(3, step=0.15)
    gap = gap_of(epochs(3, step=0.15, known=known)[0], preset("epochs"))
    onset, width = recording.stimuli["onset"].to_numpy(), (LAGS[-1] - LAGS[0]) / 1000
    (part,) = make_folds(recording, preset("epochs"))
    for train, test in part.folds:
        assert np.abs(onset[train][:, None] - onset[test]).min() > width
    assert gap >= 5
    few = recording.select(stimuli=np.arange(10))
    with pytest.raises(BrainLensError, match="more words or fewer folds"):
        make_folds(few, preset("epochs").but(folds=2))
