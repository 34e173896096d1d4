"""Spreadsheets: one sheet of an xlsx or ods file, or a range of it, as a table; formulas give the values that were saved."""

from __future__ import annotations

import datetime
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data.errors import BrainLensError, unknown
from data.limits import within
from data.own.numerals import MISSING

__all__ = ["read_sheet", "sheets"]

MOST_CELLS = 50_000_000
_RANGE = re.compile(r"\$?([A-Za-z]{1,3})\$?(\d{1,7})(?::\$?([A-Za-z]{1,3})\$?(\d{1,7}))?")


def read_sheet(
    path: Path, *, words: Callable[[str], bool], sheet: str = "", cells: str = ""
) -> tuple[pd.DataFrame, np.ndarray, tuple[str, ...]]:
    """One sheet as a table; its first full row names the columns.

    Parameters
    ----------
    words : callable
        Whether a column of that name holds words, whose cells become text: ``1984`` and ``TRUE`` are words there.
    sheet : str
        Its name, or its number from 1; needed where several sheets hold something.
    cells : str
        A range such as ``"B3:F90"``, or its first cell; the whole sheet by default.

    Returns
    -------
    frame : pandas.DataFrame
    rows : numpy.ndarray
        Number of each row in the sheet, from 1.
    said : tuple of str
        What was taken for granted, in words.

    Raises
    ------
    BrainLensError
        Where it is not a spreadsheet that can be read, or which sheet is meant is not plain.
    """
    _packed(path)
    found = _opened(path)
    name, rows = _one_sheet(path, found, sheet)
    first_row, first_column, last_row, last_column = _range(path, cells)
    grid, numbers = [], []
    for number, row in enumerate(rows, 1):
        if number < first_row or (last_row and number > last_row):
            continue
        row = row[first_column - 1 : last_column or None]
        if any(_held(cell) for cell in row):
            grid.append(row)
            numbers.append(number)
    if not grid:
        raise BrainLensError(
            f"{path.name}: sheet {name!r} holds nothing{' in ' + cells if cells else ''}",
            choices=found,
            remedy="Name another sheet (--sheet NAME) or range (--range B3:F90)",
        )
    top, said = _header(grid, numbers)
    header, grid, numbers = (
        [_label(cell) for cell in grid[top]],
        grid[top + 1 :],
        numbers[top + 1 :],
    )
    while header and not header[-1]:
        header.pop()
    if not grid:
        raise BrainLensError(
            f"{path.name}: sheet {name!r} holds a header and no rows", remedy="Name another sheet"
        )
    width = max(len(header), *(_width(row) for row in grid))
    header += [""] * (width - len(header))
    twice = sorted({one for one in header if one and header.count(one) > 1})
    if twice:
        raise BrainLensError(
            f"{path.name}: columns of the same name: {twice}",
            remedy="Give each column a name of its own",
        )
    columns = {}
    for place, label in enumerate(header):
        held = [row[place] if place < len(row) else None for row in grid]
        if label or any(_held(cell) for cell in held):
            columns[label or f"Unnamed: {place}"] = _column(held, bool(label) and words(label))
    if len(found) > 1:
        said = (f"sheet {name!r} of {len(found)}", *said)
    return pd.DataFrame(columns), np.array(numbers), said


def sheets(path: Path) -> list[str]:
    """The names of the sheets that hold something."""
    _packed(path)
    return [name for name, rows in _opened(path).items() if _something(rows)]


def _packed(path: Path) -> None:
    """What the archive announces is within limits, and nothing in it is anything but a spreadsheet."""
    try:
        with zipfile.ZipFile(path) as archive:
            held = archive.infolist()
            within(path, sum(one.file_size for one in held))
    except (BrainLensError, MemoryError):
        raise
    except Exception as error:  # zipfile raises many kinds
        start = path.read_bytes()[:8]
        old = start == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
        raise BrainLensError(
            f"{path.name} is {'an old or locked Excel file' if old else f'not a spreadsheet that can be read: {error}'}",
            remedy="Save it as .xlsx without a password, or as CSV (UTF-8)",
        ) from None


def _opened(path: Path) -> dict[str, Any]:
    """Sheet name -> something that gives its rows."""
    try:
        with zipfile.ZipFile(path) as archive:
            office = "mimetype" in archive.namelist()
        if office:  # whatever it is called
            return _ods(path)
        from openpyxl import load_workbook

        book = load_workbook(path, read_only=True, data_only=True, keep_links=False)
        return {one.title: one for one in book.worksheets}
    except (BrainLensError, MemoryError):
        raise
    except Exception as error:  # openpyxl and odfpy raise many kinds on damaged files
        raise BrainLensError(
            f"{path.name} is not a spreadsheet that can be read: {type(error).__name__}: {str(error)[:200]}",
            remedy="Save it again, or as CSV (UTF-8)",
        ) from None


def _one_sheet(path: Path, found: dict, wanted: str) -> tuple[str, Iterator[list]]:
    if wanted:
        names = list(found)
        if wanted not in names and str(wanted).isdecimal() and 1 <= int(wanted) <= len(names):
            wanted = names[int(wanted) - 1]
        if wanted not in names:
            raise unknown(f"sheet of {path.name}", wanted, names)
        return wanted, _safely(path, found[wanted])
    full = [name for name, rows in found.items() if _something(_safely(path, rows))]
    if len(full) > 1:
        raise BrainLensError(
            f"{path.name} holds {len(full)} sheets",
            choices=full,
            remedy=f'Name one (--sheet "{full[0]}", or "sheet" in the sidecar)',
        )
    name = full[0] if full else next(iter(found), "")
    if not name:
        raise BrainLensError(f"{path.name} holds no sheet", remedy="Save it again")
    return name, _safely(path, found[name])


