"""Which column of a table of trials is the person, the word, the time: by plain names, or as it is said."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from data.errors import BrainLensError, unknown
from data.own.names import GUESSES
from data.own.numerals import parse
from data.own.tables import Table, squashed

__all__ = ["ROLES", "plain_trials"]

ROLES: dict[str, tuple[str, ...]] = {
    "person": (
        *(
            "person",
            "participant",
            "participantid",
            "subject",
            "subjectid",
            "subj",
            "ppt",
            "prolificpid",
            "prolificid",
        ),
        *("workerid", "reader", "readerid", "sub", "subjnr"),
        *(squashed(name) for name in GUESSES["subject"]),
    ),
    "text": ("word", "text", "stimulus", "token", "target", "sentence", "ialabel"),
    "rt": ("rt", "readingtime", "rtms", "reactiontime", "responsetime", "latency"),
    "item": (
        *("item", "itemid", "itemnumber", "itemnum", "itemnr", "sentenceid", "stimid"),
        *(
            "story",
            "storyid",
            "passage",
            "passageid",
            "textid",
            "docid",
            "paragraph",
            "paragraphid",
        ),
        *(
            "sent",
            "sentid",
            "sentnr",
            "sentno",
            "sentnum",
            "sentencenr",
            "sentenceno",
            "sentencenum",
            "sentencenumber",
        ),
    ),
    "condition": ("condition", "cond", "conditionid"),
    "trial": ("trial", "trialid", "trialorder", "trialnumber", "trialnr", "trialindex"),
    "word_position": (
        "wordposition",
        "wordnumber",
        "wordnum",
        "wordindex",
        "wordidx",
        "wordpos",
        "position",
        *(
            "wordnr",
            "wordno",
            "wordorder",
            "wordintext",
            "wordinsentence",
            "zone",
            "regionnumber",
            "pos",
            "ianum",
            "iaid",
        ),
    ),
    "correct": ("correct", "accuracy", "acc", "iscorrect"),
}
"""Role -> names that are plain enough, squashed; the first that is there is taken."""
NEEDED = ("person", "text", "rt")
_ENDS = {
    "rt": ".rt",
    "correct": ".corr",
    "trial": ".thisN",
}  # as PsychoPy names what a component recorded
_TAG = re.compile(r"<[^<>]*>")
_SECONDS = 20.0
"""A middle time below this is in seconds."""


def plain_trials(tables: list[Table], columns: Mapping[str, str]) -> tuple[pd.DataFrame, list[str]]:
    """One long table, its columns called by their roles; whatever else it holds is kept.

    Parameters
    ----------
    tables : list of Table
        With the same columns, such as one file per person.
    columns : mapping of str to str
        Role -> column, for what is not plain; ``"list+item"`` joins two columns.

    Returns
    -------
    table : pandas.DataFrame
    notes : list of str

    Raises
    ------
    BrainLensError
        Where a role cannot be told from the names, with the choices; for times that are no numbers, with the line.
    """
    for role in columns:
        if role not in ROLES:
            raise unknown("role of a column", role, ROLES)
    frame = pd.concat([_named(one, several=len(tables) > 1) for one in tables], ignore_index=True)
    frame.columns = [str(name) for name in frame.columns]
    columns = dict(columns)
    for role, name in columns.items():
        parts = [one.strip() for one in name.split("+")]
        if name not in frame.columns and len(parts) > 1 and set(parts) <= set(frame.columns):
            columns[role] = joined = ":".join(parts)
            cells = [frame[one].astype(str).str.replace(r"\.0$", "", regex=True) for one in parts]
            frame[joined] = cells[0].str.cat(cells[1:], sep=":")
    used = {role: _column(frame, role, columns) for role in ROLES}
    counter = _row_counter(frame, used, columns)
    if missing := [role for role in NEEDED if used[role] is None]:
        raise BrainLensError(
            f"{tables[0].path.name}: which column is the {missing[0]} cannot be told",
            choices=[name for name in frame.columns if name != _FILE],
            remedy=f"Say it: --column {missing[0]}=COLUMN",
        )
    notes = [f"{role} = {name}" for role, name in used.items() if name is not None and name != role]
    if free := [c for c in frame.columns if c not in {*used.values(), _FILE}]:
        notes.append(
            f"kept as they are: {', '.join(free[:12])}{f' and {len(free) - 12} more' if len(free) > 12 else ''}"
        )
    taken = {name: role for role, name in used.items() if name is not None}
    clash = {c: f"{c} (column)" for c in frame.columns if c in ROLES and c not in taken}
    frame = frame.rename(columns={**clash, **taken})
    if counter:
        notes.append(counter)
    frame, more = _lists(frame)
    notes += more
    times, more = _times(frame["rt"], tables, used["rt"])
    frame["rt"] = times
    notes += more
    frame, more = _texts(frame)
    notes += more
    frame, more = _outside(frame)
    notes += more
    notes += _people(frame, tables)
    frame = frame.drop(columns=[_FILE])
    if "word_position" not in frame and "trial" not in frame and _words_of_items(frame):
        frame["trial"] = frame["item"]
    if "trial" in frame and "word_position" not in frame:
        frame["word_position"] = frame.groupby(["person", "trial"], sort=False).cumcount() + 1
        notes.append("words are numbered in the order of their rows inside each trial")
    return frame, notes


def _row_counter(frame: pd.DataFrame, used: dict, said: Mapping[str, str]) -> str:
    """Take back a trial that changes with every word: it counts rows, or the words of an item; what was done, in words."""
    trial, item, person = (used[role] for role in ("trial", "item", "person"))
    if not (trial and item and person) or "trial" in said or used["text"] is None:
        return ""
    words = frame[used["text"]].astype(str).str.replace(_TAG, " ", regex=True).str.split().str.len()
    known = frame[frame[item].notna() & (words == 1).to_numpy()]
    per_item = known.groupby([person, item], sort=False)
    if len(known) < 0.5 * len(frame) or per_item.size().median() < 2:
        return ""
    if (per_item[trial].nunique() == per_item.size()).mean() < 0.9:
        return ""
    used["trial"] = None
    first = per_item[trial].min()
    if used["word_position"] is None and _numbered(frame[trial]) and first.nunique() == 1:
        used["word_position"] = trial
        return f"{trial} numbers the words of each {item}"
    return f"{trial} counts rows, not trials: each {item} is one"


def _outside(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Without rows that belong to no item, or have no place among the words of theirs: crosses, questions, instructions."""
    notes = []
    for role, what in (
        ("item", "belong to no item"),
        ("word_position", "have no place in their item"),
    ):
        if role not in frame or (
            role == "item" and "trial" in frame and "word_position" not in frame
        ):
            continue
        none = frame[role].isna() | (frame[role].astype(str).str.strip() == "")
        if none.any() and not none.all():
            texts = list(frame.loc[none, "text"].unique()[:2])
            notes.append(
                f"{int(none.sum()):,} rows that {what} left out, such as {' and '.join(map(repr, texts))}"
            )
            frame = frame[~none].reset_index(drop=True)
    return frame, notes


