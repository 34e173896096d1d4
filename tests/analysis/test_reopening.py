"""What is stored is found by what it was made from: nothing is made again to be found, and nothing stale is found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analysis import preset, score
from analysis.features import activations
from analysis.features.activations import activation_key, reading_recipe
from analysis.features.controls import CONTROLS
from analysis.models import load
from analysis.scoring import comparisons
from analysis.scoring.provenance import recorded
from analysis.store.store import Store
from data.catalog.catalog import recording

QUICK = preset("defended").but(
    seeds=2, folds=3, inner_folds=2, bootstrap=20, criterion="gcv", alphas=(100.0,), unique=False, ceiling="none",
    controls=("position", "length", "log-frequency", "random-embedding", "oasm"), shuffled_twin=True,
)  # fmt: skip
FEW = QUICK.but(seeds=1, controls=("mine", "length"), shuffled_twin=False)


@pytest.fixture
def made(monkeypatch):
    """How often the features of controls are made."""
    times, real = [], comparisons._control_features

    def counted(*args):
        times.append(args[2].seed)
        return real(*args)

    monkeypatch.setattr(comparisons, "_control_features", counted)
    return times


def test_controls_that_are_stored_are_found_without_their_features(made, monkeypatch, tmp_path):
    store = Store(tmp_path)
    first = score("random-8", "simulated", QUICK, store=store)
    assert made == [0, 1]
    again = score("random-8", "simulated", QUICK, store=store)
    assert made == [0, 1] and again.controls.equals(first.controls) and len(first.controls) == 10
    wide = score(
        "random-16", "simulated", QUICK, store=store
    )  # another width, so another embedding
    assert made == [0, 1] * 2
    drawn = [
        one.controls.set_index("control").loc["random-embedding", "r"] for one in (first, wide)
    ]
    assert drawn[0] != drawn[1]
    told = comparisons.version
    monkeypatch.setattr(
        comparisons, "version", lambda name: "0.0" if name == "wordfreq" else told(name)
    )
    score("random-8", "simulated", QUICK, store=store)  # other frequencies of words
    assert made == [0, 1] * 3
    for key in [path.stem for path in (store.root / "scores").glob("*.npz")]:
        if (found := store.load_score(key)) is not None and "keys" in found.attrs:
            (store.root / "scores" / f"{found.attrs['keys'][0][1]}.npz").unlink(missing_ok=True)
    lost = score("random-8", "simulated", QUICK, store=store)
    assert made == [0, 1] * 4 and lost.controls.equals(first.controls)


def test_a_control_of_somebody_else_is_made_each_time(made, tmp_path):
    """Nobody tells when its code is another one: its numbers do."""
    store, rng = Store(tmp_path), np.random.default_rng(0)
    values = rng.standard_normal((2, 288, 3))
    try:
        CONTROLS.add("mine", lambda measured, asked: values[0])
        first = score("random-8", "simulated", FEW, store=store).controls.set_index("control")["r"]
        CONTROLS.remove("mine")
        CONTROLS.add("mine", lambda measured, asked: values[1])
        other = score("random-8", "simulated", FEW, store=store).controls.set_index("control")["r"]
    finally:
        CONTROLS.remove("mine")
    assert first["mine"] != other["mine"] and first["length"] == other["length"]
    assert len(made) == 2


def test_controls_of_a_story_are_found_too(made, tmp_path):
    store = Store(tmp_path)
    how = preset("story").but(
        bootstrap=20,
        unique=False,
        ceiling="none",
        seeds=1,
        folds=3,
        inner_folds=2,
        shuffled_twin=False,
    )
    told = recording("simulated-story")
    told = replace(told, responses=told.responses[:, :4])
    first = score("random-8", told, how, store=store)
    count = len(made)
    again = score("random-8", told, how, store=store)
    assert len(made) == count and again.controls.equals(first.controls)


def test_what_is_read_is_put_together_once_and_a_change_in_place_is_seen(monkeypatch):
    times, real = [], activations.passages

    def counted(*args):
        times.append(1)
        return real(*args)

    monkeypatch.setattr(activations, "passages", counted)
    measured, model = recording("simulated"), load("zoo-causal-200k")
    measured = replace(measured, stimuli=measured.stimuli.copy())
    measured.stimuli.loc[measured.stimuli.index[0], "text"] = "Nobody has read this one before."
    key, recipe = activation_key(model, measured, QUICK), reading_recipe(model, measured, QUICK)
    assert (activation_key(model, measured, QUICK), len(times)) == (key, 1)
    keys = {activation_key(model, measured, QUICK.but(**one)) for one in (
        {}, {"context": "none"}, {"context": "words:3"}, {"context": "words:4"}, {"pooling": "mean"}, {"context": "topic"},
    )}  # fmt: skip
    assert len(keys) == 6
    measured.stimuli.loc[measured.stimuli.index[0], "text"] = "Nor this one."
    assert activation_key(model, measured, QUICK) != key
    assert reading_recipe(model, measured, QUICK) != recipe


def test_the_record_of_a_recording_is_of_its_content_now():
    measured = recording("simulated")
    measured = replace(measured, responses=measured.responses.copy())
    before = recorded(measured)
    assert recorded(measured) == before
    measured.responses.values[0, 0] += 1.0
    after = recorded(measured)
    changed = {name for name in before if before[name] != after[name]}
    changed.discard("rows_sketch")  # of some rows: this one may be none of them
    assert changed == {"response_hash", "content_hash", "rows_hash", "people_hashes"}
