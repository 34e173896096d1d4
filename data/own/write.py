"""A recording written as a user's own file, so that another lab can read it without us."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data.errors import BrainLensError, unknown
from data.files import guarded, in_words
from data.own.meaning import COLUMNS
from data.own.sidecar import SIDECAR, write_sidecar
from data.recording import Recording

__all__ = ["write"]

SUFFIXES = (".csv", ".tsv", ".parquet", ".nc", ".npz", ".npy", ".mat")


def write(recording: Recording, path: str | Path) -> Path:
    """Write a recording as a user's own file, with a sidecar that says how its columns are meant.

    :func:`data.own.read.read` gives it back.

    Parameters
    ----------
    path : path-like
        Ends in .csv, .tsv, .parquet, .nc, .npz, .npy or .mat (the last three with the texts in ``<name>.stimuli.csv``). What is
        known of each target besides its person (region, electrode, lag) stands in ``<name>.targets.csv``, or inside the .nc.

    Raises
    ------
    BrainLensError
        For another suffix, and for a story: these files do not keep the times of its words.
    """
    path = Path(path)
    if recording.presentation is not None:
        raise BrainLensError(
            f"{recording.id} is a story: the times of its words do not fit into a table of samples",
            remedy="data.write keeps all of it in a folder, or in one .nc; see docs/stories.md",
        )
    kind = path.suffix.lower()
    if kind not in SUFFIXES:
        raise unknown("format", kind, SUFFIXES)
    half = path.with_name(f".{path.stem}.part{kind}")
    beside = path.with_name(path.stem + ".stimuli.csv")
    half_table = beside.with_name("." + beside.name + ".part")
    try:
        with in_words(path.parent):
            _written(recording, path, half, beside, half_table)
    finally:
        for left in (half, half_table):
            with suppress(OSError):
                left.unlink(missing_ok=True)
    return path


def _written(recording: Recording, path: Path, half: Path, beside: Path, half_table: Path) -> None:
    """The file, the table of stimuli beside an array, and the sidecar, each whole or not at all."""
    kind = path.suffix.lower()
    stimuli, targets, said = _said(recording)
    values = pd.DataFrame(recording.responses.values, columns=targets)
    table = pd.concat([stimuli, values], axis=1)
    if kind == ".parquet":
        table.to_parquet(half, index=False)
    elif kind in (".csv", ".tsv"):
        _text(table, half, kind)
    elif kind == ".nc":
        _netcdf(recording, stimuli, targets, said, half)
    else:
        _array(recording.responses.values, targets, half, kind)
        _text(stimuli, half_table, ".csv")
        os.replace(half_table, beside)
        if kind == ".npy":  # an npy file holds no names: the targets are numbered
            numbered = [f"target_{i + 1}" for i in range(len(targets))]
            if isinstance(said.get("subject"), dict):
                said["subject"] = dict(zip(numbered, said["subject"].values()))
            said["responses"] = numbered
    _about_targets(recording, path, said["responses"])
    Path(str(path) + SIDECAR).unlink(missing_ok=True)
    write_sidecar(path, **said)
    os.replace(half, path)


def _said(recording: Recording) -> tuple[pd.DataFrame, list[str], dict]:
    """The stimulus table with plain column names, names of the response columns, and the sidecar's fields."""
    stimuli = recording.stimuli.reset_index(drop=True).copy()
    stimuli["text"] = recording.texts
    ids = list(recording.stimuli.index)
    if ids != list(range(len(ids))):
        stimuli.insert(0, "stimulus_id", [str(i) for i in ids])
    targets = [str(t) for t in recording.responses.target.values]
    targets = [f"{t} (response)" if t in stimuli.columns else t for t in targets]
    said = {
        "id": recording.id,
        "text": "text",
        "responses": targets,
        "group": recording.group,
        "context": recording.context,
        "within": recording.within,
        "kind": recording.kind,
        "unit": recording.unit,
        "scored_unit": recording.scored_unit,
        "averaged": recording.averaged,
        "simulated": recording.simulated or None,
        "quality": recording.quality or None,
        "citation": recording.citation or None,
        "licence": recording.licence or None,
        "source": recording.source or None,
    }
    said.update(subject=None, order=None)  # said to be none, so that none is guessed
    if recording.subjects is not None:
        said["subject"] = dict(zip(targets, map(str, recording.subjects)))
    return stimuli, targets, said


def _about_targets(recording: Recording, path: Path, targets: list[str]) -> None:
    """The table of the targets beside the file, where something is known of them; NetCDF holds it inside."""
    beside = path.with_name(path.stem + ".targets.csv")
    known = {
        str(name): one.values
        for name, one in recording.responses.coords.items()
        if one.dims == ("target",) and name not in ("target", "subject")
    }
    if path.suffix.lower() == ".nc" or not known:
        beside.unlink(missing_ok=True)  # of another recording that was written here before
        return
    half = beside.with_name("." + beside.name + ".part")
    _text(pd.DataFrame({"target": targets, **known}), half, ".csv")
    os.replace(half, beside)


def _text(table: pd.DataFrame, path: Path, kind: str) -> None:
    if any(
        "\0" in str(cell)
        for column in table.columns
        if table[column].dtype.kind == "O"
        for cell in table[column]
    ):
        raise BrainLensError(
            "A text holds the character NUL, which no table of text can keep",
            remedy="Write Parquet or NetCDF",
        )
    guarded(table).to_csv(
        path,
        index=False,
        sep="\t" if kind == ".tsv" else ",",
        float_format="%.17g",
        encoding="utf-8",
        lineterminator="\n",
    )


def _array(values: np.ndarray, targets: list[str], path: Path, kind: str) -> None:
    if kind == ".mat":
        from scipy.io import savemat

        cells = np.empty(len(targets), dtype=object)
        cells[:] = targets
        with open(path, "wb") as stream:
            savemat(stream, {"responses": values, "target": cells}, do_compression=True)
        return
    with open(path, "wb") as stream:
        if kind == ".npy":
            np.save(stream, values, allow_pickle=False)
        else:
            np.savez(stream, responses=values, target=np.array(targets, dtype=str))


def _netcdf(
    recording: Recording, stimuli: pd.DataFrame, targets: list[str], said: dict, path: Path
) -> None:
    import xarray as xr

    coords: dict[str, Any] = {name: ("stimulus", _plain(stimuli[name])) for name in stimuli.columns}
    coords["target"] = np.array(targets, dtype=object)
    for name, values in recording.responses.coords.items():
        if values.dims == ("target",) and name != "target":
            coords[str(name)] = ("target", _plain(pd.Series(values.values)))
    array = xr.DataArray(
        recording.responses.values, dims=("stimulus", "target"), coords=coords, name="responses"
    )
    array.attrs["brainlens"] = json.dumps(
        {k: v for k, v in said.items() if k != "responses" and (k in COLUMNS or v is not None)}
    )
    array.to_netcdf(path, engine="h5netcdf")


def _plain(values: pd.Series) -> np.ndarray:
    if values.dtype.kind in "iuf":
        return values.to_numpy()
    return values.astype(object).where(values.notna(), "").astype(str).to_numpy(dtype=object)
