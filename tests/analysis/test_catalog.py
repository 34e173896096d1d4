"""From a name to a reader: rows, aliases, folders, and what goes wrong in words."""

from __future__ import annotations

import json

import numpy as np
import pytest

from analysis.models import catalog
from analysis.models.base import CLASSES
from analysis.models.files import checks, folders, hub
from analysis.models.files.json_files import read_json
from analysis.models.variants.spec import SCHEMES, Variant, split
from data.errors import BrainLensError
from data.readers.published import schrimpf2021


@pytest.fixture
def folder(tmp_path):
    """A tiny GPT-2 with a tokenizer, as save_pretrained leaves it."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    path = tmp_path / "tiny"
    pieces = {
        piece: i
        for i, piece in enumerate(["<|endoftext|>", *sorted(pre_tokenizers.ByteLevel.alphabet())])
    }
    tokenizer = Tokenizer(models.BPE(pieces, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>").save_pretrained(
        path
    )
    GPT2LMHeadModel(
        GPT2Config(vocab_size=len(pieces), n_layer=2, n_embd=8, n_head=2, n_positions=32)
    ).save_pretrained(path)
    return path


# ---- rows ------------------------------------------------------------------------------------------------------------
def test_every_published_model_has_a_row_and_a_way_or_a_reason():
    cards = catalog.cards()
    for name in schrimpf2021()["model"].unique():
        card = cards[catalog.resolve(name)]
        assert card.cls in CLASSES and card.citation and card.licence and card.year and card.family
        assert card.hub_id or card.reason, name
        assert bool(card.reason) == (card.source in ("published", "file")), name


def test_families_of_the_43_are_the_15_that_correlations_cluster_on():
    families = {catalog.card(name).family for name in schrimpf2021()["model"].unique()}
    assert len(families) == 15
    assert (
        catalog.card("openaigpt").family
        == catalog.card("distilgpt2").family
        == catalog.card("gpt2-xl").family
        == "gpt"
    )


@pytest.mark.parametrize(
    "name, alias, layer",
    [
        ("gpt2", "drop", 0),
        ("gpt2", "encoder.h.11", 12),
        ("xlm-mlm-en-2048", "encoder.layer_norm2.0", 1),
        ("t5-small", "shared", 0),
        ("albert-base-v1", "encoder.albert_layer_groups.11", 12),
        ("lm_1b", "lstm/lstm_1/control_dependency", 2),
        ("glove", "projection", 0),
    ],
)
def test_the_papers_layer_names_are_numbers(name, alias, layer):
    assert catalog.card(name).layer_names[alias] == layer


def test_layers_and_widths_are_those_of_the_paper():
    for name, layers, width in [
        ("bert-large-uncased", 24, 1024),
        ("ctrl", 48, 1280),
        ("xlm-mlm-100-1280", 16, 1280),
        ("albert-xxlarge-v2", 12, 4096),
        ("transfo-xl-wt103", 18, 1024),
        ("gpt2-xl", 48, 1600),
    ]:
        card = catalog.card(name)
        assert (card.layers, card.width) == (layers, width)


def test_aliases_and_hub_ids_lead_to_the_same_row():
    assert catalog.resolve("smollm2-135m") == "smollm2-135m-instruct-q4_1"
    assert catalog.resolve("glove-50d") == "glove-6b-50d"
    assert catalog.resolve("openai-community/gpt2") == catalog.resolve("GPT2") == "gpt2"
    known = [alias for card in catalog.cards().values() for alias in (card.id, *card.aliases)]
    assert len(known) == len(set(known))


# ---- ids -------------------------------------------------------------------------------------------------------------
def test_ids_come_apart_and_together():
    assert split("a/b@revision:step1000@untrained:permute:2") == (
        "a/b",
        "step1000",
        Variant("untrained", "permute", seed=2),
    )
    for text in (
        "untrained:init:3",
        "noise:lower:0.1:2",
        "noise:3-7:0.5:0",
        "lesion:language:1:0",
        "lesion:random:2.5:4",
    ):
        assert str(Variant.parse(text)) == text
    assert [str(Variant.parse(f"untrained:{scheme}")) for scheme in SCHEMES] == [
        f"untrained:{scheme}:0" for scheme in SCHEMES
    ]
    assert not Variant.parse(None) and not Variant.parse("")


@pytest.mark.parametrize(
    "name, says",
    [
        ("gpt2@untrained:foo:0", "permute"),
        ("gpt2@untrained:init:x", "'x'"),
        ("gpt2@noise:lower", "Malformed"),
        ("gpt2@noise:middle:1:0", "'middle'"),
        ("gpt2@noise:all:-1:0", "positive"),
        ("gpt2@lesion:vision:1:0", "language"),
        ("gpt2@lesion:language:200:0", "all units"),
        ("gpt2@noise:all:2:0@noise:all:1:0", "two variants"),
    ],
)
def test_a_bad_variant_is_refused_in_words(name, says):
    with pytest.raises(BrainLensError, match=says):
        catalog.load(name)


def test_an_unknown_name_gets_the_closest_one():
    with pytest.raises(BrainLensError, match=r"did you mean 'gpt2'.*owner/name"):
        catalog.load("gtp2")
    with pytest.raises(BrainLensError, match=r"did you mean 'smollm2-135m'"):
        catalog.load("smolm2-135m")
    with pytest.raises(BrainLensError, match=r"gpt2 'noize'; did you mean 'noise'.*@noise:LAYERS"):
        catalog.load("gpt2@noize:all:1")


def test_a_model_that_cannot_run_says_why():
    with pytest.raises(BrainLensError, match=r"left the transformers library.*import"):
        catalog.load("transfo-xl-wt103")
    with pytest.raises(BrainLensError, match=r"GoogleNews-vectors"):
        catalog.load("word2vec")


def test_a_package_that_is_not_here_says_how_to_get_it(clean_home):
    with pytest.raises(BrainLensError, match=r"brainlens models fetch smollm2-135m-instruct-q4_1"):
        catalog.load("smollm2-135m")


def test_states(clean_home, folder):
    assert (
        catalog.state("smollm2-135m")
        == catalog.state("gpt2-xl")
        == catalog.state("some/model")
        == "needs download"
    )
    assert catalog.state("transfo-xl-wt103") == "published only"
    assert catalog.state("etm") == "needs a file"
    assert catalog.state("random-10") == catalog.state(str(folder)) == "ready"
    with pytest.raises(BrainLensError, match=r"did you mean 'gpt2'"):
        catalog.state("gpt22")


# ---- folders ---------------------------------------------------------------------------------------------------------
def test_a_folder_is_described_and_loaded(folder):
    card = catalog.card(str(folder))
    assert (card.cls, card.layers, card.width, card.bos, card.space_before) == (
        "causal",
        2,
        8,
        "<|endoftext|>",
        True,
    )
    model = catalog.load(str(folder) + "@untrained:permute:1")
    assert model.id == f"{folder}@untrained:permute:1" and model.widths == (8, 8, 8)


def test_a_registered_folder_is_found_by_id_without_hiding_the_shared_one(
    clean_home, folder, tmp_path, monkeypatch
):
    (tmp_path / "shared" / "models").mkdir(parents=True)
    folder.rename(tmp_path / "shared" / "models" / "tiny")
    monkeypatch.setenv("BRAINLENS_SHARED", str(tmp_path / "shared"))
    assert "tiny" in catalog.cards() and catalog.load("tiny").n_layers == 3
    written = {"note": "tiny", "cls": "causal", "aliases": ["t"]}
    (tmp_path / "shared" / "models" / "tiny" / "card.json").write_text(json.dumps(written))
    assert catalog.card("tiny").note == "tiny"


@pytest.mark.parametrize(
    "missing, says",
    [
        ("config.json", "no config.json"),
        ("tokenizer.json", "no tokenizer.*save_pretrained"),
        ("model.safetensors", "no weights"),
    ],
)
def test_a_folder_with_something_missing_says_what(folder, missing, says):
    (folder / missing).unlink()
    with pytest.raises(BrainLensError, match=says):
        catalog.load(str(folder))


def test_a_folder_whose_shards_are_not_all_there(folder):
    index = {
        "weight_map": {
            "a": "model-00001-of-00002.safetensors",
            "b": "model-00002-of-00002.safetensors",
        }
    }
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(BrainLensError, match=r"lacks 1 of 2 weight files, first model-00002"):
        catalog.load(str(folder))


def test_pickle_weights_need_insisting(folder, monkeypatch):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(BrainLensError, match=checks.PICKLE_VARIABLE):
        catalog.load(str(folder))
    monkeypatch.setenv(checks.PICKLE_VARIABLE, "1")
    assert catalog.load(str(folder)).card.layers == 2


def test_a_broken_config_and_a_missing_folder(folder):
    (folder / "config.json").write_text("{")
    with pytest.raises(BrainLensError, match=r"not valid JSON"):
        catalog.load(str(folder))
    with pytest.raises(BrainLensError, match=r"No model folder at ./nowhere"):
        catalog.load("./nowhere")
    with pytest.raises(BrainLensError, match=r"no table of word vectors"):
        catalog.load(str(folder / "tokenizer.json"))


@pytest.mark.parametrize(
    "config, cls",
    [
        ({"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]}, "causal"),
        ({"model_type": "llama"}, "causal"),
        ({"model_type": "bert", "architectures": ["BertForMaskedLM"]}, "bidirectional"),
        (
            {"model_type": "bert", "is_decoder": True, "architectures": ["BertLMHeadModel"]},
            "causal",
        ),
        ({"model_type": "xlm", "causal": True}, "causal"),
        ({"model_type": "xlm", "causal": False}, "bidirectional"),
        ({"model_type": "xlnet", "architectures": ["XLNetLMHeadModel"]}, "bidirectional"),
        ({"model_type": "t5", "is_encoder_decoder": True}, "encoder-decoder"),
        ({"model_type": "mamba"}, "causal"),
    ],
)
def test_the_class_is_told_by_the_config(config, cls):
    assert folders.classify(config) == cls


@pytest.mark.parametrize(
    "kind, tokens, start",
    [
        ("gpt2", {"eos_token": "<|endoftext|>", "bos_token": "<|endoftext|>"}, "<|endoftext|>"),
        ("opt", {"bos_token": "</s>"}, "</s>"),
        ("gpt_neox", {"bos_token": "<|endoftext|>"}, ""),
        ("llama", {"bos_token": {"content": "<s>"}}, "<s>"),
        ("bert", {"cls_token": "[CLS]"}, "[CLS]"),
        ("openai-gpt", {}, ""),
    ],
)
def test_the_start_token_follows_the_family(tmp_path, kind, tokens, start):
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(tokens))
    assert folders.start_token({"model_type": kind}, tmp_path) == start


# ---- hub -------------------------------------------------------------------------------------------------------------
def test_offline_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(
        BrainLensError, match=r"switched off.*brainlens models fetch some/model.*folder"
    ):
        hub.fetch("some/model")


class _Siblings:
    def __init__(self, *names):
        self.siblings = [type("File", (), {"rfilename": name}) for name in names]


def test_a_hub_that_cannot_be_reached_and_pickle_only_models(monkeypatch):
    import huggingface_hub

    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    answers = iter([ConnectionError("no route"), _Siblings("pytorch_model.bin", "config.json")])

    def model_info(self, hub_id, **options):
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    monkeypatch.setattr(
        huggingface_hub,
        "snapshot_download",
        lambda *a, **k: pytest.fail("nothing may be downloaded"),
    )
    with pytest.raises(BrainLensError, match=r"could not be reached.*HTTPS_PROXY"):
        hub.fetch("some/model")
    with pytest.raises(BrainLensError, match=r"pickle only"):
        hub.fetch("some/model")


def test_importing_the_catalogue_loads_no_heavy_library():
    import subprocess
    import sys

    code = (
        "import sys, analysis.models.catalog as c; c.cards(); "
        "print([m for m in ('torch', 'transformers') if m in sys.modules])"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "[]"
    )


def test_what_a_model_is_can_be_told_without_heavy_libraries(folder, tmp_path):
    import subprocess
    import sys

    (tmp_path / "lstm").mkdir()
    (tmp_path / "lstm" / "config.json").write_text(
        '{"architecture": "lstm-lm", "vocab_size": 9, "width": 6, "layers": 2}'
    )
    (tmp_path / "lstm" / "tokenizer.json").write_text("{}")
    code = (
        "import sys; from analysis.models import load; from analysis.protocol import PRESETS\n"
        "for name in sys.argv[1:]:\n"
        "    m = load(name)\n"
        "    print(m.widths, bool(m.fingerprint), m.n_layers)\n"
        "    m.tokenizer_hash, [m.reading_options(p) for p in PRESETS.values()]\n"
        "print([m for m in ('torch', 'transformers') if m in sys.modules])"
    )
    names = [str(folder), str(tmp_path / "lstm"), "random-30", "zoo-causal-400k", "zoo-glove-64d"]
    told = subprocess.run(
        [sys.executable, "-c", code, *names], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    width, layers = folders.shape(read_json(folder / "config.json"))
    assert told[0] == f"{(width,) * (layers + 1)} True {layers + 1}"
    assert told[1:3] == ["(6, 6, 6, 6, 6) True 5", "(30,) True 1"] and told[-1] == "[]"


def test_the_shipped_zoo_is_listed():
    names = [name for name, path in catalog.installed().items() if path.parent == catalog.ZOO]
    for name in names:
        assert catalog.state(name) == "ready" and catalog.card(name).cls in CLASSES
    assert np.all([not name.startswith(".") for name in names])


@pytest.mark.parametrize("base", ["home", "shared"])
def test_one_model_is_found_where_the_list_has_it(clean_home, monkeypatch, base):
    models = clean_home.parent / base / "models"
    monkeypatch.setenv("BRAINLENS_SHARED", str(clean_home.parent / "shared"))
    for name in ("mine", "zoo-causal-400k", ".half", "no-model"):
        (models / name).mkdir(parents=True)
        (models / name / ("notes.txt" if name == "no-model" else "card.json")).write_text("{}")
    found = catalog.installed()
    assert found["mine"].parent == found["zoo-causal-400k"].parent == models
    assert {name: catalog.place(name) for name in found} == found
    for name in (".half", "no-model", "", ".", "..", "a/mine", "../models/mine", "x" * 999, "a\0b"):
        assert catalog.place(name) is None and name not in found
