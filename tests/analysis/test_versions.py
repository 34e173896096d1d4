"""Two versions of one recording, side by side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis.answers.versions import DIRECTION, compare, sources
from data.catalog.catalog import recording
from data.errors import BrainLensError


@pytest.fixture(scope="module")
def pair():
    """The simulated readers, their mean as it is and one word too early, with the surprisals that drive a planted effect."""
    from data.words import add_word_columns

    whole = recording("simulated-reading")
    rng = np.random.default_rng(0)
    bits = pd.Series(rng.gamma(2.0, 3.0, whole.n_stimuli), index=whole.stimuli.index)
    table = add_word_columns(whole.stimuli.assign(story=whole.column(whole.context).astype(str)))
    times = (
        300
        + 8 * bits
        + 4 * bits.groupby(table["story"]).shift(1).fillna(6)
        + rng.normal(0, 20, len(bits))
    )
    values = (
        whole.responses.isel(target=[0])
        .copy(data=times.to_numpy()[:, None])
        .drop_vars("subject", errors="ignore")
    )
    right = replace(
        whole,
        id="right",
        responses=values,
        averaged=True,
        truth={},
        stimuli=table,
        context="story",
        group="story",
    )
    moved = right.responses.values.copy()
    for rows in table.groupby("story").indices.values():
        moved[rows[:-1]] = right.responses.values[rows[1:]]
        moved[rows[-1]] = np.nan
    early = replace(right, id="early", responses=right.responses.copy(data=moved))
    return early, right, bits


def test_the_verdict_rests_on_the_unseen_word(pair):
    early, right, bits = pair
    said = compare(early, right, bits)
    assert said.facts["verdicts"] == {"early": "shifted", "right": "aligned"}
    profile = (
        said.facts["profile"].query("predictor == 'surprisal'").set_index(["version", "lag"])["t"]
    )
    assert abs(profile["early", -1]) > 10 > 4 > abs(profile["right", -1])
    assert set(said.frame.columns) == {
        "quantity",
        "predictor",
        "word",
        "early",
        "right",
        "difference",
    }
    assert DIRECTION not in said.caption and "early: shifted" in said.sentence


def test_surprisals_from_a_table(pair, tmp_path):
    early, right, bits = pair
    path = tmp_path / "bits.csv"
    pd.DataFrame({"stimulus": bits.index, "surprisal": bits.to_numpy()}).to_csv(path, index=False)
    pd.testing.assert_frame_equal(
        compare(early, right, str(path)).frame, compare(early, right, bits).frame
    )
    bits.rename("other").to_csv(tmp_path / "wrong.csv")
    with pytest.raises(BrainLensError, match="no column"):
        compare(early, right, str(tmp_path / "wrong.csv"))


def test_what_cannot_be_compared(pair):
    early, right, bits = pair
    with pytest.raises(BrainLensError, match="named twice"):
        compare(right, right, bits)
    with pytest.raises(
        BrainLensError,
        match=r"right and copy are the same: the responses to all 2,218 words are equal",
    ):
        compare(right, replace(right, id="copy"), bits)
    other = replace(
        right, id="other", stimuli=right.stimuli.assign(text=["word", *right.texts[1:]])
    )
    with pytest.raises(BrainLensError, match="do not hold the same words: 1 differ"):
        compare(right, other, bits)
    with pytest.raises(BrainLensError, match="belong to Natural Stories"):
        compare(early, right)
    assert "gpt3" not in sources("simulated-reading") and "zoo-causal-200k" in sources(
        "simulated-reading"
    )


@pytest.mark.realdata
def test_the_default_and_the_version_it_stands_for_are_the_same(mirror):
    with pytest.raises(
        BrainLensError, match=r"natural-stories and natural-stories@realigned are the same"
    ) as caught:
        compare("natural-stories", "natural-stories@realigned")
    assert "natural-stories@as-released" in caught.value.choices


@pytest.mark.realdata
def test_natural_stories_as_released_and_realigned(mirror):
    said = compare("natural-stories@as-released", "natural-stories@realigned")
    assert said.facts["verdicts"] == {
        "natural-stories@as-released": "shifted",
        "natural-stories@realigned": "aligned",
    }
    t = said.facts["profile"].set_index(["version", "predictor", "lag"])["t"]
    released, moved = (
        [round(t[name, "surprisal", lag], 1) for lag in (-1, 0, 1)] for name in said.facts["names"]
    )
    assert released == pytest.approx([11.7, 14.8, 9.8], abs=0.9)
    assert moved == pytest.approx([0.6, 11.7, 14.8], abs=0.4)
    assert (
        t["natural-stories@as-released", "length", -1] > 18
        and t["natural-stories@realigned", "length", -1] < 3.5
    )
    assert DIRECTION in said.caption and said.facts["inferred"]
