"""What is said of a file, and what the names of its columns say: which column is the text, which are the responses."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from data.errors import BrainLensError, unknown

__all__ = [
    "COLUMNS",
    "FACTS",
    "GUESSES",
    "Meaning",
    "checked",
    "foreign_row",
    "listed",
    "meaning",
    "plain_columns",
    "word_columns",
]

COLUMNS = (
    "text",
    "responses",
    "group",
    "context",
    "subject",
    "order",
    "within",
    "stimuli",
    "corpus",
)
FACTS = (
    "id",
    "kind",
    "unit",
    "scored_unit",
    "averaged",
    "simulated",
    "quality",
    "citation",
    "licence",
    "source",
)

GUESSES = {
    "text": ("text", "sentence", "sentences", "stimulus", "word", "words", "chunk"),
    "responses": (
        "response",
        "responses",
        "effect_size",
        "rt",
        "mean_rt",
        "mean_rt_ms",
        "reading_time",
        "bold",
        "amplitude",
    ),
    "group": ("group", "topic", "passage_category", "story", "story_id", "text_idx", "run"),
    "context": ("context", "passage", "passage_id", "story", "story_id", "text_idx"),
    "subject": ("subject", "subject_id", "participant", "participant_id", "workerid"),
    "order": ("order", "presentation_order", "word_idx"),
    "id": ("stimulus_id", "item_id"),
}
"""Names that are plain enough to be taken without asking."""

_LISTS = ("responses", "group", "context", "order")
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
        if name not in (*COLUMNS, *FACTS):
            raise unknown(f"field of {where or 'a recording'}", name, (*COLUMNS, *FACTS))
        if value is None:
            if name in COLUMNS:
                found[name] = None
            continue
        if name == "stimuli" and isinstance(value, Path):
            value = str(value)
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
    if name == "subject":
        right = isinstance(value, str) or (
            isinstance(value, Mapping)
            and all(
                isinstance(k, str) and isinstance(v, str | int) and not isinstance(v, bool)
                for k, v in value.items()
            )
        )
        return "" if right else "the name of a column, or the subject of each response column"
    return (
        ""
        if isinstance(value, str)
        else "the name of a column"
        if name in ("text", "within")
        else "a text"
    )


def word_columns(said: Mapping) -> tuple[str, ...]:
    """Columns whose cells are labels or words, whatever they look like: ``null`` and ``007`` stay as they are written."""
    named = []
    for key in ("text", "group", "context", "subject", "within"):
        value = said.get(key)
        named += (
            value.split(",")
            if isinstance(value, str)
            else list(value)
            if isinstance(value, list | tuple)
            else []
        )
    guessed = [
        name for key in ("text", "id", "group", "context", "subject") for name in GUESSES[key]
    ]
    return (*guessed, "corpus", *(name.strip() for name in named))


# ---- what the names say ---------------------------------------------------------------------------------------------------
def plain_columns(frame: pd.DataFrame) -> dict:
    """What the names alone say: text and subject (a column or None), responses, group, context and order (lists)."""
    frame = frame.rename(columns=str)
    frame = frame.assign(
        **{column: "..." for column in frame.columns if foreign_row(frame[column]) is not None}
    )
    text = _guess("text", frame)
    taken = {text: "the text"}
    subject = _guess("subject", frame, taken)
    plain = {"text": text, "responses": [], "subject": subject}
    for key in ("group", "context", "order"):
        name = _guess(key, frame, {**taken, subject: "the subject"})
        plain[key] = [name] if name else []
    named = {text, subject, *plain["group"], *plain["context"], *plain["order"]}
    with contextlib.suppress(BrainLensError):
        plain["responses"] = _guess_responses(frame, "", named)
    return plain


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
    people : str or None
        The subject column of a table with one row per stimulus and subject.
    guessed : frozenset of str
        Which of text, responses, group, context, order and subject were not said.
    others : tuple of str
        Columns that mean nothing here; they stay in the table of stimuli.
    """

    text: str
    responses: list[str]
    group: list[str]
    context: list[str]
    order: list[str]
    people: str | None
    within: str | None
    guessed: frozenset[str]
    others: tuple[str, ...]

    @property
    def labels(self) -> list[str]:
        """Columns whose cells are labels."""
        return [name for name in (*self.group, *self.context, self.people, self.within) if name]

    def __str__(self) -> str:
        """Such as ``text = sentence; responses = bold (guessed); group = topic; not used: s1_bold, s2_bold``."""
        parts = []
        for key, names in (
            ("text", [self.text]),
            ("responses", self.responses),
            ("group", self.group),
            ("context", self.context),
            ("order", self.order),
            ("subject", [self.people] if self.people else []),
            ("within", [self.within] if self.within else []),
        ):
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


