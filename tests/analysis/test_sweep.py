"""Sweeps: plans, tasks, and the same numbers to the bit whoever works on them."""

import errno
import os
import signal
import stat
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis.protocol import preset
from analysis.store.store import Store
from analysis.sweep import Plan, Sweep, read_plan, run, schedule, submit
from analysis.sweep.board import sweeps
from analysis.sweep.plan import Cell, Task, checked_layers
from analysis.sweep.runners import environment
from analysis.sweep.work import MODES, do, loop
from data.errors import BrainLensError

PLAN = """
name = "two models"
models = ["zoo-causal-200k", "zoo-glove-*"]
recordings = ["simulated"]
protocols = ["quick", "strict"]
exclude = [{ model = "zoo-glove-*", protocol = "strict" }]

[protocol.quick]
criterion = "logo"
bootstrap = 20
controls = ["length"]
shuffled_twin = false
unique = false
ceiling = "none"
folds = 3

[protocol.strict]
preset = "defended"
criterion = "gcv"
context = "none"
bootstrap = 20
controls = []
shuffled_twin = false
unique = false
ceiling = "none"
folds = 3
"""


@pytest.fixture
def plan(tmp_path) -> Plan:
    path = tmp_path / "plan.toml"
    path.write_text(PLAN)
    return read_plan(path)


