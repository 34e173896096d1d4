"""Results that leave and come in again, and the ranking over them."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from analysis import preset, score
from analysis.answers.compare import (
    benchmarks,
    detail,
    known,
    methods,
    paired_methods,
    published,
    rank,
)
from analysis.scoring.results import COLUMNS, bring, export, forget, results, targets
from analysis.statistics.measured import beside
from analysis.store.store import Store
from data.errors import BrainLensError

QUICK = preset("defended").but(
    folds=3,
    inner_folds=2,
    bootstrap=50,
    shuffled_twin=False,
    ceiling="none",
    controls=("position",),
    unique=False,
)


@pytest.fixture
def board(clean_home):
    made = score("zoo-causal-400k", "simulated", QUICK)
    return made, results()


def test_a_finished_score_is_a_result(board):
    made, frame = board
    assert len(frame) == 1 and frame.loc[0, "source"] == "own" and bool(frame.loc[0, "simulated"])
    assert (
        frame.loc[0, "r"] == pytest.approx(made.value)
        and frame.loc[0, "layer"] == made.chosen_layer
    )
    kept = targets(frame.loc[0, "key"])
    assert kept["r"].mean().item() == pytest.approx(made.value)  # as many targets in each subject
    assert json.loads(frame.loc[0, "provenance"])["model"]["id"] == "zoo-causal-400k"
    assert "folds=3" in frame.loc[0, "protocol"]
    score("zoo-causal-400k", "simulated", QUICK, layers=[1])
    assert len(results()) == 1  # a single layer is no result of the model


@pytest.mark.parametrize("kind", [".csv", ".parquet", ".nc"])
def test_round_trip(board, tmp_path, kind):
    _, frame = board
    path = export(frame, tmp_path / f"mine{kind}")
    back = bring(path)
    assert back["source"].tolist() == ["imported"] and back["origin"].tolist() == [path.name]
    for name in (
        "model",
        "recording",
        "protocol_key",
        "data_key",
        "provenance",
        "hash",
        "r",
        "r_low",
        "layer",
    ):
        assert back.loc[0, name] == (
            pytest.approx(frame.loc[0, name]) if name.startswith("r_") else frame.loc[0, name]
        )
    if kind != ".csv":
        np.testing.assert_allclose(back.loc[0, "draws"], frame.loc[0, "draws"])
    assert sorted(results()["source"]) == ["imported", "own"]
    forget(back.loc[0, "key"])
    assert results()["source"].tolist() == ["own"]


def test_a_changed_row_is_marked(board, tmp_path):
    _, frame = board
    path = export(frame, tmp_path / "mine.csv")
    changed = pd.read_csv(path, dtype=str)
    changed.loc[0, "r"] = "0.9"
    changed.to_csv(path, index=False)
    back = bring(path)
    assert back["edited"].tolist() == [True] and back.loc[0, "hash"] == frame.loc[0, "hash"]
    shown = results()
    assert shown["edited"].tolist() == [False, True]
    assert shown["origin"].tolist() == ["", "mine.csv (edited after its export)"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"model,score\ngpt2,0.3\n", "no column recording, r"),
        ("a.csv", b"model,recording,r\ngpt2,pereira2018,much\n", "r = 'much' is not a number"),
        ("a.csv", b"model,recording,r\ngpt2,pereira2018,1.2\n", "not between -1 and 1"),
        ("a.csv", b"model,recording,r\n,pereira2018,0.2\n", "row 1: no model"),
        ("a.csv", b"model,recording,r\n", "no rows"),
        ("a.csv", b"", "cannot be read as csv"),
        ("a.parquet", b"PAR1 nonsense", "not a Parquet file that can be read"),
        ("a.nc", b"nonsense", "cannot be read as nc"),
        ("a.xlsx", b"", "Unknown file type '.xlsx'"),
    ],
)
def test_bad_files_in_words(clean_home, tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BrainLensError, match=words):
        bring(tmp_path / name)
    assert results().empty


def test_a_plain_table_may_come_too(clean_home, tmp_path):
    (tmp_path / "theirs.csv").write_text("model,recording,r,r_low\ngpt2,pereira2018,0.3,\n")
    back = bring(tmp_path / "theirs.csv")
    assert (
        back.loc[0, "protocol"] == "not said"
        and back.loc[0, "hash"] == ""
        and set(COLUMNS) <= set(back)
    )
    with pytest.raises(BrainLensError, match="no result to export"):
        export(back.iloc[:0], tmp_path / "none.csv")
    with pytest.raises(BrainLensError, match="Unknown file type"):
        export(back, tmp_path / "none.txt")


# ---- the ranking -----------------------------------------------------------------------------------------------------------
def made(rows):
    base = {
        "family": "f",
        "protocol": "defended",
        "protocol_key": "d",
        "data_key": "",
        "source": "own",
        "simulated": False,
        "r_low": np.nan,
        "r_high": np.nan,
        "draws": None,
        "normalised": np.nan,
        "ceiling": np.nan,
        "layer": 3,
        "n_stimuli": 10,
        "provenance": "",
    }
    return pd.DataFrame([base | one for one in rows])


ROWS = [
    {"model": "a", "recording": "x", "r": 0.4, "normalised": 0.8},
    {"model": "a", "recording": "y", "r": 0.2, "normalised": 0.5},
    {"model": "b", "recording": "x", "r": 0.5, "normalised": 1.0},
    {"model": "c", "recording": "x", "r": 0.1, "normalised": 0.2},
    {"model": "c", "recording": "y", "r": 0.1, "normalised": 0.2},
]


def test_means_are_over_the_same_recordings_only():
    answer = rank(made(ROWS))
    assert answer.frame["model"].tolist() == ["a", "c", "b"]  # b has no y, and no mean
    assert answer.frame["mean"].tolist()[:2] == pytest.approx([0.3, 0.1]) and np.isnan(
        answer.frame["mean"].iloc[2]
    )
    assert answer.missing.values.tolist() == [["b", "no result on y"]]
    assert (
        answer.frame["n"].tolist() == [2, 2, 1]
        and "a is first of 2 models on 2 recordings" in answer.sentence
    )
    subset = rank(made(ROWS), ["x"])
    assert subset.frame["model"].tolist() == ["b", "a", "c"] and subset.frame[
        "mean"
    ].tolist() == pytest.approx([0.5, 0.4, 0.1])
    assert rank(made(ROWS), ["x"], hidden=["b"]).frame["model"].tolist() == ["a", "c"]
    assert rank(made(ROWS), scale="normalised").frame["mean"].iloc[0] == pytest.approx(0.65)


def test_protocols_never_share_a_mean():
    rows = [*ROWS[:1], ROWS[1] | {"protocol": "schrimpf2021", "protocol_key": "s"}]
    answer = rank(made(rows))
    assert len(answer.frame) == 2 and answer.frame["mean"].isna().all()
    assert set(answer.frame["entry"]) == {"a (defended)", "a (schrimpf2021)"}
    assert "No model has a result on every" in answer.sentence


def test_protocols_are_told_apart_as_they_are_given_to_a_command():
    changed = {
        "protocol": "defended, folds=3, controls=('position', 'length'), shuffled_twin=False"
    }
    rows = [ROWS[0] | changed, ROWS[2] | {"protocol": "defended, folds=3", "protocol_key": "s"}]
    answer = rank(made(rows))
    told = "controls=position,length, shuffled_twin=false"
    assert set(answer.frame["entry"]) == {f"a ({told})", "b (defended)"}
    assert f"a is first of 1 model on x ({told}), with r = .40" in answer.sentence
    assert set(answer.frame["protocol"]) == {"defended, folds=3", f"defended, folds=3, {told}"}


def test_the_sentence_tells_folds_that_leak_last_and_counts_what_it_leaves_out():
    """Specifications of a Trust screen are results too: the first number told was one under shuffled folds."""
    how = ["defended, split=shuffled", "defended", "schrimpf2021", "defended, pooling=mean",
           "defended, pooling=mean, seeds=1", "defended, pooling=sum, seeds=1, folds=3"]  # fmt: skip
    rows = [
        ROWS[0] | {"r": 0.9 - 0.1 * at, "protocol": one, "protocol_key": str(at)}
        for at, one in enumerate(how)
    ]
    answer = rank(made(rows), ["x"])
    assert answer.frame["mean"].round(1).tolist() == [0.8, 0.6, 0.5, 0.4, 0.9, 0.7]
    said = answer.sentence
    assert said.startswith("a is first of 1 model on x (defended), with r = .80")
    assert "shuffled" not in said and "schrimpf2021" not in said
    assert said.endswith("2 more protocols: see the table.")


def test_one_name_of_two_data_sets_chooses_both_and_a_name_of_none_is_an_error():
    data = made([ROWS[0] | {"data_key": "1" * 8}, ROWS[0] | {"model": "b", "data_key": "2" * 8}, ROWS[1],
                 ROWS[0] | {"model": "c"}])  # fmt: skip
    both = ["x (111111)", "x (222222)", "x (data not known)"]
    assert rank(data).facts["recordings"] == [*both[:2], "y", both[2]]
    assert known(data) == {name: [name] for name in (*both, "y")} | {"x": both}
    answer = rank(data, ["x"])
    assert answer.facts["recordings"] == both and answer.frame["mean"].isna().all()
    assert rank(data, [both[0]]).frame[["model", "mean"]].values.tolist() == [["a", 0.4]]
    with pytest.raises(BrainLensError, match="Unknown recording of a result 'z'"):
        rank(data, ["y", "z"])
    alone = rank(made(ROWS), ["y"], hidden=["a"])
    assert alone.frame["model"].tolist() == ["c"]


def test_the_rows_of_a_ranking_say_what_they_are_of(board):
    first = rank(made(ROWS)).frame.iloc[0]
    assert (first["layer"], first["n_stimuli"], first["n"]) == ("3, 3", 20, 2) and np.isnan(
        first["ceiling"]
    )
    scored, frame = board
    answer = rank(frame)
    told = methods(frame, answer)
    assert answer.frame["n_stimuli"].iloc[0] == 288 and "over simulated;" in told
    assert (
        f"held out: {scored.provenance['folds']}" in told
        and "chosen in each fold on inner folds" in told
    )
    assert "divided by the ceiling" in methods(frame, rank(frame, scale="normalised"), "normalised")
    assert "paired bootstrap" in paired_methods(
        frame.iloc[0], frame.iloc[0]
    ) and "on simulated" in told.replace("over", "on")


def test_interval_of_a_mean_treats_recordings_as_independent():
    rng = np.random.default_rng(0)
    draws = list(rng.normal(0.3, 0.1, 4000))
    rows = [{"model": "a", "recording": name, "r": 0.3, "draws": draws} for name in ("x", "y")]
    frame = rank(made(rows)).frame
    assert frame["high"].iloc[0] - frame["low"].iloc[0] == pytest.approx(
        2 * 1.96 * 0.1 / np.sqrt(2), rel=0.05
    )


def test_two_models_in_detail():
    first, second = made(ROWS).iloc[2].copy(), made(ROWS).iloc[0].copy()
    draws = np.linspace(-0.05, 0.05, 101)
    first["draws"], second["draws"] = 0.5 + draws, 0.4 + draws / 2
    one = xr.Dataset({"r": ("target", [0.6, 0.4])}, coords={"target": ["t1", "t2"]})
    two = xr.Dataset({"r": ("target", [0.3, 0.5])}, coords={"target": ["t1", "t2"]})
    answer = detail(first, second, (one, two))
    assert answer.frame["difference"].tolist() == pytest.approx([0.3, -0.1])
    assert answer.facts["low"] == pytest.approx(0.1 - 0.025 * 0.95) and answer.facts[
        "p"
    ] == pytest.approx(2 / 102)
    assert (
        "b scores .100 [.08, .12] more than a" in answer.sentence
        and "ahead on 1 of 2 targets" in answer.sentence
    )
    assert "Measured in simulations" not in answer.caption
    averaged = detail(pd.Series({**first, "n_subjects": 0}), second, (one, two))
    assert averaged.caption.endswith(beside("difference, averaged"))
    mirrored = detail(second, first, (two, one))
    assert "b scores .100 [.08, .12] more than a" in mirrored.sentence
    with pytest.raises(BrainLensError, match="same data by the same protocol"):
        detail(first, pd.Series({**second, "protocol_key": "other"}), (one, two))


def test_published_tables_stand_apart():
    answer = published("schrimpf2021")
    assert len(answer.frame) == 43 and answer.frame["mean"].iloc[0] == answer.frame["mean"].max()
    top = answer.frame.iloc[0]
    assert top["mean"] == pytest.approx(
        np.mean([top[n] for n in ("pereira2018", "fedorenko2016", "blank2014", "futrell2018")])
    )
    assert (
        set(answer.frame["source"]) == {"schrimpf2021"}
        and "Not comparable with own results" in answer.caption
    )
    assert published("hadidi2025").frame["source"].eq("hadidi2025").all()
    some = published(
        "schrimpf2021", ["blank2014-froi", "pereira2018", "mine"]
    )  # a benchmark, by its own name or its recording's
    top = some.frame.iloc[0]
    assert (
        top["mean"] == pytest.approx((top["pereira2018"] + top["blank2014"]) / 2) and top["of"] == 2
    )
    assert (
        "2 of its 4 benchmarks. It does not hold mine." in some.caption
        and "over 2 benchmarks" in some.sentence
    )
    none = published("schrimpf2021", ["mine"], hidden=["gpt2-xl"])
    assert (
        none.frame["of"].iloc[0] == 4
        and "does not hold mine" in none.caption
        and "gpt2-xl" not in set(none.frame["model"])
    )
    assert benchmarks() == ["pereira2018", "fedorenko2016", "blank2014", "futrell2018"]
    with pytest.raises(BrainLensError, match="Unknown published table"):
        published("nobody")


def test_results_of_a_shared_store_are_read_and_never_written(board, tmp_path):
    _, frame = board
    alone = Store(tmp_path / "other", readers=[Store().root])
    assert results(alone)["key"].tolist() == frame["key"].tolist()
    assert not (tmp_path / "other" / "scores").exists()
