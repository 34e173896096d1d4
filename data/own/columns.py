"""From a table whose columns are understood to a recording, and what was doubtful on the way."""

from __future__ import annotations

import datetime
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from data.errors import BrainLensError
from data.own.assemble import ASSUMED_AVERAGE, assembled
from data.own.corpora import corpora, one_corpus
from data.own.meaning import Meaning, foreign_row, is_id, listed, meaning
from data.own.order import holes, once, order_keys, other_orders, reading_order
from data.own.structure import completed
from data.own.tables import Table, labels_joined, numbers, squashed
from data.own.told import spoken_rows, told
from data.own.turned import Turned, turn
from data.own.wide import expanded
from data.recording import Recording
from data.words import are_words

__all__ = ["ASSUMED_AVERAGE", "Understood", "corpora", "from_table", "understand"]


@dataclass(frozen=True)
class Understood:
    """A recording, where its rows stand in the file, and what was doubtful.

    Parameters
    ----------
    recording : Recording
    table : Table
        The rows that were used, as they stand in the file.
    rows : numpy.ndarray
        Shape (n_stimuli,): the row of the table that each stimulus comes from; the first, where it has one per person.
    cells : numpy.ndarray or None
        Shape (n_stimuli, n_targets): the row of each response, where a stimulus has one per person.
    meant : str
        How the columns were understood.
    doubts : tuple of (str, str)
        What may not be meant so, and the next step.
    responses : tuple of str
        The columns of the responses.
    """

    recording: Recording
    table: Table
    rows: np.ndarray
    cells: np.ndarray | None
    meant: str
    doubts: tuple[tuple[str, str], ...] = ()
    responses: tuple[str, ...] = ()

    def places(self, stimuli) -> str:
        """Where some stimuli (numbers from 0) stand in the file."""
        return self.table.places(np.sort(self.rows[np.asarray(stimuli, dtype=int)]))

    def places_of(self, mask: np.ndarray) -> str:
        """Where some responses, a mask (n_stimuli, n_targets), stand in the file."""
        if self.cells is None:
            return self.places(np.flatnonzero(mask.any(axis=1)))
        rows = self.cells[mask]
        return self.table.places(np.unique(rows[rows >= 0]))


def from_table(table: Table, said: Mapping) -> Recording:
    """The recording of a table whose columns are described by ``said`` (keys as the parameters of :func:`data.own.read.read`)."""
    return understand(table, said).recording


def meant_columns(table: Table, said: Mapping) -> Meaning:
    """Which column is what: what is said, what the names say, and what follows from how the rows stand (of the first corpus).

    Raises
    ------
    BrainLensError
        Naming the column and its choices.
    """
    several = corpora(table.frame)
    table, said = one_corpus(table, {"corpus": several[0], **said} if several else said)
    said, _, _ = expanded(table.frame, table.path, said)
    return _completed(table, said)[1]


def _completed(table: Table, said: Mapping) -> tuple[Table, Meaning, list[str]]:
    table, meant, left_out = _meant(table, said)
    table = spoken_rows(table, meant.text, said)
    return table, completed(table, meant, said), left_out


