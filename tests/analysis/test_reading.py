"""Delta log-likelihood, spillover, mixed models and the alignment doctor on planted effects."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal

from analysis.reading.delta_ll import (
    MOST_FOLDS,
    add_spillover,
    delta_log_likelihood,
    mean_over_texts,
)
from analysis.reading.doctor import lag_profile, pooled_profile, version_diff
from analysis.reading.mixed import fit_crossed
from data.errors import BrainLensError

BASE = ["length", "length_prev_1", "length_prev_2"]
TARGET = ["surprisal", "surprisal_prev_1", "surprisal_prev_2"]


def corpus(
    seed: int = 0,
    *,
    stories: int = 10,
    words: int = 100,
    effect=(0.0, 0.0, 0.0),
    noise: float = 30.0,
    late: int = 0,
) -> pd.DataFrame:
    """Words with a planted effect of surprisal in ms per bit on the word and the words after it.

    ``late`` < 0: the times stand that many words too early.
    """
    rng = np.random.default_rng(seed)
    n = stories * words
    table = pd.DataFrame({"story": np.repeat([f"s{i}" for i in range(stories)], words)})
    table["zone"] = table.groupby("story").cumcount() + 1
    table["length"] = rng.integers(1, 11, n)
    table["log_frequency"] = rng.normal(5, 1, n)
    table["surprisal"] = rng.gamma(2.0, 2.0, n) + 0.3 * table["length"]
    time = 300 + 4.0 * table["length"] + rng.normal(0, noise, n)
    for lag, size in enumerate(effect):
        time += size * table.groupby("story")["surprisal"].shift(lag).fillna(
            table["surprisal"].mean()
        )
    table["rt"] = time
    if late:
        table["rt"] = table.groupby("story")["rt"].shift(late)
    return add_spillover(table, ["surprisal", "length"], "story")


# ---- spillover ---------------------------------------------------------------------------------------------------------
def test_spillover_stops_at_the_edge_of_a_text():
    table = pd.DataFrame({"story": ["a", "a", "b", "b"], "x": [1.0, 2.0, 3.0, 4.0]})
    assert add_spillover(table, "x", "story", 1)["x_prev_1"].tolist() == pytest.approx(
        [np.nan, 1, np.nan, 3], nan_ok=True
    )
    filled = add_spillover(table, ["x"], by="story", lags=2, fill="mean")
    assert (
        filled["x_prev_1"].tolist() == [2.5, 1, 2.5, 3] and filled["x_prev_2"].tolist() == [2.5] * 4
    )
    assert "x_prev_1" not in table


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (dict(columns="y"), "y"),
        (dict(columns="x", by="page"), "page"),
        (dict(columns="x", fill="zero"), "zero"),
    ],
)
def test_spillover_names_what_is_wrong(options, words):
    with pytest.raises(BrainLensError, match=words):
        add_spillover(pd.DataFrame({"story": ["a"], "x": [1.0]}), **options)


# ---- delta log-likelihood ----------------------------------------------------------------------------------------------
def test_the_algebra_in_sample():
    table = corpus(1, effect=(3.0, 1.5, 0.8)).dropna()
    found = delta_log_likelihood(table, "rt", BASE, TARGET)
    squares = []
    for columns in (BASE, [*BASE, *TARGET]):
        design = np.column_stack([np.ones(len(table)), table[columns]])
        squares.append(np.linalg.lstsq(design, table["rt"], rcond=None)[1][0])
    assert found.per_word == pytest.approx(0.5 * np.log(squares[0] / squares[1]), rel=1e-9)
    assert (
        np.isnan(found.low)
        and not found.held_out
        and found.bias > 0
        and found.words.mean() == found.per_word
    )


def test_a_planted_effect_is_recovered_held_out():
    effect = (3.0, 1.5, 0.8)
    table = corpus(2, stories=12, words=400, effect=effect)
    found = delta_log_likelihood(table, "rt", BASE, TARGET, folds="story")
    clean = table.dropna()
    pieces = [size * clean[name] for size, name in zip(effect, TARGET)]
    rest = (
        sum(pieces)
        - np.column_stack([np.ones(len(clean)), clean[BASE]])
        @ np.linalg.lstsq(
            np.column_stack([np.ones(len(clean)), clean[BASE]]), sum(pieces), rcond=None
        )[0]
    )
    truth = 0.5 * np.log(1 + rest.var() / 30.0**2)
    assert found.low < truth < found.high and found.low > 0.6 * truth
    assert found.n_words == len(clean) and found.n_dropped == 24 and len(found.by_text) == 12
    sizes = found.coefficients.set_index("term")
    for size, name in zip(effect, TARGET):
        assert abs(sizes.loc[name, "coefficient"] - size) < 4 * sizes.loc[name, "standard_error"]


def test_under_the_null_intervals_lie_above_zero_rarely_and_the_mean_is_the_bias():
    found = [
        delta_log_likelihood(corpus(seed), "rt", BASE, TARGET, folds="story") for seed in range(200)
    ]
    assert np.mean([one.low > 0 for one in found]) <= 0.05
    expected = np.mean([one.bias for one in found])
    assert expected == pytest.approx(-3 / (2 * 980))
    values = np.array([one.per_word for one in found])
    assert values.mean() == pytest.approx(expected, abs=4 * values.std() / np.sqrt(200))
    assert (
        values.mean()
        < 0
        < min(delta_log_likelihood(corpus(seed), "rt", BASE, TARGET).per_word for seed in range(20))
    )


@pytest.mark.parametrize("link", ["identity", "log"])
@pytest.mark.parametrize("model", ["linear", "gam"])
def test_links_and_splines_find_the_effect(link, model):
    table = corpus(3, stories=6, words=300, effect=(4.0, 2.0, 1.0))
    found = delta_log_likelihood(table, "rt", BASE, TARGET, folds="story", link=link, model=model)
    assert found.low > 0 and model in found.rule and link in found.rule


def test_splines_find_a_curve_that_a_line_does_not():
    table = corpus(4, stories=6, words=300)
    table["rt"] += 3.0 * (table["surprisal"] - table["surprisal"].median()) ** 2
    table["rt"] -= (
        np.polyval(np.polyfit(table["surprisal"], table["rt"], 1), table["surprisal"]) - 300
    )
    straight, curved = (
        delta_log_likelihood(table, "rt", BASE, TARGET, folds="story", model=m)
        for m in ("linear", "gam")
    )
    assert curved.per_word > straight.per_word + 0.05


def test_many_texts_share_folds_and_own_folds_are_taken():
    table = corpus(5, stories=60, words=20, effect=(4.0, 0.0, 0.0))
    found = delta_log_likelihood(table, "rt", BASE, TARGET, folds="story")
    assert f"{MOST_FOLDS} folds" in found.rule and len(found.by_text) == 60
    half = np.arange(len(table)) < 600
    parts = [
        (np.flatnonzero(half), np.flatnonzero(~half)),
        (np.flatnonzero(~half), np.flatnonzero(half)),
    ]
    assert delta_log_likelihood(table, "rt", BASE, TARGET, folds=parts).n_words == 60 * 18
    one = delta_log_likelihood(table, "rt", BASE, TARGET, folds=parts[:1])
    assert one.n_words == 30 * 18 and one.n_dropped == len(table) - 30 * 18
    with pytest.raises(BrainLensError, match="two folds"):
        delta_log_likelihood(table, "rt", BASE, TARGET, folds=[parts[0], parts[0]])


@pytest.mark.parametrize("gone", [np.nan, None])
def test_words_of_no_text_are_left_out_and_counted(gone):
    """Not even fitted: they may be words of the very text that is held out."""
    table = corpus(5, stories=4, effect=(3.0, 1.0, 0.0))
    some = table.assign(story=table["story"].where(table.index % 7 > 0, gone))
    found, clean = (
        delta_log_likelihood(one, "rt", BASE, TARGET, folds="story")
        for one in (some, some.dropna(subset=["story"]))
    )
    lost = int((some["story"].isna() & table.notna().all(axis=1)).sum())
    assert (
        found.per_word == clean.per_word
        and len(found.by_text) == 4
        and "held out by story (4)" in found.rule
    )
    assert (
        found.n_words == clean.n_words == 4 * 98 - lost and found.n_words + found.n_dropped == 400
    )


def test_the_interval_is_the_t_interval_over_texts():
    found = delta_log_likelihood(
        corpus(8, stories=5, effect=(3.0, 1.0, 0.0)), "rt", BASE, TARGET, folds="story"
    )
    assert found.high - found.per_word == pytest.approx(
        2.776 * found.standard_error, rel=1e-3
    )  # 4 degrees of freedom
    mean = mean_over_texts(
        np.array([1.0, 3.0, 2.0, 6.0]), np.array(["a", "a", "b", "b"])
    )  # sums 4 and 8 about a mean of 3
    assert (mean.value, mean.texts) == (3.0, 2) and mean.standard_error == pytest.approx(
        np.sqrt(2 * (2**2 + 2**2)) / 4
    )
    assert np.isnan(mean_over_texts(np.ones(3), np.zeros(3)).standard_error)


def test_base_columns_that_follow_from_others_are_left_out_and_named():
    table = corpus(6)
    plain = delta_log_likelihood(table, "rt", BASE, TARGET, folds="story")
    more = table.assign(twice=2 * table["length"] + 1, always=3.0)
    found = delta_log_likelihood(more, "rt", [*BASE, "twice", "always"], TARGET, folds="story")
    assert found.per_word == pytest.approx(plain.per_word) and not plain.left_out
    assert found.left_out.endswith("twice, always")
    assert list(found.coefficients["term"]) == list(plain.coefficients["term"])


def test_errors_say_what_to_do():
    table = corpus(6)
    with pytest.raises(BrainLensError, match="too few"):
        delta_log_likelihood(table.head(30), "rt", BASE, TARGET)
    with pytest.raises(BrainLensError, match="collinear"):
        delta_log_likelihood(table.assign(twice=2 * table["length"] + 1), "rt", BASE, "twice")
    with pytest.raises(BrainLensError, match="logarithm"):
        delta_log_likelihood(table.assign(rt=table["rt"] - 400), "rt", BASE, TARGET, link="log")
    with pytest.raises(BrainLensError, match="one value only"):
        delta_log_likelihood(table.assign(page="1"), "rt", BASE, TARGET, folds="page")
    with pytest.raises(BrainLensError, match="link"):
        delta_log_likelihood(table, "rt", BASE, TARGET, link="logit")
    with pytest.raises(BrainLensError, match="groups"):
        delta_log_likelihood(table, "rt", BASE, TARGET, model="mixed")


# ---- mixed models ------------------------------------------------------------------------------------------------------
def crossed(seed: int = 0, subjects: int = 12, words: int = 40):
    rng = np.random.default_rng(seed)
    subject, word = np.repeat(np.arange(subjects), words), np.tile(np.arange(words), subjects)
    x = rng.normal(size=words)[word]
    y = (
        300
        + 5 * x
        + rng.normal(0, 20, subjects)[subject]
        + rng.normal(0, 10, words)[word]
        + rng.normal(0, 30, len(word))
    )
    kept = rng.random(len(y)) > 0.1
    return (
        np.column_stack([np.ones(kept.sum()), x[kept]]),
        y[kept],
        np.column_stack([subject, word])[kept],
    )


def test_one_grouping_agrees_with_statsmodels():
    import statsmodels.api as sm

    design, y, labels = crossed()
    ours, theirs = (
        fit_crossed(design, y, labels[:, 0]),
        sm.MixedLM(y, design, groups=labels[:, 0]).fit(reml=False),
    )
    assert ours.log_likelihood == pytest.approx(theirs.llf, abs=1e-4)
    assert ours.weights == pytest.approx(theirs.fe_params, rel=1e-4)
    assert (ours.residual, *ours.intercepts) == pytest.approx(
        (theirs.scale, theirs.cov_re[0, 0]), rel=1e-3
    )


def test_two_groupings_reach_the_likelihood_that_the_dense_covariance_has():
    design, y, labels = crossed(subjects=6, words=25)

    def likelihood(residual, *intercepts):
        covariance = residual * np.eye(len(y))
        for code, variance in zip(labels.T, intercepts):
            covariance += variance * (code[:, None] == code)
        inverse = np.linalg.inv(covariance)
        weights = np.linalg.solve(design.T @ inverse @ design, design.T @ inverse @ y)
        return multivariate_normal.logpdf(y, design @ weights, covariance), weights

    ours = fit_crossed(design, y, labels)
    best, weights = likelihood(ours.residual, *ours.intercepts)
    assert ours.log_likelihood == pytest.approx(best, abs=1e-6) and ours.weights == pytest.approx(
        weights, rel=1e-6
    )
    for i in range(3):  # and no other variance is better
        for factor in (0.9, 1.1):
            other = [ours.residual, *ours.intercepts]
            other[i] *= factor
            assert likelihood(*other)[0] < best
    swapped = fit_crossed(design, y, labels[:, ::-1])
    assert swapped.intercepts == pytest.approx(ours.intercepts[::-1], rel=1e-3)


def test_a_mixed_model_of_people_and_words():
    words = corpus(7, stories=5, words=60, effect=(5.0, 2.0, 1.0), noise=15.0).assign(
        word=lambda t: np.arange(len(t))
    )
    rng = np.random.default_rng(7)
    long = pd.concat(
        [
            words.assign(subject=i, rt=words["rt"] + rng.normal(0, 40) + rng.normal(0, 40, 300))
            for i in range(8)
        ]
    )
    found = delta_log_likelihood(
        long, "rt", BASE, TARGET, folds="story", model="mixed", groups=("subject", "word")
    )
    assert found.low > 0 and "mixed" in found.rule and found.n_words == 8 * 5 * 58
    long = long.assign(noise=rng.normal(size=len(long)))
    null = delta_log_likelihood(
        long, "rt", [*BASE, *TARGET], "noise", folds="story", model="mixed", groups="subject"
    )
    assert null.per_word < 1e-3


# ---- the doctor --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("late", "verdict"), [(0, "aligned"), (-1, "shifted")])
@pytest.mark.parametrize("seed", range(5))
def test_the_doctor_tells_shifted_from_unshifted(late, verdict, seed):
    profile = lag_profile(corpus(seed, words=300, effect=(3.0, 3.0, 1.0), late=late), "rt")
    assert profile.verdict == verdict
    assert profile.frame["word"].iloc[:6].tolist() == ["t+2", "t+1", "t", "t-1", "t-2", "t-3"]
    assert profile.n_words == 10 * (300 - 5) and profile.n_dropped == 50


def test_a_next_word_in_the_opposite_direction_is_no_shift():
    table = corpus(3, words=300, effect=(6.0, 2.0, 0.0))
    following = table.groupby("story")["surprisal"].shift(-1).fillna(table["surprisal"].mean())
    profile = lag_profile(table.assign(rt=table["rt"] - 2.5 * following), "rt")
    assert profile.at("surprisal", -1)["t"] < -4 and profile.verdict == "aligned"
    assert "opposite direction" in profile.sentence


def test_the_peak_alone_decides_nothing():
    profile = lag_profile(corpus(1, words=300, effect=(2.0, 6.0, 1.0)), "rt")
    assert (
        profile.frame.iloc[:6].set_index("lag")["t"].idxmax() == 1 and profile.verdict == "aligned"
    )


def test_without_a_response_nothing_is_decided_and_eyes_are_exempt():
    assert lag_profile(corpus(2, words=100), "rt").verdict == "undecided"
    eyes = lag_profile(
        corpus(0, words=300, effect=(3.0, 3.0, 1.0), late=-1), "rt", kind="eye-tracking"
    )
    assert eyes.verdict == "exempt" and "t+1" in eyes.sentence


def test_the_doctor_names_what_is_wrong():
    table = corpus(0)
    for options, words in (
        (dict(kind="listening"), "kind of reading"),
        (dict(predictors=("entropy",)), "entropy"),
        (dict(extra=("page",)), "page"),
        (dict(lags=range(0, 3)), "next word"),
    ):
        with pytest.raises(BrainLensError, match=words):
            lag_profile(table, "rt", **options)


def test_profiles_are_pooled_by_their_precision():
    frames = [
        lag_profile(corpus(seed, words=300, effect=(3.0, 3.0, 1.0)), "rt").frame
        for seed in range(3)
    ]
    one, together = pooled_profile([frames[0], frames[0]]), pooled_profile(frames)
    assert one.frame["coefficient"].to_numpy() == pytest.approx(frames[0]["coefficient"].to_numpy())
    assert one.frame["t"].to_numpy() == pytest.approx(np.sqrt(2) * frames[0]["t"].to_numpy())
    assert (
        together.verdict == "aligned"
        and together.at("surprisal", 0)["t"] > max(f["t"].max() for f in frames) * 0.9
    )
    shifted = lag_profile(corpus(4, words=300, effect=(3.0, 3.0, 1.0), late=-1), "rt").frame
    assert pooled_profile([shifted, shifted]).verdict == "shifted"
    with pytest.raises(BrainLensError, match="at least 2"):
        pooled_profile(frames[:1])


def test_two_versions_side_by_side():
    new = corpus(0, words=300, effect=(3.0, 3.0, 1.0))
    old = new.assign(rt=new.groupby("story")["rt"].shift(-1))
    diff = version_diff({"old": old, "new": new}, "rt")
    assert diff.verdicts == {"old": "shifted", "new": "aligned"} and "old: shifted" in diff.sentence
    gain = diff.frame.set_index("quantity").loc["delta_ll"]
    assert gain["difference"] == pytest.approx(gain["new"] - gain["old"]) and gain["difference"] > 0
    with pytest.raises(BrainLensError, match="not 2"):
        version_diff({"old": old}, "rt")
