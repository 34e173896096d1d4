"""Own recordings in array formats: NetCDF, npy, npz and MATLAB, read without ever running anything that a file holds."""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data.errors import BrainLensError
from data.limits import MOST_UNPACKED, MUCH, within
from data.own.archive import DAMAGE
from data.own.gate import beside_of
from data.own.matlab import read_apart
from data.own.meaning import checked, reading_options
from data.own.names import GUESSES, REGION_NAMES
from data.own.netcdf import open_array
from data.own.tables import Table, read_table, squashed, there

__all__ = ["SUFFIXES", "beside", "handles", "load_npy", "load_npz", "table_of"]

SUFFIXES = (".nc", ".nc4", ".npy", ".npz", ".mat")
MOST_RATIO = 500  # unpacked : packed; numbers pack 1 to 4 times
STIMULI = (".stimuli.csv", ".stimuli.tsv", ".stimuli.parquet", ".csv", ".tsv", ".parquet")
"""What may stand for the suffix in the name of the table of stimuli beside an array."""


def handles(path: Path) -> bool:
    """Whether a file is of one of these formats, by its suffix."""
    return path.suffix.lower() in SUFFIXES


def table_of(path: Path, said: Mapping) -> tuple[Table, dict]:
    """The file as one table (stimuli and responses side by side) and what it says of its columns itself.

    Raises
    ------
    BrainLensError
        Where the file is not there, hostile, or its rows do not fit the table of stimuli.
    """
    there(path)
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
    except DAMAGE as error:
        raise BrainLensError(
            f"{path.name} is not an npz file, or was cut off: {error}",
            remedy="Copy it again, or write it with numpy.savez",
        ) from None
    with archive:
        members = archive.infolist()
        within(path, sum(member.file_size for member in members), ratio=MOST_RATIO)
        arrays = {}
        for member in members:
            name = member.filename
            if name.startswith("/") or ".." in name.replace("\\", "/").split("/") or ":" in name:
                raise BrainLensError(
                    f"{path.name} holds a member {name!r} that leaves the archive: it was not read",
                    remedy="Do not trust this file",
                )
            if not name.endswith(".npy"):
                raise BrainLensError(
                    f"{path.name} holds {name!r}, which is not an array",
                    remedy="Write it with numpy.savez",
                )
            try:
                with archive.open(member) as stream:
                    arrays[name[:-4]] = _array(stream, f"{path.name}/{name}", member.file_size)
            except (BrainLensError, MemoryError):
                raise
            except (
                Exception
            ) as error:  # zipfile and its decompressors raise many kinds on a damaged archive
                raise BrainLensError(
                    f"{path.name}: member {name!r} cannot be unpacked: {error}",
                    remedy="Save it again",
                ) from None
    return arrays


def _array(stream, name: str, size: int) -> np.ndarray:
    form = np.lib.format
    try:
        version = form.read_magic(stream)
        shape, fortran, dtype = (
            form.read_array_header_1_0 if version == (1, 0) else form.read_array_header_2_0
        )(stream)
    except MemoryError:
        raise
    except Exception as error:  # a header is parsed as Python text, which can fail in many ways
        what = (
            "a pickle" if "magic" in str(error) and _pickled(stream, size) else "not an npy array"
        )
        raise BrainLensError(
            f"{name} is {what}: it was not read",
            remedy="Write it with numpy.save, from an array of numbers",
        ) from None
    if dtype.hasobject:
        raise BrainLensError(
            f"{name} holds Python objects (a pickle), which can run anything: it was not read",
            remedy="Write numbers as float64 and texts as str arrays, or texts into a table beside",
        )
    count = int(np.prod(shape, dtype=object)) if shape else 1
    expected = count * dtype.itemsize
    held = size - stream.tell() if stream.seekable() else expected
    if expected > MOST_UNPACKED or held < expected:
        raise BrainLensError(
            f"{name} announces {expected:,} bytes and holds {max(held, 0):,}: it was not read",
            remedy="Write it again",
        )
    raw = stream.read(expected)
    if len(raw) != expected:
        raise BrainLensError(
            f"{name} ends after {len(raw):,} of {expected:,} bytes", remedy="Write it again"
        )
    return np.frombuffer(raw, dtype=dtype).reshape(shape, order="F" if fortran else "C").copy()


