"""A trigram over words, read from the binary trie file of the Sphinx tools."""

from __future__ import annotations

import re
import struct
import threading
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from analysis.models.base import Card, Model, TokenSurprisal
from analysis.models.files import folders
from analysis.models.files.packages import folder_hash
from analysis.models.variants.spec import Variant
from analysis.progress import SILENT, Report
from data.errors import BrainLensError

__all__ = ["TrieFile", "Trigram"]

HEADER = b"Trie Language Model"
LOG_BASE = np.log(1.0001)  # the file's logarithms have base 1.0001
_CHUNK = re.compile(r"\S+")
_WORD = re.compile(r"[a-z]+(?:['.][a-z]+)*'?")
_END = re.compile(r"[.?!][\"'”’)\]]*$")


class TrieFile:
    """The tables of a trigram file.

    Parameters
    ----------
    path : Path
        Header; order (one byte); number of n-grams of each order; quantisation tables of 65,536 float32 (bigram probability,
        bigram back-off, trigram probability); unigrams (probability, back-off, first bigram); bigrams and trigrams as packed
        bits; the words. An n-gram lies under its *last* word, then the word before, then the one before that.

    Raises
    ------
    BrainLensError
        For a file of another form or a file cut short.
    """

    def __init__(self, path: Path):
        data = np.fromfile(path, np.uint8)
        if bytes(data[: len(HEADER)]) != HEADER or data[len(HEADER)] != 3:
            raise BrainLensError(
                f"{path} is not a binary trigram of the Sphinx tools",
                remedy="Fetch the model again",
            )
        at = len(HEADER) + 1
        try:
            ones, twos, threes = struct.unpack_from("<3I", data.data, at)
            at += 16  # the counts and the kind of quantisation
            tables = np.frombuffer(data, "<f4", 3 * 65536, at).reshape(3, 65536)
            at += tables.nbytes
            unigrams = np.frombuffer(
                data, np.dtype([("p", "<f4"), ("backoff", "<f4"), ("first", "<u4")]), ones + 1, at
            )
            at += unigrams.nbytes
            word_bits, next_bits = ones.bit_length(), threes.bit_length()
            size = word_bits + 32 + next_bits
            two = _Bits(data, at, size, twos + 1)
            at += ((twos + 1) * size + 7) // 8 + 8
            three = _Bits(data, at, word_bits + 16, threes)
            at += ((threes + 1) * (word_bits + 16) + 7) // 8 + 8
            (length,) = struct.unpack_from("<I", data.data, at)
            words = bytes(data[at + 4 : at + 4 + length]).decode("utf-8").split("\0")[:ones]
        except (ValueError, struct.error, IndexError) as error:
            raise BrainLensError(
                f"{path} is cut short ({error})", remedy="Fetch the model again"
            ) from None
        if len(words) != ones:
            raise BrainLensError(
                f"{path} names {len(words)} of {ones} words", remedy="Fetch the model again"
            )
        self.index = {word: i for i, word in enumerate(words)}
        self.p1, self.backoff1 = unigrams["p"] * LOG_BASE, unigrams["backoff"] * LOG_BASE
        self._bits = word_bits
        listed = int(unigrams["first"][-1])  # the file may leave room for more
        first = two.field(word_bits + 32, next_bits)[: listed + 1]
        last = np.repeat(
            np.arange(ones, dtype=np.int64), np.diff(unigrams["first"].astype(np.int64))
        )
        self.keys2 = (last << word_bits) | two.field(0, word_bits)[
            :listed
        ]  # ascending, so that searchsorted finds them
        self.backoff2 = tables[1][two.field(word_bits, 16)[:listed]] * LOG_BASE
        self.p2 = tables[0][two.field(word_bits + 16, 16)[:listed]] * LOG_BASE
        under = np.repeat(np.arange(listed, dtype=np.int64), np.diff(first))
        if first[-1] > threes or (np.diff(first) < 0).any() or (np.diff(self.keys2) <= 0).any():
            raise BrainLensError(
                f"{path} is damaged: its n-grams do not add up", remedy="Fetch the model again"
            )
        self.keys3 = (under << word_bits) | three.field(0, word_bits)[: first[-1]]
        self.p3 = tables[2][three.field(word_bits, 16)[: first[-1]]] * LOG_BASE

    def log_p(
        self, words: np.ndarray, one_before: np.ndarray, two_before: np.ndarray
    ) -> np.ndarray:
        """log P(w | u, v) in nats by back-off; -1 stands for no word.

        Notes
        -----
        P(w | u, v) = P3(u, v, w) where it is listed, else B(u, v) P(w | v); P(w | v) = P2(v, w), else B(v) P1(w).
        """
        listed, at = _find(self.keys2, words, one_before, self._bits)
        history1 = np.where(one_before >= 0, self.backoff1[one_before], 0.0)
        two = np.where(listed, self.p2[at], history1 + self.p1[words])
        found, where = _find(self.keys3, np.where(listed, at, -1), two_before, self._bits)
        known, history = _find(self.keys2, one_before, two_before, self._bits)
        return np.where(found, self.p3[where], np.where(known, self.backoff2[history], 0.0) + two)


