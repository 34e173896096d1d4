"""Which trials count: rules in words, each with what it leaves out."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.errors import BrainLensError, unknown

__all__ = ["Rule", "apply_rules", "rule"]

_SIGNS: dict[str, Callable] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "=": operator.eq,
}
_SIGN = r"(<=|>=|==|!=|<|>|=)"
_COLUMN = r"([A-Za-z_][\w.]*)"
_NUMBER = r"([-+]?\d+(?:\.\d+)?)"
_BETWEEN = re.compile(rf"{_NUMBER}\s*(<=|<)\s*{_COLUMN}\s*(<=|<)\s*{_NUMBER}")
_MEAN = re.compile(rf"mean\(\s*{_COLUMN}\s*\)\s+by\s+{_COLUMN}\s*{_SIGN}\s*{_NUMBER}")
_COUNT = re.compile(rf"count\s+by\s+{_COLUMN}\s*{_SIGN}\s*{_NUMBER}")
_SPREAD = re.compile(rf"{_COLUMN}\s+within\s+{_NUMBER}\s+sd(?:\s+by\s+{_COLUMN})?")
_AMONG = re.compile(rf"{_COLUMN}\s+(not\s+in|in)\s+(.+)")
_COMPARED = re.compile(rf"{_COLUMN}\s*{_SIGN}\s*(.+)")
_FORMS = (
    "100 < rt < 3000",
    "correct == 1",
    "condition != practice",
    "condition in a, b",
    "rt within 3 sd by person",
    "mean(correct) by person >= 0.8",
    "count by person >= 20",
)


@dataclass(frozen=True)
class Rule:
    """A rule that trials have to keep to.

    Parameters
    ----------
    text : str
        As it was written.
    columns : tuple of str
        What it looks at.
    keeps : callable
        ``keeps(table)``: a mask of the rows that it keeps, NaN where the row cannot be judged.
    """

    text: str
    columns: tuple[str, ...]
    keeps: Callable[[pd.DataFrame], np.ndarray]

    def __str__(self):
        return self.text


def rule(text: str) -> Rule:
    """A rule from its words.

    Parameters
    ----------
    text : str
        ``100 < rt < 3000``, ``correct == 1``, ``condition != practice``, ``condition in a, b``, ``condition not in filler``,
        ``rt within 3 sd by person``, ``mean(correct) by person >= 0.8`` (over trials, each once), ``count by person >= 20``.

    Raises
    ------
    BrainLensError
        With the forms there are.

    Examples
    --------
    >>> rule("100 < rt < 3000").columns
    ('rt',)
    """
    said = " ".join(str(text).split())
    if m := _BETWEEN.fullmatch(said):
        low, high, name = float(m[1]), float(m[5]), m[3]
        if low >= high:
            raise BrainLensError(f"The rule {said!r} keeps nothing: {m[1]} is not below {m[5]}",
                                 remedy="Write the smaller number first")  # fmt: skip
        return Rule(said, (name,), lambda t: _both(t, name, (m[2], low, True), (m[4], high, False)))
    if m := _MEAN.fullmatch(said):
        name, group, sign, value = m[1], m[2], m[3], float(m[4])
        return Rule(
            said, (name, group), lambda t: _by(t, group, _means(t, name, group), sign, value)
        )
    if m := _COUNT.fullmatch(said):
        group, sign, value = m[1], m[2], float(m[3])
        return Rule(said, (group,), lambda t: _by(t, group, t.groupby(group).size(), sign, value))
    if m := _SPREAD.fullmatch(said):
        name, reach, group = m[1], float(m[2]), m[3]
        return Rule(
            said, (name, *([group] if group else [])), lambda t: _within(t, name, reach, group)
        )
    if m := _AMONG.fullmatch(said):
        name, values = m[1], [one.strip(" '\"") for one in m[3].split(",")]
        return Rule(said, (name,), lambda t: _among(t, name, values, m[2] == "in"))
    if m := _COMPARED.fullmatch(said):
        name, sign, value = m[1], m[2], m[3].strip(" '\"")
        return Rule(said, (name,), lambda t: _compared(t, name, sign, value))
    raise BrainLensError(
        f"The rule {said!r} cannot be read", choices=_FORMS, remedy="Write it like one of these"
    )


def apply_rules(
    table: pd.DataFrame, rules: Sequence[str | Rule], person: str = "person"
) -> tuple[np.ndarray, list[str]]:
    """What is left under rules, each applied to what those before it left.

    Returns
    -------
    keep : ndarray of bool, shape (n_rows,)
    notes : list of str
        One for each rule: rows left out, of how many people; rows that could not be judged are kept and counted.

    Raises
    ------
    BrainLensError
        For a column that is not there, or where nothing is left.
    """
    keep, notes = np.ones(len(table), bool), []
    for one in map(lambda r: r if isinstance(r, Rule) else rule(r), rules):
        for name in one.columns:
            if name not in table.columns:
                raise unknown(f"column in the rule {one.text!r}", name, table.columns)
        left = table[keep]
        found = np.asarray(one.keeps(left), float)
        out = found == 0
        unjudged = int(np.isnan(found).sum())
        people = left[person][out].nunique() if person in table else 0
        away = (
            people - left[person][out & ~left[person].isin(left[person][~out])].nunique()
            if person in table
            else 0
        )
        whole = people - away
        said = (
            f"{int(out.sum()):,} rows left out that break the rule {one.text!r}, of {people} people"
        )
        said += f" ({whole} of them wholly)" if whole else ""
        notes.append(
            said + (f"; {unjudged:,} rows have no value for it and were kept" if unjudged else "")
        )
        keep[np.flatnonzero(keep)[out]] = False
        if not keep.any():
            raise BrainLensError(
                f"No trial is left under the rule {one.text!r}", remedy="Write a wider rule"
            )
    return keep, notes


# ---- what each form does ------------------------------------------------------------------------------------------------------
def _numbers(table: pd.DataFrame, name: str, rule: str = "") -> np.ndarray:
    column = table[name]
    if column.dtype == bool:
        return column.to_numpy(float)
    if column.dtype.kind not in "iufb":
        words = column.astype(str).str.strip().str.lower().map({"true": 1.0, "false": 0.0})
        made = pd.to_numeric(column, errors="coerce").fillna(words)
        if column.notna().any() and made.isna().all():
            raise BrainLensError(f"The column {name} holds words such as {column.dropna().iloc[0]!r}, not numbers",
                                 remedy=f"Compare it with a word, such as {name} == word")  # fmt: skip
        return made.to_numpy(float)
    return column.to_numpy(float, na_value=np.nan)


def _judged(values: np.ndarray, keeps: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(values), np.nan, keeps.astype(float))


def _both(table, name, low, high) -> np.ndarray:
    values = _numbers(table, name)
    with np.errstate(invalid="ignore"):
        above = values >= low[1] if low[0] == "<=" else values > low[1]
        below = values <= high[1] if high[0] == "<=" else values < high[1]
    return _judged(values, above & below)


def _compared(table, name, sign, value: str) -> np.ndarray:
    column = table[name]
    try:
        number = float({"true": "1", "false": "0"}.get(value.lower(), value))
    except ValueError:
        number = None
    if number is None or (
        column.dtype.kind == "O" and sign in ("==", "!=", "=") and not _numeric(column)
    ):
        if sign not in ("==", "!=", "="):
            raise BrainLensError(f"The rule {name} {sign} {value} compares words by size",
                                 remedy=f"Write a number, or {name} == {value}")  # fmt: skip
        words = column.astype(str).str.strip()
        return np.where(column.isna(), np.nan, _SIGNS[sign](words, value).astype(float))
    values = _numbers(table, name)
    with np.errstate(invalid="ignore"):
        return _judged(values, _SIGNS[sign](values, number))


def _numeric(column: pd.Series) -> bool:
    present = column.dropna().astype(str).str.strip().str.lower()
    return bool(
        present.isin(("true", "false")).all()
        or pd.to_numeric(present, errors="coerce").notna().all()
    )


def _among(table, name, values, inside) -> np.ndarray:
    found = table[name].astype(str).str.strip().isin(values).to_numpy()
    return np.where(table[name].isna(), np.nan, (found == inside).astype(float))


def _means(table, name, group) -> pd.Series:
    """Means over trials: a value that stands at every word of a trial counts once."""
    keys = [c for c in (group, "person", "trial") if c in table.columns]
    once = table.drop_duplicates(list(dict.fromkeys([*keys, name]))) if "trial" in table else table
    return pd.Series(_numbers(once, name), index=once.index).groupby(once[group]).mean()


def _by(table, group, by, sign, value) -> np.ndarray:
    mine = table[group].map(by).to_numpy(float)
    with np.errstate(invalid="ignore"):
        return _judged(mine, _SIGNS[sign](mine, value))


def _within(table, name, reach, group) -> np.ndarray:
    values = pd.Series(_numbers(table, name), index=table.index)
    groups = table[group] if group else pd.Series(0, index=table.index)
    centre = values.groupby(groups).transform("mean")
    spread = values.groupby(groups).transform("std")
    with np.errstate(invalid="ignore"):
        keeps = ((values - centre).abs() <= reach * spread) | spread.isna()
    return _judged(values.to_numpy(), keeps.to_numpy())
