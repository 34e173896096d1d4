"""Banded ridge: parts that are planted come out, and a single band is ordinary ridge."""

from __future__ import annotations

import numpy as np
import pytest

from analysis import preset
from analysis.features.time import detrended
from analysis.mapping import cross_validate
from analysis.mapping.banded import RATIOS, BandedFit, banded_ridge
from analysis.mapping.bands import scale, solve_himalaya
from analysis.mapping.splits import make_folds
from analysis.scoring.in_time import banded_in_time, followed, nuisance
from data.errors import BrainLensError

ALPHAS = tuple(10.0 ** np.arange(-1, 6))


def folds_of(n, k=4, inner=3):
    rows = np.arange(n)
    folds = [(rows[rows % k != fold], rows[rows % k == fold]) for fold in range(k)]
    return folds, [
        [
            (a[np.arange(len(a)) // 5 % inner != i], a[np.arange(len(a)) // 5 % inner == i])
            for i in range(inner)
        ]
        for a, _ in folds
    ]


def planted(seed=0, n=240):
    """Target 0: the model's own part only; 1: the controls' part only; 2: both; 3: noise."""
    rng = np.random.default_rng(seed)
    model, control = rng.standard_normal((n, 30)), rng.standard_normal((n, 3))
    a, b = (
        model @ rng.standard_normal(30) / np.sqrt(30),
        control @ rng.standard_normal(3) / np.sqrt(3),
    )
    y = np.column_stack([a, b, a + b, np.zeros(n)]) + 0.5 * rng.standard_normal((n, 4))
    return {"model": model, "controls": control}, y


def test_planted_parts_come_out():
    bands, y = planted()
    fit = banded_ridge(bands, y, *folds_of(len(y)), alphas=ALPHAS)
    unique, controls = fit.unique("model"), fit.unique("controls")
    assert unique[0] > 0.5 and abs(controls[0]) < 0.05
    assert controls[1] > 0.5 and abs(unique[1]) < 0.05
    assert (
        unique[2] > 0.2
        and controls[2] > 0.2
        and fit.joint[2] > max(fit.alone("model")[2], fit.alone("controls")[2])
    )
    assert abs(fit.joint[3]) < 0.1
    assert np.allclose(fit.unique("model"), fit.joint - fit.without("model"))
    assert np.allclose(fit.shared("model"), fit.alone("model") - fit.unique("model"))
    assert np.allclose(fit.without("model"), fit.alone("controls"))
    assert np.allclose(fit.weights.sum(axis=1), 1) and fit.weights[:, 0, 0].mean() > 0.5
    assert fit.r[("model", "controls")].mean(axis=0)[2] > 0.7 and fit.tried[
        ("model", "controls")
    ] == len(RATIOS)


def test_a_band_repeated_is_shared_and_not_unique():
    bands, y = planted(1)
    fit = banded_ridge(
        {"model": bands["model"], "copy": bands["model"].copy()},
        y,
        *folds_of(len(y)),
        alphas=ALPHAS,
    )
    assert abs(fit.unique("model")[0]) < 0.02 and fit.shared("model")[0] > 0.5
    assert fit.omega("model")[""] > 90


def test_one_band_is_ordinary_ridge():
    rng = np.random.default_rng(2)
    x = rng.standard_normal((120, 20)) * rng.uniform(0.1, 30, 20)
    y = (x / x.std(axis=0)) @ rng.standard_normal((20, 6)) + 6 * rng.standard_normal((120, 6))
    folds, inner = folds_of(120)
    for alpha in (3.0, 300.0):
        fit = banded_ridge({"model": x}, y, folds, inner, alphas=[alpha])
        slow = cross_validate(x, y, folds, criterion="loo", alphas=[alpha], standardize=True)
        assert fit.r2[("model",)] == pytest.approx(slow.r2[0], abs=1e-5)
        assert fit.r[("model",)] == pytest.approx(slow.r[0], abs=1e-5)


def test_a_penalty_is_chosen_by_the_same_inner_r2_as_in_plain_ridge():
    """Inner folds whose own mean lies off the training mean: R2 is against the training mean in both."""
    rng = np.random.default_rng(7)
    x, groups = rng.standard_normal((120, 40)), np.repeat(np.arange(6), 20)
    y = x @ rng.standard_normal((40, 4)) * 0.3 + rng.standard_normal((120, 4)) + groups[:, None]
    rows = np.arange(120)
    folds = [(rows[groups != g], rows[groups == g]) for g in range(2)]
    inner = [
        [(t[groups[t] != g], t[groups[t] == g]) for g in np.unique(groups[t])] for t, _ in folds
    ]
    fit = banded_ridge({"model": x}, y, folds, inner, alphas=ALPHAS)
    plain = cross_validate(
        x, y, folds, criterion="kfold", alphas=ALPHAS, inner_folds=inner, standardize=True
    )
    assert fit.r2[("model",)] == pytest.approx(plain.r2[0], abs=0.06)


def test_two_bands_equal_ridge_on_scaled_columns():
    """The solution for given shares is ridge on the bands' columns, each times the root of its share."""
    bands, y = planted(3, 120)
    folds, inner = folds_of(120)
    fit = banded_ridge(bands, y, folds, inner, alphas=[50.0])
    (train, test), target = folds[0], 2
    shares = fit.weights[0][:, target]
    columns, held = [], []
    for share, x in zip(shares, bands.values(), strict=True):
        mean, sd = x[train].mean(axis=0), x[train].std(axis=0)
        columns.append((x[train] - mean) / sd * np.sqrt(share / x.shape[1]))
        held.append((x[test] - mean) / sd * np.sqrt(share / x.shape[1]))
    x, z = np.hstack(columns), np.hstack(held)
    beta = np.linalg.solve(
        x.T @ x + 50.0 / 33 * np.eye(33), x.T @ (y[train, target] - y[train, target].mean())
    )
    errors = ((y[test, target] - y[train, target].mean() - z @ beta) ** 2).sum()
    expected = 1 - errors / ((y[test, target] - y[train, target].mean()) ** 2).sum()
    assert fit.r2[("model", "controls")][0, target] == pytest.approx(expected, abs=1e-6)


def test_three_bands_all_sets_and_negative_contributions_stay():
    bands, y = planted(4, 160)
    bands["noise"] = np.random.default_rng(9).standard_normal((160, 40))
    fit = banded_ridge(bands, y, *folds_of(160), alphas=ALPHAS)
    assert set(fit.r2) == {
        ("model", "controls", "noise"),
        ("model",),
        ("controls",),
        ("noise",),
        ("model", "controls"),
        ("model", "noise"),
        ("controls", "noise"),
    }
    assert fit.unique("noise").min() < 0.01 and fit.unique("model")[0] > 0.4


def test_omega():
    def fit(joint, model, controls):
        values = {("model", "controls"): joint, ("model",): model, ("controls",): controls}
        r2 = {bands: np.full((1, 1), value) for bands, value in values.items()}
        return BandedFit(("model", "controls"), r2, r2, np.ones((1, 2, 1)), 0, {})

    assert fit(0.306, 0.286, 0.215).omega("model")[""] == pytest.approx(
        100 * (1 - (0.306 - 0.215) / 0.286)
    )
    assert fit(0.20, 0.286, 0.215).omega("model")[""] == pytest.approx(
        100 * (1 - (0.286 - 0.215) / 0.286)
    )
    assert (
        fit(0.1, 0.1, 0.3).omega("model")[""] == 100 and fit(0.5, 0.2, 0.0).omega("model")[""] == 0
    )
    assert np.isnan(fit(0.1, -0.01, 0.05).omega("model")[""])


def test_missing_stimuli_constant_bands_and_errors():
    bands, y = planted(5, 100)
    y[:14, 1] = np.nan
    bands["flat"] = np.ones((100, 2))
    fit = banded_ridge(
        {"model": bands["model"], "flat": bands["flat"]}, y, *folds_of(100), alphas=ALPHAS
    )
    assert (
        fit.left_out == 1
        and np.isnan(fit.joint[1])
        and set(fit.omega("model", np.array(list("abcc")))) == set("abc")
    )
    assert np.allclose(fit.r[("flat",)][:, 0], 0) and np.allclose(fit.alone("flat")[0], 0, atol=0.2)
    with pytest.raises(BrainLensError, match="Unknown band 'modle'; did you mean 'model'"):
        fit.unique("modle")
    with pytest.raises(BrainLensError, match=r"shape \[\(99, 30\)\] for 100 stimuli"):
        banded_ridge({"model": bands["model"][:99]}, y, *folds_of(100))
    with pytest.raises(BrainLensError, match="Every target misses more than 10 % of the stimuli"):
        banded_ridge({"model": bands["model"]}, y[:, [1]], *folds_of(100))


def test_a_gap_for_each_target_moves_its_unique_r2_little_and_leaves_nobody_out():
    bands, y = planted(5, 100)
    gaps = y.copy()
    gaps[np.arange(y.shape[1]) * 3 % 100, np.arange(y.shape[1])] = np.nan
    one, two = (banded_ridge(bands, each, *folds_of(100), alphas=ALPHAS) for each in (y, gaps))
    assert two.left_out == 0 and np.isfinite(two.joint).all()
    np.testing.assert_allclose(two.unique("model"), one.unique("model"), atol=0.06)
    np.testing.assert_allclose(two.joint, one.joint, atol=0.06)


@pytest.mark.parametrize("widths", [(40, 3), (4, 3), (50, 3, 2), (30,)])
def test_our_solver_finds_what_himalaya_finds(widths):
    from analysis.mapping.banded import _weightings
    from analysis.mapping.bands import scale, solve_himalaya, solve_narrow

    rng = np.random.default_rng(6)
    x = [rng.standard_normal((90, width)) for width in widths]
    y = sum(
        each @ rng.standard_normal((each.shape[1], 5)) / np.sqrt(each.shape[1]) for each in x
    ) + rng.standard_normal((90, 5))
    (train, test), inner = (each[0] for each in folds_of(90, 3))
    place = np.full(90, -1)
    place[train] = np.arange(len(train))
    arguments = (
        [scale(each, train, test) for each in x],
        y[train] - y[train].mean(axis=0),
        [(place[a], place[b]) for a, b in inner],
        10.0 ** np.arange(-4, 3),
        _weightings(len(widths), 0)[:15],
    )
    (ours, our_shares), (theirs, their_shares) = (
        solve_narrow(*arguments),
        solve_himalaya(*arguments),
    )
    assert ours == pytest.approx(theirs, abs=1e-8) and our_shares == pytest.approx(
        their_shares, abs=1e-8
    )


# ---- nuisance of a story -----------------------------------------------------------------------------------------------------
def of_a_story():
    """Features that follow a story's words beside word rate and the sound's power, responses, folds."""
    import dataclasses

    import xarray as xr

    from tests.analysis.test_scoring_in_time import signal, story

    made = story(3, signal, people=2)
    ids = made.responses.stimulus.values
    power = np.abs(np.random.default_rng(4).standard_normal(len(ids))).cumsum() % 7
    timed = dataclasses.replace(
        made.timed,
        nuisance={"sound-power": xr.DataArray(power, dims="stimulus", coords={"stimulus": ids})},
    )
    made = dataclasses.replace(made, presentation=timed)
    words = signal(len(timed.words), np.random.default_rng(4))  # that of the story, from its seed
    protocol = preset("story").but(
        seeds=1, folds=4, inner_folds=3, delays=(1, 2, 3), nuisance=("word-rate", "sound-power")
    )
    (part,) = make_folds(made, protocol)
    bands = {
        "model": followed(words, made, protocol),
        "controls": np.column_stack(list(nuisance(made, protocol).values())),
    }
    return made, protocol, part, bands


def apart(values, rows, made, protocol, *, scale: bool = False) -> np.ndarray:
    return detrended(
        values, rows, made.stimuli["run"].to_numpy(), 2.0, protocol.highpass, scale=scale
    )


def test_nuisance_in_time_is_a_joint_fit_of_each_side_filtered_by_itself():
    """For one penalty: ridge by hand on the columns of both bands times the roots of their shares, each fold's sides apart."""
    made, protocol, part, bands = of_a_story()
    fit = banded_in_time(bands, part.folds, part.inner, part.rows, made, protocol, alphas=[30.0])
    y = made.responses.values
    for fold, (train, test) in enumerate(part.folds):
        learnt, held = (apart(y, rows, made, protocol, scale=True) for rows in (train, test))
        mean = learnt.mean(axis=0)
        for target in range(y.shape[1]):
            x, z = [], []
            for share, band in zip(fit.weights[fold][:, target], bands.values(), strict=True):
                a, b = (apart(band, rows, made, protocol) for rows in (train, test))
                root = np.sqrt(share / band.shape[1]) / a.std(axis=0)
                x.append((a - a.mean(axis=0)) * root)
                z.append((b - a.mean(axis=0)) * root)
            x, z = np.hstack(x), np.hstack(z)
            beta = np.linalg.solve(
                x.T @ x + 30.0 / x.shape[1] * np.eye(x.shape[1]),
                x.T @ (learnt[:, target] - mean[target]),
            )
            errors = ((held[:, target] - mean[target] - z @ beta) ** 2).sum()
            expected = 1 - errors / ((held[:, target] - mean[target]) ** 2).sum()
            assert fit.r2["model", "controls"][fold, target] == pytest.approx(expected, abs=1e-6)


def test_nuisance_in_time_is_himalayas_joint_fit_of_the_same_sides():
    """Over the grids of penalties and shares; a response that follows the words gains from the model beyond its nuisance."""
    made, protocol, part, bands = of_a_story()
    alphas = (1.0, 100.0, 1e4)
    fit = banded_in_time(bands, part.folds, part.inner, part.rows, made, protocol, alphas=alphas)
    y, shares = made.responses.values, np.array(RATIOS)
    for fold, (train, test) in enumerate(part.folds):
        both = np.concatenate([train, test])
        place = np.full(len(y), -1)
        place[both] = np.arange(len(both))
        sides = {
            name: np.concatenate([apart(band, rows, made, protocol) for rows in (train, test)])
            for name, band in bands.items()
        }
        scaled = [scale(band, place[train], place[test]) for band in sides.values()]
        learnt, held = (apart(y, rows, made, protocol, scale=True) for rows in (train, test))
        mean = learnt.mean(axis=0)
        inner = np.full(len(y), -1)
        inner[train] = np.arange(len(train))
        splits = [(inner[a], inner[b]) for a, b in part.inner[fold]]
        units = sum(band.units for band in scaled)
        found, _ = solve_himalaya(
            scaled,
            learnt - mean,
            splits,
            np.array(alphas) / units,
            np.column_stack([shares, 1 - shares]),
        )
        expected = 1 - ((held - mean - found) ** 2).sum(axis=0) / ((held - mean) ** 2).sum(axis=0)
        np.testing.assert_allclose(fit.r2["model", "controls"][fold], expected, atol=1e-5)
    assert fit.unique("model").mean() > 0.05
