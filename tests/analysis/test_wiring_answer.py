"""The surface of updates and trained weights: planted curves come out, and the sentence says what holds and what does not."""

from __future__ import annotations

import re

import numpy as np
import pytest

from analysis import preset
from analysis.answers.outcomes import Outcome
from analysis.answers.wiring import ANCHORS, SETS, UPDATES, Course, course, price, run_names, wiring
from analysis.models import load
from data.errors import BrainLensError

SHORT = preset("defended").but(folds=3, inner_folds=2, bootstrap=50)
WEIGHTS = {
    "all": 1000,
    "embeddings": 400,
    "norms": 2,
    "attention": 200,
    "down": 150,
    "last-1": 100,
    "rank-8": 50,
}


def planted(reach, births=None, seeds=3, r=0.4, ends=(0.398, 0.402)):
    """``reach(part, updates)`` is the share of the finished model's r."""
    rng, total = np.random.default_rng(0), 1000
    made = [
        Course(
            "m",
            "",
            "",
            0,
            total,
            total,
            3200,
            ((3200, Outcome("m", r=r, r_low=ends[0], r_high=ends[1])),),
        )
    ]
    for birth, share in (births or {"init": 0.3, "mixture": 0.6}).items():
        for s in range(seeds):
            done = ((0, Outcome("b", r=r * (share + 0.01 * rng.normal()))),)
            made.append(Course("m", birth, "", s, 0, total, 3200, done))
    for part in SETS:
        for s in range(seeds):
            done = tuple(
                (n, Outcome("w", r=r * (reach(part, n) + 0.01 * rng.normal()), bits_per_byte=3.0))
                for n in UPDATES[:6]
            )
            made.append(Course("m", "init", part, s, WEIGHTS[part], total, 3200, done))
    return made


def test_a_course_is_named_so_that_it_loads():
    names = run_names("zoo-causal-200k", "mixture", "norms", 1, (0, 16))
    assert names == {
        0: "zoo-causal-200k@untrained:mixture:1",
        16: "zoo-causal-200k@untrained:mixture:1@wire:norms:16:1",
    }
    assert [load(name).id for name in names.values()] == list(names.values())
    assert run_names("m", "init", "all", 2, (64,)) == {64: "m@wire:all:64:2"}


def test_planted_curves_come_out_and_hold_as_in_vision():
    def reach(part, n):
        return 0.3 + (0.6 if part in ("all", "down") else 0.1) * min(
            1, np.log2(1 + n) / np.log2(65)
        )

    answer = wiring(planted(reach))
    two = answer.frame[(answer.frame["part"] == "all") & (answer.frame["updates"] == 64)].iloc[0]
    assert (
        two["updates_percent"] == 2
        and two["share"] == pytest.approx(0.9, abs=0.02)
        and two["seeds"] == 3
    )
    said = r"2 % of the updates of all weights reach (89|90|91) % \[8\d, 9\d\] \(vision: 80 %\): that holds .* \(3 seeds\)"
    assert re.search(said, answer.sentence)
    assert re.search(r"at birth by weight compression (59|60|61) %", answer.sentence)
    best = answer.facts["enough"][0.8]
    assert best["part"] == "down" and best["weights_percent"] == 15
    iso = answer.facts["iso"]
    at = iso[(iso["level"] == 0.8) & (iso["part"] == "all")]["updates_percent"].iloc[0]
    exact = 100 * (2 ** (5 / 6 * np.log2(65)) - 1) / 3200
    assert at == pytest.approx(exact, rel=0.25)
    assert not (iso[iso["level"] == 0.9]["part"] == "norms").any()
    assert len(ANCHORS) == 3
    alone = [one for one in planted(reach) if one.part in ("", "all")]
    assert "% of the updates of 100 % of the weights (all)" in wiring(alone).sentence


@pytest.mark.parametrize(
    ("small", "says"),
    [
        (0.6, r"ends highest, at (59|60|61) % \[.*\] from (29|30|31) % \[.*\] untrained: more than at birth \(vision"),
        (0.3, r"from (29|30|31) % \[.*\] untrained: not shown to be more than at birth"),
        (0.1, r"from (29|30|31) % \[.*\] untrained: less than at birth"),
    ],
)  # fmt: skip
def test_small_parts_are_held_against_their_birth(small, says):
    said = wiring(planted(lambda part, n: 0.5 if part == "all" else small)).sentence
    assert re.search(says, said), said


def test_it_says_so_where_language_is_not_like_vision():
    answer = wiring(planted(lambda part, n: 0.3 + 0.1 * (n >= 640)))
    assert (
        "not so for language here" in answer.sentence
        and "no run's mean reaches 80 % of r" in answer.sentence
    )
    assert 0.8 not in answer.facts["enough"]


