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
from data.own.names import GUESSES, WORD_TEXTS, plain, twins
from data.own.numerals import parse
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
    guess = _Guess(frame, "", {})
    text = guess.text()
    found = {"text": text, "responses": [], **guess.people(text)}
    for key in ("group", "context", "order"):
        name = guess.label(key)
        found[key] = [name] if name else []
    named = {text, found["subject"], found["target"], found["repeat"]}
    named |= {column for key in ("group", "context", "order") for column in found[key]}
    with contextlib.suppress(BrainLensError):
        found["responses"] = _guess_responses(frame, "", named)
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
    guess = _Guess(frame, name, said)
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
        responses = _guess_responses(frame, name, named)
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


def one_reading(frame: pd.DataFrame, *apart: str | None) -> pd.DataFrame:
    """The rows of one person, target and presentation: of the combination with most rows, in the order of the file."""
    columns = [column for column in apart if column]
    if not columns:
        return frame
    codes = frame.groupby(columns, sort=False, dropna=False).ngroup()
    return frame[codes == codes.value_counts().index[0]]


class _Guess:
    """Plain names taken for what they say; ``made`` says which roles were, ``taken`` which columns are something already."""

    def __init__(self, frame: pd.DataFrame, file: str, said: Mapping):
        self.frame, self.file, self.said = frame, file, said
        self.taken: dict[str, str] = {}
        self.made: set[str] = set()
        self.doubts: list[tuple[str, str]] = []
        self._one = frame

    def _plain(self, role: str) -> list[str]:
        found = [column for name in GUESSES[role] for column in plain(self.frame, name)]
        return [column for column in dict.fromkeys(found) if column not in self.taken]

    def text(self) -> str | None:
        """The column of the words; where sentences and their words stand side by side, a row is a word."""
        found = [
            column
            for column in self._plain("text")
            if pd.to_numeric(self.frame[column], errors="coerce").notna().mean() < 0.9
        ]
        if not found:
            return None
        chosen = self._words_of(found) or found[0]
        self.made.add("text")
        self.taken[chosen] = "the text"
        if again := twins(self.frame, chosen):
            self.doubts.append((
                f"{chosen} was taken as the text and {listed(again)} left aside",
                "Name the column that holds the words (--text COLUMN)",
            ))  # fmt: skip
        return chosen

    def _words_of(self, found: list[str]) -> str | None:
        """The column of single words whose sentences stand in another one.

        Raises
        ------
        BrainLensError
            Where each sentence has one word only: either may be what was read.
        """
        names = {squashed(name) for name in WORD_TEXTS}
        for word in (column for column in found if squashed(column) in names):
            words = self.frame[word].astype(str).str.strip()
            if (words.str.split().str.len() > 1).mean() > 0.1:
                continue
            for sentence in (column for column in found if column != word):
                texts = self.frame[sentence].astype(str)
                if (texts.str.split().str.len() > 1).mean() < 0.5:
                    continue
                pairs = pd.DataFrame({"s": texts, "w": words}).drop_duplicates()
                inside = [w.lower() in s.lower() for s, w in zip(pairs["s"], pairs["w"])]
                if np.mean(inside) < 0.8:
                    continue
                if len(pairs) >= 2 * pairs["s"].nunique():
                    self.doubts.append((
                        f"{word} was taken as the text, one row per word, and {sentence} left aside, which holds whole sentences",
                        f"Where whole sentences were measured, say so (--text {sentence})",
                    ))  # fmt: skip
                    return word
                raise BrainLensError(
                    f"{self.file}: {sentence!r} or {word!r} may be what each response belongs to",
                    choices=(sentence, word),
                    remedy=f"Name the column that was read (--text {sentence} or --text {word})",
                )
        return None

    def people(self, text: str | None) -> dict[str, str | None]:
        """Columns of subject, target and repetition: the latter two where the same person meets the same text again."""
        found: dict[str, str | None] = dict.fromkeys(("subject", "target", "repeat"))
        known = {role: self._said(role) for role in found}
        for role in found:
            if role in self.said:
                continue
            for column in self._plain(role):
                if role != "subject" and not self._parts(text, known, column):
                    continue
                found[role] = known[role] = column
                self.taken[column] = f"the {role}"
                self.made.add(role)
                break
        found |= self._crossed(text, known)
        self._one = one_reading(self.frame, *{**known, **found}.values())
        return found

    def _crossed(self, text: str | None, known: dict[str, str | None]) -> dict[str, str | None]:
        """Target and repetition together, where each text comes once for every pair of their values."""
        both = ("target", "repeat")
        if any(known[role] or role in self.said for role in both):
            return {}
        for target in self._plain("target"):
            for repeat in self._plain("repeat"):
                if self.frame[target].nunique() < 2 or not self._parts(
                    text, {**known, "target": target}, repeat
                ):
                    continue
                self.taken |= {target: "the target", repeat: "the repeat"}
                self.made |= set(both)
                return {"target": target, "repeat": repeat}
        return {}

    def _said(self, role: str) -> str | None:
        value = self.said.get(role)
        return value if isinstance(value, str) and value in self.frame.columns else None

    def _parts(self, text: str | None, known: Mapping, column: str) -> bool:
        """Whether the same texts come again and again, and once for each value of the column."""
        keys = [key for key in (text, *known.values()) if key]
        if not text or self.frame[column].nunique() < 2:
            return False
        texts = self.frame[keys].drop_duplicates()
        return len(texts) * 2 <= len(self.frame) and (
            len(self.frame[[*keys, column]].drop_duplicates()) >= 0.9 * len(self.frame)
        )

    def label(self, key: str) -> str | None:
        """The first plain name: one block of rows per label for the context, at least two labels for groups."""
        for column in self._plain(key):
            values = self._one[column]
            lone = values.nunique(dropna=False) < 2 and not (values == "...").all()
            if key != "order" and lone:
                continue
            if key == "context" and (values != values.shift()).sum() != values.nunique(
                dropna=False
            ):
                continue
            self.made.add(key)
            return column
        return None


