"""One stored set of activations: a sealed .npy per finished layer, Grams beside it, and a journal while it is made."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from analysis.store.journal import Journal
from analysis.store.sealed import array_bytes, healed, load_array, load_json, save_array, save_json
from data.errors import BrainLensError
from data.files import Damaged, need_room, touch

__all__ = ["Journal", "StoredActivations"]


class StoredActivations:
    """Activations of one model reading one set of passages in one way.

    Parameters
    ----------
    folders : sequence of Path
        Where they may be: the first is written to, the others (a lab's shared folder) are only read.
    form : tuple, optional
        Rows, and the width of every layer: anything else is treated as if it were not there. None: whatever is there.

    Notes
    -----
    ``meta.json`` (recipe, stimuli, widths, who made it), ``layers/<number>.npy``, ``grams/<number>.npy``: each file whole or
    absent, and sealed with a checksum that is verified whenever it is read. :meth:`open` gives an xarray object.
    """

    def __init__(self, folders: Sequence[Path], form: tuple[int, Sequence[int]] | None = None):
        self.folder, self._folders = folders[0], tuple(folders)
        self._form = None if form is None else (form[0], list(form[1]))

    # ---- reading ------------------------------------------------------------------------
    def complete(self) -> set[int]:
        """Layers that are there as a whole; their values are read, and verified, when they are asked for."""
        return set().union(*map(self._whole, self._folders))

    def _meta(self, folder: Path) -> dict:
        """What is described in one folder; empty where nothing whole is."""
        with contextlib.suppress(OSError):
            try:
                return load_json(folder / "meta.json")
            except Damaged as error:
                healed(folder / "meta.json", error, own=folder == self.folder)
        return {}

    def _form_of(self, folder: Path) -> tuple[int, list[int]] | None:
        told = self._meta(folder)
        stimuli, widths = told.get("stimuli"), told.get("widths")
        return (
            (len(stimuli), widths)
            if isinstance(stimuli, list) and isinstance(widths, list)
            else None
        )

    def _whole(self, folder: Path) -> set[int]:
        found, form = set(), self._form_of(folder)
        if form is None or self._form not in (None, form):
            return found
        rows, widths = form
        for number, width in enumerate(widths):
            with contextlib.suppress(OSError):
                path = folder / "layers" / f"{number}.npy"
                if path.stat().st_size == array_bytes((rows, width), np.float32):
                    found.add(number)
                else:  # it was written whole
                    healed(
                        path,
                        Damaged(f"{path} has another size than it was written with"),
                        own=folder == self.folder,
                    )
        return found

    def layer(self, number: int) -> np.ndarray:
        """One layer, shape (n_stimuli, width), float32.

        Raises
        ------
        BrainLensError
            Where it is not there (any more), or was damaged: it is gone then, and has to be made anew.
        """
        for folder in self._folders:
            form = self._form_of(folder)
            if form is None or self._form not in (None, form) or number >= len(form[1]):
                continue
            values = self._read(
                folder, folder / "layers" / f"{number}.npy", (form[0], form[1][number])
            )
            if values is not None:
                if folder == self.folder:
                    touch(folder)
                return values
        raise BrainLensError(
            f"Layer {number} is not in the store any more ({self.folder.name})",
            remedy="Ask for the activations again; a larger store (BRAINLENS_CACHE_LIMIT) keeps them longer",
        )

    def _read(self, folder: Path, path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
        try:
            values = load_array(path)
            if values.shape != shape:
                raise Damaged(f"{path} has shape {values.shape}, expected {shape}")
            return values
        except OSError:
            return None
        except Damaged as error:
            healed(path, error, own=folder == self.folder)
            return None

    def gram(self, number: int) -> np.ndarray:
        """Centred Gram matrix of one layer, shape (n_stimuli, n_stimuli), float64; made and kept where it was missing."""
        for folder in self._folders:
            form = self._form_of(folder)
            if form is not None and self._form in (None, form):
                values = self._read(folder, folder / "grams" / f"{number}.npy", (form[0], form[0]))
                if values is not None:
                    return values
        values = self.layer(number).astype(np.float64)
        values -= values.mean(axis=0)
        gram = values @ values.T
        with contextlib.suppress(OSError):
            save_array(self.folder / "grams" / f"{number}.npy", gram)
        return gram

    def meta(self) -> dict:
        """What the key was made of, and what wrote it."""
        return next((told for folder in self._folders if (told := self._meta(folder))), {})

    def open(self):
        """Everything that is there, as an xarray Dataset.

        Returns
        -------
        xarray.Dataset
            ``activations`` (layer, stimulus, unit), NaN where a layer is narrower, for the layers that are whole.
        """
        import xarray as xr

        told, layers = self.meta(), sorted(self.complete())
        if not layers:
            raise BrainLensError(
                f"No layer is stored under {self.folder.name}",
                remedy="Extract the activations first",
            )
        width = max(told["widths"][n] for n in layers)
        stack = [
            np.pad(one, ((0, 0), (0, width - one.shape[1])), constant_values=np.nan)
            for one in map(self.layer, layers)
        ]
        attrs = {"title": f"activations of {told.get('model', '')}"}
        return xr.Dataset(
            {"activations": (("layer", "stimulus", "unit"), np.stack(stack))},
            coords={"layer": layers, "stimulus": told["stimuli"]},
            attrs=attrs,
        )

    # ---- writing (under the entry's lock) ------------------------------------------------------------------------
    def create(self, stimuli: Sequence[str], widths: Sequence[int], meta: Mapping) -> None:
        """An empty set of layers; nothing happens where it is there already, and what has another form is thrown away."""
        stimuli, widths = [str(one) for one in stimuli], [int(width) for width in widths]
        if self._form_of(self.folder) == (len(stimuli), widths):
            return
        for name in ("layers", "grams", "partial", "values.zarr"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        save_json(self.folder / "meta.json", {**meta, "stimuli": stimuli, "widths": widths})

    def write(self, number: int, values: np.ndarray) -> None:
        """One finished layer."""
        path = self.folder / "layers" / f"{number}.npy"
        need_room(path.parent, values.size * 4)
        save_array(path, np.ascontiguousarray(values, np.float32))
        (self.folder / "grams" / f"{number}.npy").unlink(missing_ok=True)

    def journal(self, layers: Sequence[int], widths: Sequence[int], rows: int) -> Journal:
        """What is ready of an unfinished reading of these layers."""
        name = hashlib.sha256(repr(list(layers)).encode()).hexdigest()[:16]
        need_room(self.folder, 2 * 4 * rows * sum(widths))  # the journal, and the layers made of it
        return Journal(self.folder / "partial" / name, widths, rows)

    def drop_journals(self) -> None:
        """Forget what was unfinished."""
        shutil.rmtree(self.folder / "partial", ignore_errors=True)
