"""Mixed models: against lme4, against the dense normal density, on simulated truths, and what is said when a fit is singular."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal
from scipy.stats import t as student

from analysis.reading import likelihood_ratio, mixed_model, settled
from analysis.reading.design import design
from analysis.reading.formula import parse
from analysis.reading.penalised import Problem
from analysis.reading.satterthwaite import coefficient_intervals
from benchmarks import people as simulations
from data.errors import BrainLensError
from data.readers.trials import UCL_LEFT_OUT
from data.readers.trials import trials as trials_of


@pytest.fixture(scope="module")
def trials():
    """24 people, 30 items, unbalanced, with factors; the numbers below are lme4's (1.1.31) on this table."""
    rng = np.random.default_rng(20)
    p, i = np.array([(p, i) for p in range(24) for i in range(30) if (p + i) % 5 or p < 4]).T
    n = len(p)
    x, z = rng.normal(size=n).round(3), rng.normal(size=30).round(3)[i]
    cond = np.array(["a", "b", "c"])[(p + i) % 3]
    by_person = rng.normal(size=(24, 2)) @ np.array([[0.8, 0.3], [0, 0.3]])
    by_item = rng.normal(size=30) * 0.5
    y = 1 + 0.4 * x - 0.2 * z + 0.3 * (cond == "b") - 0.1 * (cond == "c") + 0.2 * x * (cond == "c")
    y = y + by_person[p, 0] + by_person[p, 1] * x + by_item[i] + rng.normal(size=n)
    table = pd.DataFrame({
        "person": [f"p{v:02d}" for v in p], "item": [f"i{v:02d}" for v in i],
        "lab": np.array(["north", "south", "west"])[p % 3], "cond": cond, "x": x, "z": z,
        "y": y.round(3), "rt": np.exp(6 + 0.2 * y).round(1),
    })  # fmt: skip
    table.loc[[3, 50], "x"] = np.nan
    return table


LME4 = [  # formula, -2 log likelihood by ML and by REML, singular, estimates, standard errors (ML), SDs and correlations (ML)
    ("y ~ x + (x | person) + (1 | item)", 1871.731773, 1876.194072, False,
     "0.877388 0.499557", "0.214952 0.098155", "0.5831 0.8905 0.4298 0.7851 1.0175"),
    ("y ~ x * cond + (x || person) + (1 | item)", 1863.321334, 1878.676293, False,
     "0.739394 0.445183 0.368704 0.047495 -0.051546 0.208197",
     "0.222377 0.115540 0.102227 0.102979 0.106469 0.109706", "0.5836 0.4198 0.8880 0.9957"),
    ("log(rt) ~ scale(x) + z + (1 | person) + (1 | item)", 17.093333, 34.428508, False,
     "6.173641 0.102767 -0.030898", "0.043063 0.009481 0.026588", "0.1098 0.1777 0.2222"),
    ("y ~ x + z + cond + (1 + x + z | person) + (1 + x | item)", 1846.351301, 1858.745439, True,
     "0.773646 0.484369 -0.138443 0.393255 0.024342", "0.228861 0.097457 0.137994 0.101412 0.101507",
     "0.5708 0.0173 -1.0000 0.9159 0.4284 0.1240 0.8190 -0.8465 -0.9988 0.9951"),
    ("y ~ cond + (cond | person) + (1 | item)", 2031.669476, 2037.981932, True,
     "0.718978 0.401128 -0.078591", "0.227643 0.121090 0.121087", "0.5656 0.9009 0.0394 0.0372 -1.0000 -1.0000 1.0000 1.2040"),
    ("y ~ x + (0 + x | person) + (1 | item) + (1 | lab)", 2099.184140, 2102.473392, False,
     "0.895382 0.485250", "0.248699 0.114151", "0.5686 0.4898 0.3799 1.2980"),
    ("y ~ 0 + cond + I(x^2) + (1 | lab/person) + (1 | item)", 2030.930009, 2041.909473, False,
     "0.749292 1.153309 0.670075 -0.029731", "0.242723 0.243217 0.242610 0.033701", "0.5652 0.8599 0.1642 1.2034"),
    ("y ~ poly(z, 2) + (x | item) + (1 | person)", 1987.155556, 1980.753803, False,
     "1.019179 -2.712767 -0.098247", "0.211851 2.643810 2.645264", "0.5558 0.5005 -0.3358 0.8921 1.1103"),
    ("y ~ x:cond + (1 | person) + (1 | item)", 1934.460221, 1945.335595, False,
     "0.891011 0.472510 0.361280 0.685793", "0.214314 0.082562 0.076688 0.080376", "0.5655 0.8926 1.1016"),
    ("y ~ (x + z + cond)^2 - x:z + (1 | person:cond) + (1 | item)", 1995.998477, 2015.650471, False,
     "0.795151 0.506915 -0.081207 0.431116 -0.018538 -0.157241 0.150747 -0.234965 0.046129",
     "0.223185 0.086649 0.159804 0.276498 0.276830 0.118034 0.122363 0.139714 0.140030", "0.8662 0.5577 1.1043"),
]  # fmt: skip


