"""Experiments to run next: a planted direction is found, disagreement is by rank, predicted power is achieved power."""

from __future__ import annotations

import ast
import json
import subprocess

import numpy as np
import pandas as pd
import pytest

from analysis.design.controversial import described, pairs_apart
from analysis.design.drive import Limits, allowed, fit_range, fit_response, search
from analysis.design.power import (
    components,
    crossed_test,
    learning_curve,
    power,
    power_curve,
    smallest,
)
from data.errors import BrainLensError

RNG = np.random.default_rng(11)


# ---- power ----------------------------------------------------------------------------------------------------------
def studies(count, n, m, mean, person, item, residual, rng):
    """Differences of many studies, (study, person, item), with planted variance components."""
    p = rng.standard_normal((count, n, 1)) * np.sqrt(person)
    i = rng.standard_normal((count, 1, m)) * np.sqrt(item)
    return mean + p + i + rng.standard_normal((count, n, m)) * np.sqrt(residual)


def pilot(n=20, m=40, mean=0.1, person=0.04, item=0.09, residual=1.0, seed=0):
    x = studies(1, n, m, mean, person, item, residual, np.random.default_rng(seed))[0]
    table = (
        pd.DataFrame(x)
        .rename_axis("person")
        .melt(var_name="item", value_name="difference", ignore_index=False)
    )
    return table.reset_index()


def test_planted_components_are_estimated_without_bias():
    found = [components(pilot(seed=seed)) for seed in range(60)]
    for name, planted in (("person", 0.04), ("item", 0.09), ("residual", 1.0)):
        values = [getattr(one, name) for one in found]
        assert np.mean(values) == pytest.approx(planted, rel=0.15)
    assert (found[0].people, found[0].items, found[0].repeats, found[0].trial) == (20, 40, 1, 0.0)


def test_components_equal_a_balanced_mixed_model():
    """Sums of squares of a two-way table, by least squares on indicator columns."""
    table = pilot(8, 10, seed=4)
    n, m, y = 8, 10, table["difference"].to_numpy()
    people = pd.get_dummies(table["person"]).to_numpy(float)
    items = pd.get_dummies(table["item"]).to_numpy(float)

    def left(design):
        return float(((y - design @ np.linalg.lstsq(design, y, rcond=None)[0]) ** 2).sum())

    both = left(np.hstack([people, items]))
    squares = (
        (left(items) - both) / (n - 1),
        (left(people) - both) / (m - 1),
        both / ((n - 1) * (m - 1)),
    )
    found = components(table)
    assert found.squares == pytest.approx(squares)
    assert found.person == pytest.approx(max((squares[0] - squares[2]) / m, 0))


def test_repeats_have_a_variance_of_their_own():
    rng = np.random.default_rng(5)
    cells = studies(1, 30, 30, 0.0, 0.1, 0.1, 0.5, rng)[0]
    rows = [
        (p, i, k, cells[p, i] + rng.standard_normal() * 2)
        for p in range(30)
        for i in range(30)
        for k in range(4)
    ]
    found = components(pd.DataFrame(rows, columns=["person", "item", "repeat", "difference"]))
    assert found.repeats == 4 and found.trial == pytest.approx(4.0, rel=0.1)
    assert found.residual == pytest.approx(0.5, abs=0.2)
    assert found.variance(10, 20, 4) == pytest.approx(
        found.person / 10 + found.item / 20 + (found.residual + found.trial / 4) / 200
    )


def grid(designs, cases, count, seed=0):
    """Predicted and achieved power over designs and components."""
    rows = []
    rng = np.random.default_rng(seed)
    for person, item, residual in cases:
        base = components(pilot()).__class__(
            person, item, residual, 0.0, 0.0, 20, 40, 1, (1.0, 1.0, 1.0)
        )
        for n, m in designs:
            spread = np.sqrt(base.variance(n, m))
            for size in (0.0, 1.5, 2.5, 3.5):
                effect = size * spread
                _, p = crossed_test(studies(count, n, m, effect, person, item, residual, rng))
                rows.append(
                    (person, item, n, m, size, power(base, effect, n, m), float((p < 0.05).mean()))
                )
    return pd.DataFrame(rows, columns=["person", "item", "n", "m", "size", "predicted", "achieved"])


CASES = ((0.04, 0.09, 1.0), (0.2, 0.02, 1.0), (0.02, 0.3, 1.0), (0.0, 0.0, 1.0))


