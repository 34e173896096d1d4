"""Jobs of a view that is no lens: started, shown on their way, cancelled, and their errors kept until dismissed."""

from __future__ import annotations

from collections.abc import Callable

import panel_material_ui as pmui

from dashboards.work.cards import ErrorCard, ProgressRow
from dashboards.work.inbox import Inbox
from dashboards.work.jobs import Event, Runner, Ticket

__all__ = ["Desk"]


class Desk:
    """Runs work for one view of one session.

    Parameters
    ----------
    runner : Runner
    copy : callable
        ``copy(text)``, to the clipboard.
    """

    def __init__(self, runner: Runner, copy: Callable[[str], None]):
        self._runner, self._copy = runner, copy
        self._inbox = Inbox(self._heard)
        self._jobs: dict[str, tuple[Ticket, Callable, Callable | None]] = {}
        self._rows: dict[str, ProgressRow] = {}
        self.progress = pmui.Column(sizing_mode="stretch_width", margin=0)
        self.errors = pmui.Column(sizing_mode="stretch_width", margin=0)

    def submit(
        self,
        key: str,
        title: str,
        work: Callable,
        then: Callable,
        *,
        failed: Callable | None = None,
        quiet: bool = False,
        files: bool = False,
    ) -> None:
        """Start ``work(report)``; ``then(result)`` is called in the session's loop, with partial results too.

        Parameters
        ----------
        failed : callable, optional
            ``failed(error)``, after the error was shown.
        quiet : bool
            A quick look: no progress row.
        files : bool
            It moves files: it does not wait behind computations.
        """
        if key in self._jobs:
            return
        self.clear(key)
        if not quiet:
            self._rows[key] = ProgressRow(title, lambda: self.cancel(key))
            self.progress.append(self._rows[key])
        ticket = self._runner.submit(key, title, work, self._notify, quiet=quiet, files=files)
        self._jobs[key] = (ticket, then, failed)

    def cancel(self, key: str) -> None:
        """Leave a job; nobody else listening, it ends at its next checkpoint."""
        if key in self._jobs:
            self._runner.leave(self._jobs.pop(key)[0])
        self._drop_row(key)

    def cancel_all(self) -> bool:
        """Leave every job that is shown; whether there was one."""
        shown = list(self._rows)
        for key in shown:
            self.cancel(key)
        return bool(shown)

    def under_way(self, start: str) -> list[str]:
        """Keys of the jobs under way that begin so."""
        return [key for key in self._jobs if key.startswith(start)]

    def running(self, key: str) -> bool:
        """Whether this job is under way."""
        return key in self._jobs

    def fail(self, error: BaseException, *, where: str, title: str = "", trace: str = "") -> None:
        """Show an error until it is dismissed."""
        self.clear(where)
        card = ErrorCard(
            error,
            trace,
            title=title,
            where=where,
            copy=self._copy,
            dismiss=lambda card: self.errors.remove(card),
        )
        self.errors.append(card)

    def clear(self, where: str) -> None:
        """Take back what was said about one thing."""
        for card in [card for card in self.errors.objects if card.forget(where)]:
            self.errors.remove(card)

    def drain(self) -> None:
        """Handle what has arrived (in a script without a loop)."""
        self._inbox.drain()

    def close(self) -> None:
        """The session has ended."""
        self._inbox.close()
        for ticket, _, _ in self._jobs.values():
            self._runner.leave(ticket)
        self._jobs.clear()

    def _notify(self, event: Event) -> None:
        """In the worker's thread."""
        self._inbox.put(
            f"{'progress' if event.kind == 'started' else event.kind}:{event.job.key}", event
        )

    def _heard(self, name: str, event: Event) -> None:
        key = event.job.key
        if key not in self._jobs or self._jobs[key][0].job is not event.job:
            return
        if event.kind in ("started", "progress"):
            if key in self._rows:
                self._rows[key].update_from(event.job)
            return
        _, then, failed = self._jobs[key]
        if event.kind == "partial":
            then(event.result)
            return
        self._jobs.pop(key)
        self._drop_row(key)
        if event.kind == "done":
            then(event.result)
        elif event.kind == "failed":
            self.fail(event.job.error, where=key, title=event.job.title, trace=event.job.traceback)
            if failed is not None:
                failed(event.job.error)

    def _drop_row(self, key: str) -> None:
        row = self._rows.pop(key, None)
        if row is not None and row in self.progress.objects:
            self.progress.remove(row)
