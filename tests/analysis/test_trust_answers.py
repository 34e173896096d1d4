"""Each panel of Trust finds the truth that was planted for it."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from analysis import score
from analysis.answers.answer import signed
from analysis.answers.trust.court import ceiling_court
from analysis.answers.trust.generalise import (
    _r,
    across_people,
    across_stimuli,
    blocks_of,
    by_laboratory,
    matrix,
    pairs_of_targets,
)
from analysis.answers.trust.leaks import leak_meter
from analysis.answers.trust.optimism import optimism
from analysis.answers.trust.shares import explained_by_controls
from analysis.answers.trust.specifications import AXES, curve, specifications
from analysis.answers.trust.waterfall import every_subset, published_story, shapley, waterfall
from analysis.ceiling.result import Ceiling
from analysis.progress import SILENT
from analysis.scoring.beside import beyond, oasm_of, stored_oasm
from analysis.scoring.comparisons import ceiling_of
from analysis.scoring.folds import runs
from analysis.scoring.predictions import held_out
from analysis.scoring.significance import exchanges, summary_of_moved
from analysis.scoring.summary import omega
from analysis.statistics.measured import beside
from analysis.store.store import Store
from data.errors import BrainLensError
from tests.analysis.conftest import build_score
from tests.analysis.trust_cases import FAST, activations, cells_frame, joint_fit, recording, smooth


# ---- leak meter -----------------------------------------------------------------------------------------------------
def test_autocorrelation_without_language_is_called_a_leak(tmp_path):
    rng, store = np.random.default_rng(0), Store(tmp_path)
    measured = recording(smooth(rng, 12, 12, 6, 0.97))
    slow = activations([smooth(rng, 12, 12, 40, 0.97)])  # knows the time, nothing of the responses
    found = score(slow, measured, FAST, store=store)
    oasm = oasm_of(measured, FAST, store=store)
    assert oasm.shuffled > 0.5 and abs(oasm.grouped) < 1e-9
    assert stored_oasm(measured.content_hash, found.protocol, store).shuffled == oasm.shuffled
    answer = leak_meter([found], oasm)
    assert answer.facts["verdicts"] == {"planted": "leak"}
    assert "Verdict: leak" in answer.sentence and "reads no text" in answer.sentence
    frame = answer.frame.set_index(["what", "folds"])["r"]
    assert frame["planted", "shuffled"] > 0.2 and abs(frame["planted", "held-out groups"]) < 0.12


def test_language_without_autocorrelation_is_no_leak(tmp_path):
    rng, store = np.random.default_rng(1), Store(tmp_path)
    x = rng.standard_normal((144, 8))
    measured = recording(x @ rng.standard_normal((8, 6)) + rng.standard_normal((144, 6)))
    found = score(activations([x]), measured, FAST, store=store)
    answer = leak_meter([found], oasm_of(measured, FAST, store=store))
    assert answer.facts["verdicts"] == {"planted": "no leak"}
    assert {"OASM, no text", "position and length"} <= set(answer.facts["above"]["planted"])


def test_noise_is_no_leak_however_the_folds_fall(tmp_path):
    """Without autocorrelation nothing can leak: over 8 data sets of noise the verdict never is."""
    store, said = Store(tmp_path), []
    for seed in range(8):
        rng = np.random.default_rng(100 + seed)
        measured = recording(rng.standard_normal((96, 3)))
        found = score(activations([rng.standard_normal((96, 6))]), measured, FAST, store=store)
        said += leak_meter([found], oasm_of(measured, FAST, store=store)).facts["verdicts"].values()
    assert said.count("leak") + said.count("partly a leak") <= 1
    assert {"no leak", "cannot tell"} >= {one for one in said if "leak" != one != "partly a leak"}


def test_the_meter_needs_the_twin(tmp_path):
    rng = np.random.default_rng(1)
    measured = recording(rng.standard_normal((48, 2)))
    bare = FAST.but(shuffled_twin=False)
    with pytest.raises(BrainLensError, match="without its shuffled twin"):
        leak_meter([score(activations([np.eye(48)]), measured, bare, store=Store(tmp_path))])
    for split in (
        "shuffled",
        "shuffle-split",
        "stratified",
    ):  # the twin would stand beside its own like
        single = score(
            activations([np.eye(48)]), measured, FAST.but(split=split), store=Store(tmp_path)
        )
        with pytest.raises(BrainLensError, match="no leak could be told"):
            leak_meter([single])


# ---- Omega ----------------------------------------------------------------------------------------------------------
def test_a_small_planted_share_is_found_where_there_are_stimuli_enough():
    """Of few stimuli the weights of the controls cost more than they explain; that goes with their number."""
    found = {
        n: np.mean([
            explained_by_controls({"m": [joint_fit(np.random.default_rng(seed), [0.2], ["a"], n=n, targets=16)[0]]},
                                  ("c",), None, draws=20).frame["omega"].iloc[0]
            for seed in range(2)])
        for n in (144, 480)
    }  # fmt: skip
    assert found[144] < 17 and found[480] == pytest.approx(20, abs=3)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_planted_shares_are_recovered_and_the_bar_adds_up(share):
    rng = np.random.default_rng(3)
    fits = {f"m{i}": [joint_fit(rng, share)[0]] for i in range(3)}
    subjects = joint_fit(rng, share)[1]
    frame = explained_by_controls(fits, ("planted",), subjects, draws=200).frame
    whole = frame[frame["person"] == "all"]
    assert whole["omega"].mean() == pytest.approx(100 * share, abs=6)
    assert ((whole["omega_low"] < whole["omega"]) & (whole["omega"] < whole["omega_high"])).all()
    np.testing.assert_allclose(frame[["unique", "shared", "left"]].sum(axis=1), frame["joint"])
    assert set(frame["person"]) == {"all", "a", "b", "c", "d"}


@pytest.mark.parametrize(
    ("people", "spread", "least"), [(2, 0.2, 17), (3, 0.2, 17), (4, 0.0, 17), (8, 0.2, 17)]
)
def test_the_interval_of_omega_covers_what_the_procedure_finds_on_average(people, spread, least):
    """Over 20 data sets at a planted 50 %, people alike and apart; 17 is the binomial bound of a coverage of .95 (p = .016)."""
    rng, rows, names = np.random.default_rng(4), [], [f"p{i}" for i in range(people)]
    for _ in range(20):
        shares = np.clip(rng.normal(0.5, spread, people), 0.02, 0.98)
        fit, subjects = joint_fit(rng, shares, names, n=144, targets=2)
        rows.append(explained_by_controls({"m": [fit]}, ("c",), subjects, draws=200).frame.iloc[0])
    found = pd.DataFrame(rows)
    truth = found["omega"].mean()
    assert abs(truth - 50) < 6
    assert ((found["omega_low"] <= truth) & (truth <= found["omega_high"])).sum() >= least


def test_omega_is_not_defined_where_the_model_predicts_nothing():
    assert np.isnan(omega(0.1, -0.01, 0.05))
    assert omega(0.3, 0.2, 0.0) == 0 and omega(0.2, 0.2, 0.2) == 100
    np.testing.assert_allclose(omega([0.2, 0.2], [0.2, 0.2], [0.1, 0.05]), [50, 25])


def test_beyond_is_the_fit_behind_the_headline(tmp_path):
    rng, store = np.random.default_rng(5), Store(tmp_path)
    x = rng.standard_normal((96, 5))
    measured = recording(x @ rng.standard_normal((5, 3)) + rng.standard_normal((96, 3)))
    ready = activations([x, rng.standard_normal((96, 5))])
    found = score(ready, measured, FAST.but(unique=True), store=store)
    row = explained_by_controls(
        {"m": beyond(ready, measured, found, ("position", "length"), store=store)},
        ("position", "length"),
    ).frame.iloc[0]
    assert row["unique"] == pytest.approx(found.headline["unique_r2"])
    assert row["omega"] == pytest.approx(found.omega)
    more = beyond(ready, measured, found, ("position", "length", "log-frequency"), store=store)
    assert not np.allclose(more[0]["controls"], found.headline["controls_r2"])
    with pytest.raises(BrainLensError, match="OASM is no control"):
        beyond(ready, measured, found, ("oasm:1",), store=store)


# ---- ceiling court --------------------------------------------------------------------------------------------------
def _bound(kind, value, per_target, *, holds="targets", valid=True, flag="") -> Ceiling:
    draws = value + np.linspace(-0.02, 0.02, 50)
    return Ceiling(kind, value, value - 0.02, value + 0.02, np.asarray(per_target), valid, flag, holds, draws=draws)  # fmt: skip


def test_both_scales_and_what_may_not_be_divided_by():
    good, bad = build_score("good", height=0.4), build_score("bad", height=0.2, seed=1)
    targets = good.dataset.sizes["target"]
    bounds = {
        "repeats": _bound("repeats", 0.5, np.full(targets, 0.5)),
        "leave-one-out": _bound("leave-one-out", 0.3, np.full(targets, 0.3), holds="nothing", valid=False, flag="a lower bound"),
        "none": Ceiling.none("one person alone", targets),
    }  # fmt: skip
    answer = ceiling_court([good, bad], bounds)
    row = answer.frame[(answer.frame["estimator"] == "repeats") & (answer.frame["model"] == "good")].iloc[0]  # fmt: skip
    assert row["share"] == pytest.approx(good.value / 0.5)
    assert row["variance_share"] == pytest.approx(good.value**2 / 0.5**2)  # r2 / reliability
    assert row["variance_share"] != pytest.approx(good.value**2 / 0.5**4)
    assert row["share_low"] < row["share"] < row["share_high"]
    assert answer.frame[~answer.frame["divides"]]["share"].isna().all()
    assert "a lower bound" in answer.caption and answer.facts["flips"] == []
    below = replace(good, dataset=good.dataset.assign(r=-good.dataset.r))
    negative = ceiling_court([below], bounds).frame.iloc[0]
    assert negative["share"] < 0 and np.isnan(negative["variance_share"])


def test_a_ranking_flips_only_where_ratios_are_averaged_target_by_target():
    one, other = build_score("one"), build_score("other")
    targets = one.dataset.sizes["target"]
    easy = np.arange(targets) < targets // 2
    high, low = np.where(easy, 0.40, 0.02), np.where(easy, 0.28, 0.12)
    one, other = (
        replace(s, dataset=s.dataset.assign(r=s.dataset.r * 0 + values))
        for s, values in ((one, high), (other, low))
    )  # means .21 and .20: the first is ahead, on the easy targets alone
    uneven = np.where(easy, 0.8, 0.2)
    bounds = {
        "even": _bound("repeats", 0.5, np.full(targets, 0.5)),
        "uneven": _bound("repeats", 0.5, uneven),
        "aggregate": _bound("extrapolated", 0.5, np.full(targets, np.nan), holds="the aggregate"),
    }
    answer = ceiling_court([one, other], bounds)
    assert answer.facts["flips"] == ["uneven"]
    assert "; r is of it: " in answer.sentence
    assert all(f"{score.model} " in answer.sentence for score in (one, other))
    assert (answer.frame["rank_share"] == answer.frame["rank"]).all()


def test_the_panel_finds_a_planted_ceiling_and_says_what_may_not_be_divided_by(tmp_path):
    """Six people who share a signal: what others predict of a person's noisy responses has a known limit."""
    rng, people = np.random.default_rng(21), [f"p{i}" for i in range(6)]
    x = rng.standard_normal((144, 4))
    shared = x @ rng.standard_normal((4, 3))
    shared /= shared.std(axis=0)
    planted = 0.7  # sqrt of the share of signal in the variance
    noise = np.sqrt(1 / planted**2 - 1)
    values = np.hstack([shared + noise * rng.standard_normal(shared.shape) for _ in people])
    measured, store = recording(values, people=np.repeat(people, 3)), Store(tmp_path)
    protocol = FAST.but(ceiling="pools", shuffled_twin=False, controls=(), folds=6)
    ready = activations([x], "whole"), activations([x[:, :1]], "part")
    scores = [score(one, measured, protocol, store=store) for one in ready]
    bounds = {
        kind: ceiling_of(measured, how, runs(measured, how), store, SILENT)
        for kind in ("pools", "leave-one-out")
        if (how := protocol.but(ceiling=kind))
    }
    answer = ceiling_court(scores, bounds)
    assert beside("pools") in answer.caption and beside("share", "pools") in scores[0].warnings()
    low = {"pools": _bound("pools", 0.35, np.full(18, 0.35))}  # there the interval was in order
    assert beside("pools") not in ceiling_court(scores, low).caption
    told = " ".join(replace(scores[0], ceiling=low["pools"]).warnings())
    assert "disjoint pools comes out" not in told
    table = answer.facts["ceilings"].set_index("estimator")
    assert table.loc["pools", "ceiling"] == pytest.approx(planted, abs=0.06)
    assert table.loc["pools", "ceiling_low"] < planted < table.loc["pools", "ceiling_high"]
    assert (
        not table.loc["leave-one-out", "divides"]
        and table.loc["leave-one-out", "ceiling"] < planted
    )
    whole = answer.frame[(answer.frame["model"] == "whole") & answer.frame["divides"]].iloc[0]
    assert whole["share"] == pytest.approx(1, abs=0.1) and answer.facts["flips"] == []


