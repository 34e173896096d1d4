"""Workers with one BLAS thread each, which stop where the caller asks."""

from __future__ import annotations

import math
import os
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import lru_cache

import numpy as np
from numpy.typing import DTypeLike
from threadpoolctl import ThreadpoolController

from analysis.progress import Cancelled, Report

__all__ = ["LARGE", "clear_scratch", "cores", "one_blas_thread", "scratch", "work"]

POLL = 0.05
"""Seconds between two looks at the caller's wish to stop."""

LARGE = 500_000
"""Responses (rows x targets) below which threads cost more than they spare."""

_lock = threading.Lock()
_users = 0
_limit = None


_local = threading.local()


def scratch(name: str, *shape: int, dtype: DTypeLike = np.float32) -> np.ndarray:
    """An uninitialised array of this thread, overwritten by whoever next asks for the same name.

    Fresh memory costs a page fault per 4 kB, which is more than the arithmetic on it; blocks of targets reuse theirs.
    """
    buffers = _local.__dict__.setdefault("buffers", {})
    size = math.prod(shape)
    key = name, np.dtype(dtype)
    if key not in buffers or buffers[key].size < size:
        buffers[key] = np.empty(size, dtype)
    return buffers[key][:size].reshape(shape)


def clear_scratch() -> None:
    """Give back what :func:`scratch` holds for this thread (those of workers end with them)."""
    _local.__dict__.pop("buffers", None)


def cores() -> int:
    """Cores this process may use; ``BRAINLENS_CORES`` makes them fewer."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("BRAINLENS_CORES", "")
    return max(1, min(here, int(asked))) if asked.isdigit() else here


_BRING_BLAS = ("numpy", "scipy.linalg", "sklearn", "torch")


def _loaded() -> tuple[str, ...]:
    return tuple(name for name in _BRING_BLAS if name in sys.modules)


@lru_cache(maxsize=8)
def _controller(loaded: tuple[str, ...]) -> ThreadpoolController:
    """The BLAS libraries of this process; looking for them takes 4 ms, so only when another package was loaded."""
    return ThreadpoolController()


@contextmanager
def one_blas_thread():
    """One thread per BLAS call for the whole process while anyone is inside.

    The setting is global to the process: the first to enter makes it, the last to leave takes it back, so that
    computations that overlap do not restore each other's limit.
    """
    global _users, _limit
    with _lock:
        if _users == 0:
            _limit = _controller(_loaded()).limit(limits=1, user_api="blas")
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                assert _limit is not None  # the first to enter made it
                _limit.restore_original_limits()
                _limit = None


def work(
    tasks: Iterable[Callable],
    report: Report,
    step: Callable[[int, int], None],
    *,
    workers: int | None = None,
) -> list:
    """Results of ``tasks`` in order, computed by one thread per core.

    Parameters
    ----------
    tasks : iterable of callables
        Each is called as ``task(checkpoint)`` and calls ``checkpoint()`` between its blocks.
    report : Report
        Asked between tasks whether to stop.
    step : callable
        Called as ``step(tasks finished, tasks)`` after every task, from the calling thread.
    workers : int, optional
        Threads; one per core by default.

    Raises
    ------
    Cancelled
        Within one block of the caller's request; running tasks have ended by then.
    """
    tasks = list(tasks)
    stop = threading.Event()

    def checkpoint() -> None:
        if stop.is_set() or report.cancelled:
            raise Cancelled("cancelled by the user")

    workers = min(workers or cores(), len(tasks))
    results = []
    if workers <= 1:
        for i, task in enumerate(tasks):
            results.append(task(report.checkpoint))
            step(i + 1, len(tasks))
        return results
    with ThreadPoolExecutor(workers, thread_name_prefix="mapping") as pool:
        futures = [pool.submit(task, checkpoint) for task in tasks]
        try:
            left = set(futures)
            while left:
                ready, left = wait(left, timeout=POLL, return_when=FIRST_COMPLETED)
                report.checkpoint()
                for future in ready:
                    future.result()
                if ready:
                    step(len(futures) - len(left), len(tasks))
        except BaseException:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return [future.result() for future in futures]
