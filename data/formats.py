"""Own recordings in array formats."""

from __future__ import annotations

from pathlib import Path

__all__ = ["handles"]


def handles(path: Path) -> bool:
    return False