# ---- optimism -------------------------------------------------------------------------------------------------------
def test_on_noise_the_maximum_is_above_nothing_and_the_nested_choice_is_not(tmp_path):
    rng = np.random.default_rng(6)
    measured = recording(rng.standard_normal((120, 3)))
    noise = activations([rng.standard_normal((120, 6)) for _ in range(14)])
    found = score(noise, measured, FAST.but(shuffled_twin=False, controls=()), store=Store(tmp_path))  # fmt: skip
    frame = optimism([found], committed={"planted": 2}, elsewhere={"planted": found}).frame
    rows = frame.set_index("rule")
    assert rows.loc["same", "r"] > 0.06 and abs(rows.loc["nested", "r"]) < 0.06
    assert rows.loc["same", "added"] == pytest.approx(found.optimism)
    assert rows.loc["committed", "layer"] == 2
    assert rows.loc["elsewhere", "layer"] == found.chosen_layer
    with pytest.raises(BrainLensError, match="Layer 99"):
        optimism([found], committed={"planted": 99})


# ---- waterfall ------------------------------------------------------------------------------------------------------
def test_bars_and_shapley_shares_add_up_exactly():
    names, rng = ("a", "b", "c", "d"), np.random.default_rng(7)
    values = {some: float(rng.normal()) for some in every_subset(names)}
    assert len(values) == 16
    shares = shapley(values, names)
    assert sum(shares.values()) == pytest.approx(values[frozenset(names)] - values[frozenset()])
    orders = list(permutations(names))
    direct = dict.fromkeys(names, 0.0)
    for order in orders:  # by definition: the mean over all orders
        thrown = frozenset()
        for name in order:
            direct[name] += (values[thrown | {name}] - values[thrown]) / len(orders)
            thrown |= {name}
    assert shares == pytest.approx(direct)
    steps = [("start", 1.0), ("one", 0.25), ("two", 0.5)]
    answer = waterfall(steps, shares={"one": -0.5, "two": 0.0})
    bars = answer.frame
    changes = bars[bars["kind"] == "change"]["change"]
    assert bars["value"].iloc[0] + changes.sum() == bars["value"].iloc[-1]
    assert (bars["top"] - bars["bottom"]).iloc[1] == 0.75
    assert "Order: start, then one, then two" in answer.caption
    with pytest.raises(BrainLensError, match="3 of 4 combinations"):
        shapley({frozenset(): 1.0}, ("a", "b"))
    with pytest.raises(BrainLensError, match="not defined"):
        waterfall([("a", 1.0), ("b", float("nan"))])


