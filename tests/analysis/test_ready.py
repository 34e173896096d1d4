"""Ready activations stand in for a model: by file, and by the id under which they are kept."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from analysis.cost import cost
from analysis.imported import holds_activations
from analysis.models import catalog
from analysis.models.ready import ReadyActivations, fits, keep
from analysis.models.removal import remove
from analysis.protocol import preset
from analysis.scoring import score
from analysis.store import Store
from data.catalog import recording
from data.errors import BrainLensError

QUICK = preset("defended").but(bootstrap=20, criterion="gcv", controls="", unique=False, shuffled_twin=False, folds=3)


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
        saved = xr.Dataset({"act": (("layer", "stimulus", "unit"), stack)}, coords={"stimulus": ids, "layer": list(numbers)})
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


def test_kept_activations_are_a_model_of_the_catalogue_and_can_be_removed(simulated, tmp_path, clean_home):
    path = write(tmp_path / "My file.npz", simulated, numbers=(3, 12))
    name = keep(path, note="from elsewhere")
    assert name == "my-file" and keep(path) == "my-file-2"
    card = catalog.cards()[name]
    assert (card.cls, card.layers, card.width, catalog.state(name)) == ("activations", 1, 6, "ready")
    assert "layers 3, 12 are counted 0 to 1" in card.note and "from elsewhere" in card.note
    assert isinstance(catalog.load(name), ReadyActivations)
    store = Store(tmp_path / "store")
    before = cost(name, simulated, QUICK, store=store)
    assert before.layers == 2 and not before.cached and before.seconds < 30
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
    np.savez(tmp_path / "words.npz", stimulus=np.array(["a", "b"]), layer_0=np.array([["x"], ["y"]]))
    with pytest.raises(BrainLensError, match="not numbers"):
        keep(tmp_path / "words.npz")
    np.savez(tmp_path / "recording.npz", responses=np.zeros((2, 1)), text=np.array(["a", "b"]))
    assert not holds_activations(tmp_path / "recording.npz")
    assert not [path for path in (clean_home / "models").glob("*")]
