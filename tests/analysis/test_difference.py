"""Why does my number differ: fifteen pairs that differ in one thing, splits of two, and foreign tables on one side."""

from __future__ import annotations

import copy
import dataclasses
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr

from analysis import score
from analysis.answers.difference import Record, compare_results, record_of
from analysis.answers.splitting import between, split_difference
from analysis.models import load
from analysis.store import keys
from analysis.store.store import Store
from data.errors import BrainLensError
from data.notes import FILTER, Note
from tests.analysis.trust_cases import FAST, activations, recording

QUICK = FAST.but(shuffled_twin=False, controls=(), bootstrap=20)
PEOPLE = np.repeat(["a", "b", "c"], 2)


def _case(order=None, keep=None, change=None):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((48, 4))
    y = np.repeat(x @ rng.standard_normal((4, 2)), 3, axis=1) + rng.standard_normal((48, 6))
    if change is not None:
        y[5, 0] += change
    rows = np.arange(48) if order is None else order
    keep = np.arange(6) if keep is None else keep
    made = recording(y[:, keep], people=PEOPLE[keep])
    table = made.stimuli.iloc[rows]
    responses = made.responses.isel(stimulus=rows)
    ready = activations([x[rows], (x[rows] ** 2)])
    ready.fingerprint, ready.tokenizer_hash = "weights", "one"
    return replace(made, stimuli=table, responses=responses), ready


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def base(store):
    measured, ready = _case()
    return score(ready, measured, QUICK, store=store)


def _other(what: str, store):
    measured, ready = _case()
    choices = {
        "fold seed": {"seed": 7},
        "start token": {"start": "tokenizer"},
        "pooling": {"pooling": "mean"},
        "context": {"context": "none"},
        "dtype": {"dtype": "bfloat16"},
        "alpha grid": {"alphas": (1.0, 10.0)},
        "layer choice": {"layer": "max"},
        "ceiling kind": {"ceiling": "leave-one-out"},
    }
    if what in choices:
        return score(ready, measured, QUICK.but(**choices[what]), store=store)
    if what == "data file":
        measured, ready = _case(change=0.5)
    elif what == "row order":
        measured, ready = _case(order=np.arange(48).reshape(12, 4)[::-1].ravel())
    elif what == "people left out":
        measured, ready = _case(keep=np.arange(4))
    elif what == "filter":
        values = measured.responses.copy()
        values[3] = np.nan
        note = Note("filter no-edges: left out 6 times of 1 first and last words", FILTER)
        measured = replace(measured, responses=values, notes=(*measured.notes, note))
    return score(ready, measured, QUICK, store=store)


