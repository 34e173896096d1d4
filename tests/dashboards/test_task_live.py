"""The Task lens runs a task, and draws its parts and its score against the brain."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from analysis import score
from analysis.answers.live_tasks import run_task, stored_task
from analysis.features.perplexity import evaluate
from analysis.models import load
from analysis.progress import SILENT
from dashboards import Task
from dashboards.page.checks import checks
from dashboards.work.ledger import Ready
from dashboards.work.task_computations import incapable
from dashboards.work.text_computations import TextReadings
from data.embedded import prose
from data.errors import BrainLensError
from data.readers.tasks import glue_folder
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
    lens.wait()  # it is not stored
    made = score(lens.selection.models[0], "simulated", lens.selection.protocol)
    lens.scores.keep(lens.scores.key(made.model), Ready(made))
    (wanted,) = (one for one in lens.missing() if one.key.startswith("task:"))
    assert wanted.title.endswith(" on the pairs of pairs.csv") and wanted.seconds > 0
    wanted.take(wanted.work(SILENT), True)
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


@pytest.mark.parametrize("tables", [[], ["schrimpf2021"]])
def test_a_file_that_holds_no_pairs_is_told_in_front(tmp_path, tables):
    pd.DataFrame({"good": ["A dog runs."], "bad": [""]}).to_csv(tmp_path / "none.csv", index=False)
    asked = dict(recording="simulated", own_x="task", task=f"pairs:{tmp_path / 'none.csv'}")
    lens = Task(models=["zoo-causal-200k", "zoo-causal-400k"], tables=tables, **asked)
    assert "Nothing was run" not in lens.shown.verdict + lens.shown.empty
    for _ in range(2):  # the look, then the work
        for one in lens.missing():
            if "task:" in one.key:
                one.take(one.work(SILENT), True)
    lens.refresh()
    said = lens.shown.verdict or lens.shown.empty
    assert said.startswith("Nothing was run on the pairs of none.csv: none.csv: 1 pair with an")
    mute = Task(models=["random-64", "zoo-glove-64d"], tables=tables, **asked)
    said = mute.shown.verdict or mute.shown.empty
    assert "random-64: random: no next-word probabilities; zoo-glove-64d: embedding" in said


def test_what_a_model_did_is_there_when_a_page_opens_until_the_file_changes(
    clean_home, tmp_path, monkeypatch
):
    path = tmp_path / "labels.csv"
    rows = {
        "text": [f"The {n} is {how}." for n in range(12) for how in ("good", "bad")],
        "label": ["g", "b"] * 12,
    }
    pd.DataFrame(rows).to_csv(path, index=False)
    asked = dict(
        models=["zoo-causal-200k"], tables=[], own_x="task", task=f"table:{path}", changes=QUICK
    )
    assert stored_task("zoo-causal-200k", asked["task"]) is None
    protocol = Task(**asked).selection.protocol
    made = run_task("zoo-causal-200k", asked["task"], protocol)
    monkeypatch.setattr("analysis.answers.live_tasks.probe", None)  # nothing is fitted again
    again = stored_task("zoo-causal-200k", asked["task"], protocol)
    pd.testing.assert_frame_equal(again.parts, made.parts)
    assert replace(again, parts=made.parts) == made
    assert stored_task("zoo-causal-200k", asked["task"], protocol, layer=0) is None
    lens = Task(**asked)
    lens.wait()
    assert [picture.label for picture in lens.shown.pictures] == ["The task"]
    methods, references = lens.shown.pictures[0].paper()
    assert "zoo-causal-200k (causal" in methods and "brainlens" in references
    lens.close()
    pd.DataFrame(rows).iloc[2:].to_csv(path, index=False)
    assert stored_task("zoo-causal-200k", asked["task"], protocol) is None


def test_what_a_model_made_of_a_text_is_there_when_a_page_opens(clean_home, monkeypatch):
    model = load("zoo-causal-200k")
    evaluate(model, "\n\n".join(prose()))
    for readout in (False, True):
        readings = TextReadings()
        (look,) = readings.missing(["zoo-causal-200k"], "prose", readout=readout)
        assert look.free and look.quiet
        look.take(look.work(SILENT), True)
        assert (readings.found("zoo-causal-200k", "prose", readout=readout) is None) == readout
        left = readings.missing(["zoo-causal-200k"], "prose", readout=readout)
        assert [one.seconds > 0 for one in left] == [True] * readout


def test_a_task_that_is_typed_is_shown():
    lens = Task(models=["zoo-causal-200k"], recording="simulated", tables=[])
    lens._task.value = "pairs:none.csv"
    assert (lens.selection.task, lens.selection.own_x) == ("pairs:none.csv", "task")
    lens.selection.param.update(task="syntaxgym", own_x="bits-per-byte")  # as a link says it
    assert lens.selection.own_x == "bits-per-byte"


def small_glue(folder, flip=0):
    """SST-2 as the benchmark gives it out, small."""
    (folder / "SST-2").mkdir(parents=True, exist_ok=True)
    for part, rows in (("train", 24), ("dev", 12)):
        lines = [
            f"The film {n} is {('bad', 'good')[n % 2]} .\t{(n + flip) % 2}" for n in range(rows)
        ]
        (folder / "SST-2" / f"{part}.tsv").write_text("\n".join(["sentence\tlabel", *lines, ""]))
    return folder


def the_task(lens) -> None:
    """Look for it and run it, without a score beside it."""
    for _ in range(2):
        for one in lens.missing():
            if "task:" in one.key:
                one.take(one.work(SILENT), True)
    lens.refresh()


def test_glues_files_lie_in_the_folder_that_the_page_asks_for(clean_home, tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINLENS_MIRROR", "")
    asked = dict(models=["zoo-causal-200k"], tables=[], own_x="task", changes=QUICK)

    def shown(lens) -> bool:
        return "Folder of GLUE's files" in [
            getattr(part, "label", "") for part in lens.controls._parts if part.visible
        ]

    lens = Task(**asked, task="syntaxgym:npi_src_any")
    assert not shown(lens)
    lens.close()
    lens = Task(**asked, task="glue:sst2", folder=str(small_glue(tmp_path / "mine")))
    assert shown(lens)
    the_task(lens)
    (picture,) = lens.shown.pictures
    assert picture.table["part"].tolist() == ["sst2"] and picture.table["score"].iloc[0] > 0.5
    assert f"folder={str(tmp_path / 'mine')!r}" in picture.python
    compile(picture.python, "glue.py", "exec")
    (key,) = lens.tasks._found
    small_glue(tmp_path / "mine", flip=1)  # a running page goes by what the files hold
    lens.refresh()
    assert not lens.shown.there and key not in [one.key for one in lens.missing()]
    lens.selection.folder = str(tmp_path / "none")
    the_task(lens)
    assert f"There is no folder {tmp_path / 'none'}" in lens.shown.empty
    lens.close()


def test_a_folder_outside_is_not_there_for_whom_the_page_is_served(
    clean_home, tmp_path, monkeypatch
):
    folder = small_glue(tmp_path / "mine")
    checks()["folder"](str(folder))
    assert glue_folder(folder) == folder
    monkeypatch.setenv("BRAINLENS_SERVED", "1")
    with pytest.raises(BrainLensError, match="There is no folder"):
        glue_folder(folder)
    with pytest.raises(BrainLensError, match="There is no folder"):
        checks()["folder"](str(folder))
    own = small_glue(clean_home / "data" / "glue")
    assert glue_folder(own) == own


def test_what_a_model_cannot_do_is_said_before_it_runs():
    assert incapable("random-64", "syntaxgym") == "random: no next-word probabilities"
    assert (
        incapable("zoo-causal-200k", "syntaxgym") == ""
        and incapable("zoo-masked-1m", "pairs:x") == ""
    )
    assert "task" in incapable("zoo-causal-200k", "nothing")
