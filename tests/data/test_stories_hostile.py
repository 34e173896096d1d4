"""Signals and epochs that reach out to other files, or unpack without end: refused before anything of them is read."""

from __future__ import annotations

import base64
import gzip
import shutil
import struct
import zlib

import h5py
import numpy as np
import pytest

from data.errors import BrainLensError
from data.stories.epoch_files import read_epochs
from data.stories.signals import read_signal

SECRET = bytes(range(48, 96))


def gifti(*arrays: str, head: str = "") -> bytes:
    """A GIFTI file of arrays as they are written."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{head}<GIFTI Version="1.0" NumberOfDataArrays="{len(arrays)}">'
        f"<MetaData/><LabelTable/>{''.join(arrays)}</GIFTI>"
    ).encode()


def array(
    data: str, encoding: str = "ASCII", size: object = 4, kind: str = "FLOAT32", more: str = ""
) -> str:
    return (
        f'<DataArray Intent="NIFTI_INTENT_TIME_SERIES" DataType="NIFTI_TYPE_{kind}" ArrayIndexingOrder="RowMajorOrder" '
        f'Dimensionality="1" Dim0="{size}" Encoding="{encoding}" Endian="LittleEndian" {more}><MetaData/><Data>{data}</Data>'
        "</DataArray>"
    )  # fmt: skip


def packed(values: bytes) -> str:
    return base64.b64encode(zlib.compress(values, 9)).decode()


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "elsewhere" / "secret.bin"
    path.parent.mkdir()
    path.write_bytes(SECRET)
    return path


def test_gifti_in_its_usual_encodings_is_read(tmp_path):
    values = np.arange(4, dtype="<f4")
    plain = base64.b64encode(values.tobytes()).decode()
    path = tmp_path / "hemi-L.func.gii"
    path.write_bytes(
        gifti(
            array("0 1 2 3"),
            array(plain, "Base64Binary"),
            array(packed(values.tobytes()), "GZipBase64Binary", more='ExternalFileName=""'),
        )
    )
    np.testing.assert_array_equal(read_signal(path).values, np.tile(values, (3, 1)))


@pytest.mark.parametrize("encoding", ("ExternalFileBinary", "External", "GIFTI_ENCODING_EXTBIN"))
@pytest.mark.parametrize("form", ("absolute", "above", "beside"))
def test_gifti_whose_numbers_lie_elsewhere_is_refused(tmp_path, secret, encoding, form):
    folder = tmp_path / "own"
    folder.mkdir()
    name = {"absolute": str(secret), "above": "../elsewhere/secret.bin", "beside": "secret.bin"}
    shutil.copy(secret, folder / "secret.bin")
    more = f'ExternalFileName="{name[form]}" ExternalFileOffset="0"'
    one = array("", encoding, 48, "UINT8", more)
    (folder / "hemi-L.func.gii").write_bytes(gifti(one, one))
    with pytest.raises(BrainLensError, match="not in the file itself"):
        read_signal(folder / "hemi-L.func.gii")


def test_gifti_hides_its_encoding_in_an_entity_in_vain(tmp_path, secret):
    head = f'<!DOCTYPE GIFTI [<!ENTITY e "ExternalFileBinary"><!ENTITY f "{secret}">]>'
    one = array("", "&e;", 48, "UINT8", 'ExternalFileName="&f;" ExternalFileOffset="0"')
    (tmp_path / "a.gii").write_bytes(gifti(one, one, head=head))
    with pytest.raises(BrainLensError, match="not in the file itself"):
        read_signal(tmp_path / "a.gii")


@pytest.mark.parametrize(
    ("content", "words"),
    (
        (array(packed(bytes(50_000_000)), "GZipBase64Binary"), "unpacks to more"),
        (array(packed(bytes(16)), "GZipBase64Binary", 10**12), "unpacks from"),
        (array(packed(bytes(16)), "GZipBase64Binary", -4), "cannot be read"),
        (array(packed(bytes(8)), "GZipBase64Binary"), "cannot be read"),
        (array("?", "GZipBase64Binary"), "cannot be read"),
        (array("1 2 3 4", kind="NOTHING"), "cannot be read"),
        ("<DataArray/>", "not in the file itself"),
    ),
)
def test_gifti_that_unpacks_without_end_or_is_damaged_is_refused(tmp_path, content, words):
    (tmp_path / "a.gii").write_bytes(gifti(content, content))
    with pytest.raises(BrainLensError, match=words):
        read_signal(tmp_path / "a.gii")


def test_parcels_go_through_the_same_gate(tmp_path, secret):
    from data.stories.parcels import parcels

    one = array("", "ExternalFileBinary", 48, "UINT8", f'ExternalFileName="{secret}"')
    (tmp_path / "lh.mine.label.gii").write_bytes(gifti(one))
    with pytest.raises(BrainLensError, match="not in the file itself"):
        parcels([tmp_path / "lh.mine.label.gii"])


def test_hdf5_of_a_signal_that_unpacks_without_end_is_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", (400_000, 1000), "f8", chunks=(1000, 1000), compression="gzip")
    with pytest.raises(BrainLensError, match="unpacks from"):
        read_signal(tmp_path / "a.h5")


def test_volumes_that_unpack_without_end_are_refused(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    values = np.zeros((2, 2, 2, 3), np.float32)
    for kind, size in ((nibabel.Nifti1Image, "<4h"), (nibabel.Nifti2Image, "<4q")):
        made = kind(values, np.eye(4)).to_bytes()
        at = made.index(struct.pack(size, 2, 2, 2, 3))
        more = struct.pack(size, 32000, 32000, 32000, 3)
        for wide in (more, struct.pack(size, 2, 2, 2, 32000)) + (
            (struct.pack(size, 2**40, 2**40, 2**40, 2**40),) if size == "<4q" else ()
        ):
            content = made[:at] + wide + made[at + len(wide) :]
            (tmp_path / "a.nii.gz").write_bytes(gzip.compress(content))
            (tmp_path / "b.nii").write_bytes(content)
            for name in ("a.nii.gz", "b.nii"):
                with pytest.raises(BrainLensError, match=r"unpacks from|is damaged"):
                    read_signal(tmp_path / name)


def test_an_array_that_promises_more_than_it_holds_is_damaged_not_too_large(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((10, 3)))
    content = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(content.replace(b"(10, 3), }  ", b"(10**0, 3)}", 1))
    (tmp_path / "b.npy").write_bytes(content.replace(b"(10, 3), }" + 10 * b" ", b"(1000000000000, 3), }"[:20], 1))  # fmt: skip
    for name in ("a.npy", "b.npy"):
        with pytest.raises(BrainLensError, match="is not a plain array"):
            read_signal(tmp_path / name)


# ---- epochs ----------------------------------------------------------------------------------------------------------
def epochs(path, following: str = "", monkeypatch=None):
    """Epochs of MNE whose file says that they go on in another one."""
    mne = pytest.importorskip("mne")
    info = mne.create_info(["Cz"], 100.0, "eeg")
    made = mne.EpochsArray(np.zeros((3, 1, 5)), info, verbose="error")
    if following:
        from mne._fiff.constants import FIFF
        from mne._fiff.write import end_block, start_block, write_int, write_string

        written = mne.epochs.end_block

        def end(fid, kind):
            written(fid, kind)
            if kind == FIFF.FIFFB_PROCESSED_DATA:
                start_block(fid, FIFF.FIFFB_REF)
                write_int(fid, FIFF.FIFF_REF_ROLE, FIFF.FIFFV_ROLE_NEXT_FILE)
                write_string(fid, FIFF.FIFF_REF_FILE_NAME, following)
                end_block(fid, FIFF.FIFFB_REF)

        monkeypatch.setattr(mne.epochs, "end_block", end)
    made.save(path, overwrite=True, verbose="error")
    if following:
        monkeypatch.setattr(mne.epochs, "end_block", written)
    return path


@pytest.mark.parametrize("form", ("absolute", "above", "link"))
def test_epochs_that_go_on_elsewhere_are_refused(tmp_path, monkeypatch, form):
    folder = tmp_path / "own"
    folder.mkdir()
    other = epochs(tmp_path / "other-epo.fif")
    (folder / "link-epo.fif").symlink_to(other)
    name = {"absolute": str(other), "above": "../other-epo.fif", "link": "link-epo.fif"}[form]
    path = epochs(folder / "a-epo.fif", name, monkeypatch)
    with pytest.raises(BrainLensError, match=r"lies elsewhere|leaves its folder"):
        read_epochs(path)


def test_epochs_in_parts_are_read_and_a_ring_of_parts_ends(tmp_path, monkeypatch):
    mne = pytest.importorskip("mne")
    values = np.random.default_rng(0).standard_normal((40, 2, 10_000))
    whole = mne.EpochsArray(values, mne.create_info(2, 100.0, "eeg"), verbose="error")
    whole.save(tmp_path / "whole-epo.fif", split_size="2MB", verbose="error")
    assert (tmp_path / "whole-epo-1.fif").is_file()
    assert len(read_epochs(tmp_path / "whole-epo.fif").values) == 40
    epochs(tmp_path / "b-epo.fif", "a-epo.fif", monkeypatch)
    with pytest.raises(BrainLensError, match="goes on in itself"):
        read_epochs(epochs(tmp_path / "a-epo.fif", "b-epo.fif", monkeypatch))
