"""Results of Ibex and PCIbex: rows without a header, whose columns are named by the comments above them."""

from __future__ import annotations

import csv
import re

import numpy as np
import pandas as pd

from data.errors import BrainLensError
from data.own.experiments.roles import ROLES
from data.own.tables import squashed

__all__ = ["ibex_trials", "is_ibex"]

_COLUMN = re.compile(r"#\s*(\d+)\.\s*(.*?)\.?\s*$")
_ESCAPES = {"%2C": ",", "%2c": ",", "%22": '"', "%0A": " ", "%0D": " "}
_ESCAPED = re.compile("|".join(_ESCAPES))
_OURS = {
    *("resultsreceptiontime", "timeresultswerereceived", "md5hashofparticipantsipaddress"),
    *("controllername", "ordernumberofitem", "itemnumber", "innerelementnumber", "elementnumber"),
    *("label", "type", "latinsquaregroup", "group", "pennelementtype", "pennelementname"),
    *("parameter", "value", "eventtime", "comments", "wordnumber", "word", "newline", "keycode"),
    *("sentenceorsentencemd5", "sentence", "alternative", "wordon0left1right", "correct"),
}
"""Columns of the software itself; what else there is was logged by the experiment and is kept."""
_WHO = (
    "participant",
    "participantid",
    "subject",
    "subjectid",
    "prolificid",
    "prolificpid",
    "workerid",
    "id",
)
_MD5 = re.compile(r"[0-9a-f]{32}")


def is_ibex(head: str) -> bool:
    """Whether a file's first lines are those of Ibex or PCIbex, such as ``# 1. Results reception time``."""
    names = {squashed(match[2]) for line in head.splitlines() if (match := _COLUMN.match(line))}
    return (
        bool(names & {"resultsreceptiontime", "timeresultswerereceived"})
        and "controllername" in names
    )


def ibex_trials(text: str, name: str) -> tuple[pd.DataFrame, list[str]]:
    """The words that were read, one row per person and word, in the order of the file.

    Parameters
    ----------
    text : str
        The whole results file.
    name : str
        Of the file, for messages.

    Returns
    -------
    table : pandas.DataFrame
        person, trial (number in the person's session), item, condition, word_position (from 1), text, rt (ms), sentence where
        it was saved, correct (all questions of the trial answered right: 1, else 0; empty without a question), and what the
        experiment logged. The hash of the address of a participant is not kept: people are numbered.
    notes : list of str

    Raises
    ------
    BrainLensError
        Where no row has a reading time.

    Notes
    -----
    A comment ``# 13. Reading time.`` renames the columns from 13 on until the next one; commas inside cells are written
    ``%2C``.
    """
    frames = [pd.DataFrame(rows, columns=list(names)) for names, rows in _parts(text).items()]
    kept, asked = [], []
    for frame in frames:
        found = {squashed(column): column for column in frame.columns}
        time = next(
            (column for key, column in found.items() if key.startswith("readingtime")), None
        )
        word = found.get("word") or found.get("value")
        if time is not None and word is not None:
            kept.append(_words(frame, found, time, word))
        right = next(
            (c for key, c in found.items() if key.startswith("whetherornotanswerwascorrect")), None
        )
        if right is not None:
            asked.append(_questions(frame, found, right))
    table = pd.concat(kept, ignore_index=True) if kept else pd.DataFrame()
    if table.empty:
        raise BrainLensError(
            f"{name} is a results file of Ibex, but none of its rows has a reading time",
            remedy="Log the DashedSentence or Maze controller of the experiment (.log()), and download the results again",
        )
    table["person"], notes = _people(table)
    keys = ["_session", "_item"]
    if asked:
        right = pd.concat(asked, ignore_index=True).groupby(keys)["correct"].min()
        table = table.drop(columns="correct", errors="ignore").join(right, on=keys)
        notes.append(
            f"{int(table['correct'].notna().sum()):,} words belong to trials with a question"
        )
    session = table.groupby("person", sort=False)["_item"]
    table["trial"] = session.transform(lambda one: pd.factorize(one)[0] + 1)
    for role in ("item", "condition"):
        own = [c for c in table.columns if not c.startswith("_")]
        logged = [c for c in own if squashed(c) in ROLES[role]]
        if logged and role not in table:
            table = table.rename(columns={logged[0]: role})
    if "item" not in table:
        group = table["_group"].where(table["_group"] != "NULL")
        table["item"] = group.fillna(table["_item"])
    if "condition" in table:
        table["label"] = table["_type"]
    else:
        table["condition"] = table["_type"]
    first = ["person", "trial", "item", "condition", "word_position", "text", "rt"]
    others = [c for c in table.columns if c not in first and not c.startswith("_")]
    others = [c for c in others if table[c].nunique(dropna=False) > 1]
    return table[[*first, *others]].reset_index(drop=True), notes


