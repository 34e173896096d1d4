"""The verdict of Trust: what raises a doubt, and that every rule it counts by is printed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.answers.answer import Answer
from analysis.answers.trust.verdict import RULES, verdict


def test_a_model_that_is_not_above_its_untrained_copies_raises_a_doubt():
    rows = [
        {"what": what, "group": group, "folds": "held-out groups", "r": r, "low": r - 0.1, "high": r + 0.1}
        for what, group, r in (("m", "m", 0.32), ("position and length", "controls", 0.1), ("m, untrained", "untrained", 0.3))
    ]  # fmt: skip
    above = ["position and length"]
    for known, doubts in ((above, 1), ([*above, "m, untrained"], 0)):
        facts = {"verdicts": {"m": "no leak"}, "above": {"m": known}}
        said = verdict({"leaks": Answer(pd.DataFrame(rows), "", "", facts=facts)}, "m")
        assert said.facts["doubts"] == doubts
        assert ("it is not above its untrained copies" in said.sentence) == bool(doubts)


def _raising(panel: str, **cells) -> Answer:
    """A panel's answer on model ``m`` with these cells and facts."""
    facts = {
        name: cells.pop(name) for name in ("verdicts", "above", "models", "kept") if name in cells
    }
    return Answer(pd.DataFrame([{"model": "m", **cells}]), "", "", facts=facts)


@pytest.mark.parametrize(
    ("panel", "cells", "doubt", "rule"),
    [
        ("leaks", {"verdicts": {"m": "leak"}, "above": {}, "low": 0.2}, "leak and nothing is left", "leak while nothing is left"),
        ("leaks", {"verdicts": {"m": "cannot tell"}, "above": {}, "low": 0.2}, "cannot tell", "cannot tell"),
        ("leaks", {"verdicts": {"m": "no leak"}, "above": {}, "low": -0.2}, "includes 0", "includes 0"),
        ("leaks", {"verdicts": {"m": "no leak"}, "above": {}, "low": 0.2}, "not above position and length, random embedding and "
         "its untrained copies", "not lie above position and length, the random embedding and the highest untrained copy"),
        ("omega", {"person": "all", "omega": 81.0, "alone": 0.2, "unique": 0.1}, "explain 81 %", "80 % or more"),
        ("omega", {"person": "all", "omega": np.nan, "alone": -0.2, "unique": 0.1}, "not defined", "not defined"),
        ("court", {"divides": False}, "no ceiling that", "no ceiling that"),
        ("optimism", {"rule": "same", "added": 0.03}, "would add +.030", "adds more than .02"),
        ("curve", {"models": {"m": {"share": 0.9, "draws": 0, "counted": 10, "p_median": np.nan}}},
         "not above 0", "at or below 0"),
        ("curve", {"models": {"m": {"share": 1, "draws": 10, "counted": 10}}}, "10 exchanges cannot tell",
         "fewer exchanges than 20"),
        ("curve", {"models": {"m": {"share": 1, "draws": 19, "counted": 10, "p_median": 0.05}}}, "their least p = .050",
         "fewer exchanges than 20"),
        ("curve", {"models": {"m": {"share": 1, "draws": 99, "counted": 10, "p_median": 0.2}}}, "p = .200", "not below .05"),
        ("matrix", {"kept": {"m": {"people": 0.2}}}, "less than half", "less than 50 %"),
        ("matrix", {"kept": {"m": {}}}, "nothing that could generalise", "too little on the diagonal"),
    ],
)  # fmt: skip
def test_every_doubt_that_is_counted_stands_in_the_printed_rules(panel, cells, doubt, rule):
    """And only rules of panels that were asked."""
    if panel == "leaks":
        low = cells.pop("low")
        facts = {name: cells[name] for name in ("verdicts", "above")}
        names = (
            ("m", "model"),
            ("position and length", "controls"),
            ("random embedding", "controls"),
            ("m, untrained", "untrained"),
        )
        rows = [
            {"what": what, "group": group, "folds": "held-out groups", "r": 0.3, "low": low, "high": 0.5}
            for what, group in names
        ]  # fmt: skip
        found = Answer(pd.DataFrame(rows), "", "", facts=facts)
    else:
        found = _raising(panel, **cells)
    said = verdict({panel: found}, "m")
    assert said.facts["doubts"] == 1 and "1 of 1 panels raises a doubt: " in said.sentence
    assert doubt.replace("no ceiling that", "no ceiling may be divided by") in said.sentence
    assert (
        rule in said.caption
        and said.caption == f"A doubt is: {RULES[panel]}. It is a reading aid, no test."
    )


def test_a_p_that_is_the_least_of_its_exchanges_is_said_to_be_so():
    models = {"m": {"share": 1, "draws": 20, "counted": 10, "p_median": 1 / 21}}
    said = verdict({"curve": _raising("curve", models=models)}, "m")
    assert said.facts["doubts"] == 0 and "(p = .048, the least of 20 exchanges)" in said.sentence
    models["m"]["p_median"] = 2 / 21
    assert "the least of" not in verdict({"curve": _raising("curve", models=models)}, "m").sentence


def test_the_verdict_says_no_share_above_all_of_it():
    """.07 on the diagonal and .18 beside it is no 260 % that are left."""
    found = _raising("matrix", kept={"m": {"topics": 2.6, "experiments": 0.68}})
    said = verdict({"matrix": found}, "m").sentence
    assert "nothing lost on other topics and 68 % left on other experiments" in said
