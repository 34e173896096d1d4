"""Activations of every architecture family against a direct call of transformers, one prefix at a time."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analysis.models.architectures import position_limit, stated_limit
from analysis.models.files.folders import shape
from analysis.models.files.json_files import read_json
from analysis.models.loaded import Loaded
from analysis.models.transformer import TransformerModel
from analysis.progress import Report
from analysis.text.passages import Passage
from data.errors import BrainLensError, Cancelled

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
    [
        "The old lighthouse keeper climbed.",
        "He didn't mind the wind.",
        "Nobody knew -- it was a well-known story!",
    ],
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
            made[name] = tiny_models.make(
                family, tmp_path_factory.mktemp("models") / name, **options
            )
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
    model = (
        (T5EncoderModel if family == "t5" else AutoModel)
        .from_pretrained(folder, dtype=torch.float32)
        .eval()
    )
    ids = tokenizer(text[: span[1]], return_tensors="pt")["input_ids"]
    caught = []
    last = model.get_submodule(LAST_BLOCK[family])
    last.register_forward_hook(
        lambda m, args, out: caught.append(
            (out[0] if isinstance(out, tuple | list) else out).detach().clone()
        )
    )
    with torch.no_grad():
        told = model(ids, output_hidden_states=True)
    told_states = (
        (model.embeddings(ids).detach(), *told.hidden_states)
        if family == "mamba"
        else told.hidden_states
    )  # Mamba leaves layer 0 out
    states = [
        *told_states[: tiny_models.LAYERS],
        caught[-1].transpose(0, 1) if family == "xlnet" else caught[-1],
    ]
    bare = tokenizer(text[: span[1]], add_special_tokens=False)["input_ids"]
    at = (
        len(bare) - 1 if ids[0, : len(bare)].tolist() == bare else len(bare)
    )  # behind one token in front, or none
    return [state[0, at].numpy() for state in states], told.last_hidden_state[0, at].numpy()


@pytest.mark.parametrize("family", tiny_models.FAMILIES)
def test_config_json_tells_what_the_loaded_config_does(family, folders):
    told, loaded = (
        read_json(folders(family) / "config.json"),
        model_of(folders(family), family).config,
    )
    assert shape(told) in [
        (loaded.hidden_size, loaded.num_hidden_layers),
        (None, loaded.num_hidden_layers),
    ]
    assert stated_limit(told) in (position_limit(loaded), None)


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
                np.testing.assert_allclose(
                    values[layer][row],
                    vector,
                    atol=5e-5,
                    err_msg=f"{family} layer {layer} row {row}",
                )
            np.testing.assert_allclose(normed[row], last, atol=5e-5)
            row += 1
    assert np.ptp(np.stack([v[0] for v in values[:1]]), axis=1).all()  # the layers are no zeros
    assert all(np.abs(values[i] - values[i + 1]).max() > 1e-3 for i in range(len(values) - 1))


# ---- pooling, windows, attention ------------------------------------------------------------------------------------------
def states_of(folder, text, layer, cls="AutoModel"):
    """Hidden states of one text by a plain call, (token, unit), and the offsets of its tokens; no special tokens."""
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = getattr(transformers, cls).from_pretrained(folder, dtype=torch.float32).eval()
    coded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    with torch.no_grad():
        told = model(torch.tensor([coded["input_ids"]]), output_hidden_states=True)
    return told.hidden_states[layer][0].numpy(), coded["offset_mapping"]


@pytest.mark.parametrize(("pooling", "pool"), [("mean", np.mean), ("sum", np.sum), ("max", np.max)])
def test_pooling_takes_the_stimulus_own_tokens_only(pooling, pool, folders):
    values = read_all(model_of(folders("gpt2"), "gpt2"), pooling=pooling)
    for p, row in zip(PASSAGES, (0, 3, 6)):
        states, offsets = states_of(folders("gpt2"), p.text, 2)
        for i, (a, b) in enumerate(p.spans):
            own = [
                t for t, (s, _) in enumerate(offsets) if a - 1 <= s < b
            ]  # with the space in front
            np.testing.assert_allclose(values[2][row + i], pool(states[own], axis=0), atol=5e-5)


def test_an_unknown_pooling_is_refused(folders):
    with pytest.raises(BrainLensError, match="did you mean 'mean'"):
        read_all(model_of(folders("gpt2"), "gpt2"), pooling="meen")


def test_beyond_the_window_the_newest_tokens_are_kept(folders):
    import torch

    folder = folders("gpt2", positions=12)
    model = model_of(folder, "gpt2", bos="<|endoftext|>")
    values = read_all(model)
    ids = model.tokenizer(PASSAGES[0].text, add_special_tokens=False)["input_ids"]
    assert len(ids) > 12
    with torch.no_grad():
        told = model.module(
            torch.tensor([[model.tokenizer.bos_token_id, *ids[-11:]]]), output_hidden_states=True
        )
    np.testing.assert_allclose(values[1][2], told.hidden_states[1][0, -1], atol=5e-5)


def test_a_bidirectional_window_keeps_its_frame(folders):
    import torch

    folder = folders("bert", positions=12)
    model = model_of(folder, "bert")
    values = read_all(model)
    ids = model.tokenizer(PASSAGES[0].text, add_special_tokens=False)["input_ids"]
    start, end = model.tokenizer.cls_token_id, model.tokenizer.sep_token_id
    with torch.no_grad():
        told = model.module(torch.tensor([[start, *ids[-10:], end]]), output_hidden_states=True)
    np.testing.assert_allclose(values[1][2], told.hidden_states[1][0, -2], atol=5e-5)


def test_a_prefix_that_is_tokenised_otherwise_has_a_pass_of_its_own(folders):
    """Two stimuli without white space between them: the tokens of the first are not the beginning of the tokens of both."""
    text = "The lighthouse keeper"
    cut = text.index("house")
    p = Passage(text, ((0, cut), (cut, len(text))), (0, 1))
    model = model_of(folders("gpt2"), "gpt2")
    coded = [model.tokenizer(text[:end])["input_ids"] for end in (cut, len(text))]
    assert coded[0] != coded[1][: len(coded[0])], "the case the test is about"
    values = read_all(model, [p])
    for row, end in enumerate((cut, len(text))):
        states, _ = states_of(folders("gpt2"), text[:end], 1)
        np.testing.assert_allclose(values[1][row], states[-1], atol=5e-5)


def test_as_many_tokens_are_not_the_same_tokens(folders):
    """Half of a token: prefix and whole have one token each, and not the same one."""
    model = model_of(folders("gpt2"), "gpt2")
    pieces = sorted(
        piece
        for piece in model.tokenizer.get_vocab()
        if piece.isascii() and piece.isalpha() and len(piece) > 1
    )
    text = next(piece for piece in pieces if len(model.tokenizer(piece)["input_ids"]) == 1)
    values = read_all(model, [Passage(text, ((0, 1), (1, len(text))), (0, 1))])
    for row, end in enumerate((1, len(text))):
        np.testing.assert_allclose(
            values[1][row], states_of(folders("gpt2"), text[:end], 1)[0][-1], atol=5e-5
        )


def test_whole_attention_sees_what_comes_and_prefix_does_not(folders):
    import torch

    model = model_of(folders("bert"), "bert")
    p = PASSAGES[0]
    whole, prefix = read_all(model, [p], attention="whole"), read_all(model, [p])
    coded = model.tokenizer(p.text, return_offsets_mapping=True)
    with torch.no_grad():
        told = model.module(torch.tensor([coded["input_ids"]]), output_hidden_states=True)
    last = max(t for t, (_, e) in enumerate(coded["offset_mapping"]) if 0 < e <= p.spans[0][1])
    np.testing.assert_allclose(whole[2][0], told.hidden_states[2][0, last], atol=5e-5)
    assert np.abs(whole[2][0] - prefix[2][0]).max() > 1e-3
    np.testing.assert_allclose(
        whole[2][2], prefix[2][2], atol=5e-5
    )  # nothing comes after the last one


def test_a_causal_model_never_looks_ahead(folders):
    """Changing the words to come changes nothing, in any family that is read in one pass."""
    for family in tiny_models.CAUSAL:
        model = model_of(folders(family), family)
        here = read_all(model, [passage(["The old dog.", "Nobody knew where."])])
        there = read_all(model, [passage(["The old dog.", "They found two letters and 15 coins."])])
        for a, b in zip(here, there):
            np.testing.assert_allclose(a[0], b[0], atol=2e-5)


def test_a_model_that_looks_ahead_is_not_taken_for_causal(folders):
    model = model_of(folders("bert"), "bert", cls="causal")
    with pytest.raises(BrainLensError, match="called causal, and its tokens see the ones behind"):
        read_all(model)


# ---- what is not computed -----------------------------------------------------------------------------------------------
def test_reading_stops_after_the_last_layer_asked_for(folders):
    model = model_of(folders("llama"), "llama")
    called = []
    for i, block in enumerate(model.module.layers):
        block.register_forward_hook(lambda m, a, o, i=i: called.append(i))
    everything = read_all(model)
    called.clear()
    some = read_all(model, layers=[0, 1])
    assert set(called) == {0}
    np.testing.assert_array_equal(some[1], everything[1])


def test_the_same_text_is_run_once(folders, monkeypatch):
    model = model_of(folders("gpt2"), "gpt2")
    seen = []
    original = TransformerModel._forward
    monkeypatch.setattr(
        TransformerModel,
        "_forward",
        lambda self, batch, *a: seen.extend(batch) or original(self, batch, *a),
    )
    values = read_all(model, [Passage("The", ((0, 3),), (row,)) for row in range(5)])
    assert len(seen) == 1
    assert (values[1] == values[1][0]).all()


def test_rows_that_are_there_are_skipped_and_the_others_stay_to_the_bit(folders):
    model = model_of(folders("bert"), "bert")
    many = [passage(TEXTS[i % 3], first_row=10 * i) for i in range(12)]
    full = {int(r): v for rows, values in model.read(many, [3]) for r, v in zip(rows, values[0])}
    batches = [rows for rows, _ in model.read(many, [3])]
    left = {
        int(r): v
        for rows, values in model.read(many, [3], skip=batches[0].tolist())
        for r, v in zip(rows, values[0])
    }
    assert set(full) - set(left) == set(batches[0].tolist())
    assert all((left[r] == full[r]).all() for r in left)


def test_a_batch_says_the_same_as_one_text_alone(folders):
    for family in ("llama", "roberta", "t5", "xlnet"):
        model = model_of(folders(family), family)
        together = read_all(model)
        alone = read_all(model, [Passage(PASSAGES[1].text, PASSAGES[1].spans, (0, 1, 2))])
        for a, b in zip(together, alone):
            np.testing.assert_allclose(a[3:6], b, atol=2e-5)


# ---- start tokens ---------------------------------------------------------------------------------------------------------
def test_the_start_token_of_the_card_stands_in_front(folders):
    import torch

    model = model_of(folders("gpt2"), "gpt2", bos="<|endoftext|>")
    assert model.frame() == ((0,), ()) and model.frame("tokenizer") == ((), ())
    ids = model.tokenizer(TEXTS[2][0])["input_ids"]
    with torch.no_grad():
        told = model.module(torch.tensor([[0, *ids]]), output_hidden_states=True)
    np.testing.assert_allclose(read_all(model)[1][6], told.hidden_states[1][0, -1], atol=5e-5)
    bare = read_all(model, start="tokenizer")[1][6]
    np.testing.assert_allclose(bare, read_all(model_of(folders("gpt2"), "gpt2"))[1][6], atol=1e-6)


def test_a_start_token_the_tokenizer_does_not_know_is_refused(folders):
    with pytest.raises(BrainLensError, match="no start token '<start>'"):
        read_all(model_of(folders("bert"), "bert", bos="<start>"))


# ---- cancel, precision, memory, errors --------------------------------------------------------------------------------------
def test_cancelling_takes_effect_inside_a_batch(folders):
    model = model_of(folders("gpt2"), "gpt2")
    report = Report()
    model.module.h[0].register_forward_hook(lambda *a: report.cancel())
    with pytest.raises(Cancelled):
        read_all(model, report=report)


def test_bfloat16_is_close_and_float32_comes_back(folders):
    model = model_of(folders("llama"), "llama")
    full, half = read_all(model)[2], read_all(model, dtype="bfloat16")[2]
    assert half.dtype == np.float32 and np.abs(full - half).max() > 0
    assert min(np.corrcoef(a, b)[0, 1] for a, b in zip(full, half)) > 0.99
    np.testing.assert_array_equal(read_all(model)[2], full)


def test_too_little_memory_is_said_before_anything_is_loaded(folders, monkeypatch):
    monkeypatch.setattr("analysis.models.files.weights.available_memory", lambda device: 1000)
    model = model_of(folders("gpt2"), "gpt2")
    with pytest.raises(BrainLensError, match=r"needs about .* GB, and 0.0 GB are free.*bfloat16"):
        read_all(model)
    assert model.loaded.network is None


def test_identity_needs_no_weights(folders, monkeypatch):
    monkeypatch.setattr(Loaded, "_load", lambda *a, **k: pytest.fail("the weights were loaded"))
    model = model_of(folders("gpt2"), "gpt2")
    assert len(model.fingerprint) == 64 and len(model.tokenizer_hash) == 64
    assert model.widths == (32,) * 4 and model.layer_number("-1") == 3


def test_the_fingerprint_follows_the_weights_and_the_variant(folders, tmp_path):
    model = model_of(folders("gpt2"), "gpt2")
    other = model_of(tiny_models.make("gpt2", tmp_path / "gpt2", seed=1), "gpt2")
    same = model_of(tiny_models.make("gpt2", tmp_path / "again", seed=0), "gpt2")
    untrained = TransformerModel(model.card, model.source, variant="untrained:init:0")
    assert model.fingerprint == same.fingerprint != other.fingerprint
    assert model.tokenizer_hash == other.tokenizer_hash
    assert untrained.fingerprint not in (
        model.fingerprint,
        TransformerModel(model.card, model.source, variant="untrained:init:1").fingerprint,
    )


def test_a_hash_is_remembered_until_the_file_changes(tmp_path, monkeypatch):
    import hashlib

    from analysis.models.files import weights

    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"one")
    reads = []
    original = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda *a: reads.append(1) or original(*a))
    assert weights.file_hash(path) == weights.file_hash(path) == hashlib.sha256(b"one").hexdigest()
    assert len(reads) == 1
    path.write_bytes(b"three")
    assert weights.file_hash(path) == hashlib.sha256(b"three").hexdigest()


def broken(folder, tmp_path, change):
    import shutil

    copy = tmp_path / "broken"
    shutil.copytree(folder, copy)
    change(copy)
    return TransformerModel(replace(tiny_models.card("gpt2", copy), id="broken"), copy)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda f: [p.unlink() for p in f.glob("tokenizer*")], "has no tokenizer"),
        (lambda f: (f / "config.json").unlink(), "has no config.json"),
        (lambda f: (f / "model.safetensors").unlink(), "has no weights"),
        (lambda f: (f / "model.safetensors").write_bytes(b"nothing"), "cannot be read"),
        (
            lambda f: (f / "config.json").write_text('{"model_type": "gpt99"}'),
            "'gpt99' .* is not one this version",
        ),
    ],
)
def test_a_broken_folder_says_what_is_missing(change, told, folders, tmp_path):
    with pytest.raises(BrainLensError, match=told):
        read_all(broken(folders("gpt2"), tmp_path, change))


def test_weights_that_lack_a_tensor_are_refused(folders, tmp_path):
    from safetensors.torch import load_file, save_file

    def change(folder):
        tensors = load_file(folder / "model.safetensors")
        dropped = {k: v for k, v in tensors.items() if "h.1.mlp.c_fc.weight" not in k}
        assert len(dropped) == len(tensors) - 1
        save_file(dropped, folder / "model.safetensors", metadata={"format": "pt"})

    with pytest.raises(BrainLensError, match=r"lack 1 tensors .* first .*h\.1\.mlp\.c_fc\.weight"):
        read_all(broken(folders("gpt2"), tmp_path, change))


@pytest.mark.parametrize("wrapper", ["module.", "_orig_mod.", "model.net."])
def test_weights_of_a_wrapped_model_name_the_wrapper(folders, tmp_path, wrapper):
    from safetensors.torch import load_file, save_file

    def change(folder):
        tensors = load_file(folder / "model.safetensors")
        save_file(
            {f"{wrapper}{name}": value for name, value in tensors.items()},
            folder / "model.safetensors",
            metadata={"format": "pt"},
        )

    with pytest.raises(BrainLensError, match=f"tensors with '{wrapper}' before") as refused:
        read_all(broken(folders("gpt2"), tmp_path, change))
    assert f"take '{wrapper}' off the names" in refused.value.remedy


def test_no_folder_is_no_model(tmp_path):
    with pytest.raises(BrainLensError, match="No model folder"):
        _ = TransformerModel(tiny_models.card("gpt2", tmp_path / "none"), tmp_path / "none").config


# ---- variants -------------------------------------------------------------------------------------------------------------
def test_a_variant_reads_and_predicts_with_the_same_weights(folders):
    import torch

    folder = folders("gpt2")
    model = TransformerModel(
        tiny_models.card("gpt2", folder), folder, variant="untrained:permute:1"
    )
    first = read_all(model)[3]
    ids = torch.tensor([model.tokenizer(TEXTS[2][0])["input_ids"]])
    with torch.no_grad():
        inside = model.lm.transformer(ids, output_hidden_states=True).hidden_states[2][0, -1]
    np.testing.assert_allclose(read_all(model)[2][6], inside, atol=5e-5)
    model.close()
    np.testing.assert_array_equal(read_all(model)[3], first)
    assert np.abs(first - read_all(model_of(folder, "gpt2"))[3]).max() > 1e-2


def test_a_variant_of_a_checkpoint_without_head_can_be_read(tmp_path):
    folder = tiny_models.make("bert", tmp_path / "body", head=False)
    model = TransformerModel(
        tiny_models.card("bert", folder), folder, variant="untrained:gaussian:0"
    )
    assert np.isfinite(read_all(model)[3]).all()
    with pytest.raises(BrainLensError, match="with the head where surprisal is wanted"):
        model.surprisal(["The old dog"])


def test_untrained_by_the_library_needs_no_weights(folders, tmp_path):
    import shutil

    copy = tmp_path / "config-only"
    shutil.copytree(folders("gpt2"), copy)
    (copy / "model.safetensors").unlink()
    model = TransformerModel(tiny_models.card("gpt2", copy), copy, variant="untrained:init:3")
    again = TransformerModel(
        tiny_models.card("gpt2", folders("gpt2")), folders("gpt2"), variant="untrained:init:3"
    )
    np.testing.assert_array_equal(read_all(model)[3], read_all(again)[3])
