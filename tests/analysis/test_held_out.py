"""Held-out log-likelihood with crossed folds against the dense normal density, and intervals over people and items."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, multivariate_normal

from analysis.reading.crossed import contrast, crossed_mean
from analysis.reading.design import design
from analysis.reading.held_out import crossed_folds, held_out, joint_density
from analysis.reading.lmm import mixed_model
from data.errors import BrainLensError


def trials(seed=0, people=14, items=16, slope=0.4):
    rng = np.random.default_rng([11, seed])
    p, i = np.divmod(np.arange(people * items), items)
    x, z = rng.normal(size=items)[i], rng.normal(size=len(p))
    own = rng.normal(size=(people, 2)) @ np.array([[0.7, 0.1], [0, 0.2]])
    y = (
        slope * x
        + 0.5 * z
        + own[p, 0]
        + own[p, 1] * x
        + (0.5 * rng.normal(size=items))[i]
        + rng.normal(size=len(p))
    )
    return pd.DataFrame({"y": y, "x": x, "z": z, "person": p, "item": i, "set": i // 2})


def covariance(table, fit):
    made = design(table, fit.formula)
    dense = fit.residual * np.eye(len(table))
    for block in made.blocks:
        same = block.codes[:, None] == block.codes
        dense += same * (block.columns @ fit.covariances[block.group] @ block.columns.T)
    return made, dense


@pytest.mark.parametrize("over", ["items", "people", "both"])
def test_new_and_known_levels_have_their_joint_conditional_density(over):
    table = trials()
    formula = "y ~ x + (x | person) + (1 | item)"
    train, test = next(iter(crossed_folds(table["person"], table["set"], over, n_folds=4)))
    fit = mixed_model(table[train], formula)
    density, _ = joint_density(table, formula, train, test)
    both = train | test
    made, dense = covariance(table[both], fit)
    tr = train[both]
    error = made.y - made.x @ fit.coefficients["estimate"].to_numpy()
    gain = np.linalg.solve(dense[np.ix_(tr, tr)], dense[np.ix_(tr, ~tr)]).T
    centre = gain @ error[tr]
    left = dense[np.ix_(~tr, ~tr)] - gain @ dense[np.ix_(tr, ~tr)]
    expected = multivariate_normal(centre, left, allow_singular=False).logpdf(error[~tr])
    assert density.sum() == pytest.approx(
        expected, abs=1e-2
    )  # two optimisers end within a little of each other


def test_scaling_is_learned_from_the_training_rows():
    table = trials()
    train = np.arange(len(table)) < 150
    made = design(table, "scale(y) ~ scale(x) + (1 | person)", train=train)
    assert (
        made.x[train, 1].mean() == pytest.approx(0, abs=1e-12)
        and abs(made.x[~train, 1].mean()) > 1e-3
    )
    assert made.y[train].std(ddof=1) == pytest.approx(1)


@pytest.mark.parametrize("over", ["items", "people", "both"])
def test_what_helps_is_found_held_out_and_what_does_not_costs(over):
    table = trials(people=20, items=30)
    base, full = "y ~ x + (1 | person) + (1 | item)", "y ~ x + z + (1 | person) + (1 | item)"
    found = held_out(table, base, full, over=over, together="set", n_folds=4)
    assert found.low > 0 and found.mean.people_above > 15
    assert found.trials.sum() == pytest.approx((found.folds["gain"] * found.folds["n_test"]).sum())
    assert len(found.rows) == len(table) and found.rule.startswith("mixed model, new")
    table["w"] = np.random.default_rng(5).normal(size=30)[table["item"]]
    useless = held_out(
        table, full, full.replace("z +", "z + w +"), over=over, together="set", n_folds=4
    )
    assert abs(useless.per_trial) < found.per_trial / 5 and useless.low < 0


def test_folds_keep_together_what_shares_context():
    table = trials()
    for train, test in crossed_folds(table["person"], table["set"], "both", n_folds=4):
        assert not set(table["set"][train]) & set(table["set"][test]) and not set(
            table["person"][train]
        ) & set(table["person"][test])
    tested = sum(
        test.astype(int)
        for _, test in crossed_folds(table["person"], table["set"], "both", n_folds=4)
    )
    assert (tested == 1).all()
    with pytest.raises(BrainLensError, match="Unknown what is held out"):
        list(crossed_folds(table["person"], table["set"], "words"))
    with pytest.raises(BrainLensError, match="one person only"):
        list(crossed_folds(np.zeros(5), np.arange(5), "people"))
    with pytest.raises(BrainLensError, match="responses y and x differ"):
        held_out(table, "y ~ 1 + (1 | person)", "x ~ 1 + (1 | person)")


def differences(seed, people=20, items=24):
    """Differences of two models without a true one: effects of people and of items, and noise."""
    rng = np.random.default_rng([3, seed])
    p, i = np.divmod(np.arange(people * items), items)
    return (
        rng.normal(size=people)[p] * 0.3
        + rng.normal(size=items)[i] * 0.3
        + rng.normal(size=len(p)),
        p,
        i,
    )


def false_alarms(seeds):
    found = [
        (
            contrast(*differences(seed)).p < 0.05,
            crossed_mean(*differences(seed), draws=400).p < 0.05,
        )
        for seed in seeds
    ]
    return np.array(found).sum(axis=0)


def test_neither_test_finds_what_is_not_there():
    by_model, by_bootstrap = false_alarms(range(60))
    high = binom.ppf(0.995, 60, 0.05)
    assert by_model <= high and by_bootstrap <= high


@pytest.mark.deep
def test_error_rates_over_a_thousand_data_sets():
    by_model, by_bootstrap = false_alarms(range(1000))
    low, high = binom.ppf([0.005, 0.995], 1000, 0.05)
    assert low <= by_model <= high, by_model  # calibrated
    assert by_bootstrap <= high, by_bootstrap  # conservative


def test_a_true_difference_is_found_by_both_and_people_are_counted():
    values, p, i = differences(1)
    found = crossed_mean(values + 0.8, p, i)
    assert found.low > 0 and found.p < 0.01 and found.people_above >= 18 and found.sign_p < 0.001
    assert contrast(values + 0.8, p, i).p < 0.001 and found.by_person.mean() == pytest.approx(
        found.value
    )
    with pytest.raises(BrainLensError, match="1 persons and 24 items"):
        crossed_mean(values[:24], p[:24], i[:24])
