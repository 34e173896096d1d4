"""What every benchmark needs: interleaved repeats, peak memory, the machine, and a JSON file with a table."""

from __future__ import annotations

import gc
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

__all__ = [
    "apart",
    "interleaved",
    "machine",
    "median",
    "peak_memory",
    "products_alone",
    "table",
    "write",
]

RESULTS = Path(__file__).resolve().parent / "results"


def median(seconds: list[float]) -> float:
    return statistics.median(seconds)


def interleaved(sides: Mapping[str, Callable], repeats: int) -> dict[str, list[float]]:
    """Seconds per side and repeat; the sides take turns, so that a busy neighbour meets all of them.

    Every second round runs backwards: none is always the first after a pause.
    """
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(repeats):
        names = list(sides) if turn % 2 == 0 else list(sides)[::-1]
        for name in names:
            gc.collect()
            began = time.perf_counter()
            sides[name]()
            seconds[name].append(time.perf_counter() - began)
    return seconds


def products_alone(shapes: list[tuple[int, int, int]], times: int) -> float:
    """Seconds that ``times`` rounds of float32 products (m, k) @ (k, n) take, nothing else done, one thread per core."""
    from concurrent.futures import ThreadPoolExecutor

    from analysis.mapping.threads import cores

    rng = np.random.default_rng(0)

    def operands():
        return [
            (
                rng.standard_normal((m, k)).astype(np.float32),
                rng.standard_normal((k, n)).astype(np.float32),
                np.empty((m, n), np.float32),
            )
            for m, k, n in shapes
        ]

    def worker(items, rounds: int) -> None:
        for _ in range(rounds):
            for left, right, out in items:
                np.matmul(left, right, out=out)

    sets = [operands() for _ in range(cores())]
    share = [times // len(sets) + (i < times % len(sets)) for i in range(len(sets))]
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(len(sets)) as pool:
        list(pool.map(worker, sets, [1] * len(sets)))  # warm
        began = time.perf_counter()
        list(pool.map(worker, sets, share))
        return time.perf_counter() - began


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise KeyError(field)


def peak_memory(run: Callable) -> int | None:
    """Largest resident memory during ``run()`` above what was resident before, in bytes; None where not measurable.

    Only the first large run of a process tells: freed memory is often kept, and then reused unseen. See :func:`apart`.
    """
    gc.collect()
    try:
        Path("/proc/self/clear_refs").write_text("5")
        before = _status("VmRSS")
    except (OSError, KeyError):
        return None
    result = run()
    peak = _status("VmHWM") - before
    del result
    return peak


def apart(function: Callable, *arguments):
    """``function(*arguments)`` in a fresh process."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def machine() -> dict:
    """What ran it: processor, cores, versions, load."""
    model = platform.processor()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(
            (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")),
            model,
        )
    except OSError:
        pass
    versions = {}
    for name in ("numpy", "scipy", "scikit-learn", "himalaya", "torch"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": versions,
        "load_average": [round(x, 2) for x in os.getloadavg()]
        if hasattr(os, "getloadavg")
        else None,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def table(rows: list[Mapping]) -> str:
    """Rows with the same keys as a Markdown table."""
    names = list(rows[0])
    cells = [names, *[[str(row[name]) for name in names] for row in rows]]
    widths = [max(len(line[i]) for line in cells) for i in range(len(names))]
    lines = [
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in cells
    ]
    return "\n".join(
        [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]
    )


def write(name: str, payload: Mapping) -> Path:
    """``benchmarks/results/<name>.json``, whole or not at all."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    rough = path.with_suffix(".json.part")
    rough.write_text(json.dumps(payload, indent=2) + "\n")
    os.replace(rough, path)
    return path
