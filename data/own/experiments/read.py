"""Files of experiment software as one table of trials that is read like any table of one's own."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from data.errors import BrainLensError, unknown
from data.files import atomic, guarded
from data.limits import within
from data.own.archive import unpacking
from data.own.experiments.ibex import ibex_trials, is_ibex
from data.own.experiments.prompts import is_prompts, prompt_trials
from data.own.experiments.roles import ROLES, plain_trials
from data.own.experiments.rules import Rule, apply_rules
from data.own.experiments.warnings import versions, warnings
from data.own.names import kind_of
from data.own.numerals import MISSING
from data.own.sidecar import write_sidecar
from data.own.tables import TABLE_SUFFIXES, read_table, suffix, text_of

__all__ = ["LAYOUTS", "Experiment", "import_trials", "layout_of"]

LAYOUTS = {
    "ibex": "results of Ibex or PCIbex",
    "prompts": "transcripts of PsychLing-101",
    "files": "one table per person, such as Pavlovia's",
    "table": "one long table",
}
_WORDS = (
    *("word", "words", "text", "stimulus", "token", "target", "sentence", "participant", "subject"),
    *("person", "participant_id", "condition", "item", "rt"),
)


@dataclass(frozen=True)
class Experiment:
    """Trials of an experiment, one row per person and word (or sentence).

    Parameters
    ----------
    table : pandas.DataFrame
        person, item, stimulus_id, text_id, text, rt (ms; empty where the trial does not count), word_position and trial where the
        words stand in texts, correct where questions were asked, and every other column of the file.
    layout : str
        One of :data:`LAYOUTS`.
    said : dict
        How the columns are meant: a sidecar.
    notes : tuple of str
        How the file was understood, and what was left out, with counts.
    name : str
    """

    table: pd.DataFrame = field(repr=False)
    layout: str
    said: dict
    notes: tuple[str, ...]
    name: str = ""

    def __str__(self) -> str:
        there = self.table["rt"].notna()
        head = (
            f"{self.name}: {LAYOUTS[self.layout]}; {int(there.sum()):,} of {len(self.table):,} trials count, "
            f"{self.table['person'][there].nunique()} people, {self.table['stimulus_id'].nunique():,} stimuli"
        )
        return "\n".join([head, *(f"  {note}" for note in self.notes)])

    def write(self, path: str | Path) -> Path:
        """Write the table as CSV (or Parquet) with its sidecar: a recording of one's own from then on.

        Raises
        ------
        BrainLensError
            For another suffix, or where a file of that name is there already.
        """
        path = Path(path)
        if path.suffix.lower() not in (".csv", ".parquet"):
            raise BrainLensError(f"{path.name} ends in {path.suffix!r}", choices=(".csv", ".parquet"),
                                 remedy="End its name in one of these")  # fmt: skip
        if path.exists():
            raise BrainLensError(f"{path} is there already", remedy="Name a new file")
        with atomic(path) as part:
            if path.suffix.lower() == ".csv":
                guarded(self.table).to_csv(part, index=False)
            else:
                self.table.astype(
                    {c: str for c in self.table if self.table[c].dtype.kind == "O"}
                ).to_parquet(part)
        write_sidecar(path, **self.said)
        return path


def layout_of(path: str | Path) -> str:
    """How the trials of a file or folder stand in it, one of :data:`LAYOUTS`."""
    path = Path(path)
    if path.is_dir():
        return "files"
    if is_prompts(path):
        return "prompts"
    if path.suffix.lower() == ".zip" and zipfile.is_zipfile(path):
        names = _members(path)
        if any(name.lower().endswith(".jsonl") for name in names):
            return "prompts"
        return "files" if len(names) > 1 else "table"
    if suffix(path) in (".csv", ".txt", ".tsv", ""):
        with open(path, "rb") as stream:
            head = stream.read(20_000)
        if is_ibex(head.decode("utf-8", "replace")):
            return "ibex"
    return "table"


def import_trials(
    path: str | Path | Sequence[str | Path],
    *,
    layout: str = "auto",
    columns: Mapping[str, str] | None = None,
    rules: Sequence[str | Rule] = (),
    missing: Sequence[str] = (),
) -> Experiment:
    """Trials from what experiment software wrote.

    Parameters
    ----------
    path : path-like, or several
        Results of Ibex or PCIbex; ``prompts.jsonl`` (also zipped) or a table of PsychLing-101; a folder, zip or list of tables,
        one per person, as Pavlovia gives them; or one long table (CSV, TSV, Parquet, a spreadsheet).
    layout : str
        One of :data:`LAYOUTS`, or ``"auto"``: told from the file.
    columns : mapping, optional
        Role -> column where a name is not plain: person, text, rt, item, condition, trial, word_position, correct.
    rules : sequence of str
        What trials have to keep to, see :func:`data.own.experiments.rules.rule`; each is applied to what those before it left. A
        trial that breaks one keeps its row, because its word is still context, and loses its time.
    missing : sequence of str
        Codes that mean "no value", such as ``"-999"``; in every column.

    Returns
    -------
    Experiment

    Raises
    ------
    BrainLensError
        Where the file is none of these, a role cannot be told, or nothing is left; with the choices.
    """
    several = [Path(one) for one in ([path] if isinstance(path, str | Path) else path)]
    for one in several:
        if not one.exists():
            raise BrainLensError(f"There is no file {one}", remedy="Check the path")
    layout = (
        (layout_of(several[0]) if len(several) == 1 else "files") if layout == "auto" else layout
    )
    if layout not in LAYOUTS:
        raise unknown("layout of trials", layout, LAYOUTS)
    name = several[0].name
    codes = tuple(str(code).strip() for code in missing if str(code).strip())
    if layout == "ibex":
        table, notes = ibex_trials(text_of(several[0]), name)
        table, notes = _renamed(table, columns or {}), [LAYOUTS[layout], *notes]
    elif layout == "prompts":
        table, notes = prompt_trials(several[0])
        table = _renamed(table, columns or {})
    else:
        with tempfile.TemporaryDirectory(prefix="brainlens-") as folder:
            files = _tables(several, Path(folder))
            people = (*ROLES["person"], *(columns or {}).get("person", "").split("+"))
            table, notes = plain_trials([_read(one, codes, people) for one in files], columns or {})
        if len(files) > 1:
            notes.insert(0, f"{len(files)} files")
    table, more = _coded(table, codes)
    notes += more
    table, said, more = _texts(table)
    notes += [*more, *warnings(table, missing=bool(codes))]
    keep, more = apply_rules(table, rules)
    notes += more
    table.loc[~keep, "rt"] = np.nan
    table, more = _without_empty(table)
    notes += more
    if "eye_tracking" in kind_of([(columns or {}).get("rt", "")]):
        said["kind"] = "eye_tracking"
    what = f"{name} ({LAYOUTS[layout]})"
    said |= {"source": "; ".join([what, *(f"rule {one}" for one in rules)])}
    return Experiment(table, layout, said, tuple(notes), name)


# ---- files --------------------------------------------------------------------------------------------------------------------
def _members(path: Path) -> list[str]:
    with unpacking(path) as packed:
        names = [one.filename for one in packed.infolist() if not one.is_dir()]
    return [one for one in names if not Path(one).name.startswith(".") and "__MACOSX" not in one]


def _tables(paths: list[Path], folder: Path) -> list[Path]:
    """The tables of files, folders and archives, by name."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(
                one
                for one in path.iterdir()
                if suffix(one) in TABLE_SUFFIXES and not one.name.startswith(".")
            )
        elif path.suffix.lower() == ".zip" and len(names := _members(path)) > 1:
            found += _unpacked(path, names, folder)
        else:
            found.append(path)
    found = [one for one in found if one.name.lower() != "codebook.csv"]
    if not found:
        raise BrainLensError(
            f"{paths[0]} holds no tables",
            choices=TABLE_SUFFIXES,
            remedy="Name a folder with tables in it",
        )
    return found


