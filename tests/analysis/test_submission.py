"""Submissions are run again and compared; ranks over versions; rules for what is missing."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from analysis.answers.compare import rank
from analysis.answers.history import history
from analysis.protocol import preset
from analysis.scoring.submission import read_submission, submit, verify
from analysis.scoring.verb import score
from analysis.store.store import Store
from data.errors import BrainLensError

QUICK = preset("defended").but(
    folds=3, inner_folds=2, seeds=1, bootstrap=20, ceiling="none", controls=(), shuffled_twin=False, unique=False,
)  # fmt: skip


@pytest.fixture(scope="module")
def submitted(tmp_path_factory):
    """Two results of one lab, written as a submission."""
    folder = tmp_path_factory.mktemp("lab")
    store = Store(folder / "store")
    for model in ("random-16", "random-32"):
        score(model, "simulated", QUICK, store=store)
    return submit(folder / "submission.json", lab="A lab", store=store), store


def test_another_lab_gets_the_same_numbers_and_writes_a_receipt(submitted, tmp_path):
    path, _ = submitted
    found = verify(path, receipt=tmp_path / "receipt.json", store=Store(tmp_path / "theirs"))
    assert found.verified and found.whole and (found.table["apart"] < 1e-6).all()
    assert found.sentence() == "2 of 2 results of A lab came out the same here."
    receipt = json.loads((tmp_path / "receipt.json").read_text())
    assert receipt["verified"] is True and {row["outcome"] for row in receipt["rows"]} == {"same"}


def changed(path, target, change):
    body = json.loads(path.read_text())
    change(body["rows"][0])
    target.write_text(json.dumps(body))
    return target


def test_a_row_that_was_changed_is_not_run(submitted, tmp_path):
    path, _ = submitted
    other = changed(path, tmp_path / "s.json", lambda row: row.update(r=0.9))
    found = verify(other, store=Store(tmp_path / "theirs"))
    assert (
        found.table["outcome"].tolist() == ["changed", "same"]
        and not found.whole
        and not found.verified
    )
    assert "1 changed. The file was changed after it was written." in found.sentence()


@pytest.mark.parametrize(
    "part,name,outcome",
    [("model", "fingerprint", "other weights"), ("recording", "content_hash", "other data"), ("protocol", "method", "no recipe")],
)  # fmt: skip
def test_other_weights_other_data_and_a_recipe_of_another_kind_are_told_apart(
    submitted, tmp_path, part, name, outcome
):
    def change(row):
        recipe = json.loads(row["provenance"])
        recipe[part][name] = "another"
        row.update(provenance=json.dumps(recipe), hash="")

    path, _ = submitted
    found = verify(changed(path, tmp_path / "s.json", change), store=Store(tmp_path / "theirs"))
    assert found.table["outcome"].iloc[0] == outcome and found.table["why"].iloc[0]


def test_a_claim_that_is_not_reproduced_is_another_number_and_a_model_that_is_not_here_is_not_run(
    submitted, tmp_path
):
    path, _ = submitted
    store = Store(tmp_path / "theirs")
    higher = changed(path, tmp_path / "h.json", lambda row: row.update(r=row["r"] + 0.01, hash=""))
    assert verify(higher, store=store).table["outcome"].iloc[0] == "other number"
    absent = changed(
        path, tmp_path / "a.json", lambda row: row.update(model="no-such-model", hash="")
    )
    assert verify(absent, store=store).table["outcome"].iloc[0] == "not run"


def test_what_is_no_submission_is_refused(submitted, tmp_path):
    _, store = submitted
    (tmp_path / "x.json").write_text('{"rows": [1]}')
    with pytest.raises(BrainLensError, match="is no submission of BrainLens"):
        read_submission(tmp_path / "x.json")
    with pytest.raises(BrainLensError, match="file type"):
        submit(tmp_path / "x.csv", store=store)
    with pytest.raises(BrainLensError, match="model of a result 'gpt2'"):
        submit(tmp_path / "x.json", ["gpt2"], store=store)
    with pytest.raises(BrainLensError, match="no result to submit"):
        submit(tmp_path / "x.json", store=Store(tmp_path / "empty"))


# ---- rules for what is missing --------------------------------------------------------------------------------------
def board(rows, version="1"):
    recipe = {
        "versions": {"brainlens": version},
        "code_version": "",
        "computed": f"2026-0{version[0]}-01T00:00:00Z",
    }
    return pd.DataFrame([
        {"model": model, "family": model, "recording": on, "protocol": "defended", "protocol_key": "k", "data_key": on,
         "source": "own", "r": r, "r_low": r - 0.1, "r_high": r + 0.1, "normalised": np.nan, "ceiling": np.nan,
         "layer": 1, "n_stimuli": 10, "simulated": False, "draws": None, "provenance": json.dumps(recipe)}
        for model, on, r in rows
    ])  # fmt: skip


ROWS = (
    ("a", "one", 0.3),
    ("a", "two", 0.1),
    ("b", "one", 0.2),
    ("b", "two", 0.4),
    ("c", "one", 0.5),
)


@pytest.mark.parametrize(
    "gaps,means",
    [
        ("empty", {"a": 0.2, "b": 0.3, "c": np.nan}),
        ("zero", {"a": 0.2, "b": 0.3, "c": 0.25}),
        ("shared", {"a": 0.3, "b": 0.2, "c": 0.5}),
    ],
)
def test_a_recording_that_is_missing_empties_counts_as_zero_or_is_left_out_for_all(gaps, means):
    answer = rank(board(ROWS), gaps=gaps)
    found = answer.frame.set_index("model")["mean"]
    for model, mean in means.items():
        assert found[model] == pytest.approx(mean, nan_ok=True)
    assert answer.frame.set_index("model").loc["a", "two"] == 0.1  # the single score stays visible
    with pytest.raises(BrainLensError, match="rule for what is missing"):
        rank(board(ROWS), gaps="ignore")


# ---- ranks over versions --------------------------------------------------------------------------------------------
def test_ranks_over_versions_say_what_moved_among_how_many():
    older = board((("a", "one", 0.3), ("b", "one", 0.2)), "1.0")
    newer = board((("a", "one", 0.3), ("b", "one", 0.4), ("c", "one", 0.35)), "2.0")
    none = board((("d", "one", 0.9),)).assign(provenance="")
    answer = history(pd.concat([newer, older, none], ignore_index=True), ["one"])
    table = answer.frame.set_index(["version", "model"])
    assert table.loc[("1.0", "a"), "rank"] == 1 and table.loc[("2.0", "a"), "rank"] == 3
    assert table.loc[("2.0", "b"), "of"] == 3 and answer.frame["order"].tolist() == [1, 1, 2, 2, 2]
    assert answer.sentence.startswith(
        "Over 2 versions, a moves from 1 of 2 to 3 of 3 under defended"
    )
    assert answer.missing["model"].tolist() == ["d"]
    assert history(older, models=["b"]).frame["model"].unique().tolist() == ["b"]