def understand(table: Table, said: Mapping) -> Understood:
    """As :func:`from_table`, with where each row stands and what was doubtful.

    Raises
    ------
    BrainLensError
        Naming the column, its choices and the line.
    """
    name = table.path.name
    table = replace(
        table, frame=table.frame.set_axis([str(column) for column in table.frame.columns], axis=1)
    )
    if table.frame.empty:
        raise BrainLensError(f"{name} holds no rows", remedy="Export it again")
    table, said = one_corpus(table, said)
    said, about, notes = expanded(table.frame, table.path, said)
    table, meant, left_out = _completed(table, said)
    notes = [*left_out, *notes, *table.said]
    _check_texts(table, meant.text)
    values = _values(table, meant.responses)
    keys = order_keys(table, meant.order)
    stimuli, labels = _stimuli(table, meant)
    words = are_words(stimuli["text"])
    doubts, inside = [*table.doubts, *meant.doubts], ""
    if rivals := meant.rivals(table.frame):
        doubts.append((
            f"{listed(meant.responses)} was taken as the response and {listed(rivals)} left aside",
            "Name the response columns (--response COLUMN,COLUMN)",
        ))  # fmt: skip
    if meant.people is not None or meant.target is not None:
        blocks = list(dict.fromkeys(labels.values()))
        shape = turn(table, meant, stimuli, values, labels=blocks, words=words)
        assert shape.cells is not None  # a stimulus has several rows
        doubts += other_orders(table, keys, shape.cells, meant.order)
        if len(set(shape.targets)) > 1 and _alone(shape.cells, len(meant.responses)):
            doubts.append((
                "no stimulus has responses of two people: some column differs from person to person",
                "Add a column stimulus_id that is the same for everyone, or leave out columns such as the number of a trial",
            ))  # fmt: skip
        away = [c for c in shape.varying if c not in meant.order and c != meant.repeat]
        if away:
            stimuli = stimuli.drop(columns=away)
            notes.append(
                f"differ between people for the same stimulus, so not kept of the stimuli: {listed(away)}"
            )
    else:
        coords = _wide_coords(meant.responses, about, said, name)
        shape = Turned(np.arange(len(values)), values, None, meant.responses, coords)
    stimuli = stimuli.iloc[shape.rows].reset_index(drop=True)
    ids, doubtful = _ids(table, stimuli, shape.rows)
    doubts += doubtful
    if meant.order:
        keys = keys.iloc[shape.rows].reset_index(drop=True)
        blocks = {label: stimuli[label] for label in labels.values()}
        if words and "context" in labels:
            block = stimuli[labels["context"]]
            if meant.people is None and meant.target is None and not meant.repeat:
                once(table, keys, block, stimuli["text"])
            doubts += holes(table, keys, block, shape.rows) if len(meant.order) == 1 else []
        order, inside, doubtful = reading_order(
            table, keys, blocks, shape.rows, guessed="order" in meant.guessed
        )
        doubts += doubtful
        stimuli, ids = stimuli.iloc[order].reset_index(drop=True), ids[order]
        shape = shape.in_order(order)
    keep, dropped = _informative(name, shape.data, shape.targets)
    notes += dropped
    shape = shape.only(keep)
    known, spoken = told(table, meant, stimuli, shape.data, said, words)
    doubts += spoken
    notes += [what for what, _ in doubts]
    recording = assembled(
        table.path, {**said, **known}, stimuli, ids, shape, labels=labels, meant=meant, notes=notes
    )
    return Understood(
        recording,
        table,
        shape.rows,
        shape.cells,
        _in_words(meant, inside, recording, said),
        tuple(doubts),
        tuple(meant.responses),
    )


def _values(table: Table, responses: list[str]) -> np.ndarray:
    """Numbers of the response columns, shape (rows, responses)."""
    values = np.column_stack([numbers(table, column) for column in responses])
    infinite = np.flatnonzero(np.isinf(values).any(axis=1))
    if len(infinite):
        raise BrainLensError(
            f"{table.path.name}: infinite responses in {len(infinite)} rows: {table.places(infinite)}",
            remedy="Leave the cell empty where nothing was measured",
        )
    return values


def _stimuli(table: Table, meant: Meaning) -> tuple[pd.DataFrame, dict[str, str]]:
    """What is kept of the stimuli, a row for each of the table, and the columns of group and context."""
    frame = table.frame
    away = {meant.text, meant.people, meant.target, meant.region, *meant.responses}
    kept = [c for c in frame.columns if c not in away and not c.startswith("Unnamed:")]
    renamed = {"text": "text (column)"}  # where another column holds the words
    stimuli = frame[kept].rename(columns=renamed)
    stimuli = stimuli.apply(lambda c: c.replace("", np.nan) if c.dtype.kind == "O" else c)
    stimuli.insert(0, "text", frame[meant.text].astype(str).str.strip())
    labels = {}
    for key, names in (("group", meant.group), ("context", meant.context)):
        if names:
            labels[key] = _joined(stimuli, [renamed.get(column, column) for column in names])
            empty = np.flatnonzero(stimuli[labels[key]].isna())
            if len(empty):
                raise BrainLensError(
                    f"{table.path.name}: no {key} in {len(empty)} rows of column {labels[key]!r}: {table.places(empty)}",
                    remedy="Fill it in, or name another column",
                )
    return stimuli, labels


