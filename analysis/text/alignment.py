"""Words and tokens of one text, brought together by character offsets of the full text."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.text.passages import Passage, words
from data.errors import BrainLensError

__all__ = ["Encoded", "align", "encode", "joined", "match_pieces", "partition", "token_table"]


@dataclass(frozen=True)
class Encoded:
    """Tokens of one text, without special tokens.

    Parameters
    ----------
    ids : ndarray of int, shape (n_tokens,)
    offsets : ndarray of int, shape (n_tokens, 2)
        Character offsets in the text, end exclusive, as the tokenizer gives them (a leading space may be inside).
    """

    ids: np.ndarray
    offsets: np.ndarray


def encode(tokenizer, text: str) -> Encoded:
    """Tokens and their character offsets, for every kind of tokenizer.

    A tokenizer without offsets (XLM's, CTRL's) has its pieces matched in order, see :func:`match_pieces`.

    Raises
    ------
    BrainLensError
        Where pieces cannot be found in the text.
    """
    if tokenizer.is_fast:
        coded = tokenizer(
            text,
            add_special_tokens=False,
            return_offsets_mapping=True,
            return_attention_mask=False,
            verbose=False,
        )
        return Encoded(
            np.asarray(coded["input_ids"], np.int64).reshape(-1),
            np.asarray(coded["offset_mapping"], np.int64).reshape(-1, 2),
        )
    pieces = tokenizer.tokenize(text)
    ids = tokenizer.convert_tokens_to_ids(pieces)
    offsets = _bytes_or_characters(text, pieces)
    if offsets is None:
        offsets = match_pieces(text, pieces, unknown=tokenizer.unk_token)
    return Encoded(np.asarray(ids, np.int64).reshape(-1), offsets)


def _bytes_or_characters(text: str, pieces: Sequence[str]) -> np.ndarray | None:
    """Offsets of tokens that are the text's characters (CANINE) or the bytes of its UTF-8 (ByT5), else None.

    Every byte has the offsets of its character.
    """
    where = range(len(text))
    if list(pieces) != list(text):
        where = [i for i, char in enumerate(text) for _ in char.encode("utf-8", "surrogatepass")]
        raw = text.encode("utf-8", "surrogatepass")
        if len(pieces) != len(raw) or any(
            len(piece) != 1 or ord(piece) != byte for piece, byte in zip(pieces, raw)
        ):
            return None
    at = np.asarray(where, np.int64)
    return np.stack([at, at + 1], axis=1).reshape(-1, 2)


# ---- tokenizers without offsets ------------------------------------------------------------------------
_MARKS = ("</w>", "@@", "\u2581", "##", "\u0120")
_ESCAPES = {"@-@": "-", "@/@": "/", "&#124;": "|", "&#91;": "[", "&#93;": "]"}


def _plain(text: str) -> str:
    """A text as tokenizers compare it: compatibility-decomposed, without accents and white space, lower case."""
    flat = unicodedata.normalize("NFKD", text).casefold()
    return "".join(
        c
        for c in unicodedata.normalize("NFKD", flat)
        if not unicodedata.combining(c)
        and not c.isspace()
        and unicodedata.category(c) not in ("Cc", "Cf")
    )


def _bare(piece: str) -> str:
    """A piece without its tokenizer's marks and escapes."""
    for mark in _MARKS:
        piece = piece.removesuffix(mark) if mark in ("</w>", "@@") else piece.removeprefix(mark)
    return _plain(html.unescape(_ESCAPES.get(piece, piece)))


def match_pieces(text: str, pieces: Sequence[str], *, unknown: str | None = None) -> np.ndarray:
    """Character offsets of pieces that stand in a text one after the other.

    Both sides are compared without accents, case and white space; an unknown-token piece takes what lies before the piece
    that follows it, up to the end of the word.

    Returns
    -------
    ndarray of int, shape (n_pieces, 2)

    Raises
    ------
    BrainLensError
        Naming the word at which piece and text part.
    """
    where = [(i, c) for i, char in enumerate(text) for c in _plain(char)]
    flat = "".join(c for _, c in where)
    offsets = np.zeros((len(pieces), 2), np.int64)
    at = 0
    for n, piece in enumerate(pieces):
        bare = _bare(piece)
        if piece == unknown and not flat.startswith(bare, at):
            length = _unknown_length(
                flat, where, text, at, _bare(pieces[n + 1]) if n + 1 < len(pieces) else ""
            )
        elif flat.startswith(bare, at):
            length = len(bare)
        else:
            raise BrainLensError(
                f"The token {piece!r} does not match the word {_word_at(text, where, at)!r}",
                remedy="Use a tokenizer that gives character offsets (a folder with tokenizer.json)",
            )
        if length:
            offsets[n] = where[at][0], where[at + length - 1][0] + 1
        else:  # a piece of marks alone stands at the next character
            offsets[n] = where[at][0] if at < len(where) else len(text)
        at += length
    if at < len(where):
        raise BrainLensError(
            f"No token matches the word {_word_at(text, where, at)!r}",
            remedy="Use a tokenizer that gives character offsets (a folder with tokenizer.json)",
        )
    return offsets


