"""A story dropped as loose files: which of them holds words, which a signal, of which run and person, bound and kept."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from data.catalog import shelf
from data.catalog.entries import Entry
from data.catalog.story_parts import BESIDE, ROLES, SUFFIXES, Part, file_of, guessed, person_of
from data.errors import BrainLensError
from data.own import formats
from data.own.sidecar import SIDECAR
from data.recording import Recording
from data.stories import apart
from data.stories.arrays import of_array
from data.stories.plan import FIELDS, repetition_times
from data.stories.story import read_story
from data.stories.words import holds_words

__all__ = ["ROLES", "Part", "is_story_drop", "keep_story", "kept", "person_of", "stage_story", "toml", "understood_story",
    "write_story"]  # fmt: skip

STORY = "story.toml"
_BRAIN = (".textgrid", ".srt", ".toml", ".nii", ".nii.gz", ".gii", ".h5", ".hf5", ".hdf5")
_PLAIN = (".textgrid", ".srt", ".csv", ".tsv", ".txt")
_PLAIN_BYTES = 5_000_000  # of text that is read here without being tried elsewhere first
_RESERVED = ("mask", "confounds")


# ---- dropped ---------------------------------------------------------------------------------------------------------
def is_story_drop(files: Mapping[str, bytes]) -> bool:
    """Whether files that were dropped together are those of a story: words with times and signals, or a ``story.toml``.

    An array beside a table of its stimuli is none, and neither is one table alone.
    """
    names = [name for name in files if not name.endswith(SIDECAR)]
    if any(name.lower().endswith(_BRAIN) for name in names):
        return True
    if len(names) < 2 or any(_stimuli_of(name, files) for name in names):
        return False
    return any(_words_inside(name, files[name]) for name in names)


def _words_inside(name: str, content: bytes) -> bool:
    """As :func:`data.stories.words.holds_words`, of a table that lies nowhere yet."""
    from tempfile import TemporaryDirectory

    if not name.lower().endswith((".csv", ".tsv", ".txt")):
        return False
    with TemporaryDirectory() as folder:
        place = Path(folder) / f"table{Path(name).suffix}"
        place.write_bytes(content[:1_000_000])
        return holds_words(place)


def _stimuli_of(name: str, files: Mapping[str, bytes]) -> bool:
    """Whether an array has its table of stimuli beside it, row by row."""
    kind = next((one for one in formats.SUFFIXES if name.lower().endswith(one)), "")
    stem = name[: len(name) - len(kind)]
    beside = {stem + one for one in formats.STIMULI} & set(files) if kind else set()
    if any(".stimuli." in one for one in beside):
        return True
    words = [one for one in beside if _words_inside(one, files[one])]
    return bool(beside) and not words


def stage_story(files: Mapping[str, bytes]) -> tuple[Path, list[Part], dict[str, Any]]:
    """Write a story's files into a folder of their own and guess what each is.

    Parameters
    ----------
    files : mapping
        Name -> content, as a browser sends them: names without folders.

    Returns
    -------
    Path
        The ``story.toml`` to be, for :func:`write_story`, :func:`keep_story` and :func:`data.catalog.shelf.drop`.
    parts : list of Part
        What each file is, by a ``story.toml`` among them, else by names and columns; run and person are empty where nothing
        tells them.
    facts : dict
        Fields of the ``story.toml``.

    Raises
    ------
    BrainLensError
        Too large, a file of no known format, no words or no signal, or a ``story.toml`` that names what was not dropped.
    """
    shelf.require_size(sum(map(len, files.values())))
    tomls = [name for name in files if name.lower().endswith(".toml")]
    loose = [name for name in files if name not in tomls]
    if len(tomls) > 1:
        raise BrainLensError("Two stories at once", choices=tomls, remedy="Drop one at a time")
    safe = {name: _safe(name) for name in loose}
    if len(set(safe.values())) < len(safe):
        raise BrainLensError("Two files have one name", choices=loose, remedy="Rename one of them")
    told = _told(files[tomls[0]]) if tomls else None
    folder = shelf.staged_folder({safe[name]: files[name] for name in loose})
    try:
        if told is not None:
            parts, facts = _parts_told(told, safe)
        else:
            parts, facts = guessed(folder, sorted(safe.values())), _interval_beside(folder)
        _complete(parts)
    except BrainLensError:
        shelf.drop(folder / STORY)
        raise
    return folder / STORY, parts, facts


def _safe(name: str) -> str:
    last = re.split(r"[\\/]", name)[-1]
    known = sorted((*SUFFIXES, BESIDE), key=len, reverse=True)
    kind = next((one for one in known if last.lower().endswith(one)), "")
    if not kind:
        raise BrainLensError(
            f"{last[:80]!r} is no file of a story that can be read",
            choices=SUFFIXES,
            remedy="Words as TextGrid, SubRip or a table, signals as NIfTI, GIFTI, HDF5, npy, npz, MATLAB or a table",
        )
    return shelf.safe_name(last, kind)


def _complete(parts: Sequence[Part]) -> None:
    have = {part.role for part in parts}
    for role, what, which in (
        ("words", "no words with times", "a TextGrid, a SubRip file, or a table of onset, duration and word"),
        ("signal", "no signal", "an array or table of one row per sample, or a NIfTI run"),
    ):  # fmt: skip
        if role not in have:
            raise BrainLensError(
                f"There is {what} among {', '.join(part.file for part in parts) or 'the files'}",
                remedy=f"Drop all files of the story together, {which} among them",
            )


# ---- what each file is -----------------------------------------------------------------------------------------------
def _told(content: bytes) -> dict[str, Any]:
    try:
        told = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BrainLensError(f"story.toml cannot be read: {error}", remedy="Correct it") from None
    if not all(isinstance(told.get(one), dict) for one in ("words", "people")):
        raise BrainLensError(
            "story.toml needs the tables [words] and [people]",
            remedy="Correct it, or drop the files without it: what each of them is can be said here",
        )
    return told


def _parts_told(told: Mapping[str, Any], safe: Mapping[str, str]) -> tuple[list[Part], dict]:
    """The parts that a ``story.toml`` names, and its other fields."""
    here = {re.split(r"[\\/]", name)[-1]: kept for name, kept in safe.items()}
    parts: list[Part] = []

    def named(value: object, role: str, run: str, person: str = "") -> None:
        file, array = of_array(Path(), str(value))
        last = re.split(r"[\\/]", file)[-1]
        if last not in here:
            raise BrainLensError(
                f"story.toml names {last!r}, which was not dropped",
                choices=sorted(here),
                remedy="Drop all files of the story together",
            )
        parts.append(Part(here[last] + (f"#{array}" if array else ""), role, run, person))

    for run, name in told["words"].items():
        named(name, "words", run)
    for person, files in told["people"].items():
        if not isinstance(files, dict):
            raise BrainLensError(
                f"story.toml: [people.{person}] is no table", remedy='run1 = "sub-01_run1.npy"'
            )
        for key, value in files.items():
            if key == "mask":
                named(value, "mask", "", person)
            elif key == "confounds" and isinstance(value, dict):
                for run, name in value.items():
                    named(name, "confounds", run, person)
            else:
                for one in value if isinstance(value, list) else [value]:  # or both hemispheres
                    named(one, "signal", key, person)
    masks = [part for part in parts if part.role == "mask"]
    if len(masks) == len(told["people"]) and len({part.file for part in masks}) == 1:
        parts = [part for part in parts if part.role != "mask"] + [Part(masks[0].file, "mask")]
    rest = set(here.values()) - {file_of(part) for part in parts}
    parts += [Part(name, "left out") for name in sorted(rest)]
    return parts, {key: told[key] for key in FIELDS if key in told}


def _interval_beside(folder: Path) -> dict[str, float]:
    """The seconds between two samples that JSON files among the dropped ones say, where they agree."""
    times, _ = repetition_times(folder.glob(f"*{BESIDE}"))
    return {"interval": next(iter(times.values()))} if len(set(times.values())) == 1 else {}


# ---- bound and read --------------------------------------------------------------------------------------------------
def write_story(path: Path, parts: Iterable[Part], facts: Mapping[str, Any]) -> None:
    """Write the ``story.toml`` of parts and facts.

    Raises
    ------
    BrainLensError
        For a part without run or person, and for two files of the same run and person.
    """
    parts = [part for part in parts if part.role != "left out"]
    _complete(parts)
    words: dict[str, str] = {}
    people: dict[str, dict[str, Any]] = {}
    for part in parts:
        if part.role == "signal":
            people.setdefault(_said(part, "person"), {})
    for part in parts:
        if part.role == "words":
            _once(words, _said(part, "run"), part, f"words of {part.run}")
            continue
        if part.role == "mask":
            mine = [part.person] if part.person.strip() else list(people)
            for person in mine:
                _once(_whose(people, person, part), "mask", part, f"mask of {person}")
            continue
        person, run = _said(part, "person"), _said(part, "run")
        if run in _RESERVED:
            raise BrainLensError(f"{part.file}: no run can be called {run!r}", remedy="Rename it")
        own = _whose(people, person, part)
        if part.role == "confounds":
            own = own.setdefault("confounds", {})
        elif _hemispheres(own.get(run), part):
            own[run] = [own[run], part.file]
            continue
        _once(own, run, part, f"{part.role} of {person} in {run}")
    lines = [f"{key} = {toml(value)}" for key, value in facts.items() if value not in ("", None)]
    lines += ["", "[words]", *(f"{toml(run)} = {toml(name)}" for run, name in words.items())]
    for person, own in people.items():
        lines += ["", f"[people.{toml(person)}]"]
        lines += [f"{toml(key)} = {toml(value)}" for key, value in own.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _hemispheres(there: object, part: Part) -> bool:
    """Whether two signals of one run are GIFTI files, one for each hemisphere; the reader says what does not fit."""
    both = (there, part.file)
    return all(isinstance(name, str) and name.lower().endswith(".gii") for name in both)


def _said(part: Part, which: str) -> str:
    value = getattr(part, which).strip()
    if not value:
        raise BrainLensError(f"{part.file}: its {which} is not said", remedy=f"Name the {which}")
    return value


def _once(table: dict, key: str, part: Part, what: str) -> None:
    if key in table:
        raise BrainLensError(
            f"Two files are said to be the {what}: {table[key]} and {part.file}",
            remedy="Name another run or person, or leave one out",
        )
    table[key] = part.file


def _whose(people: dict[str, dict], person: str, part: Part) -> dict:
    if person.strip() not in people:
        raise BrainLensError(
            f"{part.file}: no signal is of the person {person!r}",
            choices=list(people),
            remedy="Name one of these",
        )
    return people[person.strip()]


def toml(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{toml(k)} = {toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, str):
        return json.dumps(value.replace("\x7f", ""), ensure_ascii=False)
    return json.dumps(value)


def understood_story(path: Path) -> Recording:
    """The recording of a staged story; what is no plain text is read in a process of its own first.

    Raises
    ------
    BrainLensError
        As :func:`data.stories.story.read_story`.
    """
    files = [one for one in path.parent.iterdir() if one != path]
    large = sum(one.stat().st_size for one in files) > _PLAIN_BYTES
    if large or any(one.suffix.lower() not in _PLAIN for one in files):
        apart.tried(path)
    return read_story(path)


def keep_story(path: Path, name: str, parts: Iterable[Part], facts: Mapping[str, Any]) -> Entry:
    """Put a staged story into the library, without the files that were left out.

    Raises
    ------
    BrainLensError
        Where it cannot be read so; nothing is put into the library then.
    """
    return kept(path, name or "story", parts, facts, write_story)


def kept(
    path: Path,
    name: str,
    parts: Iterable[Part],
    facts: Mapping[str, Any],
    write: Callable[[Path, list[Part], dict], None],
) -> Entry:
    """Bind staged files with ``write``, read them so, and only then put them into the library."""
    parts = list(parts)
    used = {path.name, *(file_of(part) for part in parts if part.role != "left out")}

    def bound(wanted: str) -> Recording:
        write(path, parts, {**facts, "id": wanted})
        recording = read_story(path)
        for one in path.parent.iterdir():
            if one.name not in used:
                one.unlink()
        return recording

    return shelf.put(path, bound, lambda: shelf.free_id(name), story=True)
