"""Scores per subject, region and target."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from analysis.answers.groups import grouped, groupings, targets
from analysis.protocol import preset
from analysis.scoring.significance import TargetTest, targets_test
from analysis.scoring.summary import per_target
from data.errors import BrainLensError
from data.recording import Recording

QUICK = preset("defended").but(
    folds=4, inner_folds=2, bootstrap=0, shuffled_twin=False, ceiling="none", controls=()
)


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


def test_a_group_of_unlike_targets_has_the_mean_of_its_levels_ceilings(make_score):
    """Half of the targets .6, half noise: the ratio of means is .42, and the mean .3."""
    from analysis.answers.groups import _pooled_ceiling

    rng, n = np.random.default_rng(0), 96
    c = np.where(np.arange(n) % 2 == 0, 0.6, 0.0)
    reach = np.where(c > 0, 0.8, 0.0)
    pairs = np.stack([c * reach, c * reach, reach**2])[:, None] + 0.02 * rng.standard_normal(
        (3, 10, n)
    )
    bound = make_score().ceiling
    details = {
        "pools": (("pair", "pool_fold", "target"), pairs),
        "pools_rank": (("pool_fold", "target"), np.tile(c.argsort().argsort() / n, (10, 1))),
        "pools_part": (("pool_fold",), np.repeat("", 10)),
        "pools_seed": (("pool_fold",), np.zeros(10, int)),
    }
    bound = dataclasses.replace(bound, details=details)
    value, relative = _pooled_ceiling(bound, np.ones(n, bool), None, preset("defended"))
    assert value == pytest.approx(0.3, abs=0.02) and 0 < relative < 0.1
    alike = _pooled_ceiling(bound, c > 0, None, preset("defended"))[0]
    assert alike == pytest.approx(0.6, abs=0.01)


def test_bands_of_few_folds_cover_what_they_say():
    from scipy import stats

    from analysis.answers.groups import half_widths

    rng, protocol = np.random.default_rng(0), preset("defended")
    r = rng.normal(0, 0.05, (2000, 4, 3))  # as many layers as a simulation has runs
    width, wider = half_widths(r, np.repeat("", 4), None, protocol), np.sqrt(1 + 4 / 3)
    assert np.mean(np.abs(r.mean(axis=(1, 2))) <= width / wider) == pytest.approx(0.95, abs=0.015)
    low, high = stats.t.interval(0.95, 3, loc=0, scale=stats.sem(r[0].mean(axis=1)))
    assert width[0] == pytest.approx(wider * (high - low) / 2)
    parts = np.array(["a"] * 3 + ["b"] * 5)  # two experiments with noise of their own
    r = rng.normal(0, np.where(parts == "a", 0.05, 0.1)[:, None], (2000, 8, 1))
    means = np.mean([r[:, parts == part].mean(axis=(1, 2)) for part in "ab"], axis=0)
    assert np.mean(np.abs(means) <= half_widths(r, parts, None, protocol)) > 0.95
    twice = np.concatenate([r, r], axis=1)  # fold seeds are no replications
    assert half_widths(
        twice, np.tile(parts, 2), None, protocol, np.repeat([0, 1], len(parts))
    ) == pytest.approx(half_widths(r, parts, None, protocol))
    r[:, parts == "b"] = np.nan  # a person of one experiment
    assert half_widths(r, parts, None, protocol) == pytest.approx(
        half_widths(r[:, :3], parts[:3], None, protocol)
    )
    assert np.isnan(half_widths(r[:, :1], parts[:1], None, protocol)).all()


def test_a_share_of_the_ceiling_has_its_band(make_score):
    answer = grouped([make_score()], "subject")
    frame = answer.frame
    for end in ("low", "high"):
        assert np.allclose(frame[f"normalised_{end}"], frame[f"r_{end}"] / 0.5, rtol=1e-6)
    assert "Student's t over 4 held-out folds" in answer.caption


def test_the_region_that_carries_the_plant_wins(make_score):
    score = _regions(make_score())
    score.dataset["r"][:, :, ::2] += 0.2
    answer = grouped([score], "region")
    at = answer.frame[answer.frame["chosen"]].set_index("group")["r"]
    assert at["IFG"] - at["MTG"] == pytest.approx(0.2, abs=0.01)
    assert "predicts region IFG best" in answer.sentence and "MTG least" in answer.sentence


def test_what_cannot_be_shown_says_why(make_score):
    assert groupings(make_score()) == {
        "subject": ("subject", ""),
        "region": ("", "its targets carry no region or network"),
    }
    assert groupings(_regions(make_score()))["region"] == ("region", "")
    assert groupings(make_score(averaged=True))["subject"] == (
        "",
        "the responses are averaged over people",
    )
    with pytest.raises(BrainLensError, match="carry no 'network'"):
        grouped([make_score()], "network")


def test_targets_above_chance_are_counted(make_score):
    score = make_score()
    p = np.array([0.001, 0.001, 0.001, 0.9, 0.9, 0.9, 0.9, np.nan])
    test = TargetTest(np.zeros(8), p, 200, "200 exchanges")
    answer = targets([score], {"gpt2": test})
    assert answer.frame["significant"].tolist() == [True] * 3 + [False] * 5
    assert answer.frame["q"][0] == pytest.approx(0.001 * 7 / 3)
    assert "3 of 7 targets are above chance (q < 0.05)" in answer.sentence
    counts = answer.facts["histogram"]
    assert counts["targets"].sum() == 8 and counts["significant"].sum() == 3
    assert (counts["significant"] <= counts["targets"]).all()
    assert "not tested against chance yet" in targets([score]).sentence


def test_the_smallest_share_that_can_be_found_is_said(make_score):
    score = make_score()
    p = np.full(8, 0.5)

    def caption(draws, orders=np.inf, targets_=8):
        return targets([score], {"gpt2": TargetTest(np.zeros(8), np.where(np.arange(8) < targets_, p, np.nan), draws, "moved",
                                                    orders)}).caption  # fmt: skip

    assert (
        "With 49 draws p cannot be below .02: fewer than 4 targets (50 % of 8) cannot be told from chance."
        in caption(49)
    )
    assert "With 999 draws p cannot be below .001, small enough for a single target." in caption(
        999
    )
    assert "With 9 draws p cannot be below .1, too much for any number of the 8 targets" in caption(
        9
    )
    assert "With 999 draws of 2 orders p cannot be below .5, too much" in caption(999, 2.0)
    assert "fewer than 2 targets (50 % of 4)" in caption(
        49, targets_=4
    )  # untested ones do not count
    # the smallest number is the one that passes
    from analysis.statistics import fdr

    for k, passes in ((3, False), (4, True)):
        assert fdr(np.repeat([0.02, 0.9], [k, 8 - k])).rejected.any() == passes


def _planted(seed=0):
    rng = np.random.default_rng(seed)
    features, groups = rng.standard_normal((80, 3)), np.repeat(np.arange(20), 4)
    responses = rng.standard_normal((80, 20))
    responses[:, :10] += features @ rng.standard_normal((3, 10))
    coords = {"stimulus": np.arange(80), "target": [f"t{i}" for i in range(20)],
              "region": ("target", ["planted"] * 10 + ["noise"] * 10)}  # fmt: skip
    texts = [f"sentence {i}" for i in range(80)]
    stimuli = pd.DataFrame(
        {"text": texts, "topic": groups}, index=pd.Index(range(80), name="stimulus")
    )
    array = xr.DataArray(responses, dims=("stimulus", "target"), coords=coords)
    return features, Recording("planted", array, stimuli, group="topic", simulated=True)


def test_planted_targets_are_found_and_noise_is_not():
    from analysis.statistics import fdr

    features, recording = _planted()
    test = targets_test(features, recording, QUICK, draws=99)
    found = fdr(test.p).rejected
    assert found[:10].all() and found[10:].sum() <= 1
    assert test.layers == 1 and "whole groups" in test.rule


def test_the_null_holds_its_level():
    _, recording = _planted()
    noise = np.random.default_rng(3).standard_normal((80, 3))
    p = targets_test(noise, recording, QUICK, draws=99).p
    assert np.mean(p < 0.05) <= 0.2


def test_the_layer_is_chosen_anew_in_each_draw():
    """Twelve layers of noise: the layer chosen on the data as they are would be above chance far too often."""
    p, fixed = [], []
    for seed in range(6):
        rng = np.random.default_rng(100 + seed)
        _, recording = _planted(seed)
        noise = xr.DataArray(rng.standard_normal((80, 6)), dims=("stimulus", "target"),
                             coords={"stimulus": np.arange(80), "target": range(6)})  # fmt: skip
        mean = noise.mean("target").expand_dims(target=["mean"], axis=1)
        one = dataclasses.replace(recording, responses=mean, averaged=True)
        layers = [rng.standard_normal((80, 3)) for _ in range(12)]
        quick = QUICK.but(criterion="gcv")
        p.append(targets_test(layers, one, quick, draws=39).p[0])
        best = max(layers, key=lambda x: targets_test(x, one, quick, draws=1).r[0])
        fixed.append(targets_test(best, one, quick, draws=39).p[0])
    assert np.mean(np.array(p) <= 0.05) <= 0.34 and np.mean(p) > 0.3  # 6 draws of a uniform p
    assert np.mean(fixed) < 0.2  # what was shown before


def _stories(lengths, n_targets, planted=0, seed=0):
    """Stories with noise that changes slowly, in features and responses."""
    rng = np.random.default_rng(seed)

    def slow(columns):
        out = np.empty((sum(lengths), columns))
        for start, length in zip(np.cumsum([0, *lengths[:-1]]), lengths, strict=True):
            out[start : start + length] = rng.standard_normal((length, columns))
            for row in range(start + 1, start + length):
                out[row] += 0.5 * out[row - 1]
        return out

    features, responses = slow(4), slow(n_targets)
    responses[:, :planted] += features @ rng.standard_normal((4, planted))
    array = xr.DataArray(
        responses,
        dims=("stimulus", "target"),
        coords={
            "stimulus": np.arange(len(responses)),
            "target": [f"t{i}" for i in range(n_targets)],
        },
    )
    stimuli = pd.DataFrame({"text": [f"chunk {i}" for i in range(len(responses))],
                            "story": np.repeat(np.arange(len(lengths)), lengths)},
                           index=pd.Index(range(len(responses)), name="stimulus"))  # fmt: skip
    return features, Recording("stories", array, stimuli, group="story", simulated=True)


STORIES = (18, 18, 15, 21, 24, 13, 20, 17)


def test_stories_of_which_two_are_equally_long_are_rotated():
    features, recording = _stories(STORIES, 12, planted=6)
    test = targets_test(features, recording, QUICK, draws=99)
    assert (
        "99 circular shifts inside 8 groups, because exchanging whole groups of equal length gives 2 orders only"
        in test.rule
    )
    assert (test.p[:6] == 0.01).all() and test.floor == 0.01


def test_rotations_hold_their_level():
    p = []
    for seed in range(4):
        _, recording = _stories(STORIES, 40, seed=seed)
        noise, _ = _stories(STORIES, 1, seed=100 + seed)
        p.append(targets_test(noise, recording, QUICK, draws=39).p)
    p = np.concatenate(p)
    assert 0.4 < p.mean() < 0.6 and np.mean(p <= 0.05) < 0.1 and np.mean(p <= 0.5) < 0.62


def test_what_moves_is_chosen_by_what_it_can_show():
    from analysis.scoring.significance import _moved

    def rule(lengths, draws=200):
        groups = np.repeat(np.arange(len(lengths)).astype(str), lengths)
        moved = _moved(groups, np.zeros(len(groups), int), draws, 0)
        distinct = len({tuple(row) for row in moved.rows})
        assert distinct <= moved.orders and distinct > min(20, moved.orders / 3)
        return moved.rule

    assert "exchanges of 10 whole groups" in rule([4] * 10)
    assert "because no two groups are equally long" in rule([9, 10, 11, 12])
    assert "only 31 % of the stimuli lie in groups that can be exchanged" in rule([3] * 6 + [39, 1])
    assert "4 whole groups" in rule([1] * 4)  # 24 orders, but there is nothing to rotate
    with pytest.raises(BrainLensError, match="nothing can be rotated"):
        rule([1])


def test_the_test_scores_as_the_score_does():
    from analysis.mapping.splits import make_folds
    from analysis.progress import SILENT
    from analysis.scoring.folds import fit_parts

    features, recording = _planted()
    fit = fit_parts(features, recording, QUICK, make_folds(recording, QUICK), SILENT)
    expected = per_target(fit.r.values, fit.part.values)
    assert targets_test(features, recording, QUICK, draws=3).r == pytest.approx(expected, abs=1e-9)
