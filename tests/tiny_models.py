"""Tiny random transformers with real tokenizers, made in seconds and saved like downloaded ones."""

from __future__ import annotations

import json
from pathlib import Path

from analysis.models.base import Card

FAMILIES = (
    "gpt2",
    "openai-gpt",
    "ctrl",
    "xlnet",
    "xlm",
    "xlm-roberta",
    "bert",
    "distilbert",
    "roberta",
    "albert",
    "t5",
    "opt",
    "gpt_neo",
    "gpt_neox",
    "llama",
    "gemma",
    "mamba",
)
CAUSAL = ("gpt2", "openai-gpt", "ctrl", "opt", "gpt_neo", "gpt_neox", "llama", "gemma", "mamba")
LAYERS, WIDTH = 3, 32

CORPUS = """The old lighthouse keeper climbed the stairs every evening before the sun went down. He didn't mind the wind.
"What's that?" asked the girl, pointing at the sea -- it was a small boat, well-known in the harbour, that hadn't been seen.
Nobody knew where the fishermen had gone; some said they'd sailed north, others (the baker among them) weren't so sure.
In the morning they found two letters, a lamp and 15 coins on the table. The dog slept under it, as dogs do.
A naive cafe owner told the story again and again, until everybody in the town could tell it better than he did himself.
"""


def make(
    family: str,
    folder: Path,
    *,
    seed: int = 0,
    positions: int = 64,
    layers: int = LAYERS,
    width: int = WIDTH,
    head: bool = True,
    vocabulary: int = 300,
) -> Path:
    """Save a random model of a family with its kind of tokenizer; the same seed gives the same weights."""
    import torch
    import transformers

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _TOKENIZERS[_KIND[family]](folder, vocabulary, positions)
    config = _config(family, len(tokenizer), tokenizer, positions, layers, width)
    torch.manual_seed(seed)
    auto = transformers.AutoModel
    if head and family in CAUSAL:
        auto = transformers.AutoModelForCausalLM
    elif head and family not in ("t5", "xlnet"):
        auto = transformers.AutoModelForMaskedLM
    model = auto.from_config(config).eval()
    with torch.no_grad():  # random, but not so small that every layer looks the same
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    transformers.utils.logging.disable_progress_bar()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def card(family: str, folder: Path, **fields) -> Card:
    """A card as the catalogue would write it."""
    cls = "causal" if family in CAUSAL else "encoder-decoder" if family == "t5" else "bidirectional"
    return Card(**{"id": folder.name, "cls": cls, "family": family, "source": "folder", **fields})


_KIND = {
    "gpt2": "byte",
    "openai-gpt": "word_end",
    "ctrl": "ctrl",
    "xlnet": "pieces_after",
    "xlm": "xlm",
    "xlm-roberta": "pieces",
    "bert": "wordpiece",
    "distilbert": "wordpiece",
    "roberta": "byte_cls",
    "albert": "pieces_cls",
    "t5": "pieces_after",
    "opt": "byte_front",
    "gpt_neo": "byte",
    "gpt_neox": "byte",
    "llama": "bytefallback",
    "gemma": "bytefallback",
    "mamba": "byte",
}


