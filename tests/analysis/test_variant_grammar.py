"""Variants as names: written back as they were read, joined, and a wrong one is answered with the choices."""

from __future__ import annotations

import pytest

from analysis.models import load
from analysis.models.variants.spec import GRAMMAR, Variant, split
from data.errors import BrainLensError

OLD = (
    "untrained:init:0", "untrained:mixture:3", "noise:all:0.1:0", "noise:lower:0.25:7", "noise:3-7:0.5:1",
    "lesion:language:1:0", "lesion:random:2.5:4", "lesion:least:1:0",
)  # fmt: skip
NEW = (
    "wire:all:640:0", "wire:last-2:64:1", "wire:rank-8:3200:0", "noise:middle-third:0.2:0", "noise:upper.gains:0.2:0",
    "lesion:matched:1:3", "lesion:heads:25:0", "lesion:blocks:20:1", "lesion:map-mine:1:0", "mask:30:word:0",
    "mask:90:delete:2", "words:scrambled:1", "untrained:hashed:0",
    "untrained:mixture:0@wire:attention:64:0@noise:all:0.1:2@mask:10:word:0",
)  # fmt: skip


@pytest.mark.parametrize("text", OLD + NEW)
def test_a_name_is_written_as_it_was_read(text):
    assert str(Variant.parse(text)) == text == str(Variant.parse("@" + text))
    base, revision, variant = split(f"pythia-70m@revision:step1000@{text}")
    assert (base, revision, str(variant)) == ("pythia-70m", "step1000", text)


@pytest.mark.parametrize("short, whole", [
    ("untrained", "untrained:init:0"), ("noise:all:0.1", "noise:all:0.1:0"), ("lesion", "lesion:language:1:0"),
    ("wire:norms:16", "wire:norms:16:0"), ("mask:40", "mask:40:word:0"), ("words:content", "words:content:0"),
])  # fmt: skip
def test_what_may_be_left_out_has_its_default(short, whole):
    assert str(Variant.parse(short)) == whole


def test_steps_are_parted_into_those_on_weights_and_those_on_the_text():
    whole = Variant.parse("untrained:gaussian:1@wire:norms:16:1@mask:20:word:4")
    assert [step.kind for step in whole.steps] == ["untrained", "wire", "mask"]
    assert str(whole.on_weights) == "untrained:gaussian:1@wire:norms:16:1"
    assert str(whole.on_text) == "mask:20:word:4"
    assert not whole.starts_fresh and Variant.parse("wire:all:1").starts_fresh
    assert not Variant() and Variant().steps == ()


@pytest.mark.parametrize("text, said", [
    ("wire:atention:6", "did you mean 'attention'"),
    ("wire:last-0:6", "part to train 'last-0'"),
    ("wire:all:many", "not a number of updates"),
    ("wire:all", "Malformed"),
    ("mask:130", "masks more than all words"),
    ("mask:20:wrd", "did you mean 'word'"),
    ("words:scramble", "did you mean 'scrambled'"),
    ("noise:middle:0.2", "did you mean 'middle-third'"),
    ("noise:lower.bias:0.2", "layers of the noise"),
    ("lesion:hads:2", "did you mean 'heads'"),
    ("mask:20:word:0:0", "Malformed"),
    ("mask:20:word:x", "not a whole number"),
    ("mask:10@mask:20", "two variants of one kind"),
    ("noise:all:0.1@untrained:init:0", "starts anew"),
    ("bend:1", "Unknown variant 'bend'"),
])  # fmt: skip
def test_a_wrong_name_is_answered_with_the_choices(text, said):
    with pytest.raises(BrainLensError, match=said):
        Variant.parse(text)


def test_the_grammar_names_every_kind():
    assert set(GRAMMAR) == {
        "untrained",
        "wire",
        "noise",
        "lesion",
        "mask",
        "words",
        "at",
        "revision",
    }
    with pytest.raises(BrainLensError) as caught:
        Variant.parse("noise:all")
    assert set(caught.value.choices) == set(GRAMMAR.values())


def test_a_map_that_is_not_there_is_told_with_those_that_are():
    with pytest.raises(BrainLensError, match="map of units 'nobody'"):
        _ = load("zoo-causal-200k@lesion:map-nobody:1").fingerprint


def test_variants_have_identities_of_their_own():
    names = ["zoo-causal-200k", *(f"zoo-causal-200k@{one}" for one in (
        "noise:all:0.1:0", "noise:all:0.1:1", "mask:20:word:0", "mask:20:delete:0", "mask:20:word:1",
        "noise:all:0.1:0@mask:20:word:0", "wire:all:16:0", "wire:all:64:0", "untrained:hashed:0@wire:all:16:0"))]  # fmt: skip
    models = [load(name) for name in names]
    assert [model.id for model in models] == names
    assert len({model.fingerprint for model in models}) == len(names)
