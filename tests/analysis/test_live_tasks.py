"""A task run here: its name, its parts, what stands beside it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.answers.live_tasks import TaskResult, live_tasks, run_task, task_kind
from analysis.store.store import Store
from data.errors import BrainLensError


def result(model, score, task="syntaxgym", kind="syntaxgym", **more):
    parts = pd.DataFrame({"part": ["a", "b"], "score": [score, score], "low": score - 0.1, "high": score + 0.1,
                          "chance": 0.25, "n": 20, **more})  # fmt: skip
    return TaskResult(
        model, task, kind, parts, score, score - 0.05, score + 0.05, 0.25, "How it was got."
    )


def test_the_name_of_a_task():
    assert task_kind("syntaxgym") == ("syntaxgym", "") and task_kind("table:a:b.csv") == (
        "table",
        "a:b.csv",
    )
    with pytest.raises(BrainLensError, match="task"):
        task_kind("blimp")
    with pytest.raises(BrainLensError, match="names no file"):
        task_kind("pairs")


def test_models_side_by_side_in_words():
    answer = live_tasks(
        [result("small", 0.4, unknown=[0, 2]), result("large", 0.7, unknown=[0, 0])]
    )
    assert answer.sentence == (
        "On SyntaxGym, large is surprised where the suites say so in 70 % [65, 75] (chance 25 %); small in 40 % [35, 45]."
    )
    assert answer.facts["means"]["model"].tolist() == ["large", "small"] and len(answer.frame) == 4
    assert answer.caption.endswith(
        "2 left out: a model gives a region or a sentence no probability."
    )
    with pytest.raises(BrainLensError, match="2 tasks do not belong on one axis"):
        live_tasks([result("a", 0.4), result("a", 0.4, task="glue", kind="glue")])


def test_pairs_of_a_file_run_through_the_answer(tmp_path):
    pd.DataFrame({"good": ["The dog is here.", "He saw the house."], "bad": ["The dog are here.", "He the saw house."]}
                 ).to_csv(tmp_path / "p.csv", index=False)  # fmt: skip
    done = run_task(
        "zoo-causal-200k", f"pairs:{tmp_path / 'p.csv'}", store=Store(tmp_path / "store")
    )
    assert done.kind == "pairs" and done.chance == 0.5 and done.parts["n"].sum() == 2
    answer = live_tasks([done])
    assert (
        "On the pairs of p.csv, zoo-causal-200k prefers the good sentence in" in answer.sentence
        and answer.axes["y_title"] == "Accuracy"
    )


def test_the_published_glue_score_stands_beside_a_model_of_that_name():
    from analysis.answers.live_tasks import _published
    from data.readers.published import schrimpf2021_tasks

    table = schrimpf2021_tasks()
    row = table[(table["variant"] == "trained") & (table["model"] == "gpt2")].iloc[0]
    assert (
        _published("gpt2", "sst2") == row["glue_sst-2"]
        and _published("gpt2", "stsb") == row["glue_sts-b"]
    )
    assert _published("gpt2", "mnli") == row["glue_mnli"] and np.isnan(
        _published("zoo-causal-1m", "cola")
    )
