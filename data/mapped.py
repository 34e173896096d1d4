"""Arrays of gigabytes that lie on disk, where the system may take their pages back, and go with the process that made them."""

from __future__ import annotations

import contextlib
import uuid

import numpy as np
from numpy.typing import DTypeLike

from data.files import DiskError, reserve
from data.home import home

__all__ = ["LARGE", "laid_down", "room_for"]

LARGE = 1 << 30
"""Bytes from which an array lies on disk: the responses of a whole cortex, not those of a hundred regions."""


def room_for(
    shape: tuple[int, ...], dtype: DTypeLike = np.float32, *, least: int = LARGE
) -> np.ndarray:
    """An array to be filled: in memory, or of ``least`` bytes and more in a file without a name.

    The file's blocks are its own before anything is written, so that a full disk is found here, and the array then stays in
    memory. Nothing is left of it when the array goes, nor when the process is killed.

    Parameters
    ----------
    shape : tuple of int
    dtype : dtype
    least : int
        Bytes.

    Returns
    -------
    ndarray
    """
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    if size < max(least, 1):
        return np.empty(shape, dtype)
    path = home("cache", "mapped") / f".part-{uuid.uuid4().hex}"
    try:
        reserve(path, size)
    except DiskError:
        return np.empty(shape, dtype)
    try:
        return np.asarray(np.memmap(path, dtype, mode="r+", shape=shape))
    finally:
        with contextlib.suppress(PermissionError):  # Windows keeps the name of an open file: swept
            path.unlink()


def laid_down(values: np.ndarray, *, least: int = LARGE, among: int = 1) -> np.ndarray:
    """The array itself, or a copy of it on disk as :func:`room_for` has it.

    Parameters
    ----------
    among : int
        How many arrays of about this size are held together: all of them count against ``least``.
    """
    least = min(least, values.nbytes) if values.nbytes * among >= least else least
    if values.nbytes < least:
        return values
    copy = room_for(values.shape, values.dtype, least=least)
    copy[...] = values
    return copy
