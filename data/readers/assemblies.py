"""Brain-Score's public NetCDF assemblies as recordings, read without Brain-Score, each checked against what it must be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from data.catalog.catalog import paths
from data.errors import BrainLensError, unknown
from data.own.netcdf import open_array
from data.recording import Recording

__all__ = [
    "blank2014",
    "check_invariants",
    "fedorenko2016",
    "futrell2018",
    "pereira2018",
    "pereira2018_ceilings",
    "read_ceiling",
    "sentence_case",
    "tuckute2024",
]


_OTHER_384 = (
    "5 25 37 41 43 45 47 53 62 66 73 81 89 90 109 118 133 150 153 165 181 185 193 195 197 205 207 229 233 237 239 242 253 "
    "255 262 266 267 274 286 309 314 341 351 354 355 357 362"
)
DEREFERENCED = (
    "243sentences.30",
    "243sentences.86",
    *(f"384sentences.{n}" for n in _OTHER_384.split()),
)
"""Pereira sentences that differ between releases: mostly "It ..." in one is "A banana ..." in the other."""


# ---- the file -------------------------------------------------------------------------------------------------------------


def check_invariants(array: xr.DataArray, invariants: Mapping[str, Any], name: str) -> None:
    """Compare an array with the facts known of it.

    Parameters
    ----------
    invariants : mapping
        ``dims`` (names), ``shape``, ``nansum`` (to 1e-6 relative), ``max`` (low, high), ``first`` (coordinate -> first value),
        ``unique`` (coordinate -> number of distinct values), ``counts`` (coordinate -> how often each value occurs), ``joined``
        (coordinate -> (other coordinate, its value, the values found there, joined by blanks)).

    Raises
    ------
    BrainLensError
        With the number that was expected and the one that was found.
    """
    wrong = []

    def expect(what: str, expected, found) -> None:
        if expected != found:
            wrong.append(f"{what} is {found}, expected {expected}")

    if "dims" in invariants:
        expect("dims", tuple(invariants["dims"]), tuple(array.dims))
    if "shape" in invariants:
        expect(
            "shape", " x ".join(map(str, invariants["shape"])), " x ".join(map(str, array.shape))
        )
    if "nansum" in invariants:
        total = float(np.nansum(array.values.astype(np.float64)))
        if not np.isclose(total, invariants["nansum"], rtol=1e-6, atol=1e-6):
            wrong.append(f"sum of the values is {total!r}, expected {invariants['nansum']!r}")
    if "max" in invariants:
        low, high = invariants["max"]
        top = float(np.nanmax(array.values))
        if not low < top < high:
            wrong.append(f"largest value is {top:.4f}, expected between {low} and {high}")
    joined = invariants.get("joined", {})
    asked = [
        name for key in ("unique", "counts", "first", "joined") for name in invariants.get(key, {})
    ]
    for coordinate in dict.fromkeys([*asked, *(where for where, _, _ in joined.values())]):
        if coordinate not in array.coords:
            wrong.append(f"there is no coordinate {coordinate!r}")
            continue
        values = pd.Series(array[coordinate].values)
        if coordinate in invariants.get("unique", {}):
            expect(
                f"number of distinct {coordinate}",
                invariants["unique"][coordinate],
                int(values.nunique()),
            )
        if coordinate in invariants.get("counts", {}):
            known, found = (
                sorted(counts)
                for counts in (invariants["counts"][coordinate], values.value_counts())
            )
            if known != found:
                expect(f"rows by {coordinate}", _brief(known), _brief(found))
        if coordinate in invariants.get("first", {}):
            expect(f"first {coordinate}", invariants["first"][coordinate], values.iloc[0])
        if coordinate in joined and (where := joined[coordinate][0]) in array.coords:
            _, value, text = joined[coordinate]
            found = " ".join(map(str, values[array[where].values == value]))
            expect(f"{coordinate} of {where} {value}", repr(text), repr(found))
    if wrong:
        raise BrainLensError(
            f"{name} is not what it is known to be: {'; '.join(wrong)}",
            remedy="Fetch it again; where it is a file of your own, give it an id of its own",
        )


def _brief(counts: list[int]) -> str:
    return str(counts) if len(counts) <= 12 else f"{len(counts)} of {counts[0]} to {counts[-1]}"


# ---- the recordings -------------------------------------------------------------------------------------------------------
def pereira2018(
    path: Path, *, invariants: Mapping = {}, experiment: str | None = None, **facts
) -> Recording:
    """fMRI of people reading 627 encyclopaedic sentences in two experiments (Pereira et al. 2018).

    Parameters
    ----------
    experiment : str, optional
        ``"243sentences"`` or ``"384sentences"``; the voxels of subjects who did not do it are dropped and counted.
    """
    array = _opened(path, invariants, facts["id"], "sentence")
    stimuli = _stimuli(array, "presentation", text=("sentence", "stimulus"))
    if "story" not in stimuli.columns:
        stimuli["story"] = (
            stimuli["experiment"].astype(str) + "." + stimuli["passage_category"].astype(str)
        )
    passage = ["experiment", "passage_category", "passage_label", "passage_index"]
    stimuli["passage"] = stimuli[passage].astype(str).agg(" | ".join, axis=1)
    stimuli["position"] = stimuli.groupby("passage", sort=False).cumcount()
    stimuli["dereferenced"] = stimuli.index.isin(DEREFERENCED)
    notes = [
        f"{int(stimuli['dereferenced'].sum())} sentences are worded differently in different releases (column 'dereferenced'): "
        "a pronoun in one is its noun in the other"
    ]
    recording = _recording(
        array,
        stimuli,
        notes,
        kind="fmri",
        scored_unit="sentence",
        context="passage",
        group="story",
        within="experiment",
        roles={
            "topic": "story",
            "passage": "passage",
            "paper_context": "story",
            "paper_group": "story",
        },
        **facts,
    )
    if experiment is None:
        return recording
    known = list(dict.fromkeys(stimuli["experiment"].astype(str)))
    if experiment not in known:
        raise unknown("experiment", experiment, known)
    return recording.select(
        stimuli=(recording.stimuli["experiment"] == experiment).to_numpy(),
        id=f"{recording.id}@{experiment}",
    )


def fedorenko2016(path: Path, *, invariants: Mapping = {}, **facts) -> Recording:
    """ECoG of people reading 52 sentences word by word (Fedorenko et al. 2016); upper-case words are re-cased for reading."""
    array = _opened(path, invariants, facts["id"], "word")
    stimuli = _stimuli(array, "presentation", text=("word", "stimulus"))
    stimuli["sentence"] = stimuli.pop("sentence_id")
    stimuli = sentence_case(stimuli, "sentence")
    stimuli["position"] = stimuli.groupby("sentence", sort=False).cumcount()
    return _recording(
        array,
        stimuli,
        ["words were shown in upper case (column 'shown') and are read in sentence case"],
        kind="ecog",
        scored_unit="word",
        context="sentence",
        group="sentence",
        roles={
            "paper_context": "sentence",
            "paper_group": "sentence",
            "paper_stratify": "sentence",
        },
        **facts,
    )


def blank2014(path: Path, *, invariants: Mapping = {}, **facts) -> Recording:
    """fMRI of people listening to eight stories, one row per 2-s volume, already shifted by 4 s (Blank et al. 2014)."""
    array, moved = _reading_order(_opened(path, invariants, facts["id"], "tr"))
    stimuli = _stimuli(array, "presentation", text=("stimulus", "stimulus_sentence"), empty="...")
    stimuli["position"] = stimuli.groupby("story", sort=False).cumcount()
    notes = [
        "each row is the text heard in 2 s; the signal was shifted by 4 s when the file was made: do not shift it again"
    ]
    if moved:
        notes.append(
            f"the file has its rows in another order: {moved:,} of {len(stimuli):,} moved to the order in which they were heard"
        )
    notes += _other_places(stimuli)
    silent = int((stimuli["text"] == "...").sum())
    if silent:
        notes.append(f"{silent} volumes without a word are read as '...'")
    return _recording(
        array,
        stimuli,
        notes,
        kind="fmri",
        scored_unit="tr",
        context="story",
        group="story",
        roles={"paper_context": "story", "paper_group": "story", "paper_stratify": "story"},
        **facts,
    )


def futrell2018(path: Path, *, invariants: Mapping = {}, **facts) -> Recording:
    """Self-paced reading times of 180 people, NaN where a person did not read a story (Futrell et al. 2018)."""
    array = _opened(path, invariants, facts["id"], "word")
    other = next(d for d in array.dims if d != "presentation")
    if other != "neuroid":
        array = array.rename({other: "neuroid"}) if "neuroid" not in array.coords else array
    stimuli = _stimuli(array, "presentation", text=("word", "stimulus"))
    stimuli = stimuli.rename(columns={"story_id": "story", "sentence_id": "sentence"})
    stimuli["sentence"] = stimuli["story"].astype(str) + "." + stimuli["sentence"].astype(str)
    stimuli["position"] = stimuli.groupby("story", sort=False).cumcount()
    notes = [
        "a person read about half of the stories; the rest is missing",
        "this file keeps the alignment of 2018: reading times are off by one word, and story 3 by one more from word 229 on",
    ]
    return _recording(
        array,
        stimuli,
        notes,
        kind="reading_times",
        unit="ms",
        scored_unit="word",
        context="story",
        group="story",
        roles={"paper_context": "story", "paper_group": "sentence", "paper_stratify": "sentence"},
        **facts,
    )


def tuckute2024(path: Path, *, invariants: Mapping = {}, **facts) -> Recording:
    """The mean language network's response of five people to 1,000 sentences, z-scored (Tuckute et al. 2024)."""
    array = _opened(path, invariants, facts["id"], "sentence")
    stimuli = _stimuli(array, "presentation", text=("stimulus", "sentence"))
    return _recording(
        array,
        stimuli,
        ["each sentence stands alone: no context, no groups to hold out together"],
        kind="fmri",
        unit="z",
        scored_unit="sentence",
        averaged=True,
        **facts,
    )


