"""Leave-one-group-out in closed form against refitting without each group."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.mapping import cross_validate, group_out
from analysis.mapping.gram import Units
from analysis.mapping.group_out import GroupPenalties, left_out
from analysis.mapping.plan import TRIANGLES
from analysis.mapping.ridge import Penalties
from data.errors import BrainLensError

CARDS = ["cuda"] if torch.cuda.is_available() else []
ALPHAS = np.logspace(-2, 6, 9)


def planted(n, p, v, groups, seed=0, noise=2.0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, p)) + rng.standard_normal((n, p))[groups] + 3
    y = x @ rng.standard_normal((p, v)) / np.sqrt(p) + noise * rng.standard_normal((n, v))
    return x, y + rng.standard_normal((n, v))[groups] + 7


def refitted(x, y, train, groups, alpha, standardize):
    """Residuals of every training row, predicted from the other groups; scaled by the whole training fold."""
    xt, yt, g = x[train], y[train], groups[train]
    if standardize:
        xt = xt / xt.std(axis=0)
    out = np.empty(yt.shape)
    for name in np.unique(g):
        a, b = g != name, g == name
        mean, level = xt[a].mean(axis=0), yt[a].mean(axis=0)
        c = xt[a] - mean
        gram = c @ c.T + alpha * np.eye(len(c))
        out[b] = yt[b] - level - (xt[b] - mean) @ c.T @ np.linalg.solve(gram, yt[a] - level)
    return out


def pairs(groups, train):
    """One inner fold per group."""
    return [
        (train[groups[train] != g], train[groups[train] == g]) for g in np.unique(groups[train])
    ]


def brute(x, y, train, groups, standardize):
    """Pooled errors (A, T) of all penalties."""
    return np.array(
        [(refitted(x, y, train, groups, a, standardize) ** 2).sum(axis=0) for a in ALPHAS]
    )


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(12, 40),
    p=st.integers(1, 50),
    v=st.integers(1, 9),
    k=st.integers(2, 9),
    seed=st.integers(0, 10**6),
    standardize=st.booleans(),
    noise=st.sampled_from([0.05, 2.0, 30.0]),
)
def test_the_smallest_error_of_refits_is_chosen(n, p, v, k, seed, standardize, noise):
    groups = np.random.default_rng(seed).integers(0, k, n)
    groups[:2] = 0, 1
    x, y = planted(n, p, v, groups, seed, noise)
    train, test = np.arange(n - 3), np.arange(n - 3, n)
    fit = cross_validate(
        x,
        y,
        [(train, test)],
        alphas=ALPHAS,
        criterion="logo",
        inner_folds=[pairs(groups, train)],
        standardize=standardize,
    )
    errors = brute(x, y, train, groups, standardize)
    chosen = errors[fit.pick[0, 0], np.arange(v)]
    np.testing.assert_array_less(chosen, errors.min(axis=0) * (1 + 1e-7) + 1e-12)


@pytest.mark.parametrize("p", [12, 90])
@pytest.mark.parametrize("device", ["cpu", "torch", *CARDS])
def test_scores_and_inner_scores_are_those_of_refits(p, device):
    rng = np.random.default_rng(3)
    groups = rng.integers(0, 7, 60)
    x, y = planted(60, p, 300, groups)
    folds = [(np.flatnonzero(groups != g), np.flatnonzero(groups == g)) for g in (2, 5)]
    fit = cross_validate(
        x,
        y,
        folds,
        alphas=ALPHAS,
        criterion="logo",
        inner_folds=[pairs(groups, train) for train, _ in folds],
        standardize=True,
        device=device,
        predictions=True,
    )
    assert fit.form == ["dual" if p == 90 else "primal"]
    for f, (train, test) in enumerate(folds):
        errors = brute(x, y, train, groups, True)
        np.testing.assert_array_equal(fit.alpha[0, f], ALPHAS[errors.argmin(axis=0)])
        total = (refitted(x * 0, y, train, groups, 1.0, False) ** 2).sum(axis=0)
        np.testing.assert_allclose(
            fit.inner[0, f], 1 - errors.min(axis=0) / total, atol=2e-6, rtol=0
        )
        scale = x[train].std(axis=0)
        for t in range(0, 300, 60):
            xt = x / scale
            c = xt[train] - xt[train].mean(axis=0)
            alpha = fit.alpha[0, f, t]
            beta = np.linalg.solve(
                c.T @ c + alpha * np.eye(p), c.T @ (y[train, t] - y[train, t].mean())
            )
            predicted = (xt[test] - xt[train].mean(axis=0)) @ beta + y[train, t].mean()
            np.testing.assert_allclose(fit.predictions[0][test, t], predicted, atol=1e-4)


def test_every_residual_is_the_refits_and_both_ways_of_evaluation_agree(monkeypatch):
    groups = np.repeat(np.arange(8), 6)
    x, y = planted(48, 70, 40, groups)
    train, test = np.arange(42), np.arange(42, 48)
    spectrum = Units(x, True).spectrum(train, test, "dual")
    rows = (y[train] - y[train].mean(axis=0)).T
    expected = brute(x, y, train, groups, True).T
    left = left_out(train, pairs(groups, train))
    model = GroupPenalties(spectrum, ALPHAS, left)
    np.testing.assert_allclose(model.all_errors(rows), expected, rtol=1e-9)
    monkeypatch.setattr("analysis.mapping.group_out.TRIANGLES", 0)
    slow = GroupPenalties(spectrum, ALPHAS, left)
    assert model.triangles is not None and slow.triangles is None and TRIANGLES
    rows = (rows / np.linalg.norm(rows, axis=1)[:, None]).astype(np.float32)
    z = rows @ model.q
    every = model._errors(z)
    for a in range(len(ALPHAS)):
        np.testing.assert_allclose(every[:, a], slow._error(a, np.arange(40), z, None), rtol=2e-4)
    np.testing.assert_allclose(slow._pruned(rows, z), every, rtol=2e-4)  # few: all at once
    monkeypatch.setattr("analysis.mapping.group_out.FEW", 0)
    pruned = slow._pruned(rows, z)
    assert np.isinf(pruned).any()
    np.testing.assert_array_equal(pruned.argmin(axis=1), every.argmin(axis=1))
    np.testing.assert_array_equal(model.judge(rows, z)[0], expected.argmin(axis=1))


def test_groups_of_one_are_leave_one_out():
    x, y = planted(40, 60, 30, np.arange(40))
    folds = [(np.arange(8, 40), np.arange(8)), (np.arange(32), np.arange(32, 40))]
    inner = [pairs(np.arange(40), train) for train, _ in folds]
    grouped = cross_validate(x, y, folds, alphas=ALPHAS, criterion="logo", inner_folds=inner)
    plain = cross_validate(x, y, folds, alphas=ALPHAS, criterion="loo")
    np.testing.assert_array_equal(grouped.alpha, plain.alpha)
    np.testing.assert_allclose(grouped.r, plain.r, atol=1e-6)


@pytest.mark.parametrize("p", [3, 9, 60])
@pytest.mark.parametrize("rows", [34, 32], ids=["some rows in no block", "every row in a block"])
def test_rows_beside_a_block_are_left_out_with_it(p, rows):
    """Contiguous blocks with a gap on either side: what counts is the block, predicted without both."""
    x, y = planted(40, p, 15, np.arange(40) // 5)
    train, test = np.arange(rows), np.arange(36, 40)
    inner = [
        (train[(train < at - 2) | (train >= at + 8 + 2)], train[(train >= at) & (train < at + 8)])
        for at in (0, 8, 16, 24)
    ]
    fit = cross_validate(
        x, y, [(train, test)], alphas=ALPHAS, criterion="logo", inner_folds=[inner]
    )
    errors = np.zeros((len(ALPHAS), 15))
    for a, b in inner:
        mean, level = x[a].mean(axis=0), y[a].mean(axis=0)
        c = x[a] - mean
        for i, alpha in enumerate(ALPHAS):
            beta = np.linalg.solve(c.T @ c + alpha * np.eye(p), c.T @ (y[a] - level))
            errors[i] += ((y[b] - level - (x[b] - mean) @ beta) ** 2).sum(axis=0)
    np.testing.assert_array_equal(fit.pick[0, 0], errors.argmin(axis=0))


@pytest.mark.parametrize("noise", [0.02, 1.0, 30.0])
@pytest.mark.parametrize("workers", [1, 2])
def test_groups_of_more_rows_than_units_have_the_errors_of_every_row(noise, workers, monkeypatch):
    """The form of a group against its inverse, in double and in single precision, also where the fit is nearly perfect."""
    groups = np.arange(160) // 40
    x, y = planted(160, 9, 50, groups, 2, noise)
    train, test = np.arange(150), np.arange(150, 160)
    layer = Units(x, True)
    layer.prepare("primal")
    spectrum = layer.spectrum(train, test, "primal")
    left = left_out(train, pairs(groups, train))
    rows = (y[train] - y[train].mean(axis=0)).T
    rows /= np.linalg.norm(rows, axis=1)[:, None]
    wide = GroupPenalties(spectrum, ALPHAS, left, workers=workers)
    monkeypatch.setattr("analysis.mapping.group_out.pays", lambda *_: False)
    plain = GroupPenalties(spectrum, ALPHAS, left)
    assert wide.wide is not None and plain.wide is None
    np.testing.assert_allclose(wide.bounds, plain.bounds, rtol=1e-5)
    exact = plain.all_errors(rows)
    np.testing.assert_allclose(wide.all_errors(rows), exact, rtol=1e-9)
    single = rows.astype(np.float32)
    z = single @ wide.q
    np.testing.assert_allclose(wide._pruned(single, z), exact, rtol=2e-4)
    for one in (wide, plain):
        pick, inner = one.judge(single, z)
        np.testing.assert_array_equal(pick, exact.argmin(axis=1))
    np.testing.assert_allclose(inner, wide.judge(single, z)[1], atol=1e-6)
    assert "inverses" not in wide.found  # none were made


@pytest.mark.parametrize("p", [12, 90])
def test_one_alpha_for_all_targets_is_the_smallest_sum(p):
    groups = np.repeat(np.arange(6), 8)
    x, y = planted(48, p, 20, groups)
    y[:6, 3:5] = np.nan
    folds = [(np.arange(8, 48), np.arange(8)), (np.arange(40), np.arange(40, 48))]
    fit = cross_validate(
        x,
        y,
        folds,
        alphas=ALPHAS,
        criterion="logo",
        inner_folds=[pairs(groups, train) for train, _ in folds],
        shared_alpha=True,
    )
    for f, (train, _) in enumerate(folds):
        whole = np.flatnonzero(~np.isnan(y[train]).any(axis=0))
        sums = brute(x, y[:, whole], train, groups, False).sum(axis=1)
        if len(whole) == 20:
            assert np.unique(fit.alpha[0, f]) == ALPHAS[sums.argmin()]
        assert len(np.unique(fit.alpha[0, f])) == 1


@pytest.mark.parametrize(
    "inner, words",
    [
        (None, "there are none"),
        ([[(np.arange(10), np.arange(10, 15)), (np.arange(8), np.arange(12, 15))]], "twice"),
    ],
)
def test_errors_name_the_inner_folds(inner, words):
    x, y = planted(20, 5, 2, np.arange(20))
    with pytest.raises(BrainLensError, match=words) as caught:
        cross_validate(
            x, y, [(np.arange(15), np.arange(15, 20))], criterion="logo", inner_folds=inner
        )
    assert caught.value.remedy


@pytest.mark.parametrize("units", [1, 2, 4])
@pytest.mark.parametrize("noise", [0.02, 1.0, 30.0])
def test_a_handful_of_units_has_the_errors_of_every_row(units, noise):
    """Both closed forms against the residuals row by row, also where the fit is nearly perfect and terms cancel."""
    groups = np.random.default_rng(units).integers(0, 7, 60)
    x, y = planted(60, units, 40, groups, units, noise)
    train, test = np.arange(50), np.arange(50, 60)
    layer = Units(x, True)
    layer.prepare("primal")
    spectrum = layer.spectrum(train, test, "primal")
    left = left_out(train, pairs(groups, train))
    rows = np.ascontiguousarray((y[train] - y[train].mean(axis=0)).T)
    by_group = GroupPenalties(spectrum, ALPHAS, left)
    assert by_group.triangles is None and by_group.few is not None
    np.testing.assert_allclose(by_group.few.errors(rows), by_group.all_errors(rows), rtol=1e-9)
    by_row = Penalties(spectrum, ALPHAS, exact=True)
    np.testing.assert_allclose(by_row.few_rows.errors(rows), by_row.all_errors(rows), rtol=1e-9)
    for penalties in (by_group, by_row):
        picked, _ = penalties.judge(rows.astype(np.float32), rows @ penalties.q)
        assert (picked == penalties.all_errors(rows.astype(np.float32)).argmin(axis=1)).all()


def test_a_group_that_its_own_fit_determines_has_an_infinite_error():
    """Nearly no penalty and a leverage of nearly 1: beyond what float64 holds, without a warning, and never the least."""
    from analysis.mapping.group_out import _squares

    residuals, inverse = np.full((1, 2, 1), 1e10), np.array([[[1e150]]])
    assert np.isinf(_squares(residuals, inverse)).all()
    assert np.isfinite(_squares(residuals, inverse / 1e100)).all()


@pytest.mark.parametrize("shared", [False, True])
def test_few_targets_are_scored_without_triangles_and_alike(shared, monkeypatch):
    """Triangles of a wide layer cost more than all residuals of one target: none is made, and nothing that is scored moves."""
    groups = np.repeat(np.arange(6), 10)
    x, y = planted(60, 90, 3, groups, seed=4)
    folds = [(np.flatnonzero(groups != g), np.flatnonzero(groups == g)) for g in (0, 3)]
    inner = [pairs(groups, train) for train, _ in folds]
    given = {"alphas": ALPHAS, "criterion": "logo", "inner_folds": inner, "shared_alpha": shared}
    made, real = [], GroupPenalties._triangles
    monkeypatch.setattr(GroupPenalties, "_triangles", lambda self: made.append(1) or real(self))
    few = cross_validate(x, y, folds, **given)
    assert not made
    monkeypatch.setattr(group_out, "FEW", -1)
    through = cross_validate(x, y, folds, **given)
    assert len(made) == len(folds)
    for name in ("r", "r2", "pick"):
        np.testing.assert_array_equal(getattr(few, name), getattr(through, name))
    if not shared:
        np.testing.assert_allclose(few.inner, through.inner, atol=1e-6)
