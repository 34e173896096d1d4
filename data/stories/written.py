"""A story as files that keep all of it: a folder of plain tables with an array beside them, or one NetCDF file."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from data.errors import BrainLensError, unknown
from data.files import in_words
from data.limits import MOST_UNPACKED
from data.own.hdf5 import engine, harmless
from data.own.write import write as write_table
from data.presentation import Presentation
from data.recording import Recording

__all__ = ["FACTS", "holds_written", "read_written", "write"]

SIDECAR = "story.json"
"""What makes a folder a written story: its facts, and what kind each column of its tables is of."""
MARK = "brainlens_story"
"""The attribute of a NetCDF file that holds the same."""
TABLES = ("samples", "words", "targets", "nuisance")
RESPONSES = "responses.npy"
VERSION = 1
FACTS = ("id", "kind", "unit", "language", "licence", "citation", "source", "quality", "offset")
"""What may be said of a written story beside what it says itself."""
_APART = ("responses", "stimuli", "presentation")
_NUMBERS = "fiub"
TEXT, MAYBE, WHOLE = "text", "text or nothing", "whole numbers"


def write(recording: Recording, path: str | Path) -> Path:
    """Write a recording as a user's own files, from which reading makes the same recording again.

    Parameters
    ----------
    path : path-like
        Of a story (rows are samples, words have times): a folder, or a name that ends in ``.nc``. The folder holds
        ``samples.csv`` (run, time, words), ``words.csv`` (run, onset, offset, text), ``targets.csv`` (person, region, place),
        ``nuisance.csv`` (motion, power of the sound), ``responses.npy`` (samples x targets) and ``story.json``. Of any other
        recording, epochs among them, as :func:`data.own.write.write`.

    Returns
    -------
    Path

    Raises
    ------
    BrainLensError
        For another suffix, and for a folder that holds something else.

    Examples
    --------
    >>> from data.catalog.catalog import recording
    >>> import tempfile
    >>> first = recording("simulated-story")
    >>> with tempfile.TemporaryDirectory() as place:
    ...     recording(write(first, f"{place}/mine")).content_hash == first.content_hash
    True
    """
    path = Path(path).expanduser()
    if recording.presentation is None:
        return write_table(recording, path)
    kind = path.suffix.lower()
    if kind not in ("", ".nc"):
        raise unknown(
            f"format of {recording.id}, a story,",
            kind,
            ("a folder", ".nc"),
            remedy="The times of its words do not fit into one table: name a folder (no ending), or end in .nc",
        )
    tables, said = _tables(recording)
    half = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    with in_words(path.parent):
        try:
            if kind:
                _netcdf(half, tables, recording.responses.values, said)
                os.replace(half, path)
            else:
                _free(path)
                _folder(half, tables, recording.responses.values, said)
                shutil.rmtree(path, ignore_errors=True)
                os.replace(half, path)
        finally:
            shutil.rmtree(half, ignore_errors=True) if half.is_dir() else half.unlink(
                missing_ok=True
            )
    return path


def holds_written(path: Path) -> bool:
    """Whether a path is a written story: its folder, the sidecar in it, or a NetCDF file with its mark."""
    if path.is_dir():
        return (path / SIDECAR).is_file()
    if path.name == SIDECAR:
        return path.is_file()
    if path.suffix.lower() != ".nc" or not path.is_file():
        return False
    try:
        harmless(path)
        with xr.open_dataset(
            path, decode_times=False, decode_timedelta=False, engine=engine(path)
        ) as found:
            return MARK in found.attrs
    except Exception:  # whoever reads it says what is wrong with it
        return False


def read_written(path: str | Path, **facts) -> Recording:
    """The recording that :func:`write` wrote.

    Parameters
    ----------
    **facts
        Of :data:`FACTS`, which count before what the files say; ``offset``: seconds added to the words' times.

    Raises
    ------
    BrainLensError
        For missing or changed files that no longer fit each other.
    """
    path = Path(path)
    for name in facts:
        if name not in FACTS:
            raise unknown(f"field of {path.name}", name, FACTS)
    path = path.parent if path.name == SIDECAR else path
    tables, values, said = _of_folder(path) if path.is_dir() else _of_netcdf(path)
    offset = float(facts.pop("offset", 0.0))
    _fits(path, tables, values)
    recording = _whole(tables, values, said, facts)
    if not offset:
        return recording
    moved = recording.timed.shifted(offset)
    notes = (*recording.notes, f"{offset:g} s added to the words' times")
    return Recording(**{**_fields(recording), "presentation": moved, "notes": notes})


# ---- a recording as tables -------------------------------------------------------------------------------------------
def _fields(recording: Recording) -> dict[str, Any]:
    return {one.name: getattr(recording, one.name) for one in fields(Recording)}


def _tables(recording: Recording) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """Samples, words, targets and nuisance, one row each, and everything else as plain values."""
    timed, responses = recording.timed, recording.responses
    samples = recording.stimuli.reset_index(drop=True)
    samples.insert(0, "stimulus", list(recording.stimuli.index))
    targets = pd.DataFrame({"target": responses.target.values})
    for name, one in responses.coords.items():
        if one.dims == ("target",) and name != "target":
            targets[str(name)] = one.values
        elif name not in ("stimulus", "target"):
            raise BrainLensError(
                f"{recording.id}: nothing keeps the coordinate {name!r} of {one.dims}",
                remedy="Leave it out, or make it a column of the table of samples",
            )
    columns, beside = {}, []
    for name, one in timed.nuisance.items():
        people = list(one["subject"].values) if "subject" in one.dims else [None]
        for place, person in enumerate(people):
            column = name if person is None else f"{name}@{person}"
            columns[column] = one.values if person is None else one.values[:, place]
            beside.append({"name": name, "subject": person, "column": column})
    said = {name: one for name, one in _fields(recording).items() if name not in _APART}
    said |= {"version": VERSION, "interval": float(timed.interval), "nuisance": beside}
    words = timed.words.reset_index(drop=True)
    nuisance = pd.DataFrame(columns, index=range(len(samples)))
    made = {"samples": samples, "words": words, "targets": targets, "nuisance": nuisance}
    said["columns"] = {name: {str(c): _kind(t[c]) for c in t.columns} for name, t in made.items()}
    return made, json.loads(json.dumps(said, default=_simple))


def _kind(column: pd.Series) -> str:
    """The type of a column's numbers; else that it holds text, of which some may be missing (NaN), or numbers as labels."""
    if column.dtype.kind in _NUMBERS:
        return str(column.dtype)
    if all(isinstance(one, int | np.integer) and not isinstance(one, bool) for one in column):
        return WHOLE  # labels, such as runs, that are numbers and may stand among texts
    return MAYBE if column.isna().any() else TEXT


