"""Activations that somebody else computed: npz, NetCDF or zarr, with stimulus ids."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from pathlib import Path

import numpy as np

from analysis.features.matching import either_way, matched
from data.errors import BrainLensError
from data.limits import MOST_UNPACKED
from data.own.archive import unpacking
from data.own.formats import load_npz
from data.own.hdf5 import engine, harmless
from data.own.meaning import listed
from data.recording import Recording

__all__ = ["SUFFIXES", "holds_activations", "peek", "read_layers"]

SUFFIXES = (".npz", ".nc", ".zarr")


def holds_activations(path: Path) -> bool:
    """Whether a file looks like activations with stimulus ids, not like a recording; what would run is refused."""
    if path.suffix == ".npz":
        import zipfile

        if not zipfile.is_zipfile(path):
            return False
        with unpacking(path) as archive:
            names = {name.removesuffix(".npy") for name in archive.namelist()}
        return "stimulus" in names and "responses" not in names
    if path.suffix not in SUFFIXES:
        return False
    import xarray as xr

    _harmless(path) if path.is_dir() else harmless(path)
    try:
        opened = (
            xr.open_zarr(path, consolidated=False)
            if path.is_dir()
            else xr.open_dataset(path, engine=engine(path))
        )
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
    ids, layers, digest = _read(path)
    return ids, {number: layers[number].shape[1] for number in sorted(layers)}, digest


def read_layers(path: Path, recording: Recording) -> tuple[dict[int, np.ndarray], str, str]:
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
    told : str
        How rows were matched, where not by stimulus id.

    Raises
    ------
    BrainLensError
        Stimuli that are missing or occur twice, layers without a number or with the same, pickled arrays, files
        that unpack to far more than they hold, values that are not finite.
    """
    if not path.exists():
        raise BrainLensError(f"There is no file {path}", remedy="Check the path")
    ids, layers, digest = _read(path)
    rows, told = matched(ids, recording, path.name)
    held = {}
    for number, values in layers.items():
        held[number] = np.ascontiguousarray(values[rows], np.float32)
        if not np.isfinite(held[number]).all():
            raise BrainLensError(
                f"{path.name}: layer {number} has values that are not finite",
                remedy="Correct them or leave the layer out",
            )
    return held, digest, "; ".join(filter(None, [told, either_way(layers)]))


def _read(path: Path) -> tuple[list[str], dict[int, np.ndarray], str]:
    """Ids, layers by number, and the sha256 of the content; the shapes are made sure of."""
    stimulus, layers, digest = _read_npz(path) if path.suffix == ".npz" else _read_xarray(path)
    ids = _ids(path, np.asarray(stimulus))
    for number, values in layers.items():
        _shaped(path, number, values, len(ids))
    return ids, layers, digest


def _ids(path: Path, stimulus: np.ndarray) -> list[str]:
    if stimulus.ndim != 1 or not stimulus.size:
        raise BrainLensError(
            f"{path.name}: 'stimulus' has shape {stimulus.shape}, not one id per stimulus",
            remedy="Give the ids of the recording's stimuli as a flat array",
        )
    ids = [
        one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one) for one in stimulus
    ]
    if twice := [name for name, count in Counter(ids).items() if count > 1]:
        raise BrainLensError(
            f"{path.name}: {len(twice)} stimuli occur more than once, first {twice[0]!r}",
            remedy="Make the ids unique",
        )
    return ids


def _shaped(path: Path, number: int, values: np.ndarray, count: int) -> None:
    if values.ndim != 2 or len(values) != count or not values.size:
        raise BrainLensError(
            f"{path.name}: layer {number} has shape {values.shape} for {count} stimuli",
            remedy="Give (stimulus, unit)",
        )
    if values.dtype.kind not in "fiu":
        raise BrainLensError(
            f"{path.name}: layer {number} holds {values.dtype}, not numbers",
            remedy="Save plain numbers",
        )
    if np.isnan(values).all():
        raise BrainLensError(
            f"{path.name}: layer {number} holds no value at all",
            remedy="Correct it or leave the layer out",
        )


def _numbered(path: Path, names) -> list[int]:
    """The numbers of layers as they are named: whole, from 0, each once."""
    numbers: dict[int, object] = {}
    for name in names:
        name = name.item() if isinstance(name, np.generic) else name
        text = name.removeprefix("layer").lstrip("_") if isinstance(name, str) else str(name)
        if isinstance(name, float) and name.is_integer():
            text = str(int(name))
        if not (text.isascii() and text.isdecimal()):
            raise BrainLensError(
                f"{path.name}: {name!r} is not the number of a layer",
                remedy="Number the layers 0, 1, 2, ...",
            )
        if int(text) in numbers:
            raise BrainLensError(
                f"{path.name}: {numbers[int(text)]!r} and {name!r} are the same layer",
                remedy="Give each layer a number of its own",
            )
        numbers[int(text)] = name
    return list(numbers)


