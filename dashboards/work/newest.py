"""Looks that follow what is typed: one at a time, and only the answer to the newest question is told."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import NamedTuple

from dashboards.work.desk import Desk

__all__ = ["Newest"]


class _Told(NamedTuple):
    then: Callable[[object], None]
    failed: Callable[[BaseException], None]


class Newest:
    """Asks a desk again and again, never twice at once: two looks that write the same file would read each other's half.

    Parameters
    ----------
    desk : Desk
    key : str
        Begins the key of each job.
    title : str
        Of the jobs.
    """

    def __init__(self, desk: Desk, key: str, title: str):
        self._desk, self._key, self._title = desk, key, title
        self._numbers = itertools.count(1)
        self._running = ""
        self._next: tuple[Callable, _Told] | None = None
        self._told: _Told | None = None

    def ask(
        self,
        work: Callable,
        then: Callable[[object], None],
        failed: Callable[[BaseException], None] = lambda _: None,
    ) -> None:
        """``then(work(report))``, unless something newer is asked or all is forgotten before it is there.

        Parameters
        ----------
        failed : callable, optional
            ``failed(error)``, after the desk showed it.
        """
        self._next, self._told = (work, _Told(then, failed)), None
        if not self._running:
            self._start()

    def forget(self) -> None:
        """Tell no answer to what was asked so far."""
        self._next = self._told = None

    def _start(self) -> None:
        assert self._next is not None
        (work, self._told), self._next = self._next, None
        self._running = f"{self._key}:{next(self._numbers)}"
        self._desk.submit(
            self._running, self._title, work, self._ended, failed=self._failed, quiet=True
        )

    def _ended(self, found: object) -> None:
        told = self._over()
        if told is not None:
            told.then(found)

    def _failed(self, error: BaseException) -> None:
        key, told = self._running, self._over()
        if told is not None:
            told.failed(error)
        else:  # nobody asks for it any more
            self._desk.clear(key)

    def _over(self) -> _Told | None:
        """Begin what waits; whom to tell of what ended."""
        self._running, told = "", self._told
        if self._next is not None:
            self._start()
            return None
        return told
