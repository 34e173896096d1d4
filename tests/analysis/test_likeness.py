"""Who is like whom: planted groups are found and none where there are none; the way back finds what people share."""

import numpy as np
import pandas as pd
import pytest

from analysis.answers import likeness as answers
from analysis.ceiling.likeness import backwards, folds_of, groups_of_people, mean_pairs
from dashboards.figures.export import figure
from dashboards.figures.people import kinds_of_readers
from dashboards.figures.people import likeness as drawn
from data.errors import BrainLensError


def readers(kinds: bool, people=40, items=400, noise=1.5, seed=0):
    """People who respond to a (and half of them to b instead, where there are kinds), and three models: a, b and noise."""
    rng = np.random.default_rng([5, seed])
    a, b, c = rng.normal(size=(3, items))
    made = {}
    for p in range(people):
        one, two = (0.2, 1) if kinds and p % 2 else (1, 0.2)
        made[f"p{p:02d}"] = one * a + two * b + noise * rng.normal(size=items)
    return pd.DataFrame(made), pd.DataFrame({"A": a, "B": b, "C": c})


def groups(kinds, seed=0):
    responses, models = readers(kinds, seed=seed)
    return answers._groups(responses, models, np.arange(400) // 4, 10, 0)[0]


def test_planted_kinds_of_readers_are_found():
    found = groups(True)
    assert found.count == 2 and found.p < 0.01 and found.profile_r > 0.8 and found.agreement > 0.8
    assert len(set(found.labels.iloc[::2])) == 1 and len(set(found.labels.iloc[1::2])) == 1
    assert "fall into 2 groups (20, 20)" in answers.groups_words(found, "")


def test_where_there_are_none_none_are_claimed():
    found = [groups(False, seed) for seed in range(20)]
    claimed = [one for one in found if one.count > 1 and one.p < 0.05]
    assert len(claimed) <= 2 and np.mean([one.count == 1 for one in found]) >= 0.8
    assert "do not fall into groups" in answers.groups_words(
        next(one for one in found if one.count == 1), ""
    )


def test_too_few_are_refused():
    responses, models = readers(False, people=4)
    with pytest.raises(BrainLensError, match="too few for groups"):
        groups_of_people(models.iloc[:4, :1], (models.iloc[:4, :1],) * 2)
    assert answers._groups(responses, models, np.arange(400) // 4, 10, 0)[1].startswith(
        "3 models and 4 people"
    )


def test_the_way_back_finds_what_people_share_and_nothing_else():
    responses, models = readers(False)
    responses = responses.mask(np.random.default_rng(1).random(responses.shape) < 0.3)
    folds = folds_of(np.arange(400) // 4)
    a, _, noise = backwards(responses, models, folds)
    assert a > 0.85 and abs(noise) < 0.15
    # many noisy people tell a shared signal almost wholly, but one more noisy person only up to his own noise
    one = backwards(responses, responses[["p00"]], folds, person="p00")[0]
    assert one == pytest.approx(np.sqrt(1.04 / (1.04 + 1.5**2)), abs=0.1)
    pairs = mean_pairs(responses)
    assert pairs.mean() == pytest.approx(1.04 / (1.04 + 1.5**2), abs=0.03)
    tested = np.concatenate([test for _, test in folds])
    assert sorted(tested) == list(range(400)) and not set(folds[0][0] // 4) & set(folds[0][1] // 4)


def test_the_answer_names_both_directions_and_is_drawn():
    from analysis.features.surprisal import word_surprisal
    from analysis.models import load
    from data.catalog.catalog import recording

    made = recording("simulated-reading")
    bits = word_surprisal(load("zoo-causal-400k"), made)["surprisal"]
    noise = pd.Series(np.random.default_rng(0).normal(size=len(bits)), bits.index)
    said = answers.likeness({"zoo": bits, "noise": noise}, "simulated-reading", n_folds=5)
    r = said.facts["summary"].set_index(["direction", "who"])["r"]
    assert r["predicts a person", "zoo"] > 0.1 > abs(r["predicts a person", "noise"])
    assert r["is predicted by people", "zoo"] > 0.2 > abs(r["is predicted by people", "noise"])
    assert r["predicts a person", "other people"] > r["predicts a person", "one other person"]
    assert said.frame.groupby("who")["person"].nunique()["other people"] == 8
    assert "zoo predicts a person" in said.sentence and "people predict it with" in said.sentence
    for spec in (drawn(said), kinds_of_readers(said)):
        assert spec.answer and figure(spec, "svg").lstrip().startswith(b"<?xml")
