"""What is said of a file, completed by what the names of its columns say: which column is the text, which are the responses."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from data.errors import BrainLensError, unknown
from data.own.guess import Guess, guessed_responses, one_reading
from data.own.names import GUESSES, listed
from data.own.tables import squashed

__all__ = [
    "COLUMNS",
    "FACTS",
    "FIELDS",
    "GUESSES",
    "READING",
    "ROLES",
    "Meaning",
    "checked",
    "foreign_row",
    "is_id",
    "listed",
    "meaning",
    "one_reading",
    "plain_columns",
    "reading_options",
    "word_columns",
]

ROLES = (
    *("text", "responses", "group", "context", "subject", "order", "within"),
    *("target", "region", "repeat"),
)
"""What a column can be."""
COLUMNS = (*ROLES, "stimuli", "targets", "corpus")
READING = ("decimal", "missing", "sheet", "range")
"""How the cells are read."""
FACTS = (
    *("id", "kind", "unit", "scored_unit", "averaged", "simulated", "language", "joiner"),
    *("quality", "citation", "licence", "source"),
)
FIELDS = (*COLUMNS, *READING, *FACTS)

_LISTS = ("responses", "group", "context", "order")
_MAY_BE_NONE = ("group", "context", "subject", "order", "within", "target", "region", "repeat")
_FLAGS = ("averaged", "simulated")
_READ_BY_NAME = (
    "position",
    "onset",
    "log_frequency",
    "length",
    "sentence",
    "first_in_sentence",
    "last_in_sentence",
)


# ---- what is said ---------------------------------------------------------------------------------------------------------
def checked(said: Mapping, where: str = "") -> dict:
    """What is said of a file, its types made sure of; facts that are null are as good as not said.

    Parameters
    ----------
    where : str
        Name of the file that says it; "" for what was given in a call.

    Raises
    ------
    BrainLensError
        For a field there is not, or a value of the wrong type, with both.
    """
    found = {}
    for name, value in said.items():
        if name not in FIELDS:
            raise unknown(f"field of {where or 'a recording'}", name, FIELDS)
        if value is None or (name in _MAY_BE_NONE and value == "none"):
            if name in COLUMNS:
                found[name] = None
            continue
        if name in ("stimuli", "targets") and isinstance(value, Path):
            value = str(value)
        if name in ("missing", "sheet") and isinstance(value, int | float | np.number):
            value = f"{value:g}"
        if name == "missing" and isinstance(value, list | tuple):
            value = ",".join(str(one) for one in value)
        if name in _LISTS and isinstance(value, tuple | pd.Index | np.ndarray):
            value = list(value)
        wanted = _wanted(name, value)
        if wanted:
            raise BrainLensError(
                f"{where + ': ' if where else ''}{name} is {value!r}, not {wanted}",
                remedy=f"Give {name} as {wanted}",
            )
        found[name] = bool(value) if name in _FLAGS else value
    return found


def _wanted(name: str, value: object) -> str:
    """What a value should have been, "" where it is that."""
    if name in _FLAGS:
        return (
            "" if isinstance(value, bool | np.bool_) else "true or false, without quotation marks"
        )
    if name in _LISTS:
        right = isinstance(value, str) or (
            isinstance(value, list) and all(isinstance(one, str) for one in value)
        )
        return "" if right else "the name of a column or a list of names"
    if name == "decimal":
        return "" if value in (",", ".") else '"," or "."'
    if name in ("subject", "region"):
        right = isinstance(value, str) or (
            isinstance(value, Mapping)
            and all(
                isinstance(k, str) and isinstance(v, str | int) and not isinstance(v, bool)
                for k, v in value.items()
            )
        )
        return "" if right else f"the name of a column, or the {name} of each response column"
    return "" if isinstance(value, str) else "the name of a column" if name in ROLES else "a text"


def word_columns(said: Mapping) -> tuple[str, ...]:
    """Columns whose cells are labels or words, whatever they look like: ``null`` and ``007`` stay as they are written."""
    named = []
    for key in ("text", "group", "context", "subject", "within", "target", "region", "repeat"):
        value = said.get(key)
        named += (
            value.split(",")
            if isinstance(value, str)
            else list(value)
            if isinstance(value, list | tuple)
            else []
        )
    guessed = [
        name
        for key in ("text", "id", "group", "context", "subject", "target")
        for name in GUESSES[key]
    ]
    return (*guessed, "corpus", *(name.strip() for name in named))


def reading_options(said: Mapping) -> dict:
    """What is said of the cells, as :func:`data.own.tables.read_table` takes it."""
    missing = tuple(code.strip() for code in said.get("missing", "").split(",") if code.strip())
    return {
        "texts": word_columns(said),
        "missing": missing,
        **{key: said[key] for key in ("decimal", "sheet", "range") if said.get(key)},
    }


def is_id(column: str) -> bool:
    """Whether a column is called like one of the stimuli's ids."""
    return squashed(column) in {squashed(name) for name in GUESSES["id"]}