@pytest.mark.parametrize("formula, ml, restricted, singular, estimates, errors, deviations", LME4)
def test_lme4_gives_the_same(
    trials, formula, ml, restricted, singular, estimates, errors, deviations
):
    table = trials.dropna()
    fit = mixed_model(table, formula)
    assert fit.deviance == pytest.approx(ml, abs=1e-4)
    assert fit.aic == pytest.approx(ml + 2 * fit.n_parameters, abs=1e-4)
    assert fit.converged and fit.singular == singular
    assert any("singular" in note for note in fit.notes) == singular
    np.testing.assert_allclose(
        fit.coefficients["estimate"], np.array(estimates.split(), float), atol=5e-5
    )
    np.testing.assert_allclose(
        fit.coefficients["standard_error"], np.array(errors.split(), float), atol=5e-5
    )
    found = fit.variances["sd"].fillna(fit.variances["correlation"])
    tolerance = 0.01 if singular else 5e-4  # at a boundary the deviance is flat in what is left
    np.testing.assert_allclose(
        sorted(found), sorted(np.array(deviations.split(), float)), atol=tolerance
    )
    assert mixed_model(table, formula, reml=True).deviance == pytest.approx(restricted, abs=1e-4)


OPTIONS = [  # what may stand in a formula, the names and numbers of lme4 1.1.31 (-2 log likelihood by ML, estimates)
    ('y ~ scale(x, scale = FALSE) + scale(z, center = FALSE) + (scale(x, scale = FALSE) | person)', 1969.617550,
     {"(Intercept)": 0.863126, "scale(x, scale = FALSE)": 0.508834, "scale(z, center = FALSE)": -0.124822}),
    ('y ~ x * C(cond, contr.sum) + (C(cond, contr.sum) || person) + (1 | item)', 1919.057469,
     {"(Intercept)": 0.889066, "x": 0.499020, "C(cond, contr.sum)1": -0.120630, "C(cond, contr.sum)2": 0.247473,
      "x:C(cond, contr.sum)1": -0.037047, "x:C(cond, contr.sum)2": -0.127969}),
    ('y ~ C(cond, contr.helmert) + relevel(lab, ref = "south") + (1 | person)', 2094.908664,
     {"(Intercept)": 0.565543, "C(cond, contr.helmert)1": 0.201455, "C(cond, contr.helmert)2": -0.097193,
      'relevel(lab, ref = "south")north': 0.746909, 'relevel(lab, ref = "south")west': 0.039538}),
    ('y ~ I(x > 0.5) * I(cond == "b") + late + (late | person)', 2048.085199,
     {"(Intercept)": 0.542290, "I(x > 0.5)TRUE": 0.719577, 'I(cond == "b")TRUE': 0.367925, "lateTRUE": -0.104894,
      'I(x > 0.5)TRUE:I(cond == "b")TRUE': 0.236442}),
    ('y ~ poly(z, 2, raw = TRUE) + log(x + 9, base = 2) + exp(x/2) + `my x` + (1 | item)', 2166.083140,
     {"(Intercept)": -1.036831, "poly(z, 2, raw = TRUE)1": -0.149731, "poly(z, 2, raw = TRUE)2": -0.015221,
      "log(x + 9, base = 2)": 0.498412, "exp(x/2)": 0.372502, "`my x`": 0.199692}),
]  # fmt: skip


@pytest.mark.parametrize("formula, ml, estimates", OPTIONS)
def test_options_contrasts_and_comparisons_are_those_of_r(trials, formula, ml, estimates):
    table = trials.dropna()
    table = table.assign(late=table["z"] > 0.2, **{"my x": table["x"]})
    fit = mixed_model(table, formula)
    assert fit.deviance == pytest.approx(ml, abs=1e-4)
    assert dict(fit.coefficients["estimate"]) == pytest.approx(estimates, abs=5e-5)
    again = mixed_model(table, fit.formula)  # what it says was fitted can be fitted
    assert again.deviance == pytest.approx(fit.deviance, abs=1e-8)