def _something(rows) -> bool:
    return any(any(_held(cell) for cell in row) for row in rows)


def _safely(path: Path, rows) -> Iterator[list]:
    count = 0
    try:
        for row in _rows(rows):
            count += len(row)
            if count > MOST_CELLS:
                raise BrainLensError(
                    f"{path.name} holds more than {MOST_CELLS:,} cells: it was not read further",
                    remedy="Save the part that is needed as CSV or Parquet",
                )
            yield row
    except (BrainLensError, MemoryError):
        raise
    except (
        Exception
    ) as error:  # zipfile, its decompressors and the XML parser raise many kinds on damaged files
        raise BrainLensError(
            f"{path.name} is damaged: {error}", remedy="Save it again, or as CSV (UTF-8)"
        ) from None


def _rows(rows) -> Iterator[list]:
    if isinstance(rows, list):
        yield from (_unrolled(row) for row in rows)
        return
    rows.reset_dimensions()  # what the file announces may be far more than it holds
    for row in rows.iter_rows(values_only=True):
        yield list(row)


def _ods(path: Path) -> dict[str, list]:
    """Sheet name -> rows, each of (value, how often); what repeats to the end of a row or sheet is left out."""
    from odf.opendocument import load
    from odf.table import CoveredTableCell, Table, TableCell, TableRow

    found, total = {}, 0
    for sheet in load(str(path)).spreadsheet.getElementsByType(Table):
        rows: list = []
        for row in sheet.getElementsByType(TableRow):
            cells = [
                (_ods_value(cell), int(cell.getAttribute("numbercolumnsrepeated") or 1))
                for cell in row.childNodes
                if cell.qname in (TableCell().qname, CoveredTableCell().qname)
            ]
            while cells and not _held(cells[-1][0]):
                cells.pop()
            times = int(row.getAttribute("numberrowsrepeated") or 1)
            total += sum(many for _, many in cells) * (times if cells else 0)
            if total > MOST_CELLS:
                raise BrainLensError(
                    f"{path.name} holds more than {MOST_CELLS:,} cells: it was not read",
                    remedy="Save the part that is needed as CSV or Parquet",
                )
            rows += [cells] * (times if cells else min(times, 1000))
        found[str(sheet.getAttribute("name"))] = rows
    return found


def _ods_value(cell) -> object:
    kind = cell.getAttribute("valuetype")
    if kind in ("float", "currency", "percentage"):
        value = float(cell.getAttribute("value"))
        return int(value) if value.is_integer() else value
    if kind == "boolean":
        return cell.getAttribute("booleanvalue") == "true"
    if kind == "date":
        return pd.Timestamp(cell.getAttribute("datevalue")).to_pydatetime()
    from odf import teletype

    paragraphs = [teletype.extractText(one) for one in cell.childNodes if one.qname[1] == "p"]
    return "\n".join(paragraphs) or None


def _unrolled(row: list) -> list:
    return [value for value, many in row for _ in range(many)]


def _range(path: Path, cells: str) -> tuple[int, int, int, int]:
    """First row and column, last row and column, from 1; 0: to the end."""
    if not cells:
        return 1, 1, 0, 0
    match = _RANGE.fullmatch(cells.strip())
    if not match:
        raise BrainLensError(
            f"{path.name}: {cells!r} is not a range of cells", remedy="Write it as B3:F90"
        )
    column, row, to_column, to_row = match.groups()
    return int(row), _number(column), int(to_row or 0), _number(to_column) if to_column else 0


def _number(letters: str) -> int:
    total = 0
    for letter in letters.upper():
        total = total * 26 + ord(letter) - 64
    return total


def _header(grid: list[list], numbers: list[int]) -> tuple[int, tuple[str, ...]]:
    """The row that names the columns: the first one that is not a single title above a wider table."""
    most = max(sum(_held(cell) for cell in row) for row in grid)
    top = next(
        (i for i, row in enumerate(grid) if sum(_held(cell) for cell in row) > 1), 0
    ) if most > 1 else 0  # fmt: skip
    if not top:
        return 0, ()
    title = next(str(cell) for cell in grid[0] if _held(cell))
    return top, (f"{top} rows above the header left out, first {title[:40]!r} (row {numbers[0]})",)


def _held(cell: object) -> bool:
    return cell is not None and str(cell).strip() != ""


def _width(row: list) -> int:
    return max((i + 1 for i, cell in enumerate(row) if _held(cell)), default=0)


def _label(cell: object) -> str:
    return "" if not _held(cell) else _text(cell).strip()


def _text(cell: object) -> str:
    """A cell as it is shown where it is a word: whole numbers without a point, truth values in capitals."""
    if isinstance(cell, bool):
        return str(cell).upper()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)


def _column(cells: list, words: bool) -> pd.Series:
    if words:
        return pd.Series([_text(cell) if cell is not None else "" for cell in cells], dtype=object)
    if any(isinstance(cell, datetime.date | datetime.time | datetime.timedelta) for cell in cells):
        return pd.Series(cells, dtype=object)
    plain = [None if cell is None or str(cell).strip() in MISSING else cell for cell in cells]
    if all(cell is None or isinstance(cell, int | float) for cell in plain):
        numbers = [np.nan if cell is None else cell for cell in plain]
        whole = all(isinstance(cell, int) and not isinstance(cell, bool) for cell in numbers)
        return pd.Series(numbers, dtype="int64" if whole else "float64")
    return pd.Series([np.nan if cell is None else _text(cell) for cell in plain], dtype=object)
