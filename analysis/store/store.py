"""The store: activations and scores by content, on disk, for any number of processes and people."""

from __future__ import annotations

import contextlib
import json
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
from data.errors import BrainLensError, unknown
from data.files import atomic, locked, touch
from data.home import home, shared

__all__ = ["DEFAULT_LIMIT", "KINDS", "Store"]

KINDS = ("activations", "scores", "runs")
DEFAULT_LIMIT = 50 * 2**30
_SIZE = re.compile(r"\s*([\d.]+)\s*([kMGT]?)i?B?\s*", re.IGNORECASE)


class Store:
    """A folder of results, each under the key of everything that went into it.

    Parameters
    ----------
    root : path, optional
        Default: ``cache`` in the user's home folder. Several people may share one; files take the folder's rights.
    limit : int, optional
        Bytes to keep (default: BRAINLENS_CACHE_LIMIT such as ``20GB``, else 50 GiB). The least recently used go first.
    readers : sequence of path, optional
        Further stores that are looked into and never written (default: ``cache`` in BRAINLENS_SHARED).
    """

    def __init__(
        self, root: str | os.PathLike | None = None, *, limit: int | None = None, readers=None
    ):
        self.root = Path(root).expanduser() if root is not None else home("cache")
        self.limit = limit if limit is not None else _limit()
        if readers is None:
            readers = [shared() / "cache"] if shared() else []
        self.readers = tuple(Path(r) for r in readers if Path(r) != self.root)

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
    def save_score(self, key: str, dataset: xr.Dataset) -> None:
        """Keep a finished score; a reader sees all of it or nothing.

        Parameters
        ----------
        dataset : xarray.Dataset
            Attributes may be anything JSON can say; they stand in a file of their own beside the numbers.
        """
        path = self.root / "scores" / f"{key}.nc"
        described = {
            "attrs": dataset.attrs,
            "variables": {n: v.attrs for n, v in dataset.variables.items() if v.attrs},
            "sizes": dict(dataset.sizes),
            "saved": time.time(),
        }
        bare = dataset.drop_attrs()
        with atomic(path.with_suffix(".json")) as part:
            part.write_text(json.dumps(described, default=_plain), encoding="utf-8")
        with atomic(path) as part:
            bare.to_netcdf(part, engine="h5netcdf")

    def load_score(self, key: str) -> xr.Dataset | None:
        """A finished score, in memory, or None where there is none."""
        for base in (self.root, *self.readers):
            path = base / "scores" / f"{key}.nc"
            try:
                described = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
                with path.open(
                    "rb"
                ) as stream:  # a file object: HDF5's own locks fail on some shared folders
                    dataset = xr.load_dataset(stream, engine="h5netcdf")
            except FileNotFoundError:
                continue
            except (OSError, ValueError) as error:
                raise BrainLensError(
                    f"The stored score {path} cannot be read ({error})",
                    remedy="Delete it with 'brainlens cache clear', and it is computed anew",
                ) from error
            if base == self.root:
                touch(path)
            dataset.attrs.update(described["attrs"])
            for name, attrs in described["variables"].items():
                dataset[name].attrs.update(attrs)
            return dataset
        return None

    def scores(self) -> pd.DataFrame:
        """The scores that are there: key, time, bytes, and their plain attributes."""
        rows = []
        for base in (self.root, *self.readers):
            for path in sorted((base / "scores").glob("*.nc")):
                with contextlib.suppress(OSError, ValueError):
                    described = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
                    plain = {
                        k: v
                        for k, v in described["attrs"].items()
                        if isinstance(v, str | int | float | bool)
                    }
                    rows.append(
                        {
                            "key": path.stem,
                            "saved": pd.Timestamp(described["saved"], unit="s"),
                            "bytes": path.stat().st_size,
                            **plain,
                        }
                    )
        return (
            pd.DataFrame(rows).drop_duplicates("key", ignore_index=True)
            if rows
            else pd.DataFrame(columns=["key", "saved", "bytes"])
        )

    # ---- runs: finished pieces of a long computation ------------------------------------------------------------------------
    def piece(self, key: str, name: str) -> dict[str, np.ndarray] | None:
        """A finished piece of the run under a key, or None."""
        for base in (self.root, *self.readers):
            with (
                contextlib.suppress(OSError, ValueError),
                np.load(base / "runs" / key / f"{name}.npz", allow_pickle=False) as found,
            ):
                if base == self.root:
                    touch(base / "runs" / key)
                return dict(found)
        return None

    def save_piece(self, key: str, name: str, **arrays: np.ndarray) -> None:
        with atomic(self.root / "runs" / key / f"{name}.npz") as part, part.open("wb") as stream:
            np.savez(stream, **arrays)

    # ---- what is there ------------------------------------------------------------------------
    def _items(self) -> Iterator[tuple[str, Path]]:
        for kind in ("activations", "runs"):
            for path in sorted((self.root / kind).glob("*")):
                if path.is_dir() and not path.name.startswith("."):
                    yield kind, path
        for path in sorted((self.root / "scores").glob("*.nc")):
            if not path.name.startswith("."):
                yield "scores", path

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
                    "bytes": _bytes(path),
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

    def size(self) -> int:
        """Bytes in use."""
        return sum(_bytes(path) for _, path in self._items())

    def clear(self, kind: str | None = None, *, model: str | None = None) -> int:
        """Delete what is there, or a part of it.

        Parameters
        ----------
        kind : str, optional
            One of :data:`KINDS`.
        model : str, optional
            Activations of this model only.

        Returns
        -------
        int
            Bytes given back. What another process is making now stays.
        """
        if kind is not None and kind not in KINDS:
            raise unknown("kind of stored result", kind, KINDS)
        freed = 0
        for found, path in list(self._items()):
            if kind in (None, found) and (
                model is None
                or (
                    found == "activations"
                    and StoredActivations([path]).meta().get("model") == model
                )
            ):
                freed += self._remove(path)
        return freed

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
        items = [(_used(path), _bytes(path), path) for _, path in self._items()]
        over, gone = sum(size for _, size, _ in items) - self.limit, []
        for _, size, path in sorted(items, key=lambda item: item[0]):
            if over <= 0:
                break
            if path.stem != keep and self._remove(path):
                over -= size
                gone.append(path.stem)
        return gone

    def _remove(self, path: Path) -> int:
        """Delete one item, unless somebody is making it; a reader finds all of it or nothing."""
        from filelock import FileLock, Timeout

        size = _bytes(path)
        (self.root / "locks").mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.root / "locks" / f"{path.stem}.lock", timeout=0, mode=0o666):
                away = path.with_name(f".gone-{uuid.uuid4().hex[:8]}")
                path.rename(away)
        except (Timeout, OSError):
            return 0
        if away.is_dir():
            shutil.rmtree(away, ignore_errors=True)
        else:
            away.unlink(missing_ok=True)
            path.with_suffix(".json").unlink(missing_ok=True)
        return size

    def __repr__(self) -> str:
        return f"<Store {self.root}: {self.size() / 1e9:.2f} of {self.limit / 1e9:.0f} GB>"


def _limit() -> int:
    text = os.environ.get("BRAINLENS_CACHE_LIMIT", "").strip()
    if not text:
        return DEFAULT_LIMIT
    match = _SIZE.fullmatch(text)
    if not match:
        raise BrainLensError(
            f"BRAINLENS_CACHE_LIMIT={text!r} is not a size",
            remedy="For example BRAINLENS_CACHE_LIMIT=20GB",
        )
    return int(float(match[1]) * 1000 ** " kMGT".upper().index(match[2].upper() or " "))


def _bytes(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.stat(os.path.join(folder, name)).st_size
    return total


def _used(path: Path) -> float:
    with contextlib.suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def _plain(value: object) -> object:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return str(value)
