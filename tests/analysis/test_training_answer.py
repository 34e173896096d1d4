"""The answer of the Training lens: from tables whose course is known."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from analysis.answers.training import checkpoints, trained_steps, training
from data.errors import BrainLensError

STEPS = (0, 10, 100, 1000)
R = (0.10, 0.12, 0.28, 0.30)


@dataclass
class Made:
    """A score with two layers, the second chosen."""

    model: str
    value: float
    recording: str = "made"
    chosen_layer: int = 1
    complete: bool = True
    cached: bool = True
    measured: tuple = ()
    provenance: dict = field(
        default_factory=lambda: {
            "folds": "5 folds",
            "recording": {
                "averaged": False,
                "n_subjects": 4,
                "n_stimuli": 60,
                "n_targets": 8,
                "scored_unit": "sentence",
            },
        }
    )
    protocol: object = field(
        default_factory=lambda: SimpleNamespace(layer="nested", method="ridge")
    )
    ceiling: object = field(default_factory=lambda: SimpleNamespace(value=0.5, flag=""))

    def summary(self) -> dict:
        row = self.table().iloc[self.chosen_layer].to_dict()
        shares = {f"share{end}": row[f"normalised{end}"] for end in ("", "_low", "_high")}
        return row | shares

    def table(self) -> pd.DataFrame:
        return pd.DataFrame(
            [
                {
                    "model": self.model,
                    "layer": layer,
                    "r": r,
                    "r_low": r - 0.02,
                    "r_high": r + 0.02,
                    "ceiling": 0.5,
                    "normalised": r / 0.5,
                    "normalised_low": r / 0.5 - 0.04,
                    "normalised_high": r / 0.5 + 0.04,
                    "n_stimuli": 60,
                    "chosen": layer == 1,
                }
                for layer, r in enumerate((self.value / 2, self.value))
            ]
        )


def made(values=R, **more):
    return [Made(f"toy-step{step}", r, **more) for step, r in zip(STEPS, values, strict=True)]


def test_names_say_whose_checkpoint_and_of_which_step():
    assert trained_steps("toy-step12") == ("toy", 12)
    assert trained_steps("EleutherAI/pythia-70m@revision:step1000") == (
        "EleutherAI/pythia-70m",
        1000,
    )
    assert (
        trained_steps("zoo-causal-400k") == ("zoo-causal-400k", 3200)
        and trained_steps("gpt2") is None
    )


def test_a_model_brings_its_checkpoints_and_only_its_own():
    found = checkpoints(["zoo-causal-400k", "zoo-lstm-1m", "gpt2"])
    assert (
        len(found) == 8 and found[0] == "zoo-causal-400k-step0" and found[-1] == "zoo-causal-400k"
    )
    assert (
        checkpoints(["zoo-causal-400k-step80"]) == found
        and checkpoints(["gpt2", "zoo-causal-200k"]) == []
    )
    named = ["pythia-70m@revision:step1000", "pythia-70m@revision:step8"]
    assert checkpoints(named) == named[::-1]


def test_the_course_is_in_the_frame_and_in_words():
    answer = training(
        made()[::-1],
        {f"toy-step{step}": bits for step, bits in zip(STEPS, (4.0, 3.0, 2.5, 2.0), strict=True)},
    )
    assert answer.frame["step"].tolist() == list(STEPS) and answer.frame["x"].tolist() == [
        1,
        11,
        101,
        1001,
    ]
    assert set(answer.frame["source"]) == {"stored"} == set(answer.facts["layers"]["source"])
    assert answer.frame["n_stimuli"].tolist() == [60] * 4
    assert training([Made("toy-step1", 0.1, cached=False)]).frame["source"].tolist() == ["fresh"]
    assert answer.frame["r"].tolist() == list(R) and answer.frame["bits_per_byte"].tolist() == [
        4.0,
        3.0,
        2.5,
        2.0,
    ]
    facts = answer.facts["toy"]
    assert (facts["half_score"], facts["half_bits"], facts["pairs"]) == (100, 10, 4) and facts[
        "rho"
    ] == pytest.approx(-1)
    assert "rises from .10 [.08, .12] at step 0 to .30 [.28, .32] at step 1,000" in answer.sentence
    assert "bits per byte fall from 4.00 to 2.00" in answer.sentence
    assert "4 checkpoints, which are not independent" in answer.sentence
    assert len(answer.facts["layers"]) == 8 and "one model" in answer.caption


def test_a_falling_score_is_said_to_fall():
    assert "falls from .30" in training(made(R[::-1])).sentence


def test_without_bits_there_is_no_correlation():
    answer = training(made())
    assert (
        answer.frame["bits_per_byte"].isna().all()
        and np.isnan(answer.facts["toy"]["rho"])
        and "bits" not in answer.sentence
    )


def test_what_is_no_checkpoint_is_named_and_several_recordings_are_refused():
    answer = training([*made(), Made("gpt2", 0.4)])
    assert (
        answer.missing["model"].tolist() == ["gpt2"]
        and "gpt2" in answer.caption
        and len(answer.frame) == 4
    )
    with pytest.raises(BrainLensError, match="2 recordings"):
        training([*made(), Made("toy-step5", 0.2, recording="other")])
    with pytest.raises(BrainLensError, match="checkpoints"):
        training([Made("gpt2", 0.4)])
