"""Tables of words: sentences, positions, lengths and frequencies of running text."""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np
import pandas as pd

__all__ = ["add_word_columns", "core", "log_frequency", "sentences"]

_ABBREVIATIONS = {"mr.", "mrs.", "ms.", "dr.", "st.", "prof.", "vs.", "etc.", "e.g.", "i.e."}
_EDGES = re.compile(r"^\W+|\W+$")


def core(word: str) -> str:
    """The word without the punctuation around it, lower case."""
    return _EDGES.sub("", word).lower()


def sentences(words: pd.Series) -> np.ndarray:
    """Number of the sentence of each word, from 0, by punctuation.

    A sentence ends with ``.``, ``?`` or ``!`` (quotation marks and brackets may follow), except after an abbreviation, and
    where the next word is not capitalised.
    """
    words = list(words.astype(str))
    number, out = 0, []
    for here, following in zip(words, [*words[1:], ""]):
        out.append(number)
        first = next((c for c in following if c.isalpha()), "")
        if (
            re.search(r"[.?!][\"'’”)\]]*$", here)
            and here.lower().lstrip("\"'‘“([") not in _ABBREVIATIONS
            and not first.islower()
        ):
            number += 1
    return np.array(out)


@lru_cache(maxsize=200_000)
def _zipf(word: str) -> float:
    from wordfreq import zipf_frequency

    return zipf_frequency(word, "en")


def log_frequency(words: pd.Series) -> np.ndarray:
    """Zipf frequency (log10 of occurrences in 10^9 words) of each word without its punctuation; 0 for unknown words."""
    return np.array([_zipf(core(word) or word) for word in words.astype(str)])


def add_word_columns(table: pd.DataFrame, *, text: str = "story") -> pd.DataFrame:
    """Add what is known of each word to a table of words in running order; columns that are there stay.

    The columns: ``sentence``, ``position``, ``word_in_sentence``, ``first_in_sentence``, ``last_in_sentence``, ``length``
    (characters as shown, punctuation counted) and ``log_frequency``.

    Parameters
    ----------
    text : str
        Column whose rows are one running text.
    """
    table = table.copy()
    if "sentence" not in table.columns:
        numbers = pd.Series(0, index=table.index)
        for _, rows in table.groupby(text, sort=False).groups.items():
            numbers.loc[rows] = sentences(table.loc[rows, "text"])
        table["sentence"] = table[text].astype(str) + "." + numbers.astype(str)
    if "position" not in table.columns:
        table["position"] = table.groupby(text, sort=False).cumcount()
    inside = table.groupby("sentence", sort=False)
    table["word_in_sentence"] = inside.cumcount()
    table["first_in_sentence"] = table["word_in_sentence"] == 0
    table["last_in_sentence"] = inside.cumcount(ascending=False) == 0
    table["length"] = table["text"].str.len()
    if "log_frequency" not in table.columns:
        table["log_frequency"] = log_frequency(table["text"])
    return table
