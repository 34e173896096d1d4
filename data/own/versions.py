"""Texts in versions: what must stand beside the number of a text, so that it holds the same words for everybody."""

from __future__ import annotations

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
    return float(_other(frame, text, block, place).mean())


def _other(frame: pd.DataFrame, text: str, block: list[str], place: str) -> np.ndarray:
    code = frame.groupby([*block, place], sort=False, dropna=False).ngroup()
    words = pd.factorize(frame[text].astype(str).str.strip())[0]
    return (pd.Series(words, index=frame.index).groupby(code).transform("nunique") > 1).to_numpy()


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
    frame, text = table.frame, meant.text
    other = _other(frame, text, block, place)
    if other.mean() < 2 * CLEAR:
        return
    added, rivals = _telling(frame, meant, block, place, free)
    if not added:
        return
    row = int(np.flatnonzero(other)[0])
    cells = frame[[*block, place]].astype(str)
    alike = (cells == cells.iloc[row]).all(axis=1).to_numpy()
    words = frame[text].astype(str).str.strip().to_numpy()
    second = int(np.flatnonzero(alike & (words != words[row]))[0])
    texts = frame.loc[other, block].astype(str).drop_duplicates()
    many = len(frame[block].astype(str).drop_duplicates())
    raise BrainLensError(
        f"{table.path.name}: {listed(block)} stands for different words in {len(texts):,} of {many:,} texts, such as "
        f"{words[row][:30]!r} ({table.where(row)}) and {words[second][:30]!r} ({table.where(second)}) at the same place: "
        f"versions, languages or lists, told apart by {listed(added)}",
        choices=rivals,
        remedy=f"Name what makes a text one text (--context {','.join([*block, *added])}); where these are versions of one text, "
        f"hold them out together (--group {','.join(block)})",
    )


def _telling(
    frame: pd.DataFrame, meant: Meaning, block: list[str], place: str, free: list[str]
) -> tuple[list[str], list[str]]:
    """The columns to add, the best first, and those that would do as well as the last of them; none where none do."""
    added: list[str] = []
    free = [c for c in free if c not in (*block, place) and _labels(frame[c])]
    while len(added) < MOST:
        here = [*block, *added]
        tried = [
            (share, squashed(c) in _SERIAL, cells, c)
            for c in free
            if c not in added and (cells := _cells(frame, meant, [*here, c]))
            for share in [conflict(frame, meant.text, [*here, c], place)]
        ]
        if not tried:
            return [], []
        tried.sort(key=lambda one: (max(one[0], CLEAR), *one[1:]))
        share, _, _, best = tried[0]
        added.append(best)
        if share <= CLEAR:
            return added, [c for share, _, _, c in tried if share <= CLEAR]
        if share > 0.8 * conflict(frame, meant.text, here, place):
            return [], []
    return [], []


def _labels(values: pd.Series) -> bool:
    """Whether cells may be labels: no fractions, none empty, more than one and each several times."""
    if values.dtype.kind == "f" and not (values.dropna() % 1 == 0).all():
        return False
    return bool(values.notna().all()) and 2 <= values.nunique() <= len(values) / 3


def _cells(frame: pd.DataFrame, meant: Meaning, block: list[str]) -> int:
    """How many texts there are with these columns; 0 where each would be one person's own, or no text of several words."""
    texts = len(frame[block].drop_duplicates())
    if meant.people:
        read = len(frame[[*block, meant.people]].drop_duplicates())
        people = frame[meant.people].nunique()
        return texts if people < 3 or read >= 1.5 * texts else 0
    return texts if len(frame) >= 3 * texts else 0
