"""What a causal model says of a text depends neither on what else is read nor on words to come, whatever its architecture."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from analysis.models.base import Card
from analysis.models.seeds import seeded
from analysis.models.transformer import TransformerModel
from analysis.text.passages import Passage
from tests import tiny_models
from tests.causal_classes import NOT_TESTED, causal_types, tiny_config

TEXT = "The old dog slept under the table, as dogs do; nobody knew where the fishermen had gone in the wind."
LONGER = (
    TEXT + " " + "A small boat was well-known in the harbour and some said they'd sailed north."
)
SPANS = ((0, 33), (34, 73), (74, len(TEXT)))
REPRESENTATIVE = ("gpt2", "bloom", "gemma3_text", "mixtral", "mamba2", "rwkv")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return tiny_models._byte(None, 300, 128)


def made(kind: str, tokenizer, folder, **more) -> TransformerModel:
    """A tiny random model of a type, saved and loaded as a user's folder is."""
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    config = tiny_config(kind, max(len(tokenizer), 500), **more)
    with seeded(0), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = transformers.AutoModelForCausalLM.from_config(config).eval()
        with torch.no_grad():  # so large that every token tells
            for parameter in network.parameters():
                if parameter.is_floating_point():
                    parameter.add_(torch.randn_like(parameter) * 0.05)
    count = sum(p.numel() for p in network.parameters())
    assert count < 5e6, f"{kind} has {count} weights"
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return TransformerModel(Card(kind, "causal", source="folder"), folder)


def read(model, passages) -> dict[int, list[np.ndarray]]:
    layers = list(range(model.n_layers))
    return {
        int(row): [layer[i] for layer in values]
        for rows, values in model.read(passages, layers)
        for i, row in enumerate(rows)
    }


def close(one, other, what):
    for layer, (a, b) in enumerate(zip(one, other, strict=True)):
        scale = max(float(np.abs(a).max()), 1e-3)
        np.testing.assert_allclose(a, b, atol=2e-4 * scale, err_msg=f"{what}, layer {layer}")


def holds(model) -> bool:
    """Alone = in company = by prefix, for layers and surprisals."""
    alone = read(model, [Passage(TEXT, SPANS, (0, 1, 2))])
    others = [Passage(LONGER, ((0, len(LONGER)),), (3,)), Passage("The wind", ((0, 8),), (4,))]
    company = read(model, [Passage(TEXT, SPANS, (0, 1, 2)), *others])
    assert all(np.isfinite(values).all() for values in alone[2])
    for row, (start, end) in enumerate(SPANS):
        close(alone[row], company[row], f"row {row} in company")
        prefix = read(model, [Passage(TEXT[:end], ((start, end),), (0,))])[0]
        close(alone[row], prefix, f"row {row} by prefix")
    nats = model.surprisal([TEXT])[0].nats
    together = model.surprisal([LONGER, TEXT, "The wind"])
    np.testing.assert_allclose(together[1].nats, nats, rtol=2e-3, atol=2e-3)
    shared = len(model.surprisal([TEXT[: SPANS[1][1]]])[0].nats)
    np.testing.assert_allclose(together[0].nats[:shared], nats[:shared], rtol=2e-3, atol=2e-3)
    return bool(np.isfinite(nats[1:]).all())


@pytest.mark.slow
@pytest.mark.parametrize("kind", REPRESENTATIVE)
def test_a_causal_class_reads_alone_as_in_company_as_by_prefix(kind, tokenizer, tmp_path):
    assert holds(made(kind, tokenizer, tmp_path / "model"))


@pytest.mark.deep
@pytest.mark.parametrize(
    "kind", [k for k in causal_types() if k not in NOT_TESTED and k not in REPRESENTATIVE]
)
def test_every_causal_class_reads_alone_as_in_company_as_by_prefix(kind, tokenizer, tmp_path):
    assert holds(made(kind, tokenizer, tmp_path / "model"))


def test_what_is_not_tested_is_there_and_has_a_reason():
    assert set(NOT_TESTED) <= set(causal_types()) and all(NOT_TESTED.values())
    assert not set(NOT_TESTED) & set(REPRESENTATIVE)


ROPES = {
    "linear": {"factor": 2.0},
    "dynamic": {"factor": 2.0, "original_max_position_embeddings": 16},
    "yarn": {"factor": 4.0, "original_max_position_embeddings": 16},
    "longrope": {
        "original_max_position_embeddings": 16,
        "short_factor": [1.0] * 4,
        "long_factor": [4.0] * 4,
        "factor": 4.0,
    },
    "llama3": {
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 16,
    },
}


@pytest.mark.parametrize("kind", ROPES)
def test_every_kind_of_rotary_scaling(kind, tokenizer, tmp_path):
    told = {"rope_type": kind, "rope_theta": 100.0, **ROPES[kind]}
    model = made("llama", tokenizer, tmp_path / "model", rope_parameters=told)
    assert model.window == (16 if kind in ("dynamic", "longrope") else 128)
    assert holds(model)
