"""Parcels of a user's own annotation of the cortex (HCP-MMP, Schaefer, one of language): regions of targets, and pictures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from data.errors import BrainLensError, first_line
from data.recording import Recording
from data.stories.gifti import read_gifti
from data.surface import FINER, RADIUS, VERTICES, OnCortex, check_vertices, mesh, places_of

__all__ = [
    "ANNOTATIONS",
    "Parcels",
    "in_parcels",
    "joined",
    "on_parcels",
    "parcels",
    "plain_name",
    "sides_of",
]

NO_PARCEL = re.compile(r"(?i)(\?+|unknown|none|.*medial.?wall.*|corpus.?callosum|)")
"""Names of what is no parcel: the medial wall, and what nobody named."""
ANNOTATIONS = (".label.gii", ".annot", ".gii")
"""Suffixes of files that are read."""
_LEFT = re.compile(r"(?i)(^|[._-])(lh|hemi-l|l|left)([._-]|$)")
_RIGHT = re.compile(r"(?i)(^|[._-])(rh|hemi-r|r|right)([._-]|$)")


@dataclass(frozen=True)
class Parcels:
    """Names of the parcels of fsaverage5's vertices, as an annotation has them (HCP-MMP, Schaefer, one of language).

    Parameters
    ----------
    left, right : ndarray of str, shape (10242,)
        Empty where a vertex is in none. Where both sides have the same names, ``left`` and ``right`` stand before them.
    name : str
        Of the files.
    """

    left: np.ndarray
    right: np.ndarray
    name: str

    @property
    def names(self) -> list[str]:
        """Every parcel, left ones first."""
        return [one for one in dict.fromkeys([*self.left, *self.right]) if one]


def parcels(paths: Sequence[str | Path]) -> Parcels:
    """Parcels from FreeSurfer's annotations or GIFTI labels, one file a hemisphere.

    Parameters
    ----------
    paths : sequence of path-like
        ``lh.NAME.annot`` and ``rh.NAME.annot`` (or ``.label.gii``) on fsaverage5, fsaverage6 or fsaverage, whose first vertices
        are the same. One side alone will do.

    Raises
    ------
    BrainLensError
        For files that are neither, of another surface, two of one side, or of which the side is not known.
    """
    files = list(map(Path, paths))
    return joined(sides_of(files), ", ".join(one.name for one in files))


def sides_of(files: Sequence[Path]) -> dict[str, np.ndarray]:
    """Hemisphere -> the parcel of each vertex, as its file names it."""
    found: dict[str, np.ndarray] = {}
    for path in files:
        side = _side(path)
        if side in found:
            raise BrainLensError(
                f"{path.name}: there is another annotation of the {side} hemisphere",
                remedy="Give one file for each hemisphere",
            )
        found[side] = _labels(path)
    if not any((one != "").any() for one in found.values()):
        raise BrainLensError(
            "No annotation names a parcel", remedy="Give lh.NAME.annot and rh.NAME.annot"
        )
    return found


def joined(found: Mapping[str, np.ndarray], name: str) -> Parcels:
    """Parcels of one hemisphere or both; names that both have get their side before them."""
    both = (
        set.intersection(*(set(one) - {""} for one in found.values())) if len(found) > 1 else set()
    )
    sides = {
        side: np.array([f"{side} {one}" if one in both else one for one in labels], object)
        for side, labels in found.items()
    }
    none = np.full(VERTICES, "", object)
    return Parcels(sides.get("left", none), sides.get("right", none), name)


def plain_name(file: str) -> str:
    """What an annotation is called, without its hemisphere and suffix, in small letters, digits and hyphens.

    Examples
    --------
    >>> plain_name("lh.HCP-MMP1.annot"), plain_name("tpl-fsaverage_hemi-R_atlas-Mine.label.gii")
    ('hcp-mmp1', 'tpl-fsaverage-atlas-mine')
    """
    bare = _RIGHT.sub(r"\1\3", _LEFT.sub(r"\1\3", _stem(file)))
    return re.sub(r"[^a-z0-9]+", "-", bare.lower()).strip("-")[:60].strip("-") or "parcels"


def _stem(file: str) -> str:
    return re.sub(r"(?i)\.(annot|label\.gii|gii)$", "", file)


def _side(path: Path) -> str:
    name = _stem(path.name)
    is_left, is_right = bool(_LEFT.search(name)), bool(_RIGHT.search(name))
    if is_left == is_right:
        raise BrainLensError(
            f"{path.name}: its name does not say which hemisphere it is of",
            remedy="Call it lh.NAME.annot or rh.NAME.annot (of GIFTI also hemi-L, hemi-R)",
        )
    return "left" if is_left else "right"


def _labels(path: Path) -> np.ndarray:
    """The parcel's name of each vertex of fsaverage5."""
    from nibabel.freesurfer.io import read_annot

    if not path.is_file():
        raise BrainLensError(f"There is no file {path}", remedy="Check the name and the folder")
    try:
        if path.name.lower().endswith(".gii"):
            image = read_gifti(path)
            table = {one.key: str(one.label) for one in image.labeltable.labels}
            names = [table.get(int(key), "") for key in np.asarray(image.darrays[0].data).ravel()]
        else:
            keys, _, known = read_annot(path)
            known = [one.decode("utf-8", "replace") for one in known]
            names = [known[key] if 0 <= key < len(known) else "" for key in keys]
    except (BrainLensError, MemoryError):
        raise
    except Exception as error:  # nibabel and numpy each raise their own
        raise BrainLensError(
            f"{path.name} is no annotation that can be read: {first_line(error)}",
            remedy="Give FreeSurfer's .annot, or a GIFTI .label.gii",
        ) from None
    if len(names) not in (VERTICES, *FINER):
        raise BrainLensError(
            f"{path.name} has {len(names):,} vertices, no fsaverage surface ({VERTICES:,}, {FINER[0]:,} or {FINER[1]:,} a side)",
            remedy="Take the annotation on fsaverage, fsaverage6 or fsaverage5",
        )
    return np.array(["" if NO_PARCEL.fullmatch(one) else one for one in names[:VERTICES]], object)


