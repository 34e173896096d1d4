"""Texts in versions: what must stand beside the number of a text, so that it holds the same words for everybody."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pandas as pd

from data.errors import BrainLensError
from data.own.meaning import Meaning, listed
from data.own.tables import Table, squashed

__all__ = ["conflict", "same_words"]

CLEAR = 0.02
"""Share of rows that may disagree on the word at a place and be slips."""
MOST = 3
"""Columns that are added at most."""
_SERIAL = ("list", "session", "block", "run", "counterbalance", "order", "half")
"""Names of columns that tell versions apart by the way, because each list has one version of each text."""


def conflict(frame: pd.DataFrame, text: str, block: list[str], place: str) -> float:
    """Share of rows whose place in their text holds another word in another row."""
    return float(_other(_numbers(frame, [*block, place]), _words(frame[text])).mean())


def _other(code: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Which rows stand at a place that holds another word in another row."""
    held = np.empty(int(code.max()) + 1, int)
    held[code] = words
    mixed = np.zeros(len(held), bool)
    mixed[code[words != held[code]]] = True
    return mixed[code]


def _words(cells: pd.Series) -> np.ndarray:
    """A number for each word, white space around it apart."""
    code, known = pd.factorize(cells, use_na_sentinel=False)
    return pd.factorize(pd.Series(known).astype(str).str.strip())[0][code]


def _numbers(frame: pd.DataFrame, columns: list[str]) -> np.ndarray:
    """A number for each combination of cells."""
    first, *others = (pd.factorize(frame[c], use_na_sentinel=False)[0] for c in columns)
    return reduce(_joint, others, first)


def _joint(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """A number for each pair of numbers, from 0."""
    return pd.factorize(one.astype(np.int64) * (int(other.max()) + 1) + other)[0]


def same_words(table: Table, meant: Meaning, block: list[str], place: str, free: list[str]) -> None:
    """Make sure that a text holds the same words for everybody, where a column would make it so.

    Parameters
    ----------
    block : list of str
        Columns that name the text.
    place : str
        Column that numbers its words.
    free : list of str
        Columns that may tell versions apart.

    Raises
    ------
    BrainLensError
        Naming the columns that tell the versions, languages or lists apart.
    """
    frame, words = table.frame, _words(table.frame[meant.text])
    texts, places = _numbers(frame, block), _numbers(frame, [place])
    code = _joint(texts, places)
    other = _other(code, words)
    if other.mean() < 2 * CLEAR:
        return
    free = [c for c in free if c not in (*block, place) and _labels(frame[c])]
    added, rivals = _telling(frame, meant, texts, places, words, free)
    if not added:
        return
    row = int(np.flatnonzero(other)[0])
    second = int(np.flatnonzero((code == code[row]) & (words != words[row]))[0])
    first_word, second_word = (str(frame[meant.text].iloc[at]).strip()[:30] for at in (row, second))
    raise BrainLensError(
        f"{table.path.name}: {listed(block)} stands for different words in {len(np.unique(texts[other])):,} of "
        f"{int(texts.max()) + 1:,} texts, such as {first_word!r} ({table.where(row)}) and {second_word!r} "
        f"({table.where(second)}) at the same place: versions, languages or lists, told apart by {listed(added)}",
        choices=rivals,
        remedy=f"Name what makes a text one text (--context {','.join([*block, *added])}); where these are versions of one text, "
        f"hold them out together (--group {','.join(block)})",
    )


def _telling(
    frame: pd.DataFrame,
    meant: Meaning,
    texts: np.ndarray,
    places: np.ndarray,
    words: np.ndarray,
    free: list[str],
) -> tuple[list[str], list[str]]:
    """The columns to add, the best first, and those that would do as well as the last of them; none where none do.

    A place that holds one word holds one word in each of its parts: only rows that disagree are looked at again.
    """
    values = {c: _numbers(frame, [c]).astype(np.int32) for c in free}
    people = _numbers(frame, [meant.people]) if meant.people else None
    added: list[str] = []
    while len(added) < MOST:
        odd = np.flatnonzero(_other(_joint(texts, places), words))
        here, at, word = texts[odd], places[odd], words[odd]
        tried = [
            (share, squashed(c) in _SERIAL, cells, c)
            for c in free
            if c not in added and (cells := _cells(_joint(texts, values[c]), people))
            for share in [_other(_joint(_joint(here, values[c][odd]), at), word).sum() / len(words)]
        ]
        if not tried:
            return [], []
        tried.sort(key=lambda one: (max(one[0], CLEAR), *one[1:]))
        share, _, _, best = tried[0]
        added.append(best)
        if share <= CLEAR:
            return added, [c for share, _, _, c in tried if share <= CLEAR]
        if share > 0.8 * len(odd) / len(words):
            return [], []
        texts = _joint(texts, values[best])
    return [], []


def _labels(values: pd.Series) -> bool:
    """Whether cells may be labels: no fractions, none empty, more than one and each several times."""
    if values.dtype.kind == "f" and not (values.dropna() % 1 == 0).all():
        return False
    return bool(values.notna().all()) and 2 <= values.nunique() <= len(values) / 3


def _cells(texts: np.ndarray, people: np.ndarray | None) -> int:
    """How many texts there are like this; 0 where each would be one person's own, or no text of several words."""
    count = int(texts.max()) + 1
    if people is None:
        return count if len(texts) >= 3 * count else 0
    read, everybody = int(_joint(texts, people).max()) + 1, int(people.max()) + 1
    return count if everybody < 3 or read >= 1.5 * count else 0
