"""Texts with words masked, in another order, or of one kind only, and where every character came from."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from analysis.text.passages import Passage, words
from data.errors import BrainLensError
from data.words import core

__all__ = ["FUNCTION_WORDS", "Occluded", "masked", "occlude", "rearranged"]

_CLOSED = """
    a an the this that these those my your his her its our their mine yours hers ours theirs some any no every each
    either neither both all many much few little more most several enough such what which whose i you he she it we they
    me him us them myself yourself himself herself itself ourselves yourselves themselves who whom something anything
    nothing everything someone anyone everyone nobody somebody anybody everybody one ones and or but nor so yet for if
    because although though while whereas unless until since as than whether when where why how after before once that
    of in on at by with from to into onto upon about above across against along among around behind below beneath beside
    besides between beyond despite down during except inside like near off out outside over past per through throughout
    toward towards under underneath up via within without not n't never am is are was were be been being do does did
    done doing have has had having will would shall should can could may might must ought need there here then now just
    only also too very quite rather even still already again ever s t d ll m re ve
"""
FUNCTION_WORDS = frozenset(_CLOSED.split())
"""English words of closed classes; every other word counts as a content word."""

_BINS = 0.5  # of Zipf frequency, inside which a word is replaced
_FEWEST = 8  # words of a bin; "the" has nothing beside it and takes from the next bin


@dataclass(frozen=True)
class Occluded:
    """A text with words masked.

    Parameters
    ----------
    text : str
    spans : tuple of (start, end)
        The stimuli in it.
    first, last : ndarray of int, shape (len(text),)
        Where in the whole text a character came from: its start and its end; a replacement is stretched over what it replaces.
    kept : ndarray of bool, shape (len(text),)
        Whether a character stands as it stood.
    lost : tuple of (start, end)
        Words of the whole text of which nothing is left.
    """

    text: str
    spans: tuple[tuple[int, int], ...]
    first: np.ndarray
    last: np.ndarray
    kept: np.ndarray
    lost: tuple[tuple[int, int], ...]


def masked(text: str, percent: float, seed: int) -> np.ndarray:
    """Which words of a text are masked, shape (n_words,): those of a smaller per cent are among those of a larger one.

    Each word is drawn by itself, so the share in a short text varies around ``percent``.
    """
    rng = np.random.default_rng([seed, zlib.crc32(text.encode("utf-8", "surrogatepass"))])
    return rng.random(len(words(text))) < percent / 100


def occlude(
    text: str,
    spans: Sequence[tuple[int, int]],
    percent: float,
    how: str,
    seed: int,
    *,
    token: str = "",
    glued: bool = False,
) -> Occluded:
    """A text with some of its words masked; punctuation at a word's edges stays.

    Parameters
    ----------
    spans : sequence of (start, end)
        Stimuli; where words are left out, each keeps at least its last one.
    percent : float
        Of the words, about: see :func:`masked`.
    how : str
        ``word``: another English word of about the same frequency, the same whoever reads. ``delete``: nothing. ``token``: the
        given mask token.
    token : str
        The mask token.
    glued : bool
        The blank before a word is part of the token that stands for it.

    Raises
    ------
    BrainLensError
        Where words are to be left out and every stimulus is a single word.
    """
    places = words(text)
    hidden = masked(text, percent, seed)
    if how == "delete" and len(spans) and hidden.any():
        single = [sum(a < end and b > start for a, b in places) < 2 for start, end in spans]
        if all(single):
            raise BrainLensError(
                "Every stimulus is a single word: a word that is left out has no response",
                choices=("word", "token"),
                remedy="Replace the words: @mask:50:word:0",
            )
        for start, end in spans:
            own = [n for n, (a, b) in enumerate(places) if a < end and b > start]
            if own and hidden[own].all():
                hidden[own[-1]] = False
    rng = np.random.default_rng([seed, 1, zlib.crc32(text.encode("utf-8", "surrogatepass"))])
    draws = rng.integers(2**31, size=len(places))  # of every word, so that more masks change none
    pieces, starts, ends, kept, lost, moved = [], [], [], [], [], {}
    at = 0  # in the whole text

    def write(piece: str, start: int, end: int, same: bool) -> None:
        pieces.append(piece)
        count = len(piece)
        kept.extend([same] * count)
        edges = start + (np.arange(count + 1) * (end - start)) // max(count, 1)
        starts.extend(edges[:-1])
        ends.extend(edges[1:])

    for number, (a, b) in enumerate(places):
        new = sum(map(len, pieces))
        if hidden[number] and how == "delete":
            moved[number] = (new, new)
            lost.append((a, b))
            at = b
            continue
        first, last = _inside(text, a, b)
        hide = hidden[number] and first < last
        joined = hide and glued and first == a and at < a
        if at < a and not joined:
            write(text[at:a], at, a, True)
            new += a - at
        if not hide:
            write(text[a:b], a, b, True)
        else:
            other = token if how == "token" else _replacement(text[first:last], int(draws[number]))
            write(text[a:first], a, first, True)
            write(other, at if joined else first, last, False)
            write(text[last:b], last, b, True)
        moved[number] = (new, sum(map(len, pieces)))
        at = b
    write(text[at:], at, len(text), True)
    made = "".join(pieces)
    return Occluded(
        made,
        tuple(_moved(span, places, moved, len(made)) for span in spans),
        np.asarray(starts, np.int64),
        np.asarray(ends, np.int64),
        np.asarray(kept, bool),
        tuple(lost),
    )


def _inside(text: str, a: int, b: int) -> tuple[int, int]:
    """A word without the punctuation at its edges."""
    letters = [i for i in range(a, b) if text[i].isalnum()]
    return (letters[0], letters[-1] + 1) if letters else (a, a)


def _moved(span, places, moved, end: int) -> tuple[int, int]:
    own = [n for n, (a, b) in enumerate(places) if a < span[1] and b > span[0]]
    there = [moved[n] for n in own if moved[n][0] < moved[n][1]]
    if there:
        return there[0][0], there[-1][1]
    return moved[own[0]] if own else (end, end)


@lru_cache(maxsize=1)
def _vocabulary() -> dict[int, list[str]]:
    """Words by bin of Zipf frequency, the more frequent first."""
    from wordfreq import top_n_list, zipf_frequency

    found: dict[int, list[str]] = {}
    for word in top_n_list("en", 20_000):
        if word.isalpha() and word.isascii():
            found.setdefault(int(zipf_frequency(word, "en") / _BINS), []).append(word)
    return {at: own for at, own in found.items() if len(own) >= _FEWEST}


@lru_cache(maxsize=100_000)
def _bin(word: str) -> int:
    from wordfreq import zipf_frequency

    have, wanted = sorted(_vocabulary()), int(zipf_frequency(word, "en") / _BINS)
    return min(have, key=lambda one: abs(one - wanted))


def _replacement(word: str, draw: int) -> str:
    """Another word of about the same frequency, capitalised alike."""
    plain = word.lower()
    choices = [one for one in _vocabulary()[_bin(plain)] if one != plain] or [plain]
    other = choices[draw % len(choices)]
    return (
        other.upper()
        if word.isupper() and len(word) > 1
        else other.capitalize()
        if word[:1].isupper()
        else other
    )


# ---- whole stimuli ---------------------------------------------------------------------------------------------------------
def rearranged(read: Sequence[Passage], order: str, seed: int) -> list[Passage]:
    """The same passages with every stimulus changed: its words scrambled, content or function words only, or another stimulus.

    A stimulus without a word of the kind asked for keeps its last word, so that every row has a vector.

    Raises
    ------
    BrainLensError
        Where every stimulus is a single word and nothing can be rearranged in it.
    """
    texts = {
        row: one.text[a:b] for one in read for row, (a, b) in zip(one.rows, one.spans, strict=True)
    }
    if order != "other" and all(len(text.split()) < 2 for text in texts.values()):
        raise BrainLensError(
            "Every stimulus is a single word: there is no order in it",
            remedy="Choose a recording of sentences, or mask words instead: @mask:50:word:0",
        )
    rows = sorted(texts)
    if order == "other":
        cycle = np.random.default_rng(seed).permutation(len(rows))
        swapped = {rows[a]: texts[rows[b]] for a, b in zip(cycle, np.roll(cycle, 1), strict=True)}
    else:
        swapped = {row: _ordered(texts[row], order, seed) for row in rows}
    made = []
    for one in read:
        pieces, spans, at, length = [], [], 0, 0
        for row, (a, b) in zip(one.rows, one.spans, strict=True):
            between = one.text[at:a]
            spans.append((length + len(between), length + len(between) + len(swapped[row])))
            pieces += [between, swapped[row]]
            length, at = spans[-1][1], b
        made.append(Passage("".join([*pieces, one.text[at:]]), tuple(spans), one.rows))
    return made


def _ordered(text: str, order: str, seed: int) -> str:
    own = text.split()
    if order == "scrambled":
        rng = np.random.default_rng([seed, zlib.crc32(text.encode("utf-8", "surrogatepass"))])
        return " ".join(own[i] for i in rng.permutation(len(own)))
    wanted = order == "function"
    chosen = [word for word in own if _closed(word) == wanted]
    return " ".join(chosen or own[-1:])


def _closed(word: str) -> bool:
    plain = core(word)
    return plain in FUNCTION_WORDS or plain.replace("’", "'").partition("'")[0] in FUNCTION_WORDS
