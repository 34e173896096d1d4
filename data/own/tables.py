"""Tables as files: CSV, TSV and Parquet read without surprises, with the line of every fault."""

from __future__ import annotations

import gzip
import re
import zipfile
import zlib
from dataclasses import dataclass, replace
from functools import lru_cache, reduce
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data.errors import BrainLensError
from data.limits import MOST_BYTES, MOST_RATIO, within
from data.own.archive import DAMAGE
from data.own.delimited import frame_of, layout
from data.own.foreign import advice
from data.own.numerals import parse
from data.own.spreadsheets import read_sheet
from data.parquet import named, read_parquet

__all__ = [
    "SPREADSHEETS",
    "TABLE_SUFFIXES",
    "Table",
    "labels_joined",
    "numbers",
    "read_table",
    "squashed",
    "suffix",
    "text_of",
    "there",
]

SPREADSHEETS = (".xlsx", ".xlsm", ".ods")
_PACKED = tuple(one + end for one in (".csv", ".tsv", ".txt", ".tab") for end in (".gz", ".zip"))
TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".tab", *_PACKED, ".zip", ".parquet", *SPREADSHEETS)


@dataclass(frozen=True)
class Table:
    """A table and where its rows stand in the file.

    Parameters
    ----------
    frame : pandas.DataFrame
        Cells of texts untouched, cells of numbers as numbers.
    lines : numpy.ndarray or None
        Line of the file on which each row ends, from 1; None where the format has no lines.
    rows : numpy.ndarray or None
        Number of each row in the file, from 1, where the frame is a part of it.
    decimal : str
        The decimal mark where it is said, or what the format suggests; ``sure`` where it is said.
    missing : tuple of str
        Further cells that mean 'not measured'.
    said : tuple of str
        What was taken for granted while reading, in words.
    doubts : tuple of (str, str)
        What may not be meant so, and the next step.
    """

    path: Path
    frame: pd.DataFrame
    lines: np.ndarray | None = None
    rows: np.ndarray | None = None
    decimal: str = ""
    sure: bool = False
    missing: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    doubts: tuple[tuple[str, str], ...] = ()

    def where(self, row: int) -> str:
        """``"line 12"`` or ``"row 11"`` of the table's row number ``row`` (from 0)."""
        if self.lines is not None:
            return f"line {self.lines[row]}"
        return f"row {row + 1 if self.rows is None else self.rows[row]}"

    def part(self, rows: np.ndarray) -> Table:
        """Some rows (numbers from 0), which keep their places in the file."""
        numbered = np.arange(1, len(self.frame) + 1) if self.rows is None else self.rows
        frame = self.frame.iloc[rows].reset_index(drop=True)
        lines = None if self.lines is None else self.lines[rows]
        return replace(self, frame=frame, lines=lines, rows=numbered[rows])

    def places(self, rows, most: int = 5) -> str:
        """The places of some rows, the first few spelled out."""
        rows = list(rows)
        shown = ", ".join(self.where(row) for row in rows[:most])
        return shown + (f" and {len(rows) - most} more" if len(rows) > most else "")


def suffix(path: Path) -> str:
    """The suffix that names the format, ``.csv.gz`` and ``.csv.zip`` in one piece."""
    parts = [part.lower() for part in path.suffixes]
    two = "".join(parts[-2:])
    return two if two in _PACKED else (parts or [""])[-1]


def read_table(
    path: str | Path,
    *,
    texts: tuple[str, ...] = (),
    decimal: str = "",
    missing: tuple[str, ...] = (),
    sheet: str = "",
    range: str = "",
) -> Table:
    """The table in a CSV, TSV (also gzipped or zipped), Parquet, xlsx or ods file.

    Parameters
    ----------
    path : path-like
        The file.
    texts : tuple of str
        Columns of words, however they are capitalised: their cells stay as they are written, so that the word ``null`` is a word.
    decimal : str
        ``","`` or ``"."``: the decimal mark of its numbers, where the columns do not show it.
    missing : tuple of str
        Cells that mean 'not measured' besides :data:`data.own.numerals.MISSING`, such as ``"-999"``.
    sheet, range : str
        Of a spreadsheet: the sheet's name and the cells, such as ``"B3:F90"``.

    Raises
    ------
    BrainLensError
        Where there is no such file, it is not a table, or its rows do not fit its header; with the line.
    """
    path = Path(path)
    there(path)
    kind = suffix(path)
    wanted = {squashed(name) for name in texts}
    told: dict[str, Any] = dict(decimal=decimal, sure=bool(decimal), missing=missing)

    def is_word(name: str) -> bool:
        return squashed(name) in wanted

    if kind in SPREADSHEETS:
        frame, rows, said = read_sheet(path, words=is_word, sheet=sheet, cells=range)
        return Table(path, frame, rows=rows, said=said, **told)
    if sheet or range:
        raise BrainLensError(
            f"{path.name} is not a spreadsheet: it has no {'sheet ' + repr(sheet) if sheet else 'range ' + repr(range)}",
            remedy="Leave out --sheet and --range",
        )
    if kind == ".parquet":
        return Table(path, _parquet(path), **told)
    if kind not in TABLE_SUFFIXES:
        raise BrainLensError(
            f"{path.name} is not a table that can be read here",
            choices=(
                ".csv",
                ".tsv",
                ".txt",
                ".xlsx",
                ".ods",
                ".parquet",
                ".nc",
                ".npz",
                ".npy",
                ".mat",
            ),
            remedy=advice(kind),
        )
    text, parts = layout(text_of(path), path.name, tabs=kind.startswith((".tsv", ".tab")))
    frame = frame_of(text, parts, path.name, {name for name in parts.header if is_word(name)})
    return Table(
        path,
        frame,
        parts.lines if len(parts.lines) == len(frame) else None,
        **{**told, "decimal": decimal or ("," if parts.separator == ";" else "")},
        said=parts.said,
        doubts=parts.doubts,
    )