def test_a_plan_may_name_places_inside_the_blocks(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text(
        PLAN.replace('name = "two', 'layers = ["attn", "mlp:3", 2]\nname = "two').replace(
            'models = ["zoo-causal-200k", "zoo-glove-*"]', 'models = ["zoo-causal-200k"]'
        )
    )
    plan = read_plan(path)
    assert {cell.model for cell in plan.cells()} == {"zoo-causal-200k@at:attn+mlp:3+block:2"}
    assert plan.numbers is None and Plan.from_dict(plan.to_dict()) == plan
    path.write_text(plan.toml())
    assert read_plan(path).layers == ("attn", "mlp:3", 2)
    assert Plan("a", ("b",), ("c",), ("d",), layers=(0, -1)).numbers == [0, -1]
    for wrong, told in (("attention:3", "Unknown layer"), ("attn,-1", "counts from the top")):
        with pytest.raises(BrainLensError, match=told):
            checked_layers(wrong.split(","))


def test_places_are_swept(tmp_path):
    plan = Plan(
        "places", ("zoo-causal-200k",), ("simulated",), ("quick",), layers=("attn:1", "mlp")
    )
    quick = preset("defended").but(controls=(), shuffled_twin=False, unique=False, ceiling="none",
                                   bootstrap=20, folds=3, seeds=1, criterion="gcv")  # fmt: skip
    sweep = Sweep.of(replace(plan, changed={"quick": quick}), Store(tmp_path / "store"))
    assert run(sweep)["done"] == len(sweep.tasks) == 2
    table = sweep.scores()
    assert table["note"].tolist()[:2] == ["attn:1", "mlp:1"]
    assert table["model"].unique().tolist() == ["zoo-causal-200k@at:attn:1+mlp"]


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    """The plan done one by one in this process."""
    folder = tmp_path_factory.mktemp("serial")
    (folder / "plan.toml").write_text(PLAN)
    plan = read_plan(folder / "plan.toml")
    sweep = Sweep.of(plan, Store(folder / "store"))
    assert run(sweep)["done"] == len(sweep.tasks)
    return plan, sweep


# ---- plans ------------------------------------------------------------------------------------------------------------
def test_a_plan_has_its_cells_without_the_excluded_ones(plan):
    assert plan.name == "two models"
    assert plan.cells() == [
        Cell("zoo-causal-200k", "simulated", "quick"),
        Cell("zoo-causal-200k", "simulated", "strict"),
        Cell("zoo-glove-64d", "simulated", "quick"),
    ]
    assert plan.protocol("strict").context == "none"


def test_a_plan_written_out_is_the_same_plan(plan, tmp_path):
    path = tmp_path / "again.toml"
    path.write_text(plan.toml())
    again = read_plan(path)
    assert again == plan and again.key == plan.key
    assert Plan.from_dict(plan.to_dict()) == plan


def test_revisions_are_models_of_their_own(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text(
        'models = ["gpt2"]\nrecordings = ["simulated"]\nrevisions = ["step1", "step2"]\n'
    )
    assert [cell.model for cell in read_plan(path).cells()] == ["gpt2@step1", "gpt2@step2"]


@pytest.mark.parametrize(
    "text, words",
    [
        ("models = [", "no TOML"),
        ('recordings = ["simulated"]', "names no models"),
        ('models = ["zoo-glove-64d"]', "names no recordings"),
        ('model = ["zoo-glove-64d"]', "field of a plan"),
        ('models = ["nothing-*"]\nrecordings = ["simulated"]', "nothing-"),
        ('models = ["a"]\nrecordings = ["simulated"]\nprotocols = ["b"]', "protocol"),
        ('models = ["a"]\nrecordings = ["simulated"]\nexclude = [{fold = "1"}]', "exclude"),
        ('models = ["a"]\nrecordings = ["simulated"]\n[run]\ncores = 0', "cores"),
    ],
)
def test_errors_of_a_plan_name_what_to_change(tmp_path, text, words):
    path = tmp_path / "plan.toml"
    path.write_text(text)
    with pytest.raises(BrainLensError, match=words) as caught:
        read_plan(path)
    assert caught.value.remedy or caught.value.choices


def test_a_plan_that_is_not_there(tmp_path):
    with pytest.raises(BrainLensError, match="cannot be read"):
        read_plan(tmp_path / "none.toml")


def test_equal_work_is_one_task_and_readings_come_first(serial):
    _, sweep = serial
    assert [task.kind for task in sweep.tasks] == [
        "read",
        "read",
        "read",
        "score",
        "score",
        "score",
    ]
    keys = [task.key for task in sweep.tasks]
    assert len(set(keys)) == 6
    for task in sweep.tasks[3:]:
        assert keys.index(task.after) < 3


# ---- numbers ----------------------------------------------------------------------------------------------------------
def same_bits(first: pd.DataFrame, second: pd.DataFrame) -> None:
    assert len(first) == len(second) > 0
    for name in first.columns:
        if first[name].dtype.kind == "f":
            np.testing.assert_array_equal(first[name].values, second[name].values)


def fake_sbatch(folder, monkeypatch) -> None:
    """An ``sbatch`` that runs the elements of an array as processes, one after the other."""
    path = folder / "sbatch"
    path.write_text(
        "#!/bin/bash\n"
        "last=$(grep -oP '(?<=--array=0-)[0-9]+' \"$1\")\n"
        'for i in $(seq 0 $last); do SLURM_ARRAY_TASK_ID=$i bash "$1" || exit 1; done\n'
        'echo "Submitted batch job 7"\n'
    )
    path.chmod(path.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.slow
@pytest.mark.parametrize("runner, workers", [("processes", 2), ("dask", 1), ("slurm", 1)])
def test_every_runner_gives_the_same_numbers_to_the_bit(
    serial, runner, workers, tmp_path, monkeypatch
):
    plan, one = serial
    expected = one.scores()
    protocols = (
        plan.protocols if runner == "processes" else ("quick",)
    )  # else Python starts anew for each
    plan = replace(plan, models=("zoo-causal-200k",), protocols=protocols)
    expected = expected[
        (expected["model"] == "zoo-causal-200k") & expected["protocol"].isin(protocols)
    ]
    sweep = Sweep.of(plan, Store(tmp_path / "store"))
    fake_sbatch(tmp_path, monkeypatch)
    counts = run(sweep, runner, workers=workers)
    assert counts["done"] == len(sweep.tasks), sweep.table()["error"].tolist()
    same_bits(expected, sweep.scores())
    row = sweep.table().iloc[-1]
    assert row["seconds"] > 0 and row["memory"] > 1e7 and not row["stored"]


def test_what_is_done_is_not_done_again_and_sweeps_share_work(serial, tmp_path):
    plan, one = serial
    before = {task.key: one.state(task)["at"] for task in one.tasks}
    assert run(one)["done"] == len(one.tasks)
    assert {task.key: one.state(task)["at"] for task in one.tasks} == before
    fewer = Sweep.of(Plan("other", ("zoo-glove-64d",), ("simulated",), ("quick",), plan.changed),
                     Store(one.root))  # fmt: skip
    assert fewer.counts()["done"] == len(fewer.tasks) == 2
    assert fewer.state(fewer.tasks[0])["sweep"] == one.name
    assert sweeps(one.root)[0].name == fewer.name
    assert Sweep.find("other", Store(one.root)).name == fewer.name


def test_force_computes_scores_anew_and_gives_the_same_bits(serial):
    _, one = serial
    numbers = one.scores()
    before = {task.key: one.state(task)["at"] for task in one.tasks}
    run(one, mode="force")
    for task in one.tasks:
        assert (one.state(task)["at"] > before[task.key]) == (task.kind == "score")
        assert task.kind == "read" or not one.state(task)["stored"]
    same_bits(numbers, one.scores())


def test_a_plan_that_stands_is_not_written_anew(plan, tmp_path, monkeypatch):
    store = Store(tmp_path / "store")
    first = Sweep.of(plan, store)
    Sweep.of(replace(plan, name="another"), store)
    os.utime(first.folder / "plan.json", (0, 0))

    def no_room(path):
        raise OSError(errno.EROFS, "read-only", str(path))

    monkeypatch.setattr("analysis.sweep.board.atomic", no_room)
    assert Sweep.of(plan, store).tasks == first.tasks
    assert sweeps(store.root)[0] == first.folder, "the one begun last comes first"
    with pytest.raises(OSError, match="read-only"):
        Sweep.of(replace(plan, name="a third"), store)


def test_read_only_does_nothing(plan, tmp_path):
    sweep = Sweep.of(plan, Store(tmp_path / "store"))
    assert run(sweep, mode="read-only")["waiting"] == len(sweep.tasks)
    assert not list(sweep.board.glob("*.json"))


# ---- what goes wrong ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("broken", ["pathlib.Path.mkdir", "filelock._unix.os.open"])
def test_a_task_that_cannot_be_claimed_on_a_full_disk_says_so(broken, plan, tmp_path, monkeypatch):
    sweep = Sweep.of(plan, Store(tmp_path / "store"))

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(broken, full)
    with pytest.raises(BrainLensError, match="the disk is full"), sweep.claim(sweep.tasks[0]):
        pass


def test_a_done_that_cannot_be_written_is_a_failure_with_its_seconds(plan, tmp_path, monkeypatch):
    sweep, write = Sweep.of(plan, Store(tmp_path / "store")), Sweep.write

    def once(self, task, state, **facts):
        if state == "done":
            raise BrainLensError("the disk is full")
        return write(self, task, state, **facts)

    monkeypatch.setattr(Sweep, "write", once)
    row = do(sweep, sweep.tasks[0])
    assert row["state"] == "failed" and "the disk is full" in row["error"] and row["seconds"] > 0


def test_an_error_is_kept_with_its_traceback_and_retried_only_when_asked(
    plan, tmp_path, monkeypatch
):
    sweep = Sweep.of(plan, Store(tmp_path / "store"))
    import analysis.features.activations as activations

    real = activations.extract

    def broken(model, *rest, **options):
        if model.id.startswith("zoo-glove"):
            raise BrainLensError("the vectors are torn", remedy="Mend them")
        return real(model, *rest, **options)

    monkeypatch.setattr("analysis.sweep.work.extract", broken)
    counts = run(sweep)
    assert counts == {"waiting": 0, "running": 0, "done": 4, "failed": 1, "blocked": 1}
    failed = sweep.table().query("state == 'failed'").iloc[0]
    assert "torn" in failed["error"] and failed["model"] == "zoo-glove-64d"
    assert "in broken" in sweep.state(sweep.task(failed["key"]))["traceback"]
    monkeypatch.setattr("analysis.sweep.work.extract", real)
    assert run(sweep)["failed"] == 1
    assert run(sweep, mode="retry")["done"] == len(sweep.tasks)


@pytest.mark.slow
def test_a_killed_worker_loses_one_task_and_another_one_takes_it(plan, tmp_path):
    sweep = Sweep.of(plan, Store(tmp_path / "store"))
    command = [sys.executable, "-m", "analysis.sweep.work", str(sweep.folder)]
    worker = subprocess.Popen(command, env=environment(1), stderr=subprocess.DEVNULL)
    try:
        while not sweep.counts()["running"]:
            assert worker.poll() is None
            time.sleep(0.05)
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    counts = sweep.counts()
    assert counts["running"] == 0 and counts["failed"] == 0 and counts["waiting"] >= 1
    assert run(sweep)["done"] == len(sweep.tasks)


def test_a_task_has_one_worker(serial):
    _, one = serial
    task = one.tasks[0]
    with one.claim(task) as first, one.claim(task) as second:
        assert first and not second
        other = Sweep(one.folder)
        other.write(task, "running")
        assert other.state(task)["state"] == "running"
    assert other.state(task)["state"] == "waiting"
    loop(other)
    assert other.counts()["done"] == len(other.tasks)


@pytest.mark.parametrize(
    "options, words",
    [({"mode": "again"}, "mode"), ({"runner": "pbs"}, "runner"), ({"workers": 0}, "workers")],
)
def test_errors_of_a_run(serial, options, words):
    with pytest.raises(BrainLensError, match=words):
        run(serial[1], **options)
    with pytest.raises(BrainLensError, match="mode"):
        loop(serial[1], "again")
    assert MODES[0] == "cached" and do


def test_without_slurm_the_script_is_written_and_the_error_says_where(serial):
    with pytest.raises(BrainLensError, match=r"array\.sh"):
        submit(serial[1], sbatch="no-such-sbatch", options=("--partition=short",))
    script = (serial[1].folder / "array.sh").read_text()
    assert "#SBATCH --partition=short" in script and "--array=0-7" in script


def test_a_sweep_that_is_not_there(tmp_path):
    with pytest.raises(BrainLensError, match="sweep"):
        Sweep.find("none", Store(tmp_path))
    with pytest.raises(BrainLensError, match="no sweep"):
        Sweep(tmp_path / "sweeps" / "none")


# ---- what it will take ----------------------------------------------------------------------------------------------------
def test_a_schedule_waits_for_readings_and_uses_all_workers():
    cell = Cell("m", "r", "p")
    listed = [Task("a", "read", cell), *(Task(f"s{i}", "score", cell, "a") for i in range(4))]
    seconds = {"a": 2.0, **{f"s{i}": 1.0 for i in range(4)}}
    assert schedule(seconds, listed, 1) == 6.0
    assert schedule(seconds, listed, 2) == 4.0
    assert schedule(seconds, listed, 64) == 3.0
    assert schedule(seconds, listed, 64, start=5.0) == 8.0


def test_a_preview_prices_what_is_not_stored(plan, serial, tmp_path):
    from analysis.sweep.price import preview

    frame = preview(Sweep.of(plan, Store(tmp_path / "store")))
    assert not frame["stored"].any() and (frame["seconds"] > 0).all()
    assert (frame["memory"] > 0).all() and (frame["disk"] > 0).all()
    done = preview(serial[1])
    assert done["stored"].all() and done["seconds"].sum() == 0


def test_the_plan_of_the_benchmark_is_twelve_by_three_by_two(tmp_path):
    from benchmarks.sweep import MODELS, plan_of

    plan = plan_of(tmp_path, MODELS)
    assert len(plan.cells()) == 72
    sweep = Sweep.of(plan, Store(tmp_path / "store"))
    assert len(sweep.tasks) == 36 + 72 and sweep.counts()["waiting"] == 108