def test_the_published_story_is_that_of_the_tables():
    answer = published_story()
    assert [round(v, 3) for v in answer.frame["value"]] == [0.398, 0.14, 0.14]
    beside = answer.facts["beside"].set_index("what")
    oasm = beside.loc["OASM, no text"]
    assert round(oasm["from"], 3) == 0.451 and abs(round(oasm["to"], 3)) == 0.0
    read = answer.facts["oasm"]
    assert [abs(round(v, 3)) for v in read["value"]] == [0.451, 0.0, 0.0]
    then = beside.loc["2021, best layer on the same data"]
    assert round(then["to"], 3) == 1.044 and then["scale"] == "share of the ceiling"
    assert answer.sentence.startswith("As published, not recomputed")
    with pytest.raises(BrainLensError, match="gpt9"):
        published_story("gpt9")


# ---- specification curve --------------------------------------------------------------------------------------------
def test_cells_are_every_combination_and_the_leaky_ones_do_not_count():
    axes = {"split": ("grouped", "shuffled"), "layer": ("nested", "best"), "pooling": ("mean",)}
    cells = specifications(FAST, axes)
    assert len(cells) == 4 and [cell.defensible for cell in cells] == [True, False, False, False]
    assert cells[3].protocol.layer == "max" and cells[3].protocol.pooling == "mean"
    assert set(AXES) == {"split", "pooling", "context", "start", "mapping", "layer", "aggregation"}
    for wrong in ({"colour": ("red",)}, {"split": ("odd",)}, {"split": ()}):
        with pytest.raises(BrainLensError):
            specifications(FAST, wrong)


