"""A page is told of a model before it is told about it, whoever sends: Bokeh at the end of a callback or Panel in its middle."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

import panel as pn
import pytest
from bokeh.document import Document
from bokeh.document.callbacks import invoke_with_curdoc
from bokeh.events import ButtonClick
from bokeh.io import doc as doc_of_bokeh
from bokeh.models import Column, Div
from bokeh.protocol import Protocol
from bokeh.server.connection import ServerConnection
from bokeh.server.session import ServerSession
from panel.io import document, state
from panel.reactive import Syncable
from tornado import locks
from tornado.ioloop import IOLoop
from tornado.websocket import WebSocketHandler

from dashboards.serve.order import in_order


class Socket(WebSocketHandler):
    """Keeps what is written; a slow one takes a moment for each piece."""

    def __init__(self, slow: float = 0.0):
        self.write_lock, self.pieces, self.slow = locks.Lock(), [], slow
        self.ws_connection = self

    def is_closing(self) -> bool:
        return False

    def write_message(self, message, binary=False, locked=True):
        self.pieces.append(message)
        return asyncio.ensure_future(asyncio.sleep(self.slow))

    async def send_message(self, message):
        await message.send(self)

    def unknown(self, known: set[str]) -> list[str]:
        """References that no message before named, in the order of the wire; ``known`` is what the page starts with."""
        known, found = set(known), []

        def walk(part):
            if isinstance(part, list):
                for one in part:
                    walk(one)
            elif isinstance(part, dict):
                if "id" in part and part.get("type") == "object":
                    known.add(part["id"])
                elif set(part) == {"id"} and part["id"] not in known:
                    found.append(part["id"])
                for one in part.values():
                    walk(one)

        for content in self.pieces[2::3]:  # header, metadata, content
            walk(json.loads(content)["events"])
        return found


@pytest.fixture
def ordered(monkeypatch):
    """As in the server's process, for one test."""
    for holder, name in (
        (ServerSession, "_document_patched"),
        (doc_of_bokeh, "patch_curdoc"),
        (document, "write_events"),
        (document, "schedule_write_events"),
    ):
        monkeypatch.setattr(holder, name, getattr(holder, name))
    monkeypatch.setattr(ServerSession, "_brainlens", False, raising=False)
    in_order()


def wire(change, *sockets, busy: bool = False):
    """What each page does not know of what it was told, after ``change(column, direct)`` ran in a session's callback."""

    async def run():
        column = Column()
        doc = Document()
        doc.add_root(column)
        doc.models.flush_synced()
        session = ServerSession("one", doc, IOLoop.current())
        doc._session_context = type("Context", (), {"session": session, "id": "one"})
        for one in sockets:
            ServerConnection(Protocol(), one, None, session)

        def callback():
            state.curdoc, state._thread_id_[doc], state._loaded[doc] = (
                doc,
                state._current_thread,
                True,
            )
            try:
                change(column)
            finally:
                state.curdoc = None

        if busy:
            held = await sockets[0].write_lock.acquire()
            asyncio.get_running_loop().call_later(0.05, held.__exit__, None, None, None)
        await session.with_document_locked(callback)
        await asyncio.sleep(0.3)
        return [one.unknown({column.id}) for one in sockets]

    with ThreadPoolExecutor(
        1
    ) as aside:  # a browser of another test may leave this thread with a running loop
        return aside.submit(asyncio.run, run()).result()


def bokeh_then_panel(column):
    new = Div(text="new")
    column.children = [new]  # Bokeh sends it when the callback ends
    with document.unlocked():
        new.text = "newer"  # Panel sends it now


def panel_then_bokeh(column):
    new = Div(text="new")
    with document.unlocked():
        column.children = [new]  # Panel keeps it for ten milliseconds where the socket is busy
    new.text = "newer"


CHANGES = {"Bokeh first": (bokeh_then_panel, False), "Panel first": (panel_then_bokeh, True)}


@pytest.mark.parametrize("name", CHANGES)
def test_without_an_order_the_page_hears_of_what_it_was_not_told(name):
    """The fault is real: were it mended in Panel, ours could go."""
    change, busy = CHANGES[name]
    assert len(wire(change, Socket(), busy=busy)[0]) == 1


@pytest.mark.parametrize("busy", [False, True])
@pytest.mark.parametrize("name", CHANGES)
def test_with_one_queue_nothing_is_named_before_it_is_told(name, busy, ordered):
    change, _ = CHANGES[name]
    sockets = Socket(), Socket(slow=0.002)
    assert wire(change, *sockets, busy=busy) == [[], []]
    for one in sockets:
        assert len(one.pieces) == 6  # two messages, whole, once


def test_what_waits_for_a_busy_socket_is_sent_when_it_is_free(ordered):
    """Panel's own writer may forget it until the next change: a page that stays as it was."""
    socket = Socket()
    wire(lambda column: [column.update(name=str(number)) for number in range(5)], socket, busy=True)
    names = [json.loads(piece)["events"][0]["new"] for piece in socket.pieces[2::3]]
    assert names == ["0", "1", "2", "3", "4"]


def test_a_page_that_left_ends_quietly(ordered):
    from tornado.websocket import WebSocketClosedError

    class Gone(Socket):
        def write_message(self, message, binary=False, locked=True):
            failed = asyncio.get_running_loop().create_future()
            failed.set_exception(WebSocketClosedError())
            return failed

    here = Socket()
    assert wire(bokeh_then_panel, Gone(), here) == [[], []]
    assert len(here.pieces) == 6


@pytest.mark.parametrize("mended", [False, True])
def test_a_change_that_a_click_overtook_may_change_a_figure(mended, request, monkeypatch):
    """Without the lock Bokeh refuses it, and what the callback meant to do is lost."""
    monkeypatch.setattr(doc_of_bokeh, "_PATCHED_CURDOCS", [])  # the refusal leaves one behind
    monkeypatch.delattr(Syncable._event_coroutine, "lock", raising=False)
    if mended:
        request.getfixturevalue("ordered")
    told, widget = [], pn.widgets.IntInput(value=1)

    async def run():
        doc, figure = Document(), Div()
        doc.add_root(figure)
        session = ServerSession("one", doc, IOLoop.current())
        doc._session_context = type("Context", (), {"session": session, "id": "one"})
        state._thread_id_[doc], state._loaded[doc] = state._current_thread, True
        session.subscribe(ServerConnection(Protocol(), Socket(), None, session))

        def resized(event):
            figure.update(width=event.new)
            told.append(event.new)

        widget.param.watch(resized, "value")

        def arrive():
            widget._server_change(doc, "ref", None, "value", 1, 2)
            widget._server_event(doc, ButtonClick(None))

        await session.with_document_locked(arrive)
        await asyncio.sleep(0.3)

    with ThreadPoolExecutor(1) as aside:
        aside.submit(asyncio.run, run()).result()
    assert told == ([2] if mended else [])


@pytest.mark.parametrize("mended", [False, True])
def test_what_runs_after_an_error_is_not_taken_for_a_part_of_that_session(
    mended, request, monkeypatch
):
    monkeypatch.setattr(doc_of_bokeh, "_PATCHED_CURDOCS", [])
    if mended:
        request.getfixturevalue("ordered")

    def wrong():
        raise ValueError

    doc = Document()
    doc._session_context = type("Context", (), {"session": None, "id": "one"})
    with pytest.raises(ValueError):
        invoke_with_curdoc(doc, wrong)
    assert (state.curdoc is doc) != mended