def _unknown_length(flat: str, where: list, text: str, at: int, following: str) -> int:
    """Characters of ``flat`` that an unknown token at ``at`` stands for."""
    if at >= len(where):
        return 0
    end = next(b for a, b in words(text) if a <= where[at][0] < b)
    word_end = next((k for k in range(at, len(where)) if where[k][0] >= end), len(where))
    inside = flat.find(following, at + 1, word_end) if following else -1
    return (inside if inside > at else word_end) - at


def _word_at(text: str, where: list, at: int) -> str:
    position = where[at][0] if at < len(where) else len(text) - 1
    return next((text[a:b] for a, b in words(text) if a <= position < b), "the end of the text")


# ---- words over tokens ------------------------------------------------------------------------
def _visible(text: str, offsets: np.ndarray) -> np.ndarray:
    """Offsets without their white space; a token of white space alone goes with the token after it."""
    trimmed = np.empty_like(offsets)
    follows = (len(text), len(text))
    for i in range(len(offsets) - 1, -1, -1):
        start, end = offsets[i]
        piece = text[start:end]
        left = len(piece) - len(piece.lstrip())
        if left < len(piece):
            follows = (start + left, start + len(piece.rstrip()))
        trimmed[i] = follows
    return np.maximum.accumulate(trimmed, axis=0)


def align(text: str, spans: Sequence[tuple[int, int]], offsets: np.ndarray) -> np.ndarray:
    """The tokens of each span.

    Parameters
    ----------
    text : str
    spans : sequence of (start, end)
        Character offsets of the stimuli or words.
    offsets : ndarray of int, shape (n_tokens, 2)
        As in :class:`Encoded`.

    Returns
    -------
    ndarray of int, shape (n_spans, 2)
        First token and end (exclusive) of every span. A token of white space alone belongs to what follows it; a token
        across two spans belongs to both.

    Raises
    ------
    BrainLensError
        Naming a word that no token covers.
    """
    visible = _visible(text, offsets)
    starts, ends = (
        np.asarray([s for s, _ in spans], np.int64),
        np.asarray([e for _, e in spans], np.int64),
    )
    found = np.stack(
        [
            np.searchsorted(visible[:, 1], starts, side="right"),
            np.searchsorted(visible[:, 0], ends, side="left"),
        ],
        axis=1,
    )
    for (start, end), (first, last) in zip(spans, found):
        inside = visible[first:last]
        for a, b in words(text[start:end]):
            if not ((inside[:, 0] < start + b) & (inside[:, 1] > start + a)).any():
                raise BrainLensError(
                    f"No token covers the word {text[start + a : start + b]!r} in {_excerpt(text, start + a)!r}",
                    remedy="Remove or respell the word; the tokenizer drops it",
                )
    return found


def partition(text: str, spans: Sequence[tuple[int, int]], offsets: np.ndarray) -> np.ndarray:
    """As :func:`align`, for what is summed over tokens: two spans that share one have to be told apart.

    Where white space stands between them, the tokenizer has tokens that span words: such spans overlap in what is returned, and
    :func:`joined` finds them.

    Raises
    ------
    BrainLensError
        Naming two spans that share a token with no white space between them.
    """
    found = align(text, spans, offsets)
    for i in np.flatnonzero(found[1:, 0] < found[:-1, 1]).tolist():
        (a, b), (c, d) = spans[i], spans[i + 1]
        if any(char.isspace() for char in text[b - 1 : c + 1]):
            continue
        raise BrainLensError(
            f"{text[a:b]!r} and {text[c:d]!r} share a token in {_excerpt(text, a)!r}",
            remedy="Put white space between the two, or score them as one stimulus",
        )
    return found


def joined(ranges: np.ndarray) -> np.ndarray:
    """Which spans share a token with a neighbour, shape (n_spans,): they have no surprisal of their own.

    Examples
    --------
    >>> joined(np.array([[0, 1], [1, 3], [2, 4], [4, 5]])).tolist()
    [False, True, True, False]
    """
    shared = np.zeros(len(ranges), bool)
    both = ranges[1:, 0] < ranges[:-1, 1]
    shared[1:] |= both
    shared[:-1] |= both
    return shared


def _excerpt(text: str, at: int) -> str:
    return text[max(0, at - 20) : at + 30]


def token_table(tokenizer, passage: Passage | str) -> pd.DataFrame:
    """Tokens over words, for the eye.

    Returns
    -------
    DataFrame
        One row per token: ``token`` (the tokenizer's own spelling), ``id``, ``start``, ``end``, ``text`` (what it covers),
        ``word`` (number of the white-space word, -1 for none), ``stimulus`` (row of the recording, -1 for none).
    """
    if isinstance(passage, str):
        passage = Passage(passage, ((0, len(passage)),), (0,))
    coded = encode(tokenizer, passage.text)
    table = pd.DataFrame(
        {
            "token": tokenizer.convert_ids_to_tokens(coded.ids.tolist()),
            "id": coded.ids,
            "start": coded.offsets[:, 0],
            "end": coded.offsets[:, 1],
            "text": [passage.text[a:b] for a, b in coded.offsets],
            "word": -1,
            "stimulus": -1,
        }
    )
    for number, (first, last) in enumerate(align(passage.text, words(passage.text), coded.offsets)):
        table.loc[first : last - 1, "word"] = number
    for row, (first, last) in zip(passage.rows, align(passage.text, passage.spans, coded.offsets)):
        table.loc[first : last - 1, "stimulus"] = row
    return table
