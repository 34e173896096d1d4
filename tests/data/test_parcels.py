"""Parcels of an annotation that the user has: they are regions of targets, and what the brain figure shows."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
import xarray as xr

from data.errors import BrainLensError
from data.recording import Recording
from data.stories.parcels import in_parcels, on_parcels, parcels
from data.surface import VERTICES, mesh

NAMES = ("Background+FreeSurfer_Defined_Medial_Wall", "LH_Temp_1", "LH_Front_1")


def labels(side: str) -> np.ndarray:
    """Behind, in front, and the middle of neither, by the place of each vertex."""
    y = mesh("pial", side).points[:, 1]
    return np.where(y < -30, 1, np.where(y > 20, 2, 0))


def annot(folder: Path, side: str, names=NAMES, *, vertices: int = VERTICES) -> Path:
    keys = np.zeros(vertices, int)
    keys[:VERTICES] = labels("left" if side == "lh" else "right")
    colours = np.array([[25 * i, 5, 5, 0, 0] for i in range(len(names))])
    path = folder / f"{side}.Mine.annot"
    nibabel.freesurfer.write_annot(path, keys, colours, list(names), fill_ctab=True)
    return path


def gifti(folder: Path, side: str) -> Path:
    keys = labels("left" if side == "L" else "right").astype(np.int32)
    table = nibabel.gifti.GiftiLabelTable()
    for key, name in enumerate(("???", "Temp", "Front")):
        one = nibabel.gifti.GiftiLabel(key=key, red=0.5, green=0.5, blue=0.5, alpha=1.0)
        one.label = name
        table.labels.append(one)
    array = nibabel.gifti.GiftiDataArray(keys, intent="NIFTI_INTENT_LABEL")
    path = folder / f"atlas.hemi-{side}.label.gii"
    nibabel.save(nibabel.gifti.GiftiImage(darrays=[array], labeltable=table), path)
    return path


def recorded(**coords) -> Recording:
    n = len(next(iter(coords.values())))
    import pandas as pd

    table = pd.DataFrame({"text": list("abcd")}, index=pd.Index(range(4), name="stimulus"))
    values = np.random.default_rng(0).standard_normal((4, n))
    named = {name: ("target", np.asarray(one)) for name, one in coords.items()}
    where = {"stimulus": np.arange(4), "target": np.array([f"t{i}" for i in range(n)], object)}
    return Recording(
        "told", xr.DataArray(values, dims=("stimulus", "target"), coords={**where, **named}), table
    )


def test_schaefers_and_giftis_are_read_and_the_wall_is_no_parcel(tmp_path):
    right = ("Unknown", "RH_Temp_1", "RH_Front_1")
    found = parcels([annot(tmp_path, "lh"), annot(tmp_path, "rh", right)])
    assert found.names == ["LH_Temp_1", "LH_Front_1", "RH_Temp_1", "RH_Front_1"] or set(
        found.names
    ) == {"LH_Temp_1", "LH_Front_1", "RH_Temp_1", "RH_Front_1"}
    assert (found.left[labels("left") == 0] == "").all()
    both = parcels([gifti(tmp_path, "L"), gifti(tmp_path, "R")])  # the same names on both sides
    assert set(both.names) == {"left Temp", "left Front", "right Temp", "right Front"}
    fine = tmp_path / "fine"
    fine.mkdir()
    assert parcels([annot(fine, "lh", vertices=40_962)]).left.tolist() == found.left.tolist()


def test_voxels_and_vertices_take_the_parcel_that_they_lie_in(tmp_path):
    found = parcels(
        [annot(tmp_path, "lh"), annot(tmp_path, "rh", ("?", "RH_Temp_1", "RH_Front_1"))]
    )
    points, rng = mesh("pial", "left").points, np.random.default_rng(0)
    some = np.r_[
        rng.choice(np.flatnonzero(labels("left") == 1), 5),
        rng.choice(np.flatnonzero(labels("left") == 2), 5),
    ]
    x, y, z = points[some].T
    made = in_parcels(recorded(x=x, y=y, z=z), found)
    assert made.responses["region"].values.tolist() == ["LH_Temp_1"] * 5 + ["LH_Front_1"] * 5
    far = recorded(x=np.r_[x, 0.0, -40.0], y=np.r_[y, 0.0, -50.0], z=np.r_[z, 0.0, 200.0])
    made = in_parcels(far, found)
    assert made.n_targets == 10 and any(
        "2 of 12 targets lie in no parcel" in note for note in made.notes
    )
    right = np.flatnonzero(labels("right") == 2)[:3]
    made = in_parcels(recorded(vertex=right, hemisphere=["right"] * 3), found)
    assert set(made.responses["region"].values) == {"RH_Front_1"}
    named = recorded(region=["RH_Front_1", "elsewhere"])
    assert in_parcels(named, found) is named
    with pytest.raises(BrainLensError, match="nothing says where the targets lie"):
        in_parcels(recorded(region=["V1", "V2"]), found)
    with pytest.raises(BrainLensError, match="no target lies in a parcel"):
        in_parcels(recorded(x=[0.0], y=[0.0], z=[200.0]), found)


def test_a_parcel_is_drawn_whole_and_on_its_side(tmp_path):
    found = parcels(
        [annot(tmp_path, "lh"), annot(tmp_path, "rh", ("?", "RH_Temp_1", "RH_Front_1"))]
    )
    drawn = on_parcels({"LH_Temp_1": 0.3, "RH_Front_1": 0.2, "V1": 0.9}, found)
    assert (drawn.left[labels("left") == 1] == 0.3).all() and np.isnan(
        drawn.left[labels("left") != 1]
    ).all()
    assert (drawn.right[labels("right") == 2] == 0.2).all() and "not shown: V1" in drawn.how
    assert "lh.Mine.annot" in drawn.how


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda f: [f / "lh.none.annot"], "There is no file"),
        (lambda f: [annot(f, "lh").rename(f / "mine.annot")], "which hemisphere"),
        (lambda f: [annot(f, "lh"), annot(f, "lh").rename(f / "lh.other.annot")], "There is no file|another annotation"),
        (lambda f: [annot(f, "lh", vertices=32_492)], "32,492 vertices, no fsaverage surface"),
        (lambda f: [_written(f / "lh.x.annot", b"nothing")], "no annotation that can be read"),
        (lambda f: [annot(f, "lh", ("?", "unknown", "Medial_wall"))], "No annotation names a parcel"),
    ],
)  # fmt: skip
def test_wrong_annotations_are_answered_in_words(tmp_path, make, says):
    with pytest.raises(BrainLensError, match=says):
        parcels(make(tmp_path))


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path
