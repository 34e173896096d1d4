"""A file from the network is first read in a process of its own, with limits: what ends that process ends no session."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from data.errors import BrainLensError, memory_error
from data.own.read import understood
from data.own.validation import inspect

__all__ = ["MOST_MEMORY", "MOST_SECONDS", "limited", "tried"]

MOST_MEMORY = 8_000_000_000
"""Bytes of address space; the libraries themselves take about two thousand million."""
MOST_SECONDS = 120
_FULL = 3  # how the process ends where memory ran out


def tried(
    path: Path,
    *,
    memory: int = MOST_MEMORY,
    seconds: int = MOST_SECONDS,
    module: str = "data.own.apart",
) -> None:
    """Read a file as :func:`data.own.validation.check` does, elsewhere; nothing is given back but that it can be done.

    What is wrong in its content is not this function's matter: that is said when it is read here.

    Parameters
    ----------
    memory : int
        Bytes of address space of the process (not limited on Windows).
    seconds : int
        Of time on the clock.
    module : str
        What reads it when run with the path and the bytes: a module that ends with :func:`limited`.

    Raises
    ------
    BrainLensError
        Where reading it took more, or ended the process.
    """
    command = [sys.executable, "-m", module, str(path), str(memory)]
    try:
        code = subprocess.run(
            command,
            timeout=seconds,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            check=False,
        ).returncode
    except subprocess.TimeoutExpired:
        raise BrainLensError(
            f"{path.name} was not read in {seconds} s",
            remedy="Give a smaller part of it, or another format such as Parquet",
        ) from None
    if code == _FULL:
        raise BrainLensError(
            f"{path.name} needs more than {memory / 1e9:.0f} GB to be read",
            remedy="Give a smaller part of it",
        )
    if code != 0:
        how = f"signal {-code}" if code < 0 else f"code {code}"
        raise BrainLensError(
            f"{path.name} is damaged: the process that read it was lost ({how})",
            remedy="Save it again, or in another format",
        )


def limited(reading: Callable[[], object], memory: int) -> int:
    """How a process ends that reads something in so many bytes of address space."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        reading()
    except MemoryError:
        return _FULL
    except (
        Exception
    ) as error:  # said in words where the file is read next; only memory and death matter here
        return _FULL if memory_error(error) is not None else 0
    return 0


def _inspected(path: str) -> None:
    source = understood(path)
    inspect(source.recording, source=source)


if __name__ == "__main__":
    sys.exit(limited(lambda: _inspected(sys.argv[1]), int(sys.argv[2])))