def in_parcels(recording: Recording, found: Parcels) -> Recording:
    """The recording with the parcel of each target as its region; targets outside every parcel are left out and counted.

    A recording whose regions have the names of parcels stays as it is. Else vertices of fsaverage take the parcel that they are
    in, and targets with x, y and z that of the nearest vertex within 8 mm.

    Raises
    ------
    BrainLensError
        Where nothing says where targets lie, or none lies in a parcel.
    """
    responses = recording.responses
    coords = set(map(str, responses.coords))
    if "region" in coords and set(responses["region"].values.astype(str)) & set(found.names):
        return recording
    labels = {"left": found.left, "right": found.right}
    inside = np.full(recording.n_targets, "", object)
    if {"vertex", "hemisphere"} <= coords:
        vertices, sides = (
            responses["vertex"].values.astype(int),
            responses["hemisphere"].values.astype(str),
        )
        check_vertices(vertices)
        for side, names in labels.items():
            mine = np.flatnonzero((sides == side) & (vertices >= 0) & (vertices < VERTICES))
            inside[mine] = names[vertices[mine]]
    else:
        from scipy.spatial import cKDTree

        places, _ = places_of(responses)
        known = np.isfinite(places).all(axis=1)
        if not known.any():
            raise BrainLensError(
                f"{recording.id}: nothing says where the targets lie, and no region has a parcel's name",
                choices=found.names[:20],
                remedy="Give x, y and z in millimetres (MNI), hemisphere and vertex of fsaverage, or regions of these names",
            )
        for side, sign in (("left", -1), ("right", 1)):
            middle = (mesh("pial", side).points + mesh("white", side).points) / 2
            mine = np.flatnonzero(known & (sign * places[:, 0] > 0))
            away, nearest = cKDTree(middle).query(places[mine])
            inside[mine] = np.where(away <= RADIUS, labels[side][nearest], "")
    there = inside != ""
    if not there.any():
        raise BrainLensError(
            f"{recording.id}: no target lies in a parcel of {found.name}",
            remedy="Is the annotation of the right hemisphere, and are places in MNI space?",
        )
    made = replace(recording, responses=responses.assign_coords(region=("target", inside)))
    if there.all():
        return made
    note = f"{int((~there).sum())} of {len(there)} targets lie in no parcel of {found.name} and were left out"
    made = made.select(targets=there)
    return replace(made, notes=(*made.notes, note))


def on_parcels(values: Mapping[str, float], found: Parcels) -> OnCortex:
    """Values of parcels on all their vertices; ``how`` names those that the annotation does not have."""
    left, right = (
        np.array([values.get(one, np.nan) if one else np.nan for one in names], float)
        for names in (found.left, found.right)
    )
    how = f"parcels of {found.name}: a vertex shows the value of its parcel"
    if absent := [name for name in values if name not in set(found.names)]:
        how += f"; without a parcel, so not shown: {', '.join(absent)}"
    return OnCortex(left, right, 0, how)
