"""The way from a worker's thread back to one session's own loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import panel as pn

__all__ = ["Inbox"]


class Inbox:
    """Collects calls from any thread and makes them in the session's loop, the newest of each name only.

    Parameters
    ----------
    handle : callable
        ``handle(name, value)``, called in the session's loop; in a script without a loop, where it is asked (:meth:`drain`).
    handled : callable, optional
        Called once after all that waited was handled: what is drawn from it is drawn once.
    """

    def __init__(
        self,
        handle: Callable[[str, object], None],
        handled: Callable[[], None] = lambda: None,
    ):
        self._handle, self._handled = handle, handled
        self._doc = pn.state.curdoc
        self._loop = _running_loop()
        self._lock = threading.Lock()
        self._waiting: dict[str, object] = {}
        self._scheduled = False
        self._open = True

    def put(self, name: str, value: object) -> None:
        """Hand a value over (from any thread); one of the same name that was not yet handled is replaced."""
        with self._lock:
            if not self._open:
                return
            self._waiting.pop(name, None)
            self._waiting[name] = value
            if self._scheduled:
                return
            self._scheduled = True
        try:
            if self._doc is not None and self._doc.session_context is not None:
                self._doc.add_next_tick_callback(self.drain)
            elif self._loop is not None and self._loop.is_running():
                self._loop.call_soon_threadsafe(self.drain)
        except (
            RuntimeError,
            AttributeError,
        ):  # the session or the loop ended in between: a destroyed document has no parts
            self.close()

    def drain(self) -> None:
        """Handle what waits, in the order it came."""
        with self._lock:
            waiting, self._waiting, self._scheduled = self._waiting, {}, False
        for name, value in waiting.items():
            if self._open:
                self._handle(name, value)
        if waiting and self._open:
            self._handled()

    def close(self) -> None:
        """Drop what waits and everything to come."""
        with self._lock:
            self._open, self._waiting = False, {}


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
