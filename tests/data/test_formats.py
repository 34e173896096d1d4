"""Every format of own data gives back what was written, and hostile files are refused in words."""

import io
import pickle
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data import formats, own
from data.errors import BrainLensError
from data.recording import Recording

FORMATS = (".csv", ".tsv", ".parquet", ".nc", ".npz", ".npy", ".mat")

letters = st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\u2028\u2029\x85\ufeff")
texts = st.one_of(
    st.text(letters, min_size=1, max_size=20).map(str.strip).filter(bool),
    st.sampled_from(
        ["null", "NA", 'He said "no".', "a, b; c", "tab\there", "line\nbreak", "'quoted'", "1984", "=1+1", "#no", "été"]
    ),
)
finite = st.floats(allow_nan=False, allow_infinity=False, width=64)


@st.composite
def recordings(draw):
    n, targets = draw(st.integers(2, 8)), draw(st.integers(1, 4))
    words = draw(st.lists(texts, min_size=n, max_size=n))
    words[0] = "A first sentence."  # one that is no number
    values = np.array(draw(st.lists(st.lists(finite, min_size=targets, max_size=targets), min_size=n, max_size=n)))
    values[0], values[1] = 0.25, 0.5  # nothing is constant
    holes = np.array(draw(st.lists(st.booleans(), min_size=n * targets, max_size=n * targets))).reshape(n, targets)
    holes[:2] = False
    values[holes] = np.nan
    labels = st.sampled_from(["a", "b c", "1", "NA", "null", "true"])
    ids = [f"s{i}" for i in range(n)] if draw(st.booleans()) else list(range(n))
    table = pd.DataFrame({"text": words, "topic": draw(st.lists(labels, min_size=n, max_size=n)), "position": range(n)})
    table["passage"] = [f"p{i // 2}" for i in range(n)]
    table.index = pd.Index(ids, name="stimulus")
    names = [f"t{i}" for i in range(targets)]
    coords = {"stimulus": ids, "target": names}
    averaged = draw(st.booleans())
    if not averaged:
        coords["subject"] = (
            "target",
            draw(st.lists(st.sampled_from(["007", "anna", "s 2"]), min_size=targets, max_size=targets)),
        )
    responses = xr.DataArray(values, dims=("stimulus", "target"), coords=coords)
    return Recording(
        id="random",
        responses=responses,
        stimuli=table,
        kind=draw(st.sampled_from(["fmri", "ecog", "reading_times"])),
        unit="ms",
        scored_unit=draw(st.sampled_from(["sentence", "word", "tr"])),
        context=draw(st.sampled_from([None, "passage"])),
        group=draw(st.sampled_from([None, "topic"])),
        averaged=averaged,
        simulated=draw(st.booleans()),
        quality=draw(st.sampled_from(["", "retyped, may carry digit errors"])),
    )


@pytest.mark.parametrize("suffix", FORMATS)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(recording=recordings())
def test_what_is_written_comes_back(suffix, recording):
    with tempfile.TemporaryDirectory() as folder:
        path = own.write(recording, Path(folder) / f"x{suffix}")
        again = own.read(path)
        assert not [p.name for p in Path(folder).iterdir() if "part" in p.name]
    assert again.texts == recording.texts
    assert list(again.stimuli.index) == list(recording.stimuli.index)
    np.testing.assert_array_equal(again.responses.values, recording.responses.values)
    if suffix != ".npy":
        assert again.responses.target.values.tolist() == recording.responses.target.values.tolist()
    for name in ("kind", "unit", "scored_unit", "context", "group", "averaged", "simulated", "quality"):
        assert getattr(again, name) == getattr(recording, name), name
    assert (again.subjects is None) == (recording.subjects is None)
    if recording.subjects is not None:
        assert again.subjects.tolist() == recording.subjects.tolist()
    for name in filter(None, (recording.context, recording.group)):
        assert again.column(name).astype(str).tolist() == recording.column(name).astype(str).tolist()


def test_unknown_format(tmp_path):
    from data.catalog import recording

    with pytest.raises(BrainLensError, match=r"Unknown format '.xls'"):
        own.write(recording("simulated"), tmp_path / "x.xls")


# ---- arrays with a table beside them --------------------------------------------------------------------------------------
@pytest.fixture
def stimuli(tmp_path):
    frame = pd.DataFrame({"sentence": [f"This is sentence {i}." for i in range(6)], "story": list("aabbcc")})
    frame.to_csv(tmp_path / "x.stimuli.csv", index=False)
    return frame


def test_npy_beside_its_table(tmp_path, stimuli):
    values = np.arange(12.0).reshape(6, 2)
    np.save(tmp_path / "x.npy", np.asfortranarray(values))
    recording = own.read(tmp_path / "x.npy")
    np.testing.assert_array_equal(recording.responses.values, values)
    assert recording.group == "story" and recording.responses.target.values.tolist() == ["target_1", "target_2"]
    np.save(tmp_path / "x.npy", values.T)
    with pytest.raises(BrainLensError, match=r"has 2 rows and the table of stimuli 6; it looks transposed \(2 x 6\)"):
        own.read(tmp_path / "x.npy")


