"""What is there: recordings and models as tables, and one recording in detail."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from analysis.ceiling import kinds
from analysis.mapping.splits import make_folds
from analysis.models.catalog import cards, state
from analysis.progress import SILENT, Report
from analysis.protocol import Protocol
from data.catalog.catalog import entries
from data.catalog.catalog import recording as load
from data.catalog.shelf import kept
from data.errors import BrainLensError
from data.own.validation import inspect

__all__ = ["Described", "describe", "models", "recordings"]

CHEAP = 60_000
"""Responses (stimuli x targets) up to which a recording's ceiling is estimated unasked."""
_SAMPLE = 12  # rows, or 40 words


@dataclass(frozen=True)
class Described:
    """One recording, as its card shows it.

    Parameters
    ----------
    counts : str
        Stimuli, targets, people, in words.
    sample : str
        The first texts.
    groups : tuple of str
        What is read as one text, what is held out together, and the folds that follow; one sentence each.
    responses : DataFrame
        Column ``response``: a draw of at most 20,000 values.
    report : ValidationReport
    stamps : tuple of str
        What stands on every figure: simulated, quality.
    ceiling : str
        In words; empty while it is not known.
    unit : str
    """

    counts: str
    sample: str
    groups: tuple[str, ...]
    responses: pd.DataFrame = field(repr=False)
    report: object = field(repr=False)
    stamps: tuple[str, ...] = ()
    ceiling: str = ""
    unit: str = ""


def recordings() -> pd.DataFrame:
    """id, kind, unit (what is scored), shape, size (bytes), licence (short), state, trap (the first), own; own first."""
    own, rows = kept(), []
    for one in sorted(entries().values(), key=lambda one: one.id not in own):
        unit = re.search(r"\b(sentence|word|volume|sample|epoch|line|token|suite)s?\b", one.shape)
        rows.append(
            {
                "id": one.id,
                "kind": one.kind.replace("_", " "),
                "unit": unit[1] if unit else "",
                "shape": one.shape,
                "size": one.size,
                "licence": one.licence.split(";")[0],
                "state": one.state,
                "trap": next(iter(one.traps), ""),
                "own": one.id in own,
                "recording": one.is_recording,
            }
        )
    return pd.DataFrame(rows)


def models() -> pd.DataFrame:
    """id, class, layers, width, parameters, source, state, download (bytes, None where not known), note."""
    rows = []
    for name, card in cards().items():
        where = state(name)
        rows.append(
            {
                "id": name,
                "class": card.cls,
                "layers": card.layers,
                "width": card.width,
                "parameters": card.parameters,
                "source": card.source,
                "state": where,
                "download": card.download if where == "needs download" else None,
                "note": card.note or card.reason,
            }
        )
    frame = pd.DataFrame(rows).astype(
        {"layers": "Int64", "width": "Int64", "parameters": "Int64", "download": "Int64"}
    )
    return frame.sort_values("state", key=lambda s: s != "ready", kind="stable", ignore_index=True)


def describe(name: str, protocol: Protocol, report: Report = SILENT) -> Described:
    """What a recording holds; a ceiling follows where it is cheap.

    Raises
    ------
    BrainLensError
        Where its files are not here or are damaged.
    """
    from dataclasses import replace

    recording = load(name)
    values = recording.responses.values
    values = values[~np.isnan(values)]
    if len(values) > 20_000:
        values = np.random.default_rng(0).choice(values, 20_000, replace=False)
    people = recording.subjects
    who = (
        "averaged over people"
        if recording.averaged
        else "people unknown"
        if people is None
        else f"{len(set(people))} people"
    )
    context = recording.n_stimuli - recording.n_measured
    found = Described(
        f"{recording.n_measured:,} measured {recording.scored_unit}s x {recording.n_targets:,} "
        f"target{'s' if recording.n_targets > 1 else ''}"
        + (f" ({context:,} more are read as context only)" if context else "")
        + f", {who}; {recording.kind.replace('_', ' ')} in {recording.unit}",
        _sample(recording),
        _groups(recording, protocol),
        pd.DataFrame({"response": values}),
        inspect(recording),
        recording.stamps,
        unit=recording.unit,
    )
    report.partial(found)
    return replace(found, ceiling=_ceiling(recording, protocol, report))


def _sample(recording) -> str:
    if recording.scored_unit == "word":
        return " ".join(recording.texts[:40]) + " ..."
    return "\n".join(recording.texts[: _SAMPLE // 2])


def _groups(recording, protocol: Protocol) -> tuple[str, ...]:
    said = []
    for column, what in (
        (recording.context, "read as one text"),
        (recording.group, "held out together"),
    ):
        if column is not None:
            sizes = pd.Series(recording.column(column)).value_counts()
            span = " to ".join(dict.fromkeys(f"{size}" for size in (sizes.min(), sizes.max())))
            said.append(f"{len(sizes)} groups of {span} rows are {what} (column {column}).")
    if recording.context is None:
        said.append("Each stimulus is read alone.")
    if recording.group is None:
        said.append("No groups are known: contiguous blocks are held out.")
    try:
        for part in make_folds(recording, protocol):
            said.append(
                f"Protocol {protocol.name}{', ' + part.name if part.name else ''}: {part.rule}."
            )
    except BrainLensError as error:
        said.append(f"Protocol {protocol.name}: {error}")
    return tuple(said)


def _ceiling(recording, protocol: Protocol, report: Report) -> str:
    if recording.averaged or recording.subjects is None:
        return (
            "None: the responses are averaged over people."
            if recording.averaged
            else "None: it is not known who is who."
        )
    if recording.responses.size > CHEAP:
        return "Estimated with the first score: it takes longer than a look."
    found = kinds.ceiling(recording, protocol.but(bootstrap=200), report=report)
    if not np.isfinite(found.value):
        return f"None: {found.flag}"
    between = f" [{found.low:.2f}, {found.high:.2f}]" if np.isfinite(found.low) else ""
    return f"r = {found.value:.2f}{between} ({found.kind.replace('-', ' ')})." + (
        f" {found.flag}" if found.flag else ""
    )
