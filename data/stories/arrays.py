"""Arrays (samples, targets) in HDF5, npz, npy and MATLAB; where a file holds several, which one is meant: ``file.h5#array``."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import BrainLensError, first_line, unknown
from data.limits import within
from data.own.hdf5 import harmless
from data.own.matlab import read_apart

__all__ = ["arrays_of", "of_array", "read_array"]

_HDF5 = (".h5", ".hf5", ".hdf5")
_ARRAY = re.compile(r"(.+?\.(?:h5|hf5|hdf5|npz|mat))#(.+)", re.IGNORECASE)


def of_array(folder: Path, name: str) -> tuple[str, str | None]:
    """The file and the array of ``file.h5#array``; no array where none is named, or where the file itself is called so.

    Examples
    --------
    >>> of_array(Path("/nowhere"), "sub-01.h5#run1/bold"), of_array(Path("/nowhere"), "a.npy")
    (('sub-01.h5', 'run1/bold'), ('a.npy', None))
    """
    found = _ARRAY.fullmatch(name)
    return (name, None) if found is None or (folder / name).exists() else (found[1], found[2])


def arrays_of(path: Path) -> list[str]:
    """The arrays of two dimensions of an HDF5, npz or MATLAB file; none of any other, and of one that cannot be read.

    Raises
    ------
    BrainLensError
        For a file that unpacks to far more than it holds.
    """
    if path.name.lower().endswith(_HDF5):
        import h5py

        try:
            with h5py.File(path, "r") as file:
                return _datasets(file)
        except (OSError, RuntimeError, KeyError):  # said in words where it is read
            return []
    if path.name.lower().endswith(".mat"):
        try:
            return list(_variables(path))
        except BrainLensError:  # likewise
            return []
    return _members(path) if path.name.lower().endswith(".npz") else []


def _datasets(file: Any) -> list[str]:
    """Arrays of two dimensions that an open HDF5 file holds itself; no link is followed."""
    import h5py

    own: list[str] = []

    def visit(name: str) -> None:
        link = file.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink | h5py.SoftLink):
            return
        if isinstance(item := file[name], h5py.Dataset) and item.ndim == 2:
            own.append(name)

    file.visit(visit)
    return own


def _members(path: Path) -> list[str]:
    """Arrays of two dimensions of an npz file, by their headers."""
    found = []
    try:
        with zipfile.ZipFile(path) as archive:
            within(path, sum(one.file_size for one in archive.infolist()))
            for name in archive.namelist():
                with archive.open(name) as stream:
                    form = np.lib.format
                    read = (
                        form.read_array_header_1_0
                        if form.read_magic(stream) == (1, 0)
                        else form.read_array_header_2_0
                    )
                    if len(read(stream)[0]) == 2:
                        found.append(name.removesuffix(".npy"))
    except (BrainLensError, MemoryError):
        raise
    except Exception:  # said in words where it is read
        return []
    return found


def _chosen(path: Path, dataset: str | None, held: list[str], all_of: str) -> str:
    """The array to read of those that a file holds."""
    if dataset is not None:
        if dataset not in held:
            raise unknown(f"array of {path.name}", dataset, held)
        return dataset
    if len(held) != 1:
        raise BrainLensError(
            f"{path.name} holds {len(held)} arrays of two dimensions{all_of}",
            choices=held[:20],
            remedy=f'Name the one to read in story.toml: run1 = "{path.name}#{held[0]}"'
            if held
            else "Give an array (samples, targets)",
        )
    return held[0]


def read_array(path: Path, dataset: str | None) -> np.ndarray:
    """The array of two dimensions that a file holds, or the one of several that is named.

    Raises
    ------
    BrainLensError
        Naming the arrays where one has to be named, and for files that are none of these or keep their numbers elsewhere.
    """
    if path.name.lower().endswith(".mat"):
        held = _variables(path)
        return held[_chosen(path, dataset, list(held), "")]
    return (_hdf5 if path.name.lower().endswith(_HDF5) else _numpy)(path, dataset)


def _variables(path: Path) -> dict[str, np.ndarray]:
    """The variables of a MATLAB file that may be a run: real numbers in two dimensions, more than one sample."""
    try:
        held = read_apart(path)
    except NotImplementedError:
        raise BrainLensError(
            f"{path.name} is of MATLAB 7.3", remedy="Save it with save(..., '-v7')"
        ) from None
    except FileNotFoundError:
        raise BrainLensError(f"There is no file {path}", remedy="Check the name") from None
    return {
        name: values
        for name, values in held.items()
        if values.dtype.kind in "iuf" and values.ndim == 2 and len(values) > 1
    }


def _hdf5(path: Path, dataset: str | None) -> np.ndarray:
    import h5py

    harmless(path)
    try:
        with h5py.File(path, "r") as file:
            return file[_chosen(path, dataset, _datasets(file), "")][()]
    except (BrainLensError, MemoryError):
        raise
    except (
        Exception
    ) as error:  # h5py raises OSError, RuntimeError, KeyError and more on damaged files
        raise BrainLensError(
            f"{path.name} is not an HDF5 file that can be read: {error}", remedy="Copy it again"
        ) from None


def _numpy(path: Path, dataset: str | None) -> np.ndarray:
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                within(path, sum(one.file_size for one in archive.infolist()))
        np.load(
            path, allow_pickle=False, mmap_mode="r"
        )  # a header that promises more than there is
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return _two(loaded, path)
        with loaded:
            names = list(loaded.files)
            if len(names) == 1 and dataset is None:
                return _two(loaded[names[0]], path)
            return loaded[_chosen(path, dataset, _members(path), f", of {len(names)}")]
    except (BrainLensError, MemoryError):
        raise
    except Exception as error:  # zip has its own, and a header is parsed as Python text, which can fail in many ways
        raise BrainLensError(
            f"{path.name} is not a plain array: {first_line(error)}",
            remedy="Save it with numpy.save",
        ) from None


def _two(values: np.ndarray, path: Path) -> np.ndarray:
    if values.ndim != 2:
        raise BrainLensError(
            f"{path.name} has shape {values.shape}: a run is (samples, targets)",
            remedy="Give a two-dimensional array",
        )
    return values
