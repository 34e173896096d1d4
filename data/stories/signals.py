"""Signals over time from the files of scanners and amplifiers: NIfTI, GIFTI, CIFTI, HDF5, arrays, tables."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data.errors import BrainLensError, first_line, unknown
from data.limits import within
from data.own.tables import read_table
from data.stories.arrays import read_array
from data.stories.gifti import read_gifti

__all__ = ["ENDINGS", "Signal", "confounds", "read_signal"]

ENDINGS = {
    ".nii": "NIfTI, 4-D, with a mask",
    ".nii.gz": "NIfTI, 4-D, with a mask",
    ".dtseries.nii": "CIFTI dense series",
    ".func.gii": "GIFTI, one array per sample",
    ".gii": "GIFTI, one array per sample",
    ".h5": "HDF5, an array (samples, targets)",
    ".hf5": "HDF5, an array (samples, targets)",
    ".hdf5": "HDF5, an array (samples, targets)",
    ".npy": "array (samples, targets)",
    ".npz": "an array (samples, targets)",
    ".mat": "MATLAB, an array (samples, targets)",
    ".csv": "table, one row per sample",
    ".tsv": "table, one row per sample",
}
"""What a signal may be read from."""
SHORTEST = 50.0
"""Milliseconds from one sample to the next below which a number is meant in seconds."""
HEMISPHERES = {"left": ("hemi-l", ".l.", "lh."), "right": ("hemi-r", ".r.", "rh.")}
"""Hemisphere -> how a name tells it, in small letters."""


@dataclass(frozen=True)
class Signal:
    """One run of one person.

    Parameters
    ----------
    values : ndarray, shape (n_samples, n_targets), float32
    names : list of str
        One per target.
    interval : float or None
        Seconds between samples as the file says; None: it does not say.
    coordinates : mapping of str to ndarray, shape (n_targets,)
        ``x``, ``y``, ``z`` in millimetres, ``vertex``, ``hemisphere``, ``region``: what the file knows.
    """

    values: np.ndarray
    names: list[str]
    interval: float | None = None
    coordinates: Mapping[str, np.ndarray] = field(default_factory=dict)


def read_signal(
    path: str | Path, *, mask: str | Path | None = None, dataset: str | None = None
) -> Signal:
    """The signal of one run.

    Parameters
    ----------
    path : path-like
        One of :data:`ENDINGS`.
    mask : path-like, optional
        Of a NIfTI file: voxels to keep, where it is above 0; it must have the same grid. None: voxels that vary.
    dataset : str, optional
        The array to read, of an HDF5, npz or MATLAB file that holds several of two dimensions.

    Raises
    ------
    BrainLensError
        For unknown endings, missing files, arrays of other dimensions, a mask of another space.
    """
    path = Path(path)
    if not path.is_file():
        raise BrainLensError(f"There is no file {path}", remedy="Check the name and the folder")
    ending = _ending(path)
    if mask is not None and ending not in (".nii", ".nii.gz"):
        raise BrainLensError(
            f"A mask belongs to NIfTI files, not to {path.name}", remedy="Leave the mask out"
        )
    if ending in (".nii", ".nii.gz"):
        return _nifti(path, mask)
    if ending == ".dtseries.nii":
        return _cifti(path)
    if ending in (".gii", ".func.gii"):
        return _gifti(path)
    if ending in (".csv", ".tsv"):
        return _table(path)
    values = read_array(path, dataset)
    return Signal(_plain(values, path), [f"t{i}" for i in range(values.shape[1])])


def _ending(path: Path) -> str:
    name = path.name.lower()
    for ending in sorted(ENDINGS, key=len, reverse=True):
        if name.endswith(ending):
            return ending
    raise unknown("kind of signal file", path.name, ENDINGS)


def _nibabel(path: Path) -> Any:
    """An image with what its kind has; nibabel declares the least that all kinds have."""
    try:
        import nibabel
    except ImportError:
        raise BrainLensError(
            f"{path.name} is read by the package nibabel", remedy="pip install 'brainlens[brain]'"
        ) from None
    try:
        return nibabel.load(path)
    except MemoryError:
        raise
    except Exception as error:  # nibabel raises many kinds for damaged files
        raise BrainLensError(
            f"{path.name} cannot be read: {first_line(error)}",
            remedy="Copy or convert the file again",
        ) from None


def _nifti(path: Path, mask: str | Path | None) -> Signal:
    image = _nibabel(path)
    if len(image.shape) != 4:
        raise BrainLensError(
            f"{path.name} has {len(image.shape)} dimensions {image.shape}: a run has four (x, y, z, time)",
            remedy="Give the 4-D series, and the mask apart",
        )
    values = _unpacked(path, image)
    if mask is None:
        keep = np.ptp(values, axis=3) > 0
    else:
        shape = _nibabel(Path(mask))
        same = shape.shape[:3] == image.shape[:3] and np.allclose(
            shape.affine, image.affine, atol=1e-3
        )
        if not same:
            raise BrainLensError(
                f"The mask {Path(mask).name} lies in another space: grid {shape.shape[:3]} for "
                f"{image.shape[:3]} of {path.name}, voxel sizes {_sizes(shape)} for {_sizes(image)} mm, first voxel at "
                f"{_first(shape)} for {_first(image)} mm",
                remedy="Resample the mask to the grid of the series",
            )
        if int(np.prod(shape.shape[3:])) != 1:
            raise BrainLensError(
                f"The mask {Path(mask).name} has {len(shape.shape)} dimensions {shape.shape}: a mask has three",
                remedy="Give one volume, above 0 where voxels count",
            )
        keep = _unpacked(Path(mask), shape).reshape(shape.shape[:3]) > 0
    if not keep.any():
        raise BrainLensError(
            f"{path.name}: no voxel is left", remedy="Give a mask that is above 0 somewhere"
        )
    index = np.argwhere(keep)
    x, y, z = (index @ image.affine[:3, :3].T + image.affine[:3, 3]).T
    zoom = float(image.header.get_zooms()[3])
    unit = image.header.get_xyzt_units()[1]
    seconds = zoom / {"msec": 1e3, "usec": 1e6}.get(unit, 1.0)
    return Signal(
        _plain(values[keep].T, path),
        ["v" + "-".join(map(str, place)) for place in index],
        seconds if seconds > 0 else None,
        {"x": x, "y": y, "z": z},
    )


def _sizes(image) -> tuple[float, ...]:
    return tuple(round(float(z), 2) for z in image.header.get_zooms()[:3])


def _first(image) -> tuple[float, ...]:
    return tuple(round(float(at), 1) for at in image.affine[:3, 3])


def _unpacked(path: Path, image) -> np.ndarray:
    """The numbers of an image; a file that ends too early, or announces far more than it holds, is refused."""
    within(path, math.prod(map(int, image.shape)) * image.get_data_dtype().itemsize)
    try:
        return np.asanyarray(image.dataobj)
    except MemoryError:
        raise
    except Exception as error:  # gzip, zlib, nibabel and numpy each raise their own
        raise BrainLensError(
            f"{path.name} is damaged: {first_line(error)}",
            remedy="Copy or convert the file again",
        ) from None


def _cifti(path: Path) -> Signal:
    image = _nibabel(path)
    try:
        series, brain = (image.header.get_axis(i) for i in range(2))
        interval = float(series.step)
        surface, vertex = np.asarray(brain.name, object), np.asarray(brain.vertex)
    except MemoryError:
        raise
    except Exception:  # an image without such axes, or with axes that nibabel cannot make out
        raise BrainLensError(
            f"{path.name} is no dense series: its rows are not samples",
            remedy="Give the .dtseries.nii",
        ) from None
    names = [f"{n.rsplit('_', 2)[0]}.{i}" for i, n in enumerate(map(str, surface))]
    side = ["left" if "LEFT" in str(n) else "right" if "RIGHT" in str(n) else "" for n in surface]
    return Signal(
        _plain(_unpacked(path, image), path),
        names,
        interval,
        {"vertex": vertex, "hemisphere": np.array(side, object)},
    )


def _gifti(path: Path) -> Signal:
    image = read_gifti(path)
    shapes = {array.data.shape for array in image.darrays}
    if len(image.darrays) < 2 or len(shapes) != 1 or len(next(iter(shapes))) != 1:
        raise BrainLensError(
            f"{path.name} holds {len(image.darrays)} arrays: a series has one per sample",
            remedy="Give the .func.gii of a run",
        )
    values = np.stack([array.data for array in image.darrays])
    side = _hemisphere(path, image)
    steps = [array.meta.get("TimeStep") for array in image.darrays[:1]]
    n = values.shape[1]
    return Signal(
        _plain(values, path),
        [f"{side or 'vertex'}.{i}" for i in range(n)],
        _seconds(float(steps[0])) if steps and steps[0] else None,
        {"vertex": np.arange(n), "hemisphere": np.full(n, side, object)},
    )


def _seconds(step: float) -> float:
    """The time step of a GIFTI file, which is in milliseconds in some programs and in seconds in others, told by its size."""
    return step / 1000 if step >= SHORTEST else step


def _hemisphere(path: Path, image) -> str:
    """``left`` or ``right`` as the file's name says, else as the file does; empty where neither does."""
    name = path.name.lower()
    for side, marks in HEMISPHERES.items():
        if any(mark in name for mark in marks):
            return side
    inside = {str(array.meta.get("AnatomicalStructurePrimary") or "") for array in image.darrays}
    inside.add(str(image.meta.get("AnatomicalStructurePrimary") or ""))
    return {"CortexLeft": "left", "CortexRight": "right"}.get("".join(inside), "")