RARER = [  # offsets, levels without a row, ordered factors, truth values in functions; lme4 1.1.31: by ML, by REML, estimates
    ("y ~ x + offset(log(many)) + offset(0.5 * z) + (x | person)", 2149.065435, 2153.887401,
     {"(Intercept)": -0.210553, "x": 0.490571}),
    ("y ~ late + x:late + rare + (1 | person)", 2004.407755, 2020.516263,
     {"(Intercept)": 0.838837, "lateTRUE": -0.114921, "rareb": 0.37375, "rarec": -0.041117, "lateFALSE:x": 0.389496,
      "lateTRUE:x": 0.583607}),
    ("y ~ ordered(grade) * x + (ordered(grade) | item)", 2158.327888, 2177.489477,
     {"(Intercept)": 1.0139, "ordered(grade).L": -0.017001, "ordered(grade).Q": 0.180468, "ordered(grade).C": -0.125565,
      "x": 0.477026, "ordered(grade).L:x": -0.123243, "ordered(grade).Q:x": 0.031483, "ordered(grade).C:x": -0.163241}),
    ("y ~ scale(late) + I(x * late) + as.numeric(many) + (late | person) + (1 | item)", 1971.851672, 1984.144262,
     {"(Intercept)": 0.784883, "scale(late)": -0.028574, "I(x * late)": 0.562292, "as.numeric(many)": 0.026885}),
    ("y ~ z + cond %in% z + I(x - median(many)) + floor(z) + (1 | person) + (1 | lab:cond)", 2010.28303, 2024.878701,
     {"(Intercept)": 2.395774, "z": -0.004368, "I(x - median(many))": 0.502454, "floor(z)": -0.070059, "z:condb": -0.189962,
      "z:condc": 0.030484}),
    ("y ~ C(cond, contr.poly) + (0 + cond | item)", 2225.761553, 2232.878517,
     {"(Intercept)": 0.860294, "C(cond, contr.poly).L": -0.066751, "C(cond, contr.poly).Q": -0.358467}),
    ("y ~ 0 + (1 | person)", 2135.341999, 2135.341999, {}),
]  # fmt: skip


@pytest.mark.parametrize("formula, ml, restricted, estimates", RARER)
def test_rarer_formulas_give_what_lme4_gives(trials, formula, ml, restricted, estimates):
    table = trials.assign(
        late=trials["z"] > 0.2,
        grade=np.arange(len(trials)) % 4 + 1,
        many=np.arange(len(trials)) % 5 + 1,
        rare=trials["cond"].where(trials["x"].notna(), "aa"),  # only in rows that lack x
    )
    fit = mixed_model(table, formula)
    assert fit.converged and fit.deviance == pytest.approx(ml, abs=1e-4)
    assert mixed_model(table, formula, reml=True).deviance == pytest.approx(restricted, abs=1e-4)
    assert list(fit.coefficients.index) == list(estimates)
    assert dict(fit.coefficients["estimate"]) == pytest.approx(estimates, abs=5e-5)
    assert any("levels without a row: aa of rare" in note for note in fit.notes) == (
        "rare" in formula
    )
    again = mixed_model(table, fit.formula)  # what it says was fitted can be fitted
    assert again.deviance == pytest.approx(fit.deviance, abs=1e-8)


def test_an_ordered_column_has_the_contrasts_of_an_ordered_factor(trials):
    ordered = pd.Categorical(trials["cond"], ["b", "a", "c"], ordered=True)
    fit = mixed_model(trials.assign(cond=ordered), "y ~ cond + (1 | person)")
    assert list(fit.coefficients.index) == ["(Intercept)", "cond.L", "cond.Q"]


def test_columns_of_objects_that_hold_numbers_are_numbers(trials):
    objects = trials.assign(x=trials["x"].astype(object).where(trials["x"].notna(), None))
    fits = [mixed_model(table, "y ~ x + (1 | person)") for table in (trials, objects)]
    assert fits[0].aic == fits[1].aic and fits[1].n_dropped == 2


