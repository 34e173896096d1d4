"""Tables of words: sentences, positions, lengths and frequencies of running text."""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np
import pandas as pd

from data.language import frequencies, unspaced

__all__ = ["add_word_columns", "are_words", "core", "log_frequency", "sentences"]

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


def are_words(texts: pd.Series) -> bool:
    """Whether rows are single words: nine of ten hold no white space, and are short where a script has none."""
    texts = texts.astype(str).str.strip()
    if (texts.str.split().str.len() <= 1).mean() <= 0.9:
        return False
    return not unspaced(list(texts[:200])) or float(texts.str.len().median()) <= 4


@lru_cache(maxsize=200_000)
def _zipf(word: str, language: str) -> float:
    return float(frequencies([word], language)[0])


def log_frequency(words: pd.Series, language: str = "en") -> np.ndarray:
    """Zipf frequency (log10 of occurrences in 10^9 words) of each word without its punctuation; 0 for unknown words.

    Raises
    ------
    BrainLensError
        For a language that is not known ("") or has no list of frequencies.
    """
    return np.array([_zipf(core(word) or word, language) for word in words.astype(str)])


def add_word_columns(
    table: pd.DataFrame, *, text: str = "story", language: str = "en"
) -> pd.DataFrame:
    """Add what is known of each word to a table of words in running order; columns that are there stay.

    The columns: ``sentence``, ``position``, ``word_in_sentence``, ``first_in_sentence``, ``last_in_sentence``, ``length``
    (characters as shown, punctuation counted) and ``log_frequency``.

    Parameters
    ----------
    text : str
        Column whose rows are one running text.
    language : str
        Whose frequencies are looked up.
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
        table["log_frequency"] = log_frequency(table["text"], language)
    return table
