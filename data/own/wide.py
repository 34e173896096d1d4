"""Wide tables: one column per person and place, named by a pattern or described in a table of targets."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from data.errors import BrainLensError, unknown
from data.own.gate import beside_of
from data.own.names import GUESSES, REGION_NAMES, plain
from data.own.numerals import parse
from data.own.tables import read_table, squashed, suffix

__all__ = ["TARGETS", "expanded", "is_pattern", "pairs_of", "targets_beside"]

TARGETS = (".targets.csv", ".targets.tsv", ".targets.parquet")
_ENTITIES = "sub|subj|subject|roi|region|parcel|network|atlas|seg|hemi|chan|channel|electrode"
_BIDS = re.compile(rf"(?:^|_)({_ENTITIES})-([A-Za-z0-9+.]+)")
_ROLE = {"sub": "subject", "subj": "subject", "roi": "region", "parcel": "region", "seg": "region"}


def is_pattern(name: str) -> bool:
    """Whether a response is named by a pattern such as ``sub-*`` or ``sub-{subject}_{region}``."""
    return bool(re.search(r"[*?]|\{\w+\}", name))


def pairs_of(text: str) -> dict[str, str] | None:
    """``"left=s1,right=s2"`` as a mapping; None where it is no such list.

    Examples
    --------
    >>> pairs_of("left=s1,right=s2")
    {'left': 's1', 'right': 's2'}
    """
    parts = [part.partition("=") for part in text.split(",") if part.strip()]
    if not parts or not all(equals and name.strip() for name, equals, _ in parts):
        return None
    return {name.strip(): value.strip() for name, _, value in parts}


def expanded(frame: pd.DataFrame, path: Path, said: Mapping) -> tuple[dict, dict[str, dict[str, str]], list[str]]:  # fmt: skip
    """The responses spelled out, and what their names or the table of targets say of each.

    Returns
    -------
    said : dict
        With ``responses`` a list of columns.
    about : dict
        Coordinate (``subject``, ``region``, ...) -> {column: value}.
    notes : list of str
        What was taken from names.

    Raises
    ------
    BrainLensError
        For a pattern that fits no column, and a table of targets that does not fit the columns.
    """
    said, about, notes = dict(said), {}, []
    responses = said.get("responses")
    if isinstance(responses, str) and responses not in frame.columns:
        responses = [part.strip() for part in responses.split(",") if part.strip()]
    if isinstance(responses, list) and any(
        is_pattern(name) and name not in frame.columns for name in responses
    ):
        found: dict[str, dict[str, str]] = {}
        for name in responses:
            found |= _matching(frame, path.name, name) if name not in frame.columns else {name: {}}
        said["responses"] = list(found)
        about = _by_role(found)
    named = set(about)
    about = {**said.pop("of_targets", {}), **about}  # what a file of arrays says itself
    table = targets_beside(path, said)
    if table is not None and said.get("responses"):
        described = _described(table, list(said["responses"]), said)
        about = {**described, **about}
        notes.append(f"{', '.join(described) or 'nothing'} of each target taken from {table.name}")
    for role in ("subject", "region"):
        value = said.get(role)
        if isinstance(value, Mapping):
            about[role] = {str(k): str(v) for k, v in value.items()}
        elif role in about and role in said and (value is None or value in frame.columns):
            _never_both(role, value, responses, path.name)
            del about[role]  # what is said counts, not what the names say
        else:
            continue
        named.discard(role)
    if named:
        told = " and ".join(role for role in about if role in named)
        notes.insert(0, f"{told} of each column taken from its name")
    if about.get("subject"):
        said["subject"] = about["subject"]
    return said, about, notes


def _never_both(role: str, column: str | None, responses, file: str) -> None:
    """A pattern that names a role and a column for it contradict each other."""
    pattern = next((name for name in responses if f"{{{role}}}" in name), None)
    if column and pattern:
        raise BrainLensError(
            f"{file}: the {role} is said twice: by the names of columns ({pattern!r}) and by column {column!r}",
            remedy=f"Leave one out: write * for {{{role}}}, or do not name the column",
        )


def _matching(frame: pd.DataFrame, file: str, pattern: str) -> dict[str, dict[str, str]]:
    """Columns that a pattern fits, and what it says of each."""
    columns = [column for column in map(str, frame.columns) if not column.startswith("Unnamed:")]
    if "{" in pattern:
        parts = re.split(r"(\{\w+\}|\*|\?)", pattern)
        spelled = "".join(
            f"(?P<{part[1:-1]}>.+?)" if part.startswith("{") else {"*": ".*", "?": "."}.get(part, re.escape(part))
            for part in parts
        )  # fmt: skip
        try:
            fits = {column: re.fullmatch(spelled, column) for column in columns}
        except re.error as error:
            raise BrainLensError(
                f"{pattern!r} is not a pattern of names: {error}",
                remedy="Write it as 'sub-{subject}_{region}', each name once",
            ) from None
        found = {column: match.groupdict() for column, match in fits.items() if match}
    else:
        found = {
            column: {_ROLE.get(m[1], m[1]): m[2] for m in _BIDS.finditer(column)}
            for column in columns
            if fnmatch.fnmatchcase(column, pattern)
        }
        for column, values in found.items():  # sub-01_ifg: what is left is the place
            rest = [part for part in _BIDS.sub("", column).split("_") if part]
            if "subject" in values and "region" not in values and rest:
                values["region"] = "_".join(rest)
    if not found:
        raise unknown(
            f"response column of {file}",
            pattern,
            columns,
            remedy="Name columns, or a pattern that fits some",
        )
    words = [c for c in found if frame[c].dtype.kind == "O" and _no_number(frame[c])]
    if words and len(words) == len(found):
        raise BrainLensError(
            f"{file}: the columns that {pattern!r} fits hold words, such as {words[0]!r}",
            choices=columns,
            remedy="Name the columns of measurements",
        )
    return found


def _no_number(cells: pd.Series) -> bool:
    held = cells.dropna()[:100]
    return bool(len(held)) and bool(np.isnan(parse(held).values).all())


def _by_role(found: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """What is said of every column, by role."""
    roles = [set(values) for values in found.values()]
    shared = set.intersection(*roles) if roles else set()
    order = [role for role in next(iter(found.values())) if role in shared]
    return {role: {column: values[role] for column, values in found.items()} for role in order}


def targets_beside(path: Path, said: Mapping) -> Path | None:
    """The table that describes the targets: the one that is named, or ``<name>.targets.csv``."""
    if said.get("targets"):
        return beside_of(path, said["targets"], "table of targets", trusted=True)
    stem = path.name[: len(path.name) - len(suffix(path))]
    return next((file for end in TARGETS if (file := path.with_name(stem + end)).is_file()), None)


def _described(path: Path, responses: list[str], said: Mapping) -> dict[str, dict[str, str]]:
    """Coordinates of the targets from a table with one row for each, by name or in the same order."""
    labels = [*GUESSES["subject"], *GUESSES["target"], *REGION_NAMES, "name", "column"]
    frame = read_table(path, texts=tuple(labels)).frame.rename(columns=str)
    named = [c for c in frame.columns if set(frame[c].astype(str)) >= set(responses)]
    if named:
        frame = frame.assign(**{named[0]: frame[named[0]].astype(str)})
        if frame[named[0]].duplicated().any():
            twice = frame[named[0]][frame[named[0]].duplicated()].iloc[0]
            raise BrainLensError(
                f"{path.name}: {twice!r} stands there more than once",
                remedy="Describe each target once",
            )
        frame = frame.set_index(named[0]).loc[responses]
    elif len(frame) == len(responses):
        frame.index = pd.Index(responses)
    else:
        raise BrainLensError(
            f"{path.name} describes {len(frame):,} targets by no name of the {len(responses):,} responses",
            choices=responses,
            remedy="Give it one row per response column, with a column of their names",
        )
    about = {}
    for role, names in (("subject", GUESSES["subject"]), ("region", REGION_NAMES)):
        wanted = said.get(role) if isinstance(said.get(role), str) else None
        found = [wanted] if wanted in frame.columns else [c for n in names for c in plain(frame, n)]
        if found:
            about[role] = dict(zip(responses, frame[found[0]].astype(str)))
    known = {squashed(name) for name in GUESSES["subject"]}
    for column in frame.columns:
        if squashed(column) not in known and column not in about:
            about[column] = dict(zip(responses, frame[column]))
    return about
