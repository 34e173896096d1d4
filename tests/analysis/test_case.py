"""One case behind every face: names, arrays and ready activations become the same thing once."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.features.arrays import from_arrays
from analysis.protocol import Protocol
from analysis.scoring.case import Case, Source
from analysis.scoring.decoding import decode
from analysis.scoring.metrics import measure
from analysis.scoring.per_stimulus import item_values
from analysis.scoring.verb import score
from analysis.store.store import Store
from data.catalog.catalog import recording
from data.errors import BrainLensError

FAST = Protocol(
    folds=3, inner_folds=2, seeds=2, bootstrap=20, alphas=(1.0, 100.0), criterion="gcv", ceiling="none",
    controls=(), shuffled_twin=False, unique=False, context="none",
)  # fmt: skip


@pytest.fixture(scope="module")
def measured():
    return recording("simulated")


def test_names_arrays_and_ready_activations_are_sources(measured, tmp_path):
    x = np.random.default_rng(0).standard_normal((measured.n_stimuli, 5))
    store = Store(tmp_path)
    named = Case.of("zoo-glove-64d", measured, FAST, store=store)
    given = Case.of(x, measured, FAST, store=store)
    ready = Case.of(from_arrays(x, measured), measured, FAST, store=store)
    assert all(isinstance(one.source, Source) for one in (named, given, ready))
    assert given.key == ready.key != named.key
    assert [len(one.every) for one in (named, given)] == [2, 2] and len(named.first.every) == 1
    np.testing.assert_array_equal(given.features(0), x.astype(np.float32))


def test_arrays_are_taken_by_every_question(measured, tmp_path):
    rng, store = np.random.default_rng(1), Store(tmp_path)
    x = measured.responses.values[:, :2] + rng.standard_normal((measured.n_stimuli, 2))
    found = score(x, measured, FAST, store=store)
    assert np.isfinite(found.value)
    assert np.isfinite(item_values(x, measured, FAST, store=store).values).any()
    again = measure(x, measured, FAST, metrics=("pearson",), store=store)
    assert again["pearson"] == pytest.approx(found.value, abs=1e-6)
    assert set(decode(x, measured, FAST, draws=20, store=store).table.index)


def test_layers_that_do_not_exist_are_named(measured, tmp_path):
    with pytest.raises(BrainLensError, match="7"):
        Case.of("zoo-glove-64d", measured, FAST, layers=[7], store=Store(tmp_path))
