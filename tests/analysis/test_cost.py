"""What a score would cost: the passes a model needs are counted before it is loaded."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from analysis import score
from analysis.features.activations import extract
from analysis.models import load
from analysis.models.catalog import card
from analysis.progress import SILENT
from analysis.protocol import Protocol, preset
from analysis.scoring.comparisons import ceiling_key
from analysis.scoring.cost import LETTERS, cost, downloads, fetched, tokens_read
from analysis.scoring.cost_beside import with_beside
from analysis.store.store import Store
from dashboards.work.computation import Computation, cost_in_words
from dashboards.work.jobs import duration
from dashboards.work.score_computations import _look
from data.catalog.catalog import recording
from data.recording import Recording


def story(n: int = 400) -> Recording:
    """One story of ``n`` words of three letters."""
    ids = np.arange(n)
    words = pd.DataFrame(
        {"text": ["abc"] * n, "story": ["s1"] * (n // 2) + ["s2"] * (n - n // 2)}, index=ids
    )
    values = xr.DataArray(np.random.default_rng(0).standard_normal((n, 1)), dims=("stimulus", "target"),
                          coords={"stimulus": ids, "target": ["rt"]})  # fmt: skip
    return Recording(
        "story", values, words, scored_unit="word", context="story", group="story", averaged=True
    )


def test_a_story_within_the_window_is_read_once():
    read, _ = tokens_read(story(), Protocol())
    assert read == pytest.approx(400 * 4 / LETTERS, rel=0.01)  # a word and its space


def test_every_word_behind_the_window_costs_a_window():
    read, _ = tokens_read(story(), Protocol(window=50))
    behind = 2 * (200 - 50)
    assert read == pytest.approx(behind * 50 + 2 * 50, rel=0.02)
    assert read > 30 * tokens_read(story(), Protocol())[0]


def test_a_bidirectional_model_reads_every_prefix():
    read, _ = tokens_read(story(), Protocol(), looks_ahead=True)
    assert read == pytest.approx(2 * 200 * 201 / 2, rel=0.02)
    whole, _ = tokens_read(story(), Protocol(attention="whole"), looks_ahead=True)
    assert whole == pytest.approx(400, rel=0.01)


def test_passes_of_windows_show_in_the_price(tmp_path):
    one, plain = story(4000), preset("defended").but(shuffled_twin=False, controls="")
    limited, short, alone = (
        cost("zoo-causal-1m", one, plain.but(**changes), store=Store(tmp_path)).seconds
        for changes in ({}, {"window": 64}, {"context": "none"})
    )
    assert (
        limited > 2 * short > 2 * alone > 0
    )  # the model's own window, a narrower one, every word by itself


def test_the_words_of_a_story_that_were_read_are_not_priced_again(tmp_path):
    store, how, told = Store(tmp_path), preset("story"), recording("simulated-story")
    before = cost("zoo-causal-200k", told, how, store=store)
    extract(load("zoo-causal-200k"), told.reading(), how, store=store)
    after = cost("zoo-causal-200k", told, how, store=store)
    assert (before.read, after.read) == (0, after.layers)
    assert before.reading > 2 and after.reading == after.memory == 0


def test_a_score_is_priced_with_its_ceiling_controls_and_joint_fits(clean_home):
    """A third was told in Layers, Items and Compare: 7 of 23 seconds."""
    model, one, protocol, store = (
        "zoo-causal-400k",
        recording("simulated"),
        preset("defended"),
        Store(),
    )
    bare = cost(model, one, protocol, store=store)
    told = with_beside(bare, model, one, protocol, store=store)
    parts = dict(told.made_of)
    assert {"reading", "fits", "ceilings", "controls", "joint fits with controls"} == set(parts)
    assert sum(parts.values()) == pytest.approx(told.seconds) and told.seconds > 2 * bare.seconds
    assert _look(model, "simulated", protocol, SILENT).cost == told
    alone = protocol.but(controls=(), unique=False, ceiling="none")
    fits = cost(model, one, alone, store=store)
    assert with_beside(fits, model, one, alone, store=store).seconds == pytest.approx(fits.seconds)
    store.save_score(ceiling_key(one, protocol), xr.Dataset())
    again = dict(with_beside(bare, model, one, protocol, store=store).made_of)
    assert "ceilings" not in again and again["controls"] < parts["controls"]  # the next finds them


def test_what_is_made_once_for_several_models_is_priced_once(clean_home):
    """Ceiling and narrow controls of any model, the random embedding of models of one width."""
    one = recording("simulated")
    protocol = preset("defended").but(seeds=1, folds=3, inner_folds=2, bootstrap=20)
    models = ("zoo-causal-200k", "zoo-causal-200k@untrained:init:0", "zoo-glove-64d")
    prices = {
        model: with_beside(cost(model, one, protocol), model, one, protocol) for model in models
    }
    wanted = [
        Computation(model, model, print, print, seconds=each.seconds, once=each.once)
        for model, each in prices.items()
    ]
    shared = {what: seconds for each in prices.values() for what, seconds in each.once.items()}
    apart = sum(each.seconds - sum(each.once.values()) for each in prices.values())
    assert f"About {duration(apart + sum(shared.values()))};" in cost_in_words(wanted)
    widths = {max(load(model).widths) for model in models}
    assert len(shared) == 2 + len(widths)
    score(models[0], one, protocol)
    for model in models[1:]:
        parts = dict(with_beside(cost(model, one, protocol), model, one, protocol).made_of)
        same = max(load(model).widths) == max(load(models[0]).widths)
        assert "ceilings" not in parts and ("controls" in parts) != same


def test_a_model_is_fetched_once_for_itself_and_its_copies(clean_home):
    copies = [f"gpt2-xl@untrained:init:{seed}" for seed in range(3)]
    found = downloads("gpt2-xl", *copies, "zoo-causal-1m", "no-such-model")
    assert found == {"gpt2-xl": card("gpt2-xl").download}
    assert fetched([found, found]) == card("gpt2-xl").download
    assert set(downloads("gpt2-xl", "gpt2-xl@revision:main")) == {
        "gpt2-xl",
        "gpt2-xl@revision:main",
    }
