"""Tables as text: which sign parts the cells, what quotation marks mean, where row names stand; with the line of every fault."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import pandas as pd

from data.errors import BrainLensError
from data.files import unguarded
from data.own.numerals import MISSING, doubtful_dots

__all__ = ["Parts", "frame_of", "layout"]

MARKS = ",;\t|"
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
MOST_COLUMNS = 20_000


@dataclass(frozen=True)
class Parts:
    """How a text is cut into rows and cells.

    Parameters
    ----------
    separator : str
    header : list of str
    lines : numpy.ndarray
        Shape (rows,): the line on which each row ends, from 1.
    quoted : bool
        Quotation marks enclose cells; else they are part of the words.
    extra : str
        ``"names"`` where every row begins with a cell that the header has not (R's row names), ``"end"`` where every row
        ends with an empty one, else ``""``.
    said : tuple of str
        What was taken for granted, in words.
    doubts : tuple of (str, str)
        What may not be meant so, and the next step.
    """

    separator: str
    header: list[str]
    lines: np.ndarray
    quoted: bool = True
    extra: str = ""
    said: tuple[str, ...] = ()
    doubts: tuple[tuple[str, str], ...] = ()
    wrong: list[tuple[int, int]] = field(default_factory=list)
    torn: int = 0


def layout(text: str, name: str, *, tabs: bool = False) -> tuple[str, Parts]:
    """The text with what stands above its header blanked, and how it is cut.

    Parameters
    ----------
    tabs : bool
        The file's name says that tabs part its cells.

    Raises
    ------
    BrainLensError
        Where the rows do not fit the header, with the first lines that do not.
    """
    text, said = _preamble(text)
    header = next((line for line in text.splitlines() if line.strip()), "")
    if not header.strip():
        raise BrainLensError(f"{name} holds no header", remedy="Name the columns in the first line")
    tried = [said] if said else ["\t"] if tabs and "\t" in header else _separators(header)
    first: BrainLensError | None = None
    for separator in tried:
        try:
            return text, _checked(_cut(text, name, separator), name)
        except BrainLensError as error:
            first = first or error
    assert first is not None  # one separator at least was tried
    if top := _lower_header(text):
        lines = text.splitlines(keepends=True)
        lower = "\n" * top + "".join(lines[top:])
        found, parts = layout(lower, name, tabs=tabs)
        above = sum(bool(line.strip()) for line in lines[:top])
        note = f"the header stands in line {top + 1}; what stands above it is left out ({above} of {len(lines)} lines)"
        return found, replace(parts, said=(note, *parts.said))
    raise first


def frame_of(text: str, parts: Parts, name: str, words: set[str]) -> pd.DataFrame:
    """The cells: those of the columns ``words`` as they are written, numbers as numbers, what is neither as text."""
    names = [column or f"Unnamed: {i}" for i, column in enumerate(parts.header)]
    given = {"names": ["", *names], "end": [*names, ""]}.get(parts.extra, names)
    options = dict(
        sep=r"\s+" if parts.separator == " " else parts.separator,
        header=0,
        names=given,
        index_col=False,
        keep_default_na=False,
        skip_blank_lines=True,
        quoting=csv.QUOTE_MINIMAL if parts.quoted else csv.QUOTE_NONE,
    )
    try:
        frame = pd.read_csv(
            io.StringIO(text),
            dtype=dict.fromkeys(words, str),
            low_memory=False,
            na_values={column: list(MISSING) for column in names if column not in words},
            **options,
        )
        doubtful = [column for column in names if column not in words and _rounded(frame[column])]
        if doubtful:
            raw = pd.read_csv(io.StringIO(text), dtype=str, usecols=doubtful, **options)
            for column in doubtful:
                if doubtful_dots(raw[column]):
                    frame[column] = raw[column]
    except (ValueError, OverflowError) as error:  # what one parser accepts and the other does not
        raise BrainLensError(
            f"{name} cannot be read as a table: {error}", remedy="Save it again as CSV (UTF-8)"
        ) from None
    return unguarded(frame.drop(columns="") if parts.extra else frame)


def _rounded(values: pd.Series) -> bool:
    """Whether these may be thousands parted by dots: some at most three decimals, below 1,000, and whole numbers from 100."""
    if values.dtype.kind != "f":
        return False
    known = values.to_numpy()[np.isfinite(values)]
    part = known[known % 1 != 0]
    whole = known[known % 1 == 0]
    return bool(
        len(part)
        and (np.abs(part) < 1000).all()
        and (np.round(part, 3) == part).all()
        and ((np.abs(whole) >= 100) & (np.abs(whole) < 1000)).any()
    )


# ---- above the header -----------------------------------------------------------------------------------------------------
def _preamble(text: str) -> tuple[str, str]:
    """The text with its lines ended one way and what stands above the header blanked, and the separator that is said there."""
    if "\n" not in text:
        text = text.replace("\r", "\n")
    start, above, said = 0, 0, ""
    while start < len(text):
        end = text.find("\n", start) % (len(text) + 1)
        line = text[start:end].rstrip("\r")
        bare = line.strip()
        if named := re.fullmatch(r"sep=(.)", line, re.IGNORECASE):
            said = named[1]
        elif bare and not (
            bare.startswith("#") and (bare[1:2] in ("", " ", "#") or not re.search(r"[,;\t]", bare))
        ):
            break
        start, above = end + 1, above + 1
    return "\n" * above + text[start:], said  # empty lines, so that the others keep their numbers


def _lower_header(text: str, most: int = 20) -> int:
    """How many lines stand above a table of rows with as many cells as each other and more than the first line; 0: none."""
    lines = text.splitlines()
    full = [number for number, line in enumerate(lines) if line.strip()]
    for mark in MARKS:
        try:
            cells = [len(row) for row in csv.reader((lines[n] for n in full), delimiter=mark)]
        except csv.Error:
            continue
        top = next((at for at, many in enumerate(cells) if many == cells[-1]), 0)
        table = cells[top:]
        alike = len(cells) == len(full) and len(table) > 3 and len(set(table)) == 1
        if alike and 0 < top <= most and max(cells[:top]) < table[0]:
            return full[top]
    return 0


def _separators(header: str) -> list[str]:
    """What may part the cells, the most frequent in the header first; blanks where nothing else does."""
    plain = re.sub(r'"[^"]*"', "", header)
    found = sorted((mark for mark in MARKS if mark in plain), key=lambda m: -plain.count(m))
    if found:
        return found
    return [" ", ","] if re.search(r"\S +\S", header.strip()) else [","]


# ---- rows and cells -------------------------------------------------------------------------------------------------------
def _cut(text: str, name: str, separator: str) -> Parts:
    """Quotation marks enclose cells where they do so by the rules, and are part of the words where they cannot."""
    if '"' not in text:
        return _bare(text, separator)
    bare = _bare(text, separator)
    fits = not bare.wrong and len(bare.lines)
    try:
        enclosed = _enclosed(text, name, separator)
    except BrainLensError:
        if fits and separator in "\t ":
            return replace(bare, doubts=(_MARKS,))
        raise
    if fits and (
        enclosed.wrong
        or (enclosed.torn and len(enclosed.lines) < len(bare.lines))
        or (separator in "\t " and _needless(text, separator))
    ):
        return replace(bare, doubts=(_MARKS,))
    return enclosed


_MARKS = (
    "quotation marks are read as part of the words: they do not enclose cells by the rules",
    "Where they do, write them around every cell of the column, and two for one inside a cell",
)


def _bare(text: str, separator: str) -> Parts:
    """Every line is a row and every separator parts cells."""
    header, lines, wrong, spare, first = None, [], [], True, set()
    for number, line in enumerate(text.split("\n"), 1):
        line = line.rstrip("\r")
        if not line.strip() and (header is None or len(header) > 1 or not line):
            continue
        cells = line.split() if separator == " " else line.split(separator)
        if header is None:
            header = [_name(cell) for cell in cells]
            continue
        lines.append(number)
        if len(cells) != len(header):
            wrong.append((number, len(cells)))
            spare = spare and not cells[-1].strip()
            first.add(cells[0])
    return _extra(Parts(separator, header or [], np.array(lines), False, wrong=wrong), spare, first)


def _name(cell: str) -> str:
    cell = cell.strip()
    return cell[1:-1] if len(cell) > 1 and cell[0] == cell[-1] == '"' else cell


def _enclosed(text: str, name: str, separator: str) -> Parts:
    """Cells as the rules of CSV have them."""
    reader = csv.reader(
        io.StringIO(text), delimiter=separator, strict=True, skipinitialspace=separator == " "
    )
    header, lines, wrong, torn, spare, first = None, [], [], 0, True, set()
    try:
        for row in reader:
            if separator == " " and len(row) > 1 and not row[-1]:
                row = row[:-1]
            if not row or (
                len(row) == 1 and not row[0].strip() and (header is None or len(header) > 1)
            ):
                continue
            if header is None:
                header = [cell.strip() for cell in row]
                continue
            lines.append(reader.line_num)
            torn += any("\n" in cell and separator in cell for cell in row)
            if len(row) != len(header):
                wrong.append((reader.line_num, len(row)))
                spare = spare and not row[-1].strip()
                first.add(row[0])
    except csv.Error as error:
        note = (
            "; a quotation mark is opened and never closed"
            if separator == "\t" and text.count('"') % 2
            else ""
        )
        raise BrainLensError(
            f"{name}: line {reader.line_num}: {error}{note}",
            remedy="Close the quotation mark, or write two for one inside a cell",
        ) from None
    parts = Parts(separator, header or [], np.array(lines), True, wrong=wrong, torn=torn)
    return _extra(parts, spare, first)


def _extra(parts: Parts, spare: bool, first: set[str]) -> Parts:
    """Rows that all have one cell more than the header begin with row names, or end with nothing."""
    if (
        not len(parts.lines)
        or len(parts.wrong) != len(parts.lines)
        or any(cells != len(parts.header) + 1 for _, cells in parts.wrong)
    ):
        return parts
    if spare:
        return replace(parts, extra="end", wrong=[])
    if len(first) == len(parts.lines):
        said = "row names without a header: the first cell of each row is left out"
        return replace(parts, extra="names", wrong=[], said=(*parts.said, said))
    return parts


def _needless(text: str, separator: str) -> bool:
    """Whether marks stand around some cells of a column and not around others, without need: then they are words."""
    some: dict[int, list[int]] = {}
    for line in text.split("\n"):
        cells = line.split() if separator == " " else line.rstrip("\r").split(separator)
        for column, cell in enumerate(cells):
            cell = cell.strip()
            if not any(letter.isalpha() for letter in cell):
                continue
            counts = some.setdefault(column, [0, 0, 0])
            around = len(cell) > 1 and cell[0] == cell[-1] == '"'
            needed = around and '""' in cell[1:-1]
            counts[0] += not around
            counts[1] += around and not needed
            counts[2] += needed
    return any(without > 1 and marked and not needed for without, marked, needed in some.values())


def _checked(parts: Parts, name: str) -> Parts:
    if len(parts.header) > MOST_COLUMNS:
        raise BrainLensError(
            f"{name} has {len(parts.header):,} columns; tables of text with more than {MOST_COLUMNS:,} are not read",
            remedy="Save it as NetCDF or npy with a table of stimuli beside it, or as Parquet",
        )
    if not len(parts.lines):
        raise BrainLensError(f"{name} holds a header and no rows", remedy="Export the table again")
    if parts.wrong:
        places = ", ".join(f"line {line} has {cells}" for line, cells in parts.wrong[:5])
        raise BrainLensError(
            f"{name}: {len(parts.wrong)} rows do not have the {len(parts.header)} cells of the header: {places}",
            remedy="Put texts with the separator in quotation marks",
        )
    counted = [float(one) for one in parts.header if _NUMBER.fullmatch(one)]
    if any(later <= one for one, later in pairwise(counted)):
        raise BrainLensError(
            f"{name}: the first line holds numbers, not the names of columns: {', '.join(parts.header[:6])}",
            remedy="Name the columns in the first line",
        )
    twice = sorted({one for one in parts.header if one and parts.header.count(one) > 1})
    if twice:
        raise BrainLensError(
            f"{name}: columns of the same name: {twice}",
            remedy="Give each column a name of its own",
        )
    return parts