def test_only_defensible_cells_are_counted():
    answer = curve(cells_frame([0.5, 0.6, 0.1, -0.1], [False, False, True, True]))
    facts = answer.facts["models"]["m"]
    assert facts["share"] == 0.5 and facts["counted"] == 2 and facts["clear"] == 0.5
    assert list(answer.frame["place"]) == [1, 2, 3, 4]
    with pytest.raises(BrainLensError, match="can be defended"):
        curve(cells_frame([0.5], [False]))


def test_kendalls_tau_says_whether_models_keep_their_places():
    a, b, c = [0.3, 0.3], [0.2, 0.2], [0.1, 0.1]
    same = pd.concat([cells_frame(v, model=m) for m, v in zip("abc", (a, b, c))], ignore_index=True)
    assert curve(same).facts["tau"] == pytest.approx(1)
    moved = zip("abc", ([0.3, 0.1], b, [0.1, 0.3]))
    turned = pd.concat([cells_frame(v, model=m) for m, v in moved], ignore_index=True)
    assert curve(turned).facts["tau"] == pytest.approx(-1)


def test_exchanged_responses_follow_the_null_and_not_fifty_per_cent():
    """Cells that share their noise: p is right although the share above 0 is nearly all or nothing."""
    rng, p, shares = np.random.default_rng(8), [], []
    for _ in range(200):
        shared = 0.05 + rng.normal(0, 0.1, (100, 1)) + rng.normal(0, 0.01, (100, 6))
        facts = curve(cells_frame(shared[0]), shared[1:]).facts["models"]["m"]
        p.append(facts["p_median"])
        shares.append(facts["null_share"])
    assert 0.02 <= np.mean(np.array(p) <= 0.05) <= 0.085
    assert np.mean(shares) > 0.6


