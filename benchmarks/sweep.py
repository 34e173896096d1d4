"""One plan through all four runners: the same numbers to the bit, killed workers, a restart, shared work, and scaling.

``python -m benchmarks.sweep`` (12 models x 3 recordings x 2 protocols, models and recordings that ship and one table; about a
quarter of an hour on two cores, ``--quick`` 3 x 3 x 2). Scaling is measured from one worker to two, each in a fresh store, and
planned for 4 to 64 by the schedule of the task graph with the seconds that the tasks of one worker took. SLURM's ``sbatch`` is
played by a script that runs the elements of the array as processes. ``--only scaling`` leaves the other runners out.
"""

from __future__ import annotations

import argparse
import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.store.store import Store
from analysis.sweep import Plan, Sweep, read_plan, run, schedule
from analysis.sweep.runners import environment
from benchmarks.common import machine, table, write

MODELS = (
    "zoo-causal-200k",
    "zoo-glove-64d",
    "random-16",
    "zoo-causal-400k",
    "zoo-causal-400k-step0",
    "zoo-causal-400k-step80",
    "zoo-causal-400k-step500",
    "zoo-causal-700k",
    "zoo-causal-1m",
    "zoo-masked-1m",
    "zoo-lstm-1m",
    "random-64",
)
PLAN = """
name = "{name}"
models = {models}
recordings = ["simulated", "simulated-ecog", "{own}"]
protocols = ["grouped", "one-out"]
[protocol.grouped]
preset = "defended"
folds = 5
seeds = 1
bootstrap = 200
ceiling = "none"
controls = ["length"]
[protocol.one-out]
preset = "brainscore2026"
bootstrap = 200
ceiling = "none"
"""
WORKERS = (4, 8, 16, 32, 64)


def own_table(folder: Path) -> Path:
    """A user's table: 96 sentences in 12 topics, one response that follows their lengths."""
    rng = np.random.default_rng(0)
    words = ["the", "old", "ship", "came", "home", "late", "with", "rain", "and", "no", "light"]
    rows = []
    for number in range(96):
        text = " ".join(rng.choice(words, int(rng.integers(4, 12)))).capitalize() + "."
        response = len(text) / 30 + rng.standard_normal()
        rows.append({"sentence": text, "topic": f"t{number // 8}", "response": response})
    path = folder / "own.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def plan_of(folder: Path, models: tuple[str, ...], name: str = "bench") -> Plan:
    """The plan, read from a file as a user's is."""
    path = folder / f"{name}.toml"
    listed = "[" + ", ".join(f'"{model}"' for model in models) + "]"
    path.write_text(PLAN.format(name=name, models=listed, own=own_table(folder)))
    return read_plan(path)


def same(first: pd.DataFrame, second: pd.DataFrame) -> bool:
    """Whether two tables of scores have the same rows and the same bits."""
    numbers = first.select_dtypes("number").columns
    return len(first) == len(second) > 0 and all(
        np.array_equal(first[name].to_numpy(), second[name].to_numpy(), equal_nan=True)
        for name in numbers
    )


# ---- runners ---------------------------------------------------------------------------------------------------------
def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def killed_once(sweep: Sweep) -> None:
    """Two processes, one of which is killed while it works; the runner starts another."""

    def kill() -> None:
        while sweep.counts()["done"] < len(sweep.tasks) // 4:
            time.sleep(0.2)
        for task in sweep.tasks:
            said = sweep.state(task)
            if said["state"] == "running":
                os.kill(said["pid"], signal.SIGKILL)
                killed.append(task.key)
                return

    killed: list[str] = []
    aside = threading.Thread(target=kill, daemon=True)
    aside.start()
    run(sweep, "processes", workers=2)
    aside.join(5)
    assert killed, "no worker was met at work"


@contextmanager
def sbatch(folder: Path, *, until: int = 10**9) -> Iterator[None]:
    """An ``sbatch`` on the path that runs the first elements of an array side by side, and leaves the others out."""
    path = folder / "sbatch"
    path.write_text(
        "#!/bin/bash\n"
        "last=$(grep -oP '(?<=--array=0-)[0-9]+' \"$1\")\n"
        f'for i in $(seq 0 $last); do SLURM_ARRAY_TASK_ID=$i timeout -s KILL {until} bash "$1" & done\n'
        "wait\n"
        'echo "Submitted batch job 7"\n'
    )
    path.chmod(path.stat().st_mode | stat.S_IEXEC)
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{folder}{os.pathsep}{before}"
    try:
        yield
    finally:
        os.environ["PATH"] = before


