"""The one array of a NetCDF file, whoever wrote it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from data.errors import BrainLensError, first_line
from data.own.hdf5 import engine, harmless

__all__ = ["MOST_BYTES", "open_array"]


MOST_BYTES = 16 * 1024**3  # of unpacked numbers


def open_array(
    path: str | Path, *, most_bytes: int = MOST_BYTES, words: bool = False
) -> xr.DataArray:
    """The one array of a NetCDF file, its text coordinates as str, missing ones as NaN.

    Reads what ``DataArray.to_netcdf`` writes after its MultiIndex levels became plain coordinates, by any xarray since 2018,
    NetCDF 4 or 3.

    Parameters
    ----------
    words : bool
        Texts along an array's rows are words as they stand, so that ``nan`` is one; else ``nan`` means that there is none.

    Raises
    ------
    BrainLensError
        Where the file is not NetCDF, holds several arrays, or would unpack to more than ``most_bytes``.
    """
    path = Path(path)
    if path.is_file():
        harmless(path)
    try:
        with xr.open_dataset(
            path, decode_times=False, decode_timedelta=False, engine=engine(path)
        ) as dataset:
            dataset = dataset.reset_coords(drop=False) if not dataset.data_vars else dataset
            names = [
                n
                for n in dataset.data_vars
                if len(dataset[n].dims) > 1 or len(dataset.data_vars) == 1
            ]
            if len(names) != 1:
                raise BrainLensError(
                    f"{path.name} holds {len(names)} arrays: {names[:5]}",
                    remedy="Write one DataArray with to_netcdf",
                )
            size = sum(int(np.prod(v.shape)) * v.dtype.itemsize for v in dataset.variables.values())
            if size > most_bytes:
                raise BrainLensError(
                    f"{path.name} unpacks to {size:,} bytes, more than {most_bytes:,}: it was not read",
                    remedy="Select a part of it first",
                )
            name = names[0]
            beside = {
                n: dataset[n]
                for n in dataset.data_vars
                if n != name and set(dataset[n].dims) <= set(dataset[name].dims)
            }
            array = dataset[name].assign_coords(beside).load()
    except (BrainLensError, MemoryError):
        raise
    except Exception as error:  # netCDF4, h5netcdf and scipy each raise their own
        start = path.read_bytes()[:64].lstrip().lower() if path.is_file() else b""
        page = (
            "it is a web page" if start.startswith((b"<!doctype", b"<html")) else first_line(error)
        )
        raise BrainLensError(
            f"{path.name} is not a NetCDF file that can be read: {page}", remedy="Fetch it again"
        ) from None
    coords = {}
    for key, values in array.coords.items():
        if values.dtype.kind in "OSU":
            plain = words and values.dims == array.dims[:1]
            coords[key] = (values.dims, _words(values.values, ("",) if plain else ("", "nan")))
    return array.assign_coords(coords)


def _words(values: np.ndarray, none: tuple[str, ...] = ("", "nan")) -> np.ndarray:
    """Strings as str; None, and the texts that mean none, as NaN; numbers kept."""
    out = np.empty(values.shape, dtype=object)
    for i, value in enumerate(values.ravel()):
        value = value.decode("utf-8") if isinstance(value, bytes) else value
        value = value.item() if isinstance(value, np.generic) else value
        missing = (
            value is None
            or (isinstance(value, float) and np.isnan(value))
            or (isinstance(value, str) and value.strip() in none)
        )
        out.ravel()[i] = np.nan if missing else value
    return out