def _parts(text: str) -> dict[tuple[str, ...], list[list[str]]]:
    """Rows by the names of their columns."""
    names: dict[int, str] = {}
    parts: dict[tuple[str, ...], list[list[str]]] = {}
    header: tuple[str, ...] = ()
    for line in text.splitlines():
        if line.startswith("#"):
            if match := _COLUMN.match(line):
                number = int(match[1])
                names = {at: one for at, one in names.items() if at < number}
                names[number] = match[2].strip().rstrip("?") or f"column {number}"
                header = ()
            continue
        if not line.strip() or not names:
            continue
        if not header:
            header = tuple(_distinct(names))
        cells = line.split(",")
        if len(cells) != len(header) and '"' in line:
            cells = next(csv.reader([line]))
        cells = [
            _ESCAPED.sub(lambda m: _ESCAPES[m[0]], one.strip()) for one in cells[: len(header)]
        ]
        parts.setdefault(header, []).append(cells + [""] * (len(header) - len(cells)))
    return parts


def _distinct(names: dict[int, str]) -> list[str]:
    made: list[str] = []
    for number in range(1, max(names) + 1):
        name = names.get(number, f"column {number}")
        made.append(name if name not in made else f"{name} ({number})")
    return made


def _keys(frame: pd.DataFrame, found: dict[str, str]) -> pd.DataFrame:
    """Whose row it is, and of which item of the experiment."""

    def column(*names: str) -> pd.Series:
        name = next((found[one] for one in names if one in found), None)
        return pd.Series("NULL", index=frame.index) if name is None else frame[name]

    received = column("resultsreceptiontime", "timeresultswerereceived")
    who = column("md5hashofparticipantsipaddress")
    return pd.DataFrame(
        {
            "_session": received + " " + who,
            "_item": column("ordernumberofitem", "itemnumber"),
            "_group": column("latinsquaregroup", "group"),
            "_type": column("label", "type"),
        }
    )


def _words(frame: pd.DataFrame, found: dict[str, str], time: str, word: str) -> pd.DataFrame:
    made = _keys(frame, found)
    place = found.get("wordnumber") or found.get("parameter")
    numbers = frame[place] if place else pd.Series("", index=frame.index)
    made["word_position"] = pd.to_numeric(numbers, errors="coerce")
    made["text"] = frame[word].where(frame[word] != "NULL", "").str.strip()
    made["rt"] = pd.to_numeric(frame[time], errors="coerce")
    if (sentence := found.get("sentenceorsentencemd5") or found.get("sentence")) is not None:
        hashed = frame[sentence].str.fullmatch(_MD5.pattern)
        made["sentence"] = frame[sentence].where(~hashed & (frame[sentence] != "NULL"))
    if "alternative" in found and "correct" in found:  # the Maze: whether the right word was chosen
        said = frame[found["correct"]].str.lower()
        made["chosen_right"] = said.map(
            {"yes": 1.0, "true": 1.0, "1": 1.0, "no": 0.0, "false": 0.0, "0": 0.0}
        )
    for key, column in found.items():
        if key not in _OURS and not key.startswith(("readingtime", "totaltime")) and column != time:
            name = re.sub(r"\W+", "_", column).strip("_").lower()
            made[name if name not in made and name != "person" else f"{name}_logged"] = frame[
                column
            ].replace("NULL", "")
    return made[made["word_position"].notna() & (made["text"] != "") & made["rt"].notna()]


def _questions(frame: pd.DataFrame, found: dict[str, str], right: str) -> pd.DataFrame:
    made = _keys(frame, found)
    made["correct"] = pd.to_numeric(frame[right], errors="coerce")
    return made.dropna(subset=["correct"])


def _people(table: pd.DataFrame) -> tuple[pd.Series, list[str]]:
    """Names of the people: what the experiment logged where it tells the sessions apart, else numbers."""
    sessions = pd.factorize(table["_session"])[0]
    for column in table.columns:
        if squashed(column) not in _WHO:
            continue
        named = table[column].fillna("").astype(str).str.strip()
        per = pd.DataFrame({"s": sessions, "n": named}).drop_duplicates()
        if (
            (named != "").all()
            and not per["s"].duplicated().any()
            and not per["n"].duplicated().any()
        ):
            return named, [f"people are named by the logged column {column!r}"]
    count = int(sessions.max()) + 1
    width = len(str(count))
    names = np.array([f"p{number + 1:0{width}d}" for number in range(count)], dtype=object)
    return pd.Series(names[sessions], index=table.index), [
        f"people are numbered by their sessions ({count}); addresses and their hashes are not kept"
    ]
