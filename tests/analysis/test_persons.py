"""Persons one by one, against the published halves and planted truths."""

import numpy as np
import pandas as pd
import pytest

from analysis.ceiling.persons import (
    columns_r,
    halves,
    pairwise_r,
    persons,
    profiles,
    wide,
)
from data.errors import BrainLensError


def planted(n_items=200, n_persons=12, noise=1.0, seed=0):
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=n_items)
    values = shared[:, None] + noise * rng.normal(size=(n_items, n_persons))
    values[rng.random(values.shape) < 0.1] = np.nan
    return shared, pd.DataFrame(values, columns=[f"p{i}" for i in range(n_persons)])


def test_halves_find_the_planted_reliability():
    found = [halves(planted(seed=s)[1]).reliability for s in range(10)]
    assert np.mean(found) == pytest.approx(1 / (1 + 1 / (12 * 0.9)), abs=0.02)
    of_persons = halves(planted()[1] + np.arange(12) * 3.0, "items")
    assert of_persons.r > 0.95 and of_persons.low <= of_persons.r <= of_persons.high


def test_each_person_is_predicted_on_held_out_items():
    shared, responses = planted(seed=3)
    responses["p11"] = responses["p0"] + 0.1 * np.random.default_rng(1).normal(
        size=len(responses)
    )  # a twin
    models = {
        "good": pd.Series(-shared),
        "noise": pd.Series(np.random.default_rng(2).normal(size=len(shared))),
    }
    frame = persons(responses, models, np.arange(len(shared)) // 4)
    mean = frame.groupby("predictor")["r"].mean()
    assert mean["good"] == pytest.approx(np.sqrt(0.5), abs=0.06)  # the sign is learned
    assert abs(mean["noise"]) < 0.12 and 0.6 < mean["other people"] < mean["good"] + 0.05
    twin = frame[(frame["person"] == "p0") & (frame["predictor"] == "best other person")].iloc[0]
    assert twin["chosen"] == "p11" and twin["r"] > 0.97
    assert list(profiles(frame).columns[:2]) == ["good", "noise"] and len(profiles(frame)) == 12


def test_all_pairs_at_once_are_each_pair_alone():
    rng = np.random.default_rng(3)
    values = rng.standard_normal((30, 9)) + 400
    values[rng.random(values.shape) < 0.4] = np.nan
    values[:, 4], values[:27, 5] = 7.0, np.nan
    found = pairwise_r(values)
    for j in range(9):
        alone = columns_r(values, values[:, j], list(range(9)))
        np.testing.assert_allclose(found[j], alone, atol=1e-9)
    assert np.isnan(found[4]).all()


def test_too_few_are_refused():
    with pytest.raises(BrainLensError, match="1 persons and 5 items are too few"):
        halves(np.ones((5, 1)))
    with pytest.raises(BrainLensError, match="Unknown split"):
        halves(np.ones((5, 4)), by="people")
    with pytest.raises(BrainLensError, match="2 persons and 3 groups"):
        persons(pd.DataFrame(np.ones((3, 2))), {}, range(3))
    with pytest.raises(BrainLensError, match="column of the table"):
        wide(pd.DataFrame({"person": [1]}), "rt")


@pytest.mark.realdata
@pytest.mark.parametrize("name, item, r, reliability", [
    ("nieuwland2018", "item_noun", 0.68, 0.81),
    ("ucl-eeg", "stimulus", 0.33, 0.49),
    ("ucl-eyetracking-people", "stimulus", 0.84, 0.91),  # with the zeros of skipped words
    ("brothers2021", "stimulus", 0.49, 0.66),
])  # fmt: skip
def test_published_halves_of_the_people(mirror, name, item, r, reliability):
    from data.readers.trials import trials

    table = trials(name)
    found = halves(wide(table, table.attrs["response"], item=item))
    assert found.r == pytest.approx(r, abs=0.015) and found.reliability == pytest.approx(
        reliability, abs=0.015
    )


@pytest.mark.realdata
def test_skipped_words_make_half_of_the_reliability_of_first_pass_times(mirror):
    from data.catalog.catalog import recording

    assert halves(recording("ucl-eyetracking-people").responses.values).r == pytest.approx(
        0.65, abs=0.01
    )


@pytest.mark.realdata
@pytest.mark.parametrize("name, item", [
    ("nieuwland2018", "item_noun"), ("ucl-eeg", "stimulus"), ("ucl-eyetracking-people", "stimulus"),
    ("naturalstories-maze", "stimulus"), ("brothers2021", "stimulus"), ("sap2024-agreement", "stimulus"),
])  # fmt: skip
def test_the_card_tells_the_halves_that_are_measured(mirror, name, item):
    import re

    from data.catalog.entries import all_entries
    from data.readers.trials import trials

    traps = all_entries()[name].traps
    told = next(one for one in traps if one.startswith("halves of the people"))
    assert any(one.startswith("doctor: ") for one in traps)
    table = trials(name)
    response = table.attrs["response"]
    responses = wide(table[table[response] != 0], response, item=item)
    people, items = halves(responses, splits=40), halves(responses, "items", splits=40)
    measured = (people.r, people.reliability, items.r, items.reliability)
    numbers = [float(one) for one in re.findall(r"1\.00|\.\d\d", told)]
    assert numbers == pytest.approx(measured, abs=0.03)


@pytest.mark.realdata
def test_the_cards_of_choices_and_of_a_story_tell_them_too(mirror):
    from analysis.answers.word_times import word_times
    from data.catalog.catalog import recording
    from data.catalog.entries import all_entries
    from data.readers.trials import choices

    ratings = wide(choices(), "rating", item="pair")
    people, pairs = halves(ratings), halves(ratings, "items")
    measured = (people.r, people.reliability, pairs.r, pairs.reliability)
    assert measured == pytest.approx((0.97, 0.98, 0.16, 0.27), abs=0.006)
    told = " ".join(all_entries()["contstim2022"].traps)
    assert "r = .97 (stepped up .98)" in told and ".16 (.27)" in told and "doctor: " in told
    story = recording("alice2016")
    values, regions = story.responses.values, story.responses["region"].values
    found = {one: halves(values[:, regions == one], splits=40) for one in np.unique(regions)}
    least, most = (pick(found, key=lambda one: found[one].r) for pick in (min, max))
    assert (least, most) == ("LIFG", "LPTL")
    assert [found[one].r for one in (least, most)] == pytest.approx([0.37, 0.69], abs=0.02)
    told = " ".join(all_entries()["alice2016"].traps)
    assert ".37 (LIFG) to .69 (LPTL)" in told
    said = word_times(story)
    assert said.facts["verdict"] == "right" and said.facts["peak"] == 0
    assert said.frame["r"].max() == pytest.approx(0.47, abs=0.005) and "r = .47 at 0 s" in told
