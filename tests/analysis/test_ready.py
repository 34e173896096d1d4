"""Ready activations stand in for a model: by file, and by the id under which they are kept."""

from __future__ import annotations

import errno
import json
import os
import pickle
import shutil

import numpy as np
import pytest
import xarray as xr

from analysis.features.adding import fits, keep
from analysis.features.from_file import holds_activations, peek
from analysis.features.ready import ReadyActivations
from analysis.models import catalog
from analysis.models.removal import remove
from analysis.protocol import preset
from analysis.scoring.cost import cost
from analysis.scoring.verb import score
from analysis.store.store import Store
from data.catalog.catalog import recording
from data.errors import BrainLensError
from data.files import DiskError

QUICK = preset("defended").but(
    bootstrap=20, criterion="gcv", controls="", unique=False, shuffled_twin=False, folds=3
)


@pytest.fixture(scope="module")
def simulated():
    return recording("simulated")


def write(path, simulated, numbers=(0, 1)):
    """A file in which the higher layer holds the first responses, in another order than the recording's."""
    rng, order = np.random.default_rng(0), np.random.default_rng(1).permutation(simulated.n_stimuli)
    ids = np.array([str(i) for i in simulated.stimuli.index])[order]
    layers = [rng.standard_normal((len(ids), 5)), simulated.responses.values[order, :6]]
    if path.suffix == ".npz":
        np.savez(path, stimulus=ids, **{f"layer_{n}": values for n, values in zip(numbers, layers)})
    else:
        stack = np.full((2, len(ids), 6), np.nan)
        stack[0, :, :5], stack[1] = layers
        saved = xr.Dataset(
            {"act": (("layer", "stimulus", "unit"), stack)},
            coords={"stimulus": ids, "layer": list(numbers)},
        )
        saved.to_netcdf(path) if path.suffix == ".nc" else saved.to_zarr(path)
    return path


@pytest.mark.parametrize("form", ["npz", "nc", "zarr"])
def test_a_file_is_scored_like_a_model(form, simulated, tmp_path):
    path = write(tmp_path / f"mine.{form}", simulated)
    assert holds_activations(path)
    found = score(str(path), simulated, QUICK, store=Store(tmp_path / "store"))
    table = found.table().set_index("layer")
    assert table.loc[1, "r"] > 0.2 > abs(table.loc[0, "r"]) and found.model == "mine"
    assert found.provenance["model"]["class"] == "activations"
    again = score(str(path), simulated, QUICK, store=Store(tmp_path / "store"))
    assert again.cached and again.table().equals(found.table())


def test_kept_activations_are_a_model_of_the_catalogue_and_can_be_removed(
    simulated, tmp_path, clean_home
):
    path = write(tmp_path / "My file.npz", simulated, numbers=(3, 12))
    name = keep(path, note="from elsewhere")
    assert name == "my-file" and keep(path) == "my-file-2"
    card = catalog.cards()[name]
    assert (card.cls, card.layers, card.width, catalog.state(name)) == (
        "activations",
        1,
        6,
        "ready",
    )
    assert "layers 3, 12 are counted 0 to 1" in card.note and "from elsewhere" in card.note
    assert isinstance(catalog.load(name), ReadyActivations)
    store = Store(tmp_path / "store")
    before = cost(name, simulated, QUICK, store=store)
    assert before.layers == 2 and not before.cached and before.seconds > 0
    assert score(name, simulated, QUICK, store=store).table()["r"].iloc[1] > 0.2
    assert cost(name, simulated, QUICK, store=store).cached
    assert fits(path) == ["simulated"]
    assert remove(name) > 0 and name not in catalog.cards()