def _find(
    keys: np.ndarray, above: np.ndarray, below: np.ndarray, bits: int
) -> tuple[np.ndarray, np.ndarray]:
    """Which pairs are listed, and where (0 where not)."""
    valid = (above >= 0) & (below >= 0)
    wanted = np.where(valid, (above.astype(np.int64) << bits) | below, -1)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    listed = valid & (keys[at] == wanted)
    return listed, np.where(listed, at, 0)


class _Bits:
    """Records of a fixed number of bits, packed without gaps, lowest bit first."""

    def __init__(self, data: np.ndarray, at: int, size: int, count: int):
        end = at + (count * size + 7) // 8 + 8
        if end > len(data):
            raise ValueError("packed n-grams")
        self._data, self._size, self._count = data[at:end], size, count

    def field(self, first: int, bits: int) -> np.ndarray:
        """Bits ``first`` to ``first + bits`` (at most 32) of every record, shape (count,), int64."""
        offsets = np.arange(self._count, dtype=np.int64) * self._size + first
        value = np.zeros(self._count, np.uint64)
        for byte in range(5):
            value |= self._data[(offsets >> 3) + byte].astype(np.uint64) << np.uint64(8 * byte)
        value >>= (offsets & 7).astype(np.uint64)
        return (value & np.uint64((1 << bits) - 1)).astype(np.int64)


class Trigram(Model):
    """A trigram: surprisal of words only, no layers.

    Case does not count and punctuation is not read, but a full stop, question or exclamation mark begins a new sentence. A
    word the model does not know (numerals among them) has no surprisal, and the word after it is read
    without it. Everything between two spaces is one token; a hyphenated word is the sum of its parts where the whole is unknown.

    Attributes
    ----------
    missing : Counter
        Words without a probability since the model was loaded.
    """

    words_only = True

    @classmethod
    def describe(cls, path: Path, name: str) -> Card:
        """As its folder tells."""
        return folders.describe(path, name)

    def __init__(self, card: Card, folder: Path, *, variant: Variant | str | None = None):
        if Variant.parse(variant):
            raise BrainLensError(
                f"An n-gram model has no variant {variant}", remedy=f"Use {card.id}"
            )
        self.card, self.id, self.folder = card, card.id, Path(folder)
        self.missing: Counter[str] = Counter()
        self._lock = threading.Lock()

    @cached_property
    def fingerprint(self) -> str:
        """Hash of what determines its numbers, part of every cache key."""
        return folder_hash(self.folder)

    @property
    def widths(self) -> tuple[int, ...]:
        """Units of each layer."""
        return ()

    @property
    def file(self) -> TrieFile:
        """The tables, read when first asked for."""
        with self._lock:
            if "_file" not in self.__dict__:
                paths = sorted(self.folder.glob("*.lm.bin"))
                if not paths:
                    raise BrainLensError(
                        f"The model folder {self.folder} has no n-grams (*.lm.bin)",
                        remedy="Fetch the model again",
                    )
                self._file = TrieFile(paths[0])
            return self._file

    def surprisal(
        self,
        texts: Sequence[str],
        *,
        window: int | None = None,
        stride: int | None = None,
        report: Report = SILENT,
    ) -> list[TokenSurprisal]:
        """Surprisal of each word, as in :meth:`Model.surprisal`; a window changes nothing, two words are all that is seen."""
        scored = []
        for number, text in enumerate(texts):
            report.step(number, len(texts), "texts")
            scored.append(self._score(text))
        report.step(len(texts), len(texts), "texts")
        return scored

    def _score(self, text: str) -> TokenSurprisal:
        index = self.file.index
        begin = index.get("<s>", -1)
        chunks = list(_CHUNK.finditer(text))
        known, owner, history = [], [], []  # word, its chunk, (word before, word before that)
        before, earlier = begin, -1
        for number, chunk in enumerate(chunks):
            for word in self._words(chunk[0]) or re.findall(r"\w\S*", chunk[0]):
                at = index.get(word, -1)
                known.append(at)
                owner.append(number)
                history.append((before, earlier))
                self.missing.update([word] if at < 0 else [])
                before, earlier = at, (before if at >= 0 else -1)
            if _END.search(chunk[0]):
                before, earlier = begin, -1
        nats = np.full(len(chunks), np.nan)
        if known:
            words, past = np.array(known), np.array(history)
            values = np.where(
                words >= 0, -self.file.log_p(np.maximum(words, 0), past[:, 0], past[:, 1]), np.nan
            )
            read = np.unique(owner)
            nats[read] = np.add.reduceat(values, np.searchsorted(owner, read))
        offsets = np.array([chunk.span() for chunk in chunks], np.int64).reshape(-1, 2)
        return TokenSurprisal(offsets, nats, np.full(len(chunks) + 1, np.nan))

    def _words(self, chunk: str) -> list[str]:
        """The model's words in a piece of text between spaces."""
        plain = chunk.lower().replace("’", "'")
        parts = self._hyphened(plain) if "-" in plain else _WORD.findall(plain)
        return [part if part in self.file.index else part.rstrip("'.") for part in parts]

    def _hyphened(self, plain: str) -> list[str]:
        whole = plain.strip("\"'.,;:!?()[]“”-")
        return [whole] if whole in self.file.index else _WORD.findall(plain.replace("-", " "))

    def close(self) -> None:
        """Give back memory; it loads itself again when it is next asked."""
        with self._lock:
            vars(self).pop("_file", None)