def _unpacked(path: Path, names: list[str], folder: Path) -> list[Path]:
    with unpacking(path) as packed:
        wanted = [
            one
            for one in packed.infolist()
            if one.filename in names and suffix(Path(one.filename)) in TABLE_SUFFIXES
        ]
        within(path, sum(one.file_size for one in wanted))
        found = []
        for number, one in enumerate(sorted(wanted, key=lambda m: m.filename)):
            place = (
                folder / f"{number:05d}-{Path(one.filename).name}"
            )  # nothing of its path is kept
            with packed.open(one) as source, open(place, "wb") as target:
                shutil.copyfileobj(source, target)
            found.append(place)
    return found


def _read(path: Path, codes: tuple[str, ...], people: Sequence[str]):
    """A table whose people keep their names as they are written: 01 and 1 are two."""
    return read_table(path, texts=(*_WORDS, *people), missing=codes)


def _renamed(table: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    for role, name in columns.items():
        if name not in table.columns:
            raise unknown("column of the table", name, table.columns)
        if role != name:
            table = table.drop(columns=[role], errors="ignore").rename(columns={name: role})
    return table


def _coded(table: pd.DataFrame, codes: tuple[str, ...]) -> tuple[pd.DataFrame, list[str]]:
    """Codes for "no value" are empty cells; columns of words that hold only numbers become numbers."""
    notes = []
    for name in table.columns:
        if name in ("text", "person", "item"):
            continue
        column = table[name]
        if codes:
            cells = column.astype(str).str.strip().str.replace(r"\.0$", "", regex=True)
            hit = cells.isin(codes) & column.notna()
            if hit.any():
                notes.append(
                    f"{int(hit.sum()):,} cells of {name} hold {' or '.join(codes)}: no value"
                )
                table[name] = column = column.mask(hit)
        if column.dtype.kind == "O":
            there = column.notna() & ~column.astype(str).str.strip().isin(MISSING)
            made = pd.to_numeric(column.where(there), errors="coerce")
            if there.any() and made[there].notna().all():
                table[name] = made
    return table, notes


# ---- texts --------------------------------------------------------------------------------------------------------------------
def _texts(table: pd.DataFrame) -> tuple[pd.DataFrame, dict, list[str]]:
    """Which rows are one stimulus: the same place in the same text; and how the columns are meant."""
    notes, words = [], "word_position" in table and table["word_position"].notna().all()
    if words and "trial" in table:
        same = [
            *("person", "trial", "word_position", "text"),
            *(["item"] if "item" in table else []),
        ]
        again = table.duplicated(same)
        if again.any():
            notes.append(
                f"{int(again.sum()):,} rows left out: the same person has the same word of the same trial twice"
            )
            table = table[~again].reset_index(drop=True)
    if words and "trial" in table:
        table = table.sort_values(["person", "trial", "word_position"], kind="stable", key=_ordered)
        table = table.reset_index(drop=True)
        reading = table.groupby(["person", "trial"], sort=False)
        whole = reading["text"].transform(lambda one: " ".join(one))
    elif words:
        whole = pd.Series("", index=table.index)
    else:
        whole = table["text"]
    if "item" not in table:
        table["item"] = (
            pd.factorize(whole)[0] + 1 if not words or "trial" in table else table["text"]
        )
        notes.append("no column names the item: equal texts are one item")
    if not words and (table["text"].astype(str).str.split().str.len() <= 1).mean() > 0.9:
        notes.append(
            "WARNING: every row is one word and none is known to follow another: each is read alone, without the words before "
            "it. Where they stand in texts, say which column numbers the texts (--column item=COLUMN or --column trial=COLUMN)"
        )
    table["item"] = table["item"].astype(str).str.replace(r"\.0$", "", regex=True)
    if not words or "trial" in table:
        pair = pd.DataFrame({"i": table["item"], "w": whole})
        version = pair.drop_duplicates().assign(v=lambda t: t.groupby("i").cumcount() + 1)
        count = version.groupby("i").size()
        number = pair.merge(version, on=["i", "w"], how="left")["v"].to_numpy()
        several = table["item"].map(count).to_numpy() > 1
        table["text_id"] = np.where(
            several, table["item"] + "-" + pd.Series(number).astype(str), table["item"]
        )
    else:
        table["text_id"] = table["item"]
    if words:
        place = pd.to_numeric(table["word_position"]).astype(int)
        table["word_position"] = place
        table["stimulus_id"] = table["text_id"].astype(str) + "." + place.astype(str)
    else:
        table["stimulus_id"] = table["text_id"].astype(str)
    again = table.duplicated(["person", "stimulus_id"])
    if again.any():
        notes.append(
            f"{int(again.sum()):,} rows left out: the same person met the same stimulus before"
        )
        table = table[~again].reset_index(drop=True)
    other = table.groupby("stimulus_id")["text"].nunique()
    if (other > 1).any():
        first = other.index[other > 1][0]
        raise BrainLensError(
            f"{int((other > 1).sum())} places hold different words for different people, first {first!r}: "
            f"{sorted(table.loc[table['stimulus_id'] == first, 'text'].unique())[:3]}",
            choices=(told := versions(table)),
            remedy=f"{told[0]} tells versions or lists of an item apart: join it to the item (--column item=ITEM+{told[0]})"
            if told
            else "Name the column that numbers the trials (--column trial=COLUMN) or the items (--column item=COLUMN)",
        )
    said = {"text": "text", "responses": ["rt"], "subject": "person", "group": ["item"], "kind": "reading_times", "unit": "ms",
            "averaged": False, "order": None, "context": None}  # fmt: skip
    if words:
        said |= {"context": ["text_id"], "order": ["word_position"]}
    first = ["person", "item", "text_id", "stimulus_id", "text", "rt"]
    return table[[*first, *(c for c in table.columns if c not in first)]], said, notes


def _ordered(column: pd.Series) -> pd.Series:
    """People in the order of the file, numbers by size."""
    if column.name == "person" or column.dtype.kind == "O":
        return pd.Series(pd.factorize(column)[0], index=column.index)
    return column


def _without_empty(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Without texts of which no trial counts for anybody, and without people of whom none does."""
    notes = []
    for name, what, one in (("text_id", "texts", "text"), ("person", "people", "person")):
        counts = table["rt"].notna().groupby(table[name]).transform("any")
        if (gone := table[name][~counts].nunique()) and counts.any():
            notes.append(
                f"{gone:,} {what if gone > 1 else one} of which no trial counts left out ({int((~counts).sum()):,} rows)"
            )
            table = table[counts].reset_index(drop=True)
    if table["rt"].isna().all():
        raise BrainLensError("No trial has a time", remedy="Look at the columns and the rules")
    return table, notes
