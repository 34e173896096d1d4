"""Scores person by person, and the way back from people to a model's units, on planted truths."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from analysis.answers.each_person import (
    each_person,
    each_person_by_region,
    each_person_over_time,
)
from analysis.answers.reverse import BACK, BETWEEN, FORWARD, reverse
from analysis.ceiling.result import Ceiling
from analysis.features.activations import extract
from analysis.models import load
from analysis.protocol import Protocol, preset
from analysis.scoring import lags
from analysis.scoring.in_time import followed
from analysis.scoring.verb import score
from dashboards.figures import people as figures
from dashboards.figures.export import figure
from data.catalog.catalog import recording
from data.errors import BrainLensError
from data.recording import Recording
from tests.analysis.test_time_course import course


@pytest.fixture(scope="module")
def scored():
    quick = preset("defended").but(folds=3, inner_folds=2, bootstrap=20, shuffled_twin=False, controls=("position",), seeds=1,
                                   criterion="gcv", layer="last", unique=False, ceiling="none")  # fmt: skip
    made = score("zoo-causal-200k", "simulated", quick)
    count = len(made.dataset.target)
    bounds = {
        "valid": True,
        "flag": "",
        "per_target": np.linspace(0.3, 0.6, count),
        "low": 0.3,
        "high": 0.6,
    }
    lower = Ceiling(
        "leave-one-out", 0.1, holds_for="nothing", **{**bounds, "per_target": np.full(count, 0.1)}
    )
    return dataclasses.replace(made, ceiling=Ceiling("pools", 0.45, lower_bound=lower, **bounds))


def test_each_person_is_the_mean_over_his_or_her_targets(scored):
    table = scored.per_person()
    by_hand = scored.per_target().groupby("subject", sort=False)["r"].mean()
    assert list(table["person"]) == list(by_hand.index)
    np.testing.assert_allclose(table["r"], by_hand)
    ceiling = scored.per_target().groupby("subject", sort=False)["ceiling"].mean()
    np.testing.assert_allclose(table["ceiling"], ceiling)
    np.testing.assert_allclose(table["others"], 0.1)
    assert table["r"].mean() == pytest.approx(scored.value)
    assert table["n_targets"].sum() == len(scored.dataset.target)


def test_the_answer_has_a_dot_for_each_person_and_is_drawn(scored):
    said = each_person([scored])
    models = said.frame[said.frame["kind"] == "model"]
    assert (
        set(said.frame["kind"]) == {"model", "people", "ceiling"}
        and "of them better than other people do" in said.sentence
    )
    assert len(models) == len(scored.per_person()) and said.sentence.startswith(
        "zoo-causal-200k predicts "
    )
    row = said.facts["summary"].set_index("predictor").loc["zoo-causal-200k"]
    assert row["low"] <= row["r"] <= row["high"] and row["r"] == pytest.approx(scored.value)
    assert figure(figures.each_person(said), "svg").lstrip().startswith(b"<?xml")


def test_each_person_has_a_dot_in_each_region(scored):
    count = len(scored.dataset.target)
    labels, r = np.where(np.arange(count) % 2, "left", "right"), np.linspace(-0.2, 0.6, count)
    said = each_person_by_region({scored.model: r}, [scored], labels)
    whose = scored.dataset["subject"].values.astype(str)
    for row in said.frame.itertuples():
        mine = (labels == row.region) & (whose == row.person)
        assert row.r == pytest.approx(r[mine].mean()) and row.n_targets == mine.sum()
        assert row.others == pytest.approx(0.1)
    for row in said.facts["summary"].itertuples():
        own = said.frame[said.frame["region"] == row.region]["r"]
        assert row.r == pytest.approx(own.mean()) and row.low <= row.r <= row.high
        assert (row.above, row.n) == ((own > 0).sum(), len(own))
    assert "people above 0" in said.sentence and "in left" in said.sentence
    between = said.facts["others_summary"].set_index("region")
    assert set(between["model"]) == {"other people"} and between["r"].to_numpy() == pytest.approx(
        0.1
    )
    drawn = figures.each_person_by_region(said)
    assert all("other people" in set(mark.frame["model"]) for mark in drawn.marks)
    assert "Other people: what the mean of the others predicts" in said.caption
    assert figure(figures.each_person_by_region(said), "svg").lstrip().startswith(b"<?xml")


def test_a_persons_lag_is_chosen_on_the_others():
    """One person whose own curve peaks late by chance is read where the others peak."""
    told = course(people=6)
    told["r"].loc[{"curve": "told", "lag": 6.0}][:, [0, 6]] = 0.8
    said = each_person_over_time([told])
    table = said.facts["people"].set_index("person")
    assert table.loc["s0", "own_peak"] == 6 and table.loc["s0", "lag"] == 2
    r = told["r"].sel(curve="told", lag=2.0).values  # folds x series; everybody has two series
    assert table.loc["s0", "r"] == pytest.approx(r[:, [0, 6]].mean())
    assert table.loc["s3", "r"] == pytest.approx(r[:, [3, 9]].mean())
    mean = said.facts["mean"].set_index("lag")
    whole = told["r"].sel(curve="told").values
    assert mean.loc[2.0, "r"] == pytest.approx(whole[list(told["lag"].values).index(2.0)].mean())
    assert (mean["low"] <= mean["r"]).all() and (mean["r"] <= mean["high"]).all()
    assert "6 of 6 people above 0" in said.sentence and "not chosen on the person" in said.caption
    assert figure(figures.each_person_over_time(said), "svg").lstrip().startswith(b"<?xml")
    assert said.facts["others_mean"] is None and len(figures.each_person_over_time(said).rules) == 1
    names = [f"s{k}" for k in range(6)]
    known = told.assign(others=("person", np.linspace(0.2, 0.4, 6))).assign_coords(person=names)
    beside = each_person_over_time([known])
    value, low, high = beside.facts["others_mean"]
    assert value == pytest.approx(0.3) and 0.2 < low < value < high < 0.4
    assert "other people predict a person with r = .30" in beside.sentence
    rule = figures.each_person_over_time(beside).rules[1]
    assert (rule.value, rule.label) == (value, "other people 0.30")
    two = each_person_over_time([told, course(seed=1, model="other")])
    assert figures.each_person_over_time(two).facet == "model"


def test_what_other_people_predict_goes_with_the_curve_over_lags(scored):
    others = lags._others(scored)
    assert set(others.index) == set(scored.dataset["subject"].values.astype(str))
    np.testing.assert_allclose(others, 0.1)
    alone = dataclasses.replace(
        scored, ceiling=dataclasses.replace(scored.ceiling, lower_bound=None)
    )
    assert lags._others(alone) is None


def test_averages_and_one_person_have_no_dots(scored):
    assert each_person_over_time([course(people=1)]) is None
    about = {**scored.provenance, "recording": {**scored.provenance["recording"], "averaged": True}}
    alone = dataclasses.replace(scored, provenance=about)
    count = len(scored.dataset.target)
    assert (
        each_person_by_region({scored.model: np.zeros(count)}, [alone], np.full(count, "a")) is None
    )


def brains(people=4, words=240, targets=5, noise=1.0, seed=0):
    """Everybody's targets are mixtures of the model's own units and noise."""
    from analysis.answers.similarity import layers_of

    made = recording("simulated")
    stimuli = made.stimuli.iloc[:words]
    base = Recording("planted", xr.DataArray(np.zeros((words, 1)), dims=("stimulus", "target"),
                                             coords={"stimulus": stimuli.index.to_numpy(), "target": ["t"]}), stimuli,
                     context=made.context, group=made.group)  # fmt: skip
    layers, _ = layers_of("zoo-causal-200k", base, Protocol())
    units = layers[-1]
    rng = np.random.default_rng(seed)
    signal = (units - units.mean(axis=0)) / (units.std(axis=0) + 1e-9)
    y = np.column_stack(
        [
            signal @ rng.normal(size=(signal.shape[1], targets)) / np.sqrt(signal.shape[1])
            for _ in range(people)
        ]
    )
    y = y + noise * rng.normal(size=y.shape)
    names = [f"p{p}.{t}" for p in range(people) for t in range(targets)]
    who = np.repeat([f"p{p}" for p in range(people)], targets)
    coords = {"stimulus": stimuli.index.to_numpy(), "target": names, "subject": ("target", who)}
    return Recording("planted", xr.DataArray(y, dims=("stimulus", "target"), coords=coords), stimuli, context=made.context,
                     group=made.group)  # fmt: skip


def test_people_who_share_a_models_units_predict_it_and_each_other():
    said = reverse(["zoo-causal-200k"], brains())
    mean = said.facts["summary"].set_index(["direction", "layer"])["r"]
    last = said.facts["together"]["layer"].max()
    assert mean[FORWARD, last] > 0.25 and mean[BACK, last] > 0.1 and mean[BETWEEN, -1] > 0.1
    together = said.facts["together"].set_index("layer")["r"]
    assert together[last] > mean[BACK, last] + 0.03  # all people know more than one
    assert "one person predicts another with" in said.sentence
    assert figure(figures.reverse(said), "svg").lstrip().startswith(b"<?xml")
    empty = brains(noise=1e4)
    none = reverse(["zoo-causal-200k"], empty).facts["summary"]
    assert none["r"].abs().max() < 0.12


def test_the_way_back_needs_people():
    with pytest.raises(BrainLensError, match="needs two people or more"):
        reverse(["zoo-causal-200k"], brains(people=1))
    averaged = recording("simulated").stimuli
    assert len(averaged) and each_person([]) is None


def test_samples_of_a_story_follow_the_words_as_in_a_score():
    """The rows of a story are moments: the model reads its words, and its units stand where the signal follows them."""
    from analysis.answers.similarity import layers_of

    story, protocol = recording("simulated-story"), Protocol()
    (*_, last), numbers = layers_of("zoo-causal-200k", story, protocol)
    read = extract(load("zoo-causal-200k"), story.reading(), protocol, numbers)
    np.testing.assert_array_equal(last, followed(read.layer(numbers[-1]), story, protocol))
    assert last.shape == (story.n_stimuli, read.layer(numbers[-1]).shape[1] * len(protocol.delays))
    two = dataclasses.replace(story, responses=story.responses[:, :12])  # of two people
    said = reverse(["zoo-causal-200k"], two)
    assert "Features follow the signal (hrf = fir at 1, 2, 3, 4)" in said.caption
    mean = said.facts["summary"].groupby("direction")["r"].max()
    assert (
        mean[FORWARD] > 0.3 and mean[BACK] > 0.1
    )  # .42 and .18; next to nothing where features come without delay


def test_people_of_different_lists_are_taken_by_what_they_met():
    """Each met a third of the stimuli, the first and the last person the same third."""
    made = brains()
    values, list_of = made.responses.values.copy(), np.arange(made.n_stimuli) % 3
    for person in range(4):
        values[np.ix_(list_of != person % 3, np.arange(5) + 5 * person)] = np.nan
    lists = dataclasses.replace(made, responses=made.responses.copy(data=values))
    said = reverse(["zoo-causal-200k"], lists)
    frame = said.frame
    assert set(frame.loc[frame["direction"] == BACK, "person"]) == {"p0", "p1", "p2", "p3"}
    assert set(frame.loc[frame["direction"] == BETWEEN, "person"]) == {"p0", "p3"}
    assert "not from all people at once" in said.sentence and "not defined" not in said.sentence


def test_persons_with_holes_are_taken_where_they_are():
    made = brains()
    values = made.responses.values.copy()
    values[:60, :5] = np.nan  # the first person missed a quarter
    holed = dataclasses.replace(made, responses=made.responses.copy(data=values))
    said = reverse(["zoo-causal-200k"], holed)
    assert (
        said.frame[said.frame["direction"] == BETWEEN]["person"].nunique() == 4
        and pd.notna(said.frame["r"]).all()
    )