def shares_at_two_percent(*shares):
    """Runs of all weights with these shares after 2 % of the updates, one for each seed."""
    whole, *others = planted(lambda part, n: 0.3, seeds=len(shares))
    done = [((64, Outcome("w", r=0.4 * share)),) for share in shares]
    return [whole, *(one for one in others if not one.part)] + [
        Course("m", "init", "all", seed, 1000, 1000, 3200, one) for seed, one in enumerate(done)
    ]


@pytest.mark.parametrize(
    ("shares", "says"),
    [
        ((0.90, 0.92, 0.88, 0.91), "that holds for language here (4 seeds)"),
        ((0.50, 0.52, 0.48), "not so for language here (3 seeds)"),
        ((0.78, 0.95, 0.70), "3 seeds leave open whether that holds for language here"),
        ((0.95, 0.70, 0.76), "80 % of r takes 2 % of the updates of 100 % of the weights (all), from library initialisation "
         "(80 % [48, 113]: its interval reaches below)"),
        ((0.54, 1.09), "2 seeds cannot say whether that holds for language here"),
        ((0.95, 0.951), "2 seeds cannot say whether that holds for language here"),
        ((0.95,), "reach 95 % (vision: 80 %): 1 seed cannot say whether that holds for language here"),
    ],
)  # fmt: skip
def test_a_claim_is_no_stronger_than_its_seeds(shares, says):
    said = wiring(shares_at_two_percent(*shares)).sentence
    assert says in said, said
    assert ("that holds for language here (" in said) == says.startswith("that holds"), said


def test_a_finished_model_that_is_not_well_known_widens_its_shares():
    """Shares of .9 of an r of .40 [.32, .48]: .18 on both sides, whatever the seeds say."""
    sure = wiring(planted(lambda part, n: 0.9))
    assert "that holds for language here" in sure.sentence
    wide = wiring(planted(lambda part, n: 0.9, ends=(0.32, 0.48)))
    assert "3 seeds leave open whether that holds for language here" in wide.sentence
    both = [one.frame[one.frame["updates"] == 64].iloc[0] for one in (sure, wide)]
    reach = [(row["share_high"] - row["share_low"]) / 2 for row in both]
    assert reach[1] == pytest.approx(np.hypot(reach[0], 0.2 * both[1]["share"]), rel=0.02)
    none = wiring(planted(lambda part, n: 0.9, ends=(-0.02, 0.82)))
    assert "leave open" in none.sentence and none.frame["share_low"].isna().all()


def test_births_are_told_apart_by_their_seeds_only():
    near = wiring(planted(lambda part, n: 0.3, births={"init": 0.605, "mixture": 0.6})).sentence
    assert "; more is there by" not in near
    far = wiring(planted(lambda part, n: 0.3, births={"init": 0.9, "mixture": 0.6})).sentence
    assert re.search(r"more is there by library initialisation, (89|90|91) % \[", far)
    two = wiring(planted(lambda part, n: 1.5, births={"init": 0.9, "mixture": 0.6}, seeds=2))
    assert "that more is there by another is not shown (highest: library init" in two.sentence
    assert "above the finished model" not in two.sentence
    assert "2 seeds cannot say whether it is more than at birth" in two.sentence
    assert "above the finished model" in wiring(planted(lambda part, n: 1.5)).sentence


def test_nothing_is_a_share_of_nothing():
    with pytest.raises(BrainLensError, match="finished model first"):
        wiring(planted(lambda part, n: 0.5)[1:])
    with pytest.raises(BrainLensError, match="predicts nothing here"):
        wiring(planted(lambda part, n: 0.5, r=-0.01))


def test_a_model_without_a_training_to_follow_is_refused():
    with pytest.raises(BrainLensError, match="zoo-glove-64d is of the class embedding"):
        course("zoo-glove-64d", "all")


def test_a_run_trains_scores_and_is_served_the_second_time(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINLENS_HOME", str(tmp_path))
    asked = dict(updates=(0, 2), recording="simulated", protocol=SHORT)
    first = course("zoo-causal-200k", "norms", 1, **asked)
    assert [n for n, _ in first.outcomes] == [0, 2] and 0 < first.weights < 0.01 * first.total
    names = [one.model for _, one in first.outcomes]
    assert names == ["zoo-causal-200k@untrained:init:1", "zoo-causal-200k@wire:norms:2:1"]
    trained = sorted((tmp_path / "wiring").glob("*/at-2.safetensors"))
    assert len(trained) == 1
    before = trained[0].stat().st_mtime_ns
    again = course("zoo-causal-200k", "norms", 1, **asked)
    assert again == first and trained[0].stat().st_mtime_ns == before
    assert price("zoo-causal-1m", 640, 21) / price("zoo-causal-1m", 64, 21) == pytest.approx(10)
    from dashboards.work.processes import portable

    assert portable(first)
