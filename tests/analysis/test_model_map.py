"""Which models are alike: equal layers are, rotated ones too, and the brain stands beside."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.answers.model_map import model_map, shown_layers
from analysis.answers.similarity import similarities
from analysis.mapping.similarity import linear_cka
from analysis.protocol import preset
from analysis.store.store import Store
from data.catalog.catalog import recording
from data.errors import BrainLensError

PROTOCOL = preset("defended")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("map"))


def test_every_layer_with_every_other_is_cka_of_their_features_and_the_brain_is_that_of_the_similarity_table(
    store,
):
    from analysis.answers.similarity import layers_of

    simulated = recording("simulated")
    names = ["zoo-causal-200k", "random-64"]
    found = model_map(names, simulated, PROTOCOL, store=store)
    x = {name: layers_of(name, simulated, PROTOCOL, store=store)[0] for name in names}
    matrix = found.facts["matrix"]
    assert matrix.loc["zoo-causal-200k 1", "random-64 0"] == pytest.approx(
        linear_cka(x["zoo-causal-200k"][1], x["random-64"][0])
    )
    assert np.allclose(np.diag(matrix), 1) and np.allclose(matrix, matrix.T)
    table = similarities(["zoo-causal-200k"], simulated, PROTOCOL, store=store)
    brain = found.facts["brain"]
    assert brain.loc[brain["model"] == "zoo-causal-200k", "brain"].to_numpy() == pytest.approx(
        table["cka"].to_numpy()
    )
    assert (
        found.facts["stamp"].startswith("simulated")
        and "most like simulated" in found.sentence
        and found.sentence.endswith("These are orders of values: no difference was tested.")
    )


@pytest.mark.parametrize("measure", ["rsa", "shape"])
def test_checkpoints_of_one_training_are_more_alike_than_a_random_embedding(store, measure):
    names = ["zoo-causal-400k", "zoo-causal-400k-step1280", "random-64"]
    found = model_map(names, "simulated", PROTOCOL, measure=measure, store=store)
    between = found.facts["between"].set_index(["first", "second"])["value"]
    same = between["zoo-causal-400k", "zoo-causal-400k-step1280"]
    assert same > between.drop(index=("zoo-causal-400k", "zoo-causal-400k-step1280")).max()
    assert "Most alike are zoo-causal-400k and zoo-causal-400k-step1280" in found.sentence


def test_many_layers_are_thinned_evenly_with_both_ends():
    labels = [("a", n) for n in range(25)] + [("b", n) for n in range(3)]
    kept = shown_layers(labels, 24)
    assert kept[0] == 0 and 24 in kept and kept[-1] == 27 and len(kept) == 12 + 3


def test_what_cannot_be_compared_is_said(store):
    with pytest.raises(BrainLensError, match="measure"):
        model_map(["random-64"], "simulated", measure="r2", store=store)
    with pytest.raises(BrainLensError, match="No model to compare"):
        model_map([], "simulated", store=store)
