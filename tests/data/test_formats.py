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

from data.errors import BrainLensError
from data.own import formats
from data.own import read as own
from data.own.validation import check
from data.own.write import write
from data.recording import Recording

FORMATS = (".csv", ".tsv", ".parquet", ".nc", ".npz", ".npy", ".mat")

letters = st.characters(
    blacklist_categories=("Cs", "Cc"), blacklist_characters="\u2028\u2029\x85\ufeff"
)
texts = st.one_of(
    st.text(letters, min_size=1, max_size=20).map(str.strip).filter(bool),
    st.sampled_from(
        [
            "null",
            "NA",
            'He said "no".',
            "a, b; c",
            "tab\there",
            "line\nbreak",
            "'quoted'",
            "1984",
            "=1+1",
            "#no",
            "été",
        ]
    ),
)
finite = st.floats(allow_nan=False, allow_infinity=False, width=64)


@st.composite
def recordings(draw):
    n, targets = draw(st.integers(2, 8)), draw(st.integers(1, 4))
    words = draw(st.lists(texts, min_size=n, max_size=n))
    words[0] = "A first sentence."  # one that is no number
    values = np.array(
        draw(st.lists(st.lists(finite, min_size=targets, max_size=targets), min_size=n, max_size=n))
    )
    values[0], values[1] = 0.25, 0.5  # nothing is constant
    holes = np.array(
        draw(st.lists(st.booleans(), min_size=n * targets, max_size=n * targets))
    ).reshape(n, targets)
    holes[:2] = False
    values[holes] = np.nan
    labels = st.sampled_from(["a", "b c", "1", "NA", "null", "true"])
    ids = [f"s{i}" for i in range(n)] if draw(st.booleans()) else list(range(n))
    table = pd.DataFrame(
        {
            "text": words,
            "topic": draw(st.lists(labels, min_size=n, max_size=n)),
            "position": range(n),
        }
    )
    table["passage"] = [f"p{i // 2}" for i in range(n)]
    table.index = pd.Index(ids, name="stimulus")
    names = [f"t{i}" for i in range(targets)]
    coords = {"stimulus": ids, "target": names}
    averaged = draw(st.booleans())
    if not averaged:
        coords["subject"] = (
            "target",
            draw(
                st.lists(
                    st.sampled_from(["007", "anna", "s 2"]), min_size=targets, max_size=targets
                )
            ),
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
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
@given(recording=recordings())
def test_what_is_written_comes_back(suffix, recording):
    with tempfile.TemporaryDirectory() as folder:
        path = write(recording, Path(folder) / f"x{suffix}")
        again = own.read(path)
        assert not [p.name for p in Path(folder).iterdir() if "part" in p.name]
    assert again.texts == recording.texts
    assert list(again.stimuli.index) == list(recording.stimuli.index)
    np.testing.assert_array_equal(again.responses.values, recording.responses.values)
    if suffix != ".npy":
        assert again.responses.target.values.tolist() == recording.responses.target.values.tolist()
    for name in (
        "kind",
        "unit",
        "scored_unit",
        "context",
        "group",
        "averaged",
        "simulated",
        "quality",
    ):
        assert getattr(again, name) == getattr(recording, name), name
    assert (again.subjects is None) == (recording.subjects is None)
    if recording.subjects is not None:
        assert again.subjects.tolist() == recording.subjects.tolist()
    for name in filter(None, (recording.context, recording.group)):
        assert (
            again.column(name).astype(str).tolist() == recording.column(name).astype(str).tolist()
        )


def test_unknown_format(tmp_path):
    from data.catalog.catalog import recording

    with pytest.raises(BrainLensError, match=r"Unknown format '.xls'"):
        write(recording("simulated"), tmp_path / "x.xls")


# ---- arrays with a table beside them --------------------------------------------------------------------------------------
@pytest.fixture
def stimuli(tmp_path):
    frame = pd.DataFrame(
        {"sentence": [f"This is sentence {i}." for i in range(6)], "story": list("aabbcc")}
    )
    frame.to_csv(tmp_path / "x.stimuli.csv", index=False)
    return frame


def test_npy_beside_its_table(tmp_path, stimuli):
    values = np.arange(12.0).reshape(6, 2)
    np.save(tmp_path / "x.npy", np.asfortranarray(values))
    recording = own.read(tmp_path / "x.npy")
    np.testing.assert_array_equal(recording.responses.values, values)
    assert recording.group == "story" and recording.responses.target.values.tolist() == [
        "target_1",
        "target_2",
    ]
    np.save(tmp_path / "x.npy", values.T)
    with pytest.raises(
        BrainLensError,
        match=r"has 2 rows and the table of stimuli 6; it looks transposed \(2 x 6\)",
    ):
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
    assert (
        recording.subjects.tolist() == ["s1", "s2"]
        and recording.group == "topic"
        and recording.texts[3] == "G h."
    )
    np.savez(path, one=np.zeros((4, 2)), two=np.zeros((4, 3)), text=np.array(["A"] * 4))
    with pytest.raises(
        BrainLensError,
        match=r"which array holds the responses is not plain. Choices: one, two, text",
    ):
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


# ---- arrays that do not fit -----------------------------------------------------------------------------------------------
SIX = np.array([f"Text {i}." for i in range(6)])
NUMBERS = np.arange(12.0).reshape(6, 2)
UNFIT = {
    "targets twice": (
        dict(responses=NUMBERS, text=SIX, target=["a", "a"]),
        r"targets of the same name: \['a'\]",
    ),
    "no rows": (dict(responses=np.zeros((0, 2)), text=SIX[:0]), r"'responses' has shape \(0, 2\)"),
    "no targets": (dict(responses=np.zeros((6, 0)), text=SIX), r"'responses' has shape \(6, 0\)"),
    "complex": (
        dict(responses=NUMBERS + 1j, text=SIX),
        r"'responses' has shape \(6, 2\) of complex128, not stimuli x targets",
    ),
    "three dims": (
        dict(responses=NUMBERS[None], text=SIX),
        r"'responses' has shape \(1, 6, 2\) of float64",
    ),
    "fields": (
        dict(responses=np.zeros(6, dtype=[("a", float), ("b", float)]), text=SIX),
        r"'responses' has shape \(6,\) of fields",
    ),
    "fewer texts": (
        dict(responses=NUMBERS, text=SIX[:5]),
        "'responses' has 6 rows and 'text' 5[.]",
    ),
    "transposed": (
        dict(responses=NUMBERS.T, text=SIX),
        r"'responses' has 2 rows and 'text' 6; it looks transposed \(2 x 6\)",
    ),
    "not UTF-8": (
        dict(responses=NUMBERS, text=np.array([b"caf\xe9"] * 6)),
        "array 'text' is not UTF-8",
    ),
    "activations": (
        dict(stimulus=SIX, layer_0=NUMBERS),
        "holds activations, not responses: layer_0, stimulus",
    ),
}


@pytest.mark.parametrize("name", sorted(UNFIT))
def test_arrays_that_do_not_fit(tmp_path, name):
    arrays, message = UNFIT[name]
    np.savez(tmp_path / "x.npz", **arrays)
    report = check(tmp_path / "x.npz")
    assert (
        not report.ok
        and len(report.findings) == 1
        and "could not be read" not in report.errors[0].what
    )
    with pytest.raises(BrainLensError, match=message):
        raise BrainLensError(report.errors[0].what)


def test_bytes_in_an_npz_are_texts(tmp_path):
    np.savez(
        tmp_path / "x.npz",
        responses=NUMBERS,
        text=np.char.encode(SIX),
        target=np.array([b"u", b"v"]),
    )
    recording = own.read(tmp_path / "x.npz")
    assert recording.texts == list(SIX) and recording.responses.target.values.tolist() == ["u", "v"]


def cells(values):
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out


def test_matlab_cells_that_are_no_texts(tmp_path):
    from scipy.io import savemat

    savemat(
        tmp_path / "x.mat",
        {"responses": NUMBERS, "text": cells([np.ones((1, 3)) for _ in range(6)])},
    )
    with pytest.raises(
        BrainLensError, match=r"column 'text' holds arrays of \(1, 3\), not words \(row 1\)"
    ):
        own.read(tmp_path / "x.mat")
    mixed = cells([*SIX[:5], np.ones((1, 3))])
    savemat(
        tmp_path / "x.mat",
        {
            "responses": NUMBERS,
            "text": cells(SIX),
            "topic": mixed,
            "item": cells([1.0, 2, 3, 4, 5, 6]),
        },
    )
    with pytest.raises(BrainLensError, match=r"column 'topic' holds arrays of .*not labels"):
        own.read(tmp_path / "x.mat")
    recording = own.read(tmp_path / "x.mat", group="item")
    assert (
        recording.column("item").tolist() == [1, 2, 3, 4, 5, 6] and "topic" not in recording.stimuli
    )
    assert "columns of lists, arrays or bytes left out: topic" in recording.notes
    savemat(tmp_path / "x.mat", {"responses": NUMBERS.T, "text": cells(SIX)})
    with pytest.raises(
        BrainLensError, match=r"'responses' has 2 rows and 'text' 6; it looks transposed"
    ):
        own.read(tmp_path / "x.mat")


FOREIGN = {
    "bytes": (dict(text=[b"One.", b"Two."] * 3), r"column 'text' holds bytes, not words \(row 1\)"),
    "lists": (
        dict(text=[["One", "word"]] * 6),
        "column 'text' holds lists|column 'text' holds arrays",
    ),
    "dates": (
        dict(text=pd.date_range("2024-01-01", periods=6)),
        "column 'text' holds dates, not words",
    ),
    "dates as responses": (
        dict(text=SIX, bold=pd.date_range("2024-01-01", periods=6)),
        "column 'bold' holds dates or durations, not numbers",
    ),
    "lists as responses": (
        dict(text=SIX, bold=[[1.0, 2.0]] * 6),
        "column 'bold' holds arrays of .*, not numbers",
    ),
    "no rows": (dict(text=[], bold=[]), "holds no rows"),
}


@pytest.mark.parametrize("name", sorted(FOREIGN))
def test_parquet_cells_that_are_no_texts(tmp_path, name):
    columns, message = FOREIGN[name]
    pd.DataFrame({"bold": np.arange(len(columns["text"])) * 0.7, **columns}).to_parquet(
        tmp_path / "x.parquet"
    )
    report = check(tmp_path / "x.parquet", text="text")
    assert (
        not report.ok
        and len(report.findings) == 1
        and "could not be read" not in report.errors[0].what
    )
    with pytest.raises(BrainLensError, match=message):
        own.read(tmp_path / "x.parquet", text="text")


def test_parquet_keeps_its_index_and_names_columns_once(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    frame = pd.DataFrame({"bold": NUMBERS[:, 1] / 3}, index=pd.Index(SIX, name="text"))
    frame.to_parquet(tmp_path / "x.parquet")
    assert own.read(tmp_path / "x.parquet").texts == list(SIX)
    twice = pa.table(
        [pa.array(list(SIX)), pa.array(NUMBERS[:, 0]), pa.array(NUMBERS[:, 1])],
        names=["text", "bold", "bold"],
    )
    pq.write_table(twice, tmp_path / "y.parquet")
    with pytest.raises(BrainLensError, match=r"columns of the same name: \['bold'\]"):
        own.read(tmp_path / "y.parquet")


@pytest.fixture
def renamed(tmp_path) -> Path:
    """Two columns of the schema that have one name by what pandas wrote beside them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    frame = pd.DataFrame({"text": list(SIX), "label": NUMBERS[:, 0], "other": NUMBERS[:, 1]})
    table = pa.Table.from_pandas(frame)
    for name in ("label", "text"):
        told = table.schema.metadata[b"pandas"]
        beside = told.replace(b'"name": "other"', f'"name": "{name}"'.encode())
        path = tmp_path / f"{name}.parquet"
        pq.write_table(table.replace_schema_metadata({b"pandas": beside}), path)
    return tmp_path


def test_names_that_pandas_wrote_beside_a_parquet_file_are_told_apart_too(renamed):
    from analysis.scoring.results import bring
    from data.readers.tasks import labelled_table
    from data.readers.texts import read_text

    for name, ask in (
        ("label", lambda path: own.read(path, text="text")),
        ("label", bring),
        ("label", labelled_table),
        ("text", read_text),
    ):
        with pytest.raises(BrainLensError, match=rf"columns of the same name: \['{name}'\]"):
            ask(renamed / f"{name}.parquet")


def test_several_rows_of_names_in_a_parquet_file_are_one(tmp_path):
    frame = pd.DataFrame({("text", ""): list(SIX), ("bold", "left"): NUMBERS[:, 0]})
    frame.to_parquet(tmp_path / "x.parquet")
    recording = own.read(tmp_path / "x.parquet", text="text", responses=["bold left"])
    assert recording.texts == list(SIX)


def test_what_a_file_says_of_itself_is_of_the_right_type(tmp_path):
    array = xr.DataArray(
        NUMBERS, dims=("stimulus", "target"), coords={"text": ("stimulus", SIX)}, name="responses"
    )
    array.attrs["brainlens"] = '{"averaged": "false"}'
    array.to_netcdf(tmp_path / "x.nc", engine="h5netcdf")
    with pytest.raises(
        BrainLensError, match=r"x.nc, attribute 'brainlens': averaged is 'false', not true or false"
    ):
        own.read(tmp_path / "x.nc")


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
    with pytest.raises(
        BrainLensError, match=r"holds Python objects \(a pickle\), which can run anything"
    ):
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


@pytest.mark.parametrize(
    "name", ["../../evil.npy", "/etc/evil.npy", "a/../../evil.npy", "..\\evil.npy", "C:evil.npy"]
)
def test_members_that_leave_the_archive(tmp_path, name):
    path = npz(tmp_path / "x.npz", {name: npy_bytes(np.zeros(3))})
    with pytest.raises(BrainLensError, match="leaves the archive"):
        formats.load_npz(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.npz"]


def test_zip_bombs_and_strangers(tmp_path):
    bomb = npz(tmp_path / "b.npz", {"responses.npy": npy_bytes(np.zeros(25_000_000))})
    assert bomb.stat().st_size < 1_000_000
    with pytest.raises(
        BrainLensError, match=r"unpacks from .* to 200,000,128 bytes: it was not read"
    ):
        formats.load_npz(bomb)
    with pytest.raises(BrainLensError, match=r"holds 'run.sh', which is not an array"):
        formats.load_npz(npz(tmp_path / "s.npz", {"run.sh": b"rm"}))
    whole = npz(tmp_path / "w.npz", {}).read_bytes()
    for content in (b"<html>", whole[: len(whole) // 2]):
        (tmp_path / "n.npz").write_bytes(content)
        with pytest.raises(BrainLensError, match="is not an npz file, or was cut off"):
            formats.load_npz(tmp_path / "n.npz")


def test_parquet_bombs(tmp_path, monkeypatch):
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = 300_000  # one long text, stored once
    words = pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(rows, dtype=np.int8)), pa.array(["a" * 1000])
    )
    path = tmp_path / "x.parquet"
    pq.write_table(
        pa.table({"text": words.cast(pa.string()), "bold": np.arange(rows) % 7 * 0.5}),
        path,
        compression="zstd",
    )
    assert path.stat().st_size < 300_000
    monkeypatch.setattr("data.parquet.MOST_UNPACKED", 100_000_000)
    with pytest.raises(BrainLensError, match=r"unpacks from .* bytes: it was not read"):
        own.read(path)
    monkeypatch.setattr("data.parquet.MOST_UNPACKED", 10**12)
    monkeypatch.setattr("data.limits.MUCH", 500_000)
    pq.write_table(
        pa.table({"text": ["a"] * rows, "bold": np.full(rows, 0.5)}), path, compression="zstd"
    )
    with pytest.raises(BrainLensError, match=r"unpacks from .* to 600,000 bytes: it was not read"):
        own.read(path)


def test_matlab_bombs_in_cells(tmp_path, monkeypatch):
    from scipy.io import savemat

    nested = cells([cells([np.zeros((300, 300))])])
    savemat(tmp_path / "x.mat", {"responses": NUMBERS, "text": nested}, do_compression=True)
    assert 720_000 < formats._unpacked(tmp_path / "x.mat") < 730_000
    monkeypatch.setattr("data.limits.MUCH", 100_000)
    monkeypatch.setattr("data.own.formats.MUCH", 100_000)
    monkeypatch.setattr("data.own.formats.MOST_RATIO", 50)
    with pytest.raises(BrainLensError, match=r"x.mat unpacks from .* bytes: it was not read"):
        own.read(tmp_path / "x.mat")
    savemat(tmp_path / "y.mat", {"responses": NUMBERS, "text": cells(SIX)}, do_compression=False)
    assert own.read(tmp_path / "y.mat").n_stimuli == 6
    savemat(tmp_path / "z.mat", {"responses": NUMBERS, "text": cells(SIX)}, do_compression=True)
    assert own.read(tmp_path / "z.mat").n_stimuli == 6


def test_headers_that_promise_too_much(tmp_path):
    body = npy_bytes(np.zeros((4, 2)))
    (tmp_path / "short.npy").write_bytes(body[:-8])
    with pytest.raises(BrainLensError, match="announces 64 bytes and holds 56"):
        formats.load_npy(tmp_path / "short.npy")
    (tmp_path / "vast.npy").write_bytes(
        body.replace(b"(4, 2), }" + b" " * 9, b"(999999999999, 2),}"[:18].ljust(18))
    )
    with pytest.raises(BrainLensError, match=r"announces|not an npy array"):
        formats.load_npy(tmp_path / "vast.npy")
    (tmp_path / "zero.npy").write_bytes(b"")
    with pytest.raises(BrainLensError, match="is empty"):
        own.read(tmp_path / "zero.npy")
