"""Rows of several layers as they come in, so that a killed run goes on where it stopped."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xxhash

from analysis.store.sealed import load_array, save_array
from data.files import Damaged, in_words, need_room, reserve

__all__ = ["Journal"]

_BLOCK = 4096  # rows that are verified at once


class Journal:
    """One file per layer, its room reserved, and the checksum of every row that is ready.

    A row counts as ready when its checksum was written, which happens after the row itself; a row that does not fit its checksum
    any more is read again.
    """

    def __init__(self, folder: Path, widths: Sequence[int], rows: int):
        self._folder, self._widths, self._rows = folder, list(widths), rows
        self._sums = np.zeros((len(self._widths), rows), np.uint64)
        if not self._resumed():
            shutil.rmtree(folder, ignore_errors=True)
            need_room(folder, sum(4 * rows * width for width in self._widths))
            with in_words(folder):
                folder.mkdir(parents=True, exist_ok=True)
            try:
                for i, width in enumerate(self._widths):
                    reserve(self._path(i), 4 * rows * width)
                save_array(folder / "ready.npy", self._sums)
            except OSError:
                shutil.rmtree(folder, ignore_errors=True)
                raise

    def _path(self, i: int) -> Path:
        return self._folder / f"{i}.f32"

    def _resumed(self) -> bool:
        """Whether there is a journal of this form; rows that do not fit their checksum are forgotten."""
        try:
            sums = load_array(self._folder / "ready.npy")
            sizes = [self._path(i).stat().st_size for i in range(len(self._widths))]
        except (OSError, Damaged):
            return False
        if sums.shape != self._sums.shape or sizes != [
            4 * self._rows * width for width in self._widths
        ]:
            return False
        ready = (sums != 0).all(axis=0)
        for i, width in enumerate(self._widths):
            with self._path(i).open("rb") as stream:
                for low in range(0, self._rows, _BLOCK):
                    count = min(_BLOCK, self._rows - low)
                    block = np.fromfile(stream, "<f4", count * width).reshape(count, width)
                    for row in np.flatnonzero(ready[low : low + count]):
                        ready[low + row] = _checksum(block[row]) == sums[i, low + row]
        self._sums = np.where(ready, sums, np.uint64(0))
        return True

    @property
    def done(self) -> np.ndarray:
        """Numbers of the rows that are ready."""
        return np.flatnonzero((self._sums != 0).all(axis=0))

    @property
    def missing(self) -> int:
        """Count of the rows that are not."""
        return self._rows - len(self.done)

    def add(self, rows: np.ndarray, values: Sequence[np.ndarray]) -> None:
        """A batch: rows of the recording, and for each layer an array (len(rows), width)."""
        rows = np.asarray(rows)
        sums = self._sums.copy()
        with in_words(self._folder):
            for i, (width, value) in enumerate(zip(self._widths, values, strict=True)):
                value = np.ascontiguousarray(value, "<f4")
                with self._path(i).open("r+b") as stream:
                    for row, one in zip(rows, value, strict=True):
                        stream.seek(4 * width * int(row))
                        stream.write(one.data)
                        sums[i, row] = _checksum(one)
            save_array(self._folder / "ready.npy", sums)
        self._sums = sums

    def values(self, i: int) -> np.ndarray:
        """The i-th layer of this journal, shape (rows, width)."""
        shape = (self._rows, self._widths[i])
        return (
            np.memmap(self._path(i), "<f4", mode="r", shape=shape)
            if np.prod(shape)
            else np.zeros(shape, "<f4")
        )

    def drop(self) -> None:
        """Forget it all."""
        with contextlib.suppress(OSError):
            shutil.rmtree(self._folder)


def _checksum(row: np.ndarray) -> int:
    """Never 0, which says that a row is not there."""
    return xxhash.xxh3_64_intdigest(row.data) or 1