def _typed(cells: pd.Series, kind: str) -> pd.Series:
    """A column of texts as what it was."""
    if kind in (TEXT, MAYBE):
        texts = cells.astype(object)
        return texts.mask(texts == "", np.nan) if kind == MAYBE else texts
    if kind == WHOLE:
        return pd.Series([int(one) for one in cells], index=cells.index, dtype=object)
    if cells.dtype.kind in _NUMBERS:
        return cells.astype(kind)
    return cells == "True" if kind == "bool" else cells.replace("", "nan").astype(kind)


def _simple(value: Any) -> Any:
    """Values of numpy as plain ones."""
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else dict(value)


def _whole(
    tables: Mapping[str, pd.DataFrame],
    values: np.ndarray,
    said: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> Recording:
    samples, targets = tables["samples"].copy(), tables["targets"]
    ids = samples.pop("stimulus").to_numpy()
    samples.index = pd.Index(ids, name="stimulus")
    responses = xr.DataArray(
        values,
        dims=("stimulus", "target"),
        coords={
            "stimulus": ids,
            **{str(name): ("target", targets[name].to_numpy()) for name in targets.columns},
        },
    )
    nuisance: dict[str, xr.DataArray] = {}
    people: dict[str, dict[str | None, np.ndarray]] = {}
    for one in said["nuisance"]:
        column = tables["nuisance"][one["column"]].to_numpy()
        people.setdefault(one["name"], {})[one["subject"]] = column
    for name, columns in people.items():
        if None in columns:
            nuisance[name] = xr.DataArray(columns[None], dims="stimulus", coords={"stimulus": ids})
            continue
        nuisance[name] = xr.DataArray(
            np.column_stack(list(columns.values())),
            dims=("stimulus", "subject"),
            coords={"stimulus": ids, "subject": np.array(list(columns), object)},
        )
    own = {one.name for one in fields(Recording)} - set(_APART)
    kept = {name: one for name, one in said.items() if name in own}
    kept["notes"] = tuple(kept.get("notes", ()))
    words = tables["words"].copy()
    words[["onset", "offset"]] = words[["onset", "offset"]].astype(float)
    return Recording(
        responses=responses,
        stimuli=samples,
        presentation=Presentation(words, float(said["interval"]), nuisance),
        **{**kept, **facts},
    )


def _fits(path: Path, tables: Mapping[str, pd.DataFrame], values: np.ndarray) -> None:
    shape = (len(tables["samples"]), len(tables["targets"]))
    if values.shape != shape:
        raise BrainLensError(
            f"{path.name}: the responses are {' x '.join(map(str, values.shape))}, for {shape[0]} samples and "
            f"{shape[1]} targets",
            remedy="Write the story again, or correct its tables",
        )


# ---- a folder --------------------------------------------------------------------------------------------------------
def _free(path: Path) -> None:
    """Refuse a place where something else lies; a story that was written there before is replaced."""
    if path.exists() and not (path.is_dir() and (holds_written(path) or not any(path.iterdir()))):
        raise BrainLensError(
            f"{path} is there already and is no story that was written before",
            remedy="Name another folder",
        )


def _folder(path: Path, tables: Mapping[str, pd.DataFrame], values: np.ndarray, said: dict) -> None:
    path.mkdir(parents=True)
    for name, table in tables.items():
        table.to_csv(
            path / f"{name}.csv",
            index=False,
            float_format="%.17g",
            encoding="utf-8",
            lineterminator="\n",
        )
    np.save(path / RESPONSES, values, allow_pickle=False)
    text = json.dumps(said, indent=1, ensure_ascii=False) + "\n"
    (path / SIDECAR).write_text(text, encoding="utf-8")


def _of_folder(path: Path) -> tuple[dict[str, pd.DataFrame], np.ndarray, dict]:
    said = _checked(path, (path / SIDECAR).read_text(encoding="utf-8", errors="replace"))
    tables = {name: _read_table(path / f"{name}.csv", said["columns"][name]) for name in TABLES}
    if not len(tables["nuisance"].columns):
        tables["nuisance"] = pd.DataFrame(index=range(len(tables["samples"])))
    file = path / RESPONSES
    try:
        values = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise _lost(file, error) from None
    if getattr(values, "dtype", np.dtype(object)).kind != "f":
        raise _lost(file, "it holds no floating point numbers")
    return tables, values, said


def _read_table(file: Path, kinds: Mapping[str, str]) -> pd.DataFrame:
    if not kinds:
        return pd.DataFrame()
    try:
        cells = pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8")
        missing = [name for name in kinds if name not in cells.columns]
        if missing:
            raise ValueError(f"it has no column {missing[0]!r}")
        return pd.DataFrame({name: _typed(cells[name], kind) for name, kind in kinds.items()})
    except (OSError, ValueError, TypeError) as error:
        raise _lost(file, error) from None


def _lost(file: Path, why: object) -> BrainLensError:
    return BrainLensError(
        f"{file.parent.name}/{file.name} cannot be read: {str(why).splitlines()[0] if str(why) else 'it is damaged'}",
        remedy="Write the story again, or put the file back as it was",
    )


def _checked(path: Path, text: str) -> dict[str, Any]:
    """What a sidecar says, where it says all that is needed."""
    try:
        said = json.loads(text)
        kinds = said["columns"]
        good = (
            said["version"] == VERSION
            and float(said["interval"]) > 0
            and all(isinstance(kinds[name], dict) for name in TABLES)
            and all(one["column"] in kinds["nuisance"] and one["name"] for one in said["nuisance"])
            and all(isinstance(said[one], str) for one in ("id", "kind", "scored_unit"))
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        good, said = False, {"why": str(error)}
    if not good:
        raise BrainLensError(
            f"{path.name}: {SIDECAR} does not say what a written story says"
            + (f" ({said['why'][:80]})" if "why" in said else ""),
            remedy="Write the story again with data.write, or bind its files by a story.toml",
        )
    return said


# ---- NetCDF ----------------------------------------------------------------------------------------------------------
_DIMS = {"samples": "stimulus", "words": "word", "targets": "target", "nuisance": "stimulus"}


def _netcdf(path: Path, tables: Mapping[str, pd.DataFrame], values: np.ndarray, said: dict) -> None:
    """The same tables, a variable for each column; their names stand in the attribute, as not every name is allowed here."""
    found: dict[str, Any] = {"responses": (("stimulus", "target"), values)}
    names: dict[str, list[str]] = {}
    for table, frame in tables.items():
        names[table] = []
        for number, column in enumerate(frame.columns):
            plain = "".join(c if c.isalnum() else "_" for c in str(column)) or "column"
            name = f"{table}_{plain}"
            name = f"{name}_{number}" if name in found else name
            cells = frame[column]
            if cells.dtype.kind not in _NUMBERS:
                cells = cells.astype(object).where(cells.notna(), "").astype(str).astype(object)
            found[name] = (_DIMS[table], cells.to_numpy())
            names[table].append(name)
    xr.Dataset(found, attrs={MARK: json.dumps({**said, "variables": names})}).to_netcdf(
        path, engine="h5netcdf"
    )


def _of_netcdf(path: Path) -> tuple[dict[str, pd.DataFrame], np.ndarray, dict]:
    try:
        with xr.open_dataset(
            path, decode_times=False, decode_timedelta=False, engine=engine(path)
        ) as found:
            said = _checked(path, str(found.attrs[MARK]))
            size = sum(int(np.prod(v.shape)) * v.dtype.itemsize for v in found.variables.values())
            if size > MOST_UNPACKED:
                raise BrainLensError(
                    f"{path.name} unpacks to {size:,} bytes, more than {MOST_UNPACKED:,}: it was not read",
                    remedy="Write a part of it",
                )
            names = said["variables"]
            tables = {
                table: pd.DataFrame(
                    {
                        column: _typed(pd.Series(found[name].values), kind)
                        for name, (column, kind) in zip(
                            names[table], said["columns"][table].items(), strict=True
                        )
                    }
                )
                for table in TABLES
            }
            return tables, found["responses"].values, said
    except (BrainLensError, MemoryError):
        raise
    except Exception as error:  # the libraries of the format each raise their own
        raise _lost(path, error) from None