def test_a_natural_spline_spans_what_that_of_r_does(trials):
    fit = mixed_model(trials.dropna(), "y ~ ns(z, 3) + (1 | person)")
    assert fit.deviance == pytest.approx(2109.121252, abs=1e-4)
    assert list(fit.coefficients.index) == ["(Intercept)", "ns(z, 3)1", "ns(z, 3)2", "ns(z, 3)3"]


def test_rows_with_a_missing_value_are_counted_and_scale_is_of_the_present_values(trials):
    fit = mixed_model(trials, "y ~ scale(x) + (1 | person)")
    assert (fit.n, fit.n_dropped) == (len(trials) - 2, 2) and "2 rows" in fit.notes[0]
    slope = mixed_model(trials, "y ~ x + (1 | person)").coefficients.loc["x", "estimate"]
    assert fit.coefficients.loc["scale(x)", "estimate"] == pytest.approx(slope * trials["x"].std())


@pytest.mark.parametrize("reml", [False, True])
def test_the_gradient_is_that_of_the_deviance(trials, reml):
    made = design(trials.dropna(), "y ~ x + (x + z | person) + (x || item) + (1 | lab)")
    problem = Problem(made.x, made.y, made.blocks)
    at = np.random.default_rng(0).uniform(0.2, 0.9, len(problem.diagonal))
    step = 1e-6 * np.eye(len(at))
    numeric = [
        (problem.solve(at + e, reml=reml).deviance - problem.solve(at - e, reml=reml).deviance)
        / 2e-6
        for e in step
    ]
    np.testing.assert_allclose(problem.solve(at, reml=reml).gradient, numeric, atol=1e-4, rtol=1e-5)


def test_the_likelihood_is_the_dense_normal_density(trials):
    table = trials.dropna().iloc[:200]
    fit = mixed_model(table, "y ~ x + (x | person) + (1 | item)")
    made = design(table, fit.formula)
    covariance = fit.residual * np.eye(len(table))
    for block in made.blocks:
        same = block.codes[:, None] == block.codes
        covariance += same * (block.columns @ fit.covariances[block.group] @ block.columns.T)
    dense = multivariate_normal(made.x @ fit.coefficients["estimate"].to_numpy(), covariance)
    assert fit.loglik == pytest.approx(dense.logpdf(made.y), abs=1e-6)
    problem = Problem(made.x, made.y, made.blocks)
    value, modes = problem.log_likelihood(
        fit.theta, fit.coefficients["estimate"].to_numpy(), fit.residual
    )
    assert value == pytest.approx(fit.loglik, abs=1e-8)
    error = made.y - made.x @ fit.coefficients["estimate"].to_numpy()
    item = made.blocks[1]
    expected = fit.covariances["item"][0, 0] * np.bincount(
        item.codes, np.linalg.solve(covariance, error)
    )
    np.testing.assert_allclose(fit.modes["item"].iloc[:, 0], expected, atol=1e-6)
    np.testing.assert_allclose(modes[1][:, 0], expected, atol=1e-6)


def test_a_singular_fit_falls_back_and_says_so(trials):
    table = trials.dropna()
    fit = settled(table, "y ~ cond + (cond | person) + (1 | item)")
    assert not fit.singular and fit.formula.endswith("(1 | person) + (1 | item)")
    assert "as asked is singular" in fit.notes[0] and "(||) is singular" in fit.notes[1]
    fine = settled(table, "y ~ x + (x | person) + (1 | item)")
    assert not fine.notes and fine.formula == "y ~ 1 + x + (1 + x | person) + (1 | item)"


def test_variances_that_are_not_unique_are_said(trials):
    """A factor behind || has a column for each level, which add up to the intercept's: lme4 splits them as its optimiser ends."""
    table = trials.dropna()
    said = "variances of person are not unique"
    fit = mixed_model(table, "y ~ x + cond + (cond || person) + (1 | item)")
    assert fit.converged and any(said in note for note in fit.notes)
    for bars in (
        "(x || person)",
        "(0 + cond || person)",
        "(cond | person)",
        "(1 + x + z || person)",
    ):
        fit = mixed_model(table, f"y ~ x + cond + {bars} + (1 | item)")
        assert not any("not unique" in note for note in fit.notes), bars