# ---- what the names say ---------------------------------------------------------------------------------------------------
def plain_columns(frame: pd.DataFrame) -> dict:
    """What the names alone say: text, subject, target and repeat (a column or None), responses, group, context, order (lists)."""
    frame = frame.rename(columns=str)
    frame = frame.assign(
        **{column: "..." for column in frame.columns if foreign_row(frame[column]) is not None}
    )
    guess = Guess(frame, "", {})
    text = guess.text()
    found = {"text": text, "responses": [], **guess.people(text)}
    for key in ("group", "context", "order"):
        name = guess.label(key)
        found[key] = [name] if name else []
    named = {text, found["subject"], found["target"], found["repeat"]}
    named |= {column for key in ("group", "context", "order") for column in found[key]}
    with contextlib.suppress(BrainLensError):
        found["responses"] = guessed_responses(frame, "", named)
    return found


def foreign_row(values: pd.Series) -> int | None:
    """The first row whose cell is neither a text nor a number nor a date."""
    if values.dtype.kind != "O" or isinstance(values.dtype, pd.StringDtype | pd.CategoricalDtype):
        return None
    several = (list, tuple, dict, set, bytes, bytearray, np.ndarray)
    return next((row for row, cell in enumerate(values) if isinstance(cell, several)), None)


@dataclass(frozen=True)
class Meaning:
    """Which column is what.

    Parameters
    ----------
    people, target, repeat : str or None
        Columns of a table with one row per stimulus and subject, target (voxel, region, electrode, measure), presentation.
    region : str or None
        Column that says where the target of a row lies.
    guessed : frozenset of str
        Which roles were not said.
    others : tuple of str
        Columns that mean nothing here; they stay in the table of stimuli.
    doubts : tuple of (str, str)
        What may not be meant so, and the next step.
    """

    text: str
    responses: list[str]
    group: list[str]
    context: list[str]
    order: list[str]
    people: str | None
    within: str | None
    target: str | None = None
    repeat: str | None = None
    region: str | None = None
    guessed: frozenset[str] = frozenset()
    others: tuple[str, ...] = ()
    doubts: tuple[tuple[str, str], ...] = ()

    @property
    def labels(self) -> list[str]:
        """Columns whose cells are labels."""
        single = (self.people, self.within, self.target, self.repeat, self.region)
        return [name for name in (*self.group, *self.context, *single) if name]

    @property
    def used(self) -> set[str]:
        """Columns that play a part."""
        return {self.text, *self.responses, *self.order, *self.labels}

    def __str__(self) -> str:
        """Such as ``text = sentence; responses = bold (guessed); group = topic; not used: s1_bold, s2_bold``."""
        parts = []
        for key, names in (
            ("text", [self.text]),
            ("responses", self.responses),
            ("group", self.group),
            ("context", self.context),
            ("order", self.order),
            *((key, [name] if name else []) for key, name in (
                ("subject", self.people),
                ("target", self.target),
                ("region", self.region),
                ("repeat", self.repeat),
                ("within", self.within),
            )),
        ):  # fmt: skip
            if names:
                parts.append(
                    f"{key} = {listed(names)}" + (" (guessed)" if key in self.guessed else "")
                )
        if self.others:
            parts.append(f"not used: {listed(self.others)}")
        return "; ".join(parts)

    def rivals(self, frame: pd.DataFrame) -> list[str]:
        """Columns of numbers left aside that are called like the responses that were guessed, such as ``s1_bold``."""
        if "responses" not in self.guessed:
            return []
        alike = re.compile(
            "|".join(rf"(?:^|[\W_\d]){re.escape(name)}(?:$|[\W_\d])" for name in self.responses),
            re.IGNORECASE,
        )
        return [c for c in self.others if alike.search(c) and frame[c].dtype.kind in "iuf"]


