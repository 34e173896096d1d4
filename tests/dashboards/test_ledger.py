"""What a ledger takes for a value: whole ones, and parts only of the kind that was wished for."""

from __future__ import annotations

import pytest

from analysis.progress import Report
from analysis.protocol import preset
from analysis.scoring.cost import Cost
from analysis.scoring.per_stimulus import item_values
from dashboards import LENSES
from dashboards.work.ledger import Ledger, Priced, Refused, Wish

QUICK = preset("defended").but(folds=3, inner_folds=2, seeds=1, bootstrap=0, ceiling="none", controls=(),
                               shuffled_twin=False, unique=False)  # fmt: skip
ASKED = {
    "training": {"models": ["zoo-causal-400k"]},
    "wiring": {"models": ["zoo-causal-1m"]},
    "perturb": {"models": ["zoo-causal-1m"]},
    "trust": {"models": ["zoo-causal-1m"], "doubts": ["optimism"]},
    "time": {"models": ["zoo-causal-1m"], "recording": "simulated-story", "preset": "story"},
    "task": {"models": ["zoo-causal-1m"], "benchmark": "own"},
}


class Stranger:
    """Part of a result that nobody asked for."""


def shown(lens) -> tuple:
    """What stands on the screen: the answers of its pictures, or why there is none."""
    lens.refresh()
    return tuple(one.spec.answer for one in lens.shown.pictures), lens.shown.empty


def test_a_part_of_another_kind_is_not_the_value():
    ledger = Ledger()
    wishes = [Wish("whole", "none", id, cost=Cost(1)), Wish("parts", "texts", id, grows=str)]
    whole, parts = ledger.computations(wishes)
    for one in (whole, parts):
        one.take(Stranger(), False)
    assert ledger.values(["whole", "parts"]) == []
    whole.take("half", False)
    parts.take("half", False)
    assert ledger.values(["whole", "parts"]) == ["half"]
    parts.take("all of it", True)
    parts.take(Refused("never"), True)
    assert isinstance(ledger.finding("parts"), Refused)


@pytest.mark.parametrize("slug", [slug for slug in LENSES.own if slug != "library"])
def test_no_lens_takes_a_step_on_the_way_for_its_answer(slug, clean_home):
    choice = {"models": ["zoo-causal-1m", "zoo-causal-400k"], "recording": "simulated"}
    variants = [choice | ASKED.get(slug, {})]
    if slug == "design":
        variants = [
            choice | {"design": one, "effect": 0.01} for one in ("drive", "controversial", "power")
        ]
    for asked in variants:
        lens, heard = LENSES[slug](**asked), 0
        for _ in range(3):
            before = shown(lens)
            for one in lens.missing():
                one.take(Stranger(), False)
                heard += 1
            assert shown(lens) == before
            for one in lens.missing():
                if one.key.startswith("look:"):
                    one.take(Priced(Cost(1, seconds=99.0)), True)
                elif one.key.startswith("looks:"):  # of several
                    one.take([Priced(Cost(1, seconds=99.0))] * len(one.work.args[1]), True)
        assert heard, "nothing was asked for"
        lens.close()


def test_what_scores_on_its_way_hands_no_part_of_the_score_on(clean_home):
    heard = []
    item_values("zoo-causal-200k", "simulated", QUICK, report=Report(on_partial=heard.append))
    assert heard == []