def _table(path: Path) -> Signal:
    frame = read_table(path).frame
    time = next((c for c in frame.columns if str(c).lower() in {"time", "onset", "seconds"}), None)
    values = frame.drop(columns=[c for c in (time,) if c is not None])
    wrong = [c for c in values.columns if values[c].dtype.kind not in "iufb"]
    if wrong:
        raise BrainLensError(
            f"{path.name}: {len(wrong)} columns are not numbers, first: {wrong[0]!r}",
            remedy="One column per target, and one of time in seconds",
        )
    interval = None
    if time is not None and len(frame) > 1:
        steps = np.diff(frame[time].to_numpy(float))
        if not np.allclose(steps, steps[0], rtol=1e-3):
            raise BrainLensError(
                f"{path.name}: samples are not equally spaced (steps of {steps.min():g} to {steps.max():g} s)",
                remedy="Resample the signal to equal steps",
            )
        interval = float(steps[0])
    names = list(map(str, values.columns))
    named = len(names) <= MOST_NAMED and not all(_NUMBERED.fullmatch(name) for name in names)
    places = {"region": np.array(names, object)} if named else {}
    return Signal(_plain(values.to_numpy(float), path), names, interval, places)


MOST_NAMED = 400
"""Columns of a table that may be regions by their names: more are voxels."""
_NUMBERED = re.compile(r"[A-Za-z_.-]{0,8}\d+")
"""Names that only count: ``v12``, ``voxel_3``."""


