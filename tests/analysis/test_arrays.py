"""Arrays and dicts as activations: whose row is which, by id, by any column, from 0 or 1."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from scipy import sparse

from analysis.features.activations import from_file
from analysis.features.arrays import from_arrays
from analysis.features.matching import matched
from analysis.protocol import preset
from analysis.scoring.verb import score
from analysis.store.store import Store
from data.catalog.catalog import recording
from data.errors import BrainLensError

QUICK = preset("defended").but(
    bootstrap=20, criterion="gcv", controls="", unique=False, shuffled_twin=False, folds=3, seeds=1
)


@pytest.fixture(scope="module")
def simulated():
    return recording("simulated")


def test_arrays_dicts_and_tables_are_scored_alike_whatever_names_their_rows(simulated, tmp_path):
    good, store = simulated.responses.values[:, :6], Store(tmp_path, readers=[])
    order = np.random.default_rng(0).permutation(len(good))
    texts = simulated.stimuli["text"].to_numpy()
    given = [
        good,
        {0: good},
        pd.DataFrame(good[order], index=simulated.stimuli.index[order]),
        {"stimulus": texts[order], "mine": good[order]},
        {"stimulus": order, 0: good[order]},
        {"stimulus": order + 1.0, 0: good[order]},
    ]
    found = [score(one, simulated, QUICK, store=store) for one in given]
    assert len({one.value for one in found}) == 1 and found[0].value > 0.3
    notes = [from_arrays(one, simulated).card.note for one in given]
    assert "column 'text'" in notes[3] and "counted from 0" in notes[4] and "from 1" in notes[5]
    assert from_arrays(given[3], simulated).layer_number("mine") == 0


def test_a_file_may_name_its_rows_by_any_column_too(simulated, tmp_path):
    values = np.random.default_rng(1).standard_normal((simulated.n_stimuli, 4)).astype(np.float32)
    order = np.random.default_rng(2).permutation(len(values))
    np.savez(
        tmp_path / "a.npz", stimulus=simulated.stimuli["text"].to_numpy()[order].astype(str),
        layer_0=values[order],
    )  # fmt: skip
    found = from_file(tmp_path / "a.npz", simulated)
    np.testing.assert_array_equal(found.layer(0), values)
    assert "matched by the column 'text'" in found.card.note


@pytest.mark.parametrize(
    "change, told",
    [
        (lambda x: x[:-1], "has shape"),
        (lambda x: np.where(x > 2, np.nan, x), "not finite"),
        (lambda x: {"stimulus": np.arange(len(x)) * 2, 0: x}, r"lacks .* no column"),
        (lambda x: {"stimulus": ["a"] * len(x), 0: x}, "occur more than once"),
        (lambda x: {"stimulus": np.arange(len(x))}, "holds no layer"),
        (lambda x: x.astype(str), "not numbers"),
        (lambda x: {"stimulus": np.arange(len(x)), 0: x[:-2]}, "one id for each row|ids"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_in_words(change, told, simulated):
    with pytest.raises(BrainLensError, match=told) as caught:
        from_arrays(change(simulated.responses.values[:, :3]), simulated)
    assert caught.value.remedy


def test_ids_of_the_recording_come_before_any_count(simulated):
    ids = [str(one) for one in simulated.stimuli.index][::-1]
    rows, told = matched(ids, simulated, "x")
    assert rows.tolist() == list(range(len(ids)))[::-1] and told == ""


def test_a_row_per_word_or_per_sample_of_a_story():
    story = recording("simulated-story")
    words, rng = len(story.timed.words), np.random.default_rng(0)
    by_word = from_arrays(rng.standard_normal((words, 3)), story)
    assert by_word.layer(0).shape == (words, 3)
    assert from_arrays(np.ones((story.n_stimuli, 2)), story).layer(0).shape[0] == story.n_stimuli
    with pytest.raises(BrainLensError, match=f"{words} words in {story.n_stimuli} samples"):
        from_arrays(np.ones((words + 1, 2)), story)


def test_arrays_of_other_libraries_and_lists_of_layers_are_numbers(simulated):
    good = simulated.responses.values[:, :6].astype(np.float32)
    order = np.random.default_rng(0).permutation(len(good))
    ids = simulated.stimuli.index.to_numpy()
    turned = xr.DataArray(good[order].T, dims=("unit", "stimulus"), coords={"stimulus": ids[order]})
    tensor = torch.tensor(good, requires_grad=True)
    for one in (
        turned,
        tensor,
        sparse.csr_matrix(good),
        good.tolist(),
        [good, good],
        (tensor, tensor),
    ):
        made = from_arrays(one, simulated)
        np.testing.assert_array_equal(made.layer(made.layers[-1]), good)
    half = from_arrays(tensor.to(torch.bfloat16), simulated).layer(0)
    np.testing.assert_allclose(half, good, rtol=0.01)
    assert from_arrays([good, good], simulated).layers == [0, 1]
    with pytest.raises(BrainLensError, match="NoneType is neither a model nor activations"):
        score(None, simulated, QUICK)


def test_layers_come_in_the_order_of_their_numbers(simulated):
    good = simulated.responses.values[:, :3].astype(np.float32)
    for names in (("h.1", "h.10", "h.2"), (1, 10, 2)):
        made = from_arrays({name: good + k for k, name in enumerate(names)}, simulated)
        np.testing.assert_array_equal(made.layer(1), good + 2)  # that of number 2
    made = from_arrays(
        {"embeddings": good, "h.0": good + 1}, simulated
    )  # other names: as they come
    np.testing.assert_array_equal(made.layer(1), good + 1)


def test_tables_whose_rows_differ_and_a_vector_for_each_stimulus_are_asked_about(simulated):
    good = simulated.responses.values[:, :3]
    first = pd.DataFrame(good, index=simulated.stimuli.index)
    with pytest.raises(BrainLensError, match="Layer 1 names its rows otherwise"):
        from_arrays({0: first, 1: first.iloc[::-1]}, simulated)
    with pytest.raises(BrainLensError, match=r"one for each stimulus.*numpy.stack"):
        from_arrays(dict(zip(simulated.stimuli["text"], good)), simulated)


def test_what_is_square_is_told_since_it_may_lie_turned(simulated, tmp_path):
    n = simulated.n_stimuli
    values = np.random.default_rng(0).standard_normal((n, n))
    ids = np.array(simulated.stimuli.index, dtype=str)
    np.savez(tmp_path / "a.npz", stimulus=ids, layer_0=values)
    for found in (from_arrays(values, simulated), from_file(tmp_path / "a.npz", simulated)):
        assert f"square ({n} x {n}): its rows are taken as stimuli" in found.card.note
    assert "square" not in from_arrays(values[:, :-1], simulated).card.note