def _guess_responses(frame: pd.DataFrame, file: str, taken: set) -> list[str]:
    found = [column for name in GUESSES["responses"] for column in plain(frame, name)]
    found = [column for column in dict.fromkeys(found) if column not in taken]
    if len(found) == 1 or (found and len({squashed(column) for column in found}) == 1):
        return found[:1]
    numeric = [
        c
        for c in frame.columns
        if c not in taken and frame[c].dtype.kind in "iuf" and not c.startswith("Unnamed:")
    ]
    fractions = [
        c for c in numeric if frame[c].dtype.kind == "f" and (frame[c].dropna() % 1 != 0).any()
    ]
    free = [c for c in frame.columns if c not in taken and not c.startswith("Unnamed:")]
    digits = [c for c in free if frame[c].dtype.kind == "O" and _of_digits(frame[c])]
    if not found and len(fractions) == 1 and not digits:
        return fractions
    if not (found or numeric) and free:
        written = [c for c in free if frame[c].dtype.kind == "O" and _written(frame[c])]
        if len(written) == 1:
            return written
        if not written:
            seen = {c: next((v for v in frame[c] if str(v).strip()), "") for c in free[:3]}
            raise BrainLensError(
                f"{file}: no column holds plain numbers; {', '.join(f'{c!r} has {str(v)!r}' for c, v in seen.items())}",
                choices=free,
                remedy="Name the column that holds the measurements (--response COLUMN); units and % do not belong in its cells",
            )
    numeric += digits
    row, pattern = _series([c for c in numeric if c not in found])
    raise BrainLensError(
        f"{file}: which columns hold the responses is not plain",
        choices=[*dict.fromkeys([*found, *row, *fractions, *(digits if fractions else [])])]
        or numeric
        or frame.columns,
        remedy=f"Name the columns that hold the measurements (--response COLUMN,COLUMN, or a pattern such as --response "
        f"'{pattern or 'sub-*'}')",
    )


def _series(columns: list[str]) -> tuple[list[str], str]:
    """Columns that are numbered, as one for each person would be, the most of one name, and their pattern."""
    named: dict[str, list[str]] = {}
    for column in columns:
        if numbered := re.fullmatch(r"(.*?\D)\d+", column):
            named.setdefault(numbered[1], []).append(column)
    stem = max(named, key=lambda one: len(named[one]), default="")
    return (named[stem], f"{stem}[0-9]*") if stem and len(named[stem]) >= 3 else ([], "")


def _of_digits(cells: pd.Series) -> bool:
    """Whether nearly all cells of text begin with a number: with a decimal comma, thousands marks or a unit behind it."""
    texts = cells.dropna().astype(str).str.strip()
    texts = texts[texts != ""]
    return len(texts) > 0 and bool(
        texts.str.fullmatch(
            r"[-+\u2212]?[\d.,' \u00a0]*\d\s*(?:%|[a-zA-Z\u00b5\u03bc]{1,3})?"
        ).mean()
        >= 0.9
    )


def _written(cells: pd.Series) -> bool:
    """Whether cells of text are numbers as people write them, such as −4 with a typographer's minus."""
    parsed = parse(cells)
    return not parsed.wrong and (bool(parsed.either) or bool(np.isfinite(parsed.values).any()))
