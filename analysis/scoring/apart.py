"""Results from the network are first read in a process of their own, with limits, as other files are."""

from __future__ import annotations

import sys
from pathlib import Path

from analysis.scoring.results import read_results
from data.own import apart

__all__ = ["PLAIN", "tried"]

PLAIN = 5_000_000
"""Bytes of a text table that are read without being tried elsewhere first."""


def tried(path: Path) -> None:
    """Read a file of results elsewhere; nothing is given back but that it can be done.

    Raises
    ------
    BrainLensError
        As :func:`data.own.apart.tried`.
    """
    if path.suffix != ".csv" or path.stat().st_size > PLAIN:
        apart.tried(path, module="analysis.scoring.apart")


def _read(path: Path) -> None:
    read_results(path, path.name)


if __name__ == "__main__":
    sys.exit(apart.limited(lambda: _read(Path(sys.argv[1])), int(sys.argv[2])))
