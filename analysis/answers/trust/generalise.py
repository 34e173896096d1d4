"""Generalisation matrix: trained on one person, laboratory, topic or experiment, tested on another."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import xarray as xr

from analysis.answers.answer import Answer, decimal, listed
from analysis.mapping import cross_validate
from analysis.mapping.splits import make_folds
from analysis.progress import SILENT, Report
from analysis.protocol import Protocol
from analysis.scoring.folds import fit_parts
from analysis.scoring.nested import picked
from analysis.scoring.predictions import HeldOut
from analysis.scoring.summary import choose_layers
from data.errors import BrainLensError
from data.recording import Recording
from data.shares import percent

__all__ = [
    "across_people",
    "across_stimuli",
    "blocks_of",
    "by_laboratory",
    "matrix",
    "pairs_of_targets",
]

EXPERIMENTS = ("experiment", "experiments", "study")
"""Columns that may tell experiments apart where nothing says which does."""
MOST_BLOCKS = 4
"""More groups of stimuli are bundled into so many blocks: a mapping from a handful of sentences says nothing."""
LEAST = 0.05
"""Mean r on the diagonal below which no share of it is told: a ratio of noise says nothing."""
MOST_PEOPLE = 40
"""A matrix of more people cannot be read."""
LABORATORY = ("lab", "laboratory", "site")
"""Coordinates of targets that say where a person was measured."""


# ---- people ---------------------------------------------------------------------------------------------------------
def pairs_of_targets(recording: Recording) -> dict[str, np.ndarray]:
    """Person -> his or her targets, in one order for all: by ``pair``, ``region``, or the name without the person's.

    Raises
    ------
    BrainLensError
        Where people are not known, share no target, or are more than :data:`MOST_PEOPLE`.
    """
    subjects = recording.subjects
    if subjects is None:
        raise BrainLensError(
            f"{recording.id}: people are not known"
            + (", the responses are averages over them" if recording.averaged else ""),
            remedy="Choose a recording with single people",
        )
    labels, people = _measures(recording), list(dict.fromkeys(subjects))
    if len(people) > MOST_PEOPLE:
        raise BrainLensError(
            f"{recording.id}: {len(people)} people are more than the {MOST_PEOPLE} of a matrix that can be read",
            remedy="Read the laboratories, or score fewer people",
        )
    of = {
        one: dict(zip(labels[subjects == one], np.flatnonzero(subjects == one))) for one in people
    }
    shared = [label for label in of[people[0]] if all(label in of[one] for one in people)]
    if len(people) < 2 or not shared:
        raise BrainLensError(
            f"{recording.id}: {len(people)} people share {len(shared)} targets",
            remedy="Choose a recording whose people have the same regions or measures",
        )
    return {one: np.array([of[one][label] for label in shared]) for one in people}


def _measures(recording: Recording) -> np.ndarray:
    """What each target measures, whoever it belongs to: ``pair``, ``region``, or its name without the person's.

    Where everybody has one target, it is the same measure, whatever the columns are called.
    """
    coords = recording.responses.coords
    name = next((one for one in ("pair", "region") if one in coords), "")
    if name:
        return coords[name].values.astype(str)
    people = recording.subjects
    assert people is not None  # as the panel asks first
    if len(set(people)) == recording.n_targets:
        return np.full(recording.n_targets, "")
    return np.array(
        [
            str(target).replace(person, "", 1)
            for target, person in zip(recording.responses.target.values, people)
        ]
    )


def by_laboratory(recording: Recording) -> Recording:
    """The mean over the people of each laboratory; a laboratory then stands where a person stood.

    A stimulus is averaged over those people of the laboratory who were measured on it.

    Raises
    ------
    BrainLensError
        Where no coordinate of :data:`LABORATORY` says where people were measured, or all were in one place.
    """
    coords = recording.responses.coords
    name = next((one for one in LABORATORY if one in coords), "")
    if not name or recording.subjects is None:
        raise BrainLensError(
            f"{recording.id} does not say in which laboratory its people were measured",
            choices=LABORATORY,
            remedy="Name it in the table of targets, in one of these columns",
        )
    labs, measures = coords[name].values.astype(str), _measures(recording)
    names = sorted(dict.fromkeys(labs), key=str.casefold)
    if len(names) < 2:
        raise BrainLensError(
            f"{recording.id}: all people were measured in one laboratory, {names[0]}",
            remedy="Choose a recording of several",
        )
    values, columns = recording.responses.values, list(dict.fromkeys(zip(labs, measures)))
    with warnings.catch_warnings():  # a stimulus that nobody there was measured on stays missing
        warnings.simplefilter("ignore", RuntimeWarning)
        means = [np.nanmean(values[:, (labs == a) & (measures == b)], axis=1) for a, b in columns]
    responses = xr.DataArray(
        np.stack(means, axis=1),
        dims=("stimulus", "target"),
        coords={
            "stimulus": recording.responses.stimulus.values,
            "target": [f"{lab}{measure}" for lab, measure in columns],
            "subject": ("target", np.array([lab for lab, _ in columns], object)),
            "pair": ("target", np.array([measure for _, measure in columns], object)),
        },
    )
    people = [len(set(recording.subjects[labs == one])) for one in names]
    note = (
        f"means over the {min(people)} to {max(people)} people of each of {len(names)} laboratories"
    )
    return replace(
        recording,
        id=f"{recording.id}-by-laboratory",
        responses=responses,
        notes=(*recording.notes, note),
    )


def across_people(held: Sequence[HeldOut], targets: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """r of what was learned from one person with the responses of each, on held-out stimuli.

    Parameters
    ----------
    held : sequence of HeldOut
        Predictions of every part, as of :func:`analysis.scoring.predictions.held_out`.
    targets : mapping of str to ndarray
        Person -> targets in one order, as of :func:`pairs_of_targets`.

    Returns
    -------
    pandas.DataFrame
        Trained on (rows) x tested on (columns): mean over folds, shared targets and parts.
    """
    people = list(targets)
    total, count = np.zeros((len(people), len(people))), 0
    for one in held:
        place = np.full(max(int(values.max()) for values in targets.values()) + 1, -1)
        place[one.targets] = np.arange(len(one.targets))
        columns = {person: place[of] for person, of in targets.items()}
        found = np.full((len(people), len(people)), np.nan)
        for i, trained in enumerate(people):
            for j, tested in enumerate(people):
                both = (columns[trained] >= 0) & (columns[tested] >= 0)
                r = [
                    _r(
                        one.predictions[np.ix_(test, columns[trained][both])],
                        one.responses[np.ix_(test, columns[tested][both])],
                    )
                    for _, test in one.folds
                ]
                r = np.asarray(r)
                found[i, j] = r[np.isfinite(r)].mean() if np.isfinite(r).any() else np.nan
        total, count = total + found, count + 1
    return pd.DataFrame(total / max(count, 1), people, people)


def _r(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pearson's r of each column over what was measured and predicted: 0 for a constant prediction, NaN without variance."""
    there = np.isfinite(x) & np.isfinite(y)
    count = there.sum(axis=0)
    x, y = np.where(there, x, 0.0), np.where(there, y, 0.0)
    x, y = (np.where(there, one - one.sum(axis=0) / np.maximum(count, 1), 0.0) for one in (x, y))
    xx, yy = (x * x).sum(axis=0), (y * y).sum(axis=0)
    still = xx <= 1e-12 * yy
    with np.errstate(invalid="ignore", divide="ignore"):
        r = np.where(still, 0.0, (x * y).sum(axis=0) / np.sqrt(np.where(still, 1.0, xx) * yy))
    return np.where((yy > 0) & (count > 2), r, np.nan)


