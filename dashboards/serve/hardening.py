"""What every answer of the server carries, and what is refused before anything is done.

Importing it changes nothing; :func:`harden` does, once in a process, for the server of that process.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from dashboards.serve.order import in_order
from dashboards.serve.sparing import spare

__all__ = [
    "GONE",
    "HEARD",
    "SOCKETS",
    "careful",
    "end_idle",
    "harden",
    "headers",
    "tells",
    "with_query",
]

LONGEST_ADDRESS = 16_000
"""Characters of a link; longer ones are no link of ours."""
SOCKETS: WeakKeyDictionary = WeakKeyDictionary()
"""Open websocket -> when something was last done in it."""
HEARD: WeakKeyDictionary = WeakKeyDictionary()
"""Open websocket -> when its browser was last heard of: it answers pings by itself, whatever its page does."""
GONE = 300.0
"""Seconds without an answer after which a browser has vanished (a lid that was shut, a cable that was pulled)."""


def headers(origins: tuple[str, ...] = ()) -> dict[str, str]:
    """The security headers of every answer.

    Bokeh compiles templates and starts its documents with inline scripts, so these two stay allowed; what is never needed is a
    handler inside an attribute (``onerror=``), the way by which text becomes code: ``script-src-attr 'none'``.
    """
    frames = " ".join(["'self'", *origins])
    policy = {
        "default-src": "'self'",
        "script-src": "'self' 'unsafe-inline' 'unsafe-eval' blob: data:",
        "script-src-attr": "'none'",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "connect-src": "'self' data: blob:",
        "worker-src": "'self' blob:",
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": frames,
    }
    found = {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    }
    return found if origins else found | {"X-Frame-Options": "SAMEORIGIN"}


def tells(record: logging.LogRecord) -> bool:
    """Whether a log record says more than that a browser left while it was written to, which Bokeh tells for every message."""
    from tornado.iostream import StreamClosedError
    from tornado.websocket import WebSocketClosedError

    error = record.exc_info[1] if record.exc_info else None
    left = isinstance(error, (StreamClosedError, WebSocketClosedError))
    return not left and not str(record.msg).startswith("Failed sending message as connection")


def harden(
    *,
    origins: tuple[str, ...] = (),
    hosts: frozenset[str] = frozenset(),
    header: str = "",
    https: bool = False,
) -> None:
    """Let every answer carry the headers, refuse named sessions, foreign hosts and endless addresses; keep messages in order.

    Parameters
    ----------
    origins : tuple of str
        Sites that may show the page in a frame.
    hosts : frozenset of str
        Host names (without port) under which the server is reached; empty: any. What comes under another name was led here by
        somebody else's name server.
    header : str
        In which a trusted proxy names the person.
    https : bool
        The page is reached by HTTPS: every cookie travels there only, those of a provider's login too.
    """
    from bokeh.server.tornado import BokehTornado
    from bokeh.server.views.root_handler import RootHandler
    from bokeh.server.views.ws import WSHandler
    from bokeh.settings import settings
    from tornado.web import ErrorHandler, RequestHandler

    if getattr(BokehTornado, "_brainlens", False):
        return
    BokehTornado._brainlens = True
    for name in ("asyncio", "bokeh.server.views.ws"):
        logging.getLogger(name).addFilter(tells)
    in_order()
    spare()
    said = headers(origins)
    plain, find = RequestHandler.set_default_headers, BokehTornado.find_handler
    opened, heard, answered = WSHandler.open, WSHandler.on_message, WSHandler.on_pong
    closed = WSHandler.on_close

    def set_default_headers(self):
        plain(self)
        for name, value in said.items():
            self.set_header(name, value)
        self.clear_header("Server")

    def find_handler(self, request, **more):
        foreign = hosts and (urlsplit(f"//{request.host}").hostname or "") not in hosts
        named = "bokeh-session-id" in request.arguments or "Bokeh-Session-Id" in request.headers
        if foreign or named or len(request.uri or "") > LONGEST_ADDRESS:
            code = 414 if not (foreign or named) else 403
            return self.get_handler_delegate(request, ErrorHandler, {"status_code": code})
        return find(self, request, **more)

    def open_(self, *given, **named):
        if not _own_session(self, header):
            self.close(1008, "another person's session")
            return None
        SOCKETS[self] = HEARD[self] = time.monotonic()
        return opened(self, *given, **named)

    def on_message(self, message):
        SOCKETS[self] = HEARD[self] = time.monotonic()
        return None if session_ended(self) else heard(self, message)

    def on_pong(self, data):
        HEARD[self] = time.monotonic()
        return answered(self, data)

    def on_close(self):
        with suppress(
            AssertionError
        ):  # a server that stops lets go of its sessions, then of sockets
            closed(self)

    RootHandler.redirect = with_query(RootHandler.redirect)
    RequestHandler.set_default_headers = set_default_headers
    RequestHandler.set_cookie = careful(RequestHandler.set_cookie, https)
    BokehTornado.find_handler = find_handler
    WSHandler.open, WSHandler.on_message, WSHandler.on_pong = open_, on_message, on_pong
    WSHandler.on_close = on_close
    settings.perform_error_diagnostics = False  # signatures of callbacks: a tenth of every click


def session_ended(handler) -> bool:
    """Whether a socket outlives its session: what a page still sends while it closes is for nobody, and no error."""
    return handler.connection is not None and handler.connection._session is None


def careful(set_cookie: Callable, https: bool) -> Callable:
    """``set_cookie`` of a handler, for cookies that other sites' forms do not send along, and by HTTPS only where there is."""

    def set_(self, name, value, *given, **named):
        kept = {key.lower() for key in named}
        more = {"samesite": "Lax"} | ({"secure": True} if https else {})
        named |= {key: what for key, what in more.items() if key not in kept}
        return set_cookie(self, name, value, *given, **named)

    return set_


def with_query(redirect: Callable) -> Callable:
    """``redirect`` of a handler that leads from ``/`` to the page, with what a link says of its view."""

    def redirect_(self, url, *given, **named):
        query = self.request.query
        return redirect(
            self, f"{url}?{query}" if query and "?" not in url else url, *given, **named
        )

    return redirect_


def _own_session(handler, header: str) -> bool:
    """Whether the page whose token this is was given to the person who opens the socket."""
    from bokeh.util.token import get_token_payload

    _, _, token = handler.request.headers.get("Sec-WebSocket-Protocol", "").partition(",")
    try:
        payload = get_token_payload(token.strip())
    except Exception:  # no token of ours: Bokeh refuses it
        return True
    page = {str(name).lower(): value for name, value in (payload.get("headers") or {}).items()}
    if header and page.get(header.lower()) != handler.request.headers.get(header):
        return False
    given = (payload.get("cookies") or {}).get("user")
    if given is None and not handler.get_cookie("user"):
        return True
    return handler.get_secure_cookie("user", given) == handler.get_secure_cookie("user")


def end_idle(minutes: float, now: float | None = None) -> int:
    """Close the websockets in which nothing was done for so long, and those whose browser vanished without a word.

    Their sessions end with them. Returns how many.
    """
    now = time.monotonic() if now is None else now
    ended = 0
    for socket, seen in list(SOCKETS.items()):
        gone = now - HEARD.get(socket, seen) > GONE
        if now - seen > 60 * minutes or gone:
            SOCKETS.pop(socket, None)
            socket.close(1000, "not heard of" if gone else "nothing was done for a while")
            ended += 1
    return ended
