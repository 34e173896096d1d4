"""Numbers as people write them: decimal commas, thousands marks, codes for 'missing'; what is ambiguous is asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

__all__ = ["MISSING", "Parsed", "doubtful_dots", "parse"]

MISSING = (
    *("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", ".", "<NA>"),
    *("#N/A", "#NA", "#NV", "#VALUE!", "#DIV/0!", "#NUM!", "#REF!", "#NAME?", "#NULL!"),
    *("undefined", "missing", "NaT"),
)
"""Cells that mean 'no measurement' in a column of numbers; in a column of texts they are words."""

_BLANKS = " \u00a0\u2007\u2009\u202f'\u2019"
_SPACED = re.compile(rf"[-+]?\d{{1,3}}(?:[{_BLANKS}]\d{{3}})+(?:[.,]\d+)?")
_END = r"(?:[eE][-+]?\d+)?"
_PLAIN = re.compile(rf"[-+]?(?:\d+\.?\d*|\.\d+){_END}|[-+]?(?:inf|infinity)", re.IGNORECASE)
_WHOLE = re.compile(r"[-+]?\d+")
_EITHER = re.compile(r"[-+]?[1-9]\d{0,2}([.,])\d{3}")  # 1,234: thousands or thousandths
_SAYS_COMMA = re.compile(
    rf"[-+]?(?:\d*,\d+|\d+,){_END}|[-+]?[1-9]\d{{0,2}}(?:\.\d{{3}})+,\d+|[-+]?[1-9]\d{{0,2}}(?:\.\d{{3}}){{2,}}"
)
_SAYS_POINT = re.compile(
    rf"[-+]?(?:\d*\.\d+|\d+\.){_END}|[-+]?[1-9]\d{{0,2}}(?:,\d{{3}})+\.\d+|[-+]?[1-9]\d{{0,2}}(?:,\d{{3}}){{2,}}"
)


@dataclass(frozen=True)
class Parsed:
    """A column of cells as numbers.

    Parameters
    ----------
    values : numpy.ndarray
        Shape (rows,), NaN where missing or wrong.
    wrong : tuple of int
        Rows of cells that are not numbers.
    either : tuple of int
        Rows whose mark may part thousands or decimals, where nothing in the column tells; their values are NaN.
    """

    values: np.ndarray
    wrong: tuple[int, ...] = ()
    either: tuple[int, ...] = ()


def parse(cells: Iterable[object], *, decimal: str = "", missing: Iterable[str] = ()) -> Parsed:
    """The numbers in cells of text or numbers.

    The decimal mark is the one that is said, else the one that the column's cells show (``0,5``, ``12.75``,
    ``1.234.567``); blanks and apostrophes between thousands are always understood.

    Parameters
    ----------
    decimal : str
        ``","`` or ``"."``: the decimal mark, where it is known; the other one then parts thousands.
    missing : iterable of str
        Further cells that mean 'no measurement', such as ``"-999"``.
    """
    column = pd.Series(list(cells), dtype=object)
    absent = {*MISSING, *missing}
    texts = column.map(_tidy)
    gone = column.isna() | texts.isin(absent)
    kinds = {text: _kind(text) for text in texts[~gone].unique()}
    shown = set(kinds.values())
    mark = decimal
    if not mark and ("," in shown) != ("." in shown):
        mark = "," if "," in shown else "."
    either = "either," in shown and not mark
    if not mark and "either." in shown and "." not in shown and "," not in shown:
        either = either or ("whole" in shown and _hundreds(kinds))
        mark = "" if either else "."
    both = "," in shown and "." in shown and not decimal
    numbers, wrong, doubtful = {}, set(), set()
    for text, kind in kinds.items():
        if kind == "none" or (both and kind in (",", "either,")):
            wrong.add(text)
        elif kind.startswith("either") and not mark and either:
            doubtful.add(text)
        else:
            number = _number(text, mark or ".")
            numbers[text] = number
            if number is None:
                wrong.add(text)
    values = texts.map(numbers).where(~gone).astype(float).to_numpy()
    rows = [
        tuple(np.flatnonzero((~gone & texts.isin(some)).to_numpy()).tolist())
        for some in (wrong, doubtful)
    ]
    return Parsed(values, *rows)  # fmt: skip


def doubtful_dots(cells: pd.Series) -> bool:
    """Whether cells such as ``1.234`` and ``987`` may be whole numbers whose thousands are parted by dots."""
    return bool(parse(cells).either)


def _tidy(cell: object) -> str:
    if isinstance(cell, bool | np.bool_):
        return str(int(cell))
    if isinstance(cell, float | np.floating):
        return repr(float(cell))
    text = str(cell).strip().replace("\u2212", "-")
    return re.sub(f"[{_BLANKS}]", "", text) if _SPACED.fullmatch(text) else text


def _kind(text: str) -> str:
    """What a cell says of the decimal mark: ``","``, ``"."``, ``"either,"``, ``"either."``, ``"whole"`` or ``"none"``."""
    if _WHOLE.fullmatch(text):
        return "whole"
    if found := _EITHER.fullmatch(text):
        return "either" + found[1]
    if _SAYS_COMMA.fullmatch(text):
        return ","
    if _SAYS_POINT.fullmatch(text):
        return "."
    return "whole" if _PLAIN.fullmatch(text) else "none"


def _number(text: str, mark: str) -> float | None:
    other = "." if mark == "," else ","
    front, *behind = text.split(mark)
    if len(behind) > 1 or (behind and other in behind[0]):
        return None
    if other in front and not re.fullmatch(rf"[-+]?[1-9]\d{{0,2}}(?:\{other}\d{{3}})+", front):
        return None
    try:
        return float(front.replace(other, "") + ("." + behind[0] if behind else ""))
    except ValueError:
        return None


def _hundreds(kinds: dict[str, str]) -> bool:
    """Whether whole numbers from 100 to 999 stand beside: what is below a thousand has no mark."""
    return any(kind == "whole" and 100 <= abs(float(text)) < 1000 for text, kind in kinds.items())
