"""Which files of a user's story belong together: by a ``story.toml``, or by the names of a folder of BIDS derivatives."""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data.errors import BrainLensError, unknown
from data.own.gate import beside_of
from data.stories.arrays import of_array
from data.stories.written import holds_written

__all__ = ["FIELDS", "Plan", "epochs_below", "is_story", "plan_of", "repetition_times", "told_of"]

FIELDS = (
    "id",
    "kind",
    "unit",
    "interval",
    "offset",
    "language",
    "licence",
    "citation",
    "source",
    "quality",
    "tier",
    "rows",
)
_NUMBERS = ("interval", "offset")


@dataclass(frozen=True)
class Plan:
    """Which files belong together.

    Parameters
    ----------
    words : mapping of run to path
    signals : mapping of (person, run) to paths
        One file, or the two hemispheres of the run.
    masks : mapping of person to path
    confounds : mapping of (person, run) to path
    facts : mapping
        Fields of ``story.toml``: id, kind, unit, interval (seconds a sample), offset (seconds added to the words' times),
        rows (``samples``: so they are, also where a plain array looks turned), ...
    times : mapping of file name to float
        Seconds from one sample to the next as JSON files beside the signals say.
    notes : tuple of str
        On JSON files that cannot be read.
    arrays : mapping of (person, run) to str
        Which array of the run's file is read, where the ``story.toml`` names one (``"sub-01.h5#run1"``).
    """

    words: Mapping[str, Path]
    signals: Mapping[tuple[str, str], tuple[Path, ...]]
    masks: Mapping[str, Path] = field(default_factory=dict)
    confounds: Mapping[tuple[str, str], Path] = field(default_factory=dict)
    facts: Mapping[str, object] = field(default_factory=dict)
    times: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    arrays: Mapping[tuple[str, str], str] = field(default_factory=dict)


def is_story(path: Path) -> bool:
    """Whether a path is a ``story.toml``, a folder that holds one or BIDS derivatives, or a story that was written here."""
    if holds_written(path):
        return True
    if path.is_dir():
        return (path / "story.toml").is_file() or any(path.glob("sub-*"))
    return path.suffix == ".toml"


def plan_of(path: Path) -> Plan:
    """The files that belong together, by ``story.toml`` or by their BIDS names."""
    if path.is_dir():
        told = told_of(path / "story.toml") if (path / "story.toml").is_file() else None
        if told is None or not {"words", "people"} & set(told):  # a story.toml of facts alone
            return _from_bids(path, told or {})
        return _from_toml(path / "story.toml")
    if path.suffix == ".toml" and path.is_file():
        return _from_toml(path)
    raise BrainLensError(
        f"{path} is neither a story.toml nor a folder",
        remedy="Name a story.toml, or a folder of BIDS derivatives",
    )


# ---- story.toml ------------------------------------------------------------------------------------------------------
def told_of(path: Path) -> dict[str, Any]:
    """What a ``story.toml`` says; numbers are numbers and words are words."""
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise BrainLensError(
            f"{path.name} cannot be read: {error}",
            remedy='Correct it: words stand in quotation marks, such as id = "fox", numbers without',
        ) from None
    for name in FIELDS:
        value = told.get(name, 0.0 if name in _NUMBERS else "")
        if name in _NUMBERS:
            right = type(value) in (int, float) and math.isfinite(value)
        else:
            right = isinstance(value, str)
        if not right:
            what = "a number of seconds" if name in _NUMBERS else "words in quotes"
            raise BrainLensError(
                f"{path.name}: {name} = {value!r}, and it needs {what}",
                remedy=f"Such as {name} = {'2.0' if name in _NUMBERS else chr(34) + '...' + chr(34)}",
            )
    return told


