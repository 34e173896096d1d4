"""Damaged and mutated files, sidecars and links: read, or refused in words.

The suite takes a few of each kind; ``make fuzz`` sets ``BRAINLENS_FUZZ`` to thousands. Every file starts whole and is changed by
hypothesis: bytes turned, cut, doubled, moved or replaced by what parsers trip over. A failing file is shrunk by hypothesis.
"""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis.features.from_file import holds_activations, peek
from analysis.scoring.results import bring
from dashboards.state import decode
from data.errors import BrainLensError
from data.own.read import read
from data.own.validation import check
from data.stories.words import read_words

COUNT = int(os.environ.get("BRAINLENS_FUZZ", "6"))
fuzzed = settings(
    max_examples=COUNT,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
ROWS = 12
NAUGHTY = (
    b"", b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"nan", b"-inf", b"1e999", b"99999999999999999999", b'"', b"'",
    b"\r", b"\n\n\n", b",,,,", b"\t", b"[", b"{", b"}" * 9, b"..\\", b"../../etc/passwd", b"%00", b"=1+1", b"<script>", b"null",
    b"9" * 400,
)  # fmt: skip


@st.composite
def changes(draw):
    """A few mutations, each ``(kind, from, to, what)`` with places as shares of the file."""
    share = st.floats(0, 1, allow_nan=False)
    kind = st.sampled_from(("turn", "cut", "double", "move", "put", "end"))
    what = st.one_of(st.sampled_from(NAUGHTY), st.binary(max_size=12))
    return draw(st.lists(st.tuples(kind, share, share, what), min_size=1, max_size=5))


def mutated(content: bytes, how) -> bytes:
    """The content after all mutations."""
    for kind, one, other, what in how:
        a, b = sorted((int(one * len(content)), int(other * len(content))))
        if kind == "turn" and a < len(content):
            turned = content[a] ^ (what[0] if what else 1)
            content = content[:a] + bytes([turned]) + content[a + 1 :]
        elif kind == "cut":
            content = content[:a] + content[b:] if b - a < len(content) / 2 else content[:b]
        elif kind == "double":
            content = content[:b] + content[a : min(b, a + 4096)] + content[b:]
        elif kind == "move":
            content = content[b:] + content[:b]
        elif kind == "put":
            content = content[:a] + what + content[a + len(what) :]
        elif kind == "end":
            content = content + what * 3
    return content


# ---- whole files ----------------------------------------------------------------------------------------------------------
def frame() -> pd.DataFrame:
    """Twelve sentences in three groups with two measurements."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "sentence": [f"The {i}th story, told again." for i in range(ROWS)],
            "topic": [f"t{i // 4}" for i in range(ROWS)],
            "y1": rng.normal(size=ROWS).round(3),
            "y2": rng.normal(size=ROWS).round(3),
        }
    )


def arrays() -> np.ndarray:
    """Responses of twelve stimuli and two targets."""
    return frame()[["y1", "y2"]].to_numpy()


def with_texts(path: Path) -> None:
    """The table of stimuli that an array needs beside it."""
    frame()[["sentence", "topic"]].to_csv(path.parent / f"{path.stem}.stimuli.csv", index=False)


def as_netcdf(path: Path) -> None:
    """A recording as xarray writes it."""
    table = frame()
    xr.DataArray(
        arrays(),
        dims=("stimulus", "target"),
        coords={
            "stimulus": [f"s{i}" for i in range(ROWS)],
            "text": ("stimulus", table.sentence.tolist()),
            "group": ("stimulus", table.topic.tolist()),
            "target": ["y1", "y2"],
        },
        name="responses",
    ).to_netcdf(path, engine="h5netcdf")


def as_mat(path: Path) -> None:
    """Responses as MATLAB saves them."""
    from scipy.io import savemat

    savemat(path, {"responses": arrays()})
    with_texts(path)


def as_array(path: Path) -> None:
    """Responses as numpy saves them."""
    np.save(path, arrays()) if path.suffix == ".npy" else np.savez(path, responses=arrays())
    with_texts(path)


def as_zip(path: Path) -> None:
    """A table in a ZIP archive."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("table.csv", frame().to_csv(index=False))


RECORDINGS = {
    "own.csv": lambda path: frame().to_csv(path, index=False),
    "own.tsv": lambda path: frame().to_csv(path, sep="\t", index=False),
    "own.csv.gz": lambda path: frame().to_csv(path, index=False),
    "own.csv.zip": as_zip,
    "own.parquet": lambda path: frame().to_parquet(path, index=False),
    "own.xlsx": lambda path: frame().to_excel(path, index=False),
    "own.ods": lambda path: frame().to_excel(path, index=False, engine="odf"),
    "own.nc": as_netcdf,
    "own.npy": as_array,
    "own.npz": as_array,
    "own.mat": as_mat,
}


class Files(dict):
    """Name -> content, told by its names: hypothesis prints the arguments of what failed."""

    def __repr__(self) -> str:
        return f"Files({', '.join(self)})"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Name -> content of one whole file of each kind, and the folder in which they stand."""
    folder = tmp_path_factory.mktemp("whole")
    found = Files()
    for name, write in RECORDINGS.items():
        place = folder / name.replace(".", "-")
        place.mkdir()
        write(place / name)
        found[name] = {one.name: one.read_bytes() for one in place.iterdir()}
    return found


def options(name: str) -> dict:
    """What a user says of such a file."""
    return {} if name == "own.nc" else {"text": "sentence", "group": "topic", **_responses(name)}


def _responses(name: str) -> dict:
    return {} if name in ("own.npy", "own.npz", "own.mat") else {"responses": ["y1", "y2"]}


def put(folder: Path, files: dict[str, bytes]) -> None:
    """Write files into a folder that holds nothing else."""
    for one in folder.iterdir():
        one.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)


def answered(call, *arguments, **options):
    """The result, or the words of a refusal; every other exception is a failure."""
    try:
        return call(*arguments, **options)
    except BrainLensError as error:
        words = str(error)
        assert words.strip() and "Traceback" not in words
        return words


@pytest.mark.parametrize("name", RECORDINGS)
def test_the_whole_file_is_read(name, whole, tmp_path):
    put(tmp_path, whole[name])
    assert read(tmp_path / name, **options(name)).n_stimuli == ROWS


@pytest.mark.parametrize("name", RECORDINGS)
@fuzzed
@given(how=changes())
def test_a_mutated_recording(name, whole, tmp_path, how):
    put(tmp_path, {**whole[name], name: mutated(whole[name][name], how)})
    answered(read, tmp_path / name, **options(name))
    assert isinstance(check(tmp_path / name).findings, tuple)


@fuzzed
@given(how=changes(), said=st.dictionaries(
    st.sampled_from(("text", "group", "responses", "kind", "unit", "subject", "language", "averaged", "order", "missing", "id")),
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
              st.lists(st.text(max_size=5), max_size=3), st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2)),
    max_size=5,
), torn=st.booleans())  # fmt: skip
def test_a_sidecar_of_any_content(whole, tmp_path, how, said, torn):
    beside = json.dumps(said).encode()
    files = {**whole["own.csv"], "own.csv.brainlens.json": mutated(beside, how) if torn else beside}
    put(tmp_path, files)
    assert answered(read, tmp_path / "own.csv") is not None


@fuzzed
@given(how=changes(), suffix=st.sampled_from((".npz", ".nc")))
def test_mutated_activations(tmp_path, how, suffix):
    path = tmp_path / f"layers{suffix}"
    ids = np.array([f"s{i}" for i in range(ROWS)])
    layers = np.random.default_rng(0).normal(size=(2, ROWS, 5)).astype("f4")
    if suffix == ".npz":
        np.savez(path, stimulus=ids, **{"0": layers[0], "1": layers[1]})
    else:
        xr.DataArray(
            layers, dims=("layer", "stimulus", "unit"), coords={"stimulus": ids, "layer": [0, 1]}
        ).to_netcdf(path, engine="h5netcdf")
    put(tmp_path, {path.name: mutated(path.read_bytes(), how)})
    held = answered(holds_activations, path)
    assert held is not True or answered(peek, path) is not None


@fuzzed
@given(how=changes(), kind=st.sampled_from((".csv", ".parquet", ".nc")))
def test_mutated_results(tmp_path, monkeypatch, how, kind):
    monkeypatch.setenv("BRAINLENS_HOME", str(tmp_path / "home"))
    rows = pd.DataFrame({"model": ["a", "b"], "recording": ["x", "x"], "r": [0.1, 0.2]})
    path = tmp_path / f"results{kind}"
    if kind == ".csv":
        rows.to_csv(path, index=False)
    elif kind == ".parquet":
        rows.to_parquet(path, index=False)
    else:
        rows.to_xarray().to_netcdf(path, engine="h5netcdf")
    path.write_bytes(mutated(path.read_bytes(), how))
    assert answered(bring, path) is not None


WORDS = {
    "words.TextGrid": (
        'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\nxmax = 2\ntiers? <exists>\nsize = 1\nitem []:\n'
        '    item [1]:\n        class = "IntervalTier"\n        name = "words"\n        xmin = 0\n        xmax = 2\n'
        '        intervals: size = 2\n        intervals [1]:\n            xmin = 0\n            xmax = 1\n'
        '            text = "once"\n'
        '        intervals [2]:\n            xmin = 1\n            xmax = 2\n            text = "upon"\n'
    ),
    "words.srt": "1\n00:00:00,000 --> 00:00:01,000\nonce upon\n\n2\n00:00:01,000 --> 00:00:02,500\na time\n",
    "words.tsv": "onset\tduration\tword\n0.0\t0.4\tonce\n0.5\t0.4\tupon\n1.0\t0.4\ta\n",
}  # fmt: skip


@pytest.mark.parametrize("name", WORDS)
@fuzzed
@given(how=changes())
def test_mutated_times_of_words(name, tmp_path, how):
    put(tmp_path, {name: mutated(WORDS[name].encode(), how)})
    assert answered(read_words, tmp_path / name) is not None


@settings(fuzzed, max_examples=COUNT * 20)
@given(how=changes())
def test_a_mutated_link_loses_single_fields_only(how):
    link = b"v=1&lens=layers&models=gpt2&models=zoo-causal-200k&recording=simulated&preset=defended&folds=4&theme=dark&seeds=3"
    values, problems = decode(mutated(link, how).decode("utf-8", "replace"))
    assert isinstance(values, dict) and all(isinstance(one, str) for one in problems)