def test_two_groups_of_the_same_levels_share_a_variance_that_is_not_unique(trials):
    table = trials.dropna().copy()
    table["half"] = table["item"].map(
        lambda one: str(one)[-1] in "02468"
    )  # does not vary inside an item
    fit = mixed_model(table, "y ~ x + (1 | person) + (1 | item) + (1 | item:half)")
    assert any("item and item:half have the same levels" in note for note in fit.notes)
    alone = mixed_model(table, "y ~ x + (1 | person) + (1 | item)")
    assert fit.loglik == pytest.approx(alone.loglik, abs=1e-6) and not alone.notes
    slopes = mixed_model(table, "y ~ x + (1 | person) + (1 | item) + (0 + x | item:half)")
    assert not any("same levels" in note for note in slopes.notes)


def test_a_response_of_zeros_and_ones_is_said_to_be_a_linear_model(trials):
    table = trials.dropna().assign(right=lambda one: (one["y"] > one["y"].median()).astype(int))
    said = "the response is 0 or 1"
    assert any(said in n for n in mixed_model(table, "right ~ x + (1 | person)").notes)
    assert not any(said in n for n in mixed_model(table, "y ~ x + (1 | person)").notes)


def test_the_likelihood_ratio_compares_the_same_rows_only(trials):
    full = mixed_model(trials, "y ~ x + z + (1 | person)")
    small = mixed_model(trials.dropna(), "y ~ z + (1 | person)")
    said = likelihood_ratio(small, full)
    assert said["df"] == 1 and said["chi2"] == pytest.approx(small.deviance - full.deviance)
    assert said["delta_aic"] == pytest.approx(small.aic - full.aic) and said["p"] < 1e-6
    with pytest.raises(BrainLensError, match="other rows"):
        likelihood_ratio(mixed_model(trials, "y ~ z + (1 | person)"), full)
    with pytest.raises(BrainLensError, match="smaller model first"):
        likelihood_ratio(full, mixed_model(trials.dropna(), "y ~ z + (1 | person)"))
    with pytest.raises(BrainLensError, match="Restricted"):
        likelihood_ratio(mixed_model(trials.dropna(), "y ~ z + (1 | person)", reml=True), full)


def test_columns_that_follow_from_others_are_left_out_and_named(trials):
    fit = mixed_model(trials.assign(twice=2 * trials["x"]), "y ~ x + twice + (1 | person)")
    assert list(fit.coefficients.index) == ["(Intercept)", "x"] and "twice" in fit.notes[-1]


@pytest.mark.parametrize("formula, said", [
    ("y ~ x", "no random effects"),
    ("y ~ frequency + (1 | person)", "frequency"),
    ("y ~ x + (1 | person", "cannot be read"),
    ("y ~ x + (1 | person*item)", r"joined by : or /, not by '\*'"),
    ("y ~ x + (1 | person+item)", "several groups are several terms"),
    ("y ~ x + 3 + (1 | person)", "number 3"),
    ("y ~ x % z + (1 | person)", "the sign '%'; what needs more is made in the table first"),
    ("y ~ . + (1 | person)", "name each column"),
    ("y ~ z:offset(x) + (1 | person)", "an offset has no weight"),
    ("y ~ offset(x, z) + (1 | person)", "takes one column"),
    ("y ~ x + (x + z + cond | person:lab:cond:item)", "cannot be told from the residual"),
    ("y ~ x + (x + z + cond | person:few)", r"5 effects \(.*\) for each of 144 levels of person:few are 720 in 598 rows"),
    ("y ~ far + (1 | person)", "2 values of far are infinite"),
    ("y ~ x + (1 | factor(cond))", "behind the bar stand columns"),
    ("log(x) ~ z + (1 | person)", "have no log"),
    ("y ~ wave(x) + (1 | person)", "wave.*make the column in the table first"),
    ("y ~ log(cond) + (1 | person)", "needs numbers"),
    ("y ~ x + (1 | row)", "cannot be told from the residual"),
    ("y ~ x + (1 | one)", "one level only"),
    ("y ~ scale(same) + (1 | person)", "constant"),
    ("cond ~ x + (1 | person)", "not one column of numbers"),
])  # fmt: skip
def test_what_cannot_be_fitted_is_refused_with_its_reason(trials, formula, said):
    table = trials.assign(row=range(len(trials)), one="a", same=1.0, few=np.arange(len(trials)) % 6)
    table["far"] = np.where(table["row"] < 2, np.inf, table["z"])
    with pytest.raises(BrainLensError, match=said):
        mixed_model(table, formula)


