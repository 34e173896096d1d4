"""One vector per word type: GloVe, word2vec, and the random embedding every model has to beat."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from analysis.models.base import Card, Model
from analysis.models.files.cards import read_card
from analysis.models.files.vectors import SUFFIXES, VectorFile
from analysis.models.variants.spec import Variant
from analysis.models.variants.untrained import drawn
from analysis.progress import SILENT, Report
from analysis.text.passages import Passage
from data.errors import BrainLensError, unknown

__all__ = ["RandomEmbedding", "StaticEmbedding", "random_vectors", "words_of"]

_WORD = re.compile(r"[^\W_]+(?:[.'’-][^\W_]+)*")
_CLITIC = re.compile(r"(n['’]t|['’](?:s|re|ve|ll|d|m))$", re.IGNORECASE)


def words_of(text: str) -> list[str]:
    """The words of a stimulus, without punctuation, in their own spelling.

    Examples
    --------
    >>> words_of('"Well," she said -- it isn’t well-known.')
    ['Well', 'she', 'said', 'it', 'isn’t', 'well-known']
    """
    return _WORD.findall(text)


def random_vectors(words: Sequence[str], width: int, seed: int = 0) -> np.ndarray:
    """A vector per word type, uniform in [0, 1): the same for the same word, width and seed, on any machine.

    Parameters
    ----------
    words : sequence of str
        Case does not count.

    Returns
    -------
    ndarray, shape (len(words), width), float32
    """
    types: dict[str, np.ndarray] = {}
    for word in dict.fromkeys(w.lower() for w in words):
        key = int.from_bytes(
            hashlib.sha256(f"{seed}:{width}:{word}".encode()).digest()[:16], "little"
        )
        types[word] = np.random.Generator(np.random.Philox(key)).random(width, dtype=np.float32)
    return (
        np.stack([types[w.lower()] for w in words]) if words else np.zeros((0, width), np.float32)
    )


_RANDOM = re.compile(r"random-(\d+)")


class _WordModel(Model):
    """What static embeddings share: a stimulus is the mean over its own words; context does not matter."""

    def __init__(self, card: Card):
        self.card, self.id = card, card.id
        self.missing: Counter[str] = (
            Counter()
        )  # words without a vector since the model was loaded, with their number
        self.seen = 0  # words looked up

    @property
    def widths(self) -> tuple[int, ...]:
        assert self.card.width is not None  # every table of vectors has one
        return (self.card.width,)

    def vectors(self, words: Sequence[str]) -> np.ndarray:
        """A vector per word, shape (len(words), width); zeros for a word the embedding does not know."""
        raise NotImplementedError

    def note(self) -> str:
        """What was left out so far, in words; empty where nothing was."""
        left = self.missing.total()
        return f"{left} of {self.seen} words have no vector and count as zeros" if left else ""

    def read(
        self,
        passages: Sequence[Passage],
        layers: Sequence[int],
        *,
        pooling: str = "last",
        attention: str = "prefix",
        dtype: str = "float32",
        report: Report = SILENT,
    ) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
        """Activations as in :meth:`Model.read`; ``last`` means ``mean`` here, because a static vector knows no context."""
        for layer in layers:
            self.layer_number(layer)
        pool = {"last": np.mean, "mean": np.mean, "sum": np.sum, "max": np.max}.get(pooling)
        if pool is None:
            raise unknown("pooling", pooling, ("last", "mean", "sum", "max"))
        for done, passage in enumerate(passages, 1):
            values = np.zeros((len(passage.rows), self.widths[0]), np.float32)
            for i, (start, end) in enumerate(passage.spans):
                if words := words_of(passage.text[start:end]):
                    values[i] = pool(self.vectors(words), axis=0)
            yield np.asarray(passage.rows), [values for _ in layers]
            report.step(done, len(passages), "passages")


class RandomEmbedding(_WordModel):
    """``random-WIDTH``: a uniform random vector per word type (the paper's has 1,600 units)."""

    @classmethod
    def named(cls, name: str) -> Card | None:
        """The card of ``random-WIDTH``."""
        match = _RANDOM.fullmatch(name)
        return cls(int(match[1])).card if match else None

    @classmethod
    def open(cls, card: Card, path: None, variant: Variant) -> RandomEmbedding:
        """The reader; ``@untrained:init:SEED`` is another draw.

        Raises
        ------
        BrainLensError
            For any other variant.
        """
        if variant and (variant.kind, variant.scheme) != ("untrained", "init"):
            raise BrainLensError(
                f"A random embedding has no variant {variant}",
                remedy=f"Give another seed as {card.id}@untrained:init:1",
            )
        return cls(card.width or 0, variant.seed)

    def __init__(self, width: int = 1600, seed: int = 0):
        if not 1 <= width <= 100_000:
            raise BrainLensError(
                f"A random embedding of {width} units cannot be made",
                remedy="Give a width of 1 to 100000: random-1600",
            )
        super().__init__(
            Card(
                id=f"random-{width}",
                cls="random",
                family="random",
                layers=0,
                width=width,
                parameters=0,
                source="built",
                note="a random vector per word",
                layer_names={"projection": 0},
            )
        )
        self.seed = seed
        self.id = f"random-{width}" + (f"@untrained:init:{seed}" if seed else "")

    @property
    def fingerprint(self) -> str:
        """Hash of what determines its numbers, part of every cache key."""
        return f"uniform:{self.widths[0]}:{self.seed}"

    def vectors(self, words: Sequence[str]) -> np.ndarray:
        """A vector for each word, shape (n_words, width)."""
        self.seen += len(words)
        return random_vectors(words, self.widths[0], self.seed)


class StaticEmbedding(_WordModel):
    """GloVe, word2vec and their like, from a file or a converted folder.

    Parameters
    ----------
    card : Card
    path : Path
        ``.txt``/``.vec`` (GloVe or word2vec text), ``.bin`` (word2vec binary), ``.npy`` with the words beside it, or a folder
        with ``vectors.npy`` and ``words.txt``.
    variant : Variant or str, optional
        ``untrained:init:SEED`` (a random embedding of the same width), ``untrained:permute:SEED`` (the trained vectors dealt out
        to other words), ``untrained:gaussian:SEED``, ``untrained:mixture:SEED``.
    """

    endings = SUFFIXES

    @classmethod
    def claims(cls, path: Path) -> bool:
        """A file of vectors, or a folder that holds nothing but vectors."""
        if path.is_dir():
            return (path / "vectors.npy").is_file() and not (path / "config.json").is_file()
        return super().claims(path)

    @classmethod
    def describe(cls, path: Path, name: str) -> Card:
        """As :func:`static_card`."""
        return static_card(path, name)

    def __init__(self, card: Card, path: Path, *, variant: Variant | str | None = None):
        self.variant = Variant.parse(variant)
        if self.variant.kind not in ("", "untrained") or self.variant.scheme == "blocks":
            raise BrainLensError(
                f"A static embedding has no blocks: {self.variant} cannot be made of {card.id}",
                choices=[f"untrained:{s}:0" for s in ("init", "permute", "gaussian", "mixture")],
            )
        self.file = VectorFile(path)
        super().__init__(card)
        self.id = f"{card.id}@{self.variant}" if self.variant else card.id
        self._changed: np.ndarray | None = None

    @property
    def widths(self) -> tuple[int, ...]:
        """Units of each layer."""
        return (self.file.width,)

    @property
    def fingerprint(self) -> str:
        """Hash of what determines its numbers, part of every cache key."""
        return f"{self.file.sha256}:{self.variant}"

    def vectors(self, words: Sequence[str]) -> np.ndarray:
        """A vector per word; a word is looked up as written, in lower case, then by its parts (clitics, hyphens)."""
        values = np.zeros((len(words), self.file.width), np.float32)
        table = self._table()
        for i, word in enumerate(words):
            found = self._find(word)
            self.seen += 1
            if not found:
                self.missing[word.lower()] += 1
            elif table is None:
                values[i] = random_vectors([word], self.file.width, self.variant.seed)[0]
            else:
                values[i] = table[found].mean(axis=0)
        return values

    def _find(self, word: str) -> list[int]:
        index = self.file.index
        for form in dict.fromkeys((word, word.lower(), word.replace("’", "'").lower())):
            if form in index:
                return [index[form]]
        parts = [
            p for chunk in word.replace("’", "'").split("-") for p in _CLITIC.split(chunk) if p
        ]
        known = (
            next((index[form] for form in (part, part.lower()) if form in index), None)
            for part in parts
        )
        return [row for row in known if row is not None] if len(parts) > 1 else []

    def _table(self) -> np.ndarray | None:
        """The vectors after the variant; None stands for random ones, made as they are asked for."""
        if not self.variant:
            return self.file.vectors
        if self.variant.scheme == "init":
            return None
        if self._changed is None:
            rng = np.random.default_rng(self.variant.seed)
            if self.variant.scheme == "permute":
                self._changed = np.asarray(self.file.vectors)[
                    rng.permutation(len(self.file.vectors))
                ]
            else:
                self._changed = drawn(
                    np.asarray(self.file.vectors, np.float32), self.variant.scheme, rng
                )
        return self._changed

    def close(self) -> None:
        """Give back memory; it loads itself again when it is next asked."""
        self.file.close()
        self._changed = None


def static_card(path: Path, name: str) -> Card:
    """The card of a user's own embedding file."""
    beside = path / "card.json" if path.is_dir() else path.with_suffix(".card.json")
    known = read_card(beside)
    return Card(
        id=name,
        cls="embedding",
        family=known.get("family", path.stem.lower()),
        layers=0,
        source="folder",
        layer_names={"projection": 0},
    )
