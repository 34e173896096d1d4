"""Scores by region, committed maps of layers, and values on the cortex."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis import score
from analysis.answers.regions import _sentence, brain_values, place_of, regions
from analysis.ceiling.synchrony import synchrony
from analysis.features.activations import Activations, _Held
from analysis.models.base import Card
from analysis.scoring.layer_map import LayerMap, commit, committed, layer_map, load_map, mapped
from analysis.store.store import Store
from data.errors import BrainLensError
from data.surface import on_cortex, places_of
from tests.analysis.test_scoring_in_time import QUICK, signal, story


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """A story whose region A follows layer 1 and region B layer 2, and its score."""
    planted = {}

    def layer(n, rng):
        planted["x"] = signal(n, rng)
        return planted["x"]

    recording = story(7, layer, noise=0.7)
    n = len(recording.presentation.words)
    second = np.random.default_rng(9).standard_normal((n, 4))
    values = recording.responses.values.copy()
    # region B follows the second layer: the same people's noise, another signal
    from analysis.features.time import resample
    from data.readers.simulated import hrf

    table = recording.stimuli
    times = table["time"].to_numpy(float)
    heard = resample(second, recording.presentation, table["run"].to_numpy(), times, "lanczos")
    heard = heard.sum(axis=1)
    driven = np.convolve(heard, hrf(2.0))[: len(table)]
    mine = recording.responses["region"].values == "B"
    noise = np.random.default_rng(4).standard_normal((len(table), int(mine.sum())))
    values[:, mine] = ((driven - driven.mean()) / driven.std())[:, None] + 0.7 * noise
    recording = replace(recording, responses=recording.responses.copy(data=values))
    layers = {0: np.random.default_rng(5).standard_normal((n, 4)), 1: planted["x"], 2: second}
    SOURCES[recording.id] = Activations(
        Card(id="told-model", cls="activations", source="folder"), id="told-model", fingerprint="", tokenizer_hash="",
        widths=[4, 4, 4], layers=[0, 1, 2], key="told", fresh=False, source=_Held(layers),
    )  # fmt: skip
    store = Store(tmp_path_factory.mktemp("store"))
    return recording, score(scored_source(recording), recording, QUICK, store=store)


SOURCES: dict = {}


def scored_source(recording) -> Activations:
    """What the told story is scored with."""
    return SOURCES[recording.id]


def test_each_region_is_predicted_by_the_layer_planted_in_it(told):
    recording, scored = told
    answer = regions([scored])
    frame = answer.frame.set_index("region")
    assert frame.loc["A", "layer"] == 1 and frame.loc["B", "layer"] == 2
    assert (frame["agreement"] == 1).all() and frame["above"].all()
    assert (frame["r"] > frame["r_whole"] - 0.02).all() and frame["r"].max() > frame[
        "r_whole"
    ].min() + 0.1
    assert frame.loc["A", "depth"] == pytest.approx(0.5) and frame.loc["B", "depth"] == 1.0
    assert (
        "A by the shallowest layers" in answer.sentence
        and "people and held-out blocks" in answer.caption
    )
    assert place_of(scored) == "region"
    alike = synchrony(recording, QUICK)  # leave-one-out correlation between people
    for name in ("A", "B"):
        mine = recording.responses["region"].values == name
        assert frame.loc[name, "others"] == pytest.approx(alike[mine].mean(), abs=1e-9)
        assert 0 < frame.loc[name, "others"] < frame.loc[name, "ceiling"]
    assert "others: what the mean of the other people" in answer.caption


def test_a_map_is_committed_once_and_refused_on_its_own_data(told, tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINLENS_HOME", str(tmp_path))
    recording, scored = told
    one = layer_map(scored, recording, "region", "story-map")
    assert dict(one.regions) == {"A": 1, "B": 2} and len(one.folds) == scored.dataset.sizes["fold"]
    commit(one)
    assert committed() == ["story-map"] and load_map("story-map") == one
    commit(one)  # the same again is no change
    with pytest.raises(BrainLensError, match="a committed choice is not changed"):
        commit(replace(one, regions={"A": 0, "B": 0}))
    with pytest.raises(BrainLensError, match="was chosen on told itself"):
        mapped(scored, recording, "region", one)
    with pytest.raises(BrainLensError, match="map of layers"):
        load_map("none")
    with pytest.raises(BrainLensError, match="no name of a map"):
        layer_map(scored, recording, "region", "../x")


def test_a_map_is_named_as_a_choice_of_layers(told, tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINLENS_HOME", str(tmp_path))
    recording, scored = told
    here = layer_map(scored, recording, "region", "wrong-way")
    commit(replace(here, responses="others", regions={"A": 2, "B": 1}))
    answer = regions([scored], recording=recording, layer="map:wrong-way")
    assert dict(zip(answer.frame["region"], answer.frame["layer"])) == {"A": 2, "B": 1}
    own = regions([scored], recording=recording).frame
    assert (answer.frame["r"].to_numpy() < own["r"].to_numpy() - 0.1).all()  # planted the other way
    r = scored.dataset.r.transpose("layer", "fold", "target").values
    mine = scored.dataset.region.values == "A"
    subjects = scored.dataset.subject.values[mine]
    folds = r[scored.layers.index(2)][:, mine]
    people = [folds[:, subjects == one].mean() for one in dict.fromkeys(subjects)]
    assert answer.frame["r"][0] == pytest.approx(np.mean(people))
    commit(replace(here, name="half", responses="others", regions={"A": 1}))
    both = answer.facts["together"].iloc[0]
    assert both["regions"] == 2 and both["gain"] == pytest.approx(both["r"] - both["r_whole"])
    assert both["gain_low"] <= both["gain"] <= both["gain_high"] and both["gain_high"] < 0
    assert "With all 2 regions of the map wrong-way taken together" in answer.sentence
    half = regions([scored], recording=recording, layer="map:half")
    assert half.frame["r"].notna().tolist() == [True, False]
    assert "not in the map, so without a score: B" in half.caption
    commit(replace(here, name="foreign", responses="others", regions={"LIFG": 1}))
    with pytest.raises(
        BrainLensError, match=r"none of the regions .*\(A, B\): it was chosen for LIFG"
    ):
        regions([scored], recording=recording, layer="map:foreign")
    with pytest.raises(BrainLensError, match="map:wrong-way"):
        regions([scored], recording=recording, layer="max")
    with pytest.raises(BrainLensError, match="recording, which is not given"):
        regions([scored], layer="map:wrong-way")
    with pytest.raises(BrainLensError, match="regions MODEL --on RECORDING --set layer=map:x"):
        scored.protocol.but(layer="map:x")


def test_a_map_of_other_people_and_stimuli_needs_no_label(told):
    recording, scored = told
    foreign = LayerMap(
        "far", "told-model", "elsewhere", "s", "r", "story", 3, {"A": 1}, (), ("0123",)
    )
    values, label = mapped(scored, recording, "region", foreign)
    own = scored.dataset["region"].values == "A"
    assert label == "" and np.isnan(values[:, ~own]).all()
    np.testing.assert_allclose(values[:, own], scored.dataset.r.sel(layer=1).values[:, own])
    with pytest.raises(BrainLensError, match="not of told-model"):
        mapped(scored, recording, "region", replace(foreign, model="other"))
    texts = layer_map(scored, recording, "region", "m").texts
    same = replace(foreign, texts=texts)
    labelled = regions([scored], recording=recording, committed=same)
    assert "same stimuli" in labelled.sentence and "same stimuli" in labelled.caption


# ---- on the cortex ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("place", "side", "where"),
    [
        ((-50.0, 22.0, 12.0), "left", "front"),
        ((50.0, 22.0, 12.0), "right", "front"),
        ((-40.0, -80.0, 0.0), "left", "back"),
        ((58.0, -40.0, 4.0), "right", "back"),
    ],
)
def test_a_planted_blob_lies_on_its_side_and_place(place, side, where):
    from data.surface import mesh

    found = on_cortex([0.5], np.array([place]))
    own, other = (found.left, found.right) if side == "left" else (found.right, found.left)
    assert np.isfinite(own).sum() > 5 and not np.isfinite(other).any() and found.missed == 0
    points = mesh("pial", side).points[np.isfinite(own)]
    assert np.linalg.norm(points.mean(axis=0) - place) < 10
    assert (points[:, 1] > 0).all() if where == "front" else (points[:, 1] < 0).all()
    flat = mesh("inflated", side).points[np.isfinite(own)]
    assert np.ptp(flat, axis=0).max() < 60


def test_what_is_far_from_the_cortex_is_counted():
    found = on_cortex([0.5, 0.4], np.array([(-50.0, 22, 12), (-8.0, 0, -8)]), radius=3.0)
    assert found.missed >= 1
    with pytest.raises(BrainLensError, match="Nothing says where"):
        on_cortex([0.5], np.full((1, 3), np.nan))


def test_vertices_of_finer_fsaverages_and_of_other_surfaces():
    found = on_cortex([0.1, 0.2, 0.3], vertices=[5, 20_000, 7], sides=["left", "left", "right"])
    assert found.left[5] == 0.1 and found.right[7] == 0.3 and np.isfinite(found.left).sum() == 1
    with pytest.raises(BrainLensError, match="not of an fsaverage"):
        on_cortex([0.1], vertices=[32_491], sides=["left"])


def test_regions_known_by_name_are_drawn_and_said_to_be_approximate(told):
    recording, scored = told
    names = np.where(recording.responses["region"] == "A", "LIFG", "RATL").astype(object)
    named = recording.responses.assign_coords(region=("target", names))
    places, how = places_of(named)
    assert (places[:, 0] < 0).sum() == (places[:, 0] > 0).sum() and "for orientation" in how
    answer = regions([scored])
    with pytest.raises(BrainLensError, match="Nothing says where"):
        brain_values(answer, "told-model", recording)


@pytest.mark.parametrize(
    ("region", "low", "above", "said"),
    [
        ("everywhere", 0.1, True, "m predicts all targets together with r = .27 [.10, .40]."),
        (
            "everywhere",
            -0.8,
            True,
            "m, all targets together: r = .27 [-.80, .40], not told from 0.",
        ),
        ("LIFG", 0.1, False, "m, LIFG: r = .27 [.10, .40], not told from 0."),
    ],
)
def test_one_region_is_predicted_only_where_it_is_told_from_nothing(region, low, above, said):
    row = {"model": "m", "region": region, "r": 0.27, "r_low": low, "r_high": 0.4, "above": above}
    assert _sentence(pd.DataFrame([row])) == said


# ---- parcels -----------------------------------------------------------------------------------------------------------
def test_a_score_by_parcels_is_that_of_the_recording_in_parcels(told, tmp_path):
    """Nothing is fitted again: the numbers are those of a score whose targets had the parcels as regions from the start."""
    from data.stories.parcels import Parcels, in_parcels
    from data.surface import VERTICES

    recording, scored = told
    n = recording.n_targets
    vertex, side = np.arange(n) * 100, np.array(["left", "right"] * (n // 2), object)
    places = {"vertex": ("target", vertex), "hemisphere": ("target", side)}
    placed = replace(
        recording, responses=recording.responses.drop_vars("region").assign_coords(places)
    )
    labels = np.full(VERTICES, "", object)
    labels[:250], labels[250:550] = "P", "Q"
    found = Parcels(labels, labels, "told")
    pooled = regions([scored], recording=placed, parcels=found)
    inside = in_parcels(placed, found)
    assert 0 < inside.n_targets < n
    again = regions([score(scored_source(recording), inside, QUICK, store=Store(tmp_path))])
    columns = [
        "region",
        "r",
        "r_low",
        "r_high",
        "layer",
        "depth",
        "agreement",
        "r_whole",
        "n_targets",
        "n_people",
    ]
    pd.testing.assert_frame_equal(pooled.frame[columns], again.frame[columns], atol=1e-6)
    assert f"{n - inside.n_targets} of {n} targets lie in no parcel of told" in pooled.caption
    drawn = brain_values(pooled, scored.model, placed, found)
    assert np.isfinite(drawn.left[:550]).all() and np.isnan(drawn.left[550:]).all()
    with pytest.raises(BrainLensError, match="held against the recording"):
        regions([scored], parcels=found)
    with pytest.raises(BrainLensError, match="not of the targets of"):
        regions([scored], recording=placed.select(targets=np.arange(3)), parcels=found)
