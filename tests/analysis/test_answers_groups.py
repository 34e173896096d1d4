"""Scores per subject, region and target."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from analysis.answers.groups import grouped, groupings, targets
from analysis.protocol import preset
from analysis.significance import TargetTest, targets_test
from analysis.summary import per_target
from data.errors import BrainLensError
from data.recording import Recording

QUICK = preset("defended").but(folds=4, inner_folds=2, bootstrap=0, shuffled_twin=False, ceiling="none", controls=())


def _regions(score):
    names = np.array(["IFG", "MTG"] * (score.dataset.sizes["target"] // 2), object)
    return dataclasses.replace(score, dataset=score.dataset.assign_coords(region=("target", names)))


def test_a_group_is_the_mean_over_its_targets(make_score):
    score = make_score()
    frame = grouped([score], "subject").frame.set_index(["group", "layer"])
    by_hand = score.dataset.r.sel(layer=3).values[:, 2:4].mean()
    assert frame.loc[("s1", 3), "r"] == pytest.approx(by_hand, abs=1e-12)
    assert frame.loc[("s1", 3), "normalised"] == pytest.approx(by_hand / 0.5, abs=1e-12)
    assert frame.loc[("s1", 3), "r_low"] < by_hand < frame.loc[("s1", 3), "r_high"]
    assert frame.groupby("group")["chosen"].sum().tolist() == [1] * 4


def test_the_region_that_carries_the_plant_wins(make_score):
    score = _regions(make_score())
    score.dataset["r"][:, :, ::2] += 0.2
    answer = grouped([score], "region")
    at = answer.frame[answer.frame["chosen"]].set_index("group")["r"]
    assert at["IFG"] - at["MTG"] == pytest.approx(0.2, abs=0.01)
    assert "predicts region IFG best" in answer.sentence and "MTG least" in answer.sentence


def test_what_cannot_be_shown_says_why(make_score):
    assert groupings(make_score()) == {"subject": ("subject", ""), "region": ("", "its targets carry no region or network")}
    assert groupings(_regions(make_score()))["region"] == ("region", "")
    assert groupings(make_score(averaged=True))["subject"] == ("", "the responses are averaged over people")
    with pytest.raises(BrainLensError, match="carry no 'network'"):
        grouped([make_score()], "network")


def test_targets_above_chance_are_counted(make_score):
    score = make_score()
    p = np.array([0.001, 0.001, 0.001, 0.9, 0.9, 0.9, 0.9, np.nan])
    test = TargetTest(score.chosen_layer, np.zeros(8), p, 200, "200 exchanges")
    answer = targets([score], {"gpt2": test})
    assert answer.frame["significant"].tolist() == [True] * 3 + [False] * 5
    assert answer.frame["q"][0] == pytest.approx(0.001 * 7 / 3)
    assert "3 of 7 targets are above chance (q < 0.05)" in answer.sentence
    counts = answer.facts["histogram"]
    assert counts["targets"].sum() == 8 and counts["significant"].sum() == 3
    assert (counts["significant"] <= counts["targets"]).all()
    assert "not tested against chance yet" in targets([score]).sentence


def _planted(seed=0):
    rng = np.random.default_rng(seed)
    features, groups = rng.standard_normal((80, 3)), np.repeat(np.arange(20), 4)
    responses = rng.standard_normal((80, 20))
    responses[:, :10] += features @ rng.standard_normal((3, 10))
    coords = {"stimulus": np.arange(80), "target": [f"t{i}" for i in range(20)],
              "region": ("target", ["planted"] * 10 + ["noise"] * 10)}  # fmt: skip
    texts = [f"sentence {i}" for i in range(80)]
    stimuli = pd.DataFrame({"text": texts, "topic": groups}, index=pd.Index(range(80), name="stimulus"))
    array = xr.DataArray(responses, dims=("stimulus", "target"), coords=coords)
    return features, Recording("planted", array, stimuli, group="topic", simulated=True)


def test_planted_targets_are_found_and_noise_is_not():
    from analysis.statistics import fdr

    features, recording = _planted()
    test = targets_test(features, recording, QUICK, draws=99, layer=2)
    found = fdr(test.p).rejected
    assert found[:10].all() and found[10:].sum() <= 1
    assert test.layer == 2 and "whole groups" in test.rule


def test_the_null_holds_its_level():
    _, recording = _planted()
    noise = np.random.default_rng(3).standard_normal((80, 3))
    p = targets_test(noise, recording, QUICK, draws=99).p
    assert np.mean(p < 0.05) <= 0.2


def test_the_test_scores_as_the_score_does():
    from analysis.folded import fit_parts
    from analysis.mapping.splits import make_folds
    from analysis.progress import SILENT

    features, recording = _planted()
    fit = fit_parts(features, recording, QUICK, make_folds(recording, QUICK), SILENT)
    expected = per_target(fit.r.values, fit.part.values)
    assert targets_test(features, recording, QUICK, draws=3).r == pytest.approx(expected, abs=1e-9)
