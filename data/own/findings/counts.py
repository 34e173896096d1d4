"""What is counted in a recording: stimuli, people, groups, what is missing, and how much neighbours resemble each other."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd

from data.notes import SUPPOSED, of_kind
from data.own.findings.finding import Finding, Places, fact, warning
from data.recording import Recording
from data.shares import percent

__all__ = ["autocorrelation", "counts", "groups", "missing", "neighbours"]

FEW = 40
"""Stimuli below which no fold is large enough to mean anything."""
LEAK = 0.1
"""Autocorrelation of neighbours above which shuffled folds leak."""


def counts(recording: Recording, places: Places, facts: dict) -> Iterator[Finding]:
    """How much there is, of whom, and what must stand on every figure."""
    people = recording.subjects
    n_people = None if people is None else len(set(people))
    facts.update(n_stimuli=recording.n_stimuli, n_targets=recording.n_targets, n_subjects=n_people)
    assumed = bool(of_kind(recording.notes, SUPPOSED))
    if recording.averaged:
        who = "taken as an average over people" if assumed else "averaged over people"
    else:
        who = "people unknown" if n_people is None else f"{n_people} people"
    yield fact(
        f"{recording.n_stimuli:,} {recording.scored_unit}s x {recording.n_targets:,} targets, {who}; {recording.kind}, "
        f"{recording.unit}"
    )
    if recording.averaged:
        yield fact(
            f"{'taken as an average' if assumed else 'averaged'}: no ceiling, no normalised score, no inference over people",
            'Where it is one person or one electrode, say so (--per-person, or "averaged": false in the sidecar)'
            if assumed
            else "",
        )
    elif n_people is None:
        yield warning(
            "it is not known which target belongs to whom",
            "Name the subject column (--subject COLUMN) or that of each column (--subject left=s1,right=s2, --response "
            "'sub-{subject}_*', a table .targets.csv)",
        )
    elif n_people < 3:
        yield warning(f"{n_people} people: a ceiling from fewer than 3 is not valid")
    if recording.n_stimuli < FEW:
        yield warning(
            f"{recording.n_stimuli} stimuli are too few for a score that means something",
            f"Use {FEW} or more",
        )
    if recording.quality:
        yield warning(
            f"quality: {recording.quality}", "This note stands on every figure and export"
        )
    if recording.simulated:
        yield warning("simulated data", "Every figure and export says so")


def missing(recording: Recording, places: Places, facts: dict) -> Iterator[Finding]:
    """Responses without a value: how many, of which targets and people, and what is too thin."""
    absent = np.isnan(recording.responses.values)
    facts["missing"] = int(absent.sum())
    if not absent.any():
        return
    targets = recording.responses.target.values
    by_target = absent.mean(axis=0)
    worst = np.argsort(-by_target)[:5]
    shown = ", ".join(f"{targets[t]} {percent(by_target[t])}" for t in worst if by_target[t] > 0)
    yield warning(
        f"{facts['missing']:,} of {absent.size:,} responses are missing; by target: {shown}",
        "These rows are read as context and not scored",
    )
    people = recording.subjects
    if people is not None:
        by_person = pd.Series(by_target).groupby(people).mean().sort_values(ascending=False)
        shown = ", ".join(
            f"{person} {percent(share)}" for person, share in by_person.head(5).items() if share > 0
        )
        yield fact(f"missing by subject: {shown}")
    empty = np.flatnonzero(absent.all(axis=1))
    if len(empty):
        yield fact(f"{len(empty)} stimuli have no response at all: {places.of(empty)}")
    thin = np.flatnonzero((~absent).sum(axis=0) < FEW)
    if len(thin):
        yield warning(
            f"{len(thin)} targets have fewer than {FEW} measurements: {', '.join(map(str, targets[thin[:5]]))}",
            "Leave them out",
        )


def groups(recording: Recording, places: Places, facts: dict) -> Iterator[Finding]:
    """The groups and the folds that follow, and texts whose rows do not stand together."""
    if recording.group is None:
        facts.update(n_groups=0, folds=0)
        yield warning(
            "no groups are known, so neighbouring rows are held out as contiguous blocks",
            "Name the column of topics, stories or passages (--group COLUMN)",
        )
    else:
        sizes = pd.Series(recording.column(recording.group)).value_counts()
        facts.update(n_groups=len(sizes), folds=min(10, len(sizes)))
        if len(sizes) < 2:
            yield Finding(
                "error",
                f"column {recording.group!r} holds one group only ({sizes.index[0]!r}): nothing can be held out",
                "Name a column with at least two groups, better ten (--group COLUMN)",
            )
            return
        yield fact(
            f"{len(sizes)} groups in column {recording.group!r} (of {sizes.min()} to {sizes.max()} rows): "
            f"{facts['folds']} folds by group"
        )
        yield from _uneven(recording, sizes)
    if recording.context is None:
        return
    labels = pd.Series(recording.column(recording.context))
    begins = labels != labels.shift()
    if begins.sum() != labels.nunique():
        apart = np.flatnonzero((begins & labels.duplicated()).to_numpy())
        yield warning(
            f"rows of one text of {recording.context!r} do not stand together: {places.of(apart)}",
            "Sort the table in reading order, or name the order column (--order COLUMN)",
        )


def _uneven(recording: Recording, sizes: pd.Series) -> Iterator[Finding]:
    """Groups of one row each, few groups, and one that holds most rows."""
    if len(sizes) == recording.n_stimuli:
        yield warning(
            f"every row of {recording.group!r} is a group of its own: neighbours are not held out together",
            "Name the column of topics, stories or passages",
        )
    elif len(sizes) < 5:
        yield warning(
            f"{len(sizes)} groups give {len(sizes)} folds: the score depends on each of them",
            "Use more groups",
        )
    if sizes.max() > recording.n_stimuli / 2:
        yield warning(
            f"group {sizes.index[0]!r} holds {percent(sizes.max() / recording.n_stimuli)} of the rows",
            "Folds will be very unequal: cut it into parts",
        )


def neighbours(recording: Recording, places: Places, facts: dict) -> Iterator[Finding]:
    """How much each row resembles the next, and so how much shuffled folds would leak."""
    r = autocorrelation(recording)
    facts["autocorrelation"] = r
    if np.isnan(r):
        return
    yield fact(f"autocorrelation of neighbouring rows: {r:.2f} (mean over targets)")
    if r > LEAK:
        yield warning(
            f"neighbouring rows resemble each other (r = {r:.2f}): shuffled folds would leak from training to test",
            "Hold out whole groups, which is the default; read the shuffled twin beside every score",
        )


def autocorrelation(recording: Recording, most_targets: int = 2000) -> float:
    """Pearson r of each row with the next one of the same text, mean over targets; NaN where it cannot be known."""
    values = recording.responses.values[:, :most_targets]
    key = recording.context or recording.group
    labels = (
        pd.factorize(recording.column(key))[0]
        if key is not None
        else np.zeros(len(values), dtype=int)
    )
    pairs = np.flatnonzero(labels[:-1] == labels[1:])
    if len(pairs) < 10:
        return float("nan")
    first, second = values[pairs], values[pairs + 1]
    both = ~(np.isnan(first) | np.isnan(second))
    first, second = np.where(both, first, np.nan), np.where(both, second, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        first, second = first - np.nanmean(first, axis=0), second - np.nanmean(second, axis=0)
        r = np.nansum(first * second, axis=0) / np.sqrt(
            np.nansum(first**2, axis=0) * np.nansum(second**2, axis=0)
        )
    return float(np.nanmean(r)) if np.isfinite(r).any() else float("nan")
