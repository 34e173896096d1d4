"""The cortex to draw on: fsaverage5 as it comes inside the package nilearn, and values brought to its vertices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import BrainLensError, unknown

__all__ = [
    "CENTRES",
    "FINER",
    "HEMISPHERES",
    "RADIUS",
    "SURFACES",
    "VERTICES",
    "Mesh",
    "OnCortex",
    "check_vertices",
    "mesh",
    "on_cortex",
    "places_of",
]

HEMISPHERES = ("left", "right")
SURFACES = {"pial": "pial", "white": "white", "inflated": "infl", "flat": "flat"}
"""Shapes of the cortex -> how nilearn calls their files."""

VERTICES = 10_242
"""Of one hemisphere of fsaverage5; finer fsaverages begin with the same vertices."""
FINER = (40_962, 163_842)
"""Vertices of a hemisphere of fsaverage6 and fsaverage."""

RADIUS = 8.0
"""Millimetres from a target within which vertices take its value."""

CENTRES = {
    "LATL": (-50.0, 8.0, -24.0),
    "RATL": (50.0, 8.0, -24.0),
    "LPTL": (-58.0, -42.0, 4.0),
    "LIPL": (-50.0, -56.0, 28.0),
    "LPreM": (-44.0, 0.0, 46.0),
    "LIFG": (-50.0, 22.0, 12.0),
    "LMFG": (-42.0, 4.0, 50.0),
    "LAngG": (-46.0, -62.0, 28.0),
    "LAntTemp": (-54.0, 2.0, -20.0),
    "LPostTemp": (-58.0, -40.0, 2.0),
    "LIFGorb": (-46.0, 32.0, -8.0),
}
"""Regions that are known by their names alone: about where they lie, in MNI space, for drawing and for nothing else."""


@dataclass(frozen=True)
class Mesh:
    """One hemisphere in one shape.

    Parameters
    ----------
    points : ndarray, shape (n_vertices, 3)
        Millimetres; x to the right, y to the front, z up. Of the flat map x and y lie in its plane.
    faces : ndarray of int, shape (n_faces, 3)
    depth : ndarray, shape (n_vertices,)
        Sulcal depth, above 0 inside a sulcus.
    """

    points: np.ndarray
    faces: np.ndarray
    depth: np.ndarray


@cache
def mesh(surface: str = "inflated", hemisphere: str = "left") -> Mesh:
    """fsaverage5 from nilearn's own files; nothing is downloaded.

    Raises
    ------
    BrainLensError
        For an unknown shape or side, or where nilearn is not installed.
    """
    if surface not in SURFACES:
        raise unknown("shape of the cortex", surface, SURFACES)
    if hemisphere not in HEMISPHERES:
        raise unknown("hemisphere", hemisphere, HEMISPHERES)
    points, faces = (
        np.asarray(array.data) for array in _arrays(f"{SURFACES[surface]}_{hemisphere}.gii.gz")[:2]
    )
    depth = _arrays(f"sulc_{hemisphere}.gii.gz")[0].data
    return Mesh(points.astype(float), faces.astype(int), np.asarray(depth, float))


def _arrays(name: str) -> list[Any]:
    """The arrays of a GIFTI file; nibabel declares of an image only what all kinds have."""
    import nibabel

    image: Any = nibabel.load(_folder() / name)
    return image.darrays


def _folder() -> Path:
    found = find_spec("nilearn")
    place = (
        None
        if found is None or not found.origin
        else Path(found.origin).parent / "datasets" / "data" / "fsaverage5"
    )
    if place is None or not place.is_dir() or find_spec("nibabel") is None:
        raise BrainLensError(
            "Brain figures need the package nilearn, which brings the cortex with it",
            remedy="pip install 'brainlens[brain]'",
        )
    return place


# ---- values on it ----------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class OnCortex:
    """Values of the vertices of both hemispheres.

    Parameters
    ----------
    left, right : ndarray, shape (10242,)
        NaN where no target is near.
    missed : int
        Targets that lie further than the radius from the cortex, or nowhere.
    how : str
        How the values came there, in words.
    """

    left: np.ndarray
    right: np.ndarray
    missed: int
    how: str


def places_of(responses) -> tuple[np.ndarray, str]:
    """Where targets lie, shape (n_targets, 3), NaN where unknown, and how that is known.

    Parameters
    ----------
    responses : xarray.DataArray
        With coordinates ``x``, ``y``, ``z`` (MNI, millimetres), or ``region`` with names of :data:`CENTRES`.
    """
    n = responses.sizes["target"]
    if all(axis in responses.coords for axis in "xyz"):
        return np.column_stack([responses[axis].values.astype(float) for axis in "xyz"]), (
            f"coordinates of the recording, taken as MNI space; a vertex shows the mean over targets within {RADIUS:g} mm"
        )
    if "region" in responses.coords:
        names = responses["region"].values.astype(str)
        known = np.array([CENTRES.get(name, (np.nan,) * 3) for name in names], float)
        if np.isfinite(known).any():
            return known, (
                f"balls of {RADIUS:g} mm about where these regions usually lie: for orientation, not the recorded ones"
            )
    return np.full((n, 3), np.nan), ""


def on_cortex(
    values: Sequence[float] | np.ndarray,
    places: np.ndarray | None = None,
    *,
    vertices: Sequence[int] | np.ndarray | None = None,
    sides: Sequence[str] | np.ndarray | None = None,
    how: str = "",
    radius: float = RADIUS,
) -> OnCortex:
    """Values of targets on the vertices of fsaverage5.

    Parameters
    ----------
    values : sequence of float, length n_targets
    places : ndarray, shape (n_targets, 3), optional
        MNI coordinates; a vertex takes the mean over targets within ``radius`` of the middle of the grey matter there.
    vertices, sides : sequences, optional
        In place of coordinates: vertex numbers of an fsaverage surface, and ``left`` or ``right``.

    Raises
    ------
    BrainLensError
        Where nothing says where targets lie, or vertices are of another surface.
    """
    values = np.asarray(values, float)
    out = {side: np.full(VERTICES, np.nan) for side in HEMISPHERES}
    if vertices is not None:
        vertices, sides = np.asarray(vertices, int), np.asarray(sides).astype(str)
        check_vertices(vertices)
        for side in HEMISPHERES:
            mine = (sides == side) & (vertices >= 0) & (vertices < VERTICES)
            out[side][vertices[mine]] = values[mine]
        missed = int((~np.isin(sides, HEMISPHERES)).sum())
        return OnCortex(
            out["left"], out["right"], missed, how or "vertices of an fsaverage surface"
        )
    if places is None or not np.isfinite(places).any():
        raise BrainLensError(
            "Nothing says where the targets lie",
            remedy="Give them coordinates x, y and z in millimetres (MNI), or hemisphere and vertex of fsaverage",
        )
    from scipy.spatial import cKDTree

    near = np.zeros(len(values), bool)
    for side, sign in (("left", -1), ("right", 1)):
        middle = (mesh("pial", side).points + mesh("white", side).points) / 2
        mine = np.flatnonzero(
            np.isfinite(places).all(axis=1) & np.isfinite(values) & (sign * places[:, 0] > 0)
        )
        if not len(mine):
            continue
        found = cKDTree(places[mine]).query_ball_point(middle, radius)
        for vertex, targets in enumerate(found):
            if targets:
                out[side][vertex] = values[mine[targets]].mean()
                near[mine[targets]] = True
    return OnCortex(out["left"], out["right"], int((~near).sum()), how)


def check_vertices(vertices: np.ndarray) -> None:
    """Refuse vertex numbers of a surface other than fsaverage5, fsaverage6 and fsaverage."""
    top = int(vertices.max()) + 1 if len(vertices) else 0
    if top > max(FINER) or top in (32_492,):
        raise BrainLensError(
            f"Vertices up to {top - 1:,} are not of an fsaverage surface ({VERTICES:,}, {FINER[0]:,} or {FINER[1]:,} a side)",
            remedy="Resample the data to fsaverage, or give x, y and z in millimetres",
        )
