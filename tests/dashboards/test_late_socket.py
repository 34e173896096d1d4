"""A browser that opens its socket after the server let go of the page's session: a slow line, a machine at its limit."""

from __future__ import annotations

import socket
import time

import panel as pn
import pytest

from dashboards.page.page import open_page
from tests.dashboards.test_browser import said

pytestmark = pytest.mark.browser


@pytest.fixture
def hasty(clean_home):
    """A server in this process that lets go of a session at once where no browser listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    hasty = {
        "unused_session_lifetime_milliseconds": 1,
        "check_unused_sessions_milliseconds": 100,
    }
    running = pn.serve(
        {"app": lambda: open_page().page}, port=port, threaded=True, show=False, **hasty
    )
    yield f"http://localhost:{port}/app"
    running.stop()


def sessions(url: str) -> int:
    """How many the server there holds; those of other tests are not its own."""
    own = [server for server, *_ in pn.state._servers.values() if f":{server.port}/" in url]
    return len(own[0].get_sessions())


def test_a_session_that_is_made_anew_asks_no_other_host_for_its_style_sheets(hasty, visit):
    held = []

    def hold(route):
        until = time.monotonic() + 180
        while sessions(hasty) and time.monotonic() < until:
            time.sleep(0.05)
        held.append(sessions(hasty))
        route.continue_()

    page = visit("about:blank")
    page.route("**/bokeh.min.js*", hold)
    page.goto(f"{hasty}?lens=task&benchmark=blank2014")
    said(page, "a higher score on blank2014").wait_for()
    assert (
        held[0] == 0 and "benchmark=blank2014" in page.url
    )  # the new session shows what the link says
