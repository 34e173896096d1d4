"""Epochs dropped as loose files: whose each file is, and which table says the words, bound and kept as a story is."""

from __future__ import annotations

import io
import re
import tomllib
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from data.catalog import shelf
from data.catalog.entries import Entry
from data.catalog.own_story import Part, kept, person_of, toml, understood_story
from data.errors import BrainLensError
from data.own.apart import tried
from data.own.tables import squashed
from data.recording import Recording
from data.stories.epoch_files import ENDINGS, WORDS, holds_epochs
from data.stories.epochs import FIELDS

__all__ = ["ROLES", "is_epochs_drop", "keep_epochs", "stage_epochs", "understood_epochs", "write_epochs"]  # fmt: skip

ROLES = ("epochs", "words", "left out")
"""What a file may be."""
STORY = "story.toml"
_TABLES = (".csv", ".tsv", ".txt")


# ---- dropped ---------------------------------------------------------------------------------------------------------
def is_epochs_drop(files: Mapping[str, bytes]) -> bool:
    """Whether files that were dropped together hold epochs: MNE's, arrays of three dimensions, tables of epoch and time."""
    for name, content in files.items():
        lower = name.lower()
        if lower.endswith((".fif", ".fif.gz")):
            return True
        if lower.endswith(".toml") and b"[epochs" in content:
            return True
        if lower.endswith((".npz", ".npy")) and _cube(lower, content):
            return True
        if lower.endswith((".nc", *_TABLES)) and _looks(lower, content):
            return True
    return False


def _cube(name: str, content: bytes) -> bool:
    """Whether an npy or npz file has an array of three dimensions; headers only are read."""
    form = np.lib.format

    def dimensions(stream) -> int:
        version = form.read_magic(stream)
        read = form.read_array_header_1_0 if version == (1, 0) else form.read_array_header_2_0
        return len(read(stream)[0])

    try:
        if name.endswith(".npy"):
            return dimensions(io.BytesIO(content)) == 3
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [one for one in archive.namelist() if one.endswith(".npy")]
            return any(dimensions(archive.open(one)) == 3 for one in members)
    except MemoryError:
        raise
    except Exception:  # a damaged file: its reader says so
        return False


def _looks(name: str, content: bytes) -> bool:
    """As :func:`data.stories.epoch_files.holds_epochs`, of a file that lies nowhere yet."""
    with TemporaryDirectory() as folder:
        place = (
            Path(folder)
            / f"epochs{''.join(Path(name).suffixes[-2:]) if name.endswith('.gz') else Path(name).suffix}"
        )
        if name.endswith(".nc"):
            place.write_bytes(content)
            try:
                tried(place)
            except BrainLensError:
                return False
        else:
            place.write_bytes(content[:2_000_000])
        return holds_epochs(place)


def stage_epochs(files: Mapping[str, bytes]) -> tuple[Path, list[Part], dict[str, Any]]:
    """Write the files into a folder of their own and guess whose each is.

    Returns
    -------
    Path
        The ``story.toml`` to be, for :func:`write_epochs`, :func:`keep_epochs` and :func:`data.catalog.shelf.drop`.
    parts : list of Part
        Files of epochs with their person, and tables of words (a person's, or everybody's).
    facts : dict
        Fields of the ``story.toml``.

    Raises
    ------
    BrainLensError
        Too large, a file of another kind, no epochs, or a ``story.toml`` that names what was not dropped.
    """
    shelf.require_size(sum(map(len, files.values())))
    tomls = [name for name in files if name.lower().endswith(".toml")]
    loose = [name for name in files if name not in tomls]
    if len(tomls) > 1:
        raise BrainLensError("Two story.toml at once", choices=tomls, remedy="Drop one at a time")
    safe = {name: _safe(name) for name in loose}
    if len(set(safe.values())) < len(safe):
        raise BrainLensError("Two files have one name", choices=loose, remedy="Rename one of them")
    folder = shelf.staged_folder({safe[name]: files[name] for name in loose})
    try:
        if tomls:
            parts, facts = _told(files[tomls[0]], safe)
        else:
            parts, facts = _guessed(folder, sorted(safe.values())), {}
        _complete(parts)
    except BrainLensError:
        shelf.drop(folder / STORY)
        raise
    return folder / STORY, parts, facts


def _safe(name: str) -> str:
    last = re.split(r"[\\/]", name)[-1]
    known = sorted({*ENDINGS, *_TABLES}, key=len, reverse=True)
    kind = next((one for one in known if last.lower().endswith(one)), "")
    if not kind:
        raise BrainLensError(
            f"{last[:80]!r} holds no epochs and no words that can be read",
            choices=known,
            remedy="Epochs as MNE's .fif, NetCDF, npz, npy or a table; words as a table",
        )
    return shelf.safe_name(last, kind)


def _complete(parts: Sequence[Part]) -> None:
    if not any(part.role == "epochs" for part in parts):
        raise BrainLensError(
            f"There are no epochs among {', '.join(part.file for part in parts) or 'the files'}",
            remedy="Drop MNE's ..-epo.fif, an array (epoch, channel, time), or a table of epoch, time and channels",
        )


