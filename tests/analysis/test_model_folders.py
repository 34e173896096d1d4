"""Model folders as people have them: read as their files say, or refused in words that tell the way out."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from analysis.features.surprisal import word_surprisal
from analysis.models import catalog, load
from analysis.models.files import checks
from analysis.models.files.tokenizer import PROBE
from analysis.models.files.weights import count_parameters
from analysis.store.store import Store
from analysis.text.passages import Passage
from data.errors import BrainLensError
from tests import tiny_models

TEXT = "The old keeper climbed the stairs. He didn't mind the café."
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0a1b\nsize 12345\n"


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    base = tmp_path_factory.mktemp("originals")
    return lambda family: (
        base / family
        if (base / family).is_dir()
        else tiny_models.make(family, base / family, layers=2, width=16)
    )


@pytest.fixture
def copied(originals, tmp_path):
    """A tiny model's folder to be spoiled."""
    return lambda family="llama": shutil.copytree(originals(family), tmp_path / family)


def words_of(folder, tmp_path, text=TEXT):
    store = Store(tmp_path / "store", readers=[])
    return word_surprisal(load(str(folder)), text, store=store)


def change_json(path, **fields):
    told = json.loads(path.read_text()) if path.is_file() else {}
    told.update(fields)
    path.write_text(json.dumps({name: v for name, v in told.items() if v is not None}))


# ---- tokens are those of tokenizer.json -------------------------------------------------------------------------------
def test_tokens_are_those_of_the_file_where_the_library_builds_others(copied, tmp_path):
    from tokenizers import Tokenizer
    from transformers import AutoTokenizer, Qwen2Config, Qwen2ForCausalLM

    folder = copied("llama")
    size = json.loads((folder / "config.json").read_text())["vocab_size"]
    config = Qwen2Config(
        vocab_size=size,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        intermediate_size=16,
    )
    Qwen2ForCausalLM(config).save_pretrained(folder)
    file = Tokenizer.from_file(str(folder / "tokenizer.json"))
    built = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    told = file.encode(PROBE, add_special_tokens=False).ids
    assert built(PROBE, add_special_tokens=False)["input_ids"] != told  # else nothing is tested
    model = load(str(folder))
    assert model.tokenizer(PROBE, add_special_tokens=False)["input_ids"] == told
    assert np.isfinite(words_of(folder, tmp_path)["surprisal"][1:]).all()


def test_padding_and_truncation_of_the_file_make_no_difference(copied):
    folder = copied("gpt2")
    plain = load(str(folder)).tokenizer(PROBE)["input_ids"]
    told = json.loads((folder / "tokenizer.json").read_text())
    told["truncation"] = {
        "direction": "Right",
        "max_length": 4,
        "strategy": "LongestFirst",
        "stride": 0,
    }
    told["padding"] = {
        "strategy": {"Fixed": 50},
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": 0,
        "pad_type_id": 0,
        "pad_token": "<|endoftext|>",
    }
    (folder / "tokenizer.json").write_text(json.dumps(told))
    assert load(str(folder)).tokenizer(PROBE)["input_ids"] == plain


def test_a_sentence_encoder_is_known_by_its_folder_and_gives_no_probabilities(tmp_path):
    bare = tiny_models.make("bert", tmp_path / "bare", layers=2, width=16, head=False)
    whole = tiny_models.make("bert", tmp_path / "whole", layers=2, width=16)
    assert catalog.card(str(whole)).rates_sentences
    assert np.isfinite(load(str(whole)).surprisal([TEXT])[0].nats).all()
    assert not catalog.card(str(bare)).rates_sentences
    with pytest.raises(BrainLensError, match=r"is a sentence encoder.*\n*.*Pick a causal"):
        load(str(bare)).surprisal([TEXT])
    copy = f"{bare}@untrained:init:0"  # its network could be given a new head, whose numbers would stand beside none
    assert not catalog.card(copy).rates_sentences
    with pytest.raises(BrainLensError, match="is a copy of a sentence encoder"):
        load(copy).surprisal([TEXT])
    assert load(f"{whole}@untrained:init:0").surprisal([TEXT])[0].nats is not None