def test_predicted_power_is_achieved_power_over_a_grid():
    """Planted effects of 0 to 3.5 standard errors, 10 to 40 people, 20 to 60 items, four kinds of variance."""
    table = grid(((10, 20), (20, 60), (40, 24)), CASES, 800)
    apart = (table["predicted"] - table["achieved"]).abs()
    assert apart.max() < 0.05, table.assign(apart=apart).sort_values("apart").tail(5).to_string()
    nothing = table[(table["size"] == 0)]
    assert nothing["achieved"].between(0.0, 0.08).all()


@pytest.mark.deep
def test_predicted_power_is_achieved_power_over_a_wide_grid():
    designs = [(n, m) for n in (6, 10, 20, 40, 80) for m in (12, 24, 60, 120)]
    table = grid(designs, CASES, 3000, seed=1)
    assert (table["predicted"] - table["achieved"]).abs().max() < 0.05


def test_the_interval_of_a_power_holds_the_true_one():
    held, truth = (
        0,
        components(pilot()).__class__(0.04, 0.09, 1.0, 0.0, 0.0, 20, 40, 1, (1.0, 1.0, 1.0)),
    )
    for seed in range(40):
        curve = power_curve(components(pilot(seed=seed)), 0.2, [25], [40], draws=120)
        held += curve["low"].iloc[0] <= power(truth, 0.2, 25, 40) <= curve["high"].iloc[0]
    assert held >= 34


def test_fewest_people_and_what_no_number_of_people_can_do():
    parts = components(pilot())
    count = smallest(parts, 0.2, 40)
    assert power(parts, 0.2, count, 40) >= 0.8 > power(parts, 0.2, count - 1, 40)
    assert smallest(parts, 0.05, 10) is None  # the items' variance does not shrink with people


def test_items_train_the_regression_too():
    items = np.array([50, 100, 200, 400])
    table = pd.DataFrame({"items": items, "score": 0.4 - 1.2 * items**-0.5})
    curve = learning_curve(table)
    assert curve.at(800) == pytest.approx(
        0.4 - 1.2 * 800**-0.5, abs=0.01
    ) and curve.rate == pytest.approx(0.5, abs=0.06)
    parts = components(pilot())
    fixed = power_curve(parts, 0.1, [30], [100, 400], draws=20)
    grown = power_curve(parts, 0.1, [30], [100, 400], learning=curve, draws=20)
    assert (
        grown["effect"].iloc[1] > grown["effect"].iloc[0] > 0.1 and fixed["effect"].nunique() == 1
    )
    flat = learning_curve(table.assign(score=[0.5, 0.4, 0.3, 0.2]))
    assert flat.at(50) == flat.at(400)
    with pytest.raises(BrainLensError, match="2 numbers of items give no learning curve"):
        learning_curve(table.head(2))


def test_a_pilot_that_is_none_is_refused():
    with pytest.raises(BrainLensError, match="has no column difference"):
        components(pilot().rename(columns={"difference": "d"}))
    with pytest.raises(BrainLensError, match="2 people and 40 items"):
        components(pilot(2))


# ---- controversial items --------------------------------------------------------------------------------------------
def items(n=120, seed=0):
    rng = np.random.default_rng(seed)
    a = rng.standard_normal(n)
    return pd.DataFrame({
        "text": [f"sentence {i}" for i in range(n)], "words": rng.integers(6, 10, n),
        "frequency": rng.normal(5, 0.1, n), "a": a, "b": 0.8 * a + 0.6 * rng.standard_normal(n),
    })  # fmt: skip


def test_the_most_controversial_pair_is_that_of_a_search_over_all_and_pairs_are_matched():
    table = items(40)
    found = pairs_apart(table, "a", "b", count=5, words=1, frequency=0.15)
    rank = {name: (table[name].rank() - 1) / 39 for name in ("a", "b")}
    best = max(
        min(rank["a"][i] - rank["a"][j], rank["b"][j] - rank["b"][i])
        for i in range(40)
        for j in range(40)
        if abs(table["words"][i] - table["words"][j]) <= 1
        and abs(table["frequency"][i] - table["frequency"][j]) <= 0.15
    )
    assert found["gap"].iloc[0] == pytest.approx(best) and found["gap"].is_monotonic_decreasing
    assert (found["words_first"] - found["words_second"]).abs().max() <= 1
    assert (found["frequency_first"] - found["frequency_second"]).abs().max() <= 0.15
    used = [*found["preferred_by_first"], *found["preferred_by_second"]]
    assert len(set(used)) == len(used)


