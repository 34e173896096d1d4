"""What a table tells without a word: what was measured and in which unit, in which language, how its words are joined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from data.errors import BrainLensError
from data.language import JOINERS, checked_language, detected, joiner_of
from data.own.meaning import Meaning
from data.own.names import kind_of
from data.own.tables import Table, squashed

__all__ = ["spoken_rows", "told"]

_NO_WORD = ("n/a", "N/A", "#N/A", "<NA>", "NaN")
_ANSWERS = ("correct", "accuracy", "acc", "iscorrect", "answercorrect", "responsecorrect")
_TIMES = ("reading_times", "eye_tracking")
_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_DATE = (
    rf"\d{{1,2}}-{_MONTH}(?:-\d{{2,4}})?|{_MONTH}-\d{{2,4}}|\d{{4}}-\d{{2}}-\d{{2}}(?: 00:00:00)?"
)
_SPELLED = {"none": "", "nothing": "", "blank": " ", "space": " "}


def spoken_rows(table: Table, text: str, said: Mapping) -> Table:
    """The rows with a word: in a BIDS table of events ``n/a`` means that there is none (silence, a pulse, a key)."""
    if not table.path.name.endswith(("_events.tsv", "_events.tsv.gz")):
        return table
    cells = table.frame[text]
    none = (cells.isna() | (cells.astype(str).str.strip() == "n/a")).to_numpy()
    if not none.any() or none.all():
        return table
    note = f"{int(none.sum())} events without a word (n/a) left out, first {table.where(int(np.flatnonzero(none)[0]))}"
    part = table.part(np.flatnonzero(~none))
    return replace(part, said=(*part.said, note))


def told(
    table: Table,
    meant: Meaning,
    stimuli: pd.DataFrame,
    data: np.ndarray,
    said: Mapping,
    words: bool,
) -> tuple[dict, list[tuple[str, str]]]:
    """Kind, unit, scored unit, language and joiner, as they are said or told by names and values; and what is doubtful in that.

    Raises
    ------
    BrainLensError
        For a language that is no code, or a joiner that is no rule and no column.
    """
    doubts = [*_texts(stimuli["text"]), *_wrong_answers(table, meant)]
    known = {"scored_unit": said.get("scored_unit") or ("word" if words else "sentence")}
    known["kind"], known["unit"], more = _measured(table, meant, data, said, words)
    known["language"], spoken = _language(stimuli, said)
    known["joiner"], joined = _joiner(table, stimuli, said, words)
    return known, [*doubts, *more, *spoken, *joined]


# ---- what was measured ----------------------------------------------------------------------------------------------------
def _measured(table: Table, meant: Meaning, data: np.ndarray, said: Mapping, words: bool):
    kind, unit = said.get("kind"), said.get("unit")
    named, of_names = kind_of(meant.responses)
    array = table.path.suffix.lower() in (".nc", ".nc4", ".npy", ".npz", ".mat")
    doubts = []
    middle = float(np.nanmedian(data)) if np.isfinite(data).any() else np.nan
    if not kind:
        kind = named
    if not kind and words and _like_times(data):
        kind = "reading_times"
        doubts.append((
            f"nothing says what {meant.responses[0]!r} measures; {middle:.0f} in the middle looks like times in ms: taken as "
            "reading_times",
            "Say it: --kind reading_times (self-paced), eye_tracking or another, and --unit; 'kind' and 'unit' in the sidecar",
        ))  # fmt: skip
    if not kind:
        kind = "fmri"
        if words and not array:
            doubts.append((
                f"nothing says what {meant.responses[0]!r} measures: taken as fmri, in arbitrary units",
                "Say it: --kind eeg (or another) and --unit uV, or 'kind' and 'unit' in the sidecar",
            ))  # fmt: skip
    if not unit:
        unit = (of_names if named == kind else "") or ("ms" if kind in _TIMES else "a.u.")
        if unit == "ms" and not middle >= 20:
            unit = "a.u."
            doubts.append((
                f"times of {middle:.3g} in the middle are no ms: seconds, logarithms or differences?",
                "Say the unit (--unit 'log ms'), and give times in ms where filters are to be used",
            ))  # fmt: skip
    return kind, unit, doubts


def _wrong_answers(table: Table, meant: Meaning) -> list[tuple[str, str]]:
    """Trials that were answered wrongly count like the others, where a column says which they are."""
    if not meant.people or kind_of(meant.responses)[0] not in _TIMES:
        return []
    for column in (c for c in meant.others if squashed(c) in _ANSWERS):
        cells = (
            table.frame[column]
            .astype(str)
            .str.strip()
            .str.lower()
            .str.replace(r"\.0$", "", regex=True)
        )
        wrong = cells.isin(("0", "no", "false", "incorrect", "wrong", "n"))
        right = cells.isin(("1", "yes", "true", "correct", "right", "y"))
        if wrong.any() and right.any() and (wrong | right).mean() > 0.8:
            rule = table.frame[column][right].iloc[0]
            return [(
                f"{int(wrong.sum())} rows were answered wrongly by {column!r}, and their times count like the others",
                f"Leave them out: 'brainlens data trials {table.path.name} --rule \"{column} == {rule}\" --out MINE.csv'",
            )]  # fmt: skip
    return []


def _like_times(data: np.ndarray) -> bool:
    """Whether numbers may be times in ms: none below 0, the middle one between 50 and 5,000."""
    values = data[np.isfinite(data)]
    positive = values[values > 0]
    return bool(len(positive)) and not (values < 0).any() and 50 <= np.median(positive) <= 5000


# ---- texts ----------------------------------------------------------------------------------------------------------------
def _texts(texts: pd.Series) -> list[tuple[str, str]]:
    doubts = []
    none = texts[texts.isin(_NO_WORD)]
    if len(none):
        doubts.append((
            f"{len(none)} texts are {none.iloc[0]!r}, which a model would read as it stands",
            "Where it means that there is no word, remove these rows",
        ))  # fmt: skip
    letters = texts[texts.str.contains(r"[^\W\d_]", regex=True)]
    capitals = letters == letters.str.upper()
    truth = letters[letters.isin(("TRUE", "FALSE"))]
    if len(truth) and capitals.sum() - len(truth) < 0.5 * len(letters):
        doubts.append((
            f"{len(truth)} texts are {' and '.join(sorted(set(truth)))}, as spreadsheets turn the words true and false",
            "Restore the words as they were read",
        ))  # fmt: skip
    dates = texts[texts.str.fullmatch(_DATE)]
    if 0 < len(dates) < 0.5 * len(texts):
        doubts.append((
            f"{len(dates)} texts are dates such as {dates.iloc[0]!r}, as spreadsheets turn words such as March-1 or 3/4",
            "Restore the words as they were read",
        ))  # fmt: skip
    return [*doubts, *_written(texts)]


_SPELLING = (
    (
        r"</?[A-Za-z][^<>]{0,80}>|&(?:[A-Za-z]{2,8}|#\d{1,6}|#[xX][0-9a-fA-F]{1,5});",
        "hold marks of HTML",
        "Write the words as they were shown",
    ),
    (
        r"\\[nrt](?![a-z])|\\[ux][0-9a-fA-F]{2,4}|%(?:20|2[Cc]|27|22|3[Ff]|[Cc][3-9])",
        "hold signs that a program wrote in their place",
        "Write the signs themselves, such as a comma for %2C",
    ),
    (
        r"^\s*[\[(]\s*(?:'.*'|\".*\")\s*(?:,\s*)?[\])]\s*$",
        "are lists as a program writes them",
        "Write the words with blanks between them",
    ),
    (
        r"[^\W\d_]_[^\W\d_]",
        "hold words joined by underscores",
        "Write blanks between the words",
    ),
    (
        r"[^\W\d_][\u00a0\u2007\u202f][^\W\d_]",
        "hold blanks that do not break lines, which models rarely saw",
        "Write plain blanks between the words",
    ),
    (
        r"[^\W\d_]\?[^\W\d_]",
        "hold a question mark inside a word, as a lost apostrophe or letter leaves it",
        "Export the texts again as UTF-8",
    ),
)
"""What texts hold that nobody read: a pattern, what it is, and the next step."""


def _written(texts: pd.Series) -> list[tuple[str, str]]:
    """Texts that would be read as they are written by a program, and not as they were shown."""
    doubts = []
    for pattern, what, fix in _SPELLING:
        odd = texts[texts.str.contains(pattern, regex=True)]
        if len(odd):
            doubts.append((f"{len(odd)} texts {what}, first {odd.iloc[0][:60]!r}", fix))
    around = texts.str.fullmatch(r"([\"']).+\1|\u201c.+\u201d|\u00ab.+\u00bb")
    if len(texts) > 3 and around.mean() > 0.9:
        doubts.append((
            f"{int(around.sum())} texts stand in quotation marks, which a model would read, first {texts.iloc[0][:60]!r}",
            "Take the marks off where they were not shown",
        ))  # fmt: skip
    return doubts


def _language(stimuli: pd.DataFrame, said: Mapping) -> tuple[str, list[tuple[str, str]]]:
    if said.get("language"):
        return checked_language(said["language"]), []
    code, likely = detected(list(stimuli["text"]))
    if code or "log_frequency" in stimuli.columns:
        return code, []
    return "", [(
        f"the texts are not English; they look like {likely!r}: which words are frequent is not known until the language is said",
        f"Say it (--language {likely}, or 'language' in the sidecar)",
    )]  # fmt: skip


def _joiner(table: Table, stimuli: pd.DataFrame, said: Mapping, words: bool):
    if "joiner" in said:
        joiner = said["joiner"]
        if joiner not in stimuli.columns:
            joiner = _SPELLED.get(joiner, joiner)
        if joiner not in JOINERS and joiner not in stimuli.columns:
            raise BrainLensError(
                f"{table.path.name}: joiner {joiner!r} is no rule and no column",
                choices=("blank", "none", "treebank", *stimuli.columns.drop("text")),
                remedy="Name what stands between two words, or a column that says where a blank stands (1) and where none (0)",
            )
        return joiner, []
    joiner, why = joiner_of(list(stimuli["text"])) if words else (" ", "")
    if not why:
        return joiner, []
    how = "nothing between words" if joiner == "" else "no blank before punctuation and clitics"
    return joiner, [(
        f"{why}: texts are joined with {how} (joiner = {joiner or 'none'})",
        "Where they are to be joined otherwise, say so (--joiner blank, none, treebank, or a column that says of each row "
        "whether a blank stands before it)",
    )]  # fmt: skip
