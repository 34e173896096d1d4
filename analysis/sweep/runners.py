"""Four ways to work on a sweep: here one by one, in processes of this machine, on a Dask cluster, as a job array of SLURM.

All of them do the same tasks with the same cores each, and nothing but the sweep's folder and a task's key goes to a worker.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

from analysis.progress import SILENT, Report
from analysis.sweep.board import Sweep
from analysis.sweep.work import MODES, do, loop, on_cores
from data.errors import BrainLensError, unknown
from data.files import atomic
from data.home import home

__all__ = ["RUNNERS", "run", "submit"]

RUNNERS = ("serial", "processes", "dask", "slurm")
POLL = 0.3
"""Seconds between two looks at workers."""
LOST = 3
"""Workers that may be lost while no task gets done, before a sweep is given up."""


def run(
    sweep: Sweep,
    runner: str = "serial",
    *,
    mode: str = "cached",
    workers: int = 2,
    scheduler: str = "",
    report: Report = SILENT,
) -> dict[str, int]:
    """Do what is left of a sweep; how many tasks are then in which state.

    Parameters
    ----------
    runner : {"serial", "processes", "dask", "slurm"}
        ``"slurm"`` hands the sweep over and returns at once.
    mode : {"cached", "retry", "force", "read-only"}
    workers : int
        Processes, Dask workers, or elements of the job array.
    scheduler : str
        Address of a Dask scheduler; a cluster of this machine where empty.
    report : Report
        Progress over tasks; cancel ends the workers.

    Raises
    ------
    BrainLensError
        For unknown runners and modes, and where workers are lost again and again.
    """
    if mode not in MODES:
        raise unknown("mode", mode, MODES)
    if runner not in RUNNERS:
        raise unknown("runner", runner, RUNNERS)
    if workers < 1:
        raise BrainLensError(f"workers={workers}", remedy="Give 1 or more")
    if mode == "retry":
        sweep.forget("failed")
    if mode == "read-only":
        return sweep.counts()
    if runner == "serial":
        loop(sweep, mode, report=report)
    elif runner == "processes":
        _processes(sweep, mode, workers, report)
    elif runner == "dask":
        _dask(sweep, mode, workers, scheduler, report)
    else:
        submit(sweep, workers=workers, mode=mode)
    return sweep.counts()


# ---- processes ------------------------------------------------------------------------------------------------------
def environment(cores: int) -> dict[str, str]:
    """What a worker is started with: no more threads than its cores, whatever library asks."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BRAINLENS_CORES")
    return os.environ | dict.fromkeys(names, str(cores))


def _processes(sweep: Sweep, mode: str, workers: int, report: Report) -> None:
    command = [sys.executable, "-m", "analysis.sweep.work", str(sweep.folder), "--mode", mode]

    def start(shard: int) -> subprocess.Popen:
        log = (sweep.folder / f"worker-{shard}.log").open("ab")
        with log:
            return subprocess.Popen(
                [*command, "--shard", str(shard), "--of", str(workers)],
                env=environment(sweep.plan.cores),
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=Path(__file__).resolve().parents[2],
            )

    running = {shard: start(shard) for shard in range(workers)}
    lost, before = 0, -1
    try:
        while running:
            counts = sweep.counts()
            finished = counts["done"] + counts["failed"]
            report.step(finished, len(sweep.tasks), "tasks")
            lost, before = (0, finished) if finished > before else (lost, before)
            for shard, process in list(running.items()):
                if process.poll() is None:
                    continue
                del running[shard]
                if process.returncode:  # its task waits again: a claim ends with its process
                    lost += 1
                    if lost > LOST:
                        raise BrainLensError(
                            f"{lost} workers were lost in a row (the last with code {process.returncode})",
                            remedy=f"Look into {sweep.folder / f'worker-{shard}.log'}",
                        )
                    running[shard] = start(shard)
            time.sleep(POLL)
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


