"""Whether the texts of a recording can be read as they stand: twins, marks, broken characters, words in their order."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import numpy as np
import pandas as pd

from data.own.findings.finding import Finding, Places, warning
from data.recording import Recording
from data.words import core

__all__ = ["aligned", "texts"]

_BROKEN = "[\ufffd\u200b\ufeff\x00-\x08\x0b\x0c\x0e-\x1f]|Ã.|â€"
_LETTER = re.compile(r"\w")


def texts(recording: Recording, places: Places, facts: dict) -> Iterator[Finding]:
    """What is odd in the texts, each by its lines."""
    read = pd.Series(recording.texts)
    yield from (_several if recording.scored_unit == "word" else _twins)(
        recording, read, places, facts
    )
    for odd, what, fix in (
        (
            ~read.str.contains(r"\w", regex=True),
            "hold no letter or digit and may not align with a model's tokens",
            "Attach punctuation to the word before it",
        ),
        (
            read.str.contains(_BROKEN, regex=True) | read.map(_twice_encoded),
            "hold broken or invisible characters",
            "Export the table again as UTF-8",
        ),
        (read.str.contains(r"[\n\r\t]", regex=True), "hold line breaks or tabs", "Use spaces"),
        (
            read.str.contains(r"  +", regex=True),
            "hold several spaces in a row",
            "Models read each space: reduce them to one",
        ),
    ):
        rows = np.flatnonzero(odd)
        if len(rows):
            yield warning(f"{len(rows)} texts {what}: {places.of(rows)}", fix)
    letters = read[read.str.contains("[A-Za-z]", regex=True)]
    if len(letters) > 3 and (letters == letters.str.upper()).all():
        yield warning(
            "all texts are upper case, which models rarely saw", "Re-case them before reading"
        )


def _twins(recording: Recording, read: pd.Series, places: Places, facts: dict) -> Iterator[Finding]:
    """Texts that occur more than once, and whether they would leak."""
    twins = np.flatnonzero(read.duplicated(keep=False))
    facts["duplicates"] = int(read[twins].nunique())
    if not len(twins):
        return
    apart = ""
    if recording.group is not None:
        labels = pd.Series(recording.column(recording.group)[twins])
        groups = labels.groupby(read[twins].to_numpy()).nunique()
        apart = f"; {int((groups > 1).sum())} of them in different groups, where they leak from training to test"
    yield warning(
        f"{facts['duplicates']} texts occur more than once{apart}: {places.of(twins)}",
        "Put twins in one group, or remove one",
    )


def _several(
    recording: Recording, read: pd.Series, places: Places, facts: dict
) -> Iterator[Finding]:
    """Rows of several words in a table of words."""
    several = np.flatnonzero(read.str.split().str.len() > 1)
    if len(several):
        yield warning(
            f"{len(several)} rows hold several words where one is scored: {places.of(several)}",
            "Give each word a row, or set scored_unit to sentence in the sidecar",
        )


def _twice_encoded(text: str) -> bool:
    """Whether UTF-8 was read as Western European and saved so: ``Ä±`` for ``ı``, ``Ð¿`` for ``п``."""
    for odd in re.findall("[^\x00-\x7f]{2,}", text):
        for code in ("cp1252", "latin-1"):
            with contextlib.suppress(UnicodeError):
                odd.encode(code).decode("utf-8")
                return True
    return False


# ---- words in their running text ------------------------------------------------------------------------------------------
def aligned(recording: Recording, places: Places, facts: dict) -> Iterator[Finding]:
    """Where a table of words has a column with their running text, the words must stand in it, in order."""
    if recording.scored_unit != "word":
        return
    words = [core(text) for text in recording.texts]
    blocks = (
        np.zeros(len(words)) if recording.context is None else recording.column(recording.context)
    )
    for name in recording.stimuli.columns.drop("text"):
        cells = recording.stimuli[name]
        if (
            cells.dtype.kind != "O"
            or cells.isna().all()
            or cells.dropna().astype(str).str.split().str.len().mean() < 3
        ):
            continue
        running = cells.where(cells.notna(), "").astype(str).str.lower().tolist()
        if np.mean([word in text for word, text in zip(words, running)]) < 0.5:
            continue  # words about something else
        lost = _lost(words, running, blocks)
        if lost:
            yield warning(
                f"the words of {len(lost)} texts are not found in order in {name!r}, first {recording.texts[lost[0]]!r}: "
                f"{places.of(lost)}",
                "Write the words as they stand in the text, one row each, in reading order",
            )


def _lost(words: list[str], running: list[str], blocks) -> list[int]:
    """Of each text, the first word that does not follow the word before it; words without a letter are passed over."""
    lost, start, before, whole = [], 0, None, True
    for row, (word, text, block) in enumerate(zip(words, running, blocks)):
        if (text, block) != before or not _LETTER.search(text, start):
            start, before, whole = 0, (text, block), True  # another text, or the same one again
        if not (whole and word and text):
            continue
        found = text.find(word, start)
        while found >= 0 and _inside(text, found, found + len(word)):
            found = text.find(word, found + 1)
        if found < 0:
            lost.append(row)
            whole = False
        start = found + len(word) if found >= 0 else start
    return lost


def _inside(text: str, start: int, end: int) -> bool:
    """Whether a place in a text lies inside a longer word."""
    return bool((start and _LETTER.match(text, start - 1)) or _LETTER.match(text, end))