def test_one_exchange_serves_all_cells_and_true_responses_stand_out():
    rng = np.random.default_rng(9)
    x = rng.standard_normal((96, 6))
    measured = recording(x @ rng.standard_normal((6, 4)) + rng.standard_normal((96, 4)))
    moved = exchanges(measured, FAST, 19)
    cells = specifications(FAST, {"split": ("grouped", "contiguous"), "mapping": ("ridge", "ols")})
    null = np.stack([summary_of_moved([x], measured, c.protocol, moved.rows) for c in cells], 1)
    ready, r = activations([x]), []
    own = np.arange(96)[None]
    for cell in cells:
        r.append(summary_of_moved([x], measured, cell.protocol, own)[0])
    assert ready.n_layers == 1 and null.shape == (19, 4)
    facts = curve(cells_frame(r), null, rule=moved.rule).facts["models"]["m"]
    assert facts["share"] == 1 and facts["p_median"] == pytest.approx(1 / 20)
    assert facts["null_share"] < 1


def test_permuted_responses_give_the_share_of_the_null():
    """Whole path: fits of four cells on responses without a signal; observed and null shares come from one distribution."""
    rng, p, own, null_share = np.random.default_rng(15), [], [], []
    cells = specifications(FAST, {"split": ("grouped", "contiguous"), "mapping": ("ridge", "ols")})
    for _ in range(25):
        x = rng.standard_normal((48, 4))
        measured = recording(rng.standard_normal((48, 2)))
        moved = exchanges(measured, FAST, 19)
        rows = np.vstack([np.arange(48)[None], moved.rows])
        r = np.stack([summary_of_moved([x], measured, c.protocol, rows) for c in cells], 1)
        facts = curve(cells_frame(r[0]), r[1:], rule=moved.rule).facts["models"]["m"]
        p.append(facts["p_median"])
        own.append(facts["share"])
        null_share.append(facts["null_share"])
    assert np.mean(np.array(p) <= 0.05) <= 0.2  # binomial bound of .05 at 25: 5
    assert np.mean(own) == pytest.approx(np.mean(null_share), abs=0.2)


