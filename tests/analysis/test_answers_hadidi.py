"""The published table of shuffled against contiguous folds."""

from __future__ import annotations

import pytest

from analysis.answers.hadidi import hadidi
from data.errors import BrainLensError


@pytest.mark.parametrize(("benchmark", "shuffled", "contiguous", "oasm"), [
    ("pereira2018", 0.398, 0.140, 0.451), ("fedorenko2016", 0.257, 0.203, 0.273), ("blank2014", 0.049, 0.025, 0.503),
])  # fmt: skip
def test_the_published_figures(benchmark, shuffled, contiguous, oasm):
    answer = hadidi(benchmark)
    row = answer.frame.set_index("model").loc["gpt2-xl"]
    assert (row["x"], row["y"]) == pytest.approx((shuffled, contiguous), abs=0.0006)
    controls = answer.facts["controls"].set_index("model")
    assert controls.loc["OASM-all-sigma", "x"] == pytest.approx(oasm, abs=0.0006)
    assert abs(controls.loc["OASM-all-sigma", "y"]) < 0.005
    assert len(answer.frame) == 45 and not set(answer.frame["model"]) & set(controls.index)


def test_the_caption_names_rule_n_and_intervals():
    answer = hadidi("pereira2018", pooling="mean")
    assert "tokens pooled by mean" in answer.caption and "n = 45 models of" in answer.caption
    assert answer.correlation.low < answer.correlation.r < answer.correlation.high
    assert answer.frame["kept"].iloc[5] == pytest.approx(
        answer.frame["y"].iloc[5] / answer.frame["x"].iloc[5]
    )


def test_unknown_names_are_named():
    with pytest.raises(BrainLensError, match="futrell2018"):
        hadidi("futrell2018")
    with pytest.raises(BrainLensError, match="Unknown pooling 'max'"):
        hadidi(pooling="max")
