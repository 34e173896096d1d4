"""What a sweep will cost here: estimates, corrected by what tasks have really cost on this machine."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from statistics import median

import numpy as np
import pandas as pd

from analysis.mapping.plan import DEFAULT_MEMORY
from analysis.models.catalog import card, load
from analysis.scoring.cost import cost, estimate
from analysis.store.store import Store
from analysis.sweep.board import Sweep
from analysis.sweep.plan import Task
from data.catalog.catalog import recording as open_recording
from data.files import atomic
from data.home import home

__all__ = ["calibrate", "learn", "preview", "price", "schedule"]

REFERENCE = 100e9
"""float32 operations per second of one core of the machine that the estimates of scores were written for."""
WORKER = 500 * 2**20
"""Bytes of a worker that does nothing: Python and the libraries of models."""
KEPT = 40
"""Tasks whose true costs are remembered, per kind."""


def calibrate(*, anew: bool = False) -> dict:
    """How fast this machine multiplies, and by how much past tasks missed their estimates; measured once and kept.

    Returns
    -------
    dict
        ``products`` (operations per second, one core, float32), ``ratios`` (kind of task -> true over estimated seconds).
    """
    path = home() / "calibration.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = {"products": None, "ratios": {}}
    if anew or not found.get("products"):
        found["products"] = _products()
        with atomic(path) as part:
            part.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return found


def _products() -> float:
    from threadpoolctl import threadpool_limits

    a = np.random.default_rng(0).standard_normal((1024, 384)).astype(np.float32)
    b = np.ascontiguousarray(a.T)
    with threadpool_limits(1):
        a @ b
        seconds = []
        for _ in range(9):
            start = time.perf_counter()
            a @ b
            seconds.append(time.perf_counter() - start)
    return 2.0 * 1024 * 384 * 1024 / median(seconds)


def learn(kind: str, estimated: float | None, seconds: float) -> None:
    """Remember what a task has really cost."""
    if not estimated or seconds < 0.05:
        return
    found = calibrate()
    factor = _factor(found, kind)
    ratios = found["ratios"].setdefault(kind, [])
    ratios.append(seconds / estimated * factor)
    del ratios[:-KEPT]
    with atomic(home() / "calibration.json") as part:
        part.write_text(json.dumps(found, indent=1), encoding="utf-8")


def _factor(found: Mapping, kind: str) -> float:
    """True over estimated seconds: learned from tasks of the kind, before the first of them from the speed of products."""
    ratios = found["ratios"].get(kind)
    return median(ratios) if ratios else REFERENCE / found["products"]


def price(task: Task, recording, protocol, store) -> float | None:
    """Seconds that a task will take on this machine, about; None where the model's size is not known."""
    facts, model = card(task.cell.model), load(task.cell.model)
    layers = model.n_layers
    reads = task.kind == "read"
    seconds = estimate(
        facts,
        facts.parameters_about if reads else 0,
        layers if reads else 0,
        0 if reads else layers,
        max(model.widths or (1,)),
        recording,
        protocol,
        window=getattr(model, "window", None),
    )
    return None if seconds is None else seconds * _factor(calibrate(), task.kind)


def preview(sweep: Sweep) -> pd.DataFrame:
    """One row per task before anything runs: what is stored, seconds, memory and disk for what is not.

    Returns
    -------
    pandas.DataFrame
        kind, model, recording, protocol, state, stored, seconds, memory, disk (bytes).
    """
    store, rows, opened = Store(sweep.root), [], {}
    for task in sweep.tasks:
        cell, protocol = task.cell, sweep.plan.protocol(task.cell.protocol)
        on = opened.setdefault(cell.recording, open_recording(cell.recording))
        known = cost(cell.model, on, protocol, store=store)
        stored = known.read == known.layers if task.kind == "read" else known.cached
        model = load(cell.model)
        values = on.n_stimuli * sum(model.widths or ()) * 4
        results = known.layers * on.n_targets * protocol.folds * 6 * 4
        rows.append(
            {
                "kind": task.kind,
                "model": cell.model,
                "recording": cell.recording,
                "protocol": cell.protocol,
                "state": sweep.state(task)["state"],
                "stored": bool(stored),
                "seconds": 0.0 if stored else price(task, on, protocol, store),
                "memory": 0
                if stored
                else _memory(task, card(cell.model), on, max(model.widths or (1,))),
                "disk": 0 if stored else (values if task.kind == "read" else results),
            }
        )
    return pd.DataFrame(rows)


def _memory(task: Task, facts, on, width: int) -> int:
    """Bytes a task takes, about: the weights and a batch, or responses, predictions and the solver's own budget."""
    if task.kind == "read":
        return WORKER + 6 * (facts.parameters_about or 0)
    return WORKER + 4 * on.n_stimuli * (width + 4 * on.n_targets) + DEFAULT_MEMORY


def schedule(
    seconds: Mapping[str, float], tasks: Sequence[Task], workers: int, *, start: float = 0.0
) -> float:
    """Seconds that so many workers need for tasks with known times, each taking the next one that can be begun.

    Parameters
    ----------
    seconds : mapping of task key to seconds
    tasks : sequence of Task
        In the order of the workers.
    start : float
        Seconds until a worker is up.
    """
    import heapq

    done: dict[str, float] = {}
    free = [start] * workers
    heapq.heapify(free)
    waiting = list(tasks)
    known = {task.key for task in tasks}
    while waiting:
        now = heapq.heappop(free)
        ready = [t for t in waiting if t.after not in known or done.get(t.after, np.inf) <= now]
        if not ready:
            later = min(done[t.after] for t in waiting if t.after in done)
            heapq.heappush(free, later)
            continue
        task = ready[0]
        waiting.remove(task)
        done[task.key] = now + seconds[task.key]
        heapq.heappush(free, done[task.key])
    return max(done.values(), default=start)