def _read_npz(path: Path):
    try:
        arrays = load_npz(path)
    except BrainLensError as error:
        raise BrainLensError(
            error.problem,
            remedy="Save plain arrays: np.savez(path, stimulus=np.array(ids, dtype=str), layer_0=...)",
        ) from error
    names = [name for name in arrays if name.isdecimal() or name.startswith("layer")]
    others = [name for name in arrays if name not in names and name != "stimulus"]
    if "stimulus" not in arrays or not names or others:
        raise BrainLensError(
            f"{path.name} holds {', '.join(sorted(arrays)) or 'nothing'}",
            remedy="Give an array 'stimulus' with the ids and arrays 'layer_0', 'layer_1', ..."
            + (f"; {listed(others)} is none of these" if others else ""),
        )
    layers = {number: arrays[name] for number, name in zip(_numbered(path, names), names)}
    return arrays["stimulus"], layers, _content(path)


def _read_xarray(path: Path):
    import xarray as xr

    try:
        _harmless(path) if path.is_dir() else harmless(path)
        with (
            xr.open_zarr(path, consolidated=False)
            if path.is_dir()
            else xr.open_dataset(path, engine=engine(path)) as opened
        ):
            variable = _variable(path, opened)
            _bounded(path, variable, opened["stimulus"])
            opened = opened[[variable.name]].load()
    except (BrainLensError, MemoryError):
        raise
    except Exception as error:  # each format has its own classes
        raise BrainLensError(
            f"{path.name} cannot be read as NetCDF or zarr ({error})",
            remedy="Save it with xarray, or give .npz",
        ) from error
    values = opened[variable.name]
    values = values if "layer" in values.dims else values.expand_dims("layer")
    names = opened["layer"].values if "layer" in opened.variables else range(values.sizes["layer"])
    stack = values.transpose("layer", "stimulus", "unit").values
    layers = {
        number: _filled(layer)
        for number, layer in zip(_numbered(path, np.atleast_1d(names)), stack)
    }
    return opened["stimulus"].values, layers, _content(path)


def _variable(path: Path, opened):
    variables = [
        v
        for v in opened.data_vars.values()
        if {"stimulus", "unit"} <= set(v.dims) <= {"layer", "stimulus", "unit"}
    ]
    if len(variables) != 1 or "stimulus" not in opened.coords:
        raise BrainLensError(
            f"{path.name} has {len(variables)} variables with dims (layer, stimulus, unit) and ids 'stimulus'",
            choices=opened.variables,
            remedy="Save one such variable with a coordinate 'stimulus'",
        )
    return variables[0]


def _bounded(path: Path, *variables) -> None:
    """What is announced, whole or as one chunk, must not be more than any machine holds."""
    for one in variables:
        chunks = one.encoding.get("chunks") or one.encoding.get("chunksizes") or ()
        _size(
            path,
            one.name,
            max(math.prod(map(int, one.shape)), math.prod(map(int, chunks))) * one.dtype.itemsize,
        )


def _size(path: Path, name: str, size: int) -> None:
    if size > MOST_UNPACKED:
        raise BrainLensError(
            f"{path.name}: {name!r} unpacks to {size:,} bytes, more than {MOST_UNPACKED:,}: it was not read",
            remedy="Save fewer layers or stimuli in one file",
        )


def _harmless(folder: Path) -> None:
    """Refuse a zarr folder whose metadata name a codec that runs what it reads, or announce more than any machine holds."""
    for file in [
        one for name in (".zarray", ".zmetadata", "zarr.json") for one in folder.rglob(name)
    ]:
        try:
            waiting = [json.loads(file.read_text(encoding="utf-8"))]
        except ValueError:
            continue  # for the reader to say
        while waiting:
            one = waiting.pop()
            if not isinstance(one, dict):
                waiting += one if isinstance(one, list) else []
                continue
            if any(
                "pickle" in str(one.get(key, "")).lower()
                for key in ("id", "name", "object_codec_id")
            ):
                raise BrainLensError(
                    f"{folder.name} holds a pickle ({file.parent.name}), which can run anything: it was not read",
                    remedy="Save plain numbers and texts",
                )
            for key in (
                "shape",
                "chunks",
                "chunk_shape",
            ):  # xarray reads coordinates as it opens: 8 bytes each
                if isinstance(one.get(key), list) and all(isinstance(n, int) for n in one[key]):
                    _size(
                        folder,
                        file.parent.name,
                        math.prod(one[key]) * (8 if len(one[key]) == 1 else 1),
                    )
            waiting += one.values()


def _filled(layer: np.ndarray) -> np.ndarray:
    """The layer without the NaN at its end: layers of unequal width are filled up with them."""
    if layer.dtype.kind != "f":
        return layer
    held = np.flatnonzero(~np.isnan(layer).all(axis=0))
    return layer[:, : held[-1] + 1] if len(held) else layer


def _content(path: Path) -> str:
    """sha256 of a file, or of all files of a folder."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.relative_to(path.parent).as_posix().encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()
