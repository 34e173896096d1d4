"""What an HDF5 file may hold before it is opened: nothing that lies elsewhere, and no more than it could be worth."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from data.errors import BrainLensError, first_line
from data.limits import within

__all__ = ["engine", "harmless"]

MOST_OBJECTS = 100_000
_TEXT = 64  # bytes that a text of unknown length comes to in memory, at least
_RATIO = 500  # announced : on disk; numbers pack 1 to 4 times


def engine(path: Path) -> str:
    """The reader of a user's NetCDF file, for xarray's ``engine``: h5netcdf, or scipy for the classic form.

    The C library behind netCDF4 ends the whole process on some damaged files, and with it every session of a server.
    """
    if not path.is_file():
        raise BrainLensError(f"There is no file {path}", remedy="Check the path")
    with open(path, "rb") as stream:
        return "scipy" if stream.read(3) == b"CDF" else "h5netcdf"


def harmless(path: Path) -> None:
    """Refuse an HDF5 file that names other files, or that announces far more than it holds; other formats pass.

    External storage, external links and virtual datasets would read any file of this machine as if it were data.

    Raises
    ------
    BrainLensError
        Naming what was found.
    """
    import h5py

    if not h5py.is_hdf5(path):
        return
    try:
        with h5py.File(path, "r") as file:
            announced = _looked_through(path, file)
    except (BrainLensError, MemoryError):
        raise
    except (
        Exception
    ) as error:  # h5py raises OSError, RuntimeError, KeyError and more on damaged files
        raise BrainLensError(
            f"{path.name} is not an HDF5 or NetCDF file that can be read: {first_line(error)}",
            remedy="Fetch or write it again",
        ) from None
    within(path, announced, ratio=_RATIO)


def _looked_through(path: Path, file) -> int:
    """Bytes that all datasets announce; every link is looked at, none that leads out is followed."""
    import h5py

    waiting, seen, announced = [file], set(), 0
    while waiting:
        group = waiting.pop()
        for name in group:
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                _refuse(path, f"{group.name}/{name} is a link to the file {link.filename!r}")
            if isinstance(link, h5py.SoftLink):
                # a dataset is met by itself; a group could hold itself, and a reader would go round for ever
                if isinstance(group.get(name), h5py.Group):
                    _refuse(path, f"{group.name}/{name} is a link to the group {link.path!r}")
                continue
            if not isinstance(link, h5py.HardLink):
                _refuse(path, f"{group.name}/{name} is a link of an unknown kind")
            item = group[name]
            mark = h5py.h5o.get_info(item.id).addr
            if mark in seen:
                continue
            seen.add(mark)
            if len(seen) > MOST_OBJECTS:
                _refuse(path, f"it holds more than {MOST_OBJECTS:,} objects")
            if isinstance(item, h5py.Group):
                waiting.append(item)
            elif isinstance(item, h5py.Dataset):
                if item.is_virtual:
                    _refuse(path, f"{item.name} is a virtual dataset, made of other files")
                if item.external:
                    _refuse(path, f"{item.name} is stored in the file {item.external[0][0]!r}")
                each = _TEXT if item.dtype.kind == "O" else item.dtype.itemsize
                announced += int(np.prod(item.shape or (1,), dtype=object)) * each
    return announced


def _refuse(path: Path, what: str) -> None:
    raise BrainLensError(
        f"{path.name}: {what}: it was not read",
        remedy="Do not trust this file; write one that holds its own data",
    )
