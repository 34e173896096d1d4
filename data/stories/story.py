"""A user's own story: runs, people, words and signals, bound by a ``story.toml`` or found in a folder of BIDS derivatives."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from data.errors import BrainLensError, unknown
from data.language import joiner_of
from data.own.gate import beside_of
from data.presentation import Presentation, sample_table
from data.recording import KINDS, Recording
from data.stories.epochs import bound_epochs
from data.stories.signals import Signal, confounds, read_signal
from data.stories.words import read_words

__all__ = ["Plan", "is_story", "plan_of", "read_story"]

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
)


@dataclass(frozen=True)
class Plan:
    """Which files belong together.

    Parameters
    ----------
    words : mapping of run to path
    signals : mapping of (person, run) to path
    masks : mapping of person to path
    confounds : mapping of (person, run) to path
    facts : mapping
        Fields of ``story.toml``: id, kind, unit, interval (seconds a sample), offset (seconds added to the words' times), ...
    """

    words: Mapping[str, Path]
    signals: Mapping[tuple[str, str], Path]
    masks: Mapping[str, Path] = field(default_factory=dict)
    confounds: Mapping[tuple[str, str], Path] = field(default_factory=dict)
    facts: Mapping[str, object] = field(default_factory=dict)


def read_story(path: str | Path, **facts) -> Recording:
    """The recording of a ``story.toml``, or of a folder of BIDS derivatives: sampled, or epochs.

    Parameters
    ----------
    path : path-like
        The file, or the folder that holds it, or a folder with ``sub-*/func/*_bold.nii.gz`` and ``*_events.tsv``, or with
        ``sub-*/**/*epo.fif``. Where the file has a table ``epochs``, see :func:`data.stories.epochs.bound_epochs`.
    **facts
        Fields of the file that are given here count before its own.

    Raises
    ------
    BrainLensError
        For missing files, runs of other length than their partner's, an interval that is not known, words of no run.
    """
    path = Path(path)
    toml = path / "story.toml" if path.is_dir() else path
    if toml.is_file():
        told = _told(toml)
        if "epochs" in told:
            return bound_epochs(toml, {**told, **facts})
    elif path.is_dir() and (files := _epochs_below(path)):
        return bound_epochs(toml, {"epochs": files, **facts})
    plan = plan_of(path)
    return recording_of(plan, {**plan.facts, **facts}, path)


def _epochs_below(folder: Path) -> dict[str, str]:
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


def is_story(path: Path) -> bool:
    """Whether a path is a ``story.toml``, or a folder that holds one or BIDS derivatives."""
    if path.is_dir():
        return (path / "story.toml").is_file() or any(path.glob("sub-*"))
    return path.suffix == ".toml"


def plan_of(path: Path) -> Plan:
    """The files that belong together, by ``story.toml`` or by their BIDS names."""
    if path.is_dir():
        return (
            _from_toml(path / "story.toml") if (path / "story.toml").is_file() else _from_bids(path)
        )
    if path.suffix == ".toml" and path.is_file():
        return _from_toml(path)
    raise BrainLensError(
        f"{path} is neither a story.toml nor a folder",
        remedy="Name a story.toml, or a folder of BIDS derivatives",
    )


# ---- story.toml ------------------------------------------------------------------------------------------------------
def _told(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise BrainLensError(f"{path.name} cannot be read: {error}", remedy="Correct it") from None


def _from_toml(path: Path) -> Plan:
    told = _told(path)
    for name in told:
        if name not in (*FIELDS, "words", "people"):
            raise unknown(f"field of {path.name}", name, (*FIELDS, "words", "people"))
    words, people = told.pop("words", {}), told.pop("people", {})
    if not isinstance(words, dict) or not isinstance(people, dict) or not words or not people:
        raise BrainLensError(
            f"{path.name} needs the tables [words] and [people]",
            remedy='[words] run1 = "run1.TextGrid" and [people.sub-01] run1 = "sub-01_run1.nii.gz"',
        )

    def inside(name: object) -> Path:
        return beside_of(path, str(name), "file of a story")

    signals, masks, nuisance = {}, {}, {}
    for person, files in people.items():
        for key, value in files.items():
            if key == "mask":
                masks[person] = inside(value)
            elif key == "confounds":
                nuisance |= {(person, run): inside(name) for run, name in value.items()}
            else:
                signals[person, key] = inside(value)
    return Plan({run: inside(name) for run, name in words.items()}, signals, masks, nuisance, told)


# ---- BIDS ------------------------------------------------------------------------------------------------------------
_ENTITY = re.compile(r"(sub|ses|task|run|space|desc|hemi)-([A-Za-z0-9]+)")


def _from_bids(folder: Path) -> Plan:
    series = sorted(folder.glob("sub-*/**/*_bold.nii.gz")) + sorted(
        folder.glob("sub-*/**/*_bold.func.gii")
    )
    if not series:
        raise BrainLensError(
            f"{folder} holds no sub-*/func/*_bold.nii.gz",
            remedy="Name a folder of BIDS derivatives, or write a story.toml",
        )
    words, signals, masks, nuisance = {}, {}, {}, {}
    for path in series:
        entity = dict(_ENTITY.findall(path.name))
        person = f"sub-{entity.get('sub', '?')}"
        run = "_".join(f"{k}-{entity[k]}" for k in ("ses", "task", "run") if k in entity) or "run"
        if (person, run) in signals:
            raise BrainLensError(
                f"{person}, {run}: more than one series ({signals[person, run].name}, {path.name})",
                remedy="Keep one space, or name the files in a story.toml",
            )
        signals[person, run] = path
        stem = path.name.split("_space-")[0].split("_desc-")[0].removesuffix("_bold.nii.gz")
        for events in (path.with_name(f"{stem}_events.tsv"), folder / f"{run}_events.tsv"):
            if events.is_file():
                words.setdefault(run, events)
        mask = sorted(path.parent.glob(f"{stem}*_desc-brain_mask.nii.gz"))
        if mask:
            masks.setdefault(person, mask[0])
        table = path.with_name(f"{stem}_desc-confounds_timeseries.tsv")
        if table.is_file():
            nuisance[person, run] = table
    bare = sorted({run for _, run in signals} - set(words))
    if bare:
        raise BrainLensError(
            f"{folder}: no words for {', '.join(bare)}",
            remedy=f"Put {bare[0]}_events.tsv (onset, duration, word) into the folder",
        )
    return Plan(words, signals, masks, nuisance, {"id": folder.name.lower().replace("_", "-")})


# ---- files -> recording ----------------------------------------------------------------------------------------------
def recording_of(plan: Plan, facts: Mapping[str, Any], path: Path) -> Recording:
    """The recording of a plan."""
    facts = dict(facts)
    offset, tier = float(facts.pop("offset", 0.0)), facts.pop("tier", None)
    stated = facts.pop("interval", None)
    kind = str(facts.pop("kind", "fmri"))
    if kind not in KINDS:
        raise unknown("kind of recording", kind, KINDS)
    people = list(dict.fromkeys(person for person, _ in plan.signals))
    runs = list(plan.words)
    for person, run in plan.signals:
        if run not in plan.words:
            raise unknown(f"run of {person}", run, runs, remedy="Give the words of this run")
    blocks = {
        key: read_signal(name, mask=plan.masks.get(key[0])) for key, name in plan.signals.items()
    }
    interval = _interval(blocks, stated, path)
    counts = {run: _length(blocks, run) for run in runs}
    words = pd.concat(
        [read_words(plan.words[run], run=run, tier=tier).assign(run=run) for run in runs],
        ignore_index=True,
    )
    words[["onset", "offset"]] += offset
    bare = Presentation(words, interval)
    table = sample_table(bare, counts)
    values, coordinates = _stack(blocks, people, runs, counts)
    nuisance = _nuisance(plan, people, runs, counts, table.index.to_numpy())
    responses = xr.DataArray(
        values, dims=("stimulus", "target"), coords={"stimulus": table.index.to_numpy()}
    ).assign_coords(coordinates)
    silent = np.isnan(values).all(axis=0)
    flat = ~silent & (np.nanstd(values, axis=0) == 0)
    keep = ~(silent | flat)
    notes = [f"{offset:g} s added to the words' times"] if offset else []
    if not keep.all():
        notes.append(f"{int((~keep).sum())} targets that do not vary were left out")
        responses = responses.isel(target=np.flatnonzero(keep))
    return Recording(
        responses=responses,
        stimuli=table,
        kind=kind,
        scored_unit="tr",
        context="run",
        group="run" if len(runs) > 2 else None,
        notes=tuple(notes),
        joiner=joiner_of(list(words["text"]))[0],
        presentation=Presentation(words, interval, nuisance),
        **{"id": path.stem if path.is_file() else path.name, **facts},
    )


def _interval(blocks: Mapping, stated: Any, path: Path) -> float:
    told = {round(block.interval, 6) for block in blocks.values() if block.interval}
    if stated is not None:
        value = float(stated)
        if told and not any(abs(value - one) < 1e-3 * one for one in told):
            raise BrainLensError(
                f"interval={value:g} s, but the files say {', '.join(f'{t:g}' for t in told)} s",
                remedy="Give the repetition time of the files",
            )
        return value
    if len(told) != 1:
        what = "no file says it" if not told else f"the files say {sorted(told)}"
        raise BrainLensError(
            f"{path}: seconds between two samples (the repetition time) are not known: {what}",
            remedy="Add interval = 2.0 to story.toml, or pass interval=2.0",
        )
    return told.pop()


def _length(blocks: Mapping, run: str) -> int:
    lengths = {key[0]: len(block.values) for key, block in blocks.items() if key[1] == run}
    if not lengths:
        raise BrainLensError(f"The run {run!r} has words and no signal", remedy="Leave it out")
    if len(set(lengths.values())) > 1:
        raise BrainLensError(
            f"The run {run!r} has other lengths for other people: {lengths}",
            remedy="Cut all to the same samples",
        )
    return next(iter(lengths.values()))


def _stack(blocks: Mapping[tuple[str, str], Signal], people, runs, counts):
    """Runs under each other, people side by side; NaN where a person has no such run."""
    columns, names, subject, extra = [], [], [], {}
    for person in people:
        own = {run: blocks[person, run] for run in runs if (person, run) in blocks}
        shapes = {run: block.values.shape[1] for run, block in own.items()}
        if len(set(shapes.values())) > 1:
            raise BrainLensError(
                f"{person} has other targets in other runs: {shapes}",
                remedy="Use one mask for all runs of a person",
            )
        first, width = next(iter(own.values())), next(iter(shapes.values()))
        columns.append(
            np.concatenate(
                [
                    own[run].values if run in own else np.full((counts[run], width), np.nan)
                    for run in runs
                ]
            )
        )
        names += [f"{person}.{name}" for name in first.names]
        subject += [person] * width
        for key, values in first.coordinates.items():
            extra.setdefault(key, {})[person] = np.asarray(values)
    coordinates = {
        "target": np.array(names, object),
        "subject": ("target", np.array(subject, object)),
    }
    for key, parts in extra.items():
        if len(parts) == len(people):
            coordinates[key] = ("target", np.concatenate([parts[person] for person in people]))
    return np.hstack(columns), coordinates


def _nuisance(plan: Plan, people, runs, counts, ids) -> dict[str, xr.DataArray]:
    if not plan.confounds:
        return {}
    tables = {}
    for person in people:
        for run in runs:
            if (person, run) not in plan.signals:
                continue
            if (person, run) not in plan.confounds:
                raise BrainLensError(
                    f"{person}, {run} has no table of confounds, others have",
                    remedy="Give all of them or none",
                )
            table = confounds(plan.confounds[person, run])
            if len(table) != counts[run]:
                raise BrainLensError(
                    f"{plan.confounds[person, run].name} has {len(table)} rows for {counts[run]} samples",
                    remedy="Use the table of this run",
                )
            tables[person, run] = table
    columns = next(iter(tables.values())).columns
    found = {}
    for column in columns:
        stacked = np.column_stack(
            [
                np.concatenate(
                    [
                        tables[p, r][column].to_numpy(float)
                        if (p, r) in tables
                        else np.zeros(counts[r])
                        for r in runs
                    ]
                )
                for p in people
            ]
        )
        found[str(column)] = xr.DataArray(
            stacked,
            dims=("stimulus", "subject"),
            coords={"stimulus": ids, "subject": np.array(people, object)},
        )
    return found
