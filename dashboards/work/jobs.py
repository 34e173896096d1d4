"""Work off the event loop: one computation per content key, with progress, cancel and any number of listeners.

Nothing here knows the screen. A view gives a ``notify`` callable, which is called in the worker's thread and must hand
the event over to its own loop.
"""

from __future__ import annotations

import itertools
import logging
import os
import threading
import time
import traceback
import weakref
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial

from analysis.progress import Report
from dashboards.work.processes import Workers, portable
from data.catalog.fetch import size_text
from data.errors import Cancelled
from data.home import acting_for, for_person, person

__all__ = ["RUNNER", "Event", "Job", "Runner", "Ticket", "duration"]

KINDS = ("started", "progress", "partial", "done", "failed", "cancelled")
_LOG = logging.getLogger("brainlens.jobs")
LINGER = 300.0
"""Seconds for which a job of the app outlives its page."""
MOST_SERVED = 1000
"""People and views of whom it is remembered when they had their last turn."""
PROGRESS_EVERY = 0.1
"""Seconds between two progress events of one job: a screen draws no faster."""


Owner = tuple[str, int]
"""Whose a job is: the person, and which of his or her views."""


@dataclass(frozen=True)
class Event:
    """What a listener hears: one of :data:`KINDS`, the job, and a partial or final result where there is one."""

    kind: str
    job: Job
    result: object = None


@dataclass(eq=False)
class Job:
    """One computation, and what is known about it; read-only for views."""

    key: str
    title: str
    number: int
    slot: tuple[str, str] = ("", "")
    state: str = "waiting"
    done: int = 0
    total: int = 0
    what: str = ""
    seconds_left: float | None = None
    error: BaseException | None = None
    traceback: str = ""
    created: float = field(default_factory=time.time)
    began: float | None = None
    ended: float | None = None
    listeners: dict[int, Callable] = field(default_factory=dict)
    people: dict[int, str] = field(default_factory=dict)
    partial: object = None
    report: Report | None = None
    quiet: bool = False
    files: bool = False
    told: float = 0.0
    owner: Owner = ("", 0)
    person: str = field(default_factory=person)
    ahead: int = 0

    @property
    def active(self) -> bool:
        """Whether it still waits or runs for somebody."""
        return self.state in ("waiting", "running")

    @property
    def fraction(self) -> float | None:
        """Share of the present stage that is finished, 0 to 1, or None where it is not known."""
        return min(1.0, self.done / self.total) if self.total else None

    @property
    def seconds(self) -> float:
        """Seconds it has been running."""
        return 0.0 if self.began is None else (self.ended or time.time()) - self.began

    def of(self, name: str) -> bool:
        """Whether a person began it or waits for it too."""
        return name in (self.person, *self.people.values())

    def words(self) -> str:
        """One line on where it stands."""
        if self.state == "waiting":
            return f"waiting behind {self.ahead}" if self.ahead else "waiting for its turn"
        if self.state == "running":
            unit, _, rest = self.what.partition(" of ")
            if self.total and unit == "bytes":
                counts = f"{rest}: {size_text(self.done)} of {size_text(self.total)}"
            else:
                counts = (
                    f"{self.what} {int(self.done)} of {self.total}"  # a part of the next counts in the bar only
                    if self.total
                    else self.what or "starting"
                )
            if self.total and self.done >= self.total:
                return f"{counts}, finishing"
            known = self.seconds_left is not None and self.seconds_left >= 0.05
            return f"{counts}, about {duration(self.seconds_left)} left" if known else counts
        if self.state == "failed":
            return f"failed after {duration(self.seconds)}: {self.error}"
        return f"{self.state} after {duration(self.seconds)}"


@dataclass(frozen=True)
class Ticket:
    """What a listener holds: its number, and the job it listens to."""

    number: int
    job: Job


