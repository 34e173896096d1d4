"""Published delta log-likelihoods and the known misalignment of Natural Stories, from the original files."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from analysis.reading.delta_ll import add_spillover, delta_log_likelihood
from analysis.reading.doctor import lag_profile, version_diff
from data.readers.reading_times import gpt3_surprisal

pytestmark = pytest.mark.realdata

GOLDENS = {
    "gpt2": (0.015607, 0.012982),
    "gpt2-medium": (0.013616, 0.011314),
    "opt-125m": (0.015539, 0.012747),
    "opt-1.3b": (0.011812, 0.009480),
    "Llama-2-7b-hf": (0.006411, 0.005086),
    "falcon-7b": (0.007615, 0.005897),
}
"""Model -> (published, corrected), nats per word."""


@pytest.fixture(scope="module")
def words(mirror):
    table = pd.read_csv(mirror / "delta_ll" / "ns.csv", keep_default_na=False)
    return table.sort_values(["article", "sent_id", "tokenN_in_sent"], kind="stable").reset_index(
        drop=True
    )


def kuribayashi(words: pd.DataFrame, surprisal: dict, *, order) -> float:
    """Delta log-likelihood with the previous surprisals in the base, taken from the stories in an order of their ids."""
    values = {int(story): np.concatenate(sentences) for story, sentences in surprisal.items()}
    table = words.assign(surprisal=np.concatenate([values[story] for story in sorted(values)]))
    shifted = add_spillover(table, "surprisal", ["article", "sent_id"], fill="mean")
    order = sorted(values, key=order)
    for name in ("surprisal_prev_1", "surprisal_prev_2"):
        table[name] = np.concatenate(
            [shifted.loc[shifted["article"] == story, name] for story in order]
        )
    last = table.groupby(["article", "sent_id"])["tokenN_in_sent"].transform("max")
    inside = (table["tokenN_in_sent"] > 0) & (table["tokenN_in_sent"] < last)
    flagged = table["is_first"].astype(str).eq("True") | table["is_last"].astype(str).eq("True")
    kept = table[(table["time"] > 0) & inside & ~flagged]
    assert len(kept) == 9198
    base = [
        f"{name}{lag}"
        for name in ("length", "log_gmean_freq")
        for lag in ("", "_prev_1", "_prev_2")
    ]
    found = delta_log_likelihood(
        kept, "time", ["surprisal_prev_1", "surprisal_prev_2", *base], "surprisal"
    )
    assert found.n_words == 9198
    return found.per_word


@pytest.mark.parametrize("model", GOLDENS)
def test_published_and_corrected_delta_log_likelihood(words, mirror, model):
    surprisal = json.loads((mirror / "delta_ll" / f"{model}.json").read_text())
    published, corrected = GOLDENS[model]
    assert kuribayashi(words, surprisal, order=str) == pytest.approx(published, abs=1e-6)
    assert kuribayashi(words, surprisal, order=int) == pytest.approx(corrected, abs=1e-6)


@pytest.fixture(scope="module")
def versions(words, mirror):
    """Both versions with the lengths, frequencies and times of the table of words."""
    table = words.sort_values(["article", "zone"]).reset_index(drop=True)
    table = table.assign(text=table["word"], story=table["article"].astype(str))
    table["surprisal"] = gpt3_surprisal(mirror / "naturalstories" / "all_stories_gpt3.csv", table)
    table["rt"] = table["time"].where(table["time"] > 0)
    return {
        "as-released": table,
        "realigned": table.assign(rt=table.groupby("story")["rt"].shift(1)),
    }


def test_the_doctor_finds_the_shift_of_natural_stories(versions):
    predictors = ("surprisal", "length", "log_gmean_freq")
    old, new = (lag_profile(table, "rt", predictors, by="story") for table in versions.values())
    assert [old.at("surprisal", lag)["t"] for lag in (-1, 0, 1)] == pytest.approx(
        [11.7, 14.8, 9.8], abs=0.05
    )
    assert [new.at("surprisal", lag)["t"] for lag in (-1, 0, 1)] == pytest.approx(
        [0.6, 11.7, 14.8], abs=0.05
    )
    assert [profile.at("length", -1)["t"] for profile in (old, new)] == pytest.approx(
        [22.7, 2.5], abs=0.05
    )
    assert (old.verdict, new.verdict) == ("shifted", "aligned")
    assert (
        new.frame[new.frame["predictor"] == "surprisal"].set_index("lag")["t"].idxmax() == 1
    )  # the peak decides nothing


def test_the_diff_shows_both(versions):
    diff = version_diff(versions, "rt", base=("length", "log_gmean_freq"))
    assert diff.verdicts == {"as-released": "shifted", "realigned": "aligned"}
    rows = diff.frame.set_index(["quantity", "predictor", "word"])
    assert rows.loc[("t", "surprisal", "t+1"), "as-released"] == pytest.approx(11.7, abs=0.05)
    assert rows.loc[("t", "surprisal", "t+1"), "difference"] == pytest.approx(0.6 - 11.7, abs=0.1)
    assert rows.loc[("delta_ll", "", ""), "realigned"] > 0