# ---- stimuli --------------------------------------------------------------------------------------------------------
def blocks_of(recording: Recording, by: str = "group") -> dict[str, np.ndarray]:
    """Name -> rows of a block of stimuli.

    Parameters
    ----------
    by : str
        ``"within"``: experiments that share targets, such as Pereira's 243 and 384 sentences; ``"group"``: topics or stories,
        more than :data:`MOST_BLOCKS` in as many bundles, in their order; or a column.

    Raises
    ------
    BrainLensError
        Where there are fewer than two.
    """
    column = {"within": recording.within, "group": recording.group}.get(by, by)
    if column is None:
        named = [name for name in recording.stimuli.columns if str(name).lower() in EXPERIMENTS]
        if by == "within" and named:
            raise BrainLensError(
                f"{recording.id} has a column {named[0]!r}, and nothing says that it tells experiments apart "
                f"(within={named[0]})",
                remedy=f"Say so with --within {named[0]}, or with within in the sidecar",
            )
        raise BrainLensError(
            f"{recording.id} names no {'experiments' if by == 'within' else 'groups of stimuli'}",
            remedy="Choose people, or another recording",
        )
    labels = recording.column(column).astype(str)
    codes, names = pd.factorize(labels)
    if len(names) < 2:
        raise BrainLensError(
            f"{recording.id}: {column} has one value only", remedy="Choose another column"
        )
    if len(names) <= MOST_BLOCKS:
        return {str(name): np.flatnonzero(codes == i) for i, name in enumerate(names)}
    bundles = np.array_split(np.arange(len(names)), MOST_BLOCKS)
    said = [f"{names[some[0]]} to {names[some[-1]]}" for some in bundles]
    return {name: np.flatnonzero(np.isin(codes, some)) for name, some in zip(said, bundles)}


