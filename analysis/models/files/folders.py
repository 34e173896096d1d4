"""What a model folder holds: its class, its shape, its start token, and the card that tells them."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from analysis.models.base import Card
from analysis.models.files.cards import read_card
from analysis.models.files.json_files import read_json
from analysis.models.files.tokenizer import knows
from data.hashes import Mark, mark

__all__ = [
    "classify",
    "describe",
    "headless",
    "named_class",
    "shape",
    "start_token",
    "words_carry_space",
]

BIDIRECTIONAL = (
    "bert",
    "roberta",
    "albert",
    "electra",
    "distilbert",
    "mpnet",
    "deberta",
    "xlnet",
    "camembert",
    "ernie",
    "longformer",
    "big_bird",
    "modernbert",
    "nomic_bert",
    "funnel",
    "convbert",
    "squeezebert",
    "mobilebert",
    "megatron-bert",
    "eurobert",
)
CAUSAL_ENDINGS = ("ForCausalLM", "LMHeadModel", "DoubleHeadsModel")


def named_class(folder: Path) -> str:
    """The class of model a folder names: ``adapter`` of its card.json, ``architecture`` of its config.json; empty for none."""
    said = read_card(folder / "card.json").get("adapter")
    return str(said or read_json(folder / "config.json").get("architecture") or "")


def classify(config: dict) -> str:
    """The class of a transformer by its config.json: causal, bidirectional, encoder-decoder or recurrent.

    Examples
    --------
    >>> classify({"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]})
    'causal'
    >>> classify({"model_type": "xlm", "causal": False, "architectures": ["XLMWithLMHeadModel"]})
    'bidirectional'
    """
    kind, names = str(config.get("model_type", "")), config.get("architectures") or []
    decodes = config.get("is_decoder") and not config.get("is_encoder_decoder")
    if decodes and any(str(name).endswith(CAUSAL_ENDINGS) for name in names):
        return "causal"
    if config.get("is_encoder_decoder") or kind in (
        "t5",
        "mt5",
        "bart",
        "pegasus",
        "marian",
        "umt5",
        "longt5",
        "led",
        "mbart",
    ):
        return "encoder-decoder"
    if kind in ("xlm", "flaubert"):
        return "causal" if config.get("causal") else "bidirectional"
    if (
        kind in BIDIRECTIONAL
        or kind.startswith(("xlm-roberta", "deberta"))
        or any("MaskedLM" in str(name) for name in names)
    ):
        return "bidirectional"
    return "causal"


def headless(config: dict) -> bool:
    """Whether a bidirectional model was saved without what predicts a hidden word, as its config.json names it.

    Examples
    --------
    >>> headless({"model_type": "bert", "architectures": ["BertModel"]})
    True
    >>> headless({"model_type": "bert", "architectures": ["BertForMaskedLM"]})
    False
    """
    names = [str(name) for name in config.get("architectures") or []]
    if classify(config) != "bidirectional" or not names:
        return False
    return config.get("model_type") == "xlnet" or not any(
        name.endswith(("MaskedLM", *CAUSAL_ENDINGS))
        or (name.endswith("ForPreTraining") and not name.startswith(("Electra", "Funnel")))
        for name in names
    )


def start_token(config: dict, folder: Path) -> str:
    """What stands in front of every text: a causal model's start token by the policy of its family, a masked model's [CLS]."""
    settings = read_json(folder / "tokenizer_config.json")
    settings = read_json(folder / "special_tokens_map.json") | settings
    token = {
        name: t.get("content", "") if isinstance(t, dict) else t or ""
        for name in ("bos_token", "eos_token", "cls_token")
        if (t := settings.get(name)) is None or isinstance(t, (dict, str))
    }
    kind = str(config.get("model_type", ""))
    if classify(config) == "bidirectional":
        return token.get("cls_token", "")
    if kind in ("gpt2", "gpt_neo", "gptj", "smollm3"):
        return token.get("eos_token") or _where_known("<|endoftext|>", folder)
    if kind in ("opt",):
        return token.get("bos_token") or _where_known("</s>", folder)
    if kind in (
        "gpt_neox",
        "mamba",
        "mamba2",
        "rwkv",
        "rwkv7",
        "openai-gpt",
        "ctrl",
        "olmo",
        "olmo2",
        "olmo3",
        "t5",
    ):
        return ""
    if settings.get("add_bos_token") or kind in (
        "llama",
        "mistral",
        "gemma",
        "gemma2",
        "gemma3",
        "gemma3_text",
        "phi3",
    ):
        return token.get("bos_token", "")
    return ""


def _where_known(token: str, folder: Path) -> str:
    """The token where the folder's tokenizer has it, else nothing: then the first word has no surprisal."""
    return token if knows(folder, token) else ""


def words_carry_space(folder: Path) -> bool:
    """Whether the tokenizer's words begin with their space (byte-level BPE, SentencePiece), as tokenizer.json tells."""
    told = folder / "tokenizer.json"
    known = _carry_space(told, mark(told)) if told.is_file() else None
    if known is None:
        return any(
            (folder / name).is_file()
            for name in ("merges.txt", "spiece.model", "tokenizer.model", "sentencepiece.bpe.model")
        )
    return known


@lru_cache(maxsize=64)  # megabytes of JSON, asked for whenever a folder is named
def _carry_space(file: Path, _: Mark) -> bool | None:
    """What a tokenizer.json tells, as long as the file stays as it is; None where it tells nothing."""
    content = read_json(file)
    if not content:
        return None
    kinds = json.dumps(
        [content.get("pre_tokenizer"), content.get("normalizer"), content.get("decoder")]
    )
    return any(mark in kinds for mark in ('"ByteLevel"', '"Metaspace"', "▁"))


def shape(config: dict) -> tuple[int | None, int | None]:
    """Width and number of blocks of a transformer as config.json states them; None for what it does not.

    Examples
    --------
    >>> shape({"model_type": "gpt2", "n_embd": 768, "n_layer": 12})
    (768, 12)
    """
    inner = config.get("text_config")
    text = inner if isinstance(inner, dict) else config
    first = lambda *names: next((text[n] for n in names if isinstance(text.get(n), int)), None)  # noqa: E731
    if text.get("is_decoder") and not text.get("is_encoder_decoder") and text.get("decoder_layers"):
        return first("d_model", "hidden_size"), text["decoder_layers"]
    width = first("hidden_size", "n_embd", "d_model", "emb_dim", "dim")
    return width, first("num_hidden_layers", "n_layer", "n_layers", "num_layers")


def describe(folder: Path, name: str, **known: object) -> Card:
    """The card of a folder: what its card.json says, completed from its config.json.

    Parameters
    ----------
    known : fields of Card
        What the caller knows for certain; wins over the folder.
    """
    config, written = read_json(folder / "config.json"), read_card(folder / "card.json")
    told = {
        field: value
        for field, value in written.items()
        if field in Card.__dataclass_fields__ and field != "id"
    }
    width, layers = shape(config)
    found = {
        "cls": classify(config),
        "family": str(config.get("model_type", "")),
        "layers": layers,
        "width": width,
        "bos": start_token(config, folder),
        "space_before": words_carry_space(folder),
        "source": "folder",
        "headless": headless(config),
    }
    merged = {**found, **told, **known, "id": name}
    merged["aliases"] = tuple(merged.get("aliases") or ())
    return Card(**merged)