def _pickled(stream, size: int) -> bool:
    if not stream.seekable():
        return False
    stream.seek(0)
    return stream.read(1) == b"\x80"


# ---- MATLAB ---------------------------------------------------------------------------------------------------------------
def _matlab(path: Path) -> dict[str, np.ndarray]:
    try:
        size = _unpacked(path)
    except (zlib.error, struct.error, OSError) as error:
        raise BrainLensError(
            f"{path.name} is not a MATLAB file that can be read: {error}",
            remedy="Save it with save(..., '-v7')",
        ) from None
    within(path, size, ratio=MOST_RATIO)
    try:
        content = read_apart(path)
    except NotImplementedError:
        raise BrainLensError(
            f"{path.name} is a MATLAB v7.3 file",
            remedy="Save it with save(..., '-v7'), or write NetCDF",
        ) from None
    return {name: _cells(values) for name, values in content.items()}


def _unpacked(path: Path) -> int:
    """Bytes that a MATLAB 5 file comes to, cells inside cells included; counted without keeping them, a little past the limit."""
    total, enough = 0, max(path.stat().st_size * MOST_RATIO, MUCH) + 1
    with open(path, "rb") as stream:
        mark = stream.read(128)[126:128]
        if mark not in (b"IM", b"MI"):
            return path.stat().st_size  # of version 4, which packs nothing
        while total <= enough and len(tag := stream.read(8)) == 8:
            kind, size = struct.unpack("<II" if mark == b"IM" else ">II", tag)
            if kind != _PACKED:
                total += size
                stream.seek(size, 1)
                continue
            unpacker, left = zlib.decompressobj(), size
            while left > 0 and (raw := stream.read(min(left, 1 << 16))):
                left -= len(raw)
                while raw and total <= enough:
                    total += len(unpacker.decompress(raw, 1 << 20))
                    raw = unpacker.unconsumed_tail
    return total


_PACKED = 15  # miCOMPRESSED


def _cells(values: np.ndarray) -> np.ndarray:
    """A cell array of texts as a flat array of str, one of numbers as numbers; char matrices as one text per row."""
    if values.dtype.kind == "O":
        cells = [np.asarray(cell) for cell in values.ravel()]
        if all(cell.dtype.kind in "US" and cell.size <= 1 for cell in cells):
            return np.array(
                [str(cell.ravel()[0]) if cell.size else "" for cell in cells], dtype=object
            )
        if all(cell.dtype.kind in "iufb" and cell.size == 1 for cell in cells):
            return np.array([cell.item() for cell in cells], dtype=np.float64)
        return values
    return (
        np.array([str(row) for row in values.ravel()], dtype=object)
        if values.dtype.kind in "US"
        else values
    )


# ---- arrays and the table beside them -------------------------------------------------------------------------------------
def beside(path: Path, said: Mapping) -> Path | None:
    """The table of stimuli that belongs to an array file."""
    if said.get("stimuli"):
        return beside_of(path, said["stimuli"], "table of stimuli", trusted=True)
    return next(
        (file for end in STIMULI if (file := path.with_name(path.stem + end)).is_file()), None
    )


RESPONSES = ("responses", "response", "data", "Y", "y")
LABELS = ("target", "targets", "subject", "subjects")


