"""From words to moments: against formulas, nilearn, and designs built by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.features.time import (
    convolve,
    cosines,
    delayed,
    detrended,
    lanczos,
    pieces,
    resample,
)
from data.errors import BrainLensError
from data.presentation import Presentation


def told(rng, n=40, runs=("a", "b")) -> Presentation:
    parts = []
    for run in runs:
        onset = np.sort(rng.uniform(0, 38, n))
        parts.append(
            pd.DataFrame(
                {
                    "run": run,
                    "onset": onset,
                    "offset": onset + rng.uniform(0.1, 0.6, n),
                    "text": "w",
                }
            )
        )
    return Presentation(pd.concat(parts, ignore_index=True), 2.0)


def grid(runs=("a", "b"), n=20):
    return np.repeat(runs, n), np.tile(np.arange(n) * 2.0, len(runs))


def test_lanczos_is_the_formula():
    presentation = told(np.random.default_rng(0))
    values = np.random.default_rng(1).standard_normal((80, 3))
    runs, times = grid()
    found = resample(values, presentation, runs, times, "lanczos")
    words = presentation.words
    expected = np.zeros((40, 3))
    for row in range(40):
        for word in range(80):
            if words["run"][word] != runs[row]:
                continue
            middle = (words["onset"][word] + words["offset"][word]) / 2
            t = (times[row] + 1.0 - middle) / 2.0  # cut-off at one cycle per two samples
            if abs(t) < 3:
                weight = (
                    3 * np.sin(np.pi * t) * np.sin(np.pi * t / 3) / (np.pi * t) ** 2 if t else 1
                )
                expected[row] += weight * values[word]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert lanczos(np.array([0.0]))[0] == 1 and not lanczos(np.array([3.0, -4.0])).any()


@pytest.mark.parametrize("how", ["sum", "mean", "last", "boxcar"])
def test_plain_resampling_by_hand(how):
    words = pd.DataFrame(
        [("a", 0.2, 0.6, "x"), ("a", 1.0, 1.8, "y"), ("a", 1.9, 2.5, "z")],
        columns=["run", "onset", "offset", "text"],
    )
    values = np.array([[1.0], [10.0], [100.0]])
    found = resample(values, Presentation(words, 2.0), ["a"] * 3, np.array([0.0, 2.0, 4.0]), how)
    by_hand = {
        "sum": [11, 100, 0],
        "mean": [5.5, 100, 0],
        "last": [10, 100, 0],
        "boxcar": [(0.4 * 1 + 0.8 * 10 + 0.1 * 100) / 2, 0.5 * 100 / 2, 0],
    }
    np.testing.assert_allclose(found[:, 0], by_hand[how], atol=1e-12)


def test_an_unknown_way_names_the_choices():
    presentation = told(np.random.default_rng(0))
    with pytest.raises(BrainLensError, match="lanczos"):
        resample(np.ones((80, 1)), presentation, *grid(), "lancsoz")


def test_delays_never_cross_runs():
    values = np.arange(1, 7, dtype=float)[:, None]
    found = delayed(values, list("aaabbb"), (0, 1, 2))
    np.testing.assert_array_equal(
        found,
        [[1, 0, 0], [2, 1, 0], [3, 2, 1], [4, 0, 0], [5, 4, 0], [6, 5, 4]],
    )


@pytest.mark.parametrize("name", ["spm", "glover"])
def test_haemodynamic_responses_are_nilearns(name):
    first_level = pytest.importorskip("nilearn.glm.first_level")
    impulse = np.zeros((30, 1))
    impulse[3] = 1
    found = convolve(impulse, ["a"] * 30, 2.0, name)[:, 0]
    kernel = getattr(first_level, f"{name}_hrf")(2.0, oversampling=1)
    np.testing.assert_allclose(found[3 : 3 + len(kernel)], kernel[:27], atol=1e-12)
    assert not found[:3].any()


def test_cosines_are_nilearns_and_number_eleven_for_alice():
    first_level = pytest.importorskip("nilearn.glm.first_level.design_matrix")
    ours = cosines(362, 2.0, 128.0)
    assert ours.shape == (362, 12)
    theirs = first_level.create_cosine_drift(1 / 128, np.arange(362) * 2.0)
    space, _ = np.linalg.qr(ours)
    np.testing.assert_allclose(space @ (space.T @ theirs), theirs, atol=1e-8)


def test_each_piece_is_filtered_by_itself():
    runs = np.array(list("a" * 60 + "b" * 40))
    rows = np.r_[0:20, 30:60, 60:100]
    assert [len(piece) for piece in pieces(rows, runs)] == [20, 30, 40]
    values = np.random.default_rng(0).standard_normal((100, 4))
    found = detrended(values, rows, runs, 2.0, 40.0)
    by_hand = (
        values[30:60]
        - cosines(30, 2.0, 40.0)
        @ np.linalg.lstsq(cosines(30, 2.0, 40.0), values[30:60], rcond=None)[0]
    )
    np.testing.assert_allclose(found[20:50], by_hand, atol=1e-10)
    changed = values.copy()
    changed[20:30] += 100  # what is held out leaves no trace in the rows around it
    np.testing.assert_array_equal(detrended(changed, rows, runs, 2.0, 40.0), found)


def test_missing_rows_stay_missing_and_count_in_nothing():
    runs, rows = np.array(list("a" * 60 + "b" * 40)), np.arange(100)
    values = np.random.default_rng(0).standard_normal((100, 3)) + 5
    values[5, 0] = values[60:, 1] = np.nan
    found = detrended(values, rows, runs, 2.0, 40.0, scale=True)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(values))
    there = np.r_[0:5, 6:60]
    design = cosines(60, 2.0, 40.0)[there]
    left = values[there, 0] - design @ np.linalg.lstsq(design, values[there, 0], rcond=None)[0]
    np.testing.assert_allclose(found[there, 0], left / left.std(), atol=1e-10)
    whole = detrended(values[:, 2:], rows, runs, 2.0, 40.0, scale=True)
    np.testing.assert_allclose(found[:, 2:], whole, atol=1e-12)