def grow(folder, *tokens: str, **named):
    """Add tokens to the tokenizer and leave the model as it is."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    rows = len(tokenizer)
    tokenizer.add_tokens(list(tokens))
    if named:
        tokenizer.add_special_tokens(named)
    tokenizer.save_pretrained(folder)
    return rows


def test_a_start_token_beyond_the_embedding_is_refused_with_both_sizes(copied, tmp_path):
    folder = copied("gpt2")
    rows = grow(folder, bos_token="<start>", eos_token="<start>")
    with pytest.raises(
        BrainLensError, match=rf"token {rows} .*'<start>'.* beyond the {rows} rows .*\"bos\": \"\""
    ):
        words_of(folder, tmp_path)
    change_json(folder / "card.json", bos="")
    found = words_of(folder, tmp_path)["surprisal"]
    assert np.isnan(found[0]) and np.isfinite(found[1:]).all()


def test_words_beyond_the_embedding_are_refused_for_layers_too(copied, tmp_path):
    folder = copied("gpt2")
    rows = grow(folder, "keeper")
    with pytest.raises(BrainLensError, match=rf"token {rows} .*'keeper'"):
        words_of(folder, tmp_path)
    with pytest.raises(BrainLensError, match=rf"token {rows} .*'keeper'"):
        list(load(str(folder)).read([Passage(TEXT, ((0, len(TEXT)),), (0,))], [1]))


def test_a_padding_token_beyond_the_embedding_harms_nothing(copied, tmp_path):
    plain = words_of(copied("gpt2"), tmp_path)["surprisal"]
    grow(tmp_path / "gpt2", pad_token="<padding>")
    texts = [TEXT, "The dog"]
    store = Store(tmp_path / "another", readers=[])
    found = word_surprisal(load(str(tmp_path / "gpt2")), texts, store=store)
    np.testing.assert_allclose(found["surprisal"][: len(plain)], plain, atol=1e-4)


# ---- words and tokens -------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def superwords(tmp_path_factory):
    """A model whose tokens span words."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("superwords")
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        show_progress=False,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    backend.train_from_iterator(
        ["and then the dog of the sea", " of the sea and then"] * 20, trainer
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|endoftext|>")
    tokenizer.save_pretrained(folder)
    config = GPT2Config(vocab_size=len(tokenizer), n_embd=16, n_layer=1, n_head=2, n_positions=128)
    GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


def test_words_that_share_a_token_have_no_surprisal_and_are_counted(superwords, tmp_path):
    text = "A boat of the sea sank here"
    table = words_of(superwords, tmp_path, text)
    left = table["surprisal"].isna()
    assert table.attrs["joined"] == left.sum() > 1
    assert {"of", "the", "sea"} & set(table["text"][left]) and not left[len(table) - 1]
    kept = table["surprisal"][~left]
    assert np.isfinite(kept).all()
    model = load(str(superwords))
    nats = model.surprisal([text])[0].nats
    offsets = model.surprisal([text])[0].offsets
    own = [n for n, (a, b) in zip(nats, offsets) if a >= text.index(" here")]
    assert table["uncorrected"].iloc[-1] == pytest.approx(sum(own) / np.log(2), rel=1e-5)


def test_where_every_word_is_joined_it_is_refused(superwords, tmp_path):
    with pytest.raises(BrainLensError, match=r"every word shares a token .* joins words"):
        words_of(superwords, tmp_path, " of the sea")


@pytest.mark.parametrize("kind", ["ByT5Tokenizer", "CanineTokenizer"])
def test_tokenizers_of_bytes_and_characters_need_no_vocabulary(kind, tmp_path):
    import transformers

    folder = tmp_path / "bytes"
    tokenizer = getattr(transformers, kind)()
    tokenizer.save_pretrained(folder)
    if kind == "ByT5Tokenizer":
        config = transformers.LlamaConfig(
            vocab_size=384,
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=256,
        )
        transformers.LlamaForCausalLM(config).save_pretrained(folder)
    else:
        config = transformers.CanineConfig(
            hidden_size=24,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=16,
            num_hash_functions=2,
            num_hash_buckets=50,
            max_position_embeddings=256,
        )
        transformers.CanineModel(config).save_pretrained(folder)
    for path in folder.glob("*"):
        assert path.name not in checks.TOKENIZER_FILES
    model = load(str(folder))
    from analysis.text.alignment import encode

    coded = encode(model.tokenizer, "a café’s")
    spelled = ["a café’s"[a:b] for a, b in coded.offsets]
    if kind == "ByT5Tokenizer":
        assert "".join(spelled) == "a caféé’’’s"
        table = words_of(folder, tmp_path, "He read it. The café’s open.")
        assert np.isfinite(table["surprisal"][1:]).all() and table["tokens"][4] == 10
    else:
        assert "".join(spelled) == "a café’s"


# ---- start and end ----------------------------------------------------------------------------------------------------
def test_without_a_start_token_the_first_word_has_no_surprisal(copied, tmp_path):
    folder = copied("gpt2")
    for name in ("tokenizer_config.json", "tokenizer.json"):
        told = json.loads((folder / name).read_text())
        text = json.dumps(told).replace("<|endoftext|>", "<nothing>")
        (folder / name).write_text(text)
    for name in ("bos_token", "eos_token", "unk_token"):
        change_json(folder / "tokenizer_config.json", **{name: None})
    (folder / "special_tokens_map.json").unlink(missing_ok=True)
    model = load(str(folder))
    assert model.card.bos == ""
    found = words_of(folder, tmp_path)["surprisal"]
    assert np.isnan(found[0]) and np.isfinite(found[1:]).all()


def test_a_start_token_nobody_knows_names_the_file_to_write(copied, tmp_path):
    folder = copied("gpt2")
    change_json(folder / "card.json", bos="<begin>")
    with pytest.raises(BrainLensError, match=r"no start token '<begin>'.*card\.json"):
        words_of(folder, tmp_path)


def test_only_an_end_token_of_the_tokenizer_counts_as_an_end(copied, tmp_path):
    plain = words_of(copied("llama"), tmp_path)["surprisal"]
    folder = tmp_path / "llama"
    piece = load(str(folder)).tokenizer("keeper", add_special_tokens=False)["input_ids"][-1]
    change_json(folder / "config.json", eos_token_id=piece)
    store = Store(tmp_path / "another", readers=[])
    again = word_surprisal(load(str(folder)), TEXT, store=store)["surprisal"]
    np.testing.assert_allclose(again, plain, atol=1e-5)


# ---- what is refused, and the way out ---------------------------------------------------------------------------------
def adapter(folder, base=True):
    change_json(
        folder / "adapter_config.json", peft_type="LORA", base_model_name_or_path="owner/base"
    )
    save_file({"lora_A": torch.zeros(2, 2)}, folder / "adapter_model.safetensors")
    if not base:
        for name in ("config.json", "model.safetensors"):
            (folder / name).unlink()


def gguf(folder):
    (folder / "model-q4_k_m.gguf").write_bytes(b"GGUF\x03\x00\x00\x00")
    for name in ("config.json", "model.safetensors"):
        (folder / name).unlink()


def tensor(folder, change):
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def spoilt(value):
    def change(tensors):
        tensors["model.layers.1.mlp.down_proj.weight"][0, 0] = value

    return lambda folder: tensor(folder, change)


def _rounded(tensors):
    return {
        name: value.to(torch.float8_e4m3fn)
        for name, value in tensors.items()
        if "layers.0" in name and value.ndim == 2
    }


def narrower(folder):
    change_json(
        folder / "config.json",
        vocab_size=json.loads((folder / "config.json").read_text())["vocab_size"] + 8,
    )


REFUSED = {
    "adapter-beside": (adapter, r"adapter \(LORA\) beside them.*merge.*move adapter_config.json"),
    "adapter-only": (
        lambda f: adapter(f, base=False),
        r"is an adapter \(LORA\) of owner/base.*Merge it first: PeftModel",
    ),
    "gguf": (gguf, r"model-q4_k_m.gguf is GGUF.*model.safetensors.*save_pretrained"),
    "bitsandbytes": (
        lambda f: change_json(
            f / "config.json",
            quantization_config={"quant_method": "bitsandbytes", "load_in_4bit": True},
        ),
        r"quantised \(bitsandbytes, 4 bit\).*unquantised repository",
    ),
    "gptq": (
        lambda f: change_json(f / "quantize_config.json", bits=4, group_size=128),
        r"quantised \(GPTQ.*unquantised repository",
    ),
    "awq": (
        lambda f: change_json(
            f / "config.json", quantization_config={"quant_method": "awq", "bits": 4}
        ),
        r"quantised \(AWQ, 4 bit\)",
    ),
    "packed": (
        lambda f: tensor(
            f, lambda t: t.update({"model.layers.0.q.qweight": torch.zeros(2, dtype=torch.int32)})
        ),
        r"quantised \(tensor model.layers.0.q.qweight\)",
    ),
    "vocabulary": (
        narrower,
        r"do not fit its config.json: .*is \(\d+, 16\) in the file and \(\d+, 16\) by the config",
    ),
    "nan": (
        spoilt(float("nan")),
        r"model\.layers\.1\.mlp\.down_proj\.weight in .* holds NaN \(1 of 512.*checkpoint is broken",
    ),
    "infinite": (spoilt(float("inf")), r"holds infinite values \(1 of 512"),
    "lfs-weights": (
        lambda f: (f / "model.safetensors").write_text(POINTER),
        r"model.safetensors is a pointer of Git LFS.*git lfs pull",
    ),
    "lfs-tokenizer": (
        lambda f: (f / "tokenizer.json").write_text(POINTER),
        r"tokenizer.json is a pointer of Git LFS",
    ),
    "lfs-config": (
        lambda f: (f / "config.json").write_text(POINTER),
        r"config.json is a pointer of Git LFS",
    ),
    "diffusion": (
        lambda f: change_json(
            f / "config.json", model_type="llada", architectures=["LLaDAModelLM"]
        ),
        r"is a diffusion language model \(llada LLaDAModelLM\).*in any order.*import its activations",
    ),
    "own-code": (
        lambda f: change_json(
            f / "config.json", model_type="owncode", auto_map={"AutoConfig": "c.OwnConfig"}
        ),
        r"'owncode' .* brings program code of its own, which is not run",
    ),
    "rounded": (
        lambda f: tensor(f, lambda t: t.update(_rounded(t))),
        r"quantised \(tensor model\.layers\.0\..*weight, F8_E4M3\).*rounded weights are another model",
    ),
    "mlx": (
        lambda f: change_json(f / "config.json", quantization={"group_size": 64, "bits": 4}),
        r"quantised \(.*4 bit\)",
    ),
    "blocks-left-out": (
        lambda f: change_json(f / "config.json", num_hidden_layers=1),
        r"hold \d+ tensors that its config.json leaves out, first model.layers.1.*num_hidden_layers",
    ),
    "nothing-saved": (
        lambda f: tensor(f, lambda t: t.update({k: torch.zeros_like(v) for k, v in t.items()})),
        r"All \d+ matrices in .* are 0",
    ),
    "config-list": (
        lambda f: (f / "config.json").write_text("[]"),
        r"config.json holds a list, not an object",
    ),
    "onnx": (
        lambda f: (f / "model.safetensors").rename(f / "model.onnx"),
        r"has no weights \(model.safetensors\), but model.onnx, those of ONNX",
    ),
    "other-name": (
        lambda f: (f / "model.safetensors").rename(f / "model.fp16.safetensors"),
        r"no model.safetensors, but model.fp16.safetensors.*Rename",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_with_the_way_out(name, copied, tmp_path):
    change, told = REFUSED[name]
    folder = copied("llama")
    change(folder)
    with pytest.raises(BrainLensError, match=re.compile(told, re.DOTALL)):
        words_of(folder, tmp_path)


def test_a_gguf_file_by_itself(tmp_path):
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    with pytest.raises(BrainLensError, match="is GGUF"):
        load(str(tmp_path / "model.gguf"))


@pytest.mark.parametrize("twin", ["pytorch_model.bin", "consolidated.safetensors", "shards"])
def test_weights_that_are_there_twice_are_read_and_counted_once(twin, copied, tmp_path):
    plain = words_of(copied("llama"), tmp_path)["surprisal"]
    folder = tmp_path / "llama"
    count = count_parameters(folder)
    tensors = load_file(folder / "model.safetensors")
    if twin == "shards":
        name = "model-00001-of-00002.safetensors"
        save_file(tensors, folder / name)
        index = {"weight_map": dict.fromkeys(tensors, name)}
        index["weight_map"]["gone"] = "model-00002-of-00002.safetensors"
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    elif twin.endswith(".bin"):
        (folder / twin).write_bytes(b"not even a pickle")
    else:
        save_file(tensors, folder / twin)
    assert count_parameters(folder) == count
    assert checks.doubled(folder)
    store = Store(tmp_path / "another", readers=[])
    again = word_surprisal(load(str(folder)), TEXT, store=store)["surprisal"]
    np.testing.assert_array_equal(again, plain)


# ---- folders as they were collected -----------------------------------------------------------------------------------
COLLECTED = {
    "32-qwen2-other-tokenizer": "finite",
    "33-start-token-beyond-embedding": r"token 600 .* beyond the 600 rows",
    "35-superword-tokenizer": "joined",
    "36-byte-tokenizer-no-vocab": "finite",
    "37-no-start-token": "first without",
    "38-config-eos-is-a-piece": 10.5786,
    "39-adapter-beside-base": r"adapter \(LORA\) beside",
    "40-adapter-only": r"is an adapter \(LORA\) of base",
    "41-gguf-only": r"is GGUF",
    "42-4bit-config": r"quantised \(bitsandbytes, 4 bit\)",
    "43-vocabulary-mismatch": r"\(700, 32\) in the file and \(708, 32\) by the config",
    "44-nan-weights": r"layers\.1\.mlp\.down_proj\.weight in .* holds NaN",
}


@pytest.mark.realdata
@pytest.mark.parametrize("name", COLLECTED)
def test_collected_folders_come_out_as_expected(name, cases, tmp_path):
    expected = COLLECTED[name]
    text = "The café’s keeper read the sand. It was on the table."
    if isinstance(expected, str) and expected not in (
        "finite",
        "joined",
        "first without",
    ):
        with pytest.raises(BrainLensError, match=expected):
            words_of(cases / name / "model", tmp_path, text)
        return
    table = words_of(cases / name / "model", tmp_path, text)
    bits = table["surprisal"].to_numpy()
    if isinstance(expected, float):
        table = words_of(cases / name / "model", tmp_path, "The old keeper")
        assert table["surprisal"][0] == pytest.approx(expected, abs=5e-5)
    elif expected == "joined":
        assert 0 < table.attrs["joined"] < len(bits)
        assert np.isnan(bits[1:]).sum() == table.attrs["joined"]  # the first has nothing before it
    elif expected == "first without":
        assert np.isnan(bits[0]) and np.isfinite(bits[1:]).all()
    else:
        assert np.isfinite(bits[1:]).all()


# ---- card.json --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("card", "said"),
    [
        ('{"boss": ""}', r"Unknown field of .*card.json 'boss'; did you mean 'bos'"),
        ('{"cls": "causl"}', r"'causl'; did you mean 'causal'"),
        ('{"layers": "six"}', r"'layers' in .* is 'six', not a whole number"),
        ('{"aliases": "gpt"}', r"'aliases' in .* is 'gpt', not a list of names"),
        ('{"bos": 1}', r"'bos' in .* is 1, not a text"),
        ("[]", r"card.json holds a list"),
        ("{", r"card.json is not valid JSON"),
        ("", r"card.json is not valid JSON"),
    ],
)
def test_a_wrong_card_is_refused_and_hides_no_other_model(card, said, copied, clean_home):
    folder = clean_home / "models" / "mine"
    shutil.copytree(copied(), folder)
    (folder / "card.json").write_text(card)
    with pytest.raises(BrainLensError, match=said):
        load("mine").card  # noqa: B018 - read where it is named
    listed = catalog.cards()
    assert "zoo-causal-1m" in listed and listed["mine"].reason
    assert catalog.state("mine") == "damaged" and catalog.state("zoo-causal-1m") == "ready"