def pereira2018_ceilings(*, id: str = "pereira2018-ceilings", **_facts) -> pd.DataFrame:
    """The published ceilings of Pereira 2018: the rows of :func:`read_ceiling` of every file, with experiment and regression."""
    tables = []
    for path in paths(id):
        named = re.search(r"_(?P<experiment>\d+sentences)-(?P<regression>[a-z]+)\.nc$", path.name)
        if named is None:
            raise BrainLensError(
                f"{path.name} does not tell its experiment and regression",
                remedy="Name it as published, such as ceiling_Pereira2018_243sentences-linear.nc",
            )
        tables.append(read_ceiling(path).assign(**named.groupdict()))
    return pd.concat(tables, ignore_index=True)


def read_ceiling(path: str | Path) -> pd.DataFrame:
    """A published ceiling per target: columns of its coordinates and ``ceiling``."""
    array = open_array(path)
    table = array.rename("ceiling").to_dataframe().reset_index()
    return table.loc[:, ~table.columns.duplicated()]


def sentence_case(stimuli: pd.DataFrame, sentence: str) -> pd.DataFrame:
    """Upper-case words as they are written in running text; what was shown stays in column ``shown``.

    The first word of a sentence is capitalised, ``I`` stays, the rest is lower case: names inside a sentence cannot be told
    apart from other words. Texts that are not all upper case are left alone.
    """
    stimuli = stimuli.copy()
    stimuli["shown"] = stimuli["text"]
    if not stimuli["text"].str.upper().eq(stimuli["text"]).all():
        return stimuli
    first = ~stimuli[sentence].duplicated()
    lower = stimuli["text"].str.lower()
    lower = lower.map(lambda word: re.sub(r"^i(?=$|['’.,!?;:])", "I", word))
    stimuli["text"] = lower.where(~first, lower.str[:1].str.upper() + lower.str[1:])
    return stimuli