def _wide_coords(responses: list[str], about: Mapping, said: Mapping, name: str) -> dict[str, list]:
    """What is known of each response column."""
    coords = {role: list(of.values()) for role, of in about.items() if role != "subject"}
    if (who := _subjects(said.get("subject"), responses, name)) is not None:
        coords["subject"] = who
    if isinstance(said.get("region"), Mapping):
        coords["region"] = [str(said["region"].get(column, "")) for column in responses]
    return coords


def _in_words(meant: Meaning, inside: str, recording: Recording, said: Mapping) -> str:
    """How the columns were understood, and what was guessed of the recording."""
    parts = [str(meant)]
    parts += [f"rows sorted inside each {inside}"] if inside else []
    parts += [
        f"{key} = {_SHOWN.get(getattr(recording, key), getattr(recording, key))} (guessed)"
        for key in ("kind", "language", "joiner")
        if not said.get(key) and said.get(key) != "" and (key == "kind" or getattr(recording, key) not in ("en", " "))
    ]  # fmt: skip
    return "; ".join(parts)


_SHOWN = {"": "none"}


def _meant(table: Table, said: Mapping) -> tuple[Table, Meaning, list[str]]:
    """What the columns mean; those of lists or arrays mean nothing and are left out."""
    name, frame = table.path.name, table.frame
    foreign = {
        column: row for column in frame.columns if (row := foreign_row(frame[column])) is not None
    }
    meant = meaning(frame.assign(**dict.fromkeys(foreign, "...")), name, said)
    for names, what in (
        ([meant.text], "words"),
        (meant.responses, "numbers"),
        ([*meant.labels, *meant.order], "labels"),
    ):
        for column in names:
            if column in foreign:
                held = _kind_of(frame[column].iloc[foreign[column]])
                raise BrainLensError(
                    f"{name}: column {column!r} holds {held}, not {what} ({table.where(foreign[column])})",
                    remedy="Write one plain value into each cell, or name another column",
                )
    left_out = [f"columns of lists, arrays or bytes left out: {listed(foreign)}"] if foreign else []
    return replace(table, frame=frame.drop(columns=list(foreign))), meant, left_out


def _kind_of(cell: object) -> str:
    if isinstance(cell, np.ndarray):
        return f"arrays of {cell.shape}"
    return {
        "bytes": "bytes",
        "bytearray": "bytes",
        "list": "lists",
        "tuple": "lists",
        "set": "sets",
    }.get(type(cell).__name__, f"cells of type {type(cell).__name__}")


def _check_texts(table: Table, text: str) -> None:
    cells = table.frame[text]
    empty = np.flatnonzero(cells.isna() | (cells.astype(str).str.strip() == ""))
    if len(empty):
        raise BrainLensError(
            f"{table.path.name}: column {text!r} is empty in {len(empty)} rows: {table.places(empty)}{_units(table, empty)}",
            remedy="Fill in the words or remove these rows",
        )
    dates = (
        datetime.date,
        datetime.timedelta,
        np.datetime64,
        np.timedelta64,
    )  # pandas' own are among them
    if cells.dtype.kind in "mM" or (
        cells.dtype.kind == "O" and any(isinstance(cell, dates) for cell in cells)
    ):
        raise BrainLensError(
            f"{table.path.name}: column {text!r} holds dates, not words (first: {str(cells.iloc[0])!r})",
            remedy="Name the column that holds the words (--text COLUMN)",
        )
    if pd.to_numeric(cells, errors="coerce").notna().all():
        raise BrainLensError(
            f"{table.path.name}: column {text!r} holds numbers, not words (first: {cells.iloc[0]!r})",
            choices=[
                c for c in table.frame.columns if table.frame[c].dtype.kind == "O" and c != text
            ],
            remedy="Name the column that holds the words (--text COLUMN)",
        )


