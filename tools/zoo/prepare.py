"""From the packages to a corpus: fetch, clean, split, train the tokenizer, tokenize."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from analysis.models.zoo.corpus import END, MASK, Corpus
from analysis.models.zoo.recipes import VOCABULARY
from analysis.progress import SILENT, Report
from data.files import atomic
from tools.zoo import text

__all__ = ["prepare", "train_tokenizer", "write_tokenizer"]


def prepare(work: Path, *, seed: int = 0, report: Report = SILENT) -> Corpus:
    """Fetch, clean, split and tokenize; what is already there under ``work`` is used.

    Parameters
    ----------
    work : Path
        Folder for the packages, the tokenizer and the token arrays. Never inside the repository.
    seed : int
        Order of the documents.
    """
    from tokenizers import Tokenizer

    report.step(0, 3, "text")
    documents = text.documents(work / "packages", report)
    names = sorted(documents)
    np.random.default_rng(seed).shuffle(names)
    texts = {
        split: [documents[n] for n in names if text.split_of(n) == split] for split in text.SPLITS
    }
    report.step(1, 3, "text")
    path = work / "tokenizer.json"
    if not path.exists():
        with atomic(path) as part:
            train_tokenizer(texts["train"]).save(str(part), pretty=False)
    tokenizer = Tokenizer.from_file(str(path))
    report.step(2, 3, "text")
    tokens = {}
    for split, parts in texts.items():
        target = work / f"tokens-{split}.npy"
        if not target.exists():
            with atomic(target) as part, open(part, "wb") as file:
                np.save(file, _encode(tokenizer, parts), allow_pickle=False)
        tokens[split] = np.load(target, mmap_mode="r", allow_pickle=False)
    report.step(3, 3, "text")
    return Corpus(tokenizer, texts, tokens)


def train_tokenizer(texts: list[str], pieces: int = VOCABULARY):
    """A byte-level byte-pair tokenizer; words begin with their space."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=pieces,
        special_tokens=[END, MASK],
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def _encode(tokenizer, texts: list[str]) -> np.ndarray:
    end = tokenizer.token_to_id(END)
    pieces = [
        np.array([*encoding.ids, end], np.uint16) for encoding in tokenizer.encode_batch(texts)
    ]
    return np.concatenate(pieces)


def write_tokenizer(tokenizer, folder: Path, *, kind: str, length: int) -> None:
    """``tokenizer.json`` and its config, as transformers reads them.

    The masked model wraps a text in two end-of-text pieces, its [CLS] and [SEP]; the others add nothing by themselves.
    """
    from tokenizers import Tokenizer
    from tokenizers.processors import TemplateProcessing

    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": length,
        "clean_up_tokenization_spaces": False,
        "bos_token": END,
        "eos_token": END,
        "pad_token": END,
    }
    if kind == "masked":
        tokenizer = Tokenizer.from_str(tokenizer.to_str())
        ends = [(END, tokenizer.token_to_id(END))]
        tokenizer.post_processor = TemplateProcessing(single=f"{END} $A {END}", special_tokens=ends)
        config |= {"cls_token": END, "sep_token": END, "mask_token": MASK}
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    (folder / "tokenizer_config.json").write_text(
        json.dumps(config, indent=1) + "\n", encoding="utf-8"
    )