def _told(content: bytes, safe: Mapping[str, str]) -> tuple[list[Part], dict[str, Any]]:
    try:
        told = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BrainLensError(f"story.toml cannot be read: {error}", remedy="Correct it") from None
    here = {re.split(r"[\\/]", name)[-1]: kept for name, kept in safe.items()}
    files, words = told.get("epochs"), told.get("words")
    if not isinstance(files, dict):
        raise BrainLensError(
            "story.toml needs a file for each person in [epochs]",
            remedy='[epochs] sub-01 = "sub-01-epo.fif"',
        )

    def named(value: object) -> str:
        last = re.split(r"[\\/]", str(value))[-1]
        if last not in here:
            raise BrainLensError(
                f"story.toml names {last!r}, which was not dropped",
                choices=sorted(here),
                remedy="Drop all files together",
            )
        return here[last]

    parts = [Part(named(name), "epochs", "", person) for person, name in files.items()]
    each = words if isinstance(words, dict) else {"": words} if words else {}
    parts += [Part(named(name), "words", "", person) for person, name in each.items()]
    rest = set(here.values()) - {part.file for part in parts}
    parts += [Part(name, "left out") for name in sorted(rest)]
    return parts, {key: told[key] for key in FIELDS if key in told}


def _guessed(folder: Path, names: Sequence[str]) -> list[Part]:
    found, tables = [], []
    for name in names:
        epochs = name.lower().endswith((".fif", ".fif.gz", ".npy", ".npz", ".nc")) or holds_epochs(
            folder / name
        )
        (found if epochs else tables).append(name)
    parts = [Part(name, "epochs", "", _who(name)) for name in found]
    people = [part.person for part in parts]
    if len(set(people)) < len(people):
        parts = [Part(part.file, "epochs", "", _bare(part.file)) for part in parts]
    with_words = [name for name in tables if _words_in(folder / name)]
    for name in tables:
        if name not in with_words:
            parts.append(Part(name, "left out"))
            continue
        mine = [
            part.person for part in parts if part.role == "epochs" and part.person == _who(name)
        ]
        own = len(with_words) > 1 and mine
        parts.append(Part(name, "words", "", mine[0] if own else ""))
    return parts


def _bare(name: str) -> str:
    kind = next(one for one in sorted(ENDINGS, key=len, reverse=True) if name.lower().endswith(one))
    return re.sub(r"[-_]epo$", "", name[: -len(kind)])


def _who(name: str) -> str:
    return person_of(re.sub(r"[-_]epo(?=\.)", "", name), "")


def _words_in(path: Path) -> bool:
    """Whether a table's first line names a column of words."""
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        first = file.readline(1_000_000)
    heads = {squashed(one.strip().strip('"')) for one in re.split(r"[\t;,]", first)}
    return bool(heads & set(WORDS))


# ---- bound and read --------------------------------------------------------------------------------------------------
def write_epochs(path: Path, parts: Iterable[Part], facts: Mapping[str, Any]) -> None:
    """Write the ``story.toml`` of parts and facts.

    Raises
    ------
    BrainLensError
        For epochs without a person, two files of one person, and words of nobody whose epochs are there.
    """
    parts = [part for part in parts if part.role != "left out"]
    _complete(parts)
    files: dict[str, str] = {}
    words: dict[str, str] = {}
    for part in parts:
        person, table = part.person.strip(), files if part.role == "epochs" else words
        if part.role == "epochs" and not person:
            raise BrainLensError(f"{part.file}: its person is not said", remedy="Name the person")
        if person in table:
            whose = person or "everybody"
            raise BrainLensError(
                f"Two files are said to be the {part.role} of {whose}: {table[person]} and {part.file}",
                remedy="Name another person, or leave one out",
            )
        table[person] = part.file
    if strangers := [person for person in words if person and person not in files]:
        raise BrainLensError(
            f"{words[strangers[0]]}: no epochs are of the person {strangers[0]!r}",
            choices=list(files),
            remedy="Name one of these, or nobody: then they are everybody's words",
        )
    everybody = words.pop("", None)
    if everybody and words:
        words = {person: words.get(person, everybody) for person in files}
        everybody = None
    lines = [f"{key} = {toml(value)}" for key, value in facts.items() if value not in ("", None)]
    if everybody:
        lines.append(f"words = {toml(everybody)}")
    for name, table in (("words", words), ("epochs", files)):
        if table:
            lines += [
                "",
                f"[{name}]",
                *(f"{toml(who)} = {toml(file)}" for who, file in table.items()),
            ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def understood_epochs(path: Path) -> Recording:
    """The recording of staged epochs, read as :func:`data.catalog.own_story.understood_story` reads a story.

    Raises
    ------
    BrainLensError
        As :func:`data.stories.epochs.bound_epochs`.
    """
    return understood_story(path)


def keep_epochs(path: Path, name: str, parts: Iterable[Part], facts: Mapping[str, Any]) -> Entry:
    """Put staged epochs into the library, without the files that were left out.

    Raises
    ------
    BrainLensError
        Where they cannot be read so; nothing is put into the library then.
    """
    return kept(path, name or "epochs", parts, facts, write_epochs)
