"""A capsule opened: one result with all that determines it, safe to read wherever it came from."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.protocol import Protocol
from analysis.scoring.keys import told_keys
from analysis.store.promises import refuse_number
from analysis.store.store import Store
from data.errors import BrainLensError
from data.own.archive import DAMAGE

__all__ = ["LARGEST", "MANIFEST", "Capsule", "read_any_capsule", "read_capsule"]

MANIFEST = "manifest.json"
FORMAT = 1
LARGEST = 512 * 2**20
"""Bytes that a capsule may hold when it is opened."""
MOST_FILES = 200
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,80}\.(json|csv|npy|txt|md|bib|py|pdf|png|svg)")


@dataclass(frozen=True)
class Capsule:
    """What stands in a capsule.

    Parameters
    ----------
    provenance, result : dict
        The record behind the score, and its row as :mod:`analysis.scoring.results` lists it.
    tables : dict of str to pandas.DataFrame
        ``layers``, ``targets``, ``folds``.
    arrays : dict of str to ndarray
        Held-out predictions, one for each part.
    files : dict of str to bytes
        Everything, by name.
    """

    provenance: dict
    result: dict
    tables: dict[str, pd.DataFrame] = field(repr=False)
    arrays: dict[str, np.ndarray] = field(repr=False)
    files: dict[str, bytes] = field(repr=False)

    @property
    def protocol(self) -> Protocol:
        """Every choice."""
        return Protocol.from_dict(self.provenance["protocol"])


def read_capsule(path: str | Path, *, store=None) -> Capsule:
    """Open a capsule; nothing in it is run, unpickled, or written anywhere.

    Parameters
    ----------
    path : path-like
    store : Store, optional
        Whose locked predictions count; None: the user's own.

    Raises
    ------
    BrainLensError
        For what is no zip, holds names or sizes that no capsule has, or files that are not those of its manifest.
    analysis.store.promises.Locked
        For the number of a locked prediction.
    """
    found = read_any_capsule(path)
    told = {**found.result, "provenance": found.provenance}
    refuse_number((store or Store()).root, told_keys(told))
    return found


def read_any_capsule(path: str | Path) -> Capsule:
    """As :func:`read_capsule`, locked or not: for who keeps it, and shows it later."""
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as opened:
            files = _files(path, opened)
    except (BrainLensError, MemoryError):
        raise
    except DAMAGE as error:
        raise _bad(path, f"it cannot be opened ({error})") from error
    manifest = _json(path, files, MANIFEST)
    if manifest.get("format") != FORMAT or not isinstance(manifest.get("files"), dict):
        raise _bad(path, f"its manifest is not of format {FORMAT}")
    listed = manifest["files"]
    if set(listed) != set(files) - {MANIFEST}:
        raise _bad(path, f"it holds other files than its manifest lists: {sorted(set(listed) ^ set(files))[:4]}")  # fmt: skip
    for name, digest in listed.items():
        if hashlib.sha256(files[name]).hexdigest() != digest:
            raise _bad(path, f"{name} was changed after it was made")
    try:
        tables = {
            name.removesuffix(".csv"): pd.read_csv(io.BytesIO(content))
            for name, content in files.items()
            if name.endswith(".csv")
        }
        arrays = {
            name.removesuffix(".npy"): np.load(io.BytesIO(content), allow_pickle=False)
            for name, content in files.items()
            if name.endswith(".npy")
        }
    except DAMAGE as error:
        raise _bad(path, f"a table or an array in it cannot be read ({error})") from error
    return Capsule(
        _json(path, files, "provenance.json"),
        _json(path, files, "result.json"),
        tables,
        arrays,
        files,
    )


def _files(path: Path, opened: zipfile.ZipFile) -> dict[str, bytes]:
    entries, left, files = opened.infolist(), LARGEST, {}
    if len(entries) > MOST_FILES:
        raise _bad(path, f"it holds {len(entries):,} files")
    for entry in entries:
        if not _NAME.fullmatch(entry.filename) or entry.filename in files:
            raise _bad(path, f"it holds {entry.filename[:60]!r}")
        with opened.open(entry) as stream:  # what it says of its size is not believed
            files[entry.filename] = stream.read(left + 1)
        left -= len(files[entry.filename])
        if left < 0:
            raise _bad(path, f"it is larger than {LARGEST // 2**20} MiB when it is opened")
    return files


def _json(path: Path, files: dict[str, bytes], name: str) -> dict:
    try:
        found = json.loads(files[name])
    except KeyError:
        raise _bad(path, f"it has no {name}") from None
    except ValueError as error:
        raise _bad(path, f"its {name} is no JSON") from error
    if not isinstance(found, dict):
        raise _bad(path, f"its {name} is no record")
    return found


def _bad(path: Path, why: str) -> BrainLensError:
    return BrainLensError(
        f"{path.name} is no capsule that can be opened: {why}",
        remedy="Make it again with 'brainlens results capsule'",
    )