def restarted(sweep: Sweep, folder: Path) -> dict:
    """A job array that reaches its time limit, all elements at once, and is submitted again."""
    with sbatch(folder, until=15):
        run(sweep, "slurm", workers=2)
    first = sweep.counts()["done"]
    with sbatch(folder):
        run(sweep, "slurm", workers=2)
    return {"done before the restart": first}


def overlapping(folder: Path, models: tuple[str, ...]) -> dict:
    """Two sweeps at once that share half of their models; how often each task was computed."""
    third = max(1, len(models) // 3)
    store = Store(folder / "overlap")
    both = [
        Sweep.of(plan_of(folder, models[: 2 * third], "first"), store),
        Sweep.of(plan_of(folder, models[third:], "second"), store),
    ]
    command = [sys.executable, "-m", "analysis.sweep.work"]
    running = [subprocess.Popen([*command, str(one.folder)], env=environment(1)) for one in both]
    for process in running:
        process.wait()
    keys = {task.key for one in both for task in one.tasks}
    by = [one.state(task) for one in both for task in one.tasks]
    owners = {(said["sweep"], said["pid"]) for said in by}
    return {
        "tasks of both": sum(len(one.tasks) for one in both),
        "different tasks": len(keys),
        "done": len(
            {task.key for one in both for task in one.tasks if one.state(task)["state"] == "done"}
        ),
        "written by": len(owners),
    }


def main() -> int:
    """Run, print, write ``results/sweep.json``; 1 where numbers differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="3 models")
    parser.add_argument("--only", choices=["scaling"], help="leave the other runners out")
    chosen = parser.parse_args()
    models = MODELS[:3] if chosen.quick else MODELS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plan = plan_of(folder, models)
        rows, numbers, more = [], {}, {}

        def through(what: str, work: Callable[[Sweep], object]) -> Sweep:
            sweep = Sweep.of(plan, Store(folder / what.replace(" ", "-")))
            seconds = timed(lambda: more.update({what: work(sweep)}))
            counts = sweep.counts()
            assert counts["done"] == len(sweep.tasks), (
                what,
                counts,
                sweep.table()["error"].unique(),
            )
            numbers[what] = sweep.scores()
            equal = same(numbers["1 process"], numbers[what])
            rows.append({"runner": what, "seconds": round(seconds, 1), "same bits": equal})
            print(rows[-1], flush=True)
            return sweep

        one = through("1 process", lambda sweep: run(sweep, "processes", workers=1))
        through("2 processes", lambda sweep: run(sweep, "processes", workers=2))
        if chosen.only != "scaling":
            through("serial", lambda sweep: run(sweep))
            through("2 processes, one killed", killed_once)
            through("dask, 2 workers", lambda sweep: run(sweep, "dask", workers=2))
            through("slurm, 2 elements, restarted", lambda sweep: restarted(sweep, folder))
            more["overlap"] = overlapping(folder, models)
        took = {task.key: float(one.state(task)["seconds"]) for task in one.tasks}
        start = rows[0]["seconds"] - sum(took.values())
        planned = {
            workers: round(schedule(took, one.tasks, workers, start=max(start, 0.0)), 1)
            for workers in (1, 2, *WORKERS)
        }
        found = {
            "size": [len(models), 3, 2],
            "tasks": len(one.tasks),
            "runners": rows,
            "measured speed-up of two": round(rows[0]["seconds"] / rows[1]["seconds"], 2),
            "seconds of tasks": round(sum(took.values()), 1),
            "longest task": round(max(took.values()), 1),
            "planned seconds": planned,
            "more": {
                what: said
                for what, said in more.items()
                if what == "overlap" or "restarted" in what
            },
            "machine": machine(),
        }
    print(
        table(rows),
        found["more"],
        planned,
        f"speed-up of two: {found['measured speed-up of two']}",
        sep="\n",
    )
    if not chosen.quick and not chosen.only:
        print(f"Wrote {write('sweep', found)}")
    return 0 if all(row["same bits"] for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