def _responses(path: Path, arrays: Mapping[str, np.ndarray]) -> tuple[str, np.ndarray]:
    """Name and values (stimuli x targets, float64) of the array of responses."""
    named = next((n for n in RESPONSES if n in arrays), None)
    numeric = {name: a for name, a in arrays.items() if a.dtype.kind in "iuf" and a.ndim in (1, 2)}
    if named is None:
        if "stimulus" in arrays and any(
            name.startswith("layer") or name.isdecimal() for name in arrays
        ):
            raise BrainLensError(
                f"{path.name} holds activations, not responses: {', '.join(sorted(arrays)[:5])}",
                remedy=f"Activations stand in for a model: 'brainlens score {path.name} --on RECORDING'",
            )
        wide = [n for n, a in numeric.items() if a.ndim == 2 and min(a.shape) > 1] or list(numeric)
        if len(wide) != 1:
            raise BrainLensError(
                f"{path.name}: which array holds the responses is not plain",
                choices=arrays,
                remedy="Name it 'responses', stimuli in rows and targets in columns",
            )
        named = wide[0]
    values = arrays[named]
    if named not in numeric or not values.size:
        held = (
            "fields"
            if values.dtype.names
            else "cells"
            if values.dtype.kind == "O"
            else str(values.dtype)
        )
        raise BrainLensError(
            f"{path.name}: array {named!r} has shape {values.shape} of {held}, not stimuli x targets of numbers",
            remedy="Save real numbers, stimuli in rows and targets in columns"
            + (
                f"; the fields {', '.join(values.dtype.names[:6])} as variables of their own"
                if values.dtype.names
                else ""
            ),
        )
    values = values.astype(np.float64)
    return named, values[:, None] if values.ndim == 1 else values


def _arrays(path: Path, arrays: Mapping[str, np.ndarray], said: Mapping) -> tuple[Table, dict]:
    wanted, values = _responses(path, arrays)
    count, width = values.shape
    file = beside(path, said)
    columns, lines = {}, None
    if file is not None:
        table = read_table(file, **reading_options(said))
        columns, lines = {str(c): table.frame[c] for c in table.frame.columns}, table.lines
    elsewhere = {}  # texts that have another length
    for name, array in arrays.items():
        if name == wanted or name in LABELS or max(array.shape, default=0) != array.size:
            continue
        texts = array.dtype.kind in "USO"
        if array.size == count:
            columns[name] = pd.Series(_words(path, name, array) if texts else array.ravel())
        elif texts:
            elsewhere[name] = array.size
    targets = _labels(path, arrays, ("target", "targets"), width)
    if elsewhere and not any(column.dtype.kind == "O" for column in columns.values()):
        name, size = next(iter(elsewhere.items()))
        hint = f"; it looks transposed ({count} x {width})" if size == width else ""
        raise BrainLensError(
            f"{path.name}: {wanted!r} has {count} rows and {name!r} {size}{hint}",
            remedy="Stimuli go in rows, targets in columns, with one text per row",
        )
    if not columns:
        raise BrainLensError(
            f"{path.name} holds responses and no texts",
            remedy=f"Put a table with one row per stimulus beside it as {path.stem}.stimuli.csv",
        )
    rows = len(next(iter(columns.values())))
    if rows != count:
        hint = f"; it looks transposed ({count} x {width})" if rows == width else ""
        raise BrainLensError(
            f"{path.name} has {count} rows and the table of stimuli {rows}{hint}",
            remedy="Stimuli go in rows, targets in columns, both in the same order",
        )
    names = targets or [f"target_{i + 1}" for i in range(width)]
    twice = list(
        dict.fromkeys(name for name, again in zip(names, pd.Index(names).duplicated()) if again)
    )
    if twice:
        raise BrainLensError(
            f"{path.name}: targets of the same name: {twice[:5]}",
            remedy="Give each target a name of its own",
        )
    names = [name if name not in columns else f"{name} (response)" for name in names]
    frame = pd.concat([pd.DataFrame(columns), pd.DataFrame(values, columns=names)], axis=1)
    doubts = (
        (
            f"{wanted!r} is square ({count} x {width}): its rows are taken as stimuli, its columns as targets",
            "Make sure that it is not the other way round; --targets FILE names its columns",
        ),
    ) if count == width and not targets and count > 2 else ()  # fmt: skip
    own: dict[str, Any] = {"responses": names}
    subjects = _labels(path, arrays, ("subject", "subjects"), width)
    if subjects and "subject" not in columns:
        own["subject"] = dict(zip(names, subjects))
    return Table(path, frame, lines, doubts=doubts), own


