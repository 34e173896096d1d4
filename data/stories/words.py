"""Words with times, from whatever they were written down in: TextGrid, BIDS events, SubRip, tables."""

from __future__ import annotations

import contextlib
import csv
import io
import re
from pathlib import Path

import numpy as np
import pandas as pd

from data.errors import BrainLensError, unknown
from data.own.tables import Table, numbers, read_table

__all__ = ["READERS", "SILENT", "holds_words", "read_words"]

SILENT = frozenset({"", "sp", "sil", "silence", "<sil>", "<s>", "</s>", "#", "n/a", "<p>", "pau"})
"""What forced aligners write where nobody speaks; such intervals are no words, and are counted."""

TEXT = ("word", "text", "trial_type", "value", "label", "stimulus")
ONSET = ("onset", "start", "start_time", "begin", "tmin", "xmin")
OFFSET = ("offset", "end", "end_time", "stop", "tmax", "xmax")
MOST_SECONDS = 6 * 3600.0
"""No run is longer: a later onset is one in milliseconds."""


def read_words(
    path: str | Path,
    *,
    run: str = "1",
    tier: str | None = None,
    text: str | None = None,
    onset: str | None = None,
    offset: str | None = None,
    untimed: str = "refuse",
) -> pd.DataFrame:
    """The words of one run with their times.

    Parameters
    ----------
    path : path-like
        ``.TextGrid`` (long or short form, UTF-8 or UTF-16), ``.srt``, or a table (``.csv``, ``.tsv``, BIDS ``events.tsv``) with
        columns of text, onset and offset or duration, in seconds.
    run : str
        Name of the run the words belong to, where the file has no column ``run``.
    tier : str, optional
        Of a TextGrid: its tier of words; None: the tier called ``word`` or ``words``, or its only one.
    text, onset, offset : str, optional
        Columns of a table; None: the usual names.
    untimed : str
        ``"refuse"`` or ``"leave out"`` words that have no time.

    Returns
    -------
    pandas.DataFrame
        ``run``, ``onset``, ``offset``, ``text``; ``attrs["silent"]`` counts intervals without a word, ``attrs["untimed"]`` words
        that were left out, ``attrs["notes"]`` says what else was taken for granted.

    Raises
    ------
    BrainLensError
        For files that are none of these, unknown tiers or columns, times in milliseconds or that are no numbers.
    """
    path = Path(path)
    if not path.is_file():
        raise BrainLensError(f"There is no file {path}", remedy="Check the name and the folder")
    suffix = path.suffix.lower()
    if suffix not in READERS:
        raise unknown("kind of word file", suffix or path.name, READERS)
    if suffix == ".textgrid":
        rows = _textgrid(path, tier)
    elif suffix in CAPTIONS:
        rows = _subrip(path)
    else:
        rows = _table(path, text, onset, offset)
    notes = list(rows.attrs.get("notes", ()))
    if "run" not in rows.columns:
        rows.insert(0, "run", str(run))
    rows["text"] = rows["text"].astype(str).str.strip()
    silent = rows["text"].str.lower().isin(SILENT)
    words = rows[~silent]
    lost = ~np.isfinite(words[["onset", "offset"]].to_numpy(float)).all(axis=1)
    words = words[~lost if untimed == "leave out" else slice(None)].reset_index(drop=True)
    _check(words, path)
    starts = words["onset"].to_numpy(float)
    if len(words) >= 20 and (starts % 1 == 0).all() and not (np.diff(starts) >= 1).all():
        notes.append(
            f"{path.name}: all onsets are whole numbers, several words at one: cut-off seconds, or numbers of samples"
        )
    words.attrs |= {"silent": int(silent.sum()), "untimed": int(lost.sum()), "notes": notes}
    return words


CAPTIONS = (".srt", ".vtt")
READERS = (".textgrid", *CAPTIONS, ".csv", ".tsv", ".txt")
"""Endings that are understood."""


def holds_words(path: Path) -> bool:
    """Whether a file looks like words with times: by its ending, or by the columns that a table names."""
    suffix = path.suffix.lower()
    if suffix in (".textgrid", *CAPTIONS):
        return True
    if suffix not in READERS:
        return False
    try:
        heads = {str(head).lower() for head in _heads(path)}
    except (BrainLensError, ValueError, csv.Error):  # no table at all
        return False
    return all(heads & set(usual) for usual in (TEXT, ONSET, ("duration", *OFFSET)))


