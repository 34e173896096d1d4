"""Sixty kinds of damage that disks, copies and people do to a file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

__all__ = ["DAMAGES", "SLICE"]


def _flip(place: float, bit: int) -> Callable[[Path], None]:
    """One bit, at a share of the file's length."""

    def damage(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[min(len(content) - 1, int(place * len(content)))] ^= 1 << bit
        path.write_bytes(content)

    return damage


def _cut(share: float) -> Callable[[Path], None]:
    return lambda path: os.truncate(path, int(share * path.stat().st_size))


def _cut_bytes(count: int) -> Callable[[Path], None]:
    return lambda path: os.truncate(path, max(0, path.stat().st_size - count))


def _content(content: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(content)


def _changed(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(change(path.read_bytes()))


def _hole(place: float, size: int, fill: int) -> Callable[[Path], None]:
    def change(content: bytes) -> bytes:
        at = int(place * len(content))
        width = min(size, len(content) - at)
        hole = bytes([fill]) * width
        if content[at : at + width] == hole:
            hole = bytes([fill ^ 255]) * width
        return content[:at] + hole + content[at + width :]

    return _changed(change)


def _noise(content: bytes) -> bytes:
    return np.random.default_rng(0).bytes(len(content))


def _swapped(content: bytes) -> bytes:
    """Two blocks in each other's place, or the two halves."""
    half = min(512, len(content) // 2)
    return content[half : 2 * half] + content[:half] + content[2 * half :]


DAMAGES: dict[str, Callable[[Path], None]] = {
    **{f"a bit at {place:.0%}, bit {bit}": _flip(place, bit)
       for place in (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0) for bit in (0, 6)},
    **{f"cut to {share:.0%}": _cut(share) for share in (0.0, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99)},
    **{f"{count} bytes short": _cut_bytes(count) for count in (1, 8, 16, 24, 25, 100)},
    **{f"{size} bytes of {fill:#04x} at {place:.0%}": _hole(place, size, fill)
       for place in (0.0, 0.4, 0.8) for size in (16, 512) for fill in (0, 255)},
    **{f"holds {content[:12]!r}": _content(content)
       for content in (b"", b"{}", b"[]", b"null", b"{", b"0", b"\n", b"\x93NUMPY", b"PK\x03\x04", b"\x00" * 64, b"<html>404")},
    "noise of the same size": _changed(_noise),
    "reversed": _changed(lambda content: content[::-1]),
    "twice": _changed(lambda content: content * 2),
    "a byte more": _changed(lambda content: content + b"\x00"),
    "a line more": _changed(lambda content: content + b"\n"),
    "a byte before": _changed(lambda content: b"\x00" + content),
    "line ends of another system": _changed(lambda content: content.replace(b"\n", b"\r\n")),
    "blocks swapped": _changed(_swapped),
    "gone": lambda path: path.unlink(),
    "a folder in its place": lambda path: (path.unlink(), path.mkdir())[1],
}  # fmt: skip
"""Name -> what it does to a file."""

SLICE = [name for number, name in enumerate(DAMAGES) if number % 5 == 0] + [
    "gone",
    "a folder in its place",
    "a byte more",
]
"""Some of each kind."""