def meaning(frame: pd.DataFrame, name: str, said: Mapping) -> Meaning:
    """What is said, completed by what is plain; a column is guessed for one thing only, and never where None is said.

    Raises
    ------
    BrainLensError
        For a column there is not, one that is two things, or where text or responses are not plain.
    """
    guess = Guess(frame, name, said)
    text = _column(said.get("text"), "text", frame, name) or guess.text()
    if not text:
        raise BrainLensError(
            f"{name} has no column that is plainly the text",
            choices=frame.columns,
            remedy="Name the column that holds the words (--text COLUMN)",
        )
    responses = _several(said.get("responses"), "responses", frame, name)
    guess.taken |= {text: "the text", **dict.fromkeys(responses, "a response")}
    single = {}
    for role in ("subject", "target", "repeat", "region"):
        value = said.get(role)
        single[role] = _column(value, role, frame, name) if isinstance(value, str) else None
        if single[role] and role != "region":
            guess.taken[single[role]] = f"the {role}"
    for role, column in guess.people(text).items():
        single[role] = single[role] or column
    within = _column(said.get("within"), "within", frame, name)
    parts = {}
    for key in ("group", "context", "order"):
        parts[key] = _several(said.get(key), key, frame, name)
        if both := [column for column in parts[key] if column in guess.taken and key != "order"]:
            raise BrainLensError(
                f"{name}: column {both[0]!r} cannot be both {guess.taken[both[0]]} and {key}",
                remedy="Name another column",
            )
        if key not in said and (column := guess.label(key)):
            parts[key] = [column]
    named = {text, *single.values(), within, *(c for names in parts.values() for c in names)}
    if not responses:
        guess.made.add("responses")
        responses = guessed_responses(frame, name, named)
    corpus = [c for c in frame.columns if c.lower() == "corpus"] if said.get("corpus") else []
    used = {*named, *corpus, *responses}
    others = [
        c for c in frame.columns
        if c not in used and not is_id(c) and c.lower() not in _READ_BY_NAME and not c.startswith("Unnamed:")
    ]  # fmt: skip
    return Meaning(
        text,
        responses,
        **parts,
        people=single["subject"],
        within=within,
        target=single["target"],
        repeat=single["repeat"],
        region=single["region"],
        guessed=frozenset(guess.made),
        others=tuple(others),
        doubts=tuple(guess.doubts),
    )


def _column(name, meaning: str, frame: pd.DataFrame, file: str) -> str | None:
    return None if name is None else _named(name, meaning, frame, file)


def _named(name: str, meaning: str, frame: pd.DataFrame, file: str) -> str:
    if name not in frame.columns:
        raise unknown(
            f"{meaning} column of {file}",
            name,
            frame.columns,
            remedy="Name one of the table's columns",
        )
    return name


def _several(names, meaning: str, frame: pd.DataFrame, file: str) -> list[str]:
    if names is None:
        return []
    if isinstance(names, str):
        names = (
            [names]
            if names in frame.columns
            else [part.strip() for part in names.split(",") if part.strip()]
        )
    return [_named(name, meaning, frame, file) for name in names]
