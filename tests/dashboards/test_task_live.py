"""The Task lens runs a task, and draws its parts and its score against the brain."""

from __future__ import annotations

import pandas as pd

from analysis import score
from dashboards import Task
from dashboards.work.ledger import Ready
from dashboards.work.task_computations import incapable
from tests.figures import misprints

QUICK = {
    "seeds": 1,
    "folds": 2,
    "inner_folds": 2,
    "bootstrap": 20,
    "controls": (),
    "ceiling": "none",
}


def test_minimal_pairs_are_run_and_drawn(tmp_path):
    rows = {"good": ["The dog is here.", "He saw the house."] * 3, "bad": ["The dog are here.", "He the saw house."] * 3,
            "set": ["a", "b"] * 3}  # fmt: skip
    pd.DataFrame(rows).to_csv(tmp_path / "pairs.csv", index=False)
    lens = Task(models=["zoo-causal-200k", "random-64"], recording="simulated", tables=[], own_x="task",
                task=f"pairs:{tmp_path / 'pairs.csv'}", changes=QUICK)  # fmt: skip
    made = score(lens.selection.models[0], "simulated", lens.selection.protocol)
    lens.scores.keep(lens.scores.key(made.model), Ready(made))
    wanted = [one for one in lens.missing() if one.key.startswith("task:")]
    assert len(wanted) == 1 and wanted[0].title.endswith(" on the pairs of pairs.csv")
    for one in wanted:
        from analysis.progress import SILENT

        one.take(one.work(SILENT), True)
    lens.refresh()
    picture, own = lens.shown.pictures  # one model has no correlation: the task first
    assert (picture.label, own.label) == ("The task", "Your own")
    assert own.spec.x_title == "Score on the pairs of pairs.csv"
    assert "random: no next-word probabilities" in picture.spec.caption
    assert (
        set(picture.table["part"]) == {"a", "b"}
        and "prefers the good sentence" in picture.spec.answer
    )
    assert misprints(picture.spec) == []
    compile(picture.python, "task.py", "exec")


def test_a_task_that_is_typed_is_shown():
    lens = Task(models=["zoo-causal-200k"], recording="simulated", tables=[])
    lens._task.value = "pairs:none.csv"
    assert (lens.selection.task, lens.selection.own_x) == ("pairs:none.csv", "task")
    lens.selection.param.update(task="syntaxgym", own_x="bits-per-byte")  # as a link says it
    assert lens.selection.own_x == "bits-per-byte"


def test_what_a_model_cannot_do_is_said_before_it_runs():
    assert incapable("random-64", "syntaxgym") == "random: no next-word probabilities"
    assert (
        incapable("zoo-causal-200k", "syntaxgym") == ""
        and incapable("zoo-masked-1m", "pairs:x") == ""
    )
    assert "task" in incapable("zoo-causal-200k", "nothing")
