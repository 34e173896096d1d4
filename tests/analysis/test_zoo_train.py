"""The zoo's training: the same again from the same seed, resumable to the bit, exported as the adapters read it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from analysis.models import load
from analysis.models.zoo.corpus import END, MASK, Corpus
from analysis.models.zoo.recipes import RECIPES, Recipe
from analysis.models.zoo.train import (
    batch_of,
    build,
    loss_of,
    optimizer_of,
    short_lstm,
    train,
    update,
)
from analysis.text.passages import Passage
from data import embedded
from data.errors import BrainLensError
from tools.zoo import glove
from tools.zoo.__main__ import ZOO
from tools.zoo.export import SHORT, export, shortened
from tools.zoo.prepare import train_tokenizer

SENTENCES = [
    "The cat sat on the mat and looked at the moon.",
    "A small boat came home before the storm began.",
    "Who opened the green door? Nobody knows, and nobody asks.",
    "The moon looked at the boat, and the boat at the moon.",
]
COMMON = {"rate": 1e-2, "steps": 60, "batch": 4, "length": 32}
TINY = {
    "causal": Recipe(
        "tiny-causal", "causal", 16, 2, heads=2, inner=32, checkpoints=(0, 4), **COMMON
    ),
    "shared": Recipe("tiny-shared", "shared", 16, 3, heads=2, inner=32, **COMMON),
    "masked": Recipe(
        "tiny-masked", "masked", 16, 1, heads=2, inner=32, spread=0.08, dtype="bfloat16", **COMMON
    ),
    "recurrent": Recipe("tiny-lstm", "recurrent", 16, 2, **COMMON),
}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(SENTENCES, 5)) for _ in range(40)]
    tokenizer = train_tokenizer(texts, pieces=400)
    tokens = np.concatenate([[*tokenizer.encode(text).ids, 0] for text in texts]).astype(np.uint16)
    return Corpus(tokenizer, {"train": texts, "held-out": texts[:2]}, {"train": tokens})


def weights(module):
    return torch.cat([p.detach().flatten() for p in module.parameters()])


@pytest.mark.parametrize("kind", TINY)
def test_a_stopped_training_goes_on_to_the_same_weights(kind, corpus, tmp_path):
    straight, log = train(TINY[kind], corpus, tmp_path / "a", stop=12)
    train(TINY[kind], corpus, tmp_path / "b", stop=5)
    resumed, other = train(TINY[kind], corpus, tmp_path / "b", stop=12)
    assert torch.equal(weights(straight), weights(resumed))
    assert other[-1]["step"] == log[-1]["step"] == 12 and other[0]["step"] == 5


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"rate": 2e-2}, "rate 0.01, not 0.02"), ({"width": 24}, "width 16, not 24")],
)
def test_a_state_of_another_recipe_is_refused_before_anything_is_trained(
    changes, words, corpus, tmp_path
):
    train(TINY["causal"], corpus, tmp_path, stop=5)
    state = (tmp_path / "tiny-causal" / "state.safetensors").read_bytes()
    with pytest.raises(BrainLensError, match=words):
        train(dataclasses.replace(TINY["causal"], **changes), corpus, tmp_path, stop=6)
    other = dataclasses.replace(corpus, tokens={"train": corpus.tokens["train"][::-1]})
    with pytest.raises(BrainLensError, match="text"):
        train(TINY["causal"], other, tmp_path, stop=6)
    assert (tmp_path / "tiny-causal" / "state.safetensors").read_bytes() == state


@pytest.mark.slow
def test_steps_of_a_shipped_recipe_give_the_same_curve_again(tmp_path):
    """With the tokenizer that ships, once in one go and once stopped on the way."""
    tokenizer = Tokenizer.from_file(str(ZOO / "zoo-causal-200k" / "tokenizer.json"))
    pieces = [piece for text in embedded.prose() for piece in (*tokenizer.encode(text).ids, 0)]
    prose = Corpus(tokenizer, {}, {"train": np.array(pieces, np.uint16)})
    recipe = RECIPES["zoo-causal-200k"]
    curve = [entry["loss"] for entry in train(recipe, prose, tmp_path / "a", stop=60)[1]]
    train(recipe, prose, tmp_path / "b", stop=20)
    again = [entry["loss"] for entry in train(recipe, prose, tmp_path / "b", stop=60)[1]]
    assert len(curve) == 3 and curve == again and curve[-1] < curve[0] - 1.0


@pytest.mark.parametrize("kind", TINY)
def test_the_loss_falls_and_the_seed_decides_the_curve(kind, corpus, tmp_path):
    first, same, other = (
        train(dataclasses.replace(TINY[kind], seed=seed), corpus, tmp_path / name)[1]
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    curve = [entry["loss"] for entry in first]
    assert curve == [entry["loss"] for entry in same] != [entry["loss"] for entry in other]
    assert [entry["step"] for entry in first] == [20, 40, 60]
    assert curve[-1] < curve[0] - 1.0


def test_every_model_of_the_same_length_reads_the_same_text(corpus):
    tokens = corpus.tokens["train"]
    causal, recurrent = (batch_of(tokens, TINY[kind], 3) for kind in ("causal", "recurrent"))
    assert torch.equal(causal, recurrent)
    whole = np.arange(
        32 * 8, dtype=np.uint16
    )  # eight windows, two batches each time through the text
    starts = [batch_of(whole, TINY["causal"], step)[:, 0].tolist() for step in range(4)]
    first, second = starts[0] + starts[1], starts[2] + starts[3]
    assert sorted(first) == sorted(second) == list(range(0, 256, 32)) and first != second


def test_a_causal_loss_is_the_library_s_own(corpus):
    module, batch = build(TINY["causal"]), batch_of(corpus.tokens["train"], TINY["causal"], 0)
    torch.testing.assert_close(
        loss_of(module, TINY["causal"], batch, 0), module(batch, labels=batch).loss
    )


def test_the_masked_model_is_asked_only_for_what_it_cannot_see(corpus):
    recipe, module = TINY["masked"], build(TINY["masked"])
    batch = batch_of(corpus.tokens["train"], recipe, 0)
    seen = {}
    module.model.register_forward_pre_hook(lambda _, args: seen.update(ids=args[0]))
    loss = loss_of(module, recipe, batch, 0)
    ids = seen["ids"]
    assert (ids[:, 0] == 0).all() and (ids[:, -1] == 0).all() and ids.shape[1] == recipe.length + 2
    hidden = ids[:, 1:-1] != batch
    assert (
        0.2 < hidden.float().mean() < 0.4
        and (ids[:, 1:-1][hidden] == 1).all()
        and not (batch[hidden] == 0).any()
    )
    assert torch.equal(loss, loss_of(module, recipe, batch, 0)) and not torch.equal(
        loss, loss_of(module, recipe, batch, 1)
    )


@pytest.mark.parametrize("kind", TINY)
def test_an_exported_model_is_read_by_the_ordinary_adapters(kind, corpus, tmp_path):
    module, log = train(TINY[kind], corpus, tmp_path / "work", stop=8)
    export(module, TINY[kind], corpus, tmp_path / "model", log)
    model = load(tmp_path / "model")
    passage = Passage("The cat sat. The moon looked on.", ((0, 12), (13, 32)), (0, 1))
    for rows, values in model.read([passage], list(range(model.n_layers))):
        assert set(rows) <= {0, 1} and all(
            np.isfinite(v).all() and v.shape[1] == 16 for v in values
        )
    ids = corpus.tokenizer.encode(SENTENCES[0]).ids
    nats = model.surprisal([SENTENCES[0]])[0].nats
    assert len(nats) == len(ids) and np.isfinite(nats).all()
    if kind != "masked":
        with torch.no_grad():
            output = module(torch.tensor([[0, *ids]]))
        logits = output if kind == "recurrent" else output.logits
        expected = -torch.log_softmax(logits[0, :-1].float(), -1)[range(len(ids)), ids].numpy()
        np.testing.assert_allclose(nats, expected, atol=0.02)  # the weights are stored as float16
    assert not list((tmp_path / "model").glob("*.part"))


def test_weights_of_fewer_bits_are_the_nearest_ones():
    values = torch.randn(4000, generator=torch.Generator().manual_seed(0)) * 0.02
    short, whole = shortened(values, SHORT), shortened(values)
    assert torch.equal(whole, values.half()) and not torch.equal(short, whole)
    assert not (short.view(torch.int16) & 0b1111).any()
    plain = whole.abs() >= 2.0**-14  # below float16 has fewer bits itself
    error = (short.float() / whole.float() - 1).abs()[plain]
    assert error.max() <= 2 ** -(SHORT + 1) and error.mean() < 0.005
    assert torch.equal(shortened(short.float(), SHORT), short)
    edge = torch.tensor([0.0, -0.0, 1.0, 1.999, -1.999])
    assert shortened(edge, SHORT).tolist() == [0.0, 0.0, 1.0, 2.0, -2.0]


def test_checkpoints_are_kept_on_the_way(corpus, tmp_path):
    kept = {}
    train(
        TINY["causal"],
        corpus,
        tmp_path,
        stop=8,
        on_checkpoint=lambda step, module, log: kept.update({step: weights(module)}),
    )
    assert (
        sorted(kept) == [0, 4]
        and torch.equal(kept[0], weights(build(TINY["causal"])))
        and not torch.equal(kept[0], kept[4])
    )


def test_the_tokenizer_gives_every_text_back(corpus):
    tokenizer = corpus.tokenizer
    assert tokenizer.token_to_id(END) == 0 and tokenizer.token_to_id(MASK) == 1
    for text in (*SENTENCES, "naïve café, 3 €\n\ttabs", "  two  spaces "):
        assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_cooccurrences_are_those_of_a_plain_loop():
    words, texts = glove.vocabulary(["a b c b a d d d d a", "b a b c c c a"], size=4)
    found = glove.cooccurrences(texts, len(words), window=3).toarray()
    expected = np.zeros_like(found)
    for text in texts:
        for i in range(len(text)):
            for j in range(max(0, i - 3), min(len(text), i + 4)):
                if i != j and text[i] >= 0 and text[j] >= 0:
                    expected[text[i], text[j]] += 1 / abs(i - j)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_glove_learns_and_is_read_as_a_static_embedding(corpus, tmp_path):
    recipe = dataclasses.replace(RECIPES["zoo-glove-64d"], width=8, steps=12)
    log = glove.train_embedding(recipe, corpus, tmp_path / "glove")
    assert log[-1]["loss"] < 0.6 * log[0]["loss"]
    assert log == glove.train_embedding(recipe, corpus, tmp_path / "again")
    model = load(tmp_path / "glove")
    ((_, values),) = model.read([Passage("The cat sat.", ((0, 12),), (0,))], [0])
    assert values[0].shape == (1, 8) and np.abs(values[0]).sum() > 0


def test_a_processor_without_bfloat16_trains_an_lstm_in_float32(corpus, tmp_path, monkeypatch):
    """Its library refuses such an LSTM, forward or backward; the transformers go on in bfloat16."""
    short = dataclasses.replace(TINY["recurrent"], dtype="bfloat16")
    monkeypatch.setattr("analysis.models.zoo.train.short_lstm", lambda: False)
    one, _ = train(short, corpus, tmp_path / "a", stop=3)
    plain = dataclasses.replace(short, dtype="float32")
    other, _ = train(plain, corpus, tmp_path / "b", stop=3)
    assert torch.equal(weights(one), weights(other))


def test_whether_bfloat16_works_is_tried_without_drawing(monkeypatch):
    before = torch.random.get_rng_state()
    assert short_lstm() in (True, False)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_processor_without_bfloat16_trains_in_float32(monkeypatch):
    """It was emulated there: an update took ten times as long as in float32."""
    recipe = dataclasses.replace(
        RECIPES["zoo-causal-1m"], batch=1, length=16, width=32, layers=1, heads=2, inner=32
    )
    tokens, seen = np.arange(64) % 50, []

    def told(module, recipe, batch, step):
        seen.append(torch.is_autocast_enabled("cpu"))
        return loss_of(module, recipe, batch, step)

    for fits in (False, True):
        monkeypatch.setattr("analysis.models.zoo.train.multiplies_short", lambda fits=fits: fits)
        module = build(recipe)
        update(
            module, optimizer_of(dict(module.named_parameters()), recipe), recipe, tokens, 0, told
        )
    assert seen == [False, True]