def _from_toml(path: Path) -> Plan:
    told = told_of(path)
    _known(path, told, (*FIELDS, "words", "people"))
    words, people = told.pop("words", {}), told.pop("people", {})
    if not isinstance(words, dict) or not isinstance(people, dict) or not words or not people:
        raise BrainLensError(
            f"{path.name} needs the tables [words] and [people]",
            remedy='[words] run1 = "run1.TextGrid" and [people.sub-01] run1 = "sub-01_run1.nii.gz"',
        )

    def inside(name: object) -> Path:
        return beside_of(path, str(name), "file of a story")

    signals, masks, nuisance, arrays = {}, {}, {}, {}
    for person, files in people.items():
        if not isinstance(files, dict):
            raise BrainLensError(
                f"{path.name}: [people.{person}] is no table", remedy='run1 = "sub-01_run1.nii.gz"'
            )
        for key, value in files.items():
            if key == "mask":
                masks[person] = inside(value)
            elif key == "confounds":
                if not isinstance(value, dict):
                    raise BrainLensError(
                        f"{path.name}: confounds of {person} need the run of each file",
                        remedy='confounds = { run1 = "sub-01_run1_confounds.tsv" }',
                    )
                nuisance |= {(person, run): inside(name) for run, name in value.items()}
            else:
                both = list(value) if isinstance(value, list) else [value]
                if len(both) == 1:
                    both[0], array = of_array(path.parent, str(both[0]))
                    arrays |= {(person, key): array} if array else {}
                signals[person, key] = tuple(inside(name) for name in both)
    every = [one for both in signals.values() for one in both]
    return Plan(
        {run: inside(name) for run, name in words.items()},
        signals, masks, nuisance, told, *repetition_times([_json_of(one) for one in every]), arrays,
    )  # fmt: skip


def _known(path: Path, told: Mapping[str, Any], fields: tuple[str, ...]) -> None:
    for name in told:
        if name not in fields:
            raise unknown(f"field of {path.name}", name, fields)


# ---- BIDS ------------------------------------------------------------------------------------------------------------
CONFOUNDS = ("timeseries", "regressors")
"""How fMRIPrep calls its tables of confounds, and called them before its version 20.2."""
_ENTITY = re.compile(r"(sub|ses|task|run|space|desc|hemi)-([A-Za-z0-9]+)")


def _from_bids(folder: Path, told: Mapping[str, Any]) -> Plan:
    _known(folder / "story.toml", told, FIELDS)
    series = sorted(folder.glob("sub-*/**/*_bold.nii.gz")) + sorted(
        folder.glob("sub-*/**/*_bold.func.gii")
    )
    if not series:
        raise BrainLensError(
            f"{folder} holds no sub-*/func/*_bold.nii.gz",
            remedy="Name a folder of BIDS derivatives, or write a story.toml",
        )
    words, masks, nuisance, other_masks = {}, {}, {}, []
    signals: dict[tuple[str, str], tuple[Path, ...]] = {}
    for path in series:
        entity = dict(_ENTITY.findall(path.name))
        person = f"sub-{entity.get('sub', '?')}"
        run = "_".join(f"{k}-{entity[k]}" for k in ("ses", "task", "run") if k in entity) or "run"
        others = signals.get((person, run), ())
        if others and not _other_hemisphere(others, path):
            raise BrainLensError(
                f"{person}, {run}: more than one series ({others[0].name}, {path.name})",
                remedy="Keep one space, or name the files in a story.toml",
            )
        signals[person, run] = (*others, path)
        stem = _before_space(path.name)
        for events in (path.with_name(f"{stem}_events.tsv"), folder / f"{run}_events.tsv"):
            if events.is_file():
                _same_words(words.setdefault(run, events), events, run)
        if (mask := _mask_beside(path, folder, entity)) is not None:
            first = masks.setdefault(person, mask)
            if mask != first and mask.read_bytes() != first.read_bytes():
                other_masks.append(
                    f"{person}: {first.name} counts for every run; {mask.name} differs and is left out"
                )
        for ending in CONFOUNDS:
            if (table := path.with_name(f"{stem}_desc-confounds_{ending}.tsv")).is_file():
                nuisance.setdefault((person, run), table)
    bare = sorted({run for _, run in signals} - set(words))
    if bare:
        raise BrainLensError(
            f"{folder}: no words for {', '.join(bare)}",
            remedy=f"Put {bare[0]}_events.tsv (onset, duration, word) into the folder",
        )
    facts = {"id": folder.name.lower().replace("_", "-"), **told}
    beside = {_json_of(one) for one in series} | set(folder.glob("*_bold.json"))
    beside |= {one.with_name(f"{_before_space(one.name)}_bold.json") for one in series}
    times, notes = repetition_times(beside)
    return Plan(words, signals, masks, nuisance, facts, times, (*notes, *other_masks))


