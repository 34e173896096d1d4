"""One row per stimulus from one row per stimulus and person (and target, and measure): who met what, and where it stands."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from data.errors import BrainLensError
from data.own.meaning import Meaning, is_id, listed
from data.own.names import REGION_NAMES
from data.own.tables import Table, squashed

__all__ = ["Turned", "turn"]


@dataclass(frozen=True)
class Turned:
    """The recording's shape in the rows of the table.

    Parameters
    ----------
    rows : numpy.ndarray
        Shape (n_stimuli,): the first row of each stimulus, in reading order.
    data : numpy.ndarray
        Shape (n_stimuli, n_targets): the responses.
    cells : numpy.ndarray or None
        As ``data``: the rows they stand in (-1: none); None where a stimulus is one row.
    targets : list of str
    coords : dict
        Of the targets: subject, region, and what is the same in all rows of a person.
    varying : tuple of str
        Columns that differ between people within a stimulus: they say nothing of the stimulus.
    """

    rows: np.ndarray
    data: np.ndarray
    cells: np.ndarray | None
    targets: list[str]
    coords: dict[str, list[str]]
    varying: tuple[str, ...] = ()

    def in_order(self, order: np.ndarray) -> Turned:
        """The same with its stimuli in another order."""
        cells = None if self.cells is None else self.cells[order]
        return replace(self, rows=self.rows[order], data=self.data[order], cells=cells)

    def only(self, keep: np.ndarray) -> Turned:
        """The same with some of its targets."""
        return replace(
            self,
            data=self.data[:, keep],
            cells=None if self.cells is None else self.cells[:, keep],
            targets=[self.targets[t] for t in keep],
            coords={role: [one[t] for t in keep] for role, one in self.coords.items()},
        )


def turn(
    table: Table,
    meant: Meaning,
    stimuli: pd.DataFrame,
    values: np.ndarray,
    *,
    labels: list[str],
    words: bool,
) -> Turned:
    """Turn a long table; targets are called ``subject``, ``subject.target`` or ``subject.response``.

    Parameters
    ----------
    stimuli : pandas.DataFrame
        Columns of the table as they are kept, with ``text``.
    values : numpy.ndarray
        Shape (rows, n_responses).
    labels : list of str
        Columns of ``stimuli`` with the labels of context and group.

    Raises
    ------
    BrainLensError
        Where somebody has no name, met a stimulus twice, or where a row stands in its text cannot be told.
    """
    who = {role: _labels(table, role, column) for role, column in
           (("subject", meant.people), ("target", meant.target)) if column}  # fmt: skip
    repeat = _labels(table, "repeat", meant.repeat) if meant.repeat else None
    reader = _codes([*who.values(), *([repeat] if repeat is not None else [])], len(stimuli))
    stimulus = _stimulus(table, meant, stimuli, reader, labels, words)
    if repeat is not None:  # every presentation is a stimulus of its own
        stimulus = _codes([pd.Series(stimulus), repeat], len(stimuli))
    sequences = [part.to_numpy() for _, part in pd.Series(stimulus).groupby(reader, sort=False)]
    order = _merged(sequences)
    place = np.empty(len(order), int)
    place[order] = np.arange(len(order))
    stimulus = place[stimulus]

    names = pd.DataFrame({role: column for role, column in who.items()})
    pairs = names.drop_duplicates()
    if len(who) > 1:
        pairs = pairs.sort_values("subject", kind="stable", key=lambda c: pd.factorize(c)[0])
    column_of = {tuple(row): i for i, row in enumerate(pairs.itertuples(index=False))}
    width = values.shape[1]
    column = np.array([column_of[tuple(row)] for row in names.itertuples(index=False)]) * width
    data = np.full((len(order), len(pairs) * width), np.nan)
    cells = np.full(data.shape, -1)
    rows = np.arange(len(values))
    for offset in range(width):
        data[stimulus, column + offset] = values[:, offset]
        cells[stimulus, column + offset] = rows
    first = pd.Series(rows).groupby(stimulus).first().to_numpy()
    targets = [
        ".".join([*row, *([response] if width > 1 else [])])
        for row in pairs.itertuples(index=False)
        for response in meant.responses
    ]
    coords = {role: list(np.repeat(pairs[role].to_numpy(), width)) for role in pairs.columns}
    if "target" in coords:
        lies = coords.pop("target")
        named = meant.target and squashed(meant.target) in {squashed(one) for one in REGION_NAMES}
        if meant.region or named:
            regions = table.frame[meant.region].astype(str) if meant.region else names["target"]
            where = dict(zip(names.itertuples(index=False), regions))
            lies = [where[row] for row in pairs.itertuples(index=False) for _ in range(width)]
            coords["region"] = lies
        else:
            coords["measure"] = lies
    varying, about = _about(table.frame, stimuli, stimulus, names.get("subject"), labels)
    for one, of in about.items():
        coords.setdefault(one, [of[subject] for subject in coords["subject"]])
    return Turned(first, data, cells, targets, coords, varying)


def _labels(table: Table, role: str, column: str) -> pd.Series:
    values = table.frame[column]
    nobody = np.flatnonzero(values.isna() | (values.astype(str).str.strip() == ""))
    if len(nobody):
        raise BrainLensError(
            f"{table.path.name}: no {role} in {table.places(nobody)}",
            remedy=f"Fill in the {role}"
            + (
                " of every row: merged cells keep it in their first one only"
                if _once_each(values)
                else ""
            ),
        )
    if values.dtype.kind == "f" and (values % 1 == 0).all():  # 1.0 is person 1
        values = values.astype(int)
    return values.astype(str).str.strip().reset_index(drop=True)


def _once_each(values: pd.Series) -> bool:
    """Whether a label stands in the first row of its block only, as merged cells are saved."""
    held = values.notna() & (values.astype(str).str.strip() != "")
    return bool(held.iloc[0] and held.mean() < 0.5 and values[held].is_unique)


def _codes(columns: list[pd.Series], count: int) -> np.ndarray:
    """One number for each combination, in order of first appearance."""
    if not columns:
        return np.zeros(count, int)
    frame = pd.DataFrame({i: column.to_numpy() for i, column in enumerate(columns)})
    return frame.groupby(list(frame.columns), sort=False, dropna=False).ngroup().to_numpy()


# ---- which rows are one stimulus ------------------------------------------------------------------------------------------
def _stimulus(table: Table, meant: Meaning, stimuli, reader, labels, words: bool) -> np.ndarray:
    """Number of the stimulus of each row: by its id, by its place in its text, by its words, by the words around it."""
    text = stimuli["text"].reset_index(drop=True)
    for name in (column for column in stimuli.columns if is_id(column)):
        ids = stimuli[name]
        if ids.isna().any():
            continue
        code = _codes([ids.astype(str)], len(ids))
        again = pd.DataFrame({"r": reader, "c": code}).duplicated()
        if again.any() and squashed(name) != "stimulusid":
            continue  # ids of items may come again by design
        _same_text(table, [name], code, text)
        _once(table, meant, [name], reader, code)
        return code
    block = _codes([stimuli[label].astype(str) for label in labels], len(stimuli))
    if meant.order:
        keys = [stimuli[column].astype(str) for column in meant.order if column in stimuli]
        code = _codes([pd.Series(block), *keys], len(stimuli))
        other = text.groupby(code).transform("nunique") > 1
        if keys and (not other.any() or (words and other.mean() < 0.1)):
            named = [*dict.fromkeys((*meant.context, *meant.group, *meant.order))]
            _same_text(table, named, code, text)
            _once(table, meant, named, reader, code)
            return code
    return (
        _embedded(table, meant, text, block, reader)
        if words
        else _by_words(table, meant, text, block, reader)
    )


def _same_text(table: Table, names: list[str], code: np.ndarray, text: pd.Series) -> None:
    other = np.flatnonzero(text.groupby(code).transform("nunique") > 1)
    if not len(other):
        return
    here = text[code == code[other[0]]].unique()
    raise BrainLensError(
        f"{table.path.name}: {listed(names)} stand for different words in {len(other)} rows, first "
        f"{here[0][:30]!r} and {here[1][:30]!r}: {table.places(other)}",
        remedy="Correct the words or the numbers, or name other columns (--context COLUMN --order COLUMN)",
    )


def _once(table: Table, meant: Meaning, names: list[str], reader, code) -> None:
    again = np.flatnonzero(pd.DataFrame({"r": reader, "c": code}).duplicated())
    if not len(again):
        return
    who = ["subject" if meant.people else "", meant.target or "", meant.repeat or ""]
    if meant.people and not is_id(names[0]):
        who[0] = meant.people
    both = [one for one in who if one] + names
    said = " and ".join([", ".join(both[:-1]), both[-1]] if len(both) > 1 else both)
    count = len(np.unique(code))
    raise BrainLensError(
        f"{table.path.name}: {said} occur together more than once: {table.places(again)} ({len(again):,} rows too many "
        f"for {count:,} stimuli{_copies(table, again)})",
        remedy="Remove these rows, name the column that tells presentations or targets apart (--repeat COLUMN, "
        "--target COLUMN), or give each a stimulus_id of its own" + _first(table, meant),
    )


def _copies(table: Table, again: np.ndarray) -> str:
    """How many of the rows that stand twice are the same in every column: a slip in the file, not a second presentation."""
    same = int(table.frame.duplicated().to_numpy()[again].sum())
    return f"; {same:,} of them the same in every column" if same else ""


def _first(table: Table, meant: Meaning) -> str:
    if not meant.people:
        return ""
    return f"; 'brainlens data trials {table.path.name} --out MINE.csv' keeps the first of them and counts the others"


def _by_words(table: Table, meant: Meaning, text, block, reader) -> np.ndarray:
    """Sentences are the same where their words and labels are; twins of one person are the first, the second, ..."""
    pair = _codes([pd.Series(block), text], len(text))
    frame = pd.DataFrame({"r": reader, "p": pair})
    times = frame.groupby(["r", "p"]).cumcount().to_numpy()
    if times.any():
        counts = frame.groupby(["p", "r"]).size()
        uneven = counts.groupby("p").nunique() > 1
        wrong = np.flatnonzero((times > 0) & pd.Series(pair).isin(uneven[uneven].index).to_numpy())
        if len(wrong):
            raise BrainLensError(
                f"{table.path.name}: {meant.people or meant.target} and {meant.text} occur together more than once: "
                f"{table.places(wrong)}, and not so for everybody{_copies(table, wrong)}",
                remedy="Remove these rows, name the column that tells presentations or targets apart (--repeat COLUMN, "
                "--target COLUMN), or give each row a stimulus_id" + _first(table, meant),
            )
    return _codes([pd.Series(pair), pd.Series(times)], len(text))


def _embedded(table: Table, meant: Meaning, text, block, reader) -> np.ndarray:
    """Words by their place in the longest reading of their text; every other one must fit into it in one way only."""
    codes = pd.factorize(text)[0]
    out = np.full(len(text), -1)
    frame = pd.DataFrame({"b": block, "r": reader})
    base = 0
    for _, rows in frame.groupby("b", sort=False):
        readings = [part.index.to_numpy() for _, part in rows.groupby("r", sort=False)]
        longest = max(readings, key=len)
        whole = codes[longest]
        for reading in readings:
            at = _places(codes[reading], whole)
            if at is None:
                name = table.frame[meant.people].iloc[reading[0]] if meant.people else "one"
                raise BrainLensError(
                    f"{table.path.name}: where the {len(reading)} words of {name} ({table.where(int(reading[0]))}) stand among "
                    f"the {len(whole)} words of the longest reading of their text cannot be told",
                    remedy="Name the column that numbers the words of each text (--order COLUMN, with --context COLUMN for the "
                    "texts), add a column stimulus_id, or take the trials of an experiment in with 'brainlens data trials "
                    f"{table.path.name} --out MINE.csv'",
                )
            out[reading] = base + at
        base += len(whole)
    return pd.factorize(out)[0]


def _places(part: np.ndarray, whole: np.ndarray) -> np.ndarray | None:
    """Where a sequence stands in another one, where there is exactly one way."""
    if len(part) == len(whole):
        return np.arange(len(whole)) if np.array_equal(part, whole) else None
    first = _greedy(part, whole)
    last = _greedy(part[::-1], whole[::-1])
    if first is None or last is None:
        return None
    last = len(whole) - 1 - last[::-1]
    return first if np.array_equal(first, last) else None


def _greedy(part: np.ndarray, whole: np.ndarray) -> np.ndarray | None:
    at, found = 0, np.empty(len(part), int)
    for i, word in enumerate(part):
        while at < len(whole) and whole[at] != word:
            at += 1
        if at == len(whole):
            return None
        found[i] = at
        at += 1
    return found


# ---- in which order -------------------------------------------------------------------------------------------------------
def _merged(sequences: list[np.ndarray]) -> np.ndarray:
    """All stimuli in the order of the longest sequence; what it lacks follows what stands before it in another one."""
    following: dict[int, int] = {}
    head = -1
    for sequence in sorted(sequences, key=len, reverse=True):
        before = head
        for one in sequence.tolist():
            if one not in following:
                following[one] = following.get(before, -2)
                following[before] = one
            before = one
    order, one = [], following.get(head, -2)
    while one != -2:
        order.append(one)
        one = following[one]
    return np.array(order, int)


def _about(frame, stimuli, stimulus, subject, labels) -> tuple[tuple[str, ...], dict]:
    """Columns that differ within a stimulus, and what those say of each person that are the same in all rows of each."""
    varying, about = [], {}
    first = np.full(stimulus.max() + 1, -1)
    first[stimulus[::-1]] = np.arange(len(stimulus))[::-1]
    person = None if subject is None else pd.factorize(subject)[0]
    for column in stimuli.columns:
        if column == "text" or column in labels or is_id(column):
            continue
        codes = pd.factorize(stimuli[column])[0]
        if (codes == codes[first[stimulus]]).all():
            continue
        varying.append(column)
        if person is None or column not in frame.columns:
            continue
        each = pd.DataFrame({"s": person, "v": codes}).drop_duplicates()
        if not each["s"].duplicated().any():
            known = pd.DataFrame({"s": subject, "v": frame[column].astype(str)}).drop_duplicates()
            about[column] = dict(zip(known["s"], known["v"]))
    return tuple(varying), about
