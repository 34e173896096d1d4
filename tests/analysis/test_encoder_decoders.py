"""Encoder-decoders: the encoder reads the context, the decoder the sentence."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from analysis.features.surprisal import word_surprisal
from analysis.models.base import Card
from analysis.models.seeds import seeded
from analysis.models.transformer import TransformerModel
from analysis.store.store import Store
from analysis.text.passages import sentences
from tests import tiny_models

TEXT = 'The old dog slept. "Why?" asked the girl. Nobody knew where the boat had gone.'
CUTS = [0, 19, 26, 42]


@pytest.fixture(scope="module", params=["t5", "bart"])
def model(request, tmp_path_factory):
    import transformers

    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "t5":
        tokenizer = tiny_models._pieces_after(folder, 300, 64)
        config = transformers.T5Config(
            vocab_size=len(tokenizer),
            d_model=16,
            num_layers=2,
            num_decoder_layers=3,
            num_heads=2,
            d_ff=16,
            d_kv=8,
            pad_token_id=0,
            eos_token_id=1,
            decoder_start_token_id=0,
        )
    else:
        tokenizer = tiny_models._byte_cls(folder, 300, 64)
        config = transformers.BartConfig(
            vocab_size=len(tokenizer),
            d_model=16,
            encoder_layers=2,
            decoder_layers=3,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=16,
            decoder_ffn_dim=16,
            max_position_embeddings=64,
            pad_token_id=1,
            bos_token_id=0,
            eos_token_id=2,
            decoder_start_token_id=2,
        )
    with seeded(0), torch.no_grad():
        network = transformers.AutoModelForSeq2SeqLM.from_config(config)
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
        if hasattr(network, "final_logits_bias"):
            network.final_logits_bias.normal_()
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return TransformerModel(Card(request.param, "encoder-decoder", source="folder"), folder)


def by_hand(model, text: str) -> np.ndarray:
    """Nats of every token, one sentence at a time, from the whole network's own logits."""
    front, back = model.frame()
    coded = model.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids, ends = coded["input_ids"], [b for _, b in coded["offset_mapping"]]
    begins = [next(i for i, end in enumerate(ends) if end > cut) for cut in sentences(text)]
    nats = []
    for first, last in zip(begins, [*begins[1:], len(ids)]):
        decoder = [model.config.decoder_start_token_id, *front, *ids[first:last]]
        with torch.no_grad():
            logits = model.lm(
                input_ids=torch.tensor([[*front, *ids[:first], *back]]),
                decoder_input_ids=torch.tensor([decoder]),
            ).logits[0]
        logs = logits.log_softmax(-1)[len(front) : -1]
        nats += (-logs[torch.arange(last - first), ids[first:last]]).tolist()
    return np.array(nats)


def test_sentences_begin_after_their_ends():
    assert sentences(TEXT) == CUTS and sentences("  ") == [] and sentences("Dr No") == [0]


def test_surprisal_is_the_decoders_after_the_encoder_read_what_stood_before(model):
    told = model.surprisal([TEXT, "A boat.", TEXT + " Then he left."])
    np.testing.assert_allclose(told[0].nats, by_hand(model, TEXT), rtol=2e-4, atol=2e-4)
    np.testing.assert_allclose(told[1].nats, by_hand(model, "A boat."), rtol=2e-4, atol=2e-4)
    count = len(told[0].nats)  # neither company nor words to come tell
    np.testing.assert_allclose(told[2].nats[:count], told[0].nats, rtol=2e-4, atol=2e-4)


def test_words_have_their_surprisal_without_a_correction(model, tmp_path):
    table = word_surprisal(model, TEXT, store=Store(tmp_path, readers=[]))
    assert np.isfinite(table["surprisal"]).all() and not table.attrs["word_boundary"]
    assert table["surprisal"].sum() == pytest.approx(
        model.surprisal([TEXT])[0].nats.sum() / np.log(2), rel=1e-5
    )
    assert table.attrs["kind"] == "surprisal"


def test_a_window_keeps_the_newest_tokens_and_every_token_is_scored_once(model):
    whole, narrow = model.surprisal([TEXT])[0], model.surprisal([TEXT], window=12)[0]
    assert np.isfinite(narrow.nats).all() and len(narrow.nats) == len(whole.nats)
    first = sentences(TEXT)[1]
    early = [i for i, (_, b) in enumerate(whole.offsets) if b <= first and i < 8]
    np.testing.assert_allclose(narrow.nats[early], whole.nats[early], rtol=1e-4, atol=1e-4)


def test_the_context_tells(model):
    alone = model.surprisal(["Nobody knew where the boat had gone."])[0].nats
    assert np.abs(model.surprisal([TEXT])[0].nats[-len(alone) :] - alone).max() > 1e-3
