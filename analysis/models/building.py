"""One thread at a time builds or loads a module of torch."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps

__all__ = ["BUILDING", "in_turn"]


BUILDING = threading.RLock()
"""Held by whoever builds or loads a module of torch."""


def in_turn(function: Callable) -> Callable:
    """One thread at a time: transformers changes process-wide states while it imports and builds.

    Two threads at once met a half-imported library, and tied weights that seemed to be missing.
    """

    @wraps(function)
    def held(*arguments, **named):
        with BUILDING:
            return function(*arguments, **named)

    return held