# ---- parts ----------------------------------------------------------------------------------------------------------------
_HEARD = ("story", "sentence_number_in_story", "part_number_in_sentence")


def _reading_order(array: xr.DataArray) -> tuple[xr.DataArray, int]:
    """The rows by story, sentence and part, as far as the file tells them, and how many of them moved.

    A file may be sorted by its ids, and ``Aqua.10.0`` comes before ``Aqua.2.0`` there.
    """
    known = list(takewhile(array.coords.__contains__, _HEARD))
    if not known:
        return array, 0
    keys = pd.DataFrame({name: array[name].values for name in known})
    keys[known[1:]] = keys[known[1:]].apply(pd.to_numeric, errors="coerce")
    order = keys.sort_values(known, kind="stable").index.to_numpy()
    moved = int((order != np.arange(len(order))).sum())
    return (array.isel(presentation=order), moved) if moved else (array, 0)


def _other_places(stimuli: pd.DataFrame) -> list[str]:
    """A warning where ids such as ``Aqua.10.0`` name another story, sentence or part than the columns of their row."""
    ids = pd.Series(stimuli.index.astype(str), index=stimuli.index)
    if not set(_HEARD) <= set(stimuli.columns) or not ids.str.fullmatch(r".+\.\d+\.\d+").all():
        return []
    places = stimuli[list(_HEARD)].map(_plain).agg(".".join, axis=1)
    wrong = np.flatnonzero(ids.to_numpy() != places.to_numpy())
    if not len(wrong):
        return []
    return [
        f"{len(wrong):,} ids name another place than the text of their row (first {ids.iloc[wrong[0]]} at "
        f"{places.iloc[wrong[0]]}): texts and responses may not belong together in this file"
    ]


