"""MATLAB files, read in a process of their own: one changed byte can make scipy's reader end the process that it runs in."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import BrainLensError

__all__ = ["read_apart"]

MOST_MEMORY = 8_000_000_000
"""Bytes of address space of the other process."""
PATIENCE = 300  # seconds
_NEWER, _REFUSED, _FULL = 11, 12, 13  # how the other process ends
_NOTHING = np.dtype("V1")  # stands for what is neither numbers nor texts


def read_apart(path: Path) -> dict[str, np.ndarray]:
    """The variables of a MATLAB file of version 4 to 7: arrays of numbers and texts, and cells of them.

    Raises
    ------
    NotImplementedError
        For a file of version 7.3.
    BrainLensError
        Where the file is no MATLAB file, asks for more than :data:`MOST_MEMORY`, or the process that read it was lost.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "read.npz"
        try:
            done = subprocess.run(
                [sys.executable, str(Path(__file__)), str(path), str(out)],
                timeout=PATIENCE,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise BrainLensError(
                f"{path.name} was not read in {PATIENCE} s",
                remedy="Save a part of it, or write NetCDF",
            ) from None
        if done.returncode == _NEWER:
            raise NotImplementedError
        if done.returncode == _FULL:
            raise BrainLensError(
                f"{path.name} asks for more than {MOST_MEMORY / 1e9:.0f} GB to be read: it is damaged, or too large",
                remedy="Save it again, a part of it, or NetCDF",
            )
        if done.returncode == _REFUSED:
            raise BrainLensError(
                f"{path.name} is not a MATLAB file that can be read: {done.stdout.decode('utf-8', 'replace')[:300]}",
                remedy="Save it with save(..., '-v7')",
            )
        if done.returncode != 0:
            raise BrainLensError(
                f"{path.name} is damaged: the process that read it was lost (code {done.returncode})",
                remedy="Save it again with save(..., '-v7')",
            )
        with np.load(out, allow_pickle=False) as kept:
            return _joined(kept)


def _joined(kept) -> dict[str, np.ndarray]:
    """Arrays as they were: ``v0`` an array, or ``s0`` the shape of cells and ``c0_1`` one of them."""
    found: dict[str, np.ndarray] = {}
    for number, name in enumerate(map(str, kept["names"])):
        if f"v{number}" in kept:
            found[name] = kept[f"v{number}"]
            continue
        cells = np.empty(tuple(kept[f"s{number}"]), dtype=object)
        for at in range(cells.size):
            cells.flat[at] = kept[f"c{number}_{at}"]
        found[name] = cells
    return found


def _plain(values: np.ndarray) -> np.ndarray:
    """Numbers and texts as they are; of anything else its shape, and of a struct the names of its fields."""
    if values.dtype.kind in "iufbcUS":
        return values
    names = values.dtype.names
    return np.zeros(values.shape, [(name, _NOTHING) for name in names] if names else _NOTHING)


def _parted(content: dict) -> dict[str, np.ndarray]:
    """The arrays to hand over, none of which needs more than numbers and texts."""
    own = {
        name: values
        for name, values in content.items()
        if not name.startswith("__") and isinstance(values, np.ndarray)
    }
    found = {"names": np.array(list(own), dtype=str)}
    for number, values in enumerate(own.values()):
        if values.dtype.kind != "O":
            found[f"v{number}"] = _plain(values)
            continue
        found[f"s{number}"] = np.array(values.shape, dtype=np.int64)
        for at, cell in enumerate(values.flat):
            found[f"c{number}_{at}"] = _plain(np.asarray(cell))
    return found


def _main(path: str, out: str) -> int:
    """In the other process: read, hand over, and end with a code that says how it went."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, ValueError, OSError):
        pass  # Windows, or a limit that is lower already
    from scipy.io import loadmat

    try:
        parts: dict[str, Any] = _parted(loadmat(path, chars_as_strings=True, squeeze_me=False))
        np.savez(out, **parts)
    except NotImplementedError:
        return _NEWER
    except MemoryError:
        return _FULL
    except Exception as error:  # scipy raises many kinds on damaged files
        print(error)
        return _REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