# ---- generalisation -------------------------------------------------------------------------------------------------
def test_a_part_of_ones_own_is_lost_off_the_diagonal(tmp_path):
    rng, people, count = np.random.default_rng(10), ["a", "b", "c"], 4
    x = rng.standard_normal((144, 10))
    shared = x @ rng.standard_normal((10, count))
    unit = lambda y: y / y.std(axis=0)  # noqa: E731
    own = [x @ rng.standard_normal((10, count)) for _ in people]
    mixed = np.hstack([unit(shared) + unit(one) for one in own])
    same = np.hstack([unit(shared)] * 3)
    noise = 0.7 * rng.standard_normal(mixed.shape)
    kept = {}
    for name, signal in (("own", mixed), ("shared", same)):
        measured = recording(signal + noise, people=np.repeat(people, count))
        parts = runs(measured, FAST)[0].parts
        ready = activations([x])
        held = list(held_out(ready, [0] * 4, measured, FAST, parts, SILENT))
        table = across_people(held, pairs_of_targets(measured))
        answer = matrix({"people": table}, what="planted")
        kept[name] = answer.facts["kept"]["people"]
        whole = score(ready, measured, FAST, store=Store(tmp_path))
        assert np.diag(table).mean() == pytest.approx(whole.value, abs=1e-4)
    assert kept["own"] == pytest.approx(0.5, abs=0.15) and kept["shared"] > 0.93


def test_a_part_of_one_laboratory_is_lost_on_the_others(tmp_path):
    """Three laboratories of four people, each person measured on half of the stimuli: no person stands for a laboratory."""
    rng, labs = np.random.default_rng(13), np.repeat(["x", "y", "z"], 4)
    x = rng.standard_normal((144, 8))
    shared, kept, own = x[:, :1], {}, dict(zip("xyz", x[:, 1:4].T[:, :, None]))
    for name, part in (("own", 1.0), ("shared", 0.0)):
        signal = np.hstack([shared + part * own[lab] for lab in labs])
        values = signal + 0.7 * rng.standard_normal(signal.shape)
        values[rng.random(values.shape) < 0.5] = np.nan
        people = [f"p{i}" for i in range(12)]
        measured = recording(values, people=people)
        with pytest.raises(BrainLensError, match="in which laboratory"):
            by_laboratory(measured)
        coords = measured.responses.assign_coords(lab=("target", labs))
        measured = by_laboratory(replace(measured, responses=coords))
        assert measured.notes[-1] == "means over the 4 to 4 people of each of 3 laboratories"
        ready, first = activations([x]), FAST
        parts = runs(measured, first)[0].parts
        held = list(held_out(ready, [0] * 4, measured, first, parts, SILENT))
        table = across_people(held, pairs_of_targets(measured))
        assert list(table.index) == ["x", "y", "z"]
        kept[name] = matrix({"laboratories": table}, what="planted").facts["kept"]["laboratories"]
    assert kept["own"] == pytest.approx(0.5, abs=0.2) and kept["shared"] > 0.93
    alone = measured.responses.assign_coords(lab=("target", ["x"] * 3))
    with pytest.raises(BrainLensError, match="one laboratory"):
        by_laboratory(replace(measured, responses=alone))