def _check(words: pd.DataFrame, path: Path) -> None:
    if not len(words):
        raise BrainLensError(
            f"{path.name} holds no word", remedy="Name the tier or the column of words"
        )
    times = np.asarray(words[["onset", "offset"]], dtype=float)
    if not np.isfinite(times).all():
        row = int(np.flatnonzero(~np.isfinite(times).all(axis=1))[0])
        raise BrainLensError(
            f"{path.name}: {words['text'].iloc[row]!r} has no onset or offset",
            remedy="Fill in its time or leave the word out",
        )
    durations = times[:, 1] - times[:, 0]
    if times.max() > MOST_SECONDS or np.median(durations) > 20:
        usual, step = (
            np.median(durations),
            np.median(np.diff(np.sort(times[:, 0]))) if len(times) > 1 else np.inf,
        )
        what, remedy = "milliseconds, not seconds", "Divide onsets and durations by 1000"
        if usual > 3000:  # a word of three seconds
            what = "numbers of samples of the sound, not seconds"
            remedy = (
                "Divide onsets and durations by the samples in a second, such as 44100 or 16000"
            )
        elif step < 5 and times[:, 0].max() <= MOST_SECONDS:
            what = "durations in milliseconds beside onsets in seconds"
            remedy = "Divide the durations by 1000"
        raise BrainLensError(
            f"{path.name}: the last word ends at {times.max():,.0f} and the usual word lasts {usual:,.1f}: "
            f"these look like {what}",
            remedy=remedy,
        )


def _textgrid(path: Path, tier: str | None) -> pd.DataFrame:
    try:
        from praatio import textgrid
    except ImportError:
        raise BrainLensError(
            f"{path.name} is a Praat TextGrid, which is read by the package praatio",
            remedy="pip install 'brainlens[stories]'",
        ) from None
    try:
        grid = textgrid.openTextgrid(str(path), includeEmptyIntervals=True)
    except MemoryError:
        raise
    except Exception as error:  # praatio raises many kinds, plain ones among them
        raise BrainLensError(
            f"{path.name} is not a TextGrid that can be read: {error}",
            remedy="Save it in Praat as a text file",
        ) from None
    names = list(grid.tierNames)
    if tier is None:
        usual = [name for name in names if name.lower() in {"word", "words"}]
        if not usual and len(names) > 1:
            raise BrainLensError(
                f"{path.name} has {len(names)} tiers and none is called 'word'",
                choices=names,
                remedy=f'Name the tier of words: tier = "{names[0]}" in story.toml',
            )
        if not names:
            raise BrainLensError(
                f"{path.name} has no tier", remedy="Save it in Praat with a tier of words"
            )
        tier = (usual or names)[0]
    elif tier not in names:
        raise unknown(f"tier of {path.name}", tier, names)
    entries = [entry for entry in grid.getTier(tier).entries if len(entry) == 3]
    return pd.DataFrame(entries, columns=["onset", "offset", "text"])


def _subrip(path: Path) -> pd.DataFrame:
    """Each caption's words share its time in equal parts by their letters: the best that captions allow."""
    try:
        import srt
    except ImportError:
        raise BrainLensError(
            f"{path.name} is a SubRip file, which is read by the package srt",
            remedy="pip install 'brainlens[stories]'",
        ) from None
    try:
        text = path.read_text(encoding="utf-8-sig")
        captions = list(srt.parse(_numbered(text) if path.suffix.lower() == ".vtt" else text))
    except (UnicodeDecodeError, srt.SRTParseError, ValueError) as error:
        raise BrainLensError(
            f"{path.name} is not a SubRip file that can be read: {error}",
            remedy="Save it as UTF-8 with numbered captions",
        ) from None
    rows, shared, sounds = [], 0, 0
    for caption in captions:
        said = _MARKS.sub(" ", caption.content)
        spoken = _SOUND.sub(" ", said)
        sounds += bool(said.strip() and not spoken.strip())
        words = spoken.split()
        shared += len(words) > 1
        start, stop = caption.start.total_seconds(), caption.end.total_seconds()
        ends = np.cumsum([len(word) + 1 for word in words]) if words else []
        for word, end in zip(words, ends):
            first = start + (stop - start) * (end - len(word) - 1) / ends[-1]
            rows.append((first, start + (stop - start) * end / ends[-1], word))
    found = pd.DataFrame(rows, columns=["onset", "offset", "text"])
    notes = (
        [f"{path.name}: words of {shared} captions share the time of theirs by their letters"]
        if shared
        else []
    )
    notes += (
        [f"{path.name}: {sounds} captions of sounds, such as [music], left out"] if sounds else []
    )
    found.attrs["notes"] = notes
    return found


