"""One stored set of activations: a zarr group, a flag per finished layer, Grams beside it, and a journal while it is made."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from data.errors import BrainLensError
from data.files import atomic, touch

__all__ = ["Journal", "StoredActivations"]


class StoredActivations:
    """Activations of one model reading one set of passages in one way.

    Parameters
    ----------
    folders : sequence of Path
        Where they may be: the first is written to, the others (a lab's shared folder) are only read.
    form : tuple, optional
        Rows, and the width of every layer: anything else is treated as if it were not there. None: whatever is there.
    """

    def __init__(self, folders: Sequence[Path], form: tuple[int, Sequence[int]] | None = None):
        self.folder, self._folders = folders[0], tuple(folders)
        self._form = None if form is None else (form[0], list(form[1]))

    # ---- reading ------------------------------------------------------------------------
    @staticmethod
    def _open(folder: Path, mode: str = "r"):
        import zarr

        return (
            zarr.open_group(folder / "values.zarr", mode=mode, zarr_format=3)
            if (folder / "values.zarr" / "zarr.json").exists()
            else None
        )

    def complete(self) -> set[int]:
        """Layers that are there as a whole."""
        return set().union(*map(self._whole, self._folders))

    @staticmethod
    def _form_of(folder: Path) -> tuple[int, list[int]] | None:
        """Rows and widths of what one folder holds; None where nothing whole is described there."""
        group = folder / "values.zarr"
        with contextlib.suppress(
            OSError, ValueError, KeyError, TypeError
        ):  # not there, being made, just evicted, damaged
            told = json.loads((group / "activations" / "zarr.json").read_text(encoding="utf-8"))
            widths = np.frombuffer((group / "width" / "c" / "0").read_bytes(), "<i8").tolist()
            layers, rows, width = told["shape"]
            chunks = told["chunk_grid"]["configuration"]["chunk_shape"]
            if (layers, width) == (len(widths), max(widths)) and chunks == [1, rows, width]:
                return rows, widths
        return None

    def _whole(self, folder: Path) -> set[int]:
        """Layers of one folder whose flag is set and whose values are there; no values are read."""
        found, form = set(), self._form_of(folder)
        if form is None or self._form not in (None, form):
            return found
        rows, widths = form
        for number in range(len(widths)):
            with contextlib.suppress(OSError):
                flag = (folder / "values.zarr" / "complete" / "c" / str(number)).read_bytes()
                size = (
                    (folder / "values.zarr" / "activations" / "c" / str(number) / "0" / "0")
                    .stat()
                    .st_size
                )
                if any(flag) and size == 4 * rows * max(widths):
                    found.add(number)
        return found

    def layer(self, number: int) -> np.ndarray:
        """One layer, shape (n_stimuli, width), float32.

        Raises
        ------
        BrainLensError
            Where it is not there (any more).
        """
        for folder in self._folders:
            with contextlib.suppress(OSError, ValueError, KeyError, IndexError):
                if number not in self._whole(folder):
                    continue
                values = self._chunk(folder, number)
                if folder == self.folder:
                    touch(folder)
                return values
        raise BrainLensError(
            f"Layer {number} is not in the store any more ({self.folder.name})",
            remedy="Ask for the activations again; a larger store (BRAINLENS_CACHE_LIMIT) keeps them longer",
        )

    @staticmethod
    def _chunk(folder: Path, number: int) -> np.ndarray:
        """The file of one layer, as it is: one chunk without a compressor, ten times faster than through zarr."""
        group = folder / "values.zarr"
        shape = json.loads((group / "activations" / "zarr.json").read_text(encoding="utf-8"))[
            "shape"
        ]
        widths = np.frombuffer((group / "width" / "c" / "0").read_bytes(), "<i8")
        flag = group / "complete" / "c" / str(number)  # there only where it is set
        flag.stat()
        values = np.fromfile(group / "activations" / "c" / str(number) / "0" / "0", "<f4").reshape(
            shape[1:]
        )
        flag.stat()  # still there: not evicted while it was read
        return values[:, : widths[number]]

    def gram(self, number: int) -> np.ndarray:
        """Centred Gram matrix of one layer, shape (n_stimuli, n_stimuli), float64; made and kept where it was missing."""
        for folder in self._folders:
            with contextlib.suppress(OSError, ValueError, EOFError):
                return np.load(folder / "grams" / f"{number}.npy", allow_pickle=False)
        values = self.layer(number).astype(np.float64)
        values -= values.mean(axis=0)
        gram = values @ values.T
        with (
            contextlib.suppress(OSError),
            atomic(self.folder / "grams" / f"{number}.npy") as part,
            part.open("wb") as stream,
        ):
            np.save(stream, gram, allow_pickle=False)
        return gram

    def meta(self) -> dict:
        """What the key was made of, and what wrote it."""
        for folder in self._folders:
            with contextlib.suppress(OSError, ValueError):
                return json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        return {}

    # ---- writing (under the entry's lock) ------------------------------------------------------------------------
    def create(self, stimuli: Sequence[str], widths: Sequence[int], meta: Mapping) -> None:
        """An empty set of layers; nothing happens where it is there already, and what has another form is thrown away."""
        described = [self.folder / "values.zarr" / part / "zarr.json" for part in (".", "complete")]
        if self._form_of(self.folder) == (len(stimuli), list(widths)) and all(
            path.is_file() for path in described
        ):
            return
        for name in ("values.zarr", "grams"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        import zarr

        self.folder.mkdir(parents=True, exist_ok=True)
        part = self.folder / f".values.{uuid.uuid4().hex[:8]}.part"
        group = zarr.open_group(
            part,
            mode="w",
            zarr_format=3,
            attributes={"title": f"activations of {meta.get('model', '')}"},
        )
        shape = (len(widths), len(stimuli), max(widths))
        group.create_array(
            "activations",
            shape=shape,
            chunks=(1, *shape[1:]),
            dtype="float32",
            fill_value=np.nan,
            compressors=None,
            dimension_names=("layer", "stimulus", "unit"),
        )
        group.create_array(
            "complete",
            shape=shape[:1],
            chunks=(1,),
            dtype="uint8",
            fill_value=0,
            compressors=None,
            dimension_names=("layer",),
        )
        for name, values, dim in (
            ("width", np.asarray(widths, np.int64), "layer"),
            ("layer", np.arange(len(widths)), "layer"),
            (
                "stimulus",
                np.asarray([str(s) for s in stimuli], dtype=np.dtypes.StringDType()),
                "stimulus",
            ),
        ):
            group.create_array(
                name, data=values, chunks=(len(values),), compressors=None, dimension_names=(dim,)
            )
        with atomic(self.folder / "meta.json") as path:
            path.write_text(json.dumps(dict(meta), indent=1, default=str), encoding="utf-8")
        part.replace(self.folder / "values.zarr")

    def write(self, number: int, values: np.ndarray) -> None:
        """One finished layer; its flag is set last."""
        group = self._open(self.folder, mode="r+")
        width = group["activations"].shape[2]
        if values.shape[1] < width:
            values = np.pad(values, ((0, 0), (0, width - values.shape[1])), constant_values=np.nan)
        group["activations"][number] = np.ascontiguousarray(values, np.float32)
        group["complete"][number] = 1

    def journal(self, layers: Sequence[int], widths: Sequence[int], rows: int) -> Journal:
        """What is ready of an unfinished reading of these layers."""
        name = hashlib.sha256(repr(list(layers)).encode()).hexdigest()[:16]
        return Journal(self.folder / "partial" / name, widths, rows)

    def drop_journals(self) -> None:
        shutil.rmtree(self.folder / "partial", ignore_errors=True)


class Journal:
    """Rows of several layers as they come in, so that a killed run goes on where it stopped.

    Rows are written into one array file per layer first and marked as done afterwards: what is marked is whole.
    """

    def __init__(self, folder: Path, widths: Sequence[int], rows: int):
        self._folder = folder
        self._folder.mkdir(parents=True, exist_ok=True)
        self._done = np.zeros(rows, bool)
        mode = "w+"
        with contextlib.suppress(OSError, ValueError):
            done = np.load(self._folder / "done.npy", allow_pickle=False)
            if done.shape == self._done.shape and (self._folder / "made").exists():
                self._done, mode = done, "r+"
        self._arrays = [
            np.lib.format.open_memmap(
                self._folder / f"{i}.npy", mode=mode, dtype=np.float32, shape=(rows, width)
            )
            for i, width in enumerate(widths)
        ]
        (self._folder / "made").touch()

    @property
    def done(self) -> np.ndarray:
        """Numbers of the rows that are ready."""
        return np.flatnonzero(self._done)

    def add(self, rows: np.ndarray, values: Sequence[np.ndarray]) -> None:
        """A batch: rows of the recording, and for each layer an array (len(rows), width)."""
        for array, value in zip(self._arrays, values, strict=True):
            array[rows] = value
        self._done[rows] = True
        with atomic(self._folder / "done.npy") as part, part.open("wb") as stream:
            np.save(stream, self._done, allow_pickle=False)

    def values(self, i: int) -> np.ndarray:
        """The i-th layer of this journal, shape (rows, width)."""
        return np.asarray(self._arrays[i])

    @property
    def missing(self) -> int:
        return int((~self._done).sum())
