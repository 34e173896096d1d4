"""cross_validate against scikit-learn, himalaya and its own promises, estimator by estimator."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression, Ridge, RidgeCV
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from analysis.mapping.decomposed import decompose
from analysis.mapping.fit import cross_validate
from analysis.mapping.gram import Gram, Units, gram
from analysis.progress import Cancelled, Report
from data.errors import BrainLensError

ALPHAS = np.logspace(-1, 5, 7)
SHAPES = [(60, 20, 7), (60, 150, 7), (61, 48, 1), (49, 40, 5), (40, 300, 3000)]
CARDS = ["cuda"] if torch.cuda.is_available() else []
ON_DEVICES = [
    *((*shape, "cpu") for shape in SHAPES),
    *((*shape, name) for name in ("torch", *CARDS) for shape in SHAPES[:3]),
]
TOLERANCE = 5e-6


def planted(n, p, v, seed=0, noise=1.0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, p)) * np.logspace(0.5, -1, p)
    y = (
        x @ rng.standard_normal((p, v)) / np.sqrt(p)
        + noise * rng.standard_normal((n, v))
        + rng.standard_normal(v) * 5
    )
    return x, y


def folds_of(n, k=5, seed=0):
    return list(KFold(k, shuffle=True, random_state=seed).split(np.arange(n)))


def inner_of(folds, k=3):
    return [[(train[a], train[b]) for a, b in KFold(k).split(train)] for train, _ in folds]


def pearson(a, b):
    a, b = a - a.mean(0), b - b.mean(0)
    return (a * b).sum(0) / np.sqrt((a**2).sum(0) * (b**2).sum(0))


def reference(make, x, y, folds):
    """r, R2 and predictions of any scikit-learn estimator, fold by fold."""
    r, r2, predictions = [], [], np.full(y.shape, np.nan)
    for train, test in folds:
        yhat = make().fit(x[train], y[train]).predict(x[test]).reshape(len(test), -1)
        r.append(pearson(yhat, y[test]))
        r2.append(1 - ((y[test] - yhat) ** 2).sum(0) / ((y[test] - y[train].mean(0)) ** 2).sum(0))
        predictions[test] = yhat
    return np.array(r), np.array(r2), predictions


def same(fit, expected, layer=0, atol=TOLERANCE):
    r, r2, _ = expected
    np.testing.assert_allclose(fit.r[layer], r, atol=atol)
    np.testing.assert_allclose(fit.r2[layer], r2, rtol=atol, atol=atol)


# ---- against scikit-learn and himalaya ------------------------------------------------------------------------------------
@pytest.mark.parametrize("n, p, v, device", ON_DEVICES)
def test_leave_one_out_per_target_is_ridgecv(n, p, v, device):
    x, y = planted(n, p, v)
    folds = folds_of(n)
    expected = reference(lambda: RidgeCV(ALPHAS, alpha_per_target=v > 1), x, y, folds)
    fit = cross_validate(x, y, folds, alphas=ALPHAS, predictions=True, device=device)
    same(fit, expected)
    np.testing.assert_allclose(fit.predictions[0], expected[2], atol=1e-4)
    assert fit.form == ["primal" if p < n / 2 else "dual"]
    chosen = np.array(
        [
            np.broadcast_to(RidgeCV(ALPHAS, alpha_per_target=v > 1).fit(x[a], y[a]).alpha_, v)
            for a, _ in folds
        ]
    )
    np.testing.assert_array_equal(fit.alpha[0], chosen)


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("n, p, v", SHAPES[:3])
def test_one_alpha_for_all_targets_is_ridgecv(n, p, v, standardize):
    x, y = planted(n, p, v)
    folds = folds_of(n)

    def make():
        return make_pipeline(StandardScaler(), RidgeCV(ALPHAS)) if standardize else RidgeCV(ALPHAS)

    same(
        cross_validate(x, y, folds, alphas=ALPHAS, shared_alpha=True, standardize=standardize),
        reference(make, x, y, folds),
    )


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize(
    "n, p, v, device",
    [
        (60, 20, 7, "cpu"),
        (60, 150, 7, "cpu"),
        (45, 80, 900, "cpu"),
        (60, 20, 7, "torch"),
        (45, 80, 900, "torch"),
    ],
)
def test_inner_folds_are_a_grid_search(n, p, v, standardize, device):
    x, y = planted(n, p, v)
    folds = folds_of(n)
    inner = inner_of(folds)
    fit = cross_validate(
        x,
        y,
        folds,
        alphas=ALPHAS,
        criterion="kfold",
        inner_folds=inner,
        standardize=standardize,
        device=device,
    )
    for f, (train, test) in enumerate(folds):
        place = {row: i for i, row in enumerate(train)}
        cv = [([place[i] for i in a], [place[i] for i in b]) for a, b in inner[f]]
        for target in range(3):
            model = make_pipeline(StandardScaler(), Ridge()) if standardize else Ridge()
            name = "ridge__alpha" if standardize else "alpha"
            search = GridSearchCV(model, {name: ALPHAS}, scoring="r2", cv=cv).fit(
                x[train], y[train, target]
            )
            assert fit.alpha[0, f, target] == search.best_params_[name]
            expected = np.corrcoef(search.predict(x[test]), y[test, target])[0, 1]
            assert fit.r[0, f, target] == pytest.approx(expected, abs=TOLERANCE)


def test_inner_folds_agree_with_himalaya():
    from himalaya.backend import set_backend
    from himalaya.kernel_ridge import KernelRidgeCV
    from himalaya.scoring import r2_score

    set_backend("numpy")
    x, y = planted(80, 120, 200)
    folds = folds_of(80)
    inner = inner_of(folds)
    fit = cross_validate(x, y, folds, alphas=ALPHAS, criterion="kfold", inner_folds=inner)
    for f, (train, test) in enumerate(folds):
        place = {row: i for i, row in enumerate(train)}
        cv = [
            (np.array([place[i] for i in a]), np.array([place[i] for i in b])) for a, b in inner[f]
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = KernelRidgeCV(
                ALPHAS, fit_intercept=True, cv=cv, solver_params={"score_func": r2_score}
            )
            model.fit(x[train], y[train])
        np.testing.assert_allclose(fit.alpha[0, f], model.best_alphas_, rtol=1e-9)
        np.testing.assert_allclose(
            fit.r[0, f], pearson(model.predict(x[test]), y[test]), atol=TOLERANCE
        )


@pytest.mark.parametrize("n, p, v", SHAPES)
def test_gcv_is_its_formula(n, p, v):
    x, y = planted(n, p, v)
    folds = folds_of(n)
    fit = cross_validate(x, y, folds, alphas=ALPHAS, criterion="gcv")
    for f, (train, _) in enumerate(folds):
        xc, yc = x[train] - x[train].mean(0), y[train] - y[train].mean(0)
        u, s, _ = np.linalg.svd(xc, full_matrices=False)
        errors = []
        for a in ALPHAS:
            h = (u * (s**2 / (s**2 + a))) @ u.T
            errors.append(
                ((yc - h @ yc) ** 2).sum(0) / (1 - 1 / len(train) - np.trace(h) / len(train)) ** 2
            )
        np.testing.assert_array_equal(fit.alpha[0, f], ALPHAS[np.argmin(errors, axis=0)])


@pytest.mark.parametrize("n, p, v, device", ON_DEVICES)
def test_least_squares_is_linear_regression(n, p, v, device):
    x, y = planted(n, p, v)
    folds = folds_of(n)
    expected = reference(lambda: LinearRegression(tol=1e-6), x, y, folds)
    fit = cross_validate([x, x[:, ::-1]], y, folds, method="ols", device=device)
    same(fit, expected, 0)
    same(fit, expected, 1)
    assert fit.rcond == pytest.approx(np.finfo(float).eps * max(n - n // 5, p), rel=0.1)


def test_least_squares_cut_off_decides_on_ill_conditioned_features():
    """Singular values from 1 to 1e-9: three cut-offs, three answers, each that of LAPACK with the same cut-off."""
    rng = np.random.default_rng(1)
    for n, p in ((60, 90), (90, 40)):
        u, _, vt = np.linalg.svd(rng.standard_normal((n, p)), full_matrices=False)
        x = (u * np.logspace(0, -9, len(vt))) @ vt
        y = x @ rng.standard_normal((p, 4)) + 0.1 * rng.standard_normal((n, 4))
        folds, seen = folds_of(n), []
        for rcond in (None, 1e-6, 1e-2):
            tol = np.finfo(float).eps * max(n - n // 5, p) if rcond is None else rcond
            fit = cross_validate(x, y, folds, method="ols", rcond=rcond)
            same(fit, reference(lambda tol=tol: LinearRegression(tol=tol), x, y, folds), atol=2e-5)
            assert set(fit.solver.ravel()) <= {"qr", "svd"}
            seen.append(fit.r)
        assert np.abs(seen[0] - seen[1]).max() > 1e-2 and np.abs(seen[1] - seen[2]).max() > 1e-2


# ---- awkward features and responses -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("p", [30, 200])
@pytest.mark.parametrize("method", ["ridge", "ols"])
def test_massive_constant_and_duplicated_units(p, method):
    x, y = planted(70, p, 30)
    x[:, 3] = 3000 + 200 * x[:, 3]  # a massive dimension far from zero
    x[:, 5], x[:, 6] = 7.25, x[:, 8]
    folds = folds_of(70)
    make = (
        (lambda: RidgeCV(ALPHAS, alpha_per_target=True))
        if method == "ridge"
        else (lambda: LinearRegression(tol=1e-10))
    )
    options = {"alphas": ALPHAS} if method == "ridge" else {"rcond": 1e-10}
    for dtype in (np.float64, np.float32):
        given_x = x.astype(dtype)
        fit = cross_validate(given_x, y, folds, method=method, **options)
        same(fit, reference(make, given_x.astype(float), y, folds))
        assert (fit.dropped == 1).all()


def test_constant_targets_and_predictions_score_zero_and_are_counted():
    x, y = planted(50, 80, 6)
    y[:, 2] = 4.0
    folds = list(KFold(5).split(x))
    y[folds[1][1], 4] = -1.0
    once = np.eye(50)  # one unit per stimulus: nothing learnt about the held-out rows
    fit = cross_validate([x, once, np.ones((50, 3))], y, folds, alphas=ALPHAS)
    assert (fit.r[:, :, 2] == 0).all() and fit.constant[:, :, 2].all()
    assert fit.r[0, 1, 4] == 0 and fit.constant[0, 1, 4] and not fit.constant[0, 0, 4]
    assert (fit.r[1:] == 0).all() and fit.constant[1:].all()
    assert (fit.dropped[2] == 3).all() and (fit.dropped[1] == 10).all()
    assert not np.isnan(fit.r).any()


def test_missing_responses_are_left_out_target_by_target():
    x, y = planted(60, 90, 6)
    y[:13, 1], y[20:, 3], y[::2, 5] = np.nan, np.nan, np.nan
    folds = list(KFold(4).split(x))
    inner = inner_of(folds)
    whole = cross_validate(
        x, y, folds, alphas=ALPHAS, criterion="kfold", inner_folds=inner, predictions=True
    )
    for target in range(6):
        has = np.flatnonzero(~np.isnan(y[:, target]))
        place = np.full(60, -1)
        place[has] = np.arange(len(has))

        def within(rows, place=place):
            return place[rows][place[rows] >= 0]

        for f, (train, test) in enumerate(folds):
            pairs = [(within(a), within(b)) for a, b in inner[f]]
            pairs = [pair for pair in pairs if min(map(len, pair)) > 1]
            if len(within(test)) < 2 or len(within(train)) < 2 or not pairs:
                assert np.isnan(whole.r[0, f, target]) and np.isnan(whole.alpha[0, f, target])
                continue
            alone = cross_validate(
                x[has],
                y[has][:, [target]],
                [(within(train), within(test))],
                alphas=ALPHAS,
                criterion="kfold",
                inner_folds=[pairs],
            )
            assert whole.r[0, f, target] == pytest.approx(alone.r[0, 0, 0], abs=1e-6)
            assert whole.alpha[0, f, target] == alone.alpha[0, 0, 0]
    assert (
        np.isnan(whole.predictions[0, 20:, 3]).all()
        and np.isfinite(whole.predictions[0, 20:, 0]).all()
    )


@pytest.mark.parametrize("criterion", ["loo", "gcv", "kfold"])
def test_a_shared_alpha_is_shared_over_patterns_of_missing_responses(criterion):
    x, y = planted(60, 40, 8)
    gaps = y.copy()
    gaps[3:5, 4:] = np.nan
    folds = folds_of(60)
    options = {
        "alphas": ALPHAS,
        "shared_alpha": True,
        "criterion": criterion,
        "inner_folds": inner_of(folds),
    }
    fit = cross_validate(x, gaps, folds, **options)
    assert all(len(np.unique(fit.alpha[0, f])) == 1 for f in range(5))
    np.testing.assert_array_equal(fit.alpha, cross_validate(x, y, folds, **options).alpha)


def test_scale_of_the_responses_does_not_matter():
    x, y = planted(60, 90, 5)
    folds = folds_of(60)
    fit, tiny = (cross_validate(x, y * scale, folds, alphas=ALPHAS) for scale in (1.0, 1e-17))
    np.testing.assert_allclose(fit.r, tiny.r, atol=1e-6)
    np.testing.assert_array_equal(fit.alpha, tiny.alpha)


# ---- properties ----------------------------------------------------------------------------------------------------------
@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(9, 40),
    p=st.integers(1, 50),
    v=st.integers(1, 9),
    seed=st.integers(0, 10**6),
    criterion=st.sampled_from(["loo", "gcv"]),
    standardize=st.booleans(),
    noise=st.sampled_from([0.01, 1.0, 30.0]),
)
def test_every_shape_picks_the_smallest_error(n, p, v, seed, criterion, standardize, noise):
    """Pruning and ties never change the chosen alpha: brute force in float64 agrees."""
    x, y = planted(n, p, v, seed, noise)
    train, test = np.arange(n - 3), np.arange(n - 3, n)
    fit = cross_validate(
        x, y, [(train, test)], alphas=ALPHAS, criterion=criterion, standardize=standardize
    )
    xt, yc = x[train] - x[train].mean(0), y[train] - y[train].mean(0)
    xt = xt / xt.std(0) if standardize else xt
    u, s, _ = np.linalg.svd(xt, full_matrices=False)
    u, s = u[:, s > 1e-10 * s[0]], s[s > 1e-10 * s[0]]
    errors = []
    for a in ALPHAS:
        h = (u * (s**2 / (s**2 + a))) @ u.T
        d = 1 - 1 / len(train) - np.diag(h)
        d = d if criterion == "loo" else np.full_like(d, d.mean())
        errors.append((((yc - h @ yc) / d[:, None]) ** 2).sum(0))
    errors = np.array(errors)
    chosen = errors[fit.pick[0, 0], np.arange(v)]
    np.testing.assert_array_less(chosen, errors.min(0) * (1 + 1e-7) + 1e-12)


@settings(max_examples=15, deadline=None)
@given(n=st.integers(12, 30), p=st.integers(1, 40), v=st.integers(1, 6), seed=st.integers(0, 10**6))
def test_every_shape_of_least_squares(n, p, v, seed):
    x, y = planted(n, p, v, seed)
    folds = folds_of(n, 3)
    same(
        cross_validate(x, y, folds, method="ols"),
        reference(lambda: LinearRegression(tol=1e-12), x, y, folds),
        atol=2e-5,
    )


# ---- ways in ----------------------------------------------------------------------------------------------------------------
def test_grams_and_decompositions_give_what_features_give():
    x, y = planted(60, 90, 40)
    folds = folds_of(60)
    inner = inner_of(folds)
    plain = cross_validate([x, x * 2], y, folds, alphas=ALPHAS)
    np.testing.assert_allclose(
        cross_validate([gram(x), gram(x * 2)], y, folds, alphas=ALPHAS).r, plain.r, atol=1e-6
    )
    known = decompose([x, x * 2], folds, inner_folds=inner)
    assert known.nbytes > 0
    np.testing.assert_allclose(cross_validate(known, y, folds, alphas=ALPHAS).r, plain.r, atol=1e-6)
    options = {"alphas": ALPHAS, "criterion": "kfold", "inner_folds": inner}
    plain = cross_validate([x, x * 2], y, folds, **options)
    np.testing.assert_allclose(cross_validate(known, y, folds, **options).r, plain.r, atol=1e-6)
    plain = cross_validate(x, y, folds, method="ols")
    np.testing.assert_allclose(
        cross_validate(gram(x), y, folds, method="ols").r, plain.r, atol=1e-6
    )
    with pytest.raises(BrainLensError, match="other folds"):
        cross_validate(known, y, folds_of(60, 4), alphas=ALPHAS)
    with pytest.raises(BrainLensError, match="standardize"):
        cross_validate(known, y, folds, standardize=True)
    with pytest.raises(BrainLensError, match="lost them"):
        cross_validate(gram(x), y, folds, standardize=True)


@pytest.mark.parametrize("p", [30, 120])
@pytest.mark.parametrize("standardize", [False, True])
def test_held_out_rows_reach_nothing_that_is_fitted(p, standardize):
    x, y = planted(60, p, 50)
    folds = folds_of(60)
    inner = inner_of(folds)
    train, test = folds[0]
    rng = np.random.default_rng(9)
    other_x, other_y = x.copy(), y.copy()
    wild, kept = test[::2], test[1::2]
    other_x[wild] = 1e3 * rng.standard_normal((len(wild), p)) - 500
    other_y[wild] = 1e4 * rng.standard_normal((len(wild), 50)) + 1e5
    form = "dual" if p > 60 else "primal"
    spectra = []
    for features in (x, other_x):
        units = Units(features, standardize)
        units.prepare(form)
        spectra.append(units.spectrum(train, kept, form))
    before, after = spectra
    np.testing.assert_allclose(before.lam, after.lam, rtol=1e-10, atol=1e-10 * before.lam.max())
    for alpha in ALPHAS:  # the held-out rows that did not change are predicted by the same map
        maps = [(s.p / (s.lam + alpha)) @ s.q.T for s in spectra]
        np.testing.assert_allclose(maps[0], maps[1], rtol=0, atol=1e-10 * np.abs(maps[0]).max())
    for options in (
        {"criterion": "loo"},
        {"criterion": "gcv"},
        {"criterion": "kfold", "inner_folds": inner[:1]},
        {"criterion": "loo", "shared_alpha": True},
    ):
        fits = [
            cross_validate(
                a, b, folds[:1], alphas=ALPHAS, standardize=standardize, predictions=True, **options
            )
            for a, b in ((x, y), (other_x, other_y))
        ]
        np.testing.assert_array_equal(fits[0].alpha, fits[1].alpha)
        np.testing.assert_allclose(
            fits[0].predictions[0, kept], fits[1].predictions[0, kept], atol=2e-6 * np.abs(y).max()
        )


# ---- memory, progress, cancel -------------------------------------------------------------------------------------------------
def test_blocks_do_not_change_the_result_and_a_budget_is_kept():
    import tracemalloc

    rng = np.random.default_rng(3)
    x, y = (
        rng.standard_normal((120, 200)).astype(np.float32),
        rng.standard_normal((120, 20_000)).astype(np.float32),
    )
    folds = folds_of(120, 3)
    fit = cross_validate(x, y, folds, alphas=ALPHAS)
    results = fit.r.nbytes + fit.r2.nbytes + fit.pick.nbytes + fit.constant.nbytes
    tracemalloc.start()
    small = cross_validate(x, y, folds, alphas=ALPHAS, memory=12 * 2**20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert small.estimate <= 12 * 2**20
    assert peak - results < 12 * 2**20
    np.testing.assert_allclose(small.r, fit.r, atol=1e-6)
    with pytest.raises(BrainLensError, match="MiB"):
        cross_validate(x, y, folds, alphas=ALPHAS, memory=1000)


def test_a_cancelled_report_stops_within_a_block_and_blas_gets_its_threads_back():
    from threadpoolctl import threadpool_info

    before = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    x, y = planted(60, 90, 20_000)
    seen = []

    def progress(done, total, what, left):
        seen.append((done, total))
        if done > 0:
            report.cancel()

    report = Report(progress)
    with pytest.raises(Cancelled):
        cross_validate(x, y, folds_of(60), alphas=ALPHAS, report=report)
    assert 0 < seen[-1][0] < seen[-1][1]
    assert [
        pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"
    ] == before


def test_alphas_at_the_edge_of_the_grid_are_counted():
    x, y = planted(60, 90, 30, noise=1e3)
    fit = cross_validate(x, y, folds_of(60), alphas=[1e-3, 1e-2])
    assert fit.at_edge.sum() == fit.r.size and fit.at_edge.shape == (1, 5, 2)


# ---- errors -------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "change, words",
    [
        ({"method": "rigde"}, "did you mean 'ridge'"),
        ({"criterion": "cv"}, "criterion"),
        ({"device": "gpu"}, "device"),
        ({"alphas": [1, 1]}, "ascending"),
        ({"alphas": [0, 1]}, "positive"),
        ({"criterion": "kfold"}, "inner_folds"),
        ({"rcond": 2.0}, "rcond"),
        ({"folds": []}, "no folds"),
        ({"folds": [([0, 1, 2], [2, 3])]}, "trains on"),
        ({"folds": [([0, 1, 2], [3, 99])]}, "99"),
        ({"folds": [([0, 1, 1], [3, 4])]}, "twice"),
        ({"folds": [(np.ones(20, bool), [3, 4])]}, "mask"),
        (
            {
                "criterion": "kfold",
                "inner_folds": [[([0, 1], [15, 16])]],
                "folds": [(np.arange(10), np.arange(10, 20))],
            },
            "leaks",
        ),
        ({"features": np.ones((5, 3))}, "5 rows"),
        ({"features": np.full((20, 3), np.nan)}, "NaN"),
        ({"features": []}, "no layers"),
        ({"responses": np.ones(20)}, "column"),
        ({"responses": np.full((20, 2), np.inf)}, "infinite"),
    ],
)
def test_errors_name_the_value_and_the_next_step(change, words):
    x, y = planted(20, 5, 2)
    arguments = {"features": x, "responses": y, "folds": folds_of(20), **change}
    with pytest.raises(BrainLensError, match=words):
        cross_validate(
            arguments.pop("features"),
            arguments.pop("responses"),
            arguments.pop("folds"),
            **arguments,
        )


def test_a_gram_is_square():
    with pytest.raises(BrainLensError, match="square"):
        Gram(np.ones((3, 4)), 4)


GUARDED = """
import ctypes, mmap
import numpy as np
import analysis.mapping.ols as ols

