"""Files that mean harm: they are refused in words, whoever sends them, and nothing elsewhere on the machine is read."""

from __future__ import annotations

import json
import zipfile

import h5py
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from analysis.features.from_file import holds_activations, peek
from data.errors import BrainLensError
from data.own.gate import inside
from data.own.hdf5 import harmless
from data.own.read import read
from data.own.sidecar import write_sidecar
from data.own.told import _written
from data.own.validation import check
from tests.data.own_tables import saved, table


@pytest.fixture
def secret(tmp_path):
    """A file that nobody gave to be read."""
    folder = tmp_path / "private"
    folder.mkdir()
    path = folder / "secret.bin"
    path.write_bytes(bytes(range(256)) * 2)
    (folder / "secret.csv").write_text("sentence\n" + "\n".join(f"Private {i}." for i in range(48)))
    with h5py.File(folder / "other.h5", "w") as file:
        file["x"] = np.arange(96.0).reshape(48, 2)
    return folder


def netcdf(path, fill):
    """A recording's file whose array ``fill`` makes."""
    with h5py.File(path, "w") as file:
        file["text"] = np.array([f"Sentence {i}." for i in range(48)], dtype="S12")
        fill(file)
    return path


def external_storage(file, secret):
    file.create_dataset("x", (48, 2), "f4", external=[(str(secret / "secret.bin"), 0, 384)])


def external_link(file, secret):
    file["x"] = h5py.ExternalLink(str(secret / "other.h5"), "/x")


def nested_link(file, secret):
    file.create_group("a/b")["c"] = h5py.ExternalLink(str(secret / "other.h5"), "/")


def virtual(file, secret):
    layout = h5py.VirtualLayout((48, 2), "f8")
    layout[:] = h5py.VirtualSource(str(secret / "other.h5"), "x", (48, 2))
    file.create_virtual_dataset("x", layout)


def bomb(file, _):
    file.create_dataset("x", (48, 10_000_000), "f8", chunks=(1, 1_000_000), compression="gzip")


def words_bomb(file, _):
    file.create_dataset(
        "x", (20_000_000,), h5py.string_dtype(), chunks=(100_000,), compression="gzip"
    )


@pytest.mark.parametrize(
    ("fill", "what"),
    [
        (external_storage, "is stored in the file"),
        (external_link, "is a link to the file"),
        (nested_link, "is a link to the file"),
        (virtual, "is a virtual dataset"),
        (bomb, "unpacks from"),
        (words_bomb, "unpacks from"),
    ],
)
def test_hdf5_that_reaches_out_or_unpacks_without_end(tmp_path, secret, fill, what):
    path = netcdf(tmp_path / "mine.nc", lambda file: fill(file, secret))
    for run in (harmless, read, holds_activations, peek):
        with pytest.raises(BrainLensError, match=what):
            run(path)
    report = check(path)
    assert not report.ok and what in report.errors[0].what


def test_soft_links_and_dimension_scales_are_harmless(tmp_path):
    array = xr.DataArray(
        np.random.default_rng(0).standard_normal((48, 2)),
        dims=("stimulus", "target"),
        coords={"text": ("stimulus", [f"Sentence {i}." for i in range(48)])},
    )
    array.to_netcdf(tmp_path / "mine.nc", engine="h5netcdf")
    with h5py.File(tmp_path / "mine.nc", "a") as file:
        file["again"] = h5py.SoftLink("/text")
    assert harmless(tmp_path / "mine.nc") is None and read(tmp_path / "mine.nc").n_stimuli == 48


def test_a_group_that_holds_itself_is_refused(tmp_path):
    """A reader would go round in it until the memory is full."""
    xr.DataArray(np.zeros((4, 2)), dims=("stimulus", "target")).to_netcdf(
        tmp_path / "mine.nc", engine="h5netcdf"
    )
    with h5py.File(tmp_path / "mine.nc", "a") as file:
        file["round"] = h5py.SoftLink("/")
    with pytest.raises(BrainLensError, match="link to the group"):
        read(tmp_path / "mine.nc")


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../private/secret.csv",
        "a/../../x.csv",
        "~/x.csv",
        "C:\\x.csv",
        "..\\x.csv",
        "",
        "a\0b",
    ],
)
def test_paths_that_leave(name):
    assert not inside(name)


@pytest.mark.parametrize("key", ["stimuli", "targets"])
@pytest.mark.parametrize("form", ["absolute", "relative", "link"])
def test_a_sidecar_names_files_beside_it_only(tmp_path, secret, key, form):
    folder = tmp_path / "given"
    folder.mkdir()
    np.save(folder / "mine.npy", np.zeros((48, 2)))
    named = {
        "absolute": str(secret / "secret.csv"),
        "relative": "../private/secret.csv",
        "link": "x.csv",
    }[form]
    if form == "link":
        (folder / "x.csv").symlink_to(secret / "secret.csv")
    (folder / "mine.npy.brainlens.json").write_text(json.dumps({key: named}))
    with pytest.raises(BrainLensError, match=r"outside its folder|leaves its folder"):
        read(folder / "mine.npy")
    (folder / "mine.npy.brainlens.json").unlink()
    with pytest.raises(BrainLensError, match=r"outside its folder|leaves its folder"):
        write_sidecar(folder / "mine.npy", **{key: named}) and read(folder / "mine.npy")


def test_a_call_may_name_any_file(tmp_path, secret):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "mine.npy", rng.standard_normal((48, 2)))
    assert read(tmp_path / "mine.npy", stimuli=secret / "secret.csv").texts[0] == "Private 0."