def test_r_is_over_what_was_measured_and_a_crowd_has_no_matrix():
    rng = np.random.default_rng(14)
    x, y = rng.standard_normal((2, 20, 3))
    y[::2, 0], y[2:, 1], x[:, 2] = np.nan, np.nan, 1.0
    assert _r(x, y)[0] == pytest.approx(np.corrcoef(x[1::2, 0], y[1::2, 0])[0, 1])
    assert np.isnan(_r(x, y)[1]) and _r(x, y)[2] == 0
    crowd = recording(rng.standard_normal((48, 41)), people=[f"p{i}" for i in range(41)])
    with pytest.raises(BrainLensError, match="41 people are more than the 40"):
        pairs_of_targets(crowd)


@pytest.mark.realdata
def test_nieuwlands_nine_laboratories_stand_as_nine(mirror):
    from data.catalog.catalog import recording as open_recording

    measured = by_laboratory(open_recording("nieuwland2018"))
    assert measured.n_targets == 9 and measured.notes[-1].startswith(
        "means over the 32 to 42 people"
    )
    assert measured.n_measured == 159


def test_a_mapping_of_one_experiment_is_lost_on_another(tmp_path):
    rng = np.random.default_rng(11)
    x = rng.standard_normal((144, 6))
    first, second = rng.standard_normal((2, 6, 5))
    there = np.repeat(["243", "384"], 72)
    apart = np.where((there == "243")[:, None], x @ first, x @ second)
    found = {}
    for name, y in (("apart", apart), ("one", x @ first)):
        measured = recording(y + 0.5 * rng.standard_normal(y.shape), within=there)
        table = across_stimuli({0: x}, measured, blocks_of(measured, "within"), FAST)
        found[name] = matrix({"experiments": table}, what="planted").facts["kept"]["experiments"]
        assert list(table.index) == ["243", "384"] and np.diag(table).min() > 0.8
    assert abs(found["apart"]) < 0.5 and found["one"] > 0.95


def test_what_cannot_generalise_says_why():
    rng = np.random.default_rng(12)
    averaged = recording(rng.standard_normal((48, 2)))
    with pytest.raises(BrainLensError, match="averages"):
        pairs_of_targets(averaged)
    with pytest.raises(BrainLensError, match="names no experiments"):
        blocks_of(averaged, "within")
    named = replace(averaged, stimuli=averaged.stimuli.assign(experiment="one"))
    with pytest.raises(BrainLensError, match="has a column 'experiment', and nothing says"):
        blocks_of(named, "within")  # an own file's column is asked about, not denied
    assert len(blocks_of(averaged, "group")) == 4


@pytest.mark.parametrize(
    ("value", "words"), [(0.0861, "+.086"), (-0.0042, "-.004"), (-0.0001, ".000"), (0.0001, ".000"), (1.2, "+1.200")]
)  # fmt: skip
def test_what_is_added_has_a_sign_only_where_it_is_something(value, words):
    assert signed(value) == words


def test_a_step_that_changes_nothing_has_no_sign():
    said = waterfall([("a", 0.3), ("b", 0.3 - 1e-5), ("c", 0.5)], shares={"b": -1e-5, "c": 0.2})
    assert "-.000" not in said.sentence and "b .000" in said.sentence