def _plain(values: np.ndarray, path: Path) -> np.ndarray:
    if values.dtype.kind not in "iufb":
        raise BrainLensError(
            f"{path.name} holds {values.dtype}, not real numbers", remedy="Give floating point"
        )
    return np.ascontiguousarray(values, dtype=np.float32)


# ---- beside the signal -----------------------------------------------------------------------------------------------
def confounds(path: str | Path, columns: tuple[str, ...] | None = None) -> pd.DataFrame:
    """Motion and other nuisance of one run from a confounds table of fMRIPrep, one row per sample.

    Parameters
    ----------
    columns : tuple of str, optional
        None: the six parameters of motion.

    Raises
    ------
    BrainLensError
        For missing columns.

    Notes
    -----
    A derivative has no value in the first sample (``n/a``): it is 0 there.
    """
    wanted = columns or ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
    frame = read_table(path).frame
    for column in wanted:
        if column not in frame.columns:
            raise unknown(f"column of {Path(path).name}", column, frame.columns)
        if frame[column].dtype.kind not in "iufb":
            raise BrainLensError(
                f"{Path(path).name}: the column {column!r} is not numbers",
                remedy="Give the confounds table as fMRIPrep wrote it, one row per sample",
            )
    return frame[list(wanted)].fillna(0.0)
