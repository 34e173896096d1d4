"""cross_validate against scikit-learn, estimator by estimator."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, RidgeCV
from sklearn.model_selection import KFold

from analysis.mapping import cross_validate

ALPHAS = np.logspace(-1, 5, 7)
SHAPES = [(60, 20, 7), (60, 150, 7), (61, 48, 1), (49, 40, 5)]


def planted(n, p, v, seed=0, noise=1.0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, p)) * np.logspace(0.5, -1, p)
    y = x @ rng.standard_normal((p, v)) / np.sqrt(p) + noise * rng.standard_normal((n, v)) + rng.standard_normal(v) * 5
    return x, y


def folds_of(n, k=5, seed=0):
    return list(KFold(k, shuffle=True, random_state=seed).split(np.arange(n)))


def pearson(a, b):
    a, b = a - a.mean(0), b - b.mean(0)
    return (a * b).sum(0) / np.sqrt((a**2).sum(0) * (b**2).sum(0))


def sklearn_scores(make, x, y, folds):
    r, r2 = [], []
    for train, test in folds:
        yhat = make().fit(x[train], y[train]).predict(x[test]).reshape(len(test), -1)
        r.append(pearson(yhat, y[test]))
        r2.append(1 - ((y[test] - yhat) ** 2).sum(0) / ((y[test] - y[train].mean(0)) ** 2).sum(0))
    return np.array(r), np.array(r2)


@pytest.mark.parametrize("n, p, v", SHAPES)
def test_leave_one_out_is_ridgecv(n, p, v):
    x, y = planted(n, p, v)
    folds = folds_of(n)
    fit = cross_validate(x, y, folds, alphas=ALPHAS)
    r, r2 = sklearn_scores(lambda: RidgeCV(ALPHAS, alpha_per_target=v > 1), x, y, folds)
    np.testing.assert_allclose(fit.r[0], r, atol=5e-6)
    np.testing.assert_allclose(fit.r2[0], r2, atol=5e-6)


@pytest.mark.parametrize("n, p, v", SHAPES)
def test_ols_is_linear_regression(n, p, v):
    x, y = planted(n, p, v)
    folds = folds_of(n)
    fit = cross_validate(x, y, folds, method="ols")
    r, _ = sklearn_scores(LinearRegression, x, y, folds)
    np.testing.assert_allclose(fit.r[0], r, atol=5e-6)