def test_a_named_table_and_none(tmp_path, stimuli):
    np.save(tmp_path / "y.npy", np.arange(6.0))
    with pytest.raises(BrainLensError, match="holds responses and no texts") as caught:
        own.read(tmp_path / "y.npy")
    assert "y.stimuli.csv" in caught.value.remedy
    assert own.read(tmp_path / "y.npy", stimuli="x.stimuli.csv").n_stimuli == 6
    with pytest.raises(BrainLensError, match="There is no table of stimuli"):
        own.read(tmp_path / "y.npy", stimuli="z.csv")


def test_npz_with_its_own_texts(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(
        path,
        responses=np.arange(8.0).reshape(4, 2),
        text=np.array(["A b.", "C d.", "E f.", "G h."]),
        target=np.array(["u", "v"]),
        subject=np.array(["s1", "s2"]),
        topic=np.array(["x", "x", "y", "y"]),
    )
    recording = own.read(path)
    assert recording.subjects.tolist() == ["s1", "s2"] and recording.group == "topic" and recording.texts[3] == "G h."
    np.savez(path, one=np.zeros((4, 2)), two=np.zeros((4, 3)), text=np.array(["A"] * 4))
    with pytest.raises(BrainLensError, match=r"which array holds the responses is not plain. Choices: one, two, text"):
        own.read(path)


def test_matlab_cells_and_versions(tmp_path):
    from scipy.io import savemat

    cells = np.empty(4, dtype=object)
    cells[:] = ["First one.", "Second one.", "Third one.", "Last one."]
    savemat(tmp_path / "x.mat", {"data": np.arange(8.0).reshape(4, 2), "sentence": cells})
    recording = own.read(tmp_path / "x.mat")
    assert recording.texts == list(cells) and recording.n_targets == 2
    (tmp_path / "new.mat").write_bytes(
        b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(116) + bytes(8) + b"\x00\x02IM" + bytes(600)
    )
    with pytest.raises(BrainLensError, match=r"is a MATLAB v7.3 file"):
        own.read(tmp_path / "new.mat")
    (tmp_path / "bad.mat").write_bytes(b"nothing of the kind")
    with pytest.raises(BrainLensError, match="not a MATLAB file that can be read"):
        own.read(tmp_path / "bad.mat")


# ---- hostile --------------------------------------------------------------------------------------------------------------
class Evil:
    """Would leave a file behind if anything unpickled it."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_pickles_never_run(tmp_path, stimuli):
    trace = tmp_path / "trace"
    np.save(tmp_path / "x.npy", np.array([Evil(trace)] * 6, dtype=object), allow_pickle=True)
    with pytest.raises(BrainLensError, match=r"holds Python objects \(a pickle\), which can run anything"):
        own.read(tmp_path / "x.npy")
    (tmp_path / "x.npy").write_bytes(pickle.dumps(Evil(trace)))
    with pytest.raises(BrainLensError, match="is a pickle: it was not read"):
        own.read(tmp_path / "x.npy")
    np.savez(tmp_path / "x.npz", responses=np.array([Evil(trace)] * 6, dtype=object))
    with pytest.raises(BrainLensError, match="holds Python objects"):
        own.read(tmp_path / "x.npz")
    assert not trace.exists()


def npz(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return path


def npy_bytes(array):
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()


@pytest.mark.parametrize("name", ["../../evil.npy", "/etc/evil.npy", "a/../../evil.npy", "..\\evil.npy", "C:evil.npy"])
def test_members_that_leave_the_archive(tmp_path, name):
    path = npz(tmp_path / "x.npz", {name: npy_bytes(np.zeros(3))})
    with pytest.raises(BrainLensError, match="leaves the archive"):
        formats.load_npz(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.npz"]


def test_zip_bombs_and_strangers(tmp_path):
    bomb = npz(tmp_path / "b.npz", {"responses.npy": npy_bytes(np.zeros(25_000_000))})
    assert bomb.stat().st_size < 1_000_000
    with pytest.raises(BrainLensError, match=r"unpacks from .* to 200,000,128 bytes: it was not read"):
        formats.load_npz(bomb)
    with pytest.raises(BrainLensError, match=r"holds 'run.sh', which is not an array"):
        formats.load_npz(npz(tmp_path / "s.npz", {"run.sh": b"rm"}))
    (tmp_path / "n.npz").write_bytes(b"<html>")
    with pytest.raises(BrainLensError, match="is not an npz file"):
        formats.load_npz(tmp_path / "n.npz")


def test_headers_that_promise_too_much(tmp_path):
    body = npy_bytes(np.zeros((4, 2)))
    (tmp_path / "short.npy").write_bytes(body[:-8])
    with pytest.raises(BrainLensError, match="announces 64 bytes and holds 56"):
        formats.load_npy(tmp_path / "short.npy")
    (tmp_path / "vast.npy").write_bytes(body.replace(b"(4, 2), }" + b" " * 9, b"(999999999999, 2),}"[:18].ljust(18)))
    with pytest.raises(BrainLensError, match=r"announces|not an npy array"):
        formats.load_npy(tmp_path / "vast.npy")
    (tmp_path / "zero.npy").write_bytes(b"")
    with pytest.raises(BrainLensError, match="is empty"):
        own.read(tmp_path / "zero.npy")
