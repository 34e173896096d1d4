"""Untrained schemes and weight noise: what each preserves, and that a seed decides all."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import AutoModelForMaskedLM, BertConfig, GPT2Config, GPT2LMHeadModel

from analysis.models.variants.apply import apply
from analysis.models.variants.spec import SCHEMES, Variant
from analysis.models.variants.untrained import drawn, fit_mixture, layer_of
from data.errors import BrainLensError

CONFIG = GPT2Config(vocab_size=50, n_layer=4, n_embd=16, n_head=2, n_positions=32)


def fresh():
    return GPT2LMHeadModel(CONFIG)


@pytest.fixture(scope="module")
def trained():
    """Weights that no initialisation would give: two groups of values in each tensor."""
    torch.manual_seed(7)
    module = fresh()
    with torch.no_grad():
        for _, value in module.named_parameters():
            value.copy_(
                torch.where(torch.rand_like(value) < 0.3, 1.0, -0.2)
                + 0.05 * torch.randn_like(value)
            )
    return {name: value.clone() for name, value in module.state_dict().items()}


def made(trained, text):
    module = fresh()
    module.load_state_dict(trained)
    return dict(apply(module, Variant.parse(text), fresh=fresh).named_parameters())


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_seed_decides_all(trained, scheme):
    first, second, other = (made(trained, f"untrained:{scheme}:{seed}") for seed in (5, 5, 6))
    name = "transformer.h.1.mlp.c_fc.weight"
    assert all(torch.equal(first[n], second[n]) for n in first)
    assert not torch.equal(first[name], other[name]) and not torch.equal(first[name], trained[name])


@pytest.mark.parametrize("text", ["untrained:gaussian:5", "noise:all:0.1:0", "untrained:blocks:1"])
def test_the_global_generator_is_left_alone(trained, text):
    module = fresh()
    module.load_state_dict(trained)
    state = torch.get_rng_state()
    apply(module, Variant.parse(text), fresh=fresh)
    assert torch.equal(torch.get_rng_state(), state)


def test_init_is_the_librarys_own_and_leaves_the_global_generator_alone():
    state = torch.get_rng_state()
    module = apply(None, Variant.parse("untrained:init:3"), fresh=lambda: torch.nn.Linear(4, 4))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(3)
    assert torch.equal(module.weight, torch.nn.Linear(4, 4).weight)


def test_permute_keeps_every_value_of_every_tensor(trained):
    for name, value in made(trained, "untrained:permute:0").items():
        assert torch.equal(value.flatten().sort()[0], trained[name].flatten().sort()[0]), name


@pytest.mark.parametrize("scheme", ["gaussian", "mixture"])
def test_drawn_weights_have_each_tensors_moments(trained, scheme):
    for name, value in made(trained, f"untrained:{scheme}:0").items():
        if value.numel() < 500:
            continue
        error = trained[name].std() / np.sqrt(value.numel())
        assert abs(value.mean() - trained[name].mean()) < 5 * error, name
        assert abs(value.std() / trained[name].std() - 1) < 0.1, name


def test_the_mixture_keeps_the_two_groups_and_the_gaussian_does_not(trained):
    name = "transformer.h.0.mlp.c_fc.weight"
    between = {
        scheme: float(
            ((v := made(trained, f"untrained:{scheme}:0")[name]) > 0.2)
            .logical_and(v < 0.6)
            .float()
            .mean()
        )
        for scheme in ("gaussian", "mixture")
    }
    assert between["mixture"] < 0.02 < 0.2 < between["gaussian"]


def test_a_mixture_is_fitted_with_the_moments_of_the_values():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(-3, 0.5, 4000), rng.normal(2, 1, 6000)])
    weights, means, sds = fit_mixture(values, components=2)
    np.testing.assert_allclose(np.sort(means), [-3, 2], atol=0.1)
    np.testing.assert_allclose(weights[np.argsort(means)], [0.4, 0.6], atol=0.02)
    np.testing.assert_allclose(weights @ means, values.mean(), atol=1e-9)
    np.testing.assert_allclose(
        weights @ (sds**2 + means**2) - (weights @ means) ** 2, values.var(), rtol=1e-9
    )
    assert np.array_equal(
        drawn(np.full((3, 2), 0.5, np.float32), "mixture", rng), np.full((3, 2), 0.5)
    )
    with pytest.raises(BrainLensError, match=r"finite"):
        fit_mixture(np.array([1.0, np.nan]))


def test_blocks_are_untrained_under_the_trained_embeddings(trained):
    new, plain = made(trained, "untrained:blocks:4"), made(trained, "untrained:init:4")
    for name, value in new.items():
        assert torch.equal(value, trained[name] if layer_of(name) == 0 else plain[name]), name
    assert layer_of("transformer.wte.weight") == layer_of("transformer.wpe.weight") == 0


@pytest.mark.parametrize(
    "layers, touched",
    [("all", None), ("lower", {1, 2}), ("upper", {3, 4}), ("0", {0}), ("2-3", {2, 3})],
)
def test_noise_falls_on_the_layers_asked_for_and_has_the_size_asked_for(trained, layers, touched):
    for name, value in made(trained, f"noise:{layers}:0.5:0").items():
        hit = touched is None or layer_of(name) in touched
        assert torch.equal(value, trained[name]) != hit, name
        if hit and value.numel() > 500:
            assert (
                abs(float((value.detach() - trained[name]).std() / trained[name].std()) - 0.5)
                < 0.06
            ), name


def test_noise_on_layers_that_are_not_there(trained):
    with pytest.raises(BrainLensError, match=r"blocks 1 to 4"):
        made(trained, "noise:9:0.5:0")


def test_layers_are_told_for_every_family():
    from transformers import AutoConfig, AutoModel

    two = {
        "num_hidden_layers": 2,
        "n_layer": 2,
        "n_layers": 2,
        "num_layers": 2,
        "attention_types": [[["global", "local"], 1]],
    }
    for family in (
        "gpt2",
        "openai-gpt",
        "ctrl",
        "xlnet",
        "xlm",
        "xlm-roberta",
        "bert",
        "distilbert",
        "roberta",
        "t5",
        "opt",
        "gpt_neo",
        "gpt_neox",
        "llama",
        "gemma2",
        "mamba",
    ):
        known = AutoConfig.for_model(family)
        config = AutoConfig.for_model(family, **{k: v for k, v in two.items() if hasattr(known, k)})
        with torch.device("meta"):
            names = [name for name, _ in AutoModel.from_config(config).named_parameters()]
        layers = {layer_of(name) for name in names}
        assert {0, 1, 2} <= layers <= {None, 0, 1, 2}, (
            family,
            [n for n in names if layer_of(n) not in (1, 2)],
        )
        inside = [n for n in names if layer_of(n) == 0]
        assert all(
            "emb" in n
            or "wte" in n
            or "wpe" in n
            or "shared" in n
            or "w.weight" in n
            or "position" in n
            for n in inside
        ), family


def test_a_tied_head_moves_with_its_embedding():
    config = BertConfig(
        vocab_size=30,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
    )
    module = apply(AutoModelForMaskedLM.from_config(config), Variant.parse("untrained:permute:0"))
    assert torch.equal(module.get_output_embeddings().weight, module.get_input_embeddings().weight)
