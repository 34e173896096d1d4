"""Attention, feed-forward parts, heads and decoder layers, against activations read by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from analysis import score
from analysis.models.catalog import load
from analysis.models.sites import Site, expanded, is_site
from analysis.models.transformer import TransformerModel
from analysis.models.variants.spec import Variant, split
from analysis.store.store import Store
from analysis.text.passages import Passage
from data.errors import BrainLensError
from tests import tiny_models
from tests.analysis.test_encoder_decoders import TEXT, model  # noqa: F401 - a fixture

TEXTS = ("The old boat.", "Nobody knew where the old dog slept.")


def passage(text: str, row: int, start: int = 0) -> Passage:
    return Passage(text, ((start, len(text)),), (row,))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    made = {}

    def folder(family):
        if family not in made:
            made[family] = tiny_models.make(family, tmp_path_factory.mktemp(family) / family)
        return made[family]

    return folder


def reader(folders, family, sites=None):
    folder = folders(family)
    found = TransformerModel(tiny_models.card(family, folder), folder)
    return found.at(sites) if sites else found


def values(found) -> dict[str, np.ndarray]:
    """Site or layer -> (text, unit)."""
    names = [site.name for site in found.sites] or [str(n) for n in range(found.n_layers)]
    out = {name: np.zeros((len(TEXTS), width)) for name, width in zip(names, found.widths)}
    read = found.read([passage(text, i) for i, text in enumerate(TEXTS)], range(found.n_layers))
    for rows, layers in read:
        for name, layer in zip(names, layers):
            out[name][rows] = layer
    return out


@pytest.mark.parametrize("family", ["gpt2", "llama", "opt", "gemma"])
def test_attention_and_feed_forward_parts_are_what_a_block_adds(family, folders):
    layers = values(reader(folders, family))
    parts = values(reader(folders, family, ["attn", "mlp", "block:0"]))
    np.testing.assert_allclose(parts["block:0"], layers["0"], atol=1e-6)
    for block in range(1, tiny_models.LAYERS + 1):
        added = layers[str(block)] - layers[str(block - 1)]
        np.testing.assert_allclose(
            parts[f"attn:{block}"] + parts[f"mlp:{block}"], added, rtol=1e-4, atol=1e-4
        )


@pytest.mark.parametrize(
    "family, attention, feed_forward",
    [
        ("gpt2", "h.1.attn", "h.1.mlp"),
        ("llama", "layers.1.self_attn", "layers.1.mlp"),
        ("bert", "encoder.layer.1.attention.output.dense", "encoder.layer.1.output.dense"),
        ("roberta", "encoder.layer.1.attention.output.dense", "encoder.layer.1.output.dense"),
        ("distilbert", "transformer.layer.1.attention", "transformer.layer.1.ffn.lin2"),
        ("gpt_neox", "layers.1.attention", "layers.1.mlp"),
    ],
)
def test_a_site_is_the_part_hooked_by_hand(family, attention, feed_forward, folders):
    found = reader(folders, family, ["mlp:2", "attn:2"])
    told = values(found)
    body, heard = found.module, {}
    for name in (attention, feed_forward):
        module = body.get_submodule(name)
        module.register_forward_hook(
            lambda m, a, out, name=name: heard.__setitem__(
                name, out[0] if isinstance(out, tuple) else out
            )
        )
    front, back = found.frame()
    for row, text in enumerate(TEXTS):
        ids = found.tokenizer(text, add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            body(input_ids=torch.tensor([[*front, *ids, *back]]))
        for site, name in (("attn:2", attention), ("mlp:2", feed_forward)):
            expected = heard[name][0, len(front) + len(ids) - 1].numpy()
            np.testing.assert_allclose(told[site][row], expected, rtol=1e-4, atol=1e-5)
    assert [site.name for site in found.sites] == ["mlp:2", "attn:2"]
    assert found.id.endswith("@at:mlp:2+attn:2") and found.depths == pytest.approx([2 / 3] * 2)


@pytest.mark.parametrize("family", ["gpt2", "bert", "llama"])
def test_heads_make_up_what_attention_writes(family, folders):
    found = reader(folders, family, ["head:2", "attn:2"])
    told = values(found)
    heads = [told[f"head:2.{h}"] for h in range(4)]
    assert {head.shape[1] for head in heads} == {tiny_models.WIDTH // 4}
    body = found.module
    out = {
        "gpt2": lambda: body.h[1].attn.c_proj,
        "bert": lambda: body.encoder.layer[1].attention.output.dense,
        "llama": lambda: body.layers[1].self_attn.o_proj,
    }[family]()
    with torch.no_grad():
        whole = out(torch.tensor(np.concatenate(heads, axis=1)).float()).numpy()
    np.testing.assert_allclose(told["attn:2"], whole, rtol=1e-4, atol=1e-5)


def test_decoder_layers_are_read_with_the_context_in_the_encoder(model):  # noqa: F811
    found = model.at(["dec"])
    assert [site.name for site in found.sites] == ["dec:0", "dec:1", "dec:2", "dec:3"]
    spans = ((0, 18), (42, 53), (42, len(TEXT)))  # a sentence, the begin of one, the whole of it
    (rows, layers), *more = found.read([Passage(TEXT, spans, (0, 1, 2))], range(4))
    assert not more
    body = model.lm.base_model
    front, back = model.frame()
    coded = model.tokenizer(TEXT, add_special_tokens=False, return_offsets_mapping=True)
    ids, ends = coded["input_ids"], [b for _, b in coded["offset_mapping"]]
    for row, (start, end) in enumerate(spans):
        first = next(i for i, e in enumerate(ends) if e > start)
        last = next(i for i, e in enumerate(ends) if e >= end)
        own = [model.config.decoder_start_token_id, *front, *ids[first : last + 1]]
        with torch.no_grad():
            states = body(
                input_ids=torch.tensor([[*front, *ids[:first], *back] or [model.padding]]),
                decoder_input_ids=torch.tensor([own]),
                output_hidden_states=True,
            ).decoder_hidden_states
        at = rows.tolist().index(row)
        for layer in range(3):  # of the last one transformers tells the state behind the final norm
            np.testing.assert_allclose(
                layers[layer][at], states[layer][0, -1].numpy(), rtol=1e-4, atol=1e-4
            )
        assert np.abs(layers[3][at] - layers[2][at]).max() > 1e-3


def test_a_score_of_sites_has_their_names_and_keys_of_its_own(folders, tmp_path):
    from analysis.protocol import preset
    from benchmarks.simulated import recorded as made

    responses = np.random.default_rng(0).standard_normal((40, 2))
    recorded, store = made(responses, None, 4), Store(tmp_path)
    protocol = preset("defended").but(
        controls=(), shuffled_twin=False, unique=False, seeds=1, bootstrap=50
    )
    whole = score(reader(folders, "gpt2"), recorded, protocol, store=store)
    found = score(
        reader(folders, "gpt2"), recorded, protocol, layers=["attn:3", "mlp:3"], store=store
    )
    assert found.dataset.note.values.tolist() == ["attn:3", "mlp:3"]
    assert found.dataset.depth.values.tolist() == [1.0, 1.0]
    assert found.provenance["model"]["id"].endswith("@at:attn:3+mlp:3")
    assert len(found.dataset.layer) == 2 and len(whole.dataset.layer) == 4
    again = score(
        reader(folders, "gpt2"), recorded, protocol, layers=["attn:3", "mlp:3"], store=store
    )
    assert again.cached and again.value == found.value


def test_names_of_sites():
    assert is_site("attn") and is_site("head:3.5") and not is_site("mlp:3.5") and not is_site(3)
    assert expanded(["attn"], 2, 4, None) == [Site("attn", 1), Site("attn", 2)]
    assert [site.name for site in expanded(["head:2", "block:0"], 2, 2, None)] == [
        "head:2.0",
        "head:2.1",
        "block:0",
    ]
    base, _, variant = split("gpt2@untrained:init:1@at:attn:3+mlp:3")
    assert base == "gpt2" and variant.sites == ["attn:3", "mlp:3"]
    assert str(variant) == "untrained:init:1@at:attn:3+mlp:3"
    assert [step.kind for step in variant.on_weights.steps] == ["untrained"] and not variant.on_text


@pytest.mark.parametrize(
    "names, told",
    [
        (["attn:4"], "blocks 1 to 3"),
        (["head:1.9"], "heads are counted 0 to 3"),
        (["dec:1"], "this model has none"),
        (["mlp:0"], "blocks 1 to 3"),
    ],
)
def test_sites_that_are_not_there_are_named(names, told, folders):
    with pytest.raises(BrainLensError, match=told) as caught:
        values(reader(folders, "gpt2", names))
    assert caught.value.remedy


def test_a_name_with_places_is_read_there_whatever_else_it_says():
    plain, inside = load("zoo-causal-200k"), load("zoo-causal-200k@at:attn:1+mlp")
    assert [site.name for site in inside.sites] == ["attn:1", "mlp:1", "mlp:2"]
    assert inside.id.endswith("@at:attn:1+mlp") and plain.sites == [] and plain.n_layers == 3
    masked = load("zoo-causal-200k@at:attn:1@mask:50:word:0")
    assert [site.name for site in masked.sites] == ["attn:1"] and masked.n_layers == 1
    with pytest.raises(BrainLensError, match="zoo-glove-64d is no transformer") as caught:
        load("zoo-glove-64d@at:attn")
    assert "@at:attn" in caught.value.remedy


def test_models_without_such_parts_say_so(folders):
    with pytest.raises(BrainLensError, match="Unknown site 'attention:3'"):
        Variant.parse("at:attention:3")
    found = reader(folders, "mamba", ["attn:1"])
    with pytest.raises(BrainLensError, match="no part of MambaBlock"):
        values(found)
    with pytest.raises(BrainLensError, match="no block of its own"):
        values(reader(folders, "albert", ["attn:1"]))
    with pytest.raises(BrainLensError, match="is no transformer"):
        score("zoo-glove-64d", "simulated", layers=["attn:1"])
