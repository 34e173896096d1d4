"""One task, done by whoever has claimed it; and the loop of a worker that does all it can get.

``python -m analysis.sweep.work FOLDER [--mode MODE] [--shard I --of N]`` is such a worker: what the runner ``processes`` starts,
and each element of a cluster's job array. It asks the store and the board what is left, and nobody else.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from analysis.features.activations import extract
from analysis.models import load
from analysis.progress import SILENT, Cancelled, Report
from analysis.scoring.verb import score
from analysis.store.store import Store
from analysis.sweep.board import Sweep
from analysis.sweep.plan import Task
from analysis.sweep.price import learn, price
from data.catalog.catalog import recording as open_recording
from data.errors import unknown

__all__ = ["MODES", "do", "loop", "on_cores"]

MODES = ("cached", "retry", "force", "read-only")
"""``cached``: what is there stays, errors too; ``retry``: failed tasks again; ``force``: scores anew; ``read-only``: look."""
POLL = 0.5
"""Seconds between two looks at tasks that others have."""


@contextlib.contextmanager
def on_cores(count: int) -> Iterator[None]:
    """So many cores for this process's products, as in every other runner: the same numbers to the bit."""
    from threadpoolctl import threadpool_limits

    before = os.environ.get("BRAINLENS_CORES")
    os.environ["BRAINLENS_CORES"] = str(count)
    import scipy.linalg  # noqa: F401  (its products have a library of their own, which must be there to be limited)
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with threadpool_limits(count):
            yield
    finally:
        torch.set_num_threads(threads)
        if before is None:
            del os.environ["BRAINLENS_CORES"]
        else:
            os.environ["BRAINLENS_CORES"] = before


def do(sweep: Sweep, task: Task, mode: str = "cached", report: Report = SILENT) -> dict:
    """Do one task that is claimed; what is then written about it.

    Raises
    ------
    Cancelled
        Anything else that goes wrong is written down, not raised.
    """
    cell, plan, began = task.cell, sweep.plan, time.time()
    store = (Anew if mode == "force" else Store)(sweep.root)
    protocol = plan.protocol(cell.protocol)
    sweep.write(task, "running")
    facts: dict[str, Any] = {}
    try:
        on = open_recording(cell.recording)
        facts = {"estimated": price(task, on, protocol, store)}
        stored = (_read if task.kind == "read" else _score)(
            cell.model, on, protocol, plan.numbers, store, report
        )
        facts |= {"seconds": time.time() - began, "memory": _peak(), "stored": stored}
        if not stored:
            learn(task.kind, facts["estimated"], facts["seconds"])
        return sweep.write(task, "done", **facts)
    except Cancelled:
        sweep.write(task, "waiting")
        raise
    except Exception as error:
        return sweep.fail(task, error, **{"seconds": time.time() - began, **facts})


def _read(model: str, on, protocol, layers, store, report) -> bool:
    return not getattr(
        extract(load(model), on, protocol, layers, store=store, report=report), "fresh", True
    )


def _score(model: str, on, protocol, layers, store, report) -> bool:
    return score(model, on, protocol, layers=layers, store=store, report=report).cached


def _peak() -> int:
    """Bytes that this process has had in memory at most."""
    try:
        import resource
    except ImportError:
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def loop(
    sweep: Sweep,
    mode: str = "cached",
    *,
    shard: int = 0,
    of: int = 1,
    report: Report = SILENT,
) -> None:
    """Do tasks until none is left that can be done: its own share first, then what others have not begun.

    Parameters
    ----------
    shard, of : int
        This worker's number among so many.
    """
    if mode not in MODES:
        raise unknown("mode", mode, MODES)
    if mode == "read-only":
        return
    order = sweep.tasks[shard::of] + [t for i, t in enumerate(sweep.tasks) if i % of != shard]
    fresh: set[str] = set()
    began = time.time()

    def finished(task: Task) -> bool:
        """Whether nothing is left to do about it; under ``force`` what was done before this run does not count."""
        said = sweep.state(task)
        if said["state"] not in ("done", "failed"):
            return False
        anew = mode == "force" and task.kind == "score"
        return task.key in fresh or not anew or said["at"] >= began

    with on_cores(sweep.plan.cores):
        while True:
            left, moved = [], False
            for number, task in enumerate(order):
                report.step(number, len(order), "tasks")
                if finished(task):
                    continue
                need = sweep.state(sweep.task(task.after))["state"] if task.after else "done"
                if need != "done":
                    if need != "failed":
                        left.append(task)
                    continue
                with sweep.claim(task) as ours:
                    if ours and not finished(task):
                        do(sweep, task, mode, report)
                        fresh.add(task.key)
                        moved = True
                    elif not ours:
                        left.append(task)
            if not left and not moved:
                return
            if left and not moved:
                report.checkpoint()
                time.sleep(POLL)


class Anew(Store):
    """A store whose scores are those written through it; activations are as they are."""

    def __init__(self, *given, **options):
        super().__init__(*given, **options)
        self.written: set[str] = set()

    def save_score(self, key, dataset, **more):
        super().save_score(key, dataset, **more)
        self.written.add(key)

    def load_score(self, key):
        return super().load_score(key) if key in self.written else None


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Work on a sweep until nothing is left to do.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--mode", choices=MODES, default="cached")
    parser.add_argument("--shard", type=int, default=0)
    parser.add_argument("--of", type=int, default=1)
    chosen = parser.parse_args(arguments)
    loop(Sweep(chosen.folder), chosen.mode, shard=chosen.shard, of=chosen.of)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