def _config(family, size, tokenizer, positions, layers, width):
    from transformers import AutoConfig

    heads, inner = 4, 2 * width
    common = {
        "vocab_size": size,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    plain = {
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": inner,
        "max_position_embeddings": positions,
    }
    short = {"n_embd": width, "n_layer": layers, "n_head": heads, "n_positions": positions}
    fields = {
        "gpt2": short,
        "openai-gpt": short,
        "ctrl": {**short, "dff": inner},
        "xlnet": {"d_model": width, "n_layer": layers, "n_head": heads, "d_inner": inner},
        "xlm": {
            "emb_dim": width,
            "n_layers": layers,
            "n_heads": heads,
            "max_position_embeddings": positions,
            "n_langs": 1,
            "pad_index": tokenizer.pad_token_id,
            "bos_index": tokenizer.bos_token_id,
            "eos_index": tokenizer.sep_token_id,
            "mask_index": tokenizer.mask_token_id,
            "unk_index": tokenizer.unk_token_id,
            "use_lang_emb": False,
        },
        "distilbert": {
            "dim": width,
            "n_layers": layers,
            "n_heads": heads,
            "hidden_dim": inner,
            "max_position_embeddings": positions,
        },
        "albert": {**plain, "embedding_size": width // 2},
        "t5": {
            "d_model": width,
            "num_layers": layers,
            "num_heads": heads,
            "d_ff": inner,
            "d_kv": width // heads,
        },
        "opt": {
            "hidden_size": width,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "ffn_dim": inner,
            "max_position_embeddings": positions,
            "word_embed_proj_dim": width,
        },
        "gpt_neo": {
            "hidden_size": width,
            "num_layers": layers,
            "num_heads": heads,
            "max_position_embeddings": positions,
            "window_size": 8,
            "attention_types": [[["global", "local", "global"][:layers], 1]]
            if layers <= 3
            else [[["global", "local"], layers // 2]],
        },
        "llama": {**plain, "num_key_value_heads": 2},
        "gemma": {**plain, "num_key_value_heads": 1, "head_dim": width // heads},
        "mamba": {
            "hidden_size": width,
            "num_hidden_layers": layers,
            "state_size": 4,
            "conv_kernel": 3,
        },
    }.get(family, plain)
    if family in ("roberta", "xlm-roberta"):
        fields = {
            **fields,
            "max_position_embeddings": positions + tokenizer.pad_token_id + 1,
            "type_vocab_size": 1,
        }
    return AutoConfig.for_model(family, **{**common, **fields})


# ---- tokenizers ------------------------------------------------------------------------
def _fast(backend, positions, **special):
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(tokenizer_object=backend, model_max_length=positions, **special)


def _byte_bpe(vocabulary, special):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary + 200,
        show_progress=False,
        special_tokens=special,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    backend.train_from_iterator(CORPUS.splitlines(True), trainer)
    return backend


def _byte(folder, vocabulary, positions):
    end = "<|endoftext|>"
    return _fast(
        _byte_bpe(vocabulary, [end]), positions, bos_token=end, eos_token=end, unk_token=end
    )


def _framed(backend, front=(), back=()):
    from tokenizers import processors

    pieces = [(t, backend.token_to_id(t)) for t in (*front, *back)]
    backend.post_processor = processors.TemplateProcessing(
        single=" ".join([*front, "$A", *back]), special_tokens=pieces
    )
    return backend


def _byte_cls(folder, vocabulary, positions):
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    backend = _framed(_byte_bpe(vocabulary, special), ["<s>"], ["</s>"])
    return _fast(
        backend,
        positions,
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
    )


def _byte_front(folder, vocabulary, positions):
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    return _fast(
        _framed(_byte_bpe(vocabulary, special), ["</s>"]),
        positions,
        bos_token="</s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="</s>",
    )


def _wordpiece(folder, vocabulary, positions):
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    backend = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    backend.normalizer, backend.pre_tokenizer = (
        normalizers.BertNormalizer(lowercase=True),
        pre_tokenizers.BertPreTokenizer(),
    )
    backend.decoder = decoders.WordPiece()
    backend.train_from_iterator(
        CORPUS.splitlines(True),
        trainers.WordPieceTrainer(
            vocab_size=vocabulary, show_progress=False, special_tokens=special
        ),
    )
    return _fast(
        _framed(backend, ["[CLS]"], ["[SEP]"]),
        positions,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )


def _unigram(vocabulary, special):
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    backend = Tokenizer(models.Unigram())
    backend.normalizer, backend.pre_tokenizer = normalizers.NFKC(), pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    backend.train_from_iterator(
        CORPUS.splitlines(True),
        trainers.UnigramTrainer(
            vocab_size=vocabulary, show_progress=False, special_tokens=special, unk_token="<unk>"
        ),
    )
    return backend


def _pieces(folder, vocabulary, positions):
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    return _fast(
        _framed(_unigram(vocabulary, special), ["<s>"], ["</s>"]),
        positions,
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
    )


def _pieces_cls(folder, vocabulary, positions):
    special = ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"]
    return _fast(
        _framed(_unigram(vocabulary, special), ["[CLS]"], ["[SEP]"]),
        positions,
        pad_token="<pad>",
        unk_token="<unk>",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        bos_token="[CLS]",
        eos_token="[SEP]",
    )


def _pieces_after(folder, vocabulary, positions):
    special = ["<pad>", "</s>", "<unk>", "<cls>"]
    return _fast(
        _framed(_unigram(vocabulary, special), [], ["</s>", "<cls>"]),
        positions,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        cls_token="<cls>",
    )


def _bytefallback(folder, vocabulary, positions):
    from tokenizers import Tokenizer, decoders, models, normalizers, trainers

    special = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    backend = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    backend.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    trained = trainers.BpeTrainer(
        vocab_size=vocabulary + 256, show_progress=False, special_tokens=special
    )
    backend.train_from_iterator(
        (word for line in CORPUS.splitlines() for word in line.split()), trained
    )
    content = json.loads(backend.to_str())
    content["added_tokens"] = [
        t for t in content["added_tokens"] if not t["content"].startswith("<0x")
    ]
    backend = Tokenizer.from_str(json.dumps(content))
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    return _fast(
        _framed(backend, ["<s>"]), positions, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


def _word_end_merges(vocabulary):
    """Merges of a BPE whose words end in ``</w>``."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    backend = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    backend.normalizer, backend.pre_tokenizer = (
        normalizers.Lowercase(),
        pre_tokenizers.BertPreTokenizer(),
    )
    backend.train_from_iterator(
        CORPUS.splitlines(True),
        trainers.BpeTrainer(vocab_size=vocabulary, show_progress=False, end_of_word_suffix="</w>"),
    )
    content = json.loads(backend.to_str())["model"]
    merges = [m if isinstance(m, str) else " ".join(m) for m in content["merges"]]
    letters = sorted(
        {c for c in CORPUS.lower() if not c.isspace()} | set("abcdefghijklmnopqrstuvwxyz0123456789")
    )
    pieces = [*letters, *(c + "</w>" for c in letters), *("".join(m.split()) for m in merges)]
    return merges, list(dict.fromkeys(pieces))


def _word_end(folder, vocabulary, positions):
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

    merges, pieces = _word_end_merges(vocabulary)
    backend = Tokenizer(
        models.BPE(
            vocab={p: i for i, p in enumerate(["<unk>", *pieces])},
            merges=[tuple(m.split()) for m in merges],
            end_of_word_suffix="</w>",
            unk_token="<unk>",
        )
    )
    backend.normalizer, backend.pre_tokenizer = (
        normalizers.BertNormalizer(lowercase=True),
        pre_tokenizers.BertPreTokenizer(),
    )
    backend.decoder = decoders.BPEDecoder(suffix="</w>")
    return _fast(backend, positions, unk_token="<unk>")


def _ctrl(folder, vocabulary, positions):
    from transformers import CTRLTokenizer

    merges, pieces = _word_end_merges(vocabulary)
    final = [p.removesuffix("</w>") for p in pieces if p.endswith("</w>")]
    vocab = ["<unk>", *final, *(p + "@@" for p in pieces if not p.endswith("</w>"))]
    (folder / "vocab.json").write_text(
        json.dumps({p: i for i, p in enumerate(dict.fromkeys(vocab))})
    )
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    return CTRLTokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=positions
    )


def _xlm(folder, vocabulary, positions):
    from transformers import XLMTokenizer

    merges, pieces = _word_end_merges(vocabulary)
    vocab = ["<s>", "</s>", "<pad>", "<unk>", "<special1>", *pieces]
    (folder / "vocab.json").write_text(
        json.dumps({p: i for i, p in enumerate(dict.fromkeys(vocab))})
    )
    (folder / "merges.txt").write_text("\n".join(m + " 1" for m in merges) + "\n")
    return XLMTokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=positions
    )


_TOKENIZERS = {
    "byte": _byte,
    "byte_cls": _byte_cls,
    "byte_front": _byte_front,
    "wordpiece": _wordpiece,
    "pieces": _pieces,
    "pieces_cls": _pieces_cls,
    "pieces_after": _pieces_after,
    "bytefallback": _bytefallback,
    "word_end": _word_end,
    "ctrl": _ctrl,
    "xlm": _xlm,
}