def _words_of_items(frame: pd.DataFrame) -> bool:
    """Whether the rows of a person and an item are the words of a text, one a row."""
    if "item" not in frame:
        return False
    single = frame["text"].astype(str).str.split().str.len() <= 1
    return bool(single.mean() > 0.9 and frame.groupby(["person", "item"]).size().median() > 1)


_FILE = "file of the row"


def _named(table: Table, *, several: bool) -> pd.DataFrame:
    return table.frame.assign(**{_FILE: table.path.name if several else ""})


def _column(frame: pd.DataFrame, role: str, said: Mapping[str, str]) -> str | None:
    if role in said:
        if said[role] not in frame.columns:
            raise unknown(
                "column of the table", said[role], [c for c in frame.columns if c != _FILE]
            )
        return said[role]
    by = {
        squashed(name): name for name in reversed(list(frame.columns)) if name not in said.values()
    }
    for name in ROLES[role]:
        if name in by and (role != "word_position" or _numbered(frame[by[name]])):
            return by[name]
    ends = [name for name in frame.columns if role in _ENDS and name.endswith(_ENDS[role])]
    ends = [name for name in ends if frame[name].notna().any()]
    if len(ends) > 1 and role in NEEDED:
        raise BrainLensError(
            f"Which column is the {role} cannot be told: several components recorded one",
            choices=ends,
            remedy=f"Say it: --column {role}={ends[0]}",
        )
    return ends[0] if len(ends) == 1 else None


def _numbered(column: pd.Series) -> bool:
    """Whether cells are whole numbers, and most are filled in: ``pos`` may be a place in the sentence or a part of speech."""
    cells = column[column.notna() & (column.astype(str).str.strip() != "")]
    numbers = pd.to_numeric(cells, errors="coerce")
    return bool(2 * len(cells) > len(column) and numbers.notna().all() and (numbers % 1 == 0).all())