def test_what_cannot_stand_in_is_said(simulated, tmp_path, clean_home):
    path = write(tmp_path / "mine.npz", simulated)
    with pytest.raises(BrainLensError, match=r"lacks .* of the .* stimuli of simulated-reading"):
        score(str(path), "simulated-reading", QUICK)
    with pytest.raises(BrainLensError, match="an activations model and gives no next-word"):
        catalog.load(str(path)).surprisal(["a text"])
    with pytest.raises(BrainLensError, match="has no variant"):
        catalog.load(f"{path}@untrained:init:0")
    with pytest.raises(BrainLensError, match=r"No model folder|There is no|no file"):
        catalog.load(str(tmp_path / "nowhere.npz"))
    np.savez(
        tmp_path / "words.npz", stimulus=np.array(["a", "b"]), layer_0=np.array([["x"], ["y"]])
    )
    with pytest.raises(BrainLensError, match="not numbers"):
        keep(tmp_path / "words.npz")
    np.savez(tmp_path / "recording.npz", responses=np.zeros((2, 1)), text=np.array(["a", "b"]))
    assert not holds_activations(tmp_path / "recording.npz")
    assert not [path for path in (clean_home / "models").glob("*")]


# ---- broken files ---------------------------------------------------------------------------------------------------------
IDS = np.array(["a", "b", "c"])
TWO = np.arange(6.0).reshape(3, 2)
BROKEN = {
    "scalar ids": (
        dict(stimulus=np.array("a"), layer_0=TWO),
        r"'stimulus' has shape \(\), not one id per stimulus",
    ),
    "ids in a matrix": (dict(stimulus=IDS[:, None], layer_0=TWO), r"'stimulus' has shape \(3, 1\)"),
    "no ids at all": (dict(stimulus=IDS[:0], layer_0=TWO[:0]), r"'stimulus' has shape \(0,\)"),
    "ids twice": (
        dict(stimulus=IDS[[0, 0, 1]], layer_0=TWO),
        "1 stimuli occur more than once, first 'a'",
    ),
    "texts as values": (
        dict(stimulus=IDS, layer_0=np.array([["x"]] * 3)),
        "layer 0 holds <U1, not numbers",
    ),
    "a layer without a number": (
        dict(stimulus=IDS, layer_0=TWO, layer_a=TWO),
        "'layer_a' is not the number of a layer",
    ),
    "a layer below 0": (
        dict(stimulus=IDS, **{"layer-1": TWO}),
        "'layer-1' is not the number of a layer",
    ),
    "a number in other digits": (dict(stimulus=IDS, layer_١=TWO), "is not the number of a layer"),
    "one layer twice": (
        dict(stimulus=IDS, layer_0=TWO, layer_00=TWO),
        "'layer_0' and 'layer_00' are the same layer",
    ),
    "no width": (
        dict(stimulus=IDS, layer_0=TWO[:, :0]),
        r"layer 0 has shape \(3, 0\) for 3 stimuli",
    ),
    "only NaN": (dict(stimulus=IDS, layer_0=TWO * np.nan), "layer 0 holds no value at all"),
    "other arrays": (
        dict(stimulus=IDS, layer_0=TWO, embeddings=TWO),
        "holds embeddings, layer_0, stimulus.*embeddings is none",
    ),
    "a layer called a": (dict(stimulus=IDS, a=TWO), "holds a, stimulus.*a is none of these"),
}


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_each_fault_of_an_npz_is_named(name, tmp_path):
    arrays, message = BROKEN[name]
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(BrainLensError, match=message) as caught:
        peek(tmp_path / "x.npz")
    assert caught.value.remedy


ODD = {
    "halves": ([0.5, 0.7], "0.5 is not the number of a layer"),
    "the same": ([1, 1], "1 and 1 are the same layer"),
    "names": (["a", "b"], "'a' is not the number of a layer"),
    "below 0": ([-1, 0], "-1 is not the number of a layer"),
}


@pytest.mark.parametrize("form", ["nc", "zarr"])
@pytest.mark.parametrize("name", sorted(ODD))
def test_each_fault_of_the_numbers_is_named(name, form, tmp_path):
    numbers, message = ODD[name]
    with pytest.raises(BrainLensError, match=message):
        peek(stacked(tmp_path / f"x.{form}", np.stack([TWO, TWO]), numbers))


