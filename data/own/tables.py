"""Tables as files: CSV, TSV and Parquet read without surprises, with the line of every fault."""

from __future__ import annotations

import csv
import gzip
import io
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from data.errors import BrainLensError

__all__ = [
    "MISSING",
    "MOST_UNPACKED",
    "TABLE_SUFFIXES",
    "Table",
    "numbers",
    "read_table",
    "there",
    "within",
]

TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".tab", ".csv.gz", ".tsv.gz", ".parquet")
MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", ".")
"""Cells that mean 'no measurement' in a column of numbers; in a column of texts they are words."""

MOST_BYTES = 4 * 1024**3  # of unpacked text: more is a mistake or an attack
MOST_RATIO = 200  # unpacked : packed; text compresses about 3 to 10 times
MOST_UNPACKED = 16 * 1024**3  # of numbers in a packed format
MUCH = 100_000_000  # bytes below which no ratio matters


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
    """

    path: Path
    frame: pd.DataFrame
    lines: np.ndarray | None = None
    rows: np.ndarray | None = None

    def where(self, row: int) -> str:
        """``"line 12"`` or ``"row 11"`` of the table's row number ``row`` (from 0)."""
        if self.lines is not None:
            return f"line {self.lines[row]}"
        return f"row {row + 1 if self.rows is None else self.rows[row]}"

    def part(self, rows: np.ndarray) -> Table:
        """Some rows (numbers from 0), which keep their places in the file."""
        numbered = np.arange(1, len(self.frame) + 1) if self.rows is None else self.rows
        frame = self.frame.iloc[rows].reset_index(drop=True)
        return Table(
            self.path, frame, None if self.lines is None else self.lines[rows], numbered[rows]
        )

    def places(self, rows, most: int = 5) -> str:
        """The places of some rows, the first few spelled out."""
        rows = list(rows)
        shown = ", ".join(self.where(row) for row in rows[:most])
        return shown + (f" and {len(rows) - most} more" if len(rows) > most else "")


def suffix(path: Path) -> str:
    """The suffix that names the format, ``.csv.gz`` in one piece."""
    parts = [part.lower() for part in path.suffixes]
    return "".join(parts[-2:]) if parts[-1:] == [".gz"] else (parts or [""])[-1]


def read_table(path: str | Path, *, texts: tuple[str, ...] = ()) -> Table:
    """The table in a CSV, TSV (also gzipped) or Parquet file.

    Parameters
    ----------
    path : path-like
        The file.
    texts : tuple of str
        Columns of words: their cells stay as they are written, so that the word ``null`` is a word.

    Raises
    ------
    BrainLensError
        Where there is no such file, it is not a table, or its rows do not fit its header; with the line.
    """
    path = Path(path)
    there(path)
    kind = suffix(path)
    if kind == ".parquet":
        return Table(path, _parquet(path))
    if kind not in TABLE_SUFFIXES:
        raise BrainLensError(
            f"{path.name} is not a table that can be read here",
            choices=TABLE_SUFFIXES,
            remedy="Save it as CSV",
        )
    text, separator = _preamble(_text(path))
    separator = separator or _separator(text, path)
    header, lines = _scan(text, path, separator)
    names = [name or f"Unnamed: {i}" for i, name in enumerate(header)]
    words = {name: str for name in names if name in texts}
    try:
        frame = pd.read_csv(
            io.StringIO(text),
            sep=separator,
            header=0,
            names=names,
            index_col=False,
            dtype=words,
            keep_default_na=False,
            low_memory=False,
            skip_blank_lines=True,
            na_values={name: list(MISSING) for name in names if name not in words},
        )
    except (ValueError, OverflowError) as error:  # what one parser accepts and the other does not
        raise BrainLensError(
            f"{path.name} cannot be read as a table: {error}", remedy="Save it again as CSV (UTF-8)"
        ) from None
    if separator == ";":
        frame = frame.apply(
            lambda column: column if column.name in words else _decimal_comma(column)
        )
    return Table(path, frame, lines if len(lines) == len(frame) else None)


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


NUMBERS = "Correct them, or leave them empty where nothing was measured"


def numbers(table: Table, column: str, *, remedy: str = NUMBERS) -> np.ndarray:
    """A column as float64, shape (rows,), NaN where it is empty.

    Raises
    ------
    BrainLensError
        Naming the cells that are not numbers, and their lines.
    """
    values = table.frame[column]
    if values.dtype.kind in "iufb":
        return values.to_numpy(dtype=np.float64, na_value=np.nan)
    if values.dtype.kind in "mM":
        raise BrainLensError(
            f"{table.path.name}: column {column!r} holds dates or durations, not numbers (first: {str(values.iloc[0])!r})",
            remedy="Write them as numbers, such as ms",
        )
    cells = values.astype(object).where(values.notna(), None)
    parsed = pd.to_numeric(
        cells.map(lambda c: None if c is None or str(c).strip() in MISSING else c), errors="coerce"
    )
    wrong = [
        i
        for i, (cell, number) in enumerate(zip(cells, parsed))
        if cell is not None and str(cell).strip() not in MISSING and pd.isna(number)
    ]
    if wrong:
        raise BrainLensError(
            f"{table.path.name}: column {column!r} holds {len(wrong)} cells that are not numbers, first "
            f"{str(cells.iloc[wrong[0]])[:40]!r} ({table.places(wrong)})",
            remedy=remedy,
        )
    return parsed.to_numpy(dtype=np.float64)


