"""A difference between two results split over its causes: one is changed at a time, and every combination is computed here."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from analysis.answers.answer import Answer
from analysis.answers.difference import Record, compare_results
from analysis.answers.trust.waterfall import every_subset, ordered, shapley, waterfall
from analysis.protocol import PRESETS, Protocol
from data.errors import BrainLensError
from data.recording import Recording

__all__ = ["DATA", "between", "split_difference"]

DATA = ("people left out", "row order", "data file")
"""Causes that :func:`between` can take from one recording alone; a filter is what the file holds."""
_MODEL = ("model", "tokenizer", "model revision", "model variant")
_CLOSE = 5e-7
"""Two computations of one number on one machine agree to this; what is beyond is a difference of its own."""

Number = Callable[[Protocol, int, frozenset], float]


def split_difference(
    first: Record,
    second: Record,
    number: Number,
    *,
    models: bool = False,
    recordings: bool = False,
    most: int = 5,
) -> Answer:
    """The difference split over what differs, one thing changed at a time.

    Parameters
    ----------
    number : callable
        ``number(protocol, model, data)``, computed here: with the model of the first (0) or the second (1), and on the first's
        recording with these causes of :data:`DATA` taken from the second's (:func:`between`).
    models, recordings : bool
        Whether both models, both recordings are here; else what differs in them stays in one bar with the version.
    most : int
        With more causes only the path is given, without order-free shares.

    Returns
    -------
    Answer
        As of :func:`analysis.answers.trust.waterfall.waterfall`. Where a number does not come out here as it was told, that is a
        bar of its own (versions, machines, and what is not here); the bars add up to the whole difference.

    Raises
    ------
    BrainLensError
        Where one side does not tell its protocol, the two are on different scales, or nothing that differs can be changed here.
    """
    a, b = (one.provenance.get("protocol") for one in (first, second))
    if not a or not b:
        raise BrainLensError(
            "One side does not tell its protocol: the difference cannot be split",
            remedy="Compare results of BrainLens, or capsules",
        )
    fields, sides = _switches(first, second, models, recordings)
    names = [*sides, *fields]
    if not names:
        raise BrainLensError(
            "Nothing that differs can be changed one at a time here: the cause lies in data, model or versions",
            choices=compare_results(first, second).facts["causes"],
            remedy="Name both models and both recordings, or look at the fields in order",
        )

    def at(thrown: frozenset) -> float:
        told = dict(a)
        for what, changed in fields.items():
            if what in thrown:
                told |= {name: b[name] for name in changed}
        base = str(told["name"]).rstrip("*")
        told["name"] = f"{base}*" if base in PRESETS else base
        taken = {one for what, some in sides.items() if what in thrown for one in some}
        return number(Protocol.from_dict(told), int("model" in taken), frozenset(taken & {*DATA}))

    if len(names) <= most:
        values = {some: at(some) for some in every_subset(names)}
        shares = shapley(values, names)
    else:
        values = {frozenset(names[:i]): at(frozenset(names[:i])) for i in range(len(names) + 1)}
        shares = None
    steps = [
        (first.name, first.r),
        *_not_here(first.r, values[frozenset()], "the first as it comes out here"),
    ]
    steps += ordered(values, names)
    steps += _not_here(values[frozenset(names)], second.r, "the second as it was told")
    return waterfall(
        steps,
        shares=shares,
        caption=f"From {first.name} to {second.name}, computed here, one thing at a time.",
    )  # fmt: skip


def _not_here(before: float, after: float, name: str) -> list[tuple[str, float]]:
    return [(name, after)] if abs(after - before) > _CLOSE else []


def _switches(first: Record, second: Record, models: bool, recordings: bool):
    """Protocol fields by cause, and causes of the model's and the data's side, in the order of suspicion."""
    told = compare_results(first, second)
    fields: dict[str, list[str]] = {}
    for row in told.frame[told.frame["path"].str.startswith("protocol.")].itertuples():
        fields.setdefault(row.what, []).append(row.path.removeprefix("protocol."))
    causes, sides = told.facts["causes"], {}
    if recordings:
        own = [one for one in ("people left out", "row order") if one in causes]
        sides |= {one: (one,) for one in own}
        file = [one for one in ("filter", "rows left out", "data file") if one in causes]
        if file:
            sides[" and ".join(file)] = ("data file",)
    who = [one for one in _MODEL if one in causes]
    paths = set(told.frame["path"])
    if "model.bos" in paths and "start token" in causes and "protocol.start" not in paths:
        who.append("start token")
    if models and who:
        sides[" and ".join(who)] = ("model",)
    return fields, sides


# ---- recordings between two -------------------------------------------------------------------------------------------
def between(first: Recording, second: Recording, taken: frozenset) -> Recording:
    """The first recording with some of what distinguishes the second.

    Parameters
    ----------
    taken : frozenset of str
        Of :data:`DATA`: whose people (targets) there are, in whose order the rows stand, whose values they hold.

    Raises
    ------
    BrainLensError
        Where the texts are not the same, or a target is asked for whose values are in neither.

    Notes
    -----
    Rows are matched by their ids where these go with the same texts, else by text and, among equal texts, by their turn. A
    target that only one recording has takes its values there.
    """
    taken = frozenset(taken)
    if not taken:
        return first
    if taken >= _distinct(first, second):
        return second
    table = second if "row order" in taken else first
    people = second if "people left out" in taken else first
    values, other = (second, first) if "data file" in taken else (first, second)
    targets = list(map(str, people.responses.target.values))
    block = np.full((table.n_stimuli, len(targets)), np.nan)
    for source in (other, values):  # the later one is right where both have a target
        rows, place = _rows(source, table), _places(source)
        for column, target in enumerate(targets):
            if target in place:
                block[:, column] = source.responses.values[rows, place[target]]
    responses = people.responses.isel(stimulus=np.zeros(table.n_stimuli, int)).copy(data=block)
    responses = responses.assign_coords(stimulus=table.responses.stimulus.values)
    return replace(table, responses=responses)


def _distinct(first: Recording, second: Recording) -> frozenset:
    """Which of :data:`DATA` differ at all."""
    found = set()
    if set(_places(first)) != set(_places(second)):
        found.add("people left out")
    if first.texts != second.texts and Counter(first.texts) == Counter(second.texts):
        found.add("row order")
    found.add("data file")
    return frozenset(found)


def _places(recording: Recording) -> dict[str, int]:
    return {str(one): i for i, one in enumerate(recording.responses.target.values)}


def _rows(source: Recording, table: Recording) -> np.ndarray:
    """Row of the source that each row of the table is."""
    texts = source.texts
    if Counter(texts) != Counter(table.texts):
        raise BrainLensError(
            f"{source.id} and {table.id} do not hold the same texts: no recording stands between them",
            remedy="Split over the choices of the protocol only",
        )
    at = {str(one): row for row, one in enumerate(source.responses.stimulus.values)}
    named = [at.get(str(one)) for one in table.responses.stimulus.values]
    if all(row is not None and texts[row] == text for row, text in zip(named, table.texts)):
        return np.array(named, int)
    turns: Mapping[str, list[int]] = defaultdict(list)
    for row, text in enumerate(texts):
        turns[text].append(row)
    seen: Counter = Counter()
    rows = []
    for text in table.texts:
        rows.append(turns[text][seen[text]])
        seen[text] += 1
    return np.array(rows, int)
