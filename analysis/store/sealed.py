"""What is written into sealed files: arrays, tables of arrays, JSON; and what becomes of a damaged one."""

from __future__ import annotations

import io
import json
import logging
import shutil
import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from data.files import SEAL_BYTES, Damaged, seal, unseal

__all__ = [
    "DAMAGE", "array_bytes", "healed", "load_array", "load_arrays", "load_json", "save_array", "save_arrays", "save_json",
]  # fmt: skip

_LOG = logging.getLogger("brainlens.store")
_LOCK = threading.Lock()
DAMAGE: dict[str, str] = {}
"""Path -> what was wrong with it, of every damage that this process met."""


def healed(path: Path, error: Exception, *, own: bool) -> None:
    """Say once that a file is damaged, and take it away where it is one's own, so that it is made anew."""
    with _LOCK:
        first = DAMAGE.get(str(path)) is None
        DAMAGE[str(path)] = getattr(error, "problem", str(error))
    if first:
        becomes = "it is made anew" if own else "it is left out, and made anew in your own store"
        _LOG.warning("%s; %s", DAMAGE[str(path)], becomes)
    if own:
        try:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(
                missing_ok=True
            )
        except OSError:  # a folder in which nothing may be written: it is left out every time
            return


# ---- one array ---------------------------------------------------------------------------------------------------------
def _header(shape: tuple[int, ...], dtype: np.dtype) -> bytes:
    stream = io.BytesIO()
    told = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, told)
    return stream.getvalue()


def array_bytes(shape: tuple[int, ...], dtype: DTypeLike) -> int:
    """Size of the file of such an array."""
    dtype = np.dtype(dtype)
    return len(_header(shape, dtype)) + int(np.prod(shape)) * dtype.itemsize + SEAL_BYTES


def save_array(path: Path, values: np.ndarray) -> None:
    """Write one array as .npy with a seal."""
    values = np.ascontiguousarray(values)
    seal(path, _header(values.shape, values.dtype), values.reshape(-1).view(np.uint8).data)


def load_array(path: Path) -> np.ndarray:
    """Read one array back.

    Raises
    ------
    FileNotFoundError
    Damaged
    """
    content = unseal(path)
    try:
        stream = io.BytesIO(content[:4096])
        if np.lib.format.read_magic(stream) != (1, 0):
            raise ValueError("another version of .npy")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
        if fortran or dtype.hasobject:
            raise ValueError(f"{dtype} in this order")
        return np.frombuffer(content, dtype, offset=stream.tell()).reshape(shape)
    except ValueError as error:
        raise Damaged(f"{path} holds no array ({error})") from None


# ---- several ------------------------------------------------------------------------------------------------------------
def save_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays as .npz with a seal."""
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **arrays)
    seal(path, stream.getbuffer())


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read them back.

    Raises
    ------
    FileNotFoundError
    Damaged
    """
    content = unseal(path)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as found:
            return dict(found)
    except MemoryError:
        raise
    except Exception as error:  # zip and numpy have their own classes
        raise Damaged(f"{path} holds no arrays ({error})") from None


# ---- JSON -----------------------------------------------------------------------------------------------------------------
def save_json(path: Path, told: Mapping) -> None:
    """Write a dict as JSON with a seal."""
    seal(path, json.dumps(dict(told), default=plain).encode("utf-8", "surrogatepass"))


def load_json(path: Path) -> dict:
    """Read it back.

    Raises
    ------
    FileNotFoundError
    Damaged
    """
    content = bytes(unseal(path))
    try:
        told = json.loads(content)
    except ValueError as error:
        raise Damaged(f"{path} is no JSON ({error})") from None
    if not isinstance(told, dict):
        raise Damaged(f"{path} holds no fields")
    return told


def plain(value: object) -> object:
    """What JSON cannot say by itself."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return str(value)
