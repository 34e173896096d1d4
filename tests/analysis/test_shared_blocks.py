"""One block applied again and again: stored once, the same weights at every depth, whatever is done to them."""

from __future__ import annotations

import itertools
import json
import shutil

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from analysis.models import load
from analysis.models.files.weights import count_parameters
from analysis.models.zoo.recipes import RECIPES, Recipe
from analysis.models.zoo.train import build
from analysis.text.passages import Passage
from data.errors import BrainLensError
from tools.zoo.__main__ import ZOO

NAME = "zoo-recurrent-700k"
IDS = torch.tensor([[0, 100, 200, 300, 400]])


def blocks(model):
    return list(model.lm.model.layers)


def test_the_block_is_stored_and_counted_once():
    with safe_open(ZOO / NAME / "model.safetensors", "np") as file:
        names = set(file.keys())
    assert {name.split(".")[2] for name in names if ".layers." in name} == {"0"}
    assert json.loads((ZOO / NAME / "config.json").read_text())["shared_blocks"] is True
    card = load(NAME).card
    assert card.parameters == count_parameters(ZOO / NAME) == 725_376
    assert (card.cls, card.layers) == ("causal", 4) and "one block applied 4 times" in card.note


def test_a_pass_is_the_first_block_four_times():
    network = load(NAME).lm
    body = network.model
    with torch.inference_mode():
        hidden = body.embed_tokens(IDS)
        angles = body.rotary_emb(hidden, torch.arange(IDS.shape[1])[None])
        ahead = torch.full((IDS.shape[1],) * 2, float("-inf")).triu(1)[None, None]
        for _ in range(4):
            out = body.layers[0](hidden, attention_mask=ahead, position_embeddings=angles)
            hidden = out[0] if isinstance(out, tuple) else out
        expected = body.norm(hidden) @ body.embed_tokens.weight.T
        torch.testing.assert_close(network(IDS).logits, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "variant",
    ["", "untrained:init:1", "untrained:permute:1", "untrained:blocks:0", "noise:all:0.3:2"],
)
def test_every_variant_keeps_one_block(variant):
    first, *others = blocks(load(f"{NAME}@{variant}" if variant else NAME))
    own = dict(first.named_parameters())
    for other in others:
        assert all(torch.equal(own[name], value) for name, value in other.named_parameters())
        assert other is not first  # each depth can be read by itself


def test_layers_differ_though_their_weights_do_not():
    model = load(NAME)
    passage = Passage("The boat came home before the storm.", ((0, 35),), (0,))
    layers = range(model.n_layers)
    (_, values), *rest = model.read([passage], list(layers))
    assert not rest and model.n_layers == 5
    apart = [np.linalg.norm(a - b) for a, b in itertools.pairwise(values)]
    assert min(apart) > 1e-2


def test_one_depth_can_be_cut_out_by_itself():
    cut = load(f"{NAME}@lesion:blocks:25:0")
    assert cut.lm.lesion.sum() == 1
    assert not torch.allclose(cut.lm(IDS).logits, load(NAME).lm(IDS).logits)


def test_noise_at_a_depth_that_has_no_weights_of_its_own_is_refused():
    with pytest.raises(BrainLensError, match="blocks 1 to 1"):
        _ = load(f"{NAME}@noise:3:0.3:0").lm


def test_an_update_of_low_rank_is_refused_with_what_can_be_trained():
    with pytest.raises(BrainLensError, match=r"one block again and again.*attention"):
        _ = load(f"{NAME}@wire:rank-2:16:0").lm


def test_all_of_it_can_be_trained_from_its_birth(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINLENS_HOME", str(tmp_path))
    born, taught = (load(f"{NAME}@{what}") for what in ("untrained:init:0", "wire:all:2:0"))
    first, *others = blocks(taught)
    assert all(
        torch.equal(a, b)
        for other in others
        for a, b in zip(first.parameters(), other.parameters())
    )
    assert not torch.equal(first.mlp.up_proj.weight, blocks(born)[0].mlp.up_proj.weight)


def test_a_tensor_of_the_first_block_that_is_missing_is_named(tmp_path):
    folder = tmp_path / "cut"
    shutil.copytree(ZOO / NAME, folder)
    held = load_file(folder / "model.safetensors")
    del held["model.layers.0.mlp.up_proj.weight"]
    save_file(held, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BrainLensError, match=r"lack 1 tensors .* first .*layers\.0\.mlp\.up_proj"):
        _ = load(folder).lm


@pytest.mark.parametrize("variant", ["", "@untrained:init:0"])
def test_blocks_of_different_kinds_are_no_shared_ones(tmp_path, variant):
    """ModernBERT's first block has no norm of its own: those of the others would stay as they were drawn."""
    folder = tmp_path / "mixed"
    shutil.copytree(ZOO / "zoo-masked-1m", folder)
    config = json.loads((folder / "config.json").read_text()) | {"shared_blocks": True}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(
        BrainLensError, match=r"block 1 of ModernBert.* is not like the first.*norm"
    ):
        _ = load(f"{folder}{variant}").lm


def test_a_fresh_one_is_that_of_its_untrained_variant():
    recipe: Recipe = RECIPES[NAME]
    made = dict(build(recipe).named_parameters())
    other = dict(load(f"{NAME}@untrained:init:0").lm.named_parameters())
    assert made.keys() == other.keys() and len(made) == 11
    assert all(torch.equal(made[name], other[name]) for name in made)
