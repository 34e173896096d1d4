"""Tiles above a figure: paired differences with a verdict, and the verdict as a sentence."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from analysis.answers.compare import derived, most_results, rank
from analysis.answers.tiles import Gain, Tile, tiles, verdict_first
from tests.analysis.conftest import build_score


def tile(model, value, low, high):
    return Tile(model, 0.3, 0.2, 0.4, 2, 0.5, "", Gain(value, low, high), None, 0.01, 0.0)


@pytest.mark.parametrize(
    ("ends", "words"),
    [((0.1, 0.3), "better than"), ((-0.3, -0.1), "worse than"), ((-0.1, 0.3), "cannot be told")],
)
def test_the_verdict_comes_first(ends, words):
    said = verdict_first([tile("glove", sum(ends) / 2, *ends)], "pereira2018")
    assert words in said and "glove" in said and "pereira2018" in said


def test_several_models_are_grouped_by_verdict():
    said = verdict_first(
        [tile("a", 0.2, 0.1, 0.3), tile("b", -0.2, -0.3, -0.1), tile("c", 0.2, 0.1, 0.3)], "r"
    )
    assert (
        said == "Against length and position alone: a and c predict r better; b predicts r worse."
    )
    unclear = [tile(name, 0.1, -0.1, 0.3) for name in "de"]
    said = verdict_first([tile("b", -0.2, -0.3, -0.1), *unclear], "r")
    assert (
        said
        == "Against length and position alone: b predicts r worse; for d and e it cannot be told."
    )
    said = verdict_first(unclear, "r")
    assert said == "Whether d and e predict r better than length and position alone cannot be told."
    assert verdict_first([], "r") == ""


def test_differences_are_paired_over_the_same_draws():
    score = build_score("m")
    draws = np.asarray(score.draws)
    controls = score.controls.head(1).assign(r=0.1)
    paired = dataclasses.replace(score, controls=controls.assign(control="position+length"),
                                 control_draws={"position+length": draws - 0.05})  # fmt: skip
    (found,) = tiles([paired])
    assert found.above_plain.value == pytest.approx(score.value - 0.1)
    if len(draws):  # a difference that is the same in every draw has an interval without width
        assert found.above_plain.low == pytest.approx(0.05) == found.above_plain.high
        assert found.above_plain.verdict == "yes"
    (without,) = tiles([dataclasses.replace(paired, control_draws={})])
    assert without.above_plain.verdict == "cannot tell"


def board(models, seed=0):
    rng = np.random.default_rng(seed)
    common = rng.normal(0, 0.02, 400)
    rows = [
        {"model": model, "recording": "one", "data_key": "k", "protocol": "defended", "protocol_key": "p", "source": "own",
         "family": model, "r": r, "r_low": r - 0.04, "r_high": r + 0.04, "normalised": r, "ceiling": 0.5, "layer": 1.0,
         "n_stimuli": 10, "simulated": False, "draws": r + common + rng.normal(0, noise, 400)}
        for model, r, noise in models
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_ranks_have_intervals_that_know_of_shared_people():
    apart = rank(board([("a", 0.5, 0.001), ("b", 0.4, 0.001), ("c", 0.3, 0.001)])).frame
    assert apart["rank_low"].tolist() == [1, 2, 3] == apart["rank_high"].tolist()
    near = rank(board([("a", 0.401, 0.05), ("b", 0.4, 0.05), ("c", 0.1, 0.05)])).frame
    assert near["rank_low"].tolist()[:2] == [1, 1] and near["rank_high"].tolist()[:2] == [2, 2]
    assert near["rank_low"].iloc[2] == 3


def test_seeds_and_checkpoints_stand_under_their_model():
    assert (
        derived("gpt2@untrained:init:3") == "gpt2"
        and derived("zoo-causal-400k-step80") == "zoo-causal-400k"
    )
    some = board([("a", 0.5, 0.01)])
    both = pd.concat(
        [
            some,
            some.assign(recording="two", data_key="l"),
            some.assign(model="b", recording="two", data_key="l"),
        ]
    )
    assert most_results(both.reset_index(drop=True)) == "two"
