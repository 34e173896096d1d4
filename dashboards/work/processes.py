"""Computations in processes of their own, so that a page answers while they run, and a lost one takes no session with it.

A worker process is started once and does one computation after the other. What goes to it is a function of a module with plain
arguments; what comes back are progress, partial results and the result. Both ends are this program, started from this program:
nothing that a user gives is ever unpickled.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import threading
import time
import traceback
from collections.abc import Callable

from analysis.mapping.threads import cores
from analysis.models.device import VARIABLE as DEVICE
from analysis.progress import Cancelled, Report
from analysis.sweep.work import on_cores
from data.errors import BrainLensError

__all__ = ["Workers", "portable"]

POLL = 0.1
"""Seconds between two looks at a worker: its memory, its time, and whether its caller has gone."""
GRACE = 15.0
"""Seconds in which a cancelled worker may come to its next checkpoint before it is ended."""


def portable(work: Callable) -> bool:
    """Whether a function and its arguments can go to another process: they hold on to nothing of this one."""
    try:
        pickle.dumps(work)
    except (pickle.PicklingError, AttributeError, TypeError):
        return False
    return True


class Workers:
    """Processes that compute, each one thing at a time.

    Parameters
    ----------
    memory : int or None
        Bytes a worker may take before its computation is ended; None: no limit.
    seconds : float or None
        Time a computation may take; None: no limit.
    before : callable, optional
        Done in each process before anything else, such as a server's rules; a function of a module with plain arguments.

    Notes
    -----
    A computation that begins while others run gets its share of the cores. With a thread for each core in every one of
    them, two at once take twice the processor time: threads that wait for another's products burn what it needs.
    """

    def __init__(
        self,
        *,
        memory: int | None = None,
        seconds: float | None = None,
        before: Callable[[], object] | None = None,
    ):
        self.memory, self.seconds, self._before = memory, seconds, before
        self._context = multiprocessing.get_context("spawn")
        self._idle: list = []
        self._running = 0
        self._lock = threading.Lock()

    def warm(self) -> None:
        """Start one worker ahead of the first computation."""
        with self._lock:
            if not self._idle:
                self._idle.append(self._start())

    def run(self, work: Callable, report: Report) -> object:
        """What ``work(report)`` returns, computed elsewhere.

        Raises
        ------
        Cancelled
            Where ``report`` was cancelled.
        BrainLensError
            Where the process was lost, or went over its memory or time; otherwise what the function raised.
        """
        with self._lock:
            self._running += 1
            share = max(1, cores() // self._running)
        try:
            return self._run(work, report, share)
        finally:
            with self._lock:
                self._running -= 1

    def _run(self, work: Callable, report: Report, share: int) -> object:
        process, pipe = self._take()
        began, cancelled = time.monotonic(), None
        try:
            pipe.send(("device", os.environ.get(DEVICE, "")))  # it may have been chosen since
            pipe.send((share, work))
            while True:
                if pipe.poll(POLL):
                    try:
                        kind, *told = pipe.recv()
                    except (EOFError, OSError) as error:
                        raise self._lost(process) from error
                    if kind == "progress":
                        with contextlib.suppress(Cancelled):
                            report.step(*told)
                    elif kind == "partial":
                        with contextlib.suppress(Cancelled):
                            report.partial(*told)
                    else:
                        break
                elif not process.is_alive():
                    raise self._lost(process)
                if report.cancelled and cancelled is None:
                    cancelled = time.monotonic()
                    pipe.send("cancel")
                if cancelled is not None and time.monotonic() - cancelled > GRACE:
                    raise Cancelled("cancelled by the user")
                self._check(process, time.monotonic() - began)
        except BaseException:
            process.kill()
            process.join()
            pipe.close()
            raise
        with self._lock:
            self._idle.append((process, pipe))
        if kind == "done":
            return told[0]
        error, trace = told
        error.add_note(trace)
        raise error

    def close(self) -> None:
        """End the workers that are idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for process, pipe in idle:
            pipe.close()
            process.join(timeout=2)
            if process.is_alive():
                process.kill()

    # ---- processes ----------------------------------------------------------------------------------------------------
    def _take(self):
        with self._lock:
            while self._idle:
                process, pipe = self._idle.pop()
                if process.is_alive():
                    return process, pipe
        return self._start()

    def _start(self):
        here, there = self._context.Pipe()
        process = self._context.Process(
            target=_serve, args=(there, self._before), name="brainlens-worker", daemon=True
        )
        process.start()
        there.close()
        return process, here

    def _check(self, process, seconds: float) -> None:
        if self.seconds is not None and seconds > self.seconds:
            raise BrainLensError(
                f"The computation took longer than the {self.seconds / 60:.0f} minutes that this server allows",
                remedy="Select fewer layers or targets, or run it by 'brainlens score'",
            )
        if self.memory is not None and (used := _memory(process.pid)) > self.memory:
            raise BrainLensError(
                f"The computation took {used / 1e9:.1f} GB of memory, and this server allows {self.memory / 1e9:.1f} GB",
                remedy="Select fewer layers or targets, or a smaller model",
            )

    @staticmethod
    def _lost(process) -> BrainLensError:
        process.join(timeout=2)
        code = process.exitcode
        why = f"signal {-code}" if code is not None and code < 0 else f"code {code}"
        return BrainLensError(
            f"The process of this computation was lost ({why})",
            remedy="Run it again; what was finished is kept. Signal 9 usually means that memory ran out",
        )