# ---- dask -----------------------------------------------------------------------------------------------------------
def _one(folder: str, key: str, mode: str, _after=None) -> str:
    """In a Dask worker: one task by its key; its state."""
    sweep = Sweep(Path(folder))
    task = sweep.task(key)
    while True:
        with sweep.claim(task) as ours:
            if ours:
                said = sweep.state(task)
                anew = mode == "force" and task.kind == "score"
                if said["state"] in ("done", "failed") and not anew:
                    return said["state"]
                with on_cores(sweep.plan.cores):
                    return do(sweep, task, mode)["state"]
        time.sleep(POLL)  # another sweep has it


def _dask(sweep: Sweep, mode: str, workers: int, scheduler: str, report: Report) -> None:
    from distributed import Client, LocalCluster, as_completed

    cluster = None
    if not scheduler:
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,  # pyright: ignore[reportArgumentType]  # no dashboard; only a str is declared
        )
    client = Client(scheduler or cluster)
    try:
        futures: dict = {}
        for task in sweep.tasks:
            said = sweep.state(task)["state"]
            if said == "done" and not (mode == "force" and task.kind == "score"):
                continue
            if said == "failed":
                continue
            needs = sweep.state(sweep.task(task.after))["state"] if task.after else "done"
            if needs == "failed":
                continue
            futures[task.key] = client.submit(
                _one,
                str(sweep.folder),
                task.key,
                mode,
                futures.get(task.after),
                key=f"{task.key}-{time.time_ns()}",
                pure=False,
            )
        for number, future in enumerate(as_completed(list(futures.values()))):
            report.step(number + 1, len(futures), "tasks")
            future.result()
    finally:
        client.close()
        if cluster is not None:
            cluster.close()


# ---- slurm ----------------------------------------------------------------------------------------------------------
SCRIPT = """#!/bin/bash
#SBATCH --job-name=brainlens-{name}
#SBATCH --array=0-{last}
#SBATCH --cpus-per-task={cores}
#SBATCH --mem={memory}M
#SBATCH --time={hours}:00:00
#SBATCH --output={folder}/slurm-%A_%a.log
{options}
export BRAINLENS_HOME={home}
export OMP_NUM_THREADS={cores} OPENBLAS_NUM_THREADS={cores} MKL_NUM_THREADS={cores} BRAINLENS_CORES={cores}
cd {code}
exec {python} -m analysis.sweep.work {folder} --mode {mode} --shard "$SLURM_ARRAY_TASK_ID" --of {workers}
"""


def submit(
    sweep: Sweep,
    *,
    workers: int = 8,
    mode: str = "cached",
    memory: int = 8192,
    hours: int = 12,
    options: tuple[str, ...] = (),
    sbatch: str = "sbatch",
) -> str:
    """Write the script of a job array and hand it over; what ``sbatch`` answers.

    Each element does its own share of the tasks first and then helps the others; no daemon runs anywhere. Submit it again to
    resume.

    Parameters
    ----------
    workers : int
        Elements of the array.
    memory, hours : int
        MiB and hours of each.
    options : tuple of str
        Further lines for ``#SBATCH``, such as ``"--partition=short"``.

    Raises
    ------
    BrainLensError
        Where there is no ``sbatch``, or it refuses.
    """
    if mode == "retry":
        sweep.forget("failed")
    script = sweep.folder / "array.sh"
    quoted = {
        name: shlex.quote(str(value))
        for name, value in {
            "folder": sweep.folder,
            "home": home(),
            "code": Path(__file__).resolve().parents[2],
            "python": sys.executable,
        }.items()
    }
    text = SCRIPT.format(
        name=sweep.name,
        last=workers - 1,
        cores=sweep.plan.cores,
        memory=memory,
        hours=hours,
        options="".join(f"#SBATCH {option}\n" for option in options),
        mode=mode,
        workers=workers,
        **quoted,
    )
    with atomic(script) as part:
        part.write_text(text, encoding="utf-8")
    if shutil.which(sbatch) is None:
        raise BrainLensError(
            f"There is no {sbatch!r} on this machine; the script stands in {script}",
            remedy="Submit it where SLURM runs, or choose the runner 'processes'",
        )
    answer = subprocess.run([sbatch, str(script)], capture_output=True, text=True)
    if answer.returncode:
        raise BrainLensError(
            f"sbatch refused: {(answer.stderr or answer.stdout).strip()}",
            remedy=f"Change the options of {script} by --sbatch, and submit again",
        )
    return answer.stdout.strip()
