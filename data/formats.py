"""Own recordings in array formats: NetCDF, npy, npz and MATLAB, read without ever running anything that a file holds."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from data.errors import BrainLensError
from data.tables import Table, read_table

__all__ = ["SUFFIXES", "beside", "handles", "load_npy", "load_npz", "table_of"]

SUFFIXES = (".nc", ".nc4", ".npy", ".npz", ".mat")
MOST_BYTES = 16 * 1024**3
MOST_RATIO = 500  # unpacked : packed; numbers pack 1 to 4 times
STIMULI = (".stimuli.csv", ".stimuli.tsv", ".stimuli.parquet", ".csv", ".tsv", ".parquet")
"""What may stand for the suffix in the name of the table of stimuli beside an array."""


def handles(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES


def table_of(path: Path, said: Mapping) -> tuple[Table, dict]:
    """The file as one table (stimuli and responses side by side) and what it says of its columns itself.

    Raises
    ------
    BrainLensError
        Where the file is not there, hostile, or its rows do not fit the table of stimuli.
    """
    if not path.is_file():
        raise BrainLensError(f"There is no file {path}", remedy="Check the path")
    if path.stat().st_size == 0:
        raise BrainLensError(f"{path.name} is empty (0 bytes)", remedy="Export it again")
    if path.suffix.lower() in (".nc", ".nc4"):
        return _netcdf(path, said)
    if path.suffix.lower() == ".npy":
        arrays = {"responses": load_npy(path)}
    elif path.suffix.lower() == ".npz":
        arrays = load_npz(path)
    else:
        arrays = _matlab(path)
    return _arrays(path, arrays, said)


# ---- numpy ----------------------------------------------------------------------------------------------------------------
def load_npy(path: str | Path) -> np.ndarray:
    """The array of an npy file; its header is checked before anything is read.

    Raises
    ------
    BrainLensError
        For a pickle, an object array, a header that promises other than the file holds, or something that is not npy.
    """
    path = Path(path)
    with open(path, "rb") as stream:
        return _array(stream, path.name, path.stat().st_size)


def load_npz(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of an npz file by name; members and sizes are checked before anything is unpacked.

    Raises
    ------
    BrainLensError
        As :func:`load_npy`, and for a zip bomb or member names that leave the archive.
    """
    path = Path(path)
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise BrainLensError(f"{path.name} is not an npz file: {error}", remedy="Write it with numpy.savez") from None
    with archive:
        members = archive.infolist()
        unpacked = sum(member.file_size for member in members)
        packed = max(path.stat().st_size, 1)
        if unpacked > MOST_BYTES or (unpacked > 100_000_000 and unpacked > packed * MOST_RATIO):
            raise BrainLensError(
                f"{path.name} unpacks from {packed:,} to {unpacked:,} bytes: it was not read",
                remedy="Save it again, uncompressed",
            )
        arrays = {}
        for member in members:
            name = member.filename
            if name.startswith("/") or ".." in name.replace("\\", "/").split("/") or ":" in name:
                raise BrainLensError(
                    f"{path.name} holds a member {name!r} that leaves the archive: it was not read",
                    remedy="Do not trust this file",
                )
            if not name.endswith(".npy"):
                raise BrainLensError(f"{path.name} holds {name!r}, which is not an array", remedy="Write it with numpy.savez")
            try:
                with archive.open(member) as stream:
                    arrays[name[:-4]] = _array(stream, f"{path.name}/{name}", member.file_size)
            except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
                raise BrainLensError(
                    f"{path.name}: member {name!r} cannot be unpacked: {error}", remedy="Save it again"
                ) from None
    return arrays