@pytest.mark.parametrize("form", ["nc", "zarr"])
def test_widths_and_values_of_a_stack(form, tmp_path):
    wide = np.stack([TWO, TWO]).astype(float)
    wide[0, :, 1] = np.nan  # filled up
    assert peek(stacked(tmp_path / f"a.{form}", wide, [0.0, 3.0]))[1] == {0: 1, 3: 2}
    wide[0] = np.nan
    with pytest.raises(BrainLensError, match="layer 0 holds no value at all"):
        peek(stacked(tmp_path / f"b.{form}", wide, [0, 1]))
    with pytest.raises(BrainLensError, match=r"layer 0 holds .*, not numbers"):
        peek(stacked(tmp_path / f"c.{form}", np.full((1, 3, 2), "x"), [0]))
    hole = np.stack([TWO])
    hole[0, :, 0] = np.nan  # a unit in the middle is not filling
    assert peek(stacked(tmp_path / f"d.{form}", hole, [0]))[1] == {0: 2}


def stacked(path, values, numbers):
    saved = xr.Dataset(
        {"act": (("layer", "stimulus", "unit"), values)}, coords={"stimulus": IDS, "layer": numbers}
    )
    saved.to_netcdf(path) if path.suffix == ".nc" else saved.to_zarr(path)
    return path


@pytest.mark.parametrize("form", ["nc", "zarr"])
def test_what_announces_too_much_is_not_read(form, tmp_path, monkeypatch):
    path = stacked(tmp_path / f"x.{form}", np.zeros((2, 3, 50)), [0, 1])
    monkeypatch.setattr("analysis.features.from_file.MOST_UNPACKED", 2000)
    with pytest.raises(
        BrainLensError, match="'act' unpacks to 2,400 bytes, more than 2,000: it was not read"
    ):
        peek(path)


class Evil:
    """Would leave a file behind if anything unpickled it."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


@pytest.mark.parametrize("where", ["filters", "compressor"])
def test_a_zarr_folder_with_a_pickle_is_refused(where, tmp_path):
    folder, trace = tmp_path / "x.zarr", tmp_path / "trace"
    codec = {"id": "pickle", "protocol": 4}
    about = {
        "zarr_format": 2,
        "dtype": "<f8",
        "fill_value": 0,
        "order": "C",
        "compressor": None,
        "filters": None,
    }
    for name, shape, dims in (
        ("act", [1, 2, 3], ["layer", "stimulus", "unit"]),
        ("stimulus", [2], ["stimulus"]),
    ):
        (folder / name).mkdir(parents=True)
        said = {**about, "shape": shape, "chunks": shape}
        if name == "stimulus":
            said = {**said, "dtype": "|O", where: [codec] if where == "filters" else codec}
        (folder / name / ".zarray").write_text(json.dumps(said))
        (folder / name / ".zattrs").write_text(json.dumps({"_ARRAY_DIMENSIONS": dims}))
        body = pickle.dumps(Evil(trace)) if name == "stimulus" else np.zeros(shape).tobytes()
        (folder / name / ".".join("0" * len(shape))).write_bytes(body)
    (folder / ".zgroup").write_text('{"zarr_format": 2}')
    for look in (peek, holds_activations):
        with pytest.raises(
            BrainLensError,
            match=r"holds a pickle \(stimulus\), which can run anything: it was not read",
        ):
            look(folder)
    assert not trace.exists()


def test_a_zarr_folder_with_a_vast_coordinate_is_refused(tmp_path):
    path = stacked(tmp_path / "x.zarr", np.zeros((1, 3, 2)), [0])
    file = path / "stimulus" / "zarr.json"
    about = json.loads(file.read_text())
    about["shape"] = [3_000_000_000_000]
    file.write_text(json.dumps(about))
    with pytest.raises(BrainLensError, match="'stimulus' unpacks to 24,000,000,000,000 bytes"):
        peek(path)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_folder_that_does_not_fit_is_told_and_nothing_stays(
    number, simulated, tmp_path, clean_home, monkeypatch
):
    """A copy of a folder gathers its errors as text, without the system's number."""
    path = write(tmp_path / "mine.zarr", simulated)

    def full(source, target, **_):
        raise OSError(number, os.strerror(number), str(target))

    monkeypatch.setattr(shutil.copytree, "__defaults__", (False, None, full, False, False))
    with pytest.raises(DiskError, match="Nothing could be written") as found:
        keep(path)
    assert found.value.errno == number
    assert not list((clean_home / "models").iterdir())
