"""Recordings that the looks of a page ask for again and again: read once for as long as their files stay as they are.

Each lens that is made ready looks into the store for its own answers, and each look needs the recording. Reading a large table
takes seconds, in which the page's own thread waits for its turn.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import Future

from data.catalog import catalog
from data.errors import BrainLensError
from data.home import home, mirror, person
from data.recording import Recording

__all__ = ["BYTES", "recording"]

BYTES = 1_000_000_000
"""Responses that are kept, the last asked for; a larger recording is read once for those who ask at the same time."""
_KEPT: OrderedDict[tuple, Future] = OrderedDict()
_LOCK = threading.Lock()


def recording(name: str) -> Recording:
    """As :func:`data.catalog.catalog.recording`, not to be changed, and shared by whoever asks in this process.

    Raises
    ------
    BrainLensError
        As there; an error is kept for nobody.
    """
    key = (name, person(), str(home()), mirror(), _reader(name), catalog.signature(name))
    with _LOCK:
        known = _KEPT.get(key)
        if known is not None:
            _KEPT.move_to_end(key)
        else:
            mine = _KEPT[key] = Future()
    if known is not None:
        return known.result()
    try:
        found = catalog.recording(name).sealed()
    except BaseException as error:
        with _LOCK:
            _KEPT.pop(key, None)
        mine.set_exception(error)
        raise
    mine.set_result(found)
    _forget()
    return found


def _reader(name: str) -> str:
    """Who reads an id; empty for a file."""
    try:
        return catalog.entry(name).reader
    except BrainLensError:
        return ""


def _forget() -> None:
    """Keep the last asked for within :data:`BYTES`."""
    with _LOCK:
        room = BYTES
        for key, one in reversed(list(_KEPT.items())):
            if one.done():
                room -= one.result().responses.nbytes
                if room < 0:
                    del _KEPT[key]