class Turns:
    """Places that are given in fair turns: to the person who holds the fewest, then to whoever was not served for longest.

    Among the views of one person (the lenses of all windows) it goes on in the same way; equals take turns as they came.
    """

    def __init__(self, places: int):
        self._free = places
        self._held: Counter = Counter()
        self._served: dict[object, int] = {}
        self._turn = itertools.count(1)
        self._waiting: list[Owner] = []
        self._changed = threading.Condition()

    def more(self, places: int) -> None:
        """So many places more, or fewer where it is below 0."""
        with self._changed:
            self._free += places
            self._changed.notify_all()

    @contextmanager
    def taken(self, owner: Owner) -> Iterator[None]:
        """A place for one owner, as soon as it is its turn."""
        with self._changed:
            self._waiting.append(owner)
            self._changed.wait_for(lambda: self._free > 0 and self._next() == owner)
            self._waiting.remove(owner)
            self._free -= 1
            for one in (owner[0], owner):
                self._held[one] += 1
                self._served[one] = next(self._turn)
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._free += 1
                for one in (owner[0], owner):
                    self._held[one] -= 1
                self._forget()
                self._changed.notify_all()

    def _forget(self) -> None:
        """Views that were closed are remembered no longer, once there are many."""
        if len(self._served) > MOST_SERVED:
            there = {one for owner in self._waiting for one in (owner[0], owner)} | set(+self._held)
            self._held = Counter({one: self._held[one] for one in there})
            self._served = {one: n for one, n in self._served.items() if one in there}

    def _next(self) -> Owner:
        def before(owner: Owner) -> tuple[int, ...]:
            both = (owner[0], owner)
            return tuple(n for one in both for n in (self._held[one], self._served.get(one, 0)))

        return min(self._waiting, key=before)