PAGE, libc = mmap.PAGESIZE, ctypes.CDLL(None)

def guarded(values):
    # the same array with a page behind it that nobody may read
    pages = -(-values.nbytes // PAGE)
    memory = mmap.mmap(-1, (pages + 1) * PAGE)
    begin = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    assert libc.mprotect(ctypes.c_void_p(begin + pages * PAGE), PAGE, 0) == 0
    offset = pages * PAGE - values.nbytes
    made = np.frombuffer(memory, np.float64, values.size, offset).reshape(values.shape, order="F")
    made[...] = values
    kept.append(memory)
    return made

kept = []
rng = np.random.default_rng(0)
square = np.triu(rng.standard_normal((60, 60))) + 5 * np.eye(60)
exact = np.linalg.cond(square, 1)
assert exact / 3 < ols._triangular_condition(guarded(square)) <= exact * 1.001
for rows in (1, 7, 59):
    assert ols._triangular_condition(guarded(np.triu(rng.standard_normal((rows, 60))))) == np.inf
"""


@pytest.mark.skipif(sys.platform == "win32", reason="pages are guarded by mprotect")
def test_nothing_behind_an_array_is_read():
    """A fold whose units are constant leaves fewer units than rows: what LAPACK is asked then ends at the array's end."""
    done = subprocess.run([sys.executable, "-c", GUARDED], capture_output=True, text=True)
    assert done.returncode == 0, f"{done.returncode} {done.stderr}"


def test_least_squares_of_constant_units_predicts_the_mean():
    rng = np.random.default_rng(1)
    folds = [(train, test) for train, test in KFold(4).split(np.empty(80))]
    y = rng.standard_normal((80, 5))
    for x in (np.ones((80, 200)), np.hstack([np.ones((80, 190)), rng.standard_normal((80, 10))])):
        fit = cross_validate(x.astype(np.float32), y, folds, method="ols")
        few = x[:, x.std(axis=0) > 0]
        wanted = np.array([
            [np.corrcoef(one, two)[0, 1] for one, two in zip(LinearRegression().fit(few[a], y[a]).predict(few[b]).T, y[b].T)]
            for a, b in folds
        ]) if few.size else np.zeros((4, 5))  # fmt: skip
        np.testing.assert_allclose(fit.r[0], wanted, atol=1e-4)