def test_levels_are_sorted_as_r_sorts_them(trials):
    """R 4.2 in C.UTF-8 (with ICU), as in English: capitals do not matter, signs stand before digits before letters."""
    levels = [
        "_z",
        "10",
        "9",
        "a",
        "a b",
        "a-b",
        "ab",
        "b",
        "B",
        "e",
        "é",
        "f",
        "oxfo",
        "STIR",
        "york",
        "Zed",
    ]
    table = pd.DataFrame({"y": np.arange(160.0), "lab": levels[::-1] * 10, "p": np.arange(160) % 7})
    names = design(table, "y ~ 0 + lab + (1 | p)").names
    assert list(names) == [f"lab{level}" for level in levels]


def test_a_logarithm_has_its_base_and_no_argument_is_ignored(trials):
    table = trials.dropna()
    one, two = (
        design(table, f"y ~ {x} + (1 | person)").x[:, 1] for x in ("log(rt, 2)", "log2(rt)")
    )
    np.testing.assert_allclose(one, two)
    factor = design(table, "y ~ as.factor(cond) + (1 | person)")
    assert list(factor.names)[1:] == ["as.factor(cond)b", "as.factor(cond)c"]
    for wrong, said in (("abs(x, 2)", "takes one column"), ("log(rt, x)", "the base is x"), ("log(rt, 1)", "the base is 1"),
                        ("log(rt, 2, 3)", "a column and one number"), ("factor(x + z)", "made of a column"),
                        ("scale(x, centre = FALSE)", "option of scale"), ("scale(x, scale = 2)", "neither TRUE nor FALSE"),
                        ("relevel(cond, ref = 'd')", "level of cond"), ("C(cond, contr.odd)", "contrast"),
                        ("C(x, contr.sum)", "no levels"), ("I(cond > 'a')", "compared with words by"),
                        ("I(cond == 'd')", "level of cond"), ("ns(x)", "give the df")):  # fmt: skip
        with pytest.raises(BrainLensError, match=said):
            design(table, f"y ~ {wrong} + (1 | person)")


@pytest.mark.parametrize("text, read", [
    ("y ~ z + x + x:z + (b:a + a | g)", "y ~ 1 + z + x + z:x + (1 + a + b:a | g)"),
    ("y~a*b+(a||g)", "y ~ 1 + a + b + a:b + (1 + a || g)"),
    ("y ~ a + (1 || g) + (0 + a || h)", "y ~ 1 + a + (1 | g) + (0 + a || h)"),
    ("y ~ (a + b + c)^2 - a:b + (1|g)", "y ~ 1 + a + b + c + a:c + b:c + (1 | g)"),
    ("y ~ a/b - 1 + (0 + a | g/h)", "y ~ 0 + a + a:b + (0 + a | g) + (0 + a | g:h)"),
    ("log(`my rt` + 1) ~ I(x^2) + b:a + a:b + (1 | i)", "log(`my rt` + 1) ~ 1 + I(x^2) + b:a + (1 | i)"),
])  # fmt: skip
def test_formulas_are_read_as_r_reads_them(text, read):
    assert str(parse(text)) == read


# ---- on planted truths -----------------------------------------------------------------------------------------------------
def crossed(seed: int, people: int = 20, items: int = 24) -> pd.DataFrame:
    """Crossed people and items with a slope of .3 on a predictor that varies between items, and random slopes of people."""
    rng = np.random.default_rng([2026, seed])
    p, i = np.divmod(np.arange(people * items), items)
    x = rng.normal(size=items)[i]
    own = rng.normal(size=(people, 2)) @ np.array([[0.6, 0.1], [0.0, 0.25]])
    y = (
        0.3 * x
        + own[p, 0]
        + own[p, 1] * x
        + (rng.normal(size=items) * 0.3)[i]
        + rng.normal(size=len(p))
    )
    return pd.DataFrame({"y": y, "x": x, "person": p, "item": i})


LMERTEST = [  # table, formula, degrees of freedom of lmerTest 3.1 (REML, bobyqa)
    ("crossed", "y ~ x + (x | person) + (1 | item)", "26.08417 25.42024"),
    ("trials", "y ~ x * cond + (x || person) + (1 | item)", "41.88885 46.12152 526.49232 525.92894 544.93300 544.66245"),
    ("trials", "y ~ x + (x | person) + (1 | item)", "36.22825 23.02939"),
    ("trials", "y ~ cond + (cond | person) + (1 | item)", "33.65049 441.79157 449.83728"),  # singular
    ("trials", "log(rt) ~ scale(x) + z + (1 | person) + (1 | item)", "36.26643 555.13305 28.05073"),
]  # fmt: skip