class Runner:
    """Runs jobs, each watched by a thread, at most ``workers`` at a time, and never the same one twice at once.

    Parameters
    ----------
    workers : int
        Jobs that run side by side; the others wait. Jobs that move files have as many places of their own: they
        wait for a network or a disk, and nobody should wait for a score to have a file.
    keep : int
        Finished jobs that are remembered for the activity list (without their results).
    elsewhere : Workers, optional
        Processes for computations; None: they run in this one. Looks into the store and files move here in any case.
    linger : float
        Seconds that a job goes on for after the page of its last listener is gone, so that a reload finds it.
    """

    def __init__(
        self,
        workers: int = 2,
        keep: int = 50,
        *,
        elsewhere: Workers | None = None,
        linger: float = 0.0,
    ):
        self._lock = threading.RLock()
        self._places = workers
        self._slots = {files: Turns(workers) for files in (False, True)}
        self._elsewhere, self._linger = elsewhere, linger
        self._active: dict[tuple[str, str], Job] = {}
        self._history: deque[Job] = deque(maxlen=keep)
        self._watchers: list[weakref.WeakMethod] = []
        self._numbers = itertools.count(1)
        self._ended: Callable[[Job], None] | None = None

    def equip(self, elsewhere: Workers, workers: int, *, linger: float = LINGER) -> None:
        """From now on computations run in these processes, so many at a time: a server, before anybody came."""
        for turns in self._slots.values():
            turns.more(workers - self._places)
        self._places, self._elsewhere, self._linger = workers, elsewhere, linger

    @property
    def elsewhere(self) -> Workers | None:
        """The processes in which computations run; None: in this one."""
        return self._elsewhere

    # ---- what views call ---------------------------------------------------------------------------------------------
    def submit(
        self,
        key: str,
        title: str,
        work: Callable[[Report], object],
        notify: Callable[[Event], None],
        *,
        quiet: bool = False,
        files: bool = False,
        shared: bool = False,
    ) -> Ticket:
        """Start a computation, or listen to the one that already runs under this key.

        Parameters
        ----------
        key : str
            Content key: equal keys mean equal results.
        title : str
            For the activity list.
        work : callable
            ``work(report) -> result``, called in a thread of its own.
        notify : callable
            ``notify(event)``, called in that thread. A bound method is held weakly: where its owner is gone, it stops listening.
        quiet : bool
            Not in the activity list, and never waiting for a slot: a quick look into the store.
        files : bool
            It moves files and computes next to nothing: it does not wait behind computations.
        shared : bool
            The key holds all that determines the result, so other people of a lab's server may listen too; otherwise the same
            key of two people is two jobs, for each sees recordings and results of his or her own.

        Returns
        -------
        Ticket
            For :meth:`leave`.
        """
        with self._lock:
            token = next(self._numbers)
            slot = ("" if shared else person(), key)
            job = self._active.get(slot)
            fresh = job is None
            if fresh:
                owner = person(), id(getattr(notify, "__self__", None))
                job = Job(key, title, token, slot=slot, quiet=quiet, files=files, owner=owner)
                job.report = Report(
                    lambda *counts: self._progress(job, *counts),
                    lambda result: self._partial(job, result),
                )
                self._active[slot] = job
            listener = self._weak(notify, Ticket(token, job))
            job.listeners[token], job.people[token] = listener, person()
            late = job.partial
        if fresh:
            threading.Thread(
                target=self._work, args=(job, work), name=f"job-{token}", daemon=True
            ).start()
        elif late is not None:
            _tell_one(listener, Event("partial", job, late))
        self._changed()
        return Ticket(token, job)

    def leave(self, ticket: Ticket, *, gone: bool = False) -> None:
        """Stop listening; the last listener that leaves cancels the job.

        Parameters
        ----------
        gone : bool
            The listener's page was closed, nobody cancelled: the job goes on for a while.
        """
        job = ticket.job
        with self._lock:
            if job.listeners.pop(ticket.number, None) is None:
                return
        if gone and self._linger and not job.quiet:
            timer = threading.Timer(self._linger, self._end, (job,))
            timer.daemon = True
            timer.start()
        else:
            self._end(job)
        self._changed()

    def goes_on(self, key: str) -> bool:
        """Whether a job goes on under this key: of another window, or of a page that is gone or being loaded again."""
        with self._lock:
            jobs = [self._active.get((who, key)) for who in ("", person())]
            return any(job is not None and job.active for job in jobs)

    def _end(self, job: Job) -> None:
        """Cancel a job that nobody listens to."""
        with self._lock:
            if not job.active or job.listeners:
                return
            job.state, job.ended = "cancelled", time.time()
            self._forget(job)
            job.report.cancel()
        self._changed()

    def stop(self, job: Job) -> None:
        """End a job in every window of the person who asks; where other people wait for it too, it goes on for them."""
        with self._lock:
            if not job.active:
                return
            mine = [token for token, name in job.people.items() if name == person()]
            listeners = [job.listeners.pop(token) for token in mine if token in job.listeners]
            others = [job.people[token] for token in job.listeners]
            if others:
                job.people = {token: job.people[token] for token in job.listeners}
                job.person = others[0]
            else:
                job.state, job.ended = "cancelled", time.time()
                self._forget(job)
                job.report.cancel()
        for listener in listeners:
            _tell_one(listener, Event("cancelled", job))
        self._changed()

    def _count_ahead(self) -> None:
        """How many jobs that came before are not done yet, for each that waits."""
        with self._lock:
            for files in (False, True):
                queue = [
                    job for job in self._active.values() if job.files == files and not job.quiet
                ]
                for place, job in enumerate(queue):
                    job.ahead = place if job.state == "waiting" else 0

    def jobs(self) -> list[Job]:
        """Active jobs, then finished ones, newest first."""
        with self._lock:
            return [
                job
                for job in (*reversed(self._active.values()), *reversed(self._history))
                if not job.quiet
            ]

    def tell(self, ended: Callable[[Job], None]) -> None:
        """Call with every job that ends and is shown: a server's log."""
        self._ended = ended

    def watch(self, changed: Callable[[], None]) -> None:
        """Call a bound method (held weakly) whenever the list of jobs changes."""
        with self._lock:
            self._watchers.append(weakref.WeakMethod(changed))

    # ---- in the worker's thread -------------------------------------------------------------------------------------
    def _work(self, job: Job, work: Callable) -> None:
        with nullcontext() if job.quiet else self._slots[job.files].taken(job.owner):
            with self._lock:
                if job.state != "waiting":  # everybody left while it waited
                    return
                job.state, job.began = "running", time.time()
            self._tell(job, "started")
            result, state = None, "done"
            try:
                with acting_for(job.person):
                    result = self._result(job, work)
            except Cancelled:
                state = "cancelled"
            except BaseException as error:
                state, job.error = "failed", error
                job.traceback = "".join(traceback.format_exception(error))
                error.__traceback__ = None  # its frames hold arrays and sessions
            self._finish(job, state, result)

    def _result(self, job: Job, work: Callable) -> object:
        if self._elsewhere is None or job.quiet or job.files or not portable(work):
            return work(job.report)
        if job.person:
            work = partial(for_person, job.person, work)
        return self._elsewhere.run(work, job.report)

    def _finish(self, job: Job, state: str, result: object) -> None:
        with self._lock:
            gone = job.state == "cancelled"
            if not gone:
                job.state, job.ended = state, time.time()
                self._forget(job)
            job.partial = None
            listeners = [] if gone else list(job.listeners.values())
            job.listeners.clear()
        for listener in listeners:
            _tell_one(listener, Event(state, job, result))
        self._changed()

    def _forget(self, job: Job) -> None:
        if self._active.get(job.slot) is job:
            del self._active[job.slot]
            if not job.quiet:
                self._history.append(job)
                if self._ended is not None:
                    self._ended(job)

    def _progress(self, job: Job, done: int, total: int, what: str, left: float | None) -> None:
        now = time.monotonic()
        soon = what == job.what and done < total and now - job.told < PROGRESS_EVERY
        job.done, job.total, job.what, job.seconds_left = done, total, what, left
        if not soon:
            job.told = now
            self._tell(job, "progress")

    def _partial(self, job: Job, result: object) -> None:
        job.partial = result
        self._tell(job, "partial", result)

    def _tell(self, job: Job, kind: str, result: object = None) -> None:
        with self._lock:
            listeners = list(job.listeners.values())
        for listener in listeners:
            _tell_one(listener, Event(kind, job, result))
        self._changed()

    # ---- references ----------------------------------------------------------------------------------------------------
    def _weak(self, notify: Callable, ticket: Ticket) -> Callable[[Event], None]:
        """A listener that does not keep a bound method's owner alive."""
        if not hasattr(notify, "__self__"):
            return notify
        method = weakref.WeakMethod(notify, lambda _: self.leave(ticket, gone=True))

        def forward(event: Event) -> None:
            target = method()
            if target is not None:
                target(event)

        return forward

    def _changed(self) -> None:
        self._count_ahead()
        with self._lock:
            self._watchers = [w for w in self._watchers if w() is not None]
            watchers = list(self._watchers)
        for watcher in watchers:
            method = watcher()
            if method is not None:
                _tell_one(lambda _, method=method: method(), None)


def _tell_one(listener: Callable, event: Event | None) -> None:
    """One view that breaks must not break the computation, nor the other views."""
    try:
        listener(event)
    except Exception:
        _LOG.exception("a listener failed")


def duration(seconds: float | None) -> str:
    """Seconds in words: ``"0.4 s"``, ``"12 s"``, ``"3 min"``, ``"1.5 h"``."""
    if seconds is None:
        return "an unknown time"
    if seconds < 1:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _of_this_process() -> Runner:
    """With ``BRAINLENS_WORKERS`` set, as ``brainlens app`` does, computations run in processes of their own.

    ``BRAINLENS_JOB_MEMORY`` (GB) and ``BRAINLENS_JOB_MINUTES`` limit each.
    """
    count = int(os.environ.get("BRAINLENS_WORKERS") or 0)
    if not count:
        return Runner()
    memory, minutes = (os.environ.get(f"BRAINLENS_JOB_{name}") for name in ("MEMORY", "MINUTES"))
    elsewhere = Workers(
        memory=int(float(memory) * 1e9) if memory else None,
        seconds=float(minutes) * 60 if minutes else None,
    )
    return Runner(count, elsewhere=elsewhere, linger=LINGER)


RUNNER = _of_this_process()
"""The one of this process."""
