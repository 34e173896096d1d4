"""Activations of every architecture family against a direct call of transformers, one prefix at a time."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from analysis.models.base import Passage
from analysis.models.transformer import TransformerModel

sys.path.insert(0, str(Path(__file__).parents[1]))
import tiny_models

LAST_BLOCK = {  # name of the module that ends block 3, written down here so that the test does not ask the code it tests
    "gpt2": "h.2",
    "openai-gpt": "h.2",
    "ctrl": "h.2",
    "xlnet": "layer.2",
    "xlm": "layer_norm2.2",
    "xlm-roberta": "encoder.layer.2",
    "bert": "encoder.layer.2",
    "distilbert": "transformer.layer.2",
    "roberta": "encoder.layer.2",
    "albert": "encoder.albert_layer_groups.0",
    "t5": "encoder.block.2",
    "opt": "decoder.layers.2",
    "gpt_neo": "h.2",
    "gpt_neox": "layers.2",
    "llama": "layers.2",
    "gemma": "layers.2",
    "mamba": "layers.2",
}

TEXTS = [
    ["The old lighthouse keeper climbed.", "He didn't mind the wind.", "Nobody knew -- it was a well-known story!"],
    ["WHAT'S  THAT?", "A naïve café owner", "told 15 stories"],
    ["In the morning they found two letters."],
]


def passage(texts, first_row=0):
    text, spans = "", []
    for piece in texts:
        text += " " if text else ""
        spans.append((len(text), len(text) + len(piece)))
        text += piece
    return Passage(text, tuple(spans), tuple(range(first_row, first_row + len(texts))))


PASSAGES = [passage(TEXTS[0]), passage(TEXTS[1], 3), passage(TEXTS[2], 6)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    made = {}

    def folder(family, **options):
        name = "-".join([family, *map(str, options.values())])
        if name not in made:
            made[name] = tiny_models.make(family, tmp_path_factory.mktemp("models") / name, **options)
        return made[name]

    return folder


def model_of(folder, family, **fields):
    return TransformerModel(tiny_models.card(family, folder, **fields), folder)


def read_all(model, passages=PASSAGES, **options):
    layers = options.pop("layers", range(model.n_layers))
    n = sum(len(p.rows) for p in passages)
    values = [np.full((n, model.widths[layer]), np.nan, np.float32) for layer in layers]
    for rows, batch in model.read(passages, layers, **options):
        for store, value in zip(values, batch, strict=True):
            store[rows] = value
    return values


def direct(family, folder, text, span, pooling="last"):
    """Hidden states of one prefix by one plain call: layers 0 .. L-1 from transformers itself, layer L by a hook."""
    import torch
    from transformers import AutoModel, AutoTokenizer, T5EncoderModel

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = (T5EncoderModel if family == "t5" else AutoModel).from_pretrained(folder, dtype=torch.float32).eval()
    ids = tokenizer(text[: span[1]], return_tensors="pt")["input_ids"]
    caught = []
    last = model.get_submodule(LAST_BLOCK[family])
    last.register_forward_hook(
        lambda m, args, out: caught.append((out[0] if isinstance(out, tuple | list) else out).detach().clone())
    )
    with torch.no_grad():
        told = model(ids, output_hidden_states=True)
    told_states = (
        (model.embeddings(ids).detach(), *told.hidden_states) if family == "mamba" else told.hidden_states
    )  # Mamba leaves layer 0 out
    states = [*told_states[: tiny_models.LAYERS], caught[-1].transpose(0, 1) if family == "xlnet" else caught[-1]]
    bare = tokenizer(text[: span[1]], add_special_tokens=False)["input_ids"]
    at = len(bare) - 1 if ids[0, : len(bare)].tolist() == bare else len(bare)  # behind one token in front, or none
    return [state[0, at].numpy() for state in states], told.last_hidden_state[0, at].numpy()


@pytest.mark.parametrize("family", tiny_models.FAMILIES)
def test_every_layer_equals_a_direct_call_per_prefix(family, folders):
    model = model_of(folders(family), family)
    values = read_all(model)
    normed = read_all(model, layers=[model.n_layers - 1], last_layer="normed")[0]
    row = 0
    for p in PASSAGES:
        for span in p.spans:
            expected, last = direct(family, folders(family), p.text, span)
            for layer, vector in enumerate(expected):
                np.testing.assert_allclose(values[layer][row], vector, atol=5e-5, err_msg=f"{family} layer {layer} row {row}")
            np.testing.assert_allclose(normed[row], last, atol=5e-5)
            row += 1
    assert np.ptp(np.stack([v[0] for v in values[:1]]), axis=1).all()  # the layers are no zeros
    assert all(np.abs(values[i] - values[i + 1]).max() > 1e-3 for i in range(len(values) - 1))