def labels_joined(frame: pd.DataFrame, columns: list[str], mark: str) -> pd.Series:
    """The cells of some columns as one label for each row, column by column: row by row is several times as slow.

    Examples
    --------
    >>> list(labels_joined(pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}), ["a", "b"], " | "))
    ['1 | x', '2 | y']
    """
    first, *others = (frame[column].astype(str).astype(object) for column in columns)
    return reduce(lambda one, other: one + mark + other, others, first)


@lru_cache(maxsize=100_000)
def squashed(name: object) -> str:
    """A column's name as it is compared: ``WorkerId``, ``worker_id`` and ``worker.id`` are the same.

    Examples
    --------
    >>> squashed("Worker_Id")
    'workerid'
    """
    return re.sub(r"[\W_]+", "", str(name)).lower()


def there(path: Path) -> None:
    """Make sure that a file is there and holds something.

    Raises
    ------
    BrainLensError
        Saying what is there instead.
    """
    if path.is_dir():
        raise BrainLensError(
            f"{path.name or path} is a folder, not a file",
            choices=sorted(one.name for one in path.iterdir() if suffix(one) in TABLE_SUFFIXES),
            remedy="Name the file in it; a folder of activations is a model: 'brainlens score FOLDER --on RECORDING'",
        )
    if not path.is_file():
        raise BrainLensError(f"There is no file {path}", remedy="Check the path")
    if path.stat().st_size == 0:
        raise BrainLensError(f"{path.name} is empty (0 bytes)", remedy="Export it again")
    with open(path, "rb") as stream:
        head = stream.read(200)
    if head.startswith(b"version https://git-lfs"):
        raise BrainLensError(
            f"{path.name} is a Git LFS pointer, not the file",
            remedy="Run 'git lfs pull' in its repository, or download the file itself",
        )
    if re.match(rb"[./]*(?:\.git/annex/objects/|annex/objects/)", head):
        raise BrainLensError(
            f"{path.name} is a git-annex pointer, not the file",
            remedy="Run 'git annex get' or 'datalad get' in its repository",
        )


NUMBERS = "Correct them, or leave them empty where nothing was measured; a code for 'missing' is named by --missing CODE"


def numbers(table: Table, column: str, *, remedy: str = NUMBERS) -> np.ndarray:
    """A column as float64, shape (rows,), NaN where it is empty.

    Raises
    ------
    BrainLensError
        Naming the cells that are not numbers, or whose marks may part thousands or decimals, and their lines.
    """
    values = table.frame[column]
    if values.dtype.kind in "mM":
        raise BrainLensError(
            f"{table.path.name}: column {column!r} holds dates or durations, not numbers (first: {str(values.iloc[0])!r})",
            remedy="Write them as numbers, such as ms",
        )
    if values.dtype.kind in "iufb":
        found = values.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        cells = values.astype(object).where(values.notna(), None)
        parsed = parse(cells, decimal=table.decimal if table.sure else "", missing=table.missing)
        commas = not any("." in str(cells.iloc[row]) for row in parsed.either)
        if parsed.either and commas and table.decimal == "," and not table.sure:
            parsed = parse(cells, decimal=",", missing=table.missing)
        if parsed.either:
            raise BrainLensError(
                f"{table.path.name}: column {column!r} holds {str(cells.iloc[parsed.either[0]])!r}: whether the mark parts "
                f"thousands or decimals cannot be told ({table.places(parsed.either)})",
                choices=(', decimal (--decimal ",")', '. decimal (--decimal ".")'),
                remedy='Say the decimal mark: --decimal "." or --decimal ",", or "decimal" in the sidecar',
            )
        if parsed.wrong:
            raise BrainLensError(
                f"{table.path.name}: column {column!r} holds {len(parsed.wrong)} cells that are not numbers, first "
                f"{str(cells.iloc[parsed.wrong[0]])[:40]!r} ({table.places(parsed.wrong)})",
                remedy=remedy
                if not str(cells.iloc[parsed.wrong[0]]).strip().startswith("[")
                else f"A list of times for each text is taken in by 'brainlens data trials {table.path.name} --out MINE.csv'",
            )
        found = parsed.values
    if not table.missing:
        return found
    codes = parse(table.missing).values
    return np.where(np.isin(found, codes[~np.isnan(codes)]), np.nan, found)


