"""Activations that somebody else computed: npz, NetCDF or zarr, with stimulus ids."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from data.errors import BrainLensError
from data.formats import load_npz
from data.recording import Recording

__all__ = ["SUFFIXES", "holds_activations", "peek", "read_layers"]

SUFFIXES = (".npz", ".nc", ".zarr")


def holds_activations(path: Path) -> bool:
    """Whether a file looks like activations with stimulus ids, not like a recording; nothing is checked further."""
    if path.suffix == ".npz":
        import zipfile

        if not zipfile.is_zipfile(path):
            return False
        with zipfile.ZipFile(path) as archive:
            names = {name.removesuffix(".npy") for name in archive.namelist()}
        return "stimulus" in names and "responses" not in names
    if path.suffix not in SUFFIXES:
        return False
    import xarray as xr

    try:
        opened = xr.open_zarr(path, consolidated=False) if path.is_dir() else xr.open_dataset(path)
    except Exception:  # each format has its own classes; what it is then is for its reader to say
        return False
    with opened:
        return any({"stimulus", "unit"} <= set(one.dims) for one in opened.data_vars.values())


def peek(path: Path) -> tuple[list[str], dict[int, int], str]:
    """Stimulus ids, the width of each layer, and the sha256 of a file of activations.

    Raises
    ------
    BrainLensError
        As :func:`read_layers`, for what can be told without a recording.
    """
    if not path.exists():
        raise BrainLensError(f"There is no file {path}", remedy="Check the path")
    ids, layers, digest = _read_npz(path) if path.suffix == ".npz" else _read_xarray(path)
    ids = [str(one) for one in ids]
    _unique(path, ids)
    for number, values in layers.items():
        _shaped(path, number, values, len(ids))
    return ids, {number: layers[number].shape[1] for number in sorted(layers)}, digest



def read_layers(path: Path, recording: Recording) -> tuple[dict[int, np.ndarray], str]:
    """Layers from a file in the order of a recording's stimuli.

    Parameters
    ----------
    path : path
        ``.npz``: an array ``stimulus`` (ids) and one array (n_stimuli, width) per layer, called ``0``, ``1``, ... or ``layer_0``,
        ...; a NetCDF file or zarr folder: a variable (layer, stimulus, unit) with a coordinate ``stimulus``.

    Returns
    -------
    layers : dict
        Number -> array (n_stimuli, width), float32.
    digest : str
        sha256 of the file's content.

    Raises
    ------
    BrainLensError
        Stimuli that are missing or occur twice, pickled arrays, values that are not finite.
    """
    if not path.exists():
        raise BrainLensError(f"There is no file {path}", remedy="Check the path")
    ids, layers, digest = _read_npz(path) if path.suffix == ".npz" else _read_xarray(path)
    ids = [str(i) for i in ids]
    _unique(path, ids)
    place = {name: i for i, name in enumerate(ids)}
    wanted = [str(i) for i in recording.stimuli.index]
    if missing := [name for name in wanted if name not in place]:
        raise BrainLensError(
            f"{path.name} lacks {len(missing)} of the {len(wanted)} stimuli of {recording.id}, first {missing[0]!r}",
            choices=ids[:5],
            remedy="Name the stimuli as the recording does (its stimulus ids)",
        )
    rows = np.asarray([place[name] for name in wanted])
    held = {}
    for number, values in layers.items():
        _shaped(path, number, values, len(ids))
        held[number] = np.ascontiguousarray(values[rows], np.float32)
        if not np.isfinite(held[number]).all():
            raise BrainLensError(
                f"{path.name}: layer {number} has values that are not finite", remedy="Correct them or leave the layer out"
            )
    return held, digest


def _unique(path: Path, ids: list[str]) -> None:
    if len(set(ids)) < len(ids):
        twice = sorted({i for i in ids if ids.count(i) > 1})
        raise BrainLensError(
            f"{path.name}: {len(twice)} stimuli occur more than once, first {twice[0]!r}", remedy="Make the ids unique"
        )


def _shaped(path: Path, number: int, values: np.ndarray, count: int) -> None:
    if values.ndim != 2 or len(values) != count:
        raise BrainLensError(
            f"{path.name}: layer {number} has shape {values.shape} for {count} stimuli", remedy="Give (stimulus, unit)"
        )
    if values.dtype.kind not in "fiu":
        raise BrainLensError(f"{path.name}: layer {number} holds {values.dtype}, not numbers", remedy="Save plain numbers")


def _read_npz(path: Path):
    try:
        arrays = load_npz(path)
    except BrainLensError as error:
        raise BrainLensError(
            error.problem, remedy="Save plain arrays: np.savez(path, stimulus=np.array(ids, dtype=str), layer_0=...)"
        ) from error
    numbers = {name: name.removeprefix("layer").lstrip("_") for name in arrays if name != "stimulus"}
    layers = {int(number): arrays[name] for name, number in numbers.items() if number.isdigit()}
    if "stimulus" not in arrays or not layers:
        raise BrainLensError(
            f"{path.name} holds {', '.join(sorted(arrays)) or 'nothing'}",
            remedy="Give an array 'stimulus' with the ids and arrays 'layer_0', 'layer_1', ...",
        )
    return arrays["stimulus"], layers, _content(path)


def _read_xarray(path: Path):
    import xarray as xr

    try:
        opened = xr.open_zarr(path, consolidated=False) if path.is_dir() else xr.load_dataset(path)
    except Exception as error:  # each format has its own classes
        raise BrainLensError(
            f"{path.name} cannot be read as NetCDF or zarr ({error})", remedy="Save it with xarray, or give .npz"
        ) from error
    variables = [v for v in opened.data_vars.values() if {"stimulus", "unit"} <= set(v.dims) <= {"layer", "stimulus", "unit"}]
    if len(variables) != 1 or "stimulus" not in opened.variables:
        raise BrainLensError(
            f"{path.name} has {len(variables)} variables with dims (layer, stimulus, unit) and ids 'stimulus'",
            choices=opened.variables,
            remedy="Save one such variable with a coordinate 'stimulus'",
        )
    values = variables[0] if "layer" in variables[0].dims else variables[0].expand_dims("layer")
    numbers = opened["layer"].values if "layer" in opened.variables else range(values.sizes["layer"])
    stack = values.transpose("layer", "stimulus", "unit")
    layers = {}
    for i, number in enumerate(numbers):
        layer = np.asarray(stack[i].values)
        layers[int(number)] = layer[:, ~np.isnan(layer).all(axis=0)]  # layers of unequal width are filled up with NaN
    return opened["stimulus"].values, layers, _content(path)


def _content(path: Path) -> str:
    """sha256 of a file, or of all files of a folder."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.relative_to(path.parent).as_posix().encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()
