"""Recordings and language material by id: what there is, in which state, and how to get it."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

from data.catalog import fetch as fetching
from data.catalog import shelf
from data.catalog.behind import files_behind
from data.catalog.entries import Entry, all_entries
from data.catalog.licences import require_accepted
from data.errors import BrainLensError, unknown
from data.filters import filtered
from data.gate import existing, may_be_named
from data.hashes import marks
from data.own.read import file_of, read
from data.recording import Recording
from data.registry import Registry
from data.rights import require
from data.stories.epochs import FIELDS as OF_EPOCHS
from data.stories.epochs import is_epochs, read_epochs_recording
from data.stories.plan import FIELDS as OF_STORIES
from data.stories.plan import is_story
from data.stories.story import read_story

__all__ = [
    "RECORDINGS",
    "Entry",
    "entries",
    "entry",
    "fetch",
    "load",
    "paths",
    "recording",
    "remove",
    "sharers",
    "signature",
]

RECORDINGS = Registry("brainlens.recordings", "recording", {})
"""Entries of other packages, each an :class:`Entry` or a function that gives one; ours stand in the catalogue."""

_EXTRA: dict[str, Entry] = {}


def entries(*, recordings: bool = False) -> dict[str, Entry]:
    """Every entry by id, the user's own last; ``recordings=True`` leaves out texts, ceilings and results."""
    found = {**all_entries(), **_of_packages(), **_EXTRA, **shelf.kept()}
    return {name: one for name, one in found.items() if one.is_recording or not recordings}


def _of_packages() -> dict[str, Entry]:
    found: list[Any] = [one() if callable(one) else one for one in RECORDINGS.loadable().values()]
    return {one.id: one for one in found}


def register(one: Entry) -> None:
    """Add an entry, or put another in its place, for this process (a lab's own catalogue, tests)."""
    _EXTRA[one.id] = one


def entry(name: str) -> Entry:
    """The entry of an id, an alias, or ``id@version``.

    Raises
    ------
    BrainLensError
        Where there is none, with the closest.
    """
    known = entries()
    base = str(name).partition("@")[0].lower()
    if base in known:
        return known[base]
    for one in known.values():
        if base in one.aliases:
            return one
    raise unknown(
        "recording",
        name,
        [*known, *(alias for one in known.values() for alias in one.aliases)],
        remedy="Name one of these, or a file of your own",
    )


def recording(name: str | Path, *, filter: str = "", **options) -> Recording:
    """The recording of an id or of a user's own file.

    Parameters
    ----------
    name : str or path-like
        A catalogue id or alias, ``id@version`` (such as ``natural-stories@as-released``), or the path of a file.
    filter : str
        Which reading times count, one of :data:`data.filters.FILTERS`, as of :func:`data.filters.filtered`; empty: as they are.
    **options
        For a file: columns and facts, as in :func:`data.own.read.read`. For an id: options of its reader.

    Raises
    ------
    BrainLensError
        Where nothing of that name exists, or its files are not here yet.

    Examples
    --------
    >>> recording("natural-stories", filter="official")
    <Recording natural-stories: reading_times, 10256 words x 1 targets, averaged>
    """
    found = _recording(str(name), options)
    return filtered(found, filter) if filter else found


def _recording(text: str, options: dict) -> Recording:
    if _looks_like_path(text):
        path = _admitted(text)
        if not (epochs := is_epochs(path)) and not is_story(path):
            return read(path, **options)
        _only_facts(path, options, (*OF_EPOCHS, "words", "subject") if epochs else OF_STORIES)
        return (read_epochs_recording if epochs else read_story)(path, **options)
    one = entry(text)
    if not one.is_recording:
        raise BrainLensError(
            f"{one.id} is {one.kind}, not a recording",
            choices=entries(recordings=True),
            remedy="Name a recording"
            + (
                "; the questions that it answers: 'brainlens people --help'"
                if one.reader.startswith("data.readers.trials:")
                else ""
            ),
        )
    return load(text, **options)


def _only_facts(path: Path, options: dict, known: tuple[str, ...]) -> None:
    """Refuse columns of a table for a story or epochs, whose files say themselves what they hold."""
    for name in options:
        if name not in known:
            raise BrainLensError(
                f"{path.name} is a story or holds epochs: it takes no {name}={options[name]!r}",
                choices=known,
                remedy="Leave it out; columns are named for tables of one row per stimulus",
            )


def signature(name: str | Path) -> str:
    """Another word as soon as a file behind this name changes, comes or goes, and whatever its sidecar or ``story.toml`` names.

    For what is kept in a running program; what is stored goes by the content itself.
    """
    text = str(name)
    if _looks_like_path(text):
        path, _ = file_of(text)
        return marks(files_behind(path))
    try:
        one = entry(text)
    except BrainLensError:
        return ""
    found = [
        folder.joinpath(*file.folder.split("/"), file.name)
        for file in one.files
        for folder in fetching.places()
    ]
    if one.id in shelf.kept():
        found += sorted({path.parent for path in found})  # its about.json
        found += [path.parent / "about.json" for path in found]
    return marks(found)