def across_stimuli(
    layers: Mapping[int, np.ndarray],
    recording: Recording,
    blocks: Mapping[str, np.ndarray],
    protocol: Protocol,
    *,
    report: Report = SILENT,
) -> pd.DataFrame:
    """r of a mapping that was learned on one block of stimuli, on each block.

    Parameters
    ----------
    layers : mapping of int to ndarray, shape (n_stimuli, n_units)
    blocks : mapping of str to ndarray
        Rows, as of :func:`blocks_of`.
    protocol : Protocol
        Its folds inside a block, penalties and nested choice of the layer are used, under its first fold seed.

    Returns
    -------
    pandas.DataFrame
        Trained on (rows) x tested on (columns). On the diagonal groups are held out inside the block. r is taken inside each of
        the tested block's folds and averaged, on the diagonal and off it alike, over targets and then people.
    """
    first = protocol.each_seed()[0].but(shuffled_twin=False)
    if not recording.within:
        first = first.but(by_experiment=False)
    subs = {name: recording.select(stimuli=rows) for name, rows in blocks.items()}
    parts = {name: make_folds(sub, first.but(by_experiment=False)) for name, sub in subs.items()}
    found = pd.DataFrame(np.nan, index=list(blocks), columns=list(blocks))
    for number, (name, rows) in enumerate(blocks.items()):
        report.step(number, len(blocks), "blocks of stimuli")
        fits = [
            fit_parts(x[rows], subs[name], first, parts[name], report, choosing=len(layers) > 1)
            for x in layers.values()
        ]
        r = np.stack([fit.r.values for fit in fits])
        chosen = np.zeros(r.shape[1], int)
        if len(layers) > 1:
            chosen = choose_layers(np.stack([fit.inner.values for fit in fits]), recording.subjects)
        found.loc[name, name] = _over(picked(r, chosen), recording)
        x = list(layers.values())[int(np.bincount(chosen).argmax())]
        for other, where in blocks.items():
            if other != name:
                tests = [where[test] for part in parts[other] for _, test in part.folds]
                inner = [(rows[a], rows[b]) for part in parts[name] for a, b in part.folds]
                fit = cross_validate(
                    x,
                    recording.responses.values,
                    [(rows, test) for test in tests],
                    method=first.method,
                    alphas=first.alphas,
                    criterion="kfold" if first.method == "ridge" else first.criterion,
                    inner_folds=[inner] * len(tests) if first.method == "ridge" else None,
                    standardize=first.standardize,
                    shared_alpha=first.shared_alpha,
                    rcond=first.rcond,
                    report=report,
                )
                found.loc[name, other] = _over(fit.r[0], recording)
    return found


def _over(r: np.ndarray, recording: Recording) -> float:
    """(fold, target) -> mean over folds, then targets, then people."""
    each = np.nanmean(np.where(np.isfinite(r).any(axis=0), r, 0.0), axis=0)
    each = np.where(np.isfinite(r).any(axis=0), each, np.nan)
    subjects = recording.subjects
    if subjects is None:
        return float(np.nanmean(each))
    means = [each[subjects == one] for one in dict.fromkeys(subjects)]
    return float(np.mean([np.nanmean(mine) for mine in means if np.isfinite(mine).any()]))


# ---- in words -------------------------------------------------------------------------------------------------------
def matrix(found: Mapping[str, pd.DataFrame], *, what: str, model: str = "") -> Answer:
    """Matrices as one tidy frame, and what is lost off the diagonal.

    Parameters
    ----------
    found : mapping of str to pandas.DataFrame
        What generalises (``people``, ``topics``, ``experiments``) -> trained on x tested on.
    what : str
        The mapping, in words.

    Returns
    -------
    Answer
        ``frame``: model, over, trained, tested, r, same. ``facts["kept"]``: over -> mean off the diagonal over mean on it; NaN
        where that is below :data:`LEAST`.
    """
    if not found:
        raise BrainLensError("There is no matrix to answer with", remedy="Name what generalises")
    rows, kept, said = [], {}, []
    for over, table in found.items():
        values, own = table.to_numpy(float), np.eye(len(table), dtype=bool)
        on, off = float(np.nanmean(values[own])), float(np.nanmean(values[~own]))
        kept[over] = off / on if on >= LEAST else np.nan
        share = f" ({percent(kept[over])})" if np.isfinite(kept[over]) else ""
        said.append(f"over {over} r goes from {decimal(on, 3)} to {decimal(off, 3)}{share}")
        rows += [
            {
                "model": model,
                "over": over,
                "trained": str(table.index[i]),
                "tested": str(table.columns[j]),
                "r": values[i, j],
                "same": i == j,
            }
            for i in range(len(table))
            for j in range(len(table))
        ]
    return Answer(
        pd.DataFrame(rows),
        f"{model + ': ' if model else ''}{listed(said)} when tested on others than trained on.",
        f"{what} Rows: trained on; columns: tested on; on the diagonal stimuli are held out. "
        "r inside each held-out fold, averaged.",
        facts={"kept": kept},
        axes={"x_title": "Tested on", "y_title": "Pearson r, held out"},
    )