def _parquet(path: Path) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            about = file.metadata
            groups = [about.row_group(i) for i in range(about.num_row_groups)]
            sizes = [
                group.column(i).total_uncompressed_size
                for group in groups
                for i in range(group.num_columns)
            ]
            most = max(sizes, default=0)
            within(path, max(sum(sizes), about.num_rows * about.num_columns))
            names = file.schema_arrow.names
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise BrainLensError(
                    f"{path.name}: columns of the same name: {twice}",
                    remedy="Give each column a name of its own",
                )
            batches, held = [], 0
            # a text that repeats is stored once: what a batch may come to is bounded by its number of rows
            for batch in file.iter_batches(
                batch_size=int(min(65_536, max(MOST_UNPACKED // max(most, 1), 1)))
            ):
                batches.append(batch)
                held += batch.nbytes
                if held > MOST_UNPACKED:
                    within(path, held)
            frame = pa.Table.from_batches(batches, file.schema_arrow).to_pandas()
    except BrainLensError:
        raise
    except Exception as error:  # pyarrow raises many kinds
        raise BrainLensError(
            f"{path.name} is not a Parquet file that can be read: {error}", remedy="Write it again"
        ) from None
    if frame.empty:
        raise BrainLensError(f"{path.name} holds no rows", remedy="Export it again")
    return frame.reset_index(drop=isinstance(frame.index, pd.RangeIndex))


def within(path: Path, size: int, *, ratio: float = MOST_RATIO) -> None:
    """Make sure that a packed file comes to no more than such files do.

    Raises
    ------
    BrainLensError
        With both sizes.
    """
    packed = path.stat().st_size
    if size > MOST_UNPACKED or (size > MUCH and size > packed * ratio):
        raise BrainLensError(
            f"{path.name} unpacks from {packed:,} to {size:,} bytes: it was not read",
            remedy="Look at it with another program first, and save a part of it",
        )


def _text(path: Path) -> str:
    """The whole text of a file, unpacked within limits, decoded."""
    packed = path.stat().st_size
    if suffix(path).endswith(".gz"):
        limit = min(MOST_BYTES, max(packed * MOST_RATIO, 1024**2))
        try:
            with gzip.open(path) as stream:
                raw = stream.read(limit + 1)
        except (OSError, EOFError) as error:
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


def _separator(text: str, path: Path) -> str:
    if suffix(path).startswith((".tsv", ".tab")):
        return "\t"
    header = next((line for line in text.splitlines() if line.strip()), "")
    return max(",;\t", key=header.count)


def _scan(text: str, path: Path, separator: str) -> tuple[list[str], np.ndarray]:
    """Header and line numbers of the rows; every row must have as many cells as the header."""
    if separator == "\t" and text.count('"') % 2:
        separator_note = "; a quotation mark is opened and never closed"
    else:
        separator_note = ""
    reader = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
    header, lines, wrong = None, [], []
    try:
        for row in reader:
            if not row or (
                len(row) == 1 and not row[0].strip() and (header is None or len(header) > 1)
            ):
                continue
            if header is None:
                header = [name.strip() for name in row]
                continue
            lines.append(reader.line_num)
            if len(row) != len(header):
                wrong.append((reader.line_num, len(row)))
    except csv.Error as error:
        raise BrainLensError(
            f"{path.name}: line {reader.line_num}: {error}{separator_note}",
            remedy="Close the quotation mark, or write two for one inside a cell",
        ) from None
    if header is None:
        raise BrainLensError(
            f"{path.name} holds no header", remedy="Name the columns in the first line"
        )
    if not lines:
        raise BrainLensError(
            f"{path.name} holds a header and no rows", remedy="Export the table again"
        )
    if wrong:
        places = ", ".join(f"line {line} has {cells}" for line, cells in wrong[:5])
        raise BrainLensError(
            f"{path.name}: {len(wrong)} rows do not have the {len(header)} cells of the header: {places}{separator_note}",
            remedy="Put texts with the separator in quotation marks",
        )
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise BrainLensError(
            f"{path.name}: columns of the same name: {twice}",
            remedy="Give each column a name of its own",
        )
    return header, np.array(lines)


def _decimal_comma(values: pd.Series) -> pd.Series:
    """A column of numbers with decimal commas as numbers; a cell that is none stays as it is written, to be named."""
    if values.dtype.kind != "O":
        return values
    cells = values.dropna().astype(str).str.strip()
    alike = cells.str.fullmatch(r"[-+]?(\d+(,\d*)?|,\d+)([eE][-+]?\d+)?")
    if not cells.str.contains(",").any() or alike.mean() <= 0.5:
        return values
    values = values.astype(object)
    values.loc[cells[alike].index] = pd.to_numeric(cells[alike].str.replace(",", "."))
    return pd.to_numeric(values) if alike.all() else values
