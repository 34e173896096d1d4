"""One Pearson with one rule for constants, whoever takes it: the solver, the bootstrap, the joint fit, the metrics, the heads."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from analysis.mapping import cross_validate
from analysis.mapping.banded import banded_ridge
from analysis.mapping.pearson import pearson
from analysis.scoring import metrics
from analysis.statistics.bootstrap import moments
from analysis.tasks.head import measured


def folds(n: int, count: int = 4) -> list[tuple[np.ndarray, np.ndarray]]:
    parts = np.array_split(np.arange(n), count)
    return [(np.setdiff1d(np.arange(n), part), part) for part in parts]


def test_it_is_scipys_with_gaps_left_out_pair_by_pair():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 30, 3))
    x[3, 0] = y[7, 0] = np.nan
    y[2:, 2] = np.nan
    y[1, 2] = np.nan
    there = np.isfinite(x[:, 0]) & np.isfinite(y[:, 0])
    expected = [stats.pearsonr(x[there, 0], y[there, 0])[0], stats.pearsonr(x[:, 1], y[:, 1])[0]]
    found = pearson(x, y)
    np.testing.assert_allclose(found[:2], expected, atol=1e-12)
    assert np.isnan(found[2]) and isinstance(pearson(x[:, 1], y[:, 1]), float)
    np.testing.assert_allclose(metrics.pearson(y, x)[:2], expected, atol=1e-12)
    ranks = [stats.spearmanr(x[there, 0], y[there, 0])[0], stats.spearmanr(x[:, 1], y[:, 1])[0]]
    np.testing.assert_allclose(metrics.spearman(y, x)[:2], ranks, atol=1e-12)


@pytest.mark.parametrize("level", [0.0, 1.0, 300.0, 1e5])
def test_constant_is_what_rounding_could_have_made_and_nothing_else(level):
    y = np.random.default_rng(1).standard_normal(40)
    jitter = np.float32(level) * np.float32(1 + 1e-7) - np.float32(level)
    assert pearson(np.full(40, level), y) == 0.0
    assert pearson(level + jitter * (np.arange(40) % 2), y) == 0.0
    assert pearson(level + 1e-4 * max(level, 1.0) * y, y) == pytest.approx(1.0, abs=1e-6)
    assert pearson(1e-9 * y, y) == pytest.approx(1.0)  # small is not constant


@pytest.mark.parametrize("level", [0.0, 300.0])
def test_everybody_agrees_on_predictions_that_are_shrunken_to_almost_nothing(level):
    rng = np.random.default_rng(2)
    x = rng.standard_normal((80, 6))
    y = level + x @ rng.standard_normal((6, 3)) + rng.standard_normal((80, 3))
    splits = folds(80)
    fit = cross_validate(x, y, splits, alphas=[1e9], criterion="gcv", predictions=True)
    held = fit.predictions[0]
    by_fold = moments(held, y, splits, np.arange(80) // 4).per_fold()
    centred = [(held[test] - y[train].mean(axis=0), y[test]) for train, test in splits]
    each = np.stack([pearson(p, t) for p, t in centred])
    assert (np.abs(fit.r[0]) > 0.05).all() and not fit.constant.any()
    np.testing.assert_allclose(by_fold, fit.r[0], atol=2e-3)
    np.testing.assert_allclose(each, fit.r[0], atol=2e-3)
    joint = banded_ridge(
        {"x": x}, y, splits, [[(a[::2], a[1::2])] for a, _ in splits], alphas=[1e9]
    )
    assert (np.abs(joint.r[("x",)]) > 0.05).all()


def test_everybody_calls_a_constant_prediction_0():
    rng = np.random.default_rng(3)
    x, y = np.ones((40, 5)), 300 + rng.standard_normal((40, 2))
    splits = folds(40)
    fit = cross_validate(x, y, splits, alphas=[1.0], criterion="gcv", predictions=True)
    assert (fit.r == 0).all() and fit.constant.all()
    assert (moments(fit.predictions[0], y, splits, np.arange(40)).per_fold() == 0).all()
    assert (metrics.pearson(y, np.full_like(y, 7.0)) == 0).all()
    assert measured("pearson", y[:, 0], np.full(40, 2.0)) == 0.0
