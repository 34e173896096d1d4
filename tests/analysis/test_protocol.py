"""Protocols: presets, changed copies, keys, and what a wrong field says."""

import dataclasses
import json

import pytest

from analysis.protocol import CHOICES, FIELDS, PRESETS, Protocol, preset
from data.errors import BrainLensError


def test_presets_differ_and_survive_json():
    keys = {name: p.key() for name, p in PRESETS.items()}
    assert len(set(keys.values())) == len(PRESETS)
    for name, p in PRESETS.items():
        again = Protocol.from_dict(json.loads(json.dumps(p.to_dict())))
        assert again == p and again.key() == keys[name]


def test_key_ignores_the_name_and_sees_every_other_field():
    base = preset("defended")
    other = {
        "context": "none",
        "pooling": "mean",
        "attention": "whole",
        "word_boundary": False,
        "split": "shuffled",
        "group": "topic",
        "folds": 5,
        "inner_folds": 3,
        "seed": 7,
        "seeds": 1,
        "method": "ols",
        "criterion": "gcv",
        "alphas": (1.0, 2.0),
        "shared_alpha": True,
        "standardize": False,
        "rcond": 1e-6,
        "order": "folds-first",
        "targets": "median",
        "people": "median",
        "by_experiment": False,
        "layer": "max",
        "ceiling": "none",
        "normalise": "target",
        "clip": True,
        "controls": (),
        "shuffled_twin": False,
        "unique": False,
        "bootstrap": 10,
        "dtype": "bfloat16",
        "last_layer": "normed",
        "start": "tokenizer",
        "window": 256,
        "resample": "sum",
        "hrf": "none",
        "delays": (1, 2),
        "highpass": None,
        "trim": (1, 1),
        "gap": "12",
        "standardize_run": False,
        "nuisance": (),
        "dimensions": "pca:20",
    }
    assert set(other) == set(FIELDS) - {"name"}
    keys = [dataclasses.replace(base, **{field: value}).key() for field, value in other.items()]
    assert len({base.key(), *keys}) == len(other) + 1
    assert dataclasses.replace(base, name="mine").key() == base.key()


def test_changed_copy_is_marked_and_changing_back_unmarks():
    changed = preset("schrimpf2021").but(method="ridge")
    assert changed.name == "schrimpf2021*" and changed.changes() == {"method": "ridge"}
    assert changed.but(method="ols") == preset("schrimpf2021")


@pytest.mark.parametrize(
    "text, field, value",
    [
        ("5", "folds", 5),
        ("0.1,1,10", "alphas", (0.1, 1.0, 10.0)),
        ("yes", "clip", True),
        ("", "controls", ()),
        ("none", "controls", ()),
        ("()", "nuisance", ()),
        ("1e-6", "rcond", 1e-6),
        ("none", "rcond", None),
        ("512", "window", 512),
        ("none", "window", None),
    ],
)
def test_values_from_text(text, field, value):
    assert getattr(preset("defended").but(**{field: text}), field) == value


@pytest.mark.parametrize(
    "field, value, says",
    [
        ("fold", 5, "did you mean 'folds'"),
        ("method", "rigde", "did you mean 'ridge'"),
        ("folds", "many", "not a number"),
        ("folds", 1, "at least 2"),
        ("alphas", "3,2", "ascending"),
        ("alphas", "a,b", "list of numbers"),
        ("clip", "perhaps", "true, false"),
        ("folds", 2.5, "float"),
        ("window", 7, "8 tokens or more"),
        ("window", "wide", "not a number. For example window=512"),
        ("window", 64.5, "float"),
    ],
)
def test_wrong_fields_are_named(field, value, says):
    with pytest.raises(BrainLensError) as error:
        preset("defended").but(**{field: value})
    assert says in str(error.value)


def test_unknown_preset_names_the_closest():
    with pytest.raises(BrainLensError, match="did you mean 'schrimpf2021'"):
        preset("schrimpf2012")


def test_the_paper_read_in_windows_of_512_tokens():
    assert [PRESETS[name].window for name in ("schrimpf2021", "defended", "brainscore2026")] == [
        512,
        None,
        None,
    ]


def test_every_choice_is_a_field():
    assert set(CHOICES) <= set(FIELDS)
