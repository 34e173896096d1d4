"""What the server tells a page arrives in the order in which it was put together.

A message names the models that an earlier one described. Bokeh puts a message together when something changes and sends it when
the callback ends; Panel sends its own at once, or ten milliseconds later where the socket is busy. Each alone keeps its order,
but both together do not: on a busy machine a page hears of a model that it was not told about yet (the browser's "reference ...
isn't known"), drops the whole message, and stays as it was. Here both go through one queue for each connection.

A click that arrives while a change still waits for its moment is answered with that change first. Panel does so outside of the
document's lock, where what a callback changes in a Bokeh figure is an error and lost (a window made larger just before a click);
here it holds the lock. And Bokeh forgets to leave a session whose callback ended with an error: what runs next outside of any
would be taken for a part of it.

A session with two connections (a page that came back before its old socket was missed) hears each message on both; put together
twice, the second would leave out what the first described.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Iterable
from contextlib import contextmanager
from functools import partial
from weakref import WeakKeyDictionary

from bokeh.io import doc as doc_of_bokeh
from bokeh.server.session import ServerSession
from panel.io import document
from panel.reactive import Syncable
from tornado.websocket import WebSocketClosedError, WebSocketHandler

__all__ = ["in_order", "send"]

_WAITING: WeakKeyDictionary = WeakKeyDictionary()
"""Connection -> messages that wait for its socket."""


def in_order() -> None:
    """Let what Bokeh and what Panel tell the pages of this process go through one queue for each connection."""
    if getattr(ServerSession, "_brainlens", False):
        return
    ServerSession._brainlens = True
    plain = document.write_events

    def _document_patched(self, event):
        if self._pending_writes is None:
            raise RuntimeError("A document changed outside of its lock")
        own = event.setter is self
        send(
            event.document,
            [c for c in self._subscribed_connections if not (own and c is self._current_patch_connection)],
            [event],
        )  # fmt: skip

    def write(doc, connections, events):
        if all(isinstance(one._socket, WebSocketHandler) for one in connections):
            send(doc, connections, events)
        else:  # a server of another kind
            plain(doc, connections, events)

    Syncable._event_coroutine.lock = True
    doc_of_bokeh.patch_curdoc = _within
    ServerSession._document_patched = _document_patched
    document.write_events = document.schedule_write_events = write


@contextmanager
def _within(doc):
    """Bokeh's own, that ends with an error too; the document is held weakly, as there."""
    doc_of_bokeh._PATCHED_CURDOCS.append(weakref.ref(doc))
    del doc
    try:
        yield
    finally:
        doc_of_bokeh._PATCHED_CURDOCS.pop()


def send(doc, connections: Iterable, events: list) -> None:
    """Put one message of some events together and hand it to every connection: at once, or behind what waits there."""
    connections = list(connections)
    if not connections:
        return
    message = connections[0].protocol.create("PATCH-DOC", events)
    for connection in connections:
        waiting = _WAITING.setdefault(connection, [])
        if waiting or _busy(connection):
            waiting.append(message)
            if len(waiting) == 1:
                _soon(doc, partial(_pump, connection))
        elif written := document.dispatch_tornado(connection, msg=message):
            _soon(doc, partial(_written, written))


def _busy(connection) -> bool:
    return connection._socket.write_lock._block._value == 0


async def _pump(connection) -> None:
    """Write what waits for a connection, whenever its socket is free, until nothing waits."""
    waiting = _WAITING[connection]
    while waiting:
        with await connection._socket.write_lock.acquire():
            messages, waiting[:] = list(waiting), []
            written = [
                one for m in messages for one in document.dispatch_tornado(connection, msg=m)
            ]
            await _written(written)


async def _written(futures: list) -> None:
    for future in futures:
        try:
            await future
        except WebSocketClosedError:  # the page has gone; its session ends with it
            return


def _soon(doc, work) -> None:
    """Start a coroutine in the loop that runs now, else in the document's."""
    try:
        task = asyncio.ensure_future(work())
    except RuntimeError:
        doc.add_next_tick_callback(work)
    else:
        _TASKS.add(task)
        task.add_done_callback(_TASKS.discard)


_TASKS: set = set()
"""Kept until they are done: a loop holds its tasks weakly."""