@pytest.mark.parametrize("name, formula, degrees", LMERTEST)
def test_degrees_of_freedom_are_those_of_lmertest(trials, name, formula, degrees):
    table = crossed(3) if name == "crossed" else trials.dropna()
    found = coefficient_intervals(table, formula)
    np.testing.assert_allclose(found["df"], np.array(degrees.split(), float), rtol=1e-4)
    half = student.ppf(0.975, found["df"]) * found["standard_error"]
    np.testing.assert_allclose(found["high"] - found["low"], 2 * half)


def test_the_mean_of_balanced_groups_has_their_number_less_one():
    rng = np.random.default_rng(8)
    table = pd.DataFrame({"g": np.repeat(np.arange(12), 10)})
    table["y"] = rng.normal(size=12)[table["g"]] + rng.normal(size=120)
    found = coefficient_intervals(table, mixed_model(table, "y ~ 1 + (1 | g)"))
    assert found["df"].iloc[0] == pytest.approx(11, abs=1e-3)


def within_the_band(row: dict) -> None:
    """Means near the truth (2.58 standard errors), coverage in the 99 % band of 95 %, standard errors as large as the spread."""
    low, high = row["band"]
    assert abs(row["bias"]) < 2.58 * row["bias_error"] and low <= row["coverage"] <= high, row
    assert row["not_converged"] == 0
    assert row["mean_standard_error"] == pytest.approx(
        row["sd_of_slopes"], rel=2.58 / np.sqrt(2 * row["data_sets"]) + 0.03
    )
    assert row["sd_residual"] == pytest.approx(simulations.TRUTH["residual"], rel=0.02)


def test_simulated_crossed_data_are_recovered():
    name = next(iter(simulations.DESIGNS))
    row = simulations.told(name, simulations.recovered(name, range(40)))
    within_the_band(row)
    assert row["sd_person"] == pytest.approx(0.6, abs=0.1) and 20 < row["mean_df"] < 40


@pytest.mark.deep
@pytest.mark.parametrize("name", simulations.DESIGNS)
def test_four_hundred_simulated_crossed_data_sets_are_recovered(name):
    row = simulations.told(name, simulations.recovered(name, range(400)))
    within_the_band(row)
    assert row["sd_person"] == pytest.approx(0.6, abs=0.03) and row["sd_item"] == pytest.approx(
        0.3, abs=0.03
    )


def test_the_committed_simulations_are_of_these_designs_and_in_the_band():
    told = json.loads(
        (Path(simulations.__file__).parent / "results" / "people_simulations.json").read_text()
    )
    assert [row["design"] for row in told["rows"]] == list(simulations.DESIGNS)
    for row in told["rows"]:
        assert row["data_sets"] == 400
        within_the_band(row)


def test_each_published_fit_was_faster_than_in_lme4_and_the_same():
    told = json.loads(
        (Path(simulations.__file__).parent / "results" / "people_timing.json").read_text()
    )
    assert len(told["rows"]) == 3
    for row in told["rows"]:
        assert (
            row["aic"] == pytest.approx(row["lme4_aic"], abs=0.001) and row["cpu"] < row["lme4_cpu"]
        )


# ---- published data ----------------------------------------------------------------------------------------------------------
BROTHERS = "scale(SUM_3RT_trimmed) ~ scale(Surprisal) + (scale(Surprisal) | SUB) + (scale(Surprisal) | ITEM)"
UCL = (
    "scale(N400) ~ scale(baseline) + scale(log_freq) * scale(nr_char) * scale(word_pos)"
    " + (1 + scale(baseline) + scale(log_freq) + scale(nr_char) + scale(word_pos) || subj_nr) + (1 | item)"
)