def test_only_ranks_count_and_not_the_scale_of_a_model():
    table = items()
    other = table.assign(a=np.exp(5 * table["a"]), b=1000 * table["b"] - 7)
    one, two = (pairs_apart(each, "a", "b", count=8) for each in (table, other))
    pd.testing.assert_frame_equal(one, two)


def test_models_that_agree_have_no_controversial_pair():
    table = items()
    with pytest.raises(BrainLensError, match="nothing is controversial"):
        pairs_apart(table.assign(b=table["a"]), "a", "b")
    with pytest.raises(BrainLensError, match="No two of 120 candidates are within 1 word and 0 of"):
        pairs_apart(table, "a", "b", frequency=0)


def test_sentences_are_described_by_words_and_frequency():
    made = described(["The dog slept.", "The aardvark slept."])
    assert made["words"].tolist() == [3, 3] and made["frequency"][0] > made["frequency"][1]


@pytest.mark.realdata
def test_agreement_with_people_comes_out_of_their_table(mirror):
    """A pair that was chosen to set two models apart is decided for one of them; people's choices come from the CSV alone."""
    from analysis.answers.controversial import judged
    from data.readers.trials import choices

    path = next((mirror / "contstim2022").glob("*.csv"))
    table = choices(path)
    found = judged(table, "bert", "bert_has_a_mouth", gap=0.2)
    raw = pd.read_csv(path, keep_default_na=False)
    names, kept = found.facts["models"], set(found.facts["pairs"])
    chose = raw["Zone Name"].isin(["resp4", "resp5", "resp6"])
    sentences = zip(raw["sentence1"], raw["sentence2"], strict=True)
    mine = [tuple(sorted(pair)) in kept for pair in sentences]
    by_hand = []
    for name in names:
        gain = raw[f"sentence2_{name}_prob"].astype(float) - raw[f"sentence1_{name}_prob"].astype(
            float
        )
        by_hand.append(((gain > 0) == chose)[mine].mean())
    rows = found.frame.set_index("predictor")["agreement"]
    assert [rows[name] for name in names] == pytest.approx(by_hand)
    assert by_hand[0] + by_hand[1] == pytest.approx(
        1.0
    )  # on these pairs only one of the two can be right
    assert rows["other people"] > 0.5 and len(kept) > 20


# ---- drive and suppress ---------------------------------------------------------------------------------------------
def test_a_planted_direction_is_recovered_on_new_rows_with_honest_spread():
    n, p = 300, 40
    x = RNG.standard_normal((n + 400, p)) @ RNG.standard_normal((p, p)) / np.sqrt(p)
    w = RNG.standard_normal(p)
    truth = x @ w
    y = truth + RNG.standard_normal(n + 400) * truth.std()
    groups = np.repeat(np.arange(70), 10)
    fit = fit_response(x[:n], y[:n], groups[:n], draws=60)
    guess, spread, low, high = fit.predict(x[n:])
    assert np.corrcoef(guess, truth[n:])[0, 1] > 0.9
    top, bottom = np.argsort(guess)[-20:], np.argsort(guess)[:20]
    assert truth[n:][top].min() > truth[n:][bottom].max()
    assert fit.r == pytest.approx(np.corrcoef(guess, y[n:])[0, 1], abs=0.1)
    error = np.sqrt(((guess - truth[n:]) ** 2).mean())
    assert 0.5 < np.sqrt((spread**2).mean()) / error < 1.6 and (low < guess).mean() > 0.95
    assert ((low < truth[n:]) & (truth[n:] < high)).mean() > 0.75


def test_what_lies_outside_of_the_measured_is_flagged_and_what_lies_inside_is_not():
    mix = RNG.standard_normal((10, 60))
    inside = RNG.standard_normal((500, 10)) @ mix + 0.1 * RNG.standard_normal((500, 60))
    space = fit_range(inside[:300], np.repeat(np.arange(60), 5))
    assert (space.distance(inside[300:]) > 1).mean() < 0.06
    far = 6 * RNG.standard_normal((50, 10)) @ mix
    beside = RNG.standard_normal((50, 60)) * inside.std()
    assert (space.distance(far) > 1).mean() > 0.95 and (space.distance(beside) > 1).all()


def test_what_may_be_asked_is_said_sentence_by_sentence():
    measured = ["The old man saw a big dog."]
    texts = ["The old man saw a big dog!", "The old man saw a big red dog.", "Go.", "Nobody likes the rain here.",
             "nobody likes the rain here."]  # fmt: skip
    assert allowed(texts, measured, Limits(3, 20, 0.8)) == [
        "measured already", "close to a measured one", "1 words", "", "occurs twice",
    ]  # fmt: skip


