"""Which column is what, by plain names and by how the rows stand: the text, people and targets, groups, responses."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from data.errors import BrainLensError
from data.own.names import GUESSES, WORD_TEXTS, listed, plain, twins
from data.own.numerals import parse
from data.own.tables import squashed

__all__ = ["Guess", "guessed_responses", "one_reading"]


def one_reading(frame: pd.DataFrame, *apart: str | None) -> pd.DataFrame:
    """The rows of one person, target and presentation: of the combination with most rows, in the order of the file."""
    columns = [column for column in apart if column]
    if not columns:
        return frame
    codes = frame.groupby(columns, sort=False, dropna=False).ngroup()
    return frame[codes == codes.value_counts().index[0]]


class Guess:
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


def guessed_responses(frame: pd.DataFrame, file: str, taken: set) -> list[str]:
    """The columns that are plainly the responses.

    Raises
    ------
    BrainLensError
        Where none or several may be, with those.
    """
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