def _lists(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Rows whose time is a list, one for each word of the text, become a row for each word."""
    cells = frame["rt"].astype(str).str.strip()
    listed = cells.str.startswith("[") & cells.str.endswith("]")
    if not listed.any():
        return frame, []
    frame = frame[listed].reset_index(drop=True)
    if "trial" not in frame:
        frame["trial"] = frame.groupby("person", sort=False).cumcount() + 1
    times, words = [], []
    for number, (cell, text) in enumerate(zip(cells[listed], frame["text"].astype(str))):
        try:
            own = list(json.loads(cell.replace("'", '"')))
        except (json.JSONDecodeError, TypeError):
            raise BrainLensError(f"The times {cell[:60]!r} are no list of numbers",
                                 remedy="Write them as [312, 287, ...]") from None  # fmt: skip
        parts = json.loads(text) if text.startswith("[") else text.split()
        if len(own) != len(parts):
            raise BrainLensError(
                f"{len(own)} times for {len(parts)} words in the {number + 1}th row with a list: {text[:60]!r}",
                remedy="Give one time for each word, or --column text=COLUMN",
            )
        times.append(own)
        words.append([str(one) for one in parts])
    frame = frame.assign(rt=times, text=words).explode(["rt", "text"], ignore_index=True)
    frame["word_position"] = frame.groupby(["person", "trial"], sort=False).cumcount() + 1
    return frame, [
        f"{int(listed.sum()):,} rows hold a list of times: one row for each word was made"
    ]


def _times(
    cells: pd.Series, tables: list[Table], column: str | None
) -> tuple[np.ndarray, list[str]]:
    parsed = parse(cells.astype(object).where(cells.notna(), None), missing=tables[0].missing)
    if parsed.wrong:
        raise BrainLensError(
            f"{len(parsed.wrong)} cells of {column!r} are no times, first {str(cells.iloc[parsed.wrong[0]])[:40]!r} in row "
            f"{parsed.wrong[0] + 1}",
            remedy="Name what means 'no time' (--missing CODE), or another column (--column rt=COLUMN)",
        )
    values, notes = parsed.values, []
    if tables[0].missing:
        codes = parse(tables[0].missing).values
        plain = parse(cells.astype(object).where(cells.notna(), None)).values
        coded = np.isin(plain, codes[~np.isnan(codes)])
        coded |= cells.astype(str).str.strip().isin(tables[0].missing).to_numpy()
        values = np.where(coded, np.nan, values)
        if coded.any():
            notes.append(
                f"{int(coded.sum()):,} cells of {column} hold {' or '.join(tables[0].missing)}: no value"
            )
    middle = float(np.nanmedian(values)) if np.isfinite(values).any() else np.nan
    if 0 < middle < _SECONDS:
        notes.append(f"times in seconds (the middle one is {middle:.3g}): turned into ms")
        return np.where(values > 0, values * 1000, values), notes  # a code for 'no time' stays
    return values, notes


def _texts(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Rows with a text, without marks of HTML."""
    texts = frame["text"].astype(object).where(frame["text"].notna(), "").astype(str)
    marked = texts.str.contains(_TAG)
    notes = [f"marks of HTML taken from {int(marked.sum()):,} texts"] if marked.any() else []
    texts = texts.str.replace(_TAG, " ", regex=True).str.split().str.join(" ")
    none = (texts == "") & frame["rt"].isna()
    if lost := int(((texts == "") & ~none).sum()):
        notes.append(f"{lost:,} rows with a time but without a text left out")
    if none.any():
        notes.append(
            f"{int(none.sum()):,} rows without text and time left out, such as instructions"
        )
    return frame.assign(text=texts)[texts != ""].reset_index(drop=True), notes


def _people(frame: pd.DataFrame, tables: list[Table]) -> list[str]:
    """Everybody has a name; a file of its own stands for a person where the column is empty there."""
    who = frame["person"].astype(object).where(frame["person"].notna(), "").astype(str).str.strip()
    who = who.str.replace(r"\.0$", "", regex=True) if frame["person"].dtype.kind == "f" else who
    notes = []
    if (who == "").any():
        if (frame[_FILE] == "").all():
            raise BrainLensError(f"{tables[0].path.name}: {int((who == '').sum()):,} rows name no person",
                                 remedy="Fill in the person, or name another column (--column person=COLUMN)")  # fmt: skip
        notes.append(
            f"{int((who == '').sum()):,} rows name no person: the name of their file stands for it"
        )
        who = who.where(who != "", frame[_FILE])
    files = pd.DataFrame({"w": who, "f": frame[_FILE]}).drop_duplicates()
    twice = files["w"].duplicated(keep=False)
    if twice.any():
        names = sorted(files["w"][twice].unique())
        notes.append(f"the person {names[0]!r} stands in several files: taken as one person" if len(names) == 1
                     else f"{len(names)} people stand in several files: each is taken as one person")  # fmt: skip
    frame["person"] = who
    return notes