_MARKS = re.compile(r"</?[A-Za-z][^<>]*>|\{\\[^{}]*\}")
_SOUND = re.compile(r"\[[^\[\]]*\]|\u266a")


def _numbered(text: str) -> str:
    """WebVTT as SubRip: captions numbered, hours written, settings and notes away."""
    found = []
    for block in re.split(r"\n\s*\n", text.replace("\r\n", "\n")):
        lines = block.strip().split("\n")
        at = next((i for i, line in enumerate(lines) if "-->" in line), None)
        if at is None:
            continue
        times = re.findall(r"(?:\d+:)?\d{2}:\d{2}[.,]\d{3}", lines[at])[:2]
        start, stop = (("00:" + t if t.count(":") == 1 else t).replace(".", ",") for t in times)
        found.append("\n".join([str(len(found) + 1), f"{start} --> {stop}", *lines[at + 1 :], ""]))
    return "\n".join(found)


def _table(path: Path, text: str | None, onset: str | None, offset: str | None) -> pd.DataFrame:
    heads = _heads(path)
    column = {
        "text": _column(path, heads, text, TEXT, "the words"),
        "onset": _column(path, heads, onset, ONSET, "the onsets"),
    }
    table, notes = _of_words(path, read_table(path, texts=(column["text"],)), column["text"])
    frame = table.frame
    rows = pd.DataFrame({"text": frame[column["text"]].astype(object).fillna("n/a")})
    rows["onset"] = _seconds(table, column["onset"])
    if offset is None and "duration" in map(str.lower, heads):
        length = next(h for h in heads if h.lower() == "duration")
        rows["offset"] = rows["onset"] + _seconds(table, length)
    else:
        rows["offset"] = _seconds(
            table, _column(path, heads, offset, OFFSET, "the offsets or durations")
        )
    if "run" in frame.columns:
        rows.insert(0, "run", frame["run"].astype(str))
    rows.attrs["notes"] = notes
    return rows


_LEVELS = ("tier", "type", "level", "unit", "trial_type", "event_type", "category", "kind")


def _of_words(path: Path, table: Table, text: str) -> tuple[Table, list[str]]:
    """The rows of words, where a column says that others are phones, syllables or sentences."""
    for column in table.frame.columns:
        if str(column).lower() not in _LEVELS or column == text:
            continue
        values = table.frame[column].astype(str).str.strip().str.lower()
        words = values.isin(("word", "words")).to_numpy()
        spoken = table.frame[text].notna().to_numpy() & ~table.frame[text].astype(
            str
        ).str.lower().isin(SILENT)
        others = sorted(set(values[~words & spoken]))
        if words.any() and others:
            rows = int((~words & spoken).sum())
            note = (
                f"{path.name}: {rows} rows that {column!r} calls {', '.join(others[:4])} left out, "
            )
            return table.part(np.flatnonzero(words)), [f"{note}{int(words.sum())} of words taken"]
    return table, []


def _heads(path: Path) -> pd.Index:
    """Names of the columns, from no more than the file's first megabyte."""
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        first = file.readline(_LONGEST_HEADER)
    if first.strip() and len(first) < _LONGEST_HEADER:
        with contextlib.suppress(csv.Error, ValueError):  # no sign parts this line into names
            return pd.read_csv(io.StringIO(first), sep=None, engine="python", nrows=0).columns
    raise BrainLensError(
        f"{path.name} does not begin with a line of column names",
        remedy="Give a table whose first line names onset, duration and word",
    )


_LONGEST_HEADER = 1_000_000


def _column(path: Path, heads, given: str | None, usual: tuple[str, ...], what: str) -> str:
    if given is not None:
        if given not in heads:
            raise unknown(f"column of {path.name}", given, heads)
        return given
    lower = {str(head).lower(): str(head) for head in reversed(list(heads))}
    for name in usual:
        if name in lower:
            return lower[name]
    if any(re.fullmatch(r"-?\d+[.,]?\d*", str(head).strip()) for head in heads):
        raise BrainLensError(
            f"{path.name} does not begin with a line of column names, but with {', '.join(map(str, heads[:4]))}",
            remedy="Write the names into a first line of their own, such as onset,duration,word",
        )
    raise BrainLensError(
        f"{path.name} has no column that is plainly {what}",
        choices=list(map(str, heads)),
        remedy=f"Call it {usual[0]!r} or name it",
    )


def _seconds(table: Table, column: str) -> pd.Series:
    values = numbers(table, column, remedy="Give seconds as plain numbers")
    return pd.Series(values, index=table.frame.index)