def _opened(path: Path, invariants: Mapping, id: str, unit: str) -> xr.DataArray:
    array = open_array(path)
    if "presentation" not in array.dims or array.ndim != 2:
        raise BrainLensError(
            f"{id}: {Path(path).name} has dims {tuple(array.dims)}, not (presentation, neuroid)",
            remedy="Fetch it again: it is another file",
        )
    array = array.transpose("presentation", ...)
    check_invariants(array, invariants, f"{id} ({Path(path).name})")
    return array


def _stimuli(
    array: xr.DataArray, dim: str, *, text: tuple[str, ...], empty: str | None = None
) -> pd.DataFrame:
    """The table of coordinates on ``dim``, with its text and unique ids."""
    columns = {
        name: values.values for name, values in array.coords.items() if values.dims == (dim,)
    }
    table = pd.DataFrame(columns)
    table.columns = [str(c) for c in table.columns]
    source = next((name for name in text if name in table.columns), None)
    if source is None:
        raise BrainLensError(
            f"The file has no coordinate with the texts, looked for {', '.join(text)}",
            choices=table.columns,
            remedy="Fetch it again: it is another file",
        )
    words = table[source]
    missing = words.isna() | (words.astype(str).str.strip() == "")
    words = words.where(~missing, empty) if empty is not None else words
    table.insert(0, "text", [w.strip() if isinstance(w, str) else w for w in words])
    ids = (
        table["stimulus_id"].astype(str)
        if "stimulus_id" in table.columns
        else pd.Series(range(len(table))).astype(str)
    )
    if ids.duplicated().any():
        ids = ids + "." + ids.groupby(ids).cumcount().astype(str)
    table = table.drop(
        columns=[
            c
            for c in ("stimulus_id", "stimulus", "presentation", source)
            if c in table.columns and c != "sentence"
        ]
        + (["sentence"] if source == "sentence" else [])
    )
    table.index = pd.Index(ids.to_numpy(dtype=object), name="stimulus")
    return table


def _recording(array: xr.DataArray, stimuli: pd.DataFrame, notes: list[str], **facts) -> Recording:
    dim = next(d for d in array.dims if d != "presentation")
    coords = {
        str(name): values.values for name, values in array.coords.items() if values.dims == (dim,)
    }
    n = array.sizes[dim]
    names = next(
        (
            coords[key]
            for key in ("neuroid_id", "neuroid", "electrode", "subject_id")
            if key in coords
        ),
        np.arange(n),
    )
    targets = pd.Series([str(name) for name in names])
    if targets.duplicated().any():
        targets = targets + "." + targets.groupby(targets).cumcount().astype(str)
    extra = {}
    for key, renamed in (
        ("subject_UID", "subject"),
        ("subject_id", "subject"),
        ("subject", "subject"),
        ("fROI_area", "region"),
        ("roi", "region"),
        ("atlas", "network"),
    ):
        if key in coords and renamed not in extra:
            extra[renamed] = coords[key]
    if (
        "region" in coords and "region" in extra
    ):  # a file with parcels has the name of their network there
        extra.setdefault("network", coords["region"])
    if "subject" in extra:
        extra["subject"] = np.array([_plain(value) for value in extra["subject"]], dtype=object)
    extra.update(
        {
            key: values
            for key, values in coords.items()
            if key not in (dim, "neuroid_id", "subject_UID", "subject_id", *extra)
        }
    )
    responses = xr.DataArray(
        array.values.astype(np.float64),
        dims=("stimulus", "target"),
        coords={
            "stimulus": stimuli.index.to_numpy(),
            "target": targets.to_numpy(dtype=object),
            **{k: ("target", v) for k, v in extra.items()},
        },
    )
    empty = np.isnan(responses.values).all(axis=0)
    if empty.any():
        responses = responses.isel(target=np.flatnonzero(~empty))
        notes = [*notes, f"{int(empty.sum())} targets without a measurement were dropped"]
    return Recording(
        responses=responses,
        stimuli=stimuli,
        notes=tuple([*facts.pop("notes", ()), *notes]),
        **facts,
    )


def _plain(value) -> str:
    return (
        str(int(value))
        if isinstance(value, float | np.floating) and float(value).is_integer()
        else str(value)
    )