def test_what_is_no_sentence_of_the_language_is_told_however_near_its_features_lie():
    measured = ["The old man saw a big dog.", "An unassuming cartographer annotated the estuary."]
    texts = ["Aaaa bbbb cccc dddd eeee.", "Xq zzkw vvrp qqlm jjtw.", "The dog the dog the dog the dog.",
             "Nobody likes the rain here.", "A pale archivist catalogued the marginalia."]  # fmt: skip
    rare, again = "rarer words than any measured", "repeats words more than any measured"
    assert allowed(texts, measured, Limits(), "en") == [rare, rare, again, "", ""]
    assert allowed(texts, measured, Limits())[:3] == ["", "", again]  # of no known language


def test_a_search_replaces_words_and_never_leaves_what_is_allowed():
    def value(texts):
        return np.array([text.lower().count("dog") for text in texts], float)

    def keep(texts):
        return np.array(["cat" not in text.lower() for text in texts])

    found = search(
        ["The man saw a house.", "A bird sang."], ["dog", "cat"], value, keep, rounds=6, places=6
    )
    assert (found["value"] > found["before"]).all() and not found["text"].str.contains(
        "cat", case=False
    ).any()
    assert found["text"].str.endswith(".").all() and found["text"].iloc[0][0].isupper()
    assert (found["replaced"] >= 1).all()


def test_too_little_to_learn_from_is_refused():
    with pytest.raises(BrainLensError, match="10 stimuli in 10 groups are too few"):
        fit_response(RNG.standard_normal((10, 3)), RNG.standard_normal(10), np.arange(10))


# ---- templates ------------------------------------------------------------------------------------------------------
def test_templates_hold_every_item_and_run(tmp_path):
    from analysis.design.templates import write_templates
    from data.files import unguarded

    texts = [
        'She said "no", twice.',
        "=SUM(A1) is no formula here",
        "Ein Satz mit ü, für alle.",
        "A plain one.",
    ]
    table = pd.DataFrame({"text": texts, "condition": ["drive", "suppress", "drive", "suppress"]})
    made = write_templates(table, tmp_path / "rating", kind="rating", question="How natural is it?")
    assert {p.relative_to(tmp_path / "rating").as_posix() for p in made} == {
        "items.csv", "pcibex/main.js", "pcibex/chunk_includes/items.csv", "psychopy/experiment.py",
        "psychopy/conditions.csv", "README.txt",
    }  # fmt: skip
    for name in ("pcibex/chunk_includes/items.csv", "psychopy/conditions.csv"):
        read = unguarded(pd.read_csv(tmp_path / "rating" / name))
        assert read["text"].tolist() == texts and read["item"].tolist() == [1, 2, 3, 4]
    script = (tmp_path / "rating" / "psychopy" / "experiment.py").read_text(encoding="utf-8")
    ast.parse(script)
    assert "How natural is it?" in script
    js = tmp_path / "rating" / "pcibex" / "main.js"
    from shutil import which

    if which("node"):
        done = subprocess.run(["node", "--check", str(js)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert json.dumps("How natural is it?") in js.read_text(encoding="utf-8")


def test_pairs_become_choices_with_both_sides_in_two_lists(tmp_path):
    from analysis.design.templates import write_templates

    pairs = pd.DataFrame(
        {"preferred_by_first": ["a b c", "d e f"], "preferred_by_second": ["g h i", "j k l"]}
    )
    write_templates(pairs, tmp_path / "choice", kind="choice", question="Which one?")
    read = pd.read_csv(tmp_path / "choice" / "pcibex" / "chunk_includes" / "items.csv")
    assert sorted(read["group"].unique()) == ["A", "B"] and len(read) == 4
    for _, mine in read.groupby("item"):
        assert mine["left"].tolist() == mine["right"].tolist()[::-1]
    sides = (
        read.assign(first_left=read["left"].isin(pairs["preferred_by_first"]))
        .groupby("group")["first_left"]
        .mean()
    )
    assert (sides == 0.5).all()
    with pytest.raises(BrainLensError, match="kind of trial"):
        write_templates(pairs, tmp_path / "x", kind="speeded", question="?")
    with pytest.raises(BrainLensError, match="has no column text"):
        write_templates(pairs, tmp_path / "y", kind="rating", question="?")
