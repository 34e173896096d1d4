"""The joint fit on recordings in which some rows were read and not measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from analysis.features.arrays import from_arrays
from analysis.mapping.splits import Part, make_folds
from analysis.paper.checklist import checklist
from analysis.paper.methods import paragraph
from analysis.progress import SILENT
from analysis.protocol import Protocol
from analysis.scoring.case import Case
from analysis.scoring.comparisons import _joint_fit, headline
from analysis.scoring.results import results
from analysis.scoring.verb import score
from analysis.store.store import Store
from data.recording import Recording

PROTOCOL = Protocol(folds=4, inner_folds=3, bootstrap=20)


def case(features, recording, store) -> Case:
    """The features as layers 0 to 3, on one set of folds."""
    ready = from_arrays(dict.fromkeys(range(4), features), recording)
    return Case.of(ready, recording, PROTOCOL, store=store)


def words(unmeasured: bool) -> tuple[Recording, np.ndarray]:
    """240 words of 24 sentences, a feature that drives two targets; the first word of each sentence is measured or not."""
    rng, n = np.random.default_rng(0), 240
    features = rng.standard_normal((n, 6)).astype(np.float32)
    values = features[:, :2] + 0.5 * rng.standard_normal((n, 2))
    table = pd.DataFrame(
        {
            "text": rng.choice(["a", "tree", "stands", "there"], n),
            "sentence": np.repeat(np.arange(24), 10),
        }
    )
    table["position"] = np.tile(np.arange(10), 24)
    if unmeasured:
        values[::10] = np.nan
    coords = {"stimulus": table.index.to_numpy(), "target": ["a", "b"]}
    responses = xr.DataArray(values, dims=("stimulus", "target"), coords=coords)
    return Recording(
        "words",
        responses,
        table,
        scored_unit="word",
        context="sentence",
        group="sentence",
        averaged=True,
    ), features


def test_rows_without_a_measurement_count_for_nothing_and_break_nothing(tmp_path):
    recording, features = words(unmeasured=True)
    asked, layers = case(features, recording, Store(tmp_path)), [3, 3, 1, 3]
    found, known = headline(asked, layers)
    assert not known and found["left_out"] == 0
    assert found["joint_r2"] > 0.5 and found["unique_r2"] == pytest.approx(
        found["joint_r2"] - found["controls_r2"]
    )
    asked.source.layer = lambda layer: pytest.fail("read again")
    again, known = headline(asked, layers)
    assert known and again == found


def test_the_result_is_that_of_the_measured_rows_alone():
    recording, features = words(unmeasured=True)
    rows = np.flatnonzero(~np.isnan(recording.responses.values).any(axis=1))
    place = np.full(recording.n_stimuli, -1)
    place[rows] = np.arange(len(rows))

    def moved(folds):
        return [tuple(place[side][place[side] >= 0] for side in fold) for fold in folds]

    parts = make_folds(recording, PROTOCOL)
    alone = replace(
        recording,
        responses=recording.responses.isel(stimulus=rows),
        stimuli=recording.stimuli.iloc[rows],
    )
    fewer = [
        Part(
            p.name,
            np.arange(len(rows)),
            moved(p.folds),
            [moved(inside) for inside in p.inner],
            p.groups[rows],
            p.rule,
            0,
        )
        for p in parts
    ]
    with_gaps = _joint_fit(lambda layer: features, [0] * 4, recording, PROTOCOL, parts, SILENT)
    without = _joint_fit(lambda layer: features[rows], [0] * 4, alone, PROTOCOL, fewer, SILENT)
    np.testing.assert_allclose(with_gaps["alone"].values, without["alone"].values, rtol=1e-6)
    np.testing.assert_allclose(
        with_gaps["joint"].values, without["joint"].values, rtol=0.01
    )  # positions are counted anew


def test_every_fold_has_the_layer_that_was_chosen_for_it():
    recording, features = words(unmeasured=False)
    other = np.random.default_rng(5).standard_normal(features.shape)
    parts = make_folds(recording, PROTOCOL)
    read = {0: features, 1: other}.__getitem__
    mixed = _joint_fit(read, [0, 1, 1, 0], recording, PROTOCOL, parts, SILENT)["joint"].values
    for layer, folds in ((0, [0, 3]), (1, [1, 2])):
        alone = _joint_fit(read, [layer] * 4, recording, PROTOCOL, parts, SILENT)["joint"].values
        np.testing.assert_allclose(mixed[folds], alone[folds])


def test_targets_that_lack_many_rows_are_left_out_and_counted(tmp_path):
    recording, features = words(unmeasured=False)
    values = recording.responses.values.copy()
    values[:30, 0] = np.nan
    holey = replace(recording, responses=recording.responses.copy(data=values))
    found, _ = headline(case(features, holey, Store(tmp_path)), [3] * 4)
    assert found["left_out"] == 1 and np.isfinite(found["joint_r2"])
    values[:30], values[5, 1], values[30:70, 1] = recording.responses.values[:30], np.nan, np.nan
    values[100:140, 0] = np.nan
    worse = replace(recording, responses=recording.responses.copy(data=values))
    asked = case(features, worse, Store(tmp_path))
    assert headline(asked, [3] * 4)[0] == {
        "why_not": "every target misses more than 10 % of the stimuli"
    }


def test_a_score_without_a_joint_fit_is_whole_on_every_face(tmp_path, monkeypatch):
    """With many targets there is no joint fit: the row, the warnings, the paragraph and the checklist say so and go on."""
    monkeypatch.setattr("analysis.scoring.comparisons.HEADLINE_TARGETS", 1)
    recording, features = words(unmeasured=False)
    store = Store(tmp_path)
    found = score(
        from_arrays({0: features}, recording), recording, PROTOCOL.but(controls=()), store=store
    )
    assert "would outlast" in found.headline["why_not"] and np.isnan(found.omega)
    assert np.isnan([found.summary()[name] for name in ("unique_r2", "joint_r2", "omega")]).all()
    assert any(line.startswith("No unique R2") for line in found.warnings())
    assert "Not computed." in checklist([found]) and paragraph([found])
    assert len(results(store)) == 1