def test_tables_without_end(tmp_path):
    wide = tmp_path / "wide.csv"
    names = [f"c{i}" for i in range(30_000)]
    wide.write_text(",".join(["text", *names]) + "\n" + ",".join(["a"] + ["1"] * len(names)) + "\n")
    with pytest.raises(BrainLensError, match="has 30,001 columns"):
        read(wide)
    packed = tmp_path / "mine.csv.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mine.csv", "text,rt\n" + "a,1\n" * 40_000_000)
    with pytest.raises(BrainLensError, match="unpacks from"):
        read(packed)
    book = tmp_path / "mine.xlsx"
    saved(tmp_path, table(), "plain.csv")
    pd.DataFrame({"text": ["a"]}).to_excel(book, index=False)
    with zipfile.ZipFile(book, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/zeros.bin", b"\0" * 150_000_000)
    with pytest.raises(BrainLensError, match="unpacks from"):
        read(book)


def test_a_text_of_blanks_takes_no_longer_than_it_is_long():
    """One pattern went through all pairs of blanks: hours for this text, where the limit of a test is ten minutes."""
    texts = pd.Series(["['a'" + " " * 1_000_000 + "x", "['The', 'tea']", "plain words"])
    assert [what for what, _ in _written(texts)] == [
        "1 texts are lists as a program writes them, first \"['The', 'tea']\""
    ]


@pytest.mark.parametrize(("at", "value"), [(145, 255), (192, 0), (433, 255)])
def test_one_byte_of_a_matlab_file_that_ends_its_reader_ends_nobody_else(tmp_path, at, value):
    """scipy's reader dies of each (a segmentation fault or a bus error)."""
    from scipy.io import savemat

    cells = np.empty(2, dtype=object)
    cells[:] = ["y1", "y2"]
    path = tmp_path / "own.mat"
    savemat(path, {"responses": np.arange(16.0).reshape(8, 2), "target": cells})
    content = bytearray(path.read_bytes())
    content[at] = value
    path.write_bytes(content)
    with pytest.raises(BrainLensError, match=r"own\.mat"):
        read(path)


def test_variables_of_any_name_and_kind_come_over(tmp_path):
    from scipy.io import savemat

    from data.own.matlab import read_apart

    mixed = np.empty((2, 2), dtype=object)
    mixed[:] = [["a", np.ones((1, 3))], [np.array([[2]]), {"x": 1}]]
    given = {"file": np.eye(2), "names": np.array(["one", "two "]), "cells": mixed, "s": {"f": 1}}
    savemat(tmp_path / "x.mat", given)
    found = read_apart(tmp_path / "x.mat")
    assert set(found) == set(given) and found["s"].dtype.kind == "V"
    np.testing.assert_array_equal(found["file"], np.eye(2))
    assert [one.strip() for one in found["names"]] == ["one", "two"]
    assert found["cells"].shape == (2, 2) and found["cells"][0, 0].ravel()[0] == "a"
    np.testing.assert_array_equal(found["cells"][0, 1], np.ones((1, 3)))
    assert found["cells"][1, 1].dtype.kind == "V"


@pytest.fixture
def newer():
    """Makes the members of a ZIP archive ask for a version of unpacking that there is not."""

    def change(path):
        content = bytearray(path.read_bytes())
        at = content.find(b"PK\x01\x02")
        while at >= 0:
            content[at + 6 : at + 8] = (118).to_bytes(2, "little")
            at = content.find(b"PK\x01\x02", at + 4)
        path.write_bytes(content)
        return path

    return change


def test_an_archive_of_an_unknown_version_is_refused_by_every_reader_of_archives(tmp_path, newer):
    import zipfile

    from analysis.scoring.capsules import read_any_capsule
    from data.own.archive import unpacking
    from data.own.formats import load_npz
    from data.own.tables import read_table
    from data.stories.arrays import read_array

    np.savez(tmp_path / "mine.npz", responses=np.zeros((4, 2)))
    newer(tmp_path / "mine.npz")
    with zipfile.ZipFile(tmp_path / "mine.csv.zip", "w") as archive:
        archive.writestr("mine.csv", "text,y\na,1\n")
    for copy in ("mine.zip", "mine.xlsx"):
        (tmp_path / copy).write_bytes((tmp_path / "mine.csv.zip").read_bytes())
        newer(tmp_path / copy)
    newer(tmp_path / "mine.csv.zip")

    def opened(path):
        with unpacking(path) as archive:
            archive.namelist()

    for reader, name in (
        (load_npz, "mine.npz"),
        (lambda path: read_array(path, None), "mine.npz"),
        (read_table, "mine.csv.zip"),
        (read_table, "mine.xlsx"),
        (read_any_capsule, "mine.zip"),
        (opened, "mine.zip"),
    ):
        with pytest.raises(BrainLensError, match=name.replace(".", r"\.")):
            reader(tmp_path / name)


def test_a_matlab_file_that_asks_for_more_than_there_is_is_refused_in_words(tmp_path):
    """Of version 4: 40,000 x 40,000 numbers are announced, and two bytes follow."""
    header = np.array([0, 40_000, 40_000, 0, 2], "<i4").tobytes()
    (tmp_path / "x.mat").write_bytes(header + b"y\0" + b"12")
    with pytest.raises(BrainLensError, match=r"x\.mat asks for more than 8 GB"):
        read(tmp_path / "x.mat")
