"""A user's own story: runs, people, words and signals, bound by a ``story.toml`` or found in a folder of BIDS derivatives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from data.errors import BrainLensError, unknown
from data.language import joiner_of
from data.mapped import laid_down, room_for
from data.presentation import Presentation, sample_table
from data.recording import KINDS, Recording
from data.stories.epochs import bound_epochs
from data.stories.hemispheres import read_run
from data.stories.plan import Plan, epochs_below, plan_of, told_of
from data.stories.signals import Signal, confounds
from data.stories.words import read_words
from data.stories.written import holds_written, read_written

__all__ = ["read_story", "recording_of"]

NAMELESS = (".npy", ".npz", ".mat", ".h5", ".hf5", ".hdf5")
"""Endings of arrays whose targets have no names: either side may be that of the samples."""
ROWS = "samples"
"""What a story may say of the rows of plain arrays: then none is taken for a turned one."""

LONGEST = 100.0
"""Seconds between two samples above which they are milliseconds."""


def read_story(path: str | Path, **facts) -> Recording:
    """The recording of a ``story.toml``, of a folder of BIDS derivatives (sampled, or epochs), or of a written story.

    Parameters
    ----------
    path : path-like
        The file, or the folder that holds it, or a folder with ``sub-*/func/*_bold.nii.gz`` and ``*_events.tsv``, or with
        ``sub-*/**/*epo.fif``, or what :func:`data.stories.written.write` wrote. Where the file has a table ``epochs``, see
        :func:`data.stories.epochs.bound_epochs`.
    **facts
        Fields of the file that are given here count before its own.

    Raises
    ------
    BrainLensError
        For missing files, runs of other length than their partner's, an interval that is not known, words of no run.
    """
    path = Path(path)
    if holds_written(path):
        return read_written(path, **facts)
    toml = path / "story.toml" if path.is_dir() else path
    if toml.is_file():
        told = told_of(toml)
        if "epochs" in told:
            return bound_epochs(toml, {**told, **facts})
    elif path.is_dir() and (files := epochs_below(path)):
        return bound_epochs(toml, {"epochs": files, **facts})
    plan = plan_of(path)
    return recording_of(plan, {**plan.facts, **facts}, path)


# ---- files -> recording ----------------------------------------------------------------------------------------------
def recording_of(plan: Plan, facts: Mapping[str, Any], path: Path) -> Recording:
    """The recording of a plan."""
    facts = dict(facts)
    offset, tier = float(facts.pop("offset", 0.0)), facts.pop("tier", None)
    stated, rows = facts.pop("interval", None), facts.pop("rows", None)
    if rows not in (None, ROWS):
        raise unknown("rows of plain arrays", str(rows), (ROWS,))
    kind = str(facts.pop("kind", "fmri"))
    if kind not in KINDS:
        raise unknown("kind of recording", kind, KINDS)
    people = list(dict.fromkeys(person for person, _ in plan.signals))
    runs = list(plan.words)
    for person, run in plan.signals:
        if run not in plan.words:
            raise unknown(f"run of {person}", run, runs, remedy="Give the words of this run")
    blocks = _blocks(plan)
    interval, others = _interval(blocks, stated, path, plan.times)
    counts = {run: _length(blocks, run) for run in runs}
    read = [read_words(plan.words[run], run=run, tier=tier) for run in runs]
    said = dict.fromkeys(note for one in read for note in one.attrs["notes"])
    words = pd.concat([one.assign(run=run) for one, run in zip(read, runs)], ignore_index=True)
    turned = _upright(plan, blocks, words, interval, sure=rows is not None)
    words[["onset", "offset"]] += offset
    timed = Presentation(words, interval)
    table = sample_table(timed, counts)
    _heard(timed, counts)
    values, coordinates = _stack(blocks, people, runs, counts)
    nuisance = _nuisance(plan, people, runs, counts, table.index.to_numpy())
    keep = _varies(values, path)
    if not keep.all():
        values = _columns(values, np.flatnonzero(keep))
        coordinates = {name: (dim, one[keep]) for name, (dim, one) in coordinates.items()}
    responses = xr.DataArray(
        values, dims=("stimulus", "target"), coords={"stimulus": table.index.to_numpy()}
    ).assign_coords(coordinates)
    notes = [f"{offset:g} s added to the words' times"] if offset else []
    notes += [*said, *others, *turned, *plan.notes]
    bare = [person for person in people if person not in plan.masks and _volumes(plan, person)]
    if bare:
        notes.append(
            f"no mask for {', '.join(bare[:6])}: every voxel that varies counts, also outside the brain"
        )
    if plan.masks:
        used = dict.fromkeys(mask.name for mask in plan.masks.values())
        notes.append(f"voxels of {', '.join(list(used)[:6])}")
    notes += _gaps(plan, people, runs, values, responses["subject"].values, table)
    if not keep.all():
        notes.append(f"{int((~keep).sum())} targets that do not vary were left out")
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


def _blocks(plan: Plan) -> dict[tuple[str, str], Signal]:
    """The signals of every person and run; where all together take gigabytes, each is laid on disk as soon as it is read."""
    found = {}
    for key, paths in plan.signals.items():
        block = read_run(paths, mask=plan.masks.get(key[0]), dataset=plan.arrays.get(key))
        found[key] = replace(block, values=laid_down(block.values, among=len(plan.signals)))
    return found


def _columns(values: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Some columns, on disk where they take gigabytes."""
    out = room_for((len(values), len(which)), values.dtype)
    for some in _few(len(which), len(values)):
        out[:, some] = values[:, which[some]]
    return out


def _few(count: int, rows: int) -> list[slice]:
    """Columns in blocks of some 16 million numbers."""
    wide = max(1, (1 << 24) // max(rows, 1))
    return [slice(at, at + wide) for at in range(0, count, wide)]


def _upright(
    plan: Plan, blocks: Mapping, words: pd.DataFrame, interval: float, *, sure: bool
) -> tuple[str, ...]:
    """Refuse a plain array that fits the words only when it is turned (targets in rows); notes on those that fit both ways.

    A nearly square one may also be of a scan that stopped early: that is asked. ``sure``: its rows are said to be samples.
    """
    notes = {}
    for (person, run), block in blocks.items():
        file = plan.signals[person, run][0]
        if file.suffix.lower() not in (*NAMELESS, ".csv", ".tsv"):
            continue
        rows, columns = block.values.shape
        end = float(words.loc[words["run"] == run, "offset"].max())
        lasts, turned = rows * interval, columns * interval
        nameless = file.suffix.lower() in NAMELESS
        alike = nameless and 0.98 * end <= turned <= 1.2 * end  # nearly square, as a rule
        if not sure and lasts < 0.5 * end <= 0.5 * (turned + interval):
            raise BrainLensError(
                f"{file.name} looks transposed: {rows} samples x {columns} targets last {lasts:g} s, and the words end "
                f"at {end:g} s",
                remedy="Samples go in rows, targets in columns; where they do, correct the interval, "
                f'or say rows = "{ROWS}" in story.toml',
            )
        if not sure and lasts < 0.9 * end and alike:
            raise BrainLensError(
                f"Does {file.name} lie turned, or did the scan stop early? It is {rows} x {columns}: with samples in rows it "
                f"lasts {lasts:g} s, turned {turned:g} s, and the words end at {end:g} s",
                remedy=f'Where it stopped early say rows = "{ROWS}" in story.toml; else save it with samples in rows',
            )
        if alike and rows > 1 and not sure:
            notes[file] = (
                f"{file.name} is {rows} x {columns}: its rows are taken as samples, and turned it would fit the words, which "
                f"end at {end:g} s, as well; make sure that it is not the other way round"
            )
    if not notes:
        return ()
    first, more = next(iter(notes.values())), len(notes) - 1
    return (first + (f" (so do {more} more files)" if more else ""),)


def _varies(values: np.ndarray, path: Path) -> np.ndarray:
    """Which targets have values that are not all the same."""
    keep = np.zeros(values.shape[1], bool)
    for some in _few(*values.shape[::-1]):
        block = values[:, some]
        there = np.asarray(~np.isnan(block).all(axis=0))
        with np.errstate(invalid="ignore"):  # infinite values are refused by name later
            there[there] = ~(np.nanstd(block[:, there], axis=0) == 0)
        keep[some] = there
    if not keep.any():
        raise BrainLensError(
            f"{path.name}: none of {values.shape[1]} targets varies: every value is the same or missing (NaN)",
            remedy="Look at the signals in another program, or give another mask",
        )
    return keep


def _heard(presentation: Presentation, counts: Mapping[str, int]) -> None:
    """Refuse words of which none falls into the samples of its run."""
    words = presentation.words
    ends = words["run"].map(counts).to_numpy(float) * presentation.interval
    if not ((presentation.middle >= 0) & (presentation.middle < ends)).any():
        first, last = words["onset"].min(), words["offset"].max()
        moved = -int(first // 1)  # the first word at the first sample
        remedy = (
            "Correct the onsets, or add 'offset' (seconds added to the words' times) to story.toml: offset = "
            f"{moved} puts the first word at the first sample, which may not be where it was heard"
        )
        if last - first > 10 * ends.max():  # no story is that much longer than its scan
            remedy = f"Give 'interval' (seconds between two samples): {presentation.interval:g} is too short"
        raise BrainLensError(
            f"No word falls inside the samples: words from {first:g} to {last:g} s, samples of the longest run from 0 to "
            f"{ends.max():g} s",
            remedy=remedy,
        )


def _gaps(plan: Plan, people, runs, values: np.ndarray, subjects: np.ndarray, table) -> list[str]:
    """What is missing from whom: whole runs, and samples without a value in runs that are there."""
    said = []
    for person in people:
        if absent := [run for run in runs if (person, run) not in plan.signals]:
            said.append(
                f"{person} has no {', '.join(absent[:6])}: nothing is scored of {person} there"
            )
    gone = np.isnan(values)
    if not gone.any():
        return said
    for person in people:
        there = table["run"].isin([run for run in runs if (person, run) in plan.signals]).to_numpy()
        lacking = gone[np.ix_(there, subjects == person)]
        if lacking.any():
            said.append(
                f"{person}: {int(lacking.any(axis=1).sum())} of {int(there.sum())} samples have no value (NaN) in "
                f"{int(lacking.any(axis=0).sum())} of {lacking.shape[1]} targets and count in nothing there"
            )
    return said


def _volumes(plan: Plan, person: str) -> bool:
    """Whether a person's signals are volumes, which a mask cuts out."""
    names = [p.name for (who, _), paths in plan.signals.items() if who == person for p in paths]
    return any(name.endswith((".nii", ".nii.gz")) and ".dtseries." not in name for name in names)


def _interval(
    blocks: Mapping, stated: Any, path: Path, beside: Mapping[str, float]
) -> tuple[float, list[str]]:
    """Seconds between two samples, and a note on files that say something else than what was stated."""
    said = {
        f"the file of {person} in {run}": _seconds(block.interval)
        for (person, run), block in blocks.items()
        if block.interval
    }
    if stated is not None:
        value = float(stated)
        wrong = _others(said, value)
        both = said | {name: _seconds(one) for name, one in beside.items()}
        others = _others(both, value)
        if said and len(wrong) == len(said) and len(others) == len(both):
            raise BrainLensError(
                f"interval={value:g} s, but the files say {_listed(said)} s",
                remedy="Give the repetition time of the files",
            )
        return value, _notes_on(others, value, "as stated")
    told = {round(block.interval, 6) for block in blocks.values() if block.interval}
    if len(set(beside.values())) == 1:
        (name, value), *_ = beside.items()
        others = _others(said, value)
        if said and len(others) == len(said):
            raise BrainLensError(
                f"{name} says {value:g} s from one sample to the next, the signals themselves say {_listed(said)} s",
                remedy="Add the right one to story.toml: interval = 2.0",
            )
        return _plausible(value, path), _notes_on(others, value, f"as {name} says")
    if len(told) != 1:
        what = "no file says it" if not told else f"the files say {sorted(told)}"
        raise BrainLensError(
            f"{path}: seconds between two samples (the repetition time) are not known: {what}",
            remedy="Add interval = 2.0 to story.toml, or pass interval=2.0",
        )
    value = _plausible(told.pop(), path)
    return value, _notes_on(_others(beside, value), value, "as the signals say")


def _others(said: Mapping[str, float], value: float) -> dict[str, float]:
    """What says another time than ``value``."""
    return {name: one for name, one in said.items() if abs(value - one) >= 1e-3 * one}


def _listed(said: Mapping[str, float]) -> str:
    return ", ".join(f"{one:g}" for one in sorted(set(said.values())))


def _plausible(value: float, path: Path) -> float:
    if value > LONGEST:
        raise BrainLensError(
            f"{path}: the files say {value:g} s from one sample to the next: these look like milliseconds",
            remedy="Add interval = 2.0 to story.toml, or correct the unit of time in the headers",
        )
    return value


def _seconds(interval: float) -> float:
    """What a file says; milliseconds are told by their size."""
    return round(interval / 1000 if interval > LONGEST else interval, 6)


def _notes_on(others: Mapping[str, float], value: float, by: str) -> list[str]:
    if not others:
        return []
    name, first = next(iter(others.items()))
    more = f" and {len(others) - 1} more" if len(others) > 1 else ""
    return [
        f"{value:g} s from one sample to the next, {by}: {name}{more} says {first:g} s; was it resampled, or is its header "
        "wrong?"
    ]


def _length(blocks: Mapping, run: str) -> int:
    lengths = {key[0]: len(block.values) for key, block in blocks.items() if key[1] == run}
    if not lengths:
        raise BrainLensError(f"The run {run!r} has words and no signal", remedy="Leave it out")
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{person} {n}" for person, n in list(lengths.items())[:6])
        raise BrainLensError(
            f"The run {run!r} has other lengths for other people (samples): {told}",
            remedy="Cut all to the same samples",
        )
    return next(iter(lengths.values()))


def _stack(blocks: Mapping[tuple[str, str], Signal], people, runs, counts):
    """Runs under each other, people side by side; NaN where a person has no such run."""
    starts = dict(zip(runs, np.cumsum([0, *(counts[run] for run in runs)])))
    of_person = {who: block.values.shape[1] for (who, _), block in blocks.items()}
    rows, width = sum(counts[run] for run in runs), sum(of_person[person] for person in people)
    stacked, at = room_for((rows, width)), 0
    names, subject, extra = [], [], {}
    for person in people:
        own = {run: blocks[person, run] for run in runs if (person, run) in blocks}
        shapes = {run: block.values.shape[1] for run, block in own.items()}
        if len(set(shapes.values())) > 1:
            raise BrainLensError(
                f"{person} has other targets in other runs: {shapes}",
                remedy="Use one mask for all runs of a person",
            )
        first, width = next(iter(own.values())), next(iter(shapes.values()))
        for run in runs:
            here = slice(starts[run], starts[run] + counts[run])
            stacked[here, at : at + width] = own[run].values if run in own else np.nan
        at += width
        names += [f"{person}.{name}" for name in first.names]
        subject += [person] * width
        for key, values in first.coordinates.items():
            extra.setdefault(key, {})[person] = np.asarray(values)
    coordinates = {
        "target": ("target", np.array(names, object)),
        "subject": ("target", np.array(subject, object)),
    }
    for key, parts in extra.items():
        if len(parts) == len(people):
            coordinates[key] = ("target", np.concatenate([parts[person] for person in people]))
    return stacked, coordinates


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
        found[f"motion-{column}"] = xr.DataArray(
            stacked,
            dims=("stimulus", "subject"),
            coords={"stimulus": ids, "subject": np.array(people, object)},
        )
    return found
