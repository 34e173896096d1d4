"""One thread at a time builds or loads a module of torch, in a way that it can be trained, whoever asks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import contextmanager
from functools import wraps

__all__ = ["BUILDING", "building", "in_turn"]


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


@contextmanager
def building():
    """One thread at a time, and weights that can be trained although a reader asks for them inside ``inference_mode``."""
    import torch

    with BUILDING, torch.inference_mode(False), torch.enable_grad():
        yield
