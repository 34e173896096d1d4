"""Jobs of one view of one session: started, shown on their way, cancelled, and their errors kept until dismissed."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

import panel_material_ui as pmui

from dashboards.look.look import note
from dashboards.work.cards import ErrorCard, ProgressRow, explain
from dashboards.work.inbox import Inbox
from dashboards.work.jobs import Event, Job, Runner, Ticket

__all__ = ["Desk"]

ROWS = 2
"""Jobs on their way that a view shows, whole; the list of all jobs has the others."""


@dataclass(frozen=True)
class _Order:
    """A job under way, and whom to tell."""

    ticket: Ticket
    then: Callable[[object], None]
    partly: Callable[[object], None]
    failed: Callable[[BaseException], None] | None


class Desk:
    """Runs work for one view.

    Parameters
    ----------
    runner : Runner
    copy : callable
        ``copy(text)``, to the clipboard.
    changed : callable, optional
        Called after jobs were started, ended or were left.
    heard : callable, optional
        Called once after everything that had arrived was told, however much it was.

    Attributes
    ----------
    held : set of str
        Keys of jobs that failed or were cancelled: they are not tried again by themselves.
    progress, errors : Column
        What the view shows.
    """

    def __init__(
        self,
        runner: Runner,
        copy: Callable[[str], None],
        changed: Callable[[], None] = lambda: None,
        heard: Callable[[], None] = lambda: None,
    ):
        self._runner, self._copy, self._changed = runner, copy, changed
        self._inbox = Inbox(self._heard, heard)
        self._orders: dict[str, _Order] = {}
        self._rows: dict[str, ProgressRow] = {}
        self.held: set[str] = set()
        self._more = note(margin=(0, 10, 4, 10))
        self.progress = pmui.Column(sizing_mode="stretch_width", margin=0)
        self.errors = pmui.Column(sizing_mode="stretch_width", margin=0)

    # ---- starting --------------------------------------------------------------------------------------------------
    def submit(
        self,
        key: str,
        title: str,
        work: Callable,
        then: Callable[[object], None],
        *,
        partly: Callable[[object], None] | None = None,
        failed: Callable[[BaseException], None] | None = None,
        quiet: bool = False,
        files: bool = False,
        shared: bool = False,
    ) -> None:
        """Start ``work(report)``, or listen to the job that already runs under this key.

        Parameters
        ----------
        then : callable
            ``then(result)``, called in the session's loop.
        partly : callable, optional
            ``partly(result)`` with each partial result; None: ``then`` is called with those too.
        failed : callable, optional
            ``failed(error)``, after the error was shown.
        quiet : bool
            A quick look: no progress row.
        files : bool
            It moves files: it does not wait behind computations.
        shared : bool
            The key holds all that determines the result: other people may have started it.
        """
        if key in self._orders:
            return
        self.clear(key)
        self.held.discard(key)
        if not quiet:
            self._rows[key] = ProgressRow(title, lambda: self.cancel(key))
        ticket = self._runner.submit(
            key, title, work, self._notify, quiet=quiet, files=files, shared=shared
        )
        self._orders[key] = _Order(ticket, then, partly or then, failed)
        if not quiet:
            self._rows[key].update_from(ticket.job)
            self._arrange()
        self._changed()

    def cancel(self, key: str) -> None:
        """Leave a job; nobody else listening, it ends at its next checkpoint."""
        if key in self._orders:
            self._runner.leave(self._orders.pop(key).ticket)
            self.held.add(key)
        self._drop_row(key)
        self._changed()

    def cancel_all(self) -> bool:
        """Leave every job that is shown; whether there was one."""
        shown = list(self._rows)
        for key in shown:
            self.cancel(key)
        return bool(shown)

    # ---- what is under way -----------------------------------------------------------------------------------------
    @property
    def keys(self) -> list[str]:
        """Of the jobs under way."""
        return list(self._orders)

    @property
    def jobs(self) -> list[Job]:
        """The jobs under way."""
        return [order.ticket.job for order in self._orders.values()]

    @property
    def busy(self) -> bool:
        """Whether a job is shown on its way."""
        return bool(self._rows)

    def under_way(self, start: str) -> list[str]:
        """Keys of the jobs under way that begin so."""
        return [key for key in self._orders if key.startswith(start)]

    def running(self, key: str) -> bool:
        """Whether this job is under way."""
        return key in self._orders

    def goes_on(self, key: str) -> bool:
        """Whether a job goes on under this key, here or for another page."""
        return self._runner.goes_on(key)

    def wait(self, timeout: float | None = None) -> None:
        """Return when all jobs have ended; not to be called from the page's own loop."""
        until = None if timeout is None else time.monotonic() + timeout
        while self._orders and (until is None or time.monotonic() < until):
            self._inbox.drain()
            time.sleep(0.02)
        self._inbox.drain()

    # ---- errors ----------------------------------------------------------------------------------------------------
    def fail(self, error: BaseException, *, where: str, title: str = "", trace: str = "") -> None:
        """Show an error until it is dismissed; what fails for the same reason shares a card."""
        self.clear(where)
        trace = trace or "".join(traceback.format_exception(error))
        head, *says = explain(error, title)
        if same := next((card for card in self.errors.objects if card.says == tuple(says)), None):
            same.also(where, head)
            return
        self.errors.append(
            ErrorCard(
                error,
                trace,
                title=title,
                where=where,
                copy=self._copy,
                dismiss=lambda card: self.errors.remove(card),
            )
        )

    def clear(self, where: str) -> None:
        """Take back what was said about one thing."""
        for card in [card for card in self.errors.objects if card.forget(where)]:
            self.errors.remove(card)

    # ---- hearing ---------------------------------------------------------------------------------------------------
    def drain(self) -> None:
        """Handle what has arrived (in a script without a loop)."""
        self._inbox.drain()

    def close(self) -> None:
        """The session has ended: what it started goes on for a while, since a reload asks for it again."""
        self._inbox.close()
        for order in self._orders.values():
            self._runner.leave(order.ticket, gone=True)
        self._orders.clear()

    def _notify(self, event: Event) -> None:
        """In the worker's thread."""
        self._inbox.put(
            f"{'progress' if event.kind == 'started' else event.kind}:{event.job.key}", event
        )

    def _heard(self, name: str, event: Event) -> None:
        key = event.job.key
        order = self._orders.get(key)
        if order is None or order.ticket.job is not event.job:  # left in between
            return
        if event.kind in ("started", "progress"):
            if key in self._rows:
                self._rows[key].update_from(event.job)
                self._arrange()
            return
        if event.kind == "partial":
            order.partly(event.result)
            return
        self._orders.pop(key)
        self._drop_row(key)
        if event.kind == "failed":
            self.held.add(key)
            self.fail(event.job.error, where=key, title=event.job.title, trace=event.job.traceback)
            if order.failed is not None:
                order.failed(event.job.error)
        elif event.kind == "cancelled":
            self.held.add(key)
        elif event.kind == "done":
            order.then(event.result)
        self._changed()

    def _drop_row(self, key: str) -> None:
        if self._rows.pop(key, None) is not None:
            self._arrange()

    def _arrange(self) -> None:
        """The first rows, those that run before those that wait, each whole, and how many more there are."""
        order = sorted(self._rows, key=self._waits)
        rows = [self._rows[key] for key in order[:ROWS]]
        if len(order) > ROWS:
            self._more.object = (
                f"and {len(order) - ROWS} more: Activity, at the top right, lists and cancels each"
            )
            rows.append(self._more)
        if rows != list(self.progress.objects):
            self.progress.objects = rows

    def _waits(self, key: str) -> bool:
        """Whether a job has not begun."""
        order = self._orders.get(key)
        return order is None or order.ticket.job.state == "waiting"
