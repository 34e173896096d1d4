"""The selection and its link: every field travels, a bad one falls back alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.protocol import FIELDS, PRESETS, Protocol, preset
from dashboards import LENSES, state
from dashboards.lens import controls
from dashboards.state import Selection, decode, defaults, encode
from data.errors import BrainLensError, unknown

LENSES.loadable()  # a lens brings fields of its own

FULL = {
    "lens": "layers",
    "models": ["gpt2", "owner/name@untrained:init:3", "/a folder/with, comma&amp"],
    "recording": "pereira2018",
    "preset": "schrimpf2021",
    "changes": {
        "pooling": "mean",
        "folds": 7,
        "alphas": (0.1, 10.0),
        "standardize": True,
        "rcond": 1e-5,
    },
    "benchmark": "blank2014",
    "x": "width",
    "clip": True,
    "own_x": "width",
    "task": "glue:sst2",
    "design": "power",
    "candidates": "my.txt",
    "target": "v1",
    "by_response": True,
    "effect": "0.01",
    "repeats": 3,
    "grown": True,
    "gaps": "shared",
    "text": "wikitext-2",
    "scheme": ["permute", "blocks"],
    "by": "region",
    "protocols": ["brainscore2026", "defended"],
    "tested": True,
    "pooling": "mean",
    "tables": ["hadidi2025"],
    "scale": "normalised",
    "layer": "6",
    "seeds": 7,
    "corpora": ["natural-stories", "words.csv#one"],
    "form": "gam",
    "link": "log",
    "filter": "official",
    "neural": "simulated",
    "fitted": True,
    "slice": "topic",
    "ranked": ["simulated"],
    "hidden": ["glove"],
    "picked": ["ünïcode", "a=b"],
    "colours": {"gpt2": "#d55e00", "owner/name@untrained:init:3": "#0072b2"},
    "theme": "dark",
    "facets": "family",
    "columns": ["simulated"],
    "folded": False,
    "tab": "table",
    "sort": "-r",
    "rows": "gpt 2",
    "zoom": "0,1,-0.2,0.5",
    "decimal": "comma",
    "alike": "shape",
    "breaks": "masks",
    "hiding": "delete",
    "paraphrases": "mine/words.csv",
    "folder": "mine/glue",
    "unit_map": "speech",
    "draws": 7,
    "parts": ["norms", "rank-8"],
    "births": ["mixture"],
    "updates": 160,
    "runs": 2,
    "networks": 30,
    "strategy": "random",
    "trained": 16,
    "search_seed": 4,
    "places": "region",
    "sites": "attn, mlp:1",
    "doubts": ["leaks", "curve"],
    "copies": 2,
    "exchanges": 20,
    "cells": ["split=grouped"],
    "beyond": ["position"],
    "elsewhere": "pereira2018",
    "cortex": "pial",
    "bits": "zoo-causal-1m",
    "threshold": 12,
    "map": "story-map",
    "parcels": "hcp-mmp1",
    "steps": True,
    "decoded": True,
    "whose": "glove",
}


def test_every_field_survives_the_link():
    values, problems = decode(encode(FULL))
    assert problems == []
    assert values == FULL
    assert set(values) == set(state._FIELDS)


def test_defaults_make_an_empty_link():
    assert encode(defaults()) == "v=1"
    assert Selection().query() == "v=1"
    assert set(defaults()) == set(Selection.param) - {"name"}


def test_each_bad_field_falls_back_alone_and_all_are_named():
    query = "v=1&lens=nothere&models=gpt2&seeds=many&theme=dark&set.pooling=median&set.folds=4&set.nofield=1"
    query += "&colour=red&scale=cube&clip=maybe"
    values, problems = decode(query)
    assert values == {"models": ["gpt2"], "theme": "dark", "changes": {"folds": 4}}
    assert len(problems) == 7
    for word in ("nothere", "seeds", "median", "nofield", "colour", "cube", "maybe"):
        assert sum(word in problem for problem in problems) == 1, word


def test_a_newer_version_is_read_as_far_as_possible():
    values, problems = decode("v=99&lens=untrained&later=1")
    assert values == {"lens": "untrained"}
    assert any("99" in problem for problem in problems) and any(
        "later" in problem for problem in problems
    )


def test_a_link_that_names_a_task_shows_it():
    assert decode("task=glue:RTE")[0] == {"task": "glue:RTE", "own_x": "task"}
    assert decode("task=syntaxgym")[0]["own_x"] == "task"
    hidden = {"task": "glue:RTE", "own_x": defaults()["own_x"]}
    assert decode(encode(hidden))[0] == hidden


def test_checks_drop_single_models():
    def check(name):
        if name != "gpt2":
            raise unknown("model", name, ["gpt2"])

    values, problems = decode("models=gpt2&models=gtp2&models=gpt2", {"models": check})
    assert values == {"models": ["gpt2"]}
    assert problems == ["Unknown model 'gtp2'; did you mean 'gpt2'? (known: gpt2)."]


def test_seeds_out_of_range():
    values, problems = decode("seeds=1000")
    assert values == {} and "1000" in problems[0]


def test_read_replaces_everything():
    selection = Selection(models=["gpt2"], theme="dark")
    assert selection.read("?lens=layers") == []
    assert selection.to_dict() == {**defaults(), "lens": "layers"}


def test_protocol_of_a_selection():
    selection = Selection(preset="schrimpf2021", changes={"folds": 7})
    assert selection.protocol == preset("schrimpf2021").but(folds=7)
    selection.protocol = preset("defended").but(pooling="mean")
    assert (selection.preset, selection.changes) == ("defended", {"pooling": "mean"})


def test_lists_are_not_shared_between_sessions():
    one, other = Selection(), Selection()
    one.models.append("gpt2")
    assert other.models == [] and defaults()["models"] == []


@settings(deadline=None)  # a busy machine is no fault
@given(st.text(max_size=60))
def test_no_query_breaks_the_page(query):
    values, problems = decode(query)
    Selection().param.update(**{**defaults(), **values})
    assert all(isinstance(problem, str) for problem in problems)


@settings(deadline=None)  # a busy machine is no fault
@given(
    st.lists(st.text(min_size=1, max_size=20), unique=True, max_size=4),
    st.sampled_from(sorted(PRESETS)),
)
def test_any_name_round_trips(names, name):
    values, problems = decode(encode({"models": names, "preset": name}))
    assert problems == []
    assert values.get("models", []) == names and values.get("preset", "defended") == name


def test_every_protocol_field_can_be_edited_and_is_explained():
    shown = [name for names in controls._GROUPS.values() for name in names]
    assert sorted(shown) == sorted(set(FIELDS) - {"name"})
    meanings = controls.field_meanings()
    assert [name for name in shown if not meanings.get(name)] == []


def test_a_wrong_notebook_argument_is_named():
    from dashboards.lens.alone import selected

    with pytest.raises(BrainLensError, match="did you mean 'models'"):
        selected("layers", {"model": ["gpt2"]})
    with pytest.raises(BrainLensError, match="one string"):
        selected("layers", {"models": "gpt2"})
    with pytest.raises(BrainLensError, match="Unknown protocol"):
        selected("layers", {"protocol": "defend"})
    assert selected("layers", {"protocol": Protocol().but(folds=3)}).changes == {"folds": 3}


def test_text_may_be_given_as_a_number_or_a_path(tmp_path):
    chosen = Selection(effect=0.01, layer=3, recording=tmp_path / "own.csv")
    chosen.target = np.float64(2.5)
    assert (chosen.effect, chosen.layer, chosen.target) == ("0.01", "3", "2.5")
    assert chosen.recording == str(tmp_path / "own.csv")
    again = Selection()
    assert again.read(chosen.query()) == [] and again.to_dict() == chosen.to_dict()
    with pytest.raises(ValueError, match="effect"):
        chosen.effect = True


def test_lists_take_paths_as_fields_do():
    chosen = Selection(corpora=[Path("own/times.csv")], models=["gpt2", Path("own/model")])
    assert (chosen.corpora, chosen.models) == (["own/times.csv"], ["gpt2", "own/model"])
    with pytest.raises(TypeError, match="models"):
        Selection(models=[3])


def test_a_committed_map_asked_of_a_score_is_told_where_it_can_be_chosen():
    values, problems = decode("v=1&lens=layers&set.layer=map:mine")
    assert "changes" not in values or not values["changes"]
    assert len(problems) == 1 and "'map:mine'" in problems[0]
    assert problems[0].endswith("Layers from the map in the lens Regions takes one.")
