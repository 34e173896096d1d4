"""Progress and cancel, handed into every long loop as one object that does nothing by default."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from data.errors import Cancelled

__all__ = ["SILENT", "Cancelled", "Report"]


RATE_EVERY = 1.0
"""Seconds over which tokens per second are counted."""


class Report:
    """What a long computation tells its caller, and how its caller stops it.

    A loop calls :meth:`step` between folds, layers or batches; that is also where a request to cancel takes effect.

    Parameters
    ----------
    on_progress : callable, optional
        Called as ``on_progress(done, total, what, seconds_left)``; ``seconds_left`` is None until it can be estimated.
    on_partial : callable, optional
        Called with each intermediate result (a ``Score`` of the layers that are ready).
    """

    def __init__(self, on_progress: Callable | None = None, on_partial: Callable | None = None):
        self._on_progress, self._on_partial = on_progress, on_partial
        self._cancelled = threading.Event()
        self._stage: tuple[str, float, float] | None = None
        self._rate = (0.0, 0, "")  # when it was told, tokens until then, and in words

    def cancel(self) -> None:
        """Ask the computation to stop at its next checkpoint (from any thread)."""
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked to stop."""
        return self._cancelled.is_set()

    def checkpoint(self) -> None:
        """Raise :class:`Cancelled` where the caller asked to stop."""
        if self._cancelled.is_set():
            raise Cancelled("cancelled by the user")

    def step(self, done: float, total: int, what: str, *, tokens: int = 0) -> None:
        """Tell that ``done`` of ``total`` pieces of ``what`` are finished; a checkpoint too.

        With the ``tokens`` that were read for them so far, what is told begins with how many that are in a second.
        """
        self.checkpoint()
        if self._on_progress is None:
            return
        now = time.monotonic()
        if self._stage is None or self._stage[0] != what or done < self._stage[2]:
            self._stage, self._rate = (what, now, done), (now, tokens, "")
        _, began, first = self._stage
        left = (now - began) / (done - first) * (total - done) if done > first else None
        since, before, words = self._rate
        if tokens > before and now - since >= RATE_EVERY:
            words = f"{(tokens - before) / (now - since):,.0f} tokens per second, "
            self._rate = (now, tokens, words)
        self._on_progress(done, total, words + what, left)

    def partial(self, result: object) -> None:
        """Hand over an intermediate result; a checkpoint too."""
        self.checkpoint()
        if self._on_partial is not None:
            self._on_partial(result)

    def inner(self) -> Report:
        """The same progress and the same cancel for a step on the way, whose results are nobody's result."""
        one = Report(self._on_progress)
        one._cancelled = self._cancelled
        return one

    def part(self, before: int, size: int, total: int, what: str, *, of: str) -> Report:
        """For a part of a longer work: tells how far the whole is, for when one step of one part ends says nothing of that.

        Parameters
        ----------
        before, size, total : int
            Pieces of the whole that were done before the part, that the part is, and that there are.
        what : str
            The pieces, in words.
        of : str
            The steps of the part that are counted; at any other it is told again where the whole stands.
        """
        inside, at = self.inner(), float(before)

        def tell(done: float, pieces: int, step: str, _left: float | None) -> None:
            nonlocal at
            if step == of and pieces:
                at = before + size * min(1.0, done / pieces)
            inside.step(at, total, what)

        one = Report(tell)
        one._cancelled = self._cancelled
        return one


SILENT = Report()
"""The report that nobody reads. Never cancel it: it is shared."""
