"""The store: activations and scores by content, on disk, for any number of processes and people."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from analysis.progress import SILENT, Report
from analysis.store.entry import StoredActivations
from analysis.store.promises import Locked, held, refuse, shows
from analysis.store.sealed import healed, load_array, load_arrays, load_json, plain, save_arrays
from data.errors import BrainLensError, unknown
from data.files import Damaged, atomic, below, locked, sweep, touch, weighed
from data.home import home, shared
from data.rights import require

__all__ = ["DEFAULT_LIMIT", "KINDS", "Store"]

KINDS = ("activations", "scores", "runs", "embeddings", "old")
DEFAULT_LIMIT = 50 * 2**30
LEAST = 100 * 10**6
LIMIT_FILE = "limit.txt"
_LOG = logging.getLogger("brainlens.store")
_SAID: set[str] = set()
_SIZE = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([kMGT]?)i?B?\s*", re.IGNORECASE)


class Store:
    """A folder of results, each under the key of everything that went into it.

    Parameters
    ----------
    root : path, optional
        Default: ``cache`` in the user's home folder. Several people may share one; files take the folder's rights.
    limit : int, optional
        Bytes to keep (default: BRAINLENS_CACHE_LIMIT such as ``20GB``, else what :meth:`keep_at_most` wrote, else 50 GiB). The
        least recently used go first.
    readers : sequence of path, optional
        Further stores that are looked into and never written (default: ``cache`` in BRAINLENS_SHARED).
    """

    def __init__(
        self, root: str | os.PathLike | None = None, *, limit: int | None = None, readers=None
    ):
        self.root = Path(root).expanduser() if root is not None else home("cache")
        self.limit = limit if limit is not None else _limit(self.root)
        if readers is None:
            readers = [common / "cache"] if (common := shared()) else []
        self.readers = tuple(Path(r) for r in readers if Path(r) != self.root)
        self._say_old()

    def _say_old(self) -> None:
        """Once for each folder: results of an older version lie there, and what becomes of them."""
        if str(self.root) in _SAID:
            return
        _SAID.add(str(self.root))
        with contextlib.suppress(OSError):
            if self.root.is_dir() and (size := self.old()):
                _LOG.warning(
                    "%s holds %.0f MB in the form of an older version: they are computed anew when they are asked for; "
                    "'brainlens cache clear --kind old' gives their room back", self.root, size / 1e6,
                )  # fmt: skip

    # ---- activations ------------------------------------------------------------------------
    def activations(
        self, key: str, form: tuple[int, Sequence[int]] | None = None
    ) -> StoredActivations:
        """The activations under a key, whether they are there or not; ``form`` as in :class:`StoredActivations`."""
        return StoredActivations(
            [base / "activations" / key for base in (self.root, *self.readers)], form
        )

    def lock(self, key: str, report: Report = SILENT):
        """Held by whoever makes what belongs under a key."""
        return locked(self.root / "locks" / f"{key}.lock", report)

    # ---- scores ------------------------------------------------------------------------
    def _score(self, key: str) -> Path:
        return self.root / "scores" / f"{key}.npz"

    def save_score(self, key: str, dataset: xr.Dataset, *, numbers: Sequence[str] = ()) -> None:
        """Keep a finished score; a reader sees all of it or nothing.

        Parameters
        ----------
        dataset : xarray.Dataset
            Attributes may be anything JSON can say.
        numbers : sequence of str
            Of which locked numbers it would tell (:func:`analysis.scoring.keys.cell_numbers`); none: of no model's.

        Raises
        ------
        DiskError
            Where there is no room.
        """
        described = {
            "attrs": dataset.attrs | ({"numbers": list(numbers)} if numbers else {}),
            "dims": {str(n): list(v.dims) for n, v in dataset.variables.items()},
            "coords": [str(n) for n in dataset.coords],
            "variables": {str(n): v.attrs for n, v in dataset.variables.items() if v.attrs},
            "saved": time.time(),
        }
        told = json.dumps(described, default=plain).encode("utf-8", "surrogatepass")
        arrays = {f"v:{n}": _bare(v.values) for n, v in dataset.variables.items()}
        save_arrays(self._score(key), {"about": np.frombuffer(told, np.uint8), **arrays})

    def load_score(self, key: str) -> xr.Dataset | None:
        """A finished score, in memory, or None where there is none; a damaged one counts as none.

        Raises
        ------
        analysis.store.promises.Locked
            For a score that a locked prediction is about, and for what was computed from it.
        """
        refuse(self.root, key)
        for base in (self.root, *self.readers):
            path = base / "scores" / f"{key}.npz"
            try:
                dataset = _dataset(path)[0]
            except FileNotFoundError:
                continue
            except (Damaged, OSError) as error:
                healed(path, error, own=base == self.root)
                continue
            if not shows(self.root, dataset.attrs):
                continue
            dataset.attrs.pop("numbers", None)
            if base == self.root:
                touch(path)
            return dataset
        return None

    def has_score(self, key: str) -> bool:
        """Whether a score is there; it is verified when it is read."""
        return any((base / "scores" / f"{key}.npz").exists() for base in (self.root, *self.readers))

    open = load_score
    """A stored score, ceiling or control as an xarray Dataset."""

    def scores(self, ending: str = "") -> pd.DataFrame:
        """The scores that are there: key, time, bytes, and their plain attributes.

        Parameters
        ----------
        ending : str
            Only keys that end so.
        """
        rows, locked = [], held(self.root)
        for base in (self.root, *self.readers):
            for path in sorted((base / "scores").glob(f"*{ending}.npz")):
                if path.stem.partition("-")[0] in locked:
                    continue
                try:
                    dataset, saved = _dataset(path)
                    size = path.stat().st_size
                except FileNotFoundError:
                    continue
                except (Damaged, OSError) as error:
                    healed(path, error, own=base == self.root)
                    continue
                if locked and not self._open(dataset):
                    continue
                plainly = {
                    k: v
                    for k, v in dataset.attrs.items()
                    if isinstance(v, str | int | float | bool)
                }
                when = pd.Timestamp(saved, unit="s")
                rows.append({"key": path.stem, "saved": when, "bytes": size, **plainly})
        return (
            pd.DataFrame(rows).drop_duplicates("key", ignore_index=True)
            if rows
            else pd.DataFrame(columns=["key", "saved", "bytes"])
        )

    def _open(self, dataset: xr.Dataset) -> bool:
        """Whether it holds no locked number; results of an older version are told apart where they are listed."""
        try:
            return shows(self.root, dataset.attrs) or "result" in dataset.attrs
        except Locked:
            return False

    # ---- runs: finished pieces of a long computation ------------------------------------------------------------------------
    def piece(self, key: str, name: str) -> dict[str, np.ndarray] | None:
        """A finished piece of the run under a key, or None; a damaged one counts as none."""
        for base in (self.root, *self.readers):
            path = base / "runs" / key / f"{name}.npz"
            try:
                found = load_arrays(path)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except (Damaged, OSError) as error:
                healed(path, error, own=base == self.root)
                continue
            if base == self.root:
                touch(base / "runs" / key)
            return found
        return None

    def save_piece(self, key: str, name: str, **arrays: np.ndarray) -> None:
        """Keep a finished piece."""
        save_arrays(self.root / "runs" / key / f"{name}.npz", arrays)

    # ---- what is there ------------------------------------------------------------------------
    def _items(self) -> Iterator[tuple[str, Path]]:
        for kind in ("activations", "runs", "embeddings"):
            for path in sorted((self.root / kind).glob("*")):
                if path.is_dir() and not path.name.startswith("."):
                    yield ("old" if (path / "values.zarr").exists() else kind), path
        for path in sorted((self.root / "scores").glob("*")):
            if not path.name.startswith(".") and path.suffix in (".npz", ".nc", ".json"):
                yield ("scores" if path.suffix == ".npz" else "old"), path

    def old(self) -> int:
        """Bytes of what an older version of the program left: it is never read, and computed anew."""
        return sum(weighed(path) for kind, path in self._items() if kind == "old")

    def list(self) -> pd.DataFrame:
        """What the store holds, least recently used first.

        Returns
        -------
        DataFrame
            kind, key, model, layers (that are whole), bytes, used (time).
        """
        rows = []
        for kind, path in self._items():
            with contextlib.suppress(OSError):
                row = {
                    "kind": kind,
                    "key": path.stem,
                    "model": "",
                    "layers": 0,
                    "bytes": weighed(path),
                    "used": _used(path),
                }
                if kind == "activations":
                    entry = StoredActivations([path])
                    row |= {"model": entry.meta().get("model", ""), "layers": len(entry.complete())}
                rows.append(row)
        table = pd.DataFrame(rows, columns=["kind", "key", "model", "layers", "bytes", "used"])
        return table.sort_values("used", ignore_index=True).assign(
            used=lambda t: pd.to_datetime(t["used"], unit="s")
        )

    def kinds(self) -> dict[str, tuple[int, int]]:
        """Kind -> how many of it are kept, and their bytes; nothing is opened, so that many are counted at once."""
        found: dict[str, tuple[int, int]] = {}
        for kind, path in self._items():
            with contextlib.suppress(OSError):
                count, size = found.get(kind, (0, 0))
                found[kind] = count + 1, size + weighed(path)
        return found

    def size(self) -> int:
        """Bytes in use."""
        return sum(weighed(path) for _, path in self._items())

    def clear(self, kind: str | None = None, *, model: str | None = None) -> int:
        """Delete what is there, or a part of it.

        Parameters
        ----------
        kind : str, optional
            One of :data:`KINDS`.
        model : str, optional
            Activations and scores of this model only.

        Returns
        -------
        int
            Bytes given back: as many fewer stand in :meth:`size` and on the disk. What another process is making now stays.
        """
        if kind is not None and kind not in KINDS:
            raise unknown("kind of stored result", kind, KINDS)
        require("clear")
        freed = 0
        for found, path in list(self._items()):
            if kind in (None, found) and (model is None or self._model(found, path) == model):
                freed += self._remove(path)
        if kind is None and model is None:
            freed += self.sweep(0.0)
        return freed

    def _model(self, kind: str, path: Path) -> str:
        """Whose this is, where it is one model's."""
        with contextlib.suppress(OSError, Damaged):
            if kind == "activations":
                return StoredActivations([path]).meta().get("model", "")
            if kind == "scores":
                return str(_dataset(path)[0].attrs.get("model", ""))
        return ""

    def sweep(self, older_than: float = 24 * 3600.0) -> int:
        """Take away what killed processes left in the store; returns the bytes given back."""
        folders = [self.root, *(self.root / kind for kind in KINDS)]
        folders += [path for _, path in self._items() if path.is_dir()]
        return sum(
            sweep(one, older_than=older_than)
            for folder in folders
            for one in (folder, folder / "layers", folder / "grams")
            if one.is_dir()
        )

    # ---- is it sound? --------------------------------------------------------------------------
    def verify(self, report: Report = SILENT) -> dict[Path, str]:
        """Read everything in one's own store and compare it with its checksums.

        Returns
        -------
        dict
            Damaged file -> what is wrong with it; nothing is changed.
        """
        wrong: dict[Path, str] = {}
        files = [
            path
            for kind, item in self._items()
            if kind in ("activations", "scores", "runs")
            for path in ([item] if kind == "scores" else below(item))
            if path.suffix in (".npy", ".npz", ".json") and not path.name.startswith(".")
        ]
        for done, path in enumerate(files):
            report.step(done, len(files), "stored files")
            try:
                _READERS[path.suffix](path)
            except FileNotFoundError:  # cleared meanwhile
                continue
            except (Damaged, OSError) as error:
                wrong[path] = getattr(error, "problem", str(error))
        return wrong

    def repair(self, report: Report = SILENT) -> dict[Path, str]:
        """As :meth:`verify`, and take the damaged files away: what stood in them is computed anew when it is asked for."""
        wrong = self.verify(report)
        for path, words in wrong.items():
            healed(path, Damaged(words), own=True)
        return wrong

    def make_room(self, keep: str = "") -> list[str]:
        """Delete the least recently used until the limit holds.

        Parameters
        ----------
        keep : str
            Key that stays in any case.

        Returns
        -------
        list of str
            Keys that went.
        """
        items = [(kind != "old", _used(path), weighed(path), path) for kind, path in self._items()]
        over, gone = sum(size for _, _, size, _ in items) - self.limit, []
        for _, _, size, path in sorted(items, key=lambda item: item[:2]):
            if over <= 0:
                break
            if path.stem != keep and self._remove(path):
                over -= size
                gone.append(path.stem)
        return gone

    def keep_at_most(self, text: str) -> list[str]:
        """Remember how much may be kept here, for every process to come, and delete what is over it.

        Parameters
        ----------
        text : str
            Such as ``20GB`` or ``500MB``.

        Returns
        -------
        list of str
            Keys that went.

        Raises
        ------
        BrainLensError
            For what is no size, or less than 100 MB; where BRAINLENS_CACHE_LIMIT decides.
        """
        if os.environ.get("BRAINLENS_CACHE_LIMIT", "").strip():
            raise BrainLensError(
                "BRAINLENS_CACHE_LIMIT decides how much is kept", remedy="Change or unset it"
            )
        size = _size(text, f"{text!r}", "20GB")
        if size < LEAST:
            raise BrainLensError(
                f"{text!r} is less than 100 MB: one model's layers would not stay",
                remedy="Give 100MB or more",
            )
        with atomic(self.root / LIMIT_FILE) as part:
            part.write_text(text.strip() + "\n", encoding="utf-8")
        self.limit = size
        return self.make_room()

    def _remove(self, path: Path) -> int:
        """Delete one item, unless somebody is making it; a reader finds all of it or nothing."""
        from filelock import FileLock, Timeout

        size = weighed(path)
        try:
            (self.root / "locks").mkdir(parents=True, exist_ok=True)
            with FileLock(self.root / "locks" / f"{path.stem}.lock", timeout=0, mode=0o666):
                away = path.with_name(f".gone-{uuid.uuid4().hex[:8]}")
                path.rename(away)
        except (Timeout, OSError):
            return 0
        if away.is_dir():
            shutil.rmtree(away, ignore_errors=True)
        else:
            away.unlink(missing_ok=True)
        return size - (weighed(away) if away.exists() else 0)

    def __repr__(self) -> str:
        return f"<Store {self.root}: {self.size() / 1e9:.2f} of {self.limit / 1e9:.0f} GB>"


