"""Recurrent models: states and surprisals against torch itself, over word pieces and over characters."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from analysis.models import catalog
from analysis.models.lstm import LSTMModule
from analysis.models.lstm_config import LSTMConfig
from analysis.models.recurrent import _segments
from analysis.text.passages import Passage
from data.errors import BrainLensError

TEXT = "the cat sat on the mat and the dog sat too"
CHARACTERS = ["<unk>", "\n", " ", *"abcdefghijklmnopqrstuvwxyz"]


@pytest.fixture(
    params=[
        {"layers": 2},
        {"layers": 1, "embedding": 5},
        {"layers": 2, "tied": False, "embedding": 6},
    ]
)
def pieces(request, tmp_path, clean_home):
    """A tiny LSTM over byte-level pieces, as a folder."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    path = tmp_path / "tiny-lstm"
    path.mkdir()
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=280,
        special_tokens=["<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator([TEXT], trainer)
    tokenizer.save(str(path / "tokenizer.json"))
    torch.manual_seed(0)
    module = LSTMModule(
        LSTMConfig(vocab_size=tokenizer.get_vocab_size(), width=8, start="<|end|>", **request.param)
    )
    write(path, module, {"architecture": "lstm-lm"})
    return path


@pytest.fixture
def characters(tmp_path, clean_home):
    """Tiny forward and backward LSTMs over characters, as folders."""
    for direction in ("forward", "backward"):
        path = tmp_path / direction
        path.mkdir()
        torch.manual_seed(1)
        module = LSTMModule(
            LSTMConfig(vocab_size=len(CHARACTERS), width=7, embedding=4, tied=False, start="\n")
        )
        write(
            path,
            module,
            {
                "architecture": "character-lstm",
                "characters": CHARACTERS,
                "unknown": 0,
                "direction": direction,
            },
        )
    return tmp_path


def write(path, module, more):
    module.embedding.weight.data.mul_(10)
    own = {name: value.detach() for name, value in module.named_parameters()}
    save_file(own, path / "model.safetensors")
    (path / "config.json").write_text(json.dumps(module.config.to_dict() | more))


def test_states_are_those_of_torch(pieces):
    model = catalog.load(str(pieces))
    ids = torch.randint(0, 256, (3, 20))
    module = model.module
    states = module.states(ids)
    output, (h, c) = module.rnn(module.embedding(ids))
    count = model.config.layers
    torch.testing.assert_close(states[count], output, atol=1e-6, rtol=0)
    for k in range(count):
        torch.testing.assert_close(states[1 + k][:, -1], h[k], atol=1e-6, rtol=0)
        torch.testing.assert_close(states[1 + count + k][:, -1], c[k], atol=1e-6, rtol=0)
        torch.testing.assert_close(
            states[1 + count + k][:, 9],
            module.rnn(module.embedding(ids[:, :10]))[1][1][k],
            atol=1e-6,
            rtol=0,
        )
    assert model.widths == tuple(s.shape[-1] for s in states)
    assert model.layer_number("c.0") == 1 + count and model.card.cls == "recurrent"


def test_activations_are_those_of_a_call_per_prefix(pieces):
    model = catalog.load(str(pieces))
    spans = ((0, 11), (12, 22), (23, 30))
    passages = [Passage(TEXT, spans, (0, 1, 2)), Passage("a dog", ((2, 5),), (3,))]
    layers = list(range(model.n_layers))
    got = {
        row: [v[i] for v in values]
        for rows, values in model.read(passages, layers)
        for i, row in enumerate(rows)
    }
    start = model.tokenizer.token_to_id("<|end|>")
    for passage in passages:
        for row, (_, end) in zip(passage.rows, passage.spans):
            ids = torch.tensor([[start, *model.tokenizer.encode(passage.text[:end]).ids]])
            for layer, states in enumerate(model.module.states(ids)):
                np.testing.assert_allclose(got[row][layer], states[0, -1].detach(), atol=1e-6)
    mean = next(model.read(passages[:1], [1], pooling="mean"))[1][0]
    ids = model.tokenizer.encode(TEXT)
    own = [i for i, (a, b) in enumerate(ids.offsets) if b > 12 and a < 22]
    state = model.module.states(torch.tensor([[start, *ids.ids]]))[1][0, 1:]
    np.testing.assert_allclose(mean[1], state[own].mean(0).detach(), atol=1e-6)


def test_surprisals_sum_to_the_log_probability(pieces):
    model = catalog.load(str(pieces))
    start = model.tokenizer.token_to_id("<|end|>")
    texts = [TEXT, "dog", (TEXT + " ") * 12]  # the last is longer than a chunk
    for text, tokens in zip(texts, model.surprisal(texts)):
        coded = model.tokenizer.encode(text)
        ids = torch.tensor([[start, *coded.ids]])
        logs = model.module(ids).log_softmax(-1)[0].detach()
        np.testing.assert_allclose(
            tokens.nats.sum(), -logs[:-1].gather(1, ids[0, 1:, None]).sum(), rtol=1e-5
        )
        assert tokens.offsets.tolist() == [list(o) for o in coded.offsets]
        begins = [
            i
            for piece, i in model.tokenizer.get_vocab().items()
            if piece.startswith(("Ġ", "Ċ", "ĉ", "<|end|>"))
        ]
        np.testing.assert_allclose(tokens.start, logs[:, begins].logsumexp(-1), atol=1e-5)


def test_windows(pieces):
    model = catalog.load(str(pieces))
    ids = model.tokenizer.encode(TEXT).ids
    (whole,) = model.surprisal([TEXT])
    (wide,) = model.surprisal([TEXT], window=500, stride=100)
    np.testing.assert_allclose(wide.nats, whole.nats, atol=1e-6)
    (apart,) = model.surprisal(
        [TEXT], window=6, stride=5
    )  # disjoint: five tokens behind each start token
    for at in range(0, len(ids), 5):
        piece = torch.tensor([[model.tokenizer.token_to_id("<|end|>"), *ids[at : at + 5]]])
        logs = model.module(piece).log_softmax(-1)[0].detach()
        np.testing.assert_allclose(
            apart.nats[at : at + 5], -logs[:-1].gather(1, piece[0, 1:, None])[:, 0], atol=1e-5
        )
    assert np.isfinite(apart.start).all()
    with pytest.raises(BrainLensError, match=r"stride=9 does not fit window=5"):
        model.surprisal([TEXT], window=6, stride=9)
    with pytest.raises(BrainLensError, match=r"no room"):
        model.surprisal([TEXT], window=1)


@pytest.mark.parametrize(
    "count, window, stride",
    [(10, 4, 2), (10, 4, None), (11, 4, 3), (7, 7, 7), (1, 3, 1), (0, 3, 1), (23, 5, 5)],
)
def test_segments_score_every_token_once(count, window, stride):
    scored = [
        i for low, first, high in _segments(count, window, stride) for i in range(first, high)
    ]
    assert scored == list(range(count))
    assert all(high - low <= window for low, _, high in _segments(count, window, stride))


def test_half_precision_on_disk(pieces):
    whole = catalog.load(str(pieces)).surprisal([TEXT])[0].nats
    from safetensors.torch import load_file

    save_file(
        {name: value.half() for name, value in load_file(pieces / "model.safetensors").items()},
        pieces / "model.safetensors",
    )
    model = catalog.load(str(pieces))
    assert model.module.embedding.weight.dtype == torch.float32
    np.testing.assert_allclose(model.surprisal([TEXT])[0].nats, whole, rtol=1e-2)


def test_a_model_over_characters(characters):
    model = catalog.load(str(characters / "forward"))
    (tokens,) = model.surprisal(["a caté sat"])
    ids = torch.tensor(
        [[1, *(CHARACTERS.index(c) if c in CHARACTERS else 0 for c in "a caté sat")]]
    )
    logs = model.module(ids).log_softmax(-1)[0].detach()
    np.testing.assert_allclose(tokens.nats, -logs[:-1].gather(1, ids[0, 1:, None])[:, 0], rtol=1e-5)
    np.testing.assert_allclose(tokens.start, logs[:, [1, 2]].logsumexp(-1), atol=1e-5)
    ((_, (values,)),) = model.read([Passage("a cat sat ", ((2, 5), (5, 10)), (0, 1))], [1])
    np.testing.assert_allclose(
        values[0],
        model.module.states(torch.tensor([[1, *model.encode("a cat")[0]]]))[1][0, -1].detach(),
        atol=1e-6,
    )
    np.testing.assert_allclose(
        values[1],
        model.module.states(torch.tensor([[1, *model.encode("a cat sat")[0]]]))[1][0, -1].detach(),
        atol=1e-6,
    )
    assert model.tokenizer_hash == "" and model.card.bos == "\n"


def test_a_model_that_reads_backward(characters):
    model = catalog.load(str(characters / "backward"))
    forward = catalog.load(str(characters / "forward"))  # same weights
    np.testing.assert_allclose(
        model.surprisal(["abc de"])[0].nats, forward.surprisal(["ed cba"])[0].nats[::-1], atol=1e-6
    )
    passage = Passage("abc de", ((0, 3), (4, 6)), (0, 1))
    with pytest.raises(BrainLensError, match=r"right to left"):
        list(model.read([passage], [1]))
    ((_, (values,)),) = model.read([passage], [1], attention="whole")
    states = forward.module.states(torch.tensor([[1, *forward.encode("ed cba")[0]]]))[1][
        0, 1:
    ].detach()
    np.testing.assert_allclose(
        values, states[[5, 1]], atol=1e-6
    )  # at the first character of each word


def test_variants(pieces):
    trained, again = catalog.load(str(pieces)), catalog.load(f"{pieces}@untrained:init:1")
    assert again.fingerprint != trained.fingerprint
    weights = [
        catalog.load(f"{pieces}@{v}").module.rnn.weight_hh_l0
        for v in (
            "untrained:init:1",
            "untrained:init:1",
            "untrained:init:2",
            "untrained:permute:0",
            "noise:1:0.1:0",
        )
    ]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])
    assert torch.equal(
        weights[3].flatten().sort()[0], trained.module.rnn.weight_hh_l0.flatten().sort()[0]
    )
    with pytest.raises(BrainLensError, match=r"needs a transformer"):
        catalog.load(f"{pieces}@lesion:language:1:0").module  # noqa: B018 - the property loads it