def _units(table: Table, empty: np.ndarray) -> str:
    """The unit that stands in the first row below the header, in words."""
    if empty[0]:
        return ""
    found = [
        str(cell) for cell in table.frame.iloc[0] if re.fullmatch(r"[(\[]?[^\W\d]{1,12}[)\]]?|%", str(cell))
        and str(cell).lower() != "nan"
    ]  # fmt: skip
    return (
        f"; {table.where(0)} seems to hold units ({', '.join(found[:3])}): say them by --unit"
        if found
        else ""
    )


def _joined(stimuli: pd.DataFrame, columns: list[str]) -> str:
    """The one column of a grouping; several are joined under the name ``a+b`` with labels ``x | y``."""
    if len(columns) == 1:
        return columns[0]
    name = "+".join(columns)
    holes = stimuli[columns].isna().any(axis=1)
    stimuli[name] = labels_joined(stimuli, columns, " | ").where(~holes, None)
    return name


def _ids(
    table: Table, stimuli: pd.DataFrame, rows: np.ndarray
) -> tuple[np.ndarray, list[tuple[str, str]]]:
    """The ids of the stimuli, or their numbers, and what is wrong with a column that was to hold ids."""
    doubts = []
    for name in [column for column in stimuli.columns if is_id(column)]:
        empty, again = (
            stimuli[name].isna(),
            stimuli[name].duplicated(keep=False) & stimuli[name].notna(),
        )
        if not (empty | again).any():
            return stimuli[name].astype(str).to_numpy(dtype=object), doubts
        if squashed(name) == "stimulusid":  # other ids may number what repeats by design
            what = (
                f"has ids more than once in {int(again.sum())} rows"
                if again.any()
                else f"is empty in {int(empty.sum())} rows"
            )
            wrong = np.sort(rows[(again if again.any() else empty).to_numpy()])
            doubts.append((
                f"column {name!r} {what}, so the rows are numbered instead: {table.places(wrong)}",
                "Give each row an id of its own: activations and other tables are matched by it",
            ))  # fmt: skip
    return np.arange(len(stimuli)), doubts


def _subjects(subject, responses: list[str], file: str) -> list[str] | None:
    if not isinstance(subject, Mapping):
        return None
    missing = [column for column in responses if column not in subject]
    if missing:
        raise BrainLensError(
            f"{file}: no subject is given for the response columns {missing[:5]}",
            choices=subject,
            remedy="Name the subject of every response column",
        )
    return [str(subject[column]) for column in responses]


def _alone(cells: np.ndarray, per_person: int) -> bool:
    """Whether every stimulus was met by one person only."""
    return bool(((cells >= 0).sum(axis=1) <= per_person).all())


def _informative(name: str, data: np.ndarray, targets: list[str]) -> tuple[np.ndarray, list[str]]:
    """The targets that carry information; the others are counted and named."""
    notes = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        spread = np.nanmax(data, axis=0) - np.nanmin(data, axis=0)
    for bad, what in (
        (np.asarray(np.isnan(data).all(axis=0)), "without a single measurement"),
        (np.asarray(spread == 0), "constant"),
    ):
        if bad.all():
            raise BrainLensError(
                f"{name}: {'the response column is' if len(bad) == 1 else 'all response columns are'} {what}: "
                f"{list(targets)[:5]}",
                remedy="Name a column with measurements that vary (--response COLUMN)",
            )
        if bad.any():
            left_out = [str(t) for t, b in zip(targets, bad) if b]
            notes.append(
                f"{len(left_out)} targets left out as {what}: {', '.join(left_out[:5])}{' ...' if len(left_out) > 5 else ''}"
            )
    keep = np.flatnonzero(~(np.isnan(data).all(axis=0) | (spread == 0)))
    if not len(keep):
        raise BrainLensError(
            f"{name}: no response column holds measurements that vary: {list(targets)[:5]}",
            remedy="Name others",
        )
    return keep, notes