def load(name: str | Entry, **options):
    """What the reader of an id makes of its files: a recording, texts, a table.

    Parameters
    ----------
    name : str or Entry
        A catalogue id or alias, or ``id@version`` (such as ``wikitext-2@validation``).
    **options
        Options of its reader.

    Raises
    ------
    BrainLensError
        Where nothing of that name exists, or its files are not here yet.
    """
    one, version = (
        (name, "") if isinstance(name, Entry) else (entry(name), str(name).partition("@")[2])
    )
    if version:
        if version not in one.versions:
            raise unknown(f"version of {one.id}", version, one.versions or ("none",))
        options = {one.option: None if version == one.versions[0] else version, **options}
        options = {key: value for key, value in options.items() if value is not None}
    module, _, function = one.reader.partition(":")
    reader = getattr(importlib.import_module(module), function)
    if one.reader == "data.readers.simulated:default" or one.reader.startswith("data.embedded"):
        _no_options(one, options)
        return reader()
    facts: dict[str, Any] = {
        "id": one.id,
        "citation": one.citation,
        "licence": one.licence,
        "source": one.source,
    }
    if one.reader.startswith("data.readers.assemblies:"):
        facts["invariants"] = one.invariants
    here = paths(one)
    if one.id == "natural-stories-people":
        facts["people"], *here = here
    try:
        first = (here,) if one.whole else here[:1] if one.is_recording else ()
        return reader(*first, **{**facts, **one.options, **options})
    except TypeError as error:
        if options and "unexpected keyword" in str(error):
            raise BrainLensError(
                f"{one.id} takes no option {', '.join(options)}",
                remedy="Columns are named for files of your own only",
            ) from None
        raise


def paths(one: Entry | str) -> list[Path]:
    """The verified files of an entry.

    Raises
    ------
    BrainLensError
        Where some are not here, with the command that fetches them; nothing is fetched unasked.
    """
    one = entry(one) if isinstance(one, str) else one
    found = [fetching.locate(file) for file in one.files]
    missing = [file for file, path in zip(one.files, found) if path is None]
    if missing:
        size = fetching.size_text(sum(f.size or f.about or 0 for f in missing) or None)
        raise BrainLensError(
            f"{one.id} is not on this machine: {len(missing)} of {len(one.files)} files are missing "
            f"({missing[0].folder}/{missing[0].name}, about {size}; licence: {one.licence})",
            remedy=f"Run 'brainlens data fetch {one.id}', or set BRAINLENS_MIRROR to a folder that has them",
        )
    return [path for path in found if path is not None]


def fetch(name: str, *, mirror: str | Path | None = None, report=None) -> list[Path]:
    """Get the files of an entry and verify them; what is here already is not fetched again.

    Parameters
    ----------
    mirror : path-like or str, optional
        Folder or URL laid out ``<folder>/<file>``; default ``BRAINLENS_MIRROR``.
    report : object, optional
        With ``step(done, total, what)``.

    Raises
    ------
    BrainLensError
        Also where its licence asks something that nobody has accepted (:mod:`data.catalog.licences`).
    """
    one = entry(name)
    if one.state != "ready":
        require("fetch")
        require_accepted(one.id, one.licence)
    about = {"id": one.id, "title": one.title, "licence": one.licence, "citation": one.citation}
    return fetching.fetch(
        one.files, source=None if mirror is None else str(mirror), about=about, report=report
    )


def remove(name: str, *, also: bool = False) -> int:
    """Remove the fetched files of an entry; what other entries that are here need stays. Returns the bytes freed.

    Parameters
    ----------
    also : bool
        Remove what others need too.

    Raises
    ------
    BrainLensError
        Where others need all of its files, with their names.
    """
    one = entry(name)
    if one.id in shelf.kept():
        return shelf.remove(one.id)
    require("remove")
    others, own = _sharing(one)
    if others and not own and not also:
        raise BrainLensError(
            f"{one.id} shares its files with {', '.join(others)}: nothing was removed",
            remedy=f"To remove them too, run 'brainlens data remove {one.id} --also', in Python remove({one.id!r}, also=True)",
        )
    return fetching.forget(one.files if also else own)


def sharers(name: str) -> tuple[str, ...]:
    """The other entries that are here and go with this one, because they need all of its fetched files."""
    others, own = _sharing(entry(name))
    return () if own else others


def _sharing(one: Entry) -> tuple[tuple[str, ...], list[fetching.RemoteFile]]:
    """Ids of the entries here that need fetched files of this one, and its files that none of them needs."""
    lost = {(file.folder, file.name) for file in one.files if fetching.only_copy(file)}
    needing = {
        other.id: shared
        for other in entries().values()
        if other.id != one.id
        and (shared := lost & {(file.folder, file.name) for file in other.files})
        and other.state == "ready"
    }
    needed = set().union(*needing.values())
    return tuple(needing), [file for file in one.files if (file.folder, file.name) not in needed]


def _no_options(one: Entry, options: dict) -> None:
    if options:
        raise BrainLensError(
            f"{one.id} takes no option {', '.join(options)}",
            remedy="Columns are named for files of your own only",
        )


def _admitted(text: str) -> Path:
    """The path of a user's file; one that may not be named is answered as if it were not there."""
    try:
        place = Path(os.path.expanduser(text))
        named = may_be_named(str(place).partition("#")[0])
        place.exists()
    except (OSError, ValueError):  # no file can have such a name
        named = False
    if not named:
        remedy = "Name one of these, or a file of your own"
        raise unknown("recording", text, entries(recordings=True), remedy=remedy)
    return place


def _looks_like_path(text: str) -> bool:
    if existing(text) is not None or existing(text.partition("#")[0]) is not None:
        return True
    return os.sep in text or "/" in text or Path(text.partition("#")[0]).suffix.lower() in _SUFFIXES


_SUFFIXES = {
    ".csv",
    ".tsv",
    ".txt",
    ".tab",
    ".gz",
    ".parquet",
    ".nc",
    ".npy",
    ".toml",
    ".fif",
    ".npz",
    ".mat",
    ".xlsx",
}