def listed(names, most: int = 8) -> str:
    """The first few names, and how many more there are."""
    names = list(names)
    return ", ".join(map(str, names[:most])) + (
        f" and {len(names) - most} more" if len(names) > most else ""
    )


def meaning(frame: pd.DataFrame, name: str, said: Mapping) -> Meaning:
    """What is said, completed by what is plain; a column is guessed for one thing only, and never where None is said.

    Raises
    ------
    BrainLensError
        For a column there is not, one that is two things, or where text or responses are not plain.
    """
    guessed = set()
    text = _column(said.get("text"), "text", frame, name)
    if not text:
        guessed.add("text")
        text = _guess("text", frame)
    if not text:
        raise BrainLensError(
            f"{name} has no column that is plainly the text",
            choices=frame.columns,
            remedy="Name the column that holds the words (--text COLUMN)",
        )
    responses = _several(said.get("responses"), "responses", frame, name)
    taken = {text: "the text", **dict.fromkeys(responses, "a response")}
    people = said["subject"] if "subject" in said else _guess("subject", frame, taken)
    people = _column(people, "subject", frame, name) if isinstance(people, str) else None
    if people and "subject" not in said:
        guessed.add("subject")
    if people:
        taken[people] = "the subject"
    parts = {}
    for key in ("group", "context", "order"):
        parts[key] = _several(said.get(key), key, frame, name)
        if both := [column for column in parts[key] if column in taken and key != "order"]:
            raise BrainLensError(
                f"{name}: column {both[0]!r} cannot be both {taken[both[0]]} and {key}",
                remedy="Name another column",
            )
        if key not in said and (plain := _guess(key, frame, taken)):
            parts[key] = [plain]
            guessed.add(key)
    if not responses:
        guessed.add("responses")
        responses = _guess_responses(
            frame, name, {text, people, *(c for names in parts.values() for c in names)}
        )
    within = _column(said.get("within"), "within", frame, name)
    corpus = [c for c in frame.columns if c.lower() == "corpus"] if said.get("corpus") else []
    used = {
        text,
        people,
        within,
        *corpus,
        *responses,
        *(c for names in parts.values() for c in names),
    }
    others = [
        c for c in frame.columns
        if c not in used and c.lower() not in (*GUESSES["id"], *_READ_BY_NAME) and not c.startswith("Unnamed:")
    ]  # fmt: skip
    return Meaning(
        text,
        responses,
        **parts,
        people=people,
        within=within,
        guessed=frozenset(guessed),
        others=tuple(others),
    )


def _column(name, meaning: str, frame: pd.DataFrame, file: str) -> str | None:
    if name is None:
        return None
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
    return [_column(name, meaning, frame, file) for name in names]


def _guess(meaning: str, frame: pd.DataFrame, taken: Mapping = {}) -> str | None:
    """The first plain name, in the order of :data:`GUESSES`: words for the text, one block of rows per label for the context."""
    plain = {column.lower(): column for column in frame.columns}
    for name in GUESSES[meaning]:
        column = plain.get(name)
        if (
            column is None
            or column in taken
            or (
                meaning == "text"
                and pd.to_numeric(frame[column], errors="coerce").notna().mean() >= 0.9
            )
        ):
            continue
        if meaning == "context" and (frame[column] != frame[column].shift()).sum() != frame[
            column
        ].nunique(dropna=False):
            continue
        return column
    return None


def _guess_responses(frame: pd.DataFrame, file: str, taken: set) -> list[str]:
    known = {column.lower(): column for column in frame.columns if column not in taken}
    plain = [known[name] for name in GUESSES["responses"] if name in known]
    if len(plain) == 1:
        return plain
    numeric = [
        c
        for c in frame.columns
        if c not in taken and frame[c].dtype.kind in "iuf" and not c.startswith("Unnamed:")
    ]
    fractions = [
        c for c in numeric if frame[c].dtype.kind == "f" and (frame[c].dropna() % 1 != 0).any()
    ]
    if not plain and len(fractions) == 1:
        return fractions
    raise BrainLensError(
        f"{file}: which columns hold the responses is not plain",
        choices=plain or fractions or numeric or frame.columns,
        remedy="Name the columns that hold the measurements (--response COLUMN,COLUMN)",
    )