def _limit(root: Path) -> int:
    if text := os.environ.get("BRAINLENS_CACHE_LIMIT", "").strip():
        return _size(text, f"BRAINLENS_CACHE_LIMIT={text!r}", "BRAINLENS_CACHE_LIMIT=20GB")
    with contextlib.suppress(OSError, UnicodeDecodeError, BrainLensError):  # none, or damaged
        text = (root / LIMIT_FILE).read_text(encoding="utf-8").strip()
        return max(_size(text, text, "20GB"), LEAST)
    return DEFAULT_LIMIT


def _size(text: str, said: str, example: str) -> int:
    """Bytes of a size in words."""
    match = _SIZE.fullmatch(text)
    if not match:
        raise BrainLensError(f"{said} is not a size", remedy=f"For example {example}")
    return int(float(match[1]) * 1000 ** " kMGT".upper().index(match[2].upper() or " "))


def _used(path: Path) -> float:
    with contextlib.suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def _bare(values: np.ndarray) -> np.ndarray:
    """An array that numpy writes without pickle."""
    if values.dtype.kind in "OT":
        if not all(isinstance(one, str) for one in values.ravel()):
            raise BrainLensError(
                f"An array of {type(values.ravel()[0]).__name__} cannot be stored",
                remedy="Give numbers or texts",
            )
        return values.astype(str)
    return values


def _dataset(path: Path) -> tuple[xr.Dataset, float]:
    """A stored score, and when it was saved."""
    arrays = load_arrays(path)
    try:
        told = json.loads(bytes(arrays.pop("about")))
        named = {name.removeprefix("v:"): values for name, values in arrays.items()}
        made = {n: (told["dims"][n], v, told["variables"].get(n)) for n, v in named.items()}
        coords = set(told["coords"])
        dataset = xr.Dataset(
            {n: one for n, one in made.items() if n not in coords},
            coords={n: one for n, one in made.items() if n in coords},
            attrs=told["attrs"],
        )
        return dataset, float(told["saved"])
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise Damaged(f"{path} holds no score ({error})") from None


_READERS = {".npy": load_array, ".npz": load_arrays, ".json": load_json}
