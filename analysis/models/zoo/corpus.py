"""The cleaned text as pieces: the tokens of each split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["END", "MASK", "Corpus"]

END, MASK = "<|endoftext|>", "<|mask|>"


@dataclass(frozen=True)
class Corpus:
    """Text by split, and its tokens.

    Parameters
    ----------
    tokenizer : tokenizers.Tokenizer
    texts : dict
        split -> list of documents, shuffled once.
    tokens : dict
        split -> uint16 array, each document followed by the end-of-text piece.
    """

    tokenizer: Any
    texts: dict[str, list[str]]
    tokens: dict[str, np.ndarray]
