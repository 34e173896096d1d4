"""What every benchmark needs: interleaved repeats, peak memory, the machine, and a JSON file with a table."""

from __future__ import annotations

import gc
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

__all__ = ["gemm_rate", "interleaved", "machine", "median", "peak_memory", "table", "write"]

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


def gemm_rate(m: int = 2048, k: int = 307, n: int = 306, seconds: float = 0.5) -> float:
    """float32 operations per second that numpy reaches with one thread per core on blocks of this shape."""
    from concurrent.futures import ThreadPoolExecutor

    from analysis.mapping.threads import cores

    rng = np.random.default_rng(0)
    pairs = [(rng.standard_normal((m, k)).astype(np.float32), rng.standard_normal((k, n)).astype(np.float32)) for _ in range(cores())]

    def worker(pair) -> int:
        out, count, until = np.empty((m, n), np.float32), 0, time.perf_counter() + seconds
        while time.perf_counter() < until:
            np.matmul(*pair, out=out)
            count += 1
        return count

    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(cores()) as pool:
        list(pool.map(worker, pairs))  # warm
        began = time.perf_counter()
        count = sum(pool.map(worker, pairs))
        return count * 2.0 * m * k * n / (time.perf_counter() - began)


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise KeyError(field)


def peak_memory(run: Callable) -> int | None:
    """Largest resident memory during ``run()`` above what was resident before, in bytes; None where not measurable."""
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


def machine() -> dict:
    """What ran it: processor, cores, versions, load."""
    model = platform.processor()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
    except OSError:
        pass
    versions = {}
    for name in ("numpy", "scipy", "scikit-learn", "himalaya", "torch"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    return {"processor": model, "cores": os.cpu_count(), "python": platform.python_version(), "versions": versions,
            "load_average": [round(x, 2) for x in os.getloadavg()] if hasattr(os, "getloadavg") else None,
            "when": datetime.now(timezone.utc).isoformat(timespec="seconds")}


def table(rows: list[Mapping]) -> str:
    """Rows with the same keys as a Markdown table."""
    names = list(rows[0])
    cells = [names, *[[str(row[name]) for name in names] for row in rows]]
    widths = [max(len(line[i]) for line in cells) for i in range(len(names))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in cells]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def write(name: str, payload: Mapping) -> Path:
    """``benchmarks/results/<name>.json``, whole or not at all."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    rough = path.with_suffix(".json.part")
    rough.write_text(json.dumps(payload, indent=2) + "\n")
    os.replace(rough, path)
    return path
