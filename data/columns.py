"""How the columns of a table are meant: from rows and column names to a recording."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from data.errors import BrainLensError, unknown
from data.recording import Recording
from data.tables import Table, numbers

__all__ = ["GUESSES", "from_table", "plain_columns", "word_columns"]

GUESSES = {
    "text": ("text", "sentence", "sentences", "stimulus", "word", "words", "chunk"),
    "responses": ("response", "responses", "effect_size", "rt", "mean_rt", "mean_rt_ms", "reading_time", "bold", "amplitude"),
    "group": ("group", "topic", "passage_category", "story", "story_id", "text_idx", "run"),
    "context": ("context", "passage", "passage_id", "story", "story_id", "text_idx"),
    "subject": ("subject", "subject_id", "participant", "participant_id", "workerid"),
    "order": ("order", "presentation_order"),
    "id": ("stimulus_id", "item_id"),
}
"""Names that are plain enough to be taken without asking."""


def word_columns(said: Mapping) -> tuple[str, ...]:
    """Columns whose cells are labels or words, whatever they look like: ``null`` and ``007`` stay as they are written."""
    named = []
    for key in ("text", "group", "context", "subject", "within"):
        value = said.get(key)
        named += value.split(",") if isinstance(value, str) else list(value) if isinstance(value, list | tuple) else []
    guessed = [name for key in ("text", "id", "group", "context", "subject") for name in GUESSES[key]]
    return (*guessed, *(name.strip() for name in named))


def plain_columns(frame: pd.DataFrame) -> dict:
    """What the names alone say: text and subject (a column or None), responses, group, context and order (lists)."""
    frame = frame.rename(columns=str)
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


@dataclass(frozen=True)
class _Meaning:
    """Which column is what: ``people`` is the subject column of a table with one row per stimulus and subject."""

    text: str
    responses: list[str]
    group: list[str]
    context: list[str]
    order: list[str]
    people: str | None
    within: str | None


def _meaning(frame: pd.DataFrame, name: str, said: Mapping) -> _Meaning:
    """What is said, completed by what is plain; a column is guessed for one thing only, and never where None is said."""
    text = _column(said.get("text"), "text", frame, name) or _guess("text", frame)
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
    parts = {}
    for key in ("group", "context", "order"):
        parts[key] = _several(said.get(key), key, frame, name)
        if both := [column for column in parts[key] if column in taken and key != "order"]:
            raise BrainLensError(
                f"{name}: column {both[0]!r} cannot be both {taken[both[0]]} and {key}", remedy="Name another column"
            )
        if key not in said and (plain := _guess(key, frame, {**taken, people: "the subject"})):
            parts[key] = [plain]
    responses = responses or _guess_responses(frame, name, {text, people, *(c for names in parts.values() for c in names)})
    return _Meaning(text, responses, **parts, people=people, within=_column(said.get("within"), "within", frame, name))


def from_table(table: Table, said: Mapping) -> Recording:
    """The recording of a table whose columns are described by ``said`` (keys as the parameters of :func:`data.own.read`)."""
    frame, name = table.frame, table.path.name
    frame.columns = [str(column) for column in frame.columns]
    meant = _meaning(frame, name, said)
    text, people, responses = meant.text, meant.people, meant.responses
    parts = {"group": meant.group, "context": meant.context, "order": meant.order}
    subject, within = said.get("subject"), meant.within
    if parts["order"]:
        keys = frame[parts["order"]]
        if keys.isna().any().any():
            missing = np.flatnonzero(keys.isna().any(axis=1))
            raise BrainLensError(
                f"{name}: column {parts['order']} is empty in {len(missing)} rows: {table.places(missing)}",
                remedy="Fill in the order",
            )
    _check_texts(table, text)
    values = np.column_stack([numbers(table, column) for column in responses])
    infinite = np.flatnonzero(np.isinf(values).any(axis=1))
    if len(infinite):
        raise BrainLensError(
            f"{name}: infinite responses in {len(infinite)} rows: {table.places(infinite)}",
            remedy="Leave the cell empty where nothing was measured",
        )

    kept = [c for c in frame.columns if c not in {text, people, *responses} and not c.startswith("Unnamed:")]
    stimuli = frame[kept].rename(columns={"text": "text (column)"})
    stimuli = stimuli.apply(lambda c: c.replace("", np.nan) if c.dtype.kind == "O" else c)
    stimuli.insert(0, "text", frame[text].astype(str).str.strip())
    sort_by = ["text" if column == text else column for column in parts["order"]]
    labels = {}
    for key in ("group", "context"):
        if parts[key]:
            labels[key] = _joined(stimuli, parts[key])
            empty = np.flatnonzero(stimuli[labels[key]].isna())
            if len(empty):
                raise BrainLensError(
                    f"{name}: no {key} in {len(empty)} rows of column {labels[key]!r}: {table.places(empty)}",
                    remedy="Fill it in, or name another column",
                )
    notes = []
    if people is not None:
        stimuli, data, subjects, targets = _turned(table, stimuli, values, people, responses, sort_by)
    else:
        data, targets = values, responses
        subjects = _subjects(subject, responses, name)
    ids = _ids(stimuli, said)
    if sort_by and people is None:
        sorted_rows = stimuli.sort_values(sort_by, kind="stable").index.to_numpy()
        stimuli, data, ids = stimuli.loc[sorted_rows], data[sorted_rows], ids[sorted_rows]
    data, targets, subjects, dropped = _without_empty(name, data, targets, subjects)
    notes += dropped
    return _assemble(table.path, said, stimuli, ids, data, targets, subjects, labels, within, notes)


def _assemble(path, said, stimuli, ids, data, targets, subjects, labels, within, notes) -> Recording:
    if "position" not in stimuli.columns:
        blocks = stimuli[labels["context"]] if "context" in labels else pd.Series(0, index=stimuli.index)
        stimuli["position"] = stimuli.groupby(blocks, sort=False).cumcount()
    stimuli.index = pd.Index(ids, name="stimulus")
    coords = {"stimulus": ids, "target": np.asarray(targets, dtype=object)}
    if subjects is not None:
        coords["subject"] = ("target", np.asarray(subjects, dtype=object))
    responses = xr.DataArray(np.asarray(data, dtype=np.float64), dims=("stimulus", "target"), coords=coords)
    words = stimuli["text"].str.split().str.len()
    averaged = said.get("averaged", subjects is None and (len(targets) == 1 or all(_says_mean(t) for t in targets)))
    if averaged:
        notes.append("averaged over people: no ceiling, no normalised score, no inference over people")
    elif subjects is None:
        notes.append("subjects unknown: no inference over people")
    notes += _text_notes(stimuli, labels)
    missing = int(np.isnan(data).sum())
    if missing:
        notes.append(f"{missing:,} of {data.size:,} responses are missing; their stimuli are still read as context")
    if "group" not in labels:
        notes.append("no groups are known: neighbouring stimuli may leak from training to test; name a group column")
    roles = {
        role: labels[key]
        for role, key in (("topic", "group"), ("passage", "context"))
        if key in labels and role not in stimuli.columns
    }
    return Recording(
        id=said.get("id") or path.name.split(".")[0],
        responses=responses,
        stimuli=stimuli,
        kind=said.get("kind") or _kind(targets),
        unit=said.get("unit") or ("ms" if _kind(targets) == "reading_times" else "a.u."),
        scored_unit=said.get("scored_unit") or ("word" if (words == 1).mean() > 0.9 else "sentence"),
        context=labels.get("context"),
        group=labels.get("group"),
        within=within,
        roles=roles,
        averaged=bool(averaged),
        simulated=bool(said.get("simulated", False)),
        quality=said.get("quality", ""),
        citation=said.get("citation", ""),
        licence=said.get("licence", ""),
        source=said.get("source", ""),
        notes=tuple(notes),
    )


def _column(name, meaning: str, frame: pd.DataFrame, file: str) -> str | None:
    if name is None:
        return None
    if name not in frame.columns:
        raise unknown(f"{meaning} column of {file}", name, frame.columns, remedy="Name one of the table's columns")
    return name


def _several(names, meaning: str, frame: pd.DataFrame, file: str) -> list[str]:
    if names is None:
        return []
    if isinstance(names, str):
        names = [names] if names in frame.columns else [part.strip() for part in names.split(",") if part.strip()]
    return [_column(name, meaning, frame, file) for name in names]


def _guess(meaning: str, frame: pd.DataFrame, taken: Mapping = {}) -> str | None:
    """The first plain name, in the order of :data:`GUESSES`: words for the text, one block of rows per label for the context."""
    plain = {column.lower(): column for column in frame.columns}
    for name in GUESSES[meaning]:
        column = plain.get(name)
        if (
            column is None
            or column in taken
            or (meaning == "text" and pd.to_numeric(frame[column], errors="coerce").notna().mean() >= 0.9)
        ):
            continue
        if meaning == "context" and (frame[column] != frame[column].shift()).sum() != frame[column].nunique(dropna=False):
            continue
        return column
    return None


def _guess_responses(frame: pd.DataFrame, file: str, taken: set) -> list[str]:
    known = {column.lower(): column for column in frame.columns if column not in taken}
    plain = [known[name] for name in GUESSES["responses"] if name in known]
    if len(plain) == 1:
        return plain
    numeric = [c for c in frame.columns if c not in taken and frame[c].dtype.kind in "iuf" and not c.startswith("Unnamed:")]
    fractions = [c for c in numeric if frame[c].dtype.kind == "f" and (frame[c].dropna() % 1 != 0).any()]
    if not plain and len(fractions) == 1:
        return fractions
    raise BrainLensError(
        f"{file}: which columns hold the responses is not plain",
        choices=plain or fractions or numeric or frame.columns,
        remedy="Name the columns that hold the measurements (--response COLUMN,COLUMN)",
    )


def _check_texts(table: Table, text: str) -> None:
    cells = table.frame[text]
    empty = np.flatnonzero(cells.isna() | (cells.astype(str).str.strip() == ""))
    if len(empty):
        raise BrainLensError(
            f"{table.path.name}: column {text!r} is empty in {len(empty)} rows: {table.places(empty)}",
            remedy="Fill in the words or remove these rows",
        )
    if pd.to_numeric(cells, errors="coerce").notna().all():
        raise BrainLensError(
            f"{table.path.name}: column {text!r} holds numbers, not words (first: {cells.iloc[0]!r})",
            choices=[c for c in table.frame.columns if table.frame[c].dtype.kind == "O" and c != text],
            remedy="Name the column that holds the words (--text COLUMN)",
        )


def _joined(stimuli: pd.DataFrame, columns: list[str]) -> str:
    """The one column of a grouping; several are joined under the name ``a+b`` with labels ``x | y``."""
    if len(columns) == 1:
        return columns[0]
    name = "+".join(columns)
    holes = stimuli[columns].isna().any(axis=1)
    stimuli[name] = stimuli[columns].astype(str).agg(" | ".join, axis=1).where(~holes, None)
    return name


def _ids(stimuli: pd.DataFrame, said: Mapping) -> np.ndarray:
    for name in GUESSES["id"]:
        if name in stimuli.columns and stimuli[name].notna().all() and stimuli[name].is_unique:
            return stimuli[name].astype(str).to_numpy(dtype=object)
    return np.arange(len(stimuli))


def _subjects(subject, responses: list[str], file: str) -> list[str] | None:
    if not isinstance(subject, Mapping):
        return None
    missing = [column for column in responses if column not in subject]
    if missing:
        raise BrainLensError(
            f"{file}: no subject is given for the response columns {missing[:5]}",
            choices=subject,
            remedy="Name the subject of every response column",
        )
    return [str(subject[column]) for column in responses]


def _turned(table: Table, stimuli, values, people: str, responses: list[str], order: list[str]):
    """One row per stimulus from one row per stimulus and subject; targets ``subject`` or ``subject.response``."""
    who = table.frame[people]
    if who.isna().any():
        raise BrainLensError(
            f"{table.path.name}: no subject in {table.places(np.flatnonzero(who.isna()))}", remedy="Fill in the subject"
        )
    who = who.astype(str)
    constant = [c for c in stimuli.columns if c in GUESSES["id"]] or list(stimuli.columns)
    key = stimuli[constant].astype(str).agg("\x1f".join, axis=1)
    times = key.groupby([who, key]).cumcount()
    if constant[0] in GUESSES["id"] and times.any():
        again = np.flatnonzero(times > 0)
        raise BrainLensError(
            f"{table.path.name}: subject and {constant[0]} occur together more than once: {table.places(again)}",
            remedy="Average the repetitions, or give each a stimulus_id of its own",
        )
    key = key + "\x1f" + times.astype(str)
    codes, unique = pd.factorize(key)
    first = pd.Series(np.arange(len(key))).groupby(codes).first().to_numpy()
    names = list(dict.fromkeys(who))
    data = np.full((len(unique), len(names) * len(responses)), np.nan)
    column_of = {name: i for i, name in enumerate(names)}
    columns = who.map(column_of).to_numpy() * len(responses)
    for offset in range(len(responses)):
        data[codes, columns + offset] = values[:, offset]
    targets = [name if len(responses) == 1 else f"{name}.{response}" for name in names for response in responses]
    rows = stimuli.iloc[first].reset_index(drop=True)
    if order:
        rows = rows.sort_values(order, kind="stable")
        data, rows = data[rows.index.to_numpy()], rows.reset_index(drop=True)
    return rows, data, [name for name in names for _ in responses], targets


def _without_empty(name: str, data, targets, subjects):
    """Targets that carry no information are left out, counted and named."""
    notes = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        spread = np.nanmax(data, axis=0) - np.nanmin(data, axis=0)
    for bad, what in ((np.isnan(data).all(axis=0), "without a single measurement"), (spread == 0, "constant")):
        if bad.all():
            raise BrainLensError(
                f"{name}: {'the response column is' if len(bad) == 1 else 'all response columns are'} {what}: "
                f"{list(targets)[:5]}",
                remedy="Name a column with measurements that vary (--response COLUMN)",
            )
        if bad.any():
            left_out = [str(t) for t, b in zip(targets, bad) if b]
            notes.append(
                f"{len(left_out)} targets left out as {what}: {', '.join(left_out[:5])}{' ...' if len(left_out) > 5 else ''}"
            )
    keep = np.flatnonzero(~(np.isnan(data).all(axis=0) | (spread == 0)))
    if not len(keep):
        raise BrainLensError(
            f"{name}: no response column holds measurements that vary: {list(targets)[:5]}", remedy="Name others"
        )
    return data[:, keep], [targets[i] for i in keep], None if subjects is None else [subjects[i] for i in keep], notes


def _text_notes(stimuli: pd.DataFrame, labels: Mapping) -> list[str]:
    if (stimuli["text"].str.split().str.len() == 1).mean() > 0.9:
        return []  # words occur again and again
    twins = stimuli["text"][stimuli["text"].duplicated(keep=False)]
    if twins.empty:
        return []
    note = f"{twins.nunique()} texts occur more than once ({len(twins)} rows), first {twins.iloc[0][:50]!r}"
    if "group" in labels:
        apart = stimuli.loc[twins.index].groupby("text")[labels["group"]].nunique().gt(1).sum()
        note += (
            f"; {apart} of them in different groups, where they leak from training to test"
            if apart
            else "; always in the same group"
        )
    return [note]


def _says_mean(target: str) -> bool:
    return any(word in str(target).lower().replace("-", "_").split("_") for word in ("avg", "average", "mean"))


def _kind(targets) -> str:
    names = " ".join(map(str, targets)).lower().replace("_", " ").split()
    if {"rt", "rts", "reading", "spr", "ms"} & set(names):
        return "reading_times"
    return "fmri"