def _words(path: Path, name: str, array: np.ndarray) -> np.ndarray:
    """The cells of a flat array, texts as str."""
    if array.dtype.kind != "S":
        return array.ravel().astype(str) if array.dtype.kind == "U" else array.ravel()
    try:
        return np.char.decode(array.ravel(), "utf-8")
    except UnicodeDecodeError as error:
        raise BrainLensError(
            f"{path.name}: array {name!r} is not UTF-8: {error}", remedy="Save the texts as str"
        ) from None


def _labels(
    path: Path, arrays: Mapping[str, np.ndarray], names: tuple[str, ...], count: int
) -> list[str] | None:
    for name in names:
        if name in arrays and arrays[name].size == count:
            return [str(label).strip() for label in _words(path, name, arrays[name])]
    return None


# ---- NetCDF ---------------------------------------------------------------------------------------------------------------
def _netcdf(path: Path, said: Mapping) -> tuple[Table, dict]:
    array = open_array(path, words=True)
    single = [d for d in array.dims if array.sizes[d] == 1 and array.ndim > 2]
    array = array.squeeze(single[: array.ndim - 2], drop=True)
    if array.ndim == 1:
        array = array.expand_dims("target", axis=1)
    if array.ndim != 2:
        raise BrainLensError(
            f"{path.name} holds an array with dims {', '.join(f'{d} ({n})' for d, n in array.sizes.items())}",
            remedy="Write an array (stimulus, target): choose one of the others, such as one time bin, or average over them",
        )
    rows = next((d for d in array.dims if d in ("stimulus", "presentation")), array.dims[0])
    array = array.transpose(rows, ...)
    other = array.dims[1]
    if array.dtype.kind not in "iuf":
        raise BrainLensError(
            f"{path.name}: the responses are {array.dtype}, not numbers",
            remedy="Write the responses as numbers",
        )
    columns = {
        str(n): pd.Series(c.values)
        for n, c in array.coords.items()
        if c.dims == (rows,) and n != rows
    }
    if rows in array.coords and "stimulus_id" not in columns:
        columns["stimulus_id"] = pd.Series(array[rows].values).astype(str)
    about: dict[str, Any] = {
        str(n): c.values for n, c in array.coords.items() if c.dims == (other,)
    }
    targets = [
        str(t)
        for t in about.get(
            str(other), about.get("neuroid_id", [f"target_{i + 1}" for i in range(array.shape[1])])
        )
    ]
    people = next(
        (
            about[one]
            for name in GUESSES["subject"]
            for one in about
            if squashed(one) == squashed(name)
        ),
        None,
    )
    if len(set(targets)) != len(targets) and people is not None:  # numbered anew for each person
        targets = [f"{who}.{target}" for who, target in zip(people, targets)]
    if len(set(targets)) != len(targets):
        raise BrainLensError(
            f"{path.name}: target ids occur more than once", remedy="Make the ids unique"
        )
    names = [t if t not in columns else f"{t} (response)" for t in targets]
    frame = pd.concat(
        [
            pd.DataFrame(columns),
            pd.DataFrame(np.asarray(array.values, dtype=np.float64), columns=names),
        ],
        axis=1,
    )
    own: dict = _own_words(path, array.attrs.get("brainlens"))
    own["responses"] = names
    if people is not None and "subject" not in own:
        own["subject"] = dict(zip(names, map(str, people)))
    place = next(
        (about[one] for name in REGION_NAMES for one in about if squashed(one) == squashed(name)),
        None,
    )
    if place is not None and "region" not in own:
        own["region"] = dict(zip(names, map(str, place)))
    taken = {squashed(one) for one in (*GUESSES["subject"], *REGION_NAMES, "neuroid_id", other)}
    own["of_targets"] = {
        one: dict(zip(names, values)) for one, values in about.items() if squashed(one) not in taken
    }
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
            f"{path.name}: its attribute 'brainlens' is not a JSON object",
            remedy="Write the file again, or remove the attribute",
        )
    own = checked(fields, f"{path.name}, attribute 'brainlens'")
    for key in ("stimuli", "targets"):
        own.pop(key, None)  # a file of this kind needs none, and names no other
    return own
