"""Training a part of a model: which weights move, the same bits twice, gone on with, and as the zoo trains."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from analysis.models import load
from analysis.models.variants.spec import Variant
from analysis.models.variants.untrained import _noised, drawn, layer_of
from analysis.models.variants.wired import trained_weights, wired
from analysis.models.zoo.recipes import RECIPES
from analysis.models.zoo.train import build, train
from analysis.models.zoo.wire import recipe_of, tokens_for
from data.embedded import training_tokens
from data.errors import BrainLensError
from data.home import home

NAME = "zoo-causal-200k"


def born(seed=0):
    return build(dataclasses.replace(RECIPES[NAME], seed=seed))


def tokenizer():
    return load(NAME).tokenizer


def made(text, seed=0):
    module = wired(born(seed), Variant.parse(text), name=NAME, tokenizer=tokenizer)
    return {name: value.detach().clone() for name, value in module.named_parameters()}


@pytest.fixture
def fresh_home(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINLENS_HOME", str(tmp_path))
    return tmp_path


def test_the_text_is_the_zoos_and_small_enough_to_ship():
    from importlib.resources import files

    tokens = training_tokens()
    assert len(tokens) == 3_951_829 and tokens.max() < 4096 and (tokens == 0).sum() > 1000
    assert len((files("data") / "embedded" / "training-tokens.xz").read_bytes()) <= 8_000_000
    text = tokenizer().decode(tokens[:300].tolist())
    assert " the " in text and len(text) > 600
    assert tokens_for(tokenizer()) is not None and np.array_equal(tokens_for(tokenizer()), tokens)


@pytest.mark.parametrize("what, moved", [
    ("all", lambda name: True),
    ("embeddings", lambda name: "embed_tokens" in name),
    ("norms", lambda name: "norm" in name),
    ("attention", lambda name: "self_attn" in name),
    ("down", lambda name: "down_proj" in name),
    ("last-1", lambda name: layer_of(name) == 2 or name == "model.norm.weight"),
    ("rank-2", lambda name: layer_of(name) and name.endswith("proj.weight")),
])  # fmt: skip
def test_only_the_part_moves(what, moved, fresh_home):
    before = {name: value.detach().clone() for name, value in born().named_parameters()}
    after = made(f"wire:{what}:2")
    assert set(before) == set(after)
    assert {name for name in before if not torch.equal(before[name], after[name])} == {
        name for name in before if moved(name)
    }
    count = trained_weights(born(), what)
    if what.startswith("rank"):
        assert 0 < count < 0.2 * sum(v.numel() for v in before.values())
        change = (
            after["model.layers.0.mlp.down_proj.weight"]
            - before["model.layers.0.mlp.down_proj.weight"]
        )
        assert torch.linalg.matrix_rank(change) <= 2
    else:
        assert count == sum(v.numel() for n, v in before.items() if moved(n))


def test_the_same_bits_twice_and_the_same_where_it_was_stopped(fresh_home, monkeypatch):
    straight = made("wire:attention:5")
    monkeypatch.setenv("BRAINLENS_HOME", str(fresh_home / "other"))
    made("wire:attention:3")  # stopped here, gone on with
    resumed = made("wire:attention:5")
    served = made("wire:attention:5")
    earlier = made("wire:attention:3")
    assert all(
        torch.equal(straight[n], resumed[n]) and torch.equal(resumed[n], served[n])
        for n in straight
    )
    assert any(not torch.equal(earlier[n], resumed[n]) for n in straight)
    again = made("wire:attention:2")  # not kept, and the state is further on
    assert any(not torch.equal(again[n], earlier[n]) for n in straight)
    other = made("wire:attention:5:1")
    assert any(not torch.equal(other[n], straight[n]) for n in straight)


def test_all_weights_are_trained_as_the_zoo_trains_them(fresh_home, tmp_path):
    from tokenizers import Tokenizer

    from analysis.models.zoo.corpus import Corpus
    from tools.zoo.__main__ import ZOO

    corpus = Corpus(
        Tokenizer.from_file(str(ZOO / NAME / "tokenizer.json")), {}, {"train": training_tokens()}
    )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        module, _ = train(RECIPES[NAME], corpus, tmp_path / "zoo", stop=4)
    finally:
        torch.set_num_threads(threads)
    mine = made("wire:all:4")
    assert all(torch.equal(value, mine[name]) for name, value in module.named_parameters())


def test_a_wired_model_is_a_model_and_begins_where_its_birth_says(fresh_home):
    one = load(f"{NAME}@untrained:mixture:0@wire:norms:2:0").lm
    two = load(f"{NAME}@untrained:mixture:0").lm
    trained = dict(load(NAME).lm.named_parameters())
    for (name, a), (_, b) in zip(one.named_parameters(), two.named_parameters(), strict=True):
        assert torch.equal(a, b) == ("norm" not in name), name
        assert not torch.equal(b, trained[name])
    lstm = load("zoo-lstm-1m@wire:last-1:1:0").module
    at_birth = load("zoo-lstm-1m@wire:last-1:0:0").module
    moved = {
        n
        for (n, a), (_, b) in zip(lstm.named_parameters(), at_birth.named_parameters())
        if not torch.equal(a, b)
    }
    assert moved and all("l1" in n or "head" in n for n in moved)


def test_what_cannot_be_trained_is_said(fresh_home):
    with pytest.raises(BrainLensError, match="more than the 3,200"):
        made("wire:all:4000")
    with pytest.raises(BrainLensError, match="part of LSTMModule to train 'attention'"):
        _ = load("zoo-lstm-1m@wire:attention:1:0").module
    with pytest.raises(BrainLensError, match="blocks"):
        made("wire:last-3:1")
    with pytest.raises(BrainLensError, match=r"rank-9999 is no small update: .* above \d+"):
        made("wire:rank-9999:1")
    assert recipe_of("mine", born().config, 4).rate == 1e-3
    assert not list((home() / "wiring").glob("*/at-*"))


# ---- the other steps that are new ----------------------------------------------------------------------------------------


def test_thirds_are_equal_numbers_of_blocks_and_matrices_are_apart_from_gains():
    for top in range(3, 40):
        thirds = [set(_noised(f"{third}-third", top)) for third in ("lower", "middle", "upper")]
        assert {len(one) for one in thirds} == {top // 3}
        assert not (thirds[0] & thirds[1] or thirds[1] & thirds[2]) and max(thirds[2]) == top
    clean = dict(load("zoo-causal-1m").lm.named_parameters())
    for what, moves in (("matrices", lambda v: v.dim() > 1), ("gains", lambda v: v.dim() == 1)):
        noisy = load(f"zoo-causal-1m@noise:upper-third.{what}:0.5:0").lm
        for name, value in noisy.named_parameters():
            here = layer_of(name) == 4 and moves(value)
            assert torch.equal(value, clean[name]) != here, (what, name)
    with pytest.raises(BrainLensError, match="blocks 1 to 2"):
        _ = load("zoo-causal-200k@noise:middle-third:0.5:0").lm


def test_a_hashed_tensor_has_few_values_with_the_trained_quantiles():
    rng = np.random.default_rng(0)
    values = rng.normal(1.0, 2.0, (200, 300)).astype(np.float32)
    made = drawn(values, "hashed", rng)
    assert len(np.unique(made)) <= 256 and abs(made.std() / values.std() - 1) < 0.03
    assert abs(np.corrcoef(made.ravel(), values.ravel())[0, 1]) < 0.02