def _memory(pid: int) -> int:
    import psutil

    try:
        return psutil.Process(pid).memory_info().rss
    except psutil.Error:
        return 0


# ---- in the worker ------------------------------------------------------------------------------------------------------
def _serve(pipe, before: Callable[[], object] | None) -> None:
    """Do what comes through the pipe until it is closed."""
    with contextlib.suppress(OSError):
        os.nice(10)  # the page comes first
    if before is not None:
        before()
    inbox: list[tuple[int, Callable]] = []
    arrived, closed = threading.Condition(), threading.Event()
    current: list[Report] = []

    def listen() -> None:
        """A thread of its own: a wish to cancel comes in the middle of a computation."""
        while True:
            try:
                message = pipe.recv()
            except (EOFError, OSError):
                closed.set()
                for report in current:
                    report.cancel()
                with arrived:
                    arrived.notify()
                return
            except Exception as error:  # a function that this process cannot import
                pipe.send(("failed", _portable_error(error), traceback.format_exc()))
                continue
            if isinstance(message, tuple) and message[0] == "device":
                os.environ[DEVICE] = message[1]
                continue
            if message == "cancel":
                for report in current:
                    report.cancel()
                continue
            with arrived:
                inbox.append(message)
                arrived.notify()

    threading.Thread(target=listen, daemon=True).start()
    while not closed.is_set():
        with arrived:
            arrived.wait_for(lambda: inbox or closed.is_set())
            if not inbox:
                return
            share, work = inbox.pop(0)

        def tell(*message: object) -> None:
            pipe.send(message)

        told = [0.0, ""]

        def progress(done: int, total: int, what: str, left, told=told) -> None:
            now = time.monotonic()
            if what == told[1] and done < total and now - told[0] < POLL:
                return
            told[:] = now, what
            tell("progress", done, total, what)

        report = Report(progress, lambda result: tell("partial", result))
        current[:] = [report]
        try:
            with on_cores(share) if share < cores() else contextlib.nullcontext():
                answer = ("done", work(report))
        except BaseException as error:
            trace = "".join(traceback.format_exception(error))
            error.__traceback__ = error.__cause__ = error.__context__ = None
            answer = ("failed", _portable_error(error), trace)
        current.clear()
        try:
            tell(*answer)
        except (BrokenPipeError, OSError):
            return


def _portable_error(error: BaseException) -> BaseException:
    """The error itself where both sides know it, else its words."""
    known = isinstance(error, BrainLensError | Cancelled) or type(error).__module__ == "builtins"
    if known and portable(error):
        return error
    return BrainLensError(f"{type(error).__name__}: {error}", remedy="See its details")
