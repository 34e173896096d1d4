"""What the catalogue knows: recordings and language material with terms, traps and the facts a file must fulfil."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from data.catalog.fetch import RemoteFile, locate, places, size_text
from data.errors import BrainLensError

__all__ = ["Entry", "all_entries"]


@dataclass(frozen=True)
class Entry:
    """One thing that can be loaded by its id.

    Parameters
    ----------
    id : str
        Lower case with hyphens.
    title : str
        What it is, in one line.
    reader : str
        ``"module:function"`` that makes a Recording of the path of the first file; of what is no recording it finds the files
        by the id.
    kind : str
        Kind of recording, or ``"text"``, ``"ceiling"``, ``"results"``.
    shape : str
        Stimuli x targets, in words.
    licence, citation, source : str
        Terms, BibTeX and where it comes from.
    traps : tuple of str
        What is wrong with it, one line each.
    aliases : tuple of str
        Other ids.
    versions : tuple of str
        Choices written behind the id as ``id@version``; the first is the default.
    option : str
        Which option of the reader ``versions`` set.
    files : tuple of RemoteFile
        All are needed; its own first.
    options : mapping
        Fixed options of the reader.
    whole : bool
        The reader takes the paths of all files, not of the first.
    invariants : mapping
        Facts of the file as data, see :func:`data.readers.assemblies.check_invariants`; an empty mapping asserts nothing.
    published_ceilings : mapping
        Preset -> ``value`` and ``source`` of the aggregate ceiling as it was published.

    Notes
    -----
    In the file of an entry, ``like`` names one whose reader, terms, traps and files are taken where the file says nothing else,
    ``files_of`` entries whose files are needed behind its own, ``cite`` keys of any file's ``[bibtex]``, and ``place`` says where
    it stands in lists.
    """

    id: str
    title: str
    reader: str
    kind: str
    shape: str
    licence: str
    citation: str
    source: str = ""
    traps: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    option: str = "version"
    files: tuple[RemoteFile, ...] = ()
    options: Mapping[str, object] = field(default_factory=dict)
    whole: bool = False
    invariants: Mapping[str, Any] = field(default_factory=dict)
    published_ceilings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def is_recording(self) -> bool:
        """Whether it holds responses: no text, ceiling or table of results."""
        return self.kind not in ("text", "ceiling", "results")

    @property
    def size(self) -> int | None:
        """Bytes of the needed files, exactly or about; None where nothing is known."""
        sizes = [file.size or file.about for file in self.files]
        return None if None in sizes else sum(size or 0 for size in sizes)

    @property
    def size_words(self) -> str:
        """``"902 kB"``, ``"about 68.0 MB"`` where not every size is exact, or ``"size unknown"``."""
        exact = self.size is None or all(file.size is not None for file in self.files)
        return ("" if exact else "about ") + size_text(self.size)

    @property
    def hash(self) -> str:
        """Hash of the first file, as ``"sha1:..."``, or an empty string where none is known."""
        kind, value = self.files[0].hash if self.files else ("", "")
        return f"{kind}:{value}" if kind else ""

    @property
    def state(self) -> str:
        """``"ready"``, ``"partial"`` (some files are missing), ``"damaged"`` or ``"needs download"``."""
        if not self.files:
            return "ready"
        roots = places()  # a home or a mirror that is none is no damage of the files
        folders = {file.folder for file in self.files}
        there = {one for one in folders if any((root / one).is_dir() for root in roots)}
        try:
            here = [
                file.folder in there and locate(file, folders=roots) is not None
                for file in self.files
            ]
        except BrainLensError:
            return "damaged"
        return "ready" if all(here) else "partial" if any(here) else "needs download"


_FOLDER = Path(__file__).with_name("recordings")
_OF_ITS_OWN = ("place", "title", "aliases", "invariants", "published_ceilings", "bibtex")
"""What an entry does not take from the one that it is ``like``."""


@lru_cache
def all_entries() -> dict[str, Entry]:
    """Every entry of the catalogue by id: one file of ``data/catalog/recordings`` each, in the order of their ``place``."""
    tables = {
        path.stem: tomllib.loads(path.read_text(encoding="utf-8"))
        for path in _FOLDER.glob("*.toml")
    }
    sources = {key: text for one in tables.values() for key, text in one.get("bibtex", {}).items()}
    order = sorted(tables, key=lambda name: (tables[name].get("place", math.inf), name))
    return {name: _entry(name, tables, sources) for name in order}


def _entry(name: str, tables: dict[str, dict], sources: dict[str, str]) -> Entry:
    table = _whole(name, tables)
    files = [*table.pop("files", ())]
    for other in table.pop("files_of", ()):
        files += _whole(other, tables)["files"]
    citation = "\n".join(sources[key] for key in table.pop("cite", ()))
    for key in ("like", "place", "bibtex"):
        table.pop(key, None)
    return Entry(
        name,
        citation=citation,
        files=tuple(RemoteFile(**file) for file in files),
        **{key: _fixed(value) for key, value in table.items()},
    )


def _whole(name: str, tables: dict[str, dict]) -> dict[str, Any]:
    """An entry's table with what it takes from the one that it is ``like``."""
    table = tables[name]
    if "like" not in table:
        return dict(table)
    taken = _whole(table["like"], tables)
    return {key: value for key, value in taken.items() if key not in _OF_ITS_OWN} | table


def _fixed(value: Any) -> Any:
    """Lists as tuples, those inside of tables too."""
    if isinstance(value, dict):
        return {key: _fixed(one) for key, one in value.items()}
    return tuple(_fixed(one) for one in value) if isinstance(value, list) else value