def _array(stream, name: str, size: int) -> np.ndarray:
    form = np.lib.format
    try:
        version = form.read_magic(stream)
        shape, fortran, dtype = (form.read_array_header_1_0 if version == (1, 0) else form.read_array_header_2_0)(stream)
    except Exception as error:  # a header is parsed as Python text, which can fail in many ways
        what = "a pickle" if "magic" in str(error) and _pickled(stream, size) else "not an npy array"
        raise BrainLensError(
            f"{name} is {what}: it was not read", remedy="Write it with numpy.save, from an array of numbers"
        ) from None
    if dtype.hasobject:
        raise BrainLensError(
            f"{name} holds Python objects (a pickle), which can run anything: it was not read",
            remedy="Write numbers as float64 and texts as str arrays, or texts into a table beside",
        )
    count = int(np.prod(shape, dtype=object)) if shape else 1
    expected = count * dtype.itemsize
    held = size - stream.tell() if stream.seekable() else expected
    if expected > MOST_BYTES or held < expected:
        raise BrainLensError(
            f"{name} announces {expected:,} bytes and holds {max(held, 0):,}: it was not read", remedy="Write it again"
        )
    raw = stream.read(expected)
    if len(raw) != expected:
        raise BrainLensError(f"{name} ends after {len(raw):,} of {expected:,} bytes", remedy="Write it again")
    return np.frombuffer(raw, dtype=dtype).reshape(shape, order="F" if fortran else "C").copy()


def _pickled(stream, size: int) -> bool:
    if not stream.seekable():
        return False
    stream.seek(0)
    return stream.read(1) == b"\x80"


# ---- MATLAB ---------------------------------------------------------------------------------------------------------------
def _matlab(path: Path) -> dict[str, np.ndarray]:
    from scipy.io import loadmat, whosmat

    try:
        held = whosmat(str(path))
        size = sum(int(np.prod(shape, dtype=object)) * 8 for _, shape, _ in held)
        if size > MOST_BYTES:
            raise BrainLensError(f"{path.name} announces {size:,} bytes: it was not read", remedy="Save a part of it")
        content = loadmat(str(path), chars_as_strings=True, squeeze_me=False)
    except BrainLensError:
        raise
    except NotImplementedError:
        raise BrainLensError(
            f"{path.name} is a MATLAB v7.3 file", remedy="Save it with save(..., '-v7'), or write NetCDF"
        ) from None
    except Exception as error:  # scipy raises many kinds on damaged files
        raise BrainLensError(
            f"{path.name} is not a MATLAB file that can be read: {error}", remedy="Save it with save(..., '-v7')"
        ) from None
    return {
        name: _cells(values) for name, values in content.items() if not name.startswith("__") and isinstance(values, np.ndarray)
    }


def _cells(values: np.ndarray) -> np.ndarray:
    """A cell array of texts as a flat array of str; char matrices as one text per row."""
    if values.dtype.kind == "O":
        cells = [np.asarray(cell) for cell in values.ravel()]
        if all(cell.dtype.kind in "US" and cell.size <= 1 for cell in cells):
            return np.array([str(cell.ravel()[0]) if cell.size else "" for cell in cells], dtype=object)
        return values
    return np.array([str(row) for row in values.ravel()], dtype=object) if values.dtype.kind in "US" else values


# ---- arrays and the table beside them -------------------------------------------------------------------------------------
def beside(path: Path, said: Mapping) -> Path | None:
    """The table of stimuli that belongs to an array file."""
    if said.get("stimuli"):
        named = Path(said["stimuli"])
        found = named if named.is_absolute() or named.exists() else path.with_name(str(named))
        if not found.is_file():
            raise BrainLensError(f"There is no table of stimuli {found}", remedy="Check the path (stimuli=...)")
        return found
    return next((file for end in STIMULI if (file := path.with_name(path.stem + end)).is_file()), None)


