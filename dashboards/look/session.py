"""The session of the page, where there is one: a notebook cell and a script have none."""

from __future__ import annotations

from collections.abc import Callable

import panel as pn

__all__ = ["in_session", "later"]


def in_session() -> bool:
    """Whether this is the page of a server, which hears of every change of a Bokeh model."""
    doc = pn.state.curdoc
    return doc is not None and doc.session_context is not None


def later(seconds: float, then: Callable[[], None]) -> bool:
    """Call something in this session's loop after a while; whether there is such a loop."""
    if in_session():
        pn.state.curdoc.add_timeout_callback(then, int(1000 * seconds) + 1)
        return True
    return False