def _texts():
    """Sentences with a planted response, for models that read."""
    rng = np.random.default_rng(5)
    words = ("dog", "tree", "river", "stone", "lamp", "road", "house", "bird", "child", "wind")
    rows = [f"The {a} stands by the {b}." for a, b in rng.choice(words, (48, 2))]
    made = recording(rng.standard_normal((48, 2)) + [[len(row)] for row in rows])
    return replace(made, stimuli=made.stimuli.assign(text=rows))


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A model that ships, as a mirror of a hub holds it: as it is, its first revision, and a fork with another tokenizer.

    The first revision holds the weights of its first initialisation, as ``step0`` of a published suite does; the fork's tokenizer
    knows fewer merges and cuts words into more tokens.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    folder, source = tmp_path_factory.mktemp("mirror"), load("zoo-causal-200k").folder
    made = {
        name: folder / "models" / name for name in ("lab--tiny", "lab--tiny@step0", "lab--fork")
    }
    for path in made.values():
        shutil.copytree(source, path)
    torch.manual_seed(0)
    first = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(source))
    first.save_pretrained(made["lab--tiny@step0"])
    path = made["lab--fork"] / "tokenizer.json"
    told = json.loads(path.read_text())
    told["model"]["merges"] = told["model"]["merges"][: len(told["model"]["merges"]) // 4]
    path.write_text(json.dumps(told))
    return folder


OF_MODELS = {"tokenizer": "lab/fork", "model revision": "lab/tiny@revision:step0"}


def _pair(what, base, store, request, monkeypatch) -> tuple:
    """Two results that were computed, each with what it is said to be made with."""
    if what in OF_MODELS:
        monkeypatch.setenv("BRAINLENS_MIRROR", str(request.getfixturevalue("hub")))
        on = _texts()
        return tuple(score(name, on, QUICK, store=store) for name in ("lab/tiny", OF_MODELS[what]))
    if what == "version":  # of a program whose folds, fits and packages were others, when it ran
        known = keys.versions()
        monkeypatch.setattr(keys, "STEPS", keys.STEPS | {"mapping": 1})
        monkeypatch.setattr(keys, "CODE_VERSION", "mapping 1")
        monkeypatch.setattr(
            keys, "versions", lambda: known | {"brainlens": "0.0.1", "numpy": "1.26.0"}
        )
    return base, _other(what, store)


FIFTEEN = ("data file", "row order", "fold seed", "tokenizer", "start token", "pooling", "context", "dtype", "version",
           "alpha grid", "layer choice", "filter", "ceiling kind", "model revision", "people left out")  # fmt: skip


@pytest.mark.parametrize("what", FIFTEEN)
def test_what_differs_is_named_first_and_nothing_else_is_called_a_cause(
    what, base, store, request, monkeypatch
):
    first, second = _pair(what, base, store, request, monkeypatch)
    answer = compare_results(record_of(first), record_of(second))
    assert answer.facts["causes"] == [what], answer.frame.to_string()
    assert answer.frame["what"].iloc[0] == what
    assert f"Suspect first: {what}." in answer.sentence
    if what in OF_MODELS:  # another reader gives another number
        assert abs(first.value - second.value) > 1e-4


MORE = {
    "controls": {"controls": ("position",)},
    "how alpha is chosen": {"criterion": "gcv"},
    "inner folds": {"inner_folds": 2},
    "standardisation": {"standardize": False},
    "number of folds": {"folds": 3},
    "number of fold seeds": {"seeds": 2},
    "what is held out together": {"group": "text"},
    "split": {"split": "contiguous"},
    "regression": {"method": "ols"},
    "cut-off of least squares": {"rcond": 1e-6},
    "aggregation": {"targets": "median"},
    "window": {"window": 64},
    "attention": {"attention": "whole"},
    "dimensions": {"dimensions": "pca:2"},
    "norm behind the last layer": {"last_layer": "normed"},
    "word_boundary": {"word_boundary": False},
    "unique": {"unique": True},
    "bootstrap": {"bootstrap": 30},
    "hrf": {"hrf": "spm"},
    "delays": {"delays": (1, 2)},
}


@pytest.mark.parametrize("what", MORE)
def test_every_other_choice_is_named_by_itself(what, base):
    """From the records alone: what a choice does to the number is not asked here."""
    told = copy.deepcopy(base.provenance)
    told["protocol"] = QUICK.but(**MORE[what]).to_dict()
    answer = compare_results(record_of(base), Record("theirs", base.value, told))
    assert answer.facts["causes"] == [what], answer.frame.to_string()
    assert f"Suspect first: {what}." in answer.sentence


def test_each_choice_of_a_protocol_has_a_name_of_its_own(base):
    """No choice is silent, and no two that are not one have one name."""
    first, named = record_of(base), {}
    for field in dataclasses.fields(QUICK):
        if field.name == "name":
            continue
        told = copy.deepcopy(base.provenance)
        told["protocol"][field.name] = "another"
        (what,) = compare_results(first, Record("theirs", 0.1, told)).facts["causes"]
        named.setdefault(what, []).append(field.name)
    shared = {what: fields for what, fields in named.items() if len(fields) > 1}
    assert set(shared) == {
        "aggregation",
        "ceiling kind",
        "how alpha is chosen",
        "standardisation",
    }


@pytest.mark.parametrize(
    "what", ("text joiner", "language", "device", "model variant", "seed of a random embedding")
)
def test_what_is_no_choice_is_named_too(what, store):
    measured, ready = _case()
    if what == "seed of a random embedding":
        first, second = (
            record_of(score(name, measured, QUICK, store=store))
            for name in ("random-8", "random-8@untrained:init:1")
        )
        assert compare_results(first, second).facts["causes"] == ["model variant"]
        return
    first = record_of(score(ready, measured, QUICK, store=store))
    if what == "device":
        first = Record("mine", first.r, first.provenance | {"device": "cpu"})
        second = Record("theirs", first.r, first.provenance | {"device": "cuda"})
    elif what == "model variant":
        ready.id, ready.fingerprint = "planted@untrained:init:0", "weights@untrained:init:0"
        second = record_of(score(ready, measured, QUICK, store=store))
    else:
        changed = {"joiner": ""} if what == "text joiner" else {"language": "zh"}
        second = record_of(score(ready, replace(measured, **changed), QUICK, store=store))
    answer = compare_results(first, second)
    assert answer.facts["causes"] == [what], answer.frame.to_string()


def test_equal_results_have_no_cause_and_the_machine_is_no_suspect(base):
    told = copy.deepcopy(base.provenance)
    told["machine"] = "Other arm64"
    answer = compare_results(record_of(base), Record("other", base.value, told))
    assert answer.facts["causes"] == ["machine"]
    assert compare_results(record_of(base), record_of(base)).sentence.endswith("Nothing that is recorded differs.")  # fmt: skip


def test_a_difference_of_two_things_is_split_over_both(base, store):
    measured, ready = _case()
    there = score(ready, measured, QUICK.but(split="shuffled", method="ols"), store=store)
    a, b = record_of(base, "mine"), record_of(there, "theirs")
    assert compare_results(a, b).facts["causes"] == ["split", "regression"]
    said = split_difference(a, b, lambda p, *_: score(ready, measured, p, store=store).value)
    assert said.frame["value"].iloc[0] == pytest.approx(base.value)
    assert said.frame["value"].iloc[-1] == pytest.approx(there.value)
    assert sum(said.facts["shares"].values()) == pytest.approx(there.value - base.value)
    assert set(said.facts["shares"]) == {"split", "regression"}
    with pytest.raises(BrainLensError, match="Nothing that differs can be changed"):
        split_difference(a, a, lambda *_: 0.0)
    with pytest.raises(BrainLensError, match="does not tell its protocol"):
        split_difference(a, Record("x", 0.1), lambda *_: 0.0)


CHANGES = {
    "row order": {"order": np.arange(48).reshape(12, 4)[::-1].ravel()},
    "people left out": {"keep": np.arange(4)},
    "data file": {"change": 3.0},
}


@pytest.mark.parametrize("one", CHANGES)
@pytest.mark.parametrize("other", ("pooling", "alpha grid", "tokenizer"))
def test_data_and_a_choice_are_split_apart(one, other, store):
    """One thing of the recording, and one of the protocol or of the model."""
    measured, ready = _case()
    theirs, aligned = _case(**CHANGES[one])
    fields = {"pooling": {"pooling": "mean"}, "alpha grid": {"alphas": (1.0, 10.0)}}.get(other, {})
    aligned.tokenizer_hash = "another" if other == "tokenizer" else "one"
    a = score(ready, measured, QUICK, store=store)
    b = score(aligned, theirs, QUICK.but(**fields), store=store)
    first, second = record_of(a, "mine"), record_of(b, "theirs")
    assert compare_results(first, second).facts["causes"] == [one, other]

    def number(protocol, model, taken):
        on = between(measured, theirs, taken)
        source = _case(order=on.responses.stimulus.values)[1]
        source.tokenizer_hash = aligned.tokenizer_hash if model else "one"
        return score(source, on, protocol, store=store).value

    said = split_difference(first, second, number, models=True, recordings=True)
    assert list(said.facts["shares"]) == [one, other]
    assert said.frame["value"].iloc[0] == pytest.approx(a.value)
    assert said.frame["value"].iloc[-1] == pytest.approx(b.value, abs=1e-6)
    assert sum(said.facts["shares"].values()) == pytest.approx(b.value - a.value, abs=1e-6)
    steps = said.frame.set_index("step")["change"]
    assert abs(steps[one]) > 1e-6
    assert (
        len(said.frame) == 4
    )  # both are computed again to the last digit: no bar for what is not here


def test_what_does_not_come_out_here_is_a_bar_of_its_own(base, store):
    """Another version and another pooling: the version's part is what is left."""
    measured, ready = _case()
    there = score(ready, measured, QUICK.but(pooling="mean", method="ols"), store=store)
    told = copy.deepcopy(there.provenance) | {"code_version": "mapping 1"}
    old = Record("theirs", there.value + 0.05, told)
    assert compare_results(record_of(base), old).facts["causes"] == [
        "pooling",
        "regression",
        "version",
    ]
    said = split_difference(
        record_of(base), old, lambda p, *_: score(ready, measured, p, store=store).value
    )
    last = said.frame[said.frame["kind"] == "change"].iloc[-1]
    assert last["step"] == "the second as it was told" and last["change"] == pytest.approx(0.05)
    assert said.frame["value"].iloc[-1] == pytest.approx(old.r)


def test_recordings_between_two_take_what_they_are_asked_for():
    rng = np.random.default_rng(4)
    measured, _ = _case()
    theirs, _ = _case(order=rng.permutation(48), keep=np.arange(4), change=2.0)
    names = measured.responses.target.values
    both = between(measured, theirs, frozenset({"row order", "people left out"}))
    assert list(both.responses.stimulus.values) == list(theirs.responses.stimulus.values)
    assert list(both.responses.target.values) == list(names[:4])
    rows = theirs.responses.stimulus.values
    np.testing.assert_array_equal(
        both.responses.values, measured.responses.sel(stimulus=rows).values[:, :4]
    )
    data = between(measured, theirs, frozenset({"data file"}))
    assert data.responses.sel(stimulus=5).values[0] != measured.responses.sel(stimulus=5).values[0]
    np.testing.assert_array_equal(data.responses.values[:, 4:], measured.responses.values[:, 4:])
    assert between(measured, theirs, frozenset()) is measured
    other = replace(theirs, stimuli=theirs.stimuli.assign(text="else"))
    with pytest.raises(BrainLensError, match="do not hold the same texts"):
        between(measured, other, frozenset({"row order"}))


def test_foreign_results_may_stand_on_one_side(base, tmp_path):
    files = {
        "brainscore.json": ([{"model_identifier": "gpt2", "benchmark_identifier": "Pereira2018.243sentences-linear",
                             "score_ceiled": 0.81, "score_raw": 0.29}], "Brain-Score", 0.29, "raw score"),
        "litcoder.json": ({"dataset_name": "narratives", "model": "gpt2", "layer_idx": 9,
                           "metrics": {"mean_correlation": 0.07, "median_correlation": 0.06}}, "LITcoder", 0.06, "r, median"),
    }  # fmt: skip
    for name, (told, origin, value, scale) in files.items():
        (tmp_path / name).write_text(json.dumps(told))
        found = record_of(tmp_path / name)
        assert (found.origin, found.r, found.scale) == (origin, value, scale)
        assert "different scales" in compare_results(record_of(base), found).sentence
    table = "model,benchmark,layer,score,error\ngpt2-xl,Pereira2018,h.43,1.04,.1\ngpt2,Pereira2018,h.3,.8,.1\n"
    (tmp_path / "nn.csv").write_text(table)
    found = record_of(f"{tmp_path / 'nn.csv'}#gpt2-xl")
    assert (found.origin, found.r, found.get("layer")) == ("neural-nlp", 1.04, "h.43")
    answer = compare_results(record_of(base), found)
    assert "recording" in answer.facts["causes"] and "pooling" in answer.facts["unknown"]
    with pytest.raises(BrainLensError, match="holds 2 results"):
        record_of(tmp_path / "nn.csv")
    for name, text in (("odd.csv", "a,b\n1,2\n"), ("odd.json", "{"), ("odd.txt", "x")):
        (tmp_path / name).write_text(text)
        with pytest.raises(BrainLensError):
            record_of(tmp_path / name)


def test_the_hash_of_rows_knows_no_order_but_every_value():
    from analysis.scoring.provenance import _rows_hash

    measured, _ = _case()
    turned, _ = _case(order=np.arange(48)[::-1])
    changed, _ = _case(change=1e-9)
    other = replace(
        measured, responses=xr.DataArray(measured.responses).isel(target=[5, 4, 3, 2, 1, 0])
    )
    assert _rows_hash(measured) == _rows_hash(turned) == _rows_hash(other) != _rows_hash(changed)


def test_numbers_of_long_lists_are_told_as_they_are_read(base, store):
    """Of the penalties: 0.3162, not 0.31622776601683794."""
    measured, ready = _case()
    wide, few = (
        record_of(score(ready, measured, QUICK.but(alphas=alphas), store=store))
        for alphas in (tuple(10.0 ** np.arange(-1, 3, 0.5)), (1.0, 10.0))
    )
    row = compare_results(wide, few).frame.iloc[0]
    assert row["what"] == "alpha grid" and row["first"].startswith(
        "8 values, among them 0.1, 0.3162"
    )
