"""How much a file may unpack to before it is read at all."""

from __future__ import annotations

from pathlib import Path

from data.errors import BrainLensError

__all__ = ["MOST_BYTES", "MOST_RATIO", "MOST_UNPACKED", "MUCH", "within"]

MOST_BYTES = 4 * 1024**3  # of unpacked text: more is a mistake or an attack
MOST_RATIO = 200  # unpacked : packed; text compresses about 3 to 10 times
MOST_UNPACKED = 16 * 1024**3  # of numbers in a packed format
MUCH = 100_000_000  # bytes below which no ratio matters


def within(path: Path, size: int, *, ratio: float = MOST_RATIO) -> None:
    """Make sure that a packed file comes to no more than such files do.

    Raises
    ------
    BrainLensError
        With both sizes.
    """
    packed = path.stat().st_size
    if size > MOST_UNPACKED or (size > MUCH and size > packed * ratio):
        raise BrainLensError(
            f"{path.name} unpacks from {packed:,} to {size:,} bytes: it was not read",
            remedy="Look at it with another program first, and save a part of it",
        )
