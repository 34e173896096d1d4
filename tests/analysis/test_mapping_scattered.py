"""Targets that each miss stimuli of their own: the fit of a refit without them, at the price of one decomposition."""

import numpy as np
import pytest

from analysis.mapping import cross_validate
from analysis.mapping import scattered as module
from analysis.mapping.plan import patterns

ALPHAS = np.logspace(-1, 5, 7)


def example(n=60, p=15, targets=24, gaps=2, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, p)) + 1
    y = x @ rng.standard_normal((p, targets)) / 3 + 2 * rng.standard_normal((n, targets)) + 5
    for target in range(targets):
        y[rng.choice(n, gaps, replace=False), target] = np.nan
    groups = np.arange(n) // 5
    folds = [(np.flatnonzero(groups % 4 != f), np.flatnonzero(groups % 4 == f)) for f in range(4)]
    inner = [
        [(train[groups[train] != g], train[groups[train] == g]) for g in np.unique(groups[train])]
        for train, _ in folds
    ]
    return x, y, folds, inner


def refitted(x, y, train, test, alpha):
    """Ridge on the measured rows, features scaled by all training rows."""
    scaled = x / x[train].std(axis=0)
    own = train[~np.isnan(y[train])]
    centre, level = scaled[own].mean(axis=0), y[own].mean()
    a = scaled[own] - centre
    beta = np.linalg.solve(a.T @ a + alpha * np.eye(x.shape[1]), a.T @ (y[own] - level))
    return (scaled[test] - centre) @ beta + level


@pytest.mark.parametrize("p", [15, 90])
@pytest.mark.parametrize("criterion", ["logo", "loo", "gcv"])
def test_predictions_are_those_of_a_fit_without_the_missing_rows(p, criterion):
    x, y, folds, inner = example(p=p)
    options = {"inner_folds": inner} if criterion == "logo" else {}
    fit = cross_validate(
        x, y, folds, alphas=ALPHAS, criterion=criterion, standardize=True, predictions=True, **options
    )  # fmt: skip
    for f, (train, test) in enumerate(folds):
        for target in range(0, y.shape[1], 5):
            expected = refitted(x, y[:, target], train, test, fit.alpha[0, f, target])
            found = fit.predictions[0][test, target]
            np.testing.assert_allclose(found, expected, atol=2e-4)
            held = ~np.isnan(y[test, target])
            r = np.corrcoef(expected[held], y[test, target][held])[0, 1]
            own = y[train, target][~np.isnan(y[train, target])].mean()
            left = ((y[test, target] - expected)[held] ** 2).sum()
            assert fit.r[0, f, target] == pytest.approx(r, abs=1e-5)
            total = ((y[test, target] - own)[held] ** 2).sum()
            assert fit.r2[0, f, target] == pytest.approx(1 - left / total, abs=1e-5)


def test_scores_are_close_to_those_of_one_fit_for_each_target(monkeypatch):
    x, y, folds, inner = example(n=120, targets=30)
    options = dict(alphas=ALPHAS, inner_folds=inner, criterion="logo", standardize=True)
    together = cross_validate(x, y, folds, **options)
    monkeypatch.setattr("analysis.mapping.plan.SCATTERED", 10**6)
    alone = cross_validate(x, y, folds, **options)
    np.testing.assert_allclose(together.r, alone.r, atol=0.05)
    assert np.abs(together.r.mean(axis=(0, 1)) - alone.r.mean(axis=(0, 1))).max() < 0.01
    assert (together.alpha == alone.alpha).mean() > 0.9
    np.testing.assert_allclose(together.inner, alone.inner, atol=0.05)


def test_one_decomposition_serves_them_all(monkeypatch):
    """The cost that made a recording with one gap for each voxel eight times slower than one without."""
    x, y, folds, inner = example()
    built = []
    from analysis.mapping import engine

    real = engine.GroupPenalties
    monkeypatch.setattr(engine, "GroupPenalties", lambda *a, **k: built.append(1) or real(*a, **k))
    cross_validate(x, y, folds, alphas=ALPHAS, criterion="logo", inner_folds=inner)
    assert len(built) == len(folds)


def test_a_target_without_held_out_responses_or_without_variance_has_no_score():
    x, y, folds, inner = example(gaps=1)
    y[folds[1][1], 3] = np.nan  # all of a fold: more than a tenth is missing, a fit of its own
    y[:, 4] = 2.0
    y[7, 4] = np.nan
    fit = cross_validate(x, y, folds, alphas=ALPHAS, criterion="logo", inner_folds=inner)
    assert np.isnan(fit.r[0, 1, 3]) and np.isfinite(fit.r[0, [0, 2, 3], 3]).all()
    assert (fit.r[0, :, 4] == 0).all() and fit.constant[0, :, 4].all()


def test_common_gaps_and_long_ones_have_fits_of_their_own():
    _, y, folds, inner = example(targets=40, gaps=1)
    y[:, :20] = np.where(np.arange(60)[:, None] == 11, np.nan, np.nan_to_num(y[:, :20]))
    y[:30, 20] = np.nan
    found = patterns(y, folds, inner, once=True, scatter=True)
    assert sorted(len(one.targets) for one in found) == [1, 18, 21]
    assert [one.scattered for one in found if len(one.targets) == 18] == [True]
    assert not any(one.scattered for one in patterns(y, folds, inner, once=True))


def test_filled_entries_are_the_predictions_of_the_fit_without_them():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((30, 6))
    x -= x.mean(axis=0)
    q, s, _ = np.linalg.svd(x, full_matrices=False)
    y = rng.standard_normal(30)
    missing = np.zeros((1, 30), bool)
    missing[0, [3, 17, 29]] = True
    rows = np.where(missing, 0.0, y - y[~missing[0]].mean())
    out = module.fill(rows, missing, q, s[None] ** 2 / (s[None] ** 2 + 2.0))
    own = ~missing[0]
    a = x[own] - x[own].mean(axis=0)
    beta = np.linalg.solve(a.T @ a + 2.0 * np.eye(6), a.T @ rows[0, own])
    expected = (x[~own] - x[own].mean(axis=0)) @ beta
    np.testing.assert_allclose(out[0, ~own], expected, atol=1e-10)
