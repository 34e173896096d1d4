"""Reading tables of word vectors: GloVe text, word2vec text and binary, npy; converted once, memory-mapped ever after."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np

from data.errors import BrainLensError
from data.files import working
from data.hashes import file_hash, marks
from data.home import home

__all__ = ["SUFFIXES", "VectorFile", "read_words", "sha256_of", "write_table"]

SUFFIXES = (".txt", ".vec", ".bin", ".npy")


def sha256_of(path: Path) -> str:
    """sha256 of a file's bytes."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class VectorFile:
    """Word vectors of one file or converted folder.

    Parameters
    ----------
    path : Path
        ``.txt``/``.vec``/``.bin``: converted into the cache the first time. ``.npy``: words in ``<stem>.words.txt``,
        ``<stem>.txt``, ``words.txt`` or a Parquet file of one text column beside it. A folder: ``vectors.npy`` and ``words.txt``.

    Raises
    ------
    BrainLensError
        For a missing file, an unknown form, a line of the wrong length, words that do not match the vectors.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        if not self.path.exists():
            raise BrainLensError(f"No file of word vectors at {self.path}", remedy="Check the path")
        if self.path.is_dir():
            self._npy, self._words = self.path / "vectors.npy", self.path / "words.txt"
        elif self.path.suffix == ".npy":
            self._npy, self._words = self.path, _words_beside(self.path)
        elif self.path.suffix in SUFFIXES:
            folder = _converted(self.path)
            self._npy, self._words = folder / "vectors.npy", folder / "words.txt"
        else:
            raise BrainLensError(
                f"{self.path.name} is no known form of word vectors", choices=SUFFIXES
            )
        for file in (self._npy, self._words):
            if not file.is_file():
                raise BrainLensError(
                    f"{self.path} has no {file.name}",
                    remedy="A folder of word vectors holds vectors.npy and words.txt",
                )

    @cached_property
    def vectors(self) -> np.ndarray:
        """Shape (words, width), memory-mapped."""
        try:
            array = np.load(self._npy, mmap_mode="r", allow_pickle=False)
        except ValueError as error:
            raise BrainLensError(
                f"{self._npy} cannot be read as an array of numbers ({error})",
                remedy="Save it with numpy.save",
            ) from None
        if array.ndim != 2 or array.dtype.kind != "f":
            raise BrainLensError(
                f"{self._npy} holds {array.dtype} of shape {array.shape}, not one row of numbers per word",
                remedy="Save a (words, width) array of float32",
            )
        return array

    @cached_property
    def index(self) -> dict[str, int]:
        """Word -> row; the first one counts where a word stands twice."""
        words = read_words(self._words)
        if len(words) != len(self.vectors):
            raise BrainLensError(
                f"{self._words} has {len(words)} words for {len(self.vectors)} vectors",
                remedy="Give one word per vector",
            )
        return {word: i for i, word in reversed(list(enumerate(words)))}

    @property
    def width(self) -> int:
        """Numbers per word."""
        return self.vectors.shape[1]

    @cached_property
    def sha256(self) -> str:
        """Content of vectors and words together."""
        return hashlib.sha256((file_hash(self._npy) + file_hash(self._words)).encode()).hexdigest()[
            :32
        ]

    def close(self) -> None:
        """Let go of the table; it opens itself again."""
        self.__dict__.pop("vectors", None)
        self.__dict__.pop("index", None)


def write_table(folder: Path, words: list[str], vectors: np.ndarray) -> None:
    """Write ``vectors.npy`` and ``words.txt`` into an existing folder."""
    np.save(folder / "vectors.npy", np.asarray(vectors, np.float32), allow_pickle=False)
    (folder / "words.txt").write_text("\n".join(words) + "\n", encoding="utf-8")


def read_words(path: Path) -> list[str]:
    """The words of a converted table, in the order of its vectors."""
    if path.suffix == ".parquet":
        import pandas as pd

        table = pd.read_parquet(path)
        column = next((c for c in table.columns if pd.api.types.is_string_dtype(table[c])), None)
        if column is None:
            words = table.index
        else:
            rest = [c for c in table.columns if pd.api.types.is_integer_dtype(table[c])]
            words = (table.sort_values(rest[0]) if rest else table)[column]
        return [str(word) for word in words]
    return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")


def _words_beside(npy: Path) -> Path:
    stem = npy.with_suffix("")
    tried = [
        stem.with_name(stem.name + ".words.txt"),
        npy.with_suffix(".txt"),
        npy.with_name("words.txt"),
        npy.with_suffix(".parquet"),
    ]
    for path in tried:
        if path.is_file():
            return path
    raise BrainLensError(
        f"{npy} comes without its words",
        choices=[p.name for p in tried],
        remedy="Put the words beside it, one a line",
    )


def _converted(path: Path) -> Path:
    """The folder in the cache that holds a text or binary file as npy; made where it is missing."""
    key = marks([path.resolve()]) + "00"  # another one for every other content
    target = home("cache", "embeddings") / key
    if target.is_dir():
        return target
    rows = _binary_rows(path) if path.suffix == ".bin" else _text_rows(path)
    with working(target.parent) as under_way:
        folder = under_way / key
        folder.mkdir()
        words, count = [], 0
        with open(under_way / "raw", "wb") as raw:
            for word, vector in rows:
                words.append(word)
                raw.write(np.asarray(vector, "<f4").tobytes())
                count = len(vector)
        if not words:
            raise BrainLensError(
                f"{path} holds no word vectors", remedy="Each line is a word and its numbers"
            )
        flat = np.memmap(under_way / "raw", "<f4", mode="r", shape=(len(words), count))
        write_table(folder, words, flat)
        del flat
        try:
            os.replace(folder, target)
        except OSError:
            if not target.is_dir():  # else another process was faster
                raise
    return target


def _text_rows(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """GloVe text, or word2vec text with its header of two numbers."""
    width = None
    with open(path, encoding="utf-8", errors="replace", newline="\n") as lines:
        for number, line in enumerate(lines, 1):
            line = line.rstrip("\r\n ")
            if number == 1 and re.fullmatch(r"\d+ \d+", line):
                width = int(line.split()[1])
                continue
            if not line:
                continue
            if width is None:
                width = len(line.split(" ")) - 1
            parts = line.rsplit(" ", width)
            try:
                vector = np.array([float(p) for p in parts[1:]], np.float32)
            except ValueError:
                vector = np.empty(0, np.float32)
            if len(vector) != width or width < 1 or not parts[0]:
                raise BrainLensError(
                    f"{path}, line {number}: expected a word and {width} numbers, found {line[:60]!r}",
                    remedy="Check that the file is complete and holds one word per line",
                )
            yield parts[0], vector


def _binary_rows(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """word2vec binary: a header line, then ``word`` + space + little-endian float32."""
    with open(path, "rb") as stream:
        header = stream.readline(200).split()
        if len(header) != 2 or not all(part.isdigit() for part in header):
            raise BrainLensError(
                f"{path} is not a word2vec binary file",
                remedy="Its first line holds the number of words and the width",
            )
        count, width = int(header[0]), int(header[1])
        for i in range(count):
            word = bytearray()
            while (char := stream.read(1)) not in (b" ", b""):
                if char != b"\n" or word:
                    word += char
            vector = stream.read(4 * width)
            if len(vector) != 4 * width:
                raise BrainLensError(
                    f"{path} ends after {i} of {count} words",
                    remedy="The file is cut short: fetch it again",
                )
            yield word.decode("utf-8", "replace"), np.frombuffer(vector, "<f4")
