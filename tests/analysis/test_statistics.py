"""Permutations, false discoveries, correlations over families and the cost of choosing a layer."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from analysis.mapping import cross_validate
from analysis.statistics import (
    circular_shifts,
    correlate,
    fdr,
    group_permutations,
    leave_one_family_out,
    max_statistic,
    permutation_p,
    permutation_test,
    select_layer,
)
from data.errors import BrainLensError


def complements(labels, k):
    rows = np.arange(len(labels))
    return [(rows[labels % k != fold], rows[labels % k == fold]) for fold in range(k)]


# ---- permutations -------------------------------------------------------------------------------------------------------
def test_whole_groups_of_equal_length_move_and_only_within_their_experiment():
    groups = np.repeat(np.arange(7), [3, 3, 4, 4, 3, 3, 5])
    within = np.repeat(["e", "f"], [14, 11])
    moved = group_permutations(groups, within=within, draws=50)
    lengths = np.bincount(groups)
    seen = set()
    for row in moved.rows:
        assert np.array_equal(np.sort(row), np.arange(len(groups)))
        assert np.array_equal(within[row], within)
        for group in range(7):
            source = row[groups == group]
            assert np.array_equal(np.diff(source), np.ones(len(source) - 1))  # order inside is kept
            assert len(set(groups[source])) == 1 and lengths[groups[source[0]]] == lengths[group]
            seen.add((group, groups[source[0]]))
    assert {(0, 1), (2, 3), (4, 5)} <= seen and (0, 4) not in seen
    assert (
        "6 whole groups" in moved.rule
        and "one group of a length of its own stays in place" in moved.rule
    )


def test_circular_shifts_rotate_inside_stories():
    groups = np.repeat(["a", "b"], [6, 9])
    for row in circular_shifts(groups, draws=30).rows:
        for story in "ab":
            source = row[groups == story]
            steps = np.diff(source) % (groups == story).sum()
            assert set(groups[source]) == {story} and set(steps) == {1}


def test_nothing_to_move_is_an_error():
    with pytest.raises(BrainLensError, match="No two of the 3 stimulus groups"):
        group_permutations(np.repeat([0, 1, 2], [3, 4, 5]))
    with pytest.raises(BrainLensError, match="nothing can be rotated"):
        circular_shifts(np.arange(5))
    with pytest.raises(BrainLensError, match="lie in two experiments"):
        group_permutations(np.zeros(4, int), within=np.array([0, 0, 1, 1]))
    with pytest.raises(BrainLensError, match="Permutations of 6 stimuli for 5"):
        permutation_test(
            np.ones((5, 1)), np.ones(5), [], group_permutations(np.repeat([0, 1], 3), draws=2)
        )


def autocorrelated(rng, groups, length, columns):
    """Noise that is alike inside a group."""
    return np.repeat(rng.standard_normal((groups, columns)), length, axis=0) + rng.standard_normal(
        (groups * length, columns)
    )


@pytest.mark.slow
def test_permutation_p_values_are_uniform_under_the_null():
    rng, p, p_max = np.random.default_rng(0), [], []
    groups = np.repeat(np.arange(15), 4)
    folds = complements(groups, 5)
    for number in range(80):
        layers = [autocorrelated(rng, 15, 4, 6) for _ in range(2)]
        moved = group_permutations(groups, draws=79, seed=number)
        test = permutation_test(
            layers,
            autocorrelated(rng, 15, 4, 1),
            folds,
            moved,
            alphas=[1.0, 100.0],
            criterion="gcv",
        )
        p.append(test.p[0])
        p_max.append(test.p_max.min())
    for values in (p, p_max):
        jittered = np.array(values) - rng.random(len(values)) / 80  # p has steps of 1/80
        assert stats.kstest(jittered, "uniform").pvalue > 0.01


def test_permutation_test_finds_a_planted_effect_and_never_says_zero():
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(20), 4)
    signal, noise = autocorrelated(rng, 20, 4, 5), autocorrelated(rng, 20, 4, 5)
    responses = signal @ rng.standard_normal((5, 4)) + 2 * rng.standard_normal((80, 4))
    test = permutation_test(
        [noise, signal],
        responses,
        complements(groups, 5),
        group_permutations(groups, draws=99),
        subjects=np.array(list("aabb")),
        alphas=[1.0, 10.0],
    )
    assert (
        test.p_max[1] == pytest.approx(0.01)
        and test.p_max[0] > 0.05
        and test.p_target.shape == (2, 4)
    )
    assert test.score == pytest.approx(test.per_target.mean(axis=1)) and test.null.shape == (99, 2)


def test_moved_responses_are_fitted_exactly_as_if_scored_alone():
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(10), 4)
    features, responses = rng.standard_normal((40, 6)), rng.standard_normal((40, 3))
    folds, moved = complements(groups, 5), group_permutations(groups, draws=5)
    test = permutation_test(features, responses, folds, moved, alphas=[0.1, 10.0])
    for draw, rows in enumerate(moved.rows):
        alone = cross_validate(features, responses[rows], folds, alphas=[0.1, 10.0]).r
        assert test.null[draw, 0] == pytest.approx(alone.mean(), abs=1e-6)


# ---- many tests ---------------------------------------------------------------------------------------------------------
def test_permutation_p_counts_itself():
    null = np.array([[0.1], [0.2], [0.3]])
    assert permutation_p([0.25], null) == pytest.approx(0.5) and permutation_p(
        [9.0], null
    ) == pytest.approx(0.25)


def test_fdr_equals_scipy_and_leaves_nan_out():
    p = np.random.default_rng(0).random(200) ** 2
    found = fdr(np.append(p, np.nan), family="voxels")
    assert (
        np.allclose(found.q[:-1], stats.false_discovery_control(p))
        and np.isnan(found.q[-1])
        and found.n == 200
    )
    assert str(found).endswith("of 200 voxels, FDR 0.05 (Benjamini-Hochberg)")
    with pytest.raises(BrainLensError, match="p-values run from"):
        fdr([0.5, 1.5])


def test_fdr_is_controlled():
    rng, share, power = np.random.default_rng(0), [], []
    for _ in range(400):
        z = rng.standard_normal(200)
        z[:40] += 3
        rejected = fdr(stats.norm.sf(z)).rejected
        share.append(rejected[40:].sum() / max(rejected.sum(), 1))
        power.append(rejected[:40].mean())
    assert np.mean(share) <= 0.05 and np.mean(power) > 0.5


def test_max_statistic_controls_the_whole_family():
    rng = np.random.default_rng(0)
    mixing = np.linalg.cholesky(0.5 * np.eye(12) + 0.5).T
    smallest = []
    for _ in range(400):
        draws = rng.standard_normal((200, 12)) @ mixing
        smallest.append(max_statistic(draws[0], draws[1:]).min())
    assert 0.02 <= np.mean(np.array(smallest) <= 0.05) <= 0.08
    with pytest.raises(BrainLensError, match="for 3 layers"):
        max_statistic(np.zeros(3), np.zeros((10, 2)))


# ---- correlation over families -------------------------------------------------------------------------------------------
def test_correlation_equals_scipy_and_its_draws_equal_a_slow_loop():
    rng = np.random.default_rng(0)
    x, z = np.round(rng.standard_normal(30), 1), rng.standard_normal(30)
    y = 0.5 * x + z + rng.standard_normal(30)
    x[3] = np.nan
    families = np.repeat(np.arange(10), 3)
    found = correlate(x, y, families, partial=z, draws=20, seed=4)
    keep = np.isfinite(x)
    x, y, z, families = x[keep], y[keep], z[keep], families[keep]
    assert found.n == 29 and found.n_families == 10
    assert found.r == pytest.approx(stats.pearsonr(x, y)[0]) and found.p == pytest.approx(
        stats.pearsonr(x, y)[1]
    )
    assert found.rho == pytest.approx(stats.spearmanr(x, y)[0])
    residual = [v - np.polyval(np.polyfit(z, v, 1), z) for v in (x, y)]
    assert found.partial == pytest.approx(np.corrcoef(*residual)[0, 1])
    counts = np.random.default_rng(4).multinomial(10, np.full(10, 0.1), size=20)
    for draw, count in zip(found.draws, counts, strict=True):
        rows = np.repeat(np.arange(29), count[families])
        assert draw[0] == pytest.approx(stats.pearsonr(x[rows], y[rows])[0])
        assert draw[1] == pytest.approx(stats.spearmanr(x[rows], y[rows])[0])
        residual = [v - np.polyval(np.polyfit(z[rows], v, 1), z[rows]) for v in (x[rows], y[rows])]
        assert draw[2] == pytest.approx(np.corrcoef(*residual)[0, 1])


def test_the_interval_is_a_jackknife_of_fishers_z_over_families():
    rng = np.random.default_rng(8)
    x = rng.standard_normal(24)
    y, families = x + rng.standard_normal(24), np.repeat(np.arange(8), 3)
    found, left = correlate(x, y, families, draws=5), leave_one_family_out(x, y, families)
    z = np.arctanh([np.corrcoef(x[families != f], y[families != f])[0, 1] for f in range(8)])
    reach = stats.t.ppf(0.975, 7) * np.sqrt(7 / 8 * ((z - z.mean()) ** 2).sum())
    assert (found.low, found.high) == pytest.approx(
        tuple(np.tanh(np.arctanh(found.r) + np.array([-reach, reach])))
    )
    assert np.sort(np.tanh(z)) == pytest.approx(left["r"].to_numpy())
    assert (left["n"] == 21).all() and left["low"].notna().all()


def test_a_relation_is_claimed_only_where_ranks_agree():
    x = np.arange(12.0)
    y = np.where(x == 11, 30.0, np.tile([3.0, 1.0, 2.0, 0.0], 3))  # one model makes r
    assert correlate(x, y, draws=5).claim == 0
    wiggle = np.tile([0.3, 1.0, 0.0, 0.5], 3)
    assert correlate(x, x + wiggle, draws=5).claim == 1
    assert correlate(x, wiggle - x, draws=5).claim == -1
    assert correlate(x[:4], (x + wiggle)[:4], draws=5).claim == 0  # too few


def test_what_the_covariate_explains_whole_has_no_partial():
    rng = np.random.default_rng(5)
    width = np.log(rng.integers(64, 2048, 12).astype(float))
    y = rng.standard_normal(12)
    for x, other in ((width, y), (1e3 + 2 * width, y), (y, -width)):
        found = correlate(x, other, partial=width, draws=50)
        assert (
            np.isfinite(found.r)
            and np.isnan([found.partial, found.partial_low, found.partial_high]).all()
        )
        assert np.isnan(found.draws[:, 2]).all()
    assert (
        abs(correlate(width + 1e-3 * rng.standard_normal(12), y, partial=width, draws=50).partial)
        < 1
    )


def test_a_model_without_a_covariate_counts_for_r_and_not_for_the_partial():
    rng = np.random.default_rng(6)
    x, y, z = rng.standard_normal((3, 12))
    gap = z.copy()
    gap[[2, 7]] = np.nan
    found, known = correlate(x, y, partial=gap, draws=50), np.isfinite(gap)
    assert found.r == pytest.approx(stats.pearsonr(x, y)[0]) and (found.n, found.n_partial) == (
        12,
        10,
    )
    assert found.partial == pytest.approx(
        correlate(x[known], y[known], partial=z[known], draws=5).partial
    )
    assert np.isfinite(found.partial_low)
    gap[3:] = np.nan
    found = correlate(x, y, partial=gap, draws=50)
    assert found.n_partial == 2 and np.isnan(found.partial)


def test_relatives_widen_the_interval():
    """Copies of a model add nothing: only families count."""
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((2, 12))
    y = y + x
    once = correlate(x, y)
    copied = correlate(np.repeat(x, 5), np.repeat(y, 5), np.repeat(np.arange(12), 5))
    naive = correlate(np.repeat(x, 5), np.repeat(y, 5))
    assert (copied.low, copied.high) == pytest.approx((once.low, once.high), abs=0.02)
    assert naive.high - naive.low < 0.7 * (copied.high - copied.low)


def test_correlation_needs_three_models_that_differ():
    with pytest.raises(BrainLensError, match="over 2 models"):
        correlate([1, 2, np.nan], [1, 2, 3])
    with pytest.raises(BrainLensError, match="two measures that vary"):
        correlate([1, 1, 1, 1], [1, 2, 3, 4])
    with pytest.raises(BrainLensError, match="do not belong together"):
        correlate([1, 2, 3], [1, 2, 3], ["a"])


def test_published_scores_give_the_published_correlations():
    """Schrimpf et al. 2021, best layers (rounded): Pereira2018, Fedorenko2016."""
    frame = PUBLISHED.split()
    models = np.array(frame[0::3])
    pereira, fedorenko = (np.array(frame[start::3], float) for start in (1, 2))
    families = np.array([family(model) for model in models])
    assert len(models) == 43 and len(set(families)) == 15
    found = correlate(pereira, fedorenko, families)
    assert found.r == pytest.approx(0.500, abs=0.002)
    assert (found.low, found.high) == pytest.approx((-0.10, 0.83), abs=0.02) and found.claim == 0
    rest = families != "gpt"
    assert correlate(pereira[rest], fedorenko[rest], families[rest]).r == pytest.approx(
        0.277, abs=0.002
    )


def family(model: str) -> str:
    for start, name in (
        ("xlm-roberta", "xlm-r"),
        ("xlm", "xlm"),
        ("xlnet", "xlnet"),
        ("t5", "t5"),
        ("albert", "albert"),
    ):
        if model.startswith(start):
            return name
    for part, name in (("roberta", "roberta"), ("bert", "bert"), ("gpt", "gpt")):
        if part in model:
            return name
    return model


# ---- choosing a layer ----------------------------------------------------------------------------------------------------
def test_selection_follows_the_inner_scores():
    outer = np.array([[0.1, 0.9, 0.3], [0.4, 0.5, 0.6]])
    inner = np.array([[0.5, 0.1, 0.2], [0.4, 0.3, 0.3]])
    found = select_layer(outer, inner)
    assert found.chosen.tolist() == [0, 1, 1] and found.layer == 1 and found.best == 1
    assert found.nested == pytest.approx((0.1 + 0.5 + 0.6) / 3) and found.maximum == pytest.approx(
        0.5
    )
    assert found.optimism == pytest.approx(found.maximum - found.nested)
    preview = select_layer(outer)
    assert preview.chosen.tolist() == [0, 1, 0] and "preview" in preview.rule
    with pytest.raises(BrainLensError, match="Inner scores have shape"):
        select_layer(outer, inner[:1])
    with pytest.raises(BrainLensError, match="no layer has a score"):
        select_layer(outer, np.full((2, 3), np.nan))


def simulate_selection(simulations=16, layers=12, n=80, fresh=600, folds=5):
    """Nested score, same-data maximum, and what the chosen and the best layer do on fresh stimuli."""
    rng, rows = np.random.default_rng(0), []
    for _ in range(simulations):
        features = [rng.standard_normal((n + fresh, 3)) for _ in range(layers)]
        y = (
            0.45 * features[2][:, :1]
            + 0.4 * features[5][:, :1]
            + rng.standard_normal((n + fresh, 1))
        )
        outer = complements(np.arange(n), folds)
        fit = {"alphas": [1.0, 30.0]}
        held = cross_validate([x[:n] for x in features], y[:n], outer, **fit).r[..., 0]
        new = cross_validate(
            features, y, [(train, np.arange(n, n + fresh)) for train, _ in outer], **fit
        ).r[..., 0]
        inner = np.empty_like(held)
        for fold, (train, _) in enumerate(outer):
            inside = [(train[a], train[b]) for a, b in complements(np.arange(len(train)), 4)]
            inner[:, fold] = (
                cross_validate([x[:n] for x in features], y[:n], inside, **fit)
                .r[..., 0]
                .mean(axis=1)
            )
        found = select_layer(held, inner)
        rows.append(
            (
                found.nested,
                new[found.chosen, np.arange(folds)].mean(),
                found.maximum,
                new[found.best].mean(),
                found.optimism,
                select_layer(held).nested,
            )
        )
    return np.array(rows)


@pytest.mark.slow
def test_selection_optimism_agrees_with_fresh_data():
    nested, fresh_chosen, maximum, fresh_best, optimism, _ = simulate_selection().T
    error = np.std(nested - fresh_chosen) / np.sqrt(len(nested))
    assert abs(np.mean(nested - fresh_chosen)) < 3 * error + 0.01
    assert np.mean(maximum - fresh_best) > 0.02  # the same-data maximum is too good
    assert np.mean(optimism) > 0.02


PUBLISHED = """
ETM 0.079 0.012  albert-base-v1 0.582 0.552  albert-base-v2 0.499 0.715
albert-large-v1 0.507 0.440  albert-large-v2 0.467 0.578  albert-xlarge-v1 0.709 0.583
albert-xlarge-v2 0.719 0.646  albert-xxlarge-v1 0.716 0.468  albert-xxlarge-v2 0.758 0.540
bert-base-multilingual-cased 0.517 0.155  bert-base-uncased 0.571 0.057  bert-large-uncased 0.724 0.109
bert-large-uncased-whole-word-masking 0.745 0.074  ctrl 0.833 0.087  distilbert-base-uncased 0.611 0.026
distilgpt2 0.807 0.397  distilroberta-base 0.447 0.093  glove 0.129 0.022
gpt2 0.826 0.741  gpt2-large 1.006 0.919  gpt2-medium 0.986 0.796
gpt2-xl 1.044 0.824  lm_1b 0.594 0.047  openaigpt 0.819 0.086
roberta-base 0.518 0.156  roberta-large 0.462 0.119  skip-thoughts 0.543 0.692
t5-11b 0.689 0.656  t5-3b 0.754 0.438  t5-base 0.578 0.278
t5-large 0.706 0.311  t5-small 0.455 0.094  transfo-xl-wt103 0.623 0.082
word2vec 0.117 -0.016  xlm-clm-enfr-1024 0.537 0.238  xlm-mlm-100-1280 0.601 0.292
xlm-mlm-en-2048 0.784 0.121  xlm-mlm-enfr-1024 0.515 0.078  xlm-mlm-xnli15-1024 0.349 0.491
xlm-roberta-base 0.576 0.131  xlm-roberta-large 0.525 0.197  xlnet-base-cased 0.564 0.110
xlnet-large-cased 0.808 0.234
"""
