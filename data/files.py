"""The ground for everybody who writes: whole files or none, one writer at a time."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

__all__ = ["atomic", "locked", "touch"]


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A path to write to that becomes ``path`` in one step, or nothing where writing failed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def touch(path: Path) -> None:
    """Mark as used now, where the folder may be written to."""
    with contextlib.suppress(OSError):
        os.utime(path)


@contextlib.contextmanager
def locked(path: Path, report) -> Iterator[None]:
    """Hold a lock among processes; waiting for another one can be cancelled. A killed process lets go of its locks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, mode=0o666)
    while True:
        try:
            lock.acquire(timeout=0.2)
            break
        except Timeout:
            report.step(0, 1, "waiting: another process reads the same texts")
    try:
        yield
    finally:
        lock.release()