def test_what_is_missing_is_named(pieces):
    (pieces / "tokenizer.json").rename(pieces / "elsewhere.json")
    with pytest.raises(BrainLensError, match=r"no tokenizer"):
        catalog.load(str(pieces)).surprisal([TEXT])
    (pieces / "elsewhere.json").rename(pieces / "tokenizer.json")
    told = json.loads((pieces / "config.json").read_text())
    (pieces / "config.json").write_text(json.dumps(told | {"width": 9}))
    with pytest.raises(BrainLensError, match=r"do not fit its config\.json"):
        catalog.load(str(pieces)).surprisal([TEXT])
    (pieces / "config.json").write_text(json.dumps(told | {"start": "<s>"}))
    with pytest.raises(BrainLensError, match=r"no start token '<s>'"):
        catalog.load(str(pieces)).surprisal([TEXT])
    (pieces / "config.json").write_text(json.dumps({"architecture": "lstm-lm"}))
    with pytest.raises(BrainLensError, match=r"shape of an LSTM"):
        catalog.load(str(pieces))


def test_without_a_start_token_the_first_piece_has_no_surprisal(pieces):
    told = json.loads((pieces / "config.json").read_text())
    (pieces / "config.json").write_text(json.dumps(told | {"start": ""}))
    (tokens,) = catalog.load(str(pieces)).surprisal([TEXT])
    assert (
        np.isnan(tokens.nats[0])
        and np.isnan(tokens.start[0])
        and np.isfinite(tokens.nats[1:]).all()
    )


def test_what_is_there_already_is_not_read_again(pieces, monkeypatch):
    monkeypatch.setattr("analysis.models.recurrent.BATCH", 2)
    model = catalog.load(str(pieces))
    passages = [Passage(TEXT[: 10 + 3 * i], ((0, 3), (4, 7)), (2 * i, 2 * i + 1)) for i in range(6)]
    batches = list(model.read(passages, [1, 2]))
    again = list(model.read(passages, [1, 2], skip=[0, 1, 2, 3, 4]))
    assert model.resumable and len(batches) == 3 and len(again) == 2
    for (rows, values), (same, repeated) in zip(batches[1:], again, strict=True):
        assert rows.tolist() == same.tolist()
        np.testing.assert_array_equal(values, repeated)