def _other_hemisphere(others: tuple[Path, ...], path: Path) -> bool:
    """Whether a series is the other hemisphere of the one before it: names that differ in nothing else."""
    if len(others) != 1:
        return False
    first, second = (_ENTITY.findall(one.name) for one in (others[0], path))
    sides = {dict(one).get("hemi", "") for one in (first, second)}
    rest = [[part for part in one if part[0] != "hemi"] for one in (first, second)]
    return sides == {"L", "R"} and rest[0] == rest[1]


def _same_words(first: Path, other: Path, run: str) -> None:
    """Words of a run are everybody's: refuse a person's events that say something else."""
    if first != other and first.read_bytes() != other.read_bytes():
        here, there = (path.read_bytes().partition(b"\n")[0].split() for path in (first, other))
        if lacking := [name.decode("utf-8", "replace") for name in {*here} ^ {*there}]:
            raise BrainLensError(
                f"{run} has other columns in {other.name} than in {first.name}: one lacks {', '.join(sorted(lacking))}",
                remedy="Give both onset, duration and word",
            )
        raise BrainLensError(
            f"{run} has other words in {other.name} than in {first.name}",
            remedy=f"A run has the same words at the same times for everybody: put one {run}_events.tsv into the folder and "
            "leave out theirs, or give what people heard otherwise another task or run",
        )


def _before_space(name: str) -> str:
    """Person, task and run of a series: how its events, confounds and the JSON of its scan are called."""
    return re.split(r"_(?:hemi|space|desc)-|_bold\.", name)[0]


def _json_of(path: Path) -> Path:
    """The JSON file of a signal: of the same name, before every ending."""
    return path.with_name(
        re.sub(r"(\.dtseries|\.func)?\.[A-Za-z0-9]+(\.gz)?$", "", path.name) + ".json"
    )


def repetition_times(files: Iterable[Path]) -> tuple[dict[str, float], tuple[str, ...]]:
    """Seconds from one sample to the next as JSON files say that are there and name a ``RepetitionTime``.

    Returns
    -------
    times : dict of file name to float
    notes : tuple of str
        Files that cannot be read, or name no number above 0.
    """
    times, notes = {}, []
    for path in sorted(set(files)):
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            said = told["RepetitionTime"] if isinstance(told, dict) else 0
            if isinstance(said, str) or not 0 < float(said) < math.inf:
                raise ValueError
            times[path.name] = float(said)
        except (OSError, KeyError):
            continue
        except (ValueError, TypeError, RecursionError):
            notes.append(f"{path.name} says no time between two samples that can be read")
    return times, tuple(notes)


def _mask_beside(path: Path, folder: Path, entity: Mapping[str, str]) -> Path | None:
    """The mask of a series: beside it, of the same run and space where it says them; else one of the whole folder."""
    if not path.name.endswith(".nii.gz"):
        return None
    beside = [*path.parent.glob("*mask.nii.gz"), *path.parent.glob("*mask.nii")]
    whole = [*folder.glob("*mask.nii.gz"), *folder.glob("*mask.nii")]

    def fits(mask: Path) -> bool:
        own = dict(_ENTITY.findall(mask.name))
        return all(
            own.get(name, value) == value for name, value in entity.items() if name != "desc"
        )

    def told(mask: Path) -> int:
        return len(_ENTITY.findall(mask.name))

    for some in (beside, whole):
        if found := sorted(filter(fits, some), key=lambda one: (-told(one), one.name)):
            return found[0]
    return None


def epochs_below(folder: Path) -> dict[str, str]:
    """One file of MNE epochs for each ``sub-*``, where there is no series of volumes."""
    found: dict[str, str] = {}
    if any(folder.glob("sub-*/**/*_bold.*")):
        return found
    for path in sorted([*folder.glob("sub-*/**/*epo.fif"), *folder.glob("sub-*/**/*epo.fif.gz")]):
        inside = path.relative_to(folder)
        if inside.parts[0] in found:
            raise BrainLensError(
                f"{inside.parts[0]}: more than one file of epochs ({Path(found[inside.parts[0]]).name}, {path.name})",
                remedy="Keep one, or name the files in a story.toml: [epochs] sub-01 = 'sub-01/eeg/sub-01_task-fox_epo.fif'",
            )
        found[inside.parts[0]] = inside.as_posix()
    return found
