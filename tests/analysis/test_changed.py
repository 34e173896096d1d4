"""Sentences that are changed: by a rule, by another one, in the user's own words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis import preset
from analysis.answers.changed import Changed, changed, changed_sentences, stored_changed
from analysis.answers.outcomes import lean
from analysis.scoring.lock import lock
from analysis.store.promises import Locked
from analysis.store.store import Store
from data.catalog.catalog import recording
from data.errors import BrainLensError
from data.readers.tasks import paraphrases

SHORT = preset("defended").but(folds=3, inner_folds=2, bootstrap=50)


def planted(model: str, cls: str, left: dict, seeds: int = 5, whole: float = 0.5) -> list[Changed]:
    rng = np.random.default_rng(0)
    made = []
    for seed in range(seeds):
        kinds = [one for one in left if one in ("scrambled", "other") or not seed]
        r = [whole * (left[one] + 0.01 * rng.normal()) for one in kinds]
        frame = pd.DataFrame({"change": ["whole", *kinds], "r": [whole, *r], "r_nested": np.nan})
        made.append(Changed(model, cls, seed, frame))
    return made


def test_what_is_left_is_said_and_order_counts_only_where_seeds_say_so():
    net = planted(
        "net",
        "causal",
        {"scrambled": 0.6, "content": 0.7, "function": 0.2, "other": 0.0, "paraphrase": 0.9},
    )
    bag = planted(
        "bag", "embedding", {"scrambled": 1.0, "content": 0.8, "function": 0.1, "other": 0.0}
    )
    answer = changed([*net, *bag])
    assert list(answer.frame["change"])[:4] == ["whole", "whole", "scrambled", "scrambled"]
    assert (
        answer.sentence.startswith("net (r = .50) keeps 60 % [")
        and "] of r with words in a random order, 70 % with content" in answer.sentence
        and "with your paraphrases; bag (r = .50) keeps" in answer.sentence
    )
    assert answer.sentence.endswith("the order of words alone counts for net.")
    by = answer.frame.set_index(["model", "change"])
    assert by.loc[("net", "content"), "seeds"] == 1 and np.isnan(
        by.loc[("net", "content"), "share_low"]
    )
    assert by.loc[("net", "other"), "seeds"] == 5
    few = changed(planted("net", "causal", {"scrambled": 0.6, "content": 0.7}, seeds=2))
    assert "alone counts" not in few.sentence
    nothing = changed(planted("net", "causal", {"scrambled": 0.6}, whole=-0.1))
    assert "predicts nothing here" in nothing.sentence
    with pytest.raises(BrainLensError, match="No sentence was changed"):
        changed([])


def test_a_bag_of_words_knows_no_order_and_its_own_words_are_themselves(tmp_path, clean_home):
    """Static vectors are means over words; and a table that changes nothing costs nothing."""
    heard = recording("simulated")
    own = tmp_path / "own.csv"
    table = pd.DataFrame({"text": heard.texts, "paraphrase": heard.texts})
    table.to_csv(own, index=False)
    store = Store(tmp_path / "store")
    made = changed_sentences("zoo-glove-64d", heard, SHORT, own=str(own), store=store)
    r = made.frame.set_index("change")["r"]
    assert r["whole"] > 0.1 and r["scrambled"] == pytest.approx(r["whole"], abs=1e-6)
    assert r["paraphrase"] == pytest.approx(r["whole"], abs=1e-6)
    assert abs(r["other"]) < 0.7 * r["whole"] and r["function"] < r["whole"]
    again = stored_changed("zoo-glove-64d", heard, SHORT, own=str(own), store=store)
    pd.testing.assert_frame_equal(again.frame, made.frame)
    assert stored_changed("zoo-glove-64d", heard, SHORT, store=store) is None
    table.assign(paraphrase=[f"So {text}" for text in heard.texts]).to_csv(own, index=False)
    assert stored_changed("zoo-glove-64d", heard, SHORT, own=str(own), store=store) is None
    later = changed_sentences("zoo-glove-64d", heard, SHORT, seed=1, store=store)
    assert list(later.frame["change"]) == ["whole", "scrambled", "other"]
    lock("order counts", ["zoo-glove-64d"], [heard], lean(SHORT), store=store)
    with pytest.raises(Locked):
        stored_changed("zoo-glove-64d", heard, SHORT, seed=1, store=store)


@pytest.mark.parametrize("rows, said", [
    ({"text": ["a b", "a b"], "paraphrase": ["c", "d"]}, "has two paraphrases"),
    ({"text": ["a b", "c d"], "paraphrase": ["c", " "]}, "1 rows have an empty cell, first: row 2"),
    ({"text": ["a b"], "other": ["c"]}, "has no column paraphrase"),
])  # fmt: skip
def test_a_table_of_paraphrases_that_is_none_is_refused(tmp_path, rows, said):
    pd.DataFrame(rows).to_csv(tmp_path / "own.csv", index=False)
    with pytest.raises(BrainLensError, match=said):
        paraphrases(tmp_path / "own.csv")


def test_sentences_without_a_paraphrase_are_counted_and_the_first_named(tmp_path):
    heard = recording("simulated")
    own = tmp_path / "own.csv"
    pd.DataFrame({"text": heard.texts[1:], "paraphrase": heard.texts[1:]}).to_csv(own, index=False)
    with pytest.raises(
        BrainLensError, match=f"1 of {heard.n_measured} sentences of simulated have no"
    ):
        changed_sentences("zoo-glove-64d", heard, SHORT, own=str(own), store=Store(tmp_path / "s"))


def test_a_file_of_the_server_is_not_named_by_others(tmp_path, monkeypatch, clean_home):
    own = tmp_path / "own.csv"
    pd.DataFrame({"text": ["a b"], "paraphrase": ["c d"]}).to_csv(own, index=False)
    assert paraphrases(own) == {"a b": "c d"}
    monkeypatch.setenv("BRAINLENS_SERVED", "1")
    with pytest.raises(BrainLensError, match="There is no file"):
        paraphrases(own)
