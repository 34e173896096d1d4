"""What each file of a dropped story is: words, signal, mask or confounds, of which run and person."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data.stories.arrays import arrays_of, of_array
from data.stories.signals import ENDINGS
from data.stories.words import READERS, holds_words

__all__ = ["BESIDE", "ROLES", "SUFFIXES", "Part", "file_of", "guessed", "person_of"]

ROLES = ("words", "signal", "mask", "confounds", "left out")
"""What a file of a story may be."""
SUFFIXES = tuple(dict.fromkeys((*ENDINGS, *READERS)))
BESIDE = ".json"
_RUN = re.compile(r"(?:^|[^a-z0-9])((?:run|story|part|chapter|session)[-_]?\d+)", re.I)
_TASK = re.compile(r"(?:^|[^a-z0-9])(task-[a-z0-9]+)", re.I)
_PERSON = re.compile(
    r"(?:^|[^a-z0-9])((?:sub|subject|person|participant|p|s)[-_]?\d+[a-z0-9]*)", re.I
)
_PLAIN_NAMES = {"bold", "signal", "responses", "response", "data", "preproc", "desc", "task"}
_SIDES = ("hemi-l", "hemi-r", "lh", "rh", "l", "r", "func")


@dataclass(frozen=True)
class Part:
    """One file of a story.

    Parameters
    ----------
    file : str
        Its name in the staged folder; of one that holds several arrays, ``file.h5#array``.
    role : str
        One of :data:`ROLES`.
    run, person : str
        Whose it is; a mask without a person is everybody's.
    """

    file: str
    role: str
    run: str = ""
    person: str = ""


def file_of(part: Part) -> str:
    """The file of a part, without the array that is named in it."""
    return of_array(Path(), part.file)[0]


# ---- guessed ------------------------------------------------------------------------------------------------------------
def guessed(folder: Path, names: Sequence[str]) -> list[Part]:
    """What files that were dropped without a ``story.toml`` are, by name and columns; run and person "" where nothing says it."""
    roles = {name: _role(folder / name) for name in names}
    seen: set[tuple[bytes, str, str]] = set()
    for name in [name for name in names if roles[name] == "words"]:
        what = ((folder / name).read_bytes(), _label(_RUN, name), _label(_TASK, name))
        if what in seen:
            roles[name] = "left out"  # what all people heard, written down for each of them
        seen.add(what)
    spoken = [name for name in names if roles[name] == "words"]
    runs = {
        name: _label(_RUN, name)
        or ("run1" if len(spoken) == 1 else _label(_TASK, name) or _stem(name))
        for name in spoken
    }
    parts, masked = [], set[str]()
    for name in names:
        role = roles[name]
        if role == "words":
            parts.append(Part(name, role, runs[name]))
            continue
        arrays = arrays_of(folder / name) if role == "signal" else []
        if len(arrays) > 1:
            parts += _arrays(name, arrays, list(runs.values()))
            continue
        run = "" if role == "mask" else _run_of(name, list(runs.values()))
        whose = person_of(name, run)
        if role == "mask" and _label(_RUN, name):
            if whose in masked:
                role = "left out"  # one of each run: a person's first counts, as in a folder of derivatives
            masked.add(whose)
        parts.append(Part(name, role, run, whose))
    return parts


def _arrays(name: str, arrays: Sequence[str], runs: Sequence[str]) -> list[Part]:
    """What each array of a file is: a run's signal where its name says the run, else what is called like a signal, else all."""
    called = {one for one in arrays if one.rsplit("/", 1)[-1].lower() in _PLAIN_NAMES}
    of_run = {one for one in arrays if len(runs) > 1 and _run_of(one, runs)}
    parts = []
    for one in arrays:
        run = _run_of(f"{_stem(name)}_{re.sub(r'[/.]', '_', one)}", runs)
        role = "signal" if one in (of_run or called or arrays) else "left out"
        parts.append(Part(f"{name}#{one}", role, run, person_of(name, run)))
    return parts


def _role(path: Path) -> str:
    lower = path.name.lower()
    if lower.endswith(BESIDE):
        return "left out"  # what it says of the time between samples stands in the form
    if holds_words(path):
        return "words"
    if "mask" in lower:
        return "mask"
    return "confounds" if "confound" in lower else "signal"


def _stem(name: str) -> str:
    known = sorted(SUFFIXES, key=len, reverse=True)
    kind = next((one for one in known if name.lower().endswith(one)), Path(name).suffix)
    return name[: len(name) - len(kind)]


def _label(kind: re.Pattern, name: str) -> str:
    found = kind.search(_stem(name))
    return found[1] if found else ""


def _plain(label: str) -> str:
    return re.sub(r"[-_]", "", label.lower())


def _run_of(name: str, runs: Sequence[str]) -> str:
    """The run whose label stands in a file's name; the only one where there is one."""
    if len(runs) == 1:
        return runs[0]
    label = _plain(_label(_RUN, name))
    same = [run for run in runs if _plain(run) == label]
    inside = [run for run in runs if _plain(run) in _plain(_stem(name))]
    return (same or sorted(inside, key=len, reverse=True) or [""])[0]


def person_of(name: str, run: str) -> str:
    """Whose file it is, by its name; what is left of the name without run and kind where nothing says it."""
    if found := _label(_PERSON, name):
        return found
    pieces = [one for one in re.split(r"[_. ]+", _stem(name)) if one]
    kept = [
        one
        for one in pieces
        if one.lower() not in (*_PLAIN_NAMES, *_SIDES) and _plain(one) not in (_plain(run), "confounds", "mask")
        and not _RUN.fullmatch(one)
    ]  # fmt: skip
    return "_".join(kept) or "person1"
