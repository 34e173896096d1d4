"""Simulated recordings: what was planted is what plain tools find."""

import numpy as np
import pandas as pd
import pytest

from data.errors import BrainLensError
from data.readers.simulated import SIMULATIONS, hrf, simulate

N = 2400


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(0)
    texts = [" ".join(["word"] * k) for k in rng.integers(2, 12, N)]
    return rng.standard_normal((N, 6)), pd.DataFrame(
        {"text": texts, "passage": np.repeat(np.arange(N // 12), 12)}
    )


def make(world, **changes):
    return simulate(
        *world,
        **{
            "context": "passage",
            "group": "passage",
            "noise": 1.0,
            "n_subjects": 6,
            "targets_per_subject": 5,
            **changes,
        },
    )


@pytest.mark.parametrize("kind", sorted(SIMULATIONS))
def test_reliability_is_the_planted_one(world, kind):
    recording = make(
        world,
        kind=kind,
        autocorrelation=0.4,
        length_effect=0.5,
        position_effect=0.3,
        noise_targets=2,
    )
    values, who, pair = (
        recording.responses.values,
        recording.responses["subject"].values,
        recording.responses["pair"].values,
    )
    planted = recording.responses["planted"].values
    between = [
        np.corrcoef(
            values[:, (who == "s1") & (pair == p)][:, 0], values[:, (who == s) & (pair == p)][:, 0]
        )[0, 1]
        for s in ("s2", "s3", "s4")
        for p in range(1, 6)
    ]
    assert np.mean(between) == pytest.approx(recording.truth["reliability"], abs=0.02)
    assert recording.truth["ceiling"] == pytest.approx(
        np.sqrt(recording.truth["reliability"]), abs=0.01
    )
    noise = values[:, ~planted]
    across = np.corrcoef(noise.T)[np.triu_indices(noise.shape[1], 1)]
    assert (
        np.abs(across).max() < 0.12
        and recording.simulated
        and recording.kind == SIMULATIONS[kind][0]
    )
    assert recording.truth["noise_targets"] == recording.responses.target.values[~planted].tolist()


def test_a_perfect_model_reaches_the_model_ceiling(world):
    recording = make(world, length_effect=0.6, targets_per_subject=4)
    features = world[0]
    fitted = (
        features
        @ np.linalg.lstsq(
            features, recording.responses.values - recording.responses.values.mean(0), rcond=None
        )[0]
    )
    r = [np.corrcoef(a, b)[0, 1] for a, b in zip(fitted.T, recording.responses.values.T)]
    assert np.mean(r) == pytest.approx(recording.truth["model_ceiling"], abs=0.02)
    assert (
        recording.truth["model_ceiling"]
        < recording.truth["ceiling"]
        < recording.truth["ceiling_average"]
        < 1
    )


def test_the_mean_over_people_has_its_own_ceiling(world):
    recording = make(world, noise=2.0)
    clean = make(world, noise=0.0)
    pair = recording.responses["pair"].values
    mean = recording.responses.values[:, pair == 1].mean(axis=1)
    assert np.corrcoef(mean, clean.responses.values[:, 0])[0, 1] == pytest.approx(
        recording.truth["ceiling_average"], abs=0.02
    )


def test_autocorrelation_ends_with_the_passage(world):
    recording = make(world, autocorrelation=0.7, noise_targets=5, targets_per_subject=1)
    noise = recording.responses.values[:, ~recording.responses["planted"].values]
    inside = world[1]["passage"].to_numpy()[:-1] == world[1]["passage"].to_numpy()[1:]
    assert np.corrcoef(noise[:-1][inside].ravel(), noise[1:][inside].ravel())[
        0, 1
    ] == pytest.approx(0.7, abs=0.02)
    assert abs(np.corrcoef(noise[:-1][~inside].ravel(), noise[1:][~inside].ravel())[0, 1]) < 0.06


def test_spillover_and_hrf_are_what_is_said(world):
    recording = make(
        world, kind="reading_times", noise=0.0, targets_per_subject=1, spillover=(1.0, 0.5)
    )
    assert recording.unit == "ms" and 250 < recording.responses.values.mean() < 400
    signal = make(world, noise=0.0, targets_per_subject=1).responses.values[:, 0]
    times = (recording.responses.values[:, 0] - 330) / 40
    starts = world[1]["passage"].ne(world[1]["passage"].shift()).to_numpy()
    expected = signal + 0.5 * np.where(starts, 0, np.roll(signal, 1))
    np.testing.assert_allclose(times, expected, atol=1e-10)
    response = hrf(2.0)
    assert (
        response.sum() == pytest.approx(1)
        and np.argmax(hrf(0.1)) * 0.1 == pytest.approx(5.0, abs=0.2)
        and response.min() < 0
    )


def test_seeds(world):
    one, same, other = make(world, seed=4), make(world, seed=4), make(world, seed=5)
    np.testing.assert_array_equal(one.responses.values, same.responses.values)
    assert not np.array_equal(one.responses.values, other.responses.values)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"kind": "fmri_sentense"},
            "Unknown kind of simulation 'fmri_sentense'; did you mean 'fmri_sentence'",
        ),
        ({"autocorrelation": 1.0}, r"autocorrelation=1.0 is not in \[0, 1\)"),
        ({"noise": -1.0}, "noise=-1.0 is negative"),
        ({"n_subjects": 0}, "at least 1 of each"),
    ],
)
def test_parameters_out_of_range(world, changes, message):
    with pytest.raises(BrainLensError, match=message):
        make(world, **changes)


def test_features_that_cannot_drive(world):
    with pytest.raises(BrainLensError, match="features has 10 rows for 2400 stimuli"):
        simulate(world[0][:10], world[1])
    with pytest.raises(BrainLensError, match="features is constant"):
        simulate(np.ones((N, 2)), world[1])
    with pytest.raises(BrainLensError, match="1 values that are not finite"):
        simulate(np.where(np.arange(N)[:, None] == 3, np.nan, world[0][:, :1]), world[1])