@pytest.mark.realdata
@pytest.mark.parametrize("name, aic, slope, error, deviations", [
    ("EleutherAI__pythia-160m", 85930.4401873, 0.0266404, 0.0046695,
     (0.782056, 0.023411, 0.608, 0.156959, 0.031007, 0.324, 0.602432)),
    ("state-spaces__mamba-130m-hf", 85913.3081700, 0.0262287, 0.0044191,
     (0.782100, 0.027885, 0.607, 0.156216, 0.025421, 0.363, 0.602319)),
])  # fmt: skip
def test_brothers_under_two_models_is_as_in_lme4(mirror, name, aic, slope, error, deviations):
    folder = mirror / "brothers2021"
    times = pd.read_csv(folder / "brothers_2021.tsv", sep="\t", quoting=3)
    bits = pd.read_csv(folder / "surprisal" / f"{name}.tsv", sep="\t")
    table = times.merge(bits[["FullSentence", "Surprisal"]], on="FullSentence")
    fit = mixed_model(table, BROTHERS)
    assert fit.n == 46_022 and fit.converged and not fit.singular
    assert fit.aic == pytest.approx(aic, abs=0.001)
    assert fit.coefficients.loc["scale(Surprisal)", "estimate"] == pytest.approx(slope, abs=1e-6)
    assert fit.coefficients.loc["scale(Surprisal)", "standard_error"] == pytest.approx(
        error, abs=1e-6
    )
    found = fit.variances["sd"].fillna(fit.variances["correlation"])
    np.testing.assert_allclose(found, deviations, atol=6e-4)


@pytest.mark.realdata
@pytest.mark.slow
@pytest.mark.parametrize("name, formula, reml, aic, estimates, deviations", [
    ("ucl-eyetracking-people", "log(first_pass) ~ scale(log_freq) * scale(nr_char) + scale(word_position) + previous_skipped"
     " + (1 + scale(log_freq) + scale(nr_char) || person) + (1 | item)", False, 34432.684465,
     (5.409519, 0.033254, 0.036063), (0.121611, 0.031858, 0.028691, 0.141034, 0.395899)),
    ("nieuwland2018", "n400 ~ scale(cloze) + lab + (scale(cloze) | person) + (scale(cloze) | item)", False, 186511.452990,
     (1.636165, 0.904722, 2.057201), (1.829286, 0.435989, 0.059524, 1.111265, 0.625231, 0.144888, 9.041101)),
    ("nieuwland2018", "n400 ~ cloze * lab + (1 | lab:person) + (1 | item/article)", True, 186514.204340,
     (1.001593, 1.302601, 1.322620), (1.859933, 0.850718, 0.955974, 9.050223)),
])  # fmt: skip
def test_other_recordings_are_as_in_lme4(mirror, name, formula, reml, aic, estimates, deviations):
    """lme4 1.1.31, bobyqa; slopes, interactions, factors, nesting, REML."""
    table = trials_of(name)
    if name == "ucl-eyetracking-people":
        table = table[(table["first_pass"] > 0) & ~table["left_out"] & table["log_freq"].notna()]
        table = table[~table["person"].isin(map(str, UCL_LEFT_OUT))]
    fit = mixed_model(table, formula, reml=reml)
    assert fit.aic == pytest.approx(aic, abs=0.001) and fit.converged and not fit.singular
    np.testing.assert_allclose(fit.coefficients["estimate"].iloc[:3], estimates, atol=5e-6)
    found = fit.variances["sd"].fillna(fit.variances["correlation"])
    np.testing.assert_allclose(sorted(found), sorted(deviations), atol=2e-5)


@pytest.mark.realdata
@pytest.mark.slow
def test_ucl_eeg_is_as_in_lme4(mirror):
    table = pd.read_csv(mirror / "ucl_people" / "data_EEG.csv", sep="\t", quoting=3)
    table = table[~table["reject_data"] & ~table["reject_word"] & table["log_freq"].notna()]
    fit = mixed_model(table, UCL)
    assert fit.n == 32_033 and fit.n_levels == {"subj_nr": 24, "item": 1487} and fit.converged
    assert fit.aic == pytest.approx(88897.8560183, abs=0.001) and fit.loglik == pytest.approx(
        -44432.9280092, abs=0.001
    )
    estimates = fit.coefficients.loc[["scale(baseline)", "scale(log_freq)", "scale(nr_char)"]]
    np.testing.assert_allclose(
        estimates["estimate"], [-0.1113694, -0.0927744, 0.0275580], atol=2e-6
    )
    np.testing.assert_allclose(
        estimates["standard_error"], [0.0112102, 0.0141684, 0.0113658], atol=2e-6
    )
    deviations = fit.variances.set_index(["group", "term"])["sd"]
    np.testing.assert_allclose(
        deviations["subj_nr"], [0.185408, 0.046964, 0.052578, 0.028775, 0.013299], atol=2e-5
    )
    assert deviations["item"].iloc[0] == pytest.approx(0.134958, abs=2e-6)
