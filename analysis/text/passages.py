"""What is read: a context rule turns a recording's stimuli into passages."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.errors import BrainLensError
from data.recording import Recording

__all__ = [
    "Passage",
    "context_labels",
    "ending_with_words",
    "passages",
    "passages_hash",
    "sentences",
    "words",
]

_WORDS_BEFORE = re.compile(r"words:(\d+)")
_WORD = re.compile(r"\S+")


def words(text: str) -> list[tuple[int, int]]:
    """Character offsets of the words of a text: what stands between white space.

    Examples
    --------
    >>> words("It's  here.")
    [(0, 4), (6, 11)]
    """
    return [match.span() for match in _WORD.finditer(text)]


_SENTENCE = re.compile(r"(?<=[.!?…。！？])[\"'”’)\]]*\s+(?=\S)")


def sentences(text: str) -> list[int]:
    """Where the sentences of a text begin: after a full stop, question or exclamation mark and white space.

    Examples
    --------
    >>> sentences('He came. "Why?" she said.')
    [0, 9, 16]
    """
    return [0, *(match.end() for match in _SENTENCE.finditer(text))] if text.strip() else []


def context_labels(recording: Recording, context: str) -> np.ndarray | None:
    """Which stimuli are read as one text.

    Parameters
    ----------
    context : str
        As in :class:`analysis.protocol.Protocol`: ``recording``, ``paper``, ``none``, a role or column, several joined by
        ``+``.

    Returns
    -------
    ndarray of int, shape (n_stimuli,), or None
        Equal numbers are read together, in presentation order; None: each stimulus alone.

    Raises
    ------
    BrainLensError
        For an unknown column, or one with missing labels.
    """
    if context == "none":
        return None
    if context == "paper":
        context = recording.roles.get("paper_context") or "recording"
    if context == "recording":
        if recording.context is None:
            return None
        context = recording.context
    columns = [part.strip() for part in context.split("+")]
    labels = pd.DataFrame({i: recording.column(name) for i, name in enumerate(columns)})
    for i, name in enumerate(columns):
        missing = np.flatnonzero(labels[i].isna())
        if len(missing):
            raise BrainLensError(
                f"{recording.id}: {len(missing)} stimuli have no {name!r}, first: "
                f"{[str(recording.stimuli.index[row]) for row in missing[:3]]}",
                remedy="Fill in the column, or choose another context",
            )
    return labels.groupby(list(labels.columns), sort=False).ngroup().to_numpy()


def passages(recording: Recording, context: str = "recording") -> list[Passage]:
    """The texts a model reads, and where the stimuli stand in them.

    Stimuli of one context group are joined as the recording says (``recording.joiner``: by one space, by nothing in Chinese),
    in presentation order, also where other stimuli stood in between.

    Parameters
    ----------
    context : str
        As in :func:`context_labels`, or ``words:N``: each stimulus with the N words before it, inside the recording's own
        context (in the whole recording where it has none).

    Returns
    -------
    list of Passage
        In order of first appearance; together their ``rows`` hold every row of the recording once.

    Examples
    --------
    >>> passages(recording, "none")[0].spans  # doctest: +SKIP
    ((0, 57),)
    """
    texts, blanks = recording.texts, recording.before
    before = _WORDS_BEFORE.fullmatch(context)
    if before:
        labels = context_labels(recording, "recording")
        labels = np.zeros(len(texts), int) if labels is None else labels
        return _with_words_before(texts, blanks, labels, int(before[1]))
    if context.startswith("words:"):
        raise BrainLensError(
            f"The context {context!r} names no number of words", remedy="For example words:20"
        )
    labels = context_labels(recording, context)
    if labels is None:
        return [Passage(text, ((0, len(text)),), (row,)) for row, text in enumerate(texts)]
    groups: dict[int, list[int]] = {}
    for row, label in enumerate(labels):
        groups.setdefault(int(label), []).append(row)
    return [_joined(texts, blanks, rows) for rows in groups.values()]


def ending_with_words(read: Sequence[Passage], *, bare: bool = False) -> list[Passage]:
    """The same passages, each stimulus up to the end of its last word: what stands alone behind it is no word.

    A word is what stands between white space and has a letter or a digit; a stimulus without any stays as it is.
    ``bare``: without the punctuation at the word's end either, so that its last token is one of the word.

    Examples
    --------
    >>> ending_with_words([Passage("We know .", ((0, 9),), (0,))])[0].spans
    ((0, 7),)
    >>> ending_with_words([Passage('We "know."', ((0, 10),), (0,))], bare=True)[0].spans
    ((0, 8),)
    """
    found = []
    for passage in read:
        spans = tuple(_to_last_word(passage.text, *span) for span in passage.spans)
        if bare:
            spans = tuple(_without_marks(passage.text, *span) for span in spans)
        found.append(
            passage if spans == tuple(passage.spans) else Passage(passage.text, spans, passage.rows)
        )
    return found


def _to_last_word(text: str, start: int, end: int) -> tuple[int, int]:
    held = [
        last
        for first, last in words(text[start:end])
        if any(letter.isalnum() for letter in text[start + first : start + last])
    ]
    return (start, start + held[-1]) if held else (start, end)


def _without_marks(text: str, start: int, end: int) -> tuple[int, int]:
    """A span without the punctuation at its end, where something else is left."""
    last = end
    while last > start and unicodedata.category(text[last - 1]).startswith("P"):
        last -= 1
    return (start, last) if text[start:last].strip() else (start, end)


def _joined(texts: Sequence[str], blanks: Sequence[str], rows: Sequence[int]) -> Passage:
    pieces, spans, end = [], [], 0
    for row in rows:
        blank = blanks[row] if spans else ""
        start = end + len(blank)
        end = start + len(texts[row])
        pieces += [blank, texts[row]]
        spans.append((start, end))
    return Passage("".join(pieces), tuple(spans), tuple(rows))


def _with_words_before(
    texts: Sequence[str], blanks: Sequence[str], labels: np.ndarray, count: int
) -> list[Passage]:
    read: dict[int, list[str]] = {}  # words, each with the blank before it
    result = []
    for row, (text, blank, label) in enumerate(zip(texts, blanks, labels)):
        earlier = read.setdefault(int(label), [])
        front = "".join(earlier[-count:]).lstrip() + blank if count and earlier else ""
        result.append(Passage(front + text, ((len(front), len(front) + len(text)),), (row,)))
        first, *others = text.split()
        earlier += [blank + first, *(f" {word}" for word in others)]
    return result


def passages_hash(read: Sequence[Passage]) -> str:
    """sha256 of everything in the passages: two contexts that read the same have the same hash."""
    payload = json.dumps(
        [[p.text, p.spans, [int(row) for row in p.rows]] for p in read], ensure_ascii=False
    )
    return hashlib.sha256(payload.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class Passage:
    """One text that is read as a whole, and where its stimuli stand in it.

    Parameters
    ----------
    text : str
        The context group's text.
    spans : tuple of (start, end)
        Character offsets of each stimulus in ``text`` (end exclusive), ascending.
    rows : tuple of int
        Row of each stimulus in the recording.
    """

    text: str
    spans: tuple[tuple[int, int], ...]
    rows: tuple[int, ...]