def _arrays(path: Path, arrays: Mapping[str, np.ndarray], said: Mapping) -> tuple[Table, dict]:
    from data.columns import word_columns

    numeric = {name: a for name, a in arrays.items() if a.dtype.kind in "iuf" and a.ndim in (1, 2)}
    wanted = next((n for n in ("responses", "response", "data", "Y", "y") if n in numeric), None)
    if wanted is None:
        wide = [n for n, a in numeric.items() if a.ndim == 2 and min(a.shape) > 1] or list(numeric)
        if len(wide) != 1:
            raise BrainLensError(
                f"{path.name}: which array holds the responses is not plain",
                choices=arrays,
                remedy="Name it 'responses', stimuli in rows and targets in columns",
            )
        wanted = wide[0]
    values = numeric[wanted].astype(np.float64)
    values = values[:, None] if values.ndim == 1 else values
    file = beside(path, said)
    columns, lines = {}, None
    if file is not None:
        table = read_table(file, texts=word_columns(said))
        columns, lines = {str(c): table.frame[c] for c in table.frame.columns}, table.lines
    for name, array in arrays.items():
        if name != wanted and array.size == len(values) and name not in ("target", "targets", "subject", "subjects"):
            columns[name] = pd.Series(array.ravel().astype(str) if array.dtype.kind in "US" else array.ravel())
    targets = _labels(arrays, ("target", "targets"), values.shape[1])
    if not columns:
        raise BrainLensError(
            f"{path.name} holds responses and no texts",
            remedy=f"Put a table with one row per stimulus beside it as {path.stem}.stimuli.csv",
        )
    rows = len(next(iter(columns.values())))
    if rows != len(values):
        hint = f"; it looks transposed ({values.shape[0]} x {values.shape[1]})" if rows == values.shape[1] else ""
        raise BrainLensError(
            f"{path.name} has {len(values)} rows and the table of stimuli {rows}{hint}",
            remedy="Stimuli go in rows, targets in columns, both in the same order",
        )
    names = targets or [f"target_{i + 1}" for i in range(values.shape[1])]
    names = [name if name not in columns else f"{name} (response)" for name in names]
    frame = pd.concat([pd.DataFrame(columns), pd.DataFrame(values, columns=names)], axis=1)
    own = {"responses": names}
    subjects = _labels(arrays, ("subject", "subjects"), values.shape[1])
    if subjects and "subject" not in columns:
        own["subject"] = dict(zip(names, subjects))
    return Table(path, frame, lines), own


def _labels(arrays: Mapping[str, np.ndarray], names: tuple[str, ...], count: int) -> list[str] | None:
    for name in names:
        if name in arrays and arrays[name].size == count:
            return [str(label).strip() for label in arrays[name].ravel()]
    return None


# ---- NetCDF ---------------------------------------------------------------------------------------------------------------
def _netcdf(path: Path, said: Mapping) -> tuple[Table, dict]:
    from data.assemblies import open_array

    array = open_array(path)
    if array.ndim == 1:
        array = array.expand_dims("target", axis=1)
    if array.ndim != 2:
        raise BrainLensError(
            f"{path.name} holds an array with dims {tuple(array.dims)}", remedy="Write an array (stimulus, target)"
        )
    rows = next((d for d in array.dims if d in ("stimulus", "presentation")), array.dims[0])
    array = array.transpose(rows, ...)
    other = array.dims[1]
    if array.dtype.kind not in "iuf":
        raise BrainLensError(
            f"{path.name}: the responses are {array.dtype}, not numbers", remedy="Write the responses as numbers"
        )
    columns = {str(n): pd.Series(c.values) for n, c in array.coords.items() if c.dims == (rows,) and n != rows}
    if rows in array.coords and "stimulus_id" not in columns:
        columns["stimulus_id"] = pd.Series(array[rows].values).astype(str)
    about = {str(n): c.values for n, c in array.coords.items() if c.dims == (other,)}
    targets = [str(t) for t in about.get(other, about.get("neuroid_id", [f"target_{i + 1}" for i in range(array.shape[1])]))]
    if len(set(targets)) != len(targets):
        raise BrainLensError(f"{path.name}: target ids occur more than once", remedy="Make the ids unique")
    names = [t if t not in columns else f"{t} (response)" for t in targets]
    frame = pd.concat([pd.DataFrame(columns), pd.DataFrame(np.asarray(array.values, dtype=np.float64), columns=names)], axis=1)
    own: dict = _own_words(path, array.attrs.get("brainlens"))
    own["responses"] = names
    if "subject" in about and "subject" not in own:
        own["subject"] = dict(zip(names, map(str, about["subject"])))
    return Table(path, frame), own


def _own_words(path: Path, said: object) -> dict:
    """What a NetCDF file says of its own columns, as a sidecar would."""
    if not isinstance(said, str):
        return {}
    try:
        fields = json.loads(said)
    except json.JSONDecodeError:
        fields = None
    if not isinstance(fields, dict):
        raise BrainLensError(
            f"{path.name}: its attribute 'brainlens' is not a JSON object", remedy="Write the file again, or remove the attribute"
        )
    return fields