def coded(table: Table, column: str) -> np.ndarray:
    """Cells of a column that hold a code for 'no value' (``table.missing``); shape (rows,)."""
    cells = table.frame[column]
    codes = parse(table.missing).values
    held = cells.astype(str).str.strip().isin(table.missing).to_numpy()
    return held | np.isin(pd.to_numeric(cells, errors="coerce"), codes[~np.isnan(codes)])


def _parquet(path: Path) -> pd.DataFrame:
    frame = read_parquet(path)
    if frame.empty:
        raise BrainLensError(f"{path.name} holds no rows", remedy="Export it again")
    if isinstance(frame.index, pd.RangeIndex):
        return frame.reset_index(drop=True)
    return named(path.name, frame.reset_index())


def _unzipped(path: Path) -> bytes:
    """The one table of an archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            held = [
                one
                for one in archive.infolist()
                if not one.is_dir() and not one.filename.startswith(("__MACOSX/", "."))
            ]
            if len(held) != 1:
                raise BrainLensError(
                    f"{path.name} holds {len(held)} files, not one table",
                    choices=[one.filename for one in held],
                    remedy="Unpack it and name the table",
                )
            within(path, held[0].file_size)
            with archive.open(held[0]) as stream:
                raw = stream.read(held[0].file_size + 1)
    except BrainLensError:
        raise
    except DAMAGE as error:
        raise BrainLensError(
            f"{path.name} cannot be unpacked: {error}",
            remedy="Unpack it yourself and name the table",
        ) from None
    return raw


def text_of(path: Path) -> str:
    """The whole text of a file, unpacked within limits, decoded."""
    packed = path.stat().st_size
    if suffix(path).endswith(".zip"):
        raw = _unzipped(path)
    elif suffix(path).endswith(".gz"):
        limit = min(MOST_BYTES, max(packed * MOST_RATIO, 1024**2))
        try:
            with gzip.open(path) as stream:
                raw = stream.read(limit + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise BrainLensError(
                f"{path.name} cannot be unpacked: {error}", remedy="Fetch or export it again"
            ) from None
        if len(raw) > limit:
            raise BrainLensError(
                f"{path.name} unpacks to more than {limit:,} bytes from {packed:,}: no table does that, so it was not read",
                remedy="Unpack it yourself and look at it first",
            )
    else:
        if packed > MOST_BYTES:
            raise BrainLensError(
                f"{path.name} has {packed:,} bytes; tables of more than {MOST_BYTES:,} are not read as text",
                remedy="Save it as Parquet",
            )
        raw = path.read_bytes()
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        try:
            return raw.decode("utf-16")
        except UnicodeDecodeError as error:
            raise BrainLensError(
                f"{path.name} is UTF-16 and damaged at byte {error.start:,} of {len(raw):,}: {error.reason}",
                remedy="Export it again, as CSV (UTF-8)",
            ) from None
    head = raw[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith((b"<!doctype html", b"<html")):
        raise BrainLensError(
            f"{path.name} is a web page, not a table",
            remedy="Download the file itself, not the page that shows it",
        )
    if raw[:4] == b"PK\x03\x04":
        raise BrainLensError(
            f"{path.name} is a zip archive or a spreadsheet, not text",
            remedy="Save the sheet as CSV (UTF-8)",
        )
    if (code := _wide(raw)) and "\0" not in (wide := raw.decode(code, "replace")):
        return wide
    if b"\0" in raw:
        raise BrainLensError(
            f"{path.name} holds binary data, not text", remedy="Save it as CSV (UTF-8)"
        )
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise BrainLensError(
            f"{path.name} is not UTF-8: byte 0x{raw[error.start]:02x} on line {line}",
            remedy="Save it as CSV (UTF-8)",
        ) from None


def _wide(raw: bytes) -> str:
    """The UTF-16 of a text without its mark, where every second byte of the beginning is 0."""
    head = raw[:400]
    if len(raw) % 2 or len(head) < 8:
        return ""
    for start, code in ((1, "utf-16-le"), (0, "utf-16-be")):
        if head[start::2].count(0) > 0.8 * len(head[start::2]) and 0 not in head[1 - start :: 2]:
            return code
    return ""
